//! Playing one load in a process of its own: what the closed and the open loop share.
//!
//! | file | owns |
//! |---|---|
//! | `process` | the process: plan on stdin, lines on stdout, signals, exit code |
//! | `clock` | instants since the run's anchor |
//! | `output` | the writer of lines |
//! | `visitor` | what one user does: journeys, think time, reactions to a 429 |
//!
//! [`crate::journeys`] (goose) plays `users` loads, [`crate::open`] plays `rate` loads.

mod clock;
mod output;
mod process;
mod visitor;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use process::main;

pub(crate) use clock::LoadClock;
pub(crate) use output::Output;
pub(crate) use visitor::{Outgoing, Pace, Transport, Visitor, play_journey};

use crate::draw::{Choice, Component, Draws, Stream};
use crate::format::model::{Journey, Load, Popularity, Scenario};
use crate::format::{Alone, parse};
use crate::wire::LoadPlan;

/// Why a load cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    /// The plan is not one.
    #[error("cannot read the plan on standard input: {0}; send one line of JSON, as `crypto-watch-sim` does")]
    Unreadable(String),
    /// The scenario within the plan is not valid.
    #[error("the plan's scenario is not valid: {0}")]
    Scenario(String),
    /// The plan does not fit its scenario.
    #[error("the plan does not fit its scenario: {0}")]
    Misfit(String),
    /// The engine failed.
    #[error("the load cannot be played: {0}")]
    Engine(String),
}

impl PlayError {
    fn misfit(what: impl Into<String>) -> Self {
        Self::Misfit(what.into())
    }
}

