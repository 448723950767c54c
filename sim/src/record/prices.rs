//! The price ledger: every price that the store was given, and whether it was ever true.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use rust_decimal::Decimal;
use scenarios::wire::ServedPrice;

use super::{
    Timing,
    knowledge::Learned,
    links::{Coins, PriceRead},
    served::ServedLog,
    spelling::{self, Number, Spelling},
};

/// What the fake CoinGecko remembers of what was true when.
pub trait PublicationCheck: Send + Sync + fmt::Debug {
    /// Whether `price` (a JSON number) with this `last_updated` was validly published for `symbol` at some time
    /// in `from_ms..=to_ms` (wall, Unix milliseconds). Numbers are compared by value, not by spelling.
    fn published(&self, symbol: &str, price: &str, updated_ms: i64, from_ms: i64, to_ms: i64) -> bool;

    /// The market price of `symbol` at a wall time; NaN for an unknown symbol.
    fn market_price(&self, symbol: &str, ms: i64) -> f64;
}

/// A price that was written to the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    at_us: u64,
    price: Option<Decimal>,
    updated_ms: i64,
    pub(super) fetched_ms: i64,
    ttl_s: i64,
    /// Whether it was ever published.
    pub(super) valid: bool,
}

impl Write {
    pub(super) fn is_live(&self, wall_ms: i64) -> bool {
        self.ttl_s.saturating_mul(1000) > wall_ms
    }
}

/// One symbol's writes, in time, and what was served of it.
#[derive(Clone, Debug, Default)]
pub(super) struct SymbolLedger {
    name: String,
    pub(super) writes: Vec<Write>,
    /// Each `fetched_ms` of the writes, rising, with the real instant of its first write.
    fetches: Vec<(i64, u64)>,
    pub(super) served: ServedLog,
    /// By instance, what it learned last and before that. (Virtual time.)
    pub(super) learned: Vec<[Learned; 2]>,
    /// The price that was served last.
    pub(super) spelling: Spelling,
}

/// One refresh: prices that were fetched together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refresh {
    fetched_ms: i64,
    /// When the store answered its last write, real µs: from then on every process can have the prices.
    stored_us: u64,
    /// The instance that stored it and the place of its last write among all events, where that is known.
    pub(super) by: Option<(u16, u64)>,
}

/// A write as the judge sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredWrite {
    /// When the store answered, real µs.
    pub at_us: u64,
    /// `fetchedAt`, Unix milliseconds.
    pub fetched_ms: i64,
}

/// What the store was given, by symbol.
#[derive(Clone, Debug)]
pub struct PriceLedger {
    pub(super) publication: Arc<dyn PublicationCheck>,
    pub(super) timing: Timing,
    pub(super) cache_ttl_ms: i64,
    index: HashMap<String, usize>,
    pub(super) symbols: Vec<SymbolLedger>,
    /// By `fetched_ms`, rising.
    refreshes: Vec<Refresh>,
    backwards_writes: Vec<u64>,
    invalid_writes: u64,
    /// Room for the places of the symbols of one request.
    pub(super) asked: Vec<Option<usize>>,
}

/// How many writes are looked at that may be of the same data.
const SAME: usize = 9;

impl PriceLedger {
    /// An empty ledger of the supported `symbols`, whose prices the service takes for fresh for `cache_ttl`.
    #[must_use]
    pub fn new(
        timing: Timing,
        cache_ttl: Duration,
        symbols: &[String],
        publication: Arc<dyn PublicationCheck>,
    ) -> Self {
        let mut ledger = Self {
            publication,
            timing,
            cache_ttl_ms: i64::try_from(cache_ttl.as_millis()).unwrap_or(i64::MAX),
            index: HashMap::new(),
            symbols: Vec::new(),
            refreshes: Vec::new(),
            backwards_writes: Vec::new(),
            invalid_writes: 0,
            asked: Vec::new(),
        };
        for symbol in symbols {
            ledger.add(symbol);
        }
        ledger
    }

    fn add(&mut self, symbol: &str) -> usize {
        let index = self.symbols.len();
        self.index.insert(symbol.to_owned(), index);
        self.symbols.push(SymbolLedger {
            name: symbol.to_owned(),
            ..SymbolLedger::default()
        });
        index
    }

