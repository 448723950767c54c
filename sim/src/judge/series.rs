//! Values by bucket of time.

use super::{evidence::Lens, verdict::Series};
use crate::record::CacheClaim;

/// How a status is called in names: `200`, `none`.
pub(super) fn status_name(status: u16) -> String {
    if status == 0 {
        "none".to_owned()
    } else {
        status.to_string()
    }
}

/// The series of the whole run.
pub(super) fn of(lens: &Lens<'_>) -> Series {
    let recording = lens.recording();
    let buckets = recording.buckets;
    let count = buckets.count as usize;
    let index = |at_us: u64| buckets.index(recording.timing.wall_s(at_us)) as usize;
    let requests = &recording.series;
    let mut series = Series {
        bucket_seconds: buckets.width_s,
        age_max: requests.age_max.clone(),
        latency_max: requests.latency_max.clone(),
        ..Series::default()
    };
    for (status, counts) in &requests.statuses {
        series.requests.insert(status_name(*status), counts.clone());
    }
    for (claim, counts) in &requests.claims {
        series.cache.insert(claim_name(*claim).to_owned(), counts.clone());
    }
    for a_try in lens.tries() {
        let counts = series.upstream.entry(status_name(a_try.call.status));
        counts.or_insert_with(|| vec![0; count])[index(a_try.call.at_us)] += 1;
    }
    for alarm in &recording.alarms.alarms {
        series
            .alarms
            .insert(alarm.id.clone(), alarmed(&alarm.id, lens, count));
    }
    series
}

/// 1 in each bucket in which an alarm was on.
fn alarmed(id: &str, lens: &Lens<'_>, count: usize) -> Vec<u32> {
    let recording = lens.recording();
    let mut counts = vec![0; count];
    let mut on_since = None;
    let index = |at_us: u64| recording.buckets.index(recording.timing.wall_s(at_us)) as usize;
    for changed in recording.alarms.of(id).into_iter().flatten() {
        match on_since {
            Some(since) if !changed.is_fire() => {
                counts[since..=index(changed.at_us)].fill(1);
                on_since = None;
            }
            None if changed.is_fire() => on_since = Some(index(changed.at_us)),
            _ => {}
        }
    }
    if let Some(since) = on_since {
        counts[since..].fill(1);
    }
    counts
}

fn claim_name(claim: CacheClaim) -> &'static str {
    match claim {
        CacheClaim::None => "unsaid",
        CacheClaim::Memory => "memory",
        CacheClaim::Store => "store",
        CacheClaim::Collapsed => "collapsed",
        CacheClaim::Fetched => "fetched",
        CacheClaim::Stale => "stale",
        CacheClaim::Nothing => "none",
    }
}
