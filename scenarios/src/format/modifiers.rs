//! The modifiers of a `[[fault]]`: which events it touches, and how strongly over its span.

use std::ops::Range;
use std::time::Duration;

use super::checker::{Checker, suggestion};
use super::fault::{CoinGeckoFault, FaultKind, LambdaFault, Missing, WrongValue};
use super::model::{FaultShape, FunctionName, Match, Target};
use super::raw::{RawFault, RawMatch};
use super::written::At;

/// DynamoDB operations that the service sends.
const OPERATIONS: [&str; 6] = [
    "GetItem",
    "BatchGetItem",
    "UpdateItem",
    "PutItem",
    "BatchWriteItem",
    "Scan",
];

/// Checked modifiers. `None`: complained about.
pub(super) struct Modifiers {
    pub(super) shape: Option<FaultShape>,
    pub(super) share: Option<f64>,
    pub(super) first: Option<u32>,
    pub(super) every: Option<u32>,
    pub(super) matches: Match,
}

/// Checks the modifiers of a fault that lasts `length`, each for itself.
pub(super) fn check(
    checker: &mut Checker<'_>,
    raw: &RawFault,
    target: Target,
    length: Option<Duration>,
) -> Modifiers {
    for (count, what) in [(&raw.first, "`first`"), (&raw.every, "`every`")] {
        if let Some(count) = count {
            checker.at_least_one(count, what);
        }
    }
    Modifiers {
        shape: shape(checker, raw, length),
        share: raw.share.as_ref().map_or(Some(1.0), |share| checker.share(share)),
        first: raw.first.as_ref().map(|count| count.value),
        every: raw.every.as_ref().map(|count| count.value),
        matches: raw
            .matches
            .as_ref()
            .map_or_else(Match::default, |raw| matches(checker, raw, target)),
    }
}

fn shape(checker: &mut Checker<'_>, raw: &RawFault, length: Option<Duration>) -> Option<FaultShape> {
    if let (Some(ramp), Some(_)) = (&raw.ramp, &raw.flap) {
        let help = "remove one of the two";
        checker.error(&ramp.range, "a fault has one shape: `ramp` or `flap`", help);
        return None;
    }
    if let Some(ramp) = &raw.ramp {
        let words = [("in", FaultShape::RampIn), ("out", FaultShape::RampOut)];
        return checker.word(ramp, &words);
    }
    let Some(flap) = &raw.flap else {
        return Some(FaultShape::Step);
    };
    let (on, off) = (
        checker.positive(&flap.value.on),
        checker.positive(&flap.value.off),
    );
    let (on, off) = (on?, off?);
    if length.is_some_and(|length| on >= length) {
        let help = "shorten `on`, or remove `flap`";
        checker.error(
            &flap.range,
            "the fault would end before it goes for the first time",
            help,
        );
        return None;
    }
    Some(FaultShape::Flap { on, off })
}

fn matches(checker: &mut Checker<'_>, raw: &At<RawMatch>, target: Target) -> Match {
    let given = &raw.value;
    let of_calls = given.path.is_some() || given.id.is_some() || given.header.is_some();
    let of_operations = given.op.is_some() || given.key_prefix.is_some();
    let of_functions = given.function.is_some();
    let sensible = match target {
        Target::CoinGecko => !of_operations && !of_functions,
        Target::Store => !of_calls && !of_functions,
        Target::Clients => given.id.is_none() && !of_operations && !of_functions,
        Target::Lambda => !of_calls && !of_operations,
        Target::Service | Target::Schedule => false,
    };
    if !sensible {
        let help = match target {
            Target::CoinGecko => "calls can be matched by path, id and header",
            Target::Store => "operations can be matched by op and key_prefix",
            Target::Clients => "requests can be matched by path and header",
            Target::Lambda => "invocations can be matched by function",
            Target::Service | Target::Schedule => "remove `match`: it does not apply here",
        };
        checker.error(
            &raw.range,
            format!("target `{target}` cannot be matched so"),
            help,
        );
    }
    if let Some(op) = &given.op
        && !OPERATIONS.contains(&op.as_str())
    {
        let help = suggestion(op, &OPERATIONS);
        checker.error(&raw.range, format!("the service sends no `{op}`"), help);
    }
    let header = given.header.as_ref().map(|header| match header.split_once(':') {
        Some((name, value)) => (name.trim().to_lowercase(), Some(value.trim().to_owned())),
        None => (header.trim().to_lowercase(), None),
    });
    Match {
        path: given.path.clone(),
        id: given.id.clone(),
        header,
        op: given.op.clone(),
        key_prefix: given.key_prefix.clone(),
        function: function(checker, raw),
    }
}

