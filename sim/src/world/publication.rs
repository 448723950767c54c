//! What the fake CoinGecko published, as the recording asks for it.

use crate::{coingecko::PublicationLog, record::PublicationCheck};

impl PublicationCheck for PublicationLog {
    /// Data carry the instant that they are as of; they are not sent before it, and any later answer may still
    /// come from a cache. So `from_ms` excludes nothing.
    fn published(&self, symbol: &str, price: &str, updated_ms: i64, _from_ms: i64, to_ms: i64) -> bool {
        updated_ms <= to_ms && self.was_published(symbol, price, updated_ms)
    }

    fn market_price(&self, symbol: &str, ms: i64) -> f64 {
        self.market_price_at(symbol, ms).unwrap_or(f64::NAN)
    }
}
