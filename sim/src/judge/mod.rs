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

pub use check::diagnose;
pub use stack::EffectiveStack;
pub use verdict::{Claim, Measured, Origin, Outcome, Series, Severity, Verdict};

use self::evidence::{Evidence, Lens};
use crate::record::Recording;

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
        notes: notes::of(&evidence),
    }
}

/// Every metric that has samples; of the families, the members that occurred.
fn all_metrics(lens: &Lens<'_>) -> BTreeMap<String, Measured> {
    let mut all = BTreeMap::new();
    for def in metrics::METRICS {
        for part in parts(def.name, lens) {
            if let Some(value) = compute::value(def, &part, lens) {
                let name = match def.name.split_once('<') {
                    Some((before, _)) => format!("{before}{part}"),
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

/// What stands for `<…>` in a name: the statuses that occurred.
fn parts(name: &str, lens: &Lens<'_>) -> Vec<String> {
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
