//! What is known to differ between the stores, why the service does not mind, and that it still is so.
//!
//! A row fails its test when a store behaves otherwise than it says: then the difference has gone (a row less) or has
//! become another one (look whether the service minds). What no row names is the same on all stores: see `contract`.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use service::{
    clock::{Clock, SystemClock},
    models::{StoredPrice, Symbol},
    store::{Consistency, Store},
};
use sim::store::{
    expiry::{LATE, SWEEP_EVERY},
    table,
};

use super::{
    Fronted, Told,
    checks::{self, NOW, cost, expiry, keys, price},
    contract::{in_process, in_service, memory},
    local::LocalTable,
    raw::{Raw, code, item, key},
};

/// A store with a table of its own, in the ways in which it can be asked.
struct Asked {
    service: Arc<dyn Store>,
    /// The memory store reads no JSON.
    json: Option<Raw>,
}

/// What a row asks, and how the answer is told in few words.
type Ask = fn(&Asked) -> BoxFuture<'_, String>;

/// One difference.
struct Difference {
    what: &'static str,
    ask: Ask,
    /// What each store answers; `None` where it cannot be asked.
    memory: Option<&'static str>,
    in_process: Option<&'static str>,
    over_http: Option<&'static str>,
    dynamodb_local: Option<&'static str>,
    /// Why the service does not mind.
    harmless: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        what: "what a price that is not there costs in a batch read",
        ask: |asked| absent_price(asked).boxed(),
        memory: Some("0.5"),
        in_process: Some("0.5"),
        over_http: Some("0.5"),
        // DynamoDB bills absent items as small ones.
        dynamodb_local: Some("0"),
        harmless: "it is only counted: on DynamoDB Local the bill of a set with gaps is too low",
    },
    Difference {
        what: "what a listing of an empty table costs",
        ask: |asked| empty_listing(asked).boxed(),
        memory: Some("0.5"),
        in_process: Some("0.5"),
        over_http: Some("0.5"),
        dynamodb_local: Some("0"),
        harmless: "only the keys tool lists",
    },
    Difference {
        what: "the size of a number with zeros behind an odd number of digits, seen by an item of about 1 KB",
        ask: |asked| number_size(asked).boxed(),
        memory: Some("1"),
        in_process: Some("1"),
        over_http: Some("1"),
        // It keeps pairs of digits, so the last of them is half empty.
        dynamodb_local: Some("2"),
        harmless: "one byte, by which no item of the service comes near a step; DynamoDB itself calls its rule approximate",
    },
    Difference {
        what: "the order of what a batch read finds",
        ask: |asked| batch_order(asked).boxed(),
        memory: Some("as asked"),
        in_process: Some("as asked"),
        over_http: Some("as asked"),
        dynamodb_local: Some("its own"),
        harmless: "DynamoDB promises none, and the service puts prices in the order asked by their symbols",
    },
    Difference {
        what: "the order of a listing",
        ask: |asked| listing_order(asked).boxed(),
        memory: Some("by key"),
        in_process: Some("by key"),
        over_http: Some("by key"),
        dynamodb_local: Some("its own"),
        harmless: "DynamoDB lists by a hash of the key, and the keys tool sorts",
    },
    Difference {
        what: "pages of a listing of five items of 300 KB",
        ask: |asked| pages(asked).boxed(),
        memory: Some("3 + 2"),
        in_process: Some("3 + 2"),
        over_http: Some("3 + 2"),
        // The item that exceeds the megabyte is still on the page.
        dynamodb_local: Some("4 + 1"),
        harmless: "a page ends where it says, and the next starts there",
    },
    Difference {
        what: "ScannedCount against Count of a page without a filter that ends by its size",
        ask: |asked| scanned(asked).boxed(),
        memory: None,
        in_process: Some("one more"),
        over_http: Some("one more"),
        dynamodb_local: Some("the same"),
        harmless: "nobody reads it",
    },
    Difference {
        what: "an expired item that has no keys of the index, once the store has looked for what is expired",
        ask: |asked| unindexed_expiry(asked).boxed(),
        memory: Some("is deleted"),
        in_process: Some("is deleted"),
        // Its server never looks.
        over_http: None,
        // Its search fails at the first item that lacks a key of any index, and all of the service's items do.
        dynamodb_local: Some("stays"),
        harmless: "an item past its ttl is gone for the service, whether deleted or not",
    },
    Difference {
        what: "the status told by CreateTable",
        ask: |asked| status_when_made(asked).boxed(),
        memory: None,
        in_process: None,
        over_http: Some("CREATING"),
        dynamodb_local: Some("ACTIVE"),
        harmless: "the service makes no table; who does waits for ACTIVE",
    },
    Difference {
        what: "time to live switched on once more",
        ask: |asked| time_to_live_twice(asked).boxed(),
        memory: None,
        in_process: None,
        over_http: Some("200"),
        dynamodb_local: Some("400 ValidationException"),
        harmless: "it is switched on once, when the table is made",
    },
    Difference {
        what: "an operation that the service does not send",
        ask: |asked| json_answer(asked, "ListTables", "{}").boxed(),
        memory: None,
        in_process: Some("400 UnknownOperationException"),
        over_http: Some("200"),
        dynamodb_local: Some("200"),
        harmless: "the service does not send it",
    },
    Difference {
        what: "a body that is no JSON",
        ask: |asked| json_answer(asked, "GetItem", "{").boxed(),
        memory: None,
        in_process: Some("400 SerializationException"),
        over_http: Some("400 SerializationException"),
        // DynamoDB says what the others say. The SDK would try a 500 again.
        dynamodb_local: Some("500 InternalFailure"),
        harmless: "the SDK writes JSON",
    },
    Difference {
        what: "a number that is written as a number of JSON",
        ask: |asked| bare_number(asked).boxed(),
        memory: None,
        in_process: Some("400 SerializationException"),
        over_http: Some("400 SerializationException"),
        dynamodb_local: Some("200"),
        harmless: "the SDK writes numbers as texts",
    },
    Difference {
        what: "a kind of ReturnConsumedCapacity that there is not",
        ask: |asked| odd_capacity(asked).boxed(),
        memory: None,
        in_process: Some("400 ValidationException"),
        over_http: Some("400 ValidationException"),
        dynamodb_local: Some("200"),
        harmless: "the service asks for TOTAL",
    },
    Difference {
        what: "a request without a signature",
        ask: |asked| unsigned(asked).boxed(),
        memory: None,
        in_process: None,
        over_http: Some("400 MissingAuthenticationTokenException"),
        // DynamoDB's code has `Exception` at its end.
        dynamodb_local: Some("400 MissingAuthenticationToken"),
        harmless: "the SDK signs, and none of them checks a signature",
    },
    Difference {
        what: "the name before the code of an unknown operation",
        ask: |asked| prefix_of_unknown(asked).boxed(),
        memory: None,
        in_process: Some("com.amazonaws.dynamodb.v20120810"),
        over_http: Some("com.amazon.coral.service"),
        dynamodb_local: Some("com.amazonaws.dynamodb.v20120810"),
        harmless: "the SDK reads what stands behind the #",
    },
    Difference {
        what: "the member that has an error's text",
        ask: |asked| text_member(asked).boxed(),
        memory: None,
        in_process: Some("message"),
        over_http: Some("message"),
        dynamodb_local: Some("Message"),
        harmless: "the SDK reads both, and only logs show it",
    },
];

