//! Client requests as fixed-size records, for as long as they wait to be settled.

use scenarios::wire::RequestLine;

/// "None" in a `u32` field of a record.
pub(super) const NONE: u32 = u32::MAX;

/// One request and its answer, at most 64 bytes. Names are indices into the scenario's lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestRecord {
    /// When it was sent, real µs since the anchor.
    pub sent_us: u64,
    /// How long before that it was due, real µs.
    pub late_us: u32,
    /// From sent to answered (or failed), real µs.
    pub took_us: u32,
    /// Index of its key, of all that were ever heard of; [`NONE`] without a key.
    pub key: u32,
    /// Body bytes on the wire.
    pub wire_bytes: u32,
    /// Body bytes after decoding.
    pub plain_bytes: u32,
    /// Wall ms from `fetchedAt` of its oldest coin to the answer; [`NONE`] when it served no price.
    pub age_ms: u32,
    /// Wall ms from `lastUpdated` of its oldest coin to the answer; [`NONE`] when unknown.
    pub data_age_ms: u32,
    /// Basis points between served and market price, of the worst coin; NaN when unknown.
    pub error_bp: f32,
    /// Index of the load.
    pub load: u16,
    /// Index of the journey.
    pub journey: u16,
    /// Status answered, 0 = none.
    pub status: u16,
    /// Status that it is owed when the rate limit admits it.
    pub owed: u16,
    /// `Retry-After`, seconds; `u16::MAX` = none.
    pub retry_after_s: u16,
    /// Which route.
    pub route: Route,
    /// What `Cache-Status` says.
    pub claim: CacheClaim,
    /// Where its worst coin came from, seen from outside; none for what is no admitted price request.
    pub tier: Option<Tier>,
    /// What else is known.
    pub flags: Flags,
    /// Why there was no answer.
    pub error: NoAnswer,
}

const _: () = assert!(
    size_of::<RequestRecord>() <= 64,
    "a request waits in at most 64 bytes"
);

impl RequestRecord {
    /// The record of a line, without what only the price ledger can tell.
    #[must_use]
    pub(super) fn of(load: u16, line: &RequestLine, key: Option<u32>) -> Self {
        let short = |us: u64| u32::try_from(us).unwrap_or(u32::MAX);
        let mut flags = Flags::default();
        flags.set(Flags::GZIP, line.gzip);
        flags.set(Flags::BY_GATEWAY, line.by_gateway);
        flags.set(
            Flags::PRICE_UNAVAILABLE,
            line.problem.as_deref() == Some("PRICE_UNAVAILABLE"),
        );
        Self {
            sent_us: line.sent_us,
            late_us: short(line.sent_us.saturating_sub(line.due_us)),
            took_us: short(line.answered_us.saturating_sub(line.sent_us)),
            key: key.unwrap_or(NONE),
            wire_bytes: line.wire_bytes,
            plain_bytes: line.plain_bytes,
            age_ms: NONE,
            data_age_ms: NONE,
            error_bp: f32::NAN,
            load,
            journey: line.journey,
            status: line.status,
            owed: line.owed,
            retry_after_s: line
                .retry_after_s
                .map_or(u16::MAX, |s| u16::try_from(s).unwrap_or(u16::MAX - 1)),
            route: Route::of(&line.route),
            claim: line
                .cache_status
                .as_deref()
                .map_or(CacheClaim::None, CacheClaim::of),
            tier: None,
            flags,
            error: NoAnswer::of(line.error.as_deref()),
        }
    }

    /// When it was due, real µs.
    #[must_use]
    pub(super) fn due_us(&self) -> u64 {
        self.sent_us.saturating_sub(u64::from(self.late_us))
    }

    /// When it was answered or failed, real µs.
    #[must_use]
    pub(super) fn answered_us(&self) -> u64 {
        self.sent_us + u64::from(self.took_us)
    }

    /// From due to answered, real seconds: what a user waits.
    #[must_use]
    pub(super) fn latency_s(&self) -> f64 {
        (u64::from(self.late_us) + u64::from(self.took_us)) as f64 / 1e6
    }

