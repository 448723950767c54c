//! `summary.md`: what a reviewer wants to see in a pull request, failures first, within the size of a comment.

use std::fmt::Write;

use super::{Clocks, Entry, Played, Together};
use crate::judge::{Origin, Outcome, Verdict, metrics::Unit};

/// GitHub refuses comments above 64 KiB.
const MOST_BYTES: usize = 60_000;

/// The numbers of the overview: heading, metric.
const NUMBERS: [(&str, &str); 9] = [
    ("success", "api.success"),
    ("p99", "api.latency.p99"),
    ("oldest price", "api.age.max"),
    ("cache hits", "cache.hit_ratio"),
    ("429 given", "limit.rejected"),
    ("CoinGecko calls", "upstream.calls"),
    ("of them 429", "upstream.status.429"),
    ("amplification", "upstream.amplification"),
    ("gzip saved", "gzip.saved"),
];

/// The document.
#[must_use]
pub fn summary_md(entries: &[Entry], together: &Together) -> String {
    let failed = entries.iter().filter(|entry| !entry.passed()).count();
    let mut text = match failed {
        0 => format!("## Crypto Watch: {} passed\n\n", count(entries.len(), "scenario")),
        _ => format!(
            "## Crypto Watch: {failed} of {} failed\n\n",
            count(entries.len(), "scenario")
        ),
    };
    text.push_str(&overview(entries));
    let sections = entries.iter().filter(|entry| !entry.passed()).map(failure);
    let details = entries.iter().filter_map(|entry| match entry {
        Entry::Played(played) => Some(details(played)),
        Entry::Broken { .. } => None,
    });
    let tables = together
        .beside
        .iter()
        .map(|table| format!("\n{}", table.markdown()));
    let tables = tables.chain(together.clocks.iter().map(Clocks::markdown));
    let mut left_out = 0;
    for section in sections.chain(tables).chain(details) {
        if text.len() + section.len() > MOST_BYTES {
            left_out += 1;
        } else {
            text.push_str(&section);
        }
    }
    if left_out > 0 {
        let _ = writeln!(
            text,
            "\n{} left out; see the reports.",
            count(left_out, "section")
        );
    }
    text
}

fn count(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

/// A row for each scenario, failed ones first.
fn overview(entries: &[Entry]) -> String {
    let headings: Vec<&str> = NUMBERS.iter().map(|(heading, _)| *heading).collect();
    let mut text = format!(
        "| scenario | verdict | {} |\n|---|---|{}\n",
        headings.join(" | "),
        "--:|".repeat(NUMBERS.len())
    );
    let (passed, failed): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| entry.passed());
    for entry in failed.into_iter().chain(passed) {
        match entry {
            Entry::Played(played) => {
                let cells: Vec<String> = NUMBERS
                    .iter()
                    .map(|(_, metric)| number(&played.verdict, metric))
                    .collect();
                let _ = writeln!(
                    text,
                    "| {} | {} | {} |",
                    played.scenario,
                    word(&played.verdict),
                    cells.join(" | ")
                );
            }
            Entry::Broken { scenario, .. } => {
                let _ = writeln!(
                    text,
                    "| {scenario} | **not played** |{}",
                    " |".repeat(NUMBERS.len())
                );
            }
        }
    }
    text
}

fn number(verdict: &Verdict, metric: &str) -> String {
    verdict.metrics.get(metric).map_or_else(
        || "–".to_owned(),
        |measured| {
            let modelled = if measured.modelled { " (modelled)" } else { "" };
            format!("{}{modelled}", measured.unit.show(measured.value))
        },
    )
}

fn word(verdict: &Verdict) -> String {
    let judged = || verdict.expectations.iter().filter(|outcome| outcome.judged);
    let failed = judged().filter(|outcome| !outcome.held).count();
    match (verdict.passed, failed) {
        (true, 0) => "passed".to_owned(),
        (true, warnings) => format!("passed, {}", count(warnings, "warning")),
        (false, failed) => format!("**failed** ({failed} of {})", judged().count()),
    }
}

/// Why a scenario failed, and how to see it again.
fn failure(entry: &Entry) -> String {
    match entry {
        Entry::Played(played) => {
            let mut text = format!(
                "\n### {} failed\n\n{}\n\n{HEAD}",
                played.scenario,
                cell(&played.about)
            );
            for outcome in played.verdict.failed() {
                text.push_str(&row(outcome));
            }
            let whys = played
                .verdict
                .failed()
                .filter_map(|o| Some((&o.check, o.why.as_ref()?)));
            for (check, why) in whys {
                let _ = write!(text, "\n`{check}`: {why}\n");
            }
            let _ = write!(text, "\n```sh\n{}\n```\n", played.reproduce());
            text
        }
        Entry::Broken {
            scenario,
            message,
            reproduce,
        } => {
            format!(
                "\n### {scenario} could not be played\n\n```\n{message}\n```\n\n```sh\n{reproduce}\n```\n"
            )
        }
    }
}

const HEAD: &str = "| | expectation | window | actual | margin |\n|---|---|---|--:|---|\n";

fn row(outcome: &Outcome) -> String {
    let mark = match (outcome.judged, outcome.held) {
        (false, _) => "·",
        (true, true) => "✓",
        (true, false) => "✗",
    };
    let window = match (&outcome.during, &outcome.filter) {
        (None, None) => "whole run".to_owned(),
        (during, filter) => {
            let parts: Vec<&str> = [during, filter]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            parts.join(", ")
        }
    };
    let actual = outcome
        .actual
        .map_or_else(|| "–".to_owned(), |actual| outcome.unit.show(actual));
    format!(
        "| {mark} | {} | {} | {actual} | {} |\n",
        cell(&outcome.check),
        cell(&window),
        cell(&outcome.margin)
    )
}

/// Text that does not break a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Everything about one scenario, folded.
fn details(played: &Played) -> String {
    let verdict = &played.verdict;
    let own = verdict
        .expectations
        .iter()
        .filter(|outcome| outcome.origin == Origin::Scenario);
    let always = verdict
        .expectations
        .iter()
        .filter(|outcome| outcome.origin == Origin::Invariant);
    let mut text = format!(
        "\n<details><summary>{}: seed {}, {}</summary>\n\n{}\n\n{HEAD}",
        played.scenario,
        played.seed,
        played.how_fast(),
        cell(&played.about),
    );
    for outcome in own.chain(always) {
        text.push_str(&row(outcome));
    }
    text.push_str("\n| seen from outside | seen | the service says | by |\n|---|--:|--:|---|\n");
    for claim in &verdict.claims {
        let claimed = claim
            .claimed
            .map_or_else(|| "–".to_owned(), |claimed| format!("{claimed}"));
        let mark = if claim.agrees { "" } else { " ✗" };
        let _ = writeln!(
            text,
            "| {}{mark} | {} | {claimed} | {} |",
            claim.what, claim.seen, claim.by
        );
    }
    if let Some(store) = &played.facts.store {
        let _ = write!(text, "\n- store: {}", cell(&store.to_string()));
        if let Some(warning) = store.warning() {
            let _ = write!(text, "\n- **{}**", cell(&warning));
        }
    }
    for told in &verdict.alarms {
        let at = Unit::Seconds.show(told.at);
        let _ = write!(
            text,
            "\n- alarm {} {} at {at}: {}",
            told.alarm,
            told.to,
            cell(&told.reason)
        );
    }
    for note in &verdict.notes {
        let _ = write!(text, "\n- {}", cell(note));
    }
    text.push_str("\n\n</details>\n");
    text
}
