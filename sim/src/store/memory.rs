//! The store of virtual time: the service's one table in memory, behind the service's own seam.
//!
//! It does what DynamoDB does with the service's requests, and tells of each what the store front tells: the same
//! events in the same order with the same capacity units. It has no item maps, no JSON and no sockets, because a
//! virtual day asks it millions of times.
//!
//! What it does not have is the SDK: see [`super::sdk`]. A request that is given up while its latency passes never takes
//! effect; one whose answer a fault holds up has taken effect by then.

mod items;
mod scan;
mod size;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use service::{
    models::{ApiKeyItem, Holder, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp},
    store::{
        Acquire, AcquireLease, ApiKeyPage, Capacity, Consistency, Counted, KeyPosition, Metered, PriceBatch,
        ReleaseLease, Store, StoreError, StoreFuture,
    },
};
use tokio::time::sleep;

use super::{
    expiry::Sweeps,
    faults::{Asked, Judgement, StoreFaults, Verdict},
    forward::micros,
    front::Emit,
    midway::Midway,
    observe::short,
    table::new_key,
};
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
    faults: StoreFaults,
    midway: Midway,
    is_reachable: AtomicBool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    items: Items,
    sweeps: Sweeps,
}

/// A request, as far as it is told and can be touched by faults.
#[derive(Clone, Copy, Debug)]
struct Request {
    op: StoreOp,
    subject: StoreSubject,
    items: u16,
    consistent: bool,
}

/// A request that was done, as far as it is told.
#[derive(Clone, Debug)]
struct Done {
    /// It found nothing and cost nothing, so far.
    call: StoreCall,
    /// When it was done.
    at_us: u64,
    /// How much later than that it is answered; `None` = never.
    answered_in: Option<Duration>,
}

