//! Snapshots of what people read, and the promises about what machines read.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::judge::{AlarmTold, Claim, Measured, Origin, Outcome, Series, Severity, Verdict, metrics::Unit};

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
        judged: true,
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
        success.margin = "49.9 points short".to_owned();
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
    let measured = |value, unit| Measured {
        value,
        unit,
        modelled: false,
    };
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
        alarms: Vec::new(),
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
            compress: Some(120.0),
            api_peak_rss_bytes: Some(21_500_000),
            build_id: "abc".to_owned(),
            ..RunFacts::default()
        },
        program: "crypto-watch-sim".to_owned(),
        arguments: "run steady --seed 42".to_owned(),
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
    insta::assert_snapshot!(render(&played(false), Style::Plain), @r##"
    steady passed: all 4 expectations held (seed 42)

      check                     window       actual     limit margin
    ✓ api.success               whole run      100%  >= 99.9% 0.1 points to spare
    ✓ api.age.max               hangover.…     5m1s     <= 6m 59s to spare
        during hangover.end+6m..end
        where journey=one
    ✓ upstream.per_interval.max whole run         1      == 1 exactly
    ✓ 1 rule that must hold in every run held

    cache tiers         memory      store   upstream      stale       none
      seen                1043         80         12          0          0
      Cache-Status        1043         80         12          0          0
      EMF                 1043         80         12          0          0
    CoinGecko      12 calls, 6 retries, 6 answered 429
    429s given     0 (service: 9)
    retry delays   p50 81ms, p99 –, longest –; Retry-After kept 100%
    gzip           71.2% saved, 100% of 200s encoded, 123456 bytes sent
    this run       10.5 s of real time at 120×, stack ready in 123 ms, API peak 21.5
                   MB, recording 0.0 MB
    note: the service logged 3 lines at WARN, first: [api-0] CoinGecko refused |
          twice
    "##);
}

