//! The table of time constants and the inequalities that must hold between them.

use std::{ops::RangeInclusive, time::Duration};

use super::{Config, ConfigError};

/// What a lease outlives the work it covers by: the release call, and a little drift between clocks.
pub const LEASE_MARGIN: Duration = Duration::from_secs(1);

/// Which time a constant is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The wall clock, which a simulation may make run fast.
    Wall,
    /// Real time on sockets and timers.
    Request,
}

/// The unit a variable is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole seconds.
    Seconds,
    /// Whole milliseconds.
    Milliseconds,
}

impl Unit {
    /// `value` of this unit.
    #[must_use]
    pub const fn of(self, value: u64) -> Duration {
        match self {
            Self::Seconds => Duration::from_secs(value),
            Self::Milliseconds => Duration::from_millis(value),
        }
    }

    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
        }
    }
}

/// One time constant: its variable, default and range.
#[derive(Clone, Debug)]
pub struct TimeConstant {
    /// The environment variable.
    pub variable: &'static str,
    /// What it is written in.
    pub unit: Unit,
    /// Which time it is measured in.
    pub scale: Scale,
    /// The value when unset.
    pub default: u64,
    /// What is allowed.
    pub range: RangeInclusive<u64>,
    /// Its value in a configuration.
    pub get: fn(&Config) -> Duration,
}

/// `left <= right` (or `<`) must hold between two time constants.
#[derive(Clone, Debug)]
pub struct Inequality {
    /// The smaller one.
    pub left: &'static TimeConstant,
    /// Whether the two may be equal.
    pub or_equal: bool,
    /// The larger one.
    pub right: &'static TimeConstant,
    /// What would go wrong otherwise.
    pub why: &'static str,
}

const fn wall(
    variable: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    get: fn(&Config) -> Duration,
) -> TimeConstant {
    TimeConstant {
        variable,
        unit: Unit::Seconds,
        scale: Scale::Wall,
        default,
        range,
        get,
    }
}

const fn request(
    variable: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    get: fn(&Config) -> Duration,
) -> TimeConstant {
    TimeConstant {
        variable,
        unit: Unit::Milliseconds,
        scale: Scale::Request,
        default,
        range,
        get,
    }
}

pub(super) static CACHE_TTL: TimeConstant = wall("CACHE_TTL_SECONDS", 300, 1..=86_400, |c| c.cache_ttl);
pub(super) static PRICE_RETENTION: TimeConstant = wall("PRICE_RETENTION_SECONDS", 3600, 1..=604_800, |c| {
    c.price_retention
});
pub(super) static UPDATE_INTERVAL: TimeConstant =
    wall("UPDATE_INTERVAL_SECONDS", 300, 1..=86_400, |c| c.update_interval);
pub(super) static PROBE_FLOOR: TimeConstant = wall("PROBE_FLOOR_SECONDS", 15, 1..=240, |c| c.probe_floor);
pub(super) static PROBE_CAP: TimeConstant = wall("PROBE_CAP_SECONDS", 240, 1..=240, |c| c.probe_cap);
pub(super) static KEY_CACHE: TimeConstant = wall("KEY_CACHE_SECONDS", 60, 0..=300, |c| c.key_cache);
pub(super) static REFRESH_WAIT: TimeConstant = request("REFRESH_WAIT_MS", 2000, 1..=2000, |c| c.refresh_wait);
pub(super) static ATTEMPT_TIMEOUT: TimeConstant =
    request("ATTEMPT_TIMEOUT_MS", 5000, 10..=60_000, |c| c.attempt_timeout);
pub(super) static UPDATE_TIMEOUT: TimeConstant =
    request("UPDATE_TIMEOUT_MS", 30_000, 10..=600_000, |c| c.update_timeout);
pub(super) static RETRY_BASE: TimeConstant = request("RETRY_BASE_MS", 200, 1..=60_000, |c| c.retry_base);
pub(super) static RETRY_CAP: TimeConstant = request("RETRY_CAP_MS", 5000, 1..=60_000, |c| c.retry_cap);
pub(super) static WRITE_TIMEOUT: TimeConstant =
    request("WRITE_TIMEOUT_MS", 2000, 10..=60_000, |c| c.write_timeout);
pub(super) static STORE_TIMEOUT: TimeConstant =
    request("STORE_TIMEOUT_MS", 1000, 10..=60_000, |c| c.store_timeout);

/// Every time constant of the service.
pub static TIMES: [&TimeConstant; 13] = [
    &CACHE_TTL,
    &PRICE_RETENTION,
    &UPDATE_INTERVAL,
    &PROBE_FLOOR,
    &PROBE_CAP,
    &KEY_CACHE,
    &REFRESH_WAIT,
    &ATTEMPT_TIMEOUT,
    &UPDATE_TIMEOUT,
    &RETRY_BASE,
    &RETRY_CAP,
    &WRITE_TIMEOUT,
    &STORE_TIMEOUT,
];

/// What must hold between them; checked at every start.
///
/// That a lease outlives the refresh and the write it covers holds by construction: see
/// [`Config::api_lease`] and [`Config::update_lease`].
pub static INEQUALITIES: [Inequality; 6] = [
    Inequality {
        left: &CACHE_TTL,
        or_equal: true,
        right: &PRICE_RETENTION,
        why: "a price would be thrown away while it is still fresh",
    },
    Inequality {
        left: &PROBE_FLOOR,
        or_equal: true,
        right: &PROBE_CAP,
        why: "the pause between failing refreshes has no room to grow",
    },
    Inequality {
        left: &RETRY_BASE,
        or_equal: true,
        right: &RETRY_CAP,
        why: "the first backoff would be longer than the longest",
    },
    Inequality {
        left: &REFRESH_WAIT,
        or_equal: true,
        right: &UPDATE_TIMEOUT,
        why: "the updater would give up before a user does",
    },
    Inequality {
        left: &STORE_TIMEOUT,
        or_equal: true,
        right: &WRITE_TIMEOUT,
        why: "storing prices would end before its first request may",
    },
    Inequality {
        left: &UPDATE_TIMEOUT,
        or_equal: false,
        right: &UPDATE_INTERVAL,
        why: "one update would still run when the next one starts",
    },
];

/// Checks all inequalities.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    for Inequality {
        left,
        or_equal,
        right,
        why,
    } in &INEQUALITIES
    {
        let (l, r) = ((left.get)(config), (right.get)(config));
        if l > r || (!or_equal && l == r) {
            let relation = if *or_equal { "at most" } else { "less than" };
            let problem = format!("must be {relation} {} ({r:?}), got {l:?}: {why}", right.variable);
            return Err(ConfigError::new(left.variable, problem));
        }
    }
    Ok(())
}