    /// The place of a symbol that is supported or was ever written.
    pub(super) fn place(&self, symbol: &str) -> Option<usize> {
        self.index.get(symbol).copied()
    }

    /// Takes in a write to the store.
    pub fn write(
        &mut self,
        at_us: u64,
        symbol: &str,
        price: &str,
        updated_ms: i64,
        fetched_ms: i64,
        ttl_s: i64,
    ) {
        let wall_ms = self.timing.wall_ms(at_us);
        let start_ms = self.timing.start_ms;
        let valid = self
            .publication
            .published(symbol, price, updated_ms, start_ms, wall_ms);
        let index = self.place(symbol).unwrap_or_else(|| self.add(symbol));
        let writes = &mut self.symbols[index].writes;
        if writes
            .last()
            .is_some_and(|last| last.is_live(wall_ms) && last.updated_ms > updated_ms)
        {
            self.backwards_writes.push(at_us);
        }
        self.invalid_writes += u64::from(!valid);
        writes.push(Write {
            at_us,
            price: spelling::decimal(price),
            updated_ms,
            fetched_ms,
            ttl_s,
            valid,
        });
        self.symbols[index].fetched(fetched_ms, at_us);
        match self.refreshes.last_mut() {
            Some(last) if last.fetched_ms == fetched_ms => last.stored_us = last.stored_us.max(at_us),
            // A price that is held back is written again as it was fetched before.
            Some(last) if last.fetched_ms > fetched_ms => {}
            Some(_) | None => self.refreshes.push(Refresh {
                fetched_ms,
                stored_us: at_us,
                by: None,
            }),
        }
    }

    /// Notes who made the last write, if it was of the last refresh; otherwise false.
    pub(super) fn stored_last(&mut self, fetched_ms: i64, by: (u16, u64)) -> bool {
        let last = self
            .refreshes
            .last_mut()
            .filter(|last| last.fetched_ms == fetched_ms);
        last.map(|last| last.by = Some(by)).is_some()
    }

    /// The refresh that fetched at this wall time.
    pub(super) fn refresh(&self, fetched_ms: i64) -> Option<&Refresh> {
        let found = self
            .refreshes
            .binary_search_by_key(&fetched_ms, |refresh| refresh.fetched_ms);
        found.ok().map(|index| &self.refreshes[index])
    }

    /// A user's read of `symbols`, of which the store found so many, answered at an instant.
    pub(super) fn read(&self, at_us: u64, symbols: &[impl AsRef<str>], found: u16) -> PriceRead {
        let wall_ms = self.timing.wall_ms(at_us);
        let mut coins = Coins::default();
        let mut fresh = usize::from(found) == symbols.len();
        for symbol in symbols {
            let Some(index) = self.place(symbol.as_ref()) else {
                continue;
            };
            coins.add(index);
            let newest = self.symbols[index].writes.last();
            fresh &= newest.is_some_and(|write| wall_ms - write.fetched_ms < self.cache_ttl_ms);
        }
        PriceRead { at_us, coins, fresh }
    }

    /// When the refresh that fetched at this wall time had stored all that it fetched, real µs.
    pub(super) fn stored_us(&self, fetched_ms: i64) -> Option<u64> {
        self.refresh(fetched_ms).map(|refresh| refresh.stored_us)
    }

    /// Whether the store held a price of the symbol at `place` before `from_us` that stays servable until `to_us`.
    pub(super) fn was_servable(&self, place: Option<usize>, from_us: u64, to_us: u64) -> bool {
        self.servable(place, from_us, to_us).is_some()
    }

    /// That price.
    pub(super) fn servable(&self, place: Option<usize>, from_us: u64, to_us: u64) -> Option<&Write> {
        let writes = &self.symbols[place?].writes;
        let before = writes.partition_point(|write| write.at_us < from_us);
        let last = &writes[before.checked_sub(1)?];
        last.is_live(self.timing.wall_ms(to_us)).then_some(last)
    }

    /// The fetch of one of the symbols at `places`, stored until `at_us`, that comes nearest to a wall time.
    pub(super) fn fetch_near(&self, places: &[Option<usize>], at_us: u64, wall_ms: i64) -> Option<i64> {
        places
            .iter()
            .flatten()
            .flat_map(|index| self.symbols[*index].fetches_near(at_us, wall_ms))
            .min_by_key(|fetched| fetched.abs_diff(wall_ms))
    }

