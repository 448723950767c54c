//! What the service talks about: symbols, exact numbers, prices, API keys, the refresh lease.
//!
//! Meaning only: the shapes on the wire are in `store::item` and `coingecko::wire`.

use std::{
    borrow::Borrow,
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub use crate::clock::Timestamp;

/// An upper-case ticker, such as `BTC`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// Trims and upper-cases `text`. Whether it is supported is for [`crate::symbols::SymbolTable`] to say.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_ascii_uppercase().into())
    }

    /// The ticker.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// An exact decimal number, kept in its one canonical spelling: no exponent, no leading or trailing zeros.
///
/// Equal values are equal texts, so equal data give equal bytes wherever they were read from. Nothing is
/// rounded: what does not fit is refused.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// Most significant digits of a readable number. DynamoDB would hold 38.
    pub const MAX_DIGITS: usize = 28;

    /// Reads a JSON number, exponents included. `None` when `text` is not one, has more than
    /// [`Number::MAX_DIGITS`] significant digits, or lies outside what DynamoDB can hold.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits_only(whole) || !digits_only(fraction) || mantissa.ends_with('.') {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let leading = all.len() - all.trim_start_matches('0').len();
        let digits = all.trim_matches('0');
        if digits.is_empty() {
            return Some(Self("0".into()));
        }
        // The value is 0.digits × 10^point.
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()? + i64::from(exponent);
        let length = i64::try_from(digits.len()).ok()?;
        let fits = digits.len() <= Self::MAX_DIGITS && point <= 126 && point - length >= -130;
        fits.then(|| Self(spell(negative, digits, point).into()))
    }

    /// The canonical text, a JSON number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest binary number: for ratios and thresholds, never for what is served.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        // Canonical spellings always parse.
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Whether it is above zero, exactly.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        !self.0.starts_with('-') && &*self.0 != "0"
    }
}

/// Spells 0.`digits` × 10^`point` without an exponent.
fn spell(negative: bool, digits: &str, point: i64) -> String {
    let sign = if negative { "-" } else { "" };
    let length = digits.len();
    match usize::try_from(point) {
        Ok(0) | Err(_) => {
            let zeros = "0".repeat(usize::try_from(-point).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        Ok(point) if point >= length => format!("{sign}{digits}{}", "0".repeat(point - length)),
        Ok(point) => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.0.clone().into()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A price as stored and served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPrice {
    /// The ticker.
    pub symbol: Symbol,
    /// The coin's name, such as `Bitcoin`.
    pub name: Arc<str>,
    /// US dollars, above zero.
    pub price: Number,
    /// Change over 24 hours, percent.
    pub change24h: Option<Number>,
    /// Market capitalisation, US dollars.
    pub market_cap: Option<Number>,
    /// When CoinGecko last updated it.
    pub last_updated: Timestamp,
    /// When this service fetched it.
    pub fetched_at: Timestamp,
    /// Unix seconds from which on it is gone for us, even though DynamoDB may not yet have deleted it.
    pub ttl: i64,
    /// A price that jumped too far to be believed before a second fetch confirms it.
    pub held: Option<HeldPrice>,
}

impl StoredPrice {
    /// Whether it may be served at all at `now`.
    #[must_use]
    pub fn is_servable(&self, now: Timestamp) -> bool {
        now.0 < self.ttl.saturating_mul(1000)
    }
}

/// A price waiting to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPrice {
    /// US dollars.
    pub price: Number,
    /// When it was fetched.
    pub at: Timestamp,
}

/// Identity of an API key: the lower-case hex SHA-256 of the presented secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(Arc<str>);

/// Something for each of many keys. Hashed alike in every process: whoever holds many keys could
/// make them collide, but only keys that exist are ever kept, and those we give out.
pub type ByKey<T> = HashMap<KeyId, T, BuildHasherDefault<DefaultHasher>>;

impl Hash for KeyId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Sixteen digits of a digest tell keys apart as well as all of them do.
        state.write(self.0.as_bytes().get(..16).unwrap_or(self.0.as_bytes()));
    }
}

impl KeyId {
    /// Takes an id as stored.
    #[must_use]
    pub fn new(hex: &str) -> Self {
        Self(hex.into())
    }

    /// All 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, which is what logs show.
    #[must_use]
    pub fn masked(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.masked())
    }
}

