//! DynamoDB items: keys, attribute names, and the way from and to the models.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::models::{
    ApiKeyItem, HeldPrice, Holder, KeyId, LeaseItem, Number, RetryTokens, StoredPrice, Symbol, Timestamp,
};

/// An item, or its key.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Partition key.
pub(super) const PK: &str = "PK";
/// Sort key.
pub(super) const SK: &str = "SK";
/// Sort key of everything but counters.
pub(super) const METADATA: &str = "METADATA";
/// Start of the partition key of API keys and their counters.
pub(super) const API_KEY: &str = "APIKEY#";

/// An item that is not what it should be: which attribute, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute `{attribute}` is missing or not {expected}")]
pub(super) struct Unreadable {
    attribute: &'static str,
    expected: &'static str,
}

pub(super) fn price_key(symbol: &Symbol) -> Item {
    key(format!("PRICE#{symbol}"), METADATA.to_owned())
}

pub(super) fn lease_key() -> Item {
    key("LEASE#prices".to_owned(), METADATA.to_owned())
}

pub(super) fn api_key_key(id: &KeyId) -> Item {
    key(format!("{API_KEY}{}", id.as_str()), METADATA.to_owned())
}

pub(super) fn rate_limit_key(id: &KeyId, window: i64) -> Item {
    key(format!("{API_KEY}{}", id.as_str()), format!("RATELIMIT#{window}"))
}

pub(super) fn key(pk: String, sk: String) -> Item {
    HashMap::from([
        (PK.to_owned(), AttributeValue::S(pk)),
        (SK.to_owned(), AttributeValue::S(sk)),
    ])
}

/// The symbol in a price's primary key.
pub(super) fn symbol_of_key(item: &Item) -> Option<Symbol> {
    text(item, PK).ok()?.strip_prefix("PRICE#").map(Symbol::new)
}

pub(super) fn price_item(price: &StoredPrice) -> Item {
    let mut item = price_key(&price.symbol);
    let mut put = |name: &str, value: AttributeValue| item.insert(name.to_owned(), value);
    put("symbol", AttributeValue::S(price.symbol.to_string()));
    put("name", AttributeValue::S(price.name.to_string()));
    put("price", exact(&price.price));
    put("lastUpdated", millis(price.last_updated));
    put("fetchedAt", millis(price.fetched_at));
    put("ttl", number(price.ttl));
    for (name, value) in [("change24h", &price.change24h), ("marketCap", &price.market_cap)] {
        if let Some(value) = value {
            put(name, exact(value));
        }
    }
    if let Some(HeldPrice { price, at }) = &price.held {
        put("heldPrice", exact(price));
        put("heldAt", millis(*at));
    }
    item
}

pub(super) fn read_price(item: &Item) -> Result<StoredPrice, Unreadable> {
    let held = match (read_exact(item, "heldPrice")?, read_millis(item, "heldAt")?) {
        (Some(price), Some(at)) => Some(HeldPrice { price, at }),
        _ => None,
    };
    Ok(StoredPrice {
        symbol: Symbol::new(text(item, "symbol")?),
        name: text(item, "name")?.into(),
        price: required(read_exact(item, "price")?, "price", "a number")?,
        change24h: read_exact(item, "change24h")?,
        market_cap: read_exact(item, "marketCap")?,
        last_updated: required(read_millis(item, "lastUpdated")?, "lastUpdated", "a number")?,
        fetched_at: required(read_millis(item, "fetchedAt")?, "fetchedAt", "a number")?,
        ttl: required(read_whole(item, "ttl")?, "ttl", "a number")?,
        held,
    })
}

pub(super) fn read_lease(item: &Item) -> Result<LeaseItem, Unreadable> {
    let holder = item.get("holder").and_then(|value| value.as_s().ok());
    let failures = read_whole(item, "failures")?.unwrap_or(0);
    Ok(LeaseItem {
        holder: holder.map(|name| Holder(name.as_str().into())),
        lease_until: read_millis(item, "leaseUntil")?,
        retry_not_before: read_millis(item, "retryNotBefore")?,
        api_not_before: read_millis(item, "apiNotBefore")?,
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        refreshed_at: read_millis(item, "refreshedAt")?,
        retry_tokens: read_exact(item, "retryTokens")?
            .map(|tokens| RetryTokens::from_retries(tokens.to_f64())),
    })
}

pub(super) fn api_key_item(key: &ApiKeyItem) -> Item {
    let mut item = api_key_key(&key.id);
    let mut put = |name: &str, value: AttributeValue| item.insert(name.to_owned(), value);
    put("keyId", AttributeValue::S(key.id.as_str().to_owned()));
    put("name", AttributeValue::S(key.name.clone()));
    put("createdAt", millis(key.created_at));
    put("enabled", AttributeValue::Bool(key.enabled));
    if let Some(at) = key.last_used_at {
        put("lastUsedAt", millis(at));
    }
    item
}

pub(super) fn read_api_key(item: &Item) -> Result<ApiKeyItem, Unreadable> {
    let enabled = item
        .get("enabled")
        .and_then(|value| value.as_bool().ok())
        .copied();
    Ok(ApiKeyItem {
        id: KeyId::new(text(item, "keyId")?),
        name: text(item, "name")?.to_owned(),
        created_at: required(read_millis(item, "createdAt")?, "createdAt", "a number")?,
        enabled: required(enabled, "enabled", "a boolean")?,
        last_used_at: read_millis(item, "lastUsedAt")?,
    })
}