    /// Whether it asks for prices in a valid way.
    #[must_use]
    pub(super) fn asks_prices(&self) -> bool {
        self.owed == 200 && matches!(self.route, Route::Prices | Route::Price)
    }

    /// Whether it was answered 200 or 304.
    #[must_use]
    pub(super) fn is_good(&self) -> bool {
        matches!(self.status, 200 | 304)
    }

    /// Whether it was answered as an admitted price request: 200, 304 or `PRICE_UNAVAILABLE`.
    #[must_use]
    pub(super) fn is_priced_answer(&self) -> bool {
        self.asks_prices()
            && (self.is_good() || (self.status == 503 && self.flags.has(Flags::PRICE_UNAVAILABLE)))
    }

    /// The `Retry-After`, seconds.
    #[must_use]
    pub(super) fn retry_after(&self) -> Option<u16> {
        (self.retry_after_s != u16::MAX).then_some(self.retry_after_s)
    }
}

/// Facts about a request that are either so or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    /// The answer was gzip-encoded.
    pub(super) const GZIP: Self = Self(1);
    /// The problem document's code was `PRICE_UNAVAILABLE`.
    pub(super) const PRICE_UNAVAILABLE: Self = Self(1 << 2);
    /// A price was served that was never validly published.
    pub(super) const WRONG: Self = Self(1 << 3);
    /// A coin was left out of a 200 although the store held a servable price of it.
    pub(super) const MISSING: Self = Self(1 << 4);
    /// A price was served that is older than one which the same instance had served before.
    pub(super) const BACKWARDS: Self = Self(1 << 5);
    /// The gateway gave the answer by itself: the service never heard of the request, or its answer was lost.
    pub(super) const BY_GATEWAY: Self = Self(1 << 9);
    /// At least one coin had nothing servable.
    pub(super) const NOTHING: Self = Self(1 << 7);
    /// It reached the service so close to a refresh or an expiry that its tier may as well be the neighbouring one.
    pub(super) const UNSURE: Self = Self(1 << 8);
    /// A served price was never seen in a store write; its age is what the `Age` header says.
    pub(super) const UNTRACED: Self = Self(1 << 6);

    /// Whether all of `other` is set.
    #[must_use]
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets `other` when `on`; never clears.
    pub(super) fn set(&mut self, other: Self, on: bool) {
        if on {
            self.0 |= other.0;
        }
    }
}

/// Where the worst coin of an answer came from, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Process memory: fresh, and not read from the store.
    Memory,
    /// DynamoDB: read there, and fresh.
    Store,
    /// A refresh from CoinGecko that the request waited for, its own or another's.
    Upstream,
    /// Older than the TTL when the service looked.
    Stale,
    /// At least one coin had nothing servable.
    Nothing,
}

/// The routes of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    /// `/prices`
    Prices,
    /// `/prices/{symbol}`
    Price,
    /// `/health`
    Health,
    /// Anything else.
    Other,
}

impl Route {
    /// As in a `where`.
    #[must_use]
    pub(super) fn of(text: &str) -> Self {
        match text {
            "/prices" => Self::Prices,
            "/prices/{symbol}" => Self::Price,
            "/health" => Self::Health,
            _ => Self::Other,
        }
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoAnswer {
    /// There was one.
    #[default]
    Answered,
    /// It did not come in time.
    Timeout,
    /// No connection.
    Connect,
    /// The connection broke.
    Reset,
    /// The body could not be read or decoded.
    Body,
}

impl NoAnswer {
    fn of(text: Option<&str>) -> Self {
        match text {
            None => Self::Answered,
            Some("timeout") => Self::Timeout,
            Some("connect") => Self::Connect,
            Some("reset") => Self::Reset,
            Some(_) => Self::Body,
        }
    }
}

/// What the service's `Cache-Status` says, worst coin (RFC 9211).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheClaim {
    /// No such header, or not ours.
    None,
    /// `hit; detail=memory`
    Memory,
    /// `hit; detail=store`
    Store,
    /// `fwd=miss` or `fwd=stale`, `collapsed`
    Collapsed,
    /// `fwd=miss` or `fwd=stale`, `stored`
    Fetched,
    /// `hit; detail=stale-while-revalidate` or `stale-if-error`
    Stale,
    /// `fwd=miss`, nothing to serve
    Nothing,
}

impl CacheClaim {
    /// Whether it says that the worst coin came from there.
    #[must_use]
    pub(super) fn is(self, tier: Tier) -> bool {
        match self {
            Self::None => false,
            Self::Memory => tier == Tier::Memory,
            Self::Store => tier == Tier::Store,
            Self::Collapsed | Self::Fetched => tier == Tier::Upstream,
            Self::Stale => tier == Tier::Stale,
            Self::Nothing => tier == Tier::Nothing,
        }
    }

