//! The store on DynamoDB, through the AWS SDK.
//!
//! Reads are tried twice, writes once: a write whose answer was lost may have happened, and what to do then
//! is for its caller to know. Every request asks for its consumed capacity.

mod error;
mod keys;
mod lease;
mod prices;

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Config as SdkConfig, Credentials, Region, StalledStreamProtectionConfig,
        retry::{RetryConfig, RetryPartition},
        timeout::TimeoutConfig,
    },
    types::ConsumedCapacity,
};
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::HttpClient;
use futures_util::FutureExt;

use super::{
    Acquire, AcquireLease, ApiKeyPage, Capacity, Consistency, Counted, KeyPosition, Metered, PriceBatch,
    ReleaseLease, Store, StoreError, StoreFuture,
};
use crate::{
    clock::SharedClock,
    config::Config,
    models::{ApiKeyItem, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp},
};

/// The table, over the SDK.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    table: String,
    /// Two attempts: for reads.
    reads: Client,
    /// One attempt: for writes.
    writes: Client,
}

/// What a request of this module gives.
type Answer<T> = Result<Metered<T>, StoreError>;

impl DynamoStore {
    /// A store for the table, region, endpoint and credentials of `config`. Opens no connection yet.
    #[must_use]
    pub fn new(config: &Config, clock: SharedClock) -> Self {
        let url = config.dynamodb_endpoint.as_deref().unwrap_or_default();
        if url.starts_with("http://") {
            return Self::over(Builder::new().build_http(), config, clock);
        }
        let tls = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
        Self::over(tls.build_https(), config, clock)
    }

    /// The same over another HTTP client than that of real sockets.
    #[must_use]
    pub fn over(http: impl HttpClient + 'static, config: &Config, clock: SharedClock) -> Self {
        let sdk = sdk_config(config, clock).http_client(http);
        let with_attempts = |attempts: u32| {
            let retries = RetryConfig::standard()
                .with_max_attempts(attempts)
                .with_initial_backoff(Duration::from_millis(25));
            Client::from_conf(sdk.clone().retry_config(retries).build())
        };
        Self {
            table: config.table_name.clone(),
            reads: with_attempts(2),
            writes: with_attempts(1),
        }
    }
}

fn sdk_config(config: &Config, clock: SharedClock) -> aws_sdk_dynamodb::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.store_timeout)
        .operation_attempt_timeout(config.store_timeout)
        .build();
    let keys = &config.credentials;
    let credentials = Credentials::new(
        keys.access_key_id.clone(),
        keys.secret_access_key.expose(),
        keys.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "environment",
    );
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials)
        .timeout_config(timeouts)
        // A budget of retries that this store's two clients share. The SDK's own is one for the whole process.
        .retry_partition(RetryPartition::custom("store").build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .time_source(SdkClock(clock));
    if let Some(url) = &config.dynamodb_endpoint {
        sdk = sdk.endpoint_url(url);
    }
    sdk
}

/// Our clock as the SDK's: signatures carry it.
#[derive(Debug)]
struct SdkClock(SharedClock);

impl TimeSource for SdkClock {
    fn now(&self) -> SystemTime {
        let millis = u64::try_from(self.0.now().0).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }
}

/// An answer of a read.
fn read<T>(value: T, consumed: Option<&ConsumedCapacity>) -> Metered<T> {
    Metered {
        value,
        consumed: Capacity {
            read: units(consumed),
            write: 0.0,
        },
    }
}

/// An answer of a write.
fn written<T>(value: T, consumed: Option<&ConsumedCapacity>) -> Metered<T> {
    Metered {
        value,
        consumed: Capacity {
            read: 0.0,
            write: units(consumed),
        },
    }
}

/// A write whose condition did not hold: DynamoDB bills it (one unit for items up to 1 KB, as ours are),
/// but its answer does not say so.
fn refused<T>(value: T) -> Metered<T> {
    Metered {
        value,
        consumed: Capacity {
            read: 0.0,
            write: 1.0,
        },
    }
}

fn units(consumed: Option<&ConsumedCapacity>) -> f64 {
    consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0)
}

impl Store for DynamoStore {
    fn prices<'a>(&'a self, symbols: &'a [Symbol], consistency: Consistency) -> StoreFuture<'a, PriceBatch> {
        self.batch_get(symbols, consistency).boxed()
    }

    fn write_prices<'a>(&'a self, prices: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>> {
        self.batch_write(prices).boxed()
    }

    fn lease(&self) -> StoreFuture<'_, LeaseItem> {
        self.get_lease().boxed()
    }

    fn acquire_lease<'a>(&'a self, request: &'a AcquireLease) -> StoreFuture<'a, Acquire> {
        self.acquire(request).boxed()
    }

    fn release_lease<'a>(&'a self, request: &'a ReleaseLease) -> StoreFuture<'a, bool> {
        self.release(request).boxed()
    }

    fn api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, Option<ApiKeyItem>> {
        self.get_key(id).boxed()
    }

    fn put_api_key<'a>(&'a self, key: &'a ApiKeyItem) -> StoreFuture<'a, bool> {
        self.put_key(key).boxed()
    }

    fn disable_api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, bool> {
        self.disable_key(id).boxed()
    }

    fn list_api_keys<'a>(&'a self, start: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage> {
        self.scan_keys(start).boxed()
    }

    fn touch_api_key<'a>(
        &'a self,
        id: &'a KeyId,
        now: Timestamp,
        not_since: Timestamp,
    ) -> StoreFuture<'a, bool> {
        self.touch_key(id, now, not_since).boxed()
    }

    fn request_count<'a>(&'a self, id: &'a KeyId, window: i64) -> StoreFuture<'a, u32> {
        self.get_count(id, window).boxed()
    }

    fn count_request<'a>(
        &'a self,
        id: &'a KeyId,
        window: i64,
        room: u32,
        ttl: i64,
    ) -> StoreFuture<'a, Counted> {
        self.add_count(id, window, room, ttl).boxed()
    }
}

#[cfg(test)]
mod tests;
