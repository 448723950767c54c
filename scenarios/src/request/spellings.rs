//! Reads the bodies of price answers, and knows again what it has read before.
//!
//! A body is put together from the items of its coins, and these change only when their prices do. So items are known
//! by their text: a body that consists of known items between the known start and a known end says what they said.
//! Whatever else it may be is read as JSON, and its parts are known from then on.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::ServedPrice;

/// What stands before the items when a body is spelt without spaces.
const START: &[u8] = br#"{"data":["#;

/// What stands before the symbol of an item.
const SYMBOL: &[u8] = br#"{"symbol":""#;

/// Spellings known of one coin, and of ends: several processes answer, some of them with older prices.
const KNOWN: usize = 4;

/// Coins known before a body is learned, at most: else all are forgotten first. No scenario has more.
const COINS: usize = 1024;

/// What the body of a 200 says.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    pub(super) served: Arc<[ServedPrice]>,
    pub(super) unavailable: Vec<String>,
}

/// The spellings that are known.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    coins: BTreeMap<Box<str>, VecDeque<Item>>,
    /// What followed the last item of bodies that had nothing unavailable.
    ends: VecDeque<Box<[u8]>>,
}

#[derive(Debug)]
struct Item {
    text: Box<[u8]>,
    price: ServedPrice,
}

impl Spellings {
    /// What a decoded body says; `None` when it cannot be read.
    pub(super) fn read(&mut self, body: &[u8]) -> Option<Prices> {
        self.known(body).or_else(|| self.learn(body))
    }

    fn known(&self, body: &[u8]) -> Option<Prices> {
        let mut rest = body.strip_prefix(START)?;
        let mut served = Vec::with_capacity(4);
        loop {
            let symbol = rest.strip_prefix(SYMBOL)?;
            let length = symbol.iter().position(|byte| *byte == b'"')?;
            let symbol = std::str::from_utf8(&symbol[..length]).ok()?;
            let items = self.coins.get(symbol)?.iter();
            let (item, after) = items
                .rev()
                .find_map(|item| Some((item, rest.strip_prefix(&*item.text)?)))?;
            served.push(item.price.clone());
            match after.strip_prefix(b",") {
                Some(next) => rest = next,
                None => {
                    return self.ends.iter().any(|end| **end == *after).then(|| Prices {
                        served: served.into(),
                        unavailable: Vec::new(),
                    });
                }
            }
        }
    }

    fn learn(&mut self, body: &[u8]) -> Option<Prices> {
        let body = std::str::from_utf8(body).ok()?;
        let document: PricesDocument<'_> = serde_json::from_str(body).ok()?;
        let items = document.data.iter().map(|item| Some((*item, served(item)?)));
        let items: Vec<(&RawValue, ServedPrice)> = items.collect::<Option<_>>()?;
        if self.coins.len() > COINS {
            self.coins.clear();
        }
        for (text, price) in &items {
            let known = self.coins.entry((*price.symbol).into()).or_default();
            if known.iter().all(|item| *item.text != *text.get().as_bytes()) {
                keep(
                    known,
                    Item {
                        text: text.get().as_bytes().into(),
                        price: price.clone(),
                    },
                );
            }
        }
        if document.unavailable.is_empty()
            && let Some(end) = items.last().and_then(|(last, _)| behind(body, last.get()))
            && self.ends.iter().all(|known| **known != *end.as_bytes())
        {
            keep(&mut self.ends, end.as_bytes().into());
        }
        Some(Prices {
            served: items.into_iter().map(|(_, price)| price).collect(),
            unavailable: document.unavailable.into_iter().map(Cow::into_owned).collect(),
        })
    }
}

/// What follows `part`, a piece of `whole` itself and not of a text like it.
fn behind<'a>(whole: &'a str, part: &str) -> Option<&'a str> {
    let begins = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    whole.get(begins + part.len()..)
}

fn keep<T>(known: &mut VecDeque<T>, new: T) {
    if known.len() == KNOWN {
        known.pop_front();
    }
    known.push_back(new);
}

