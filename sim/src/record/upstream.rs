//! Calls to CoinGecko and the lease under which they are made, as records.

use super::event::{LeaseAction, LeaseEvent, UpstreamCall};

/// One call that reached the fake, 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// When it came, real µs.
    pub at_us: u64,
    /// When its answer was complete, real µs; not before `at_us`.
    pub done_us: u64,
    /// The `Retry-After` sent, seconds.
    pub retry_after_s: Option<u32>,
    /// Status answered, 0 = none.
    pub status: u16,
    /// Whether the whole answer was sent.
    pub complete: bool,
    /// Whether it cost a monthly credit.
    pub credit: bool,
}

impl From<&UpstreamCall> for CallRecord {
    fn from(call: &UpstreamCall) -> Self {
        Self {
            at_us: call.at_us,
            done_us: call.done_us.max(call.at_us),
            retry_after_s: call.retry_after_s,
            status: call.status,
            complete: call.complete,
            credit: call.credit,
        }
    }
}

/// Which binary a lease holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderKind {
    /// `api-…`
    Api,
    /// `update-…`
    Update,
    /// Another name.
    Other,
}

impl HolderKind {
    fn of(holder: &str) -> Self {
        match holder.split('-').next() {
            Some("api") => Self::Api,
            Some("update") => Self::Update,
            _ => Self::Other,
        }
    }
}

/// One holder's time with the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// When the store granted it, real µs.
    pub acquired_us: u64,
    /// When it was given back, real µs; never = `u64::MAX`.
    pub released_us: u64,
    /// Whose it was.
    pub kind: HolderKind,
    /// Whether an API process was refused the lease meanwhile, and so knew that it was held.
    pub seen_by_api: bool,
}

/// The lease's history.
#[derive(Clone, Debug, Default)]
pub struct LeaseLog {
    tenures: Vec<Tenure>,
    /// Holder names of the tenures that are still open, with their index.
    open: Vec<(String, usize)>,
    /// Requests for the lease that were refused.
    pub refused: u64,
}

impl LeaseLog {
    /// Takes in what happened to the lease item.
    pub fn record(&mut self, event: &LeaseEvent) {
        match (event.action, event.held) {
            (LeaseAction::Acquire, true) => {
                self.open.push((event.holder.clone(), self.tenures.len()));
                self.tenures.push(Tenure {
                    acquired_us: event.at_us,
                    released_us: u64::MAX,
                    kind: HolderKind::of(&event.holder),
                    seen_by_api: false,
                });
            }
            (LeaseAction::Acquire, false) => {
                self.refused += 1;
                if let Some(last) = self
                    .tenures
                    .last_mut()
                    .filter(|last| last.released_us == u64::MAX)
                {
                    last.seen_by_api |= HolderKind::of(&event.holder) == HolderKind::Api;
                }
            }
            (LeaseAction::Release, held) => {
                let position = self.open.iter().rposition(|(holder, _)| *holder == event.holder);
                if let Some((_, index)) = position.map(|at| self.open.remove(at))
                    && held
                {
                    self.tenures[index].released_us = event.at_us;
                }
            }
        }
    }

    /// Who held the lease when, by the time of acquiring.
    #[must_use]
    pub fn tenures(&self) -> &[Tenure] {
        &self.tenures
    }

    /// Whose lease was the latest acquired at an instant.
    #[must_use]
    pub fn holder_at(&self, at_us: u64) -> Option<HolderKind> {
        self.tenure_at(at_us).map(|tenure| tenure.kind)
    }

    /// The latest tenure that had begun at an instant.
    pub(super) fn tenure_at(&self, at_us: u64) -> Option<&Tenure> {
        let index = self.tenures.partition_point(|tenure| tenure.acquired_us <= at_us);
        index.checked_sub(1).map(|index| &self.tenures[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_us: u64, holder: &str, action: LeaseAction, held: bool) -> LeaseEvent {
        LeaseEvent {
            at_us,
            holder: holder.to_owned(),
            action,
            held,
        }
    }

    #[test]
    fn tells_whose_lease_it_was() {
        let mut log = LeaseLog::default();
        log.record(&event(10, "update-aa", LeaseAction::Acquire, true));
        log.record(&event(12, "api-bb", LeaseAction::Acquire, false));
        log.record(&event(20, "update-aa", LeaseAction::Release, true));
        log.record(&event(25, "api-bb", LeaseAction::Acquire, false));
        log.record(&event(30, "api-bb", LeaseAction::Acquire, true));
        log.record(&event(31, "update-cc", LeaseAction::Acquire, false));
        assert_eq!(log.refused, 3);
        assert_eq!(log.tenures()[0].released_us, 20);
        assert!(log.tenures()[0].seen_by_api && !log.tenures()[1].seen_by_api);
        assert_eq!(log.tenures()[1].released_us, u64::MAX);
        assert_eq!(log.holder_at(9), None);
        assert_eq!(log.holder_at(25), Some(HolderKind::Update));
        assert_eq!(log.holder_at(30), Some(HolderKind::Api));
    }
}
