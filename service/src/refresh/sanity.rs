//! Whether a fetched price may replace the stored one: pure, per coin.

use std::{sync::Arc, time::Duration};

use crate::{
    models::{HeldPrice, Number, StoredPrice, Timestamp},
    symbols::Coin,
    transformers::{Reading, Shortfall},
};

/// How far ahead of our clock CoinGecko's may be. A price from further ahead would keep out all later ones.
pub const AHEAD: Duration = Duration::from_secs(3600);

/// What prices are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a fetched price may be served.
    pub retention: Duration,
    /// A move by more than this factor is a jump.
    pub jump_factor: f64,
}

/// What is to be done about one coin.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Store this: a new price, or a stored one that was seen again.
    Store(StoredPrice),
    /// Store this: the old price with the jump that it awaits confirmation of.
    Hold(StoredPrice),
    /// Leave it as it is.
    Leave(Shortfall),
}

/// Judges what was `fetched` at `now` against what is `stored` (expired items are not to be passed).
#[must_use]
pub fn judge(
    coin: &Coin,
    fetched: Result<Reading, Shortfall>,
    stored: Option<&StoredPrice>,
    now: Timestamp,
    rules: Rules,
) -> Verdict {
    let fetched = match fetched {
        Ok(fetched) if fetched.last_updated > now.after(AHEAD) => {
            return Verdict::Leave(Shortfall::InstantAhead);
        }
        Ok(fetched) => fetched,
        Err(shortfall) => return Verdict::Leave(shortfall),
    };
    let Some(stored) = stored else {
        return Verdict::Store(price(coin, fetched, now, rules));
    };
    if fetched.last_updated < stored.last_updated {
        return Verdict::Leave(Shortfall::Older);
    }
    if fetched.last_updated == stored.last_updated {
        let ttl = expiry(now, rules.retention);
        return Verdict::Store(StoredPrice {
            fetched_at: now,
            ttl,
            ..stored.clone()
        });
    }
    let jumped = |from: &Number| is_jump(from, &fetched.price, rules.jump_factor);
    let confirmed = |held: &Option<HeldPrice>| {
        held.as_ref()
            .is_some_and(|held| held.at < now && !jumped(&held.price))
    };
    if jumped(&stored.price) && !confirmed(&stored.held) {
        let held = Some(HeldPrice {
            price: fetched.price,
            at: now,
        });
        return Verdict::Hold(StoredPrice {
            held,
            ..stored.clone()
        });
    }
    Verdict::Store(price(coin, fetched, now, rules))
}

fn price(coin: &Coin, fetched: Reading, now: Timestamp, rules: Rules) -> StoredPrice {
    let name = coin.name.clone().or(fetched.name);
    StoredPrice {
        symbol: coin.symbol.clone(),
        name: name.unwrap_or_else(|| Arc::from(coin.symbol.as_str())),
        price: fetched.price,
        change24h: fetched.change24h,
        market_cap: fetched.market_cap,
        last_updated: fetched.last_updated,
        fetched_at: now,
        ttl: expiry(now, rules.retention),
        held: None,
    }
}

/// The first whole second at which the retention is over.
fn expiry(fetched_at: Timestamp, retention: Duration) -> i64 {
    fetched_at
        .after(retention + Duration::from_millis(999))
        .0
        .div_euclid(1000)
}