    /// When writes replaced a live price by an older one, real µs.
    #[must_use]
    pub fn backwards_writes(&self) -> &[u64] {
        &self.backwards_writes
    }

    /// Prices stored that were never validly published.
    #[must_use]
    pub fn invalid_writes(&self) -> u64 {
        self.invalid_writes
    }

    /// The supported symbols with their writes, in time.
    pub fn writes(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = StoredWrite>)> {
        self.symbols.iter().map(|ledger| {
            let writes = ledger.writes.iter();
            let writes = writes.map(|write| StoredWrite {
                at_us: write.at_us,
                fetched_ms: write.fetched_ms,
            });
            (ledger.name.as_str(), writes)
        })
    }

    /// Bytes that the ledger takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |ledger: &SymbolLedger| {
            size_of_val(ledger.writes.as_slice())
                + size_of_val(ledger.fetches.as_slice())
                + ledger.served.bytes()
        };
        size_of_val(self.refreshes.as_slice()) + self.symbols.iter().map(of).sum::<usize>()
    }
}

impl SymbolLedger {
    fn fetched(&mut self, fetched_ms: i64, at_us: u64) {
        let place = self
            .fetches
            .partition_point(|(known_ms, _)| *known_ms < fetched_ms);
        if self
            .fetches
            .get(place)
            .is_none_or(|(known_ms, _)| *known_ms != fetched_ms)
        {
            self.fetches.insert(place, (fetched_ms, at_us));
        }
    }

    /// Of the fetches that were stored until `at_us`, the last before a wall time and the first at or after it.
    fn fetches_near(&self, at_us: u64, wall_ms: i64) -> impl Iterator<Item = i64> {
        let place = self
            .fetches
            .partition_point(|(fetched_ms, _)| *fetched_ms < wall_ms);
        let (before, after) = self.fetches.split_at(place);
        let was_stored = move |(_, stored_us): &&(i64, u64)| *stored_us <= at_us;
        let before = before.iter().rev().find(was_stored);
        let after = after.iter().find(was_stored);
        before.into_iter().chain(after).map(|(fetched_ms, _)| *fetched_ms)
    }

    /// The write that a served price, which spells `number`, came from. When the same data were stored more than
    /// once (only `fetchedAt` moved), the one that the `Age` header comes nearest to; without one, the oldest.
    pub(super) fn written(
        &self,
        served: &ServedPrice,
        number: Number,
        claimed_ms: Option<i64>,
    ) -> Option<Write> {
        let price = number.decimal?;
        let distance = |write: &Write| match claimed_ms {
            Some(at) => write.fetched_ms.abs_diff(at),
            None => write.fetched_ms.unsigned_abs(),
        };
        let not_newer = self
            .writes
            .iter()
            .rev()
            .skip_while(|write| write.updated_ms > served.updated_ms);
        let mut best: Option<&Write> = None;
        for write in not_newer.take(SAME) {
            let is_same = write.updated_ms == served.updated_ms && write.price == Some(price);
            match best {
                None if is_same => best = Some(write),
                Some(known) if is_same && distance(write) < distance(known) => best = Some(write),
                // Equal data stand next to each other.
                Some(_) if write.updated_ms != served.updated_ms => break,
                None | Some(_) => {}
            }
        }
        best.copied()
    }
}

