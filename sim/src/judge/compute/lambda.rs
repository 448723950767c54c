//! `lambda.*`: what the functions were asked, and what they made of it.

use crate::judge::evidence::Lens;

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let recording = lens.recording();
    let totals = recording.lambda.sum(recording.buckets.within(&lens.view.wall))?;
    match name {
        "duration.p99" => lens.tally.invoked.percentile(0.99),
        "invocations" => Some(totals.invocations.into()),
        "cold_starts" => Some(totals.cold_starts.into()),
        "concurrent_max" => Some(totals.concurrent_max.into()),
        "throttles" => Some(totals.throttles.into()),
        "timeouts" => Some(totals.timeouts.into()),
        "errors" => Some(totals.errors.into()),
        _ => None,
    }
}
