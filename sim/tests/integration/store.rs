//! The simulated DynamoDB in its three forms, and Amazon's DynamoDB Local: one contract for all, the differences that
//! are known, the events that each tells, and what only one of them has.

pub(crate) mod checks;
mod contract;
mod differences;
mod faults;
mod front;
mod in_process;
mod local;
mod mix;
mod raw;
mod streams;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use checks::TABLE;
use sim::{
    clock::RunClock,
    record::event::{Event, LeaseAction, StoreCall},
    store::{
        embedded::EmbeddedStore,
        front::{Emit, FrontRules, FrontSabotage, StoreFront},
        table,
    },
};

/// What a store told.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    pub(crate) fn emit(&self) -> Emit {
        let told = Arc::clone(&self.0);
        Arc::new(move |event| told.lock().unwrap_or_else(PoisonError::into_inner).push(event))
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn calls(&self) -> Vec<StoreCall> {
        self.all()
            .into_iter()
            .filter_map(|event| match event {
                Event::Store(call) => Some(call),
                _ => None,
            })
            .collect()
    }

    /// How many requests the store has counted, as far as was told.
    fn admissions(&self) -> u32 {
        let admissions = self
            .all()
            .iter()
            .filter(|event| matches!(event, Event::Admission { .. }))
            .count();
        u32::try_from(admissions).expect("few")
    }

    /// Holder, action, and whether the condition held.
    fn leases(&self) -> Vec<(String, LeaseAction, bool)> {
        self.all()
            .into_iter()
            .filter_map(|event| match event {
                Event::Lease(lease) => Some((lease.holder, lease.action, lease.held)),
                _ => None,
            })
            .collect()
    }
}

fn clock() -> RunClock {
    RunClock::starting_in(Duration::ZERO, 1_772_409_600_000, 1.0)
}

/// A front that only passes on.
fn untouched() -> FrontRules {
    FrontRules::only(FrontSabotage::default(), clock())
}

/// A front before an emulator that has the service's table.
pub(crate) struct Fronted {
    pub(crate) store: EmbeddedStore,
    pub(crate) front: StoreFront,
    pub(crate) told: Told,
}

impl Fronted {
    async fn start(sabotage: FrontSabotage) -> Self {
        Self::start_at(clock(), sabotage).await
    }

    pub(crate) async fn start_at(clock: RunClock, sabotage: FrontSabotage) -> Self {
        let store = EmbeddedStore::start().expect("the emulator starts");
        table::create(store.database(), TABLE).expect("the table is created");
        let told = Told::default();
        let front = StoreFront::start(store.url(), clock, told.emit(), FrontRules::only(sabotage, clock))
            .await
            .expect("the front starts");
        Self { store, front, told }
    }
}
