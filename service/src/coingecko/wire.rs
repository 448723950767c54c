//! The shapes that CoinGecko sends, read as leniently as they are sent.
//!
//! Values stay raw JSON, so that no number is rounded and one odd value spoils only its own coin.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::Endpoint;

/// A body that is not a list of prices at all: HTML, cut JSON, an error under status 200.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable body: {0}")]
pub struct BadBody(pub String);

/// One coin as sent.
#[derive(Clone, Debug)]
pub struct WireQuote<'a> {
    /// CoinGecko's id.
    pub id: Cow<'a, str>,
    /// The name (`/coins/markets` only).
    pub name: Option<&'a RawValue>,
    /// US dollars; `None` when null or absent.
    pub price: Option<&'a RawValue>,
    /// Change over 24 hours, percent.
    pub change24h: Option<&'a RawValue>,
    /// Market capitalisation, US dollars.
    pub market_cap: Option<&'a RawValue>,
    /// An ISO-8601 text (`/coins/markets`) or Unix seconds (`/simple/price`).
    pub last_updated: Option<&'a RawValue>,
}

/// Reads the body of a 200.
///
/// # Errors
/// It is not what `endpoint` sends.
pub fn decode(body: &[u8], endpoint: Endpoint) -> Result<Vec<WireQuote<'_>>, BadBody> {
    match endpoint {
        Endpoint::Markets => markets(body),
        Endpoint::Simple => simple(body),
    }
}

#[derive(Deserialize)]
struct MarketItem<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    current_price: Option<&'a RawValue>,
    #[serde(borrow, default)]
    price_change_percentage_24h: Option<&'a RawValue>,
    #[serde(borrow, default)]
    market_cap: Option<&'a RawValue>,
    #[serde(borrow, default)]
    last_updated: Option<&'a RawValue>,
}

fn markets(body: &[u8]) -> Result<Vec<WireQuote<'_>>, BadBody> {
    let items: Vec<&RawValue> = json(body)?;
    Ok(items
        .into_iter()
        // An item without an id can be nobody's.
        .filter_map(|item| serde_json::from_str::<MarketItem<'_>>(item.get()).ok())
        .map(|item| WireQuote {
            id: item.id,
            name: item.name,
            price: item.current_price,
            change24h: item.price_change_percentage_24h,
            market_cap: item.market_cap,
            last_updated: item.last_updated,
        })
        .collect())
}

#[derive(Deserialize)]
struct SimpleItem<'a> {
    #[serde(borrow, default)]
    usd: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usd_24h_change: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usd_market_cap: Option<&'a RawValue>,
    #[serde(borrow, default)]
    last_updated_at: Option<&'a RawValue>,
}

fn simple(body: &[u8]) -> Result<Vec<WireQuote<'_>>, BadBody> {
    let coins: BTreeMap<Cow<'_, str>, &RawValue> = json(body)?;
    if let Some(error) = coins.get("status").or_else(|| coins.get("error")) {
        return Err(BadBody(format!(
            "an error under status 200: {}",
            shorten(error.get())
        )));
    }
    Ok(coins
        .into_iter()
        .filter_map(|(id, item)| Some((id, serde_json::from_str::<SimpleItem<'_>>(item.get()).ok()?)))
        .map(|(id, item)| WireQuote {
            id,
            name: None,
            price: item.usd,
            change24h: item.usd_24h_change,
            market_cap: item.usd_market_cap,
            last_updated: item.last_updated_at,
        })
        .collect())
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadBody> {
    serde_json::from_slice(body).map_err(|error| {
        let start = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        BadBody(format!("{error}; it starts with `{}`", shorten(&start)))
    })
}

fn shorten(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(body: &str, endpoint: Endpoint) -> Result<Vec<(String, Option<String>)>, String> {
        let quotes = decode(body.as_bytes(), endpoint).map_err(|error| error.to_string())?;
        let raw = |quote: &WireQuote<'_>| quote.price.map(|raw| raw.get().to_owned());
        Ok(quotes
            .iter()
            .map(|quote| (quote.id.clone().into_owned(), raw(quote)))
            .collect())
    }

    #[test]
    fn one_odd_coin_spoils_only_itself() {
        let body = r#"[{"id":"bitcoin","current_price":76975},{"id":"a","current_price":{}},{"id":"b","current_price":null},
            {"id":"c"},{"no":"id"},17]"#;
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            prices(body, Endpoint::Markets),
            Ok(vec![
                ("bitcoin".to_owned(), some("76975")),
                ("a".to_owned(), some("{}")),
                ("b".to_owned(), None),
                ("c".to_owned(), None),
            ])
        );
        let body = r#"{"bitcoin":{"usd":1e-9},"x":{},"y":null}"#;
        let expected = vec![("bitcoin".to_owned(), some("1e-9")), ("x".to_owned(), None)];
        assert_eq!(prices(body, Endpoint::Simple), Ok(expected));
    }

    #[test]
    fn what_is_no_list_of_prices_is_a_bad_body() {
        for body in [
            "<!DOCTYPE html>",
            "",
            "[{\"id\":\"bitcoin\"",
            "{\"status\":{\"error_code\":10006}}",
            "\u{0}",
        ] {
            assert!(prices(body, Endpoint::Markets).is_err(), "{body}");
            assert!(prices(body, Endpoint::Simple).is_err(), "{body}");
        }
        insta::assert_snapshot!(prices("<html>\n<p>", Endpoint::Markets).expect_err("bad"), @"unreadable body: expected value at line 1 column 1; it starts with `<html> <p>`");
    }
}
