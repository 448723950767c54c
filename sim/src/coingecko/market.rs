//! The seeded market: what each coin costs at any instant, as a pure function of seed, coin and time.
//!
//! A price is its base times one factor for each of a few time scales; each factor is smooth noise between
//! random values at that scale's grid points. Any instant costs the same to compute, nothing is remembered, and
//! only `+`, `−` and `×` are used, so that every machine gets the same bits.

use super::catalogue::{Catalogue, Coin};

/// One minute, milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// One hour, milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day, milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The market of one seed.
#[derive(Clone, Debug)]
pub struct Market {
    seed: u64,
    catalogue: Catalogue,
}

/// A coin at the instant of an answer, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quote {
    /// Price.
    pub price: f64,
    /// Price a day before.
    pub price_day_ago: f64,
    /// Price times circulating supply.
    pub market_cap: f64,
    /// Traded within a day.
    pub volume: f64,
    /// When CoinGecko says that it was computed, Unix milliseconds.
    pub updated_ms: i64,
}

impl Quote {
    /// Change over 24 hours, percent.
    pub fn change_24h(&self) -> f64 {
        change(self.price_day_ago, self.price)
    }
}

/// Change from one price to another, percent.
pub fn change(from: f64, to: f64) -> f64 {
    (to - from) / from * 100.0
}