/// What a lost answer looks like.
const LOST: &str = "the connection was reset after the request";

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
            faults: StoreFaults::none(clock),
            midway: Midway::default(),
            is_reachable: AtomicBool::new(true),
            table: Mutex::default(),
        }
    }

    /// The same table with faults, and somebody who is told of each batch of prices that an update has stored.
    #[must_use]
    pub fn suffering(self, faults: StoreFaults, midway: Midway) -> Self {
        Self {
            faults,
            midway,
            ..self
        }
    }

    /// Whether connections to it come about from now on.
    pub fn set_reachable(&self, is_reachable: bool) {
        self.is_reachable.store(is_reachable, Ordering::Relaxed);
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

    /// The way of one request: it comes, its latency passes, and then it acts on the items, but for those of a batch
    /// that are left out. `keys` are the partition keys of its items; they are asked for only when faults may touch it.
    async fn request<T>(
        &self,
        request: Request,
        keys: impl FnOnce() -> Vec<String>,
        act: impl FnOnce(&mut Items, &BTreeSet<usize>) -> T,
    ) -> Result<(Done, T), StoreError> {
        if !self.is_reachable.load(Ordering::Relaxed) {
            return Err(request.unavailable("connection refused"));
        }
        let judgement = self.judge(request, keys);
        let mut call = request.call(self.clock.now_us(), judgement.touched);
        match judgement.verdict {
            Verdict::Pass | Verdict::LoseAnswer => {}
            Verdict::Refuse { status, code } => {
                call.store_us = micros(self.latency.pass().await);
                self.tell(StoreCall {
                    status,
                    throttled: status == 400,
                    ..call
                });
                return Err(request.refused(status, code));
            }
            Verdict::Hang { at_most } => {
                self.tell(StoreCall { status: 0, ..call });
                sleep(at_most).await;
                return Err(request.unavailable("the connection was closed without an answer"));
            }
            Verdict::Reset => {
                self.tell(StoreCall { status: 0, ..call });
                return Err(request.unavailable("the connection was reset"));
            }
        }
        let is_lost = judgement.verdict == Verdict::LoseAnswer;
        let reads = request.op.reads();
        if reads && (is_lost || !judgement.delay.is_zero()) {
            // What a read finds is what there is when it is answered, and matters only to whoever hears of it.
            let unheard = Unheard {
                store: self,
                call: Some(call.clone()),
            };
            sleep(judgement.delay).await;
            if is_lost {
                return Err(request.unavailable(LOST));
            }
            unheard.was_heard();
        }
        call.store_us = micros(self.latency.pass().await);
        let at_us = self.clock.now_us();
        let value = self
            .table()
            .act(self.clock.wall_ms(at_us), |items| act(items, &judgement.left_out));
        let late = if reads { Duration::ZERO } else { judgement.delay };
        let done = Done {
            call,
            at_us,
            answered_in: (!is_lost).then_some(late),
        };
        Ok((done, value))
    }

    fn judge(&self, request: Request, keys: impl FnOnce() -> Vec<String>) -> Judgement {
        if self.faults.is_none() {
            return Judgement::default();
        }
        let keys = keys();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.faults.judge(&Asked {
            op: request.op.name(),
            keys: &keys,
            writes: request.op.writes(),
            consistent: request.consistent,
        })
    }

    /// The answer to a write, which has been told of: it may come late, or never.
    async fn answer<T>(&self, done: &Done, value: T, units: f64) -> Answer<T> {
        let delay = done.delay()?;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        written(value, units)
    }

    fn tell(&self, call: StoreCall) {
        (self.emit)(Event::Store(call));
    }

    /// Tells of a write to one item, and whether its condition held.
    fn tell_write(&self, done: &Done, held: bool, wcu: f64) {
        let status = match (done.answered_in, held) {
            (None, _) => 0,
            (Some(_), true) => 200,
            (Some(_), false) => 400,
        };
        self.tell(StoreCall {
            status,
            wcu,
            ..done.call.clone()
        });
    }

    fn tell_lease(&self, done: &Done, action: LeaseAction, holder: &Holder, held: bool, wcu: f64) {
        self.tell_write(done, held, wcu);
        if held && action == LeaseAction::Acquire {
            self.midway.taken_by(&holder.0);
        }
        (self.emit)(Event::Lease(LeaseEvent {
            at_us: done.at_us,
            holder: holder.0.to_string(),
            action,
            held,
        }));
    }

    /// Tells of a request that DynamoDB does not take, and gives its error.
    fn reject<T>(&self, call: StoreCall, why: &Invalid) -> Answer<T> {
        let operation = call.op.name();
        self.tell(StoreCall { status: 400, ..call });
        Err(StoreError::Rejected {
            operation,
            reason: format!("ValidationException: {why}"),
        })
    }

    async fn read_prices(&self, symbols: &[Symbol], consistency: Consistency) -> Answer<PriceBatch> {
        let request = Request {
            consistent: consistency == Consistency::Strong,
            ..Request::batch(StoreOp::BatchGetItem, symbols.len())
        };
        let act = |items: &mut Items, left_out: &BTreeSet<usize>| {
            if left_out.is_empty() {
                return items.prices(symbols, consistency);
            }
            let (unprocessed, asked) = apart(symbols, left_out);
            let mut read = items.prices(&asked, consistency)?;
            read.batch.unprocessed.extend(unprocessed);
            Ok(read)
        };
        let keys = || symbols.iter().map(price_key).collect();
        let (Done { call, at_us, .. }, answer) = self.request(request, keys, act).await?;
        let PriceRead { batch, asked, units } = match answer {
            Ok(read) => read,
            Err(why) => return self.reject(call, &why),
        };
        let found = short(batch.prices.len());
        self.tell(StoreCall {
            found,
            rcu: units,
            ..call
        });
        if consistency == Consistency::Eventual {
            (self.emit)(Event::PriceRead {
                at_us,
                symbols: asked,
                found,
            });
        }
        read(batch, units)
    }

    async fn put_prices(&self, prices: &[StoredPrice]) -> Answer<Vec<Symbol>> {
        let request = Request::batch(StoreOp::BatchWriteItem, prices.len());
        let act = |items: &mut Items, left_out: &BTreeSet<usize>| {
            if left_out.is_empty() {
                return items.write_prices(prices).map(|units| (units, Vec::new()));
            }
            let (unprocessed, rest) = apart(prices, left_out);
            let units = items.write_prices(&rest)?;
            Ok((units, unprocessed.into_iter().map(|price| price.symbol).collect()))
        };
        let keys = || prices.iter().map(|price| price_key(&price.symbol)).collect();
        let (done, answer) = self.request(request, keys, act).await?;
        let (units, unprocessed) = match answer {
            Ok(written) => written,
            Err(why) => return self.reject(done.call, &why),
        };
        self.tell_write(&done, true, units);
        for price in prices.iter().filter(|price| !unprocessed.contains(&price.symbol)) {
            (self.emit)(Event::PriceWrite {
                at_us: done.at_us,
                symbol: price.symbol.to_string(),
                price: price.price.to_string(),
                updated_ms: price.last_updated.0,
                fetched_ms: price.fetched_at.0,
                ttl_s: price.ttl,
            });
        }
        self.midway.batch_stored().await;
        self.answer(&done, unprocessed, units).await
    }

    async fn get_lease(&self) -> Answer<LeaseItem> {
        let request = Request::one(StoreOp::GetItem, StoreSubject::Lease).strong();
        let (done, (lease, found, units)) =
            self.request(request, lease_key, |items, _| items.lease()).await?;
        self.tell(StoreCall {
            found: u16::from(found),
            rcu: units,
            ..done.call
        });
        read(lease, units)
    }

    async fn acquire(&self, request: &AcquireLease) -> Answer<Acquire> {
        let update = Request::one(StoreOp::UpdateItem, StoreSubject::Lease);
        let (done, (acquire, units)) = self
            .request(update, lease_key, |items, _| items.acquire(request))
            .await?;
        let held = matches!(acquire, Acquire::Acquired(_));
        self.tell_lease(&done, LeaseAction::Acquire, &request.holder, held, units);
        self.answer(&done, acquire, units).await
    }

    async fn release(&self, request: &ReleaseLease) -> Answer<bool> {
        let update = Request::one(StoreOp::UpdateItem, StoreSubject::Lease);
        let (done, (held, units)) = self
            .request(update, lease_key, |items, _| items.release(request))
            .await?;
        self.tell_lease(&done, LeaseAction::Release, &request.holder, held, units);
        self.answer(&done, held, units).await
    }

    async fn get_key(&self, id: &KeyId) -> Answer<Option<ApiKeyItem>> {
        let request = Request::one(StoreOp::GetItem, StoreSubject::ApiKey);
        let (done, (key, units)) = self
            .request(request, api_key(id), |items, _| items.api_key(id))
            .await?;
        self.tell(StoreCall {
            found: u16::from(key.is_some()),
            rcu: units,
            ..done.call
        });
        read(key, units)
    }

    async fn put_key(&self, key: &ApiKeyItem) -> Answer<bool> {
        let request = Request::one(StoreOp::PutItem, StoreSubject::ApiKey);
        let (done, answer) = self
            .request(request, api_key(&key.id), |items, _| items.put_api_key(key))
            .await?;
        match answer {
            Ok((held, units)) => {
                self.tell_write(&done, held, units);
                self.answer(&done, held, units).await
            }
            Err(why) => self.reject(done.call, &why),
        }
    }

    /// An update of an API key.
    async fn update_key(&self, id: &KeyId, act: impl FnOnce(&mut Items) -> (bool, f64)) -> Answer<bool> {
        let request = Request::one(StoreOp::UpdateItem, StoreSubject::ApiKey);
        let (done, (held, units)) = self.request(request, api_key(id), |items, _| act(items)).await?;
        self.tell_write(&done, held, units);
        self.answer(&done, held, units).await
    }

    async fn scan(&self, start: Option<&KeyPosition>) -> Answer<ApiKeyPage> {
        let request = Request {
            items: 0,
            ..Request::one(StoreOp::Other, StoreSubject::Other)
        };
        let (done, (page, units)) = self
            .request(request, Vec::new, |items, _| scan::page(items, start))
            .await?;
        self.tell(StoreCall {
            rcu: units,
            ..done.call
        });
        read(page, units)
    }

    async fn get_count(&self, id: &KeyId, window: i64) -> Answer<u32> {
        let request = Request::one(StoreOp::GetItem, StoreSubject::RateLimit).strong();
        let (done, (count, found, units)) = self
            .request(request, api_key(id), |items, _| items.request_count(id, window))
            .await?;
        self.tell(StoreCall {
            found: u16::from(found),
            rcu: units,
            ..done.call
        });
        read(count, units)
    }

    async fn add_count(&self, id: &KeyId, window: i64, room: u32, ttl: i64) -> Answer<Counted> {
        let request = Request::one(StoreOp::UpdateItem, StoreSubject::RateLimit);
        let act = |items: &mut Items, _: &BTreeSet<usize>| items.count_request(id, window, room, ttl);
        let (done, count) = self.request(request, api_key(id), act).await?;
        let Count {
            counted,
            key: key_id,
            units,
        } = count;
        let (admitted, count) = match counted {
            Counted::Admitted { count } => (true, count),
            Counted::Refused { count } => (false, count),
        };
        self.tell_write(&done, admitted, units);
        (self.emit)(Event::Admission {
            at_us: done.at_us,
            key_id,
            window,
            admitted,
            count,
        });
        let is_late = done.answered_in.is_some_and(|late| !late.is_zero());
        let answer = self.answer(&done, counted, units).await;
        if admitted && is_late {
            let at_us = self.clock.now_us();
            (self.emit)(Event::AdmissionHeard { at_us });
        }
        answer
    }
}

