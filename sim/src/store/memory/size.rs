//! How large items are and how many capacity units requests consume, by DynamoDB's published rules.
//!
//! - [Item sizes]: names and values of attributes, UTF-8 bytes for texts, 1 byte for booleans; numbers take about a
//!   byte for two significant digits and one more. "About" was measured by the authors of `dynoxide`: digits before
//!   and behind the point are rounded up apart, and a minus is a byte.
//! - [Capacity units]: reads in steps of 4 KB, half of that when eventually consistent; writes in steps of 1 KB, of
//!   the larger of the item before and after; at least one step, for an absent item, too; each item of a batch by
//!   itself. A write whose condition does not hold costs as much as if it did.
//!
//! Nothing here allocates: sizes are taken at each request.
//!
//! [Item sizes]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
//! [Capacity units]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html

use service::{
    models::{ApiKeyItem, HeldPrice, LeaseItem, Number, RetryTokens, StoredPrice},
    store::Consistency,
};

/// Largest item that can be stored, bytes.
pub(super) const MAX_ITEM: usize = 400 * 1024;

/// Read capacity units of an item, or of all that a scan has read.
pub(super) fn read_units(bytes: usize, consistency: Consistency) -> f64 {
    let strong = bytes.div_ceil(4096).max(1) as f64;
    match consistency {
        Consistency::Strong => strong,
        Consistency::Eventual => strong / 2.0,
    }
}

/// Write capacity units of a write, by the larger of the item before and after it.
pub(super) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(1024).max(1) as f64
}

/// A price, bytes.
pub(super) fn price(price: &StoredPrice) -> usize {
    let StoredPrice {
        symbol,
        name,
        price,
        change24h,
        market_cap,
        last_updated,
        fetched_at,
        ttl,
        held,
    } = price;
    let symbol = symbol.as_str().len();
    let held = held.as_ref().map_or(0, |HeldPrice { price, at }| {
        number("heldPrice", price) + whole("heldAt", at.0)
    });
    key("PRICE#".len() + symbol, "METADATA".len())
        + ("symbol".len() + symbol)
        + text("name", name)
        + number("price", price)
        + whole("lastUpdated", last_updated.0)
        + whole("fetchedAt", fetched_at.0)
        + whole("ttl", *ttl)
        + change24h.as_ref().map_or(0, |value| number("change24h", value))
        + market_cap.as_ref().map_or(0, |value| number("marketCap", value))
        + held
}

/// An API key, bytes.
pub(super) fn api_key(item: &ApiKeyItem) -> usize {
    let id = item.id.as_str();
    key("APIKEY#".len() + id.len(), "METADATA".len())
        + text("keyId", id)
        + text("name", &item.name)
        + whole("createdAt", item.created_at.0)
        + ("enabled".len() + 1)
        + item.last_used_at.map_or(0, |at| whole("lastUsedAt", at.0))
}

/// The counter of a window, bytes; `id` is the length of its key's id.
pub(super) fn counter(id: usize, window: i64, count: u32, ttl_s: i64) -> usize {
    let digits = window.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    key(
        "APIKEY#".len() + id,
        "RATELIMIT#".len() + digits + usize::from(window < 0),
    ) + whole("requestCount", count.into())
        + whole("ttl", ttl_s)
}

/// The lease, bytes.
pub(super) fn lease(item: &LeaseItem) -> usize {
    let instants = [
        ("leaseUntil", item.lease_until),
        ("retryNotBefore", item.retry_not_before),
        ("apiNotBefore", item.api_not_before),
        ("refreshedAt", item.refreshed_at),
    ];
    // They are only ever written together.
    let counts = item.retry_tokens.map_or(0, |left| {
        whole("failures", item.failures.into()) + tokens("retryTokens", left)
    });
    key("LEASE#prices".len(), "METADATA".len())
        + item.holder.as_ref().map_or(0, |holder| text("holder", &holder.0))
        + instants
            .into_iter()
            .filter_map(|(name, at)| Some(whole(name, at?.0)))
            .sum::<usize>()
        + counts
}

