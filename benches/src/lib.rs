//! What the benches measure against: a store that answers at once from memory, and a service built around it.

use std::sync::Arc;

use futures_util::FutureExt;
use service::{
    App,
    clock::{Clock, SystemClock},
    config::Config,
    metrics::Emf,
    models::{ApiKeyItem, KeyId, LeaseItem, Number, StoredPrice, Symbol, Timestamp},
    rng::SystemRng,
    store::{
        Acquire, AcquireLease, ApiKeyPage, Capacity, Consistency, Counted, KeyPosition, Metered, PriceBatch,
        ReleaseLease, Store, StoreFuture,
    },
    symbols::SymbolTable,
};

/// The API key that [`WarmStore`] knows.
pub const SECRET: &str = "bench-key";

/// A store in which every key exists, every request has room and every price is fresh.
#[derive(Debug)]
pub struct WarmStore {
    prices: Vec<StoredPrice>,
}

impl WarmStore {
    /// All built-in coins, fetched at `now`, with prices and figures of the length that CoinGecko sends.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let prices = SymbolTable::new(None)
            .coins()
            .iter()
            .enumerate()
            .map(|(rank, coin)| StoredPrice {
                symbol: coin.symbol.clone(),
                name: coin.name.clone().unwrap_or_default(),
                price: number(76_975.0 / (rank as f64 + 1.0).powf(1.7)),
                change24h: Some(number(-1.409_329_709_844_140_2 + rank as f64 / 7.3)),
                market_cap: Some(number(1_542_226_908_349.840_6 / (rank as f64 + 1.0).powf(1.3))),
                last_updated: Timestamp(now.0 - 20_000 - rank as i64 * 731),
                fetched_at: now,
                ttl: now.0 / 1000 + 3600,
                held: None,
            })
            .collect();
        Self { prices }
    }
}

fn number(value: f64) -> Number {
    Number::parse(&value.to_string()).expect("a finite number without exponent")
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
