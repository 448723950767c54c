//! When the updater is due: the EventBridge rate rule of the stack.

use std::time::Duration;

use rand_chacha::rand_core::Rng;
use scenarios::format::model::Stack;

use crate::seed::Seed;

/// A rate rule: fires at `phase` after the start, then every `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The first firing, wall time since the scenario's start.
    pub phase: Duration,
    /// The distance between firings, wall time; never zero.
    pub every: Duration,
}

impl Schedule {
    /// A rule with this interval; a phase that is not given is drawn from the seed, as EventBridge gives no promise
    /// about where in its interval a rate rule begins.
    #[must_use]
    pub fn new(every: Duration, phase: Option<Duration>, seed: Seed) -> Self {
        let drawn = || {
            let whole_seconds = every.as_secs().max(1);
            Duration::from_secs(seed.child("schedule").rng().next_u64() % whole_seconds)
        };
        Self {
            phase: phase.unwrap_or_else(drawn),
            every,
        }
    }

    /// The schedule of a stack.
    #[must_use]
    pub fn of(stack: &Stack, seed: Seed) -> Self {
        Self::new(stack.update_every, stack.update_phase, seed)
    }

    /// The firings before `end`, wall time since the scenario's start, in order.
    pub fn firings(self, end: Duration) -> impl Iterator<Item = Duration> {
        (0u32..)
            .map(move |index| self.phase + self.every * index)
            .take_while(move |at| *at < end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fires_from_its_phase_on_and_never_at_the_end() {
        let schedule = Schedule::new(Duration::from_secs(300), Some(Duration::from_secs(60)), Seed(1));
        let firings: Vec<u64> = schedule
            .firings(Duration::from_secs(960))
            .map(|at| at.as_secs())
            .collect();
        assert_eq!(firings, [60, 360, 660]);
    }

    proptest! {
        #[test]
        fn a_drawn_phase_lies_within_the_interval(seed: u64, every in 1u64..100_000) {
            let schedule = Schedule::new(Duration::from_secs(every), None, Seed(seed));
            prop_assert!(schedule.phase < schedule.every);
        }
    }
}
