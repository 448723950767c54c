//! `retry.*`: how long retries waited.

use super::statistics::{named, share};
use crate::judge::{
    evidence::Lens,
    retries::{Try, jitter_bound_s, ks_uniform},
};

/// Fewer samples than these say nothing about a distribution.
const KS_SAMPLES: usize = 30;
/// The service believes no more of a `Retry-After` (ARCHITECTURE.md), seconds.
const BELIEVED_S: u32 = 15 * 60;
/// What the clocks of fake and service may round, real µs.
const ROUNDING_US: u64 = 1_000;

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    match name {
        "jitter_ks" => jitter_ks(lens),
        "after_floor" => {
            let (kept, all) = floor(lens);
            share(kept, all)
        }
        "early" => {
            let (kept, all) = floor(lens);
            (all > 0).then(|| (all - kept) as f64)
        }
        _ => named(
            name.strip_prefix("delay.")?,
            lens.tries().filter_map(Try::delay_s),
        ),
    }
}

/// How far the delays, less what `Retry-After` demanded, are from full jitter.
fn jitter_ks(lens: &Lens<'_>) -> Option<f64> {
    let stack = lens.evidence.stack;
    let (base_s, cap_s) = (stack.retry_base.as_secs_f64(), stack.retry_cap.as_secs_f64());
    let drawn = |a_try: &Try| {
        let asked = a_try
            .previous
            .and_then(|previous| previous.retry_after_s)
            .unwrap_or(0);
        let floor_s = f64::from(asked) / lens.recording().timing.speed;
        Some((a_try.delay_s()? - floor_s) / jitter_bound_s(base_s, cap_s, a_try.retry))
    };
    let samples: Vec<f64> = lens.tries().filter_map(drawn).collect();
    (samples.len() >= KS_SAMPLES).then(|| ks_uniform(&samples))
}

/// Of the answers with `Retry-After` that were followed by another call, how many were left alone for as long as
/// they asked; whoever made that call.
fn floor(lens: &Lens<'_>) -> (u64, u64) {
    let speed = lens.recording().timing.speed;
    let (mut kept, mut all) = (0, 0);
    for pair in lens
        .evidence
        .tries
        .windows(2)
        .filter(|pair| lens.real.contains(&pair[1].call.at_us))
    {
        let (before, next) = (pair[0].call, pair[1].call);
        let Some(retry_after_s) = before.retry_after_s else {
            continue;
        };
        let wait_us = (f64::from(retry_after_s.min(BELIEVED_S)) * 1e6 / speed) as u64;
        all += 1;
        kept += u64::from(next.at_us + ROUNDING_US >= before.done_us + wait_us);
    }
    (kept, all)
}
