//! A scenario as meant: what is played, on which stack, with which faults, and what must hold.
//!
//! These types carry no serde: [`parse`](fn@super::parse) makes them from a file, and everything in them has been
//! checked. All times of a scenario are production (wall) time since its start.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::assumptions::Assumptions;
use super::check::{Check, During, Where};
use super::diagnostics::{Diagnostic, Severity, Source, Span};
use super::document::Document;
use super::fault::{FaultKind, Latency};

/// One scenario, checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The texts that spans point into: the file, what it extends, and the overriding flags.
    pub sources: Vec<Source>,
    /// See [`Scenario::effective_toml`].
    pub(super) effective: String,
    /// Its name, as in `run NAME`.
    pub name: String,
    /// What it proves, in a sentence or two.
    pub about: String,
    /// The seed of everything that is drawn, unless the command line gives another.
    pub seed: u64,
    /// The instant at which it begins on the wall clock of the simulated world.
    pub start: jiff::Timestamp,
    /// How long it plays.
    pub duration: Duration,
    /// The stack it is played on.
    pub stack: Stack,
    /// How often each supported symbol is asked for.
    pub symbols: Popularity,
    /// How long things take in virtual time.
    pub latency: Latencies,
    /// What users do.
    pub journeys: Vec<Journey>,
    /// How many of them, when. In file order.
    pub loads: Vec<Load>,
    /// What breaks, when. In file order, which is also the order in which overlapping faults apply.
    pub faults: Vec<Fault>,
    /// What must hold.
    pub expects: Vec<Expect>,
}

impl Scenario {
    /// The scenario's text after `extends` and overrides. Parsed again, it gives the same scenario.
    pub fn effective_toml(&self) -> &str {
        &self.effective
    }

    /// Whether it says this key of a table: in its file, in what that extends, or by a flag.
    pub fn says(&self, table: &str, key: &str) -> bool {
        // It has been read before.
        Document::read(&self.effective, 0).is_ok_and(|document| document.says(table, key))
    }

    /// An error that points at a place of this scenario, for what only its player can find out.
    pub fn error_at(&self, span: &Span, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        Diagnostic::at(&self.sources, span, Severity::Error, message, help)
    }

    /// A warning that points at a place of this scenario.
    pub fn warning_at(&self, span: &Span, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        Diagnostic::at(&self.sources, span, Severity::Warning, message, help)
    }

    /// The wall time since the start that `during` means; never empty, never outside the scenario.
    pub fn window(&self, during: &During) -> Range<Duration> {
        during.window(self)
    }

    /// The window of an expectation: that of its `during`, or the whole scenario.
    pub fn window_of(&self, expect: &Expect) -> Range<Duration> {
        expect
            .during
            .as_ref()
            .map_or(Duration::ZERO..self.duration, |during| self.window(during))
    }

    /// The loads with their indices in [`Scenario::loads`], by the time they begin (file order breaks ties).
    pub fn loads_in_time(&self) -> Vec<(usize, &Load)> {
        let mut loads: Vec<_> = self.loads.iter().enumerate().collect();
        loads.sort_by_key(|(index, load)| (load.at, *index));
        loads
    }

    /// The loads that play at `at`, with their indices.
    pub fn loads_at(&self, at: Duration) -> impl Iterator<Item = (usize, &Load)> {
        self.loads
            .iter()
            .enumerate()
            .filter(move |(_, load)| load.span_in_time().contains(&at))
    }
}

/// What is deployed: the settings of template and service that this scenario names, defaults for the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Deployment environment.
    pub environment: Environment,
    /// API processes, at least 1.
    pub instances: u32,
    /// How long a fetched price is fresh.
    pub cache_ttl: Duration,
    /// Requests that a key may make per minute.
    pub rate_limit: u32,
    /// How long a price may be served at all.
    pub price_retention: Duration,
    /// Time between two scheduled updates.
    pub update_every: Duration,
    /// How long an update may take, real time; `None` = the service's default.
    pub update_timeout: Option<Duration>,
    /// Time of the first scheduled update after the start; `None` = drawn from the seed. Less than `update_every`.
    pub update_phase: Option<Duration>,
    /// What the CoinGecko plan permits.
    pub upstream_plan: Plan,
    /// What is assumed of CoinGecko beyond that.
    pub upstream_assume: Assumptions,
}

impl Default for Stack {
    fn default() -> Self {
        Self {
            environment: Environment::Dev,
            instances: 1,
            cache_ttl: Duration::from_secs(300),
            rate_limit: 100,
            price_retention: Duration::from_secs(3600),
            update_every: Duration::from_secs(300),
            update_timeout: None,
            update_phase: None,
            upstream_plan: Plan::Demo,
            upstream_assume: Assumptions::default(),
        }
    }
}

/// Where the stack pretends to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// `dev`
    Dev,
    /// `staging`
    Staging,
    /// `prod`
    Prod,
}

