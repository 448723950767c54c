//! What unit tests stand on: an [`App`] over a store in memory, a scripted CoinGecko and a clock on paused time.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep};
use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    App,
    clock::{Clock, Timestamp},
    coingecko::upstream::{Upstream, UpstreamRequest},
    config::Config,
    logging::JsonLines,
    metrics::Emf,
    models::Symbol,
    prices::{self, Lookup, Tier},
    rng::Rng,
    store::memory::MemoryStore,
};

/// Sun, 01 Mar 2026 00:00:00 GMT: when every test begins.
pub(crate) const START: i64 = 1_772_323_200_000;

/// Wall time on tokio's (paused) time.
#[derive(Debug)]
pub(crate) struct TestClock {
    begun: Instant,
    speed: f64,
    /// A jump that a test makes, as when the process was frozen.
    pub(crate) jump_ms: AtomicI64,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = self.begun.elapsed().mul_f64(self.speed);
        Timestamp(START + self.jump_ms.load(Ordering::Relaxed)).after(passed)
    }

    fn speed(&self) -> f64 {
        self.speed
    }
}

/// Holders differ, jitter is always half of its range.
#[derive(Debug, Default)]
struct TestRng(AtomicU64);

impl Rng for TestRng {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn unit(&self) -> f64 {
        0.5
    }
}

#[derive(Debug)]
struct NoEmf;

impl Emf for NoEmf {
    fn line(&self, _json: &str) {}
}

/// One answer of the scripted CoinGecko.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    delay: Duration,
    status: u16,
    retry_after: Option<&'static str>,
    body: String,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self {
            delay: Duration::ZERO,
            status: 200,
            retry_after: None,
            body: body.into(),
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::ok("{}")
        }
    }

    pub(crate) fn hang() -> Self {
        Self::ok("").after(Duration::from_secs(1_000_000))
    }

    /// The connection breaks.
    pub(crate) fn broken() -> Self {
        Self::status(0)
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub(crate) fn retry_after(self, value: &'static str) -> Self {
        Self {
            retry_after: Some(value),
            ..self
        }
    }
}

/// A call that the scripted CoinGecko saw.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Since the test began, real time.
    pub(crate) at: Duration,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// A scripted CoinGecko: replies in order, the last one for ever.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    begun: Instant,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Script {
    pub(crate) fn set(&self, replies: impl IntoIterator<Item = Reply>) {
        *self.replies.lock().expect("not poisoned") = replies.into_iter().collect();
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("not poisoned").clone()
    }

    fn upstream(&self) -> Upstream {
        let script = self.clone();
        Upstream::new(tower::service_fn(move |request: UpstreamRequest| {
            let reply = script.next(&request);
            async move {
                sleep(reply.delay).await;
                if reply.status == 0 {
                    return Err("connection reset".into());
                }
                let body = Full::new(Bytes::from(reply.body)).map_err(|never| match never {});
                let mut answer = Response::new(body.boxed_unsync());
                *answer.status_mut() = StatusCode::from_u16(reply.status)?;
                if let Some(value) = reply.retry_after {
                    answer.headers_mut().insert(header::RETRY_AFTER, value.parse()?);
                }
                Ok(answer)
            }
        }))
    }

    fn next(&self, request: &UpstreamRequest) -> Reply {
        let call = Call {
            at: self.begun.elapsed(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        };
        self.calls.lock().expect("not poisoned").push(call);
        let mut replies = self.replies.lock().expect("not poisoned");
        if replies.len() > 1 {
            replies.pop_front()
        } else {
            replies.front().cloned()
        }
        .expect("a reply is set")
    }
}

/// A `/coins/markets` body of `(id, price, seconds after START of the last update)`.
pub(crate) fn markets(coins: &[(&str, &str, i64)]) -> String {
    let item = |(id, price, updated_s): &(&str, &str, i64)| {
        let updated = jiff::Timestamp::from_millisecond(START + updated_s * 1000).expect("a date");
        format!(
            r#"{{"id":"{id}","current_price":{price},"market_cap":1,"price_change_percentage_24h":null,"last_updated":"{updated}"}}"#
        )
    };
    format!("[{}]", coins.iter().map(item).collect::<Vec<_>>().join(","))
}

/// All three coins of the test's set.
pub(crate) fn all(price: &str, updated_s: i64) -> Reply {
    Reply::ok(markets(
        &["bitcoin", "ethereum", "dogecoin"].map(|id| (id, price, updated_s)),
    ))
}

/// A supported set of made-up coins: `C0=c0,C1=c1,…`.
pub(crate) struct Numbered {
    /// The value of `SUPPORTED_SYMBOLS`.
    pub(crate) setting: String,
    count: usize,
}

