//! The configuration: every environment variable, its default and its unit, read once at the start.
//!
//! This is the one home of reading the environment. An empty value counts as an unset one.
//! A bad value is a [`ConfigError`] that names the variable; nothing starts with a guessed setting.

mod parse;
mod times;

use std::{collections::BTreeMap, fmt, time::Duration};

use rust_decimal::Decimal;
use tracing::level_filters::LevelFilter;

use crate::clock::FastClockSpec;
use parse::Env;
pub use times::{INEQUALITIES, Inequality, LEASE_MARGIN, Scale, TIMES, TimeConstant, Unit};

/// Everything that a deployment can set. One instance is built at start and shared.
///
/// Durations marked *wall* run on the [`crate::clock::Clock`] (a simulation may make it run fast);
/// those marked *request* are real time on sockets and timers. Their ranges are in [`TIMES`].
#[derive(Clone, Debug)]
pub struct Config {
    /// `DYNAMODB_TABLE_NAME`, required: the one table: prices, keys, counters, the lease.
    pub table_name: String,
    /// `RATE_LIMIT_PER_MINUTE`, default 100, requests a minute for one API key.
    pub rate_limit_per_minute: u32,
    /// `CACHE_TTL_SECONDS`, default 300 s, wall: a price fetched less than this ago is fresh.
    pub cache_ttl: Duration,
    /// `ENVIRONMENT`, default `dev`: `dev`, `staging` or `prod`.
    pub environment: Environment,
    /// `LOG_LEVEL`, default `INFO`: `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE` or `OFF`.
    pub log_level: LevelFilter,
    /// `EXTERNAL_API_URL`, default by plan: CoinGecko's public or pro API. Without a trailing slash.
    pub external_api_url: String,
    /// `EXTERNAL_API_KEY`, default none: the CoinGecko key.
    pub external_api_key: Option<Secret>,
    /// `EXTERNAL_API_PLAN`, default `demo` with a key and `keyless` without: decides URL and key header.
    pub external_api_plan: Plan,
    /// `EXTERNAL_API_ENDPOINT`, default `markets`: which CoinGecko endpoint gives the prices.
    pub external_api_endpoint: Endpoint,
    /// `SUPPORTED_SYMBOLS`, default none = the built-in 50 coins: `BTC=bitcoin,ETH=ethereum,…`.
    pub supported_symbols: Option<Vec<SymbolMapping>>,
    /// `AWS_ENDPOINT_URL_DYNAMODB`, default none = the region's: where DynamoDB listens.
    pub dynamodb_endpoint: Option<String>,
    /// `AWS_REGION`, required unless the DynamoDB endpoint is loopback (then `us-east-1`).
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` (optional);
    /// required unless the DynamoDB endpoint is loopback. Lambda sets all three.
    pub credentials: Credentials,
    /// `AWS_LAMBDA_RUNTIME_API`, default none: set by Lambda; decides that this process serves Lambda.
    pub lambda_runtime_api: Option<String>,
    /// `PRICE_RETENTION_SECONDS`, default 3600 s, wall: how long a fetched price may be served at all.
    pub price_retention: Duration,
    /// `UPDATE_INTERVAL_SECONDS`, default 300 s, wall: how often the schedule runs the updater.
    pub update_interval: Duration,
    /// `REFRESH_WAIT_MS`, default 2000 ms, request: the longest that a user's request waits on a refresh.
    pub refresh_wait: Duration,
    /// `ATTEMPT_TIMEOUT_MS`, default 5000 ms, request: the bound of one CoinGecko attempt, body included.
    pub attempt_timeout: Duration,
    /// `UPDATE_TIMEOUT_MS`, default 30000 ms, request: the bound of the updater's refresh.
    pub update_timeout: Duration,
    /// `RETRY_ATTEMPTS`, default 3, attempts a refresh, 1 to 3; 1 = no retries.
    pub retry_attempts: u32,
    /// `RETRY_BASE_MS`, default 200 ms, request: the first backoff's upper end.
    pub retry_base: Duration,
    /// `RETRY_CAP_MS`, default 5000 ms, request: the longest backoff's upper end.
    pub retry_cap: Duration,
    /// `PROBE_FLOOR_SECONDS`, default 15 s, wall: the least pause between refreshes that fail.
    pub probe_floor: Duration,
    /// `PROBE_CAP_SECONDS`, default 240 s, wall: the longest pause between refreshes that fail.
    pub probe_cap: Duration,
    /// `WRITE_TIMEOUT_MS`, default 2000 ms, request: the bound of storing the prices of a refresh.
    pub write_timeout: Duration,
    /// `STORE_TIMEOUT_MS`, default 1000 ms, request: the bound of one attempt of one DynamoDB request.
    pub store_timeout: Duration,
    /// `KEY_CACHE_SECONDS`, default 60 s, wall: how long a known API key is trusted without a look.
    pub key_cache: Duration,
    /// `PRICE_JUMP_FACTOR`, default 5: a price that moved by more than this factor is held until confirmed.
    pub price_jump_factor: Decimal,
    /// `COMPRESSION`, `on` or `off`; default `on`, but `off` on Lambda.
    ///
    /// There the answer crosses API Gateway, which decodes the base64 of an encoded body only for media types
    /// declared binary, and which compresses by itself (`MinimumCompressionSize`). Say `on` only where the
    /// gateway is set up for it.
    pub compression: Compression,
    /// `CLOCK`, default none = the system's: `<anchor ms>,<start ms>,<speed>`, for simulation.
    /// Refused unless DynamoDB and CoinGecko are loopback.
    pub clock: Option<FastClockSpec>,
}

impl Config {
    /// Reads the process environment.
    ///
    /// # Errors
    /// The first variable that is missing, unreadable, out of range or in conflict with another.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of reading the environment"
    )]
    pub fn from_env() -> Result<Self, ConfigError> {
        let vars: BTreeMap<String, String> = std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect();
        Self::from_lookup(|name| vars.get(name).cloned())
    }

    /// Reads the settings from `lookup`, which gives a variable's value.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let config = Self::read(&Env::new(&lookup))?;
        times::check(&config)?;
        Ok(config)
    }

    /// Like [`Config::from_lookup`], but takes time constants and the jump factor beyond their ranges, and whatever their
    /// inequalities forbid: for tests that switch a protection off to see that it is missed.
    ///
    /// # Errors
    /// A variable that is missing or unreadable.
    #[doc(hidden)]
    pub fn unchecked(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::read(&Env::unbounded(&lookup))
    }

    fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let key = env.text("EXTERNAL_API_KEY").map(Secret);
        let plan = env.plan(key.is_some())?;
        let endpoint = env.url("AWS_ENDPOINT_URL_DYNAMODB")?;
        let local_store = endpoint.as_deref().is_some_and(parse::is_loopback);
        let lambda_runtime_api = env.text("AWS_LAMBDA_RUNTIME_API");
        let config = Self {
            table_name: env.required("DYNAMODB_TABLE_NAME", "set it to the name of the table")?,
            rate_limit_per_minute: env.whole("RATE_LIMIT_PER_MINUTE", 100, 1..=1_000_000)?,
            cache_ttl: env.time(&times::CACHE_TTL)?,
            environment: env.environment()?,
            log_level: env.log_level()?,
            external_api_url: env
                .url("EXTERNAL_API_URL")?
                .unwrap_or_else(|| plan.default_url().to_owned()),
            external_api_key: key,
            external_api_plan: plan,
            external_api_endpoint: env.endpoint()?,
            supported_symbols: env.supported_symbols()?,
            region: env.region(local_store)?,
            credentials: env.credentials(local_store)?,
            dynamodb_endpoint: endpoint,
            price_retention: env.time(&times::PRICE_RETENTION)?,
            update_interval: env.time(&times::UPDATE_INTERVAL)?,
            refresh_wait: env.time(&times::REFRESH_WAIT)?,
            attempt_timeout: env.time(&times::ATTEMPT_TIMEOUT)?,
            update_timeout: env.time(&times::UPDATE_TIMEOUT)?,
            retry_attempts: env.whole("RETRY_ATTEMPTS", 3, 1..=3)?,
            retry_base: env.time(&times::RETRY_BASE)?,
            retry_cap: env.time(&times::RETRY_CAP)?,
            probe_floor: env.time(&times::PROBE_FLOOR)?,
            probe_cap: env.time(&times::PROBE_CAP)?,
            write_timeout: env.time(&times::WRITE_TIMEOUT)?,
            store_timeout: env.time(&times::STORE_TIMEOUT)?,
            key_cache: env.time(&times::KEY_CACHE)?,
            price_jump_factor: env.jump_factor()?,
            compression: env.compression(lambda_runtime_api.is_some())?,
            clock: env.clock()?,
            lambda_runtime_api,
        };
        config.check_clock()?;
        Ok(config)
    }

    /// How long an API process may hold the refresh lease: its bound, the write, and a margin (request time).
    #[must_use]
    pub fn api_lease(&self) -> Duration {
        self.refresh_wait + self.write_timeout + LEASE_MARGIN
    }

    /// How long the updater may hold the refresh lease: its bound, the write, and a margin (request time).
    #[must_use]
    pub fn update_lease(&self) -> Duration {
        self.update_timeout + self.write_timeout + LEASE_MARGIN
    }

    /// The longest that a process leaves a set that has become due to the others, wall time: a sixtieth of the TTL, 5 s at
    /// most. See [`App::ttl_jitter`](crate::App::ttl_jitter).
    #[must_use]
    pub fn most_ttl_jitter(&self) -> Duration {
        (self.cache_ttl / 60).min(Duration::from_secs(5))
    }

    /// A fast clock writes instants that mean nothing to anyone else, so it must not reach shared systems.
    fn check_clock(&self) -> Result<(), ConfigError> {
        if self.clock.is_none() {
            return Ok(());
        }
        let local = |url: Option<&str>| url.is_some_and(parse::is_loopback);
        for (name, ok) in [
            (
                "AWS_ENDPOINT_URL_DYNAMODB",
                local(self.dynamodb_endpoint.as_deref()),
            ),
            ("EXTERNAL_API_URL", local(Some(&self.external_api_url))),
        ] {
            if !ok {
                let problem =
                    format!("a simulated clock needs {name} to be a loopback URL; unset CLOCK or set {name}");
                return Err(ConfigError::new("CLOCK", problem));
            }
        }
        Ok(())
    }
}

/// A variable that keeps the process from starting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong and what to do.
    pub problem: String,
}

impl ConfigError {
    fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }
}

/// Where the service is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer's or a test's.
    Dev,
    /// The rehearsal.
    Staging,
    /// The real one.
    Prod,
}

impl Environment {
    /// As written in the variable, in `/health` and in the metrics' dimension.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

/// The CoinGecko plan: which host answers, and which header carries the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The public API without a key.
    Keyless,
    /// The public API with a demo key.
    Demo,
    /// The paid API.
    Pro,
}

impl Plan {
    /// The base URL of this plan.
    #[must_use]
    pub const fn default_url(self) -> &'static str {
        match self {
            Self::Keyless | Self::Demo => "https://api.coingecko.com/api/v3",
            Self::Pro => "https://pro-api.coingecko.com/api/v3",
        }
    }

    /// The header that carries the key, when the plan has one.
    #[must_use]
    pub const fn key_header(self) -> Option<&'static str> {
        match self {
            Self::Keyless => None,
            Self::Demo => Some("x-cg-demo-api-key"),
            Self::Pro => Some("x-cg-pro-api-key"),
        }
    }
}

/// The CoinGecko endpoint that gives the prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/coins/markets`.
    Markets,
    /// `/simple/price`, for when markets is switched off.
    Simple,
}

/// Who compresses answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// This process, when the client asks and it is worth it.
    On,
    /// Nobody here.
    Off,
}

/// One coin of `SUPPORTED_SYMBOLS`: symbols are ambiguous, CoinGecko ids are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolMapping {
    /// Upper-case symbol, such as `BTC`.
    pub symbol: String,
    /// CoinGecko's id, such as `bitcoin`.
    pub id: String,
}

/// Credentials for DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Secret>,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the header or the signature that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests;
