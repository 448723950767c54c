//! Values by bucket of time.

use std::collections::BTreeMap;

use super::{evidence::Lens, verdict::Series};
use crate::record::{CacheClaim, NONE};

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
    let mut series = Series {
        bucket_seconds: buckets.width_s,
        age_max: vec![None; count],
        latency_max: vec![None; count],
        ..Series::default()
    };
    for (request, _) in lens.requests() {
        let bucket = index(request.due_us());
        add(&mut series.requests, status_name(request.status), bucket, count);
        raise(&mut series.latency_max[bucket], request.latency_s());
        if request.age_ms != NONE {
            raise(&mut series.age_max[bucket], f64::from(request.age_ms) / 1000.0);
        }
        if request.is_priced_answer() {
            add(
                &mut series.cache,
                claim_name(request.claim).to_owned(),
                bucket,
                count,
            );
        }
    }
    for a_try in lens.tries() {
        add(
            &mut series.upstream,
            status_name(a_try.call.status),
            index(a_try.call.at_us),
            count,
        );
    }
    series
}

fn add(lines: &mut BTreeMap<String, Vec<u32>>, name: String, bucket: usize, count: usize) {
    lines.entry(name).or_insert_with(|| vec![0; count])[bucket] += 1;
}

fn raise(slot: &mut Option<f64>, value: f64) {
    *slot = Some(slot.map_or(value, |most| most.max(value)));
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
