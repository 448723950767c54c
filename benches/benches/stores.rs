//! What each store takes to start and to answer the service's requests, side by side.
//!
//! Each request goes the way that it goes in a run: to the memory store by the trait, to the embedded one in process through
//! the SDK, to the HTTP ones through the SDK and the store front. DynamoDB Local takes part where `DYNAMODB_LOCAL` is the
//! path of its jar. The stores take turns, request by request, so that what else the machine does falls on all of them.

use std::{
    any::Any,
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use service::{
    clock::{SystemClock, Timestamp},
    config::Config,
    models::{ApiKeyItem, Holder, KeyId, Number, StoredPrice, Symbol},
    store::{AcquireLease, Binary, Consistency, ReleaseLease, ReleaseOutcome, Store, dynamo::DynamoStore},
};
use sim::{
    clock::RunClock,
    latency::Modelled,
    seed::Seed,
    store::{
        embedded::EmbeddedStore,
        front::{Emit, FrontRules, FrontSabotage, StoreFront},
        inproc::{Conditions, InProcessStore},
        memory::MemoryStore,
        table,
    },
};

const NOW: Timestamp = Timestamp(1_772_409_600_000);
const TABLE: &str = "crypto-watch";
/// How often each store is asked each thing.
const ROUNDS: usize = 300;
/// How often each store starts, but for DynamoDB Local.
const STARTS: usize = 5;
/// Clients that count at once, and how often each does.
const CLIENTS: usize = 64;
const COUNTS: usize = 40;

/// A running store.
struct Running {
    name: &'static str,
    store: Arc<dyn Store>,
    /// Until it had answered its first request.
    start: Duration,
    _parts: Parts,
}

/// What has to live as long as it does.
type Parts = Box<dyn Any>;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(compare());
}

async fn compare() {
    let mut stores = vec![
        started("memory", async || (memory(), Box::new(()) as Parts)).await,
        started("embedded, in process", async || {
            (in_process(), Box::new(()) as Parts)
        })
        .await,
        started("embedded, over HTTP", embedded).await,
    ];
    match jar() {
        Some(jar) => stores.push(start("DynamoDB Local", async || local(&jar).await).await),
        None => print("DYNAMODB_LOCAL names no DynamoDBLocal.jar: DynamoDB Local is left out"),
    }

    row("", stores.iter().map(|running| running.name.to_owned()));
    row(
        "start, ms",
        stores
            .iter()
            .map(|running| format!("{:.2}", millis(running.start))),
    );
    for operation in OPERATIONS {
        let mut took = vec![Vec::with_capacity(ROUNDS); stores.len()];
        for round in 0..ROUNDS {
            for (running, took) in stores.iter().zip(&mut took) {
                let began = now();
                operation.ask(&running.store, round).await;
                took.push(began.elapsed());
            }
        }
        let medians = took
            .into_iter()
            .map(|took| format!("{:.0}", millis(median(took)) * 1_000.0));
        row(&format!("{}, us", operation.name()), medians);
    }
    let mut rates = Vec::new();
    for running in &stores {
        rates.push(format!("{:.0}", counts_a_second(&running.store).await));
    }
    row(&format!("count, {CLIENTS} at once, a second"), rates.into_iter());
}

/// What the service asks a store.
#[derive(Clone, Copy)]
enum Operation {
    GetKey,
    Count,
    ReadPrices,
    WritePrices,
    Lease,
}

