//! What must hold of a store, whichever it is: each check takes the endpoint of one with the service's table,
//! empty but for other checks' items.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use service::{
    clock::SystemClock,
    config::Config,
    models::{Holder, KeyId, Number, RetryTokens, StoredPrice, Symbol, Timestamp},
    store::{
        Acquire, AcquireLease, Binary, Consistency, Counted, ReleaseLease, ReleaseOutcome, Store,
        dynamo::DynamoStore,
    },
};

use super::raw::Raw;

/// The table of the checks.
pub(crate) const TABLE: &str = "crypto-watch";
/// 2026-03-02T00:00:00Z.
const NOW: Timestamp = Timestamp(1_772_409_600_000);

/// The service's own store at an endpoint, patient enough for a busy machine.
pub(crate) fn service_store(endpoint: &str) -> Arc<dyn Store> {
    let config = Config::from_lookup(|name| {
        let value = match name {
            "DYNAMODB_TABLE_NAME" => TABLE,
            "AWS_ENDPOINT_URL_DYNAMODB" => endpoint,
            "STORE_TIMEOUT_MS" | "WRITE_TIMEOUT_MS" => "10000",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .expect("a valid configuration");
    Arc::new(DynamoStore::new(&config, Arc::new(SystemClock)))
}

/// Counters admitted by [`counter`], and tries.
pub(crate) const ROOM: u32 = 100;
pub(crate) const TRIES: u32 = 64 * 5;
pub(crate) const WINDOW: i64 = 29_540_160;

/// 64 clients on one counter: exactly as many are admitted as there is room for, each with a count of its own.
pub(crate) async fn counter(endpoint: &str, key: &KeyId) {
    let store = service_store(endpoint);
    let client = || async {
        let mut counted = Vec::new();
        for _ in 0..TRIES / 64 {
            counted.push(
                store
                    .count_request(key, WINDOW, ROOM, 1_772_413_200)
                    .await
                    .expect("an answer")
                    .value,
            );
        }
        counted
    };
    let all: Vec<Counted> = join_all((0..64).map(|_| client()))
        .await
        .into_iter()
        .flatten()
        .collect();
    let admitted: BTreeSet<u32> = all
        .iter()
        .filter_map(|counted| match counted {
            Counted::Admitted { count } => Some(*count),
            Counted::Refused { .. } => None,
        })
        .collect();
    assert_eq!(admitted, (1..=ROOM).collect());
    let refused = all
        .iter()
        .filter(|counted| **counted == Counted::Refused { count: ROOM })
        .count();
    assert_eq!(refused, (TRIES - ROOM) as usize);
    assert_eq!(
        store.request_count(key, WINDOW).await.expect("an answer").value,
        ROOM
    );
    assert_eq!(
        store
            .request_count(key, WINDOW + 1)
            .await
            .expect("an answer")
            .value,
        0
    );
}

pub(crate) fn holder(name: &str) -> Holder {
    Holder(name.into())
}

pub(crate) fn acquire(name: &str, now: Timestamp) -> AcquireLease {
    AcquireLease {
        holder: holder(name),
        binary: if name.starts_with("api-") {
            Binary::Api
        } else {
            Binary::Update
        },
        now,
        until: now.after(Duration::from_secs(5)),
        due_before: now.before(Duration::from_secs(300)),
    }
}

async fn takes(store: &dyn Store, name: &str, now: Timestamp) -> bool {
    match store
        .acquire_lease(&acquire(name, now))
        .await
        .expect("an answer")
        .value
    {
        Acquire::Acquired(item) => {
            assert_eq!(item.holder, Some(holder(name)), "the item is as it is now");
            true
        }
        Acquire::Refused(item) => {
            assert!(
                item.holder.is_some_and(|other| other != holder(name)),
                "the refusal shows the holder"
            );
            false
        }
    }
}

async fn gives_back(store: &dyn Store, name: &str, outcome: ReleaseOutcome) -> bool {
    let release = ReleaseLease {
        holder: holder(name),
        outcome,
    };
    store.release_lease(&release).await.expect("an answer").value
}

/// One holder at a time; a stranger cannot release; a backoff is kept; a lease that ran out is free. Thirteen
/// writes.
pub(crate) async fn lease(endpoint: &str) {
    let store = service_store(endpoint);
    let store = store.as_ref();
    assert!(takes(store, "api-1111111111111111", NOW).await);
    assert!(!takes(store, "api-2222222222222222", NOW).await);
    assert!(!takes(store, "update-3333333333333333", NOW).await);
    assert!(!gives_back(store, "api-2222222222222222", ReleaseOutcome::Unused).await);

    let retry_not_before = NOW.after(Duration::from_secs(15));
    let failed = ReleaseOutcome::Failed {
        failures: 1,
        tokens: RetryTokens(40),
        retry_not_before,
    };
    assert!(gives_back(store, "api-1111111111111111", failed).await);
    let just_before = retry_not_before.before(Duration::from_millis(1));
    assert!(!takes(store, "update-3333333333333333", just_before).await);
    assert!(takes(store, "update-3333333333333333", retry_not_before).await);

    // It never comes back: its lease runs out.
    let ran_out = retry_not_before.after(Duration::from_secs(5));
    assert!(
        !takes(
            store,
            "api-4444444444444444",
            ran_out.before(Duration::from_millis(1))
        )
        .await
    );
    assert!(takes(store, "api-4444444444444444", ran_out).await);
    assert!(!gives_back(store, "update-3333333333333333", ReleaseOutcome::Unused).await);
    let refreshed = ReleaseOutcome::Refreshed {
        at: ran_out,
        tokens: RetryTokens(41),
    };
    assert!(gives_back(store, "api-4444444444444444", refreshed).await);

    let item = store.lease().await.expect("an answer").value;
    assert_eq!(
        (item.lease_until, item.retry_not_before, item.failures),
        (None, None, 0)
    );
    assert_eq!(item.refreshed_at, Some(ran_out));
    // Not due yet, then due.
    let due = ran_out.after(Duration::from_secs(300));
    assert!(
        !takes(
            store,
            "api-5555555555555555",
            due.before(Duration::from_millis(1))
        )
        .await
    );
    assert!(takes(store, "api-5555555555555555", due).await);
}

/// 64 processes want the lease at the same instant: one gets it. `now` must lie after what is in the table.
pub(crate) async fn lease_rush(endpoint: &str, now: Timestamp) {
    let store = service_store(endpoint);
    let names: Vec<_> = (0..64).map(|n| format!("api-{n:016x}")).collect();
    let taken = join_all(names.iter().map(|name| takes(store.as_ref(), name, now))).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
}

/// A price as the service stores it.
pub(crate) fn price(symbol: &str, price: &str) -> StoredPrice {
    StoredPrice {
        symbol: Symbol::new(symbol),
        name: "A coin".into(),
        price: Number::parse(price).expect("a number"),
        change24h: Number::parse("-1.4093297098441402"),
        market_cap: None,
        last_updated: NOW.before(Duration::from_secs(40)),
        fetched_at: NOW,
        ttl: NOW.0 / 1000 + 3600,
        held: None,
    }
}

/// Prices come back exactly as they were written.
pub(crate) async fn prices(endpoint: &str) -> Vec<StoredPrice> {
    let store = service_store(endpoint);
    let digits = "1234567890.123456789012345678";
    let mut written: Vec<_> = (0..24)
        .map(|n| price(&format!("C{n:02}"), &format!("{n}.5")))
        .collect();
    written.push(price("LONG", digits));
    let unprocessed = store.write_prices(&written).await.expect("an answer").value;
    assert!(unprocessed.is_empty());
    let mut symbols: Vec<_> = written.iter().map(|price| price.symbol.clone()).collect();
    symbols.push(Symbol::new("NONE"));
    for consistency in [Consistency::Eventual, Consistency::Strong] {
        let mut read = store
            .prices(&symbols, consistency)
            .await
            .expect("an answer")
            .value;
        read.prices.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        assert_eq!(read.prices, written);
        assert!(read.unprocessed.is_empty());
    }
    written
}

/// Items expire by `ttl`.
pub(crate) async fn time_to_live(endpoint: &str) {
    let answer = Raw::new(endpoint)
        .call("DescribeTimeToLive", &json!({ "TableName": TABLE }))
        .await;
    assert_eq!(
        answer["TimeToLiveDescription"],
        json!({ "AttributeName": "ttl", "TimeToLiveStatus": "ENABLED" })
    );
}

fn key(pk: &str) -> Value {
    json!({ "PK": { "S": pk }, "SK": { "S": "METADATA" } })
}

/// An item of a size in bytes, as DynamoDB counts it: names and texts.
fn item(pk: &str, size: usize) -> Value {
    let mut item = key(pk);
    let rest = size - "PKSKMETADATAblob".len() - pk.len();
    item["blob"] = json!({ "S": "x".repeat(rest) });
    item
}

/// Consumed capacity follows the documented formulas: writes by started KB, reads by started 4 KB, halved when
/// eventually consistent, absent items as small ones. Returns the read and write units that all of it cost.
pub(crate) async fn capacity(endpoint: &str) -> (f64, f64) {
    let (kb_2_5, kb_5) = (item("SIZE#2.5", 2560), item("SIZE#5", 5120));
    let small: Vec<_> = (0..25).map(|n| key(&format!("SIZE#small{n}"))).collect();
    let puts: Vec<_> = small
        .iter()
        .map(|item| json!({ "PutRequest": { "Item": item } }))
        .collect();
    let keys = json!({ "Keys": small[..10] });
    let keys_strong = json!({ "Keys": small[..10], "ConsistentRead": true });
    let cases = [
        ("GetItem", json!({ "Key": key("SIZE#none") }), 0.5),
        (
            "GetItem",
            json!({ "Key": key("SIZE#none"), "ConsistentRead": true }),
            1.0,
        ),
        ("PutItem", json!({ "Item": kb_2_5 }), 3.0),
        ("PutItem", json!({ "Item": kb_5 }), 5.0),
        ("GetItem", json!({ "Key": key("SIZE#5") }), 1.0),
        (
            "GetItem",
            json!({ "Key": key("SIZE#5"), "ConsistentRead": true }),
            2.0,
        ),
        ("BatchWriteItem", json!({ "RequestItems": { TABLE: puts } }), 25.0),
        ("BatchGetItem", json!({ "RequestItems": { TABLE: keys } }), 5.0),
        (
            "BatchGetItem",
            json!({ "RequestItems": { TABLE: keys_strong } }),
            10.0,
        ),
        (
            "UpdateItem",
            json!({ "Key": key("SIZE#2.5"), "UpdateExpression": "SET x = PK" }),
            3.0,
        ),
        (
            "UpdateItem",
            json!({ "Key": key("SIZE#new"), "UpdateExpression": "SET x = PK" }),
            1.0,
        ),
    ];
    let raw = Raw::new(endpoint);
    let (mut read, mut written) = (0.0, 0.0);
    for (operation, mut body, units) in cases {
        body["ReturnConsumedCapacity"] = json!("TOTAL");
        if body.get("RequestItems").is_none() {
            body["TableName"] = json!(TABLE);
        }
        let answer = raw.call(operation, &body).await;
        let consumed = &answer["ConsumedCapacity"];
        let consumed = consumed.get(0).unwrap_or(consumed)["CapacityUnits"].as_f64();
        assert_eq!(consumed, Some(units), "{operation} {body}");
        if operation.contains("Get") {
            read += units
        } else {
            written += units
        }
    }
    // A refused write costs as much as the item in its way; only the bill says so.
    let refused = json!({
        "TableName": TABLE, "Item": kb_2_5, "ConditionExpression": "attribute_not_exists(PK)",
        "ReturnConsumedCapacity": "TOTAL", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let (status, answer) = raw.send("PutItem", refused.to_string()).await;
    assert_eq!(status, 400);
    assert!(
        answer["__type"]
            .as_str()
            .is_some_and(|code| code.ends_with("#ConditionalCheckFailedException"))
    );
    (read, written + 3.0)
}
