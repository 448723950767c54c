//! Time to live: written, and honoured late, by the clock of the run or by the real one.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use service::{
    clock::{Clock, SystemClock},
    models::{KeyId, StoredPrice, Symbol, Timestamp},
    store::{Consistency, Counted, Store},
};
use sim::store::expiry::{LATE, SWEEP_EVERY};
use tokio::time::{Instant, sleep_until};

use super::{
    super::raw::{self, Raw, item},
    NOW,
    keys::key,
    price,
};

/// Expired items stay readable, can still be counted on, and are gone some time later: by the `ttl` that they were
/// made with, or the one that a later write gave them.
pub(crate) async fn is_late(store: &Arc<dyn Store>) {
    let start = Instant::now();
    let until = async |span: Duration| sleep_until(start + span).await;
    let (id, second) = (KeyId::new("ab12"), Duration::from_secs(1));
    let life = Duration::from_secs(600);
    let ttl = NOW.after(life).0 / 1000;
    let with_ttl = |symbol: &str, ttl: i64| StoredPrice {
        ttl,
        ..price(symbol, "1")
    };
    let read = async || {
        let symbols = ["BTC", "ETH", "XRP"].map(Symbol::new);
        let strong = store
            .prices(&symbols, Consistency::Strong)
            .await
            .expect("an answer");
        let eventual = store
            .prices(&symbols, Consistency::Eventual)
            .await
            .expect("an answer");
        assert_eq!(strong.value, eventual.value);
        let symbols = strong
            .value
            .prices
            .into_iter()
            .map(|price| price.symbol.to_string());
        let count = store.request_count(&id, 5).await.expect("an answer").value;
        (symbols.collect::<Vec<_>>(), count)
    };
    let count = async |ttl| {
        store
            .count_request(&id, 5, 99, ttl)
            .await
            .expect("an answer")
            .value
    };

    store
        .put_api_key(&key("ab12", "an app"))
        .await
        .expect("an answer");
    // The third expires on the hour, when a sweep is: that one is too soon by a second, the next has it.
    let on_the_hour = NOW.after(SWEEP_EVERY).0 / 1000;
    let prices = [
        with_ttl("BTC", ttl),
        with_ttl("ETH", ttl),
        with_ttl("XRP", on_the_hour),
    ];
    store.write_prices(&prices).await.expect("an answer");
    count(ttl).await;
    // The first `ttl` stays.
    count(ttl + 86_400).await;
    let all = || ["BTC", "ETH", "XRP"].map(str::to_owned).to_vec();
    assert_eq!(read().await, (all(), 2));

    until(life + second).await;
    assert_eq!(read().await, (all(), 2), "expired, and still there");
    assert_eq!(count(ttl).await, Counted::Admitted { count: 3 });
    // A write gives it another life.
    store
        .write_prices(&[with_ttl("ETH", ttl + 86_400)])
        .await
        .expect("an answer");

    until(life + LATE - second).await;
    assert_eq!(read().await, (all(), 3), "no sooner than an hour late");

    until(life + LATE + SWEEP_EVERY + second).await;
    assert_eq!(read().await, (all()[1..].to_vec(), 0));
    assert_eq!(count(ttl + 86_400).await, Counted::Admitted { count: 1 });

    until(life + Duration::from_secs(86_400) + LATE + SWEEP_EVERY + second).await;
    assert_eq!(read().await, (Vec::new(), 0));
    let key = store.api_key(&id).await.expect("an answer").value;
    assert!(key.is_some(), "what has no ttl stays");
}

/// Nothing goes before its `ttl`, nor without one; what is expired is there until the store deletes it, and can be
/// written and counted on like anything else. Instants are around the real now, for stores whose clock is that.
pub(crate) async fn is_never_early(store: &Arc<dyn Store>) {
    let now = SystemClock.now();
    let (minute, id) = (Duration::from_secs(60), KeyId::new("ab12"));
    let seconds = |at: Timestamp| at.0.div_euclid(1000);
    let of = |symbol: &str, at: Timestamp| StoredPrice {
        ttl: seconds(at),
        ..price(symbol, "1")
    };
    let year = Duration::from_secs(365 * 86_400);
    let expired = of("OLD", now.before(minute));
    let living = [of("BTC", now.after(minute * 60)), of("ETH", now.after(year))];
    let all = [living[0].clone(), living[1].clone(), expired.clone()];
    store
        .put_api_key(&key("ab12", "an app"))
        .await
        .expect("an answer");
    store.write_prices(&all).await.expect("an answer");
    let count = store.count_request(&id, 5, 9, seconds(now.before(minute))).await;
    assert_eq!(count.expect("an answer").value, Counted::Admitted { count: 1 });

    let symbols = ["BTC", "ETH", "OLD"].map(Symbol::new);
    let read = store
        .prices(&symbols, Consistency::Strong)
        .await
        .expect("an answer")
        .value;
    for price in &living {
        assert!(
            read.prices.contains(price),
            "{price:?} is gone too soon: {read:?}"
        );
    }
    assert!(read.prices.iter().all(|price| all.contains(price)), "{read:?}");
    assert!(store.api_key(&id).await.expect("an answer").value.is_some());
    // Whether the store has deleted it meanwhile or not, there is room for one.
    let count = store.count_request(&id, 5, 9, seconds(now.after(minute))).await;
    assert!(matches!(
        count.expect("an answer").value,
        Counted::Admitted { .. }
    ));
}

/// A store that deletes by the real clock: what is expired goes within minutes, but not what says that it expired over
/// five years ago (which is taken for a mistake), nor what is yet to expire, nor what has no such time at all.
///
/// Each item has the index's keys: see the differences for those that have none.
pub(crate) async fn is_by_the_real_clock(raw: &Raw) {
    let now_s = SystemClock.now().0.div_euclid(1000);
    let day = 86_400;
    let put = async |pk: &str, ttl: serde_json::Value| {
        let attributes = json!({ "GSI1PK": { "S": "all" }, "GSI1SK": { "S": pk }, "ttl": ttl });
        raw.call("PutItem", &raw.here(json!({ "Item": item(pk, attributes) })))
            .await;
    };
    let number = |seconds: i64| json!({ "N": seconds.to_string() });
    for (pk, ttl) in [
        ("AGO#6y", number(now_s - 6 * 365 * day)),
        ("IN#1h", number(now_s + 3_600)),
        ("TEXT", json!({ "S": (now_s - 60).to_string() })),
        ("AGO#1y", number(now_s - 365 * day)),
        ("AGO#60s", number(now_s - 60)),
    ] {
        put(pk, ttl).await;
    }
    for pk in ["AGO#1y", "AGO#60s"] {
        is_gone_in_time(raw, pk).await;
    }
    for pk in ["AGO#6y", "IN#1h", "TEXT"] {
        assert!(raw.item(&raw::key(pk)).await.is_some(), "{pk} is gone");
    }
}

/// DynamoDB Local looks through a few tables every ten seconds, and through many in turn.
const GONE_WITHIN: Duration = Duration::from_secs(180);

/// Waits for a store to delete an item.
pub(crate) async fn is_gone_in_time(raw: &Raw, pk: &str) {
    let began = Instant::now();
    while raw.item(&raw::key(pk)).await.is_some() {
        assert!(began.elapsed() < GONE_WITHIN, "{pk} is still there");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
