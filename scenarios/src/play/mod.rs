//! Playing one load: what the closed and the open loop share, on sockets and within a process.
//!
//! | file | owns |
//! |---|---|
//! | `process` | a load in a process of its own: plan on stdin, lines on stdout, signals, exit code |
//! | `clock` | instants since the run's anchor |
//! | `output` | the writer of lines |
//! | `faults` | what makes users misbehave |
//! | `visitor` | what one user does: journeys, think time, reactions to a 429 |
//!
//! [`crate::journeys`] (goose) plays `users` loads on sockets, [`crate::open`] plays `rate` loads,
//! [`crate::within`] plays both without sockets.

mod clock;
mod faults;
mod output;
mod process;
mod visitor;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::watch;
use tokio::time::Instant;

pub use faults::disabled_key;
pub use process::main;

pub(crate) use clock::LoadClock;
pub(crate) use faults::SlowRead;
pub(crate) use visitor::{Outgoing, Pace, Transport, Visitor, play_journey};

use self::faults::ClientFaults;
use crate::draw::{Choice, Component, Draws, Stream};
use crate::format::model::{Journey, Load, Popularity, Scenario};
use crate::request::Reader;
use crate::wire::RequestLine;

/// How long requests in flight may take to end when a load has to end before its time, real time.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How often it is asked meanwhile whether there are any.
const STOP_POLL: Duration = Duration::from_millis(10);

/// Why a load cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
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

/// What a load is played with.
pub(crate) struct Setup<'a> {
    pub(crate) scenario: &'a Scenario,
    /// Index of the load.
    pub(crate) load: usize,
    pub(crate) seed: u64,
    /// Targets, among which requests are shared out.
    pub(crate) targets: u16,
    /// The keys of the load, by index.
    pub(crate) keys: &'a [String],
    /// The supported symbols, most popular first.
    pub(crate) symbols: Vec<String>,
    pub(crate) clock: LoadClock,
    pub(crate) tell: Tell,
    /// Becomes true when the load has to end before its time.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Who is told of each request.
#[derive(Clone)]
pub(crate) struct Tell(pub(crate) Arc<dyn Fn(RequestLine) + Send + Sync>);

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

/// One load, ready to be played.
#[derive(Debug)]
pub(crate) struct Play {
    /// The load.
    pub(crate) load: Load,
    /// The journeys of its users.
    journeys: Vec<Route>,
    /// Which of them is made.
    journey_choice: Choice,
    /// The keys of its users, by index.
    keys: Vec<HeaderValue>,
    /// Which key an arrival uses.
    key_choice: Choice,
    /// The supported symbols, most popular first.
    symbols: Vec<String>,
    /// Which symbols are asked for.
    symbol_choice: Choice,
    /// The supported symbols, upper case.
    known: BTreeSet<String>,
    targets: u16,
    draws: Draws,
    faults: Option<ClientFaults>,
    pub(crate) clock: LoadClock,
    reader: Reader,
    tell: Tell,
    /// Becomes true when the load has to end before its time.
    stop: watch::Receiver<bool>,
    /// Requests handed to a transport, to share them out among the targets.
    turns: AtomicU64,
    /// Requests told of.
    sent: AtomicU64,
    in_flight: AtomicU32,
    dropped: AtomicU64,
}

/// A journey of the load.
#[derive(Debug)]
struct Route {
    /// Its index in the scenario.
    index: u16,
    journey: Journey,
    /// The `Accept-Encoding` that it sends.
    accept_encoding: Option<HeaderValue>,
}

