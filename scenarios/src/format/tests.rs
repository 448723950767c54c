//! What the format accepts, and what it says about everything else.

use std::time::Duration;

use proptest::prelude::*;

use super::fault::{CoinGeckoFault, RetryAfter};
use super::model::{Arrivals, KeyPool, OnReject, Piece, Popularity, Shape, Target};
use super::{Alone, Anchor, Diagnostics, During, FaultKind, Override, Quantity, Scenario, parse};

/// The reference example of the format.
const REFERENCE: &str = include_str!("testdata/coingecko-outage-2h.toml");

/// A short scenario that is right; tests break one thing in it.
const PLAIN: &str = r#"schema = 1
name = "plain"
about = "Nothing breaks."
duration = "10m"

[stack]
cache_ttl = "60s"

[[journey]]
name = "one"
get = ["/prices/{symbol}"]

[[load]]
name = "day"
rate = "2/s"

[[fault]]
name = "outage"
target = "coingecko"
at = "1m"
for = "2m"
kind = "status"
status = 503

[[expect]]
check = "api.success >= 99.9%"
during = "outage"
"#;

fn read(text: &str) -> Result<Scenario, Diagnostics> {
    parse("plain.toml", text, &[], &Alone)
}

fn changed(flags: &[&str]) -> Result<Scenario, Diagnostics> {
    let overrides: Vec<Override> = flags.iter().map(|flag| flag.parse().expect("a flag")).collect();
    parse("plain.toml", PLAIN, &overrides, &Alone)
}

fn plain() -> Scenario {
    read(PLAIN).expect("the plain scenario is right")
}

/// What is said about the plain scenario with one thing in it replaced.
fn broken(from: &str, to: &str) -> String {
    assert!(PLAIN.contains(from), "{from} is not in the plain scenario");
    read(&PLAIN.replacen(from, to, 1))
        .expect_err("this must not pass")
        .to_string()
}

fn flagged(flag: &str) -> String {
    changed(&[flag]).expect_err("this must not pass").to_string()
}

/// A scenario without its sources and spans, to compare.
fn meaning(scenario: &Scenario) -> String {
    let text = format!("{scenario:?}");
    let from = text.find(", name: ").expect("a scenario has a name");
    let mut out = String::new();
    let mut rest = &text[from..];
    while let Some(at) = rest.find("Span { source: ") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find('}').map_or(rest.len(), |end| end + 1)..];
    }
    out + rest
}

