//! Whether a scenario's checks can be judged on this stack, found out before it is played.

use scenarios::format::{Diagnostic, Diagnostics, Scenario, model::ClockKind, nearest};

use super::metrics::{Filter, Stack, find, suggest};

/// What is wrong with the checks of `scenario`: unknown metrics, limits in another unit, metrics that this stack
/// (functions, with `--via lambda`, or processes) cannot measure, the clock on which a metric is never judged, a `where` on
/// what is not about single requests.
///
/// # Errors
/// All of them, each at its place.
pub fn diagnose(scenario: &Scenario, is_functions: bool) -> Result<(), Diagnostics> {
    let mut found: Vec<Diagnostic> = Vec::new();
    for expect in &scenario.expects {
        let check = &expect.check;
        let Some((def, _)) = find(&check.metric) else {
            let help = suggest(&check.metric).map_or_else(
                || "`crypto-watch-sim list --metrics` names those there are".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            let message = format!("unknown metric `{}`", check.metric);
            found.push(scenario.error_at(&check.metric_span, message, Some(help)));
            continue;
        };
        if let Stack::Needs(what) = def.stack {
            let message = format!("`{}` cannot be measured on this stack", check.metric);
            found.push(scenario.error_at(&check.metric_span, message, Some(what.to_owned())));
        }
        if def.stack == Stack::Functions && !is_functions {
            let message = format!("`{}` is measured of functions", check.metric);
            let help = "play it with --via lambda".to_owned();
            found.push(scenario.error_at(&check.metric_span, message, Some(help)));
        }
        if def.stack == Stack::Processes && expect.clock != Some(ClockKind::Real) {
            let message = format!("`{}` is measured on the real clock only", check.metric);
            let help = "add `clock = \"real\"` to its `[[expect]]`".to_owned();
            found.push(scenario.error_at(&check.metric_span, message, Some(help)));
        }
        if !def.unit.accepts(check.limit) {
            let message = format!("`{}` is not compared with {}", check.metric, check.limit.kind());
            let help = format!("write {}", def.unit.example());
            found.push(scenario.error_at(&check.limit_span, message, Some(help)));
        }
        if def.modelled && expect.clock == Some(ClockKind::Virtual) {
            let message = format!("`{}` is never judged on the virtual clock", check.metric);
            let help = "it is modelled there; leave out `clock`, or write `clock = \"real\"`".to_owned();
            found.push(scenario.error_at(&check.metric_span, message, Some(help)));
        }
        if def.filter == Filter::Window && expect.filter.is_some() {
            let message = format!("`{}` cannot be narrowed by `where`", check.metric);
            let help = "it is not counted by request; `during` narrows it".to_owned();
            let span = expect.filter_span.as_ref().unwrap_or(&expect.span);
            found.push(scenario.error_at(span, message, Some(help)));
        }
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(Diagnostics(found))
    }
}

/// What is wrong with the alarms that checks of `scenario` name: those that its environment does not have. `alarms` are
/// the logical ids of those that it has.
///
/// # Errors
/// All of them, each at its place.
pub fn diagnose_alarms(scenario: &Scenario, alarms: &[&str]) -> Result<(), Diagnostics> {
    let wrong = |metric: &str| {
        let (def, id) = find(metric)?;
        let is_wrong = def.name.starts_with("alarm.<") && !alarms.contains(&id);
        is_wrong.then(|| {
            let message = format!(
                "the template has no alarm `{id}` in the environment `{}`",
                scenario.stack.environment
            );
            let help = match nearest(id, alarms.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if alarms.is_empty() => {
                    "it has none there; `[stack] environment` chooses another".to_owned()
                }
                None => format!("it has {}", alarms.join(", ")),
            };
            (message, help)
        })
    };
    let found: Vec<Diagnostic> = scenario
        .expects
        .iter()
        .filter_map(|expect| {
            let (message, help) = wrong(&expect.check.metric)?;
            Some(scenario.error_at(&expect.check.metric_span, message, Some(help)))
        })
        .collect();
    if found.is_empty() {
        Ok(())
    } else {
        Err(Diagnostics(found))
    }
}
