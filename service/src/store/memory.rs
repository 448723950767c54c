//! A store in memory for unit tests: the expressions of `dynamo` as plain code, a log of requests, faults.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use futures_util::FutureExt;

use super::{
    Acquire, AcquireLease, ApiKeyPage, Binary, Capacity, Consistency, Counted, KeyPosition, MAX_BATCH_READ,
    MAX_BATCH_WRITE, Metered, PriceBatch, ReleaseLease, ReleaseOutcome, Store, StoreError, StoreFuture,
};
use crate::models::{ApiKeyItem, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp};

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not happen, and fails as unavailable.
    Down,
    /// It happens, and its answer is lost.
    LostAnswer,
    /// Half of a batch (rounded up) is left out.
    Partial,
    /// It takes this long.
    Slow(Duration),
}

#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) prices: BTreeMap<Symbol, StoredPrice>,
    pub(crate) lease: LeaseItem,
    pub(crate) keys: BTreeMap<KeyId, ApiKeyItem>,
    pub(crate) counts: BTreeMap<(KeyId, i64), u32>,
    /// Every request so far: `prices`, `prices!` (strong), `write`, `lease`, `acquire`, `release`, …
    pub(crate) log: Vec<&'static str>,
    /// What the next requests of a name meet, in order.
    pub(crate) faults: BTreeMap<&'static str, VecDeque<Fault>>,
}

impl MemoryStore {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds the state")
    }

    /// The next requests named `name` meet `faults`.
    pub(crate) fn fault(&self, name: &'static str, faults: &[Fault]) {
        self.state().faults.entry(name).or_default().extend(faults);
    }

    /// The requests since the last call.
    pub(crate) fn take_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().log)
    }

    fn request<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        consumed: Capacity,
        act: impl FnOnce(&mut State, Option<Fault>) -> T + Send + 'a,
    ) -> StoreFuture<'a, T> {
        async move {
            let fault = {
                let mut state = self.state();
                state.log.push(name);
                state.faults.get_mut(name).and_then(VecDeque::pop_front)
            };
            let down = || StoreError::Unavailable {
                operation: name,
                reason: "fault".to_owned(),
            };
            match fault {
                Some(Fault::Down) => return Err(down()),
                Some(Fault::Slow(latency)) => tokio::time::sleep(latency).await,
                _ => tokio::task::yield_now().await,
            }
            let value = act(&mut self.state(), fault);
            if fault == Some(Fault::LostAnswer) {
                Err(down())
            } else {
                Ok(Metered { value, consumed })
            }
        }
        .boxed()
    }
}

const READ: Capacity = Capacity {
    read: 1.0,
    write: 0.0,
};
const WRITE: Capacity = Capacity {
    read: 0.0,
    write: 1.0,
};

fn not_ahead(at: Option<Timestamp>, now: Timestamp) -> bool {
    at.is_none_or(|at| at <= now)
}

impl Store for MemoryStore {
    fn prices<'a>(&'a self, symbols: &'a [Symbol], consistency: Consistency) -> StoreFuture<'a, PriceBatch> {
        assert!(
            symbols.len() <= MAX_BATCH_READ,
            "DynamoDB refuses {}",
            symbols.len()
        );
        let name = if consistency == Consistency::Strong {
            "prices!"
        } else {
            "prices"
        };
        self.request(name, READ, move |state, fault| {
            let done = if fault == Some(Fault::Partial) {
                symbols.len() / 2
            } else {
                symbols.len()
            };
            let found = symbols[..done]
                .iter()
                .filter_map(|symbol| state.prices.get(symbol));
            PriceBatch {
                prices: found.cloned().collect(),
                unprocessed: symbols[done..].to_vec(),
            }
        })
    }

    fn write_prices<'a>(&'a self, prices: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>> {
        assert!(
            prices.len() <= MAX_BATCH_WRITE,
            "DynamoDB refuses {}",
            prices.len()
        );
        self.request("write", WRITE, move |state, fault| {
            let done = if fault == Some(Fault::Partial) {
                prices.len() / 2
            } else {
                prices.len()
            };
            for price in &prices[..done] {
                state.prices.insert(price.symbol.clone(), price.clone());
            }
            prices[done..].iter().map(|price| price.symbol.clone()).collect()
        })
    }

