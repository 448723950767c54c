//! What each operation consumes.

use std::{sync::Arc, time::Duration};

use service::{
    models::{ApiKeyItem, KeyId, StoredPrice, Symbol, Timestamp},
    store::{Consistency, ReleaseLease, ReleaseOutcome, Store, StoreFuture},
};

use super::{
    NOW,
    keys::key,
    lease::{acquire, holder},
    price,
};

/// Checks the read and write units of an operation.
#[derive(Debug)]
struct Bill<'a>(&'a str);

impl Bill<'_> {
    async fn is<T>(self, operation: StoreFuture<'_, T>, read: f64, write: f64) {
        let consumed = match operation.await {
            Ok(answer) => answer.consumed,
            Err(error) => panic!("{}: {error}", self.0),
        };
        assert_eq!((consumed.read, consumed.write), (read, write), "{}", self.0);
    }
}

/// Small items cost the least; absent ones and refused writes cost it, too. (Absent ones of a batch are among the
/// differences.)
pub(crate) async fn of_small_items_is_the_least(store: &Arc<dyn Store>) {
    use Consistency::{Eventual, Strong};
    let symbols = ["BTC", "ETH"].map(Symbol::new);
    let prices = [price("BTC", "1"), price("ETH", "2")];
    Bill("write two prices")
        .is(store.write_prices(&prices), 0.0, 2.0)
        .await;
    Bill("read two")
        .is(store.prices(&symbols, Eventual), 1.0, 0.0)
        .await;
    Bill("read them strongly")
        .is(store.prices(&symbols, Strong), 2.0, 0.0)
        .await;

    Bill("read an absent lease").is(store.lease(), 1.0, 0.0).await;
    let unused = ReleaseLease {
        holder: holder("api-1"),
        outcome: ReleaseOutcome::Unused,
    };
    Bill("release an absent lease")
        .is(store.release_lease(&unused), 0.0, 1.0)
        .await;
    let (first, second) = (acquire("api-1", NOW), acquire("api-2", NOW));
    Bill("acquire").is(store.acquire_lease(&first), 0.0, 1.0).await;
    Bill("acquire in vain")
        .is(store.acquire_lease(&second), 0.0, 1.0)
        .await;
    Bill("read the lease").is(store.lease(), 1.0, 0.0).await;
    Bill("release").is(store.release_lease(&unused), 0.0, 1.0).await;

    let key = key("ab12", "an app");
    let id = &key.id;
    Bill("read an absent key").is(store.api_key(id), 0.5, 0.0).await;
    Bill("touch an absent key")
        .is(store.touch_api_key(id, NOW, NOW), 0.0, 1.0)
        .await;
    Bill("disable an absent key")
        .is(store.disable_api_key(id), 0.0, 1.0)
        .await;
    Bill("put a key").is(store.put_api_key(&key), 0.0, 1.0).await;
    Bill("put it again").is(store.put_api_key(&key), 0.0, 1.0).await;
    Bill("read a key").is(store.api_key(id), 0.5, 0.0).await;
    Bill("touch")
        .is(store.touch_api_key(id, NOW, NOW), 0.0, 1.0)
        .await;
    Bill("touch too soon")
        .is(store.touch_api_key(id, NOW, Timestamp(0)), 0.0, 1.0)
        .await;
    Bill("disable").is(store.disable_api_key(id), 0.0, 1.0).await;

    Bill("read an absent count")
        .is(store.request_count(id, 5), 1.0, 0.0)
        .await;
    Bill("count")
        .is(store.count_request(id, 5, 1, 99), 0.0, 1.0)
        .await;
    Bill("count in vain")
        .is(store.count_request(id, 5, 1, 99), 0.0, 1.0)
        .await;
    Bill("read a count")
        .is(store.request_count(id, 5), 1.0, 0.0)
        .await;
    Bill("list").is(store.list_api_keys(None), 0.5, 0.0).await;
}

/// Large items cost by their size, in a batch each by itself, and a write by the larger of before and after.
pub(crate) async fn of_large_items_is_by_their_size(store: &Arc<dyn Store>) {
    use Consistency::{Eventual, Strong};
    let named = |symbol: &str, bytes: usize| StoredPrice {
        name: "x".repeat(bytes).into(),
        ..price(symbol, "1")
    };
    let symbols = ["BTC", "ETH"].map(Symbol::new);
    let (large, small) = ([named("BTC", 5_000), named("ETH", 10)], [named("BTC", 10)]);
    Bill("write 5 KB and a small one")
        .is(store.write_prices(&large), 0.0, 6.0)
        .await;
    Bill("read them")
        .is(store.prices(&symbols, Eventual), 1.5, 0.0)
        .await;
    Bill("read them strongly")
        .is(store.prices(&symbols, Strong), 3.0, 0.0)
        .await;
    Bill("replace the large one by a small one")
        .is(store.write_prices(&small), 0.0, 5.0)
        .await;
    Bill("replace that")
        .is(store.write_prices(&small), 0.0, 1.0)
        .await;

    let key = key("ab12", &"x".repeat(5_000));
    Bill("put a large key")
        .is(store.put_api_key(&key), 0.0, 5.0)
        .await;
    Bill("read it").is(store.api_key(&key.id), 1.0, 0.0).await;
    Bill("touch it")
        .is(store.touch_api_key(&key.id, NOW, NOW), 0.0, 5.0)
        .await;
    Bill("disable it")
        .is(store.disable_api_key(&key.id), 0.0, 5.0)
        .await;
    Bill("list it").is(store.list_api_keys(None), 1.0, 0.0).await;
    Bill("count for it")
        .is(store.count_request(&KeyId::new("ab12"), 5, 1, 99), 0.0, 1.0)
        .await;
}

/// One byte more than a step is the next step.
pub(crate) async fn is_in_steps_to_the_byte(store: &Arc<dyn Store>) {
    // An odd number of digits, the last of them not 0: all stores take that for the same size.
    let created_at = NOW.after(Duration::from_millis(123));
    let sized = |id: &str, bytes: usize| ApiKeyItem {
        created_at,
        ..key(id, &"x".repeat(bytes - bare(8)))
    };
    for (id, bytes, units) in [("aaaa", 1_024, 1.0), ("bbbb", 1_025, 2.0)] {
        Bill(id)
            .is(store.put_api_key(&sized(id, bytes)), 0.0, units)
            .await;
    }
    for (id, bytes, units) in [("cccc", 4_096, 0.5), ("dddd", 4_097, 1.0)] {
        let key = sized(id, bytes);
        store.put_api_key(&key).await.expect("an answer");
        Bill(id).is(store.api_key(&key.id), units, 0.0).await;
    }
}

/// What the item of a nameless key with an id of four letters takes: names of attributes 2 + 2 + 5 + 4 + 9 + 7, texts
/// 11 + 8 + 4, `enabled` 1, and `createdAt`.
pub(crate) fn bare(created_at: usize) -> usize {
    29 + 23 + 1 + created_at
}