async fn absent_price(asked: &Asked) -> String {
    let symbols = ["BTC", "XRP"].map(Symbol::new);
    let stored = asked.service.write_prices(&[price("BTC", "1")]).await;
    stored.expect("an answer");
    let read = asked.service.prices(&symbols, Consistency::Eventual).await;
    (read.expect("an answer").consumed.read - 0.5).to_string()
}

async fn empty_listing(asked: &Asked) -> String {
    let listed = asked.service.list_api_keys(None).await;
    listed.expect("an answer").consumed.read.to_string()
}

async fn number_size(asked: &Asked) -> String {
    assert_eq!(
        NOW.0,
        17_724_096 * 100_000,
        "zeros behind 8 digits, one of them in a pair with the 6"
    );
    let key = keys::key("aaaa", &"x".repeat(1_024 - cost::bare(5)));
    let put = asked.service.put_api_key(&key).await;
    put.expect("an answer").consumed.write.to_string()
}

async fn batch_order(asked: &Asked) -> String {
    let written: Vec<StoredPrice> = (0..25).map(|n| price(&format!("S{n:02}"), "1")).collect();
    asked.service.write_prices(&written).await.expect("an answer");
    let symbols: Vec<_> = written.iter().map(|price| price.symbol.clone()).rev().collect();
    let read = asked.service.prices(&symbols, Consistency::Strong).await;
    let prices = read.expect("an answer").value.prices;
    let as_asked = prices.iter().map(|price| &price.symbol).eq(&symbols);
    (if as_asked { "as asked" } else { "its own" }).to_owned()
}