    fn lease(&self) -> StoreFuture<'_, LeaseItem> {
        self.request("lease", READ, |state, _| state.lease.clone())
    }

    fn acquire_lease<'a>(&'a self, request: &'a AcquireLease) -> StoreFuture<'a, Acquire> {
        self.request("acquire", WRITE, move |state, _| {
            let (lease, now) = (&mut state.lease, request.now);
            let free = not_ahead(lease.lease_until, now)
                && not_ahead(lease.retry_not_before, now)
                && (request.binary == Binary::Update || not_ahead(lease.api_not_before, now))
                && not_ahead(lease.refreshed_at, request.due_before);
            if !free {
                return Acquire::Refused(lease.clone());
            }
            lease.holder = Some(request.holder.clone());
            lease.lease_until = Some(request.until);
            Acquire::Acquired(lease.clone())
        })
    }

    fn release_lease<'a>(&'a self, request: &'a ReleaseLease) -> StoreFuture<'a, bool> {
        self.request("release", WRITE, move |state, _| {
            let lease = &mut state.lease;
            if lease.holder.as_ref() != Some(&request.holder) {
                return false;
            }
            lease.lease_until = None;
            match request.outcome {
                ReleaseOutcome::Refreshed { at, tokens } => {
                    lease.refreshed_at = Some(at);
                    lease.retry_tokens = Some(tokens);
                    (lease.failures, lease.retry_not_before, lease.api_not_before) = (0, None, None);
                }
                ReleaseOutcome::Failed {
                    failures,
                    tokens,
                    retry_not_before,
                } => {
                    (lease.failures, lease.retry_tokens) = (failures, Some(tokens));
                    lease.retry_not_before = Some(retry_not_before);
                }
                ReleaseOutcome::GaveUp {
                    failures,
                    tokens,
                    api_not_before,
                } => {
                    (lease.failures, lease.retry_tokens) = (failures, Some(tokens));
                    lease.api_not_before = Some(api_not_before);
                }
                ReleaseOutcome::Unused => {}
            }
            true
        })
    }

    fn api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, Option<ApiKeyItem>> {
        self.request("key", READ, move |state, _| state.keys.get(id).cloned())
    }

    fn put_api_key<'a>(&'a self, key: &'a ApiKeyItem) -> StoreFuture<'a, bool> {
        self.request("put-key", WRITE, move |state, _| {
            let absent = !state.keys.contains_key(&key.id);
            if absent {
                state.keys.insert(key.id.clone(), key.clone());
            }
            absent
        })
    }

    fn disable_api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, bool> {
        self.request("disable-key", WRITE, move |state, _| {
            let key = state.keys.get_mut(id);
            key.map(|key| key.enabled = false).is_some()
        })
    }

    fn list_api_keys<'a>(&'a self, _: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage> {
        self.request("list-keys", READ, |state, _| ApiKeyPage {
            keys: state.keys.values().cloned().collect(),
            next: None,
        })
    }

    fn touch_api_key<'a>(
        &'a self,
        id: &'a KeyId,
        now: Timestamp,
        not_since: Timestamp,
    ) -> StoreFuture<'a, bool> {
        self.request("touch-key", WRITE, move |state, _| {
            let key = state
                .keys
                .get_mut(id)
                .filter(|key| not_ahead(key.last_used_at, not_since));
            key.map(|key| key.last_used_at = Some(now)).is_some()
        })
    }

    fn request_count<'a>(&'a self, id: &'a KeyId, window: i64) -> StoreFuture<'a, u32> {
        self.request("count", READ, move |state, _| {
            state.counts.get(&(id.clone(), window)).copied().unwrap_or(0)
        })
    }

    fn count_request<'a>(
        &'a self,
        id: &'a KeyId,
        window: i64,
        room: u32,
        _ttl: i64,
    ) -> StoreFuture<'a, Counted> {
        self.request("add", WRITE, move |state, _| {
            let count = state.counts.entry((id.clone(), window)).or_insert(0);
            if *count >= room && *count > 0 {
                return Counted::Refused { count: *count };
            }
            *count += 1;
            Counted::Admitted { count: *count }
        })
    }
}
