//! Freshness and what a process may do about a stale price: pure decisions over instants.

use std::time::Duration;

use crate::{
    models::{LeaseItem, StoredPrice, Timestamp},
    store::Binary,
};

/// How long an eventually consistent read may lag behind writes.
pub const READ_LAG: Duration = Duration::from_secs(1);

/// What a stored price is worth now. Better is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Fetched less than `CACHE_TTL_SECONDS` ago.
    Fresh,
    /// Older, but before its `ttl`.
    Stale,
    /// Absent or expired.
    Gone,
}

/// Judges a price that may be absent.
#[must_use]
pub fn freshness(price: Option<&StoredPrice>, now: Timestamp, cache_ttl: Duration) -> Freshness {
    match price {
        Some(price) if !price.is_servable(now) => Freshness::Gone,
        Some(price) if is_within(price.fetched_at, now, cache_ttl) => Freshness::Fresh,
        Some(_) => Freshness::Stale,
        None => Freshness::Gone,
    }
}

/// Whether `now` lies less than `span` after `at`.
#[must_use]
pub fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    now < at.after(span)
}

/// What the lease item says about refreshing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// Another holds the lease.
    Held {
        /// Until when, at the longest.
        until: Timestamp,
    },
    /// CoinGecko is not to be called.
    BackingOff {
        /// Until when.
        until: Timestamp,
        /// Whether that binds API processes only, so that the updater may change prices meanwhile.
        updater_may: bool,
    },
    /// The set was refreshed recently.
    NotDue {
        /// When it is due again.
        until: Timestamp,
    },
    /// It is due, but whoever has something to serve leaves it to the others for a moment, so that a fleet does not
    /// ask for the lease as one.
    LeftToOthers,
    /// Whoever wants may try to take the lease.
    Free,
}

/// Reads the lease item as one that wants a refresh, due when the last is `due_after` old.
///
/// The same rule as the acquire's condition, so that a process that knows the item needs no call to be refused.
#[must_use]
pub fn prospect(lease: &LeaseItem, now: Timestamp, binary: Binary, due_after: Duration) -> Prospect {
    let ahead = |at: Option<Timestamp>| at.filter(|at| *at > now);
    if let Some(until) = ahead(lease.lease_until) {
        return Prospect::Held { until };
    }
    let api_only = ahead(lease.api_not_before).filter(|_| binary == Binary::Api);
    if let Some(until) = ahead(lease.retry_not_before).max(api_only) {
        let updater_may = ahead(lease.retry_not_before).is_none_or(|bound| bound < until);
        return Prospect::BackingOff { until, updater_may };
    }
    match lease.refreshed_at {
        Some(at) if is_within(at, now, due_after) => Prospect::NotDue {
            until: at.after(due_after),
        },
        _ => Prospect::Free,
    }
}

/// Whether what was read of a coin as of `as_of` still stands, so that reading it again would tell nothing.
///
/// `learned_at` is when the lease item was seen that gives `prospect`. While nobody may refresh, what was read
/// after that instant stands. While somebody may, a stale price stands for two lags, so that it is read about once a
/// second; that a coin is gone does not stand at all, since no answer may lack what the store has.
#[must_use]
pub fn stands(
    freshness: Freshness,
    as_of: Timestamp,
    learned_at: Timestamp,
    prospect: Prospect,
    update_interval: Duration,
    lease: &LeaseItem,
    now: Timestamp,
) -> bool {
    let nobody_may = match prospect {
        Prospect::BackingOff { updater_may, .. } => !updater_may,
        // For the updater it is due much sooner.
        Prospect::NotDue { .. } => lease
            .refreshed_at
            .is_some_and(|at| is_within(at, now, due_for_updater(update_interval))),
        Prospect::Held { .. } | Prospect::LeftToOthers => false,
        Prospect::Free => return false,
    };
    let a_while = freshness != Freshness::Gone && is_within(as_of, now, READ_LAG * 2);
    (nobody_may && as_of >= learned_at) || a_while
}

