//! `junit.xml`: a suite for each scenario, a case for each expectation.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Clocks, Entry, Played, ReportError};
use crate::judge::{Outcome, Severity};

/// The document.
///
/// # Errors
/// It cannot be written as XML.
pub fn junit_xml(entries: &[Entry], clocks: &[Clocks]) -> Result<String, ReportError> {
    let mut report = Report::new("crypto-watch-sim");
    for entry in entries {
        report.add_test_suite(match entry {
            Entry::Played(played) => suite(played),
            Entry::Broken {
                scenario,
                message,
                reproduce,
            } => broken(scenario, message, reproduce),
        });
    }
    for both in clocks {
        report.add_test_suite(agreement(both));
    }
    report.to_string().map_err(|error| ReportError::Form {
        what: "junit.xml",
        message: error.to_string(),
    })
}

/// A case for each metric that both clocks have to agree on.
fn agreement(both: &Clocks) -> TestSuite {
    let mut suite = TestSuite::new(format!("{}, both clocks", both.scenario));
    for metric in &both.metrics {
        let status = if metric.agrees {
            TestCaseStatus::success()
        } else {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let shown =
                |value: Option<f64>| value.map_or_else(|| "no samples".to_owned(), |v| metric.unit.show(v));
            status.set_message(format!(
                "virtual {}, real {}, may differ by {}",
                shown(metric.virtual_value),
                shown(metric.real),
                metric.unit.show(metric.tolerance)
            ));
            status
        };
        suite.add_test_case(TestCase::new(metric.metric.as_str(), status));
    }
    suite
}

fn suite(played: &Played) -> TestSuite {
    let mut suite = TestSuite::new(suite_name(played));
    suite.set_time(Duration::try_from_secs_f64(played.facts.wall_seconds).unwrap_or_default());
    suite.add_property(("seed", played.seed.to_string().as_str()));
    suite.add_property(("clock", played.clock));
    suite.add_property(("commit", played.facts.commit.as_deref().unwrap_or("unknown")));
    suite.add_property(("build", played.facts.build_id.as_str()));
    for change in &played.overrides {
        suite.add_property(("override", change.as_str()));
    }
    for outcome in &played.verdict.expectations {
        suite.add_test_case(case(played, outcome));
    }
    suite
}

/// A play is told from that of the same scenario on the other clock.
fn suite_name(played: &Played) -> String {
    format!("{}, {} clock", played.scenario, played.clock)
}

fn case(played: &Played, outcome: &Outcome) -> TestCase {
    let mut name = outcome.check.clone();
    if let Some(during) = &outcome.during {
        name.push_str(&format!(" during {during}"));
    }
    if let Some(filter) = &outcome.filter {
        name.push_str(&format!(" where {filter}"));
    }
    let mut status = match (outcome.held, outcome.level) {
        _ if !outcome.judged => TestCaseStatus::skipped(),
        (true, _) => TestCaseStatus::success(),
        (false, Severity::Fail) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (false, Severity::Warn) => TestCaseStatus::skipped(),
    };
    if !outcome.judged {
        status.set_message(in_words(outcome));
    }
    if !outcome.held {
        let why = outcome
            .why
            .as_deref()
            .map(|why| format!("{why}\n"))
            .unwrap_or_default();
        status.set_message(in_words(outcome));
        status.set_description(format!(
            "{}\n{why}reproduce: {}",
            in_words(outcome),
            played.reproduce()
        ));
    }
    let mut case = TestCase::new(name, status);
    case.set_classname(played.scenario.as_str());
    case
}

/// What was measured and how far that is from the limit.
fn in_words(outcome: &Outcome) -> String {
    match outcome.actual {
        Some(actual) => format!("was {}: {}", outcome.unit.show(actual), outcome.margin),
        None if outcome.margin.is_empty() => "did not hold".to_owned(),
        None => outcome.margin.clone(),
    }
}

fn broken(scenario: &str, message: &str, reproduce: &str) -> TestSuite {
    let mut suite = TestSuite::new(scenario);
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(message.lines().next().unwrap_or_default());
    status.set_description(format!("{message}\nreproduce: {reproduce}"));
    let mut case = TestCase::new("is played to a verdict", status);
    case.set_classname(scenario);
    suite.add_test_case(case);
    suite
}
