//! `limit.*`: whether the rate limit was applied as stated.

use std::collections::BTreeMap;

use super::statistics::share;
use crate::{
    judge::{
        evidence::Lens,
        limiter::{CLOCK_SLACK_US, Class},
    },
    record::{NONE, RequestRecord},
};

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let limiter = &lens.evidence.limiter;
    let admissions = || {
        lens.recording()
            .admissions
            .iter()
            .filter(|a| lens.real.contains(&a.at_us))
    };
    match name {
        "excess" => admissions().next().map(|_| limiter.excess(&lens.real) as f64),
        "overshoot" => limiter.overshoot(&lens.real),
        "retry_after_honest" => retry_after_honest(lens),
        _ => {
            let mut limited = lens
                .requests()
                .filter(|(request, _)| request.key != NONE)
                .peekable();
            limited.peek()?;
            let count = match name {
                "rejected" => limited.filter(|(request, _)| request.status == 429).count(),
                "false_rejected" => limited
                    .filter(|(request, class)| request.status == 429 && *class == Class::Owed)
                    .count(),
                "either" => limited
                    .filter(|(request, class)| request.owed == 200 && *class == Class::Either)
                    .count(),
                _ => return None,
            };
            Some(count as f64)
        }
    }
}

/// 429s whose `Retry-After` is true ÷ all 429s; one without `Retry-After` is not true. Two witnesses must agree:
/// the replayed rule, asked about the instant that `Retry-After` names with nobody admitted since the 429; and,
/// when the key stayed silent until then, its next request.
fn retry_after_honest(lens: &Lens<'_>) -> Option<f64> {
    let mut by_key: BTreeMap<u32, Vec<&RequestRecord>> = BTreeMap::new();
    for request in lens
        .recording()
        .requests
        .iter()
        .filter(|request| request.key != NONE)
    {
        by_key.entry(request.key).or_default().push(request);
    }
    for requests in by_key.values_mut() {
        requests.sort_by_key(|request| request.sent_us);
    }
    let refused = || {
        lens.requests()
            .filter(|(request, _)| request.status == 429 && request.key != NONE)
    };
    let honest = refused().filter(|(request, _)| {
        by_key
            .get(&request.key)
            .is_some_and(|requests| is_honest(request, requests, lens))
    });
    share(honest.count() as u64, refused().count() as u64)
}

fn is_honest(refused: &RequestRecord, same_key: &[&RequestRecord], lens: &Lens<'_>) -> bool {
    let Some(retry_after_s) = refused.retry_after() else {
        return false;
    };
    let answered_us = refused.answered_us();
    let wait_us = (f64::from(retry_after_s) * 1e6 / lens.recording().timing.speed).ceil() as u64;
    let free_us = answered_us + wait_us;
    if !lens
        .evidence
        .limiter
        .admits_in_silence(refused.key, answered_us, free_us + CLOCK_SLACK_US)
    {
        return false;
    }
    let was_open_since = |request: &&&RequestRecord| request.answered_us() > answered_us;
    let later = same_key
        .iter()
        .filter(was_open_since)
        .find(|request| !std::ptr::eq(**request, refused));
    // Whoever comes earlier than it was told, or had a request open meanwhile, shows nothing.
    later.is_none_or(|next| next.sent_us < free_us || next.status != 429)
}
