//! Leases and calls to CoinGecko: who held the lease when, what was called under it, and the rules about both.
//!
//! Calls are told of when they end, so the rules are applied once, after the last of them.

use std::collections::BTreeMap;

use super::{Breaches, at};
use crate::{
    record::event::{LeaseAction, LeaseEvent, UpstreamCall},
    sweep::{
        bounds::{BUDGET, Bounds, believed, us},
        rules::Rule,
    },
};

/// What tokio's timers and whole milliseconds may differ by, µs.
const ROUNDING_US: u64 = 2_000;
/// What a lease outlives its work by, µs: a request for it may have been under way for as long.
const MARGIN_US: u64 = 1_000_000;

/// One call.
#[derive(Clone, Copy, Debug)]
struct Call {
    at_us: u64,
    done_us: u64,
    status: u16,
    complete: bool,
    retry_after_s: Option<u32>,
}

/// One holder's time with the lease.
#[derive(Clone, Debug)]
struct Tenure {
    holder: String,
    acquired_us: u64,
    /// When it was given back; not, when it ran out.
    released_us: Option<u64>,
    /// Prices stored meanwhile.
    writes: u64,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    calls: Vec<Call>,
    tenures: Vec<Tenure>,
    last_ok_us: Option<u64>,
    /// Until when a `Retry-After` asked to be left alone, µs; the latest.
    asked_until_us: u64,
}

impl Tenure {
    fn is_api(&self) -> bool {
        self.holder.starts_with("api-")
    }

    /// When it ends at the latest, µs.
    fn ends_us(&self, bounds: &Bounds) -> u64 {
        let lease = if self.is_api() {
            bounds.config.api_lease()
        } else {
            bounds.config.update_lease()
        };
        self.released_us.unwrap_or(self.acquired_us + us(lease))
    }
}

impl Upstream {
    /// Takes in a write to the lease item.
    pub(super) fn lease(&mut self, event: &LeaseEvent, bounds: &Bounds, breaches: &mut Breaches) {
        match (event.action, event.held) {
            (LeaseAction::Acquire, true) => {
                if let Some(other) = self.tenures.last().filter(|other| {
                    other.released_us.is_none() && event.at_us + MARGIN_US < other.ends_us(bounds)
                }) {
                    breaches.add(Rule::LeaseAlone, event.at_us, || {
                        let (taker, holder) = (&event.holder, &other.holder);
                        format!("{taker} got the lease {} while {holder} held it", at(event.at_us))
                    });
                }
                self.tenures.push(Tenure {
                    holder: event.holder.clone(),
                    acquired_us: event.at_us,
                    released_us: None,
                    writes: 0,
                });
            }
            (LeaseAction::Release, true) => {
                let held = self.tenures.iter_mut().rev();
                for tenure in held.take(8).filter(|tenure| tenure.holder == event.holder) {
                    tenure.released_us.get_or_insert(event.at_us);
                }
            }
            (LeaseAction::Acquire | LeaseAction::Release, false) => {}
        }
    }

    /// Takes in a call that has ended.
    pub(super) fn call(&mut self, call: &UpstreamCall) {
        if call.status == 200 && call.complete {
            self.last_ok_us = Some(call.done_us);
        }
        // What the plan's own limit asks for is no fault's: who runs into it has not recovered.
        if !call.faults.is_empty() {
            let asked_us = us(believed(call.retry_after_s));
            self.asked_until_us = self.asked_until_us.max(call.done_us + asked_us);
        }
        self.calls.push(Call {
            at_us: call.at_us,
            done_us: call.done_us.max(call.at_us),
            status: call.status,
            complete: call.complete,
            retry_after_s: call.retry_after_s,
        });
    }

    /// A price was stored.
    pub(super) fn wrote(&mut self) {
        if let Some(tenure) = self.tenures.last_mut() {
            tenure.writes += 1;
        }
    }

    /// When CoinGecko last answered 200, µs.
    pub(super) fn last_ok_us(&self) -> Option<u64> {
        self.last_ok_us
    }

    /// From when all has to be back to normal, by what is known so far, µs.
    pub(super) fn calm_from(&self, bounds: &Bounds) -> u64 {
        bounds.calm_from(self.asked_until_us)
    }

