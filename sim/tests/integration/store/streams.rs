//! What the stores of virtual time tell: the same of the same requests, and the same again in another run.

use std::sync::Arc;

use service::store::Store;
use sim::{
    clock::RunClock,
    record::event::Event,
    seed::Seed,
    store::inproc::{Conditions, InProcessStore},
};

use super::{
    Told,
    checks::{NOW, TABLE, cost, expiry, keys, lease, prices},
    contract::{in_process, in_service, latency, memory},
    faults::store_faults,
    mix::Client,
};

/// What was told, a line for each event.
fn lines(told: &Told) -> Vec<String> {
    told.all().iter().map(|event| format!("{event:?}")).collect()
}

/// Both tell the same of `script`, times included: neither has anything of its own that takes time.
macro_rules! assert_same {
    ($script:expr) => {
        let script = $script;
        let (of_memory, of_embedded) = (Told::default(), Told::default());
        let answers = script(memory(&of_memory, 1)).await;
        let store = in_process(&of_embedded, 1);
        let same_answers = script(in_service(&store)).await;
        for (memory, embedded) in std::iter::zip(&answers, &same_answers) {
            assert_eq!(memory, embedded);
        }
        let (of_memory, of_embedded) = (lines(&of_memory), lines(&of_embedded));
        for (memory, embedded) in std::iter::zip(&of_memory, &of_embedded) {
            assert_eq!(memory, embedded);
        }
        assert_eq!(of_memory.len(), of_embedded.len());
        assert!(!of_memory.is_empty());
    };
}

#[tokio::test(start_paused = true)]
async fn both_tell_the_same_of_what_the_service_does() {
    assert_same!(async |store: Arc<dyn Store>| {
        lease::has_one_holder(&store).await;
        Vec::<String>::new()
    });
    assert_same!(async |store: Arc<dyn Store>| {
        lease::keeps_what_releases_write(&store).await;
        prices::come_back_exactly(&store).await;
        prices::are_replaced_as_a_whole(&store).await;
        prices::come_in_batches_that_dynamodb_takes(&store).await;
        Vec::<String>::new()
    });
    assert_same!(async |store: Arc<dyn Store>| {
        keys::are_listed_in_pages(&store).await;
        keys::are_made_once(&store).await;
        keys::are_updated_only_where_they_are(&store).await;
        Vec::<String>::new()
    });
    assert_same!(async |store: Arc<dyn Store>| {
        cost::of_small_items_is_the_least(&store).await;
        Vec::<String>::new()
    });
    assert_same!(async |store: Arc<dyn Store>| {
        expiry::is_late(&store).await;
        Vec::<String>::new()
    });
}

/// Their one difference: what DynamoDB charges for a write whose condition did not hold is not in its answer, so
/// through the SDK it is taken for one unit (or, in events, for that of the item, when the answer has it).
#[tokio::test(start_paused = true)]
async fn only_memory_knows_what_a_refused_write_of_a_large_item_costs() {
    let cost = async |store: Arc<dyn Store>, told: &Told| {
        let key = keys::key("ab12", &"x".repeat(5_000));
        store.put_api_key(&key).await.expect("an answer");
        let refused = store.put_api_key(&key).await.expect("an answer");
        assert!(!refused.value);
        (refused.consumed.write, told.calls().last().map(|call| call.wcu))
    };
    let told = Told::default();
    assert_eq!(cost(memory(&told, 1), &told).await, (5.0, Some(5.0)));
    let told = Told::default();
    let store = in_process(&told, 1);
    assert_eq!(cost(in_service(&store), &told).await, (1.0, Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn both_answer_and_tell_the_same_of_any_mix() {
    for seed in 0..3 {
        assert_same!(async |store: Arc<dyn Store>| {
            let mut client = Client::new(store, Seed(seed));
            let mut answers = Vec::new();
            for _ in 0..150 {
                answers.push(client.step().await);
            }
            answers
        });
    }
}

/// 20 clients at the same time; what they asked in all.
async fn crowd(store: Arc<dyn Store>, seed: u64, steps: usize) {
    let clients: Vec<_> = (0..20)
        .map(|n| {
            let mut client = Client::new(Arc::clone(&store), Seed(seed).child(&format!("client {n}")));
            tokio::spawn(async move {
                for _ in 0..steps {
                    client.step().await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
}

fn told_calls(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.starts_with("Store(")).count()
}

#[tokio::test(start_paused = true)]
async fn a_run_in_memory_repeats_with_its_seed() {
    let run = async |seed| {
        let told = Told::default();
        crowd(memory(&told, seed), seed, 100).await;
        lines(&told)
    };
    let first = run(42).await;
    assert_eq!(told_calls(&first), 2_000);
    assert!(first == run(42).await, "the same events");
    assert!(first != run(43).await, "other ones");
}

#[tokio::test(start_paused = true)]
async fn a_run_through_the_sdk_repeats_with_its_seed_retries_included() {
    let run = async |seed| {
        let told = Told::default();
        // Every seventh request; reads are then tried again, after a delay that the SDK draws.
        let clock = RunClock::paused(NOW.0);
        let conditions = Conditions {
            faults: store_faults(&["kind = \"error\"\nevery = 7"], clock),
            ..Conditions::calm(clock)
        };
        let store = InProcessStore::open(TABLE, clock, latency(seed), told.emit(), Seed(seed), conditions)
            .expect("it opens");
        crowd(in_service(&store), seed, 20).await;
        let failed = told.all().into_iter().filter(|event| match event {
            Event::Store(call) => call.status == 500,
            _ => false,
        });
        assert!(failed.count() > 50);
        lines(&told)
    };
    let first = run(42).await;
    assert!(told_calls(&first) > 400, "retries are calls, too");
    assert!(first == run(42).await, "the same events");
    assert!(first != run(43).await, "other ones");
}
