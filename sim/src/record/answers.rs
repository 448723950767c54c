//! What an answer was worth: how old, whether true and complete, and which tier it came from, by what was
//! published and stored and read.

use scenarios::wire::{RequestLine, ServedPrice};

use super::{
    links::{Coins, Links, Reads},
    prices::PriceLedger,
    requests::{Flags, NONE, RequestRecord, Tier},
    traces::Trace,
    upstream::{HolderKind, LeaseLog},
};

/// Whoever reads the store within this time of its admission, real µs, has not waited for a refresh before.
const AT_ONCE_US: u64 = 50_000;

/// How long a process may be put aside between an event and what it makes of it, real µs: what happened within
/// this time of each other may have been seen in the other order.
const UNSURE_US: u64 = 10_000;

/// What has been found out about an answer so far.
#[derive(Default)]
struct Answer<'a> {
    /// What the request did at the store, where that is known.
    trace: Option<&'a Trace>,
    /// The worst coin so far, by its trace.
    tier: Option<Tier>,
    flags: Flags,
    oldest_fetch_ms: Option<i64>,
    newest_fetch_ms: Option<i64>,
    oldest_update_ms: Option<i64>,
    error_bp: Option<f32>,
}

impl Answer<'_> {
    fn fetched(&mut self, fetched_ms: i64) {
        self.oldest_fetch_ms = Some(
            self.oldest_fetch_ms
                .map_or(fetched_ms, |known| known.min(fetched_ms)),
        );
        self.newest_fetch_ms = self.newest_fetch_ms.max(Some(fetched_ms));
    }
}

impl PriceLedger {
    /// Compares an answer with what was published and stored, and completes its record.
    pub(super) fn complete(
        &mut self,
        line: &RequestLine,
        record: &mut RequestRecord,
        trace: Option<&Trace>,
        links: &mut Links,
        leases: &LeaseLog,
    ) {
        let wall_ms = self.timing.wall_ms(line.answered_us);
        let claimed_ms = line.age_s.map(|age| wall_ms - i64::from(age) * 1000);
        let mut answer = Answer {
            trace,
            ..Answer::default()
        };
        let mut asked = std::mem::take(&mut self.asked);
        asked.clear();
        asked.extend(line.asked.iter().map(|symbol| self.place(symbol)));
        match line.status {
            200 => {
                // Prices come in the order asked, so each symbol is looked up once.
                let mut rest = line.asked.iter().zip(&asked);
                for served in line.prices.iter() {
                    let place = rest
                        .find(|(symbol, _)| **symbol == *served.symbol)
                        .map_or_else(|| self.place(&served.symbol), |(_, place)| *place);
                    self.compare(line, served, place, claimed_ms, &mut answer);
                }
                self.look_for_missing(line, &asked, &mut answer);
            }
            // It carries no prices: of the fetches that were stored for its coins, the one that its `Age` names.
            304 => {
                let near_ms = claimed_ms.unwrap_or(wall_ms);
                if let Some(fetched) = self.fetch_near(&asked, line.answered_us, near_ms) {
                    answer.fetched(fetched);
                    for index in asked.iter().flatten() {
                        self.traced(*index, fetched, &mut answer);
                    }
                }
                let is_there =
                    |place: &Option<usize>| self.was_servable(*place, line.answered_us + 1, line.answered_us);
                answer.flags.set(Flags::NOTHING, !asked.iter().all(is_there));
            }
            _ => answer.flags.set(Flags::NOTHING, true),
        }
        let since = |ms: Option<i64>| {
            ms.map_or(NONE, |ms| {
                u32::try_from((wall_ms - ms).max(0)).unwrap_or(NONE - 1)
            })
        };
        record.age_ms = since(answer.oldest_fetch_ms);
        record.data_age_ms = since(answer.oldest_update_ms);
        record.error_bp = answer.error_bp.unwrap_or(f32::NAN);
        record.flags.set(answer.flags, true);
        if trace.is_some() {
            record.tier = if answer.flags.has(Flags::NOTHING) {
                Some(Tier::Nothing)
            } else {
                answer.tier
            };
            self.asked = asked;
            return;
        }
        let admitted_us = links.arrival(record.key, line.sent_us, line.answered_us);
        let from_us = admitted_us.unwrap_or(line.sent_us);
        let mut coins = Coins::default();
        asked.iter().flatten().for_each(|index| coins.add(*index));
        let reads = links.reads(coins, from_us, line.answered_us);
        record.tier = Some(self.tier(line, &asked, &answer, from_us, reads, leases));
        record
            .flags
            .set(Flags::UNSURE, self.is_close(&answer, from_us, reads));
        self.asked = asked;
    }

