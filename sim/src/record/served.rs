//! Which `lastUpdated` of a symbol each instance has served when, so that going back is noticed.

/// How many older entries an answer that arrives out of order is compared with.
const LOOK_BACK: usize = 8;

/// How an instance served one `lastUpdated`.
#[derive(Clone, Copy, Debug)]
struct Served {
    updated_ms: i64,
    first_answered_us: u64,
    last_sent_us: u64,
}

/// What was served of one symbol: by instance; each list by `updated_ms`, rising.
#[derive(Clone, Debug, Default)]
pub(super) struct ServedLog(Vec<Vec<Served>>);

impl ServedLog {
    /// Notes that an instance served `updated_ms`; true when that goes back on another answer of it that had
    /// been given before this request was sent (or the other way round, when lines arrive out of order).
    pub(super) fn goes_back(&mut self, target: u16, updated_ms: i64, sent_us: u64, answered_us: u64) -> bool {
        let target = usize::from(target);
        if self.0.len() <= target {
            self.0.resize(target + 1, Vec::new());
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
        let newer_before = list[place + 1..]
            .iter()
            .any(|newer| newer.first_answered_us < sent_us);
        let older = list[..place].iter().rev().take(LOOK_BACK);
        newer_before || older.into_iter().any(|older| older.last_sent_us > answered_us)
    }

    /// Bytes that the log takes.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Vec::len).sum::<usize>() * size_of::<Served>()
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
}
