//! From a scenario as written to a checked [`Scenario`]: everything that types alone cannot say.

use std::time::Duration;

use super::assume;
use super::check::Check;
use super::checker::Checker;
use super::grammar::{self, Names};
use super::model::{
    ClockKind, Environment, Expect, Journey, Level, OnReject, Piece, Plan, Popularity, Scenario, Stack,
    Template,
};
use super::raw::{
    RawClock, RawDist, RawEnvironment, RawExpect, RawJourney, RawLevel, RawOnReject, RawPlan, RawScenario,
    RawStack,
};
use super::written::{At, PerTime, Raw};
use super::{faults, latency, loads};

/// The greatest number of symbols that a request may ask for.
const MOST_SYMBOLS: u32 = 50;

/// Time between two gets of a journey that does not say it.
const THINK: Duration = Duration::from_secs(10);

/// `2026-03-02T00:00:00Z`, a Monday.
const START_SECOND: i64 = 1_772_409_600;

/// `3000-01-01T00:00:00Z`. All that the service and the harness count in instants has room until then.
const END_SECOND: i64 = 32_503_680_000;

/// Checks a scenario; what is wrong goes to the checker. `None` when it cannot even be built.
pub(super) fn check(checker: &mut Checker<'_>, raw: &RawScenario) -> Option<Scenario> {
    if raw.schema.value != 1 {
        let message = format!("this program reads schema 1, not {}", raw.schema.value);
        checker.error(&raw.schema.range, message, "write `schema = 1`");
    }
    checker.name(&raw.name);
    if raw.about.value.trim().is_empty() {
        checker.error(
            &raw.about.range,
            "`about` says nothing",
            "say what the scenario proves",
        );
    }
    let duration = checker.positive(&raw.duration);
    let start = start(checker, raw, duration);
    let stack = stack(checker, raw.stack.as_ref());
    let symbols = match &raw.symbols {
        Some(symbols) => popularity(checker, symbols.dist, symbols.s.as_ref()),
        None => Some(Popularity::Uniform),
    };
    let latency = latency::check(checker, raw.latency.as_ref());
    let journeys: Vec<_> = raw
        .journey
        .iter()
        .filter_map(|raw| journey(checker, raw))
        .collect();
    checker.unique(
        &raw.journey.iter().map(|raw| &raw.name).collect::<Vec<_>>(),
        "journeys",
    );
    let both = raw
        .load
        .iter()
        .map(|raw| &raw.name)
        .chain(raw.fault.iter().map(|raw| &raw.name));
    checker.unique(&both.collect::<Vec<_>>(), "loads and faults");
    if raw.journey.is_empty() {
        checker.error(
            &raw.name.range,
            "the scenario has no journey",
            "add a [[journey]] that says what a user gets",
        );
    }
    let loads = loads::check(checker, raw, duration);
    let seed = raw.seed.as_ref().map_or(1, |seed| seed.value);
    let faults: Vec<_> = raw
        .fault
        .iter()
        .filter_map(|raw| faults::check(checker, raw, duration, seed))
        .collect();
    let expects: Vec<_> = {
        let fault_names: Vec<&str> = raw.fault.iter().map(|raw| raw.name.value.as_str()).collect();
        let load_names: Vec<&str> = raw.load.iter().map(|raw| raw.name.value.as_str()).collect();
        let journey_names: Vec<&str> = raw.journey.iter().map(|raw| raw.name.value.as_str()).collect();
        let names = Names {
            faults: &fault_names,
            loads: &load_names,
            journeys: &journey_names,
        };
        raw.expect
            .iter()
            .filter_map(|raw| expect(checker, raw, names))
            .collect()
    };
    if !checker.found.is_empty() {
        return None;
    }
    let scenario = Scenario {
        sources: checker.sources.to_vec(),
        effective: String::new(),
        name: raw.name.value.clone(),
        about: raw.about.value.clone(),
        seed,
        start: start?,
        duration: duration?,
        stack: stack?,
        symbols: symbols?,
        latency: latency?,
        journeys,
        loads: loads?,
        faults,
        expects,
    };
    windows(checker, raw, &scenario);
    instances(checker, raw, &scenario);
    Some(scenario)
}

