//! Bugs that are planted on purpose, to see that a sweep or a scenario finds them.

use std::sync::Arc;

use futures_util::FutureExt;
use http::header::RETRY_AFTER;
use service::{
    coingecko::upstream::{Upstream, UpstreamRequest},
    config::Config,
    models::{ApiKeyItem, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp},
    rng::Rng,
    store::{
        Acquire, AcquireLease, ApiKeyPage, Consistency, Counted, KeyPosition, PriceBatch, ReleaseLease,
        Store, StoreFuture,
    },
};
use tower::ServiceExt;

/// Breaks the service on purpose. Only for tests of what must notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// The service never sees `Retry-After`, though CoinGecko sends it.
    RetryAfterIgnored,
    /// The service serves prices for four times as long as the scenario lets it.
    ServedPastRetention,
    /// A refresh sees nothing of what is stored, so that an older price replaces a newer one.
    OlderOverNewer,
    /// Whoever asks for the refresh lease gets it.
    LeaseForAll,
    /// The store tells each refresh that the retry budget is full.
    BudgetRefilled,
    /// Every draw for jitter is the largest one.
    JitterRemoved,
}

impl Plant {
    /// The configuration of the broken service.
    pub(super) fn config(self, config: &Config) -> Config {
        let mut broken = config.clone();
        if self == Self::ServedPastRetention {
            broken.price_retention *= 4;
        }
        broken
    }

    /// CoinGecko as the broken service sees it.
    pub(super) fn upstream(self, upstream: Upstream) -> Upstream {
        if self != Self::RetryAfterIgnored {
            return upstream;
        }
        Upstream::new(tower::service_fn(move |request: UpstreamRequest| {
            let answer = upstream.clone().oneshot(request);
            async move {
                let mut answer = answer.await?;
                answer.headers_mut().remove(RETRY_AFTER);
                Ok(answer)
            }
        }))
    }

    /// The store as the broken service sees it.
    pub(super) fn store(self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        match self {
            Self::OlderOverNewer | Self::LeaseForAll | Self::BudgetRefilled => {
                Arc::new(BrokenStore { store, plant: self })
            }
            Self::RetryAfterIgnored | Self::ServedPastRetention | Self::JitterRemoved => store,
        }
    }

    /// Randomness as the broken service sees it.
    pub(super) fn rng(self, rng: Arc<dyn Rng>) -> Arc<dyn Rng> {
        match self {
            Self::JitterRemoved => Arc::new(Unvaried(rng)),
            _ => rng,
        }
    }
}

/// Draws numbers as ever, but no shares: those are always the largest one.
#[derive(Debug)]
struct Unvaried(Arc<dyn Rng>);

impl Rng for Unvaried {
    fn next_u64(&self) -> u64 {
        self.0.next_u64()
    }

    fn unit(&self) -> f64 {
        1.0 - f64::EPSILON
    }
}

/// A store that does one thing wrong; its requests are made all the same.
#[derive(Debug)]
struct BrokenStore {
    store: Arc<dyn Store>,
    plant: Plant,
}

impl Store for BrokenStore {
    /// Blind refreshes find nothing by strong reads.
    fn prices<'a>(&'a self, symbols: &'a [Symbol], consistency: Consistency) -> StoreFuture<'a, PriceBatch> {
        async move {
            let mut answer = self.store.prices(symbols, consistency).await?;
            if consistency == Consistency::Strong && self.plant == Plant::OlderOverNewer {
                answer.value.prices.clear();
            }
            Ok(answer)
        }
        .boxed()
    }

    fn write_prices<'a>(&'a self, prices: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>> {
        self.store.write_prices(prices)
    }

    fn lease(&self) -> StoreFuture<'_, LeaseItem> {
        self.store.lease()
    }

    fn acquire_lease<'a>(&'a self, request: &'a AcquireLease) -> StoreFuture<'a, Acquire> {
        async move {
            // By then every lease has run out, every pause is over and every set is due.
            let end_of_time = Timestamp(i64::MAX / 2);
            let unconditional = AcquireLease {
                now: end_of_time,
                due_before: end_of_time,
                ..request.clone()
            };
            let request = match self.plant {
                Plant::LeaseForAll => &unconditional,
                _ => request,
            };
            let mut answer = self.store.acquire_lease(request).await?;
            if let (Plant::BudgetRefilled, Acquire::Acquired(item)) = (self.plant, &mut answer.value) {
                item.retry_tokens = None;
            }
            Ok(answer)
        }
        .boxed()
    }

    fn release_lease<'a>(&'a self, request: &'a ReleaseLease) -> StoreFuture<'a, bool> {
        self.store.release_lease(request)
    }

    fn api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, Option<ApiKeyItem>> {
        self.store.api_key(id)
    }

    fn put_api_key<'a>(&'a self, key: &'a ApiKeyItem) -> StoreFuture<'a, bool> {
        self.store.put_api_key(key)
    }

    fn disable_api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, bool> {
        self.store.disable_api_key(id)
    }

    fn list_api_keys<'a>(&'a self, start: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage> {
        self.store.list_api_keys(start)
    }

    fn touch_api_key<'a>(
        &'a self,
        id: &'a KeyId,
        now: Timestamp,
        not_since: Timestamp,
    ) -> StoreFuture<'a, bool> {
        self.store.touch_api_key(id, now, not_since)
    }

    fn request_count<'a>(&'a self, id: &'a KeyId, window: i64) -> StoreFuture<'a, u32> {
        self.store.request_count(id, window)
    }

    fn count_request<'a>(
        &'a self,
        id: &'a KeyId,
        window: i64,
        room: u32,
        ttl: i64,
    ) -> StoreFuture<'a, Counted> {
        self.store.count_request(id, window, room, ttl)
    }
}
