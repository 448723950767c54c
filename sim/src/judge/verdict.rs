//! What the judge found: whether each expectation held, by what margin, and every number.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::metrics::Unit;

/// The judge's findings about one scenario on one clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whether every expectation held that can fail a run.
    pub passed: bool,
    /// Expectations in file order, then the rules that always hold.
    pub expectations: Vec<Outcome>,
    /// Metric → value over the whole run; without those that have no samples.
    pub metrics: BTreeMap<String, Measured>,
    /// Numbers that the service tells about itself beside what was seen from outside.
    pub claims: Vec<Claim>,
    /// Values by bucket of time.
    pub series: Series,
    /// Alarms that changed, in order.
    pub alarms: Vec<AlarmTold>,
    /// What a reader should know: approximations, odd findings, warnings of the service.
    pub notes: Vec<String>,
}

impl Verdict {
    /// The value of a metric over the whole run.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.get(name).map(|measured| measured.value)
    }

    /// The expectations that did not hold, those that fail the run first.
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        let of = |level| {
            self.expectations
                .iter()
                .filter(move |o| !o.held && o.level == level)
        };
        of(Severity::Fail).chain(of(Severity::Warn))
    }
}

/// Where an expectation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The scenario's `[[expect]]`.
    Scenario,
    /// A rule that holds in every run.
    Invariant,
}

/// What a failed expectation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run fails.
    Fail,
    /// The run only says so.
    Warn,
}

/// How one expectation fared.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The check as written, such as `api.success >= 99.9%`.
    pub check: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The window it was judged in, in words; none = the whole scenario.
    pub during: Option<String>,
    /// The requests it was judged on, in words; none = all.
    pub filter: Option<String>,
    /// What its failure means.
    pub level: Severity,
    /// The unit of `actual` and `limit`.
    pub unit: Unit,
    /// What was measured; none = there were no samples, or nothing to compare.
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

/// A measured value with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Measured {
    /// Ratios as fractions, times in seconds.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
    /// Whether it is modelled and not measured; left out when it is measured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub modelled: bool,
}

/// A number that the service tells about itself, beside what was seen from outside.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Claim {
    /// What is counted, such as `upstream calls`.
    pub what: String,
    /// What clients, the store front or the fake saw.
    pub seen: f64,
    /// What the service says; none = it says nothing.
    pub claimed: Option<f64>,
    /// In which of its outputs: `EMF` or `Cache-Status`.
    pub by: String,
    /// The difference at which they still agree.
    pub tolerance: f64,
    /// Whether they agree.
    pub agrees: bool,
}

/// An alarm has another state than before.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AlarmTold {
    /// When, wall seconds since the scenario's start.
    pub at: f64,
    /// Its logical id in the template.
    pub alarm: String,
    /// The state before: `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub from: String,
    /// The state now.
    pub to: String,
    /// Why, in CloudWatch's words.
    pub reason: String,
}

/// Values by equal buckets of wall time; every line has as many values as there are buckets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Series {
    /// Width of a bucket, wall seconds.
    pub bucket_seconds: u32,
    /// Requests by status (`200`, `none`, …), counted where they were due.
    pub requests: BTreeMap<String, Vec<u32>>,
    /// The oldest price served, seconds; null where none was.
    pub age_max: Vec<Option<f64>>,
    /// Slowest answer, seconds; null where there was none.
    pub latency_max: Vec<Option<f64>>,
    /// CoinGecko calls by status.
    pub upstream: BTreeMap<String, Vec<u32>>,
    /// Admitted price requests by what `Cache-Status` says.
    pub cache: BTreeMap<String, Vec<u32>>,
    /// 1 where an alarm was on, by logical id; empty on a stack without alarms.
    pub alarms: BTreeMap<String, Vec<u32>>,
}
