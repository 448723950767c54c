//! The search for the rate that can be counted on: which to try next, and when to stop. Pure.
//!
//! Rates rise by half from step to step until one is not served well. A step that is not is tried once more, because
//! something else may have kept the machine busy; then the one before it was the last good one.

use std::time::Duration;

use crate::world::compress::UNDISTURBED_WAIT;

/// The first rate, requests per second.
pub const FIRST: u32 = 50;
/// By how much each step's rate is above the one before.
pub const GROWTH: f64 = 1.5;
/// Steps at most; the last is near 3000 requests a second, which is more than `--compress` can make use of.
pub const MOST_STEPS: usize = 11;
/// How often a rate is tried before it counts as too high.
pub const TRIES: u32 = 2;
/// The longest 99th percentile of a good step, from due to answered. A run on a fast wall clock takes a request that
/// nothing slows down to be answered within this.
pub const P99_BOUND: Duration = UNDISTURBED_WAIT;
/// The least share of the requests due that is answered with prices in a good step.
pub const ANSWERED_SHARE: f64 = 0.99;
/// The share of the last good rate that is counted on: arrivals of real runs are not even, users come in bursts, and
/// other machines are slower.
pub const SAFE_SHARE: f64 = 0.5;

/// What was seen of one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Requests per second.
    pub rate: u32,
    /// Requests that were due.
    pub due: u64,
    /// Those that were answered with prices.
    pub answered: u64,
    /// 99th percentile from due to answered; none when nothing was answered.
    pub p99: Option<Duration>,
}

impl Step {
    /// What was not good about it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let Self {
            due, answered, p99, ..
        } = *self;
        match p99 {
            _ if (answered as f64) < ANSWERED_SHARE * due as f64 => {
                Some(format!("{answered} of {due} answered"))
            }
            Some(p99) if p99 > P99_BOUND => Some(format!("p99 {p99:.1?} is above {P99_BOUND:?}")),
            Some(_) => None,
            None => Some("nothing was asked".to_owned()),
        }
    }
}

/// Not even the first rate was served well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not even {FIRST} requests a second were served well: this machine is too busy, or too slow for runs on the real \
     clock"
)]
pub struct NothingServable;

/// A search under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search {
    good_steps: usize,
    last_good: Option<u32>,
    /// Tries of the current rate that were not good.
    failures: u32,
}

impl Search {
    /// The rate to try next; none when the search has ended.
    #[must_use]
    pub fn next(&self) -> Option<u32> {
        let ended = self.good_steps >= MOST_STEPS || self.failures >= TRIES;
        (!ended).then(|| rate(self.good_steps))
    }

    /// Takes in what was seen of that rate.
    pub fn take(&mut self, step: &Step) {
        if step.trouble().is_some() {
            self.failures += 1;
            return;
        }
        self.failures = 0;
        self.good_steps += 1;
        self.last_good = Some(step.rate);
    }

    /// The rate that can be counted on by what was seen so far, requests per second.
    ///
    /// # Errors
    /// When no step was good.
    pub fn servable_rate(&self) -> Result<f64, NothingServable> {
        let last_good = self.last_good.ok_or(NothingServable)?;
        Ok((f64::from(last_good) * SAFE_SHARE).floor())
    }
}

/// The rate of a step, from 0.
fn rate(step: usize) -> u32 {
    (f64::from(FIRST) * GROWTH.powi(step as i32)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rate: u32, answered: u64, p99_ms: u64) -> Step {
        Step {
            rate,
            due: 200,
            answered,
            p99: Some(Duration::from_millis(p99_ms)),
        }
    }

    /// The rates that are tried when `serve` says how each goes, and what comes of it.
    fn search(mut serve: impl FnMut(u32) -> Step) -> (Vec<u32>, Result<f64, NothingServable>) {
        let (mut search, mut tried) = (Search::default(), Vec::new());
        while let Some(rate) = search.next() {
            tried.push(rate);
            assert!(tried.len() < 100, "it does not end");
            search.take(&serve(rate));
        }
        (tried, search.servable_rate())
    }

    #[test]
    fn a_step_is_good_when_nearly_all_are_answered_in_time() {
        assert_eq!(step(100, 198, 50).trouble(), None);
        insta::assert_snapshot!(step(100, 197, 1).trouble().expect("not good"), @"197 of 200 answered");
        insta::assert_snapshot!(step(100, 200, 51).trouble().expect("not good"), @"p99 51.0ms is above 50ms");
        let nothing = Step {
            rate: 100,
            due: 0,
            answered: 0,
            p99: None,
        };
        insta::assert_snapshot!(nothing.trouble().expect("not good"), @"nothing was asked");
    }

    #[test]
    fn the_rate_rises_until_a_step_fails_twice() {
        let served = |rate| step(rate, 200, if rate > 150 { 80 } else { 10 });
        assert_eq!(search(served), (vec![50, 75, 113, 169, 169], Ok(56.0)));
    }

    #[test]
    fn a_step_that_fails_once_is_forgiven() {
        let mut disturbed = false;
        let served = |rate| {
            let answered = if rate == 75 && !std::mem::replace(&mut disturbed, true) {
                0
            } else if rate > 75 {
                100
            } else {
                200
            };
            step(rate, answered, 10)
        };
        assert_eq!(search(served), (vec![50, 75, 75, 113, 113], Ok(37.0)));
    }

    #[test]
    fn when_all_are_good_it_stops_at_the_last_step() {
        let (tried, rate) = search(|rate| step(rate, 200, 1));
        assert_eq!(tried.len(), MOST_STEPS);
        assert_eq!((tried[MOST_STEPS - 1], rate), (2883, Ok(1441.0)));
    }

    #[test]
    fn when_none_is_good_nothing_can_be_counted_on() {
        let (tried, rate) = search(|rate| step(rate, 0, 1));
        assert_eq!((tried, rate), (vec![FIRST; 2], Err(NothingServable)));
        insta::assert_snapshot!(NothingServable, @"not even 50 requests a second were served well: this machine is too busy, or too slow for runs on the real clock");
    }
}
