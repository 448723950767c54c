//! What a play on a DynamoDB that costs money costs at most, before it begins.

use std::fmt;

use scenarios::format::Scenario;
use service::config::Config;

use crate::world::compress;

/// US dollars for a million write request units, on demand, standard table class, us-east-1, since November 2024.
const PER_MILLION_WRITES: f64 = 0.625;
/// The same for read request units.
const PER_MILLION_READS: f64 = 0.125;
/// Requests to the store that a request of a user causes at most in the long run: one that counts it, one that reads its
/// key, one that reads prices, one that looks at the lease.
const CALLS_A_REQUEST: f64 = 4.0;
/// The most coins that a request of a user reads, each a strongly consistent read of at most 4 kB.
const COINS_A_REQUEST: f64 = 50.0;
/// Coins that a refresh reads and writes at most.
const COINS_A_REFRESH: f64 = 50.0;
/// Calls that a refresh makes: the lease twice, one read of the prices, and writes of 25.
const CALLS_A_REFRESH: f64 = 5.0;
/// Users without a pause ask as fast as they are answered; more a second is not to be had on one machine.
const MOST_A_SECOND: f64 = 1000.0;

/// An upper estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    calls: f64,
    reads: f64,
    writes: f64,
}

impl Estimate {
    /// Of a scenario on a service of this configuration.
    #[must_use]
    pub fn of(scenario: &Scenario, config: &Config) -> Self {
        let requests = compress::most_requests(scenario, MOST_A_SECOND);
        let seconds = scenario.duration.as_secs_f64();
        // Each of them by its own clock: the schedule, and whoever finds the prices stale.
        let every = |period: std::time::Duration| (seconds / period.as_secs_f64().max(1.0)).ceil() + 1.0;
        let refreshes = every(scenario.stack.update_every) + every(config.cache_ttl);
        let keys: f64 = scenario
            .loads
            .iter()
            .map(|load| f64::from(load.keys.count) + 1.0)
            .sum();
        Self {
            calls: requests * CALLS_A_REQUEST + refreshes * CALLS_A_REFRESH + keys,
            reads: requests * (COINS_A_REQUEST + 2.0) + refreshes * COINS_A_REFRESH,
            writes: requests + refreshes * (COINS_A_REFRESH + 2.0) + keys,
        }
    }

    /// US dollars.
    fn dollars(&self) -> f64 {
        (self.reads * PER_MILLION_READS + self.writes * PER_MILLION_WRITES) / 1e6
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cost, at most: {:.0} requests to DynamoDB, {:.0} read and {:.0} write units, {:.2} USD at on-demand prices of \
             us-east-1 (0.125 and 0.625 USD a million, as of November 2024; other regions cost more), storage and taxes aside",
            self.calls,
            self.reads,
            self.writes,
            (self.dollars() * 100.0).ceil() / 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use scenarios::format::{Alone, parse};

    use super::*;
    use crate::world::environment::effective;

    fn estimate(load: &str, think: &str) -> Estimate {
        let text = format!(
            "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"10m\"\n[stack]\nupdate_every = \"5m\"\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\nthink = \"{think}\"\n[[load]]\nname = \"day\"\n{load}\nkeys = {{ count = 9 }}\n"
        );
        let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        let config = effective(&scenario.stack, &BTreeMap::new()).expect("a valid stack");
        Estimate::of(&scenario, &config)
    }

    #[test]
    fn an_estimate_is_above_what_is_planned_and_says_what_it_assumes() {
        insta::assert_snapshot!(estimate("rate = \"5/s\"", "1s"), @"cost, at most: 12040 requests to DynamoDB, 156300 read and 3322 write units, 0.03 USD at on-demand prices of us-east-1 (0.125 and 0.625 USD a million, as of November 2024; other regions cost more), storage and taxes aside");
        assert!(
            estimate("users = 1", "1ms").writes > 600_000.0,
            "whoever hardly pauses is counted, too"
        );
    }
}