fn start(
    checker: &mut Checker<'_>,
    raw: &RawScenario,
    duration: Option<Duration>,
) -> Option<jiff::Timestamp> {
    let Some(raw) = &raw.start else {
        return jiff::Timestamp::from_second(START_SECOND).ok();
    };
    match raw.text.parse::<jiff::Timestamp>() {
        Ok(instant) => {
            let end = instant.as_second().checked_add_unsigned(duration?.as_secs());
            if instant.as_second() >= 0 && end.is_some_and(|end| end < END_SECOND) {
                return Some(instant);
            }
            let message = format!(
                "a scenario that starts at `{}` lies outside of 1970 to 2999",
                raw.text
            );
            checker.error(
                &raw.range,
                message,
                "write a start from which the whole `duration` lies within",
            );
            None
        }
        Err(_) => {
            let message = format!("`{}` is not an instant", raw.text);
            checker.error(
                &raw.range,
                message,
                "write RFC 3339, such as \"2026-03-02T00:00:00Z\"",
            );
            None
        }
    }
}

fn stack(checker: &mut Checker<'_>, raw: Option<&RawStack>) -> Option<Stack> {
    let default = Stack::default();
    let Some(raw) = raw else { return Some(default) };
    let environment = match raw.environment {
        None => default.environment,
        Some(RawEnvironment::Dev) => Environment::Dev,
        Some(RawEnvironment::Staging) => Environment::Staging,
        Some(RawEnvironment::Prod) => Environment::Prod,
    };
    let instances = match &raw.instances {
        Some(count) => checker.at_least_one(count, "`instances`"),
        None => Some(default.instances),
    };
    let mut seconds =
        |raw: Option<&Raw<_>>, default| raw.map_or(Some(default), |raw| checker.whole_seconds(raw));
    let cache_ttl = seconds(raw.cache_ttl.as_ref(), default.cache_ttl);
    let price_retention = seconds(raw.price_retention.as_ref(), default.price_retention);
    let update_every = seconds(raw.update_every.as_ref(), default.update_every);
    let update_timeout = raw
        .update_timeout
        .as_ref()
        .map(|raw| (checker.positive(raw), &raw.range));
    if let (Some((Some(timeout), range)), Some(every)) = (&update_timeout, update_every)
        && *timeout >= every
    {
        checker.error(
            range,
            "`update_timeout` is not less than `update_every`",
            "write a shorter one",
        );
    }
    let rate_limit = raw
        .rate_limit
        .as_ref()
        .map_or(Some(default.rate_limit), |raw| rate_limit(checker, raw));
    let update_phase = raw
        .update_phase
        .as_ref()
        .map(|raw| (checker.duration(raw), &raw.range));
    if let (Some((Some(phase), range)), Some(every)) = (&update_phase, update_every)
        && *phase >= every
    {
        checker.error(
            range,
            "`update_phase` is not less than `update_every`",
            "write a shorter one",
        );
    }
    let upstream_plan = raw
        .upstream_plan
        .as_ref()
        .map_or(Some(default.upstream_plan), |raw| plan(checker, raw));
    let upstream_assume = raw
        .upstream_assume
        .as_ref()
        .map_or(Some(default.upstream_assume), |raw| assume::check(checker, raw));
    Some(Stack {
        environment,
        instances: instances?,
        cache_ttl: cache_ttl?,
        rate_limit: rate_limit?,
        price_retention: price_retention?,
        update_every: update_every?,
        update_timeout: match update_timeout {
            Some((timeout, _)) => Some(timeout?),
            None => None,
        },
        update_phase: match update_phase {
            Some((phase, _)) => Some(phase?),
            None => None,
        },
        upstream_plan: upstream_plan?,
        upstream_assume: upstream_assume?,
    })
}