const OPERATIONS: [Operation; 5] = [
    Operation::GetKey,
    Operation::Count,
    Operation::ReadPrices,
    Operation::WritePrices,
    Operation::Lease,
];

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::GetKey => "get a key",
            Self::Count => "count a request",
            Self::ReadPrices => "read 10 prices",
            Self::WritePrices => "write 25 prices",
            Self::Lease => "acquire and release",
        }
    }

    async fn ask(self, store: &Arc<dyn Store>, round: usize) {
        match self {
            Self::GetKey => {
                let found = store.api_key(&key_id()).await.expect("an answer").value;
                assert!(found.is_some());
            }
            Self::Count => {
                store
                    .count_request(&key_id(), 1, u32::MAX, NOW.0 / 1000)
                    .await
                    .expect("an answer");
            }
            Self::ReadPrices => {
                let symbols: Vec<_> = (0..10).map(symbol).collect();
                let read = store.prices(&symbols, Consistency::Eventual).await;
                assert_eq!(read.expect("an answer").value.prices.len(), 10);
            }
            Self::WritePrices => {
                store.write_prices(&prices()).await.expect("an answer");
            }
            Self::Lease => {
                let now = NOW.after(Duration::from_secs(round as u64));
                let holder = Holder("api-1111111111111111".into());
                let acquire = AcquireLease {
                    holder: holder.clone(),
                    binary: Binary::Api,
                    now,
                    until: now.after(Duration::from_secs(5)),
                    due_before: now,
                };
                let release = ReleaseLease {
                    holder,
                    outcome: ReleaseOutcome::Unused,
                };
                store.acquire_lease(&acquire).await.expect("an answer");
                assert!(store.release_lease(&release).await.expect("an answer").value);
            }
        }
    }
}

async fn counts_a_second(store: &Arc<dyn Store>) -> f64 {
    let began = now();
    let clients = (0..CLIENTS).map(|client| {
        let (store, key) = (Arc::clone(store), KeyId::new(&format!("client {client}")));
        tokio::spawn(async move {
            for _ in 0..COUNTS {
                store
                    .count_request(&key, 1, u32::MAX, NOW.0 / 1000)
                    .await
                    .expect("an answer");
            }
        })
    });
    for client in join_all(clients).await {
        client.expect("no panic");
    }
    (CLIENTS * COUNTS) as f64 / began.elapsed().as_secs_f64()
}

/// Starts it a few times; the last stays, with the median of their times.
async fn started(name: &'static str, make: impl AsyncFn() -> (Arc<dyn Store>, Parts)) -> Running {
    let mut times = Vec::new();
    for _ in 1..STARTS {
        times.push(start(name, &make).await.start);
    }
    let mut last = start(name, &make).await;
    times.push(last.start);
    last.start = median(times);
    last
}

/// Starts it and stores what the requests will find.
async fn start(name: &'static str, make: impl AsyncFn() -> (Arc<dyn Store>, Parts)) -> Running {
    let began = now();
    let (store, parts) = make().await;
    store.lease().await.expect("its first answer");
    let start = began.elapsed();
    let key = ApiKeyItem {
        id: key_id(),
        name: "bench".to_owned(),
        created_at: NOW,
        enabled: true,
        last_used_at: None,
    };
    store.put_api_key(&key).await.expect("an answer");
    store.write_prices(&prices()).await.expect("an answer");
    Running {
        name,
        store,
        start,
        _parts: parts,
    }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(clock(), Modelled::none(), nobody()))
}

fn in_process() -> Arc<dyn Store> {
    let store = InProcessStore::open(
        TABLE,
        clock(),
        Modelled::none(),
        nobody(),
        Seed(1),
        Conditions::calm(clock()),
    )
    .expect("it opens");
    Arc::new(store.service_store(&config("http://127.0.0.1:1")))
}

async fn embedded() -> (Arc<dyn Store>, Parts) {
    let store = EmbeddedStore::start().expect("it starts");
    table::create(store.database(), TABLE).expect("a table");
    let front = front(store.url()).await;
    (service_store(front.url()), Box::new((front, store)))
}

async fn local(jar: &Path) -> (Arc<dyn Store>, Parts) {
    let process = LocalProcess::start(jar).await;
    let front = front(&process.url).await;
    (service_store(front.url()), Box::new((front, process)))
}

