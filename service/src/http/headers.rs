//! The headers that tell a client where its answer came from and what is left of its quota.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    clock::Timestamp,
    prices::{Lookup, Tier},
    problem::whole_seconds_up,
    rate_limit::{Outcome, WINDOW_MS},
};

/// `Cache-Status` (RFC 9211).
pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// `RateLimit`.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// `RateLimit-Policy`.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// `X-Request-Id`.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of this cache in `Cache-Status`.
const CACHE: &str = "crypto-watch";

/// The worst coin of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worst {
    /// Where it came from.
    pub(super) tier: Tier,
    /// How long it stays fresh, whole seconds rounded down; negative = stale for that long.
    pub(super) ttl: i64,
}

impl Worst {
    /// Of an answer without a coin.
    pub(super) const NOTHING: Self = Self {
        tier: Tier::Nothing,
        ttl: 0,
    };

    /// The worst coin: of the worst tier, the one that is stale first.
    pub(super) fn of(lookup: &Lookup, now: Timestamp, cache_ttl: Duration) -> Self {
        if !lookup.unavailable.is_empty() || lookup.found.is_empty() {
            return Self::NOTHING;
        }
        let cache_ttl = i64::try_from(cache_ttl.as_millis()).unwrap_or(i64::MAX);
        lookup
            .found
            .iter()
            .map(|quote| (quote.tier, cache_ttl - (now.0 - quote.price.fetched_at.0)))
            .max_by_key(|(tier, ttl)| (*tier, -ttl))
            .map_or(Self::NOTHING, |(tier, ttl)| Self {
                tier,
                ttl: ttl.div_euclid(1000),
            })
    }

    /// The value of `Cache-Status`.
    pub(super) fn header(self) -> String {
        let how = match self.tier {
            Tier::Nothing => "fwd=miss",
            Tier::StaleIfError => "hit; detail=stale-if-error",
            Tier::RevalidatingElsewhere => "hit; detail=stale-while-revalidate",
            Tier::StoredStale => "fwd=stale; stored",
            Tier::CollapsedStale => "fwd=stale; collapsed",
            Tier::StoredMiss => "fwd=miss; stored",
            Tier::CollapsedMiss => "fwd=miss; collapsed",
            Tier::Store => "hit; detail=store",
            Tier::Memory => "hit; detail=memory",
        };
        format!("{CACHE}; {how}; ttl={}", self.ttl)
    }
}

/// Headers whose values are the same for the life of a process, in whichever answers they stand.
#[derive(Clone, Debug)]
pub struct FixedHeaders {
    policy: HeaderValue,
    cache_control: HeaderValue,
}

impl FixedHeaders {
    /// Those of a process with this rate limit (requests a minute) and this `CACHE_TTL_SECONDS`.
    pub(crate) fn new(limit: u32, cache_ttl: Duration) -> Self {
        let window = WINDOW_MS / 1000;
        let value = |text: String| HeaderValue::try_from(text).expect("visible ASCII");
        Self {
            policy: value(format!("\"default\";q={limit};w={window}")),
            cache_control: value(format!("private, max-age={}", cache_ttl.as_secs())),
        }
    }

    /// `Age` counts against it, so that a client's copy goes stale when ours does. Private: it took a key.
    pub(super) fn cache_control(&self, headers: &mut HeaderMap) {
        headers.insert(header::CACHE_CONTROL, self.cache_control.clone());
    }
}

/// Adds `RateLimit-Policy` and `RateLimit`.
pub(super) fn quota(headers: &mut HeaderMap, fixed: &FixedHeaders, outcome: Outcome) {
    let (remaining, seconds) = match outcome {
        Outcome::Admitted { remaining, reset } => (remaining, whole_seconds_up(reset)),
        Outcome::Refused { retry_after } => (0, whole_seconds_up(retry_after).max(1)),
    };
    headers.insert(RATE_LIMIT_POLICY, fixed.policy.clone());
    set(
        headers,
        RATE_LIMIT,
        &format!("\"default\";r={remaining};t={seconds}"),
    );
}

