//! Calibration: what calls take and how many a second are served, measured on one machine and committed.
//!
//! Virtual time has its default latencies from [`committed`] and from nothing else: what it reports must depend on the
//! commit alone, not on the machine. The bound of `--compress` comes from there too, unless `run --calibration` names
//! a file of the machine's own.
//!
//! | file | owns |
//! |---|---|
//! | `file` | a calibration as TOML: read strictly, written the same |
//! | `machine` | the machine that it was measured on |
//! | `measure` | everything that is measured, in order and in bounded time |
//! | `parts` | one request to the store and one answer of CoinGecko, each alone |
//! | `environments` | environments of the API's function: what a start takes, and an invocation |
//! | `stack` | the real stack under even arrivals |
//! | `seen` | what users and the store front saw of it, and what that says |
//! | `search` | which rate to try next, and which can be counted on; pure |

mod environments;
mod file;
mod machine;
mod measure;
mod parts;
pub mod search;
mod seen;
mod stack;

use std::{sync::LazyLock, time::Duration};

use jiff::civil::Date;
use scenarios::format::fault::Latency;
use serde::Deserialize;

use crate::record::Spread;

pub use file::CalibrationError;
pub use measure::{CalibrateError, LONGEST, MeasureSpec, measure};

/// A calibration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The day it was measured on (UTC).
    pub date: Date,
    /// What was measured.
    pub build: Build,
    /// The machine it was measured on.
    pub machine: Machine,
    /// The figures of the stack with the embedded store.
    pub embedded: Figures,
}

/// How the measured programs were built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// Without optimisation: its figures say nothing about what ships.
    Debug,
    /// As it is tested and shipped.
    Release,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its processor's model.
    pub cpu: String,
    /// Cores that programs may use.
    pub cores: usize,
    /// Its memory, MiB; 0 when the system does not tell.
    pub memory_mib: u64,
    /// Operating system and its version.
    pub os: String,
}

/// What was measured of the stack with one store.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Requests per real second that can be counted on.
    #[serde(deserialize_with = "file::per_second")]
    pub servable_rate: f64,
    /// One request to DynamoDB, as the service's client sees it.
    pub store: Measured,
    /// One answer of CoinGecko that nothing delays, as the service's client sees it.
    pub coingecko: Measured,
    /// One client request that is served from memory, without its request to the store.
    pub service: Measured,
    /// One environment of the API's function, from its start until it can take an event.
    pub cold_start: Measured,
    /// One invocation of the API's function that is served from memory, without its request to the store.
    pub invocation: Measured,
}

impl Figures {
    /// The latencies by name.
    #[must_use]
    pub fn latencies(&self) -> [(&'static str, Measured); 5] {
        [
            ("store", self.store),
            ("coingecko", self.coingecko),
            ("service", self.service),
            ("cold_start", self.cold_start),
            ("invocation", self.invocation),
        ]
    }
}

/// A latency as it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Median.
    #[serde(deserialize_with = "file::duration")]
    pub p50: Duration,
    /// 99th percentile.
    #[serde(deserialize_with = "file::duration")]
    pub p99: Duration,
    /// How many calls were measured.
    pub samples: u64,
}

impl Measured {
    /// The percentiles of samples in seconds, to whole microseconds and at least one; none without samples.
    fn of(seconds: &Spread) -> Option<Self> {
        let at = |share: f64| {
            let us = (seconds.percentile(share)? * 1e6).round() as u64;
            Some(Duration::from_micros(us.max(1)))
        };
        Some(Self {
            p50: at(0.5)?,
            p99: at(0.99)?,
            samples: seconds.count(),
        })
    }

    /// The same as a model of it.
    #[must_use]
    pub const fn latency(self) -> Latency {
        Latency::Lognormal {
            p50: self.p50,
            p99: self.p99,
        }
    }
}

/// The calibration that this program was built with.
#[must_use]
pub fn committed() -> &'static Calibration {
    static COMMITTED: LazyLock<Calibration> = LazyLock::new(|| {
        Calibration::parse("sim/calibration.toml", include_str!("../../calibration.toml"))
            .unwrap_or_else(|error| panic!("{error}"))
    });
    &COMMITTED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_calibration_is_sane() {
        // That every p50 is above zero and no p99 below it, reading it has checked.
        let committed = committed();
        assert_eq!(
            committed.build,
            Build::Release,
            "debug figures say nothing about what ships"
        );
        assert!(committed.machine.cores > 0);
        let Figures { servable_rate, .. } = committed.embedded;
        assert!((50.0..100_000.0).contains(&servable_rate), "{servable_rate}");
        for (name, measured) in committed.embedded.latencies() {
            assert!(measured.p99 < Duration::from_secs(1), "{name}: {measured:?}");
        }
    }

    #[test]
    fn samples_become_whole_microseconds_and_never_nothing() {
        let mut spread = Spread::new(1e6);
        assert_eq!(Measured::of(&spread), None);
        for _ in 0..98 {
            spread.record(0.000_000_1);
        }
        spread.record(0.000_900_4);
        spread.record(0.004);
        assert_eq!(
            Measured::of(&spread),
            Some(Measured {
                p50: Duration::from_micros(1),
                p99: Duration::from_micros(900),
                samples: 100
            })
        );
    }
}
