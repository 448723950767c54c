//! Tests of a fetch: the bounds of an attempt, and a set of more than one page.

use super::*;
use crate::{
    coingecko::attempt::BODY_LIMIT,
    models::{Number, StoredPrice, Symbol},
    testing::{Numbered, Reply, Rig, all, markets, numbered},
    update::{self, UpdateReport},
};

async fn update(rig: &Rig) -> UpdateReport {
    update::run(&rig.app, None).await.expect("something was stored")
}

/// When CoinGecko was called, milliseconds since the test began.
fn called_at(rig: &Rig) -> Vec<u128> {
    rig.coingecko
        .calls()
        .iter()
        .map(|call| call.at.as_millis())
        .collect()
}

/// How many ids a call asked for.
fn asked(uri: &Uri) -> usize {
    let query = uri.query().expect("a query");
    let ids = query.split('&').find_map(|part| part.strip_prefix("ids="));
    ids.expect("ids").split(',').count()
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_and_made_again() {
    let rig = Rig::new();
    rig.coingecko.set([Reply::hang(), all("100", 0)]);
    assert_eq!(update(&rig).await.written, 3);
    // ATTEMPT_TIMEOUT, and half of 200 ms.
    assert_eq!(called_at(&rig), [0, 5100]);

    let rig = Rig::with(&[("ATTEMPT_TIMEOUT_MS", "700")], 1.0);
    rig.coingecko.set([Reply::hang(), all("100", 0)]);
    update(&rig).await;
    assert_eq!(called_at(&rig), [0, 800]);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_up_to_its_limit() {
    let body = markets(&[("bitcoin", "100", 0)]);
    let padded = |length: usize| Reply::ok(body.clone() + &" ".repeat(length - body.len()));
    let rig = Rig::new();
    rig.coingecko.set([padded(BODY_LIMIT)]);
    assert_eq!(update(&rig).await.written, 1);
    assert_eq!(rig.coingecko.calls().len(), 1);

    let rig = Rig::new();
    rig.coingecko.set([padded(BODY_LIMIT + 1), all("100", 0)]);
    assert_eq!(update(&rig).await.written, 3, "the answer to the retry");
    assert_eq!(rig.coingecko.calls().len(), 2);
}

/// A set of one coin more than a page holds.
fn two_pages() -> (Rig, Numbered) {
    let coins = numbered(PAGE + 1);
    let rig = Rig::with(&[("SUPPORTED_SYMBOLS", &coins.setting)], 1.0);
    (rig, coins)
}

#[tokio::test(start_paused = true)]
async fn a_set_of_more_than_a_page_takes_a_call_a_page() {
    let (rig, coins) = two_pages();
    // Stored newer than what comes; far back in the set, where a read of one batch does not reach.
    let newer = StoredPrice {
        symbol: Symbol::new("C249"),
        name: "C249".into(),
        price: Number::parse("99").expect("a number"),
        change24h: None,
        market_cap: None,
        last_updated: rig.now().after(Duration::from_secs(60)),
        fetched_at: rig.now(),
        ttl: rig.now().0 / 1000 + 3600,
        held: None,
    };
    rig.store.state().prices.insert(newer.symbol.clone(), newer);
    rig.coingecko.set([coins.reply("100", 0)]);
    let report = update(&rig).await;
    assert_eq!(
        (report.written, report.failed),
        (
            PAGE,
            vec![(Symbol::new("C249"), "older than the stored price".to_owned())]
        )
    );
    let pages: Vec<_> = rig
        .coingecko
        .calls()
        .iter()
        .map(|call| asked(&call.uri))
        .collect();
    assert_eq!(pages, [PAGE, 1]);
    let state = rig.store.state();
    assert_eq!(state.prices.len(), PAGE + 1);
    let others = state
        .prices
        .values()
        .filter(|price| price.price.as_str() == "100");
    assert_eq!(others.count(), PAGE);
    let count = |name: &str| state.log.iter().filter(|known| **known == name).count();
    assert_eq!(
        (count("prices!"), count("write")),
        (3, 10),
        "batches of 100 and of 25"
    );
}

#[tokio::test(start_paused = true)]
async fn what_one_page_gave_is_stored_when_the_next_cannot_be_fetched() {
    let (rig, coins) = two_pages();
    rig.coingecko.set([coins.reply("100", 0), Reply::status(503)]);
    let report = update(&rig).await;
    assert_eq!(report.written, PAGE);
    assert_eq!(
        report.failed,
        [(Symbol::new(&format!("C{PAGE}")), "not fetched".to_owned())]
    );
    // The retries of both pages are those of one refresh.
    assert_eq!((report.upstream.calls, report.upstream.retries), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn the_key_goes_in_the_header_of_its_plan() {
    for (plan, header, other) in [
        ("demo", "x-cg-demo-api-key", "x-cg-pro-api-key"),
        ("pro", "x-cg-pro-api-key", "x-cg-demo-api-key"),
    ] {
        let vars = [("EXTERNAL_API_PLAN", plan), ("EXTERNAL_API_KEY", "CG-x")];
        let rig = Rig::with(&vars, 1.0);
        update(&rig).await;
        let call = rig.coingecko.calls().remove(0);
        assert_eq!(call.headers[header], "CG-x", "{plan}");
        assert!(!call.headers.contains_key(other), "{plan}");
    }
}