impl Environment {
    /// As in the service's `ENVIRONMENT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A CoinGecko plan. What each permits is the fake's to know; [`Plan::Custom`] says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// No key.
    Keyless,
    /// The free key.
    Demo,
    /// The smallest paid plan.
    Basic,
    /// The middle paid plan.
    Analyst,
    /// As many calls a minute as the middle one, and four times its credits.
    Lite,
    /// Limits of our own, such as those that an Enterprise customer has agreed on.
    Custom {
        /// Calls per minute.
        per_minute: u32,
        /// Credits per month.
        per_month: u64,
    },
}

/// How choices among ranked things (symbols, keys) are distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Popularity {
    /// Each equally often.
    Uniform,
    /// The k-th most popular with weight `1 / k^s`.
    Zipf {
        /// The exponent, above 0.
        s: f64,
    },
}

impl Popularity {
    /// The share of choices that falls on the most popular of `count` things, 0 to 1.
    pub fn hottest_share(self, count: u32) -> f64 {
        match self {
            Self::Uniform => 1.0 / f64::from(count.max(1)),
            Self::Zipf { s } => 1.0 / (1..=count.max(1)).map(|k| f64::from(k).powf(-s)).sum::<f64>(),
        }
    }
}

/// How long things take in virtual time, as modelled. `None`: the player's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// One request to DynamoDB.
    pub store: Option<Latency>,
    /// One call to CoinGecko, without what faults add.
    pub coingecko: Option<Latency>,
    /// What the service takes for a request, and the way to it and back; without `--via lambda`.
    pub service: Option<Latency>,
    /// What an environment of a function takes to start; with `--via lambda`.
    pub cold_start: Option<Latency>,
    /// What a function itself takes for an invocation; with `--via lambda`.
    pub invocation: Option<Latency>,
}

/// What one kind of user does: its gets in order, `think` between two of them; a closed-loop user starts over.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Unique among journeys.
    pub name: String,
    /// How often it is chosen, relative to the others; at least 1.
    pub weight: u32,
    /// What it gets, in order; at least one.
    pub get: Vec<Template>,
    /// Time between two gets.
    pub think: Duration,
    /// What it does when it is answered 429.
    pub on_reject: OnReject,
    /// Whether it sends `If-None-Match` with the last `ETag` it got for the same path.
    pub revalidate: bool,
    /// The `Accept-Encoding` it sends; `None` = no such header.
    pub accept_encoding: Option<String>,
    /// Where its name stands.
    pub span: Span,
}

/// What a user does about a 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReject {
    /// Goes on with the journey after the think time.
    GiveUp,
    /// Waits as `Retry-After` says, then repeats the request.
    RetryAfter,
    /// Repeats the request at once.
    Hammer,
}

/// A path with places to fill, such as `/prices?symbols={symbols:3}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// As written.
    pub text: String,
    /// In order.
    pub pieces: Vec<Piece>,
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Taken as it is.
    Text(String),
    /// One symbol, drawn by the scenario's popularity.
    Symbol,
    /// So many different symbols, drawn likewise and joined by commas; 1 to 50.
    Symbols(u32),
}

/// A span of time with so many users or so many arrivals.
#[derive(Clone, Debug)]
pub struct Load {
    /// Unique among loads and faults.
    pub name: String,
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub length: Duration,
    /// How many.
    pub shape: Shape,
    /// How arrivals of a `rate` are spaced.
    pub arrivals: Arrivals,
    /// The API keys of its users; no two loads share a key.
    pub keys: KeyPool,
    /// Indices of the journeys that its users make, by weight; at least one.
    pub journeys: Vec<usize>,
    /// Where its name stands.
    pub span: Span,
}

impl Load {
    /// Wall time since the start, end excluded.
    pub fn span_in_time(&self) -> Range<Duration> {
        self.at..self.at + self.length
    }
}

/// Open or closed loop.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Journey starts per wall second, linear between the points, which divide the load into equal parts; a
    /// single point is a constant rate.
    Rate(Vec<f64>),
    /// So many users at all times, each making one request at a time.
    Users(u32),
}

impl Shape {
    /// The highest rate of journey starts per wall second, for a `rate`.
    pub fn peak_rate(&self) -> Option<f64> {
        match self {
            Self::Rate(points) => Some(points.iter().copied().fold(0.0, f64::max)),
            Self::Users(_) => None,
        }
    }

    /// The rate of journey starts per wall second at a fraction (0 to 1) of the load, for a `rate`.
    pub fn rate_at(&self, fraction: f64) -> Option<f64> {
        let Self::Rate(points) = self else { return None };
        let last = points.len().saturating_sub(1);
        let place = fraction.clamp(0.0, 1.0) * last as f64;
        let left = (place.floor() as usize).min(last);
        let right = (left + 1).min(last);
        let (from, to) = (*points.get(left)?, *points.get(right)?);
        Some(from + (to - from) * (place - left as f64))
    }

    /// Mean rate of journey starts per wall second, for a `rate`.
    pub fn mean_rate(&self) -> Option<f64> {
        let Self::Rate(points) = self else { return None };
        match points.as_slice() {
            [] => None,
            [only] => Some(*only),
            many => {
                let area: f64 = many.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).sum();
                Some(area / (many.len() - 1) as f64)
            }
        }
    }
}

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Independent of each other.
    Poisson,
    /// Equal gaps.
    Even,
}