    /// Compares one price, of the symbol at `place`, with what was stored and published.
    fn compare(
        &mut self,
        line: &RequestLine,
        served: &ServedPrice,
        place: Option<usize>,
        claimed_ms: Option<i64>,
        answer: &mut Answer<'_>,
    ) {
        let wall_ms = self.timing.wall_ms(line.answered_us);
        let Some(index) = place else {
            answer.flags.set(Flags::WRONG, true);
            return;
        };
        let updated = served.updated_ms;
        answer.oldest_update_ms = Some(
            answer
                .oldest_update_ms
                .map_or(updated, |known| known.min(updated)),
        );
        let number = self.symbols[index].spelling.read(&served.price);
        if let Some(write) = self.symbols[index].written(served, number, claimed_ms) {
            answer.flags.set(Flags::WRONG, !write.valid);
            answer.fetched(write.fetched_ms);
            // No coin is older than `Age` (whole seconds) says, though equal data may have been stored before.
            let too_old = claimed_ms.filter(|claimed| write.fetched_ms + 1000 <= *claimed);
            self.traced(index, too_old.unwrap_or(write.fetched_ms), answer);
        } else {
            let start_ms = self.timing.start_ms;
            let valid = self
                .publication
                .published(&served.symbol, &served.price, updated, start_ms, wall_ms);
            answer.flags.set(Flags::WRONG, !valid);
            answer.flags.set(Flags::UNTRACED, true);
            if let Some(claimed) = claimed_ms {
                answer.fetched(claimed);
                self.traced(index, claimed, answer);
            }
        }
        let ledger = &mut self.symbols[index];
        let back = ledger
            .served
            .goes_back(line.target, updated, line.sent_us, line.answered_us);
        let back = back && !ledger.began_anew(updated, &self.timing);
        answer.flags.set(Flags::BACKWARDS, back);
        let market = self.publication.market_price(&served.symbol, wall_ms);
        if let Some(price) = number.float
            && market > 0.0
        {
            let error_bp = ((price - market).abs() / market * 1e4) as f32;
            answer.error_bp = Some(answer.error_bp.map_or(error_bp, |worst| worst.max(error_bp)));
        }
    }

    /// Takes in where a coin came from, by what the request did.
    fn traced(&self, index: usize, fetched_ms: i64, answer: &mut Answer<'_>) {
        if let Some(trace) = answer.trace {
            answer.tier = answer.tier.max(Some(self.tier_of(index, fetched_ms, trace)));
        }
    }

    /// Looks for coins that were asked for and left out.
    fn look_for_missing(&self, line: &RequestLine, asked: &[Option<usize>], answer: &mut Answer<'_>) {
        let mut prices = line.prices.iter().peekable();
        for (symbol, place) in line.asked.iter().zip(asked) {
            let is_next = prices.next_if(|price| *price.symbol == **symbol).is_some();
            if is_next || line.prices.iter().any(|price| *price.symbol == **symbol) {
                continue;
            }
            answer.flags.set(Flags::NOTHING, true);
            answer.flags.set(
                Flags::MISSING,
                self.was_servable(*place, line.sent_us, line.answered_us),
            );
        }
    }

