//! `report.json`: the same bytes for the same findings, with a published schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Played;
use crate::judge::{AlarmTold, Claim, Measured, Origin, Outcome, Series, Severity, metrics::Unit};

/// The version of the shape of `report.json`.
const SCHEMA: u32 = 1;

/// Where the reports of two plays of the same scenario with the same seed differ first; none when they are equal to the
/// byte.
#[must_use]
pub fn difference(first: &Played, second: &Played) -> Option<String> {
    let text =
        |played: &Played| serde_json::to_string_pretty(&ReportDocument::of(played)).unwrap_or_default();
    let (first, second) = (text(first), text(second));
    if first == second {
        return None;
    }
    let lines = first.lines().zip(second.lines()).enumerate();
    let (number, (one, other)) = lines
        .into_iter()
        .find(|(_, (one, other))| one != other)
        .unwrap_or((0, ("it ends", "it goes on")));
    Some(format!(
        "NOT DETERMINISTIC: line {} of report.json says `{}` once and `{}` then",
        number + 1,
        one.trim(),
        other.trim()
    ))
}

/// What `report.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Crypto Watch report.json")]
pub struct ReportDocument {
    /// Version of this shape.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// What it proves.
    pub about: String,
    /// The seed it was played with.
    pub seed: u64,
    /// `real` or `virtual`.
    pub clock: String,
    /// The wall time at which it starts, RFC 3339.
    pub start: String,
    /// How long it is, wall seconds.
    pub duration_seconds: f64,
    /// What the command line changed.
    pub overrides: Vec<String>,
    /// Whether everything held.
    pub verdict: VerdictWord,
    /// The scenario's expectations, then the rules that always hold.
    pub expectations: Vec<Expectation>,
    /// Metric → value over the whole run. Ratios are fractions, times are seconds.
    pub metrics: BTreeMap<String, Measured>,
    /// Numbers that the service tells about itself beside what was seen from outside.
    pub claims: Vec<Claim>,
    /// Values by equal buckets of wall time.
    pub series: Series,
    /// Alarms that changed, in order; empty on a stack without alarms.
    pub alarms: Vec<AlarmTold>,
    /// Remarks.
    pub notes: Vec<String>,
    /// The command that plays it again.
    pub reproduce: String,
}

/// The verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// Everything held.
    Passed,
    /// Something that fails a run did not.
    Failed,
}

/// One expectation and how it fared.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Expectation {
    /// The check as written.
    pub check: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The window it was judged in; null = the whole scenario.
    pub during: Option<String>,
    /// The requests it was judged on; null = all.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// What its failure means.
    pub level: Severity,
    /// The unit of `actual` and `limit`.
    pub unit: Unit,
    /// What was measured; null = there were no samples.
    pub actual: Option<f64>,
    /// What it was compared with.
    pub limit: Option<f64>,
    /// Whether it is judged; what virtual time only models is not.
    pub judged: bool,
    /// Whether it held. What is not judged has not failed.
    pub held: bool,
    /// How far from the limit, in words.
    pub margin: String,
    /// Why it did not hold, when more can be said than the numbers.
    pub why: Option<String>,
}

impl From<&Outcome> for Expectation {
    fn from(outcome: &Outcome) -> Self {
        Self {
            check: outcome.check.clone(),
            origin: outcome.origin,
            during: outcome.during.clone(),
            filter: outcome.filter.clone(),
            level: outcome.level,
            unit: outcome.unit,
            actual: outcome.actual,
            limit: outcome.limit,
            judged: outcome.judged,
            held: outcome.held,
            margin: outcome.margin.clone(),
            why: outcome.why.clone(),
        }
    }
}

impl ReportDocument {
    /// The document of a played scenario.
    #[must_use]
    pub fn of(played: &Played) -> Self {
        let verdict = &played.verdict;
        Self {
            schema: SCHEMA,
            scenario: played.scenario.clone(),
            about: played.about.clone(),
            seed: played.seed,
            clock: played.clock.to_owned(),
            start: played.start.to_string(),
            duration_seconds: played.duration.as_secs_f64(),
            overrides: played.overrides.clone(),
            verdict: if verdict.passed {
                VerdictWord::Passed
            } else {
                VerdictWord::Failed
            },
            expectations: verdict.expectations.iter().map(Expectation::from).collect(),
            metrics: verdict.metrics.clone(),
            claims: verdict.claims.clone(),
            series: verdict.series.clone(),
            alarms: verdict.alarms.clone(),
            notes: verdict.notes.clone(),
            // However the program was called: equal findings are equal bytes.
            reproduce: format!("crypto-watch-sim {}", played.arguments),
        }
    }
}
