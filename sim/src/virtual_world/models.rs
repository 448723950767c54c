//! How long things take in virtual time: what the scenario says, else what was measured.

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

/// What a request to the embedded DynamoDB took through the store front.
const STORE: Latency = lognormal(900, 6_000);
/// What the fake CoinGecko took to answer `/coins/markets` for 50 coins.
const COINGECKO: Latency = lognormal(3_000, 12_000);
/// What a request took beside its calls.
const SERVICE: Latency = lognormal(700, 5_000);

impl Models {
    /// The models of a scenario; each draws from a generator of its own.
    pub(super) fn of(scenario: &Scenario, seed: Seed) -> Self {
        let seed = seed.child("latency");
        let model =
            |name, said: Option<Latency>, measured| Modelled::new(said.unwrap_or(measured), seed.child(name));
        let said = &scenario.latency;
        Self {
            store: model("store", said.store, STORE),
            coingecko: Arc::new(model("coingecko", said.coingecko, COINGECKO)),
            service: Arc::new(model("service", said.service, SERVICE)),
        }
    }
}
