//! How many times faster than production a scenario may be played in real time.
//!
//! Request-scale time does not run faster with the wall clock. So a wait of `W` real seconds takes `N × W` wall
//! seconds, which must stay small against the cache TTL; and a rate of `r` requests a second becomes `N × r`, which
//! must not be more than can be counted on: what `crypto-watch-sim calibrate` measured.

use std::time::Duration;

use scenarios::format::{
    FaultKind,
    fault::{
        ClientFault, CoinGeckoFault, ConnectFailure, Killed, LambdaFault, Latency, ServiceFault, StoreFault,
    },
    model::{FunctionName, Load, Scenario, Shape},
};
use service::config::Config;

/// The highest factor that is chosen without being asked for.
const AUTOMATIC_MOST: u32 = 120;
/// The part of the cache TTL that a request-scale wait may take on the wall clock.
const TTL_PART: f64 = 5.0;
/// The longest request-scale wait when nothing is slowed down: the fake answers on loopback in a few milliseconds.
pub const UNDISTURBED_WAIT: Duration = Duration::from_millis(50);

/// What bounds the factor of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// The longest request-scale wait that it can cause, real time.
    pub longest_wait: Duration,
    /// Its cache TTL, wall time.
    pub cache_ttl: Duration,
    /// Its peak rate, requests per wall second, as planned.
    pub peak_rate: f64,
    /// The rate that can be counted on, requests per real second, as calibrated.
    pub servable_rate: f64,
}

/// Why a factor is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompressError {
    /// Waits would be too long on the wall clock.
    #[error(
        "--compress {factor} is too fast: a request may wait {longest_wait:?} of real time, which would be {wall:?} on \
         the wall clock, more than a fifth of cache_ttl {cache_ttl:?}; the largest usable factor is {largest}"
    )]
    Waits {
        /// What was asked for.
        factor: u32,
        /// The longest wait, real time.
        longest_wait: Duration,
        /// The longest wait, wall time.
        wall: Duration,
        /// The scenario's cache TTL.
        cache_ttl: Duration,
        /// What could be played.
        largest: u32,
    },
    /// More requests a second than can be served.
    #[error(
        "--compress {factor} is too fast: {peak_rate:.1} requests/s become {real_rate:.0} requests/s, more than the \
         {servable_rate:.0} requests/s counted on; the largest usable factor is {largest} (a faster machine is measured by \
         `calibrate`, and told of by --calibration)"
    )]
    Rate {
        /// What was asked for.
        factor: u32,
        /// Requests per wall second.
        peak_rate: f64,
        /// Requests per real second.
        real_rate: f64,
        /// What can be counted on, requests per real second.
        servable_rate: f64,
        /// What could be played.
        largest: u32,
    },
    /// Even uncompressed there are more requests a second than can be served.
    #[error(
        "the load peaks at {peak_rate:.1} requests/s, more than the {servable_rate:.1} requests/s counted on; lower \
         its rate, or measure this machine by `calibrate` and name the file with --calibration"
    )]
    TooMuch {
        /// Requests per second.
        peak_rate: f64,
        /// What can be counted on, requests per second.
        servable_rate: f64,
    },
}

impl Bounds {
    /// The bounds of a scenario on a service with this configuration, when `servable_rate` requests per real second can
    /// be counted on.
    #[must_use]
    pub fn new(scenario: &Scenario, config: &Config, servable_rate: f64) -> Self {
        Self {
            longest_wait: longest_wait(scenario, config),
            cache_ttl: scenario.stack.cache_ttl,
            peak_rate: peak_rate(scenario),
            servable_rate,
        }
    }

    /// The largest usable factor, at least 1.
    #[must_use]
    pub fn largest(&self) -> u32 {
        self.largest_by_waits().min(self.largest_by_rate()).max(1)
    }

    /// The factor to play at: the one asked for, or else the largest usable one up to 120.
    ///
    /// # Errors
    /// When the one asked for, or even 1, distorts what is measured.
    pub fn choose(&self, asked: Option<u32>) -> Result<u32, CompressError> {
        let Self {
            longest_wait,
            cache_ttl,
            peak_rate,
            servable_rate,
        } = *self;
        if peak_rate > servable_rate {
            return Err(CompressError::TooMuch {
                peak_rate,
                servable_rate,
            });
        }
        let largest = self.largest();
        let Some(factor) = asked else {
            return Ok(largest.min(AUTOMATIC_MOST));
        };
        if factor <= largest {
            return Ok(factor);
        }
        if factor > self.largest_by_waits() {
            return Err(CompressError::Waits {
                factor,
                longest_wait,
                wall: longest_wait * factor,
                cache_ttl,
                largest,
            });
        }
        Err(CompressError::Rate {
            factor,
            peak_rate,
            real_rate: peak_rate * f64::from(factor),
            servable_rate,
            largest,
        })
    }

