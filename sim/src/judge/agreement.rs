//! Whether the two clocks tell the same story: the count-like metrics of one scenario, played on both.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    metrics::{METRICS, Unit},
    verdict::Verdict,
};

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

/// How many times as far apart what a closed loop paces may be, and with it how many of the requests fall into a fault.
const CLOSED: f64 = 8.0;

/// Compares every metric that has a tolerance between clocks. `closed` says that the scenario has users in a closed loop:
/// they wait for real answers, which on a wall clock that runs N times as fast take N times as long.
#[must_use]
pub fn between(virtual_time: &Verdict, real: &Verdict, closed: bool) -> Vec<Agreement> {
    let mut names: Vec<&String> = virtual_time.metrics.keys().chain(real.metrics.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let are_functions = real.metric("lambda.invocations").is_some();
    let compared = |name: &String| {
        let place = METRICS.iter().position(|def| def.matches(name).is_some())?;
        let apart = METRICS[place]
            .clocks
            .filter(|apart| !(are_functions && apart.by_process))?;
        let (in_virtual, in_real) = (virtual_time.metric(name), real.metric(name));
        // What a family has no member of did not occur.
        let is_family = METRICS[place].name.contains('<');
        let or_zero = |value: Option<f64>| value.or(is_family.then_some(0.0));
        let (a, b) = (or_zero(in_virtual), or_zero(in_real));
        let times = if closed && apart.paced { CLOSED } else { 1.0 };
        let tolerance = (a.unwrap_or(0.0).abs() * apart.share).max(apart.least) * times;
        let agrees = match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= tolerance + 1e-12,
            (None, None) => true,
            // Nothing to compare with is no agreement.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::judge::{Measured, Series};

    fn verdict(metrics: &[(&str, f64)]) -> Verdict {
        let measured = |(name, value): &(&str, f64)| {
            let unit = METRICS
                .iter()
                .find(|def| def.matches(name).is_some())
                .map_or(Unit::Count, |def| def.unit);
            (
                (*name).to_owned(),
                Measured {
                    value: *value,
                    unit,
                    modelled: false,
                },
            )
        };
        Verdict {
            passed: true,
            expectations: Vec::new(),
            metrics: metrics.iter().map(measured).collect::<BTreeMap<_, _>>(),
            claims: Vec::new(),
            series: Series::default(),
            alarms: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn apart(in_virtual: &[(&str, f64)], real: &[(&str, f64)]) -> Vec<String> {
        between(&verdict(in_virtual), &verdict(real), false)
            .into_iter()
            .filter(|metric| !metric.agrees)
            .map(|metric| metric.metric)
            .collect()
    }

    #[test]
    fn counts_agree_within_their_tolerance() {
        assert!(apart(&[("api.requests", 1000.0)], &[("api.requests", 1029.0)]).is_empty());
        assert_eq!(
            apart(&[("api.requests", 1000.0)], &[("api.requests", 1031.0)]),
            ["api.requests"]
        );
        assert!(apart(&[("upstream.calls", 5.0)], &[("upstream.calls", 8.0)]).is_empty());
        assert_eq!(
            apart(&[("upstream.calls", 5.0)], &[("upstream.calls", 9.0)]),
            ["upstream.calls"]
        );
        assert_eq!(
            apart(&[("price.wrong", 0.0)], &[("price.wrong", 1.0)]),
            ["price.wrong"]
        );
    }

    #[test]
    fn a_closed_loop_may_be_slower_on_the_real_clock() {
        let (in_virtual, real) = (
            verdict(&[("api.requests", 1000.0)]),
            verdict(&[("api.requests", 800.0)]),
        );
        let agrees = |closed| between(&in_virtual, &real, closed)[0].agrees;
        assert_eq!((agrees(false), agrees(true)), (false, true));
        let (in_virtual, real) = (
            verdict(&[("upstream.calls", 5.0)]),
            verdict(&[("upstream.calls", 12.0)]),
        );
        assert!(
            !between(&in_virtual, &real, true)[0].agrees,
            "the pace of users has no part in that"
        );
    }

    #[test]
    fn of_functions_it_is_not_compared_what_depends_on_how_many_there_are() {
        let (few, many) = (("cache.memory_ratio", 0.7), ("cache.memory_ratio", 0.4));
        assert_eq!(apart(&[few], &[many]), ["cache.memory_ratio"]);
        let invoked = ("lambda.invocations", 900.0);
        assert!(apart(&[few, invoked], &[many, invoked]).is_empty());
    }

    #[test]
    fn what_one_clock_did_not_see_at_all_is_a_disagreement() {
        assert_eq!(apart(&[("gzip.saved", 0.6)], &[]), ["gzip.saved"]);
        assert!(
            apart(&[("api.status.503", 2.0)], &[]).is_empty(),
            "a status that did not occur occurred 0 times"
        );
        assert_eq!(apart(&[("api.status.503", 20.0)], &[]), ["api.status.503"]);
        assert!(
            apart(&[("api.latency.p50", 1.0)], &[("api.latency.p50", 9.0)]).is_empty(),
            "latency is modelled"
        );
    }

    #[test]
    fn every_tolerance_has_its_reason() {
        let compared: Vec<&str> = METRICS
            .iter()
            .filter(|def| def.clocks.is_some_and(|apart| apart.why.len() > 10))
            .map(|def| def.name)
            .collect();
        assert!(compared.len() > 25, "{compared:?}");
        for count in [
            "cache.memory_ratio",
            "upstream.retries",
            "gzip.saved",
            "update.runs",
            "store.wcu",
        ] {
            assert!(compared.contains(&count), "{count}");
        }
    }
}