/// One load, ready to be played.
#[derive(Debug)]
pub(crate) struct Play {
    /// The load.
    pub(crate) load: Load,
    /// The journeys of its users, with their indices in the scenario.
    journeys: Vec<(u16, Journey)>,
    /// Which of them is made.
    journey_choice: Choice,
    /// Which key an arrival uses.
    key_choice: Choice,
    /// Which symbols are asked for.
    symbol_choice: Choice,
    known: BTreeSet<String>,
    plan: LoadPlan,
    draws: Draws,
    pub(crate) clock: LoadClock,
    pub(crate) output: Output,
    /// Becomes true when the generator has to end before its load does.
    stop: watch::Receiver<bool>,
    /// Requests sent, to share them out among the targets.
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Play {
    /// Checks the plan.
    pub(crate) fn new(
        plan: LoadPlan,
        output: Output,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, PlayError> {
        let scenario = parse("the plan's scenario", &plan.scenario_toml, &[], &Alone)
            .map_err(|error| PlayError::Scenario(error.to_string()))?;
        let load = scenario.loads.get(plan.load).cloned().ok_or_else(|| {
            PlayError::misfit(format!(
                "it names load {}, the scenario has {}",
                plan.load,
                scenario.loads.len()
            ))
        })?;
        check(&plan, &load)?;
        let journeys = journeys(&scenario, &load);
        Ok(Self {
            journey_choice: Choice::weighted(journeys.iter().map(|(_, journey)| f64::from(journey.weight))),
            journeys,
            key_choice: Choice::popular(load.keys.dist, plan.keys.len()),
            symbol_choice: Choice::popular(scenario.symbols, plan.symbols.len()),
            known: plan
                .symbols
                .iter()
                .map(|symbol| symbol.to_ascii_uppercase())
                .collect(),
            draws: Draws::new(plan.seed, &load.name),
            clock: LoadClock::start(plan.anchor_ms, plan.speed),
            load,
            plan,
            output,
            stop,
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// When the load begins, real µs since the anchor.
    pub(crate) fn begin_us(&self) -> u64 {
        self.clock.at_us(self.load.at)
    }

    /// From when on nothing is sent, real µs since the anchor.
    pub(crate) fn end_us(&self) -> u64 {
        self.clock.at_us(self.load.at + self.load.length)
    }

    /// Longest time to wait for an answer.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.plan.timeout_ms)
    }

    /// Whether nothing may be sent any more.
    pub(crate) fn is_over(&self) -> bool {
        *self.stop.borrow() || self.clock.now_us() >= self.end_us()
    }

    /// Waits until the generator is told to end before its load does.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as the process; should it not, the load plays to its end.
        if self.stop.clone().wait_for(|stop| *stop).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until an instant (real µs since the anchor); false when the load is over by then.
    pub(crate) async fn wait_until(&self, at_us: u64) -> bool {
        let end_us = self.end_us();
        // Instants, because before the anchor the clock stands at 0.
        let instant = self.clock.instant(at_us.min(end_us));
        if instant <= Instant::now() {
            return at_us < end_us && !self.is_over();
        }
        tokio::select! {
            biased;
            () = self.stopped() => false,
            () = tokio::time::sleep_until(instant) => at_us < end_us && !self.is_over(),
        }
    }

    /// The `number`-th user of a closed loop. Where keys are used equally often, users take them in turn.
    pub(crate) fn user(&self, number: u32) -> Visitor {
        let count = self.plan.keys.len();
        let key = match self.load.keys.dist {
            Popularity::Uniform => (count > 0).then(|| number as usize % count),
            Popularity::Zipf { .. } => self.drawn_key(number),
        };
        self.visitor(number, key)
    }

    /// The `number`-th arrival of an open loop.
    pub(crate) fn arrival(&self, number: u32) -> Visitor {
        self.visitor(number, self.drawn_key(number))
    }

    fn drawn_key(&self, number: u32) -> Option<usize> {
        let mut stream = self.draws.stream(Component::Key, u64::from(number));
        (!self.plan.keys.is_empty()).then(|| self.key_choice.draw(&mut stream))
    }

    fn visitor(&self, number: u32, key: Option<usize>) -> Visitor {
        let stream = |component| self.draws.stream(component, u64::from(number));
        let key = key.and_then(|key| u32::try_from(key).ok());
        Visitor::new(
            number,
            key,
            stream(Component::Journey),
            stream(Component::Symbols),
        )
    }

    /// The stream of the load's arrivals.
    pub(crate) fn arrivals(&self) -> Stream {
        self.draws.stream(Component::Arrivals, 0)
    }

    /// The base URL of one of the targets.
    pub(crate) fn host(&self) -> &str {
        self.plan.targets.first().map_or("", String::as_str)
    }

    /// The target of the next request, as an index and as a URL without a slash at its end.
    fn next_target(&self) -> (u16, &str) {
        let turn = self.sent.fetch_add(1, Ordering::Relaxed) % self.plan.targets.len() as u64;
        let target = &self.plan.targets[turn as usize];
        (turn as u16, target.trim_end_matches('/'))
    }

    /// Counts a request that was not sent.
    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that were not sent because too many were in flight.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

fn check(plan: &LoadPlan, load: &Load) -> Result<(), PlayError> {
    if plan.targets.is_empty() || u16::try_from(plan.targets.len()).is_err() {
        return Err(PlayError::misfit("it must name 1 to 65535 targets"));
    }
    if !(plan.speed.is_finite() && plan.speed > 0.0) {
        return Err(PlayError::misfit(format!("its speed is {}", plan.speed)));
    }
    if plan.keys.len() != load.keys.count as usize {
        return Err(PlayError::misfit(format!(
            "load `{}` has {} keys, the plan {}",
            load.name,
            load.keys.count,
            plan.keys.len()
        )));
    }
    if plan.symbols.is_empty() {
        return Err(PlayError::misfit("it names no symbols"));
    }
    let bad = plan
        .keys
        .iter()
        .position(|key| http::HeaderValue::from_str(key).is_err());
    if let Some(index) = bad {
        return Err(PlayError::misfit(format!(
            "its key {index} cannot be sent in a header"
        )));
    }
    Ok(())
}

fn journeys(scenario: &Scenario, load: &Load) -> Vec<(u16, Journey)> {
    let of_index = |index: &usize| {
        let journey = scenario.journeys.get(*index)?;
        Some((u16::try_from(*index).ok()?, journey.clone()))
    };
    load.journeys.iter().filter_map(of_index).collect()
}