/// The API keys of a load's users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyPool {
    /// How many, at least 1.
    pub count: u32,
    /// How often each is used.
    pub dist: Popularity,
}

/// Something that breaks for a while.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Unique among loads and faults.
    pub name: String,
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub length: Duration,
    /// What breaks and how; the kind knows its [`Target`].
    pub kind: FaultKind,
    /// How strong it is over its span.
    pub shape: FaultShape,
    /// The share of eligible events that it touches, above 0 and up to 1.
    pub share: f64,
    /// Only the first so many eligible events.
    pub first: Option<u32>,
    /// Only every so-many-th eligible event: with 2 the second, fourth, sixth …
    pub every: Option<u32>,
    /// Which events are eligible.
    pub matches: Match,
    /// Whether it may have touched nothing at the end of a run.
    pub may_miss: bool,
    /// Where its name stands.
    pub span: Span,
    /// Where its kind stands.
    pub kind_span: Span,
}

impl Fault {
    /// What breaks.
    pub fn target(&self) -> Target {
        self.kind.target()
    }

    /// Wall time since the start, end excluded.
    pub fn span_in_time(&self) -> Range<Duration> {
        self.at..self.at + self.length
    }

    /// When it is there at all, in order: once, or each time that it comes (wall time since the start, ends excluded).
    pub fn spans(&self) -> Vec<Range<Duration>> {
        let whole = self.span_in_time();
        let FaultShape::Flap { on, off } = self.shape else {
            return vec![whole];
        };
        let begins = std::iter::successors(Some(whole.start), |begin| Some(*begin + on + off));
        begins
            .take_while(|begin| *begin < whole.end)
            .map(|begin| begin..(begin + on).min(whole.end))
            .collect()
    }

    /// The share of eligible events that its shape lets it touch at an instant (wall time since the start), 0 to 1:
    /// 0 outside its span.
    pub fn strength_at(&self, since_start: Duration) -> f64 {
        if !self.span_in_time().contains(&since_start) {
            return 0.0;
        }
        let into = since_start - self.at;
        match self.shape {
            FaultShape::Step => 1.0,
            FaultShape::RampIn => into.as_secs_f64() / self.length.as_secs_f64(),
            FaultShape::RampOut => 1.0 - into.as_secs_f64() / self.length.as_secs_f64(),
            FaultShape::Flap { on, off } => {
                let period = (on + off).as_nanos().max(1);
                f64::from(u8::from(into.as_nanos() % period < on.as_nanos()))
            }
        }
    }
}

/// How strong a fault is over its span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FaultShape {
    /// In full from its beginning to its end.
    #[default]
    Step,
    /// The share of events that it touches grows from none to all.
    RampIn,
    /// It falls from all to none.
    RampOut,
    /// It comes and goes.
    Flap {
        /// How long it is there each time; it begins there.
        on: Duration,
        /// How long it is not.
        off: Duration,
    },
}

/// What a fault breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The fake CoinGecko.
    CoinGecko,
    /// DynamoDB.
    Store,
    /// The service's processes.
    Service,
    /// The schedule that starts updates.
    Schedule,
    /// The users.
    Clients,
    /// Lambda, which runs the service's functions.
    Lambda,
}

impl Target {
    /// As in a scenario file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CoinGecko => "coingecko",
            Self::Store => "store",
            Self::Service => "service",
            Self::Schedule => "schedule",
            Self::Clients => "clients",
            Self::Lambda => "lambda",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which events a fault may touch: all of the conditions that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The path begins so (without the query; of CoinGecko without `/api/v3`).
    pub path: Option<String>,
    /// The request asks for this CoinGecko id, or the answer is about it.
    pub id: Option<String>,
    /// A header with this name (lower case), and this value when one is given.
    pub header: Option<(String, Option<String>)>,
    /// The DynamoDB operation, such as `UpdateItem`.
    pub op: Option<String>,
    /// The item's partition key begins so.
    pub key_prefix: Option<String>,
    /// The invocation is one of this function.
    pub function: Option<FunctionName>,
}

/// A function of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FunctionName {
    /// What answers requests.
    Api,
    /// What the schedule invokes.
    Update,
}

/// Something that must hold.
#[derive(Clone, Debug)]
pub struct Expect {
    /// What.
    pub check: Check,
    /// When; `None` = the whole scenario.
    pub during: Option<During>,
    /// For which requests; `None` = all.
    pub filter: Option<Where>,
    /// On which clock it is judged; `None` = both.
    pub clock: Option<ClockKind>,
    /// What its failure means.
    pub level: Level,
    /// Where its check stands.
    pub span: Span,
    /// Where its `during` stands.
    pub during_span: Option<Span>,
    /// Where its `where` stands.
    pub filter_span: Option<Span>,
}

/// Which clock a scenario is played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// Simulated time.
    Virtual,
    /// The machine's, perhaps sped up.
    Real,
}

/// How grave a failed expectation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The run fails.
    Fail,
    /// The run only says so.
    Warn,
}
