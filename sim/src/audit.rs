//! Whether the store still has what it acknowledged, asked of it when a play is over.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service::{
    models::{KeyId, Symbol},
    store::{Consistency, MAX_BATCH_READ, Store, StoreError},
};

use crate::record::event::Event;

/// No more counters than this are asked for.
const COUNTERS_MOST: usize = 256;
/// How long after its window a counter must still be there, Unix milliseconds: stores may delete it after an hour.
const COUNTERS_LIVE_MS: i64 = 59 * 60_000;
/// The length of a counter's window.
const WINDOW_MS: i64 = 60_000;

/// What the store has acknowledged, as it was told. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Acknowledged>>);

#[derive(Debug, Default)]
struct Acknowledged {
    /// By symbol, the newest fetch and until when it must be there, Unix seconds.
    prices: BTreeMap<String, (i64, i64)>,
    /// By key, how many requests were counted in its latest window.
    counters: BTreeMap<Arc<str>, Counter>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counter {
    window: i64,
    count: u32,
}

/// What came of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Items that were asked for.
    pub items: u64,
    /// What was acknowledged and is not there, or is there and should not be; in words.
    pub wrong: Vec<String>,
}

impl Ledger {
    /// Takes in what happened.
    pub fn saw(&self, event: &Event) {
        match event {
            Event::PriceWrite {
                symbol,
                fetched_ms,
                ttl_s,
                ..
            } => {
                let mut acknowledged = self.acknowledged();
                match acknowledged.prices.get_mut(symbol) {
                    Some(newest) => *newest = (*newest).max((*fetched_ms, *ttl_s)),
                    None => drop(acknowledged.prices.insert(symbol.clone(), (*fetched_ms, *ttl_s))),
                }
            }
            Event::Admission {
                key_id,
                window,
                admitted: true,
                ..
            } => {
                let mut acknowledged = self.acknowledged();
                let counter = match acknowledged.counters.get_mut(key_id) {
                    Some(counter) => counter,
                    None => acknowledged.counters.entry(Arc::clone(key_id)).or_default(),
                };
                counter.count(*window);
            }
            _ => {}
        }
    }

    fn acknowledged(&self) -> MutexGuard<'_, Acknowledged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `store` at `now_ms` (wall time, Unix milliseconds) for what it must have. No lease is held longer than
    /// `lease` from then, wall time.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn audit(
        &self,
        store: &dyn Store,
        now_ms: i64,
        lease: Duration,
    ) -> Result<Findings, StoreError> {
        let (prices, counters) = {
            let acknowledged = self.acknowledged();
            let prices: Vec<(String, i64)> = acknowledged
                .prices
                .iter()
                .filter(|(_, (_, ttl_s))| *ttl_s * 1000 > now_ms)
                .map(|(symbol, (fetched_ms, _))| (symbol.clone(), *fetched_ms))
                .collect();
            let counters: Vec<(Arc<str>, Counter)> = acknowledged
                .counters
                .iter()
                .filter(|(_, counter)| counter.window * WINDOW_MS + COUNTERS_LIVE_MS > now_ms)
                .take(COUNTERS_MOST)
                .map(|(key, counter)| (Arc::clone(key), *counter))
                .collect();
            (prices, counters)
        };
        let mut findings = Findings::default();
        for chunk in prices.chunks(MAX_BATCH_READ) {
            findings.prices(store, chunk).await?;
        }
        for (key, counter) in counters {
            findings.counter(store, &key, counter).await?;
        }
        findings.items += 1;
        let lease_item = store.lease().await?.value;
        let latest_ms = now_ms + i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        if let Some(until) = lease_item.lease_until.filter(|until| until.0 > latest_ms) {
            let beyond = Duration::from_millis(until.0.abs_diff(now_ms));
            findings.wrong.push(format!(
                "the lease is held for {beyond:?} more, longer than a lease lasts"
            ));
        }
        Ok(findings)
    }
}

impl Counter {
    /// One more in this window; those of an earlier one are forgotten with the next.
    fn count(&mut self, window: i64) {
        if window > self.window {
            *self = Self { window, count: 0 };
        }
        if window == self.window {
            self.count += 1;
        }
    }
}

