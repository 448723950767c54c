//! How long things take in virtual time: what the scenario says, else defaults.
//!
//! The defaults are assumed, of the order of what the parts take on loopback; nothing has measured them yet. They move
//! instants by milliseconds, and counts only where something depends on such instants.

use std::{sync::Arc, time::Duration};

use scenarios::format::{Scenario, fault::Latency};

use crate::{latency::Modelled, seed::Seed};

/// The latencies of a run.
#[derive(Debug)]
pub(super) struct Models {
    /// One request to DynamoDB.
    pub(super) store: Modelled,
    /// One answer of CoinGecko that no fault delays.
    pub(super) coingecko: Arc<Modelled>,
    /// One client request, beside what it waits for: the way there and back, and the service's own work.
    pub(super) service: Arc<Modelled>,
}

const fn lognormal(p50_us: u64, p99_us: u64) -> Latency {
    Latency::Lognormal {
        p50: Duration::from_micros(p50_us),
        p99: Duration::from_micros(p99_us),
    }
}

/// A request to DynamoDB.
const STORE: Latency = lognormal(900, 6_000);
/// An answer of CoinGecko.
const COINGECKO: Latency = lognormal(3_000, 12_000);
/// A request beside its calls.
const SERVICE: Latency = lognormal(700, 5_000);

impl Models {
    /// The models of a scenario; each draws from a generator of its own.
    pub(super) fn of(scenario: &Scenario, seed: Seed) -> Self {
        let seed = seed.child("latency");
        let model =
            |name, said: Option<Latency>, default| Modelled::new(said.unwrap_or(default), seed.child(name));
        let said = &scenario.latency;
        Self {
            store: model("store", said.store, STORE),
            coingecko: Arc::new(model("coingecko", said.coingecko, COINGECKO)),
            service: Arc::new(model("service", said.service, SERVICE)),
        }
    }
}
