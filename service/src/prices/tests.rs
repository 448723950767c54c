//! Tests of the read path: who waits, who leads, what costs a request, what is served.

use tokio::{
    task::JoinSet,
    time::{advance, sleep},
};

use super::*;
use crate::{
    memory::PAUSE,
    store::memory::Fault,
    testing::{Reply, Rig, all, get, list, markets, shown},
    update::{self, UpdateOutcome},
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A process that has prices, all of them stale by now.
async fn stale() -> Rig {
    let rig = Rig::new();
    rig.get("BTC,ETH,DOGE").await;
    sleep(s(300)).await;
    rig.store.take_log();
    rig
}

#[tokio::test(start_paused = true)]
async fn prices_come_from_coingecko_then_from_memory_then_from_the_store() {
    let rig = Rig::new();
    assert_eq!(
        shown(&rig.get("ETH,BTC").await),
        "ETH=100 StoredMiss, BTC=100 StoredMiss"
    );
    assert_eq!(
        rig.store.take_log(),
        ["prices", "acquire", "prices!", "write", "release"]
    );
    assert_eq!(shown(&rig.get("DOGE").await), "DOGE=100 Memory");
    assert!(rig.store.take_log().is_empty());
    let other = rig.another();
    assert_eq!(shown(&get(&other, "BTC").await), "BTC=100 Store");
    assert_eq!(rig.store.take_log(), ["prices"]);
    assert_eq!(rig.coingecko.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_shared_by_all_that_wait_for_it() {
    let rig = Rig::new();
    rig.coingecko.set([all("100", 0).after(ms(700))]);
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let app = rig.app.clone();
        tasks.spawn(async move { get(&app, "BTC").await });
    }
    let lookups = tasks.join_all().await;
    let count = |text: &str| lookups.iter().filter(|lookup| shown(lookup) == text).count();
    assert_eq!(
        (count("BTC=100 StoredMiss"), count("BTC=100 CollapsedMiss")),
        (1, 49)
    );
    assert!(lookups.iter().all(|lookup| lookup.waited == ms(700)));
    assert_eq!(lookups.iter().map(|lookup| lookup.upstream.calls).sum::<u32>(), 1);
    assert_eq!(rig.coingecko.calls().len(), 1);
    assert_eq!(
        rig.store
            .take_log()
            .iter()
            .filter(|name| **name == "acquire")
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_goes_away_is_replaced_by_a_waiter() {
    let rig = Rig::new();
    rig.coingecko.set([all("100", 0).after(ms(700))]);
    let (app, leader_app) = (rig.app.clone(), rig.app.clone());
    let leader = tokio::spawn(async move { get(&leader_app, "BTC").await });
    sleep(ms(100)).await;
    let waiter = tokio::spawn(async move { get(&app, "BTC").await });
    sleep(ms(100)).await;
    leader.abort();
    let lookup = waiter.await.expect("not aborted");
    assert_eq!(shown(&lookup), "BTC=100 CollapsedMiss");
    assert_eq!((lookup.waited, lookup.upstream.calls), (ms(600), 1));
    assert_eq!(rig.coingecko.calls().len(), 1);
    assert_eq!(rig.store.state().lease.lease_until, None);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_all_left_runs_out_with_its_lease() {
    let rig = Rig::new();
    rig.coingecko.set([Reply::hang(), all("100", 0)]);
    let app = rig.app.clone();
    let leader = tokio::spawn(async move { get(&app, "BTC").await });
    sleep(ms(100)).await;
    leader.abort();
    // The lease (2 s + 2 s + 1 s) is still held: who has nothing waits its two seconds.
    let lookup = rig.get("BTC").await;
    assert_eq!((shown(&lookup).as_str(), lookup.waited), ("-BTC", s(2)));
    assert_eq!(
        lookup.upstream.calls, 1,
        "the abandoned call is reported by the next request"
    );
    assert!(lookup.retry_after > Duration::ZERO && lookup.retry_after <= s(3));
    sleep(s(3)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 StoredMiss");
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_polls_the_lease_of_another_process() {
    let rig = Rig::new();
    rig.coingecko.set([all("100", 0).after(ms(650))]);
    let first = rig.app.clone();
    let leader = tokio::spawn(async move { get(&first, "BTC").await });
    sleep(ms(10)).await;
    rig.store.take_log();
    let other = rig.another();
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let app = other.clone();
        tasks.spawn(async move { get(&app, "BTC").await });
    }
    for lookup in tasks.join_all().await {
        assert_eq!(shown(&lookup), "BTC=100 CollapsedMiss");
        assert!(
            lookup.waited >= ms(600) && lookup.waited <= ms(750),
            "{:?}",
            lookup.waited
        );
    }
    leader.await.expect("not aborted");
    let log = rig.store.take_log();
    let count = |name: &str| log.iter().filter(|known| **known == name).count();
    // One shared poll each 100 ms; each request reads its prices once before and at most once after.
    assert_eq!((count("acquire"), count("lease")), (1, 7), "{log:?}");
    assert!(count("prices") <= 40, "{log:?}");
    assert_eq!(rig.coingecko.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_has_something_does_not_wait_for_another_process() {
    let rig = stale().await;
    let other = rig.another();
    rig.coingecko.set([all("101", 290).after(s(1))]);
    let leader = tokio::spawn(async move { get(&other, "BTC").await });
    sleep(ms(10)).await;
    let lookup = rig.get("BTC,ETH").await;
    assert_eq!(
        shown(&lookup),
        "BTC=100 RevalidatingElsewhere, ETH=100 RevalidatingElsewhere"
    );
    assert_eq!(lookup.waited, Duration::ZERO);
    rig.store.take_log();
    assert_eq!(rig.get("BTC").await.waited, Duration::ZERO);
    assert!(rig.store.take_log().is_empty(), "looked a moment ago");
    assert_eq!(shown(&leader.await.expect("not aborted")), "BTC=101 StoredStale");
    sleep(s(1)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=101 Store");
}

#[tokio::test(start_paused = true)]
async fn a_lease_seen_held_is_asked_for_again_before_it_runs_out() {
    let rig = stale().await;
    let other = rig.another();
    rig.coingecko
        .set([Reply::status(403).after(ms(100)), all("101", 290)]);
    let holder = tokio::spawn(async move { update::run(&other, None).await });
    sleep(ms(10)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 RevalidatingElsewhere");
    holder.await.expect("not aborted").expect_err("403");
    let until = rig.ahead(rig.app.memory.lease().item.lease_until);
    assert!(until > Some(20), "the updater's lease is long: {until:?}");
    rig.store.take_log();
    sleep(s(1)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 RevalidatingElsewhere");
    assert_eq!(rig.store.take_log(), ["prices"], "asked for a moment ago");
    sleep(s(1)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 StaleIfError");
    assert_eq!(rig.store.take_log(), ["prices", "acquire"]);
    sleep(s(13)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=101 StoredStale");
}

#[tokio::test(start_paused = true)]
async fn a_lease_seen_held_is_left_alone_while_the_store_fails() {
    let rig = stale().await;
    let other = rig.another();
    rig.coingecko.set([all("101", 290).after(s(4))]);
    let holder = tokio::spawn(async move { update::run(&other, None).await });
    sleep(ms(10)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 RevalidatingElsewhere");
    sleep(s(2)).await;
    rig.store.fault("acquire", &[Fault::Down, Fault::Down]);
    rig.get("BTC").await;
    assert!(rig.store.take_log().contains(&"acquire"), "it is asked for again");
    for _ in 0..3 {
        assert_eq!(shown(&rig.get("BTC").await), "BTC=100 RevalidatingElsewhere");
    }
    assert!(!rig.store.take_log().contains(&"acquire"), "for a second");
    holder.await.expect("not aborted").expect("stored");
}

#[tokio::test(start_paused = true)]
async fn at_the_wait_bound_the_refresh_is_cut_and_the_lease_released_before_the_answer() {
    let rig = stale().await;
    rig.coingecko.set([Reply::hang()]);
    let lookup = rig.get("BTC").await;
    assert_eq!(
        (shown(&lookup).as_str(), lookup.waited),
        ("BTC=100 StaleIfError", s(2))
    );
    let lease = rig.store.state().lease.clone();
    assert_eq!(
        (lease.lease_until, lease.retry_not_before, lease.failures),
        (None, None, 1)
    );
    assert_eq!(rig.ahead(lease.api_not_before), Some(15));
    assert_eq!(rig.store.take_log(), ["prices", "acquire", "release"]);
    // No API process tries again before that, and none asks the store for leave.
    let lookup = rig.get("BTC").await;
    assert_eq!(
        (shown(&lookup).as_str(), lookup.waited),
        ("BTC=100 StaleIfError", Duration::ZERO)
    );
    // The updater has more patience.
    rig.coingecko.set([all("101", 290).after(s(3))]);
    let report = update::run(&rig.another(), None).await.expect("stored");
    assert_eq!(report.outcome, UpdateOutcome::Refreshed);
    assert_eq!(shown(&rig.get("BTC").await), "BTC=101 Store");
}

#[tokio::test(start_paused = true)]
async fn a_lease_seen_held_by_this_very_process_is_joined() {
    let rig = stale().await;
    rig.coingecko.set([all("101", 290).after(s(1))]);
    let app = rig.app.clone();
    let leader = tokio::spawn(async move { get(&app, "BTC").await });
    sleep(ms(100)).await;
    let seen = rig.store.state().lease.clone();
    rig.app.memory.learn_lease(seen, rig.now());
    assert_eq!(shown(&rig.get("ETH").await), "ETH=101 CollapsedStale");
    leader.await.expect("not aborted");
}

#[tokio::test(start_paused = true)]
async fn prices_that_came_in_time_are_stored_even_past_the_wait_bound() {
    let rig = stale().await;
    rig.coingecko.set([all("101", 290).after(ms(1900))]);
    rig.store.fault("write", &[Fault::Slow(ms(500))]);
    let lookup = rig.get("BTC").await;
    assert_eq!(
        (shown(&lookup).as_str(), lookup.waited),
        ("BTC=101 StoredStale", ms(2400))
    );
}

#[tokio::test(start_paused = true)]
async fn while_backing_off_a_request_costs_no_store_call() {
    let rig = stale().await;
    rig.coingecko.set([Reply::status(503)]);
    assert_eq!(
        shown(&rig.get("BTC,ETH").await),
        "BTC=100 StaleIfError, ETH=100 StaleIfError"
    );
    assert_eq!(rig.coingecko.calls().len(), 1 + 3);
    let lease = rig.store.state().lease.clone();
    assert_eq!((rig.ahead(lease.retry_not_before), lease.failures), (Some(15), 1));
    sleep(s(2)).await;
    rig.get("BTC,ETH").await;
    rig.store.take_log();
    for _ in 0..10 {
        assert_eq!(
            shown(&rig.get("ETH,BTC").await),
            "ETH=100 StaleIfError, BTC=100 StaleIfError"
        );
        sleep(s(1)).await;
    }
    assert!(rig.store.take_log().is_empty());
    assert_eq!(rig.coingecko.calls().len(), 4);
    // After the pause one probe is made; the pause doubles.
    sleep(s(4)).await;
    rig.get("BTC").await;
    let lease = rig.store.state().lease.clone();
    assert_eq!((rig.ahead(lease.retry_not_before), lease.failures), (Some(30), 2));
}

#[tokio::test(start_paused = true)]
async fn a_coin_that_coingecko_drops_causes_no_refreshes_and_no_reads_while_nobody_may_refresh() {
    let rig = Rig::new();
    rig.coingecko
        .set([Reply::ok(markets(&[("bitcoin", "100", 0), ("ethereum", "7", 0)]))]);
    let lookup = rig.get("BTC,DOGE").await;
    assert_eq!(shown(&lookup), "BTC=100 StoredMiss, -DOGE");
    assert_eq!(lookup.retry_after, s(300));
    rig.store.take_log();
    for _ in 0..10 {
        assert_eq!(shown(&rig.get("DOGE,BTC").await), "BTC=100 Memory, -DOGE");
        sleep(s(3)).await;
    }
    assert!(rig.store.take_log().is_empty());
    // A tenth of an interval has passed: the updater may find it now.
    assert_eq!(shown(&rig.get("DOGE,BTC").await), "BTC=100 Memory, -DOGE");
    assert_eq!(rig.store.take_log(), ["prices"]);
    assert_eq!(rig.coingecko.calls().len(), 1);
    rig.coingecko.set([all("100", 0)]);
    update::run(&rig.another(), None)
        .await
        .expect("CoinGecko answers");
    assert_eq!(
        shown(&rig.get("DOGE,BTC").await),
        "DOGE=100 Store, BTC=100 Memory",
        "no answer lacks what the store has"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fleet_does_not_ask_for_the_lease_as_one() {
    let asked = async |jitter: fn(u64) -> Duration| {
        let rig = stale().await;
        let mut fleet = Vec::new();
        for n in 0..8 {
            let mut app = rig.another();
            app.ttl_jitter = jitter(n);
            fleet.push(app);
        }
        rig.coingecko.set([all("101", 290).after(ms(300))]);
        rig.store.take_log();
        // Each is asked for the same coin ten times a second from when the set is due.
        let mut served = JoinSet::new();
        for app in fleet {
            served.spawn(async move {
                for _ in 0..60 {
                    let lookup = get(&app, "BTC").await;
                    assert!(lookup.unavailable.is_empty() && lookup.waited < s(1));
                    sleep(ms(100)).await;
                }
            });
        }
        served.join_all().await;
        assert_eq!(rig.coingecko.calls().len(), 2, "one refresh before, one now");
        let log = rig.store.take_log();
        log.iter().filter(|name| **name == "acquire").count()
    };
    assert_eq!(asked(|_| Duration::ZERO).await, 8, "all at once without jitter");
    assert_eq!(
        asked(|n| ms(600 * n + 50)).await,
        1,
        "the first one stores for all"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_left_to_others_is_served_at_once_and_only_for_the_jitter() {
    let rig = stale().await;
    let mut other = rig.another();
    other.ttl_jitter = s(3);
    rig.coingecko.set([all("101", 290)]);
    let lookup = get(&other, "BTC").await;
    assert_eq!(shown(&lookup), "BTC=100 RevalidatingElsewhere");
    assert_eq!(lookup.waited, Duration::ZERO);
    assert_eq!(rig.store.take_log(), ["prices"]);
    assert_eq!(shown(&get(&other, "BTC").await), "BTC=100 RevalidatingElsewhere");
    assert!(rig.store.take_log().is_empty(), "looked a moment ago");
    sleep(s(3)).await;
    assert_eq!(shown(&get(&other, "BTC").await), "BTC=101 StoredStale");
    // Who lacks a coin leaves nothing to others.
    let rig = Rig::new();
    rig.coingecko
        .set([Reply::ok(markets(&[("bitcoin", "100", 0)])), all("101", 290)]);
    rig.get("BTC,ETH").await;
    sleep(s(300)).await;
    let mut other = rig.another();
    other.ttl_jitter = s(3);
    assert_eq!(
        shown(&get(&other, "BTC,ETH").await),
        "BTC=101 StoredStale, ETH=101 StoredMiss"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_to_serve_is_said_with_the_time_to_come_back() {
    let rig = Rig::new();
    rig.coingecko.set([Reply::status(429).retry_after("53")]);
    let lookup = rig.get("BTC").await;
    assert_eq!((shown(&lookup).as_str(), lookup.retry_after), ("-BTC", s(53)));
    assert_eq!((lookup.upstream.calls, lookup.upstream.rate_limited), (1, 1));
    sleep(s(52)).await;
    assert_eq!(
        (rig.get("BTC").await.retry_after, rig.coingecko.calls().len()),
        (s(1), 1)
    );
    rig.coingecko.set([all("100", 0)]);
    sleep(s(1)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 StoredMiss");
}

#[tokio::test(start_paused = true)]
async fn prices_are_gone_after_their_retention() {
    let rig = stale().await;
    rig.coingecko.set([Reply::broken()]);
    sleep(s(3299)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 StaleIfError");
    sleep(s(1)).await;
    assert_eq!(shown(&rig.get("BTC").await), "-BTC");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_fails_at_once_unless_something_can_be_served() {
    let rig = Rig::new();
    rig.store.fault("prices", &[Fault::Down]);
    let error = lookup(&rig.app, &list("BTC"), None)
        .await
        .expect_err("the store is down");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");

    let rig = stale().await;
    rig.store.fault("acquire", &[Fault::Down, Fault::Down]);
    let lookup = rig.get("BTC").await;
    assert_eq!(
        (shown(&lookup).as_str(), lookup.waited),
        ("BTC=100 StaleIfError", Duration::ZERO)
    );
    rig.store.take_log();
    rig.get("BTC").await;
    assert!(
        !rig.store.take_log().contains(&"acquire"),
        "it is left alone for a second"
    );
    advance(PAUSE).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 StoredStale");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_the_lease_is_not_a_lost_lease() {
    let rig = stale().await;
    rig.store.fault("acquire", &[Fault::LostAnswer]);
    rig.store.fault("release", &[Fault::LostAnswer]);
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 StoredStale");
    assert_eq!(
        rig.store.take_log(),
        [
            "prices", "acquire", "acquire", "prices!", "write", "release", "release"
        ]
    );
    assert_eq!(rig.store.state().lease.lease_until, None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_given_back_runs_out() {
    let rig = stale().await;
    rig.coingecko.set([Reply::status(403), all("101", 290)]);
    rig.store.fault("release", &[Fault::Down, Fault::Down]);
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 StaleIfError");
    assert_eq!(rig.ahead(rig.store.state().lease.lease_until), Some(5));
    sleep(s(4)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 RevalidatingElsewhere");
    sleep(s(1)).await;
    assert_eq!(shown(&rig.get("BTC").await), "BTC=101 StoredStale");
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_not_mistaken_for_a_slow_coingecko() {
    let rig = stale().await;
    rig.store.fault("acquire", &[Fault::Slow(ms(1500))]);
    assert_eq!(shown(&rig.get("BTC").await), "BTC=100 StaleIfError");
    let lease = rig.store.state().lease.clone();
    assert_eq!(
        (lease.lease_until, lease.api_not_before, lease.failures),
        (None, None, 0)
    );
    assert_eq!(rig.coingecko.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_partial_read_is_completed() {
    let rig = stale().await;
    let other = rig.another();
    rig.store.fault("prices", &[Fault::Partial, Fault::Partial]);
    rig.coingecko.set([Reply::status(503)]);
    let lookup = get(&other, "BTC,ETH,DOGE").await;
    assert_eq!(
        shown(&lookup),
        "BTC=100 StaleIfError, ETH=100 StaleIfError, DOGE=100 StaleIfError"
    );
    rig.store.fault("prices", &[Fault::Partial; 3]);
    let error = super::lookup(&rig.another(), &list("BTC"), None)
        .await
        .expect_err("left out for good");
    assert!(matches!(error, StoreError::Throttled { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_keeps_a_refresh_from_beginning() {
    let rig = stale().await;
    let soon = Some(Instant::now() + s(4));
    let lookup = lookup(&rig.app, &list("BTC"), soon)
        .await
        .expect("the store works");
    assert_eq!(shown(&lookup), "BTC=100 StoredStale");
    sleep(s(300)).await;
    let soon = Some(Instant::now() + s(3));
    let lookup = super::lookup(&rig.app, &list("BTC"), soon)
        .await
        .expect("the store works");
    assert_eq!(
        (shown(&lookup).as_str(), rig.coingecko.calls().len()),
        ("BTC=100 StaleIfError", 2)
    );
}
