//! Requests to the store, added up in buckets of wall time.

use super::event::{StoreCall, StoreOp};

/// What the store did in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StoreTotals {
    /// Requests that read.
    pub reads: u32,
    /// Requests that write.
    pub writes: u32,
    /// Read capacity units.
    pub rcu: f64,
    /// Write capacity units.
    pub wcu: f64,
    /// Requests that were refused for want of capacity.
    pub throttled: u32,
    /// Requests that were not answered, or by a status of 500 or above.
    pub failed: u32,
}

impl StoreTotals {
    fn add(&mut self, call: &StoreCall) {
        match call.op {
            StoreOp::GetItem | StoreOp::BatchGetItem => self.reads += 1,
            StoreOp::UpdateItem | StoreOp::PutItem | StoreOp::BatchWriteItem => self.writes += 1,
            StoreOp::Other => {}
        }
        self.rcu += call.rcu;
        self.wcu += call.wcu;
        self.throttled += u32::from(call.throttled);
        self.failed += u32::from(call.status == 0 || call.status >= 500);
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            rcu: self.rcu + other.rcu,
            wcu: self.wcu + other.wcu,
            throttled: self.throttled + other.throttled,
            failed: self.failed + other.failed,
        }
    }
}

/// Totals by bucket, and what the front itself cost.
#[derive(Clone, Debug, Default)]
pub struct StoreLog {
    buckets: Vec<StoreTotals>,
    /// Requests in all.
    pub calls: u64,
    /// Time spent in the store behind the front, µs.
    pub store_us: u64,
    /// Time that the front added, µs.
    pub front_us: u64,
}

impl StoreLog {
    /// Adds a call to its bucket.
    pub fn record(&mut self, bucket: u32, call: &StoreCall) {
        let index = bucket as usize;
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, StoreTotals::default());
        }
        self.buckets[index].add(call);
        self.calls += 1;
        self.store_us += u64::from(call.store_us);
        self.front_us += u64::from(call.front_us);
    }

    /// The sum over a range of buckets.
    #[must_use]
    pub fn sum(&self, buckets: std::ops::Range<u32>) -> StoreTotals {
        let end = (buckets.end as usize).min(self.buckets.len());
        let start = (buckets.start as usize).min(end);
        self.buckets[start..end]
            .iter()
            .copied()
            .fold(StoreTotals::default(), StoreTotals::plus)
    }

    /// Mean time that the front added to a call, µs.
    #[must_use]
    pub fn front_mean_us(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.front_us as f64 / self.calls as f64)
    }

    /// Bytes that the totals take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buckets.len() * size_of::<StoreTotals>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::event::StoreSubject;

    fn call(op: StoreOp, rcu: f64) -> StoreCall {
        StoreCall {
            at_us: 0,
            store_us: 100,
            front_us: 10,
            op,
            subject: StoreSubject::Prices,
            consistent: false,
            items: 3,
            found: 3,
            status: 200,
            rcu,
            wcu: 0.0,
            throttled: false,
            faults: Vec::new(),
        }
    }

    #[test]
    fn adds_up_by_bucket() {
        let mut log = StoreLog::default();
        log.record(0, &call(StoreOp::BatchGetItem, 1.5));
        log.record(2, &call(StoreOp::GetItem, 4.5));
        log.record(2, &call(StoreOp::UpdateItem, 0.0));
        let all = log.sum(0..99);
        assert_eq!((all.reads, all.writes), (2, 1));
        assert!((all.rcu - 6.0).abs() < 1e-9);
        assert_eq!(log.sum(1..2), StoreTotals::default());
        assert_eq!(log.sum(2..3).reads, 1);
        assert_eq!(log.front_mean_us(), Some(10.0));
    }
}
