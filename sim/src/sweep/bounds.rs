//! What the rules compare with: the time constants that the scenario's stack sets, and what ARCHITECTURE.md states.
//!
//! What is stated there as a number is written here again, so that a service that was changed is not judged by the
//! change.

use std::{ops::Range, time::Duration};

use scenarios::format::model::{Fault, Scenario, Target};
use service::config::Config;

/// The bounds of one scenario on one configuration. Virtual time runs at the speed of wall time, so both are µs here.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The scenario's start, Unix milliseconds.
    pub start_ms: i64,
    /// How long the scenario is.
    pub duration: Duration,
    /// The service's constants. What the scenario says is judged, not what a broken service was started with.
    pub config: Config,
    /// When the last fault is over, since the start.
    pub last_fault: Duration,
    /// When the store may fail, and for how long after.
    store_down: Vec<Range<u64>>,
}

/// How long it may take until every process knows of a write: a read may lag by a second, and stands for two.
const KNOWN: Duration = Duration::from_secs(3);
/// A process leaves a set that has become due to the others for a sixtieth of its TTL, but no longer than this.
const MOST_TTL_JITTER: Duration = Duration::from_secs(5);
/// No more of a `Retry-After` is believed.
pub(super) const BELIEVED: Duration = Duration::from_secs(15 * 60);
/// The retry budget, in tenths of a retry: what it holds at most and begins with, what a retry costs, what a success
/// brings.
pub(super) const BUDGET: (u32, u32, u32) = (50, 10, 1);

impl Bounds {
    /// The bounds of a scenario.
    #[must_use]
    pub fn of(scenario: &Scenario, config: &Config) -> Self {
        let longest = config.refresh_wait * 2 + config.write_timeout + config.store_timeout;
        let breaks_store = |fault: &&Fault| matches!(fault.target(), Target::Store | Target::Service);
        let store_down = scenario.faults.iter().filter(breaks_store);
        Self {
            start_ms: scenario.start.as_millisecond(),
            duration: scenario.duration,
            config: config.clone(),
            last_fault: scenario.faults.iter().map(end).max().unwrap_or_default(),
            store_down: store_down
                .map(|fault| us(fault.at)..us(end(fault) + longest))
                .collect(),
        }
    }

    /// The wall time at an instant of the run, Unix milliseconds.
    #[must_use]
    pub fn wall_ms(&self, at_us: u64) -> i64 {
        self.start_ms + i64::try_from(at_us / 1000).unwrap_or(i64::MAX)
    }

    /// Until when a price may be served that was fetched then, Unix milliseconds: the retention, and the rest of the
    /// second in which it ends.
    #[must_use]
    pub fn servable_until(&self, fetched_ms: i64) -> i64 {
        let ends = fetched_ms.saturating_add(ms(self.config.price_retention));
        ends.saturating_add(999).div_euclid(1000) * 1000
    }

    /// Whether the store may have failed between two instants.
    #[must_use]
    pub fn store_was_down(&self, from_us: u64, to_us: u64) -> bool {
        self.store_down
            .iter()
            .any(|down| down.start <= to_us && from_us < down.end)
    }

    /// The earliest instant, µs, at which a request must know of what was written at `at_us`.
    #[must_use]
    pub fn known_from(at_us: u64) -> u64 {
        at_us + us(KNOWN)
    }

    /// How long a request may take, µs. `servable`: it had something to serve for every coin; `stored`: prices were
    /// stored meanwhile.
    #[must_use]
    pub fn answer_within(&self, servable: bool, stored: bool) -> u64 {
        let Config {
            refresh_wait,
            write_timeout,
            store_timeout,
            ..
        } = self.config;
        let waited = match (servable, stored) {
            (true, false) => refresh_wait,
            (true, true) => refresh_wait + write_timeout,
            (false, _) => refresh_wait + refresh_wait / 2 + write_timeout,
        };
        us(waited + store_timeout)
    }

    /// The pause after so many failures in a row of which the last was asked to wait for `retry_after_s`.
    #[must_use]
    pub fn pause(&self, failures: u32, retry_after_s: Option<u32>) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1).min(16));
        let probe = self.config.probe_floor.saturating_mul(doubled);
        probe.min(self.config.probe_cap).max(believed(retry_after_s))
    }

    /// The instant, µs, from which the system must be back to normal, when what CoinGecko asked for ends at
    /// `asked_until_us`.
    ///
    /// A refresh that began under the last fault may go on for as long as the updater's lease, and then leaves the
    /// longest pause behind, `PROBE_CAP`; or CoinGecko has asked for a longer one. After that, nothing keeps the next
    /// refresh: it comes with the next request or, at the latest, the next update; it takes less than
    /// `UPDATE_TIMEOUT`, and what it stored is known to all processes a few seconds later.
    #[must_use]
    pub fn calm_from(&self, asked_until_us: u64) -> u64 {
        let kept_off = self.last_fault + self.config.update_lease() + self.config.probe_cap;
        us(kept_off).max(asked_until_us) + us(self.refreshed_within())
    }

    /// The longest that recovery takes after the last fault, when CoinGecko asks for pauses of up to `asked`.
    #[must_use]
    pub fn recovery(&self, asked: Duration) -> Duration {
        self.config.update_lease() + self.config.probe_cap.max(asked) + self.refreshed_within()
    }

    /// How long it takes until prices are fresh when nothing keeps a refresh.
    fn refreshed_within(&self) -> Duration {
        self.config.update_interval + self.config.update_timeout + self.config.write_timeout + KNOWN
    }

    /// How often CoinGecko may be called in so long a time when all is well: by the API each time that prices expire,
    /// and by the updater each interval.
    #[must_use]
    pub fn usual_calls(&self, time: Duration) -> u64 {
        let times =
            |every: Duration| u64::try_from(time.as_millis() / every.as_millis().max(1)).unwrap_or(u64::MAX);
        times(self.config.cache_ttl) + times(self.config.update_interval) + 2
    }

    /// The oldest price that is served when all is well: one that went stale, was left to others for the longest TTL
    /// jitter, and was served to others while the refresh held the lease.
    #[must_use]
    pub fn oldest_fresh(&self) -> Duration {
        let jitter = (self.config.cache_ttl / 60).min(MOST_TTL_JITTER);
        self.config.cache_ttl + jitter + self.config.api_lease()
    }
}

/// When a fault is over. (An update that it makes late comes after that, and is an update as any other.)
fn end(fault: &Fault) -> Duration {
    fault.span_in_time().end
}

/// What a service believes of a `Retry-After`.
pub(super) fn believed(retry_after_s: Option<u32>) -> Duration {
    let asked = Duration::from_secs(u64::from(retry_after_s.unwrap_or(0)));
    asked.min(BELIEVED)
}

/// A duration in microseconds.
pub(super) fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A duration in milliseconds.
pub(super) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
