//! Events that nobody waits for: when an invocation that failed, or found no room, is tried again, and when no more.
//!
//! Documented: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>: a function's errors are
//! tried again after a minute and then after two, as often as it says; a throttle, or an error of Lambda's own, puts the
//! event back for as long as it may be old, after 1 s at first and 5 minutes at the most.

use std::time::Duration;

use crate::template::model::AsyncInvoke;

/// Before the first and before the second retry of an event whose function failed.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// The first and the longest wait of an event that found no room.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// An event in the queue of a function. Times are since its arrival there, wall time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    rules: AsyncInvoke,
    failures: u32,
    throttles: u32,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Done,
    /// It is tried again so much later.
    After(Duration),
    /// It is dropped.
    Dropped(Why),
}

/// Why an event is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its function failed as often as it may.
    Retries,
    /// It is too old.
    Age,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// The function answered.
    Succeeded,
    /// The function failed, in whatever way.
    Failed,
    /// There was no room for it.
    Throttled,
}

impl Queued {
    /// An event that has just come.
    #[must_use]
    pub const fn new(rules: AsyncInvoke) -> Self {
        Self {
            rules,
            failures: 0,
            throttles: 0,
        }
    }

    /// What becomes of it after a try that ended at `age`.
    pub fn tried(&mut self, tried: Try, age: Duration) -> Next {
        let wait = match tried {
            Try::Succeeded => return Next::Done,
            Try::Failed => {
                if self.failures >= self.rules.retries {
                    return Next::Dropped(Why::Retries);
                }
                let wait = RETRY_AFTER[(self.failures as usize).min(RETRY_AFTER.len() - 1)];
                self.failures += 1;
                wait
            }
            Try::Throttled => {
                let doubled = BACKOFF.0.saturating_mul(1 << self.throttles.min(16));
                self.throttles += 1;
                doubled.min(BACKOFF.1)
            }
        };
        if age + wait > self.rules.max_age {
            return Next::Dropped(Why::Age);
        }
        Next::After(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rules(retries: u32, max_age_s: u64) -> AsyncInvoke {
        AsyncInvoke {
            retries,
            max_age: Duration::from_secs(max_age_s),
        }
    }

    fn seconds(next: Next) -> Option<u64> {
        match next {
            Next::After(wait) => Some(wait.as_secs()),
            Next::Done | Next::Dropped(_) => None,
        }
    }

    #[test]
    fn a_function_that_fails_is_tried_again_after_a_minute_and_after_two() {
        let mut event = Queued::new(rules(2, 21_600));
        let age = Duration::from_secs;
        assert_eq!(seconds(event.tried(Try::Failed, age(1))), Some(60));
        assert_eq!(seconds(event.tried(Try::Failed, age(62))), Some(120));
        assert_eq!(event.tried(Try::Failed, age(183)), Next::Dropped(Why::Retries));
        assert_eq!(
            Queued::new(rules(0, 60)).tried(Try::Failed, age(1)),
            Next::Dropped(Why::Retries)
        );
        assert_eq!(
            Queued::new(rules(0, 60)).tried(Try::Succeeded, age(99)),
            Next::Done
        );
    }

    #[test]
    fn an_event_without_room_waits_longer_and_longer_until_it_is_too_old() {
        let mut event = Queued::new(rules(1, 240));
        let mut age = Duration::ZERO;
        let mut waits = Vec::new();
        while let Next::After(wait) = event.tried(Try::Throttled, age) {
            waits.push(wait.as_secs());
            age += wait;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64]);
        let mut patient = Queued::new(rules(1, 21_600));
        let longest = (0..30)
            .filter_map(|_| seconds(patient.tried(Try::Throttled, Duration::ZERO)))
            .max();
        assert_eq!(longest, Some(300));
    }
}
