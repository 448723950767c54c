//! Requests to the store, added up in buckets of wall time.

use super::event::{StoreCall, StoreOp, StoreSubject};

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
    /// Users' price reads (eventually consistent) that found every coin, each of them fresh.
    pub fresh_price_reads: u32,
    /// Users' price reads that did not.
    pub other_price_reads: u32,
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
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            rcu: self.rcu + other.rcu,
            wcu: self.wcu + other.wcu,
            fresh_price_reads: self.fresh_price_reads + other.fresh_price_reads,
            other_price_reads: self.other_price_reads + other.other_price_reads,
        }
    }
}

/// Whether a call is a user's read of prices, as opposed to the refresh's own filter read.
#[must_use]
pub(super) fn is_user_price_read(call: &StoreCall) -> bool {
    call.op == StoreOp::BatchGetItem && call.subject == StoreSubject::Prices && !call.consistent
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
    /// Answers with a status of 500 or above.
    pub failed: u64,
}

impl StoreLog {
    /// Adds a call to its bucket; `fresh` tells whether a user's price read found all coins, fresh.
    pub fn record(&mut self, bucket: u32, call: &StoreCall, fresh: bool) {
        let index = bucket as usize;
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, StoreTotals::default());
        }
        let totals = &mut self.buckets[index];
        totals.add(call);
        if is_user_price_read(call) {
            if fresh {
                totals.fresh_price_reads += 1;
            } else {
                totals.other_price_reads += 1;
            }
        }
        self.calls += 1;
        self.store_us += u64::from(call.store_us);
        self.front_us += u64::from(call.front_us);
        self.failed += u64::from(call.status >= 500);
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

    fn call(op: StoreOp, consistent: bool, rcu: f64) -> StoreCall {
        StoreCall {
            at_us: 0,
            store_us: 100,
            front_us: 10,
            op,
            subject: StoreSubject::Prices,
            consistent,
            items: 3,
            found: 3,
            status: 200,
            rcu,
            wcu: 0.0,
        }
    }

    #[test]
    fn adds_up_by_bucket_and_tells_users_reads_apart() {
        let mut log = StoreLog::default();
        log.record(0, &call(StoreOp::BatchGetItem, false, 1.5), true);
        log.record(2, &call(StoreOp::BatchGetItem, false, 1.5), false);
        log.record(2, &call(StoreOp::BatchGetItem, true, 3.0), true);
        log.record(2, &call(StoreOp::UpdateItem, false, 0.0), false);
        let all = log.sum(0..99);
        assert_eq!(
            (
                all.reads,
                all.writes,
                all.fresh_price_reads,
                all.other_price_reads
            ),
            (3, 1, 1, 1)
        );
        assert!((all.rcu - 6.0).abs() < 1e-9);
        assert_eq!(log.sum(1..2), StoreTotals::default());
        assert_eq!(log.sum(2..3).reads, 2);
        assert_eq!(log.front_mean_us(), Some(10.0));
    }
}
