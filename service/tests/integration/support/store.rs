//! The table in memory, behind the service's own seam.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{FutureExt, future::ready};
use service::{
    auth::key_id,
    clock::Timestamp,
    models::{ApiKeyItem, KeyId, LeaseItem, StoredPrice, Symbol},
    store::{
        Acquire, AcquireLease, ApiKeyPage, Binary, Capacity, Consistency, Counted, KeyPosition, Metered,
        PriceBatch, ReleaseLease, ReleaseOutcome, Store, StoreError, StoreFuture,
    },
};

#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    items: Mutex<Items>,
    /// Answers every request with an error.
    pub(crate) failing: AtomicBool,
    /// Panics at every key lookup.
    pub(crate) panicking: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) prices: BTreeMap<String, StoredPrice>,
    pub(crate) keys: BTreeMap<KeyId, ApiKeyItem>,
    pub(crate) counts: BTreeMap<(KeyId, i64), u32>,
    pub(crate) lease: LeaseItem,
    /// Requests by operation.
    pub(crate) calls: BTreeMap<&'static str, u32>,
}

impl MemoryStore {
    pub(crate) fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_key(&self, secret: &str, enabled: bool) {
        let item = ApiKeyItem {
            id: key_id(secret),
            name: "a test".to_owned(),
            created_at: Timestamp(0),
            enabled,
            last_used_at: None,
        };
        self.items().keys.insert(item.id.clone(), item);
    }

    pub(crate) fn calls(&self, operation: &str) -> u32 {
        self.items().calls.get(operation).copied().unwrap_or(0)
    }

    fn answer<'a, T: Send + 'a>(
        &self,
        operation: &'static str,
        consumed: Capacity,
        act: impl FnOnce(&mut Items) -> T,
    ) -> StoreFuture<'a, T> {
        let mut items = self.items();
        *items.calls.entry(operation).or_default() += 1;
        let answer = if self.failing.load(Ordering::Relaxed) {
            Err(StoreError::Unavailable {
                operation,
                reason: "switched off".to_owned(),
            })
        } else {
            Ok(Metered {
                value: act(&mut items),
                consumed,
            })
        };
        ready(answer).boxed()
    }
}

const READ: Capacity = Capacity {
    read: 0.5,
    write: 0.0,
};
const WRITE: Capacity = Capacity {
    read: 0.0,
    write: 1.0,
};

impl Store for MemoryStore {
    fn prices<'a>(&'a self, symbols: &'a [Symbol], _: Consistency) -> StoreFuture<'a, PriceBatch> {
        let consumed = Capacity {
            read: 0.5 * symbols.len() as f64,
            write: 0.0,
        };
        self.answer("prices", consumed, |items| PriceBatch {
            prices: symbols
                .iter()
                .filter_map(|symbol| items.prices.get(symbol.as_str()).cloned())
                .collect(),
            unprocessed: Vec::new(),
        })
    }

    fn write_prices<'a>(&'a self, prices: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>> {
        self.answer("write_prices", WRITE, |items| {
            for price in prices {
                items.prices.insert(price.symbol.to_string(), price.clone());
            }
            Vec::new()
        })
    }

    fn lease(&self) -> StoreFuture<'_, LeaseItem> {
        self.answer("lease", READ, |items| items.lease.clone())
    }

    fn acquire_lease<'a>(&'a self, request: &'a AcquireLease) -> StoreFuture<'a, Acquire> {
        self.answer("acquire_lease", WRITE, |items| {
            let lease = &mut items.lease;
            let passed = |at: Option<Timestamp>| at.is_none_or(|at| at <= request.now);
            let may = passed(lease.lease_until)
                && passed(lease.retry_not_before)
                && (request.binary == Binary::Update || passed(lease.api_not_before))
                && lease.refreshed_at.is_none_or(|at| at <= request.due_before);
            if !may {
                return Acquire::Refused(lease.clone());
            }
            lease.holder = Some(request.holder.clone());
            lease.lease_until = Some(request.until);
            Acquire::Acquired(lease.clone())
        })
    }

    fn release_lease<'a>(&'a self, request: &'a ReleaseLease) -> StoreFuture<'a, bool> {
        self.answer("release_lease", WRITE, |items| {
            let lease = &mut items.lease;
            if lease.holder.as_ref() != Some(&request.holder) {
                return false;
            }
            lease.lease_until = None;
            match request.outcome {
                ReleaseOutcome::Refreshed { at, tokens } => {
                    *lease = LeaseItem {
                        holder: lease.holder.clone(),
                        refreshed_at: Some(at),
                        retry_tokens: Some(tokens),
                        ..LeaseItem::default()
                    };
                }
                ReleaseOutcome::Failed {
                    failures,
                    tokens,
                    retry_not_before,
                } => {
                    lease.failures = failures;
                    lease.retry_tokens = Some(tokens);
                    lease.retry_not_before = Some(retry_not_before);
                }
                ReleaseOutcome::GaveUp {
                    failures,
                    tokens,
                    api_not_before,
                } => {
                    lease.failures = failures;
                    lease.retry_tokens = Some(tokens);
                    lease.api_not_before = Some(api_not_before);
                }
                ReleaseOutcome::Unused => {}
            }
            true
        })
    }

    fn api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, Option<ApiKeyItem>> {
        assert!(
            !self.panicking.load(Ordering::Relaxed),
            "the test asked for a panic"
        );
        self.answer("api_key", READ, |items| items.keys.get(id).cloned())
    }

    fn put_api_key<'a>(&'a self, key: &'a ApiKeyItem) -> StoreFuture<'a, bool> {
        self.answer("put_api_key", WRITE, |items| {
            items.keys.insert(key.id.clone(), key.clone()).is_none()
        })
    }

    fn disable_api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, bool> {
        self.answer("disable_api_key", WRITE, |items| {
            items.keys.get_mut(id).map(|key| key.enabled = false).is_some()
        })
    }

    fn list_api_keys<'a>(&'a self, _: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage> {
        self.answer("list_api_keys", READ, |items| ApiKeyPage {
            keys: items.keys.values().cloned().collect(),
            next: None,
        })
    }

    fn touch_api_key<'a>(
        &'a self,
        id: &'a KeyId,
        now: Timestamp,
        not_since: Timestamp,
    ) -> StoreFuture<'a, bool> {
        self.answer("touch_api_key", WRITE, |items| {
            let Some(key) = items.keys.get_mut(id) else {
                return false;
            };
            let due = key.last_used_at.is_none_or(|at| at <= not_since);
            if due {
                key.last_used_at = Some(now);
            }
            due
        })
    }

    fn request_count<'a>(&'a self, id: &'a KeyId, window: i64) -> StoreFuture<'a, u32> {
        self.answer("request_count", READ, |items| {
            items.counts.get(&(id.clone(), window)).copied().unwrap_or(0)
        })
    }

    fn count_request<'a>(
        &'a self,
        id: &'a KeyId,
        window: i64,
        room: u32,
        _: i64,
    ) -> StoreFuture<'a, Counted> {
        self.answer("count_request", WRITE, |items| {
            let count = items.counts.entry((id.clone(), window)).or_default();
            if *count < room {
                *count += 1;
                Counted::Admitted { count: *count }
            } else {
                Counted::Refused { count: *count }
            }
        })
    }
}
