//! `limit.*`: whether the rate limit was applied as stated.

use super::statistics::share;
use crate::judge::evidence::Lens;

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let tally = lens.tally;
    let counted = |count: u64, of: u64| (of > 0).then_some(count as f64);
    match name {
        "excess" => counted(tally.excess, tally.admissions),
        "overshoot" => {
            let limit = f64::from(lens.recording().rate_limit);
            counted(tally.busiest_minute, tally.busiest_minute).map(|busiest| busiest / limit - 1.0)
        }
        // 429s whose Retry-After is true; one without Retry-After is not.
        "retry_after_honest" => share(tally.honest, tally.rejected),
        "rejected" => counted(tally.rejected, tally.keyed),
        "false_rejected" => counted(tally.false_rejected, tally.keyed),
        "either" => counted(tally.either, tally.keyed),
        _ => None,
    }
}