impl SymbolLedger {
    /// Whether newer data had expired before this was stored, so that it goes back on nothing.
    pub(super) fn began_anew(&self, updated_ms: i64, timing: &Timing) -> bool {
        let of_it = self
            .writes
            .iter()
            .rposition(|write| write.updated_ms == updated_ms);
        let before = &self.writes[..of_it.unwrap_or(0)];
        let newer = before.iter().rposition(|write| write.updated_ms > updated_ms);
        newer.is_some_and(|newer| {
            let wall_ms = timing.wall_ms(self.writes[newer + 1].at_us);
            !self.writes[newer].is_live(wall_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::answers::tests::{START_MS, ledger, store};

    #[test]
    fn store_writes_may_not_go_back_on_a_live_price() {
        let mut ledger = ledger();
        store(&mut ledger, "BTC");
        ledger.write(
            2_000_000,
            "BTC",
            "100",
            START_MS + 3_999,
            START_MS + 10_000,
            START_MS / 1000 + 300,
        );
        assert_eq!(ledger.backwards_writes(), [2_000_000]);
        ledger.write(
            31_000_000,
            "BTC",
            "100",
            START_MS,
            START_MS + 300_000,
            START_MS / 1000 + 900,
        );
        assert_eq!(
            ledger.backwards_writes(),
            [2_000_000],
            "the price before had expired"
        );
    }

    #[test]
    fn data_older_than_what_has_expired_begin_anew() {
        let mut ledger = ledger();
        let timing = ledger.timing;
        let mut write = |at_us, updated_ms, ttl_s| {
            let updated_ms = START_MS + updated_ms;
            ledger.write(
                at_us,
                "BTC",
                "100",
                updated_ms,
                updated_ms,
                START_MS / 1000 + ttl_s,
            );
        };
        // The clock of the stage runs ten times as fast.
        write(1_000_000, 10_000, 300);
        write(2_000_000, 4_000, 300);
        write(40_000_000, 2_000, 900);
        write(41_000_000, 3_000, 900);
        let began_anew = |updated_ms| {
            let index = ledger.place("BTC").expect("supported");
            ledger.symbols[index].began_anew(START_MS + updated_ms, &timing)
        };
        assert!(
            !began_anew(10_000) && !began_anew(4_000),
            "what was there had not expired"
        );
        assert!(began_anew(2_000) && began_anew(3_000));
        assert!(!began_anew(5), "it was never stored");
    }

    #[test]
    fn a_read_is_fresh_when_all_coins_were_there_and_young_enough() {
        let mut ledger = ledger();
        let both = ["BTC".to_owned(), "ETH".to_owned()];
        store(&mut ledger, "BTC");
        assert!(ledger.read(1_100_000, &both[..1], 1).fresh);
        assert!(!ledger.read(1_100_000, &both, 1).fresh, "one is missing");
        assert!(
            !ledger.read(12_900_000, &both[..1], 1).fresh,
            "two minutes have passed since the fetch"
        );
        store(&mut ledger, "ETH");
        assert!(ledger.read(1_100_000, &both, 2).fresh);
    }

    #[test]
    fn the_nearest_fetch_is_one_that_was_stored_by_then() {
        let mut ledger = ledger();
        let mut fetch = |symbol: &str, at_us, fetched_ms| {
            ledger.write(
                at_us,
                symbol,
                "100",
                START_MS,
                START_MS + fetched_ms,
                START_MS / 1000 + 900,
            );
        };
        fetch("BTC", 1_000_000, 9_000);
        fetch("BTC", 4_000_000, 39_000);
        fetch("BTC", 5_000_000, 9_000);
        fetch("ETH", 2_000_000, 19_000);
        let near = |places: &[Option<usize>], at_us, wall_ms| {
            let fetched = ledger.fetch_near(places, at_us, START_MS + wall_ms);
            fetched.map(|fetched_ms| fetched_ms - START_MS)
        };
        assert_eq!(near(&[Some(0)], 6_000_000, 25_000), Some(39_000));
        assert_eq!(near(&[Some(0)], 6_000_000, 23_000), Some(9_000));
        assert_eq!(near(&[Some(0)], 3_999_999, 39_000), Some(9_000), "not yet stored");
        assert_eq!(near(&[Some(0), None, Some(1)], 6_000_000, 25_000), Some(19_000));
        assert_eq!(near(&[Some(0)], 999_999, 9_000), None);
        assert_eq!(near(&[None], 6_000_000, 9_000), None);
    }

    #[test]
    fn a_refresh_is_stored_with_its_last_write() {
        let mut ledger = ledger();
        store(&mut ledger, "BTC");
        let later = |ledger: &mut PriceLedger, at_us, fetched_ms| {
            ledger.write(
                at_us,
                "ETH",
                "100",
                START_MS,
                START_MS + fetched_ms,
                START_MS / 1000 + 300,
            );
        };
        later(&mut ledger, 1_500_000, 9_000);
        assert_eq!(ledger.stored_us(START_MS + 9_000), Some(1_500_000));
        later(&mut ledger, 3_000_000, 29_000);
        later(&mut ledger, 3_100_000, 9_000);
        assert_eq!(
            ledger.stored_us(START_MS + 9_000),
            Some(1_500_000),
            "a held price written again"
        );
        assert_eq!(ledger.stored_us(START_MS + 10_000), None);
    }
}
