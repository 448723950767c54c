//! Snapshots of what people read, and the promises about what machines read.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::judge::{Claim, Measured, Origin, Outcome, Series, Severity, Verdict, metrics::Unit};

fn outcome(check: &str, unit: Unit, actual: Option<f64>, held: bool, margin: &str) -> Outcome {
    Outcome {
        check: check.to_owned(),
        origin: Origin::Scenario,
        during: None,
        filter: None,
        level: Severity::Fail,
        unit,
        actual,
        limit: Some(0.0),
        held,
        margin: margin.to_owned(),
        why: None,
    }
}

fn claims() -> Vec<Claim> {
    let claim = |what: &str, by: &str, seen, claimed: f64, agrees| Claim {
        what: what.to_owned(),
        seen,
        claimed: Some(claimed),
        by: by.to_owned(),
        tolerance: 2.0,
        agrees,
    };
    let tiers = [
        ("served from memory", 1043.0),
        ("served from the store", 80.0),
        ("served after a refresh", 12.0),
        ("served stale", 0.0),
        ("nothing to serve", 0.0),
    ];
    let mut claims: Vec<Claim> = tiers
        .into_iter()
        .flat_map(|(what, seen)| ["Cache-Status", "EMF"].map(|by| claim(what, by, seen, seen, true)))
        .collect();
    claims.push(claim("CoinGecko calls", "EMF", 12.0, 12.0, true));
    claims.push(claim("CoinGecko retries", "EMF", 6.0, 6.0, true));
    claims.push(claim("429s from CoinGecko", "EMF", 6.0, 6.0, true));
    claims.push(claim("429s given to clients", "EMF", 0.0, 9.0, false));
    claims.push(claim("body bytes sent", "EMF", 123_456.0, 123_456.0, true));
    claims
}

fn played(failing: bool) -> Played {
    let mut success = outcome(
        "api.success >= 99.9%",
        Unit::Ratio,
        Some(1.0),
        true,
        "0.1 points to spare",
    );
    let mut age = outcome(
        "api.age.max <= 6m",
        Unit::Seconds,
        Some(301.0),
        true,
        "59s to spare",
    );
    age.during = Some("hangover.end+6m..end".to_owned());
    age.filter = Some("journey=one".to_owned());
    let mut outcomes = vec![
        age,
        outcome(
            "upstream.per_interval.max == 1",
            Unit::Count,
            Some(1.0),
            true,
            "exactly",
        ),
        Outcome {
            origin: Origin::Invariant,
            ..outcome("price.wrong == 0", Unit::Count, Some(0.0), true, "exactly")
        },
    ];
    if failing {
        (success.actual, success.held) = (Some(0.5), false);
        success.margin = "49.9 points too little".to_owned();
        outcomes.push(Outcome {
            level: Severity::Warn,
            why: Some(
                "nothing was measured for `gzip.saved` in this window: a check without samples fails"
                    .to_owned(),
            ),
            ..outcome("gzip.saved >= 67%", Unit::Ratio, None, false, "no samples")
        });
        outcomes.push(Outcome {
            origin: Origin::Invariant,
            why: Some("429s given to clients: seen 0, EMF says 9".to_owned()),
            ..outcome(
                "what the service says of itself is what was seen",
                Unit::Count,
                Some(1.0),
                false,
                "1 too many",
            )
        });
    }
    outcomes.insert(0, success);
    let measured = |value, unit| Measured { value, unit };
    let metrics = BTreeMap::from([
        (
            "api.success".to_owned(),
            measured(if failing { 0.5 } else { 1.0 }, Unit::Ratio),
        ),
        ("api.latency.p99".to_owned(), measured(0.0123, Unit::Seconds)),
        ("upstream.calls".to_owned(), measured(12.0, Unit::Count)),
        ("retry.delay.p50".to_owned(), measured(0.081, Unit::Seconds)),
        ("retry.after_floor".to_owned(), measured(1.0, Unit::Ratio)),
        ("gzip.saved".to_owned(), measured(0.712, Unit::Ratio)),
        ("gzip.share".to_owned(), measured(1.0, Unit::Ratio)),
    ]);
    let passed = !failing;
    let verdict = Verdict {
        passed,
        expectations: outcomes,
        metrics,
        claims: claims(),
        series: Series {
            bucket_seconds: 2,
            ..Series::default()
        },
        notes: vec![
            "the service logged 3 lines at WARN, first: [api-0] CoinGecko refused | twice".to_owned(),
        ],
    };
    Played {
        scenario: "steady".to_owned(),
        about: "A quiet day | nothing breaks.".to_owned(),
        seed: 42,
        clock: "real",
        start: jiff::Timestamp::UNIX_EPOCH,
        duration: Duration::from_secs(1260),
        overrides: if failing {
            vec!["--env COMPRESSION=off".to_owned()]
        } else {
            Vec::new()
        },
        verdict,
        facts: RunFacts {
            wall_seconds: 10.5,
            stack_ready_ms: Some(123.4),
            compress: 120.0,
            api_peak_rss_bytes: Some(21_500_000),
            build_id: "abc".to_owned(),
            ..RunFacts::default()
        },
        reproduce: "crypto-watch-sim run steady --seed 42".to_owned(),
    }
}

