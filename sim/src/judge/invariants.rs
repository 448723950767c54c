//! What must hold in every run, whatever the scenario says.

use std::time::Duration;

use scenarios::format::model::ClockKind;

use super::{
    compute,
    evidence::Evidence,
    metrics::{Unit, find},
    verdict::{Claim, Origin, Outcome, Severity},
};

/// Metrics that must be 0 wherever they have samples.
const ZERO: [&str; 6] = [
    "price.wrong",
    "price.missing",
    "price.backwards",
    "limit.false_rejected",
    "limit.excess",
    "retry.early",
];

/// The rules that hold in every run.
pub(super) fn judge(evidence: &Evidence<'_>, claims: &[Claim]) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = ZERO.iter().filter_map(|metric| zero(evidence, metric)).collect();
    outcomes.extend(honest(evidence));
    outcomes.extend(durable(evidence));
    outcomes.push(metrics_kept(evidence));
    outcomes.push(claims_agree(claims));
    if !evidence.tries.is_empty() {
        outcomes.push(calls_leased(evidence));
    }
    if !evidence.scenario.faults.is_empty() {
        outcomes.push(faults_touched(evidence));
    }
    outcomes.push(loads_played(evidence));
    outcomes
}

fn zero(evidence: &Evidence<'_>, metric: &str) -> Option<Outcome> {
    let (def, part) = find(metric)?;
    let actual = compute::value(def, part, &evidence.whole())?;
    Some(counted(format!("{metric} == 0"), actual, None, def.unit))
}

/// On the real clock, the share of promises that must be seen kept. When a refusal was decided is known there to the
/// time between send and answer, which a fast wall clock makes long.
const HONEST_ON_REAL: f64 = 0.99;

/// A `Retry-After` is a promise to the client. In virtual time none of them may be broken.
fn honest(evidence: &Evidence<'_>) -> Option<Outcome> {
    const METRIC: &str = "limit.retry_after_honest";
    let (def, part) = find(METRIC)?;
    let actual = compute::value(def, part, &evidence.whole())?;
    let (least, check) = match evidence.clock {
        ClockKind::Virtual => (1.0, format!("{METRIC} == 100%")),
        ClockKind::Real => (HONEST_ON_REAL, format!("{METRIC} >= 99%")),
    };
    let held = actual >= least;
    Some(Outcome {
        actual: Some(actual),
        limit: Some(least),
        held,
        margin: if actual >= 1.0 {
            "exactly".to_owned()
        } else {
            format!("{} of them are not", def.unit.show(1.0 - actual))
        },
        ..counted(check, 0.0, None, def.unit)
    })
}

/// What the store acknowledged is there, whatever happened to it or to those who asked it.
fn durable(evidence: &Evidence<'_>) -> Option<Outcome> {
    let findings = evidence.recording.audit.as_ref()?.as_ref().ok()?;
    let wrong = &findings.wrong;
    let more = wrong.len().saturating_sub(FINDINGS_TOLD);
    let mut why = wrong
        .iter()
        .take(FINDINGS_TOLD)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if more > 0 {
        why += &format!("; and {more} more");
    }
    let check = "store.lost == 0".to_owned();
    Some(counted(check, wrong.len() as f64, Some(why), Unit::Count))
}

/// No more items than this are told of that the store has lost.
const FINDINGS_TOLD: usize = 5;

/// An outcome that held when `actual` is 0.
fn counted(check: String, actual: f64, why: Option<String>, unit: Unit) -> Outcome {
    let held = actual == 0.0;
    Outcome {
        check,
        origin: Origin::Invariant,
        during: None,
        filter: None,
        level: Severity::Fail,
        unit,
        actual: Some(actual),
        limit: Some(0.0),
        judged: true,
        held,
        margin: if held {
            "exactly".to_owned()
        } else {
            format!("{} too many", unit.show(actual))
        },
        why: why.filter(|_| !held),
    }
}

/// The lease is asked for before the call and given back after it, by witnesses of one process: no slack is needed.
fn calls_leased(evidence: &Evidence<'_>) -> Outcome {
    let unleased = evidence.tries.iter().filter(|a_try| !a_try.leased).count();
    counted(
        "every call to CoinGecko was made under the lease".to_owned(),
        unleased as f64,
        None,
        Unit::Count,
    )
}

/// CloudWatch drops a document that breaks a rule without a word, and alarms stay silent.
fn metrics_kept(evidence: &Evidence<'_>) -> Outcome {
    let (broken, first) = &evidence.recording.emf_broken;
    let check = "CloudWatch would keep every document of metrics".to_owned();
    counted(check, *broken as f64, first.clone(), Unit::Count)
}

fn claims_agree(claims: &[Claim]) -> Outcome {
    let wrong: Vec<String> = claims
        .iter()
        .filter(|claim| !claim.agrees)
        .map(describe)
        .collect();
    let check = "what the service says of itself is what was seen".to_owned();
    counted(check, wrong.len() as f64, Some(wrong.join("; ")), Unit::Count)
}

/// A disagreement in words.
fn describe(claim: &Claim) -> String {
    let claimed = claim
        .claimed
        .map_or_else(|| "nothing".to_owned(), |claimed| Unit::Count.show(claimed));
    format!(
        "{}: seen {}, {} says {claimed}",
        claim.what,
        Unit::Count.show(claim.seen),
        claim.by
    )
}

fn faults_touched(evidence: &Evidence<'_>) -> Outcome {
    let touched = &evidence.recording.touched;
    let missed: Vec<&str> = evidence
        .scenario
        .faults
        .iter()
        .enumerate()
        .filter(|(index, fault)| {
            let index = u16::try_from(*index).unwrap_or(u16::MAX);
            !fault.may_miss && !touched.contains_key(&index)
        })
        .map(|(_, fault)| fault.name.as_str())
        .collect();
    let why = format!(
        "touched nothing: {}; `may_miss = true` permits it",
        missed.join(", ")
    );
    counted(
        "every fault touched something".to_owned(),
        missed.len() as f64,
        Some(why),
        Unit::Count,
    )
}

fn loads_played(evidence: &Evidence<'_>) -> Outcome {
    let recording = evidence.recording;
    let mut wrong = Vec::new();
    for (index, load) in evidence.scenario.loads.iter().enumerate() {
        let key = u16::try_from(index).unwrap_or(u16::MAX);
        let recorded = recording.requests.get(&key).copied().unwrap_or(0);
        match recording.loads.get(&key) {
            None => wrong.push(format!("load `{}` did not end", load.name)),
            Some(end) if end.dropped > 0 => {
                wrong.push(format!(
                    "load `{}` dropped {} of its arrivals",
                    load.name, end.dropped
                ));
            }
            Some(end) if end.sent != recorded => wrong.push(format!(
                "load `{}` sent {} requests of which {recorded} were heard of",
                load.name, end.sent
            )),
            Some(end) if end.sent == 0 && load.length > Duration::ZERO => {
                wrong.push(format!("load `{}` sent nothing", load.name));
            }
            Some(_) => {}
        }
    }
    let check = "every load was played in full".to_owned();
    counted(check, wrong.len() as f64, Some(wrong.join("; ")), Unit::Count)
}
