//! The price ledger: every price that the store was given, and whether what clients were served agrees with it.

use std::{collections::HashMap, fmt, sync::Arc};

use rust_decimal::Decimal;
use scenarios::wire::{RequestLine, ServedPrice};

use super::{
    Timing,
    requests::{Flags, NONE, RequestRecord},
    upstream::{HolderKind, LeaseLog},
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
struct Write {
    at_us: u64,
    price: Option<Decimal>,
    updated_ms: i64,
    fetched_ms: i64,
    ttl_s: i64,
    valid: bool,
}

impl Write {
    fn is_live(&self, wall_ms: i64) -> bool {
        self.ttl_s.saturating_mul(1000) > wall_ms
    }
}

/// How an instance served one `lastUpdated` of a symbol.
#[derive(Clone, Copy, Debug)]
struct Served {
    updated_ms: i64,
    first_answered_us: u64,
    last_sent_us: u64,
}

#[derive(Clone, Debug, Default)]
struct SymbolLedger {
    name: String,
    writes: Vec<Write>,
    /// By instance; each list by `updated_ms`, rising.
    served: Vec<Vec<Served>>,
}

/// One refresh: prices that were fetched together.
#[derive(Clone, Debug)]
struct Refresh {
    fetched_ms: i64,
    /// When the store answered its last write, real µs: from then on every process can have the prices.
    stored_us: u64,
    /// Requests that waited for it, by instance.
    waited: Vec<Waited>,
}

/// Requests to one instance that waited for a refresh.
#[derive(Clone, Copy, Debug)]
struct Waited {
    target: u16,
    requests: u32,
    first_answered_us: u64,
}

impl Refresh {
    fn waited(&mut self, target: u16, answered_us: u64) {
        match self.waited.iter_mut().find(|waited| waited.target == target) {
            Some(waited) => {
                waited.requests += 1;
                waited.first_answered_us = waited.first_answered_us.min(answered_us);
            }
            None => self.waited.push(Waited {
                target,
                requests: 1,
                first_answered_us: answered_us,
            }),
        }
    }

    /// How many of the requests that waited read the store again afterwards: all but those of the instance that
    /// fetched, which has the prices in hand and therefore answers first.
    fn read_again(&self, leases: &LeaseLog) -> u64 {
        let all: u64 = self.waited.iter().map(|waited| u64::from(waited.requests)).sum();
        let first = self.waited.iter().min_by_key(|waited| waited.first_answered_us);
        match leases.holder_at(self.stored_us) {
            Some(HolderKind::Api) => all - first.map_or(0, |waited| u64::from(waited.requests)),
            Some(HolderKind::Update | HolderKind::Other) | None => all,
        }
    }
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
    publication: Arc<dyn PublicationCheck>,
    timing: Timing,
    index: HashMap<String, usize>,
    symbols: Vec<SymbolLedger>,
    /// By `fetched_ms`, rising.
    refreshes: Vec<Refresh>,
    backwards_writes: Vec<u64>,
    invalid_writes: u64,
}

/// How many older entries an answer that arrives out of order is compared with.
const LOOK_BACK: usize = 8;

impl PriceLedger {
    /// An empty ledger of the supported `symbols`.
    #[must_use]
    pub fn new(timing: Timing, symbols: &[String], publication: Arc<dyn PublicationCheck>) -> Self {
        Self {
            publication,
            timing,
            index: symbols
                .iter()
                .enumerate()
                .map(|(index, name)| (name.clone(), index))
                .collect(),
            symbols: symbols
                .iter()
                .map(|name| SymbolLedger {
                    name: name.clone(),
                    ..SymbolLedger::default()
                })
                .collect(),
            refreshes: Vec::new(),
            backwards_writes: Vec::new(),
            invalid_writes: 0,
        }
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
        let valid = self
            .publication
            .published(symbol, price, updated_ms, self.timing.start_ms, wall_ms);
        let index = self.index.get(symbol).copied().unwrap_or_else(|| {
            self.index.insert(symbol.to_owned(), self.symbols.len());
            self.symbols.push(SymbolLedger {
                name: symbol.to_owned(),
                ..SymbolLedger::default()
            });
            self.symbols.len() - 1
        });
        let writes = &mut self.symbols[index].writes;
        if writes
            .last()
            .is_some_and(|last| last.is_live(wall_ms) && last.updated_ms > updated_ms)
        {
            self.backwards_writes.push(at_us);
        }
        self.invalid_writes += u64::from(!valid);
        match self.refreshes.last_mut() {
            Some(last) if last.fetched_ms == fetched_ms => last.stored_us = last.stored_us.max(at_us),
            // A price that is held back is written again as it was fetched before.
            Some(last) if last.fetched_ms > fetched_ms => {}
            Some(_) | None => self.refreshes.push(Refresh {
                fetched_ms,
                stored_us: at_us,
                waited: Vec::new(),
            }),
        }
        writes.push(Write {
            at_us,
            price: number(price),
            updated_ms,
            fetched_ms,
            ttl_s,
            valid,
        });
    }

    /// Whether the set as last fetched is fresh at an instant.
    #[must_use]
    pub fn is_fresh_at(&self, at_us: u64, ttl_ms: i64) -> bool {
        let newest = self.refreshes.last();
        newest.is_some_and(|newest| self.timing.wall_ms(at_us) - newest.fetched_ms < ttl_ms)
    }

    /// Compares an answer with what was published and stored, and completes its record.
    pub fn complete(&mut self, line: &RequestLine, record: &mut RequestRecord, leases: &LeaseLog) {
        let mut answer = Answer::default();
        if line.status == 200 {
            for served in &line.prices {
                self.compare(line, served, record, leases, &mut answer);
            }
            for symbol in line
                .asked
                .iter()
                .filter(|asked| !line.prices.iter().any(|p| p.symbol == **asked))
            {
                answer.flags.set(Flags::NOTHING, true);
                let missing = self.was_servable(symbol, line.sent_us, line.answered_us);
                answer.flags.set(Flags::MISSING, missing);
            }
        } else if line.status == 304 {
            answer.oldest_fetch_ms = self.unchanged(line);
        } else {
            answer.flags.set(Flags::NOTHING, true);
        }
        let wall_ms = self.timing.wall_ms(line.answered_us);
        let since = |ms: Option<i64>| {
            ms.map_or(NONE, |ms| {
                u32::try_from((wall_ms - ms).max(0)).unwrap_or(NONE - 1)
            })
        };
        record.age_ms = since(answer.oldest_fetch_ms);
        record.data_age_ms = since(answer.oldest_update_ms);
        record.error_bp = answer.error_bp.unwrap_or(f32::NAN);
        if let Some(index) = answer.refresh {
            answer.flags.set(Flags::REFRESHED, true);
            self.refreshes[index].waited(line.target, line.answered_us);
        }
        record.flags.set(answer.flags, true);
    }

    fn compare(
        &mut self,
        line: &RequestLine,
        served: &ServedPrice,
        record: &RequestRecord,
        leases: &LeaseLog,
        answer: &mut Answer,
    ) {
        let wall_ms = self.timing.wall_ms(line.answered_us);
        let Some(&index) = self.index.get(&served.symbol) else {
            answer.flags.set(Flags::WRONG, true);
            return;
        };
        answer.oldest_update_ms = oldest(answer.oldest_update_ms, served.updated_ms);
        let claimed_ms = line.age_s.map(|age| wall_ms - i64::from(age) * 1000);
        if let Some(write) = self.symbols[index].written(served, line.answered_us, claimed_ms) {
            answer.flags.set(Flags::WRONG, !write.valid);
            answer.oldest_fetch_ms = oldest(answer.oldest_fetch_ms, write.fetched_ms);
            let refresh = self
                .refreshes
                .binary_search_by_key(&write.fetched_ms, |refresh| refresh.fetched_ms);
            if let Ok(index) = refresh
                && self.is_for(line, &served.symbol, self.refreshes[index].stored_us, leases)
            {
                answer.refresh = answer.refresh.max(Some(index));
            }
        } else {
            let start_ms = self.timing.start_ms;
            let valid = self.publication.published(
                &served.symbol,
                &served.price,
                served.updated_ms,
                start_ms,
                wall_ms,
            );
            answer.flags.set(Flags::WRONG, !valid);
            answer.flags.set(Flags::UNTRACED, true);
            if let Some(claimed) = claimed_ms {
                answer.oldest_fetch_ms = oldest(answer.oldest_fetch_ms, claimed);
            }
        }
        let back =
            self.symbols[index].goes_back(record.target, served.updated_ms, line.sent_us, line.answered_us);
        answer.flags.set(Flags::BACKWARDS, back);
        let market = self.publication.market_price(&served.symbol, wall_ms);
        if let Ok(price) = served.price.parse::<f64>()
            && market > 0.0
        {
            let error_bp = ((price - market).abs() / market * 1e4) as f32;
            answer.error_bp = Some(answer.error_bp.map_or(error_bp, |worst| worst.max(error_bp)));
        }
    }

    /// Whether a request waited for the refresh that stored `symbol` at `stored_us`: it was open then, and either
    /// an API process fetched (for its users, that is), or there was nothing else to serve.
    fn is_for(&self, line: &RequestLine, symbol: &str, stored_us: u64, leases: &LeaseLog) -> bool {
        stored_us > line.sent_us
            && (leases.holder_at(stored_us) == Some(HolderKind::Api)
                || !self.was_servable(symbol, line.sent_us, line.sent_us))
    }

    /// Users' price reads within a span of real time that were a second read, after waiting for a refresh.
    #[must_use]
    pub fn rereads(&self, leases: &LeaseLog, window: &std::ops::Range<u64>) -> u64 {
        let within = self
            .refreshes
            .iter()
            .filter(|refresh| window.contains(&refresh.stored_us));
        within.map(|refresh| refresh.read_again(leases)).sum()
    }

    /// Whether the store held a price of `symbol` before `from_us` that stays servable until `to_us`.
    fn was_servable(&self, symbol: &str, from_us: u64, to_us: u64) -> bool {
        let until_ms = self.timing.wall_ms(to_us);
        self.index.get(symbol).is_some_and(|index| {
            let writes = &self.symbols[*index].writes;
            let before = writes.partition_point(|write| write.at_us < from_us);
            before
                .checked_sub(1)
                .is_some_and(|last| writes[last].is_live(until_ms))
        })
    }

    /// The oldest fetch behind a 304, which carries no prices: of the fetches that were stored for its coins,
    /// the one that its `Age` comes nearest to; without `Age`, the newest.
    fn unchanged(&self, line: &RequestLine) -> Option<i64> {
        let wall_ms = self.timing.wall_ms(line.answered_us);
        let claimed_ms = line.age_s.map_or(wall_ms, |age| wall_ms - i64::from(age) * 1000);
        let ledgers = line.asked.iter().filter_map(|symbol| self.index.get(symbol));
        ledgers
            .flat_map(|index| &self.symbols[*index].writes)
            .filter(|write| write.at_us <= line.answered_us)
            .map(|write| write.fetched_ms)
            .min_by_key(|fetched| fetched.abs_diff(claimed_ms))
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
            let writes = ledger.writes.iter().map(|w| StoredWrite {
                at_us: w.at_us,
                fetched_ms: w.fetched_ms,
            });
            (ledger.name.as_str(), writes)
        })
    }

    /// Bytes that the ledger takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |ledger: &SymbolLedger| {
            ledger.writes.len() * size_of::<Write>()
                + ledger.served.iter().map(Vec::len).sum::<usize>() * size_of::<Served>()
        };
        let refreshes = size_of_val(self.refreshes.as_slice())
            + self
                .refreshes
                .iter()
                .map(|refresh| size_of_val(refresh.waited.as_slice()))
                .sum::<usize>();
        refreshes + self.symbols.iter().map(of).sum::<usize>()
    }
}

