//! From CoinGecko's shapes to prices, and from prices to the answer: the only bridges, and pure.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    coingecko::wire::WireQuote,
    memory::KnownPrice,
    models::{Number, StoredPrice, Symbol, Timestamp},
};

/// A coin as CoinGecko gave it, read and checked by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// US dollars, above zero.
    pub price: Number,
    /// Change over 24 hours, percent.
    pub change24h: Option<Number>,
    /// Market capitalisation, US dollars.
    pub market_cap: Option<Number>,
    /// When CoinGecko last updated it.
    pub last_updated: Timestamp,
    /// CoinGecko's name for it.
    pub name: Option<Arc<str>>,
}

/// Why a coin has no new price after a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Shortfall {
    /// Not in the answer.
    #[error("missing")]
    Missing,
    /// Its page of the set was not fetched.
    #[error("not fetched")]
    NotFetched,
    /// `null`.
    #[error("null price")]
    NullPrice,
    /// Zero or below.
    #[error("price not above zero")]
    NotPositive,
    /// No number, or over 28 digits.
    #[error("unreadable price")]
    UnreadablePrice,
    /// No instant of update.
    #[error("unreadable last update")]
    UnreadableInstant,
    /// Updated further ahead of us than clocks can differ.
    #[error("last update in the future")]
    InstantAhead,
    /// Older than what is stored.
    #[error("older than the stored price")]
    Older,
    /// It jumped, and awaits a second fetch.
    #[error("jump held until confirmed")]
    Held,
    /// The store did not take it.
    #[error("not stored")]
    NotStored,
}

/// Reads one coin.
///
/// # Errors
/// Its price or instant cannot be used. A change or market capitalisation that cannot is left out.
pub fn reading(wire: &WireQuote<'_>) -> Result<Reading, Shortfall> {
    let number = |raw: &serde_json::value::RawValue| Number::parse(raw.get());
    let price = wire.price.ok_or(Shortfall::NullPrice)?;
    let price = number(price).ok_or(Shortfall::UnreadablePrice)?;
    if !price.is_positive() {
        return Err(Shortfall::NotPositive);
    }
    let updated = wire.last_updated.and_then(|raw| instant(raw.get()));
    let name = wire
        .name
        .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    Ok(Reading {
        price,
        change24h: wire.change24h.and_then(number),
        market_cap: wire.market_cap.and_then(number),
        last_updated: updated.ok_or(Shortfall::UnreadableInstant)?,
        name: name.filter(|name| !name.is_empty()).map(Into::into),
    })
}

/// A JSON text in ISO-8601, or Unix seconds.
fn instant(json: &str) -> Option<Timestamp> {
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).ok()?;
        let at: jiff::Timestamp = text.parse().ok()?;
        return Some(Timestamp(at.as_millisecond()));
    }
    let seconds: i64 = Number::parse(json)?.as_str().parse().ok()?;
    // Later than any date that can be written is no instant.
    jiff::Timestamp::from_second(seconds)
        .ok()
        .map(|at| Timestamp(at.as_millisecond()))
}

/// The body of a 200: prices and what is unavailable, each in the order asked. Equal data give equal bytes.
#[must_use]
pub fn answer<'a>(
    prices: impl Iterator<Item = &'a KnownPrice> + Clone,
    unavailable: &'a [Symbol],
) -> Vec<u8> {
    let size = prices.clone().map(|price| price.spelling().item.len() + 1);
    let mut body = Vec::with_capacity(size.sum::<usize>() + 64);
    body.extend_from_slice(b"{\"data\":[");
    for (index, price) in prices.clone().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&price.spelling().item);
    }
    body.push(b']');
    if !unavailable.is_empty() {
        body.extend_from_slice(b",\"unavailable\":");
        body.extend(spelled(unavailable));
    }
    body.extend_from_slice(b",\"timestamp\":");
    match prices.max_by_key(|price| price.fetched_at) {
        Some(newest) => body.extend_from_slice(&newest.spelling().fetched_at),
        None => body.extend(spelled(&civil(Timestamp::default()))),
    }
    body.push(b'}');
    body
}

/// How answers spell a price, in JSON.
#[derive(Debug)]
pub struct Spelling {
    /// Its item of `data`.
    item: Box<[u8]>,
    /// When it was fetched.
    fetched_at: Box<[u8]>,
}

impl Spelling {
    pub(crate) fn of(price: &StoredPrice) -> Self {
        Self {
            item: spelled(&PriceBody::from(price)).into(),
            fetched_at: spelled(&civil(price.fetched_at)).into(),
        }
    }
}

fn spelled(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    // Texts and numbers always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PriceBody<'a> {
    symbol: &'a Symbol,
    name: &'a str,
    price: &'a Number,
    change24h: Option<&'a Number>,
    market_cap: Option<&'a Number>,
    last_updated: jiff::Timestamp,
}

