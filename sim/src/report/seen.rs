//! The four things that the project exists to verify, in six lines of the terminal's verdict.

use super::Style;
use crate::judge::{Claim, Verdict};

/// What the project exists to verify, as seen from outside, with what the service says of it.
pub(super) fn seen(verdict: &Verdict, style: Style) -> String {
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
    let by_gateway = verdict.metrics.get("gateway.refused");
    if let Some(refused) = by_gateway.filter(|refused| refused.value > 0.0) {
        rejected = format!("{rejected}; by the gateway {}", refused.unit.show(refused.value));
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
