//! One scenario on both clocks: every metric that has to agree.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::Style;
use crate::judge::agreement::Agreement;

/// A scenario that was played on both clocks.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Clocks {
    /// Its name.
    pub scenario: String,
    /// The metrics that were compared, in the order of the table of metrics.
    pub metrics: Vec<Agreement>,
}

impl Clocks {
    /// Whether all of them agree. Clocks of which nothing was compared do not.
    #[must_use]
    pub fn agree(&self) -> bool {
        !self.metrics.is_empty() && self.metrics.iter().all(|metric| metric.agrees)
    }

    fn sentence(&self) -> String {
        let apart = self.metrics.iter().filter(|metric| !metric.agrees).count();
        let all = self.metrics.len();
        match apart {
            0 => format!("both clocks agree on {all} metrics"),
            _ => format!("the clocks DISAGREE on {apart} of {all} metrics"),
        }
    }

    /// The table for a terminal, in 80 columns.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let mut text = format!("{}: {}\n", self.scenario, self.sentence());
        let _ = writeln!(
            text,
            "  {:26} {:>14} {:>14} {:>14}",
            "metric", "virtual", "real", "may differ by"
        );
        for metric in &self.metrics {
            let shown =
                |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| metric.unit.show(value));
            let line = format!(
                "{:26} {:>14} {:>14} {:>14}",
                metric.metric,
                shown(metric.virtual_value),
                shown(metric.real),
                metric.unit.show(metric.tolerance),
            );
            if metric.agrees {
                let _ = writeln!(text, "✓ {line}");
            } else {
                let _ = writeln!(
                    text,
                    "{} {line}\n    why they may differ at all: {}",
                    style.bad("✗"),
                    metric.why
                );
            }
        }
        text
    }

    /// The table for `summary.md`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "\n<details{}><summary>{}: {}</summary>\n\n| | metric | virtual | real | may differ by |\n|---|---|---:|---:|---:|\n",
            if self.agree() { "" } else { " open" },
            self.scenario,
            self.sentence()
        );
        for metric in &self.metrics {
            let shown =
                |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| metric.unit.show(value));
            let _ = writeln!(
                text,
                "| {} | `{}` | {} | {} | {} |",
                if metric.agrees { "✓" } else { "✗" },
                metric.metric,
                shown(metric.virtual_value),
                shown(metric.real),
                metric.unit.show(metric.tolerance),
            );
        }
        text.push_str("\n</details>\n");
        text
    }
}