impl<'a> From<&'a StoredPrice> for PriceBody<'a> {
    fn from(price: &'a StoredPrice) -> Self {
        Self {
            symbol: &price.symbol,
            name: &price.name,
            price: &price.price,
            change24h: price.change24h.as_ref(),
            market_cap: price.market_cap.as_ref(),
            last_updated: civil(price.last_updated),
        }
    }
}

/// An instant that serialises as RFC 3339 in UTC, with a fraction only when there is one.
fn civil(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::{coingecko::wire::decode, config::Endpoint};

    fn read(item: &str) -> Result<Reading, Shortfall> {
        let body = format!("[{item}]");
        let quotes = decode(body.as_bytes(), Endpoint::Markets).expect("a list");
        reading(&quotes[0])
    }

    fn with_price(price: &str) -> Result<String, Shortfall> {
        let item =
            format!(r#"{{"id":"x","current_price":{price},"last_updated":"2026-03-02T00:00:00.123Z"}}"#);
        read(&item).map(|reading| reading.price.to_string())
    }

    #[test]
    fn a_price_keeps_its_value() {
        assert_eq!(with_price("76975").as_deref(), Ok("76975"));
        assert_eq!(with_price("0.00480102").as_deref(), Ok("0.00480102"));
        assert_eq!(with_price("1.2345e-7").as_deref(), Ok("0.00000012345"));
        assert_eq!(
            with_price("1542226908349.8406").as_deref(),
            Ok("1542226908349.8406")
        );
        assert_eq!(with_price("20030493.0").as_deref(), Ok("20030493"));
    }

    #[test]
    fn what_is_no_price_is_told_apart() {
        assert_eq!(with_price("null"), Err(Shortfall::NullPrice));
        assert_eq!(with_price("0"), Err(Shortfall::NotPositive));
        assert_eq!(with_price("0e5"), Err(Shortfall::NotPositive));
        assert_eq!(with_price("-3"), Err(Shortfall::NotPositive));
        for odd in [
            "{}",
            "\"76975\"",
            "true",
            "12345678901234567890123456789",
            "1e999",
        ] {
            assert_eq!(with_price(odd), Err(Shortfall::UnreadablePrice), "{odd}");
        }
        assert_eq!(
            read(r#"{"id":"x","current_price":1}"#),
            Err(Shortfall::UnreadableInstant)
        );
        assert_eq!(
            read(r#"{"id":"x","current_price":1,"last_updated":"noon"}"#),
            Err(Shortfall::UnreadableInstant)
        );
    }

    #[test]
    fn an_unusable_change_is_left_out() {
        let item = r#"{"id":"x","current_price":1,"last_updated":1779092258,"price_change_percentage_24h":"?","market_cap":null}"#;
        let reading = read(item).expect("usable");
        assert_eq!((reading.change24h, reading.market_cap), (None, None));
        assert_eq!(reading.last_updated, Timestamp(1_779_092_258_000));
    }

    #[test]
    fn an_answer_is_spelled_exactly() {
        let btc = StoredPrice {
            symbol: Symbol::new("BTC"),
            name: "Bitcoin".into(),
            price: Number::parse("76975").expect("a number"),
            change24h: Number::parse("-1.4093297098441402"),
            market_cap: None,
            last_updated: Timestamp(1_772_409_600_000),
            fetched_at: Timestamp(1_772_409_600_120),
            ttl: 0,
            held: None,
        };
        let older = StoredPrice {
            symbol: Symbol::new("ETH"),
            fetched_at: Timestamp(0),
            ..btc.clone()
        };
        let (btc, older) = (KnownPrice::new(btc), KnownPrice::new(older));
        let spelled = |prices: &[&KnownPrice], unavailable: &[Symbol]| {
            String::from_utf8(answer(prices.iter().copied(), unavailable)).expect("UTF-8")
        };
        assert_snapshot!(spelled(&[&btc], &[]), @r#"{"data":[{"symbol":"BTC","name":"Bitcoin","price":76975,"change24h":-1.4093297098441402,"marketCap":null,"lastUpdated":"2026-03-02T00:00:00Z"}],"timestamp":"2026-03-02T00:00:00.12Z"}"#);
        // The newest fetch is the timestamp, wherever it stands.
        assert_snapshot!(spelled(&[&older, &btc], &[Symbol::new("SOL")]), @r#"{"data":[{"symbol":"ETH","name":"Bitcoin","price":76975,"change24h":-1.4093297098441402,"marketCap":null,"lastUpdated":"2026-03-02T00:00:00Z"},{"symbol":"BTC","name":"Bitcoin","price":76975,"change24h":-1.4093297098441402,"marketCap":null,"lastUpdated":"2026-03-02T00:00:00Z"}],"unavailable":["SOL"],"timestamp":"2026-03-02T00:00:00.12Z"}"#);
    }
}
