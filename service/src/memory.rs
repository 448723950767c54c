//! What this process remembers: prices and the last lease item it saw. Bounded by the supported set.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use crate::{
    cache::READ_LAG,
    models::{LeaseItem, StoredPrice, Symbol, Timestamp},
    refresh::health::Health,
    symbols::SymbolTable,
    transformers::Spelling,
};

/// The process's memory. Locked for moments only, never across an await.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    prices: BTreeMap<Symbol, Remembered>,
    lease: KnownLease,
}

/// A price as it is remembered: what answers say of it is spelled once, not for each answer.
#[derive(Debug)]
pub struct KnownPrice {
    price: StoredPrice,
    spelling: OnceLock<Spelling>,
}

impl KnownPrice {
    /// A price that no answer has told of.
    #[must_use]
    pub const fn new(price: StoredPrice) -> Self {
        Self {
            price,
            spelling: OnceLock::new(),
        }
    }

    /// How answers spell it.
    #[must_use]
    pub fn spelling(&self) -> &Spelling {
        self.spelling.get_or_init(|| Spelling::of(&self.price))
    }
}

impl Deref for KnownPrice {
    type Target = StoredPrice;

    fn deref(&self) -> &StoredPrice {
        &self.price
    }
}

impl PartialEq for KnownPrice {
    fn eq(&self, other: &Self) -> bool {
        self.price == other.price
    }
}

/// What is remembered of one coin.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// Its price; `None` when it was looked for and not there.
    pub price: Option<Arc<KnownPrice>>,
    /// Every write before this instant has been seen.
    pub as_of: Timestamp,
}

/// What is known of the lease item.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownLease {
    /// The item as last seen; an empty one (which reads as *may refresh*) when it was never seen.
    pub item: LeaseItem,
    /// When it was seen.
    pub learned_at: Timestamp,
    /// This process leaves the lease alone until then, because the store just failed it.
    pub paused_until: Timestamp,
}

impl Default for KnownLease {
    fn default() -> Self {
        let never = Timestamp(i64::MIN);
        Self {
            item: LeaseItem::default(),
            learned_at: never,
            paused_until: never,
        }
    }
}

impl Memory {
    /// What is remembered of `symbols`, in their order, and of the lease.
    #[must_use]
    pub fn recall(&self, symbols: &[Symbol]) -> (Vec<Option<Remembered>>, KnownLease) {
        let contents = self.lock();
        let prices = symbols
            .iter()
            .map(|symbol| contents.prices.get(symbol).cloned())
            .collect();
        (prices, contents.lease.clone())
    }

