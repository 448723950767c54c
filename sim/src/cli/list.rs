//! `list`: the built-in scenarios and suites, and the metrics.

use std::{fmt::Write, time::Duration};

use scenarios::{
    format::{Diagnostics, Scenario, quantity::show_duration},
    suites::{self, BuiltIn, Found},
};
use serde::Serialize;

use crate::{
    cli::{exit::Exit, printer},
    judge::metrics::{METRICS, Stack},
    report::wrapped,
};

#[derive(Serialize)]
struct Listed {
    suite: &'static str,
    name: &'static str,
    about: String,
    duration_seconds: u64,
    file: &'static str,
}

/// Lists everything that `run` knows by name.
#[must_use]
pub fn scenarios(json: bool) -> Exit {
    let listed: Result<Vec<Listed>, Diagnostics> = suites::BUILT_IN.iter().map(listed).collect();
    match listed {
        Ok(listed) if json => print_json(&listed),
        Ok(listed) => {
            printer::result(&table(&listed));
            Exit::Held
        }
        Err(problems) => {
            printer::notice(&problems.to_string());
            Exit::Harness
        }
    }
}

#[derive(Serialize)]
struct ListedMetric {
    name: &'static str,
    meaning: &'static str,
    limit: &'static str,
    measured: bool,
    modelled: bool,
}

/// Lists what a check may name.
#[must_use]
pub fn metrics(json: bool) -> Exit {
    let listed: Vec<ListedMetric> = METRICS
        .iter()
        .map(|metric| ListedMetric {
            name: metric.name,
            meaning: metric.meaning,
            limit: metric.unit.example(),
            measured: !matches!(metric.stack, Stack::Needs(_)),
            modelled: metric.modelled,
        })
        .collect();
    if json {
        return print_json(&listed);
    }
    let lines = listed.iter().filter(|metric| metric.measured).map(|metric| {
        let ListedMetric {
            name, meaning, limit, ..
        } = metric;
        let modelled = if metric.modelled {
            "; not judged in virtual time"
        } else {
            ""
        };
        let first = format!("{name:<26} ");
        wrapped(&first, &format!("{meaning}; compare with {limit}{modelled}"))
    });
    printer::result(&lines.collect::<String>());
    Exit::Held
}

fn print_json(document: &impl Serialize) -> Exit {
    match serde_json::to_string_pretty(document) {
        Ok(text) => {
            printer::result(&text);
            Exit::Held
        }
        Err(error) => {
            printer::notice(&format!("error: {error}"));
            Exit::Harness
        }
    }
}

fn listed(built_in: &'static BuiltIn) -> Result<Listed, Diagnostics> {
    let scenario: Scenario = Found::from(built_in).parse(&[])?;
    Ok(Listed {
        suite: built_in.suite,
        name: built_in.name,
        about: scenario.about,
        duration_seconds: scenario.duration.as_secs(),
        file: built_in.file,
    })
}

fn table(listed: &[Listed]) -> String {
    let mut text = String::new();
    let mut suite = "";
    for one in listed {
        if one.suite != suite {
            suite = one.suite;
            let default = if suite == suites::DEFAULT_SUITE {
                " (the default)"
            } else {
                ""
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{suite}{default}");
        }
        let length = show_duration(Duration::from_secs(one.duration_seconds));
        text += &wrapped(&format!("  {:<20} {length:>7}  ", one.name), &one.about);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_can_be_listed() {
        for built_in in suites::BUILT_IN {
            let listed = listed(built_in).unwrap_or_else(|problems| panic!("{problems}"));
            assert!(suites::suites().contains(&listed.suite));
            assert!(!listed.about.is_empty(), "{} says what it proves", listed.name);
        }
    }

    #[test]
    fn a_list_is_grouped_by_suite() {
        let one = |suite, name, about: &str| Listed {
            suite,
            name,
            about: about.to_owned(),
            duration_seconds: 1290,
            file: "",
        };
        let listed = [
            one(
                "smoke",
                "steady",
                "A plain day, of which there is more to tell than goes into one line.",
            ),
            one("deep", "long", "More."),
        ];
        insta::assert_snapshot!(table(&listed), @"
        smoke (the default)
          steady                21m30s  A plain day, of which there is more to tell than
                                        goes into one line.
        deep
          long                  21m30s  More.
        ");
    }
}
