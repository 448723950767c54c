//! The table's items as typed values, and the service's expressions as plain code: each method is what one request
//! does, with what it consumes. The expressions are those of `service::store::dynamo`.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use service::{
    models::{ApiKeyItem, KeyId, LeaseItem, StoredPrice, Symbol, Timestamp},
    store::{
        Acquire, AcquireLease, Binary, Consistency, Counted, MAX_BATCH_READ, MAX_BATCH_WRITE, PriceBatch,
        ReleaseLease, ReleaseOutcome,
    },
};

use super::size::{self, read_units, write_units};

/// Most that a batch read answers with, bytes; what is left comes back unprocessed.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Why DynamoDB would not take a request.
pub(super) type Invalid = String;

/// All of the table.
#[derive(Debug, Default)]
pub(super) struct Items {
    prices: BTreeMap<Symbol, Priced>,
    lease: Option<LeaseItem>,
    keys: Vec<Key>,
    places: HashMap<KeyId, usize>,
}

/// A price with what is said of it again and again.
#[derive(Debug)]
struct Priced {
    price: StoredPrice,
    symbol: Arc<str>,
    bytes: usize,
}

/// All that is stored of one API key.
#[derive(Debug)]
pub(super) struct Key {
    /// Its id.
    pub(super) id: Arc<str>,
    /// The key itself; counters are there without it, too.
    pub(super) item: Option<ApiKeyItem>,
    /// By window, rising.
    pub(super) counters: VecDeque<Counter>,
}

/// How many requests of a key were counted in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    pub(super) window: i64,
    pub(super) count: u32,
    pub(super) ttl_s: i64,
}

/// What a read of prices gives.
#[derive(Debug)]
pub(super) struct PriceRead {
    pub(super) batch: PriceBatch,
    /// The symbols that were asked for, in that order, when it was a user who asked.
    pub(super) asked: Vec<Arc<str>>,
    pub(super) units: f64,
}

/// What a request to be counted gives.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) counted: Counted,
    /// The id of the key.
    pub(super) key: Arc<str>,
    pub(super) units: f64,
}

impl Items {
    /// Deletes what expired before this instant, Unix seconds.
    pub(super) fn sweep(&mut self, before_s: i64) {
        self.prices.retain(|_, priced| priced.price.ttl >= before_s);
        for key in &mut self.keys {
            key.counters.retain(|counter| counter.ttl_s >= before_s);
        }
    }

    pub(super) fn prices(&self, symbols: &[Symbol], consistency: Consistency) -> Result<PriceRead, Invalid> {
        check_batch(symbols, MAX_BATCH_READ, |symbol| symbol)?;
        let mut read = PriceRead {
            batch: PriceBatch {
                prices: Vec::with_capacity(symbols.len()),
                unprocessed: Vec::new(),
            },
            asked: Vec::new(),
            units: 0.0,
        };
        let (mut bytes, mut is_full) = (0, false);
        for symbol in symbols {
            let found = self.prices.get(symbol);
            if consistency == Consistency::Eventual {
                let name = found.map_or_else(|| symbol.as_str().into(), |priced| Arc::clone(&priced.symbol));
                read.asked.push(name);
            }
            let size = found.map_or(0, |priced| priced.bytes);
            is_full |= bytes + size > MAX_ANSWER;
            if is_full {
                read.batch.unprocessed.push(symbol.clone());
                continue;
            }
            bytes += size;
            read.units += read_units(size, consistency);
            read.batch.prices.extend(found.map(|priced| priced.price.clone()));
        }
        Ok(read)
    }

    pub(super) fn write_prices(&mut self, prices: &[StoredPrice]) -> Result<f64, Invalid> {
        check_batch(prices, MAX_BATCH_WRITE, |price| &price.symbol)?;
        prices
            .iter()
            .try_for_each(|price| check_item(size::price(price)))?;
        let mut units = 0.0;
        for price in prices {
            let bytes = size::price(price);
            let new = || Priced {
                symbol: price.symbol.as_str().into(),
                price: price.clone(),
                bytes: 0,
            };
            let priced = self.prices.entry(price.symbol.clone()).or_insert_with(new);
            units += write_units(priced.bytes.max(bytes));
            priced.price.clone_from(price);
            priced.bytes = bytes;
        }
        Ok(units)
    }

    /// The lease, and whether there is one.
    pub(super) fn lease(&self) -> (LeaseItem, bool, f64) {
        let bytes = self.lease.as_ref().map_or(0, size::lease);
        let units = read_units(bytes, Consistency::Strong);
        (
            self.lease.clone().unwrap_or_default(),
            self.lease.is_some(),
            units,
        )
    }

