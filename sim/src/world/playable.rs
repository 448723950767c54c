//! What this world can play: a scenario that asks for more is refused, never played in part.

use scenarios::format::{
    Diagnostic, Diagnostics, FaultKind,
    fault::StoreFault,
    model::{ClockKind, Fault, Scenario, Target},
};

use crate::judge;

/// Checks a scenario against what the world of this clock plays and what the judge measures. `forgets`: the store, by its
/// name, when it loses its data with its process.
///
/// # Errors
/// Everything that cannot be honoured, each at its place.
pub fn check(
    scenario: &Scenario,
    clock: ClockKind,
    forgets: Option<&str>,
    service: Service,
) -> Result<(), Diagnostics> {
    let faults = scenario.faults.iter().filter_map(|fault| {
        needs_linux(scenario, fault, clock)
            .or_else(|| needs_disk(scenario, fault, forgets?))
            .or_else(|| needs_processes(scenario, fault, service))
            .or_else(|| needs_functions(scenario, fault, service))
    });
    let checks = judge::diagnose(scenario, service == Service::Functions)
        .err()
        .map(|problems| problems.0)
        .unwrap_or_default();
    let problems: Vec<Diagnostic> = faults.chain(checks).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Diagnostics(problems))
    }
}

/// What the service is played as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Processes that run all along.
    Processes,
    /// Functions behind a gateway.
    Functions,
}

/// Whose processes come and go with Lambda cannot be told to come and go.
fn needs_processes(scenario: &Scenario, fault: &Fault, service: Service) -> Option<Diagnostic> {
    let is_ours = service == Service::Functions && fault.target() == Target::Service;
    is_ours.then(|| {
        let message = "with --via lambda there is no process of the service to do this to";
        let help =
            "play it with --via direct; Lambda itself starts, freezes and ends environments".to_owned();
        scenario.error_at(&fault.kind_span, message, Some(help))
    })
}

/// What happens to invocations needs some.
fn needs_functions(scenario: &Scenario, fault: &Fault, service: Service) -> Option<Diagnostic> {
    let is_lambdas = service == Service::Processes && fault.target() == Target::Lambda;
    is_lambdas.then(|| {
        let message = "without --via lambda there are no functions to do this to";
        scenario.error_at(&fault.kind_span, message, Some("add --via lambda".to_owned()))
    })
}

/// A store that is killed must have its data when it is started again.
fn needs_disk(scenario: &Scenario, fault: &Fault, store: &str) -> Option<Diagnostic> {
    let kills = fault.kind == FaultKind::Store(StoreFault::Restart);
    kills.then(|| {
        let message = format!("the store `{store}` would lose all that it acknowledged");
        let help = "play it with --store embedded or, on the real clock, --store dynamodb-local: both are on disk then";
        scenario.error_at(&fault.kind_span, message, Some(help.to_owned()))
    })
}

/// Connections that never come about are made with what Linux does about a full accept queue, and are seen in its
/// `/proc`.
fn needs_linux(scenario: &Scenario, fault: &Fault, clock: ClockKind) -> Option<Diagnostic> {
    let FaultKind::CoinGecko(kind) = &fault.kind else {
        return None;
    };
    if clock == ClockKind::Virtual || !kind.is_unreachable() || cfg!(target_os = "linux") {
        return None;
    }
    let message = "on the real clock this fault can be played on Linux only";
    let help = "play it with --clock virtual, or on Linux".to_owned();
    Some(scenario.error_at(&fault.kind_span, message, Some(help)))
}

#[cfg(test)]
mod tests {
    use scenarios::format::{Alone, parse};

    use super::*;

    /// The problems of a small scenario with these lines at its end.
    fn problems_of(lines: &str) -> String {
        let text = format!(
            "schema = 1\nname = \"t\"\nabout = \"t\"\nseed = 1\nstart = \"2026-03-02T00:00:00Z\"\nduration = \"10m\"\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\nthink = \"1s\"\n\
             [[load]]\nname = \"all\"\nfor = \"10m\"\nusers = 1\nkeys = {{ count = 1 }}\n{lines}\n"
        );
        let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        check(&scenario, ClockKind::Real, Some("memory"), Service::Processes)
            .map_or_else(|problems| problems.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_played_and_measured_passes() {
        for (target, kind) in [
            ("schedule", "kind = \"skip\""),
            ("schedule", "kind = \"double\""),
            ("schedule", "kind = \"late\"\nby = \"1m\""),
            ("store", "kind = \"throttle\""),
            ("service", "kind = \"kill\""),
            ("clients", "kind = \"over_limit\""),
            ("clients", "kind = \"disabled_key\""),
            ("clients", "kind = \"slow_reader\"\nspeed = \"1KB/s\""),
        ] {
            let fault = format!("[[fault]]\nname = \"f\"\ntarget = \"{target}\"\nat = \"1m\"\nfor = \"1m\"");
            assert_eq!(problems_of(&format!("{fault}\n{kind}")), "");
        }
        let fault = "[[fault]]\nname = \"f\"\ntarget = \"coingecko\"\nat = \"1m\"\nfor = \"1m\"\nkind = \"status\"\nstatus = 503";
        let expect = "[[expect]]\ncheck = \"api.success >= 99%\"\nwhere = \"journey=one\"";
        assert_eq!(problems_of(&format!("{fault}\n{expect}")), "");
    }

    #[test]
    fn a_store_that_forgets_is_not_restarted() {
        let fault =
            "[[fault]]\nname = \"f\"\ntarget = \"store\"\nat = \"1m\"\nfor = \"1m\"\nkind = \"restart\"";
        insta::assert_snapshot!(problems_of(fault), @r#"
        error: the store `memory` would lose all that it acknowledged
           --> t.toml:21:8
           |
        21 | kind = "restart"
           |        ^^^^^^^^^ play it with --store embedded or, on the real clock, --store dynamodb-local: both are on disk then
        "#);
    }

    #[test]
    fn checks_that_cannot_be_judged_are_refused_before_anything_is_played() {
        let problems = problems_of("[[expect]]\ncheck = \"alarm.PricesStale.fired == 0\"");
        assert!(
            problems.contains("`alarm.PricesStale.fired` is measured of functions"),
            "{problems}"
        );
    }
}
