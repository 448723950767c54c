//! The stack of a world: its parts, started in order and ready before the scenario begins.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use futures_util::future::{try_join, try_join_all};
use scenarios::{format::Scenario, wire::LoadPlan};
use tokio::time::Instant;

use crate::{
    clock::RunClock,
    coingecko::mount::{self, MountedCoinGecko},
    faults::Timeline,
    record::recorder::Recorder,
    seed::Seed,
    store::{
        embedded::EmbeddedStore,
        front::{FrontSabotage, StoreFront},
        table,
    },
    world::{
        WorldError, environment,
        instances::Instance,
        keys,
        load::{ANSWER_TIMEOUT, LoadChild},
        siblings::Siblings,
        updates::{Updater, Updates},
    },
};

/// How long before the scenario's start the parts are started, real time. When that was not enough (a busy
/// machine), all is taken down and started again with the next.
const LEADS: [Duration; 4] = [
    Duration::from_millis(400),
    Duration::from_millis(1500),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// What to build a world from.
#[derive(Clone, Debug)]
pub struct WorldSpec {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The run's seed.
    pub seed: Seed,
    /// Wall seconds per real second.
    pub speed: u32,
    /// The checked binaries.
    pub siblings: Siblings,
    /// Settings of the service beneath the scenario's back.
    pub env: BTreeMap<String, String>,
    /// What the store front breaks on purpose.
    pub sabotage: FrontSabotage,
}

/// Everything of a world that runs.
#[derive(Debug)]
pub struct Stack {
    /// The run's clock.
    pub clock: RunClock,
    /// Where everything that happens goes.
    pub recorder: Recorder,
    /// How many answers users have had.
    pub requests: Arc<AtomicU64>,
    /// From the first part's start to the last instance's first answer, real time.
    pub ready: Duration,
    pub(super) instances: Vec<Instance>,
    pub(super) loads: Vec<LoadChild>,
    pub(super) updates: Updates,
    coingecko: MountedCoinGecko,
    front: StoreFront,
    store: EmbeddedStore,
}
