//! The verdict in 80 columns: the sentence first, then the expectations, then what was seen.

use std::fmt::Write;

use super::{Entry, Played};
use crate::judge::{Claim, Origin, Outcome, Severity, Verdict};

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

    fn bad(self, text: &str) -> String {
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
    text.push_str(&facts(played));
    for note in &played.verdict.notes {
        text.push_str(&wrapped("note: ", note));
    }
    if !played.verdict.passed {
        let _ = writeln!(text, "\nreproduce: {}", played.reproduce);
    }
    text
}

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
                let _ = writeln!(text, "    {}", played.reproduce);
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
    let all = verdict.expectations.len();
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
        (true, 0) => (style.good("passed"), format!("all {all} expectations held")),
        (true, _) => (
            style.good("passed"),
            format!("{} of {all} expectations held, {warned} warned", all - failed),
        ),
        (false, _) => (
            style.bad("FAILED"),
            format!("{failed} of {all} expectations did not hold"),
        ),
    };
    let mut text = format!("{} {word}: {rest} (seed {})\n", played.scenario, played.seed);
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
    let text = format!("{mark:1} {check:NAME$} {window:WINDOW$} {actual:>8} {limit:>9}");
    if text.chars().count() + 1 + margin.chars().count() <= WIDTH {
        return format!("{}\n", format!("{text} {margin}").trim_end());
    }
    format!("{text}\n{}", wrapped("    ", margin))
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
fn wrapped(first: &str, text: &str) -> String {
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

/// What the project exists to verify, as seen from outside, with what the service says of it.
fn seen(verdict: &Verdict, style: Style) -> String {
    let metric = |name: &str| {
        verdict
            .metrics
            .get(name)
            .map(|measured| measured.unit.show(measured.value))
    };
    let shown = |name: &str| metric(name).unwrap_or_else(|| "–".to_owned());
    let claims = &verdict.claims;
    let upstream = [
        ("CoinGecko calls", "calls"),
        ("CoinGecko retries", "retries"),
        ("429s from CoinGecko", "answered 429"),
    ];
    let mut rejected = beside(claims, &[("429s given to clients", "")], style);
    if let Some(honest) = metric("limit.retry_after_honest") {
        rejected = format!("{rejected}; Retry-After true for {honest}");
    }
    let delays = match metric("retry.delay.p50") {
        None => "no retries".to_owned(),
        Some(p50) => format!(
            "p50 {p50}, p99 {}, longest {}; Retry-After kept {}",
            shown("retry.delay.p99"),
            shown("retry.delay.max"),
            shown("retry.after_floor"),
        ),
    };
    let gzip = format!(
        "{} saved, {} of 200s encoded",
        shown("gzip.saved"),
        shown("gzip.share")
    );
    let bytes = beside(claims, &[("body bytes sent", "bytes sent")], style);
    [
        cache_tiers(claims),
        format!("CoinGecko      {}\n", beside(claims, &upstream, style)),
        format!("429s given     {rejected}\n"),
        format!("retry delays   {delays}\n"),
        format!("gzip           {gzip}, {bytes}\n"),
    ]
    .concat()
}

/// What was seen; what the service says of it only where that is another number.
fn beside(claims: &[Claim], names: &[(&str, &str)], style: Style) -> String {
    let one = |(what, word): &(&str, &str)| {
        let claim = claims.iter().find(|claim| claim.what == *what)?;
        let said = match claim.claimed {
            Some(claimed) if (claimed - claim.seen).abs() < 0.5 => String::new(),
            Some(claimed) => format!(" (service: {})", count(claimed)),
            None => " (service: nothing)".to_owned(),
        };
        let said = if claim.agrees { said } else { style.bad(&said) };
        let word = if word.is_empty() {
            String::new()
        } else {
            format!(" {word}")
        };
        Some(format!("{}{said}{word}", count(claim.seen)))
    };
    let parts: Vec<String> = names.iter().filter_map(one).collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Seen, `Cache-Status` and EMF, one line each.
fn cache_tiers(claims: &[Claim]) -> String {
    const TIERS: [(&str, &str); 5] = [
        ("memory", "served from memory"),
        ("store", "served from the store"),
        ("upstream", "served after a refresh"),
        ("stale", "served stale"),
        ("none", "nothing to serve"),
    ];
    let of = |what: &str, by: &str| claims.iter().find(|claim| claim.what == what && claim.by == by);
    if of(TIERS[0].1, "EMF").is_none() {
        return "cache tiers    no price was asked for\n".to_owned();
    }
    let line = |heading: &str, cells: [String; 5]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>11}")).collect();
        format!("{heading:15}{cells}\n")
    };
    let row = |by: &str, value: fn(&Claim) -> Option<f64>| {
        TIERS.map(|(_, what)| of(what, by).and_then(value).map_or_else(|| "–".to_owned(), count))
    };
    let claimed = |claim: &Claim| claim.claimed;
    [
        line("cache tiers", TIERS.map(|(tier, _)| tier.to_owned())),
        line("  seen", row("EMF", |claim| Some(claim.seen))),
        line("  Cache-Status", row("Cache-Status", claimed)),
        line("  EMF", row("EMF", claimed)),
    ]
    .concat()
}

fn count(value: f64) -> String {
    format!("{value}")
}

fn facts(played: &Played) -> String {
    let facts = &played.facts;
    let mut parts = vec![format!(
        "{:.1} s of real time at {}×",
        facts.wall_seconds, facts.compress
    )];
    if let Some(ready) = facts.stack_ready_ms {
        parts.push(format!("stack ready in {ready:.0} ms"));
    }
    if let Some(rss) = facts.api_peak_rss_bytes {
        parts.push(format!("API peak {:.1} MB", rss as f64 / 1e6));
    }
    parts.push(format!(
        "recording {:.0} B a request",
        facts.recording.bytes_per_request
    ));
    wrapped("this run       ", &parts.join(", "))
}
