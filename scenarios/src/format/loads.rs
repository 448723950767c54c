//! From `[[load]]`s as written to checked [`Load`]s.

use std::time::Duration;

use super::checker::{Checker, suggestion};
use super::model::{Arrivals, KeyPool, Load, Popularity, Shape};
use super::quantity::{Rate, show_duration};
use super::raw::{RawArrivals, RawKeys, RawLoad, RawScenario};
use super::validate::popularity;
use super::written::{At, OneOrMany, PerTime, Raw};

/// Most users of a load: each is held in memory for as long as it lasts.
const MAX_USERS: u32 = 100_000;

/// Most API keys of one load: each is made and stored before the run.
const MAX_KEYS: u32 = 100_000;

/// Most arrivals a second of a load: those of a second are drawn at once.
const MAX_RATE: f64 = 1e6;

/// Checks the loads of a scenario that plays for `duration`: what each says, and that together they cover it.
pub(super) fn check(
    checker: &mut Checker<'_>,
    raw: &RawScenario,
    duration: Option<Duration>,
) -> Option<Vec<Load>> {
    if raw.load.is_empty() {
        let help = "add a [[load]] with `rate` or `users`";
        checker.error(&raw.name.range, "the scenario has no load", help);
    }
    let names: Vec<&str> = raw
        .journey
        .iter()
        .map(|journey| journey.name.value.as_str())
        .collect();
    let mut next = Some(Duration::ZERO);
    let mut loads = Vec::new();
    for raw in &raw.load {
        let at = raw.at.as_ref().map_or(next, |at| checker.duration(at));
        let length = match (&raw.length, at, duration) {
            (Some(length), ..) => checker.positive(length),
            (None, Some(at), Some(duration)) => duration.checked_sub(at),
            (None, ..) => None,
        };
        if raw.at.is_none() {
            next = at.zip(length).map(|(at, length)| at + length);
        }
        if let (Some(at), Some(duration)) = (at, duration)
            && length.is_none_or(|length| length.is_zero() || at + length > duration)
            && (length.is_some() || raw.length.is_none())
        {
            let range = match (&raw.length, &raw.at) {
                (Some(length), _) => &length.range,
                (None, Some(at)) => &at.range,
                (None, None) => &raw.name.range,
            };
            let message = format!("load `{}` lasts beyond the end of the scenario", raw.name.value);
            checker.error(range, message, "shorten it, or lengthen `duration`");
        }
        loads.push(load(checker, raw, &names, at.zip(length)));
    }
    let loads: Vec<Load> = loads.into_iter().collect::<Option<_>>()?;
    covered(checker, raw, &loads, duration?);
    Some(loads)
}

fn load(
    checker: &mut Checker<'_>,
    raw: &RawLoad,
    journeys: &[&str],
    when: Option<(Duration, Duration)>,
) -> Option<Load> {
    let shape = shape(checker, raw);
    let arrivals = match raw.arrivals.as_ref().map(|arrivals| arrivals.value) {
        None | Some(RawArrivals::Poisson) => Arrivals::Poisson,
        Some(RawArrivals::Even) => Arrivals::Even,
    };
    if let (Some(arrivals), Some(_), None) = (&raw.arrivals, &raw.users, &raw.rate) {
        checker.error(
            &arrivals.range,
            "users of a closed loop do not arrive",
            "remove `arrivals`, or give a `rate`",
        );
    }
    let keys = raw.keys.as_ref().map_or(
        Some(KeyPool {
            count: 100,
            dist: Popularity::Uniform,
        }),
        |raw| keys(checker, raw),
    );
    let chosen = match &raw.journeys {
        None => (0..journeys.len()).collect(),
        Some(chosen) => {
            if chosen.is_empty() {
                checker.error(
                    &raw.name.range,
                    "`journeys` names no journey",
                    "name one, or remove the key",
                );
            }
            chosen
                .iter()
                .filter_map(|name| named_journey(checker, name, journeys))
                .collect()
        }
    };
    let (at, length) = when?;
    Some(Load {
        name: raw.name.value.clone(),
        at,
        length,
        shape: shape?,
        arrivals,
        keys: keys?,
        journeys: chosen,
        span: checker.span(&raw.name.range),
    })
}