    /// At 1 nothing is distorted, however long the wait.
    fn largest_by_waits(&self) -> u32 {
        let factor = self.cache_ttl.as_secs_f64() / TTL_PART / self.longest_wait.as_secs_f64();
        // A hair of tolerance, so that 60 s / 50 ms is 1200 and not 1199.
        ((factor + 1e-9).floor() as u32).max(1)
    }

    fn largest_by_rate(&self) -> u32 {
        if self.peak_rate <= 0.0 {
            return u32::MAX;
        }
        (self.servable_rate / self.peak_rate + 1e-9).floor() as u32
    }
}

/// The longest request-scale wait that a scenario can cause, real time.
fn longest_wait(scenario: &Scenario, config: &Config) -> Duration {
    let refresh_bound = config.refresh_wait.max(config.update_timeout);
    let waits = scenario.faults.iter().map(|fault| match &fault.kind {
        FaultKind::CoinGecko(kind) => coingecko_wait(kind, config).min(refresh_bound),
        FaultKind::Store(StoreFault::Latency { latency }) => slowest(*latency).min(config.store_timeout * 2),
        FaultKind::Store(StoreFault::Hang { .. } | StoreFault::LostAnswer) => config.store_timeout * 2,
        // A lease stays behind, and lasts its real time.
        FaultKind::Store(StoreFault::Down | StoreFault::Restart)
        | FaultKind::Service(ServiceFault::Kill {
            process: Killed::Update,
        }) => config.update_lease(),
        FaultKind::Service(ServiceFault::Kill {
            process: Killed::Api { .. },
        }) => config.api_lease(),
        FaultKind::Lambda(kind) => function_wait(*kind, fault.matches.function, config),
        FaultKind::Store(_) | FaultKind::Service(_) | FaultKind::Schedule(_) | FaultKind::Clients(_) => {
            UNDISTURBED_WAIT
        }
    });
    waits.fold(UNDISTURBED_WAIT, Duration::max)
}

/// How long the gateway waits for a function at most: so long a stuck one is waited for.
const GATEWAY_WAIT: Duration = Duration::from_secs(29);

/// A function that suffers in the midst of a refresh leaves a lease behind.
fn function_wait(kind: LambdaFault, function: Option<FunctionName>, config: &Config) -> Duration {
    let lease = match function {
        Some(FunctionName::Api) => config.api_lease(),
        Some(FunctionName::Update) | None => config.update_lease(),
    };
    match kind {
        LambdaFault::Abort { into } | LambdaFault::OutOfMemory { into } if into.is_zero() => UNDISTURBED_WAIT,
        LambdaFault::Freeze { lasting: None, .. } => GATEWAY_WAIT,
        LambdaFault::Abort { .. } | LambdaFault::OutOfMemory { .. } => lease,
        LambdaFault::Freeze {
            lasting: Some(lasting),
            ..
        } => lasting.min(lease),
        LambdaFault::Concurrency { .. } => UNDISTURBED_WAIT,
    }
}

fn coingecko_wait(kind: &CoinGeckoFault, config: &Config) -> Duration {
    match kind {
        CoinGeckoFault::Latency { latency } if slowest(*latency) < config.attempt_timeout => {
            slowest(*latency)
        }
        CoinGeckoFault::Latency { .. }
        | CoinGeckoFault::SlowBody { .. }
        | CoinGeckoFault::SlowConnect { .. }
        | CoinGeckoFault::ConnectFail {
            how: ConnectFailure::Blackhole,
        } => all_attempts(config.attempt_timeout, config),
        CoinGeckoFault::Hang { at_most } => all_attempts(config.attempt_timeout.min(*at_most), config),
        _ => UNDISTURBED_WAIT,
    }
}

/// Every attempt takes `attempt`, and the backoffs between them are as long as they can be.
fn all_attempts(attempt: Duration, config: &Config) -> Duration {
    let backoffs = (0..config.retry_attempts.saturating_sub(1))
        .map(|retry| (config.retry_base * 2u32.pow(retry)).min(config.retry_cap))
        .sum::<Duration>();
    attempt * config.retry_attempts + backoffs
}

fn slowest(latency: Latency) -> Duration {
    match latency {
        Latency::Fixed(duration) | Latency::Lognormal { p99: duration, .. } => duration,
    }
}

/// The most requests per wall second that the loads ask for together.
///
/// Users without think time are left out: they ask for as much as is served, at any factor.
fn peak_rate(scenario: &Scenario) -> f64 {
    let together = |at: Duration| -> f64 {
        scenario
            .loads_at(at)
            .map(|(_, load)| requests_per_second(load, scenario))
            .sum()
    };
    let peak = scenario
        .loads
        .iter()
        .map(|load| together(load.at))
        .fold(0.0, f64::max);
    // At worst the peak comes when users hurry most.
    let hurries = scenario.faults.iter().map(|fault| match fault.kind {
        FaultKind::Clients(ClientFault::OverLimit { factor }) => factor.max(1.0),
        _ => 1.0,
    });
    peak * hurries.product::<f64>()
}

