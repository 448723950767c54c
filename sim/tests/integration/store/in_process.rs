//! The SDK over the embedded store without sockets: its retries and timeouts run on virtual time.

use std::time::Duration;

use scenarios::format::fault::Latency;
use service::{
    models::KeyId,
    store::{Consistency, Store, StoreError},
};
use sim::{
    clock::RunClock,
    latency::Modelled,
    record::event::Event,
    seed::Seed,
    store::{
        inproc::{Conditions, InProcessStore},
        memory::MemoryStore,
        table,
    },
};
use tokio::time::Instant;

use super::{
    Told,
    checks::{self, NOW, TABLE},
    contract::in_service,
    faults::store_faults,
};

fn open(told: &Told, latency: Modelled, seed: u64) -> InProcessStore {
    open_with(told, latency, seed, &[])
}

fn open_with(told: &Told, latency: Modelled, seed: u64, faults: &[&str]) -> InProcessStore {
    let clock = RunClock::paused(NOW.0);
    let conditions = Conditions {
        faults: store_faults(faults, clock),
        ..Conditions::calm(clock)
    };
    InProcessStore::open(TABLE, clock, latency, told.emit(), Seed(seed), conditions).expect("it opens")
}

fn statuses(told: &Told) -> Vec<u16> {
    told.calls().iter().map(|call| call.status).collect()
}

#[tokio::test(start_paused = true)]
async fn a_read_that_failed_is_tried_again_after_a_while_of_virtual_time() {
    let waited = async |seed| {
        let told = Told::default();
        let store = in_service(&open_with(
            &told,
            Modelled::none(),
            seed,
            &["kind = \"error\"\nfirst = 1"],
        ));
        let start = Instant::now();
        store.lease().await.expect("the second try");
        assert_eq!(statuses(&told), [500, 200]);
        let waited = start.elapsed();
        // Full jitter below 25 ms, and the timer's step.
        assert!(waited <= Duration::from_millis(26), "{waited:?}");
        waited
    };
    let mut all = Vec::new();
    for seed in 0..8 {
        all.push(waited(seed).await);
        assert_eq!(
            waited(seed).await,
            all[seed as usize],
            "the seed repeats the jitter"
        );
    }
    all.sort_unstable();
    all.dedup();
    assert!(all.len() > 2, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_is_tried_once_and_a_second_failure_is_final() {
    let told = Told::default();
    let store = in_service(&open_with(
        &told,
        Modelled::none(),
        1,
        &["kind = \"error\"\nfirst = 3"],
    ));
    let id = KeyId::new("ab12");
    let write = store.count_request(&id, 1, 1, 1).await.expect_err("refused");
    assert!(
        matches!(
            write,
            StoreError::Unavailable {
                operation: "UpdateItem",
                ..
            }
        ),
        "{write}"
    );
    let read = store.api_key(&id).await.expect_err("refused twice");
    assert!(
        matches!(
            read,
            StoreError::Unavailable {
                operation: "GetItem",
                ..
            }
        ),
        "{read}"
    );
    assert_eq!(statuses(&told), [500, 500, 500]);
    let admitted = |event: &Event| matches!(event, Event::Admission { .. });
    assert!(!told.all().iter().any(admitted), "nobody was admitted");
}

#[tokio::test(start_paused = true)]
async fn timeouts_cut_calls_on_virtual_time() {
    let told = Told::default();
    // Longer than `STORE_TIMEOUT_MS`, 1 s by default.
    let slow = Modelled::new(Latency::Fixed(Duration::from_secs(5)), Seed(1));
    let store = in_service(&open(&told, slow, 1));
    let start = Instant::now();
    let write = store.count_request(&KeyId::new("ab12"), 1, 1, 1).await;
    assert!(matches!(write, Err(StoreError::Unavailable { .. })), "{write:?}");
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    let start = Instant::now();
    let read = store
        .prices(&[service::models::Symbol::new("BTC")], Consistency::Strong)
        .await;
    assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
    let waited = start.elapsed();
    let (two, jitter) = (Duration::from_secs(2), Duration::from_millis(26));
    assert!((two..=two + jitter).contains(&waited), "{waited:?}");
    assert!(told.all().is_empty(), "none of them reached the table");
}

#[tokio::test(start_paused = true)]
async fn errors_are_those_of_dynamodb() {
    let told = Told::default();
    let open = open_with(&told, Modelled::none(), 1, &["kind = \"throttle\"\nfirst = 1"]);
    let throttled = in_service(&open);
    let error = throttled.count_request(&KeyId::new("ab12"), 1, 1, 1).await;
    assert!(matches!(error, Err(StoreError::Throttled { .. })), "{error:?}");

    let config = checks::config("another", |name| {
        (name == "AWS_ENDPOINT_URL_DYNAMODB").then(|| "http://127.0.0.1:1".to_owned())
    });
    let error = open
        .service_store(&config)
        .lease()
        .await
        .expect_err("no such table");
    let StoreError::Rejected { operation, reason } = error else {
        panic!("{error}")
    };
    assert_eq!(operation, "GetItem");
    assert!(reason.starts_with("ResourceNotFoundException: "), "{reason}");
    assert_eq!(statuses(&told), [400, 400]);
}

#[tokio::test(start_paused = true)]
async fn seeded_keys_are_the_same_in_both() {
    let told = Told::default();
    let keys = [("secret-1".to_owned(), true), ("secret-2".to_owned(), false)];
    let memory = MemoryStore::new(RunClock::paused(NOW.0), Modelled::none(), told.emit());
    memory.seed_keys(&keys, NOW.0);
    let open = open(&told, Modelled::none(), 1);
    table::seed_keys(&open.database().expect("it runs"), TABLE, &keys, NOW.0).expect("stored");
    let embedded = in_service(&open);
    assert!(told.all().is_empty(), "that is told to nobody");
    for (secret, enabled) in &keys {
        let id = KeyId::new(&table::key_id(secret));
        let key = memory
            .api_key(&id)
            .await
            .expect("an answer")
            .value
            .expect("it is there");
        assert_eq!(
            (key.enabled, key.created_at, key.last_used_at),
            (*enabled, NOW, None)
        );
        assert_eq!(embedded.api_key(&id).await.expect("an answer").value, Some(key));
    }
}