    pub(super) fn acquire(&mut self, request: &AcquireLease) -> (Acquire, f64) {
        let before = self.lease.as_ref().map_or(0, size::lease);
        let now = request.now;
        let is_free = self.lease.as_ref().is_none_or(|lease| {
            passed(lease.lease_until, now)
                && passed(lease.retry_not_before, now)
                && passed(lease.refreshed_at, request.due_before)
                && (request.binary == Binary::Update || passed(lease.api_not_before, now))
        });
        let lease = match &mut self.lease {
            Some(lease) if !is_free => return (Acquire::Refused(lease.clone()), write_units(before)),
            lease => lease.get_or_insert_default(),
        };
        lease.holder = Some(request.holder.clone());
        lease.lease_until = Some(request.until);
        let units = write_units(before.max(size::lease(lease)));
        (Acquire::Acquired(lease.clone()), units)
    }

    pub(super) fn release(&mut self, request: &ReleaseLease) -> (bool, f64) {
        let before = self.lease.as_ref().map_or(0, size::lease);
        let held = self
            .lease
            .as_mut()
            .filter(|lease| lease.holder.as_ref() == Some(&request.holder));
        let Some(lease) = held else {
            return (false, write_units(before));
        };
        lease.lease_until = None;
        match request.outcome {
            ReleaseOutcome::Refreshed { at, tokens } => {
                (lease.refreshed_at, lease.retry_tokens) = (Some(at), Some(tokens));
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
        (true, write_units(before.max(size::lease(lease))))
    }

    pub(super) fn api_key(&self, id: &KeyId) -> (Option<ApiKeyItem>, f64) {
        let item = self.key(id).and_then(|key| key.item.clone());
        let units = read_units(item.as_ref().map_or(0, size::api_key), Consistency::Eventual);
        (item, units)
    }

    pub(super) fn put_api_key(&mut self, item: &ApiKeyItem) -> Result<(bool, f64), Invalid> {
        let bytes = size::api_key(item);
        check_item(bytes)?;
        let stored = &mut self.key_mut(&item.id).item;
        Ok(match stored {
            Some(there) => (false, write_units(size::api_key(there).max(bytes))),
            None => {
                *stored = Some(item.clone());
                (true, write_units(bytes))
            }
        })
    }

    pub(super) fn disable_api_key(&mut self, id: &KeyId) -> (bool, f64) {
        self.update_api_key(id, |_| true, |item| item.enabled = false)
    }

    pub(super) fn touch_api_key(&mut self, id: &KeyId, now: Timestamp, not_since: Timestamp) -> (bool, f64) {
        self.update_api_key(
            id,
            |item| passed(item.last_used_at, not_since),
            |item| item.last_used_at = Some(now),
        )
    }

    fn update_api_key(
        &mut self,
        id: &KeyId,
        condition: impl FnOnce(&ApiKeyItem) -> bool,
        update: impl FnOnce(&mut ApiKeyItem),
    ) -> (bool, f64) {
        let place = self.places.get(id);
        let item = place.and_then(|place| self.keys[*place].item.as_mut());
        let Some(item) = item else {
            return (false, write_units(0));
        };
        let before = size::api_key(item);
        let held = condition(item);
        if held {
            update(item);
        }
        (held, write_units(before.max(size::api_key(item))))
    }

    /// The count of a window, and whether there is one.
    pub(super) fn request_count(&self, id: &KeyId, window: i64) -> (u32, bool, f64) {
        let counter = self.key(id).and_then(|key| {
            let place = key.place(window).ok()?;
            key.counters.get(place)
        });
        let bytes = counter.map_or(0, |counter| counter.bytes(id.as_str()));
        let units = read_units(bytes, Consistency::Strong);
        (
            counter.map_or(0, |counter| counter.count),
            counter.is_some(),
            units,
        )
    }

    pub(super) fn count_request(&mut self, id: &KeyId, window: i64, room: u32, ttl_s: i64) -> Count {
        let key = self.key_mut(id);
        let (counted, counter) = match key.place(window) {
            Ok(place) => {
                let counter = &mut key.counters[place];
                if counter.count < room {
                    counter.count += 1;
                    let count = counter.count;
                    (Counted::Admitted { count }, *counter)
                } else {
                    let count = counter.count;
                    (Counted::Refused { count }, *counter)
                }
            }
            // The first of a window is admitted whatever the room.
            Err(place) => {
                let count = 1;
                let counter = Counter { window, count, ttl_s };
                key.counters.insert(place, counter);
                (Counted::Admitted { count }, counter)
            }
        };
        Count {
            counted,
            units: write_units(counter.bytes(&key.id)),
            key: Arc::clone(&key.id),
        }
    }

    fn key(&self, id: &KeyId) -> Option<&Key> {
        self.places.get(id).map(|place| &self.keys[*place])
    }

    fn key_mut(&mut self, id: &KeyId) -> &mut Key {
        let place = match self.places.get(id) {
            Some(place) => *place,
            None => {
                let place = self.keys.len();
                self.keys.push(Key {
                    id: id.as_str().into(),
                    item: None,
                    counters: VecDeque::new(),
                });
                self.places.insert(id.clone(), place);
                place
            }
        };
        &mut self.keys[place]
    }

    /// What is stored of API keys, in no particular order.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The size of the lease, bytes, when there is one.
    pub(super) fn lease_bytes(&self) -> Option<usize> {
        self.lease.as_ref().map(size::lease)
    }

    /// The symbols of the prices with their sizes, bytes, in order.
    pub(super) fn price_bytes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.prices.values().map(|priced| (&*priced.symbol, priced.bytes))
    }
}

impl Key {
    /// Where the counter of a window is, or would be.
    fn place(&self, window: i64) -> Result<usize, usize> {
        match self.counters.back() {
            // Nearly all that is asked for is the newest.
            Some(newest) if newest.window == window => Ok(self.counters.len() - 1),
            Some(newest) if newest.window < window => Err(self.counters.len()),
            _ => self
                .counters
                .binary_search_by_key(&window, |counter| counter.window),
        }
    }
}

impl Counter {
    /// Its size; `id` is that of its key.
    pub(super) fn bytes(&self, id: &str) -> usize {
        size::counter(id.len(), self.window, self.count, self.ttl_s)
    }
}

/// A batch has so many items at most, and one at least, all of them different.
fn check_batch<T>(items: &[T], most: usize, symbol: impl Fn(&T) -> &Symbol) -> Result<(), Invalid> {
    let count = items.len();
    if count == 0 || count > most {
        return Err(format!("a batch has 1 to {most} items, not {count}"));
    }
    // The simple way: it is a hundred at most, and mostly three.
    for (index, item) in items.iter().enumerate() {
        let asked = symbol(item);
        if items[..index].iter().any(|earlier| symbol(earlier) == asked) {
            return Err(format!("a batch has each key once, not {asked} twice"));
        }
    }
    Ok(())
}

fn check_item(bytes: usize) -> Result<(), Invalid> {
    if bytes > size::MAX_ITEM {
        return Err(format!(
            "an item has {} bytes at most, not {bytes}",
            size::MAX_ITEM
        ));
    }
    Ok(())
}

/// `attribute_not_exists(at) OR at <= now`.
fn passed(at: Option<Timestamp>, now: Timestamp) -> bool {
    at.is_none_or(|at| at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_counters_stays_small() {
        let mut items = Items::default();
        let mut sweeps = crate::store::expiry::Sweeps::default();
        let keys: Vec<_> = (0..20).map(|n| KeyId::new(&format!("{n:064x}"))).collect();
        let mut most = 0;
        // 2026-03-02, minute by minute.
        for window in 29_540_160..29_540_160 + 1_440 {
            let ttl_s = (window + 1) * 60 + 3_600;
            if let Some(before_s) = sweeps.due(window * 60_000) {
                items.sweep(before_s);
            }
            for id in &keys {
                items.count_request(id, window, 100, ttl_s);
            }
            most = most.max(items.keys[0].counters.len());
        }
        // An hour of life, one to two hours dead.
        assert!((120..=181).contains(&most), "{most} counters of a key");
        assert!(items.keys.iter().all(|key| key.counters.capacity() <= 256));
    }

    #[test]
    fn windows_may_come_in_any_order() {
        let (mut items, id) = (Items::default(), KeyId::new("ab"));
        for window in [5, 3, 4, 5, 3, -1] {
            items.count_request(&id, window, 100, 0);
        }
        let counts: Vec<_> = items.keys[0]
            .counters
            .iter()
            .map(|counter| (counter.window, counter.count))
            .collect();
        assert_eq!(counts, [(-1, 1), (3, 2), (4, 1), (5, 2)]);
        assert_eq!(items.request_count(&id, 3).0, 2);
        assert!(!items.request_count(&id, 2).1);
    }

    #[test]
    fn asking_for_what_is_not_there_leaves_nothing_behind() {
        let (mut items, id) = (Items::default(), KeyId::new("ab"));
        items.api_key(&id);
        items.touch_api_key(&id, Timestamp(0), Timestamp(0));
        items.disable_api_key(&id);
        items.request_count(&id, 1);
        items
            .prices(&[Symbol::new("BTC")], Consistency::Eventual)
            .expect("a valid batch");
        assert!(items.keys.is_empty() && items.prices.is_empty());
    }
}