async fn listing_order(asked: &Asked) -> String {
    for n in 0..25 {
        let put = asked
            .service
            .put_api_key(&keys::key(&format!("{n:02}"), "an app"))
            .await;
        put.expect("an answer");
    }
    let page = asked.service.list_api_keys(None).await.expect("an answer").value;
    let by_key = page.keys.is_sorted_by_key(|key| key.id.to_owned());
    (if by_key { "by key" } else { "its own" }).to_owned()
}

async fn pages(asked: &Asked) -> String {
    for n in 0..5 {
        let key = keys::key(&format!("{n}"), &"x".repeat(300 * 1024));
        asked.service.put_api_key(&key).await.expect("an answer");
    }
    let (mut sizes, mut start) = (Vec::new(), None);
    loop {
        let page = asked
            .service
            .list_api_keys(start.as_ref())
            .await
            .expect("an answer")
            .value;
        sizes.push(page.keys.len().to_string());
        start = page.next;
        if start.is_none() {
            return sizes.join(" + ");
        }
    }
}

async fn scanned(asked: &Asked) -> String {
    let raw = json(asked);
    for n in 0..5 {
        let large = item(&n.to_string(), json!({ "blob": { "S": "x".repeat(300 * 1024) } }));
        raw.call("PutItem", &raw.here(json!({ "Item": large }))).await;
    }
    let page = raw.call("Scan", &raw.here(json!({}))).await;
    assert!(page["LastEvaluatedKey"].is_object());
    let count = |member: &str| page[member].as_u64().expect("a number");
    match count("ScannedCount") - count("Count") {
        0 => "the same".to_owned(),
        1 => "one more".to_owned(),
        more => format!("{more} more"),
    }
}

async fn unindexed_expiry(asked: &Asked) -> String {
    let gone = match &asked.json {
        Some(raw) if raw.is_over_http() => is_gone_by_the_real_clock(raw).await,
        _ => is_gone_by_the_clock_of_the_run(&asked.service).await,
    };
    (if gone { "is deleted" } else { "stays" }).to_owned()
}

async fn is_gone_by_the_clock_of_the_run(store: &Arc<dyn Store>) -> bool {
    let expired = StoredPrice {
        ttl: NOW.0 / 1000 - 60,
        ..price("BTC", "1")
    };
    store.write_prices(&[expired]).await.expect("an answer");
    tokio::time::sleep(LATE + 2 * SWEEP_EVERY).await;
    let read = store.prices(&[Symbol::new("BTC")], Consistency::Strong).await;
    read.expect("an answer").value.prices.is_empty()
}

async fn is_gone_by_the_real_clock(raw: &Raw) -> bool {
    let past = json!({ "N": (SystemClock.now().0 / 1000 - 60).to_string() });
    raw.call("UpdateTimeToLive", &table::time_to_live(raw.table()))
        .await;
    raw.call(
        "PutItem",
        &raw.here(json!({ "Item": item("BARE", json!({ "ttl": past })) })),
    )
    .await;
    // Each time that the other table has been looked through, this one has, too.
    let other = second_table(raw).await;
    other
        .call("UpdateTimeToLive", &table::time_to_live(other.table()))
        .await;
    for n in 0..2 {
        let pk = format!("INDEXED#{n}");
        let indexed = item(
            &pk,
            json!({ "ttl": past, "GSI1PK": { "S": "a" }, "GSI1SK": { "S": "b" } }),
        );
        other
            .call("PutItem", &other.here(json!({ "Item": indexed })))
            .await;
        expiry::is_gone_in_time(&other, &pk).await;
    }
    raw.item(&key("BARE")).await.is_none()
}

async fn second_table(raw: &Raw) -> Raw {
    let name = format!("{}-second", raw.table());
    raw.call("CreateTable", &table::definition(&name)).await;
    raw.elsewhere(&name)
}

async fn status_when_made(asked: &Asked) -> String {
    let raw = json(asked);
    let name = format!("{}-second", raw.table());
    let made = raw.call("CreateTable", &table::definition(&name)).await;
    let status = made["TableDescription"]["TableStatus"].as_str();
    status.unwrap_or_default().to_owned()
}

async fn time_to_live_twice(asked: &Asked) -> String {
    let second = second_table(json(asked)).await;
    let on = table::time_to_live(second.table());
    second.call("UpdateTimeToLive", &on).await;
    told(second.send("UpdateTimeToLive", on.to_string()).await)
}

async fn json_answer(asked: &Asked, operation: &str, body: &'static str) -> String {
    told(json(asked).send(operation, body).await)
}

