//! Faults of the store: the same verdicts from the memory store behind the modelled SDK, from the SDK over the embedded
//! one in process, and over sockets behind the front.

use std::{cell::Cell, io::ErrorKind, sync::Arc, time::Duration};

use scenarios::format::{Alone, parse};
use service::{
    config::Config,
    models::{KeyId, Symbol},
    store::{Consistency, Counted, Store, StoreError, dynamo::DynamoStore},
};
use sim::{
    clock::RunClock,
    latency::Modelled,
    record::event::Event,
    seed::Seed,
    store::{
        embedded::EmbeddedStore,
        faults::StoreFaults,
        front::{FrontRules, StoreFront},
        inproc::{Conditions, InProcessStore},
        memory::MemoryStore,
        midway::Midway,
        sdk::SdkStore,
        table,
    },
};
use tokio::net::TcpStream;

use super::{
    Told,
    checks::{self, NOW, TABLE, price},
    untouched,
};

/// The faults of a scenario of an hour with these `[[fault]]`s of the store, each from its start to its end.
pub(super) fn store_faults(faults: &[&str], clock: RunClock) -> StoreFaults {
    let mut text = "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"1h\"\n\
         [[journey]]\nname = \"one\"\nget = [\"/prices/{symbol}\"]\n[[load]]\nname = \"all\"\nrate = \"1/s\"\n"
        .to_owned();
    for (index, fault) in faults.iter().enumerate() {
        text += &format!(
            "[[fault]]\nname = \"f{index}\"\ntarget = \"store\"\nat = \"0s\"\nfor = \"1h\"\n{fault}\n"
        );
    }
    let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
    StoreFaults::of(&scenario.faults, Seed(7), clock)
}

fn config(endpoint: &str) -> Config {
    checks::config(TABLE, |name| {
        (name == "AWS_ENDPOINT_URL_DYNAMODB").then(|| endpoint.to_owned())
    })
}

/// The same, patient enough for a busy machine, but where it is to run out of patience.
fn patient(endpoint: &str, faults: &[&str]) -> Config {
    let hangs = faults.iter().any(|fault| fault.contains("hang"));
    checks::config(TABLE, |name| match name {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(endpoint.to_owned()),
        "STORE_TIMEOUT_MS" | "WRITE_TIMEOUT_MS" if !hangs => Some("10000".to_owned()),
        _ => None,
    })
}

/// The memory store with faults, as a process reaches it.
fn memory(told: &Told, faults: &[&str]) -> Arc<dyn Store> {
    let clock = RunClock::paused(NOW.0);
    let store = MemoryStore::new(clock, Modelled::none(), told.emit())
        .suffering(store_faults(faults, clock), Midway::default());
    Arc::new(SdkStore::new(
        Arc::new(store),
        &config("http://127.0.0.1:1"),
        Seed(1),
    ))
}

/// The SDK over the embedded store with faults.
fn in_process(told: &Told, faults: &[&str]) -> Arc<dyn Store> {
    let clock = RunClock::paused(NOW.0);
    let conditions = Conditions {
        faults: store_faults(faults, clock),
        ..Conditions::calm(clock)
    };
    let store = InProcessStore::open(TABLE, clock, Modelled::none(), told.emit(), Seed(1), conditions)
        .expect("it opens");
    Arc::new(store.service_store(&config("http://127.0.0.1:1")))
}

/// The SDK over sockets.
struct OverHttp {
    store: Arc<dyn Store>,
    front: StoreFront,
    _embedded: EmbeddedStore,
}

async fn over_http(told: &Told, faults: &[&str]) -> OverHttp {
    let clock = RunClock::starting_in(Duration::ZERO, NOW.0, 1.0);
    let embedded = EmbeddedStore::start().expect("it starts");
    table::create(embedded.database(), TABLE).expect("created");
    let rules = FrontRules {
        faults: store_faults(faults, clock),
        ..untouched()
    };
    let front = StoreFront::start(embedded.url(), clock, told.emit(), rules)
        .await
        .expect("it starts");
    let store = DynamoStore::new(
        &patient(front.url(), faults),
        Arc::new(service::clock::SystemClock),
    );
    OverHttp {
        store: Arc::new(store),
        front,
        _embedded: embedded,
    }
}

/// How a request ended, in a word.
fn ending<T>(answer: &Result<T, StoreError>) -> &'static str {
    match answer {
        Ok(_) => "done",
        Err(StoreError::Unavailable { .. }) => "unavailable",
        Err(StoreError::Throttled { .. }) => "throttled",
        Err(StoreError::Rejected { .. }) => "rejected",
        Err(StoreError::Corrupt { .. }) => "corrupt",
    }
}