/// Both are above zero.
fn is_jump(from: &Number, to: &Number, factor: f64) -> bool {
    let ratio = to.to_f64() / from.to_f64();
    ratio > factor || ratio < factor.recip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Symbol;

    const RULES: Rules = Rules {
        retention: Duration::from_secs(3600),
        jump_factor: 5.0,
    };

    fn coin() -> Coin {
        Coin {
            symbol: Symbol::new("BTC"),
            id: "bitcoin".into(),
            name: Some("Bitcoin".into()),
        }
    }

    fn number(text: &str) -> Number {
        Number::parse(text).expect("a number")
    }

    fn fetched(price: &str, updated_s: i64) -> Result<Reading, Shortfall> {
        let last_updated = Timestamp(updated_s * 1000);
        Ok(Reading {
            price: number(price),
            change24h: None,
            market_cap: None,
            last_updated,
            name: None,
        })
    }

    fn stored(price_text: &str, updated_s: i64) -> StoredPrice {
        let reading = fetched(price_text, updated_s).expect("a reading");
        price(&coin(), reading, Timestamp(updated_s * 1000), RULES)
    }

    /// What a fetch at second `now` does to what is stored.
    fn at(
        now_s: i64,
        fetched: Result<Reading, Shortfall>,
        stored: Option<&StoredPrice>,
    ) -> Result<StoredPrice, Shortfall> {
        match judge(&coin(), fetched, stored, Timestamp(now_s * 1000), RULES) {
            Verdict::Store(price) | Verdict::Hold(price) => Ok(price),
            Verdict::Leave(shortfall) => Err(shortfall),
        }
    }

    #[test]
    fn a_newer_price_replaces_and_an_older_one_does_not() {
        let old = stored("100", 1000);
        let new = at(1300, fetched("101", 1290), Some(&old)).expect("stored");
        assert_eq!(
            (new.price.as_str(), new.fetched_at.0, new.ttl),
            ("101", 1_300_000, 4900)
        );
        assert_eq!(at(1300, fetched("101", 999), Some(&old)), Err(Shortfall::Older));
    }

    #[test]
    fn an_equal_instant_moves_only_the_age() {
        let mut old = stored("100", 1000);
        old.held = Some(HeldPrice {
            price: number("900"),
            at: Timestamp(1),
        });
        let seen = at(1300, fetched("777", 1000), Some(&old)).expect("stored");
        assert_eq!(
            seen,
            StoredPrice {
                fetched_at: Timestamp(1_300_000),
                ttl: 4900,
                ..old
            }
        );
    }

    #[test]
    fn a_jump_is_held_and_a_second_fetch_confirms_it() {
        let old = stored("100", 1000);
        let held = at(1300, fetched("501", 1290), Some(&old)).expect("held");
        assert_eq!(
            (held.price.as_str(), held.fetched_at, held.ttl),
            ("100", old.fetched_at, old.ttl)
        );
        assert_eq!(
            held.held,
            Some(HeldPrice {
                price: number("501"),
                at: Timestamp(1_300_000)
            })
        );
        // The very fetch that holds it cannot confirm it.
        let again = judge(
            &coin(),
            fetched("501", 1290),
            Some(&held),
            Timestamp(1_300_000),
            RULES,
        );
        assert!(matches!(again, Verdict::Hold(_)), "{again:?}");
        let confirmed = at(1600, fetched("480", 1590), Some(&held)).expect("stored");
        assert_eq!((confirmed.price.as_str(), confirmed.held), ("480", None));
    }

    #[test]
    fn a_jump_that_is_not_confirmed_goes_away() {
        let held = at(1300, fetched("1", 1290), Some(&stored("100", 1000))).expect("held");
        let back = at(1600, fetched("99", 1590), Some(&held)).expect("stored");
        assert_eq!((back.price.as_str(), back.held), ("99", None));
        let other = at(1600, fetched("100000", 1590), Some(&held)).expect("held");
        assert_eq!(other.held.map(|held| held.price), Some(number("100000")));
    }

    #[test]
    fn exactly_the_factor_is_no_jump() {
        for (from, to) in [("100", "500"), ("500", "100")] {
            let new = at(1300, fetched(to, 1290), Some(&stored(from, 1000))).expect("stored");
            assert_eq!(new.price.as_str(), to);
        }
    }

    #[test]
    fn what_is_no_price_never_overwrites() {
        for shortfall in [Shortfall::NullPrice, Shortfall::NotPositive, Shortfall::Missing] {
            assert_eq!(
                at(1300, Err(shortfall), Some(&stored("100", 1000))),
                Err(shortfall)
            );
        }
        assert_eq!(
            at(1300, fetched("101", 1300 + 3601), None),
            Err(Shortfall::InstantAhead)
        );
    }

    #[test]
    fn a_price_expires_with_its_retention_never_before() {
        assert_eq!(expiry(Timestamp(1000), Duration::from_secs(10)), 11);
        assert_eq!(expiry(Timestamp(1001), Duration::from_secs(10)), 12);
    }
}