    /// Reads a header value such as `cryptowatch; hit; ttl=240; detail=memory`.
    #[must_use]
    pub fn of(header: &str) -> Self {
        let (mut hit, mut detail, mut forwarded) = (false, None, None);
        let (mut collapsed, mut stored) = (false, false);
        for part in header.split(';').map(str::trim) {
            match part {
                "hit" => hit = true,
                "collapsed" => collapsed = true,
                "stored" => stored = true,
                _ => {
                    let value = |name: &str| Some(part.strip_prefix(name)?.trim_matches('"'));
                    detail = value("detail=").or(detail);
                    forwarded = value("fwd=").or(forwarded);
                }
            }
        }
        match (hit, detail, forwarded) {
            (true, Some("memory"), _) => Self::Memory,
            (true, Some("store"), _) => Self::Store,
            (true, Some("stale-while-revalidate" | "stale-if-error"), _) => Self::Stale,
            (true, ..) => Self::None,
            (false, _, Some("miss" | "stale")) if collapsed => Self::Collapsed,
            (false, _, Some("miss" | "stale")) if stored => Self::Fetched,
            (false, _, Some("miss")) => Self::Nothing,
            (false, ..) => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_cache_status_that_the_service_sends() {
        for (header, claim) in [
            ("cryptowatch; hit; ttl=240; detail=memory", CacheClaim::Memory),
            ("cryptowatch; hit; detail=store; ttl=12", CacheClaim::Store),
            ("cryptowatch; fwd=miss; collapsed; ttl=300", CacheClaim::Collapsed),
            (
                "cryptowatch; fwd=stale; collapsed; ttl=300",
                CacheClaim::Collapsed,
            ),
            ("cryptowatch; fwd=miss; stored; ttl=300", CacheClaim::Fetched),
            ("cryptowatch; fwd=stale; stored; ttl=300", CacheClaim::Fetched),
            (
                "cryptowatch; hit; ttl=-30; detail=\"stale-while-revalidate\"",
                CacheClaim::Stale,
            ),
            (
                "cryptowatch; hit; ttl=-30; detail=stale-if-error",
                CacheClaim::Stale,
            ),
            ("cryptowatch; fwd=miss; ttl=0", CacheClaim::Nothing),
            ("cryptowatch; fwd=uri-miss", CacheClaim::None),
            ("", CacheClaim::None),
        ] {
            assert_eq!(CacheClaim::of(header), claim, "{header}");
        }
    }

    #[test]
    fn keeps_the_line_in_64_bytes() {
        let line = RequestLine {
            due_us: 100,
            sent_us: 150,
            answered_us: 1150,
            route: "/prices".into(),
            owed: 200,
            status: 503,
            problem: Some("PRICE_UNAVAILABLE".to_owned()),
            retry_after_s: Some(7),
            gzip: true,
            ..RequestLine::default()
        };
        let record = RequestRecord::of(3, &line, Some(9));
        assert_eq!((record.due_us(), record.answered_us()), (100, 1150));
        assert_eq!((record.retry_after(), record.key, record.load), (Some(7), 9, 3));
        assert!(
            record.is_priced_answer() && record.flags.has(Flags::GZIP) && !record.flags.has(Flags::WRONG)
        );
        assert!((record.latency_s() - 0.00105).abs() < 1e-9);
        assert!(size_of::<RequestRecord>() <= 64);
    }
}