/// How old the last refresh has to be for the updater to make another: a tenth of its interval.
#[must_use]
pub fn due_for_updater(update_interval: Duration) -> Duration {
    update_interval / 10
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{Number, Symbol};

    const TTL: Duration = Duration::from_secs(300);

    fn price(fetched_at: i64, ttl: i64) -> StoredPrice {
        StoredPrice {
            symbol: Symbol::new("BTC"),
            name: "Bitcoin".into(),
            price: Number::parse("1").expect("a number"),
            change24h: None,
            market_cap: None,
            last_updated: Timestamp(0),
            fetched_at: Timestamp(fetched_at),
            ttl,
            held: None,
        }
    }

    #[test]
    fn fresh_ends_with_the_ttl_and_servable_with_the_retention() {
        let at = |now: i64| freshness(Some(&price(0, 3600)), Timestamp(now), TTL);
        assert_eq!(at(299_999), Freshness::Fresh);
        assert_eq!(at(300_000), Freshness::Stale);
        assert_eq!(at(3_599_999), Freshness::Stale);
        assert_eq!(at(3_600_000), Freshness::Gone);
        assert_eq!(freshness(None, Timestamp(0), TTL), Freshness::Gone);
    }

    #[test]
    fn the_lease_item_tells_what_may_be_done() {
        let now = Timestamp(1_000_000);
        let ago = |s: i64| Some(Timestamp(now.0 - s * 1000));
        let lease = LeaseItem {
            refreshed_at: ago(300),
            lease_until: ago(0),
            ..LeaseItem::default()
        };
        let of = |lease: &LeaseItem| prospect(lease, now, Binary::Api, TTL);
        assert_eq!(of(&LeaseItem::default()), Prospect::Free);
        assert_eq!(of(&lease), Prospect::Free);
        let fresh = LeaseItem {
            refreshed_at: ago(299),
            ..lease.clone()
        };
        assert_eq!(
            of(&fresh),
            Prospect::NotDue {
                until: Timestamp(now.0 + 1000)
            }
        );
        let held = LeaseItem {
            lease_until: ago(-2),
            retry_not_before: ago(-9),
            ..lease.clone()
        };
        assert_eq!(
            of(&held),
            Prospect::Held {
                until: Timestamp(now.0 + 2000)
            }
        );
        let api_only = LeaseItem {
            api_not_before: ago(-9),
            ..lease.clone()
        };
        assert_eq!(
            of(&api_only),
            Prospect::BackingOff {
                until: Timestamp(now.0 + 9000),
                updater_may: true
            }
        );
        assert_eq!(prospect(&api_only, now, Binary::Update, TTL), Prospect::Free);
        let both = LeaseItem {
            retry_not_before: ago(-10),
            ..api_only
        };
        assert_eq!(
            of(&both),
            Prospect::BackingOff {
                until: Timestamp(now.0 + 10_000),
                updater_may: false
            }
        );
    }

    #[test]
    fn a_coin_is_read_again_only_when_that_can_tell_something() {
        let now = Timestamp(1_000_000);
        let lease = LeaseItem {
            refreshed_at: Some(Timestamp(990_000)),
            ..LeaseItem::default()
        };
        let not_due = Prospect::NotDue {
            until: Timestamp(1_290_000),
        };
        let stands_as = |freshness, as_of: i64, learned_at: i64, prospect| {
            stands(
                freshness,
                Timestamp(as_of),
                Timestamp(learned_at),
                prospect,
                TTL,
                &lease,
                now,
            )
        };
        let stands = |as_of, learned_at, prospect| stands_as(Freshness::Stale, as_of, learned_at, prospect);
        assert!(stands(990_000, 990_000, not_due));
        assert!(!stands(989_999, 990_000, not_due));
        let held = Prospect::Held {
            until: Timestamp(1_001_000),
        };
        assert!(!stands(997_999, 990_000, held));
        assert!(stands(998_001, 990_000, held));
        assert!(!stands(997_999, 990_000, Prospect::LeftToOthers));
        assert!(stands(998_001, 990_000, Prospect::LeftToOthers));
        assert!(!stands(999_999, 990_000, Prospect::Free));
        assert!(stands_as(Freshness::Gone, 990_000, 990_000, not_due));
        assert!(!stands_as(Freshness::Gone, 998_001, 990_000, held));
    }

    proptest! {
        #[test]
        fn a_price_only_ages(fetched in 0i64..10_000_000, retention in 300i64..10_000, a in 0i64..20_000_000, b in 0i64..20_000_000) {
            let price = price(fetched, fetched / 1000 + retention);
            let (early, late) = (a.min(b), a.max(b));
            let of = |now| freshness(Some(&price), Timestamp(now), TTL);
            prop_assert!(of(early) <= of(late));
        }
    }
}