    /// Calls by status.
    pub(super) fn statuses(&self) -> BTreeMap<u16, u64> {
        let mut statuses = BTreeMap::new();
        for call in &self.calls {
            *statuses.entry(call.status).or_default() += 1;
        }
        statuses
    }

    /// How often the lease was granted.
    pub(super) fn leases(&self) -> u64 {
        self.tenures.len() as u64
    }

    /// Applies the rules, after the last event.
    pub(super) fn judge(&mut self, bounds: &Bounds, calm_from_us: u64, breaches: &mut Breaches) {
        self.calls.sort_by_key(|call| call.at_us);
        self.alone(breaches);
        self.usual(bounds, calm_from_us, breaches);
        let under = self.under_leases(bounds, breaches);
        let mut kept_off = KeptOff::default();
        let mut tokens = BUDGET.0;
        for (tenure, calls) in self.tenures.iter().zip(&under) {
            wait(tenure, calls, bounds, breaches);
            attempts(calls, bounds, breaches);
            kept_off.next(tenure, calls, bounds, breaches);
            tokens = budget(tokens, tenure, calls, breaches);
        }
    }

    /// [`Rule::UpstreamAlone`].
    fn alone(&self, breaches: &mut Breaches) {
        let mut busy_until_us = 0;
        for call in &self.calls {
            if call.at_us < busy_until_us {
                breaches.add(Rule::UpstreamAlone, call.at_us, || {
                    format!(
                        "CoinGecko was called {} while another call was open",
                        at(call.at_us)
                    )
                });
            }
            busy_until_us = busy_until_us.max(call.done_us);
        }
    }

    /// [`Rule::RecoveryCalls`].
    fn usual(&self, bounds: &Bounds, calm_from_us: u64, breaches: &mut Breaches) {
        let since = self.calls.iter().filter(|call| call.at_us >= calm_from_us);
        let rest_us = us(bounds.duration).saturating_sub(calm_from_us);
        let (made, usual) = (
            since.count() as u64,
            bounds.usual_calls(std::time::Duration::from_micros(rest_us)),
        );
        if made > usual {
            breaches.add(Rule::RecoveryCalls, calm_from_us, || {
                let minutes = rest_us / 60_000_000;
                format!("{made} calls to CoinGecko in the last {minutes} min, when {usual} are usual")
            });
        }
    }

    /// The calls under each lease, by the lease granted last before each. [`Rule::UpstreamLease`].
    fn under_leases(&self, bounds: &Bounds, breaches: &mut Breaches) -> Vec<Vec<Call>> {
        let mut under = vec![Vec::new(); self.tenures.len()];
        for call in &self.calls {
            let granted = self
                .tenures
                .partition_point(|tenure| tenure.acquired_us <= call.at_us);
            let holder = granted.checked_sub(1);
            match holder.filter(|index| call.done_us <= self.tenures[*index].ends_us(bounds)) {
                Some(index) => under[index].push(*call),
                None => breaches.add(Rule::UpstreamLease, call.at_us, || {
                    format!(
                        "CoinGecko was called {} by nobody who held the lease",
                        at(call.at_us)
                    )
                }),
            }
        }
        under
    }
}

/// [`Rule::UpstreamWait`].
fn wait(tenure: &Tenure, calls: &[Call], bounds: &Bounds, breaches: &mut Breaches) {
    let bound = if tenure.is_api() {
        bounds.config.refresh_wait
    } else {
        bounds.config.update_timeout
    };
    let until_us = tenure.acquired_us + us(bound) + ROUNDING_US;
    for call in calls.iter().filter(|call| call.done_us > until_us) {
        breaches.add(Rule::UpstreamWait, call.done_us, || {
            let waited_ms = (call.done_us - tenure.acquired_us) / 1000;
            format!(
                "{} waited {waited_ms} ms for CoinGecko, until {}, not {} ms",
                tenure.holder,
                at(call.done_us),
                bound.as_millis()
            )
        });
    }
}

