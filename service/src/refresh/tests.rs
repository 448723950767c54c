//! Tests of the refresh over a fleet: two API processes and an updater over one store.

use tokio::{task::JoinSet, time::sleep};

use super::*;
use crate::{
    testing::{Rig, all, get},
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
