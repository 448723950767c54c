//! The one contract of all stores: what the service asks of each, what is asked in DynamoDB's own JSON of those that speak
//! it, and what little only some of them can show.

use std::sync::Arc;

use service::store::Store;
use sim::{
    clock::RunClock,
    latency::Modelled,
    seed::Seed,
    store::{
        inproc::{Conditions, InProcessStore},
        memory::MemoryStore,
    },
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
        Conditions::calm(RunClock::paused(NOW.0)),
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

/// What the service's own requests show: on every store.
macro_rules! asked_by_the_service {
    ($on:ident) => {
        $on! {
            counters::admit_as_many_as_there_is_room_for,
            counters::are_apart_by_key_and_window,
            counters::admit_48_000_of_64_000,
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
        }
    };
}

/// What is asked of an item or a batch in JSON: on every store that reads it.
macro_rules! asked_in_json {
    ($on:ident) => {
        $on! {
            writes::are_refused_with_the_item_in_the_way,
            writes::compare_values_of_one_type,
            writes::return_what_they_are_asked_for,
            writes::keep_numbers_exactly,
            writes::add_up_to_the_unit,
            batches::have_their_limits,
            batches::hold_items_of_400_kilobytes,
            batches::leave_out_what_exceeds_16_megabytes,
            requests::may_not_use_reserved_words,
            requests::define_what_they_use,
            requests::have_whole_keys,
            requests::have_well_formed_values,
            requests::are_refused_with_the_code_that_says_why,
            capacity::follows_the_formulas,
        }
    };
}

/// What is asked of the table: where one makes it by requests.
macro_rules! asked_of_the_table {
    ($on:ident) => {
        $on! {
            tables::are_as_they_were_made,
            tables::have_names_of_their_own,
        }
    };
}

mod memory {
    use super::{super::Told, checks, memory};

    macro_rules! by_the_service {
        ($($group:ident::$check:ident,)*) => {
            $(
                #[tokio::test(start_paused = true)]
                async fn $check() {
                    checks::$group::$check(&memory(&Told::default(), 1)).await;
                }
            )*
        };
    }
    asked_by_the_service!(by_the_service);
    // It has no `ADD` without a condition; the others are asked for that in JSON.
    by_the_service! { counters::lose_none_of_64_000, expiry::is_late, expiry::is_never_early, }
}

mod in_process {
    use super::{
        super::{Told, raw::Raw},
        checks, in_process, in_service,
    };

    macro_rules! by_the_service {
        ($($group:ident::$check:ident,)*) => {
            $(
                #[tokio::test(start_paused = true)]
                async fn $check() {
                    let store = in_process(&Told::default(), 1);
                    checks::$group::$check(&in_service(&store)).await;
                }
            )*
        };
    }
    macro_rules! in_json {
        ($($group:ident::$check:ident,)*) => {
            $(
                #[tokio::test(start_paused = true)]
                async fn $check() {
                    let store = in_process(&Told::default(), 1);
                    checks::$group::$check(&Raw::in_process(&store)).await;
                }
            )*
        };
    }
    asked_by_the_service!(by_the_service);
    by_the_service! { expiry::is_late, expiry::is_never_early, }
    asked_in_json!(in_json);
}

mod over_http {
    use super::{
        super::{Fronted, raw::Raw},
        checks,
    };

    macro_rules! by_the_service {
        ($($group:ident::$check:ident,)*) => {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let Fronted { front, .. } = &Fronted::start(Default::default()).await;
                    checks::$group::$check(&checks::service_store(front.url())).await;
                }
            )*
        };
    }
    macro_rules! in_json {
        ($($group:ident::$check:ident,)*) => {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let Fronted { front, .. } = &Fronted::start(Default::default()).await;
                    checks::$group::$check(&Raw::new(front.url())).await;
                }
            )*
        };
    }
    asked_by_the_service!(by_the_service);
    by_the_service! { expiry::is_never_early, }
    asked_in_json!(in_json);
    asked_of_the_table!(in_json);
}

mod dynamodb_local {
    use super::{
        super::{local::LocalTable, raw::Raw},
        checks,
    };

    macro_rules! on {
        ($(#[$ask:ident] $group:ident::$check:ident on $table:ident,)*) => {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs DynamoDB Local: see CONTRIBUTING.md"]
                async fn $check() {
                    let table = LocalTable::$table().await;
                    checks::$group::$check(&$ask(&table)).await;
                }
            )*
        };
    }
    macro_rules! by_the_service {
        ($($group:ident::$check:ident,)*) => {
            on! { $(#[service] $group::$check on create,)* }
        };
    }
    macro_rules! in_json {
        ($($group:ident::$check:ident,)*) => {
            on! { $(#[json] $group::$check on create,)* }
        };
    }
    macro_rules! in_json_with_time_to_live {
        ($($group:ident::$check:ident,)*) => {
            on! { $(#[json] $group::$check on expiring,)* }
        };
    }

    fn service(LocalTable { front, table }: &LocalTable) -> std::sync::Arc<dyn super::Store> {
        checks::service_store_of(front.url(), table)
    }

    fn json(LocalTable { front, table }: &LocalTable) -> Raw {
        Raw::of(front.url(), table)
    }

    asked_by_the_service!(by_the_service);
    asked_in_json!(in_json);
    asked_of_the_table!(in_json_with_time_to_live);
    on! {
        #[service] expiry::is_never_early on expiring,
        #[json] expiry::is_by_the_real_clock on expiring,
    }
}
