//! The store of virtual time: the service's one table in memory, behind the service's own seam.
//!
//! It does what DynamoDB does with the service's requests, and tells of each what the store front tells: the same
//! events in the same order with the same capacity units. It has no item maps, no JSON and no sockets, because a
//! virtual day asks it millions of times.
//!
//! What it does not have is the SDK: nothing is tried again, and no timeout cuts a request short. A request that is
//! given up while its latency passes never takes effect.

mod items;
mod scan;
mod size;

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt;
use service::{
    models::{ApiKeyItem, Holder, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp},
    store::{
        Acquire, AcquireLease, ApiKeyPage, Capacity, Consistency, Counted, KeyPosition, Metered, PriceBatch,
        ReleaseLease, Store, StoreError, StoreFuture,
    },
};

use super::{expiry::Sweeps, forward::micros, front::Emit, observe::short, table::new_key};
use crate::{
    clock::RunClock,
    latency::Modelled,
    record::event::{Event, LeaseAction, LeaseEvent, StoreCall, StoreOp, StoreSubject},
};
use items::{Count, Invalid, Items, PriceRead};

/// The table. One is shared by all instances of the service in a run.
pub struct MemoryStore {
    clock: RunClock,
    latency: Modelled,
    emit: Emit,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    items: Items,
    sweeps: Sweeps,
}

/// When a request came and when it was answered.
#[derive(Clone, Copy, Debug)]
struct Times {
    at_us: u64,
    store_us: u32,
    done_us: u64,
}

/// What a method gives.
type Answer<T> = Result<Metered<T>, StoreError>;

impl MemoryStore {
    /// An empty table. Each request takes what `latency` draws and is then told to `emit`; items expire by `clock`.
    #[must_use]
    pub fn new(clock: RunClock, latency: Modelled, emit: Emit) -> Self {
        Self {
            clock,
            latency,
            emit,
            table: Mutex::default(),
        }
    }

