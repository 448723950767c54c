//! `upstream.*`: how hard CoinGecko was hit, as the fake counted it.

use std::collections::BTreeMap;

use super::statistics::share;
use crate::judge::evidence::Lens;

const MONTH_S: f64 = 30.0 * 24.0 * 3600.0;

pub(super) fn value(name: &str, part: &str, lens: &Lens<'_>) -> Option<f64> {
    let calls = lens.tries().count() as u64;
    let retries = lens.tries().filter(|a_try| a_try.retry > 0).count() as u64;
    let credits = lens.tries().filter(|a_try| a_try.call.credit).count() as f64;
    match name {
        "calls" => Some(calls as f64),
        "first_tries" => Some((calls - retries) as f64),
        "retries" => Some(retries as f64),
        "amplification" => share(calls, calls - retries),
        "per_interval.max" => Some(per_interval_max(lens)),
        "concurrent_max" => Some(concurrent_max(lens)),
        "credits" => Some(credits),
        "quota_pace" => {
            let plan = lens
                .evidence
                .stack
                .credits_per_month
                .filter(|credits| *credits > 0)?;
            Some(credits * MONTH_S / lens.wall_seconds() / plan as f64)
        }
        _ if name.starts_with("status.") => {
            let status = part.parse().unwrap_or(0);
            Some(lens.tries().filter(|a_try| a_try.call.status == status).count() as f64)
        }
        _ => None,
    }
}

/// The most calls in one update interval; intervals begin when the schedule fires.
fn per_interval_max(lens: &Lens<'_>) -> f64 {
    let stack = lens.evidence.stack;
    let every = stack.update_every.as_secs_f64().max(1e-3);
    let mut intervals: BTreeMap<i64, u32> = BTreeMap::new();
    for a_try in lens.tries() {
        let since_phase = lens.recording().timing.wall_s(a_try.call.at_us) - stack.update_phase.as_secs_f64();
        *intervals.entry((since_phase / every).floor() as i64).or_default() += 1;
    }
    f64::from(intervals.into_values().max().unwrap_or(0))
}

/// The most calls that were open at the same time.
fn concurrent_max(lens: &Lens<'_>) -> f64 {
    // At equal instants the call that ends goes first: it did not overlap with the one that begins.
    let mut edges: Vec<(u64, i32)> = lens
        .tries()
        .flat_map(|a_try| {
            [
                (a_try.call.at_us, 1),
                (a_try.call.done_us.max(a_try.call.at_us + 1), -1),
            ]
        })
        .collect();
    edges.sort_unstable();
    let mut open = 0;
    let most = edges.into_iter().map(|(_, change)| {
        open += change;
        open
    });
    f64::from(most.max().unwrap_or(0))
}
