//! What this world can play: a scenario that asks for more is refused, never played in part.

use scenarios::format::{
    Diagnostic, Diagnostics, FaultKind,
    model::{ClockKind, Fault, Scenario},
};

use crate::judge;

/// What is played so far, for messages.
const PLAYED_KINDS: &str = "played are all kinds of coingecko, schedule and clients";

/// Checks a scenario against what the world of this clock plays and what the judge measures.
///
/// # Errors
/// Everything that cannot be honoured, each at its place.
pub fn check(scenario: &Scenario, clock: ClockKind) -> Result<(), Diagnostics> {
    let faults = scenario
        .faults
        .iter()
        .filter_map(|fault| fault_problem(scenario, fault, clock));
    let checks = judge::diagnose(scenario)
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

fn fault_problem(scenario: &Scenario, fault: &Fault, clock: ClockKind) -> Option<Diagnostic> {
    let played = match &fault.kind {
        FaultKind::CoinGecko(_) | FaultKind::Schedule(_) | FaultKind::Clients(_) => true,
        FaultKind::Store(_) | FaultKind::Service(_) => false,
    };
    if played {
        return needs_linux(scenario, fault, clock);
    }
    let message = format!("this kind of {} fault is not played yet", fault.target());
    Some(scenario.error_at(&fault.kind_span, message, Some(PLAYED_KINDS.to_owned())))
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
        check(&scenario, ClockKind::Real).map_or_else(|problems| problems.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_played_and_measured_passes() {
        for (target, kind) in [
            ("schedule", "kind = \"skip\""),
            ("schedule", "kind = \"double\""),
            ("schedule", "kind = \"late\"\nby = \"1m\""),
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
    fn faults_that_are_not_played_are_refused_at_their_kind() {
        let fault =
            "[[fault]]\nname = \"f\"\ntarget = \"store\"\nat = \"1m\"\nfor = \"1m\"\nkind = \"throttle\"";
        insta::assert_snapshot!(problems_of(fault), @r#"
        error: this kind of store fault is not played yet
           --> t.toml:21:8
           |
        21 | kind = "throttle"
           |        ^^^^^^^^^^ played are all kinds of coingecko, schedule and clients
        "#);
    }

    #[test]
    fn checks_that_cannot_be_judged_are_refused_before_anything_is_played() {
        let problems = problems_of("[[expect]]\ncheck = \"alarm.PricesStale.fired == 0\"");
        assert!(
            problems.contains("`alarm.PricesStale.fired` cannot be measured on this stack"),
            "{problems}"
        );
    }
}
