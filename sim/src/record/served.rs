//! Which `lastUpdated` of a symbol each instance has served when, so that going back is noticed.

use std::collections::VecDeque;

/// How many older entries an answer that arrives out of order is compared with.
const LOOK_BACK: usize = 8;
/// How many entries are kept of each instance, the newest: hours of updates.
const KEPT: usize = 64;

/// How an instance served one `lastUpdated`.
#[derive(Clone, Copy, Debug)]
struct Served {
    updated_ms: i64,
    first_answered_us: u64,
    last_sent_us: u64,
}

/// What was served of one symbol: by instance; each list by `updated_ms`, rising.
#[derive(Clone, Debug, Default)]
pub(super) struct ServedLog(Vec<VecDeque<Served>>);

impl ServedLog {
    /// Notes that an instance served `updated_ms`; true when that goes back on another answer of it that had
    /// been given before this request was sent (or the other way round, when lines arrive out of order).
    pub(super) fn goes_back(&mut self, target: u16, updated_ms: i64, sent_us: u64, answered_us: u64) -> bool {
        let target = usize::from(target);
        if self.0.len() <= target {
            self.0.resize(target + 1, VecDeque::new());
        }
        let list = &mut self.0[target];
        let place = list.partition_point(|served| served.updated_ms < updated_ms);
        match list
            .get_mut(place)
            .filter(|served| served.updated_ms == updated_ms)
        {
            Some(served) => {
                served.first_answered_us = served.first_answered_us.min(answered_us);
                served.last_sent_us = served.last_sent_us.max(sent_us);
            }
            None => {
                let served = Served {
                    updated_ms,
                    first_answered_us: answered_us,
                    last_sent_us: sent_us,
                };
                list.insert(place, served);
            }
        }
        let newer_before = list
            .range(place + 1..)
            .any(|newer| newer.first_answered_us < sent_us);
        let mut older = list.range(..place).rev().take(LOOK_BACK);
        let goes_back = newer_before || older.any(|older| older.last_sent_us > answered_us);
        if list.len() > KEPT {
            list.pop_front();
        }
        goes_back
    }

    /// Bytes that the log takes.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(VecDeque::len).sum::<usize>() * size_of::<Served>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_is_seen_per_instance_and_in_any_order_of_arrival() {
        let mut log = ServedLog::default();
        assert!(!log.goes_back(0, 5_000, 100, 200));
        assert!(!log.goes_back(0, 4_000, 150, 300), "both were open at once");
        assert!(!log.goes_back(1, 4_000, 400, 500), "another instance");
        assert!(
            log.goes_back(0, 4_000, 400, 500),
            "sent after the newer one was answered"
        );
        assert!(
            log.goes_back(1, 6_000, 10, 20),
            "answered before the older one was sent, heard of later"
        );
    }

    #[test]
    fn only_the_newest_are_kept_and_whatever_is_older_goes_back() {
        let mut log = ServedLog::default();
        for n in 0..1_000 {
            assert!(!log.goes_back(0, n, n as u64 * 10, n as u64 * 10 + 5));
        }
        assert_eq!(log.bytes(), KEPT * size_of::<Served>());
        assert!(log.goes_back(0, 3, 20_000, 20_005), "long forgotten");
        assert!(log.goes_back(0, 998, 20_000, 20_005));
        assert!(!log.goes_back(0, 999, 20_000, 20_005));
    }
}
