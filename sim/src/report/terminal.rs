//! The verdict in 80 columns: the sentence first, then the expectations, then what was seen.

use std::fmt::Write;

use super::{Entry, Played, seen::seen};
use crate::judge::{Origin, Outcome, Severity, Verdict, metrics::Unit};

/// No line is longer, but for commands that must stay whole.
const WIDTH: usize = 80;
/// Columns for the metric's name: the longest one.
const NAME: usize = 25;
/// Columns for the window.
const WINDOW: usize = 10;

/// How to write to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With colours.
    Colour,
    /// Without.
    Plain,
}

impl Style {
    /// Colours on a terminal, unless `NO_COLOR` is set.
    #[must_use]
    pub fn of(is_terminal: bool, no_color: bool) -> Self {
        if is_terminal && !no_color {
            Self::Colour
        } else {
            Self::Plain
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }

    fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    fn doubtful(self, text: &str) -> String {
        self.paint("33", text)
    }
}

/// The verdict on one scenario.
#[must_use]
pub fn render(played: &Played, style: Style) -> String {
    let mut text = sentence(played, style);
    text.push('\n');
    text.push_str(&table(&played.verdict, style));
    text.push('\n');
    text.push_str(&seen(&played.verdict, style));
    text.push_str(&alarms(&played.verdict, style));
    text.push_str(&facts(played));
    if let Some(store) = &played.facts.store {
        text.push_str(&wrapped("store          ", &store.to_string()));
        if let Some(warning) = store.warning() {
            text.push_str(&wrapped("warning: ", &warning));
        }
    }
    for (file, sha256) in &played.facts.packages {
        let _ = writeln!(text, "package        {file}\n  sha256 {sha256}");
    }
    for note in &played.verdict.notes {
        text.push_str(&wrapped("note: ", note));
    }
    if !played.verdict.passed {
        let _ = writeln!(text, "\nreproduce: {}", played.reproduce());
    }
    text
}

/// When alarms went on and off.
fn alarms(verdict: &Verdict, style: Style) -> String {
    let mut text = String::new();
    for told in verdict
        .alarms
        .iter()
        .filter(|told| told.from == ALARM || told.to == ALARM)
    {
        let at = Unit::Seconds.show(told.at);
        let word = if told.to == ALARM {
            style.bad(&told.to)
        } else {
            told.to.clone()
        };
        let _ = writeln!(text, "alarm          {} {word} at {at}", told.alarm);
    }
    text
}

/// The state of an alarm that is on.
const ALARM: &str = "ALARM";

/// The verdict on a suite, after those on its scenarios.
#[must_use]
pub fn render_suite(entries: &[Entry], wall_seconds: f64, style: Style) -> String {
    let failed: Vec<&Entry> = entries.iter().filter(|entry| !entry.passed()).collect();
    let scenarios = |n: usize| {
        if n == 1 {
            "1 scenario".to_owned()
        } else {
            format!("{n} scenarios")
        }
    };
    if failed.is_empty() {
        let word = style.good("passed");
        return format!("{} {word} in {wall_seconds:.1} s\n", scenarios(entries.len()));
    }
    let word = style.bad("failed");
    let mut text = format!(
        "{} of {} {word} in {wall_seconds:.1} s\n",
        failed.len(),
        scenarios(entries.len())
    );
    for entry in failed {
        match entry {
            Entry::Played(played) => {
                let checks: Vec<&str> = played
                    .verdict
                    .failed()
                    .map(|outcome| outcome.check.as_str())
                    .collect();
                text.push_str(&wrapped(
                    "  ",
                    &format!("{}: {}", played.scenario, checks.join("; ")),
                ));
                let _ = writeln!(text, "    {}", played.reproduce());
            }
            Entry::Broken {
                scenario, message, ..
            } => {
                let first = message.lines().next().unwrap_or_default();
                text.push_str(&wrapped("  ", &format!("{scenario}: not played: {first}")));
            }
        }
    }
    text
}

fn sentence(played: &Played, style: Style) -> String {
    let verdict = &played.verdict;
    let judged = verdict
        .expectations
        .iter()
        .filter(|outcome| outcome.judged)
        .count();
    let modelled = match verdict.expectations.len() - judged {
        0 => String::new(),
        count => format!("; {count} modelled, not judged"),
    };
    let failed = verdict
        .expectations
        .iter()
        .filter(|outcome| !outcome.held)
        .count();
    let warned = verdict
        .failed()
        .filter(|outcome| outcome.level == Severity::Warn)
        .count();
    let (word, rest) = match (verdict.passed, warned) {
        (true, 0) => (style.good("passed"), format!("all {judged} expectations held")),
        (true, _) => (
            style.good("passed"),
            format!(
                "{} of {judged} expectations held, {warned} warned",
                judged - failed
            ),
        ),
        (false, _) => (
            style.bad("FAILED"),
            format!("{failed} of {judged} expectations did not hold"),
        ),
    };
    let mut text = format!(
        "{} {word}: {rest}{modelled} (seed {})\n",
        played.scenario, played.seed
    );
    if !played.overrides.is_empty() {
        text.push_str(&wrapped("with ", &played.overrides.join(" ")));
    }
    text
}

/// Name, window, actual, limit and margin of each expectation. Of the rules that always hold, only broken ones.
fn table(verdict: &Verdict, style: Style) -> String {
    let mut text = line("", "check", "window", "actual", "limit", "margin");
    let own = verdict
        .expectations
        .iter()
        .filter(|outcome| outcome.origin == Origin::Scenario);
    let always = || {
        verdict
            .expectations
            .iter()
            .filter(|outcome| outcome.origin == Origin::Invariant)
    };
    for outcome in own.chain(always().filter(|outcome| !outcome.held)) {
        text.push_str(&row(outcome, style));
    }
    let kept = always().filter(|outcome| outcome.held).count();
    let rules = if kept == 1 {
        "1 rule".to_owned()
    } else {
        format!("{kept} rules")
    };
    let _ = writeln!(
        text,
        "{} {rules} that must hold in every run held",
        style.good("✓")
    );
    text
}

fn line(mark: &str, check: &str, window: &str, actual: &str, limit: &str, margin: &str) -> String {
    // A name that is longer than its column has a line of its own.
    let (above, check) = if check.chars().count() > NAME {
        (format!("{mark:1} {check}\n"), "")
    } else {
        (String::new(), check)
    };
    let mark = if above.is_empty() { mark } else { "" };
    let text = format!("{mark:1} {check:NAME$} {window:WINDOW$} {actual:>8} {limit:>9}");
    if text.chars().count() + 1 + margin.chars().count() <= WIDTH {
        return format!("{above}{}\n", format!("{text} {margin}").trim_end());
    }
    format!("{above}{text}\n{}", wrapped("    ", margin))
}

fn row(outcome: &Outcome, style: Style) -> String {
    let (name, limit) = split(&outcome.check);
    let window = outcome.during.as_deref().unwrap_or("whole run");
    let actual = outcome
        .actual
        .map_or_else(|| "–".to_owned(), |actual| outcome.unit.show(actual));
    let mut text = if limit.is_empty() {
        // A rule in words has no numbers worth a column.
        let margin = if outcome.margin.is_empty() {
            String::new()
        } else {
            format!(": {}", outcome.margin)
        };
        wrapped("¤ ", &format!("{name}{margin}"))
    } else {
        line(
            "¤",
            name,
            &shortened(window, WINDOW),
            &actual,
            limit,
            &outcome.margin,
        )
    };
    let mark = match (outcome.held, outcome.level) {
        _ if !outcome.judged => "·".to_owned(),
        (true, _) => style.good("✓"),
        (false, Severity::Fail) => style.bad("✗"),
        (false, Severity::Warn) => style.doubtful("!"),
    };
    text = text.replacen('¤', &mark, 1);
    if window.chars().count() > WINDOW {
        text.push_str(&wrapped("    ", &format!("during {window}")));
    }
    if let Some(filter) = &outcome.filter {
        text.push_str(&wrapped("    ", &format!("where {filter}")));
    }
    if let Some(why) = &outcome.why {
        text.push_str(&wrapped("    ", why));
    }
    text
}

/// A check's metric, and its limit with the comparison.
fn split(check: &str) -> (&str, &str) {
    let found = ["<=", ">=", "==", "!=", "<", ">"]
        .iter()
        .filter_map(|op| check.find(op))
        .min();
    found.map_or((check, ""), |at| (check[..at].trim_end(), &check[at..]))
}

/// At most `width` characters.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width - 1).collect();
    format!("{kept}…")
}

/// Breaks at spaces; further lines are indented like the first one's text.
pub(crate) fn wrapped(first: &str, text: &str) -> String {
    let indent = " ".repeat(first.chars().count());
    let mut lines = vec![first.to_owned()];
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if !is_empty && used + 1 + word.chars().count() > WIDTH {
            lines.push(indent.clone());
            is_empty = true;
        }
        if let Some(line) = lines.last_mut() {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
    }
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

fn facts(played: &Played) -> String {
    let facts = &played.facts;
    let mut parts = vec![played.how_fast()];
    if let Some(ready) = facts.stack_ready_ms {
        parts.push(format!("stack ready in {ready:.0} ms"));
    }
    if let Some(rss) = facts.api_peak_rss_bytes {
        parts.push(format!("API peak {:.1} MB", rss as f64 / 1e6));
    }
    parts.push(format!("recording {:.1} MB", facts.recording.bytes as f64 / 1e6));
    wrapped("this run       ", &parts.join(", "))
}