async fn front(url: &str) -> StoreFront {
    let front = StoreFront::start(
        url,
        clock(),
        nobody(),
        FrontRules::only(FrontSabotage::default(), clock()),
    )
    .await;
    front.expect("the front starts")
}

fn service_store(url: &str) -> Arc<dyn Store> {
    Arc::new(DynamoStore::new(&config(url), Arc::new(SystemClock)))
}

/// A configuration that is patient enough for a busy machine.
fn config(url: &str) -> Config {
    Config::from_lookup(|name| match name {
        "DYNAMODB_TABLE_NAME" => Some(TABLE.to_owned()),
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(url.to_owned()),
        "STORE_TIMEOUT_MS" | "WRITE_TIMEOUT_MS" => Some("10000".to_owned()),
        _ => None,
    })
    .expect("a valid configuration")
}

fn clock() -> RunClock {
    RunClock::starting_in(Duration::ZERO, NOW.0, 1.0)
}

fn nobody() -> Emit {
    Arc::new(|_| {})
}

fn key_id() -> KeyId {
    KeyId::new("5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5")
}

fn symbol(n: usize) -> Symbol {
    Symbol::new(&format!("C{n:02}"))
}

fn prices() -> Vec<StoredPrice> {
    (0..25)
        .map(|n| StoredPrice {
            symbol: symbol(n),
            name: "A coin".into(),
            price: Number::parse("76975.25").expect("a number"),
            change24h: Number::parse("-1.4093297098441402"),
            market_cap: Number::parse("1542226908349.8406"),
            last_updated: NOW,
            fetched_at: NOW,
            ttl: NOW.0 / 1000 + 86_400,
            held: None,
        })
        .collect()
}

/// DynamoDB Local, until this is dropped.
struct LocalProcess {
    url: String,
    process: Child,
}

impl LocalProcess {
    /// Starts it with an empty table: it answers when this returns.
    async fn start(jar: &Path) -> Self {
        let beside = jar.parent().expect("a folder").display();
        // It cannot bind port 0.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let process = Command::new("java")
            .arg(format!("-Djava.library.path={beside}:{beside}/DynamoDBLocal_lib"))
            .arg("-cp")
            .arg(format!(
                "{}:{beside}/*:{beside}/DynamoDBLocal_lib/*",
                jar.display()
            ))
            .arg("software.amazon.dynamodb.services.local.main.ServerRunner")
            .args([
                "-inMemory",
                "-sharedDb",
                "-disableTelemetry",
                "-port",
                &port.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("java starts");
        let mut local = Self {
            url: format!("http://127.0.0.1:{port}"),
            process,
        };
        let address = (Ipv4Addr::LOCALHOST, port);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            let ended = local.process.try_wait().expect("its state");
            assert_eq!(ended, None, "DynamoDB Local ended at its start");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        local.create_table().await;
        local
    }

    async fn create_table(&self) {
        let request = Request::post(&self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "DynamoDB_20120810.CreateTable")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260302/us-east-1/dynamodb/aws4_request",
            )
            .body(Full::new(Bytes::from(table::definition(TABLE).to_string())))
            .expect("a sound request");
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200, "{:?}", answer.into_body().collect().await);
    }
}

impl Drop for LocalProcess {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the jar lies is for whoever runs the bench to say"
)]
fn jar() -> Option<PathBuf> {
    let jar = PathBuf::from(std::env::var_os("DYNAMODB_LOCAL")?);
    jar.is_file().then(|| jar.canonicalize().expect("a path"))
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the machine's time")]
fn now() -> Instant {
    Instant::now()
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn row(name: &str, cells: impl Iterator<Item = String>) {
    let cells: String = cells.map(|cell| format!("{cell:>22}")).collect();
    print(&format!("{name:<30}{cells}"));
}

fn print(line: &str) {
    // Nobody is there to be told that nobody reads it.
    let _ = writeln!(io::stdout(), "{line}");
}
