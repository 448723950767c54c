//! A scenario as written: the shape of the file, each value with its place, nothing of it checked yet.
//!
//! These structs are the one table of keys: unknown keys are refused by them, and the JSON Schema and
//! `docs/scenario-format.md` are made from their types and comments.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::Deserializer;

use super::assume::RawAssume;
use super::written::{
    At, Instant, OneOrMany, PerTime, Raw, Share, Size, Speed, TextOr, Time, TimeOrNone, TimeOrSpan,
};

/// A scenario file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Scenario")]
pub(crate) struct RawScenario {
    /// Version of this format: 1.
    pub(super) schema: At<i64>,
    /// Name of the scenario, as in `run NAME`: lower-case letters, digits, `-` and `_`.
    pub(super) name: At<String>,
    /// What the scenario proves, in a sentence or two.
    pub(super) about: At<String>,
    /// Another scenario, by name, from which all is taken that is not said here. `name` and `about` are always
    /// its own; `[stack]`, `[symbols]` and `[latency]` are taken key by key; a list such as `[[load]]` is taken
    /// whole or, when this file has one of the same kind, not at all.
    #[expect(dead_code, reason = "resolved on the document before this is read")]
    pub(super) extends: Option<At<String>>,
    /// Seed of everything that is drawn. Default: 1.
    pub(super) seed: Option<At<u64>>,
    /// The instant, RFC 3339, at which the scenario begins on the simulated wall clock. Default:
    /// `2026-03-02T00:00:00Z`.
    pub(super) start: Option<Raw<Instant>>,
    /// How long the scenario plays.
    pub(super) duration: Raw<Time>,
    /// The stack that it is played on.
    pub(super) stack: Option<RawStack>,
    /// How often each supported symbol is asked for.
    pub(super) symbols: Option<RawPopularity>,
    /// How long things take in virtual time.
    pub(super) latency: Option<RawLatencies>,
    /// What a kind of user does; at least one.
    #[serde(default)]
    pub(super) journey: Vec<RawJourney>,
    /// How many users there are, when; at least one. Loads without `at` follow each other in file order; together
    /// the loads must cover the scenario's duration.
    #[serde(default)]
    pub(super) load: Vec<RawLoad>,
    /// What breaks, when. Overlapping faults apply in file order. A fault that touches nothing fails the run.
    #[serde(default)]
    pub(super) fault: Vec<RawFault>,
    /// What must hold. A check without a single sample fails.
    #[serde(default)]
    pub(super) expect: Vec<RawExpect>,
}

