//! `docs/fake-coingecko.md`: prose from `reference.md`, and tables made from the code.

use std::fmt::Write as _;

use scenarios::format::assumptions::{Assumptions, FIXED, QuotaStatus, ROWS};
use scenarios::format::fault::BlockBody;
use scenarios::format::model::Plan;

use super::edge;
use super::errors::{ErrorAnswer, Origin};
use super::limits::{Host, Terms};
use super::negotiation;

/// An instant for examples: 2026-03-02T00:00:00Z.
const EXAMPLE_MS: i64 = 1_772_409_600_000;

/// The reference of the fake, as Markdown.
pub fn markdown() -> String {
    include_str!("reference.md")
        .replace("{{plans}}", plans().trim_end())
        .replace("{{errors}}", errors().trim_end())
        .replace("{{most}}", &edge::MOST.to_string())
        .replace("{{worth}}", &negotiation::WORTH_GZIP.to_string())
        .replace("{{assumptions}}", assumptions().trim_end())
        .replace("{{fixed}}", fixed().trim_end())
}

/// A row of a table.
fn row(out: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn head(names: &[&str]) -> String {
    let mut out = String::new();
    row(&mut out, names);
    out.push_str(&"|---".repeat(names.len()));
    out.push_str("|\n");
    out
}

fn plans() -> String {
    let mut out = head(&[
        "plan",
        "host",
        "calls a minute",
        "credits a month",
        "`/simple/price`",
        "`/coins/markets`",
    ]);
    for (name, plan) in [
        ("keyless", Plan::Keyless),
        ("demo", Plan::Demo),
        ("basic", Plan::Basic),
        ("analyst", Plan::Analyst),
        ("lite", Plan::Lite),
    ] {
        let terms = Terms::of(plan);
        let (host, allowance) = match (terms.host, plan) {
            (Host::Pro, _) => ("pro", terms.keyed),
            (Host::Public, Plan::Keyless) => ("public", terms.keyless),
            (Host::Public, _) => ("public", terms.keyed),
        };
        let credits = allowance
            .per_month
            .map_or_else(|| "no limit".to_owned(), |credits| credits.to_string());
        row(
            &mut out,
            &[
                &format!("`{name}`"),
                host,
                &allowance.per_minute.to_string(),
                &credits,
                &format!("{} s", terms.simple_fresh_ms / 1000),
                &format!("{} s", terms.markets_fresh_ms / 1000),
            ],
        );
    }
    out
}

fn errors() -> String {
    let assumed = Assumptions::default();
    let credits = Terms::of(Plan::Demo).keyed.per_month.unwrap_or_default();
    let mut out = head(&["when", "status", "shape", "type", "body"]);
    for (when, answer) in [
        (
            "`/simple/price` without `vs_currencies`",
            ErrorAnswer::missing_parameter("vs_currencies"),
        ),
        (
            "`/coins/markets` without `vs_currency`",
            ErrorAnswer::missing_parameter("vs_currency"),
        ),
        (
            "`/simple/price` for no coin",
            ErrorAnswer::no_coin_named(assumed.missing_ids_text.as_str()),
        ),
        (
            "`/coins/markets` in an unknown currency (in `/simple/price` it is left out)",
            ErrorAnswer::invalid_vs_currency(),
        ),
        (
            "`per_page` over 250, where `per_page_over_250` is `refuse`",
            ErrorAnswer::invalid_per_page(),
        ),
        ("an unknown `/coins/{id}`", ErrorAnswer::coin_not_found()),
        ("an unknown path, or another method", ErrorAnswer::wrong_path()),
        (
            "no key at the Pro host, or a key that is not valid",
            ErrorAnswer::key_missing(EXAMPLE_MS),
        ),
        (
            "a Pro key at the public host",
            ErrorAnswer::pro_key_at_public_host(EXAMPLE_MS),
        ),
        (
            "a Demo key at the Pro host",
            ErrorAnswer::demo_key_at_pro_host(EXAMPLE_MS),
        ),
        (
            "too many calls in this minute; with `Retry-After`",
            ErrorAnswer::rate_limited(Some(53)),
        ),
        (
            "the month's credits are spent",
            ErrorAnswer::quota_exhausted(credits, QuotaStatus::default()),
        ),
        ("fault `endpoint_disabled`", ErrorAnswer::endpoint_disabled()),
        (
            "fault `status`, such as 503",
            ErrorAnswer::of_status(503, EXAMPLE_MS, 53),
        ),
        ("fault `cf_rate_limit_1015`", ErrorAnswer::cf_rate_limited()),
        ("fault `cf_block`", ErrorAnswer::cf_blocked(BlockBody::Html)),
        (
            "fault `cf_block` with `body = \"1020\"`",
            ErrorAnswer::cf_blocked(BlockBody::Code1020),
        ),
        ("fault `gateway_html`", ErrorAnswer::gateway_page(502)),
        ("fault `app_500_html`", ErrorAnswer::app_page()),
        ("fault `html_with_200`", ErrorAnswer::challenge_page()),
        ("fault `uri_too_long`", ErrorAnswer::uri_too_long()),
    ] {
        let (shape, media_type) = kind(&answer);
        let body = if media_type == "HTML" {
            let title = answer
                .body
                .split_once("<title>")
                .and_then(|(_, rest)| rest.split_once("</title>"));
            title.map_or_else(String::new, |(title, _)| {
                format!("a page with the title `{title}`")
            })
        } else {
            format!("`{}`", answer.body)
        };
        row(
            &mut out,
            &[when, &answer.status.to_string(), shape, media_type, &body],
        );
    }
    out
}

/// The shape of an error's body, and what it is written in.
fn kind(answer: &ErrorAnswer) -> (&'static str, &'static str) {
    match answer.from {
        Origin::AppPage | Origin::EdgePage => ("page", "HTML"),
        Origin::EdgeText => ("page", "text"),
        Origin::App | Origin::Edge if answer.body.starts_with("{\"error\"") => ("`error`", "JSON"),
        Origin::App | Origin::Edge if answer.body.starts_with("{\"status\"") => ("`status`", "JSON"),
        Origin::App | Origin::Edge => ("code outside `status`", "JSON"),
    }
}

fn assumptions() -> String {
    let default = Assumptions::default();
    let mut out = head(&["key", "values", "default", "what it decides", "what is known"]);
    for assumption in ROWS {
        row(
            &mut out,
            &[
                &format!("`{}`", assumption.key),
                &(assumption.values)(),
                &format!("`{}`", (assumption.get)(&default)),
                assumption.about,
                assumption.evidence,
            ],
        );
    }
    out
}

fn fixed() -> String {
    let mut out = head(&["what", "what is known"]);
    for assumption in FIXED {
        row(&mut out, &[assumption.what, assumption.evidence]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coingecko::engine::BASE_PATH;
    use crate::coingecko::limits::{DEMO_KEY, KeyRing};
    use crate::coingecko::{Engine, EngineConfig, FakeRequest};
    use crate::faults::Timeline;

    #[test]
    fn the_reference_in_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fake-coingecko.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == markdown(),
            "run `crypto-watch-sim schema fake-coingecko > docs/fake-coingecko.md` and commit it"
        );
    }

    #[test]
    fn every_place_is_filled_and_every_assumption_is_told() {
        let text = markdown();
        assert!(!text.contains("{{"), "{text}");
        for assumption in ROWS {
            assert!(
                text.contains(&format!("| `{}` |", assumption.key)),
                "{}",
                assumption.key
            );
        }
    }

    #[test]
    fn every_endpoint_that_is_told_of_is_there() {
        let engine = Engine::new(
            EngineConfig {
                seed: 1,
                start_ms: EXAMPLE_MS,
                terms: Terms::of(Plan::Demo),
                keys: KeyRing::default(),
                assumed: Assumptions::default(),
            },
            Timeline::none(),
        );
        let text = markdown();
        let endpoints = text.lines().take_while(|line| *line != "## Plans");
        let rows = endpoints.filter_map(|line| line.strip_prefix("| `/")?.split_once('`'));
        let paths: Vec<String> = rows
            .map(|(path, _)| format!("/{}", path.replace("{id}", "bitcoin")))
            .collect();
        assert_eq!(paths.len(), 7, "{paths:?}");
        for path in paths {
            let answer = engine.answer(
                &FakeRequest {
                    method: http::Method::GET,
                    path: format!("{BASE_PATH}{path}"),
                    query: "ids=bitcoin&vs_currency=usd&vs_currencies=usd&x_cg_demo_api_key=".to_owned()
                        + DEMO_KEY,
                    headers: http::HeaderMap::new(),
                },
                EXAMPLE_MS,
            );
            assert_eq!(answer.status, 200, "{path}");
        }
    }
}