fn key(partition: usize, sort: usize) -> usize {
    "PK".len() + partition + "SK".len() + sort
}

fn text(name: &str, value: &str) -> usize {
    name.len() + value.len()
}

fn whole(name: &str, value: i64) -> usize {
    name.len() + digits(significant(value.unsigned_abs()), 0, value < 0)
}

fn number(name: &str, value: &Number) -> usize {
    // The one spelling of a number has no exponent, no leading zeros, and none behind the last digit of a fraction.
    let spelled = value.as_str();
    let (negative, spelled) = match spelled.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, spelled),
    };
    let (before, behind) = match spelled.split_once('.') {
        None => (spelled.trim_end_matches('0'), ""),
        Some(("0", fraction)) => ("", fraction.trim_start_matches('0')),
        Some(both) => both,
    };
    name.len() + digits(before.len(), behind.len(), negative)
}

fn tokens(name: &str, left: RetryTokens) -> usize {
    let tenths = u64::from(left.0);
    let (before, behind) = match (tenths / 10, tenths % 10) {
        (whole, 0) => (significant(whole), 0),
        (0, _) => (0, 1),
        (whole, _) => (whole.ilog10() as usize + 1, 1),
    };
    name.len() + digits(before, behind, false)
}

/// What a number with so many significant digits before and behind the point takes.
fn digits(before: usize, behind: usize, negative: bool) -> usize {
    before.div_ceil(2) + behind.div_ceil(2) + 1 + usize::from(negative)
}

/// Digits of a whole number without the zeros at its end; none for 0.
fn significant(mut value: u64) -> usize {
    if value == 0 {
        return 0;
    }
    while value.is_multiple_of(10) {
        value /= 10;
    }
    value.ilog10() as usize + 1
}

#[cfg(test)]
mod tests {
    use dynoxide::{
        AttributeValue,
        types::{item_size, number_size},
    };
    use proptest::prelude::*;
    use service::models::{Holder, KeyId, Symbol, Timestamp};

    use super::*;

    fn n(value: &dyn ToString) -> AttributeValue {
        AttributeValue::N(value.to_string())
    }

