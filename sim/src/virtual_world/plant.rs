//! Bugs that are planted on purpose, to see that a sweep finds them.

use std::sync::Arc;

use futures_util::FutureExt;
use http::header::RETRY_AFTER;
use service::{
    coingecko::upstream::{Upstream, UpstreamRequest},
    config::Config,
    models::{ApiKeyItem, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp},
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
            Self::OlderOverNewer => Arc::new(BlindRefresh(store)),
            Self::RetryAfterIgnored | Self::ServedPastRetention => store,
        }
    }
}

/// A store whose strong reads of prices find nothing; they are made all the same.
#[derive(Debug)]
struct BlindRefresh(Arc<dyn Store>);

impl Store for BlindRefresh {
    fn prices<'a>(&'a self, symbols: &'a [Symbol], consistency: Consistency) -> StoreFuture<'a, PriceBatch> {
        async move {
            let mut answer = self.0.prices(symbols, consistency).await?;
            if consistency == Consistency::Strong {
                answer.value.prices.clear();
            }
            Ok(answer)
        }
        .boxed()
    }

    fn write_prices<'a>(&'a self, prices: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>> {
        self.0.write_prices(prices)
    }

    fn lease(&self) -> StoreFuture<'_, LeaseItem> {
        self.0.lease()
    }

    fn acquire_lease<'a>(&'a self, request: &'a AcquireLease) -> StoreFuture<'a, Acquire> {
        self.0.acquire_lease(request)
    }

    fn release_lease<'a>(&'a self, request: &'a ReleaseLease) -> StoreFuture<'a, bool> {
        self.0.release_lease(request)
    }

    fn api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, Option<ApiKeyItem>> {
        self.0.api_key(id)
    }

    fn put_api_key<'a>(&'a self, key: &'a ApiKeyItem) -> StoreFuture<'a, bool> {
        self.0.put_api_key(key)
    }

    fn disable_api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, bool> {
        self.0.disable_api_key(id)
    }

    fn list_api_keys<'a>(&'a self, start: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage> {
        self.0.list_api_keys(start)
    }

    fn touch_api_key<'a>(
        &'a self,
        id: &'a KeyId,
        now: Timestamp,
        not_since: Timestamp,
    ) -> StoreFuture<'a, bool> {
        self.0.touch_api_key(id, now, not_since)
    }

    fn request_count<'a>(&'a self, id: &'a KeyId, window: i64) -> StoreFuture<'a, u32> {
        self.0.request_count(id, window)
    }

    fn count_request<'a>(
        &'a self,
        id: &'a KeyId,
        window: i64,
        room: u32,
        ttl: i64,
    ) -> StoreFuture<'a, Counted> {
        self.0.count_request(id, window, room, ttl)
    }
}
