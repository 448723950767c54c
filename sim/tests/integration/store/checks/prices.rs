//! Prices: exact numbers, batches and their limits.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use service::{
    models::{HeldPrice, Number, StoredPrice, Symbol},
    store::{Consistency, PriceBatch, Store},
};

use super::{NOW, assert_invalid};

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
pub(crate) async fn come_back_exactly(store: &Arc<dyn Store>) -> Vec<StoredPrice> {
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

async fn read(store: &Arc<dyn Store>, symbols: &[Symbol]) -> PriceBatch {
    let answer = store.prices(symbols, Consistency::Strong).await;
    answer.expect("an answer").value
}

fn symbols(count: usize) -> Vec<Symbol> {
    (0..count).map(|n| Symbol::new(&format!("S{n}"))).collect()
}

/// A later write replaces all of an item, what it no longer has included.
pub(crate) async fn are_replaced_as_a_whole(store: &Arc<dyn Store>) {
    let held = HeldPrice {
        price: Number::parse("9e9").expect("a number"),
        at: NOW,
    };
    let first = StoredPrice {
        held: Some(held),
        ..price("BTC", "76975.25")
    };
    let second = StoredPrice {
        change24h: None,
        market_cap: Number::parse("0.000001"),
        ..price("BTC", "-0")
    };
    for price in [first, second] {
        store
            .write_prices(std::slice::from_ref(&price))
            .await
            .expect("an answer");
        assert_eq!(read(store, &[Symbol::new("BTC")]).await.prices, [price]);
    }
}

/// 100 keys a read and 25 items a write, all different, no item over 400 KB; none of it is done else.
pub(crate) async fn come_in_batches_that_dynamodb_takes(store: &Arc<dyn Store>) {
    let of = |symbols: &[Symbol]| -> Vec<_> {
        let stored = |symbol: &Symbol| price(symbol.as_str(), "1");
        symbols.iter().map(stored).collect()
    };
    let some = symbols(101);
    let answer = store.prices(&some[..100], Consistency::Eventual).await;
    assert_eq!(answer.expect("a hundred are taken").value, PriceBatch::default());
    let left_out = store.write_prices(&of(&some[..25])).await;
    assert_eq!(left_out.expect("25 are taken").value, []);
    assert_eq!(read(store, &some[..100]).await.prices.len(), 25);

    let twice = [some[0].clone(), some[1].clone(), some[0].clone()];
    for bad in [&some[..], &twice, &[]] {
        for consistency in [Consistency::Eventual, Consistency::Strong] {
            assert_invalid(store.prices(bad, consistency).await, "BatchGetItem");
        }
    }
    let other: Vec<_> = (0..26).map(|n| price(&format!("T{n}"), "1")).collect();
    let mut huge = other[..2].to_vec();
    huge[1].name = "x".repeat(400 * 1024).into();
    for bad in [&other, &of(&twice), &huge, &Vec::new()] {
        assert_invalid(store.write_prices(bad).await, "BatchWriteItem");
    }
    let others: Vec<_> = other.iter().map(|price| price.symbol.clone()).collect();
    assert_eq!(
        read(store, &others).await,
        PriceBatch::default(),
        "nothing was written"
    );
}

/// Over 16 MB an answer is cut, and says what to ask again.
pub(crate) async fn that_do_not_fit_are_left_out(store: &Arc<dyn Store>) {
    let all: Vec<_> = symbols(44);
    for some in all.chunks(11) {
        let large = |symbol: &Symbol| StoredPrice {
            name: "x".repeat(390 * 1024).into(),
            ..price(symbol.as_str(), "1")
        };
        let prices: Vec<_> = some.iter().map(large).collect();
        store.write_prices(&prices).await.expect("an answer");
    }
    let first = read(store, &all).await;
    assert_eq!((first.prices.len(), first.unprocessed.len()), (41, 3));
    let rest = read(store, &first.unprocessed).await;
    assert_eq!((rest.prices.len(), rest.unprocessed.len()), (3, 0));
    let found = first.prices.iter().chain(&rest.prices).map(|price| &price.symbol);
    assert_eq!(found.collect::<BTreeSet<_>>(), all.iter().collect());
}
