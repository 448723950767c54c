//! CoinGecko as the service sees it: healthy, or backing off until when, and how many retries are left.
//!
//! The lease item says so for the whole fleet. Each process tells of it when it hears of a change, and each update and
//! each request that reports a refresh carries it as metrics.

use std::time::Duration;

use crate::{
    App,
    models::{LeaseItem, RetryTokens, Timestamp},
};

/// What the lease item says of CoinGecko at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// `UpstreamHealthy`: the last refresh succeeded, or there was none.
    pub is_healthy: bool,
    /// `UpstreamBackoffSeconds`: how long CoinGecko is still left alone, by all or by API processes, wall time.
    pub backs_off: Duration,
    /// `UpstreamRetryTokens`: retries left in the fleet's budget.
    pub tokens: RetryTokens,
}

impl Health {
    /// What `item` says at `now`.
    #[must_use]
    pub fn of(item: &LeaseItem, now: Timestamp) -> Self {
        Self {
            is_healthy: item.failures == 0,
            backs_off: backs_off_until(item).map_or(Duration::ZERO, |until| until.since(now)),
            tokens: item.retry_tokens.unwrap_or(RetryTokens::FULL),
        }
    }
}

/// The later of the two instants before which CoinGecko is left alone.
fn backs_off_until(item: &LeaseItem) -> Option<Timestamp> {
    item.retry_not_before.max(item.api_not_before)
}

/// Remembers the lease item as seen at `as_of`, and says in the log how CoinGecko is when that has changed.
pub(super) fn learn(app: &App, item: LeaseItem, as_of: Timestamp) {
    let state = |item: &LeaseItem| (item.failures, backs_off_until(item));
    let before = app.memory.lease().item;
    if state(&before) != state(&item) {
        tell(&item, app.clock.now());
    }
    app.memory.learn_lease(item, as_of);
}

fn tell(item: &LeaseItem, now: Timestamp) {
    let health = Health::of(item, now);
    let state = match (health.is_healthy, health.backs_off) {
        (true, _) => "healthy",
        (false, Duration::ZERO) => "due-a-probe",
        (false, _) => "backing-off",
    };
    tracing::info!(
        event = "upstream_state",
        state,
        until = backs_off_until(item)
            .filter(|_| !health.is_healthy)
            .map(|Timestamp(until)| until),
        failures = item.failures,
        tokens = f64::from(health.tokens.0) / 10.0,
        "coingecko's state has changed"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lease_item_tells_how_coingecko_is() {
        let now = Timestamp(1_000_000);
        let health = |item: &LeaseItem| {
            let health = Health::of(item, now);
            (health.is_healthy, health.backs_off.as_secs(), health.tokens)
        };
        assert_eq!(health(&LeaseItem::default()), (true, 0, RetryTokens::FULL));
        let failed = LeaseItem {
            failures: 2,
            retry_not_before: Some(Timestamp(1_030_000)),
            retry_tokens: Some(RetryTokens(20)),
            ..LeaseItem::default()
        };
        assert_eq!(health(&failed), (false, 30, RetryTokens(20)));
        let probed = LeaseItem {
            retry_not_before: Some(Timestamp(999_000)),
            ..failed.clone()
        };
        assert_eq!(health(&probed), (false, 0, RetryTokens(20)));
        let slow = LeaseItem {
            api_not_before: Some(Timestamp(1_060_000)),
            ..failed
        };
        assert_eq!(health(&slow), (false, 60, RetryTokens(20)));
    }
}
