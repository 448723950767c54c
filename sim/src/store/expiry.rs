//! When expired items are deleted: late and in sweeps, as DynamoDB does it.
//!
//! Nothing runs in the background. Whoever asks the store first after a sweep was due meets the table as that
//! sweep left it, which nobody can tell from a sweep in time.

use std::time::Duration;

/// How long an item is still there after its `ttl`, at least.
///
/// DynamoDB only says ["within a few days"][ttl], and code that takes what it can read for alive has to be caught
/// here, in runs of a day and less. An hour is long beside what the service keeps (prices for hours, counters for
/// one), so each expired item is met expired, and short enough for a long run to stay small: a key that is used
/// every minute has at most three hours of counters, which is 9 MB for 2,000 keys, in an hour and in a year.
///
/// [ttl]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
pub const LATE: Duration = Duration::from_secs(3600);

/// How far sweeps are apart, on the wall clock: at each full hour.
pub const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Which sweep comes next.
#[derive(Debug)]
pub(super) struct Sweeps {
    /// Unix seconds.
    next_s: i64,
}

impl Default for Sweeps {
    fn default() -> Self {
        Self { next_s: i64::MIN }
    }
}

impl Sweeps {
    /// Whether a sweep was due at or before `now_ms` (Unix milliseconds): items are to be deleted whose `ttl` lies
    /// before this instant, Unix seconds.
    pub(super) fn due(&mut self, now_ms: i64) -> Option<i64> {
        let now_s = now_ms.div_euclid(1000);
        if now_s < self.next_s {
            return None;
        }
        let every_s = SWEEP_EVERY.as_secs() as i64;
        let at_s = now_s - now_s.rem_euclid(every_s);
        self.next_s = at_s + every_s;
        Some(at_s - LATE.as_secs() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_are_at_full_hours_and_behind() {
        // 2026-03-02T00:00:00Z.
        let midnight_s = 1_772_409_600;
        let mut sweeps = Sweeps::default();
        let mut due_at = |minute: i64| {
            let before = sweeps.due((midnight_s + minute * 60) * 1000);
            before.map(|before_s| (before_s - midnight_s) / 60)
        };
        assert_eq!(due_at(10), Some(-60), "the first to ask sweeps");
        assert_eq!(due_at(59), None);
        assert_eq!(due_at(60), Some(0));
        assert_eq!(due_at(60), None);
        assert_eq!(due_at(500), Some(420), "one for all that were missed");
        assert_eq!(due_at(539), None);
        assert_eq!(due_at(540), Some(480));
    }
}