/// The body of a 200. What the harness does not look at is skipped.
#[derive(Deserialize)]
struct PricesDocument<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    unavailable: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PriceDocument<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    /// Kept as written: the service must pass numbers on without rounding them.
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    last_updated: Cow<'a, str>,
}

fn served(item: &RawValue) -> Option<ServedPrice> {
    let price: PriceDocument<'_> = serde_json::from_str(item.get()).ok()?;
    let updated: jiff::Timestamp = price.last_updated.parse().ok()?;
    Some(ServedPrice {
        symbol: price.symbol.into(),
        price: price.price.get().into(),
        updated_ms: updated.as_millisecond(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(symbol: &str, price: u32) -> String {
        format!(
            r#"{{"symbol":"{symbol}","name":"]}},{{\"","price":{price},"lastUpdated":"2026-03-02T00:00:00Z"}}"#
        )
    }

    fn body(items: &[String]) -> String {
        format!(
            r#"{{"data":[{}],"timestamp":"2026-03-02T00:00:30Z"}}"#,
            items.join(",")
        )
    }

    fn prices(read: Option<&Prices>) -> Vec<(&str, &str)> {
        let served = read.map_or(&[][..], |prices| &*prices.served);
        served
            .iter()
            .map(|price| (&*price.symbol, &*price.price))
            .collect()
    }

    #[test]
    fn known_items_are_known_in_any_order() {
        let mut spellings = Spellings::default();
        let (btc, eth) = (item("BTC", 1), item("ETH", 2));
        assert!(
            spellings
                .known(body(std::slice::from_ref(&btc)).as_bytes())
                .is_none()
        );
        spellings.read(body(&[btc.clone(), eth.clone()]).as_bytes());
        let known = spellings.known(body(&[eth, btc]).as_bytes());
        assert_eq!(prices(known.as_ref()), [("ETH", "2"), ("BTC", "1")]);
    }

    #[test]
    fn what_is_not_spelt_as_before_is_read_anew() {
        let mut spellings = Spellings::default();
        let (old, new) = (body(&[item("BTC", 1)]), body(&[item("BTC", 12)]));
        for text in [&old, &new, &old] {
            let said = spellings.read(text.as_bytes());
            assert_eq!(prices(said.as_ref()).len(), 1);
        }
        assert_eq!(prices(spellings.known(new.as_bytes()).as_ref()), [("BTC", "12")]);
        assert_eq!(prices(spellings.known(old.as_bytes()).as_ref()), [("BTC", "1")]);
        // Known parts, wrongly put together or cut, are no known body; nor are spaces.
        for broken in [
            old.replace("}],", "},],"),
            old.replace("}],", "}"),
            old.replace("\"data\":[", "\"data\": ["),
            old[..old.len() - 1].to_owned(),
            format!("{old} "),
        ] {
            assert!(spellings.known(broken.as_bytes()).is_none(), "{broken}");
        }
    }

    #[test]
    fn an_end_is_what_follows_the_items_and_not_a_text_like_them() {
        let mut spellings = Spellings::default();
        let btc = item("BTC", 1);
        spellings.read(format!(r#"{{"data":[{btc}],"extra":{btc}}}"#).as_bytes());
        let broken = format!(r#"{{"data":[{btc}}}"#);
        assert!(spellings.read(broken.as_bytes()).is_none());
    }

    #[test]
    fn what_is_unavailable_is_told_each_time() {
        let mut spellings = Spellings::default();
        let text = body(&[item("BTC", 1)]).replace("],", r#"],"unavailable":["ETH"],"#);
        for _ in 0..2 {
            let said = spellings.read(text.as_bytes()).expect("readable");
            assert_eq!(said.unavailable, ["ETH"]);
        }
        assert!(spellings.ends.is_empty());
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut spellings = Spellings::default();
        for n in 0..5_000 {
            let text = body(&[item(&format!("C{n}"), 1), item("BTC", n)]);
            spellings.read(text.replace(":30Z", &format!(":30.{n}Z")).as_bytes());
        }
        assert!(spellings.coins.len() <= COINS + 2, "{}", spellings.coins.len());
        assert_eq!(
            (spellings.coins["BTC"].len(), spellings.ends.len()),
            (KNOWN, KNOWN)
        );
    }
}