/// What has been found out about an answer so far.
#[derive(Default)]
struct Answer {
    flags: Flags,
    oldest_fetch_ms: Option<i64>,
    oldest_update_ms: Option<i64>,
    error_bp: Option<f32>,
    /// The refresh that it waited for.
    refresh: Option<usize>,
}

fn oldest(known: Option<i64>, other: i64) -> Option<i64> {
    Some(known.map_or(other, |known| known.min(other)))
}

impl SymbolLedger {
    /// The write that a served price came from. When the same data were stored more than once (only `fetchedAt`
    /// moved), the one that the `Age` header comes nearest to; without one, the oldest.
    fn written(&self, served: &ServedPrice, answered_us: u64, claimed_ms: Option<i64>) -> Option<Write> {
        let price = number(&served.price)?;
        let mut same = self
            .writes
            .iter()
            .rev()
            .skip_while(|write| write.at_us > answered_us)
            .skip_while(|write| write.updated_ms > served.updated_ms)
            .filter(|write| write.updated_ms == served.updated_ms && write.price == Some(price));
        let newest = *same.next()?;
        let distance = |write: &Write| {
            claimed_ms.map_or(write.fetched_ms.unsigned_abs(), |at| {
                write.fetched_ms.abs_diff(at)
            })
        };
        // Equal data stand next to each other: whoever looks further back than a few finds nothing.
        Some(same.take(LOOK_BACK).copied().fold(newest, |best, write| {
            if distance(&write) < distance(&best) {
                write
            } else {
                best
            }
        }))
    }

