//! Target currencies: fixed rates for money and metals, the market's own for coins.

use super::answers::Moment;
use super::market::{DAY_MS, Market};

/// A target currency and what a dollar is worth in it.
#[derive(Clone, Copy)]
pub(super) struct Currency {
    pub(super) name: &'static str,
    worth: Worth,
    pub(super) rate: f64,
    pub(super) rate_day_ago: f64,
}

/// What it is measured by.
#[derive(Clone, Copy)]
enum Worth {
    /// So much of it is a dollar, always.
    Fixed(f64),
    /// So much of it is one of the coin with this id.
    Coin(&'static str, f64),
}
use Worth::{Coin, Fixed};

/// The names of all, in CoinGecko's order.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

impl Currency {
    /// The currency called so, to the letter.
    pub(super) fn of(market: &Market, name: &str, moment: Moment) -> Option<Self> {
        let (name, worth) = ALL.iter().find(|(known, _)| *known == name)?;
        Some(Self::new(name, *worth, market, moment))
    }

    /// All of them.
    pub(super) fn all(market: &Market, moment: Moment) -> Vec<Self> {
        ALL.iter()
            .map(|(name, worth)| Self::new(name, *worth, market, moment))
            .collect()
    }

    fn new(name: &'static str, worth: Worth, market: &Market, moment: Moment) -> Self {
        let at = moment.data_ms();
        let mut currency = Self {
            name,
            worth,
            rate: 1.0,
            rate_day_ago: 1.0,
        };
        currency.rate = currency.rate_at(market, at);
        currency.rate_day_ago = currency.rate_at(market, at - DAY_MS);
        currency
    }

    /// What a dollar is worth in it at an instant.
    pub(super) fn rate_at(&self, market: &Market, at_ms: i64) -> f64 {
        match self.worth {
            Fixed(rate) => rate,
            Coin(id, parts) => {
                let coin = market.catalogue().by_id(id);
                coin.map_or(1.0, |coin| parts / market.usd(coin, at_ms))
            }
        }
    }
}

/// As `/simple/supported_vs_currencies` lists them. The rates are made up; their magnitudes are lifelike.
const ALL: [(&str, Worth); 63] = [
    ("btc", Coin("bitcoin", 1.0)),
    ("eth", Coin("ethereum", 1.0)),
    ("ltc", Coin("litecoin", 1.0)),
    ("bch", Coin("bitcoin-cash", 1.0)),
    ("bnb", Coin("binancecoin", 1.0)),
    ("eos", Coin("eos", 1.0)),
    ("xrp", Coin("ripple", 1.0)),
    ("xlm", Coin("stellar", 1.0)),
    ("link", Coin("chainlink", 1.0)),
    ("dot", Coin("polkadot", 1.0)),
    ("yfi", Coin("yearn-finance", 1.0)),
    ("sol", Coin("solana", 1.0)),
    ("usd", Fixed(1.0)),
    ("aed", Fixed(3.67)),
    ("ars", Fixed(1_450.0)),
    ("aud", Fixed(1.53)),
    ("bdt", Fixed(122.0)),
    ("bhd", Fixed(0.377)),
    ("bmd", Fixed(1.0)),
    ("brl", Fixed(5.6)),
    ("cad", Fixed(1.38)),
    ("chf", Fixed(0.81)),
    ("clp", Fixed(940.0)),
    ("cny", Fixed(7.1)),
    ("czk", Fixed(21.0)),
    ("dkk", Fixed(6.4)),
    ("eur", Fixed(0.87)),
    ("gbp", Fixed(0.75)),
    ("gel", Fixed(2.7)),
    ("hkd", Fixed(7.78)),
    ("huf", Fixed(335.0)),
    ("idr", Fixed(16_600.0)),
    ("ils", Fixed(3.3)),
    ("inr", Fixed(88.0)),
    ("jpy", Fixed(152.0)),
    ("krw", Fixed(1_420.0)),
    ("kwd", Fixed(0.307)),
    ("lkr", Fixed(305.0)),
    ("mmk", Fixed(2_100.0)),
    ("mxn", Fixed(18.4)),
    ("myr", Fixed(4.2)),
    ("ngn", Fixed(1_450.0)),
    ("nok", Fixed(10.1)),
    ("nzd", Fixed(1.76)),
    ("php", Fixed(58.5)),
    ("pkr", Fixed(281.0)),
    ("pln", Fixed(3.65)),
    ("rub", Fixed(80.0)),
    ("sar", Fixed(3.75)),
    ("sek", Fixed(9.5)),
    ("sgd", Fixed(1.3)),
    ("thb", Fixed(32.4)),
    ("try", Fixed(42.0)),
    ("twd", Fixed(31.0)),
    ("uah", Fixed(42.0)),
    ("vef", Fixed(0.1)),
    ("vnd", Fixed(26_300.0)),
    ("zar", Fixed(17.2)),
    ("xdr", Fixed(0.74)),
    ("xag", Fixed(0.02)),
    ("xau", Fixed(0.000_25)),
    ("bits", Coin("bitcoin", 1e6)),
    ("sats", Coin("bitcoin", 1e8)),
];
