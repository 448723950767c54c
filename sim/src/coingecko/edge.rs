//! The edge's cache before CoinGecko's application: what it says of where an answer comes from, and how old it is.
//!
//! It decides nothing about what is answered. The market is a function of time, and a URL's data stay the same until
//! they are put together anew; who is first to ask for them afterwards is told MISS or EXPIRED, and all others HIT.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The most URLs that are remembered; the one that was stored first makes room. About 100 KiB.
pub(super) const MOST: usize = 1024;

/// What the edge says of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// It is never cached.
    Dynamic,
    /// It was not cached, or no longer is.
    Miss,
    /// It was cached, and the data have been put together anew since.
    Expired,
    /// It is from the cache, which has had it for so long, milliseconds.
    Hit {
        /// Milliseconds.
        age_ms: i64,
    },
}

impl CacheStatus {
    /// As `CF-Cache-Status` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dynamic => "DYNAMIC",
            Self::Miss => "MISS",
            Self::Expired => "EXPIRED",
            Self::Hit { .. } => "HIT",
        }
    }

    /// The `Age` that goes with it, whole seconds.
    pub fn age_s(self) -> Option<i64> {
        match self {
            Self::Hit { age_ms } => Some(age_ms.max(0) / 1000),
            Self::Dynamic | Self::Miss | Self::Expired => None,
        }
    }
}

/// Whether and where the edge may have an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// It may not.
    Never,
    /// Since the data of this instant were asked for first, Unix milliseconds.
    Of(i64),
    /// For so long, milliseconds, since it does not ask for new data.
    Stuck(i64),
}

/// The cache.
#[derive(Debug, Default)]
pub(super) struct Edge {
    stored: BTreeMap<[u8; 32], Stored>,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    data_ms: i64,
    at_ms: i64,
}

impl Edge {
    /// What is said of an answer to this URL at `now_ms`. It is stored from then on.
    pub(super) fn look(&mut self, url: &[&str], caching: Caching, now_ms: i64) -> CacheStatus {
        let data_ms = match caching {
            Caching::Never => return CacheStatus::Dynamic,
            Caching::Stuck(age_ms) => return CacheStatus::Hit { age_ms },
            Caching::Of(data_ms) => data_ms,
        };
        let key: [u8; 32] = url
            .iter()
            .fold(Sha256::new(), |digest, part| digest.chain_update(part))
            .finalize()
            .into();
        let stored = Stored {
            data_ms,
            at_ms: now_ms,
        };
        match self.stored.get_mut(&key) {
            Some(known) if known.data_ms == data_ms => CacheStatus::Hit {
                age_ms: now_ms - known.at_ms,
            },
            Some(known) => {
                *known = stored;
                CacheStatus::Expired
            }
            None => {
                self.make_room();
                self.stored.insert(key, stored);
                CacheStatus::Miss
            }
        }
    }

    fn make_room(&mut self) {
        if self.stored.len() < MOST {
            return;
        }
        let oldest = self.stored.iter().min_by_key(|(_, stored)| stored.at_ms);
        if let Some(oldest) = oldest.map(|(key, _)| *key) {
            self.stored.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_772_409_600_000;

    #[test]
    fn who_asks_first_for_new_data_is_told_so_and_all_others_how_long_ago_that_was() {
        let mut edge = Edge::default();
        let mut said = |url: &str, data_ms, now_ms| {
            let status = edge.look(&["/x?", url], Caching::Of(START + data_ms), START + now_ms);
            (status.as_str(), status.age_s())
        };
        assert_eq!(said("a", 0, 30_000), ("MISS", None));
        assert_eq!(said("a", 0, 30_900), ("HIT", Some(0)));
        assert_eq!(said("a", 0, 59_999), ("HIT", Some(29)));
        assert_eq!(said("b", 0, 59_999), ("MISS", None), "another URL");
        assert_eq!(said("a", 60_000, 61_000), ("EXPIRED", None));
        assert_eq!(said("a", 60_000, 63_000), ("HIT", Some(2)));
        assert_eq!(
            said("a", 60_000, 60_999),
            ("HIT", Some(0)),
            "a call stamped a moment earlier"
        );
    }

    #[test]
    fn what_is_not_cached_is_not_stored_and_what_is_stuck_has_its_age() {
        let mut edge = Edge::default();
        assert_eq!(edge.look(&["/ping"], Caching::Never, START), CacheStatus::Dynamic);
        let stuck = edge.look(&["/a"], Caching::Stuck(216_500), START);
        assert_eq!((stuck.as_str(), stuck.age_s()), ("HIT", Some(216)));
        assert_eq!(edge.look(&["/a"], Caching::Of(START), START), CacheStatus::Miss);
    }

    #[test]
    fn no_more_than_so_many_urls_are_remembered() {
        let mut edge = Edge::default();
        let mut look = |number: usize| {
            let at_ms = START + number as i64;
            edge.look(&[&number.to_string()], Caching::Of(START), at_ms)
        };
        (0..=MOST).for_each(|number| assert_eq!(look(number), CacheStatus::Miss));
        assert_eq!(look(1).as_str(), "HIT", "still there");
        assert_eq!(look(0), CacheStatus::Miss, "it was the oldest");
        assert_eq!(look(1), CacheStatus::Miss, "and then this one");
        assert_eq!(edge.stored.len(), MOST);
    }
}