impl Table {
    /// Acts on the items at an instant, Unix milliseconds: what expired long enough before is gone.
    fn act<T>(&mut self, now_ms: i64, act: impl FnOnce(&mut Items) -> T) -> T {
        if let Some(before_s) = self.sweeps.due(now_ms) {
            self.items.sweep(before_s);
        }
        act(&mut self.items)
    }
}

impl Request {
    /// About one item.
    fn one(op: StoreOp, subject: StoreSubject) -> Self {
        Self {
            op,
            subject,
            items: 1,
            consistent: false,
        }
    }

    /// The same, strongly consistent.
    fn strong(self) -> Self {
        Self {
            consistent: true,
            ..self
        }
    }

    /// A batch of prices. An empty one is about nothing.
    fn batch(op: StoreOp, items: usize) -> Self {
        let subject = match items {
            0 => StoreSubject::Other,
            _ => StoreSubject::Prices,
        };
        Self {
            items: short(items),
            ..Self::one(op, subject)
        }
    }

    /// What it is told as when it came at `at_us`, was done, found nothing and cost nothing.
    fn call(self, at_us: u64, faults: Vec<u16>) -> StoreCall {
        StoreCall {
            at_us,
            store_us: 0,
            front_us: 0,
            op: self.op,
            subject: self.subject,
            consistent: self.consistent,
            items: self.items,
            found: 0,
            status: 200,
            rcu: 0.0,
            wcu: 0.0,
            throttled: false,
            faults,
        }
    }