/// The most requests that the loads make, when users without think time are served so many a second.
pub(crate) fn most_requests(scenario: &Scenario, unpaused_rate: f64) -> f64 {
    let of = |load: &Load| {
        let rate = requests_per_second(load, scenario);
        let rate = if rate > 0.0 { rate } else { unpaused_rate };
        rate * load.length.as_secs_f64()
    };
    scenario.loads.iter().map(of).sum()
}

fn requests_per_second(load: &Load, scenario: &Scenario) -> f64 {
    let journeys = || {
        load.journeys
            .iter()
            .filter_map(|index| scenario.journeys.get(*index))
    };
    let weights: f64 = journeys().map(|journey| f64::from(journey.weight)).sum();
    let gets: f64 = journeys()
        .map(|journey| f64::from(journey.weight) * journey.get.len() as f64)
        .sum();
    if weights <= 0.0 {
        return 0.0;
    }
    match &load.shape {
        Shape::Rate(points) => points.iter().copied().fold(0.0, f64::max) * gets / weights,
        Shape::Users(users) => {
            let thinking: f64 = journeys()
                .map(|journey| {
                    f64::from(journey.weight) * journey.get.len() as f64 * journey.think.as_secs_f64()
                })
                .sum();
            if thinking <= 0.0 {
                0.0
            } else {
                f64::from(*users) * gets / thinking
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scenarios::format::{Alone, parse};

    use super::*;

    fn bounds(longest_wait_ms: u64, peak_rate: f64) -> Bounds {
        Bounds {
            longest_wait: Duration::from_millis(longest_wait_ms),
            cache_ttl: Duration::from_secs(300),
            peak_rate,
            servable_rate: 400.0,
        }
    }

    #[test]
    fn without_a_wish_the_largest_usable_up_to_120_is_taken() {
        assert_eq!(bounds(50, 1.0).largest(), 400);
        assert_eq!(bounds(50, 1.0).choose(None), Ok(120));
        assert_eq!(bounds(50, 10.0).choose(None), Ok(40));
        assert_eq!(bounds(15_600, 1.0).choose(None), Ok(3));
        assert_eq!(bounds(50, 0.0).largest(), 1200);
    }

    #[test]
    fn too_fast_is_refused_with_the_largest_usable() {
        let refuse = |bounds: Bounds, factor| bounds.choose(Some(factor)).expect_err("too fast");
        insta::assert_snapshot!(refuse(bounds(2_000, 1.0), 60), @"--compress 60 is too fast: a request may wait 2s of real time, which would be 120s on the wall clock, more than a fifth of cache_ttl 300s; the largest usable factor is 30");
        insta::assert_snapshot!(refuse(bounds(50, 25.0), 60), @"--compress 60 is too fast: 25.0 requests/s become 1500 requests/s, more than the 400 requests/s counted on; the largest usable factor is 16 (a faster machine is measured by `calibrate`, and told of by --calibration)");
        insta::assert_snapshot!(refuse(bounds(50, 1000.0), 1), @"the load peaks at 1000.0 requests/s, more than the 400.0 requests/s counted on; lower its rate, or measure this machine by `calibrate` and name the file with --calibration");
    }

    #[test]
    fn the_peak_rate_counts_users_who_hurry() {
        let text = "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"10m\"\n\
            [[journey]]\nname = \"one\"\nget = [\"/prices/{symbol}\"]\n\
            [[load]]\nname = \"day\"\nrate = [\"1/s\", \"5/s\"]\n\
            [[fault]]\nname = \"f\"\ntarget = \"clients\"\nat = \"1m\"\nfor = \"1m\"\nkind = \"over_limit\"\nfactor = 3.0\n";
        let scenario = parse("t.toml", text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        assert!((peak_rate(&scenario) - 15.0).abs() < 1e-9);
    }

    #[test]
    fn real_speed_is_never_refused_for_a_wait() {
        assert_eq!(bounds(100_000, 1.0).choose(Some(1)), Ok(1));
        assert_eq!(bounds(100_000, 1.0).choose(None), Ok(1));
    }

    proptest! {
        #[test]
        fn what_is_chosen_keeps_both_rules(wait_ms in 50u64..60_000, rate in 0.01f64..400.0) {
            let bounds = bounds(wait_ms, rate);
            let factor = bounds.choose(None).expect("the rate can be served");
            prop_assert!(factor == 1 || bounds.longest_wait * factor <= bounds.cache_ttl / 5);
            prop_assert!(f64::from(factor) * rate <= bounds.servable_rate + 1e-6);
            prop_assert!(bounds.choose(Some(bounds.largest())).is_ok());
            prop_assert!(bounds.choose(Some(bounds.largest() + 1)).is_err());
        }
    }
}
