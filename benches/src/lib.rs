//! What the benches measure against: a store that answers at once from memory, and a service built around it.

use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, Method};
use service::{
    App,
    clock::{Clock, SystemClock},
    coingecko::wire,
    config::{Config, Endpoint},
    metrics::Emf,
    models::{ApiKeyItem, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp},
    rng::SystemRng,
    store::{
        Acquire, AcquireLease, ApiKeyPage, Capacity, Consistency, Counted, KeyPosition, Metered, PriceBatch,
        ReleaseLease, Store, StoreFuture,
    },
    symbols::SymbolTable,
    transformers,
};
use sim::{
    coingecko::{
        FakeRequest,
        engine::{Engine, EngineConfig},
        limits::{Allowance, Host, KeyRing, Keys, Terms},
    },
    faults::Timeline,
};

/// The API key that [`WarmStore`] knows.
pub const SECRET: &str = "bench-key";

/// A store in which every key exists, every request has room and every price is fresh.
#[derive(Debug)]
pub struct WarmStore {
    prices: Vec<StoredPrice>,
}

impl WarmStore {
    /// All built-in coins as the fake CoinGecko prices them, fetched at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let symbols = SymbolTable::new(None);
        let body = markets(now);
        let quotes = wire::decode(&body, Endpoint::Markets).expect("the fake sends what CoinGecko sends");
        let prices = symbols
            .coins()
            .iter()
            .map(|coin| {
                let quote = quotes
                    .iter()
                    .find(|quote| quote.id == *coin.id)
                    .expect("every coin is listed");
                let reading = transformers::reading(quote).expect("the fake's market has sound prices");
                StoredPrice {
                    symbol: coin.symbol.clone(),
                    name: reading.name.unwrap_or_default(),
                    price: reading.price,
                    change24h: reading.change24h,
                    market_cap: reading.market_cap,
                    last_updated: reading.last_updated,
                    fetched_at: now,
                    ttl: now.0 / 1000 + 3600,
                    held: None,
                }
            })
            .collect();
        Self { prices }
    }
}

/// A fake CoinGecko since `now`, which permits as many calls as a bench makes.
#[must_use]
pub fn fake(now: Timestamp) -> Engine {
    let allowance = Allowance {
        per_minute: u32::MAX,
        per_month: None,
    };
    let terms = Terms {
        plan: "bench",
        host: Host::Public,
        keyed: allowance,
        keyless: allowance,
        simple_fresh_ms: 60_000,
        markets_fresh_ms: 60_000,
    };
    let keys = KeyRing {
        demo: Keys::Any,
        pro: Keys::Any,
    };
    Engine::new(
        EngineConfig {
            seed: 42,
            start_ms: now.0,
            terms,
            keys,
            assumed: Default::default(),
        },
        Timeline::none(),
    )
}

/// What the service asks CoinGecko for in a refresh: `/coins/markets` of all built-in coins.
#[must_use]
pub fn refresh() -> FakeRequest {
    let symbols = SymbolTable::new(None);
    let ids: Vec<String> = symbols.coins().iter().map(|coin| coin.id.to_string()).collect();
    FakeRequest {
        method: Method::GET,
        path: "/api/v3/coins/markets".to_owned(),
        query: format!("vs_currency=usd&per_page=250&ids={}", ids.join(",")),
        headers: HeaderMap::new(),
    }
}

/// What the fake CoinGecko answers to a refresh at `now`.
#[must_use]
pub fn markets(now: Timestamp) -> Vec<u8> {
    fake(now).answer(&refresh(), now.0).body.to_vec()
}

fn done<'a, T: Send + 'a>(value: T) -> StoreFuture<'a, T> {
    async move {
        Ok(Metered {
            value,
            consumed: Capacity::default(),
        })
    }
    .boxed()
}

impl Store for WarmStore {
    fn prices<'a>(&'a self, symbols: &'a [Symbol], _: Consistency) -> StoreFuture<'a, PriceBatch> {
        let prices = self
            .prices
            .iter()
            .filter(|price| symbols.contains(&price.symbol))
            .cloned()
            .collect();
        done(PriceBatch {
            prices,
            unprocessed: Vec::new(),
        })
    }

    fn write_prices<'a>(&'a self, _: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>> {
        done(Vec::new())
    }

    fn lease(&self) -> StoreFuture<'_, LeaseItem> {
        done(LeaseItem::default())
    }

    fn acquire_lease<'a>(&'a self, _: &'a AcquireLease) -> StoreFuture<'a, Acquire> {
        done(Acquire::Refused(LeaseItem::default()))
    }

    fn release_lease<'a>(&'a self, _: &'a ReleaseLease) -> StoreFuture<'a, bool> {
        done(true)
    }

    fn api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, Option<ApiKeyItem>> {
        done(Some(ApiKeyItem {
            id: id.clone(),
            name: "bench".to_owned(),
            created_at: Timestamp(0),
            enabled: true,
            last_used_at: None,
        }))
    }

    fn put_api_key<'a>(&'a self, _: &'a ApiKeyItem) -> StoreFuture<'a, bool> {
        done(true)
    }

    fn disable_api_key<'a>(&'a self, _: &'a KeyId) -> StoreFuture<'a, bool> {
        done(true)
    }

    fn list_api_keys<'a>(&'a self, _: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage> {
        done(ApiKeyPage::default())
    }

    fn touch_api_key<'a>(&'a self, _: &'a KeyId, _: Timestamp, _: Timestamp) -> StoreFuture<'a, bool> {
        done(true)
    }

    fn request_count<'a>(&'a self, _: &'a KeyId, _: i64) -> StoreFuture<'a, u32> {
        done(0)
    }

    fn count_request<'a>(&'a self, _: &'a KeyId, _: i64, _: u32, _: i64) -> StoreFuture<'a, Counted> {
        done(Counted::Admitted { count: 1 })
    }
}

/// Metrics documents are made, and dropped.
#[derive(Debug)]
struct NoEmf;

impl Emf for NoEmf {
    fn line(&self, json: &str) {
        std::hint::black_box(json);
    }
}

/// A service with default settings over a [`WarmStore`]. CoinGecko is never asked.
#[must_use]
pub fn warm_app() -> App {
    let config = Config::from_lookup(|name| match name {
        "DYNAMODB_TABLE_NAME" => Some("bench".to_owned()),
        "AWS_ENDPOINT_URL_DYNAMODB" => Some("http://127.0.0.1:1".to_owned()),
        _ => None,
    })
    .expect("the defaults are sound");
    let clock = Arc::new(SystemClock);
    let store = Arc::new(WarmStore::new(clock.now()));
    let upstream = service::coingecko::upstream::https_upstream();
    App::new(
        config,
        clock,
        store,
        upstream,
        Arc::new(SystemRng),
        Arc::new(NoEmf),
    )
}
