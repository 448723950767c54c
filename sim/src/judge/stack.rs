//! What the judge must know of the stack as it was played.

use std::time::Duration;

/// The stack as started: the scenario's settings with `--env` overrides applied where they reach.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveStack {
    /// The freshness that the service was started with.
    pub cache_ttl: Duration,
    /// The scenario's limit per minute and key; never what `--env` says, which is what is judged.
    pub rate_limit: u32,
    /// Distance between scheduled updates, wall time.
    pub update_every: Duration,
    /// The first of them.
    pub update_phase: Duration,
    /// Monthly credits of the CoinGecko plan; none = the plan has no month.
    pub credits_per_month: Option<u64>,
    /// Base of the attempt backoff, real time.
    pub retry_base: Duration,
    /// Cap of the attempt backoff, real time.
    pub retry_cap: Duration,
}