impl Findings {
    async fn prices(&mut self, store: &dyn Store, chunk: &[(String, i64)]) -> Result<(), StoreError> {
        let mut asked: Vec<Symbol> = chunk.iter().map(|(symbol, _)| Symbol::new(symbol)).collect();
        let mut there = BTreeMap::new();
        while !asked.is_empty() {
            let batch = store.prices(&asked, Consistency::Strong).await?.value;
            there.extend(
                batch
                    .prices
                    .into_iter()
                    .map(|price| (price.symbol.to_string(), price.fetched_at.0)),
            );
            asked = batch.unprocessed;
        }
        for (symbol, fetched_ms) in chunk {
            self.items += 1;
            match there.get(symbol) {
                Some(stored_ms) if stored_ms >= fetched_ms => {}
                Some(stored_ms) => self.wrong.push(format!(
                    "{symbol} is {} s older than what was acknowledged",
                    (fetched_ms - stored_ms) / 1000
                )),
                None => self
                    .wrong
                    .push(format!("{symbol} was acknowledged and is not there")),
            }
        }
        Ok(())
    }

    async fn counter(
        &mut self,
        store: &dyn Store,
        key: &Arc<str>,
        counter: Counter,
    ) -> Result<(), StoreError> {
        let Counter { window, count } = counter;
        let stored = store.request_count(&KeyId::new(key), window).await?.value;
        self.items += 1;
        if stored < count {
            self.wrong.push(format!(
                "the counter {}…/{window} says {stored} of {count} that were counted",
                key.get(..8).unwrap_or(key)
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use service::{
        models::{Holder, Timestamp},
        store::{AcquireLease, Binary},
    };

    use super::*;
    use crate::{clock::RunClock, latency::Modelled, store::memory::MemoryStore};

    /// 2026-03-02T00:00:00Z.
    const NOW_MS: i64 = 1_772_409_600_000;

    fn store() -> MemoryStore {
        MemoryStore::new(RunClock::paused(NOW_MS), Modelled::none(), Arc::new(|_| {}))
    }

    fn price(symbol: &str, ttl_s: i64) -> Event {
        Event::PriceWrite {
            at_us: 0,
            symbol: symbol.to_owned(),
            price: "1".to_owned(),
            updated_ms: NOW_MS,
            fetched_ms: NOW_MS,
            ttl_s,
        }
    }

    fn admission(key: &str, window: i64, admitted: bool) -> Event {
        Event::Admission {
            at_us: 0,
            key_id: key.into(),
            window,
            admitted,
            count: 1,
        }
    }

    async fn wrong(ledger: &Ledger, store: &MemoryStore) -> String {
        let audit = ledger.audit(store, NOW_MS, Duration::from_secs(33)).await;
        audit.expect("it answers").wrong.join("\n")
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_acknowledged_and_is_not_there_is_named() {
        let (ledger, now_s, window) = (Ledger::default(), NOW_MS / 1000, NOW_MS / WINDOW_MS);
        for event in [
            price("BTC", now_s + 60),
            price("OLD", now_s - 60),
            admission("abcdef0123", window - 1, true),
            admission("abcdef0123", window, true),
            admission("abcdef0123", window, true),
            admission("abcdef0123", window, false),
            admission("long-ago", window - 100, true),
        ] {
            ledger.saw(&event);
        }
        let store = store();
        store
            .count_request(&KeyId::new("abcdef0123"), window, 10, now_s)
            .await
            .expect("counted");
        insta::assert_snapshot!(wrong(&ledger, &store).await, @r"
        BTC was acknowledged and is not there
        the counter abcdef01…/29540160 says 1 of 2 that were counted
        ");
        store
            .count_request(&KeyId::new("abcdef0123"), window, 10, now_s)
            .await
            .expect("counted");
        assert_eq!(
            wrong(&ledger, &store).await,
            "BTC was acknowledged and is not there"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_outlives_its_time_is_named() {
        let (ledger, store) = (Ledger::default(), store());
        let until = |seconds: i64| AcquireLease {
            holder: Holder("api-0".into()),
            binary: Binary::Api,
            now: Timestamp(NOW_MS),
            until: Timestamp(NOW_MS + seconds * 1000),
            due_before: Timestamp(NOW_MS),
        };
        store.acquire_lease(&until(33)).await.expect("taken");
        assert_eq!(wrong(&ledger, &store).await, "");
        let store = self::store();
        store.acquire_lease(&until(34)).await.expect("taken");
        assert_eq!(
            wrong(&ledger, &store).await,
            "the lease is held for 34s more, longer than a lease lasts"
        );
    }
}
