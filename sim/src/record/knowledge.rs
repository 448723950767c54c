//! What the memory of an instance must hold, by what it read and stored; and where a coin came from, by that and by what
//! its request did. In virtual time, where both are known exactly.
//!
//! Two things cannot be told from here, and no built-in scenario or sweep comes near them. What an instance learns only from
//! the strong read of its own refresh, having stored nothing of that coin, is not counted as known: it was stored by a
//! refresh that then failed, or is stale by then, since nobody refreshes before the set is due. And beyond 128 supported
//! coins two share a place in the reads of a request.

use super::{
    event::Asker,
    prices::{PriceLedger, SymbolLedger},
    requests::Tier,
    traces::{OwnRead, Trace},
};

/// A fetch of a coin that an instance has in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Learned {
    fetched_ms: i64,
    /// The place among all events of the first read that told so; `u64::MAX` when none did.
    read: u64,
    /// Whether it stored it itself: then it knows it with the last write of that refresh.
    own: bool,
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            fetched_ms: i64::MIN,
            read: u64::MAX,
            own: false,
        }
    }
}

impl PriceLedger {
    /// The last write, of `symbol`, was caused on behalf of `asker`, as event number `order`.
    pub(super) fn written_for(&mut self, asker: Asker, order: u64, symbol: &str, fetched_ms: i64) {
        // A price that is held back is written as it was fetched before.
        if self.stored_last(fetched_ms, (asker.instance, order))
            && let Some(index) = self.place(symbol)
        {
            self.symbols[index].learn(
                asker.instance,
                Learned {
                    fetched_ms,
                    read: u64::MAX,
                    own: true,
                },
            );
        }
    }

    /// An instance was started again, and knows nothing.
    pub(super) fn forgotten_by(&mut self, instance: u16) {
        for ledger in &mut self.symbols {
            if let Some(learned) = ledger.learned.get_mut(usize::from(instance)) {
                *learned = [Learned::default(); 2];
            }
        }
    }

    /// A read of `symbols` that a request made for itself, as event number `order`, answered at an instant.
    pub(super) fn own_read(
        &mut self,
        asker: Asker,
        order: u64,
        at_us: u64,
        symbols: &[impl AsRef<str>],
    ) -> OwnRead {
        let wall_ms = self.timing.wall_ms(at_us);
        let mut read = OwnRead {
            at_us,
            ..OwnRead::default()
        };
        for symbol in symbols {
            let Some(index) = self.place(symbol.as_ref()) else {
                continue;
            };
            read.coins.add(index);
            let ledger = &mut self.symbols[index];
            let Some(newest) = ledger.writes.last().filter(|write| write.is_live(wall_ms)) else {
                continue;
            };
            let fetched_ms = newest.fetched_ms;
            read.servable.add(index);
            if wall_ms - fetched_ms < self.cache_ttl_ms {
                read.fresh.add(index);
            }
            ledger.learn(
                asker.instance,
                Learned {
                    fetched_ms,
                    read: order,
                    own: false,
                },
            );
        }
        read
    }

    /// Where the coin at `index` came from, which was fetched at `fetched_ms`. (When equal data were stored
    /// more than once, that may be any fetch of them that is no older than the oldest coin of the answer.)
    pub(super) fn tier_of(&self, index: usize, fetched_ms: i64, trace: &Trace) -> Tier {
        let mut own_reads = trace.reads.iter().filter(|read| read.coins.has(index));
        if let Some(fresh) = own_reads.clone().find(|read| read.fresh.has(index)) {
            return if fresh.waited { Tier::Upstream } else { Tier::Store };
        }
        let last = own_reads.next_back();
        match last {
            _ if self.is_past(fetched_ms, last.map_or(trace.at_us, |read| read.at_us)) => Tier::Stale,
            None if self.was_known_fresh(index, trace) => Tier::Memory,
            // It was not there when the request looked, so it came while it waited.
            None | Some(_) => Tier::Upstream,
        }
    }

    /// Whether an instance had a fresh price of a coin in memory when a request of it began to look.
    fn was_known_fresh(&self, index: usize, trace: &Trace) -> bool {
        let learned = self.symbols[index].learned.get(usize::from(trace.instance));
        learned.into_iter().flatten().any(|learned| {
            !self.is_past(learned.fetched_ms, trace.at_us)
                && (learned.read < trace.order
                    || (learned.own && self.stored_by(learned.fetched_ms, trace.instance) < trace.order))
        })
    }

