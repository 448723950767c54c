//! `api.*`: what clients were answered, how fast, and how old it was.

use super::statistics::{named, share};
use crate::{
    judge::{evidence::Lens, limiter::Class},
    record::{NONE, RequestRecord},
};

pub(super) fn value(name: &str, part: &str, lens: &Lens<'_>) -> Option<f64> {
    let count = lens.requests().count();
    match name {
        "requests" => return Some(count as f64),
        "rps" => return Some(count as f64 / lens.wall_seconds()),
        _ if count == 0 => return None,
        _ => {}
    }
    match name {
        "success" => success(lens),
        "correct" => correct(lens),
        _ if name.starts_with("status.") => {
            let status = part.parse().unwrap_or(0);
            Some(
                lens.requests()
                    .filter(|(request, _)| request.status == status)
                    .count() as f64,
            )
        }
        _ => {
            let (family, statistic) = name.rsplit_once('.')?;
            match family {
                "latency" => named(statistic, lens.requests().map(|(request, _)| request.latency_s())),
                "wait" => wait(statistic, count, lens),
                "age" => named(statistic, seconds(lens, |request| request.age_ms)),
                "data_age" => named(statistic, seconds(lens, |request| request.data_age_ms)),
                _ => None,
            }
        }
    }
}

/// Owed requests answered 200 or 304 in time ÷ owed requests.
fn success(lens: &Lens<'_>) -> Option<f64> {
    let owed = || {
        lens.requests()
            .filter(|(request, class)| request.owed == 200 && *class == Class::Owed)
    };
    let good = owed().filter(|(request, _)| is_good(request)).count();
    share(good as u64, owed().count() as u64)
}

/// Answers of the expected class ÷ all for which only one class is right.
fn correct(lens: &Lens<'_>) -> Option<f64> {
    let clear = || lens.requests().filter(|(_, class)| *class != Class::Either);
    let right = clear()
        .filter(|(request, class)| is_right(request, *class))
        .count();
    share(right as u64, clear().count() as u64)
}

fn is_good(request: &RequestRecord) -> bool {
    matches!(request.status, 200 | 304)
}

/// Whether an answer is what is expected: of an invalid request its own error (or a 429 where the limit refuses
/// it), of a valid one a 200 or 304 when owed and a 429 when to be refused.
fn is_right(request: &RequestRecord, class: Class) -> bool {
    match (request.owed, class) {
        (200, Class::Owed) => is_good(request),
        (200, Class::Refuse) => request.status == 429,
        (200, Class::Either) => is_good(request) || request.status == 429,
        (owed, Class::Owed) => request.status == owed,
        (owed, Class::Refuse | Class::Either) => request.status == owed || request.status == 429,
    }
}

/// Waits are reported only where there was one; all other requests waited for nothing.
fn wait(statistic: &str, requests: usize, lens: &Lens<'_>) -> Option<f64> {
    let emf = &lens.recording().emf;
    if emf.documents("api") == 0 {
        return None;
    }
    let waits = emf.waits().iter().filter(|wait| lens.real.contains(&wait.at_us));
    let waits: Vec<f64> = waits.map(|wait| f64::from(wait.ms) / 1000.0).collect();
    let none = std::iter::repeat_n(0.0, requests.saturating_sub(waits.len()));
    named(statistic, none.chain(waits))
}

fn seconds(lens: &Lens<'_>, of: impl Fn(&RequestRecord) -> u32) -> impl Iterator<Item = f64> {
    lens.requests()
        .map(move |(request, _)| of(request))
        .filter(|ms| *ms != NONE)
        .map(|ms| f64::from(ms) / 1000.0)
}
