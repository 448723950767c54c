//! Several plays of one scenario beside each other: each metric that differs, one row.
//!
//! Used for `--set` with several values and for `--twin`; for `--clock both` see [`super::clocks`].

use std::{collections::BTreeSet, fmt::Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::Played;
use crate::judge::metrics::{METRICS, MetricDef, Tolerance, Unit};

/// Columns for a metric's name: the longest one.
const NAME: usize = 26;
/// Columns for a value.
const VALUE: usize = 12;

/// Plays of one scenario beside each other.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Beside {
    /// The scenario's name.
    pub scenario: String,
    /// What tells the plays apart, one for each column.
    pub columns: Vec<String>,
    /// Whether each passed.
    pub passed: Vec<bool>,
    /// The metrics that differ by more than their tolerance, in the order of the table of metrics.
    pub rows: Vec<BesideRow>,
    /// How many metrics were compared.
    pub compared: usize,
}

/// One metric in all plays.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct BesideRow {
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// Its value in each play; null where it has no samples.
    pub values: Vec<Option<f64>>,
}

impl Beside {
    /// Compares plays, each with what tells it apart.
    #[must_use]
    pub fn of(scenario: &str, plays: &[(String, &Played)]) -> Self {
        let names: BTreeSet<&String> = plays
            .iter()
            .flat_map(|(_, played)| played.verdict.metrics.keys())
            .collect();
        let row = |name: &&String| {
            let def = METRICS.iter().find(|def| def.matches(name).is_some())?;
            let values: Vec<Option<f64>> = plays
                .iter()
                .map(|(_, played)| played.verdict.metric(name))
                .collect();
            let row = BesideRow {
                metric: (*name).clone(),
                unit: def.unit,
                values,
            };
            differs(def, &row.values).then_some(row)
        };
        let mut rows: Vec<BesideRow> = names.iter().filter_map(row).collect();
        rows.sort_by_key(|row| METRICS.iter().position(|def| def.matches(&row.metric).is_some()));
        Self {
            scenario: scenario.to_owned(),
            columns: plays.iter().map(|(label, _)| label.clone()).collect(),
            passed: plays.iter().map(|(_, played)| played.verdict.passed).collect(),
            rows,
            compared: names.len(),
        }
    }

    /// The table for a terminal: as wide as its columns, 80 for up to four of them.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.scenario);
        let (key, columns) = self.key_and_values();
        let _ = write!(text, "{:NAME$}", format!("  {key}"));
        for column in &columns {
            let _ = write!(text, " {:>VALUE$}", tail(column));
        }
        text.push('\n');
        let _ = write!(text, "{:NAME$}", "  verdict");
        for passed in &self.passed {
            let _ = write!(text, " {:>VALUE$}", verdict(*passed));
        }
        text.push('\n');
        for row in &self.rows {
            let _ = write!(text, "{:NAME$}", format!("  {}", row.metric));
            for value in &row.values {
                let _ = write!(text, " {:>VALUE$}", shown(row.unit, *value));
            }
            text.push('\n');
        }
        let same = self.compared - self.rows.len();
        let _ = writeln!(text, "  {same} of {} metrics do not differ", self.compared);
        text
    }

    /// The key that tells the columns apart and its values, when it is one and the same; else no key and the columns.
    fn key_and_values(&self) -> (&str, Vec<&str>) {
        let first = self.columns.first().map_or("", String::as_str);
        let length = first.find('=').map_or(0, |at| at + 1);
        let key = &first[..length];
        if !key.is_empty()
            && self
                .columns
                .iter()
                .all(|column| column.starts_with(key) && !column.contains(' '))
        {
            let values = self.columns.iter().map(|column| &column[length..]).collect();
            return (&key[..length - 1], values);
        }
        ("", self.columns.iter().map(String::as_str).collect())
    }

    /// The table for `summary.md`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n| |", self.scenario);
        for column in &self.columns {
            let _ = write!(text, " {} |", column.replace('|', "\\|"));
        }
        text.push_str("\n|---|");
        text.push_str(&"---:|".repeat(self.columns.len()));
        text.push_str("\n| verdict |");
        for passed in &self.passed {
            let _ = write!(text, " {} |", verdict(*passed));
        }
        text.push('\n');
        for row in &self.rows {
            let _ = write!(text, "| `{}` |", row.metric);
            for value in &row.values {
                let _ = write!(text, " {} |", shown(row.unit, *value));
            }
            text.push('\n');
        }
        text
    }
}

fn verdict(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

fn shown(unit: Unit, value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| unit.show(value))
}

/// The end of a label that is too long, which is where labels differ.
fn tail(label: &str) -> String {
    let length = label.chars().count();
    if length <= VALUE {
        return label.to_owned();
    }
    let kept: String = label.chars().skip(length - (VALUE - 1)).collect();
    format!("…{kept}")
}

/// Whether any two values are further apart than the metric tolerates; no samples is not the same as any value.
fn differs(def: &MetricDef, values: &[Option<f64>]) -> bool {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    if known.len() < values.len() {
        return !known.is_empty();
    }
    let least = known.iter().copied().fold(f64::INFINITY, f64::min);
    let most = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let apart = most - least;
    match def.tolerance {
        Tolerance::Exact => apart > 0.0,
        Tolerance::Relative(share) => apart > least.abs().max(most.abs()) * share,
        Tolerance::Absolute(by) => apart > by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn def(name: &str) -> &'static MetricDef {
        METRICS.iter().find(|def| def.name == name).expect("a metric")
    }

    #[test]
    fn only_what_is_further_apart_than_tolerated_differs() {
        let success = def("api.success");
        assert!(!differs(success, &[Some(0.9995), Some(1.0)]));
        assert!(differs(success, &[Some(0.99), Some(1.0), Some(1.0)]));
        assert!(differs(success, &[None, Some(1.0)]));
        assert!(!differs(success, &[None, None]));
        assert!(differs(def("price.wrong"), &[Some(0.0), Some(1.0)]));
        let requests = def("api.requests");
        assert!(!differs(requests, &[Some(1000.0), Some(1009.0)]));
        assert!(differs(requests, &[Some(1000.0), Some(1020.0)]));
    }

    #[test]
    fn the_table_has_a_column_for_each_play() {
        let row = |metric: &str, unit, values: &[Option<f64>]| BesideRow {
            metric: metric.to_owned(),
            unit,
            values: values.to_vec(),
        };
        let beside = Beside {
            scenario: "coingecko-outage-2h".to_owned(),
            columns: vec![
                "stack.price_retention=1h".to_owned(),
                "stack.price_retention=4h".to_owned(),
            ],
            passed: vec![false, true],
            rows: vec![
                row("api.success", Unit::Ratio, &[Some(0.97), Some(1.0)]),
                row("retry.delay.p50", Unit::Seconds, &[None, Some(0.12)]),
            ],
            compared: 40,
        };
        insta::assert_snapshot!(beside.text(), @"
        coingecko-outage-2h
          stack.price_retention              1h           4h
          verdict                        FAILED       passed
          api.success                       97%         100%
          retry.delay.p50                     –        120ms
          38 of 40 metrics do not differ
        ");
        insta::assert_snapshot!(beside.markdown(), @"
        ### coingecko-outage-2h

        | | stack.price_retention=1h | stack.price_retention=4h |
        |---|---:|---:|
        | verdict | FAILED | passed |
        | `api.success` | 97% | 100% |
        | `retry.delay.p50` | – | 120ms |
        ");
    }
}