/// A set of `count` coins.
pub(crate) fn numbered(count: usize) -> Numbered {
    let pairs: Vec<_> = (0..count).map(|n| format!("C{n}=c{n}")).collect();
    Numbered {
        setting: pairs.join(","),
        count,
    }
}

impl Numbered {
    /// All of its coins at one price, on whatever page they are asked for.
    pub(crate) fn reply(&self, price: &str, updated_s: i64) -> Reply {
        let ids: Vec<_> = (0..self.count).map(|n| format!("c{n}")).collect();
        let coins: Vec<_> = ids.iter().map(|id| (id.as_str(), price, updated_s)).collect();
        Reply::ok(markets(&coins))
    }
}

/// Everything of one test. The supported set is BTC, ETH, DOGE unless a variable says otherwise.
pub(crate) struct Rig {
    vars: Vec<(String, String)>,
    pub(crate) app: App,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) coingecko: Script,
    pub(crate) clock: Arc<TestClock>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(&[], 1.0)
    }

    /// With variables set, and a wall clock that runs `speed` times as fast.
    pub(crate) fn with(vars: &[(&str, &str)], speed: f64) -> Self {
        let begun = Instant::now();
        let coingecko = Script {
            begun,
            replies: Arc::default(),
            calls: Arc::default(),
        };
        coingecko.set([all("100", 0)]);
        let clock = Arc::new(TestClock {
            begun,
            speed,
            jump_ms: AtomicI64::new(0),
        });
        let store = Arc::new(MemoryStore::default());
        let vars: Vec<_> = vars
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let app = app(&vars, &store, &coingecko, &clock);
        Self {
            vars,
            app,
            store,
            coingecko,
            clock,
        }
    }

    /// Another process of the same service.
    pub(crate) fn another(&self) -> App {
        app(&self.vars, &self.store, &self.coingecko, &self.clock)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn get(&self, symbols: &str) -> Lookup {
        get(&self.app, symbols).await
    }

    /// Seconds of wall time until an instant of the lease item; `None` when it is not set.
    pub(crate) fn ahead(&self, at: Option<Timestamp>) -> Option<i64> {
        at.map(|at| (at.0 - self.now().0) / 1000)
    }
}

fn app(
    vars: &[(String, String)],
    store: &Arc<MemoryStore>,
    coingecko: &Script,
    clock: &Arc<TestClock>,
) -> App {
    let config = Config::from_lookup(|name| {
        let minimum = [
            ("DYNAMODB_TABLE_NAME", "crypto-watch"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1"),
            ("EXTERNAL_API_URL", "http://127.0.0.1:2/api/v3"),
            ("SUPPORTED_SYMBOLS", "BTC=bitcoin,ETH=ethereum,DOGE=dogecoin"),
        ];
        let set = vars.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let found = set.chain(minimum).find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    })
    .expect("a valid configuration");
    let app = App::new(
        config,
        clock.clone(),
        store.clone(),
        coingecko.upstream(),
        Arc::new(TestRng(AtomicU64::new(
            Arc::strong_count(store) as u64 * 1_000_000,
        ))),
        Arc::new(NoEmf),
    );
    App {
        // Tests count from the instant at which the set is due; those of the jitter set their own.
        ttl_jitter: Duration::ZERO,
        ..app
    }
}

/// What is logged in this thread from now on, while the guard lives: each line, from `INFO` on.
pub(crate) fn logged(rig: &Rig) -> (Arc<Mutex<Vec<String>>>, DefaultGuard) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let lines = lines.clone();
        Arc::new(move |line: &str| lines.lock().expect("not poisoned").push(line.to_owned()))
    };
    let layer = JsonLines::new(rig.clock.clone(), LevelFilter::INFO, sink);
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    (lines, guard)
}

/// Looks up a comma-separated list.
pub(crate) async fn get(app: &App, symbols: &str) -> Lookup {
    prices::lookup(app, &list(symbols), None)
        .await
        .expect("the store works")
}

pub(crate) fn list(symbols: &str) -> Vec<Symbol> {
    symbols.split(',').map(Symbol::new).collect()
}

/// `BTC=100 StoredMiss, …, -ETH`: what a lookup gave, in short.
pub(crate) fn shown(lookup: &Lookup) -> String {
    let found = lookup.found.iter().map(|quote| {
        let tier: Tier = quote.tier;
        format!("{}={} {tier:?}", quote.price.symbol, quote.price.price)
    });
    let missing = lookup.unavailable.iter().map(|symbol| format!("-{symbol}"));
    found.chain(missing).collect::<Vec<_>>().join(", ")
}