fn function(checker: &mut Checker<'_>, raw: &At<RawMatch>) -> Option<FunctionName> {
    let words = [("api", FunctionName::Api), ("update", FunctionName::Update)];
    let name = At {
        value: raw.value.function.clone()?,
        range: raw.range.clone(),
    };
    checker.word(&name, &words)
}

/// Refuses modifiers that contradict each other, or the kind of the fault.
pub(super) fn contradictions(checker: &mut Checker<'_>, raw: &RawFault, kind: &FaultKind) {
    if let (Some(first), Some(every)) = (&raw.first, &raw.every)
        && first.value < every.value
    {
        let message = format!(
            "there is no {} among the first {}: it would touch nothing",
            ordinal(every.value),
            first.value
        );
        checker.error(&first.range, message, "raise `first`, or lower `every`");
    }
    match kind {
        FaultKind::CoinGecko(kind) if kind.is_unreachable() => unreachable(
            checker,
            raw,
            "it hits all of them; `flap` may say when, and how = \"reset\" or \"close\" can be chosen by the call",
        ),
        FaultKind::Store(kind) if kind.is_unreachable() => unreachable(
            checker,
            raw,
            "it hits all of them; `flap` may say when, and kind = \"reset\" can be chosen by the request",
        ),
        FaultKind::Lambda(LambdaFault::Concurrency { .. }) => {
            for (name, range) in choosers(raw) {
                let message = format!("`{name}` chooses among invocations, and room is for all of them");
                let help = format!("remove `{name}`; `flap` may say when");
                checker.error(&range, message, help);
            }
        }
        FaultKind::Service(_) => {
            for (name, range) in choosers(raw) {
                let message = format!("`{name}` chooses among events, and a process is none");
                let help = format!("remove `{name}`; `flap` may say when");
                checker.error(&range, message, help);
            }
        }
        _ => {}
    }
    let FaultKind::CoinGecko(kind) = kind else {
        return;
    };
    let id = raw.matches.as_ref().filter(|at| at.value.id.is_some());
    if let (CoinGeckoFault::MissingCoin { shape, .. }, Some(count)) = (kind, &raw.count)
        && (id.is_some() || *shape == Missing::Empty)
    {
        let message = if id.is_some() {
            "`match.id` names the coin that is missing already"
        } else {
            "an `empty` answer has no coins to count"
        };
        checker.error(&count.range, message, "remove `count`");
    }
    if let (CoinGeckoFault::WrongValue { value }, Some(factor)) = (kind, &raw.factor) {
        match value {
            WrongValue::Spike { factor: 1.0 } => {
                checker.error(
                    &factor.range,
                    "the price times 1 is the price",
                    "write another factor",
                );
            }
            WrongValue::Spike { .. } => {}
            WrongValue::Zero | WrongValue::Negative | WrongValue::OtherCoin => {
                let help = "remove `factor`, or write value = \"spike\"";
                checker.error(&factor.range, "only a spike has a factor", help);
            }
        }
    }
    if let Some(matches) = id
        && let Some(path) = &matches.value.path
        && !["/simple/price", "/coins/"]
            .iter()
            .any(|of_coins| of_coins.starts_with(path.as_str()) || path.starts_with(of_coins))
    {
        let message = format!("no call of `{path}` asks for a coin");
        checker.error(
            &matches.range,
            message,
            "remove `id`, or match /simple/price or /coins/",
        );
    }
}

/// The modifiers that are given and choose among events, with their places.
fn choosers(raw: &RawFault) -> Vec<(&'static str, Range<usize>)> {
    let given = [
        ("share", raw.share.as_ref().map(|at| &at.range)),
        ("first", raw.first.as_ref().map(|at| &at.range)),
        ("every", raw.every.as_ref().map(|at| &at.range)),
        ("match", raw.matches.as_ref().map(|at| &at.range)),
        ("ramp", raw.ramp.as_ref().map(|at| &at.range)),
    ];
    let given = given.into_iter();
    given
        .filter_map(|(name, range)| Some((name, range?.clone())))
        .collect()
}

/// Refuses modifiers of a fault that keeps connections from coming about.
fn unreachable(checker: &mut Checker<'_>, raw: &RawFault, help: &str) {
    for (name, range) in choosers(raw) {
        let message = format!("`{name}` cannot choose among connections that never come about");
        checker.error(&range, message, help);
    }
}

/// `2nd`, `3rd`, `10th`
fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