/// A whole number of requests per minute.
fn rate_limit(checker: &mut Checker<'_>, raw: &Raw<PerTime>) -> Option<u32> {
    let per_minute = checker.rate(raw)?.per_minute();
    if per_minute >= 1.0 && per_minute.fract() == 0.0 && per_minute <= f64::from(u32::MAX) {
        return Some(per_minute as u32);
    }
    let message = format!("`{}` is not a whole number of requests per minute", raw.text);
    checker.error(&raw.range, message, "write one such as \"100/min\"");
    None
}

fn plan(checker: &mut Checker<'_>, raw: &At<RawPlan>) -> Option<Plan> {
    let words = [
        ("keyless", Plan::Keyless),
        ("demo", Plan::Demo),
        ("basic", Plan::Basic),
        ("analyst", Plan::Analyst),
        ("lite", Plan::Lite),
    ];
    match &raw.value {
        RawPlan::Named(name) => checker.word(
            &At {
                value: name.clone(),
                range: raw.range.clone(),
            },
            &words,
        ),
        RawPlan::Custom(custom) => Some(Plan::Custom {
            per_minute: custom.per_minute,
            per_month: custom.per_month,
        }),
    }
}

pub(super) fn popularity(
    checker: &mut Checker<'_>,
    dist: Option<RawDist>,
    s: Option<&At<f64>>,
) -> Option<Popularity> {
    match (dist.unwrap_or(RawDist::Uniform), s) {
        (RawDist::Uniform, None) => Some(Popularity::Uniform),
        (RawDist::Uniform, Some(s)) => {
            checker.error(
                &s.range,
                "`s` is the exponent of `zipf`",
                "add `dist = \"zipf\"`, or remove `s`",
            );
            None
        }
        (RawDist::Zipf, None) => Some(Popularity::Zipf { s: 1.0 }),
        (RawDist::Zipf, Some(s)) if s.value > 0.0 && s.value.is_finite() => {
            Some(Popularity::Zipf { s: s.value })
        }
        (RawDist::Zipf, Some(s)) => {
            checker.error(
                &s.range,
                "the exponent must be above 0",
                "write a number such as 1.1",
            );
            None
        }
    }
}

fn journey(checker: &mut Checker<'_>, raw: &RawJourney) -> Option<Journey> {
    let weight = raw
        .weight
        .as_ref()
        .map_or(Some(1), |weight| checker.at_least_one(weight, "`weight`"));
    let get: Vec<_> = raw.get.iter().filter_map(|raw| template(checker, raw)).collect();
    if raw.get.is_empty() {
        let message = format!("journey `{}` gets nothing", raw.name.value);
        checker.error(&raw.name.range, message, "write `get = [\"/prices/{symbol}\"]`");
    }
    let think = raw
        .think
        .as_ref()
        .map_or(Some(THINK), |think| checker.positive(think));
    let on_reject = match raw.on_reject {
        None | Some(RawOnReject::GiveUp) => OnReject::GiveUp,
        Some(RawOnReject::RetryAfter) => OnReject::RetryAfter,
        Some(RawOnReject::Hammer) => OnReject::Hammer,
    };
    let accept_encoding = raw.accept_encoding.clone().unwrap_or_else(|| "gzip".to_owned());
    Some(Journey {
        name: raw.name.value.clone(),
        weight: weight?,
        get,
        think: think?,
        on_reject,
        revalidate: raw.revalidate.unwrap_or(false),
        accept_encoding: (accept_encoding != "none").then_some(accept_encoding),
        span: checker.span(&raw.name.range),
    })
}

