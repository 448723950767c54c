//! The one contract of all stores, and on which of them each check runs.

use std::sync::Arc;

use service::store::Store;
use sim::{
    clock::RunClock,
    latency::Modelled,
    seed::Seed,
    store::{inproc::InProcessStore, memory::MemoryStore},
};

use super::{
    Told,
    checks::{self, NOW, TABLE},
};

/// Latency that lets requests overlap.
pub(super) fn latency(seed: u64) -> Modelled {
    let latency = scenarios::format::fault::Latency::Lognormal {
        p50: std::time::Duration::from_micros(1_800),
        p99: std::time::Duration::from_millis(12),
    };
    Modelled::new(latency, Seed(seed).child("store"))
}

/// The store of virtual time, from `NOW` on.
pub(super) fn memory(told: &Told, seed: u64) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(
        RunClock::paused(NOW.0),
        latency(seed),
        told.emit(),
    ))
}

/// The embedded one on virtual time, from `NOW` on.
pub(super) fn in_process(told: &Told, seed: u64) -> InProcessStore {
    InProcessStore::open(
        TABLE,
        RunClock::paused(NOW.0),
        latency(seed),
        told.emit(),
        Seed(seed),
    )
    .expect("it opens")
}

/// As an instance of the service has it.
pub(super) fn in_service(store: &InProcessStore) -> Arc<dyn Store> {
    let config = checks::config(TABLE, |name| {
        (name == "AWS_ENDPOINT_URL_DYNAMODB").then(|| "http://127.0.0.1:1".to_owned())
    });
    Arc::new(store.service_store(&config))
}

macro_rules! on_virtual_time {
    ($($group:ident::$check:ident,)*) => {
        mod memory {
            $(
                #[tokio::test(start_paused = true)]
                async fn $check() {
                    let store = super::memory(&super::Told::default(), 1);
                    super::checks::$group::$check(&store).await;
                }
            )*
        }

        mod in_process {
            $(
                #[tokio::test(start_paused = true)]
                async fn $check() {
                    let store = super::in_process(&super::Told::default(), 1);
                    super::checks::$group::$check(&super::in_service(&store)).await;
                }
            )*
        }
    };
}

macro_rules! over_http {
    ($($group:ident::$check:ident,)*) => {
        mod over_http {
            use sim::store::front::FrontSabotage;

            use super::super::Fronted;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let fronted = Fronted::start(FrontSabotage::default()).await;
                    let store = super::checks::service_store(fronted.front.url());
                    super::checks::$group::$check(&store).await;
                }
            )*
        }
    };
}

on_virtual_time! {
    counters::admit_as_many_as_there_is_room_for,
    counters::are_apart_by_key_and_window,
    lease::has_one_holder,
    lease::goes_to_one_of_many,
    lease::keeps_what_releases_write,
    lease::is_lost_by_who_outstays_it,
    prices::come_back_exactly,
    prices::are_replaced_as_a_whole,
    prices::come_in_batches_that_dynamodb_takes,
    prices::that_do_not_fit_are_left_out,
    keys::are_made_once,
    keys::are_updated_only_where_they_are,
    keys::are_listed_in_pages,
    cost::of_small_items_is_the_least,
    cost::of_large_items_is_by_their_size,
    cost::is_in_steps_to_the_byte,
    expiry::is_late,
}

// The emulator's server never deletes what expired, and 16 MB take it long.
over_http! {
    counters::admit_as_many_as_there_is_room_for,
    counters::are_apart_by_key_and_window,
    lease::has_one_holder,
    lease::goes_to_one_of_many,
    lease::keeps_what_releases_write,
    lease::is_lost_by_who_outstays_it,
    prices::come_back_exactly,
    prices::are_replaced_as_a_whole,
    prices::come_in_batches_that_dynamodb_takes,
    keys::are_made_once,
    keys::are_updated_only_where_they_are,
    keys::are_listed_in_pages,
    cost::of_small_items_is_the_least,
    cost::of_large_items_is_by_their_size,
    cost::is_in_steps_to_the_byte,
}
