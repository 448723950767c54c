//! Tests of who waits for a refresh that another process makes, and for how long.

use super::*;
use crate::{
    models::{Holder, Number, StoredPrice},
    prices::lookup,
    store::memory::Fault,
    testing::{Reply, Rig, all, get, list, markets, numbered, shown},
    update,
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A process that knows BTC and ETH; CoinGecko has dropped DOGE.
async fn without_doge() -> Rig {
    let rig = Rig::new();
    rig.coingecko.set([Reply::ok(markets(&[
        ("bitcoin", "100", 0),
        ("ethereum", "100", 0),
    ]))]);
    rig.get("BTC").await;
    rig
}

/// Begins an update in a process of its own, which takes a second.
async fn updating(rig: &Rig) {
    rig.coingecko.set([all("101", 290).after(s(1))]);
    let updater = rig.another();
    tokio::spawn(async move { update::run(&updater, None).await });
    sleep(ms(10)).await;
    rig.store.take_log();
}

/// A lease that another process took and will not give back.
fn hold_lease(rig: &Rig, wall: Duration) {
    let mut state = rig.store.state();
    state.lease.holder = Some(Holder("update-00000000000000ff".into()));
    state.lease.lease_until = Some(rig.now().after(wall));
}

#[tokio::test(start_paused = true)]
async fn a_stale_coin_beside_one_that_is_gone_waits_for_nobody() {
    let rig = without_doge().await;
    sleep(s(300)).await;
    updating(&rig).await;
    let lookup = rig.get("BTC,DOGE").await;
    assert_eq!(shown(&lookup), "BTC=100 RevalidatingElsewhere, -DOGE");
    assert_eq!(lookup.waited, Duration::ZERO);
    assert_eq!(rig.store.take_log(), ["prices", "acquire"]);
    // While somebody may be storing it, what is left out is looked for each time, and nothing else is.
    assert_eq!(
        shown(&rig.get("DOGE,BTC").await),
        "BTC=100 RevalidatingElsewhere, -DOGE"
    );
    assert_eq!(rig.store.take_log(), ["prices"]);
    sleep(s(1)).await;
    assert_eq!(shown(&rig.get("BTC,DOGE").await), "BTC=101 Store, DOGE=101 Store");
}

#[tokio::test(start_paused = true)]
async fn a_fresh_coin_beside_one_that_is_gone_waits_for_nobody() {
    let rig = without_doge().await;
    sleep(s(40)).await;
    updating(&rig).await;
    let lookup = get(&rig.another(), "BTC,DOGE").await;
    assert_eq!(shown(&lookup), "BTC=100 Store, -DOGE");
    assert_eq!(lookup.waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_half_stored_is_waited_for() {
    let symbols = numbered(26);
    let rig = Rig::with(&[("SUPPORTED_SYMBOLS", &symbols.setting)], 1.0);
    rig.coingecko.set([symbols.reply("100", 0)]);
    // Its second batch of one coin takes a while.
    rig.store
        .fault("write", &[Fault::Slow(Duration::ZERO), Fault::Slow(ms(50))]);
    let leader = rig.app.clone();
    let leader = tokio::spawn(async move { get(&leader, "C0").await });
    sleep(ms(10)).await;
    assert_eq!(rig.store.state().prices.len(), 25);
    let lookup = get(&rig.another(), "C0,C25").await;
    assert_eq!(shown(&lookup), "C0=100 Store, C25=100 CollapsedMiss");
    assert_eq!(lookup.waited, ms(100));
    leader.await.expect("not aborted");
}

#[tokio::test(start_paused = true)]
async fn a_set_whose_writer_died_is_not_waited_for_again_and_again() {
    let rig = Rig::new();
    hold_lease(&rig, s(33));
    let fetched_at = rig.now();
    let half = StoredPrice {
        symbol: Symbol::new("BTC"),
        name: "Bitcoin".into(),
        price: Number::parse("100").expect("a number"),
        change24h: None,
        market_cap: None,
        last_updated: fetched_at,
        fetched_at,
        ttl: fetched_at.0 / 1000 + 3600,
        held: None,
    };
    rig.store.state().prices.insert(half.symbol.clone(), half);
    let lookup = rig.get("BTC,DOGE").await;
    assert_eq!(
        (shown(&lookup).as_str(), lookup.waited),
        ("BTC=100 Store, -DOGE", s(2))
    );
    // WRITE_TIMEOUT has passed: the rest does not come.
    let lookup = rig.get("BTC,DOGE").await;
    assert_eq!(
        (shown(&lookup).as_str(), lookup.waited),
        ("BTC=100 Memory, -DOGE", Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_for_another_process() {
    let rig = Rig::new();
    hold_lease(&rig, s(33));
    // The second that one request to the store may take is left, for the read after the wait.
    for (left, waited) in [
        (ms(2900), ms(1900)),
        (ms(1500), ms(500)),
        (ms(900), Duration::ZERO),
    ] {
        let deadline = Some(Instant::now() + left);
        let lookup = lookup(&rig.app, &list("BTC"), deadline)
            .await
            .expect("the store works");
        assert_eq!(
            (shown(&lookup).as_str(), lookup.waited),
            ("-BTC", waited),
            "{left:?}"
        );
    }
    let lookup = rig.get("BTC").await;
    assert_eq!(lookup.waited, s(2), "without a deadline");
}

#[tokio::test(start_paused = true)]
async fn what_can_be_served_is_served_when_the_lease_cannot_be_asked_for() {
    let rig = without_doge().await;
    sleep(s(300)).await;
    rig.store.fault("acquire", &[Fault::Down, Fault::Down]);
    assert_eq!(shown(&rig.get("BTC,DOGE").await), "BTC=100 StaleIfError, -DOGE");
    sleep(PAUSE).await;
    rig.store.fault("acquire", &[Fault::Down, Fault::Down]);
    let error = lookup(&rig.app, &list("DOGE"), None)
        .await
        .expect_err("there is nothing to serve");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}
