//! From latencies as written to checked ones.

use super::checker::Checker;
use super::fault::Latency;
use super::model::Latencies;
use super::raw::{RawLatencies, RawLatency, RawLognormal};
use super::written::{At, Raw, Time};

/// Checks `[latency]`, where something may take no time at all.
pub(super) fn check(checker: &mut Checker<'_>, raw: Option<&RawLatencies>) -> Option<Latencies> {
    let Some(raw) = raw else {
        return Some(Latencies::default());
    };
    let mut optional = |raw: Option<&At<RawLatency>>| match raw {
        None => Some(None),
        Some(raw) => match &raw.value {
            RawLatency::Fixed(text) => checker
                .duration(&Raw::<Time>::new(text.clone(), raw.range.clone()))
                .map(Latency::Fixed),
            RawLatency::Lognormal(both) => lognormal(checker, both),
        }
        .map(Some),
    };
    let store = optional(raw.store.as_ref());
    let coingecko = optional(raw.coingecko.as_ref());
    let service = optional(raw.service.as_ref());
    let cold_start = optional(raw.cold_start.as_ref());
    let invocation = optional(raw.invocation.as_ref());
    Some(Latencies {
        store: store?,
        coingecko: coingecko?,
        service: service?,
        cold_start: cold_start?,
        invocation: invocation?,
    })
}

/// Checks a latency that would change nothing if it were 0.
pub(super) fn above_zero(checker: &mut Checker<'_>, raw: &At<RawLatency>) -> Option<Latency> {
    match &raw.value {
        RawLatency::Fixed(text) => checker
            .positive(&Raw::new(text.clone(), raw.range.clone()))
            .map(Latency::Fixed),
        RawLatency::Lognormal(both) => lognormal(checker, both),
    }
}

fn lognormal(checker: &mut Checker<'_>, both: &RawLognormal) -> Option<Latency> {
    let p50 = checker.positive(&both.p50);
    let p99 = checker.positive(&both.p99);
    let (p50, p99) = (p50?, p99?);
    if p99 < p50 {
        checker.error(
            &both.p99.range,
            "p99 is less than p50",
            "write one not less than p50",
        );
        return None;
    }
    Some(Latency::Lognormal { p50, p99 })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::format::{Override, parse};

    const BASE: &str = "schema = 1\nname = \"base\"\nabout = \"t\"\nduration = \"1m\"\n\
        [latency]\nstore = { p50 = \"4ms\", p99 = \"20ms\" }\nservice = \"300us\"\n\
        [[journey]]\nname = \"one\"\nget = [\"/prices/{symbol}\"]\n\
        [[load]]\nname = \"day\"\nrate = \"1/s\"\n";

    fn read(text: &str, flags: &[&str]) -> Result<Latencies, String> {
        let overrides: Vec<Override> = flags.iter().map(|flag| flag.parse().expect("a flag")).collect();
        let base = |_: &str| Ok(("base.toml".to_owned(), BASE.to_owned()));
        match parse("t.toml", text, &overrides, &base) {
            Ok(scenario) => Ok(scenario.latency),
            Err(problems) => Err(problems.to_string()),
        }
    }

    const STORE: Option<Latency> = Some(Latency::Lognormal {
        p50: Duration::from_millis(4),
        p99: Duration::from_millis(20),
    });

    #[test]
    fn what_is_not_said_is_left_to_the_defaults() {
        let latencies = Latencies {
            store: STORE,
            coingecko: None,
            service: Some(Latency::Fixed(Duration::from_micros(300))),
            cold_start: None,
            invocation: None,
        };
        assert_eq!(read(BASE, &[]), Ok(latencies));
        let (start, end) = BASE.split_once("[latency]").expect("it is there");
        let end = &end[end.find("[[").expect("a list")..];
        assert_eq!(read(&format!("{start}{end}"), &[]), Ok(Latencies::default()));
    }

    #[test]
    fn it_is_inherited_key_by_key_and_set_by_flags() {
        let child =
            "schema = 1\nname = \"child\"\nabout = \"t\"\nextends = \"base\"\n[latency]\nservice = \"0ms\"\n";
        let latencies = Latencies {
            store: STORE,
            coingecko: Some(Latency::Fixed(Duration::from_secs(1))),
            service: Some(Latency::Fixed(Duration::ZERO)),
            cold_start: Some(Latency::Fixed(Duration::from_millis(80))),
            invocation: Some(Latency::Fixed(Duration::from_millis(2))),
        };
        assert_eq!(
            read(
                child,
                &[
                    "latency.coingecko=1s",
                    "latency.cold_start=80ms",
                    "latency.invocation=2ms"
                ]
            ),
            Ok(latencies)
        );
    }

    #[test]
    fn what_is_no_latency_is_refused_at_its_place() {
        let broken =
            |from: &str, to: &str| read(&BASE.replacen(from, to, 1), &[]).expect_err("must not pass");
        insta::assert_snapshot!(broken("service = \"300us\"", "service = \"fast\""), @r#"
        error: `fast` is not a duration: expected a number before `fast`
          --> t.toml:7:11
          |
        7 | service = "fast"
          |           ^^^^^^ write a duration such as "250ms", "30s", "5m", "2h5m" or "1d"
        "#);
        insta::assert_snapshot!(broken("\"20ms\"", "\"2ms\""), @r#"
        error: p99 is less than p50
          --> t.toml:6:30
          |
        6 | store = { p50 = "4ms", p99 = "2ms" }
          |                              ^^^^^ write one not less than p50
        "#);
        insta::assert_snapshot!(broken("service", "servise"), @r#"
        error: unknown key `servise`
          --> t.toml:7:1
          |
        7 | servise = "300us"
          | ^^^^^^^ did you mean `service`?
        "#);
    }
}
