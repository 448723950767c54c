//! What was true when: whether a price was ever validly published, and what the market said at an instant.
//!
//! The market is a pure function of time, so nothing has to be stored per answer: a price is looked up by
//! computing it again. Only the few forms in which prices were sent (endpoint, precision) are remembered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::catalogue::Coin;
use super::market::{Market, computed_at, lag_ms};
use super::numbers::{self, Precision};

/// A form in which US dollar prices were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Form {
    /// How far apart the endpoint's data are.
    pub fresh_ms: i64,
    /// The precision asked for.
    pub precision: Precision,
    /// Whether timestamps were cut to whole seconds (`last_updated_at`).
    pub whole_seconds: bool,
    /// How much older the prices were than their timestamps; 0 unless a fault froze them.
    pub behind_ms: i64,
}

/// The judge's source of what the fake published. Clones share one memory.
#[derive(Clone, Debug)]
pub struct PublicationLog {
    market: Arc<Market>,
    forms: Arc<Mutex<BTreeSet<Form>>>,
}

impl PublicationLog {
    /// A log of `market` in which nothing was published yet.
    pub fn new(market: Arc<Market>) -> Self {
        Self {
            market,
            forms: Arc::default(),
        }
    }

    /// Remembers that prices went out in this form.
    pub fn publish(&self, form: Form) {
        self.forms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(form);
    }

    /// Whether a 200 could have said, in one of the forms that were sent, that `symbol` cost `price` (a JSON
    /// number, by value) US dollars as of `updated_ms` (Unix milliseconds).
    ///
    /// `symbol` is one of the service's built-in symbols, or a CoinGecko id.
    pub fn was_published(&self, symbol: &str, price: &str, updated_ms: i64) -> bool {
        let (Some(coin), Some(said)) = (
            self.market.catalogue().supported(symbol),
            numbers::canonical(price),
        ) else {
            return false;
        };
        let forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        forms.iter().any(|form| {
            let Some(at_ms) = form.computed_at(coin, updated_ms) else {
                return false;
            };
            let data_ms = computed_at(at_ms - form.behind_ms, form.fresh_ms);
            let literal = numbers::price(self.market.usd(coin, data_ms), form.precision);
            numbers::canonical(&literal).is_some_and(|published| published == said)
        })
    }

    /// The market's own price at an instant (Unix milliseconds), US dollars, unrounded. `None` for an unknown coin.
    ///
    /// `symbol` is one of the service's built-in symbols, or a CoinGecko id.
    pub fn market_price_at(&self, symbol: &str, at_ms: i64) -> Option<f64> {
        self.market
            .catalogue()
            .supported(symbol)
            .map(|coin| self.market.usd(coin, at_ms))
    }
}

impl Form {
    /// The instant whose data carry this timestamp; `None` when no data do.
    fn computed_at(&self, coin: &Coin, updated_ms: i64) -> Option<i64> {
        let lagged = updated_ms.checked_add(lag_ms(coin))?;
        let at_ms = if self.whole_seconds {
            if updated_ms.rem_euclid(1000) != 0 {
                return None;
            }
            // Data are put together at whole seconds, so exactly one of the thousand candidates can be meant.
            lagged.checked_add(999)?.div_euclid(1000) * 1000
        } else {
            lagged
        };
        (at_ms.rem_euclid(self.fresh_ms) == 0).then_some(at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-02T00:00:00Z.
    const START: i64 = 1_772_409_600_000;
    const MARKETS: Form = Form {
        fresh_ms: 60_000,
        precision: Precision::Default,
        whole_seconds: false,
        behind_ms: 0,
    };

    fn log_of(forms: &[Form]) -> (Arc<Market>, PublicationLog) {
        let market = Arc::new(Market::new(42));
        let log = PublicationLog::new(Arc::clone(&market));
        forms.iter().for_each(|form| log.publish(*form));
        (market, log)
    }

    #[test]
    fn what_was_quoted_was_published_and_nothing_else() {
        let (market, log) = log_of(&[MARKETS]);
        for (symbol, _, _) in service::symbols::BUILTIN {
            let Some(coin) = market.catalogue().supported(symbol) else {
                panic!("{symbol} is listed")
            };
            let quote = market.quote(coin, START + 12_345, 60_000);
            let literal = numbers::price(quote.price, Precision::Default);
            assert!(
                log.was_published(symbol, &literal, quote.updated_ms),
                "{symbol} {literal}"
            );
            assert!(
                log.was_published(&coin.id, &literal, quote.updated_ms),
                "{symbol} by id"
            );
            let other = numbers::price(quote.price * 1.01, Precision::Default);
            assert!(
                !log.was_published(symbol, &other, quote.updated_ms),
                "{symbol} {other}"
            );
            assert!(
                !log.was_published(symbol, &literal, quote.updated_ms + 1),
                "{symbol} at another instant"
            );
            assert!(!log.was_published(
                symbol,
                &numbers::price(quote.price, Precision::Full),
                quote.updated_ms
            ));
        }
    }

    #[test]
    fn a_price_may_be_written_in_other_digits_of_the_same_value() {
        let (market, log) = log_of(&[MARKETS]);
        let Some(coin) = market.catalogue().supported("SHIB") else {
            panic!("SHIB is listed")
        };
        let quote = market.quote(coin, START, 60_000);
        let scientific = numbers::price(quote.price, Precision::Default);
        assert!(scientific.contains("e-05"), "{scientific}");
        let plain = scientific.parse::<f64>().unwrap_or_default().to_string();
        assert!(plain.starts_with("0.0000"), "{plain}");
        assert!(log.was_published("SHIB", &plain, quote.updated_ms));
        assert!(log.was_published("shib", &scientific, quote.updated_ms));
    }

    #[test]
    fn whole_seconds_are_true_only_of_the_simple_endpoint() {
        let simple = Form {
            fresh_ms: 20_000,
            whole_seconds: true,
            ..MARKETS
        };
        let (market, log) = log_of(&[simple]);
        let Some(coin) = market.catalogue().supported("ETH") else {
            panic!("ETH is listed")
        };
        let quote = market.quote(coin, START + 47_000, 20_000);
        let literal = numbers::price(quote.price, Precision::Default);
        let seconds = quote.updated_ms.div_euclid(1000) * 1000;
        assert!(log.was_published("ETH", &literal, seconds));
        assert!(!log.was_published("ETH", &literal, seconds + 1000));
        assert_ne!(
            quote.updated_ms, seconds,
            "the coin's own instant has milliseconds"
        );
        assert!(!log.was_published("ETH", &literal, quote.updated_ms));
    }

    #[test]
    fn nothing_was_published_before_the_first_answer_nor_of_unknown_coins() {
        let (market, log) = log_of(&[]);
        let Some(coin) = market.catalogue().supported("BTC") else {
            panic!("BTC is listed")
        };
        let quote = market.quote(coin, START, 60_000);
        let literal = numbers::price(quote.price, Precision::Default);
        assert!(!log.was_published("BTC", &literal, quote.updated_ms));
        log.publish(MARKETS);
        assert!(log.was_published("BTC", &literal, quote.updated_ms));
        for (symbol, price, at_ms) in [
            ("NOPE", literal.as_str(), quote.updated_ms),
            ("BTC", "", 0),
            ("BTC", &literal, i64::MAX),
        ] {
            assert!(!log.was_published(symbol, price, at_ms));
        }
        assert_eq!(log.market_price_at("NOPE", START), None);
        let near = log.market_price_at("BTC", START + 1).unwrap_or_default();
        assert!((near / quote.price - 1.0).abs() < 1e-4);
    }
}
