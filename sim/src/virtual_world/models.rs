//! How long things take in virtual time: what the scenario says, else what the committed calibration measured.
//!
//! The defaults move instants by milliseconds, and counts only where something depends on such instants. They come from
//! the stack with the embedded store, whichever store is played: the memory store stands for it.

use std::sync::Arc;

use scenarios::format::{Scenario, fault::Latency};

use crate::{
    calibrate::{self, Figures, Measured},
    latency::Modelled,
    seed::Seed,
};

/// The latencies of a run.
#[derive(Debug)]
pub(super) struct Models {
    /// One request to DynamoDB.
    pub(super) store: Modelled,
    /// One answer of CoinGecko that no fault delays.
    pub(super) coingecko: Arc<Modelled>,
    /// One client request, beside what it waits for: the way there and back, and the service's own work.
    pub(super) service: Arc<Modelled>,
    /// One environment of a function, from the event that needs it until it can take one.
    pub(super) cold_start: Arc<Modelled>,
    /// One invocation of a function, beside what it waits for.
    pub(super) invocation: Arc<Modelled>,
}

impl Models {
    /// The models of a scenario; each draws from a generator of its own.
    pub(super) fn of(scenario: &Scenario, seed: Seed) -> Self {
        let seed = seed.child("latency");
        let model = |name, said: Option<Latency>, default: Measured| {
            Modelled::new(said.unwrap_or(default.latency()), seed.child(name))
        };
        let said = &scenario.latency;
        let Figures {
            store,
            coingecko,
            service,
            cold_start,
            invocation,
            ..
        } = calibrate::committed().embedded;
        Self {
            store: model("store", said.store, store),
            coingecko: Arc::new(model("coingecko", said.coingecko, coingecko)),
            service: Arc::new(model("service", said.service, service)),
            cold_start: Arc::new(model("cold_start", said.cold_start, cold_start)),
            invocation: Arc::new(model("invocation", said.invocation, invocation)),
        }
    }
}