    /// Where the worst coin came from. `from_us` is when the service began to look for prices.
    ///
    /// Stale is what was past its TTL when the service looked. (When the client had the answer it was older still,
    /// which a fast clock makes matter; a read that found it wanting settles the doubt.)
    fn tier(
        &self,
        line: &RequestLine,
        asked: &[Option<usize>],
        answer: &Answer<'_>,
        from_us: u64,
        reads: Reads,
        leases: &LeaseLog,
    ) -> Tier {
        let (begun_ms, ended_ms) = (
            self.timing.wall_ms(from_us),
            self.timing.wall_ms(line.answered_us),
        );
        let was_stale = answer.oldest_fetch_ms.is_some_and(|fetched| {
            let is_past = |at_ms: i64| at_ms - fetched >= self.cache_ttl_ms;
            is_past(begun_ms) || (is_past(ended_ms) && reads.wanting_us.is_some())
        });
        let read_at_once = reads.fresh_us.is_some_and(|at_us| at_us < from_us + AT_ONCE_US);
        match () {
            () if answer.flags.has(Flags::NOTHING) => Tier::Nothing,
            () if was_stale => Tier::Stale,
            () if reads.wanting_us.is_some() || !read_at_once => {
                if self.waited(asked, answer, from_us, leases) {
                    Tier::Upstream
                } else if reads.fresh_us.is_some() {
                    Tier::Store
                } else {
                    Tier::Memory
                }
            }
            () => Tier::Store,
        }
    }

    /// Whether a request came so close to a refresh, or to the end of a TTL, that from outside it cannot be told which
    /// was first. Of one that read, what it read decides; but when a refresh of its own process ends between the answer
    /// of the store and what the service makes of it, that is what it serves.
    fn is_close(&self, answer: &Answer<'_>, from_us: u64, reads: Reads) -> bool {
        let around = |at_us: u64| at_us.saturating_sub(UNSURE_US)..at_us + UNSURE_US;
        let stored_us = answer.newest_fetch_ms.and_then(|fetched| self.stored_us(fetched));
        let is_stored_near =
            |at_us: u64| stored_us.is_some_and(|stored_us| around(at_us).contains(&stored_us));
        if reads != Reads::default() {
            return reads.wanting_us.is_some_and(is_stored_near);
        }
        let is_past = |fetched: i64, at_us: u64| self.timing.wall_ms(at_us) - fetched >= self.cache_ttl_ms;
        let near = around(from_us);
        is_stored_near(from_us)
            || answer
                .oldest_fetch_ms
                .is_some_and(|fetched| is_past(fetched, near.start) != is_past(fetched, near.end))
    }

    /// Whether a request waited for the refresh that brought its prices: it was at the service when they were
    /// stored, and either an API process had fetched them (for its users, that is), or there was nothing to serve
    /// meanwhile and it knew that another held the lease. Who asked for the lease only when that had been given back
    /// waited for its own slow read, not for the refresh.
    fn waited(&self, asked: &[Option<usize>], answer: &Answer<'_>, from_us: u64, leases: &LeaseLog) -> bool {
        answer.newest_fetch_ms.is_some_and(|fetched_ms| {
            self.stored_us(fetched_ms).is_some_and(|stored_us| {
                let tenure = leases.tenure_at(stored_us);
                stored_us > from_us
                    && tenure.is_some_and(|tenure| {
                        tenure.kind == HolderKind::Api
                            || (tenure.seen_by_api && !self.had_something(asked, fetched_ms, from_us))
                    })
            })
        })
    }

