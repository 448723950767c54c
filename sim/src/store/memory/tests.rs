//! Tests of what a request takes and tells. What it does is the contract's, in the integration tests.

use std::{sync::Arc, time::Duration};

use scenarios::format::fault::Latency;

use super::*;
use crate::seed::Seed;

const START_MS: i64 = 1_772_409_600_000;

fn told() -> (Arc<Mutex<Vec<Event>>>, Emit) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&told);
    let emit = move |event| into.lock().expect("not poisoned").push(event);
    (told, Arc::new(emit))
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_its_latency_and_is_told_when_it_is_done() {
    let (told, emit) = told();
    let latency = Modelled::new(Latency::Fixed(Duration::from_micros(2_600)), Seed(1));
    let store = MemoryStore::new(RunClock::paused(START_MS), latency, emit);
    let id = KeyId::new("ab12");
    for _ in 0..2 {
        store.count_request(&id, 7, 1, 99).await.expect("an answer");
    }
    let lines: Vec<_> = told
        .lock()
        .expect("not poisoned")
        .iter()
        .map(|event| format!("{event:?}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    Store(StoreCall { at_us: 0, store_us: 2600, front_us: 0, op: UpdateItem, subject: RateLimit, consistent: false, items: 1, found: 0, status: 200, rcu: 0.0, wcu: 1.0, throttled: false, faults: [] })
    Admission { at_us: 2000, key_id: "ab12", window: 7, admitted: true, count: 1 }
    Store(StoreCall { at_us: 2000, store_us: 2600, front_us: 0, op: UpdateItem, subject: RateLimit, consistent: false, items: 1, found: 0, status: 400, rcu: 0.0, wcu: 1.0, throttled: false, faults: [] })
    Admission { at_us: 5000, key_id: "ab12", window: 7, admitted: false, count: 1 }
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_does_nothing() {
    let (told, emit) = told();
    let latency = Modelled::new(Latency::Fixed(Duration::from_millis(20)), Seed(1));
    let store = MemoryStore::new(RunClock::paused(START_MS), latency, emit);
    let id = KeyId::new("ab12");
    let counting = store.count_request(&id, 7, 1, 99);
    let cut = tokio::time::timeout(Duration::from_millis(10), counting).await;
    assert!(cut.is_err());
    assert!(told.lock().expect("not poisoned").is_empty());
    assert_eq!(store.request_count(&id, 7).await.expect("an answer").value, 0);
}
