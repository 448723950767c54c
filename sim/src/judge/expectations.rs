//! What the scenario expects, judged.

use scenarios::format::{
    Anchor, During, Moment, Op, Scenario, Where,
    model::{ClockKind, Expect, Level},
    quantity::show_duration,
};

use super::{
    compute,
    evidence::Evidence,
    metrics::{Unit, find},
    verdict::{Origin, Outcome, Severity},
};
use crate::record::View;

/// What is said of a metric that virtual time models.
pub(super) const MODELLED: &str = "modelled, not judged";

/// Each expectation that is for the clock that was played on, in file order.
pub(super) fn judge(evidence: &Evidence<'_>) -> Vec<Outcome> {
    let is_for_this_clock = |expect: &&Expect| expect.clock.is_none_or(|clock| clock == evidence.clock);
    evidence
        .scenario
        .expects
        .iter()
        .filter(is_for_this_clock)
        .map(|expect| outcome(evidence, expect))
        .collect()
}

fn outcome(evidence: &Evidence<'_>, expect: &Expect) -> Outcome {
    let scenario = evidence.scenario;
    let check = &expect.check;
    let limit = check.limit.value();
    let found = find(&check.metric);
    let unit = found.map_or(Unit::Count, |(def, _)| def.unit);
    let lens = evidence.part(View::of(scenario, expect));
    let actual = found
        .zip(lens)
        .and_then(|((def, part), lens)| compute::value(def, part, &lens));
    let judged = !found.is_some_and(|(def, _)| def.modelled && evidence.clock == ClockKind::Virtual);
    // What is not judged cannot fail.
    let held = !judged || actual.is_some_and(|actual| check.op.holds(actual, limit));
    Outcome {
        check: check.text.clone(),
        origin: Origin::Scenario,
        during: expect.during.as_ref().map(|during| show_during(during, scenario)),
        filter: expect.filter.as_ref().map(|filter| show_where(filter, scenario)),
        level: match expect.level {
            Level::Fail => Severity::Fail,
            Level::Warn => Severity::Warn,
        },
        unit,
        actual,
        limit: Some(limit),
        judged,
        held,
        margin: match actual {
            _ if !judged => MODELLED.to_owned(),
            Some(actual) => margin(check.op, actual, limit, unit),
            None => "no samples".to_owned(),
        },
        why: (judged && actual.is_none()).then(|| {
            format!(
                "nothing was measured for `{}` in this window: a check without samples fails",
                check.metric
            )
        }),
    }
}

/// How far `actual` is from `limit`, in words.
pub(super) fn margin(op: Op, actual: f64, limit: f64, unit: Unit) -> String {
    let distance = (actual - limit).abs();
    if distance < 1e-12 {
        return if op == Op::Eq {
            "exactly"
        } else {
            "exactly at the limit"
        }
        .to_owned();
    }
    let shown = match unit {
        Unit::Ratio => {
            let points = distance * 100.0;
            let digits = if points < 0.01 { 4 } else { 2 };
            format!(
                "{} points",
                Unit::Count.show((points * 10f64.powi(digits)).round() / 10f64.powi(digits))
            )
        }
        Unit::Count
        | Unit::Factor
        | Unit::Seconds
        | Unit::PerSecond
        | Unit::BasisPoints
        | Unit::Dollars
        | Unit::Bytes => unit.show(distance),
    };
    match op {
        Op::Le | Op::Lt if actual < limit => format!("{shown} to spare"),
        Op::Le | Op::Lt => format!("{shown} over"),
        Op::Ge | Op::Gt if actual > limit => format!("{shown} to spare"),
        Op::Ge | Op::Gt => format!("{shown} short"),
        Op::Eq if actual > limit => format!("{shown} over"),
        Op::Eq => format!("{shown} short"),
        Op::Ne => format!("{shown} apart"),
    }
}

fn show_during(during: &During, scenario: &Scenario) -> String {
    match during {
        During::Fault(index) => scenario.faults[*index].name.clone(),
        During::Load(index) => scenario.loads[*index].name.clone(),
        During::Span(from, to) => format!("{}..{}", show_moment(from, scenario), show_moment(to, scenario)),
    }
}

fn show_moment(moment: &Moment, scenario: &Scenario) -> String {
    let fault = |index: usize| scenario.faults[index].name.as_str();
    let load = |index: usize| scenario.loads[index].name.as_str();
    let anchor = match moment.anchor {
        Anchor::Start if !moment.offset.is_zero() => return show_duration(moment.offset),
        Anchor::Start => "start".to_owned(),
        Anchor::End => "end".to_owned(),
        Anchor::FaultStart(index) => format!("{}.start", fault(index)),
        Anchor::FaultEnd(index) => format!("{}.end", fault(index)),
        Anchor::LoadStart(index) => format!("{}.start", load(index)),
        Anchor::LoadEnd(index) => format!("{}.end", load(index)),
    };
    match (moment.offset.is_zero(), moment.earlier) {
        (true, _) => anchor,
        (false, true) => format!("{anchor}-{}", show_duration(moment.offset)),
        (false, false) => format!("{anchor}+{}", show_duration(moment.offset)),
    }
}

fn show_where(filter: &Where, scenario: &Scenario) -> String {
    match filter {
        Where::Journey(index) => format!("journey={}", scenario.journeys[*index].name),
        Where::Load(index) => format!("load={}", scenario.loads[*index].name),
        Where::Route(route) => format!("route={route}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_words() {
        for (op, actual, limit, unit, words) in [
            (Op::Ge, 0.9999, 0.999, Unit::Ratio, "0.09 points to spare"),
            (Op::Ge, 0.5, 0.999, Unit::Ratio, "49.9 points short"),
            (Op::Le, 301.0, 360.0, Unit::Seconds, "59s to spare"),
            (Op::Le, 362.5, 360.0, Unit::Seconds, "2.5s over"),
            (Op::Le, 1.0, 1.0, Unit::Count, "exactly at the limit"),
            (Op::Lt, 1.0, 1.0, Unit::Count, "exactly at the limit"),
            (Op::Eq, 1.0, 1.0, Unit::Count, "exactly"),
            (Op::Eq, 3.0, 1.0, Unit::Count, "2 over"),
            (Op::Gt, 3.0, 1.0, Unit::Count, "2 to spare"),
        ] {
            assert_eq!(margin(op, actual, limit, unit), words);
        }
    }
}