fn template(checker: &mut Checker<'_>, raw: &At<String>) -> Option<Template> {
    const HELP: &str = "write {symbol} or {symbols:N} with N from 1 to 50";
    let text = &raw.value;
    let bad_path = !text.starts_with('/')
        || text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '#');
    if bad_path {
        checker.error(
            &raw.range,
            format!("`{text}` is not a path"),
            "write one such as \"/prices/{symbol}\"",
        );
        return None;
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '}']) {
        let open = at + found;
        let close = text[open..].find('}').map(|found| open + found);
        let inside = close.and_then(|close| text.get(open + 1..close));
        let piece = match inside {
            Some("symbol") => Some(Piece::Symbol),
            Some(inside) => inside
                .strip_prefix("symbols:")
                .and_then(|count| count.parse().ok())
                .filter(|count| (1..=MOST_SYMBOLS).contains(count))
                .map(Piece::Symbols),
            None => None,
        };
        let end = close.map_or(text.len(), |close| close + 1);
        let Some(piece) = piece else {
            let range = checker.part_of(raw, &(open..end));
            checker.error(&range, format!("`{}` cannot be filled", &text[open..end]), HELP);
            return None;
        };
        if open > at {
            pieces.push(Piece::Text(text[at..open].to_owned()));
        }
        pieces.push(piece);
        at = end;
    }
    if at < text.len() {
        pieces.push(Piece::Text(text[at..].to_owned()));
    }
    Some(Template {
        text: text.clone(),
        pieces,
    })
}

fn expect(checker: &mut Checker<'_>, raw: &RawExpect, names: Names<'_>) -> Option<Expect> {
    let found = match grammar::parse_check(&raw.check.value) {
        Ok(parts) => Some(Check {
            text: raw.check.value.clone(),
            metric: raw.check.value[parts.metric.clone()].to_owned(),
            op: parts.op,
            limit: parts.quantity,
            metric_span: checker.span(&checker.part_of(&raw.check, &parts.metric)),
            limit_span: checker.span(&checker.part_of(&raw.check, &parts.limit)),
        }),
        Err(flaw) => {
            checker.flaw(&raw.check, flaw);
            None
        }
    };
    let during = optional(checker, raw.during.as_ref(), |text| {
        grammar::parse_during(text, names)
    });
    let filter = optional(checker, raw.filter.as_ref(), |text| {
        grammar::parse_where(text, names)
    });
    Some(Expect {
        check: found?,
        during: during?,
        filter: filter?,
        clock: raw.clock.map(|clock| match clock {
            RawClock::Virtual => ClockKind::Virtual,
            RawClock::Real => ClockKind::Real,
        }),
        level: match raw.level {
            None | Some(RawLevel::Fail) => Level::Fail,
            Some(RawLevel::Warn) => Level::Warn,
        },
        span: checker.span(&raw.check.range),
        during_span: raw.during.as_ref().map(|raw| checker.span(&raw.range)),
        filter_span: raw.filter.as_ref().map(|raw| checker.span(&raw.range)),
    })
}

/// `Some(None)` when nothing is written, `None` when it is wrong.
fn optional<T>(
    checker: &mut Checker<'_>,
    raw: Option<&At<String>>,
    parse: impl FnOnce(&str) -> Result<T, grammar::Flaw>,
) -> Option<Option<T>> {
    let Some(raw) = raw else { return Some(None) };
    match parse(&raw.value) {
        Ok(value) => Some(Some(value)),
        Err(flaw) => {
            checker.flaw(raw, flaw);
            None
        }
    }
}

/// No `during` may be empty.
fn windows(checker: &mut Checker<'_>, raw: &RawScenario, scenario: &Scenario) {
    for (raw, expect) in raw.expect.iter().zip(&scenario.expects) {
        let window = scenario.window_of(expect);
        if let Some(raw) = raw.during.as_ref().filter(|_| window.is_empty()) {
            let message = format!("no time of the scenario is in `{}`", raw.value);
            checker.error(
                &raw.range,
                message,
                "write a span that ends after it begins, within the scenario",
            );
        }
    }
}

/// A fault of one instance must name one that there is.
fn instances(checker: &mut Checker<'_>, raw: &RawScenario, scenario: &Scenario) {
    for raw in &raw.fault {
        if let Some(instance) = raw
            .instance
            .as_ref()
            .filter(|raw| raw.value >= scenario.stack.instances)
        {
            let message = format!("there is no instance {}", instance.value);
            let help = format!("the stack has {}, counted from 0", scenario.stack.instances);
            checker.error(&instance.range, message, help);
        }
    }
}