fn named_journey(checker: &mut Checker<'_>, name: &At<String>, journeys: &[&str]) -> Option<usize> {
    let found = journeys.iter().position(|other| *other == name.value);
    if found.is_none() {
        let message = format!("no journey is named `{}`", name.value);
        checker.error(&name.range, message, suggestion(&name.value, journeys));
    }
    found
}

fn shape(checker: &mut Checker<'_>, raw: &RawLoad) -> Option<Shape> {
    match (&raw.rate, &raw.users) {
        (None, None) => {
            let message = format!("load `{}` says neither `rate` nor `users`", raw.name.value);
            checker.error(&raw.name.range, message, "add `rate = \"2/s\"` or `users = 50`");
            None
        }
        (Some(_), Some(users)) => {
            checker.error(
                &users.range,
                "a load has a `rate` or `users`, not both",
                "split it into two loads",
            );
            None
        }
        (None, Some(users)) => self::users(checker, users).map(Shape::Users),
        (Some(rate), None) => rates(checker, rate),
    }
}

fn users(checker: &mut Checker<'_>, raw: &At<u32>) -> Option<u32> {
    if raw.value > MAX_USERS {
        let message = format!("a load has at most {MAX_USERS} users");
        checker.error(
            &raw.range,
            message,
            "each is kept in memory; so many clients are a `rate`",
        );
        return None;
    }
    checker.at_least_one(raw, "`users`")
}

fn rates(checker: &mut Checker<'_>, raw: &At<OneOrMany<PerTime>>) -> Option<Shape> {
    let one;
    let written = match &raw.value {
        OneOrMany::One(text) => {
            one = [Raw::new(text.clone(), raw.range.clone())];
            one.as_slice()
        }
        OneOrMany::Many(many) => many.as_slice(),
    };
    let points: Vec<Option<f64>> = written
        .iter()
        .map(|raw| checker.rate(raw).map(Rate::per_second))
        .collect();
    let points: Vec<f64> = points.into_iter().collect::<Option<_>>()?;
    if points.iter().any(|point| *point > MAX_RATE) {
        checker.error(
            &raw.range,
            format!("a load has at most {MAX_RATE} arrivals a second"),
            "no machine plays so many; write a lower rate",
        );
        return None;
    }
    if points.iter().all(|point| *point == 0.0) {
        checker.error(
            &raw.range,
            "nobody ever arrives at this rate",
            "write a rate above 0",
        );
        return None;
    }
    Some(Shape::Rate(points))
}

fn keys(checker: &mut Checker<'_>, raw: &RawKeys) -> Option<KeyPool> {
    let count = checker.at_least_one(&raw.count, "`keys.count`");
    if raw.count.value > MAX_KEYS {
        let message = format!("a load has at most {MAX_KEYS} keys");
        checker.error(
            &raw.count.range,
            message,
            "lower it, or spread the keys over several loads",
        );
        return None;
    }
    let dist = popularity(checker, raw.dist, raw.s.as_ref());
    Some(KeyPool {
        count: count?,
        dist: dist?,
    })
}

/// Together, the loads must cover the scenario.
fn covered(checker: &mut Checker<'_>, raw: &RawScenario, loads: &[Load], duration: Duration) {
    let mut spans: Vec<_> = loads.iter().map(Load::span_in_time).collect();
    spans.sort_by_key(|span| span.start);
    let mut reached = Duration::ZERO;
    for span in spans {
        if span.start > reached {
            break;
        }
        reached = reached.max(span.end);
    }
    if reached < duration && !loads.is_empty() {
        let from = show_duration(reached);
        let message = format!("no load plays at {from}, yet the scenario goes on");
        let help = "lengthen a load, leave out its `for`, or shorten `duration`";
        checker.error(&raw.duration.range, message, help);
    }
}