    /// Whether what was fetched at `fetched_ms` is past its TTL at an instant.
    fn is_past(&self, fetched_ms: i64, at_us: u64) -> bool {
        self.timing.wall_ms(at_us).saturating_sub(fetched_ms) >= self.cache_ttl_ms
    }

    /// The place among all events of an instance's last write of what was fetched at `fetched_ms`.
    fn stored_by(&self, fetched_ms: i64, instance: u16) -> u64 {
        let by = self.refresh(fetched_ms).and_then(|refresh| refresh.by);
        by.filter(|(by, _)| *by == instance)
            .map_or(u64::MAX, |(_, order)| order)
    }
}

impl SymbolLedger {
    /// An instance read or stored the newest price.
    fn learn(&mut self, instance: u16, news: Learned) {
        let instance = usize::from(instance);
        if self.learned.len() <= instance {
            self.learned.resize(instance + 1, [Learned::default(); 2]);
        }
        let [last, before] = &mut self.learned[instance];
        if last.fetched_ms == news.fetched_ms {
            last.read = last.read.min(news.read);
            last.own |= news.own;
        } else {
            *before = std::mem::replace(last, news);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{
        answers::tests::{START_MS, ledger},
        event::{StoreCall, StoreOp, StoreSubject},
        traces::Traces,
    };

    /// Two coins, two instances, and all that happens to them in order. Ten wall seconds pass in a real one; prices are
    /// fresh for 12 real seconds and servable until 90.
    struct Play {
        ledger: PriceLedger,
        traces: Traces,
        order: u64,
    }

    impl Play {
        fn new() -> Self {
            let (ledger, traces) = (ledger(), Traces::default());
            Self {
                ledger,
                traces,
                order: 0,
            }
        }

        fn asker(&mut self, (instance, request): (u16, u64), at_ms: u64) -> Asker {
            self.order += 1;
            Asker {
                instance,
                request,
                now_us: at_ms * 1000,
            }
        }

        /// BTC and ETH are stored by an instance, or by an update, as they were fetched just then.
        fn store(&mut self, by: Option<u16>, at_ms: u64) {
            let fetched_ms = START_MS + at_ms as i64 * 10;
            for symbol in ["BTC", "ETH"] {
                let until_s = START_MS / 1000 + 900;
                self.ledger
                    .write(at_ms * 1000, symbol, "100", fetched_ms, fetched_ms, until_s);
                if let Some(instance) = by {
                    let asker = self.asker((instance, 0), at_ms);
                    self.ledger.written_for(asker, self.order, symbol, fetched_ms);
                }
            }
        }

        fn admit(&mut self, who: (u16, u64), at_ms: u64) {
            let asker = self.asker(who, at_ms);
            self.traces.admitted(asker, self.order, at_ms * 1000);
        }

        fn call(&mut self, who: (u16, u64), ms: (u64, u64), op: StoreOp, subject: StoreSubject) {
            let (at_ms, until_ms) = ms;
            let asker = self.asker(who, until_ms);
            let call = StoreCall {
                at_us: at_ms * 1000,
                store_us: 0,
                front_us: 0,
                op,
                subject,
                consistent: false,
                items: 1,
                found: 0,
                status: 200,
                rcu: 0.0,
                wcu: 0.0,
                throttled: false,
                faults: Vec::new(),
            };
            self.traces.called(asker, &call);
        }

        /// A read of `symbols` that takes a millisecond.
        fn read(&mut self, who: (u16, u64), at_ms: u64, symbols: &[&str]) {
            let ms = (at_ms, at_ms + 1);
            self.call(who, ms, StoreOp::BatchGetItem, StoreSubject::Prices);
            let asker = self.asker(who, ms.1);
            let read = self.ledger.own_read(asker, self.order, ms.1 * 1000, symbols);
            self.traces.read(asker, read);
        }

        /// The instance of `who` sees that a lease was given back.
        fn look(&mut self, who: (u16, u64), at_ms: u64) {
            self.call(who, (at_ms - 1, at_ms), StoreOp::GetItem, StoreSubject::Lease);
        }

        /// Where BTC and ETH came from, which were fetched at `fetched_at` (ms).
        fn tiers(&mut self, request: u64, fetched_at: u64) -> [Tier; 2] {
            let trace = self.traces.end(request).expect("it was admitted");
            let fetched_ms = START_MS + fetched_at as i64 * 10;
            [0, 1].map(|index| self.ledger.tier_of(index, fetched_ms, &trace))
        }
    }

    #[test]
    fn an_instance_knows_what_it_read_and_what_it_stored() {
        let mut play = Play::new();
        play.store(None, 1_000);
        play.admit((0, 1), 1_000);
        play.read((0, 1), 1_000, &["BTC"]);
        play.admit((0, 2), 1_001);
        play.admit((1, 3), 1_001);
        assert_eq!(
            play.tiers(1, 1_000),
            [Tier::Store, Tier::Upstream],
            "it did not ask for ETH"
        );
        assert_eq!(play.tiers(2, 1_000)[0], Tier::Memory);
        assert_eq!(
            play.tiers(3, 1_000)[0],
            Tier::Upstream,
            "another instance knows nothing"
        );
        play.admit((1, 4), 2_000);
        play.store(Some(1), 2_000);
        play.admit((1, 5), 2_000);
        play.admit((0, 6), 2_000);
        assert_eq!(
            play.tiers(4, 2_000),
            [Tier::Upstream; 2],
            "stored in the same instant, but later"
        );
        assert_eq!(play.tiers(5, 2_000), [Tier::Memory; 2]);
        assert_eq!(play.tiers(6, 1_000)[0], Tier::Memory, "what it knew is fresh yet");
        play.admit((1, 7), 13_999);
        play.admit((1, 8), 14_000);
        assert_eq!(play.tiers(7, 2_000), [Tier::Memory; 2]);
        assert_eq!(
            play.tiers(8, 2_000),
            [Tier::Stale; 2],
            "its TTL ended that instant"
        );
    }

    #[test]
    fn what_a_read_found_wanting_is_stale_or_was_waited_for() {
        let mut play = Play::new();
        let both = ["BTC", "ETH"];
        play.store(None, 1_000);
        play.admit((0, 1), 14_000);
        play.read((0, 1), 14_000, &both);
        play.admit((0, 2), 14_000);
        play.read((0, 2), 14_000, &both);
        assert_eq!(play.tiers(1, 1_000), [Tier::Stale; 2]);
        play.store(Some(0), 14_500);
        assert_eq!(play.tiers(2, 14_500), [Tier::Upstream; 2]);
    }

    #[test]
    fn a_read_after_a_wait_for_another_process_is_no_hit_for_who_had_nothing() {
        let mut play = Play::new();
        let both = ["BTC", "ETH"];
        for (request, looks) in [(1, true), (2, false)] {
            play.admit((0, request), 1_000);
            play.read((0, request), 1_000, &both);
            play.store(None, 1_050);
            if looks {
                play.look((0, 9), 1_101);
            }
            play.read((0, request), 1_101 + request, &both);
            let told = play.tiers(request, 1_050);
            assert_eq!(
                told,
                [Tier::Store; 2],
                "{request}: it did not go on when the lease was seen free"
            );
            play = Play::new();
        }
        play.admit((0, 1), 1_000);
        play.read((0, 1), 1_000, &both);
        play.store(None, 1_050);
        play.look((1, 8), 1_101);
        play.look((0, 9), 1_101);
        play.read((0, 1), 1_101, &both);
        assert_eq!(play.tiers(1, 1_050), [Tier::Upstream; 2]);
        // All is stale: who waits now breaks the rule, and did not need to.
        play.admit((0, 2), 14_000);
        play.read((0, 2), 14_000, &both);
        play.store(None, 14_050);
        play.look((0, 9), 14_101);
        play.read((0, 2), 14_101, &both);
        assert_eq!(play.tiers(2, 14_050), [Tier::Store; 2]);
    }

    #[test]
    fn requests_that_nobody_waited_for_are_forgotten() {
        let mut play = Play::new();
        play.admit((0, 1), 1_000);
        play.admit((0, 2), 2_000);
        play.read((0, 1), 1_000, &["BTC"]);
        let all = play.traces.bytes();
        play.traces.forget(2_000_000);
        assert!(play.traces.bytes() < all && play.traces.end(1).is_none());
        assert!(play.traces.end(2).is_some());
        assert_eq!(play.traces.bytes(), 0);
    }
}