    fn s(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    /// What the emulator takes an item for.
    fn emulated<const N: usize>(attributes: [(&str, AttributeValue); N]) -> usize {
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
        item_size(&attributes.into_iter().collect())
    }

    proptest! {
        #[test]
        fn numbers_are_as_large_as_the_emulator_says(mantissa in any::<i64>(), exponent in -40i32..40) {
            prop_assert_eq!(whole("", mantissa), number_size(&mantissa.to_string()));
            let value = Number::parse(&format!("{mantissa}e{exponent}")).expect("it fits");
            prop_assert_eq!(number("", &value), number_size(value.as_str()), "{}", value);
        }
    }

    #[test]
    fn tokens_and_round_numbers_are_as_large_as_the_emulator_says() {
        for tenths in 0..=RetryTokens::FULL.0 {
            let left = RetryTokens(tenths);
            assert_eq!(tokens("", left), number_size(&left.to_string()), "{left}");
        }
        for value in [0, 1, 10, 1_500, -1_500, 1_772_409_600_000, i64::MIN, i64::MAX] {
            assert_eq!(whole("", value), number_size(&value.to_string()), "{value}");
        }
    }

    #[test]
    fn items_are_as_large_as_the_emulator_says() {
        let held = HeldPrice {
            price: Number::parse("8000000").expect("a number"),
            at: Timestamp(1_772_409_900_000),
        };
        let mut stored = StoredPrice {
            symbol: Symbol::new("BTC"),
            name: "Bitcoin ₿".into(),
            price: Number::parse("76975.25").expect("a number"),
            change24h: Number::parse("-1.4093297098441402"),
            market_cap: Number::parse("1542226908349.8406"),
            last_updated: Timestamp(1_772_409_599_123),
            fetched_at: Timestamp(1_772_409_600_000),
            ttl: 1_772_413_200,
            held: Some(held),
        };
        let all = [
            ("PK", s("PRICE#BTC")),
            ("SK", s("METADATA")),
            ("symbol", s("BTC")),
            ("name", s("Bitcoin ₿")),
            ("price", n(&"76975.25")),
            ("lastUpdated", n(&1_772_409_599_123_u64)),
            ("fetchedAt", n(&1_772_409_600_000_u64)),
            ("ttl", n(&1_772_413_200)),
            ("change24h", n(&"-1.4093297098441402")),
            ("marketCap", n(&"1542226908349.8406")),
            ("heldPrice", n(&8_000_000)),
            ("heldAt", n(&1_772_409_900_000_u64)),
        ];
        assert_eq!(price(&stored), emulated(all.clone()));
        (stored.change24h, stored.market_cap, stored.held) = (None, None, None);
        let [pk, sk, symbol, name, number, updated, fetched, ttl, ..] = all;
        let least = [pk, sk, symbol, name, number, updated, fetched, ttl];
        assert_eq!(price(&stored), emulated(least));

        let item = ApiKeyItem {
            id: KeyId::new("ab12"),
            name: "an app".to_owned(),
            created_at: Timestamp(1_772_409_600_000),
            enabled: true,
            last_used_at: Some(Timestamp(1)),
        };
        let stored = emulated([
            ("PK", s("APIKEY#ab12")),
            ("SK", s("METADATA")),
            ("keyId", s("ab12")),
            ("name", s("an app")),
            ("createdAt", n(&1_772_409_600_000_u64)),
            ("enabled", AttributeValue::BOOL(true)),
            ("lastUsedAt", n(&1)),
        ]);
        assert_eq!(api_key(&item), stored);

        for window in [29_540_160_i64, 0, -7] {
            let stored = emulated([
                ("PK", s("APIKEY#ab12")),
                ("SK", s(&format!("RATELIMIT#{window}"))),
                ("requestCount", n(&120)),
                ("ttl", n(&1_772_413_260)),
            ]);
            assert_eq!(counter("ab12".len(), window, 120, 1_772_413_260), stored);
        }

        let held = LeaseItem {
            holder: Some(Holder("api-0123456789abcdef".into())),
            lease_until: Some(Timestamp(1_772_409_605_001)),
            retry_not_before: Some(Timestamp(1_772_409_615_000)),
            api_not_before: Some(Timestamp(1_772_409_616_000)),
            failures: 12,
            refreshed_at: Some(Timestamp(1_772_409_600_000)),
            retry_tokens: Some(RetryTokens(49)),
        };
        let stored = emulated([
            ("PK", s("LEASE#prices")),
            ("SK", s("METADATA")),
            ("holder", s("api-0123456789abcdef")),
            ("leaseUntil", n(&1_772_409_605_001_u64)),
            ("retryNotBefore", n(&1_772_409_615_000_u64)),
            ("apiNotBefore", n(&1_772_409_616_000_u64)),
            ("failures", n(&12)),
            ("refreshedAt", n(&1_772_409_600_000_u64)),
            ("retryTokens", n(&"4.9")),
        ]);
        assert_eq!(lease(&held), stored);
        let first = LeaseItem {
            holder: held.holder,
            lease_until: held.lease_until,
            ..LeaseItem::default()
        };
        let stored = emulated([
            ("PK", s("LEASE#prices")),
            ("SK", s("METADATA")),
            ("holder", s("api-0123456789abcdef")),
            ("leaseUntil", n(&1_772_409_605_001_u64)),
        ]);
        assert_eq!(lease(&first), stored);
    }

    #[test]
    fn units_are_started_steps() {
        use Consistency::{Eventual, Strong};
        for (bytes, strong, write) in [
            (0, 1.0, 1.0),
            (1024, 1.0, 1.0),
            (1025, 1.0, 2.0),
            (4096, 1.0, 4.0),
            (4097, 2.0, 5.0),
        ] {
            assert_eq!(read_units(bytes, Strong), strong, "{bytes}");
            assert_eq!(read_units(bytes, Eventual), strong / 2.0, "{bytes}");
            assert_eq!(write_units(bytes), write, "{bytes}");
        }
    }
}