    /// Stores API keys, each given by its secret and whether it is enabled, as `crypto-watch-keys create` would have
    /// at `created_ms` (Unix milliseconds): never used so far. It takes no time and is told to nobody. Keys that are
    /// there already stay as they are.
    pub fn seed_keys(&self, keys: &[(String, bool)], created_ms: i64) {
        let mut table = self.table();
        for (secret, enabled) in keys {
            // Always a valid item: its name is short.
            let _ = table.items.put_api_key(&new_key(secret, *enabled, created_ms));
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way of one request: it comes, its latency passes, and then it acts on the items.
    async fn request<T>(&self, act: impl FnOnce(&mut Items) -> T) -> (Times, T) {
        let at_us = self.clock.now_us();
        let store_us = micros(self.latency.pass().await);
        let done_us = self.clock.now_us();
        let times = Times {
            at_us,
            store_us,
            done_us,
        };
        let mut table = self.table();
        let Table { items, sweeps } = &mut *table;
        if let Some(before_s) = sweeps.due(self.clock.wall_ms(done_us)) {
            items.sweep(before_s);
        }
        (times, act(items))
    }

    fn tell(&self, call: StoreCall) {
        (self.emit)(Event::Store(call));
    }

    /// Tells of a write to one item, and whether its condition held.
    fn tell_write(&self, times: Times, op: StoreOp, subject: StoreSubject, held: bool, wcu: f64) {
        self.tell(StoreCall {
            status: if held { 200 } else { 400 },
            wcu,
            ..times.call(op, subject)
        });
    }

    fn tell_lease(&self, times: Times, action: LeaseAction, holder: &Holder, held: bool, wcu: f64) {
        self.tell_write(times, StoreOp::UpdateItem, StoreSubject::Lease, held, wcu);
        (self.emit)(Event::Lease(LeaseEvent {
            at_us: times.done_us,
            holder: holder.0.to_string(),
            action,
            held,
        }));
    }

    /// Tells of a request that DynamoDB does not take, and gives its error.
    fn reject<T>(&self, mut call: StoreCall, operation: &'static str, why: &Invalid) -> Answer<T> {
        call.status = 400;
        self.tell(call);
        Err(StoreError::Rejected {
            operation,
            reason: format!("ValidationException: {why}"),
        })
    }

    async fn read_prices(&self, symbols: &[Symbol], consistency: Consistency) -> Answer<PriceBatch> {
        let (times, answer) = self.request(|items| items.prices(symbols, consistency)).await;
        let call = StoreCall {
            consistent: consistency == Consistency::Strong,
            ..times.batch(StoreOp::BatchGetItem, symbols.len())
        };
        let PriceRead { batch, asked, units } = match answer {
            Ok(read) => read,
            Err(why) => return self.reject(call, "BatchGetItem", &why),
        };
        let found = short(batch.prices.len());
        self.tell(StoreCall {
            found,
            rcu: units,
            ..call
        });
        if consistency == Consistency::Eventual {
            (self.emit)(Event::PriceRead {
                at_us: times.done_us,
                symbols: asked,
                found,
            });
        }
        read(batch, units)
    }

    async fn put_prices(&self, prices: &[StoredPrice]) -> Answer<Vec<Symbol>> {
        let (times, answer) = self.request(|items| items.write_prices(prices)).await;
        let call = times.batch(StoreOp::BatchWriteItem, prices.len());
        let units = match answer {
            Ok(units) => units,
            Err(why) => return self.reject(call, "BatchWriteItem", &why),
        };
        self.tell(StoreCall { wcu: units, ..call });
        for price in prices {
            (self.emit)(Event::PriceWrite {
                at_us: times.done_us,
                symbol: price.symbol.to_string(),
                price: price.price.to_string(),
                updated_ms: price.last_updated.0,
                fetched_ms: price.fetched_at.0,
                ttl_s: price.ttl,
            });
        }
        written(Vec::new(), units)
    }

    async fn get_lease(&self) -> Answer<LeaseItem> {
        let (times, (lease, found, units)) = self.request(|items| items.lease()).await;
        self.tell(StoreCall {
            consistent: true,
            found: u16::from(found),
            rcu: units,
            ..times.call(StoreOp::GetItem, StoreSubject::Lease)
        });
        read(lease, units)
    }

    async fn acquire(&self, request: &AcquireLease) -> Answer<Acquire> {
        let (times, (acquire, units)) = self.request(|items| items.acquire(request)).await;
        let held = matches!(acquire, Acquire::Acquired(_));
        self.tell_lease(times, LeaseAction::Acquire, &request.holder, held, units);
        written(acquire, units)
    }

    async fn release(&self, request: &ReleaseLease) -> Answer<bool> {
        let (times, (held, units)) = self.request(|items| items.release(request)).await;
        self.tell_lease(times, LeaseAction::Release, &request.holder, held, units);
        written(held, units)
    }

    async fn get_key(&self, id: &KeyId) -> Answer<Option<ApiKeyItem>> {
        let (times, (key, units)) = self.request(|items| items.api_key(id)).await;
        self.tell(StoreCall {
            found: u16::from(key.is_some()),
            rcu: units,
            ..times.call(StoreOp::GetItem, StoreSubject::ApiKey)
        });
        read(key, units)
    }

    async fn put_key(&self, key: &ApiKeyItem) -> Answer<bool> {
        let (times, answer) = self.request(|items| items.put_api_key(key)).await;
        match answer {
            Ok((held, units)) => {
                self.tell_write(times, StoreOp::PutItem, StoreSubject::ApiKey, held, units);
                written(held, units)
            }
            Err(why) => {
                let call = times.call(StoreOp::PutItem, StoreSubject::ApiKey);
                self.reject(call, "PutItem", &why)
            }
        }
    }

    /// An update of an API key.
    async fn update_key(&self, act: impl FnOnce(&mut Items) -> (bool, f64)) -> Answer<bool> {
        let (times, (held, units)) = self.request(act).await;
        self.tell_write(times, StoreOp::UpdateItem, StoreSubject::ApiKey, held, units);
        written(held, units)
    }

    async fn scan(&self, start: Option<&KeyPosition>) -> Answer<ApiKeyPage> {
        let (times, (page, units)) = self.request(|items| scan::page(items, start)).await;
        self.tell(StoreCall {
            items: 0,
            rcu: units,
            ..times.call(StoreOp::Other, StoreSubject::Other)
        });
        read(page, units)
    }

    async fn get_count(&self, id: &KeyId, window: i64) -> Answer<u32> {
        let (times, (count, found, units)) = self.request(|items| items.request_count(id, window)).await;
        self.tell(StoreCall {
            consistent: true,
            found: u16::from(found),
            rcu: units,
            ..times.call(StoreOp::GetItem, StoreSubject::RateLimit)
        });
        read(count, units)
    }

    async fn add_count(&self, id: &KeyId, window: i64, room: u32, ttl: i64) -> Answer<Counted> {
        let (times, count) = self
            .request(|items| items.count_request(id, window, room, ttl))
            .await;
        let Count {
            counted,
            key: key_id,
            units,
        } = count;
        let (admitted, count) = match counted {
            Counted::Admitted { count } => (true, count),
            Counted::Refused { count } => (false, count),
        };
        self.tell_write(
            times,
            StoreOp::UpdateItem,
            StoreSubject::RateLimit,
            admitted,
            units,
        );
        (self.emit)(Event::Admission {
            at_us: times.done_us,
            key_id,
            window,
            admitted,
            count,
        });
        written(counted, units)
    }
}

impl Times {
    /// A request about one item that was done, found nothing and cost nothing.
    fn call(self, op: StoreOp, subject: StoreSubject) -> StoreCall {
        StoreCall {
            at_us: self.at_us,
            store_us: self.store_us,
            front_us: 0,
            op,
            subject,
            consistent: false,
            items: 1,
            found: 0,
            status: 200,
            rcu: 0.0,
            wcu: 0.0,
        }
    }

    /// The same about a batch of prices. An empty one is about nothing.
    fn batch(self, op: StoreOp, items: usize) -> StoreCall {
        let subject = match items {
            0 => StoreSubject::Other,
            _ => StoreSubject::Prices,
        };
        StoreCall {
            items: short(items),
            ..self.call(op, subject)
        }
    }
}

fn read<T>(value: T, units: f64) -> Answer<T> {
    let consumed = Capacity {
        read: units,
        write: 0.0,
    };
    Ok(Metered { value, consumed })
}

fn written<T>(value: T, units: f64) -> Answer<T> {
    let consumed = Capacity {
        read: 0.0,
        write: units,
    };
    Ok(Metered { value, consumed })
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn prices<'a>(&'a self, symbols: &'a [Symbol], consistency: Consistency) -> StoreFuture<'a, PriceBatch> {
        self.read_prices(symbols, consistency).boxed()
    }

    fn write_prices<'a>(&'a self, prices: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>> {
        self.put_prices(prices).boxed()
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
        self.update_key(|items| items.disable_api_key(id)).boxed()
    }

    fn list_api_keys<'a>(&'a self, start: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage> {
        self.scan(start).boxed()
    }

    fn touch_api_key<'a>(
        &'a self,
        id: &'a KeyId,
        now: Timestamp,
        not_since: Timestamp,
    ) -> StoreFuture<'a, bool> {
        self.update_key(move |items| items.touch_api_key(id, now, not_since))
            .boxed()
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
