//! `store.*`: what DynamoDB had to do.

use crate::judge::evidence::Lens;

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let recording = lens.recording();
    let totals = recording.store.sum(recording.buckets.within(&lens.view.wall));
    match name {
        "reads" => Some(f64::from(totals.reads)),
        "writes" => Some(f64::from(totals.writes)),
        "rcu" => Some(totals.rcu),
        "wcu" => Some(totals.wcu),
        "throttled" => Some(f64::from(totals.throttled)),
        "failed" => Some(f64::from(totals.failed)),
        "lost" => recording
            .audit
            .as_ref()?
            .as_ref()
            .ok()
            .map(|findings| findings.wrong.len() as f64),
        _ => None,
    }
}
