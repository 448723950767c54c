//! What the judge must know of the stack as it was played.

use std::time::Duration;

use scenarios::format::model::{Plan, Scenario};
use service::config::Config;

use crate::{coingecko::Terms, schedule::Schedule, seed::Seed};

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

impl EffectiveStack {
    /// The stack of a scenario that is played with this seed by a service of this configuration.
    #[must_use]
    pub fn of(scenario: &Scenario, config: &Config, seed: Seed) -> Self {
        let stack = &scenario.stack;
        let terms = Terms::of(stack.upstream_plan);
        let allowance = if stack.upstream_plan == Plan::Keyless {
            terms.keyless
        } else {
            terms.keyed
        };
        Self {
            update_every: stack.update_every,
            update_phase: Schedule::of(stack, seed).phase,
            credits_per_month: allowance.per_month,
            retry_base: config.retry_base,
            retry_cap: config.retry_cap,
        }
    }
}