/// `requestCount`; an absent one is 0.
pub(super) fn read_count(item: Option<&Item>) -> Result<u32, Unreadable> {
    let count = item
        .map(|item| read_whole(item, "requestCount"))
        .transpose()?
        .flatten()
        .unwrap_or(0);
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) fn text<'a>(item: &'a Item, attribute: &'static str) -> Result<&'a str, Unreadable> {
    let value = item.get(attribute).and_then(|value| value.as_s().ok());
    value.map(String::as_str).ok_or(Unreadable {
        attribute,
        expected: "a string",
    })
}

pub(super) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn millis(at: Timestamp) -> AttributeValue {
    number(at.0)
}

pub(super) fn tokens(tokens: RetryTokens) -> AttributeValue {
    AttributeValue::N(tokens.to_string())
}

fn exact(value: &Number) -> AttributeValue {
    AttributeValue::N(value.as_str().to_owned())
}

fn required<T>(value: Option<T>, attribute: &'static str, expected: &'static str) -> Result<T, Unreadable> {
    value.ok_or(Unreadable { attribute, expected })
}

fn read_exact(item: &Item, attribute: &'static str) -> Result<Option<Number>, Unreadable> {
    let unreadable = Unreadable {
        attribute,
        expected: "a number of at most 28 digits",
    };
    match item.get(attribute) {
        None | Some(AttributeValue::Null(_)) => Ok(None),
        Some(AttributeValue::N(digits)) => Number::parse(digits).map(Some).ok_or(unreadable),
        Some(_) => Err(unreadable),
    }
}

fn read_whole(item: &Item, attribute: &'static str) -> Result<Option<i64>, Unreadable> {
    let exact = read_exact(item, attribute)?;
    exact
        .map(|value| {
            value.as_str().parse().map_err(|_| Unreadable {
                attribute,
                expected: "a whole number",
            })
        })
        .transpose()
}

fn read_millis(item: &Item, attribute: &'static str) -> Result<Option<Timestamp>, Unreadable> {
    Ok(read_whole(item, attribute)?.map(Timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price() -> StoredPrice {
        StoredPrice {
            symbol: Symbol::new("BTC"),
            name: "Bitcoin".into(),
            price: Number::parse("0.000000000000000000012345678901").expect("a number"),
            change24h: None,
            market_cap: Number::parse("1542226908349.8406"),
            last_updated: Timestamp(1_772_409_600_123),
            fetched_at: Timestamp(1_772_409_601_000),
            ttl: 1_772_413_201,
            held: Some(HeldPrice {
                price: Number::parse("1e9").expect("a number"),
                at: Timestamp(7),
            }),
        }
    }

    #[test]
    fn a_price_comes_back_as_it_went() {
        assert_eq!(read_price(&price_item(&price())), Ok(price()));
        let plain = StoredPrice {
            held: None,
            ..price()
        };
        assert!(!price_item(&plain).contains_key("heldPrice"));
        assert_eq!(read_price(&price_item(&plain)), Ok(plain));
    }

    #[test]
    fn an_unreadable_item_names_its_attribute() {
        let mut item = price_item(&price());
        item.insert("price".to_owned(), AttributeValue::S("free".to_owned()));
        let error = read_price(&item).expect_err("unreadable");
        insta::assert_snapshot!(error, @"attribute `price` is missing or not a number of at most 28 digits");
    }

    #[test]
    fn keys_are_those_of_the_table() {
        let of = |key: Item| format!("{}/{}", text(&key, PK).expect("PK"), text(&key, SK).expect("SK"));
        let id = KeyId::new("ab12");
        assert_eq!(of(price_key(&Symbol::new("eth"))), "PRICE#ETH/METADATA");
        assert_eq!(of(lease_key()), "LEASE#prices/METADATA");
        assert_eq!(of(api_key_key(&id)), "APIKEY#ab12/METADATA");
        assert_eq!(
            of(rate_limit_key(&id, 29_540_160)),
            "APIKEY#ab12/RATELIMIT#29540160"
        );
        assert_eq!(
            symbol_of_key(&price_key(&Symbol::new("ETH"))),
            Some(Symbol::new("ETH"))
        );
    }

    #[test]
    fn a_lease_reads_with_its_defaults() {
        assert_eq!(read_lease(&lease_key()), Ok(LeaseItem::default()));
        let mut item = lease_key();
        item.insert("retryTokens".to_owned(), AttributeValue::N("4.9".to_owned()));
        item.insert("leaseUntil".to_owned(), number(12));
        let lease = read_lease(&item).expect("readable");
        assert_eq!(
            (lease.retry_tokens, lease.lease_until),
            (Some(RetryTokens(49)), Some(Timestamp(12)))
        );
        assert_eq!(tokens(RetryTokens(49)), AttributeValue::N("4.9".to_owned()));
    }

    #[test]
    fn an_api_key_comes_back_as_it_went() {
        let key = ApiKeyItem {
            id: KeyId::new("ab12"),
            name: "app".to_owned(),
            created_at: Timestamp(1),
            enabled: false,
            last_used_at: Some(Timestamp(2)),
        };
        assert_eq!(read_api_key(&api_key_item(&key)), Ok(key));
    }
}
