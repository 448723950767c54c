//! Tests of the refresh over a fleet: two API processes and an updater over one store.

use tokio::{task::JoinSet, time::sleep};

use super::{health::Health, *};
use crate::{
    testing::{Reply, Rig, all, get, logged},
    update,
};

/// As shipped: the schedule, and the TTL, which is as long.
const INTERVAL: Duration = Duration::from_secs(300);
const INTERVALS: u32 = 72;

/// CoinGecko calls in six hours of a clean day with the shipped settings. Each update comes `late(n)` milliseconds late;
/// answers take from 0.2 to 1.6 s.
async fn calls(late: impl Fn(u64) -> u64) -> usize {
    let rig = Rig::new();
    assert_eq!(
        (rig.app.config.update_interval, rig.app.config.cache_ttl),
        (INTERVAL, INTERVAL)
    );
    let latency = |n: i64| Duration::from_millis(200 + n.unsigned_abs() * 523 % 1400);
    rig.coingecko
        .set((0..10 * i64::from(INTERVALS)).map(|n| all("100", 60 * n).after(latency(n))));
    let begun = Instant::now();
    let end = begun + INTERVAL * INTERVALS;
    let mut users = JoinSet::new();
    for (app, think) in [(rig.app.clone(), 700), (rig.another(), 1100)] {
        users.spawn(async move {
            while Instant::now() < end {
                let lookup = get(&app, "BTC,ETH").await;
                assert!(lookup.unavailable.is_empty());
                sleep(Duration::from_millis(think)).await;
            }
        });
    }
    let updater = rig.another();
    for n in 0..INTERVALS {
        let due = begun + INTERVAL * n + Duration::from_millis(late(u64::from(n)));
        tokio::time::sleep_until(due).await;
        update::run(&updater, None).await.expect("a clean day");
    }
    users.join_all().await;
    rig.coingecko.calls().len()
}

#[tokio::test(start_paused = true)]
async fn a_clean_day_makes_at_most_a_twentieth_more_calls_than_intervals() {
    let most = INTERVALS as usize * 21 / 20;
    let punctual = calls(|_| 0).await;
    let seconds_late = calls(|n| n * 7919 % 5_000).await;
    // Within a tenth of an interval an update counts as done by whoever did it.
    let half_a_minute_late = calls(|n| n * 7919 % 28_000).await;
    for calls in [punctual, seconds_late, half_a_minute_late] {
        assert!(
            (INTERVALS as usize..=most).contains(&calls),
            "{punctual}, {seconds_late}, {half_a_minute_late} calls in {INTERVALS} intervals"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn how_coingecko_is_is_told_once_per_change_and_with_each_update() {
    let rig = Rig::new();
    let (lines, _logging) = logged(&rig);
    let health = |health: Option<Health>| {
        let Health {
            is_healthy,
            backs_off,
            tokens,
        } = health.expect("the lease item is known");
        (is_healthy, backs_off.as_secs(), tokens.0)
    };

    let report = update::run(&rig.app, None).await.expect("CoinGecko answers");
    assert_eq!(health(report.health), (true, 0, 50));
    sleep(INTERVAL).await;
    rig.coingecko.set([Reply::status(503)]);
    let error = update::run(&rig.app, None).await.expect_err("it is down");
    assert_eq!(health(error.health), (false, 15, 30));
    sleep(Duration::from_secs(5)).await;
    // Another process hears of it when it wants a refresh, and again of the next change.
    let other = rig.another();
    for _ in 0..2 {
        let report = update::run(&other, None).await.expect("it makes no call");
        assert_eq!(health(report.health), (false, 10, 30));
    }
    sleep(Duration::from_secs(10)).await;
    rig.coingecko.set([all("101", 310)]);
    let report = update::run(&other, None).await.expect("it is back");
    assert_eq!(health(report.health), (true, 0, 31));

    let lines = lines.lock().expect("not poisoned");
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line.contains(r#""event":"upstream_state""#))
        .map(String::as_str)
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    {"timestamp":"2026-03-01T00:05:00.300Z","level":"INFO","message":"coingecko's state has changed","event":"upstream_state","state":"backing-off","until":1772323515300,"failures":1,"tokens":3}
    {"timestamp":"2026-03-01T00:05:05.300Z","level":"INFO","message":"coingecko's state has changed","event":"upstream_state","state":"backing-off","until":1772323515300,"failures":1,"tokens":3}
    {"timestamp":"2026-03-01T00:05:15.300Z","level":"INFO","message":"coingecko's state has changed","event":"upstream_state","state":"healthy","failures":0,"tokens":3.1}
    "#);
}
