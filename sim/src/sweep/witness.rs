//! The witness of a sweep: watches the events of a run as they happen, keeps the little that the rules need, and
//! tells which were broken.
//!
//! | file | owns |
//! |---|---|
//! | `prices` | what the store was given, and the rules about it |
//! | `answers` | the rules about each request |
//! | `upstream` | leases and calls to CoinGecko, and the rules about them |

mod answers;
mod prices;
mod upstream;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

use self::{prices::Prices, upstream::Upstream};
use super::{bounds::Bounds, rules::Rule};
use crate::{record::event::Event, virtual_world};

/// The first time that a rule was broken, and how often it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// When it was first seen, µs since the start.
    pub at_us: u64,
    /// What happened then.
    pub what: String,
    /// How often the rule was broken.
    pub times: u64,
}

/// What a witness saw, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Requests, by status answered; 0 = none.
    pub answers: BTreeMap<u16, u64>,
    /// Calls to CoinGecko, by status answered; 0 = none.
    pub calls: BTreeMap<u16, u64>,
    /// Times that the lease was granted.
    pub leases: u64,
    /// Prices stored.
    pub writes: u64,
    /// The oldest price that was served, wall ms since its fetch.
    pub oldest_served_ms: i64,
    /// The longest that a request took, µs.
    pub longest_answer_us: u64,
    /// From when all had to be back to normal, µs since the start.
    pub calm_from_us: u64,
    /// The rules that were broken, by name.
    pub broken: BTreeMap<&'static str, Breach>,
}

/// A witness. Clones share what they have seen.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Mutex<Seen>>);

/// What a witness has seen.
#[derive(Debug)]
struct Seen {
    bounds: Bounds,
    prices: Prices,
    upstream: Upstream,
    breaches: Breaches,
    answers: BTreeMap<u16, u64>,
    oldest_served_ms: i64,
    longest_answer_us: u64,
}

/// The broken rules.
#[derive(Debug, Default)]
struct Breaches(BTreeMap<Rule, Breach>);

impl Breaches {
    /// A rule was broken; `what` says how, if it is the first time.
    fn add(&mut self, rule: Rule, at_us: u64, what: impl FnOnce() -> String) {
        let breach = self.0.entry(rule).or_insert_with(|| Breach {
            at_us,
            what: what(),
            times: 0,
        });
        breach.times += 1;
    }
}

impl Watch {
    /// A witness that has seen nothing yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Seen {
            bounds,
            prices: Prices::default(),
            upstream: Upstream::default(),
            breaches: Breaches::default(),
            answers: BTreeMap::new(),
            oldest_served_ms: 0,
            longest_answer_us: 0,
        })))
    }

    /// It, as a virtual world wants it.
    #[must_use]
    pub fn witness(&self) -> virtual_world::Witness {
        let watch = self.clone();
        virtual_world::Witness::new(move |event| watch.with(|seen| seen.see(event)))
    }

    /// Takes in an event.
    pub fn see(&self, event: &Event) {
        self.with(|seen| seen.see(event));
    }

    /// What was seen, after the last event.
    #[must_use]
    pub fn finish(&self) -> Summary {
        self.with(Seen::finish)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seen {
    fn see(&mut self, event: &Event) {
        match event {
            Event::Request { line, .. } => self.request(line),
            Event::PriceWrite {
                at_us,
                symbol,
                updated_ms,
                fetched_ms,
                ..
            } => {
                let write = prices::Write {
                    at_us: *at_us,
                    updated_ms: *updated_ms,
                    fetched_ms: *fetched_ms,
                };
                let last_ok_us = self.upstream.last_ok_us();
                self.prices
                    .write(symbol, write, last_ok_us, &self.bounds, &mut self.breaches);
                self.upstream.wrote();
            }
            Event::Lease(lease) => self.upstream.lease(lease, &self.bounds, &mut self.breaches),
            Event::Upstream(call) => self.upstream.call(call),
            Event::LoadEnded { .. }
            | Event::Store(_)
            | Event::Admission { .. }
            | Event::PriceRead { .. }
            | Event::Fault { .. }
            | Event::AdmissionHeard { .. }
            | Event::Audited(_)
            | Event::Started { .. }
            | Event::ScheduleFired { .. }
            | Event::ScheduleSkipped { .. }
            | Event::UpdateEnded { .. }
            | Event::Emf { .. }
            | Event::Log { .. }
            | Event::InvocationBegan { .. }
            | Event::InvocationThrottled { .. }
            | Event::Invoked { .. }
            | Event::EmfBroken { .. }
            | Event::Alarm { .. }
            | Event::Memory { .. } => {}
        }
    }

    fn finish(&mut self) -> Summary {
        let calm_from_us = self.upstream.calm_from(&self.bounds);
        self.upstream
            .judge(&self.bounds, calm_from_us, &mut self.breaches);
        let broken = self.breaches.0.iter();
        Summary {
            answers: self.answers.clone(),
            calls: self.upstream.statuses(),
            leases: self.upstream.leases(),
            writes: self.prices.writes(),
            oldest_served_ms: self.oldest_served_ms,
            longest_answer_us: self.longest_answer_us,
            calm_from_us,
            broken: broken
                .map(|(rule, breach)| (rule.name(), breach.clone()))
                .collect(),
        }
    }
}

/// An instant of a run for people, such as `at 12m5.250s`.
fn at(at_us: u64) -> String {
    let (minutes, seconds) = (at_us / 60_000_000, at_us % 60_000_000);
    format!(
        "at {minutes}m{}.{:03}s",
        seconds / 1_000_000,
        seconds / 1000 % 1000
    )
}

#[cfg(test)]
mod tests;