    /// It was not answered.
    fn unavailable(self, reason: &str) -> StoreError {
        StoreError::Unavailable {
            operation: self.op.name(),
            reason: reason.to_owned(),
        }
    }

    /// It was answered with an error.
    fn refused(self, status: u16, code: &str) -> StoreError {
        let (operation, reason) = (self.op.name(), code.to_owned());
        match status {
            500.. => StoreError::Unavailable { operation, reason },
            _ => StoreError::Throttled { operation, reason },
        }
    }
}

impl Done {
    /// By how much its answer is late; an error when none comes.
    fn delay(&self) -> Result<Duration, StoreError> {
        self.answered_in.ok_or_else(|| StoreError::Unavailable {
            operation: self.call.op.name(),
            reason: LOST.to_owned(),
        })
    }
}

/// A read that is late; told as unanswered unless somebody hears of it.
struct Unheard<'a> {
    store: &'a MemoryStore,
    call: Option<StoreCall>,
}

impl Unheard<'_> {
    fn was_heard(mut self) {
        self.call = None;
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.store.tell(StoreCall { status: 0, ..call });
        }
    }
}

/// Those whose places are among `chosen`, and the others.
fn apart<T: Clone>(all: &[T], chosen: &BTreeSet<usize>) -> (Vec<T>, Vec<T>) {
    let (mut these, mut others) = (Vec::new(), Vec::new());
    for (place, one) in all.iter().enumerate() {
        if chosen.contains(&place) {
            these.push(one.clone());
        } else {
            others.push(one.clone());
        }
    }
    (these, others)
}

fn price_key(symbol: &Symbol) -> String {
    format!("PRICE#{symbol}")
}

fn lease_key() -> Vec<String> {
    vec!["LEASE#prices".to_owned()]
}

fn api_key(id: &KeyId) -> impl FnOnce() -> Vec<String> {
    let id = id.clone();
    move || vec![format!("APIKEY#{}", id.as_str())]
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
        self.update_key(id, |items| items.disable_api_key(id)).boxed()
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
        self.update_key(id, move |items| items.touch_api_key(id, now, not_since))
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