/// A read, a write, what the write left behind, and the statuses and faults that were told of all that.
async fn story(store: &Arc<dyn Store>, told: &Told) -> String {
    let id = KeyId::new("ab12");
    let read = ending(&store.api_key(&id).await);
    let write = ending(&store.count_request(&id, 7, 10, 99).await);
    let admissions = told.admissions();
    let calls: Vec<String> = told
        .calls()
        .iter()
        .map(|call| format!("{} {:?}", call.status, call.faults))
        .collect();
    format!(
        "read {read}, write {write}, counted {admissions}: {}",
        calls.join(", ")
    )
}

/// The kinds that one request is enough to see, with what comes of a read and a write.
const KINDS: [(&str, &str); 6] = [
    (
        "kind = \"throttle\"",
        "read throttled, write throttled, counted 0: 400 [0], 400 [0], 400 [0]",
    ),
    (
        "kind = \"error\"",
        "read unavailable, write unavailable, counted 0: 500 [0], 500 [0], 500 [0]",
    ),
    (
        "kind = \"error\"\nfirst = 1",
        "read done, write done, counted 1: 500 [0], 200 [], 200 []",
    ),
    (
        "kind = \"reset\"",
        "read unavailable, write unavailable, counted 0: 0 [0], 0 [0], 0 [0]",
    ),
    (
        "kind = \"lost_answer\"",
        "read unavailable, write unavailable, counted 1: 0 [0], 0 [0], 0 [0]",
    ),
    (
        "kind = \"hang\"\nat_most = \"2s\"",
        "read unavailable, write unavailable, counted 0: 0 [0], 0 [0], 0 [0]",
    ),
];