    /// Notes that an instance served `updated_ms`; true when that goes back on another answer of it that had
    /// been given before this request was sent (or the other way round, when lines arrive out of order).
    fn goes_back(&mut self, target: u16, updated_ms: i64, sent_us: u64, answered_us: u64) -> bool {
        let target = usize::from(target);
        if self.served.len() <= target {
            self.served.resize(target + 1, Vec::new());
        }
        let list = &mut self.served[target];
        let place = list.partition_point(|served| served.updated_ms < updated_ms);
        match list
            .get_mut(place)
            .filter(|served| served.updated_ms == updated_ms)
        {
            Some(served) => {
                served.first_answered_us = served.first_answered_us.min(answered_us);
                served.last_sent_us = served.last_sent_us.max(sent_us);
            }
            None => list.insert(
                place,
                Served {
                    updated_ms,
                    first_answered_us: answered_us,
                    last_sent_us: sent_us,
                },
            ),
        }
        let newer_before = list[place + 1..]
            .iter()
            .any(|newer| newer.first_answered_us < sent_us);
        let older_after = list[..place]
            .iter()
            .rev()
            .take(LOOK_BACK)
            .any(|older| older.last_sent_us > answered_us);
        newer_before || older_after
    }
}

/// A JSON number as a decimal, so that `1.50` equals `1.5`.
fn number(text: &str) -> Option<Decimal> {
    text.parse().or_else(|_| Decimal::from_scientific(text)).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::event::{LeaseAction, LeaseEvent};

    /// Publishes only the price 100 at any time; the market stands at 101.
    #[derive(Debug)]
    pub(crate) struct Hundred;

    impl PublicationCheck for Hundred {
        fn published(&self, _: &str, price: &str, _: i64, _: i64, _: i64) -> bool {
            price.parse() == Ok(100.0)
        }

        fn market_price(&self, _: &str, _: i64) -> f64 {
            101.0
        }
    }

    const START_MS: i64 = 1_772_409_600_000;

    fn ledger() -> PriceLedger {
        let timing = Timing {
            start_ms: START_MS,
            speed: 10.0,
            duration: Duration::from_secs(600),
        };
        PriceLedger::new(timing, &["BTC".to_owned(), "ETH".to_owned()], Arc::new(Hundred))
    }

    fn line(sent_us: u64, answered_us: u64, asked: &[&str], prices: &[(&str, &str, i64)]) -> RequestLine {
        RequestLine {
            due_us: sent_us,
            sent_us,
            answered_us,
            route: "/prices".to_owned(),
            owed: 200,
            status: 200,
            asked: asked.iter().map(|s| (*s).to_owned()).collect(),
            prices: prices
                .iter()
                .map(|(symbol, price, updated_ms)| ServedPrice {
                    symbol: (*symbol).to_owned(),
                    price: (*price).to_owned(),
                    updated_ms: START_MS + updated_ms,
                })
                .collect(),
            ..RequestLine::default()
        }
    }

    fn complete(ledger: &mut PriceLedger, line: &RequestLine) -> RequestRecord {
        let mut record = RequestRecord::of(0, line, None);
        ledger.complete(line, &mut record, &LeaseLog::default());
        record
    }

    /// Stored at real 1 s: fetched at wall 9 s, updated at wall 4 s, servable for 300 wall seconds.
    fn store(ledger: &mut PriceLedger, symbol: &str) {
        ledger.write(
            1_000_000,
            symbol,
            "100.0",
            START_MS + 4_000,
            START_MS + 9_000,
            START_MS / 1000 + 300,
        );
    }

    #[test]
    fn ages_come_from_the_write_behind_the_price() {
        let mut ledger = ledger();
        store(&mut ledger, "BTC");
        let record = complete(
            &mut ledger,
            &line(1_900_000, 2_000_000, &["BTC"], &[("BTC", "100", 4_000)]),
        );
        assert_eq!((record.age_ms, record.data_age_ms), (11_000, 16_000));
        assert!((record.error_bp - 99.0099).abs() < 1e-2);
        assert_eq!(record.flags, Flags::default());
    }

    #[test]
    fn a_price_that_was_never_published_is_wrong() {
        let mut ledger = ledger();
        store(&mut ledger, "BTC");
        let record = complete(
            &mut ledger,
            &line(1_900_000, 2_000_000, &["BTC"], &[("BTC", "99", 4_000)]),
        );
        assert!(record.flags.has(Flags::WRONG) && record.flags.has(Flags::UNTRACED));

        ledger.write(2_000_000, "ETH", "7", START_MS, START_MS, START_MS / 1000 + 300);
        assert_eq!(ledger.invalid_writes(), 1);
        let record = complete(
            &mut ledger,
            &line(2_900_000, 3_000_000, &["ETH"], &[("ETH", "7.0", 0)]),
        );
        assert!(record.flags.has(Flags::WRONG) && !record.flags.has(Flags::UNTRACED));
    }

    #[test]
    fn a_coin_is_missing_only_while_the_store_could_serve_it() {
        let mut ledger = ledger();
        store(&mut ledger, "BTC");
        let missing = |ledger: &mut PriceLedger, sent, answered| {
            let record = complete(ledger, &line(sent, answered, &["BTC", "ETH"], &[]));
            assert!(record.flags.has(Flags::NOTHING));
            record.flags.has(Flags::MISSING)
        };
        assert!(
            !missing(&mut ledger, 900_000, 1_100_000),
            "stored after the request was sent"
        );
        assert!(missing(&mut ledger, 1_100_000, 1_200_000));
        assert!(
            !missing(&mut ledger, 29_900_000, 30_100_000),
            "its time to live ends while the request is open"
        );
    }

    #[test]
    fn going_back_is_seen_per_instance_and_in_any_order_of_arrival() {
        let mut ledger = ledger();
        let mut serve = |target, sent, answered, updated| {
            let mut line = line(sent, answered, &["BTC"], &[("BTC", "100", updated)]);
            line.target = target;
            complete(&mut ledger, &line).flags.has(Flags::BACKWARDS)
        };
        assert!(!serve(0, 100, 200, 5_000));
        assert!(!serve(0, 150, 300, 4_000), "both were open at once");
        assert!(!serve(1, 400, 500, 4_000), "another instance");
        assert!(serve(0, 400, 500, 4_000), "sent after the newer one was answered");
        assert!(
            serve(1, 10, 20, 6_000),
            "answered before the older one was sent, heard of later"
        );
    }

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
    fn a_price_stored_while_the_request_was_open_was_fetched_for_it() {
        let mut ledger = ledger();
        store(&mut ledger, "BTC");
        let early = complete(
            &mut ledger,
            &line(500_000, 1_200_000, &["BTC"], &[("BTC", "100", 4_000)]),
        );
        assert!(early.flags.has(Flags::REFRESHED));
        let later = complete(
            &mut ledger,
            &line(1_100_000, 1_200_000, &["BTC"], &[("BTC", "100", 4_000)]),
        );
        assert!(!later.flags.has(Flags::REFRESHED));

        // Written again by nobody in particular while there was something to serve: a store hit.
        ledger.write(
            2_000_000,
            "BTC",
            "100",
            START_MS + 15_000,
            START_MS + 19_000,
            START_MS / 1000 + 300,
        );
        let overlap = complete(
            &mut ledger,
            &line(1_900_000, 2_100_000, &["BTC"], &[("BTC", "100", 15_000)]),
        );
        assert!(!overlap.flags.has(Flags::REFRESHED));
    }

    #[test]
    fn who_waits_for_another_instance_reads_the_store_again() {
        let mut ledger = ledger();
        let mut leases = LeaseLog::default();
        let acquire = |at_us, holder: &str| LeaseEvent {
            at_us,
            holder: holder.to_owned(),
            action: LeaseAction::Acquire,
            held: true,
        };
        leases.record(&acquire(900_000, "api-aa"));
        store(&mut ledger, "BTC");
        for (target, answered_us) in [
            (0, 1_001_000),
            (1, 1_080_000),
            (1, 1_080_500),
            (0, 1_001_500),
            (0, 1_002_000),
        ] {
            let mut line = line(950_000, answered_us, &["BTC"], &[("BTC", "100", 4_000)]);
            line.target = target;
            let mut record = RequestRecord::of(0, &line, None);
            ledger.complete(&line, &mut record, &leases);
            assert!(record.flags.has(Flags::REFRESHED));
        }
        assert_eq!(ledger.rereads(&leases, &(0..u64::MAX)), 2, "those of instance 1");
        assert_eq!(ledger.rereads(&leases, &(0..1_000_000)), 0);

        let mut updater = LeaseLog::default();
        updater.record(&acquire(900_000, "update-bb"));
        assert_eq!(
            ledger.rereads(&updater, &(0..u64::MAX)),
            5,
            "nobody has the prices in hand"
        );
    }

    #[test]
    fn equal_data_stored_twice_are_told_apart_by_age() {
        let mut ledger = ledger();
        store(&mut ledger, "BTC");
        ledger.write(
            2_000_000,
            "BTC",
            "100",
            START_MS + 4_000,
            START_MS + 19_000,
            START_MS / 1000 + 300,
        );
        let mut serve = |age_s| {
            let mut line = line(2_100_000, 2_100_000, &["BTC"], &[("BTC", "100", 4_000)]);
            line.age_s = age_s;
            complete(&mut ledger, &line).age_ms
        };
        assert_eq!(serve(Some(2)), 2_000);
        assert_eq!(serve(Some(12)), 12_000);
        assert_eq!(serve(None), 12_000, "without Age the older is assumed");
    }
}
