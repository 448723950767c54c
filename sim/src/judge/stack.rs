//! What the judge must know of the stack as it was played.

use std::time::Duration;

/// The stack as started: the scenario's settings with `--env` overrides applied where they reach.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveStack {
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
