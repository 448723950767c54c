//! Time to live: written, and honoured late. For stores on virtual time, whose clock stands at `NOW` at first.

use std::{sync::Arc, time::Duration};

use service::{
    models::{KeyId, StoredPrice, Symbol},
    store::{Consistency, Counted, Store},
};
use sim::store::expiry::{LATE, SWEEP_EVERY};
use tokio::time::{Instant, sleep_until};

use super::{NOW, keys::key, price};

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