async fn bare_number(asked: &Asked) -> String {
    let raw = json(asked);
    let put = raw.here(json!({ "Item": item("NUMBER", json!({ "price": { "N": 5 } })) }));
    told(raw.send("PutItem", put.to_string()).await)
}

async fn odd_capacity(asked: &Asked) -> String {
    let raw = json(asked);
    let get = raw.here(json!({ "Key": key("a"), "ReturnConsumedCapacity": "SOME" }));
    told(raw.send("GetItem", get.to_string()).await)
}

async fn unsigned(asked: &Asked) -> String {
    let raw = json(asked);
    let mut request = raw.request("GetItem", raw.here(json!({ "Key": key("a") })).to_string());
    request.headers_mut().remove("authorization");
    let (status, body) = raw.exchange(request).await;
    told((status, serde_json::from_slice(&body).expect("JSON")))
}

async fn prefix_of_unknown(asked: &Asked) -> String {
    let (_, answer) = json(asked).send("Nonsense", "{}").await;
    let whole = answer["__type"].as_str().unwrap_or_default();
    whole.split('#').next().unwrap_or_default().to_owned()
}

async fn text_member(asked: &Asked) -> String {
    let raw = json(asked);
    let missing = json!({ "TableName": "missing", "Key": key("a") });
    let answer = raw
        .refused("GetItem", &missing, "ResourceNotFoundException")
        .await;
    let members = answer.as_object().expect("an object").keys();
    let texts: Vec<_> = members.filter(|member| *member != "__type").cloned().collect();
    texts.join(" and ")
}

fn json(asked: &Asked) -> &Raw {
    asked
        .json
        .as_ref()
        .expect("a row that asks in JSON is not asked of the memory store")
}

/// Status and code.
fn told((status, answer): (u16, Value)) -> String {
    match code(&answer) {
        "" => status.to_string(),
        code => format!("{status} {code}"),
    }
}

/// Asks a fresh store each row that it can be asked, and compares.
async fn hold<K>(
    store: &str,
    says: fn(&Difference) -> Option<&'static str>,
    fresh: impl AsyncFn() -> (K, Asked),
) {
    let mut gone = Vec::new();
    for row in DIFFERENCES {
        if let Some(says) = says(row) {
            let (_running, asked) = fresh().await;
            let answer = (row.ask)(&asked).await;
            if answer != says {
                gone.push(format!("{}: {store} says `{answer}`, the row `{says}`", row.what));
            }
        }
    }
    assert!(
        gone.is_empty(),
        "differences that are none any more, or others:\n{}",
        gone.join("\n")
    );
}

#[tokio::test(start_paused = true)]
async fn memory_differs_as_it_says() {
    let fresh = async || {
        let service = memory(&Told::default(), 1);
        ((), Asked { service, json: None })
    };
    hold("memory", |row| row.memory, fresh).await;
}

#[tokio::test(start_paused = true)]
async fn in_process_differs_as_it_says() {
    let fresh = async || {
        let store = in_process(&Told::default(), 1);
        let asked = Asked {
            service: in_service(&store),
            json: Some(Raw::in_process(&store)),
        };
        (store, asked)
    };
    hold("in process", |row| row.in_process, fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_differs_as_it_says() {
    let fresh = async || {
        let fronted = Fronted::start(Default::default()).await;
        let asked = Asked {
            service: checks::service_store(fronted.front.url()),
            json: Some(Raw::new(fronted.front.url())),
        };
        (fronted, asked)
    };
    hold("over HTTP", |row| row.over_http, fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs DynamoDB Local: see CONTRIBUTING.md"]
async fn dynamodb_local_differs_as_it_says() {
    let fresh = async || {
        let made = LocalTable::create().await;
        let asked = Asked {
            service: checks::service_store_of(made.front.url(), &made.table),
            json: Some(Raw::of(made.front.url(), &made.table)),
        };
        (made, asked)
    };
    hold("DynamoDB Local", |row| row.dynamodb_local, fresh).await;
}

#[test]
fn each_row_is_a_difference_of_its_own_and_says_why_nobody_minds() {
    let mut seen = BTreeSet::new();
    for row in DIFFERENCES {
        assert!(seen.insert(row.what), "{} is there twice", row.what);
        assert!(!row.harmless.is_empty(), "{}", row.what);
        let all = [row.memory, row.in_process, row.over_http, row.dynamodb_local];
        let answers: BTreeSet<_> = all.into_iter().flatten().collect();
        assert!(answers.len() > 1, "{}: all stores say {answers:?}", row.what);
    }
}
