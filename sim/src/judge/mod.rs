//! The judge: reads a recording and says what held, by what margin, and what every number was.
//!
//! | file | owns |
//! |---|---|
//! | `metrics` | the one table of metrics |
//! | `evidence` | the recording with what is derived from it once; lenses on the views that it tallied |
//! | `compute` | the value of each metric |
//! | `retries` | first tries, retries, their delays and jitter |
//! | `claims` | what the service says of itself beside what was seen |
//! | `check` | whether a scenario's checks can be judged at all |
//! | `expectations`, `invariants` | what must hold: by the scenario, and always |
//! | `series` | values over time |
//! | `agreement` | whether the virtual and the real clock tell the same |

pub mod agreement;
mod check;
mod claims;
mod compute;
mod evidence;
mod expectations;
mod invariants;
pub mod metrics;
mod notes;
pub mod retries;
mod series;
mod stack;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeMap;

use scenarios::format::{Scenario, model::ClockKind};

pub use check::{diagnose, diagnose_alarms};
pub use stack::EffectiveStack;
pub use verdict::{AlarmTold, Claim, Measured, Origin, Outcome, Series, Severity, Verdict};

use self::evidence::{Evidence, Lens};
use crate::record::{AlarmChange, Recording};

/// Judges a recording of `scenario`, played on `clock`. [`diagnose`] has found no fault with its checks, and the
/// recording was told what they are about ([`View::asked_by`](crate::record::View::asked_by)).
#[must_use]
pub fn judge(
    scenario: &Scenario,
    recording: &Recording,
    stack: &EffectiveStack,
    clock: ClockKind,
) -> Verdict {
    let evidence = Evidence::new(scenario, recording, stack, clock);
    let whole = evidence.whole();
    let claims = claims::compare(&whole);
    let mut expectations = expectations::judge(&evidence);
    expectations.extend(invariants::judge(&evidence, &claims));
    Verdict {
        passed: expectations
            .iter()
            .all(|outcome| outcome.held || outcome.level == Severity::Warn),
        expectations,
        metrics: all_metrics(&whole),
        claims,
        series: series::of(&whole),
        alarms: told(&whole),
        notes: notes::of(&evidence),
    }
}

/// What became of the alarms.
fn told(lens: &Lens<'_>) -> Vec<AlarmTold> {
    let recording = lens.recording();
    let told = |AlarmChange { change, .. }: &AlarmChange| AlarmTold {
        at: (change.at_ms - recording.timing.start_ms) as f64 / 1e3,
        alarm: change.id.clone(),
        from: change.from.to_string(),
        to: change.to.to_string(),
        reason: change.reason.clone(),
    };
    recording.alarms.changes().iter().map(told).collect()
}

/// Every metric that has samples; of the families, the members that occurred.
fn all_metrics(lens: &Lens<'_>) -> BTreeMap<String, Measured> {
    let mut all = BTreeMap::new();
    for def in metrics::METRICS {
        for part in parts(def.name, lens) {
            if let Some(value) = compute::value(def, &part, lens) {
                let name = match def.name.split_once('<') {
                    Some((before, rest)) => {
                        let after = rest.split_once('>').map_or("", |(_, after)| after);
                        format!("{before}{part}{after}")
                    }
                    None => def.name.to_owned(),
                };
                all.insert(
                    name,
                    Measured {
                        value,
                        unit: def.unit,
                        modelled: def.modelled && lens.evidence.clock == ClockKind::Virtual,
                    },
                );
            }
        }
    }
    all
}

/// What stands for `<…>` in a name: the statuses that occurred, and the alarms that there are.
fn parts(name: &str, lens: &Lens<'_>) -> Vec<String> {
    if name.starts_with("alarm.<Name>.") {
        let alarms = lens.recording().alarms.alarms.iter();
        return alarms.map(|alarm| alarm.id.clone()).collect();
    }
    let mut statuses: Vec<u16> = match name {
        "api.status.<code|none>" => lens.tally.statuses.keys().copied().collect(),
        "upstream.status.<code|none>" => lens.tries().map(|a_try| a_try.call.status).collect(),
        _ if name.contains('<') => return Vec::new(),
        _ => return vec![String::new()],
    };
    statuses.sort_unstable();
    statuses.dedup();
    statuses.into_iter().map(series::status_name).collect()
}