#[test]
fn a_scenario_lies_within_the_years_that_can_be_counted() {
    let starting =
        |start: &str| read(&PLAIN.replacen("duration", &format!("start = \"{start}\"\nduration"), 1));
    assert!(starting("1970-01-01T00:00:00Z").is_ok() && starting("2999-12-31T23:49:59Z").is_ok());
    let refused = |start| starting(start).expect_err("refused").to_string();
    insta::assert_snapshot!(refused("2999-12-31T23:50:00Z"), @r#"
    error: a scenario that starts at `2999-12-31T23:50:00Z` lies outside of 1970 to 2999
      --> plain.toml:4:9
      |
    4 | start = "2999-12-31T23:50:00Z"
      |         ^^^^^^^^^^^^^^^^^^^^^^ write a start from which the whole `duration` lies within
    "#);
    for start in ["1969-12-31T23:59:59Z", "9999-12-30T22:00:00Z"] {
        assert!(refused(start).contains("lies outside of 1970 to 2999"), "{start}");
    }
    insta::assert_snapshot!(broken("duration = \"10m\"", "duration = \"99999999d\""), @r#"
    error: `99999999d` is not a duration: it is longer than ten years
      --> plain.toml:4:12
      |
    4 | duration = "99999999d"
      |            ^^^^^^^^^^^ write a duration such as "250ms", "30s", "5m", "2h5m" or "1d"
    "#);
    insta::assert_snapshot!(broken("at = \"1m\"", "at = \"11m\""), @r#"
    error: the fault lasts beyond the end of the scenario
       --> plain.toml:20:6
       |
    20 | at = "11m"
       |      ^^^^^ shorten it, or lengthen `duration`
    "#);
}

#[test]
fn the_reference_parses() {
    let scenario = parse("coingecko-outage-2h.toml", REFERENCE, &[], &Alone).expect("the reference is right");
    assert_eq!(scenario.duration, Duration::from_secs(24 * 3600));
    assert_eq!(scenario.start.to_string(), "2026-03-02T00:00:00Z");
    assert_eq!(scenario.stack.price_retention, Duration::from_secs(4 * 3600));
    assert_eq!(scenario.symbols, Popularity::Zipf { s: 1.1 });
    assert_eq!(scenario.journeys[0].on_reject, OnReject::GiveUp);
    assert_eq!(
        scenario.loads[1].at,
        Duration::from_secs(8 * 3600),
        "loads follow each other"
    );
    assert_eq!(scenario.loads[1].shape, Shape::Rate(vec![4.0, 22.0, 8.0]));
    assert_eq!(
        scenario.loads[1].keys,
        KeyPool {
            count: 2000,
            dist: Popularity::Zipf { s: 0.7 }
        }
    );
    assert_eq!(
        scenario.faults[1].kind,
        FaultKind::CoinGecko(CoinGeckoFault::RateLimit {
            limit: 0.0,
            window: Duration::from_secs(60),
            retry_after: RetryAfter::Fixed(Duration::from_secs(53)),
        })
    );
    let last = &scenario.expects[2];
    let (from, to) = (scenario.window_of(last).start, scenario.window_of(last).end);
    assert_eq!((from.as_secs(), to.as_secs()), ((14 * 60 + 16) * 60, 24 * 3600));
    assert_eq!(
        scenario.effective_toml(),
        REFERENCE,
        "without changes, the text is the file's"
    );
    assert!(scenario.warnings().is_empty());
}

#[test]
fn defaults_are_those_of_production() {
    let text = PLAIN.replacen("[stack]\ncache_ttl = \"60s\"\n", "", 1);
    let scenario = read(&text).expect("all of the stack has defaults");
    assert_eq!(scenario.stack, super::model::Stack::default());
    let load = &scenario.loads[0];
    assert_eq!(
        (load.at, load.length),
        (Duration::ZERO, Duration::from_secs(600)),
        "to the end"
    );
    assert_eq!(load.arrivals, Arrivals::Poisson);
    assert_eq!(load.journeys, [0]);
    assert_eq!(scenario.journeys[0].accept_encoding.as_deref(), Some("gzip"));
    assert_eq!(scenario.faults[0].target(), Target::CoinGecko);
    assert!((scenario.faults[0].share - 1.0).abs() < f64::EPSILON);
}

#[test]
fn windows_and_loads_in_time() {
    let text = PLAIN.replacen(
        "rate = \"2/s\"\n",
        "rate = \"2/s\"\n[[load]]\nname = \"burst\"\nat = \"2m\"\nfor = \"1m\"\nusers = 5\n",
        1,
    );
    let scenario = read(&text).expect("a second load is fine");
    let names = |at| {
        let loads = scenario.loads_at(Duration::from_secs(at));
        loads.map(|(_, load)| load.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["day"]);
    assert_eq!(names(120), ["day", "burst"]);
    assert_eq!(names(180), ["day"], "the end is excluded");
    assert_eq!(
        scenario
            .loads_in_time()
            .iter()
            .map(|(index, _)| *index)
            .collect::<Vec<_>>(),
        [0, 1]
    );
    let window = scenario.window(&During::Load(1));
    assert_eq!((window.start.as_secs(), window.end.as_secs()), (120, 180));
    let moment = |anchor, offset, earlier| super::Moment {
        anchor,
        offset: Duration::from_secs(offset),
        earlier,
    };
    let window = scenario.window(&During::Span(
        moment(Anchor::FaultStart(0), 90, true),
        moment(Anchor::FaultEnd(0), 3600, false),
    ));
    assert_eq!(
        (window.start.as_secs(), window.end.as_secs()),
        (0, 600),
        "cut to the scenario"
    );
}

#[test]
fn templates_are_taken_apart() {
    let text = PLAIN.replacen("/prices/{symbol}", "/prices?symbols={symbols:3},{symbol}&x=1", 1);
    let scenario = read(&text).expect("a path with places");
    let fixed = |text: &str| Piece::Text(text.to_owned());
    let expected = [
        fixed("/prices?symbols="),
        Piece::Symbols(3),
        fixed(","),
        Piece::Symbol,
        fixed("&x=1"),
    ];
    assert_eq!(scenario.journeys[0].get[0].pieces, expected);
}

#[test]
fn ramps_are_linear_between_points() {
    let shape = Shape::Rate(vec![4.0, 22.0, 8.0]);
    let at = |fraction| shape.rate_at(fraction).expect("a rate");
    assert_eq!([at(0.0), at(0.25), at(0.5), at(1.0)], [4.0, 13.0, 22.0, 8.0]);
    assert_eq!(shape.mean_rate(), Some(14.0));
    assert_eq!(shape.peak_rate(), Some(22.0));
    assert_eq!(Shape::Rate(vec![2.0]).rate_at(0.7), Some(2.0));
    assert_eq!(Shape::Users(3).rate_at(0.7), None);
}

/// The kind of a fault with these lines, in place of the plain scenario's.
fn fault(lines: &str) -> Result<FaultKind, Diagnostics> {
    let text = PLAIN.replacen("target = \"coingecko\"\n", "", 1).replacen(
        "kind = \"status\"\nstatus = 503\n",
        lines,
        1,
    );
    read(&text).map(|scenario| scenario.faults[0].kind.clone())
}

#[test]
fn every_kind_of_fault_parses() {
    let parameters = |row: &super::kinds::KindRow| match (row.target, row.kind) {
        (_, "status") => "status = 503",
        (_, "rate_limit") => "limit = \"5/min\"\nwindow = \"30s\"\nretry_after = \"none\"",
        (_, "cf_block") => "body = \"1020\"",
        (_, "endpoint_disabled") => "match = { path = \"/coins/markets\" }",
        (_, "gateway_html") => "status = 522",
        (Target::Store, "latency") => "latency = \"2s\"",
        (_, "latency") => "latency = { p50 = \"40ms\", p99 = \"900ms\" }",
        (_, "slow_body" | "slow_reader") => "speed = \"1KB/s\"",
        (_, "hang") => "at_most = \"30s\"",
        (_, "connect_fail") => "how = \"reset\"",
        (_, "truncated") => "how = \"json\"\nafter = \"100B\"",
        (_, "stale_data") => "age = \"5m\"\nfreeze = \"price\"",
        (_, "cache_split") => "lag = \"2m\"",
        (_, "null_fields") => "fields = [\"price\", \"rank\"]\nabsent = true",
        (_, "missing_coin") => "count = 3\nshape = \"empty_coin\"",
        (_, "id_renamed") => "shape = \"hollow\"\nmatch = { id = \"bitcoin\" }",
        (_, "delisted") => "match = { id = \"bitcoin\" }",
        (_, "wrong_value") => "value = \"spike\"\nfactor = 10.0",
        (_, "auth_mixup") => "code = 10010",
        (_, "uri_too_long") => "above = \"2KiB\"",
        (_, "slow_connect") => "by = \"1s\"",
        (_, "partial") => "unprocessed = \"20%\"",
        (_, "throttle") => "exception = \"ThrottlingException\"",
        (_, "hot_partition") => "write_units = 100\nread_units = 300",
        (Target::Service, "kill") => "process = \"api\"\ninstance = 0",
        (Target::Service, "restart" | "freeze") => "instance = 0",
        (Target::Lambda, "concurrency") => "count = 5",
        (Target::Lambda, "freeze") => "into = \"1s\"\nlasting = \"8s\"",
        (Target::Lambda, _) => "into = \"20ms\"\nmatch = { function = \"update\" }",
        (_, "late") => "by = \"30s\"",
        (_, "over_limit") => "factor = 3.0",
        _ => "",
    };
    for row in super::kinds::KINDS {
        let lines = format!(
            "target = \"{}\"\nkind = \"{}\"\n{}\n",
            row.target,
            row.kind,
            parameters(row)
        );
        let kind = fault(&lines).unwrap_or_else(|error| panic!("{lines}{error}"));
        assert_eq!(kind.target(), row.target, "{lines}");
    }
}

#[test]
fn every_kind_has_the_defaults_of_its_table() {
    for row in super::kinds::KINDS.iter().filter(|row| row.needs.is_empty()) {
        let matched = match row.kind {
            "endpoint_disabled" => "match = { path = \"/ping\" }",
            "id_renamed" | "delisted" => "match = { id = \"bitcoin\" }",
            _ => "",
        };
        let lines = format!(
            "target = \"{}\"\nkind = \"{}\"\n{matched}\n",
            row.target, row.kind
        );
        fault(&lines).unwrap_or_else(|error| panic!("{lines}{error}"));
    }
}

/// The messages and hints of a fault with these lines, without their places.
fn refused(lines: &str) -> String {
    let Err(problems) = fault(lines) else {
        return "nothing is refused".to_owned();
    };
    let said = |problem: &super::diagnostics::Diagnostic| {
        let text = problem.to_string();
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let help = rest.rsplit_once('^').map_or("", |(_, help)| help.trim());
        format!("{first}: {help}")
    };
    problems.0.iter().map(said).collect::<Vec<_>>().join("\n")
}

#[test]
fn faults_of_stores_and_processes_take_what_makes_sense_for_them() {
    let all = [
        refused("target = \"store\"\nkind = \"down\"\nmatch = { op = \"GetItem\" }"),
        refused("target = \"store\"\nkind = \"restart\"\nshare = \"50%\""),
        refused("target = \"store\"\nkind = \"error\"\nmatch = { op = \"GetItems\" }"),
        refused("target = \"store\"\nkind = \"throttle\"\nexception = \"Throttling\""),
        refused("target = \"store\"\nkind = \"hot_partition\"\nwrite_units = 0"),
        refused("target = \"service\"\nkind = \"kill\"\nfirst = 1\nramp = \"in\""),
        refused("target = \"service\"\nkind = \"kill\"\nprocess = \"update\"\ninstance = 0"),
        refused("target = \"service\"\nkind = \"freeze\"\ninstance = 1"),
        refused("target = \"service\"\nkind = \"freeze\"\nflap = { on = \"1s\", off = \"5s\" }"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    error: `match` cannot choose among connections that never come about: it hits all of them; `flap` may say when, and kind = "reset" can be chosen by the request
    error: `share` cannot choose among connections that never come about: it hits all of them; `flap` may say when, and kind = "reset" can be chosen by the request
    error: the service sends no `GetItems`: did you mean `GetItem`?
    error: unknown word `Throttling`: did you mean `ThrottlingException`?
    error: `write_units` must be at least 1: write a whole number from 1
    error: `first` chooses among events, and a process is none: remove `first`; `flap` may say when
    error: `ramp` chooses among events, and a process is none: remove `ramp`; `flap` may say when
    error: instances are of the API: remove `instance`: the schedule starts one update at a time
    error: there is no instance 1: the stack has 1, counted from 0
    nothing is refused
    "#);
}

#[test]
fn a_fault_may_begin_at_an_instant_that_the_seed_draws() {
    let begins = |seed: u64| {
        let drawn = PLAIN.replacen("at = \"1m\"", "at = \"1m..8m\"", 1);
        let flags = [format!("seed={seed}").parse().expect("a flag")];
        let scenario = parse("plain.toml", &drawn, &flags, &Alone).expect("a scenario");
        // Whoever reads what it amounts to draws the same.
        let again = read(scenario.effective_toml()).expect("the same scenario");
        assert_eq!(scenario.faults[0].at, again.faults[0].at);
        assert_eq!(
            scenario.window_of(&scenario.expects[0]).start,
            scenario.faults[0].at
        );
        scenario.faults[0].at
    };
    let all: std::collections::BTreeSet<Duration> = (0..100).map(begins).collect();
    assert!(all.len() > 90, "each seed draws its own: {all:?}");
    let minutes = |at: &Duration| at.as_secs_f64() / 60.0;
    let (earliest, latest) = (all.first().map(minutes), all.last().map(minutes));
    assert!(earliest >= Some(1.0) && earliest < Some(1.5), "{earliest:?}");
    assert!(latest < Some(8.0) && latest > Some(7.5), "{latest:?}");
    insta::assert_snapshot!(broken("at = \"1m\"", "at = \"8m..1m\""), @r#"
    error: no instant lies in this span
       --> plain.toml:20:6
       |
    20 | at = "8m..1m"
       |      ^^^^^^^^ write the earlier instant first
    "#);
    insta::assert_snapshot!(broken("at = \"1m\"", "at = \"1m..9m\""), @r#"
    error: the fault lasts beyond the end of the scenario
       --> plain.toml:21:7
       |
    21 | for = "2m"
       |       ^^^^ shorten it, or lengthen `duration`
    "#);
}

#[test]
fn a_fault_that_flaps_is_there_several_times() {
    let spans = |lines: &str| {
        let text = PLAIN.replacen("status = 503\n", &format!("status = 503\n{lines}\n"), 1);
        let spans = read(&text).expect("a scenario").faults[0].spans();
        spans
            .iter()
            .map(|span| (span.start.as_secs(), span.end.as_secs()))
            .collect::<Vec<_>>()
    };
    assert_eq!(spans(""), [(60, 180)]);
    assert_eq!(spans("ramp = \"in\""), [(60, 180)]);
    assert_eq!(
        spans("flap = { on = \"30s\", off = \"25s\" }"),
        [(60, 90), (115, 145), (170, 180)]
    );
}

#[test]
fn modifiers_that_contradict_each_other_or_their_kind_are_refused() {
    let of = |kind: &str, modifiers: &str| refused(&format!("target = \"coingecko\"\n{kind}\n{modifiers}\n"));
    let status = "kind = \"status\"\nstatus = 503";
    let all = [
        of(status, "first = 3\nevery = 10"),
        of(status, "ramp = \"out\"\nflap = { on = \"1s\", off = \"1s\" }"),
        of(status, "ramp = \"up\""),
        of(status, "flap = { on = \"1h\", off = \"1s\" }"),
        of(status, "flap = { on = \"0s\", off = \"1s\" }"),
        of(status, "match = { path = \"/ping\", id = \"bitcoin\" }"),
        of(
            "kind = \"connect_fail\"\nhow = \"refuse\"",
            "share = \"50%\"\nmatch = { path = \"/ping\" }",
        ),
        of(
            "kind = \"connect_fail\"\nhow = \"blackhole\"",
            "ramp = \"in\"\nevery = 2",
        ),
        of("kind = \"slow_connect\"\nby = \"1s\"", "first = 1"),
        of(
            "kind = \"missing_coin\"\ncount = 2",
            "match = { id = \"bitcoin\" }",
        ),
        of("kind = \"missing_coin\"\ncount = 2", "shape = \"empty\""),
        of("kind = \"wrong_value\"\nvalue = \"zero\"", "factor = 3.0"),
        of("kind = \"wrong_value\"\nvalue = \"spike\"", "factor = 1.0"),
        of(
            "kind = \"rate_limit\"\nlimit = \"0/min\"",
            "retry_after = \"1s\"\nretry_after_text = \"-1\"",
        ),
        of(
            "kind = \"rate_limit\"\nlimit = \"0/min\"",
            "retry_after_text = \"\"",
        ),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    error: there is no 10th among the first 3: it would touch nothing: raise `first`, or lower `every`
    error: a fault has one shape: `ramp` or `flap`: remove one of the two
    error: unknown word `up`: write one of in, out
    error: the fault would end before it goes for the first time: shorten `on`, or remove `flap`
    error: this duration must be longer than 0: write a longer one
    error: no call of `/ping` asks for a coin: remove `id`, or match /simple/price or /coins/
    error: `share` cannot choose among connections that never come about: it hits all of them; `flap` may say when, and how = "reset" or "close" can be chosen by the call
    error: `match` cannot choose among connections that never come about: it hits all of them; `flap` may say when, and how = "reset" or "close" can be chosen by the call
    error: `every` cannot choose among connections that never come about: it hits all of them; `flap` may say when, and how = "reset" or "close" can be chosen by the call
    error: `ramp` cannot choose among connections that never come about: it hits all of them; `flap` may say when, and how = "reset" or "close" can be chosen by the call
    error: `first` cannot choose among connections that never come about: it hits all of them; `flap` may say when, and how = "reset" or "close" can be chosen by the call
    error: `match.id` names the coin that is missing already: remove `count`
    error: an `empty` answer has no coins to count: remove `count`
    error: only a spike has a factor: remove `factor`, or write value = "spike"
    error: the price times 1 is the price: write another factor
    error: `retry_after` says it already: remove one of the two
    error: a header cannot say this: write printable ASCII, or retry_after = "none"
    "#);
}

#[test]
fn modifiers_that_agree_are_read() {
    let of = |lines: &str| refused(&format!("target = \"coingecko\"\n{lines}\n"));
    for lines in [
        "kind = \"status\"\nstatus = 503\nfirst = 10\nevery = 10\nramp = \"in\"",
        "kind = \"connect_fail\"\nhow = \"refuse\"\nflap = { on = \"1s\", off = \"2s\" }",
        "kind = \"connect_fail\"\nhow = \"reset\"\nshare = \"50%\"",
        "kind = \"rate_limit\"\nlimit = \"0/min\"\nretry_after = \"date\"",
        "kind = \"rate_limit\"\nlimit = \"0/min\"\nretry_after_text = \"soon\"",
        "kind = \"wrong_value\"\nvalue = \"spike\"\nfactor = 3.0\nmatch = { path = \"/coins/markets\", id = \"bitcoin\" }",
    ] {
        assert_eq!(of(lines), "nothing is refused", "{lines}");
    }
}

#[test]
fn unknown_keys_and_words() {
    insta::assert_snapshot!(broken("cache_ttl", "cach_ttl"), @r#"
    error: unknown key `cach_ttl`
      --> plain.toml:7:1
      |
    7 | cach_ttl = "60s"
      | ^^^^^^^^ did you mean `cache_ttl`?
    "#);
    insta::assert_snapshot!(broken("about", "zzz = 1\nabout"), @r"
    error: unknown key `zzz`
      --> plain.toml:3:1
      |
    3 | zzz = 1
      | ^^^ write one of schema, name, about, extends, seed, start, duration, stack, symbols, latency, journey, load, fault, expect
    ");
    insta::assert_snapshot!(broken("target = \"coingecko\"", "target = \"coin\""), @r#"
    error: unknown word `coin`
       --> plain.toml:19:10
       |
    19 | target = "coin"
       |          ^^^^^^ did you mean `coingecko`?
    "#);
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"2/s\"\narrivals = \"poison\""), @r#"
    error: unknown word `poison`
       --> plain.toml:16:12
       |
    16 | arrivals = "poison"
       |            ^^^^^^^^ did you mean `poisson`?
    "#);
    insta::assert_snapshot!(broken("cache_ttl = \"60s\"", "upstream_plan = \"dem\""), @r#"
    error: unknown word `dem`
      --> plain.toml:7:17
      |
    7 | upstream_plan = "dem"
      |                 ^^^^^ did you mean `demo`?
    "#);
    insta::assert_snapshot!(broken("cache_ttl = \"60s\"", "upstream_plan = { per_min = 3 }"), @r"
    error: unknown key `per_min`
      --> plain.toml:7:19
      |
    7 | upstream_plan = { per_min = 3 }
      |                   ^^^^^^^ did you mean `per_minute`?
    ");
}

#[test]
fn missing_keys_and_wrong_types() {
    insta::assert_snapshot!(broken("about = \"Nothing breaks.\"\n", ""), @r"
    error: missing key `about`
      --> plain.toml:1:1
      |
    1 | schema = 1
      | ^ add `about = …`
    ");
    insta::assert_snapshot!(broken("for = \"2m\"\n", ""), @r"
    error: missing key `for`
       --> plain.toml:17:1
       |
    17 | [[fault]]
       | ^^^^^^^^^ add `for = …`
    ");
    insta::assert_snapshot!(broken("[[journey]]\nname = \"one\"\nget = [\"/prices/{symbol}\"]\n", ""), @r#"
    error: the scenario has no journey
      --> plain.toml:2:8
      |
    2 | name = "plain"
      |        ^^^^^^^ add a [[journey]] that says what a user gets
    "#);
    insta::assert_snapshot!(broken("cache_ttl = \"60s\"", "cache_ttl = true"), @r#"
    error: invalid type: boolean `true`
      --> plain.toml:7:13
      |
    7 | cache_ttl = true
      |             ^^^^ expected a duration such as "2h5m"
    "#);
    insta::assert_snapshot!(broken("cache_ttl = \"60s\"", "instances = -1"), @r"
    error: invalid value: integer `-1`
      --> plain.toml:7:13
      |
    7 | instances = -1
      |             ^^ expected a whole number of 0 or more
    ");
    insta::assert_snapshot!(broken("schema = 1", "schema = 2"), @r"
    error: this program reads schema 1, not 2
      --> plain.toml:1:10
      |
    1 | schema = 2
      |          ^ write `schema = 1`
    ");
}

#[test]
fn bad_quantities() {
    insta::assert_snapshot!(broken("\"60s\"", "\"60\""), @r#"
    error: `60` is not a duration: `60` has no unit
      --> plain.toml:7:13
      |
    7 | cache_ttl = "60"
      |             ^^^^ write "60s", "60m" or another of ms, s, m, h, d
    "#);
    insta::assert_snapshot!(broken("\"60s\"", "60"), @r#"
    error: `60` is not a duration: `60` has no unit
      --> plain.toml:7:13
      |
    7 | cache_ttl = 60
      |             ^^ write "60s", "60m" or another of ms, s, m, h, d
    "#);
    insta::assert_snapshot!(broken("\"60s\"", "\"1.5s\""), @r#"
    error: this setting is held in whole seconds
      --> plain.toml:7:13
      |
    7 | cache_ttl = "1.5s"
      |             ^^^^^^ write whole seconds
    "#);
    insta::assert_snapshot!(broken("\"2/s\"", "\"2/fortnight\""), @r#"
    error: `2/fortnight` is not a rate: unknown unit `/fortnight`
       --> plain.toml:15:8
       |
    15 | rate = "2/fortnight"
       |        ^^^^^^^^^^^^^ write a rate such as "2/s", "100/min", "5/h" or "3/d"
    "#);
    insta::assert_snapshot!(broken("\"2/s\"", "[\"2/s\", 5]"), @r#"
    error: `5` is not a rate: it says no "per"
       --> plain.toml:15:16
       |
    15 | rate = ["2/s", 5]
       |                ^ write a rate such as "2/s", "100/min", "5/h" or "3/d"
    "#);
    insta::assert_snapshot!(broken("status = 503", "status = 503\nshare = \"120%\""), @r#"
    error: `120%` is no share of events
       --> plain.toml:24:9
       |
    24 | share = "120%"
       |         ^^^^^^ write more than 0% and at most 100%
    "#);
    insta::assert_snapshot!(broken("duration = \"10m\"", "duration = \"0s\""), @r#"
    error: this duration must be longer than 0
      --> plain.toml:4:12
      |
    4 | duration = "0s"
      |            ^^^^ write a longer one
    "#);
    insta::assert_snapshot!(broken("duration", "start = \"yesterday\"\nduration"), @r#"
    error: `yesterday` is not an instant
      --> plain.toml:4:9
      |
    4 | start = "yesterday"
      |         ^^^^^^^^^^^ write RFC 3339, such as "2026-03-02T00:00:00Z"
    "#);
    insta::assert_snapshot!(broken("cache_ttl = \"60s\"", "rate_limit = \"1/h\""), @r#"
    error: `1/h` is not a whole number of requests per minute
      --> plain.toml:7:14
      |
    7 | rate_limit = "1/h"
      |              ^^^^^ write one such as "100/min"
    "#);
}

#[test]
fn bad_expectations() {
    insta::assert_snapshot!(broken("api.success >= 99.9%", "api.success => 99.9%"), @r#"
    error: unknown operator `=>`
       --> plain.toml:26:22
       |
    26 | check = "api.success => 99.9%"
       |                      ^^ write one of <=, <, >=, >, == and !=
    "#);
    insta::assert_snapshot!(broken("api.success >= 99.9%", "api.age.max <= 5 parsecs"), @r#"
    error: `5 parsecs` is not a duration: unknown unit `parsecs`
       --> plain.toml:26:25
       |
    26 | check = "api.age.max <= 5 parsecs"
       |                         ^^^^^^^^^ write a quantity such as 99.9%, 250ms, 2h5m, 12, 5/s, 40KB, 25bp or 1.5 USD
    "#);
    insta::assert_snapshot!(broken("during = \"outage\"", "during = \"outtage\""), @r#"
    error: no fault or load is named `outtage`
       --> plain.toml:27:11
       |
    27 | during = "outtage"
       |           ^^^^^^^ did you mean `outage`?
    "#);
    insta::assert_snapshot!(broken("during = \"outage\"", "during = \"outage.end..outage.start\""), @r#"
    error: no time of the scenario is in `outage.end..outage.start`
       --> plain.toml:27:10
       |
    27 | during = "outage.end..outage.start"
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^ write a span that ends after it begins, within the scenario
    "#);
    insta::assert_snapshot!(broken("during = \"outage\"", "where = \"journey=two\""), @r#"
    error: no journey is named `two`
       --> plain.toml:27:10
       |
    27 | where = "journey=two"
       |          ^^^^^^^^^^^ there are: one
    "#);
}

#[test]
fn bad_faults() {
    insta::assert_snapshot!(broken("kind = \"status\"", "kind = \"throttle\""), @r#"
    error: target `coingecko` has no fault of kind `throttle`
       --> plain.toml:22:8
       |
    22 | kind = "throttle"
       |        ^^^^^^^^^^ it is a kind of target `store`
    "#);
    insta::assert_snapshot!(broken("kind = \"status\"", "kind = \"statsu\""), @r#"
    error: target `coingecko` has no fault of kind `statsu`
       --> plain.toml:22:8
       |
    22 | kind = "statsu"
       |        ^^^^^^^^ did you mean `status`?
    "#);
    insta::assert_snapshot!(broken("kind = \"status\"", "kind = \"hang\""), @r"
    error: a fault of kind `hang` takes no `status`
       --> plain.toml:23:10
       |
    23 | status = 503
       |          ^^^ its parameters are at_most
    ");
    insta::assert_snapshot!(broken("status = 503\n", ""), @r#"
    error: a fault of kind `status` needs `status`
       --> plain.toml:22:8
       |
    22 | kind = "status"
       |        ^^^^^^^^ add `status = …`
    "#);
    insta::assert_snapshot!(broken("status = 503", "status = 200"), @r"
    error: status 200 is no error
       --> plain.toml:23:10
       |
    23 | status = 200
       |          ^^^ write 400 to 599
    ");
    assert!(
        fault("target = \"clients\"\nkind = \"over_limit\"\nmatch = { path = \"/prices\" }\n")
            .expect_err("waits have no path")
            .to_string()
            .contains("a fault of kind `over_limit` cannot be matched")
    );
    insta::assert_snapshot!(broken("status = 503", "status = 503\nmatch = { op = \"GetItem\" }"), @r#"
    error: target `coingecko` cannot be matched so
       --> plain.toml:24:9
       |
    24 | match = { op = "GetItem" }
       |         ^^^^^^^^^^^^^^^^^^ calls can be matched by path, id and header
    "#);
    insta::assert_snapshot!(broken("at = \"1m\"", "at = \"9m\""), @r#"
    error: the fault lasts beyond the end of the scenario
       --> plain.toml:21:7
       |
    21 | for = "2m"
       |       ^^^^ shorten it, or lengthen `duration`
    "#);
    insta::assert_snapshot!(broken("status = 503", "status = 503\nevery = 0"), @r"
    error: `every` must be at least 1
       --> plain.toml:24:9
       |
    24 | every = 0
       |         ^ write a whole number from 1
    ");
    insta::assert_snapshot!(
        broken("kind = \"status\"\nstatus = 503", "kind = \"latency\"\nlatency = { p50 = \"2s\", p99 = \"1s\" }"),
        @r#"
    error: p99 is less than p50
       --> plain.toml:23:31
       |
    23 | latency = { p50 = "2s", p99 = "1s" }
       |                               ^^^^ write one not less than p50
    "#
    );
}

#[test]
fn bad_loads_and_journeys() {
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"2/s\"\nfor = \"4m\""), @r#"
    error: no load plays at 4m, yet the scenario goes on
      --> plain.toml:4:12
      |
    4 | duration = "10m"
      |            ^^^^^ lengthen a load, leave out its `for`, or shorten `duration`
    "#);
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"2/s\"\nfor = \"11m\""), @r#"
    error: load `day` lasts beyond the end of the scenario
       --> plain.toml:16:7
       |
    16 | for = "11m"
       |       ^^^^^ shorten it, or lengthen `duration`
    "#);
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"2/s\"\nat = \"1m\""), @r#"
    error: no load plays at 0s, yet the scenario goes on
      --> plain.toml:4:12
      |
    4 | duration = "10m"
      |            ^^^^^ lengthen a load, leave out its `for`, or shorten `duration`
    "#);
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"2/s\"\nusers = 5"), @r"
    error: a load has a `rate` or `users`, not both
       --> plain.toml:16:9
       |
    16 | users = 5
       |         ^ split it into two loads
    ");
    insta::assert_snapshot!(broken("rate = \"2/s\"", "users = 1_000_000"), @r"
    error: a load has at most 100000 users
       --> plain.toml:15:9
       |
    15 | users = 1_000_000
       |         ^^^^^^^^^ each is kept in memory; so many clients are a `rate`
    ");
    insta::assert_snapshot!(broken("rate = \"2/s\"\n", ""), @r#"
    error: load `day` says neither `rate` nor `users`
       --> plain.toml:14:8
       |
    14 | name = "day"
       |        ^^^^^ add `rate = "2/s"` or `users = 50`
    "#);
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"1e12/s\""), @r#"
    error: a load has at most 1000000 arrivals a second
       --> plain.toml:15:8
       |
    15 | rate = "1e12/s"
       |        ^^^^^^^^ no machine plays so many; write a lower rate
    "#);
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"0/s\""), @r#"
    error: nobody ever arrives at this rate
       --> plain.toml:15:8
       |
    15 | rate = "0/s"
       |        ^^^^^ write a rate above 0
    "#);
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"2/s\"\njourneys = [\"two\"]"), @r#"
    error: no journey is named `two`
       --> plain.toml:16:13
       |
    16 | journeys = ["two"]
       |             ^^^^^ write `one`
    "#);
    insta::assert_snapshot!(broken("rate = \"2/s\"", "rate = \"2/s\"\nkeys = { count = 5, s = 1.0 }"), @r#"
    error: `s` is the exponent of `zipf`
       --> plain.toml:16:25
       |
    16 | keys = { count = 5, s = 1.0 }
       |                         ^^^ add `dist = "zipf"`, or remove `s`
    "#);
    insta::assert_snapshot!(broken("{symbol}", "{symbols:51}"), @r#"
    error: `{symbols:51}` cannot be filled
       --> plain.toml:11:17
       |
    11 | get = ["/prices/{symbols:51}"]
       |                 ^^^^^^^^^^^^ write {symbol} or {symbols:N} with N from 1 to 50
    "#);
    insta::assert_snapshot!(broken("{symbol}", "{coin}"), @r#"
    error: `{coin}` cannot be filled
       --> plain.toml:11:17
       |
    11 | get = ["/prices/{coin}"]
       |                 ^^^^^^ write {symbol} or {symbols:N} with N from 1 to 50
    "#);
    insta::assert_snapshot!(broken("{symbol}", "{symbol"), @r#"
    error: `{symbol` cannot be filled
       --> plain.toml:11:17
       |
    11 | get = ["/prices/{symbol"]
       |                 ^^^^^^^ write {symbol} or {symbols:N} with N from 1 to 50
    "#);
    insta::assert_snapshot!(broken("\"/prices/{symbol}\"", "\"prices\""), @r#"
    error: `prices` is not a path
       --> plain.toml:11:8
       |
    11 | get = ["prices"]
       |        ^^^^^^^^ write one such as "/prices/{symbol}"
    "#);
}

#[test]
fn bad_names() {
    insta::assert_snapshot!(broken("name = \"outage\"", "name = \"day\""), @r#"
    error: the name `day` is given twice
       --> plain.toml:18:8
       |
    18 | name = "day"
       |        ^^^^^ names of loads and faults must differ

    error: no fault or load is named `outage`
       --> plain.toml:27:11
       |
    27 | during = "outage"
       |           ^^^^^^ there are: day, day; or write A..B
    "#);
    insta::assert_snapshot!(broken("name = \"plain\"", "name = \"Plain one\""), @r#"
    error: `Plain one` cannot be a name
      --> plain.toml:2:8
      |
    2 | name = "Plain one"
      |        ^^^^^^^^^^^ write lower-case letters, digits, `-` and `_`
    "#);
    insta::assert_snapshot!(broken("name = \"day\"", "name = \"start\""), @r#"
    error: `start` cannot be a name
       --> plain.toml:14:8
       |
    14 | name = "start"
       |        ^^^^^^^ start and end are those of the scenario
    "#);
}

#[test]
fn bad_toml() {
    insta::assert_snapshot!(broken("cache_ttl = \"60s\"", "cache_ttl = \"60s"), @r#"
    error: this is not TOML: invalid basic string, expected `"`
      --> plain.toml:7:17
      |
    7 | cache_ttl = "60s
      |                 ^
    "#);
    insta::assert_snapshot!(broken("cache_ttl = \"60s\"", "cache_ttl = \"60s\"\ncache_ttl = \"5s\""), @r#"
    error: this is not TOML: duplicate key
      --> plain.toml:8:1
      |
    8 | cache_ttl = "5s"
      | ^^^^^^^^^
    "#);
    insta::assert_snapshot!(read("").expect_err("nothing is no scenario"), @r"
    error: missing key `schema`
      --> plain.toml:1:1
      |
    1 |
      | ^ add `schema = …`
    ");
}

#[test]
fn several_errors_are_told_at_once() {
    let text = PLAIN.replacen("\"60s\"", "\"60\"", 1).replacen("503", "200", 1);
    let found = read(&text).expect_err("two things are wrong");
    assert_eq!(found.0.len(), 2, "{found}");
}

#[test]
fn flags_override() {
    let scenario = changed(&[
        "stack.cache_ttl=90s",
        "stack.instances=2",
        "load.day.rate=[\"1/s\", \"3/s\"]",
        "fault.outage.for=3m",
        "symbols.dist=zipf",
        "duration=20m",
    ])
    .expect("all of these can be changed");
    assert_eq!(scenario.stack.cache_ttl, Duration::from_secs(90));
    assert_eq!(scenario.stack.instances, 2);
    assert_eq!(scenario.loads[0].shape, Shape::Rate(vec![1.0, 3.0]));
    assert_eq!(scenario.faults[0].length, Duration::from_secs(180));
    assert_eq!(scenario.symbols, Popularity::Zipf { s: 1.0 });
    assert_eq!(
        scenario.loads[0].length,
        Duration::from_secs(1200),
        "a load without `for` goes on"
    );
    let again = read(scenario.effective_toml()).expect("the effective text is a scenario");
    assert_eq!(meaning(&again), meaning(&scenario));
}

#[test]
fn bad_flags_are_named() {
    insta::assert_snapshot!(flagged("stack.cach_ttl=60s"), @r"
    error: unknown key `cach_ttl`
     --> --set stack.cach_ttl=60s
     |
     | stack.cach_ttl=60s
     |       ^^^^^^^^ did you mean `cache_ttl`?
    ");
    insta::assert_snapshot!(flagged("stack.cache_ttl=60"), @r#"
    error: `60` is not a duration: `60` has no unit
     --> --set stack.cache_ttl=60
     |
     | stack.cache_ttl=60
     |                 ^^ write "60s", "60m" or another of ms, s, m, h, d
    "#);
    insta::assert_snapshot!(flagged("load.night.rate=1/s"), @r"
    error: no [[load]] is named `night`
     --> --set load.night.rate=1/s
     |
     | load.night.rate=1/s
     |      ^^^^^ there are: day
    ");
    insta::assert_snapshot!(flagged("fault.outage.kind=hang"), @r"
    error: a fault of kind `hang` takes no `status`
       --> plain.toml:23:10
       |
    23 | status = 503
       |          ^^^ its parameters are at_most
    ");
    insta::assert_snapshot!(flagged("expect.0.check=api.success"), @r#"
    error: a check compares a metric with a quantity; this has no operator
     --> --set expect.0.check=api.success
     |
     | expect.0.check=api.success
     |                ^^^^^^^^^^^ write `metric op quantity`, such as "api.success >= 99.9%"
    "#);
    assert!(
        "stack.cache_ttl".parse::<Override>().is_err(),
        "a flag needs a value"
    );
}

#[test]
fn a_scenario_takes_from_another_what_it_does_not_say() {
    let text = "schema = 1\nname = \"child\"\nabout = \"Longer.\"\nextends = \"plain\"\nduration = \"20m\"\n\
                [stack]\ninstances = 2\n[[load]]\nname = \"night\"\nusers = 5\n";
    let resolve = |name: &str| match name {
        "plain" => Ok(("plain.toml".to_owned(), PLAIN.to_owned())),
        _ => Err("did you mean `plain`?".to_owned()),
    };
    let scenario = parse("child.toml", text, &[], &resolve).expect("a child and its base");
    assert_eq!(
        (scenario.name.as_str(), scenario.about.as_str()),
        ("child", "Longer.")
    );
    assert_eq!(scenario.stack.instances, 2, "its own");
    assert_eq!(scenario.stack.cache_ttl, Duration::from_secs(60), "the base's");
    assert_eq!(scenario.loads.len(), 1, "lists are taken whole or not at all");
    assert_eq!(scenario.loads[0].name, "night");
    assert_eq!(scenario.faults[0].name, "outage");
    let again = read(scenario.effective_toml()).expect("the effective text needs no base");
    assert_eq!(meaning(&again), meaning(&scenario));

    let fails = |text: &str, resolve: &dyn super::Resolve| {
        parse("child.toml", text, &[], resolve)
            .expect_err("must not pass")
            .to_string()
    };
    insta::assert_snapshot!(fails(&text.replace("\"plain\"", "\"plane\""), &resolve), @r#"
    error: there is no scenario `plane` to extend
      --> child.toml:4:11
      |
    4 | extends = "plane"
      |           ^^^^^^^ did you mean `plain`?
    "#);
    let looped = |_: &str| Ok(("child.toml".to_owned(), text.to_owned()));
    insta::assert_snapshot!(fails(text, &looped), @r#"
    error: scenarios extend each other too deeply
      --> child.toml:4:11
      |
    4 | extends = "plain"
      |           ^^^^^^^ does it extend itself?
    "#);
    let bad_base = |_: &str| Ok(("plain.toml".to_owned(), PLAIN.replacen("503", "200", 1)));
    insta::assert_snapshot!(fails(text, &bad_base), @r"
    error: status 200 is no error
       --> plain.toml:23:10
       |
    23 | status = 200
       |          ^^^ write 400 to 599
    ");
}

#[test]
fn too_much_for_one_key_is_warned_about() {
    let warned = |flags: &[&str]| {
        let warnings = changed(flags).expect("valid").warnings();
        warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(warned(&[]), "", "2/s over 100 keys is little");
    insta::assert_snapshot!(warned(&["load.day.keys={ count = 1 }"]), @r#"
    warning: the hottest key of load `day` sends 120 requests a minute at its peak, 100 are permitted
       --> plain.toml:14:8
       |
    14 | name = "day"
       |        ^^^^^ expect about 20 refusals a minute from this load then
    "#);
    insta::assert_snapshot!(warned(&["load.day.keys={ count = 100, dist = \"zipf\", s = 2.0 }", "load.day.rate=4/s"]), @r#"
    warning: the hottest key of load `day` sends 147 requests a minute at its peak, 100 are permitted
       --> plain.toml:14:8
       |
    14 | name = "day"
       |        ^^^^^ expect about 47 refusals a minute from this load then
    "#);
    let zipf = changed(&[
        "load.day.keys={ count = 10, dist = \"zipf\" }",
        "load.day.rate=1/s",
    ])
    .expect("valid");
    assert!(zipf.warnings().is_empty(), "a third of 60/min is below 100/min");
}

#[test]
fn errors_of_the_player_point_into_the_file() {
    let scenario = plain();
    let check = &scenario.expects[0].check;
    let help = Some("did you mean `api.success`?".to_owned());
    insta::assert_snapshot!(scenario.error_at(&check.metric_span, "unknown metric `api.success`", help), @r#"
    error: unknown metric `api.success`
       --> plain.toml:26:10
       |
    26 | check = "api.success >= 99.9%"
       |          ^^^^^^^^^^^ did you mean `api.success`?
    "#);
}

/// Lines of a scenario, any of which may be changed.
fn mutation() -> impl Strategy<Value = (usize, String)> {
    let part = prop_oneof![
        Just("\"".to_owned()),
        Just("[[".to_owned()),
        Just("= ".to_owned()),
        "[a-z0-9./{}%]{0,6}"
    ];
    (0..PLAIN.len(), part)
}

proptest! {
    #[test]
    fn no_text_makes_it_panic((at, part) in mutation(), cut in 0..30usize) {
        let mut text = PLAIN.to_owned();
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, &part);
        if let Err(found) = read(&text) {
            prop_assert!(!found.0.is_empty());
            prop_assert!(found.to_string().starts_with("error: "));
        }
    }

    #[test]
    fn any_flag_gives_a_scenario_that_parses_again(ttl in 1..86_400u64, users in 1..500u32, every in 1..9u32) {
        let text = PLAIN.replacen("rate = \"2/s\"", "users = 1", 1);
        let flags = [
            format!("stack.cache_ttl={}", Quantity::Duration(Duration::from_secs(ttl))),
            format!("load.day.users={users}"),
            format!("fault.outage.every={every}"),
        ];
        let overrides: Vec<Override> = flags.iter().map(|flag| flag.parse().expect("a flag")).collect();
        let scenario = parse("plain.toml", &text, &overrides, &Alone).expect("valid");
        prop_assert_eq!(scenario.stack.cache_ttl.as_secs(), ttl);
        prop_assert_eq!(scenario.faults[0].every, Some(every));
        let again = read(scenario.effective_toml()).expect("valid");
        prop_assert_eq!(meaning(&again), meaning(&scenario));
    }
}
