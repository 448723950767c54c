//! The rules of a sweep: what must hold under any faults, each with its source.
//!
//! The rules that the judge applies to every run (`price.wrong == 0`, `limit.excess == 0` and so on) come on top;
//! see [`crate::judge`]. These here are decided by [`super::witness`], from what it saw of the same events.

use std::fmt;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// No price older than its retention is served (DESIGN §4.3, *Fallback*).
    ///
    /// A price may be served until the whole second at which its retention is over, counted from its last fetch. It
    /// is judged by what the scenario says and by the instant at which the request was sent, which is the earliest
    /// at which the price can have been chosen.
    PriceRetention,
    /// `fetchedAt` tells when CoinGecko was last asked with success (DESIGN §4.2).
    ///
    /// A stored price was fetched no earlier than the last answer 200 and no later than it was stored, unless it is
    /// the one that was stored before, kept while a jump is held.
    PriceFetched,
    /// `lastUpdated` never goes back in the store while the price stored before is servable (DESIGN §4.3, *Writes*).
    StoreBackwards,
    /// Every request is answered (DESIGN §4.3, *Store failure*, *Fallback*).
    ApiAnswered,
    /// Every request is answered within its deadline (ARCHITECTURE, *Who waits*).
    ///
    /// Who has something to serve for every coin waits for CoinGecko no longer than `REFRESH_WAIT`; when prices
    /// came in that time, for storing them no longer than `WRITE_TIMEOUT`. Who lacks a coin may watch another's
    /// lease for half of `REFRESH_WAIT` and then refresh. The store's requests of one answer together, and the way
    /// of the request, are given one `STORE_TIMEOUT`; modelled ones take milliseconds.
    ApiDeadline,
    /// No 5xx to an owed request while a servable price existed and the store was up (DESIGN §4.1, §4.3).
    ///
    /// 503 `PRICE_UNAVAILABLE` is right only when not one coin asked for was servable, by a write that every process
    /// can know of: a process reads a coin again within two read lags. All other 5xx need a store that fails.
    ApiServerError,
    /// A request that is not valid is answered with its own error, or 429 (DESIGN §4.1).
    ApiExpected,
    /// At most one process holds the refresh lease (ARCHITECTURE, *Acquire*).
    LeaseAlone,
    /// CoinGecko is called only under the lease (ARCHITECTURE, *Invariants*).
    UpstreamLease,
    /// At most one call is open at a time, fleet-wide: it follows from the lease.
    UpstreamAlone,
    /// A refresh waits for CoinGecko no longer than its bound: `REFRESH_WAIT` in an API process, `UPDATE_TIMEOUT` in
    /// the updater, from when the lease was granted (ARCHITECTURE, *Who waits*).
    UpstreamWait,
    /// At most `RETRY_ATTEMPTS` calls under one lease, and none after a 4xx that repeating cannot mend (ARCHITECTURE,
    /// *Retries and backoff*).
    UpstreamAttempts,
    /// Fleet-wide, retries never exceed 5 and a tenth of the successes (ARCHITECTURE, *Budget*).
    UpstreamBudget,
    /// After a failure CoinGecko is left alone until the probe backoff and `Retry-After` (of which no more than 15
    /// minutes are believed) are over (ARCHITECTURE, *Probe backoff*, *Retry-After*).
    ///
    /// A call that an API process cut without an answer binds API processes only.
    UpstreamPause,
    /// Under one lease, too, `Retry-After` is a floor (ARCHITECTURE, *Delay before attempt n+1*).
    UpstreamRetryAfter,
    /// Once the faults are over, everybody is served again within a stated time: 200, nothing unavailable.
    ///
    /// See [`Bounds::calm_from`](super::bounds::Bounds::calm_from) for that time and why.
    RecoveryServed,
    /// And by then nothing is stale but during a refresh: no price is older than `CACHE_TTL`, the longest TTL jitter and an API process's lease.
    RecoveryFresh,
    /// And by then CoinGecko is called no more than the API and the updater may each do by themselves on a clean day:
    /// once a `CACHE_TTL` and once an interval (DESIGN §4.3, *Cache*, *Updater*).
    RecoveryCalls,
    /// The scenario is played to its end: nothing panics, nobody waits for ever.
    Played,
}

impl Rule {
    /// Its name, as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PriceRetention => "price.retention",
            Self::PriceFetched => "price.fetched",
            Self::StoreBackwards => "store.backwards",
            Self::ApiAnswered => "api.answered",
            Self::ApiDeadline => "api.deadline",
            Self::ApiServerError => "api.server_error",
            Self::ApiExpected => "api.expected",
            Self::LeaseAlone => "lease.alone",
            Self::UpstreamLease => "upstream.lease",
            Self::UpstreamAlone => "upstream.alone",
            Self::UpstreamWait => "upstream.wait",
            Self::UpstreamAttempts => "upstream.attempts",
            Self::UpstreamBudget => "upstream.budget",
            Self::UpstreamPause => "upstream.pause",
            Self::UpstreamRetryAfter => "upstream.retry_after",
            Self::RecoveryServed => "recovery.served",
            Self::RecoveryFresh => "recovery.fresh",
            Self::RecoveryCalls => "recovery.calls",
            Self::Played => "run.played",
        }
    }

    /// What it demands, in a sentence.
    #[must_use]
    pub const fn demands(self) -> &'static str {
        match self {
            Self::PriceRetention => "no price older than its retention is served",
            Self::PriceFetched => "fetchedAt is when CoinGecko last answered",
            Self::StoreBackwards => "lastUpdated never goes back in the store",
            Self::ApiAnswered => "every request is answered",
            Self::ApiDeadline => "every request is answered within its deadline",
            Self::ApiServerError => "no 5xx while there is a servable price and the store is up",
            Self::ApiExpected => "an invalid request gets its own error",
            Self::LeaseAlone => "one process at a time holds the lease",
            Self::UpstreamLease => "CoinGecko is called under the lease only",
            Self::UpstreamAlone => "one call to CoinGecko is open at a time",
            Self::UpstreamWait => "a refresh waits for CoinGecko no longer than its bound",
            Self::UpstreamAttempts => "a refresh makes no more attempts than it may",
            Self::UpstreamBudget => "retries stay within the budget",
            Self::UpstreamPause => "after a failure CoinGecko is left alone for as long as stated",
            Self::UpstreamRetryAfter => "a retry waits for as long as Retry-After says",
            Self::RecoveryServed => "everybody is served once the faults are over",
            Self::RecoveryFresh => "prices are fresh once the faults are over",
            Self::RecoveryCalls => "CoinGecko is called as usual once the faults are over",
            Self::Played => "the scenario is played to its end",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