/// An API key as stored. The secret itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyItem {
    /// Its identity.
    pub id: KeyId,
    /// What its owner is called.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether it opens anything.
    pub enabled: bool,
    /// When it was last used, written at most once a minute.
    pub last_used_at: Option<Timestamp>,
}

/// Who holds the refresh lease: `api-<16 hex>` or `update-<16 hex>`, drawn anew for each acquisition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(pub Arc<str>);

/// Retries that the fleet may still make, in tenths of a retry, so that deposits of 0.1 add up exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryTokens(pub u16);

impl RetryTokens {
    /// The budget's cap, and what it is before the first refresh: 5 retries.
    pub const FULL: Self = Self(50);
    /// What one retry costs.
    pub const RETRY: u16 = 10;
    /// What a refresh that succeeded puts back: 0.1 retries.
    pub const DEPOSIT: u16 = 1;

    /// The budget nearest to this many retries, within its bounds.
    #[must_use]
    pub fn from_retries(retries: f64) -> Self {
        Self((retries * 10.0).round().clamp(0.0, f64::from(Self::FULL.0)) as u16)
    }
}

impl fmt::Display for RetryTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// The one lease item. Absent attributes are `None` (or zero failures, a full budget).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseItem {
    /// Who holds it, or held it last.
    pub holder: Option<Holder>,
    /// Until when the holder may write; absent when nobody holds it.
    pub lease_until: Option<Timestamp>,
    /// No refresh starts before this instant, in either binary.
    pub retry_not_before: Option<Timestamp>,
    /// No API process starts a refresh before this instant; the updater, which waits longer, may.
    pub api_not_before: Option<Timestamp>,
    /// Refreshes that failed since the last that succeeded.
    pub failures: u32,
    /// When the set was last fetched and completely stored.
    pub refreshed_at: Option<Timestamp>,
    /// The retry budget; `None` until the first refresh wrote it.
    pub retry_tokens: Option<RetryTokens>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Option<String> {
        Number::parse(text).map(|number| number.to_string())
    }

    #[test]
    fn a_number_has_one_spelling() {
        for (text, spelled) in [
            ("76975", "76975"),
            ("20030493.0", "20030493"),
            ("1.50e1", "15"),
            ("1E-7", "0.0000001"),
            ("12.5e-3", "0.0125"),
            ("-1.4093297098441402", "-1.4093297098441402"),
            ("0.00480102", "0.00480102"),
            ("1e3", "1000"),
            ("-0.0", "0"),
            ("0e99", "0"),
            ("1234567890123456789012345678", "1234567890123456789012345678"),
            (
                "0.00000000000000000000000000000000001",
                "0.00000000000000000000000000000000001",
            ),
        ] {
            assert_eq!(number(text).as_deref(), Some(spelled), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = "12345678901234567890123456789";
        for text in [
            "", "-", ".5", "5.", "1e", "1e+", "+1", "0x1", "NaN", "1_000", "1e127", "1e-131", long,
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_value_is_kept(mantissa in -1_000_000_000_000i64..1_000_000_000_000, exponent in -20i32..20) {
            let text = format!("{mantissa}e{exponent}");
            let spelled = number(&text).expect("it fits");
            prop_assert_eq!(spelled.parse::<f64>().ok(), text.parse::<f64>().ok());
            prop_assert_eq!(number(&spelled), Some(spelled.clone()));
            prop_assert!(!spelled.contains(['e', 'E']));
        }
    }

    #[test]
    fn a_number_is_written_as_it_is_spelled() {
        let json = serde_json::to_string(&[Number::parse("1542226908349.8406")]).expect("serialises");
        assert_eq!(json, "[1542226908349.8406]");
    }

    #[test]
    fn tokens_are_stored_in_tenths() {
        assert_eq!(RetryTokens(49).to_string(), "4.9");
        assert_eq!(RetryTokens::from_retries(4.9), RetryTokens(49));
        assert_eq!(RetryTokens::from_retries(99.0), RetryTokens::FULL);
        assert_eq!(RetryTokens::from_retries(-1.0), RetryTokens(0));
    }
}