impl Market {
    /// The market that `seed` makes.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            catalogue: Catalogue::new(),
        }
    }

    /// The coins.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The price in US dollars at `at_ms` (Unix milliseconds), unrounded. Within a minute it moves by less than
    /// 2 %, within five by less than 10 %.
    pub fn usd(&self, coin: &Coin, at_ms: i64) -> f64 {
        SCALES
            .iter()
            .enumerate()
            .fold(coin.base_usd, |price, (index, scale)| {
                let size = (scale.size * coin.volatility).min(0.45);
                price * (1.0 + size * self.noise(coin.number, index as u64, at_ms, scale.every_ms))
            })
    }

    /// The highest and lowest price in US dollars that the market can ever reach, with a margin.
    pub fn bounds_usd(&self, coin: &Coin) -> (f64, f64) {
        SCALES.iter().fold(
            (coin.base_usd * 0.9, coin.base_usd * 1.1),
            |(low, high), scale| {
                let size = (scale.size * coin.volatility).min(0.45);
                (low * (1.0 - size), high * (1.0 + size))
            },
        )
    }

    /// What an endpoint whose data are `fresh_ms` apart says at `now_ms`.
    pub fn quote(&self, coin: &Coin, now_ms: i64, fresh_ms: i64) -> Quote {
        let at = computed_at(now_ms, fresh_ms);
        let price = self.usd(coin, at);
        let market_cap = price * coin.supply;
        // Between 1 % and 8 % of a coin's worth changes hands in a day.
        let turnover = 0.01 + (coin.number % 64) as f64 / 1000.0;
        let volume = market_cap * turnover * (1.0 + 0.3 * self.noise(coin.number, VOLUME, at, 6 * HOUR_MS));
        Quote {
            price,
            price_day_ago: self.usd(coin, at - DAY_MS),
            market_cap,
            volume,
            updated_ms: at - lag_ms(coin),
        }
    }

    /// Smooth noise in -1..=1 between random values `every_ms` apart. Its slope never exceeds `3 / every_ms`.
    fn noise(&self, coin: u64, channel: u64, at_ms: i64, every_ms: i64) -> f64 {
        let cell = at_ms.div_euclid(every_ms);
        let part = at_ms.rem_euclid(every_ms) as f64 / every_ms as f64;
        let left = self.draw(coin, channel, cell);
        let right = self.draw(coin, channel, cell + 1);
        left + (right - left) * part * part * (3.0 - 2.0 * part)
    }

    fn draw(&self, coin: u64, channel: u64, cell: i64) -> f64 {
        let key = mix(self.seed ^ mix(coin ^ mix(channel)));
        let bits = mix(key ^ cell as u64) >> 11;
        bits as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// The instant whose data an endpoint shows at `now_ms` when it renews them every `fresh_ms`.
pub fn computed_at(now_ms: i64, fresh_ms: i64) -> i64 {
    now_ms.div_euclid(fresh_ms) * fresh_ms
}

/// How long before the data were put together the coin's own price was computed, 0 to 15 s.
pub fn lag_ms(coin: &Coin) -> i64 {
    (coin.number % 15_000) as i64
}

/// A time scale on which prices move.
struct Scale {
    every_ms: i64,
    /// Largest relative move for a coin of volatility 1.
    size: f64,
}

/// Steepest relative move of all together: Σ 3·size/every ≈ 0.15 % a minute at volatility 1.
const SCALES: [Scale; 7] = [
    Scale {
        every_ms: 365 * DAY_MS,
        size: 0.2,
    },
    Scale {
        every_ms: 30 * DAY_MS,
        size: 0.12,
    },
    Scale {
        every_ms: 7 * DAY_MS,
        size: 0.06,
    },
    Scale {
        every_ms: DAY_MS,
        size: 0.025,
    },
    Scale {
        every_ms: 180 * MINUTE_MS,
        size: 0.01,
    },
    Scale {
        every_ms: 31 * MINUTE_MS,
        size: 0.004,
    },
    Scale {
        every_ms: 6 * MINUTE_MS,
        size: 0.001_5,
    },
];
/// The noise channel of volumes, behind those of [`SCALES`].
const VOLUME: u64 = 100;

/// The finaliser of `SplitMix64`: every input bit moves every output bit.
pub(super) fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-03-02T00:00:00Z.
    const START: i64 = 1_772_409_600_000;

    proptest! {
        #[test]
        fn prices_repeat_move_little_and_stay_in_bounds(
            seed: u64,
            pick in 0usize..320,
            at in START - 800 * DAY_MS..START + 800 * DAY_MS,
            step in 0i64..=MINUTE_MS,
        ) {
            let market = Market::new(seed);
            let coins = market.catalogue().coins();
            let coin = &coins[pick % coins.len()];
            let now = market.usd(coin, at);
            prop_assert_eq!(now.to_bits(), Market::new(seed).usd(coin, at).to_bits());
            let next = market.usd(coin, at + step);
            prop_assert!((next / now - 1.0).abs() < 0.02, "{} moved from {now} to {next}", coin.id);
            let later = market.usd(coin, at + 5 * MINUTE_MS);
            prop_assert!((later / now - 1.0).abs() < 0.1, "{} moved from {now} to {later}", coin.id);
            let (low, high) = market.bounds_usd(coin);
            prop_assert!(low < now && now < high, "{low} < {now} < {high}");
        }

        #[test]
        fn within_a_quantum_nothing_moves_and_after_it_the_timestamp_does(
            seed: u64,
            pick in 0usize..320,
            quantum in 20_000_000i64..30_000_000,
            one in 0i64..MINUTE_MS,
            other in 0i64..MINUTE_MS,
        ) {
            let market = Market::new(seed);
            let coins = market.catalogue().coins();
            let coin = &coins[pick % coins.len()];
            let quote = |at| market.quote(coin, at, MINUTE_MS);
            let begin = quantum * MINUTE_MS;
            prop_assert_eq!(quote(begin + one), quote(begin + other));
            let next = quote(begin + MINUTE_MS + other);
            prop_assert_eq!(next.updated_ms, quote(begin).updated_ms + MINUTE_MS);
            prop_assert!(quote(begin).updated_ms <= begin);
            prop_assert!((next.price / quote(begin).price - 1.0).abs() < 0.02);
        }
    }

    #[test]
    fn seeds_and_coins_differ() {
        let market = Market::new(42);
        let coins = market.catalogue();
        let (Some(bitcoin), Some(ether)) = (coins.by_id("bitcoin"), coins.by_id("ethereum")) else {
            panic!("both are listed");
        };
        assert_ne!(market.usd(bitcoin, START), Market::new(43).usd(bitcoin, START));
        let relative = |coin: &Coin| market.usd(coin, START) / coin.base_usd;
        assert_ne!(relative(bitcoin), relative(ether));
        assert!(
            market.usd(bitcoin, START) > 10_000.0,
            "so that its price is written as a whole number"
        );
    }

    #[test]
    fn a_pegged_coin_keeps_its_peg() {
        let market = Market::new(7);
        let Some(tether) = market.catalogue().by_id("tether") else {
            panic!("tether is listed")
        };
        for day in 0..400 {
            let price = market.usd(tether, START + day * DAY_MS);
            assert!((price - 1.0).abs() < 0.006, "day {day}: {price}");
        }
    }
}
