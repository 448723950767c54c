//! The router over a table in memory, on a clock that the test moves.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::Write,
    io::Read,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use service::{
    App,
    clock::{Clock, Timestamp},
    coingecko::upstream::{BoxError, Upstream, UpstreamRequest},
    config::Config,
    http::router,
    metrics::Emf,
    models::{Number, StoredPrice, Symbol},
    rng::Rng,
    symbols::BUILTIN,
};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::store::MemoryStore;

/// 2026-03-02T00:00:30Z: half a minute into a window of the rate limit.
pub(crate) const START: Timestamp = Timestamp(1_772_409_630_000);

/// The key that opens everything.
pub(crate) const KEY: &str = "a-good-key";

/// Wall time that follows tokio's paused time.
#[derive(Debug)]
pub(crate) struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp(START.0 + i64::try_from(self.0.elapsed().as_millis()).expect("fits"))
    }
}

/// Counts up: request ids are readable, and jitter is as short as it gets.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Rng for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// No jitter, and no request id less.
    fn unit(&self) -> f64 {
        0.0
    }
}

/// Keeps the metrics documents.
#[derive(Debug, Default)]
pub(crate) struct Documents(Mutex<Vec<String>>);

impl Emf for Documents {
    fn line(&self, json: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(json.to_owned());
    }
}

/// What CoinGecko answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CannedUpstream {
    pub(crate) status: StatusCode,
    pub(crate) body: &'static str,
}

pub(crate) struct Bench {
    pub(crate) app: Arc<App>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) emf: Arc<Documents>,
    router: Router,
}

impl Bench {
    /// A service with one key and no prices; CoinGecko answers 503.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same with settings.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let canned = CannedUpstream {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: "<html>",
        };
        Self::build(settings, canned)
    }

    pub(crate) fn build(settings: &[(&str, &str)], canned: CannedUpstream) -> Self {
        let lookup = |name: &str| {
            let minimum = [
                ("DYNAMODB_TABLE_NAME", "test"),
                ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1"),
                ("EXTERNAL_API_URL", "http://127.0.0.1:1/api/v3"),
            ];
            settings
                .iter()
                .chain(&minimum)
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let config = Config::from_lookup(lookup).expect("a valid configuration");
        let (store, emf) = (Arc::new(MemoryStore::default()), Arc::new(Documents::default()));
        store.add_key(KEY, true);
        let upstream = Upstream::new(tower::service_fn(move |_: UpstreamRequest| {
            let mut response = Response::new(
                Full::from(canned.body)
                    .map_err(|never: Infallible| -> BoxError { match never {} })
                    .boxed_unsync(),
            );
            *response.status_mut() = canned.status;
            async { Ok(response) }
        }));
        let clock = Arc::new(VirtualClock(Instant::now()));
        let rng = Arc::new(Counting::default());
        let app = Arc::new(App::new(config, clock, store.clone(), upstream, rng, emf.clone()));
        Self {
            router: router(app.clone()),
            app,
            store,
            emf,
        }
    }

    /// The bench with every supported price in the store, fetched `age` ago.
    pub(crate) fn with_prices(self, age: Duration) -> Self {
        let fetched_at = Timestamp(self.app.clock.now().0 - i64::try_from(age.as_millis()).expect("fits"));
        for (index, (symbol, _, name)) in BUILTIN.iter().enumerate() {
            self.add_price(symbol, name, &synthetic(index), fetched_at);
        }
        self
    }

    pub(crate) fn add_price(&self, symbol: &str, name: &str, figures: &[String; 3], fetched_at: Timestamp) {
        let [price, change, cap] = figures
            .each_ref()
            .map(|text| Number::parse(text).expect("a number"));
        let price = StoredPrice {
            symbol: Symbol::new(symbol),
            name: name.into(),
            price,
            change24h: Some(change),
            market_cap: Some(cap),
            last_updated: Timestamp(fetched_at.0 - 17_123),
            fetched_at,
            ttl: (fetched_at.0 + 3_600_000) / 1000,
            held: None,
        };
        self.store.items().prices.insert(symbol.to_owned(), price);
    }

    /// `GET path` with the good key.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// `GET path` with the good key and more headers.
    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers: Vec<_> = [("x-api-key", KEY)].iter().chain(headers).copied().collect();
        self.send(Method::GET, path, &headers).await
    }

    /// Any request.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let mut router = self.router.clone();
        let response = ServiceExt::<Request<Body>>::ready(&mut router)
            .await
            .expect("infallible")
            .call(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .expect("a body in memory")
            .to_bytes()
            .to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// The last request's metrics, without `_aws`.
    pub(crate) fn last_metrics(&self) -> BTreeMap<String, serde_json::Value> {
        let documents = self.emf.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(documents.last().expect("a document")).expect("JSON");
        values.remove("_aws").expect("an EMF document");
        values
    }

    pub(crate) fn documents(&self) -> usize {
        self.emf.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Price, change and capitalisation as unrounded as CoinGecko sends them: full digits compress worst.
pub(crate) fn synthetic(index: usize) -> [String; 3] {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(index as u64 + 1);
    let mut digits = |count: usize| {
        (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                char::from(b'1' + ((state >> 33) % 9) as u8)
            })
            .collect::<String>()
    };
    let whole = 5usize.saturating_sub(index / 10).max(1);
    [
        format!("{}.{}", digits(whole), digits(2)),
        format!("-{}.{}", digits(1), digits(16)),
        format!("{}.{}", digits(12 - index / 10), digits(4)),
    ]
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// The body as text, decoded when it is encoded.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.header("content-encoding") == "gzip" {
            flate2::read::GzDecoder::new(&self.body[..])
                .read_to_string(&mut text)
                .expect("gzip");
        } else {
            text = String::from_utf8(self.body.clone()).expect("UTF-8");
        }
        text
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }

    /// `404 NOT_FOUND`: the status and the problem's code.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text()
        );
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["requestId"], self.header("x-request-id"));
        for member in ["type", "title", "detail", "code"] {
            assert!(
                body[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {body}"
            );
        }
        format!(
            "{} {}",
            self.status.as_u16(),
            body["code"].as_str().expect("a code")
        )
    }

    /// Status, headers in alphabetical order, body.
    pub(crate) fn dump(&self) -> String {
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        lines.sort();
        let mut dump = format!("{}\n{}\n", self.status, lines.join("\n"));
        if !self.body.is_empty() {
            // Writing into a string does not fail.
            let _ = write!(dump, "\n{}", self.text());
        }
        dump
    }
}
