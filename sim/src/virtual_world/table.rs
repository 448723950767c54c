//! The table of a run in virtual time, and how each process of the service reaches it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use service::{config::Config, store::Store};

use super::{StoreKind, VirtualSpec, asking};
use crate::{
    audit::Ledger,
    clock::RunClock,
    incidents,
    latency::Modelled,
    reaper::TemporaryFolder,
    record::{Recorder, event::Event},
    seed::Seed,
    store::{
        faults::StoreFaults,
        front::Emit,
        inproc::{Conditions, InProcessStore},
        memory::MemoryStore,
        midway::Midway,
        sdk::SdkStore,
        table,
    },
    world::{WorldError, environment, stack::stored_keys},
};

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    kind: Kind,
    seed: Seed,
    config: Config,
    ledger: Ledger,
    /// Whether what is done is told.
    is_told: Arc<AtomicBool>,
    /// Where it is on disk; gone with the last of these.
    _folder: Option<Arc<TemporaryFolder>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Memory(Arc<MemoryStore>),
    InProcess(InProcessStore),
}

impl Table {
    /// The table with the keys of all loads. It is on disk when something kills the store.
    pub(super) fn open(
        spec: &VirtualSpec,
        clock: RunClock,
        recorder: &Recorder,
        latency: Modelled,
        keys: &[Vec<String>],
        midway: Midway,
    ) -> Result<Self, WorldError> {
        let unusable = |error: &dyn std::error::Error| WorldError::Store(error.to_string());
        let scenario = &spec.scenario;
        let keys = stored_keys(scenario, spec.seed, keys);
        let created_ms = scenario.start.as_millisecond();
        let faults = StoreFaults::of(&scenario.faults, spec.seed, clock);
        let is_told = Arc::new(AtomicBool::new(true));
        let ledger = Ledger::default();
        let (recorder, tells, sees) = (recorder.clone(), Arc::clone(&is_told), ledger.clone());
        let emit: Emit = Arc::new(move |event| {
            if tells.load(Ordering::Relaxed) {
                sees.saw(&event);
                recorder.record_for(asking::asker(&clock), event);
            }
        });
        let mut folder = None;
        let kind = match spec.store {
            StoreKind::Memory => {
                let store = MemoryStore::new(clock, latency, emit).suffering(faults, midway);
                store.seed_keys(&keys, created_ms);
                Kind::Memory(Arc::new(store))
            }
            StoreKind::Embedded => {
                if incidents::kill_the_store(&scenario.faults) {
                    folder = Some(Arc::new(
                        TemporaryFolder::new().map_err(|error| unusable(&error))?,
                    ));
                }
                let path: Option<PathBuf> = folder.as_ref().map(|folder| folder.path().join("table.db"));
                let conditions = Conditions { faults, midway, path };
                let seed = spec.seed.child("sdk");
                let store = InProcessStore::open(environment::TABLE, clock, latency, emit, seed, conditions)
                    .map_err(|error| unusable(&error))?;
                if let Some(database) = store.database() {
                    table::seed_keys(&database, environment::TABLE, &keys, created_ms)
                        .map_err(|error| unusable(&error))?;
                }
                Kind::InProcess(store)
            }
        };
        Ok(Self {
            kind,
            seed: spec.seed,
            config: spec.config.clone(),
            ledger,
            is_told,
            _folder: folder,
        })
    }

    /// The table as a process of this name reaches it.
    pub(super) fn of(&self, process: &str) -> Arc<dyn Store> {
        match &self.kind {
            Kind::Memory(store) => {
                let seed = self.seed.child(&format!("sdk:{process}"));
                Arc::new(SdkStore::new(
                    Arc::clone(store) as Arc<dyn Store>,
                    &self.config,
                    seed,
                ))
            }
            Kind::InProcess(store) => Arc::new(store.service_store(&self.config)),
        }
    }

    /// Whether connections to it come about from now on.
    pub(super) fn set_reachable(&self, is_reachable: bool) {
        match &self.kind {
            Kind::Memory(store) => store.set_reachable(is_reachable),
            Kind::InProcess(store) => store.set_reachable(is_reachable),
        }
    }

    /// Kills the store's process. (A store in memory is not asked for that: see `playable`.)
    pub(super) fn halt(&self) {
        match &self.kind {
            Kind::Memory(store) => store.set_reachable(false),
            Kind::InProcess(store) => store.halt(),
        }
    }

    /// Starts it again with what it kept.
    pub(super) fn resume(&self) -> Result<(), WorldError> {
        match &self.kind {
            Kind::Memory(store) => store.set_reachable(true),
            Kind::InProcess(store) => store
                .resume()
                .map_err(|error| WorldError::Store(error.to_string()))?,
        }
        Ok(())
    }

    /// Asks the table whether it has what it acknowledged. Nothing that it is asked is told from then on.
    pub(super) async fn audit(&self, clock: &RunClock) -> Event {
        self.is_told.store(false, Ordering::Relaxed);
        let lease = self.config.update_lease();
        let audit = self.ledger.audit(&*self.of("audit"), clock.now_ms(), lease).await;
        Event::Audited(audit.map_err(|error| error.to_string()))
    }
}
