//! Invocations of functions, added up in buckets of wall time.

use std::{collections::BTreeMap, ops::Range};

use crate::lambda::outcome::Failure;

/// What Lambda did in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LambdaTotals {
    /// Invocations that began.
    pub invocations: u32,
    /// Environments that were started.
    pub cold_starts: u32,
    /// The most that ran at the same time, of one function.
    pub concurrent_max: u32,
    /// Invocations that found no room.
    pub throttles: u32,
    /// Invocations that ran into their timeout.
    pub timeouts: u32,
    /// Invocations that failed, those included.
    pub errors: u32,
}

impl LambdaTotals {
    fn plus(self, other: Self) -> Self {
        Self {
            invocations: self.invocations + other.invocations,
            cold_starts: self.cold_starts + other.cold_starts,
            concurrent_max: self.concurrent_max.max(other.concurrent_max),
            throttles: self.throttles + other.throttles,
            timeouts: self.timeouts + other.timeouts,
            errors: self.errors + other.errors,
        }
    }
}

/// Totals by bucket.
#[derive(Clone, Debug, Default)]
pub struct LambdaLog {
    buckets: Vec<LambdaTotals>,
    /// What failed: by function (`api`, `update`), how often, and what the first caller was told.
    pub failed: BTreeMap<&'static str, (u64, String)>,
    /// Why the processor time of some environment was not limited to its function's share.
    pub unlimited: Option<String>,
}

impl LambdaLog {
    fn at(&mut self, bucket: u32) -> &mut LambdaTotals {
        let index = bucket as usize;
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, LambdaTotals::default());
        }
        &mut self.buckets[index]
    }

    /// An invocation began; `running` run now.
    pub fn began(&mut self, bucket: u32, is_cold: bool, running: u32) {
        let totals = self.at(bucket);
        totals.invocations += 1;
        totals.cold_starts += u32::from(is_cold);
        totals.concurrent_max = totals.concurrent_max.max(running);
    }

    /// An invocation found no room.
    pub fn throttled(&mut self, bucket: u32) {
        self.at(bucket).throttles += 1;
    }

    /// An invocation has ended.
    pub fn ended(&mut self, bucket: u32, service: &'static str, failure: Option<(Failure, String)>) {
        let Some((failure, told)) = failure else {
            return;
        };
        let totals = self.at(bucket);
        totals.errors += 1;
        totals.timeouts += u32::from(failure == Failure::Timeout);
        let (count, _) = self.failed.entry(service).or_insert((0, told));
        *count += 1;
    }

    /// All of a range of buckets; none when nothing was ever invoked.
    #[must_use]
    pub fn sum(&self, buckets: Range<u32>) -> Option<LambdaTotals> {
        if self.buckets.is_empty() {
            return None;
        }
        let end = (buckets.end as usize).min(self.buckets.len());
        let start = (buckets.start as usize).min(end);
        Some(
            self.buckets[start..end]
                .iter()
                .copied()
                .fold(LambdaTotals::default(), LambdaTotals::plus),
        )
    }

    /// Bytes that the totals take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.buckets.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_by_bucket_and_says_nothing_of_what_was_never_there() {
        let mut log = LambdaLog::default();
        assert_eq!(log.sum(0..9), None);
        log.began(1, true, 1);
        log.began(1, false, 2);
        log.throttled(2);
        log.ended(3, "api", Some((Failure::Timeout, "late".to_owned())));
        log.ended(3, "api", Some((Failure::Reported, "wrong".to_owned())));
        log.ended(3, "api", None);
        assert_eq!(log.failed["api"], (2, "late".to_owned()));
        assert_eq!(
            log.sum(0..9),
            Some(LambdaTotals {
                invocations: 2,
                cold_starts: 1,
                concurrent_max: 2,
                throttles: 1,
                timeouts: 1,
                errors: 2
            })
        );
        assert_eq!(log.sum(0..1), Some(LambdaTotals::default()));
    }
}