#[test]
fn a_failure_on_the_terminal() {
    insta::assert_snapshot!(render(&played(true), Style::Plain), @r##"
    steady FAILED: 3 of 6 expectations did not hold (seed 42)
    with --env COMPRESSION=off

      check                     window       actual     limit margin
    ✗ api.success               whole run       50%  >= 99.9% 49.9 points short
    ✓ api.age.max               hangover.…     5m1s     <= 6m 59s to spare
        during hangover.end+6m..end
        where journey=one
    ✓ upstream.per_interval.max whole run         1      == 1 exactly
    ! gzip.saved                whole run         –    >= 67% no samples
        nothing was measured for `gzip.saved` in this window: a check without
        samples fails
    ✗ what the service says of itself is what was seen: 1 too many
        429s given to clients: seen 0, EMF says 9
    ✓ 1 rule that must hold in every run held

    cache tiers         memory      store   upstream      stale       none
      seen                1043         80         12          0          0
      Cache-Status        1043         80         12          0          0
      EMF                 1043         80         12          0          0
    CoinGecko      12 calls, 6 retries, 6 answered 429
    429s given     0 (service: 9)
    retry delays   p50 81ms, p99 –, longest –; Retry-After kept 100%
    gzip           71.2% saved, 100% of 200s encoded, 123456 bytes sent
    this run       10.5 s of real time at 120×, stack ready in 123 ms, API peak 21.5
                   MB, recording 0.0 MB
    note: the service logged 3 lines at WARN, first: [api-0] CoinGecko refused |
          twice

    reproduce: crypto-watch-sim run steady --seed 42
    "##);
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
    insta::assert_snapshot!(render_suite(&[entry(false), entry(true), broken()], 21.0, Style::Plain), @r##"
    2 of 3 scenarios failed in 21.0 s
      steady: api.success >= 99.9%; what the service says of itself is what was
      seen; gzip.saved >= 67%
        crypto-watch-sim run steady --seed 42
      cold-cache: not played: port 4000 is taken
    "##);
    assert_eq!(
        render_suite(&[entry(false)], 10.5, Style::Plain),
        "1 scenario passed in 10.5 s\n"
    );
}

#[test]
fn the_summary_has_failures_first() {
    insta::assert_snapshot!(summary_md(&[entry(false), entry(true), broken()], &Together::default()), @r##"
    ## Crypto Watch: 2 of 3 scenarios failed

    | scenario | verdict | success | p99 | oldest price | cache hits | 429 given | CoinGecko calls | of them 429 | amplification | gzip saved |
    |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
    | steady | **failed** (3 of 6) | 50% | 12.3ms | – | – | – | 12 | – | – | 71.2% |
    | cold-cache | **not played** | | | | | | | | | |
    | steady | passed | 100% | 12.3ms | – | – | – | 12 | – | – | 71.2% |

    ### steady failed

    A quiet day \| nothing breaks.

    | | expectation | window | actual | margin |
    |---|---|---|--:|---|
    | ✗ | api.success >= 99.9% | whole run | 50% | 49.9 points short |
    | ✗ | what the service says of itself is what was seen | whole run | 1 | 1 too many |
    | ✗ | gzip.saved >= 67% | whole run | – | no samples |

    `what the service says of itself is what was seen`: 429s given to clients: seen 0, EMF says 9

    `gzip.saved >= 67%`: nothing was measured for `gzip.saved` in this window: a check without samples fails

    ```sh
    crypto-watch-sim run steady --seed 42
    ```

    ### cold-cache could not be played

    ```
    port 4000 is taken
    choose another
    ```

    ```sh
    crypto-watch-sim run cold-cache
    ```

    <details><summary>steady: seed 42, 10.5 s of real time at 120×</summary>

    A quiet day \| nothing breaks.

    | | expectation | window | actual | margin |
    |---|---|---|--:|---|
    | ✓ | api.success >= 99.9% | whole run | 100% | 0.1 points to spare |
    | ✓ | api.age.max <= 6m | hangover.end+6m..end, journey=one | 5m1s | 59s to spare |
    | ✓ | upstream.per_interval.max == 1 | whole run | 1 | exactly |
    | ✓ | price.wrong == 0 | whole run | 0 | exactly |

    | seen from outside | seen | the service says | by |
    |---|--:|--:|---|
    | served from memory | 1043 | 1043 | Cache-Status |
    | served from memory | 1043 | 1043 | EMF |
    | served from the store | 80 | 80 | Cache-Status |
    | served from the store | 80 | 80 | EMF |
    | served after a refresh | 12 | 12 | Cache-Status |
    | served after a refresh | 12 | 12 | EMF |
    | served stale | 0 | 0 | Cache-Status |
    | served stale | 0 | 0 | EMF |
    | nothing to serve | 0 | 0 | Cache-Status |
    | nothing to serve | 0 | 0 | EMF |
    | CoinGecko calls | 12 | 12 | EMF |
    | CoinGecko retries | 6 | 6 | EMF |
    | 429s from CoinGecko | 6 | 6 | EMF |
    | 429s given to clients ✗ | 0 | 9 | EMF |
    | body bytes sent | 123456 | 123456 | EMF |

    - the service logged 3 lines at WARN, first: [api-0] CoinGecko refused \| twice

    </details>

    <details><summary>steady: seed 42, 10.5 s of real time at 120×</summary>

    A quiet day \| nothing breaks.

    | | expectation | window | actual | margin |
    |---|---|---|--:|---|
    | ✗ | api.success >= 99.9% | whole run | 50% | 49.9 points short |
    | ✓ | api.age.max <= 6m | hangover.end+6m..end, journey=one | 5m1s | 59s to spare |
    | ✓ | upstream.per_interval.max == 1 | whole run | 1 | exactly |
    | ✗ | gzip.saved >= 67% | whole run | – | no samples |
    | ✓ | price.wrong == 0 | whole run | 0 | exactly |
    | ✗ | what the service says of itself is what was seen | whole run | 1 | 1 too many |

    | seen from outside | seen | the service says | by |
    |---|--:|--:|---|
    | served from memory | 1043 | 1043 | Cache-Status |
    | served from memory | 1043 | 1043 | EMF |
    | served from the store | 80 | 80 | Cache-Status |
    | served from the store | 80 | 80 | EMF |
    | served after a refresh | 12 | 12 | Cache-Status |
    | served after a refresh | 12 | 12 | EMF |
    | served stale | 0 | 0 | Cache-Status |
    | served stale | 0 | 0 | EMF |
    | nothing to serve | 0 | 0 | Cache-Status |
    | nothing to serve | 0 | 0 | EMF |
    | CoinGecko calls | 12 | 12 | EMF |
    | CoinGecko retries | 6 | 6 | EMF |
    | 429s from CoinGecko | 6 | 6 | EMF |
    | 429s given to clients ✗ | 0 | 9 | EMF |
    | body bytes sent | 123456 | 123456 | EMF |

    - the service logged 3 lines at WARN, first: [api-0] CoinGecko refused \| twice

    </details>
    "##);
}

/// Played on the virtual clock, with a latency that nobody may judge.
#[test]
fn alarms_are_told_when_they_go_on_and_off_and_a_long_name_has_a_line_of_its_own() {
    let mut played = played(false);
    let told = |at: f64, from: &str, to: &str| AlarmTold {
        at,
        alarm: "PricesStale".to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        reason: "2 datapoints | above".to_owned(),
    };
    played.verdict.alarms = vec![
        told(310.0, "INSUFFICIENT_DATA", "OK"),
        told(1330.0, "OK", "ALARM"),
        told(2650.0, "ALARM", "OK"),
    ];
    let mut alarm = outcome(
        "alarm.PricesStale.fires_within <= 20m",
        Unit::Seconds,
        Some(730.0),
        true,
        "7m50s to spare",
    );
    alarm.during = Some("outage".to_owned());
    played.verdict.expectations = vec![alarm];
    let text = render(&played, Style::Plain);
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("larm") || line.contains("outage"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    ✓ alarm.PricesStale.fires_within
                                outage       12m10s    <= 20m 7m50s to spare
    alarm          PricesStale ALARM at 22m10s
    alarm          PricesStale OK at 44m10s
    ");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let entry = Entry::Played(Box::new(played));
    let summary = summary_md(std::slice::from_ref(&entry), &Together::default());
    let line = "- alarm PricesStale ALARM at 22m10s: 2 datapoints \\| above";
    assert!(summary.contains(line), "{summary}");
}

fn played_virtually() -> Played {
    let mut played = played(false);
    played.clock = "virtual";
    let latency = Outcome {
        judged: false,
        ..outcome(
            "api.latency.p99 <= 250ms",
            Unit::Seconds,
            Some(0.0123),
            true,
            "modelled, not judged",
        )
    };
    played.verdict.expectations.insert(1, latency);
    if let Some(p99) = played.verdict.metrics.get_mut("api.latency.p99") {
        p99.modelled = true;
    }
    played
}

#[test]
fn what_is_modelled_is_told_and_not_judged() {
    let played = played_virtually();
    let text = render(&played, Style::Plain);
    let first: Vec<&str> = text.lines().take(5).collect();
    insta::assert_snapshot!(first.join("\n"), @r"
    steady passed: all 4 expectations held; 1 modelled, not judged (seed 42)

      check                     window       actual     limit margin
    ✓ api.success               whole run      100%  >= 99.9% 0.1 points to spare
    · api.latency.p99           whole run    12.3ms  <= 250ms modelled, not judged
    ");

    let report = serde_json::to_value(ReportDocument::of(&played)).expect("it can be written");
    assert_eq!(report["verdict"], "passed");
    let judged = |index: usize| report["expectations"][index]["judged"].clone();
    assert_eq!((judged(0), judged(1)), (true.into(), false.into()));
    let metric = |name: &str| report["metrics"][name]["modelled"].clone();
    assert_eq!(metric("api.latency.p99"), true);
    assert!(metric("api.success").is_null(), "what is measured says no more");

    let entry = Entry::Played(Box::new(played));
    let summary = summary_md(std::slice::from_ref(&entry), &Together::default());
    for told in [
        "| steady | passed | 100% | 12.3ms (modelled) |",
        "| · | api.latency.p99 <= 250ms | whole run | 12.3ms | modelled, not judged |",
    ] {
        assert!(summary.contains(told), "{told} is not in {summary}");
    }
    let xml = junit_xml(&[entry], &[]).expect("it can be written");
    for told in [
        r#"tests="5" skipped="1" errors="0" failures="0""#,
        r#"<skipped message="was 12.3ms: modelled, not judged"/>"#,
    ] {
        assert!(xml.contains(told), "{told} is not in {xml}");
    }
}

#[test]
fn the_summary_fits_a_comment() {
    let mut long = played(true);
    long.verdict.expectations = vec![long.verdict.expectations[0].clone(); 200];
    let entries: Vec<Entry> = (0..20).map(|_| Entry::Played(Box::new(long.clone()))).collect();
    let text = summary_md(&entries, &Together::default());
    assert!(text.len() < 61_000, "{}", text.len());
    assert!(text.contains("sections left out"));
}

#[test]
fn junit_has_a_suite_for_each_scenario() {
    let xml = junit_xml(&[entry(true), broken()], &[]).expect("it can be written");
    insta::assert_snapshot!(xml, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="crypto-watch-sim" tests="7" skipped="1" failures="2" errors="1">
        <testsuite name="steady, real clock" tests="6" skipped="1" errors="0" failures="2" time="10.500">
            <properties>
                <property name="seed" value="42"/>
                <property name="clock" value="real"/>
                <property name="commit" value="unknown"/>
                <property name="build" value="abc"/>
                <property name="override" value="--env COMPRESSION=off"/>
            </properties>
            <testcase name="api.success &gt;= 99.9%" classname="steady">
                <failure message="was 50%: 49.9 points short">was 50%: 49.9 points short
    reproduce: crypto-watch-sim run steady --seed 42</failure>
            </testcase>
            <testcase name="api.age.max &lt;= 6m during hangover.end+6m..end where journey=one" classname="steady"/>
            <testcase name="upstream.per_interval.max == 1" classname="steady"/>
            <testcase name="price.wrong == 0" classname="steady"/>
            <testcase name="gzip.saved &gt;= 67%" classname="steady">
                <skipped message="no samples">no samples
    nothing was measured for `gzip.saved` in this window: a check without samples fails
    reproduce: crypto-watch-sim run steady --seed 42</skipped>
            </testcase>
            <testcase name="what the service says of itself is what was seen" classname="steady">
                <failure message="was 1: 1 too many">was 1: 1 too many
    429s given to clients: seen 0, EMF says 9
    reproduce: crypto-watch-sim run steady --seed 42</failure>
            </testcase>
        </testsuite>
        <testsuite name="cold-cache" tests="1" skipped="0" errors="1" failures="0">
            <testcase name="is played to a verdict" classname="cold-cache">
                <error message="port 4000 is taken">port 4000 is taken
    choose another
    reproduce: crypto-watch-sim run cold-cache</error>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
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
    write_suite(out.path(), &[entry(true)], &Together::default()).expect("it can be written");
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

#[test]
fn two_reports_that_differ_are_told_by_their_first_line_that_does() {
    let Entry::Played(first) = entry(true) else {
        panic!("it is played")
    };
    let mut second = first.clone();
    assert_eq!(difference(&first, &second), None);
    second.facts.wall_seconds += 1.0;
    assert_eq!(
        difference(&first, &second),
        None,
        "wall time is no part of report.json"
    );
    second.verdict.notes.push("one more".to_owned());
    let told = difference(&first, &second).expect("they differ");
    assert!(
        told.starts_with("NOT DETERMINISTIC") && told.contains("of report.json says"),
        "{told}"
    );
}
