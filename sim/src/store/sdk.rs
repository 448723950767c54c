//! What the AWS SDK adds to a request, for stores without one: a timeout of each attempt, and a second attempt of reads
//! that failed in a way that may pass, as `service::store::dynamo` sets it up.
//!
//! The rules are those of `aws-smithy-runtime` 1.16, `client::retries::strategy::standard` and `token_bucket`: full
//! jitter before a retry, paid for out of a bucket of 500 tokens; what a retry has cost comes back with the next success,
//! and each further success gives one token. A test holds this against the SDK itself.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use rand_chacha::ChaCha8Rng;
use service::{
    config::Config,
    models::{ApiKeyItem, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp},
    store::{
        Acquire, AcquireLease, ApiKeyPage, Consistency, Counted, KeyPosition, Metered, PriceBatch,
        ReleaseLease, Store, StoreError, StoreFuture,
    },
};
use tokio::time::{sleep, timeout};

use crate::seed::{Seed, unit};

/// Attempts of a read.
const READ_ATTEMPTS: u32 = 2;
/// Attempts of a write, which may have happened when its answer is lost.
const WRITE_ATTEMPTS: u32 = 1;
/// The longest pause before the first retry.
const INITIAL_BACKOFF: Duration = Duration::from_millis(25);
/// Tokens of a full bucket.
const TOKENS: u32 = 500;
/// What a retry costs after there was no answer or a 5xx.
const TRANSIENT_COST: u32 = 10;
/// What a retry costs after the store had no capacity.
const THROTTLED_COST: u32 = 5;

/// A store as one process of the service reaches it through the SDK.
pub struct SdkStore {
    store: Arc<dyn Store>,
    attempt_timeout: Duration,
    retries: Mutex<Retries>,
}

struct Retries {
    rng: ChaCha8Rng,
    tokens: u32,
    /// What the last retry has cost, until a success gives it back.
    paid: Option<u32>,
}

impl SdkStore {
    /// `store` as a process of this configuration reaches it; pauses are drawn from `seed`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, config: &Config, seed: Seed) -> Self {
        Self {
            store,
            attempt_timeout: config.store_timeout,
            retries: Mutex::new(Retries {
                rng: seed.rng(),
                tokens: TOKENS,
                paid: None,
            }),
        }
    }

    fn retries(&self) -> MutexGuard<'_, Retries> {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn attempt<'a, T>(
        &'a self,
        most: u32,
        operation: &'static str,
        request: impl Fn() -> StoreFuture<'a, T>,
    ) -> Result<Metered<T>, StoreError> {
        let mut made = 1;
        loop {
            let answer = timeout(self.attempt_timeout, request())
                .await
                .unwrap_or_else(|_| {
                    Err(StoreError::Unavailable {
                        operation,
                        reason: format!("no answer within {:?}", self.attempt_timeout),
                    })
                });
            let cost = match &answer {
                Ok(_) => {
                    self.retries().succeeded();
                    return answer;
                }
                Err(StoreError::Unavailable { .. }) => TRANSIENT_COST,
                Err(StoreError::Throttled { .. }) => THROTTLED_COST,
                Err(StoreError::Rejected { .. } | StoreError::Corrupt { .. }) => return answer,
            };
            if made == most {
                return answer;
            }
            let Some(pause) = self.retries().pay(cost) else {
                return answer;
            };
            sleep(pause).await;
            made += 1;
        }
    }

    /// A request that is tried so often at most.
    fn attempts<'a, T: Send + 'a>(
        &'a self,
        most: u32,
        operation: &'static str,
        request: impl Fn() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        self.attempt(most, operation, request).boxed()
    }
}

impl Retries {
    fn succeeded(&mut self) {
        self.tokens = (self.tokens + self.paid.take().unwrap_or(1)).min(TOKENS);
    }

    /// The pause before the first retry, when there are tokens for it.
    fn pay(&mut self, cost: u32) -> Option<Duration> {
        // The SDK draws before it looks into the bucket.
        let pause = INITIAL_BACKOFF.mul_f64(unit(&mut self.rng));
        self.tokens = self.tokens.checked_sub(cost)?;
        self.paid = Some(cost);
        Some(pause)
    }
}

impl fmt::Debug for SdkStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SdkStore").field(&self.store).finish()
    }
}

impl Store for SdkStore {
    fn prices<'a>(&'a self, symbols: &'a [Symbol], consistency: Consistency) -> StoreFuture<'a, PriceBatch> {
        self.attempts(READ_ATTEMPTS, "BatchGetItem", move || {
            self.store.prices(symbols, consistency)
        })
    }

    fn write_prices<'a>(&'a self, prices: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>> {
        self.attempts(WRITE_ATTEMPTS, "BatchWriteItem", move || {
            self.store.write_prices(prices)
        })
    }

    fn lease(&self) -> StoreFuture<'_, LeaseItem> {
        self.attempts(READ_ATTEMPTS, "GetItem", move || self.store.lease())
    }

    fn acquire_lease<'a>(&'a self, request: &'a AcquireLease) -> StoreFuture<'a, Acquire> {
        self.attempts(WRITE_ATTEMPTS, "UpdateItem", move || {
            self.store.acquire_lease(request)
        })
    }

    fn release_lease<'a>(&'a self, request: &'a ReleaseLease) -> StoreFuture<'a, bool> {
        self.attempts(WRITE_ATTEMPTS, "UpdateItem", move || {
            self.store.release_lease(request)
        })
    }

    fn api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, Option<ApiKeyItem>> {
        self.attempts(READ_ATTEMPTS, "GetItem", move || self.store.api_key(id))
    }

    fn put_api_key<'a>(&'a self, key: &'a ApiKeyItem) -> StoreFuture<'a, bool> {
        self.attempts(WRITE_ATTEMPTS, "PutItem", move || self.store.put_api_key(key))
    }

    fn disable_api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, bool> {
        self.attempts(WRITE_ATTEMPTS, "UpdateItem", move || {
            self.store.disable_api_key(id)
        })
    }

    fn list_api_keys<'a>(&'a self, start: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage> {
        self.attempts(READ_ATTEMPTS, "Scan", move || self.store.list_api_keys(start))
    }

    fn touch_api_key<'a>(
        &'a self,
        id: &'a KeyId,
        now: Timestamp,
        not_since: Timestamp,
    ) -> StoreFuture<'a, bool> {
        self.attempts(WRITE_ATTEMPTS, "UpdateItem", move || {
            self.store.touch_api_key(id, now, not_since)
        })
    }

    fn request_count<'a>(&'a self, id: &'a KeyId, window: i64) -> StoreFuture<'a, u32> {
        self.attempts(READ_ATTEMPTS, "GetItem", move || {
            self.store.request_count(id, window)
        })
    }

    fn count_request<'a>(
        &'a self,
        id: &'a KeyId,
        window: i64,
        room: u32,
        ttl: i64,
    ) -> StoreFuture<'a, Counted> {
        self.attempts(WRITE_ATTEMPTS, "UpdateItem", move || {
            self.store.count_request(id, window, room, ttl)
        })
    }
}