#[tokio::test(start_paused = true)]
async fn the_modelled_sdk_sees_each_kind_as_the_real_one_does() {
    for (kind, expected) in KINDS {
        for (name, open) in [
            ("memory", memory as fn(&Told, &[&str]) -> Arc<dyn Store>),
            ("in process", in_process),
        ] {
            let told = Told::default();
            let store = open(&told, &[kind]);
            assert_eq!(story(&store, &told).await, expected, "{name}: {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_front_breaks_each_kind_on_sockets() {
    for (kind, expected) in KINDS {
        let told = Told::default();
        let over_http = over_http(&told, &[kind]).await;
        assert_eq!(story(&over_http.store, &told).await, expected, "{kind}");
        over_http.front.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_that_is_closed_refuses_and_loses_nothing() {
    let told = Told::default();
    let OverHttp {
        store,
        front,
        _embedded,
    } = over_http(&told, &[]).await;
    let id = KeyId::new("ab12");
    let done = Cell::new(0);
    let count = async || {
        let answer = store.count_request(&id, 7, 1_000_000, 99).await;
        done.set(done.get() + u32::from(answer.is_ok()));
        ending(&answer)
    };
    let address = front.url().trim_start_matches("http://").to_owned();
    let is_refused = async || {
        TcpStream::connect(&address)
            .await
            .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    assert_eq!(count().await, "done");
    for _ in 0..3 {
        front.set_reachable(false);
        // A connection that was open is cut when the door closes, which is another task's doing.
        while !is_refused().await || count().await == "done" {
            tokio::task::yield_now().await;
        }
        // The last one may have been cut on its way; from here on there is nobody to hear of any.
        assert!(is_refused().await);
        assert_eq!(count().await, "unavailable");
        front.set_reachable(true);
        while count().await != "done" {
            tokio::task::yield_now().await;
        }
    }
    // What was cut on its way is done by the store, and told, after its client has gone.
    let in_store = async || store.request_count(&id, 7).await.expect("it is open").value;
    let counted = in_store().await;
    assert!(
        counted >= done.get(),
        "{counted} counted, {} answered",
        done.get()
    );
    let told_of_all = async {
        while told.admissions() < counted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told_of_all)
        .await
        .expect("what is done is told");
    let of_which_told = told.admissions();
    assert!(of_which_told <= in_store().await, "only what is done is told");
}

#[tokio::test(start_paused = true)]
async fn retries_of_the_modelled_sdk_run_out_when_those_of_the_real_one_do() {
    // Each kind of failure costs its own number of tokens; a success in between gives some back.
    for kind in [
        "kind = \"error\"",
        "kind = \"throttle\"",
        "kind = \"reset\"",
        "kind = \"error\"\nshare = \"80%\"",
    ] {
        let mut attempts = Vec::new();
        for open in [
            memory as fn(&Told, &[&str]) -> Arc<dyn Store>,
            in_process as fn(&Told, &[&str]) -> Arc<dyn Store>,
        ] {
            let told = Told::default();
            let store = open(&told, &[kind]);
            let mut each = Vec::new();
            for _ in 0..200 {
                let before = told.calls().len();
                let _ = store.lease().await;
                each.push(told.calls().len() - before);
            }
            attempts.push(each);
        }
        assert_eq!(attempts[0], attempts[1], "{kind}");
        assert!(attempts[0].contains(&1) && attempts[0].contains(&2), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_write_is_done_and_a_late_read_sees_what_there_is_then() {
    for open in [
        memory as fn(&Told, &[&str]) -> Arc<dyn Store>,
        in_process as fn(&Told, &[&str]) -> Arc<dyn Store>,
    ] {
        let told = Told::default();
        let late = "kind = \"latency\"\nlatency = \"5s\"\nfirst = 1";
        let store = open(&told, &[late]);
        let id = KeyId::new("ab12");
        assert_eq!(ending(&store.count_request(&id, 7, 10, 99).await), "unavailable");
        assert_eq!(store.request_count(&id, 7).await.expect("an answer").value, 1);

        let told = Told::default();
        let slow = "kind = \"latency\"\nlatency = \"600ms\"\nmatch = { op = \"GetItem\" }";
        let store = open(&told, &[slow]);
        let reading = store.request_count(&id, 7);
        let writing = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            store.count_request(&id, 7, 10, 99).await
        };
        let (read, written) = tokio::join!(reading, writing);
        written.expect("written");
        assert_eq!(read.expect("an answer").value, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn batches_in_part_name_what_is_left() {
    let prices: Vec<_> = ["BTC", "ETH", "SOL", "XRP"]
        .iter()
        .map(|symbol| price(symbol, "1"))
        .collect();
    let symbols: Vec<Symbol> = prices.iter().map(|price| price.symbol.clone()).collect();
    for open in [
        memory as fn(&Told, &[&str]) -> Arc<dyn Store>,
        in_process as fn(&Told, &[&str]) -> Arc<dyn Store>,
    ] {
        let told = Told::default();
        let store = open(&told, &["kind = \"partial\""]);
        let left = store.write_prices(&prices).await.expect("in part").value;
        assert_eq!(left.len(), 2);
        let written: Vec<String> = told
            .all()
            .into_iter()
            .filter_map(|event| match event {
                Event::PriceWrite { symbol, .. } => Some(symbol),
                _ => None,
            })
            .collect();
        assert_eq!(written.len(), 2);
        assert!(left.iter().all(|symbol| !written.contains(&symbol.to_string())));
        let read = store
            .prices(&symbols, Consistency::Strong)
            .await
            .expect("in part")
            .value;
        assert_eq!(read.unprocessed.len(), 2);
        assert!(
            read.prices
                .iter()
                .all(|price| !read.unprocessed.contains(&price.symbol))
        );
    }
}

/// With lost answers a client gets at most its limit, and at most one less for each lost answer.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_costs_a_client_one_request_and_no_more() {
    const ROOM: u32 = 500;
    for open in [
        memory as fn(&Told, &[&str]) -> Arc<dyn Store>,
        in_process as fn(&Told, &[&str]) -> Arc<dyn Store>,
    ] {
        let told = Told::default();
        let store = open(&told, &["kind = \"lost_answer\"\nshare = \"20%\""]);
        let id = KeyId::new("ab12");
        let (mut got, mut lost) = (0, 0);
        let clients = (0..64).map(|_| {
            let (store, id) = (Arc::clone(&store), id.clone());
            tokio::spawn(async move {
                let (mut got, mut lost) = (0, 0);
                for _ in 0..20 {
                    match store.count_request(&id, 7, ROOM, 99).await {
                        Ok(answer) => got += u32::from(matches!(answer.value, Counted::Admitted { .. })),
                        Err(error) => {
                            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
                            lost += 1;
                        }
                    }
                }
                (got, lost)
            })
        });
        for client in futures_util::future::join_all(clients).await {
            let (more, less) = client.expect("a client");
            got += more;
            lost += less;
        }
        assert!(lost > 100, "{lost}");
        assert!(
            got <= ROOM && got + lost >= ROOM,
            "{got} got through, {lost} were lost"
        );
    }
}
