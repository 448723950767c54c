//! What is counted about requests by bucket of time.

use std::collections::BTreeMap;

use super::{
    requests::{CacheClaim, NONE, RequestRecord},
    timing::{Buckets, Timing},
};

/// Requests by bucket of the time at which they were due.
#[derive(Clone, Debug)]
pub struct RequestSeries {
    timing: Timing,
    buckets: Buckets,
    /// By status, 0 = none: how many in each bucket.
    pub statuses: BTreeMap<u16, Vec<u32>>,
    /// Admitted price requests by what `Cache-Status` says: how many in each bucket.
    pub claims: BTreeMap<CacheClaim, Vec<u32>>,
    /// The oldest price served, wall seconds; none where none was.
    pub age_max: Vec<Option<f64>>,
    /// Slowest answer, real seconds; none where there was none.
    pub latency_max: Vec<Option<f64>>,
}

impl RequestSeries {
    /// Nothing in any bucket.
    pub(super) fn new(timing: Timing, buckets: Buckets) -> Self {
        let count = buckets.count as usize;
        Self {
            timing,
            buckets,
            statuses: BTreeMap::new(),
            claims: BTreeMap::new(),
            age_max: vec![None; count],
            latency_max: vec![None; count],
        }
    }

    /// Takes in a request.
    pub(super) fn add(&mut self, request: &RequestRecord) {
        let count = self.buckets.count as usize;
        let bucket = self.buckets.index(self.timing.wall_s(request.due_us())) as usize;
        let none = || vec![0; count];
        self.statuses.entry(request.status).or_insert_with(none)[bucket] += 1;
        raise(&mut self.latency_max[bucket], request.latency_s());
        if request.age_ms != NONE {
            raise(&mut self.age_max[bucket], f64::from(request.age_ms) / 1000.0);
        }
        if request.is_priced_answer() {
            self.claims.entry(request.claim).or_insert_with(none)[bucket] += 1;
        }
    }

    /// Bytes that the series take.
    pub(super) fn bytes(&self) -> usize {
        let counts = self.statuses.len() + self.claims.len();
        self.buckets.count as usize * (counts * size_of::<u32>() + 2 * size_of::<Option<f64>>())
    }
}

fn raise(slot: &mut Option<f64>, value: f64) {
    *slot = Some(slot.map_or(value, |most| most.max(value)));
}
