//! Tests of reading the configuration.

use insta::assert_snapshot;

use super::*;

fn read(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_lookup(|name| {
        let minimum = [
            ("DYNAMODB_TABLE_NAME", "crypto-watch"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000"),
            ("EXTERNAL_API_URL", "http://127.0.0.1:9000/api/v3"),
        ];
        vars.iter()
            .chain(&minimum)
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

fn refused(name: &str, value: &str) -> String {
    read(&[(name, value)]).expect_err("refused").to_string()
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = read(&[]).expect("the minimum is enough");
    assert_eq!(config.rate_limit_per_minute, 100);
    assert_eq!(config.environment, Environment::Dev);
    assert_eq!(config.log_level, LevelFilter::INFO);
    assert_eq!(config.retry_attempts, 3);
    assert_eq!(config.compression, Compression::On);
    assert_eq!(config.external_api_plan, Plan::Keyless);
    for constant in TIMES {
        assert_eq!(
            (constant.get)(&config),
            constant.unit.of(constant.default),
            "{}",
            constant.variable
        );
    }
    assert_eq!(config.api_lease(), Duration::from_secs(5));
    assert_eq!(config.update_lease(), Duration::from_secs(33));
}

#[test]
fn every_time_constant_is_read_from_its_own_variable() {
    for constant in TIMES {
        // A neighbour of the default that every inequality still allows.
        let value = constant.default - u64::from(constant.default > *constant.range.start());
        let config = read(&[(constant.variable, &value.to_string())]).expect("in range");
        assert_eq!(
            (constant.get)(&config),
            constant.unit.of(value),
            "{}",
            constant.variable
        );
    }
}

#[test]
fn the_real_coingecko_is_the_default_by_plan() {
    let read = |vars: &[(&str, &str)]| {
        let vars: Vec<_> = vars.iter().copied().chain([("EXTERNAL_API_URL", "")]).collect();
        read(&vars).expect("valid")
    };
    assert_eq!(read(&[]).external_api_url, "https://api.coingecko.com/api/v3");
    let demo = read(&[("EXTERNAL_API_KEY", "CG-1")]);
    assert_eq!(demo.external_api_plan, Plan::Demo);
    assert_eq!(demo.external_api_plan.key_header(), Some("x-cg-demo-api-key"));
    let pro = read(&[("EXTERNAL_API_KEY", "CG-1"), ("EXTERNAL_API_PLAN", "pro")]);
    assert_eq!(pro.external_api_url, "https://pro-api.coingecko.com/api/v3");
}

#[test]
fn a_bad_value_names_its_variable_and_what_was_expected() {
    assert_snapshot!(refused("CACHE_TTL_SECONDS", "5m"), @"CACHE_TTL_SECONDS: expected a whole number of seconds from 1 to 86400, got `5m`");
    assert_snapshot!(refused("REFRESH_WAIT_MS", "2001"), @"REFRESH_WAIT_MS: expected a whole number of milliseconds from 1 to 2000, got `2001`");
    assert_snapshot!(refused("RATE_LIMIT_PER_MINUTE", "0"), @"RATE_LIMIT_PER_MINUTE: expected a whole number from 1 to 1000000, got `0`");
    assert_snapshot!(refused("ENVIRONMENT", "production"), @"ENVIRONMENT: expected dev, staging or prod, got `production`");
    assert_snapshot!(refused("EXTERNAL_API_URL", "api.coingecko.com"), @"EXTERNAL_API_URL: expected an absolute http or https URL without a query, got `api.coingecko.com`");
    assert_snapshot!(refused("SUPPORTED_SYMBOLS", "BTC=bitcoin,btc=wrapped"), @"SUPPORTED_SYMBOLS: `btc=wrapped` repeats a symbol or an id; name each once");
    assert_snapshot!(refused("SUPPORTED_SYMBOLS", "BTC"), @"SUPPORTED_SYMBOLS: expected SYMBOL=coingecko-id pairs, such as BTC=bitcoin, got `BTC`");
    assert_snapshot!(refused("EXTERNAL_API_PLAN", "pro"), @"EXTERNAL_API_PLAN: the pro plan needs a key; set EXTERNAL_API_KEY");
    assert_snapshot!(refused("DYNAMODB_TABLE_NAME", " "), @"DYNAMODB_TABLE_NAME: required but not set; set it to the name of the table");
    assert_snapshot!(refused("CLOCK", "1,2"), @"CLOCK: expected `<anchor ms>,<start ms>,<speed>` with a speed from 1 to 100000, got `1,2`");
    assert_snapshot!(refused("PRICE_JUMP_FACTOR", "1"), @"PRICE_JUMP_FACTOR: expected a number above 1 and up to 1000000, got `1`");
}

#[test]
fn every_inequality_is_enforced() {
    for Inequality { left, right, .. } in &INEQUALITIES {
        // Both inside their ranges, in the wrong order: the left at its top, the right at its bottom.
        let (high, low) = (left.range.end().to_string(), right.range.start().to_string());
        let error = read(&[(left.variable, &high), (right.variable, &low)]).expect_err(left.variable);
        assert!(error.problem.contains("must be"), "{error}");
        assert!(TIMES.iter().any(|known| known.variable == error.variable));
    }
    assert_snapshot!(refused("UPDATE_INTERVAL_SECONDS", "30"), @"UPDATE_TIMEOUT_MS: must be less than UPDATE_INTERVAL_SECONDS (30s), got 30s: one update would still run when the next one starts");
}

#[test]
fn a_fast_clock_needs_loopback_endpoints() {
    let clock = ("CLOCK", "1000,2000,60");
    assert!(read(&[clock]).expect("loopback").clock.is_some());
    for name in ["AWS_ENDPOINT_URL_DYNAMODB", "EXTERNAL_API_URL"] {
        let vars = [
            clock,
            (name, "https://example.com"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let error = read(&vars).expect_err("refused");
        assert_eq!(error.variable, "CLOCK");
        assert!(error.problem.contains(name), "{error}");
    }
    assert!(parse::is_loopback("http://[::1]:80/x"));
    assert!(parse::is_loopback("http://localhost:1"));
    assert!(!parse::is_loopback("http://localhost.example.com"));
}

#[test]
fn on_lambda_the_gateway_compresses_unless_told_otherwise() {
    let lambda = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
    assert_eq!(read(&[lambda]).expect("valid").compression, Compression::Off);
    assert_eq!(
        read(&[lambda, ("COMPRESSION", "on")]).expect("valid").compression,
        Compression::On
    );
    assert_eq!(
        read(&[("COMPRESSION", "off")]).expect("valid").compression,
        Compression::Off
    );
}

#[test]
fn secrets_are_not_printed() {
    let config = read(&[
        ("EXTERNAL_API_KEY", "CG-secret"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ])
    .expect("valid");
    let shown = format!("{config:?}");
    assert!(!shown.contains("CG-secret") && !shown.contains("hush"), "{shown}");
}

#[test]
fn only_the_hidden_constructor_takes_what_the_ranges_and_inequalities_forbid() {
    for (name, value) in [
        ("REFRESH_WAIT_MS", "60000"),
        ("PRICE_JUMP_FACTOR", "1000000000000"),
    ] {
        let env = |wanted: &str| match wanted {
            "DYNAMODB_TABLE_NAME" => Some("crypto-watch".to_owned()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some("http://127.0.0.1:1".to_owned()),
            wanted => (wanted == name).then(|| value.to_owned()),
        };
        assert_eq!(Config::from_lookup(env).expect_err("out of range").variable, name);
        let config = Config::unchecked(env).expect("readable");
        assert!(
            config.refresh_wait == Duration::from_secs(60)
                || config.price_jump_factor == Decimal::from(1_000_000_000_000_u64)
        );
        let unreadable = |wanted: &str| {
            (wanted == name)
                .then(|| "much".to_owned())
                .or_else(|| env(wanted))
        };
        assert_eq!(
            Config::unchecked(unreadable).expect_err("no number").variable,
            name
        );
    }
}
