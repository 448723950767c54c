//! Whether the two clocks tell the same story: the count-like metrics of one scenario, played on both.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    metrics::{METRICS, Unit},
    verdict::Verdict,
};

/// How far a metric of a real run may be from that of the virtual one, and why it may be at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Apart {
    /// By this share of the virtual value …
    pub share: f64,
    /// … or by this much, in the metric's unit, whichever is more.
    pub least: f64,
    /// What makes the clocks differ.
    pub why: &'static str,
}

/// One metric on both clocks.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Agreement {
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// Its value in virtual time; null = no samples.
    #[serde(rename = "virtual")]
    pub virtual_value: Option<f64>,
    /// Its value on the real clock; null = no samples.
    pub real: Option<f64>,
    /// How far apart they may be.
    pub tolerance: f64,
    /// What makes the clocks differ.
    pub why: &'static str,
    /// Whether they agree.
    pub agrees: bool,
}

/// Compares every metric that has a tolerance between clocks.
#[must_use]
pub fn between(virtual_time: &Verdict, real: &Verdict) -> Vec<Agreement> {
    let mut names: Vec<&String> = virtual_time.metrics.keys().chain(real.metrics.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let compared = |name: &String| {
        let place = METRICS.iter().position(|def| def.matches(name).is_some())?;
        let apart = METRICS[place].clocks?;
        let (in_virtual, in_real) = (virtual_time.metric(name), real.metric(name));
        // What a family has no member of did not occur.
        let is_family = METRICS[place].name.contains('<');
        let or_zero = |value: Option<f64>| value.or(is_family.then_some(0.0));
        let (a, b) = (or_zero(in_virtual), or_zero(in_real));
        let tolerance = (a.unwrap_or(0.0).abs() * apart.share).max(apart.least);
        let agrees = match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= tolerance + 1e-12,
            (None, None) => true,
            // A few samples on one clock may be none on the other: where the metric itself says that few are near.
            (Some(_), None) | (None, Some(_)) => false,
        };
        let agreement = Agreement {
            metric: name.clone(),
            unit: METRICS[place].unit,
            virtual_value: a,
            real: b,
            tolerance,
            why: apart.why,
            agrees,
        };
        Some((place, agreement))
    };
    let mut all: Vec<(usize, Agreement)> = names.into_iter().filter_map(compared).collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, agreement)| agreement).collect()
}