fn broken() -> Entry {
    Entry::Broken {
        scenario: "cold-cache".to_owned(),
        message: "port 4000 is taken\nchoose another".to_owned(),
        reproduce: "crypto-watch-sim run cold-cache".to_owned(),
    }
}

fn entry(failing: bool) -> Entry {
    Entry::Played(Box::new(played(failing)))
}

#[test]
fn a_pass_on_the_terminal() {
    insta::assert_snapshot!(render(&played(false), Style::Plain), @"");
}

#[test]
fn a_failure_on_the_terminal() {
    insta::assert_snapshot!(render(&played(true), Style::Plain), @"");
}

#[test]
fn the_terminal_is_80_columns_wide_and_colour_only_adds() {
    let plain =
        render(&played(true), Style::Plain) + &render_suite(&[entry(true), broken()], 9.0, Style::Plain);
    for line in plain.lines() {
        assert!(
            line.chars().count() <= 80,
            "{} columns: {line}",
            line.chars().count()
        );
    }
    let colour = render(&played(true), Style::Colour);
    assert!(colour.contains("\x1b[1;31mFAILED\x1b[0m"));
    let codes = ["\x1b[1;31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];
    let bare = codes.iter().fold(colour, |text, code| text.replace(code, ""));
    assert_eq!(bare, render(&played(true), Style::Plain));
    assert_eq!(Style::of(true, true), Style::Plain);
    assert_eq!(Style::of(false, false), Style::Plain);
    assert_eq!(Style::of(true, false), Style::Colour);
}

#[test]
fn a_suite_on_the_terminal() {
    insta::assert_snapshot!(render_suite(&[entry(false), entry(true), broken()], 21.0, Style::Plain), @"");
    insta::assert_snapshot!(render_suite(&[entry(false)], 10.5, Style::Plain), @"");
}

#[test]
fn the_summary_has_failures_first() {
    insta::assert_snapshot!(summary_md(&[entry(false), entry(true), broken()]), @"");
}

#[test]
fn the_summary_fits_a_comment() {
    let mut long = played(true);
    long.verdict.expectations = vec![long.verdict.expectations[0].clone(); 200];
    let entries: Vec<Entry> = (0..20).map(|_| Entry::Played(Box::new(long.clone()))).collect();
    let text = summary_md(&entries);
    assert!(text.len() < 61_000, "{}", text.len());
    assert!(text.contains("sections left out"));
}

#[test]
fn junit_has_a_suite_for_each_scenario() {
    let xml = junit_xml(&[entry(true), broken()]).expect("it can be written");
    insta::assert_snapshot!(xml, @"");
}

#[test]
fn report_json_has_what_is_promised_and_the_same_bytes_each_time() {
    let text =
        || serde_json::to_string_pretty(&ReportDocument::of(&played(true))).expect("it can be written");
    assert_eq!(text(), text());
    let report: serde_json::Value = serde_json::from_str(&text()).expect("JSON");
    for key in [
        "schema",
        "scenario",
        "seed",
        "clock",
        "verdict",
        "expectations",
        "metrics",
        "series",
    ] {
        assert!(!report[key].is_null(), "{key}");
    }
    assert_eq!(report["verdict"], "failed");
    assert_eq!(
        report["metrics"]["gzip.saved"],
        serde_json::json!({"value": 0.712, "unit": "ratio"})
    );
    let first = &report["expectations"][0];
    assert_eq!(
        (&first["check"], &first["held"]),
        (&"api.success >= 99.9%".into(), &false.into())
    );
    assert_eq!(report["expectations"][1]["where"], "journey=one");
}

#[test]
fn files_appear_whole_and_leave_nothing_beside_them() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let folder = out.path().join("steady/real");
    write_scenario(&folder, &played(false)).expect("it can be written");
    write_scenario(&folder, &played(true)).expect("it can be written again");
    write_suite(out.path(), &[entry(true)]).expect("it can be written");
    let names = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).expect("the folder is there").flatten();
        let mut names: Vec<String> = entries
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&folder), ["report.json", "run.json"]);
    assert_eq!(names(out.path()), ["junit.xml", "steady", "summary.md"]);
    let report = std::fs::read_to_string(folder.join("report.json")).expect("report.json");
    assert!(report.contains("\"verdict\": \"failed\"") && report.ends_with("}\n"));

    std::fs::write(out.path().join("file"), "").expect("a file");
    let refused = write_scenario(&out.path().join("file/real"), &played(false));
    assert!(refused.is_err_and(|error| error.to_string().contains("choose another folder with --out")));
}