    /// How many coins are remembered, absent ones too.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.lock().prices.len()
    }

    /// What is known of the lease.
    #[must_use]
    pub fn lease(&self) -> KnownLease {
        self.lock().lease.clone()
    }

    /// How CoinGecko is at `now`, by the lease item as last seen; `None` when it is not known.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> Option<Health> {
        let contents = self.lock();
        let item = &contents.lease.item;
        // An item that was ever written has a holder.
        item.holder.as_ref().map(|_| Health::of(item, now))
    }

    /// Takes in a read of `asked` that was made at `at` and found `found`.
    pub fn learn_read(
        &self,
        supported: &SymbolTable,
        asked: &[Symbol],
        found: &[StoredPrice],
        at: Timestamp,
    ) {
        // The read may lag behind the writes.
        self.learn(supported, asked, found, at.before(READ_LAG));
    }

    /// Takes in prices that are certain as of `as_of`: what a refresh has read strongly, or written.
    pub fn learn(&self, supported: &SymbolTable, asked: &[Symbol], found: &[StoredPrice], as_of: Timestamp) {
        let mut contents = self.lock();
        for symbol in asked
            .iter()
            .filter(|symbol| supported.get(symbol.as_str()).is_some())
        {
            let entry = contents
                .prices
                .entry(symbol.clone())
                .or_insert(Remembered { price: None, as_of });
            entry.as_of = entry.as_of.max(as_of);
            let Some(price) = found.iter().find(|price| price.symbol == *symbol) else {
                continue;
            };
            // A read that lags must not take this process's answers back in time. But what had expired when the other
            // was fetched stands in the way of nothing: the filter has let an older one be stored.
            let stands = entry.price.as_deref().is_some_and(|known| {
                known.is_servable(price.fetched_at)
                    && (known.last_updated, known.fetched_at) >= (price.last_updated, price.fetched_at)
            });
            if !stands {
                entry.price = Some(Arc::new(KnownPrice::new(price.clone())));
            }
        }
    }

    /// Takes in the lease item as seen at `at`.
    pub fn learn_lease(&self, item: LeaseItem, at: Timestamp) {
        let mut contents = self.lock();
        contents.lease.item = item;
        contents.lease.learned_at = at;
    }

    /// Leaves the lease alone until `until`.
    pub fn pause(&self, until: Timestamp) {
        self.lock().lease.paused_until = until;
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Whole values are put in place, so a panic elsewhere cannot leave them half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a process leaves the lease alone after the store failed it, wall time.
pub const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Number;

    fn price(symbol: &str, last_updated: i64, fetched_at: i64) -> StoredPrice {
        StoredPrice {
            symbol: Symbol::new(symbol),
            name: symbol.into(),
            price: Number::parse("1").expect("a number"),
            change24h: None,
            market_cap: None,
            last_updated: Timestamp(last_updated),
            fetched_at: Timestamp(fetched_at),
            ttl: 5,
            held: None,
        }
    }

    fn remembered(memory: &Memory) -> Option<(Timestamp, Timestamp)> {
        let (prices, _) = memory.recall(&[Symbol::new("BTC")]);
        let price = prices[0].as_ref()?.price.as_ref()?;
        Some((price.last_updated, price.fetched_at))
    }

    #[test]
    fn a_lagging_read_does_not_go_back_in_time() {
        let (memory, table) = (Memory::default(), SymbolTable::default());
        let btc = [Symbol::new("BTC")];
        memory.learn(&table, &btc, &[price("BTC", 20, 30)], Timestamp(30));
        memory.learn_read(&table, &btc, &[price("BTC", 10, 40)], Timestamp(5000));
        assert_eq!(remembered(&memory), Some((Timestamp(20), Timestamp(30))));
        memory.learn_read(&table, &btc, &[price("BTC", 20, 40)], Timestamp(6000));
        assert_eq!(remembered(&memory), Some((Timestamp(20), Timestamp(40))));
        memory.learn_read(&table, &btc, &[], Timestamp(9000));
        assert_eq!(remembered(&memory), Some((Timestamp(20), Timestamp(40))));
        assert_eq!(
            memory.recall(&btc).0[0].as_ref().map(|entry| entry.as_of),
            Some(Timestamp(8000))
        );
    }

    #[test]
    fn an_expired_price_gives_way_to_an_older_one_that_was_fetched_since() {
        let (memory, table) = (Memory::default(), SymbolTable::default());
        let btc = [Symbol::new("BTC")];
        memory.learn(&table, &btc, &[price("BTC", 2_000, 3_000)], Timestamp(3_000));
        memory.learn_read(&table, &btc, &[price("BTC", 1_000, 4_999)], Timestamp(9_000));
        assert_eq!(remembered(&memory), Some((Timestamp(2_000), Timestamp(3_000))));
        memory.learn_read(&table, &btc, &[price("BTC", 1_000, 5_000)], Timestamp(9_500));
        assert_eq!(remembered(&memory), Some((Timestamp(1_000), Timestamp(5_000))));
    }

    #[test]
    fn only_supported_symbols_are_remembered() {
        let (memory, table) = (Memory::default(), SymbolTable::default());
        for n in 0..10_000 {
            memory.learn(&table, &[Symbol::new(&format!("X{n}"))], &[], Timestamp(0));
        }
        assert_eq!(memory.remembered(), 0);
    }
}
