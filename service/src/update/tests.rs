//! Tests of the updater: when it does not call, what it stores, when it fails loudly.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::sleep;

use super::*;
use crate::{
    models::{LeaseItem, RetryTokens, StoredPrice, Timestamp},
    store::memory::Fault,
    testing::{Reply, Rig, all, markets},
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn update(rig: &Rig) -> Result<UpdateReport, UpdateError> {
    run(&rig.app, None).await
}

/// What an update of three coins left: how many were written and why others were not.
async fn updated(rig: &Rig, reply: Reply) -> String {
    rig.coingecko.set([reply]);
    let (written, failed) = match update(rig).await {
        Ok(report) => (report.written.to_string(), report.failed),
        Err(error) => (format!("{error}"), error.failed),
    };
    let failed: Vec<_> = failed
        .iter()
        .map(|(symbol, why)| format!("{symbol}: {why}"))
        .collect();
    format!("{written} [{}]", failed.join(", "))
}

fn stored(rig: &Rig, symbol: &str) -> StoredPrice {
    rig.store.state().prices[symbol].clone()
}

#[tokio::test(start_paused = true)]
async fn an_update_stores_the_set() {
    let rig = Rig::new();
    let report = update(&rig).await.expect("stored");
    assert_eq!(
        (report.outcome, report.written, report.failed.len()),
        (UpdateOutcome::Refreshed, 3, 0)
    );
    assert_eq!((report.upstream.calls, report.oldest_age_s), (1, Some(0.0)));
    assert_eq!((report.consumed.read, report.consumed.write), (1.0, 3.0));
    let lease = rig.store.state().lease.clone();
    assert_eq!(lease.refreshed_at, Some(stored(&rig, "BTC").fetched_at));
    assert_eq!(
        (lease.lease_until, lease.failures, lease.retry_tokens),
        (None, 0, Some(RetryTokens::FULL))
    );
}

#[tokio::test(start_paused = true)]
async fn it_makes_no_call_when_there_is_no_need_or_no_leave() {
    let rig = Rig::new();
    update(&rig).await.expect("stored");
    sleep(s(29)).await;
    assert_eq!(
        update(&rig).await.expect("skips").outcome,
        UpdateOutcome::SkippedFresh
    );
    sleep(s(1)).await;
    assert_eq!(
        update(&rig).await.expect("runs").outcome,
        UpdateOutcome::Refreshed
    );

    sleep(s(300)).await;
    let in_a_second = Some(Timestamp(rig.now().0 + 1000));
    rig.store.state().lease.lease_until = in_a_second;
    assert_eq!(
        update(&rig).await.expect("skips").outcome,
        UpdateOutcome::SkippedHeld
    );
    let lease = LeaseItem {
        lease_until: None,
        retry_not_before: in_a_second,
        ..LeaseItem::default()
    };
    rig.store.state().lease = lease;
    assert_eq!(
        update(&rig).await.expect("skips").outcome,
        UpdateOutcome::SkippedBackingOff
    );
    assert_eq!(rig.coingecko.calls().len(), 2);
    sleep(s(1)).await;
    assert_eq!(
        update(&rig).await.expect("runs").outcome,
        UpdateOutcome::Refreshed
    );
}

#[tokio::test(start_paused = true)]
async fn retries_wait_a_jittered_pause_and_retry_after_is_a_floor() {
    let rig = Rig::new();
    let limited = Reply::status(429).retry_after("7");
    rig.coingecko.set([Reply::broken(), limited, all("100", 0)]);
    let report = update(&rig).await.expect("stored");
    assert_eq!(
        (
            report.upstream.calls,
            report.upstream.retries,
            report.upstream.rate_limited
        ),
        (3, 2, 1)
    );
    let at: Vec<_> = rig
        .coingecko
        .calls()
        .iter()
        .map(|call| call.at.as_millis())
        .collect();
    // Half of 200 ms, then 7 s and half of 400 ms.
    assert_eq!(at, [0, 100, 7300]);
    // Two spent, a tenth earned.
    assert_eq!(rig.store.state().lease.retry_tokens, Some(RetryTokens(31)));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_refresh_ends_it_for_both_binaries() {
    let rig = Rig::new();
    rig.coingecko.set([Reply::status(429).retry_after("53")]);
    let error = update(&rig).await.expect_err("nothing was stored");
    insta::assert_snapshot!(error, @"nothing was stored: coingecko answered 429 Too Many Requests");
    assert_eq!((error.upstream.calls, error.failed.len()), (1, 3));
    let lease = rig.store.state().lease.clone();
    assert_eq!(
        (rig.ahead(lease.retry_not_before), lease.retry_tokens),
        (Some(53), Some(RetryTokens::FULL))
    );
    sleep(s(52)).await;
    assert_eq!(
        update(&rig).await.expect("skips").outcome,
        UpdateOutcome::SkippedBackingOff
    );
    rig.get("BTC").await;
    assert_eq!(rig.coingecko.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_absurd_retry_after_is_bounded() {
    let rig = Rig::new();
    rig.coingecko.set([Reply::status(429).retry_after("1000000000")]);
    update(&rig).await.expect_err("nothing was stored");
    assert_eq!(rig.ahead(rig.store.state().lease.retry_not_before), Some(900));
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_budget_allows_no_retry() {
    let rig = Rig::new();
    rig.coingecko.set([Reply::status(503)]);
    let mut calls = Vec::new();
    for _ in 0..5 {
        let before = rig.coingecko.calls().len();
        update(&rig).await.expect_err("nothing was stored");
        calls.push(rig.coingecko.calls().len() - before);
        sleep(s(240)).await;
    }
    // Five retries to begin with, none earned.
    assert_eq!(calls, [3, 3, 2, 1, 1]);
    assert_eq!(rig.store.state().lease.retry_tokens, Some(RetryTokens(0)));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_pass_is_not_retried() {
    for status in [400, 401, 403, 404, 422] {
        let rig = Rig::new();
        rig.coingecko.set([Reply::status(status)]);
        update(&rig).await.expect_err("nothing was stored");
        assert_eq!(rig.coingecko.calls().len(), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_bodies_are_retried_and_never_overwrite() {
    let rig = Rig::new();
    update(&rig).await.expect("stored");
    for body in ["<html>", "[{\"id\":\"bitc", ""] {
        sleep(s(300)).await;
        rig.coingecko.set([Reply::ok(body), all("101", 10)]);
        let before = rig.coingecko.calls().len();
        assert_eq!(update(&rig).await.expect("stored").written, 3);
        assert_eq!(rig.coingecko.calls().len() - before, 2);
    }
    sleep(s(300)).await;
    rig.coingecko.set([Reply::ok("<html>")]);
    update(&rig).await.expect_err("nothing was stored");
    assert_eq!(stored(&rig, "BTC").price.as_str(), "101");
}

#[tokio::test(start_paused = true)]
async fn what_some_coins_lack_is_reported_and_the_rest_is_stored() {
    let rig = Rig::new();
    assert_eq!(updated(&rig, all("100", 0)).await, "3 []");
    for (price, why) in [
        ("null", "null price"),
        ("0", "price not above zero"),
        ("-1", "price not above zero"),
        ("{}", "unreadable price"),
        ("12345678901234567890123456789", "unreadable price"),
    ] {
        sleep(s(300)).await;
        let body = markets(&[
            ("bitcoin", price, 300),
            ("ethereum", "101", 300),
            ("dogecoin", "101", 300),
        ]);
        assert_eq!(updated(&rig, Reply::ok(body)).await, format!("2 [BTC: {why}]"));
        assert_eq!(stored(&rig, "BTC").price.as_str(), "100");
    }
    sleep(s(300)).await;
    let body = markets(&[("ethereum", "102", 600), ("somebody-else", "1", 600)]);
    assert_eq!(
        updated(&rig, Reply::ok(body)).await,
        "1 [BTC: missing, DOGE: missing]"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_one_usable_price_fails_loudly() {
    let rig = Rig::new();
    assert_eq!(
        updated(&rig, Reply::ok("[]")).await,
        "nothing was stored: not one price of the answer could be used: 3 missing [BTC: missing, ETH: missing, DOGE: missing]"
    );
    assert_eq!(rig.ahead(rig.store.state().lease.retry_not_before), Some(15));
    assert_eq!(rig.coingecko.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_price_never_replaces_and_an_equal_one_only_ages() {
    let rig = Rig::new();
    updated(&rig, all("100", 100)).await;
    sleep(s(300)).await;
    let body = markets(&[
        ("bitcoin", "99", 99),
        ("ethereum", "55", 100),
        ("dogecoin", "101", 101),
    ]);
    assert_eq!(
        updated(&rig, Reply::ok(body)).await,
        "2 [BTC: older than the stored price]"
    );
    let (btc, eth, doge) = (stored(&rig, "BTC"), stored(&rig, "ETH"), stored(&rig, "DOGE"));
    assert_eq!(
        [btc.price.as_str(), eth.price.as_str(), doge.price.as_str()],
        ["100", "100", "101"]
    );
    assert_eq!((eth.fetched_at, eth.ttl - btc.ttl), (rig.now(), 300));
    assert_eq!(rig.now().since(btc.fetched_at), s(300));
}

#[tokio::test(start_paused = true)]
async fn a_jump_is_held_until_a_second_fetch_confirms_it() {
    let rig = Rig::new();
    updated(&rig, all("100", 0)).await;
    sleep(s(300)).await;
    let jump = |price: &str, at: i64| {
        Reply::ok(markets(&[
            ("bitcoin", price, at),
            ("ethereum", "101", at),
            ("dogecoin", "101", at),
        ]))
    };
    assert_eq!(
        updated(&rig, jump("100000", 300)).await,
        "2 [BTC: jump held until confirmed]"
    );
    let held = stored(&rig, "BTC");
    assert_eq!(
        (held.price.as_str(), held.held.map(|held| held.at)),
        ("100", Some(rig.now()))
    );
    sleep(s(300)).await;
    assert_eq!(updated(&rig, jump("99999", 600)).await, "3 []");
    let confirmed = stored(&rig, "BTC");
    assert_eq!((confirmed.price.as_str(), confirmed.held), ("99999", None));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_leaves_out_is_written_again() {
    let rig = Rig::new();
    rig.store
        .fault("write", &[Fault::Partial, Fault::Down, Fault::LostAnswer]);
    assert_eq!(update(&rig).await.expect("stored").written, 3);
    assert_eq!(
        rig.store.take_log(),
        [
            "acquire", "prices!", "write", "write", "write", "write", "release"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_store_never_takes_is_reported_and_tried_again_soon() {
    let rig = Rig::new();
    rig.store.fault("write", &[Fault::Partial]);
    rig.store.fault("write", &[Fault::Down; 100]);
    let report = update(&rig).await.expect("some were stored");
    assert_eq!((report.written, report.failed.len()), (1, 2));
    let lease = rig.store.state().lease.clone();
    assert_eq!(
        (lease.refreshed_at, rig.ahead(lease.retry_not_before)),
        (None, Some(15))
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_frozen_past_its_lease_writes_nothing() {
    let rig = Rig::new();
    rig.coingecko.set([all("100", 0).after(s(1))]);
    let (clock, app) = (rig.clock.clone(), rig.app.clone());
    let frozen = tokio::spawn(async move { run(&app, None).await });
    sleep(Duration::from_millis(500)).await;
    // 33 s of lease: 31 s later it no longer outlives a write of 2 s.
    clock.jump_ms.store(31_000, Ordering::Relaxed);
    let error = frozen
        .await
        .expect("not aborted")
        .expect_err("nothing was stored");
    insta::assert_snapshot!(error, @"nothing was stored: the lease no longer outlives a write");
    assert!(rig.store.state().prices.is_empty());
    assert!(!rig.store.take_log().contains(&"write"));
}

#[tokio::test(start_paused = true)]
async fn a_late_leader_does_not_release_the_lease_of_another() {
    let rig = Rig::new();
    rig.coingecko.set([all("100", 0).after(s(1))]);
    let app = rig.app.clone();
    let late = tokio::spawn(async move { run(&app, None).await });
    sleep(Duration::from_millis(500)).await;
    let other = LeaseItem {
        holder: Some(crate::models::Holder("api-00000000000000ff".into())),
        lease_until: Some(Timestamp(rig.now().0 + 5000)),
        ..LeaseItem::default()
    };
    rig.store.state().lease = other.clone();
    late.await.expect("not aborted").expect("stored");
    assert_eq!(rig.store.state().lease, other);
}

#[tokio::test(start_paused = true)]
async fn on_a_fast_clock_leases_stretch_and_waits_shrink() {
    let rig = Rig::with(&[], 60.0);
    rig.coingecko
        .set([Reply::status(429).retry_after("60"), all("100", 0).after(s(1))]);
    let app = rig.app.clone();
    let running = tokio::spawn(async move { run(&app, None).await });
    sleep(Duration::from_millis(1500)).await;
    // 33 real seconds of lease are 1980 on the clock; the Retry-After of 60 took one real second.
    let until = rig.store.state().lease.lease_until.expect("held");
    assert_eq!(until.since(rig.now()), s(1980 - 90));
    assert_eq!(rig.coingecko.calls()[1].at, Duration::from_millis(1100));
    running.await.expect("not aborted").expect("stored");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_leaves_time_to_write_and_release() {
    let rig = Rig::new();
    rig.coingecko.set([Reply::hang()]);
    let begun = Instant::now();
    let deadline = Some(begun + s(9));
    run(&rig.app, deadline).await.expect_err("nothing was stored");
    assert_eq!(begun.elapsed(), s(6));
    assert_eq!(rig.store.state().lease.lease_until, None);
    assert_eq!(rig.ahead(rig.store.state().lease.retry_not_before), Some(15));
}

#[tokio::test(start_paused = true)]
async fn the_request_is_what_coingecko_documents() {
    let vars = [("EXTERNAL_API_KEY", "CG-x"), ("EXTERNAL_API_ENDPOINT", "simple")];
    let rig = Rig::with(&vars, 1.0);
    rig.coingecko.set([Reply::ok(
        r#"{"bitcoin":{"usd":1e3,"usd_24h_change":-0.5,"usd_market_cap":7,"last_updated_at":1772323100}}"#,
    )]);
    let report = update(&rig).await.expect("stored");
    assert_eq!((report.written, report.failed.len()), (1, 2));
    assert_eq!(stored(&rig, "BTC").price.as_str(), "1000");
    let call = rig.coingecko.calls().remove(0);
    insta::assert_snapshot!(call.uri, @"http://127.0.0.1:2/api/v3/simple/price?vs_currencies=usd&ids=bitcoin,ethereum,dogecoin&include_market_cap=true&include_24hr_change=true&include_last_updated_at=true");
    assert_eq!(call.headers["x-cg-demo-api-key"], "CG-x");
    let rig = Rig::new();
    update(&rig).await.expect("stored");
    let call = rig.coingecko.calls().remove(0);
    insta::assert_snapshot!(call.uri, @"http://127.0.0.1:2/api/v3/coins/markets?vs_currency=usd&ids=bitcoin,ethereum,dogecoin&per_page=250");
    assert!(!call.headers.contains_key("x-cg-demo-api-key"));
    assert!(
        call.headers["user-agent"]
            .to_str()
            .is_ok_and(|agent| agent.starts_with("crypto-watch/"))
    );
}