/// [`Rule::UpstreamAttempts`] and [`Rule::UpstreamRetryAfter`].
fn attempts(calls: &[Call], bounds: &Bounds, breaches: &mut Breaches) {
    let most = bounds.config.retry_attempts as usize;
    if let Some(call) = calls.get(most) {
        breaches.add(Rule::UpstreamAttempts, call.at_us, || {
            format!(
                "{} calls under one lease {}, not {most}",
                calls.len(),
                at(call.at_us)
            )
        });
    }
    for pair in calls.windows(2) {
        let (before, next) = (pair[0], pair[1]);
        let final_refusal = (400..500).contains(&before.status) && !matches!(before.status, 408 | 429);
        if final_refusal {
            breaches.add(Rule::UpstreamAttempts, next.at_us, || {
                format!(
                    "a call answered {} was repeated {}",
                    before.status,
                    at(next.at_us)
                )
            });
        }
        let asked_us = us(believed(before.retry_after_s));
        if next.at_us + ROUNDING_US < before.done_us + asked_us {
            breaches.add(Rule::UpstreamRetryAfter, next.at_us, || {
                let waited_ms = next.at_us.saturating_sub(before.done_us) / 1000;
                let asked_s = asked_us / 1_000_000;
                format!(
                    "CoinGecko asked for {asked_s} s and was called again after {waited_ms} ms, {}",
                    at(next.at_us)
                )
            });
        }
    }
}

/// [`Rule::UpstreamBudget`]: what is left of the budget after a refresh. What a holder spent that never gave its
/// lease back is not known to the others.
fn budget(tokens: u32, tenure: &Tenure, calls: &[Call], breaches: &mut Breaches) -> u32 {
    let (full, retry, success) = BUDGET;
    if tenure.released_us.is_none() {
        return tokens;
    }
    let mut left = tokens;
    for call in calls.iter().skip(1) {
        match left.checked_sub(retry) {
            Some(rest) => left = rest,
            None => breaches.add(Rule::UpstreamBudget, call.at_us, || {
                format!(
                    "a retry was made {} with nothing left of the budget",
                    at(call.at_us)
                )
            }),
        }
    }
    if has_succeeded(tenure, calls) {
        left = full.min(left + success);
    }
    left
}

/// Whether a refresh may have succeeded: its last answer was a 200, and something was stored.
fn has_succeeded(tenure: &Tenure, calls: &[Call]) -> bool {
    tenure.writes > 0
        && calls
            .last()
            .is_some_and(|call| call.status == 200 && call.complete)
}

/// Until when CoinGecko is to be left alone, as follows from what was seen. [`Rule::UpstreamPause`].
#[derive(Debug, Default)]
struct KeptOff {
    everybody_us: u64,
    api_us: u64,
    failures: u32,
}

impl KeptOff {
    /// Judges the first call under a lease, and takes in what the refresh leaves behind.
    fn next(&mut self, tenure: &Tenure, calls: &[Call], bounds: &Bounds, breaches: &mut Breaches) {
        let (Some(first), Some(last)) = (calls.first(), calls.last()) else {
            return;
        };
        let until_us = if tenure.is_api() {
            self.everybody_us.max(self.api_us)
        } else {
            self.everybody_us
        };
        if first.at_us + ROUNDING_US < until_us {
            breaches.add(Rule::UpstreamPause, first.at_us, || {
                let early_ms = (until_us - first.at_us) / 1000;
                format!(
                    "{} called CoinGecko {}, {early_ms} ms too early",
                    tenure.holder,
                    at(first.at_us)
                )
            });
        }
        if has_succeeded(tenure, calls) {
            *self = Self::default();
        } else if tenure.released_us.is_some() {
            self.failures += 1;
            let longest = calls.iter().filter_map(|call| call.retry_after_s).max();
            let until_us = last.done_us + us(bounds.pause(self.failures, longest));
            // A connection that breaks ends a call sooner than the patience of an API process does.
            let waited_us = last.done_us.saturating_sub(tenure.acquired_us);
            let was_cut = tenure.is_api()
                && calls.len() == 1
                && !last.complete
                && waited_us >= us(bounds.config.refresh_wait) / 2;
            if was_cut {
                self.api_us = until_us;
            } else {
                self.everybody_us = until_us;
            }
        }
    }
}
