//! Reading single variables, each with a message that says what was expected.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use rust_decimal::Decimal;
use tracing::level_filters::LevelFilter;

use super::{
    Compression, ConfigError, Credentials, Endpoint, Environment, Plan, Secret, SymbolMapping, TimeConstant,
};
use crate::clock::FastClockSpec;

/// Longest symbol that is accepted, characters.
const MAX_SYMBOL: usize = 20;

/// The variables, through a lookup.
pub(super) struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Whether time constants and the jump factor keep to their ranges.
    bounded: bool,
}

impl<'a> Env<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            bounded: true,
        }
    }

    pub(super) fn unbounded(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            bounded: false,
        }
    }

    /// The value, trimmed; empty is unset.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, name: &'static str, help: &str) -> Result<String, ConfigError> {
        self.text(name)
            .ok_or_else(|| ConfigError::new(name, format!("required but not set; {help}")))
    }

    pub(super) fn whole<T>(
        &self,
        name: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        match text.parse::<T>() {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => {
                let (low, high) = (range.start(), range.end());
                Err(unexpected(
                    name,
                    &format!("a whole number from {low} to {high}"),
                    &text,
                ))
            }
        }
    }

    pub(super) fn time(&self, constant: &TimeConstant) -> Result<Duration, ConfigError> {
        let TimeConstant {
            variable,
            unit,
            range,
            default,
            ..
        } = constant;
        let Some(text) = self.text(variable) else {
            return Ok(unit.of(*default));
        };
        match text.parse::<u64>() {
            Ok(value) if range.contains(&value) || !self.bounded => Ok(unit.of(value)),
            _ => {
                let expected = format!(
                    "a whole number of {} from {} to {}",
                    unit.name(),
                    range.start(),
                    range.end()
                );
                Err(unexpected(variable, &expected, &text))
            }
        }
    }

    pub(super) fn environment(&self) -> Result<Environment, ConfigError> {
        match self.text("ENVIRONMENT").as_deref() {
            None | Some("dev") => Ok(Environment::Dev),
            Some("staging") => Ok(Environment::Staging),
            Some("prod") => Ok(Environment::Prod),
            Some(other) => Err(unexpected("ENVIRONMENT", "dev, staging or prod", other)),
        }
    }

    pub(super) fn log_level(&self) -> Result<LevelFilter, ConfigError> {
        let Some(text) = self.text("LOG_LEVEL") else {
            return Ok(LevelFilter::INFO);
        };
        match text.to_ascii_uppercase().as_str() {
            "TRACE" => Ok(LevelFilter::TRACE),
            "DEBUG" => Ok(LevelFilter::DEBUG),
            "INFO" => Ok(LevelFilter::INFO),
            "WARN" | "WARNING" => Ok(LevelFilter::WARN),
            "ERROR" => Ok(LevelFilter::ERROR),
            "OFF" => Ok(LevelFilter::OFF),
            _ => Err(unexpected(
                "LOG_LEVEL",
                "ERROR, WARN, INFO, DEBUG, TRACE or OFF",
                &text,
            )),
        }
    }

    pub(super) fn plan(&self, has_key: bool) -> Result<Plan, ConfigError> {
        const NAME: &str = "EXTERNAL_API_PLAN";
        let plan = match self.text(NAME).as_deref() {
            None if has_key => Plan::Demo,
            None | Some("keyless") => Plan::Keyless,
            Some("demo") => Plan::Demo,
            Some("pro") => Plan::Pro,
            Some(other) => return Err(unexpected(NAME, "keyless, demo or pro", other)),
        };
        if plan == Plan::Pro && !has_key {
            return Err(ConfigError::new(
                NAME,
                "the pro plan needs a key; set EXTERNAL_API_KEY",
            ));
        }
        Ok(plan)
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        match self.text("EXTERNAL_API_ENDPOINT").as_deref() {
            None | Some("markets") => Ok(Endpoint::Markets),
            Some("simple") => Ok(Endpoint::Simple),
            Some(other) => Err(unexpected("EXTERNAL_API_ENDPOINT", "markets or simple", other)),
        }
    }

    pub(super) fn compression(&self, on_lambda: bool) -> Result<Compression, ConfigError> {
        match self.text("COMPRESSION").as_deref() {
            None if on_lambda => Ok(Compression::Off),
            None | Some("on") => Ok(Compression::On),
            Some("off") => Ok(Compression::Off),
            Some(other) => Err(unexpected("COMPRESSION", "on or off", other)),
        }
    }

    pub(super) fn jump_factor(&self) -> Result<Decimal, ConfigError> {
        let Some(text) = self.text("PRICE_JUMP_FACTOR") else {
            return Ok(Decimal::from(5));
        };
        match text.parse::<Decimal>() {
            Ok(factor) if factor > Decimal::ONE && (factor <= Decimal::from(1_000_000) || !self.bounded) => {
                Ok(factor)
            }
            _ => Err(unexpected(
                "PRICE_JUMP_FACTOR",
                "a number above 1 and up to 1000000",
                &text,
            )),
        }
    }

    pub(super) fn clock(&self) -> Result<Option<FastClockSpec>, ConfigError> {
        self.text("CLOCK")
            .map(|text| {
                text.parse()
                    .map_err(|problem| ConfigError::new("CLOCK", format!("{problem}")))
            })
            .transpose()
    }

    /// An absolute http(s) URL without its trailing slash.
    pub(super) fn url(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let parsed = text.parse::<http::Uri>().ok();
        let usable = parsed.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some()
                && uri.query().is_none()
        });
        if !usable {
            return Err(unexpected(
                name,
                "an absolute http or https URL without a query",
                &text,
            ));
        }
        Ok(Some(text.trim_end_matches('/').to_owned()))
    }

    pub(super) fn region(&self, local_store: bool) -> Result<String, ConfigError> {
        match self.text("AWS_REGION") {
            None if local_store => Ok("us-east-1".to_owned()),
            None => self.required("AWS_REGION", "set it to the table's region"),
            Some(region) => Ok(region),
        }
    }

    pub(super) fn credentials(&self, local_store: bool) -> Result<Credentials, ConfigError> {
        let read = |name| match self.text(name) {
            None if local_store => Ok("local".to_owned()),
            None => self.required(name, "credentials for DynamoDB come from the environment only"),
            Some(value) => Ok(value),
        };
        Ok(Credentials {
            access_key_id: read("AWS_ACCESS_KEY_ID")?,
            secret_access_key: Secret(read("AWS_SECRET_ACCESS_KEY")?),
            session_token: self.text("AWS_SESSION_TOKEN").map(Secret),
        })
    }

    pub(super) fn supported_symbols(&self) -> Result<Option<Vec<SymbolMapping>>, ConfigError> {
        const NAME: &str = "SUPPORTED_SYMBOLS";
        let Some(text) = self.text(NAME) else {
            return Ok(None);
        };
        let mut all: Vec<SymbolMapping> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((symbol, id)) = part.split_once('=') else {
                return Err(unexpected(
                    NAME,
                    "SYMBOL=coingecko-id pairs, such as BTC=bitcoin",
                    part,
                ));
            };
            let (symbol, id) = (symbol.trim().to_ascii_uppercase(), id.trim().to_owned());
            let symbol_ok = (1..=MAX_SYMBOL).contains(&symbol.len())
                && symbol
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            let id_ok = !id.is_empty()
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if !symbol_ok || !id_ok {
                return Err(unexpected(
                    NAME,
                    "SYMBOL=coingecko-id pairs, such as BTC=bitcoin",
                    part,
                ));
            }
            if all.iter().any(|known| known.symbol == symbol || known.id == id) {
                return Err(ConfigError::new(
                    NAME,
                    format!("`{part}` repeats a symbol or an id; name each once"),
                ));
            }
            all.push(SymbolMapping { symbol, id });
        }
        if all.is_empty() {
            return Err(unexpected(NAME, "at least one SYMBOL=coingecko-id pair", &text));
        }
        Ok(Some(all))
    }
}

/// Whether a URL's host is this machine.
pub(super) fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn unexpected(name: &'static str, expected: &str, got: &str) -> ConfigError {
    // A wrong value can be long; the name of the variable is what helps.
    let short: String = got.chars().take(60).collect();
    ConfigError::new(name, format!("expected {expected}, got `{short}`"))
}