/// The stack: what template and service configuration set, overridden.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Stack")]
pub(crate) struct RawStack {
    /// Deployment environment; with `--via lambda`, whose samconfig, throttles, quota and alarms are played (only prod has alarms).
    /// Default: `dev`.
    pub(super) environment: Option<RawEnvironment>,
    /// Number of API processes; with `--via lambda` Lambda decides, and this is not looked at. Default: 1.
    pub(super) instances: Option<At<u32>>,
    /// How long a fetched price is fresh, in whole seconds. Default: `5m`, or what the template deploys with `--via lambda`.
    pub(super) cache_ttl: Option<Raw<Time>>,
    /// Requests that one API key may make; whole per minute. Default: `100/min`, or what the template deploys with `--via lambda`.
    pub(super) rate_limit: Option<Raw<PerTime>>,
    /// How long a price may be served at all, in whole seconds. Default: `1h`, or what the template deploys with `--via lambda`.
    pub(super) price_retention: Option<Raw<Time>>,
    /// Time between two scheduled updates, in whole seconds. Default: `5m`.
    pub(super) update_every: Option<Raw<Time>>,
    /// How long an update may take, less than `update_every`. A lease that an update leaves behind lasts as long, and 3 s.
    /// Default: that of the service.
    pub(super) update_timeout: Option<Raw<Time>>,
    /// Time of the first scheduled update, less than `update_every`. Default: drawn from the seed.
    pub(super) update_phase: Option<Raw<Time>>,
    /// The CoinGecko plan: `keyless`, `demo`, `basic`, `analyst`, `lite`, or limits of its own, as an Enterprise
    /// customer has. Default: `demo`.
    pub(super) upstream_plan: Option<At<RawPlan>>,
    /// What is assumed of CoinGecko where nobody could verify it, such as `{ window = "sliding" }`. Default: as
    /// `docs/fake-coingecko.md` says.
    pub(super) upstream_assume: Option<RawAssume>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum RawEnvironment {
    Dev,
    Staging,
    Prod,
}

/// A named plan or limits.
#[derive(Debug)]
pub(crate) enum RawPlan {
    Named(String),
    Custom(RawCustomPlan),
}

/// Limits of a CoinGecko plan.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CustomPlan")]
pub(crate) struct RawCustomPlan {
    /// Calls per minute.
    pub(super) per_minute: u32,
    /// Credits per month.
    pub(super) per_month: u64,
}

/// How choices among ranked things are distributed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Popularity")]
pub(crate) struct RawPopularity {
    /// `uniform` (each equally often) or `zipf` (the k-th with weight 1 / k^s). Default: `uniform`.
    pub(super) dist: Option<RawDist>,
    /// The exponent of `zipf`, above 0. Default: 1.
    pub(super) s: Option<At<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum RawDist {
    Uniform,
    Zipf,
}

/// How long things take with `--clock virtual`, where nothing takes time of itself: modelled, and not used with
/// `--clock real`. Each is a fixed duration, or `{ p50 = "4ms", p99 = "20ms" }` for a lognormal distribution. What is
/// left out is as it was measured in real runs: by `crypto-watch-sim calibrate`, committed as `sim/calibration.toml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Latencies")]
pub(crate) struct RawLatencies {
    /// One request to DynamoDB.
    pub(super) store: Option<At<RawLatency>>,
    /// One call to CoinGecko, to the end of its answer. Latency faults add to it.
    pub(super) coingecko: Option<At<RawLatency>>,
    /// What the service itself takes for a request, and the way to it and back; without `--via lambda`.
    pub(super) service: Option<At<RawLatency>>,
    /// What an environment of a function takes to start; with `--via lambda`.
    pub(super) cold_start: Option<At<RawLatency>>,
    /// What a function itself takes for an invocation, beside what it waits for; with `--via lambda`.
    pub(super) invocation: Option<At<RawLatency>>,
}

/// What a kind of user does.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Journey")]
pub(crate) struct RawJourney {
    /// Name, unique among journeys.
    pub(super) name: At<String>,
    /// How often it is chosen, relative to the other journeys. Default: 1.
    pub(super) weight: Option<At<u32>>,
    /// The paths that it gets, in order. `{symbol}` stands for one symbol and `{symbols:N}` for N different ones (1
    /// to 50, joined by commas), drawn for each request.
    pub(super) get: Vec<At<String>>,
    /// Time between two of its gets. In a `users` load the user starts over after it. Default: `10s`.
    pub(super) think: Option<Raw<Time>>,
    /// What it does about a 429: `give-up` goes on after `think`, `retry-after` waits as long as the answer says and
    /// repeats, `hammer` repeats at once. Default: `give-up`.
    pub(super) on_reject: Option<RawOnReject>,
    /// Whether it sends `If-None-Match` with the last `ETag` of the same path. Default: false.
    pub(super) revalidate: Option<bool>,
    /// The `Accept-Encoding` that it sends; `none` sends no such header. Default: `gzip`.
    pub(super) accept_encoding: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum RawOnReject {
    GiveUp,
    RetryAfter,
    Hammer,
}

/// How many users, or how many arrivals.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Load")]
pub(crate) struct RawLoad {
    /// Name, unique among loads and faults.
    pub(super) name: At<String>,
    /// When it begins, in parallel with others. Default: when the load before it that has no `at` ends.
    pub(super) at: Option<Raw<Time>>,
    /// How long it lasts. Default: to the end of the scenario.
    #[serde(rename = "for")]
    pub(super) length: Option<Raw<Time>>,
    /// Open loop: journey starts per time. Several rates divide the load into equal parts, linear between them.
    /// Either this or `users`.
    pub(super) rate: Option<At<OneOrMany<PerTime>>>,
    /// Closed loop: users who each make one request at a time, 1 to 100,000. Either this or `rate`.
    pub(super) users: Option<At<u32>>,
    /// How the arrivals of a `rate` are spaced: `poisson` or `even`. Default: `poisson`.
    pub(super) arrivals: Option<At<RawArrivals>>,
    /// The API keys of its users; no two loads share a key. Default: 100, uniform.
    pub(super) keys: Option<RawKeys>,
    /// Names of the journeys that its users make. Default: all.
    pub(super) journeys: Option<Vec<At<String>>>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum RawArrivals {
    Poisson,
    Even,
}

/// The API keys of a load.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Keys")]
pub(crate) struct RawKeys {
    /// How many there are.
    pub(super) count: At<u32>,
    /// How the users are distributed over them: `uniform` or `zipf`. Default: `uniform`.
    pub(super) dist: Option<RawDist>,
    /// The exponent of `zipf`, above 0. Default: 1.
    pub(super) s: Option<At<f64>>,
}

/// Something that breaks for a while. Which parameters there are depends on `kind`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
pub(crate) struct RawFault {
    /// Name, unique among loads and faults.
    pub(super) name: At<String>,
    /// What breaks.
    pub(super) target: RawTarget,
    /// When it begins: a time, or a span such as `2m..8m`, in which an instant is drawn from the seed.
    pub(super) at: Raw<TimeOrSpan>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub(super) length: Raw<Time>,
    /// How it breaks: see the table of kinds.
    pub(super) kind: At<KindName>,
    /// Instead of in full: the share of eligible events that it touches grows over its span from none to all (`in`), or
    /// falls from all to none (`out`).
    pub(super) ramp: Option<At<String>>,
    /// Instead of in full: it comes and goes, and begins with coming, such as `{ on = "4m", off = "2m" }`.
    pub(super) flap: Option<At<RawFlap>>,
    /// The share of eligible events that it touches. Default: `100%`.
    pub(super) share: Option<Raw<Share>>,
    /// Only the first so many eligible events; of target `clients`, of each load.
    pub(super) first: Option<At<u32>>,
    /// Only every so-many-th eligible event; likewise.
    pub(super) every: Option<At<u32>>,
    /// Which events are eligible: all of these conditions. Default: all events of the target.
    #[serde(rename = "match")]
    pub(super) matches: Option<At<RawMatch>>,
    /// Whether it may touch nothing. Default: false.
    pub(super) may_miss: Option<bool>,
    /// Parameter: HTTP status.
    pub(super) status: Option<At<u16>>,
    /// Parameter: calls per minute that still pass.
    pub(super) limit: Option<Raw<PerTime>>,
    /// Parameter: length of the fixed window in which calls are counted.
    pub(super) window: Option<Raw<Time>>,
    /// Parameter: the `Retry-After` of a 429 in whole seconds, `date` for the window's end as an HTTP-date, or `none` for
    /// no such header.
    pub(super) retry_after: Option<Raw<TimeOrNone>>,
    /// Parameter: the characters of `Retry-After`, such as `-1`, `1000000000` or `soon`.
    pub(super) retry_after_text: Option<At<String>>,
    /// Parameter: which body a block has, `html` or `1020`.
    pub(super) body: Option<At<String>>,
    /// Parameter: how late in real time, fixed or as `{ p50 = …, p99 = … }` of a lognormal distribution.
    pub(super) latency: Option<At<RawLatency>>,
    /// Parameter: bytes per real second, such as `1KB/s`.
    pub(super) speed: Option<Raw<Speed>>,
    /// Parameter: real time after which a hanging connection is closed.
    pub(super) at_most: Option<Raw<Time>>,
    /// Parameter: in which way it fails.
    pub(super) how: Option<At<String>>,
    /// Parameter: how old data are.
    pub(super) age: Option<Raw<Time>>,
    /// Parameter: what stands still, `all` or `price`.
    pub(super) freeze: Option<At<String>>,
    /// Parameter: how far one edge cache is behind.
    pub(super) lag: Option<Raw<Time>>,
    /// Parameter: fields of a coin, of `price`, `change_24h`, `market_cap`, `rank`.
    pub(super) fields: Option<Vec<At<String>>>,
    /// Parameter: whether the fields are left out instead of null.
    pub(super) absent: Option<At<bool>>,
    /// Parameter: how many coins.
    pub(super) count: Option<At<u32>>,
    /// Parameter: what stands in place of what is missing.
    pub(super) shape: Option<At<String>>,
    /// Parameter: which wrong value, `zero`, `spike`, `negative` or `other_coin`.
    pub(super) value: Option<At<String>>,
    /// Parameter: a factor.
    pub(super) factor: Option<At<f64>>,
    /// Parameter: CoinGecko's error code.
    pub(super) code: Option<At<u32>>,
    /// Parameter: a number of bytes.
    pub(super) above: Option<Raw<Size>>,
    /// Parameter: a number of bytes.
    pub(super) after: Option<Raw<Size>>,
    /// Parameter: the share of a batch that comes back unprocessed.
    pub(super) unprocessed: Option<Raw<Share>>,
    /// Parameter: DynamoDB's exception, `ProvisionedThroughputExceededException`, `ThrottlingException` or
    /// `RequestLimitExceeded`.
    pub(super) exception: Option<At<String>>,
    /// Parameter: write capacity units in each second of wall time.
    pub(super) write_units: Option<At<u32>>,
    /// Parameter: read capacity units in each second of wall time.
    pub(super) read_units: Option<At<u32>>,
    /// Parameter: whom it hits, `api` or `update`.
    pub(super) process: Option<At<String>>,
    /// Parameter: index of one API process, from 0. Default: all.
    pub(super) instance: Option<At<u32>>,
    /// Parameter: by how much.
    pub(super) by: Option<Raw<Time>>,
    /// Parameter: real time from the event of an invocation.
    pub(super) into: Option<Raw<Time>>,
    /// Parameter: for how long, real time.
    pub(super) lasting: Option<Raw<Time>>,
}

/// A fault that comes and goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Flap")]
pub(crate) struct RawFlap {
    /// How long it is there each time.
    pub(super) on: Raw<Time>,
    /// How long it is not.
    pub(super) off: Raw<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum RawTarget {
    Coingecko,
    Store,
    Service,
    Schedule,
    Clients,
    Lambda,
}

/// A fixed latency or a distribution.
#[derive(Debug)]
pub(crate) enum RawLatency {
    Fixed(String),
    Lognormal(Box<RawLognormal>),
}

/// A lognormal distribution through two percentiles.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Lognormal")]
pub(crate) struct RawLognormal {
    /// Median.
    pub(super) p50: Raw<Time>,
    /// 99th percentile.
    pub(super) p99: Raw<Time>,
}

/// Which events a fault may touch.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Match")]
pub(crate) struct RawMatch {
    /// The path begins so, without the query (of CoinGecko without `/api/v3`).
    pub(super) path: Option<String>,
    /// The request asks for this CoinGecko id.
    pub(super) id: Option<String>,
    /// The request has this header: `name`, or `name: value`.
    pub(super) header: Option<String>,
    /// The DynamoDB operation, such as `UpdateItem`.
    pub(super) op: Option<String>,
    /// The item's partition key begins so, such as `PRICE#`.
    pub(super) key_prefix: Option<String>,
    /// The invocation is one of this function: `api` or `update`.
    pub(super) function: Option<String>,
}

/// Something that must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub(crate) struct RawExpect {
    /// `metric op quantity`, such as `api.success >= 99.9%`; the operators are `<=`, `<`, `>=`, `>`, `==` and `!=`.
    /// `lambda.*`, `gateway.*` and `alarm.*` need `--via lambda`.
    pub(super) check: At<String>,
    /// When: the name of a fault or load, or `A..B` where each is a time, `start`, `end`, `<name>.start` or
    /// `<name>.end`, plus or minus a duration. Default: the whole scenario. Requests that are due in it count; where a fault
    /// begins at its end, not those of the last real second that are not answered by then.
    pub(super) during: Option<At<String>>,
    /// For which requests: `journey=NAME`, `load=NAME` or `route=/prices/{symbol}`. Default: all.
    #[serde(rename = "where")]
    pub(super) filter: Option<At<String>>,
    /// On which clock it is judged: `virtual` or `real`. Default: both.
    pub(super) clock: Option<RawClock>,
    /// Whether a failure fails the run (`fail`) or is only told (`warn`). Default: `fail`.
    pub(super) level: Option<RawLevel>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum RawClock {
    Virtual,
    Real,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum RawLevel {
    Fail,
    Warn,
}

impl<'de> Deserialize<'de> for RawPlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let make = |found: Result<String, RawCustomPlan>| found.map_or_else(Self::Custom, Self::Named);
        let expecting = "the name of a plan such as \"demo\", or { per_minute = 30, per_month = 10000 }";
        deserializer.deserialize_any(TextOr::new(make, expecting))
    }
}

impl JsonSchema for RawPlan {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "plan".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let custom = generator.subschema_for::<RawCustomPlan>();
        json_schema!({
            "title": "name or table",
            "anyOf": [{ "enum": ["keyless", "demo", "basic", "analyst", "lite"] }, custom]
        })
    }
}

impl<'de> Deserialize<'de> for RawLatency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let make = |found: Result<String, Box<RawLognormal>>| found.map_or_else(Self::Lognormal, Self::Fixed);
        let expecting = "a duration such as \"2s\", or { p50 = \"40ms\", p99 = \"900ms\" }";
        deserializer.deserialize_any(TextOr::new(make, expecting))
    }
}

impl JsonSchema for RawLatency {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "latency".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fixed = Raw::<Time>::json_schema(generator);
        let lognormal = generator.subschema_for::<RawLognormal>();
        json_schema!({ "title": "duration or table", "anyOf": [fixed, lognormal] })
    }
}

/// The name of a fault kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct KindName(pub(super) String);

impl JsonSchema for KindName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "kind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut names: Vec<&str> = super::kinds::KINDS.iter().map(|row| row.kind).collect();
        names.sort_unstable();
        names.dedup();
        json_schema!({ "type": "string", "enum": names })
    }
}