/// Sets a header to a text of our own making.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use insta::assert_snapshot;

    use super::*;
    use crate::{
        memory::KnownPrice,
        models::{Number, StoredPrice, Symbol},
        prices::Quote,
    };

    const NOW: Timestamp = Timestamp(1_000_000);

    fn quote(tier: Tier, age_ms: i64) -> Quote {
        let price = StoredPrice {
            symbol: Symbol::new("BTC"),
            name: "Bitcoin".into(),
            price: Number::parse("1").expect("a number"),
            change24h: None,
            market_cap: None,
            last_updated: Timestamp(0),
            fetched_at: Timestamp(NOW.0 - age_ms),
            ttl: 0,
            held: None,
        };
        Quote {
            price: Arc::new(KnownPrice::new(price)),
            tier,
        }
    }

    fn cache_status(found: Vec<Quote>, unavailable: Vec<Symbol>) -> String {
        let lookup = Lookup {
            found,
            unavailable,
            ..Lookup::default()
        };
        Worst::of(&lookup, NOW, Duration::from_secs(300)).header()
    }

    #[test]
    fn each_tier_has_its_cache_status() {
        let all = [
            Tier::Memory,
            Tier::Store,
            Tier::CollapsedMiss,
            Tier::StoredMiss,
            Tier::CollapsedStale,
            Tier::StoredStale,
            Tier::RevalidatingElsewhere,
            Tier::StaleIfError,
        ];
        let lines: Vec<String> = all
            .map(|tier| cache_status(vec![quote(tier, 1)], vec![]))
            .to_vec();
        assert_snapshot!(lines.join("\n"), @"
        crypto-watch; hit; detail=memory; ttl=299
        crypto-watch; hit; detail=store; ttl=299
        crypto-watch; fwd=miss; collapsed; ttl=299
        crypto-watch; fwd=miss; stored; ttl=299
        crypto-watch; fwd=stale; collapsed; ttl=299
        crypto-watch; fwd=stale; stored; ttl=299
        crypto-watch; hit; detail=stale-while-revalidate; ttl=299
        crypto-watch; hit; detail=stale-if-error; ttl=299
        ");
    }

    #[test]
    fn the_worst_coin_speaks_for_all() {
        let stale = || quote(Tier::StaleIfError, 420_500);
        assert_eq!(
            cache_status(
                vec![quote(Tier::Memory, 999_000), stale(), quote(Tier::Store, 0)],
                vec![]
            ),
            "crypto-watch; hit; detail=stale-if-error; ttl=-121"
        );
        assert_eq!(
            cache_status(
                vec![quote(Tier::Memory, 10_000), quote(Tier::Memory, 20_000)],
                vec![]
            ),
            "crypto-watch; hit; detail=memory; ttl=280"
        );
        assert_eq!(
            cache_status(vec![stale()], vec![Symbol::new("ETH")]),
            "crypto-watch; fwd=miss; ttl=0"
        );
        assert_eq!(cache_status(vec![], vec![]), "crypto-watch; fwd=miss; ttl=0");
    }

    #[test]
    fn the_quota_is_told_in_both_cases() {
        let told = |outcome| {
            let mut headers = HeaderMap::new();
            quota(&mut headers, &FixedHeaders::new(60, Duration::ZERO), outcome);
            format!("{:?} {:?}", headers[RATE_LIMIT_POLICY], headers[RATE_LIMIT])
        };
        let reset = Duration::from_millis(12_001);
        assert_snapshot!(told(Outcome::Admitted { remaining: 7, reset }), @r#""\"default\";q=60;w=60" "\"default\";r=7;t=13""#);
        assert_snapshot!(told(Outcome::Refused { retry_after: reset }), @r#""\"default\";q=60;w=60" "\"default\";r=0;t=13""#);
    }
}
