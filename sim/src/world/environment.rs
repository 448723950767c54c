//! The exact environment of the service's processes: what the stack of a scenario says, nothing inherited.

use std::{collections::BTreeMap, time::Duration};

use scenarios::format::model::Stack;
use service::config::{Config, ConfigError};

use crate::{clock::RunClock, coingecko::limits::service_env};

/// The table of a stack whose store is ours alone.
pub const TABLE: &str = crate::store::backend::TABLE;

/// Where a stack's parts listen.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints<'a> {
    /// The store front, `http://127.0.0.1:PORT`.
    pub store: &'a str,
    /// The store's table.
    pub table: &'a str,
    /// The fake CoinGecko with its base path, `http://127.0.0.1:PORT/api/v3`.
    pub coingecko: &'a str,
}

/// The settings that a stack stands for, without where its parts listen and without a clock.
#[must_use]
pub fn of_stack(stack: &Stack) -> BTreeMap<String, String> {
    let seconds = |duration: Duration| duration.as_secs().to_string();
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    set("DYNAMODB_TABLE_NAME", TABLE.to_owned());
    set("ENVIRONMENT", stack.environment.to_string());
    set("RATE_LIMIT_PER_MINUTE", stack.rate_limit.to_string());
    set("CACHE_TTL_SECONDS", seconds(stack.cache_ttl));
    set("PRICE_RETENTION_SECONDS", seconds(stack.price_retention));
    set("UPDATE_INTERVAL_SECONDS", seconds(stack.update_every));
    if let Some(timeout) = stack.update_timeout {
        set("UPDATE_TIMEOUT_MS", timeout.as_millis().to_string());
    }
    for (name, value) in service_env(stack.upstream_plan) {
        set(name, value.to_owned());
    }
    set("AWS_REGION", "us-east-1".to_owned());
    set("AWS_ACCESS_KEY_ID", "simulated".to_owned());
    set("AWS_SECRET_ACCESS_KEY", "simulated".to_owned());
    env
}

/// The whole environment of a process on a started stack; `overrides` (from `--env`) win.
#[must_use]
pub fn on_stack(
    stack: &Stack,
    endpoints: Endpoints<'_>,
    clock: &RunClock,
    overrides: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut env = of_stack(stack);
    env.insert("DYNAMODB_TABLE_NAME".to_owned(), endpoints.table.to_owned());
    env.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), endpoints.store.to_owned());
    env.insert("EXTERNAL_API_URL".to_owned(), endpoints.coingecko.to_owned());
    env.insert("CLOCK".to_owned(), clock.env());
    env.extend(
        overrides
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    env
}

/// What `--env` asks for, as values: `NAME=/5` and `NAME=*2` divide and multiply what the stack says.
///
/// # Errors
/// When a relative value meets a variable that the stack does not set to a number.
pub fn overrides(stack: &Stack, asked: &[(String, String)]) -> Result<BTreeMap<String, String>, String> {
    let base = of_stack(stack);
    let resolve = |(name, value): &(String, String)| {
        let Some((sign, by)) = value
            .split_at_checked(1)
            .filter(|(sign, _)| matches!(*sign, "/" | "*"))
        else {
            return Ok((name.clone(), value.clone()));
        };
        let wrong = |why: &str| format!("--env {name}={value}: {why}; give a value of its own");
        let by: u64 = by
            .parse()
            .map_err(|_| wrong("what follows the sign is no whole number"))?;
        let from: u64 = base
            .get(name)
            .and_then(|from| from.parse().ok())
            .ok_or_else(|| wrong("the stack sets no number for it"))?;
        let scaled = if sign == "/" {
            from.checked_div(by)
        } else {
            from.checked_mul(by)
        };
        let scaled = scaled.ok_or_else(|| wrong("that is no number"))?;
        Ok((name.clone(), scaled.to_string()))
    };
    asked.iter().map(resolve).collect()
}

/// The configuration that the service will make of a stack and `overrides`, read by the service's own code.
///
/// # Errors
/// What the service would refuse to start with.
pub fn effective(stack: &Stack, overrides: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
    let env = nowhere(stack, overrides);
    Config::from_lookup(|name| env.get(name).cloned())
}

/// Like [`effective`], with values that no service would start with: to switch a protection off.
///
/// # Errors
/// A variable that is unreadable.
pub fn unchecked(stack: &Stack, overrides: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
    let env = nowhere(stack, overrides);
    Config::unchecked(|name| env.get(name).cloned())
}

/// The environment on a stack whose parts listen nowhere.
#[must_use]
pub fn nowhere(stack: &Stack, overrides: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let clock = RunClock::starting_in(Duration::ZERO, 0, 1.0);
    let endpoints = Endpoints {
        store: "http://127.0.0.1:1",
        table: TABLE,
        coingecko: "http://127.0.0.1:1/api/v3",
    };
    on_stack(stack, endpoints, &clock, overrides)
}

#[cfg(test)]
mod tests {
    use scenarios::format::model::Plan;

    use super::*;

    #[test]
    fn the_service_accepts_every_plan_and_takes_over_the_settings() {
        let custom = Plan::Custom {
            per_minute: 30,
            per_month: 10_000,
        };
        for upstream_plan in [Plan::Keyless, Plan::Demo, Plan::Basic, Plan::Analyst, custom] {
            let stack = Stack {
                upstream_plan,
                rate_limit: 30,
                ..Stack::default()
            };
            let config = effective(&stack, &BTreeMap::new()).expect("the default stack is valid");
            assert_eq!(config.rate_limit_per_minute, 30);
            assert_eq!(config.cache_ttl, stack.cache_ttl);
            assert_eq!(config.price_retention, stack.price_retention);
            assert_eq!(config.external_api_key.is_some(), upstream_plan != Plan::Keyless);
        }
    }

    #[test]
    fn relative_overrides_scale_what_the_stack_says() {
        let ask =
            |name: &str, value: &str| overrides(&Stack::default(), &[(name.to_owned(), value.to_owned())]);
        assert_eq!(
            ask("CACHE_TTL_SECONDS", "/5").expect("a number")["CACHE_TTL_SECONDS"],
            "60"
        );
        assert_eq!(
            ask("RATE_LIMIT_PER_MINUTE", "*2").expect("a number")["RATE_LIMIT_PER_MINUTE"],
            "200"
        );
        assert_eq!(ask("COMPRESSION", "off").expect("as it is")["COMPRESSION"], "off");
        assert_eq!(
            ask("EXTERNAL_API_KEY", "").expect("as it is")["EXTERNAL_API_KEY"],
            ""
        );
        insta::assert_snapshot!(ask("RETRY_ATTEMPTS", "/3").expect_err("not set by the stack"), @"--env RETRY_ATTEMPTS=/3: the stack sets no number for it; give a value of its own");
        assert!(ask("CACHE_TTL_SECONDS", "/0").is_err());
    }

    #[test]
    fn overrides_win_and_bad_ones_are_named() {
        let set = |name: &str, value: &str| {
            effective(
                &Stack::default(),
                &BTreeMap::from([(name.to_owned(), value.to_owned())]),
            )
        };
        assert_eq!(
            set("RATE_LIMIT_PER_MINUTE", "7")
                .expect("valid")
                .rate_limit_per_minute,
            7
        );
        let error = set("RETRY_ATTEMPTS", "many").expect_err("not a number");
        assert_eq!(error.variable, "RETRY_ATTEMPTS");
    }
}
