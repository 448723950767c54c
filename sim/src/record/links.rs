//! Links what the store front saw to the client requests that caused it: when a request reached the service, and
//! what it read.
//!
//! A request's admission by the rate limiter is the last thing the service does before it looks for prices, so
//! its instant tells what the service can have known; the client's clock would add the way and the queue. A read
//! belongs to a request that was open at the time and asked for its coins. When several qualify it does not
//! matter which one gets it: each read is counted once.

use std::collections::{BTreeMap, VecDeque};

/// What clocks of two processes may differ by, real µs.
const SLACK_US: u64 = 3_000;
/// Reads that no request has claimed; older ones belong to requests that were never heard of.
const UNCLAIMED: usize = 4096;

/// A set of coins, by their index; beyond 128 supported coins two may share a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Coins(u128);

impl Coins {
    /// Adds the coin with this index.
    pub(super) fn add(&mut self, index: usize) {
        self.0 |= 1 << (index % 128);
    }

    /// Whether it has the coin with this index.
    pub(super) fn has(self, index: usize) -> bool {
        self.0 & (1 << (index % 128)) != 0
    }

    /// Those that it has and `other` has not.
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it has none.
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn is_within(self, other: Self) -> bool {
        self.without(other).is_empty()
    }
}

/// A user's read of prices.
#[derive(Clone, Copy, Debug)]
pub(super) struct PriceRead {
    /// When the store answered, real µs.
    pub(super) at_us: u64,
    /// What was asked for.
    pub(super) coins: Coins,
    /// Whether every coin was there, and fresh.
    pub(super) fresh: bool,
}

/// The reads of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// When it found a coin missing or stale, real µs.
    pub(super) wanting_us: Option<u64>,
    /// When it found all of them fresh, real µs.
    pub(super) fresh_us: Option<u64>,
}

/// Admissions and reads that no request has claimed yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    admitted: BTreeMap<u32, VecDeque<u64>>,
    reads: VecDeque<PriceRead>,
}

impl Links {
    /// A request of `key` was admitted.
    pub(super) fn admitted(&mut self, key: u32, at_us: u64) {
        self.admitted.entry(key).or_default().push_back(at_us);
    }

    /// Prices were read for a user.
    pub(super) fn read(&mut self, read: PriceRead) {
        if self.reads.len() == UNCLAIMED {
            self.reads.pop_front();
        }
        self.reads.push_back(read);
    }

    /// Forgets what happened before `before_us`: no request that was open then will claim it any more.
    pub(super) fn forget(&mut self, before_us: u64) {
        self.admitted.retain(|_, admitted| {
            while admitted.pop_front_if(|at_us| *at_us < before_us).is_some() {}
            !admitted.is_empty()
        });
        while self.reads.pop_front_if(|read| read.at_us < before_us).is_some() {}
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.admitted.values().map(VecDeque::len).sum::<usize>() * size_of::<u64>()
            + self.admitted.len() * size_of::<(u32, VecDeque<u64>)>()
            + self.reads.len() * size_of::<PriceRead>()
    }

    /// When a request of `key` was admitted that was open from `sent_us` to `answered_us`.
    pub(super) fn arrival(&mut self, key: u32, sent_us: u64, answered_us: u64) -> Option<u64> {
        let admitted = self.admitted.get_mut(&key)?;
        while admitted.front().is_some_and(|at| at + SLACK_US < sent_us) {
            admitted.pop_front();
        }
        admitted.front().filter(|at| **at <= answered_us + SLACK_US)?;
        admitted.pop_front()
    }

    /// The reads of a request for `asked` that was at the service from `from_us` to `to_us`.
    pub(super) fn reads(&mut self, asked: Coins, from_us: u64, to_us: u64) -> Reads {
        let mut reads = Reads::default();
        while reads.fresh_us.is_none() {
            let open = |read: &PriceRead| (from_us..=to_us + SLACK_US).contains(&read.at_us);
            let wanted = |read: &PriceRead| open(read) && (read.fresh || reads.wanting_us.is_none());
            let same = self
                .reads
                .iter()
                .position(|read| wanted(read) && read.coins == asked);
            // Coins go stale together, so a request that finds one wanting has read them all; but of fresh ones
            // some may have been in memory.
            let part = || {
                let is_part = |read: &PriceRead| read.fresh && wanted(read) && read.coins.is_within(asked);
                self.reads.iter().position(is_part)
            };
            let Some(read) = same.or_else(part).and_then(|at| self.reads.remove(at)) else {
                break;
            };
            if read.fresh {
                reads.fresh_us = Some(read.at_us);
            } else {
                reads.wanting_us = Some(read.at_us);
            }
        }
        reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coins(indices: &[usize]) -> Coins {
        let mut coins = Coins::default();
        indices.iter().for_each(|index| coins.add(*index));
        coins
    }

    #[test]
    fn an_admission_belongs_to_the_request_that_was_open() {
        let mut links = Links::default();
        links.admitted(1, 10_000);
        links.admitted(1, 50_000);
        links.admitted(1, 90_000);
        assert_eq!(links.arrival(2, 0, 99_000), None, "another key");
        assert_eq!(
            links.arrival(1, 40_000, 60_000),
            Some(50_000),
            "the first was never heard of"
        );
        assert_eq!(links.arrival(1, 61_000, 70_000), None, "refused");
        assert_eq!(links.arrival(1, 89_500, 95_000), Some(90_000));
    }

    #[test]
    fn each_read_is_claimed_once_by_who_asked_for_its_coins() {
        let mut links = Links::default();
        let read = |at_us, indices: &[usize], fresh| PriceRead {
            at_us,
            coins: coins(indices),
            fresh,
        };
        links.read(read(10_000, &[1, 2], false));
        links.read(read(11_000, &[3], true));
        links.read(read(90_000, &[1, 2], true));
        assert_eq!(links.reads(coins(&[4]), 0, 99_000), Reads::default());
        assert_eq!(
            links.reads(coins(&[3, 4]), 9_000, 12_000),
            Reads {
                wanting_us: None,
                fresh_us: Some(11_000)
            },
            "one of its coins was in memory"
        );
        assert_eq!(
            links.reads(coins(&[1, 2]), 9_000, 91_000),
            Reads {
                wanting_us: Some(10_000),
                fresh_us: Some(90_000)
            },
            "it read again after a wait"
        );
        assert_eq!(
            links.reads(coins(&[1, 2]), 0, 99_000),
            Reads::default(),
            "nothing is left"
        );
    }

    #[test]
    fn what_nobody_can_claim_any_more_is_forgotten() {
        let mut links = Links::default();
        for at_us in [10_000, 20_000] {
            links.admitted(1, at_us);
            links.read(PriceRead {
                at_us,
                coins: coins(&[1]),
                fresh: true,
            });
        }
        let all = links.bytes();
        links.forget(20_000);
        assert!(links.bytes() < all);
        assert_eq!(links.arrival(1, 10_000, 30_000), Some(20_000));
        assert_eq!(links.reads(coins(&[1]), 10_000, 30_000).fresh_us, Some(20_000));
        links.forget(u64::MAX);
        assert_eq!(links.bytes(), 0);
    }

    #[test]
    fn unclaimed_reads_do_not_pile_up() {
        let mut links = Links::default();
        for at_us in 0..10_000 {
            links.read(PriceRead {
                at_us,
                coins: coins(&[1]),
                fresh: true,
            });
        }
        assert_eq!(links.reads.len(), UNCLAIMED);
    }
}
