//! Target currencies: fixed rates for money, the market's own for Bitcoin and Ether.

use super::answers::Moment;
use super::market::{DAY_MS, Market};

/// A target currency and what a dollar is worth in it.
pub(super) struct Currency {
    pub(super) name: &'static str,
    pub(super) rate: f64,
    pub(super) rate_day_ago: f64,
}

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CROSS.iter().copied().chain(RATES.map(|(name, _)| name))
}

impl Currency {
    /// The currency called so, to the letter.
    pub(super) fn of(market: &Market, name: &str, moment: Moment) -> Option<Self> {
        let known = names().find(|known| *known == name)?;
        let at = moment.data_ms();
        let mut currency = Self {
            name: known,
            rate: 1.0,
            rate_day_ago: 1.0,
        };
        currency.rate = currency.rate_at(market, at);
        currency.rate_day_ago = currency.rate_at(market, at - DAY_MS);
        Some(currency)
    }

    /// What a dollar is worth in it at an instant.
    pub(super) fn rate_at(&self, market: &Market, at_ms: i64) -> f64 {
        let coin = match self.name {
            "btc" => "bitcoin",
            "eth" => "ethereum",
            fixed => {
                return RATES
                    .iter()
                    .find(|(name, _)| *name == fixed)
                    .map_or(1.0, |(_, rate)| *rate);
            }
        };
        market
            .catalogue()
            .by_id(coin)
            .map_or(1.0, |coin| 1.0 / market.usd(coin, at_ms))
    }
}

/// Currencies whose rates are prices of this market.
const CROSS: [&str; 2] = ["btc", "eth"];
/// Currencies with fixed rates: what a dollar is worth.
const RATES: [(&str, f64); 12] = [
    ("usd", 1.0),
    ("aud", 1.53),
    ("brl", 5.6),
    ("cad", 1.38),
    ("chf", 0.81),
    ("cny", 7.1),
    ("eur", 0.87),
    ("gbp", 0.75),
    ("inr", 88.0),
    ("jpy", 152.0),
    ("krw", 1_420.0),
    ("myr", 4.2),
];