impl Play {
    /// Checks that the parts fit each other.
    pub(crate) fn new(setup: Setup<'_>) -> Result<Self, PlayError> {
        let scenario = setup.scenario;
        let load = scenario.loads.get(setup.load).cloned().ok_or_else(|| {
            PlayError::misfit(format!(
                "it names load {}, the scenario has {}",
                setup.load,
                scenario.loads.len()
            ))
        })?;
        check(&setup, &load)?;
        let journeys = journeys(scenario, &load);
        let draws = Draws::new(setup.seed, &load.name);
        let disabled_key = disabled_key(setup.seed, &load.name);
        let weights = journeys.iter().map(|route| f64::from(route.journey.weight));
        Ok(Self {
            journey_choice: Choice::weighted(weights),
            journeys,
            keys: header_values(setup.keys)?,
            key_choice: Choice::popular(load.keys.dist, setup.keys.len()),
            symbol_choice: Choice::popular(scenario.symbols, setup.symbols.len()),
            known: setup
                .symbols
                .iter()
                .map(|symbol| symbol.to_ascii_uppercase())
                .collect(),
            symbols: setup.symbols,
            targets: setup.targets,
            faults: ClientFaults::new(scenario, draws, disabled_key),
            draws,
            clock: setup.clock,
            load,
            reader: Reader::default(),
            tell: setup.tell,
            stop: setup.stop,
            turns: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
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

    /// Whether nothing may be sent any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over_at(self.clock.now_us())
    }

    /// Whether what is due at this instant (real µs since the anchor) may not be sent.
    fn is_over_at(&self, due_us: u64) -> bool {
        *self.stop.borrow() || due_us >= self.end_us()
    }

    /// Waits until the generator is told to end before its load does.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as the process; should it not, the load plays to its end.
        if self.stop.clone().wait_for(|stop| *stop).await.is_err() {
            std::future::pending().await
        }
    }

    /// Plays the load by `engine`. When it has to end before its time, requests in flight get a moment to end;
    /// `None`, then.
    pub(crate) async fn to_the_end<T>(&self, engine: impl Future<Output = T>) -> Option<T> {
        let impatient = async {
            self.stopped().await;
            let until = Instant::now() + STOP_GRACE;
            while self.in_flight.load(Ordering::Relaxed) > 0 && Instant::now() < until {
                tokio::time::sleep(STOP_POLL).await;
            }
        };
        tokio::select! {
            biased;
            end = engine => Some(end),
            () = impatient => None,
        }
    }

    /// Waits until an instant (real µs since the anchor); false when the load is over by then.
    ///
    /// Who waits is not woken when the load has to end before its time: [`Play::to_the_end`] drops it.
    pub(crate) async fn wait_until(&self, at_us: u64) -> bool {
        // Instants, because before the anchor the clock stands at 0.
        let instant = self.clock.instant(at_us.min(self.end_us()));
        if instant > Instant::now() {
            tokio::time::sleep_until(instant).await;
        }
        !self.is_over_at(at_us)
    }

    /// How many times as fast what follows comes when the wait for it begins `at` (wall time since the start), because
    /// faults make users hurry; these are added to `faults`.
    pub(crate) fn hurry(&self, at: Duration, faults: &mut Vec<u16>) -> f64 {
        self.faults.as_ref().map_or(1.0, |all| all.hurry(at, faults))
    }

    /// The `number`-th user of a closed loop. Where keys are used equally often, users take them in turn.
    pub(crate) fn user(&self, number: u32) -> Visitor {
        let count = self.keys.len();
        let key = match self.load.keys.dist {
            Popularity::Uniform => (count > 0).then(|| number as usize % count),
            Popularity::Zipf { .. } => self.drawn_key(number),
        };
        self.visitor(number, key)
    }

    /// The `number`-th arrival of an open loop, which comes when it does because of these faults.
    pub(crate) fn arrival(&self, number: u32, faults: Vec<u16>) -> Visitor {
        let mut visitor = self.visitor(number, self.drawn_key(number));
        visitor.hurried = faults;
        visitor
    }

    fn drawn_key(&self, number: u32) -> Option<usize> {
        let mut stream = self.draws.stream(Component::Key, u64::from(number));
        (!self.keys.is_empty()).then(|| self.key_choice.draw(&mut stream))
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

    /// The target of the next request.
    fn next_target(&self) -> u16 {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed) % u64::from(self.targets);
        turn as u16
    }

    /// Tells of a request.
    fn tell(&self, line: RequestLine) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        (self.tell.0)(line);
    }

    /// Requests told of so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
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

fn check(setup: &Setup<'_>, load: &Load) -> Result<(), PlayError> {
    if setup.targets == 0 {
        return Err(PlayError::misfit("it must name 1 to 65535 targets"));
    }
    if setup.keys.len() != load.keys.count as usize {
        return Err(PlayError::misfit(format!(
            "load `{}` has {} keys, the plan {}",
            load.name,
            load.keys.count,
            setup.keys.len()
        )));
    }
    if setup.symbols.is_empty() {
        return Err(PlayError::misfit("it names no symbols"));
    }
    Ok(())
}

fn header_values(keys: &[String]) -> Result<Vec<HeaderValue>, PlayError> {
    let value = |(index, key): (usize, &String)| {
        HeaderValue::from_str(key)
            .map_err(|_| PlayError::misfit(format!("its key {index} cannot be sent in a header")))
    };
    keys.iter().enumerate().map(value).collect()
}

fn journeys(scenario: &Scenario, load: &Load) -> Vec<Route> {
    let of_index = |index: &usize| {
        let journey = scenario.journeys.get(*index)?.clone();
        // The scenario's values have been checked to be sendable.
        let accept_encoding = journey
            .accept_encoding
            .as_deref()
            .and_then(|value| HeaderValue::from_str(value).ok());
        Some(Route {
            index: u16::try_from(*index).ok()?,
            journey,
            accept_encoding,
        })
    };
    load.journeys.iter().filter_map(of_index).collect()
}