    /// Whether there was something to serve at an instant. While coins are gone, what the refresh that brought the
    /// prices had stored by then is not: its other half follows.
    fn had_something(&self, asked: &[Option<usize>], fetched_ms: i64, at_us: u64) -> bool {
        let mut coins = asked.iter().map(|place| self.servable(*place, at_us, at_us));
        coins.clone().all(|coin| coin.is_some())
            || coins.any(|coin| coin.is_some_and(|write| write.fetched_ms != fetched_ms))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::record::{
        PublicationCheck, Timing,
        event::{LeaseAction, LeaseEvent},
        links::PriceRead,
    };

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

    pub(crate) const START_MS: i64 = 1_772_409_600_000;

    pub(crate) fn ledger() -> PriceLedger {
        let timing = Timing {
            start_ms: START_MS,
            speed: 10.0,
            duration: Duration::from_secs(600),
        };
        PriceLedger::new(
            timing,
            Duration::from_secs(120),
            &["BTC".to_owned(), "ETH".to_owned()],
            Arc::new(Hundred),
        )
    }

    fn line(sent_us: u64, answered_us: u64, asked: &[&str], prices: &[(&str, &str, i64)]) -> RequestLine {
        RequestLine {
            due_us: sent_us,
            sent_us,
            answered_us,
            route: "/prices".into(),
            owed: 200,
            status: 200,
            asked: asked.iter().map(|s| (*s).to_owned()).collect(),
            prices: prices
                .iter()
                .map(|(symbol, price, updated_ms)| ServedPrice {
                    symbol: (*symbol).into(),
                    price: (*price).into(),
                    updated_ms: START_MS + updated_ms,
                })
                .collect(),
            ..RequestLine::default()
        }
    }

    fn complete(ledger: &mut PriceLedger, line: &RequestLine) -> RequestRecord {
        let mut record = RequestRecord::of(0, line, None);
        ledger.complete(
            line,
            &mut record,
            None,
            &mut Links::default(),
            &LeaseLog::default(),
        );
        record
    }

    /// Stored at real 1 s: fetched at wall 9 s, updated at wall 4 s, servable for 300 wall seconds.
    pub(crate) fn store(ledger: &mut PriceLedger, symbol: &str) {
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

    /// The tier of an answer to a request for BTC that was at the service from `from_us` to `to_us`.
    fn tier(
        ledger: &mut PriceLedger,
        leases: &LeaseLog,
        reads: &[PriceRead],
        from_us: u64,
        to_us: u64,
    ) -> Option<Tier> {
        let line = line(from_us, to_us, &["BTC"], &[("BTC", "100", 4_000)]);
        let mut record = RequestRecord::of(0, &line, None);
        let mut links = Links::default();
        reads.iter().for_each(|read| links.read(*read));
        ledger.complete(&line, &mut record, None, &mut links, leases);
        record.tier
    }

    #[test]
    fn the_tier_is_told_by_reads_refreshes_and_age() {
        let mut ledger = ledger();
        let mut leases = LeaseLog::default();
        leases.record(&LeaseEvent {
            at_us: 900_000,
            holder: "api-aa".to_owned(),
            action: LeaseAction::Acquire,
            held: true,
        });
        let before = ledger.read(960_000, &["BTC".to_owned()], 0);
        store(&mut ledger, "BTC");
        let after = |at_us| ledger.read(at_us, &["BTC".to_owned()], 1);
        let (soon, later) = (after(1_101_000), after(1_080_000));
        let stale = after(13_001_000);
        let mut told = |reads: &[PriceRead], from, to| tier(&mut ledger, &leases, reads, from, to);
        assert_eq!(told(&[], 1_100_000, 1_101_000), Some(Tier::Memory));
        assert_eq!(told(&[soon], 1_100_000, 1_102_000), Some(Tier::Store));
        assert_eq!(
            told(&[before], 950_000, 1_002_000),
            Some(Tier::Upstream),
            "it waited for its own refresh"
        );
        assert_eq!(
            told(&[], 950_000, 1_002_000),
            Some(Tier::Upstream),
            "it knew that reading was in vain"
        );
        assert_eq!(
            told(&[before, later], 950_000, 1_082_000),
            Some(Tier::Upstream),
            "it read again"
        );
        assert_eq!(
            told(&[later], 990_000, 1_082_000),
            Some(Tier::Upstream),
            "it read only after waiting"
        );
        let overlapping = PriceRead {
            at_us: 1_001_000,
            ..soon
        };
        assert_eq!(
            told(&[overlapping], 999_000, 1_002_000),
            Some(Tier::Store),
            "the refresh was just over"
        );
        assert_eq!(told(&[stale], 13_000_000, 13_002_000), Some(Tier::Stale));
        assert_eq!(
            told(&[], 12_899_000, 12_901_000),
            Some(Tier::Memory),
            "it aged on its way"
        );
        assert_eq!(
            told(&[stale], 12_899_000, 13_100_000),
            Some(Tier::Stale),
            "it aged before it was looked for"
        );
    }

    #[test]
    fn what_comes_close_to_a_refresh_or_an_expiry_is_unsure() {
        let mut ledger = ledger();
        let (long_before, just_before) = (
            ledger.read(985_000, &["BTC".to_owned()], 0),
            ledger.read(995_000, &["BTC".to_owned()], 0),
        );
        store(&mut ledger, "BTC");
        let mut unsure = |from_us: u64, read: bool| {
            let line = line(from_us, from_us + 20_000, &["BTC"], &[("BTC", "100", 4_000)]);
            let mut record = RequestRecord::of(0, &line, None);
            let mut links = Links::default();
            if read {
                links.read(ledger.read(from_us + 1_000, &["BTC".to_owned()], 1));
            }
            ledger.complete(&line, &mut record, None, &mut links, &LeaseLog::default());
            record.flags.has(Flags::UNSURE)
        };
        assert!(!unsure(985_000, false), "long before");
        assert!(unsure(995_000, false) && unsure(1_005_000, false));
        assert!(!unsure(1_005_000, true), "its read tells");
        assert!(!unsure(1_015_000, false) && !unsure(5_000_000, false));
        assert!(unsure(12_895_000, false), "its TTL ends at 12.9 s");
        assert!(!unsure(13_000_000, false));

        let mut after = |read: PriceRead| {
            let line = line(980_000, 1_002_000, &["BTC"], &[("BTC", "100", 4_000)]);
            let mut record = RequestRecord::of(0, &line, None);
            let mut links = Links::default();
            links.read(read);
            ledger.complete(&line, &mut record, None, &mut links, &LeaseLog::default());
            record.flags.has(Flags::UNSURE)
        };
        assert!(!after(long_before), "it has waited since");
        assert!(after(just_before), "the answer may have found it in memory");
    }

    #[test]
    fn who_has_something_to_serve_does_not_wait_for_the_updater() {
        let mut ledger = ledger();
        let mut leases = LeaseLog::default();
        leases.record(&LeaseEvent {
            at_us: 900_000,
            holder: "update-aa".to_owned(),
            action: LeaseAction::Acquire,
            held: true,
        });
        let wanting = ledger.read(951_000, &["BTC".to_owned()], 0);
        store(&mut ledger, "BTC");
        let fresh = ledger.read(1_049_000, &["BTC".to_owned()], 1);
        let mut first = |leases: &LeaseLog| tier(&mut ledger, leases, &[wanting, fresh], 950_000, 1_050_000);
        assert_eq!(
            first(&leases),
            Some(Tier::Store),
            "it asked for the lease when that had been given back"
        );
        leases.record(&LeaseEvent {
            at_us: 952_000,
            holder: "api-bb".to_owned(),
            action: LeaseAction::Acquire,
            held: false,
        });
        assert_eq!(first(&leases), Some(Tier::Upstream), "it had nothing");
        let again = |ledger: &mut PriceLedger, symbol: &str, at_us, updated_ms, fetched_ms| {
            let (updated_ms, fetched_ms) = (START_MS + updated_ms, START_MS + fetched_ms);
            ledger.write(
                at_us,
                symbol,
                "100",
                updated_ms,
                fetched_ms,
                START_MS / 1000 + 300,
            );
        };
        again(&mut ledger, "BTC", 2_000_000, 4_000, 19_000);
        assert_eq!(
            tier(&mut ledger, &leases, &[], 1_990_000, 2_010_000),
            Some(Tier::Memory)
        );

        // ETH is stored for the first time, beside a BTC that is there.
        again(&mut ledger, "BTC", 3_000_000, 5_000, 29_000);
        again(&mut ledger, "ETH", 3_100_000, 5_000, 29_000);
        let mut both = |from_us| {
            let prices = [("BTC", "100", 5_000), ("ETH", "100", 5_000)];
            let line = line(from_us, 3_110_000, &["BTC", "ETH"], &prices);
            let mut record = RequestRecord::of(0, &line, None);
            ledger.complete(&line, &mut record, None, &mut Links::default(), &leases);
            record.tier
        };
        assert_eq!(both(2_990_000), Some(Tier::Memory), "it had the BTC of before");
        assert_eq!(
            both(3_050_000),
            Some(Tier::Upstream),
            "it had half of what was being stored"
        );
    }
}
