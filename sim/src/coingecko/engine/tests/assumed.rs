//! Every assumption with each of its values, and what goes with them: 304, gzip, the edge's cache.

use super::*;

const BITCOIN: &str = "/coins/markets?vs_currency=usd&ids=bitcoin";
const SIMPLE: &str = "/simple/price?vs_currencies=usd&ids=bitcoin";

/// What CoinGecko is when these are assumed.
fn assuming(plan: Plan, assumptions: &[(&str, &str)]) -> Engine {
    let mut assumed = Assumptions::default();
    for (key, value) in assumptions {
        assert_eq!(assumed.set(key, value), Ok(()), "{key} = {value}");
    }
    engine_assuming(plan, &[], assumed)
}

fn small(per_minute: u32, per_month: u64) -> Plan {
    Plan::Custom {
        per_minute,
        per_month,
    }
}

/// A keyed call with one more header.
fn with(target: &str, name: &'static str, value: &str) -> FakeRequest {
    let mut request = keyed(target);
    let value = value
        .parse()
        .unwrap_or_else(|_| panic!("{value} is a header value"));
    request.headers.insert(name, value);
    request
}

fn header<'a>(answer: &'a FakeAnswer, name: &str) -> Option<&'a str> {
    let found = answer.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
}

fn unzipped(answer: &FakeAnswer) -> String {
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(answer.body.as_ref());
    match std::io::Read::read_to_string(&mut decoder, &mut text) {
        Ok(_) => text,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_assumption_is_tested_here() {
    let text = include_str!("assumed.rs");
    for key in scenarios::format::assumptions::KEYS {
        assert!(text.contains(&format!("(\"{key}\", ")), "{key}");
    }
}

#[test]
fn a_minute_is_that_of_the_clock_or_the_last_60_seconds() {
    let seen = |window| {
        let engine = assuming(small(2, 1000), &[("window", window)]);
        [50_000, 59_000, 61_000, 118_000, 121_000].map(|at_ms| {
            let answer = engine.answer(&keyed("/ping"), START + at_ms);
            (answer.status, answer.retry_after_s)
        })
    };
    let ok = (200, None);
    assert_eq!(seen("fixed"), [ok; 5]);
    assert_eq!(seen("sliding"), [ok, ok, (429, Some(58)), (429, Some(3)), ok]);
}

#[test]
fn a_demo_key_has_100_calls_a_minute_or_fewer_and_no_key_5_or_more() {
    let permitted = |engine: &Engine, request: &FakeRequest| {
        let statuses = (0..101).map(|_| engine.answer(request, START).status);
        statuses.filter(|status| *status == 200).count()
    };
    let demo = |value| {
        permitted(
            &assuming(Plan::Demo, &[("demo_per_minute", value)]),
            &keyed("/ping"),
        )
    };
    assert_eq!(["100", "30"].map(demo), [100, 30]);
    let keyless = |value| {
        let engine = assuming(Plan::Keyless, &[("keyless_per_minute", value)]);
        permitted(&engine, &request("/ping", None))
    };
    assert_eq!(["5", "10", "15"].map(keyless), [5, 10, 15]);
}

#[test]
fn a_credit_is_the_price_of_a_success_or_of_every_call() {
    let seen = |value| {
        let engine = assuming(small(3, 1000), &[("credits", value)]);
        let calls = ["/ping", "/nope", "/simple/price", "/ping"];
        let paid = calls.map(|target| engine.answer(&keyed(target), START).credit);
        let key = engine.answer(&keyed("/key"), START + 60_000);
        let key: Value = serde_json::from_slice(&key.body).unwrap_or_default();
        (paid, key["current_total_monthly_calls"].as_u64())
    };
    assert_eq!(seen("successes"), ([true, false, false, false], Some(1)));
    assert_eq!(seen("every_call"), ([true; 4], Some(4)));
}

#[test]
fn a_hit_of_the_cache_is_free_on_paid_plans_everywhere_or_nowhere() {
    let paid = |plan, value| {
        let engine = assuming(plan, &[("cache_hits", value)]);
        let request = match plan {
            Plan::Demo => keyed(SIMPLE),
            _ => request(SIMPLE, Some(("x-cg-pro-api-key", PRO_KEY))),
        };
        [0, 1_000, 60_000].map(|at_ms| engine.answer(&request, START + at_ms).credit)
    };
    let (all, misses) = ([true, true, true], [true, false, true]);
    assert_eq!(
        [Plan::Demo, Plan::Lite].map(|plan| paid(plan, "free_when_paid")),
        [all, misses]
    );
    assert_eq!(
        [Plan::Demo, Plan::Lite].map(|plan| paid(plan, "charged")),
        [all, all]
    );
    assert_eq!(
        [Plan::Demo, Plan::Lite].map(|plan| paid(plan, "free")),
        [misses, misses]
    );
}

#[test]
fn spent_credits_are_told_with_429_or_200() {
    let second = |value| {
        let engine = assuming(small(10, 1), &[("quota_status", value)]);
        assert!(engine.answer(&keyed("/ping"), START).credit);
        let answer = engine.answer(&keyed("/ping"), START);
        assert!(
            text(&answer).contains("\"error_code\":10006"),
            "{}",
            text(&answer)
        );
        (answer.status, answer.credit)
    };
    assert_eq!(["429", "200"].map(second), [(429, false), (200, false)]);
}

#[test]
fn a_page_of_more_than_250_is_cut_or_refused() {
    let asked = |value, per_page| {
        let engine = assuming(Plan::Demo, &[("per_page_over_250", value)]);
        let target = format!("/coins/markets?vs_currency=usd&per_page={per_page}");
        let answer = engine.answer(&keyed(&target), START);
        let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, list.as_array().map(Vec::len))
    };
    assert_eq!([250, 251].map(|n| asked("clamp", n)), [(200, Some(250)); 2]);
    assert_eq!(
        [250, 251].map(|n| asked("refuse", n)),
        [(200, Some(250)), (400, None)]
    );
}

#[test]
fn a_page_says_which_it_is_or_does_not() {
    let paging = |value, query: &str| {
        let engine = assuming(Plan::Demo, &[("paging_headers", value)]);
        let target = format!("/coins/markets?vs_currency=usd&category=stablecoins&{query}");
        let answer = engine.answer(&with(&target, "host", "localhost:1"), START);
        let said = ["link", "per-page", "total"].map(|name| header(&answer, name).unwrap_or("-").to_owned());
        said.join("\n")
    };
    assert_eq!(paging("off", "per_page=2"), "-\n-\n-");
    insta::assert_snapshot!(paging("on", "page=2&per_page=2"), @r#"
    <http://localhost:1/api/v3/coins/markets?vs_currency=usd&category=stablecoins&per_page=2&page=1>; rel="first", <http://localhost:1/api/v3/coins/markets?vs_currency=usd&category=stablecoins&per_page=2&page=1>; rel="prev"
    2
    3
    "#);
    assert_eq!(
        paging("on", "per_page=2").matches("page=2>; rel=").count(),
        2,
        "next, and last"
    );
    insta::assert_snapshot!(paging("on", "per_page=250"), @"
    -
    250
    3
    ");
    insta::assert_snapshot!(paging("on", "per_page=2&page=99"), @r#"
    <http://localhost:1/api/v3/coins/markets?vs_currency=usd&category=stablecoins&per_page=2&page=1>; rel="first", <http://localhost:1/api/v3/coins/markets?vs_currency=usd&category=stablecoins&per_page=2&page=2>; rel="prev"
    2
    3
    "#);
}

#[test]
fn an_id_in_other_letters_is_another_or_the_same() {
    let asked = |value, target: &str| {
        let engine = assuming(Plan::Demo, &[("ids_case_sensitive", value)]);
        let answer = engine.answer(&keyed(target), START);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let known = match &body {
            Value::Array(items) => items.len() == 1,
            body => body.get("bitcoin").or(body.get("market_data")).is_some(),
        };
        (answer.status, known)
    };
    for (target, status) in [
        ("/simple/price?ids=BitCoin&vs_currencies=usd", 200),
        ("/coins/markets?ids=BitCoin&vs_currency=usd", 200),
        ("/coins/BitCoin", 404),
    ] {
        assert_eq!(asked("yes", target), (status, false), "{target}");
        assert_eq!(asked("no", target), (200, true), "{target}");
    }
}

#[test]
fn a_coin_found_by_symbol_is_answered_under_it_or_under_its_id() {
    let asked = |value, query: &str| {
        let engine = assuming(Plan::Demo, &[("symbols_key", value)]);
        let answer = engine.answer(&keyed(&format!("/simple/price?vs_currencies=usd&{query}")), START);
        keys(&serde_json::from_slice(&answer.body).unwrap_or_default())
    };
    assert_eq!(asked("symbol", "symbols=btc,eth"), ["btc", "eth"]);
    assert_eq!(asked("id", "symbols=btc,eth"), ["bitcoin", "ethereum"]);
    assert_eq!(asked("symbol", "names=Bitcoin"), ["Bitcoin"]);
    assert_eq!(asked("id", "names=Bitcoin"), ["bitcoin"]);
    assert_eq!(asked("symbol", "ids=bitcoin"), asked("id", "ids=bitcoin"));
}

#[test]
fn a_week_of_a_coin_is_a_list_or_in_an_object() {
    let week = |value| {
        let engine = assuming(Plan::Demo, &[("coin_sparkline", value)]);
        let answer = engine.answer(&keyed("/coins/bitcoin?sparkline=true"), START);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        body["market_data"]["sparkline_7d"].clone()
    };
    let list = week("list");
    assert_eq!(list.as_array().map(Vec::len), Some(168));
    assert_eq!(week("object"), serde_json::json!({ "price": list }));
}

#[test]
fn who_names_no_coin_is_told_so_in_these_words() {
    let said = |assumptions: &[(&str, &str)]| {
        let answer =
            assuming(Plan::Demo, assumptions).answer(&keyed("/simple/price?vs_currencies=usd"), START);
        format!("{} {}", answer.status, text(&answer))
    };
    assert_eq!(said(&[]), r#"422 {"error":"Missing parameter ids"}"#);
    assert_eq!(
        said(&[("missing_ids_text", "Missing \"ids\"")]),
        r#"422 {"error":"Missing \"ids\""}"#
    );
}

#[test]
fn data_are_as_fresh_as_the_plan_says_or_as_it_is_assumed() {
    let changes = |plan, assumptions: &[(&str, &str)], target: &str| {
        let engine = assuming(plan, assumptions);
        let key = match plan {
            Plan::Demo => ("x-cg-demo-api-key", DEMO_KEY),
            _ => ("x-cg-pro-api-key", PRO_KEY),
        };
        let request = request(target, Some(key));
        let at = |seconds: i64| engine.answer(&request, START + seconds * 1000);
        let begun = at(0);
        let shared = header(&begun, "cache-control")
            .and_then(|value| value.rsplit_once("s-maxage="))
            .map(|(_, seconds)| seconds.to_owned());
        let first = (1..=60).find(|seconds| at(*seconds).body != begun.body);
        assert_eq!(shared, first.map(|seconds| seconds.to_string()));
        first
    };
    let simple = "/simple/price?ids=bitcoin&vs_currencies=usd&precision=full";
    assert_eq!(
        changes(Plan::Demo, &[("simple_price_fresh", "plan")], simple),
        Some(60)
    );
    assert_eq!(
        changes(Plan::Demo, &[("simple_price_fresh", "10s")], simple),
        Some(10)
    );
    assert_eq!(
        changes(Plan::Lite, &[("simple_price_fresh", "plan")], simple),
        Some(20)
    );
    assert_eq!(
        changes(Plan::Lite, &[("markets_fresh", "plan")], BITCOIN),
        Some(45)
    );
    assert_eq!(changes(Plan::Lite, &[("markets_fresh", "1m")], BITCOIN), Some(60));
    assert_eq!(
        changes(Plan::Demo, &[("simple_price_fresh", "10s")], BITCOIN),
        Some(60),
        "the other is as it was"
    );
}

#[test]
fn who_has_the_body_is_answered_304_or_sent_it_again() {
    let again = |value, condition: Option<&str>| {
        let engine = assuming(small(3, 1000), &[("conditional", value)]);
        let first = engine.answer(&keyed(BITCOIN), START);
        let etag = header(&first, "etag").unwrap_or_default().to_owned();
        let condition = with(BITCOIN, "if-none-match", condition.unwrap_or(&etag));
        let second = engine.answer(&condition, START + 5_000);
        (first, second, engine)
    };
    let (first, second, engine) = again("on", None);
    assert_eq!((second.status, second.credit, second.body.len()), (304, false, 0));
    for name in ["etag", "cache-control", "vary"] {
        assert_eq!(header(&second, name), header(&first, name), "{name}");
    }
    assert_eq!(
        (header(&second, "age"), header(&second, "content-type")),
        (Some("5"), None)
    );
    // It was the second of three, and of two credits only one was taken.
    let rest = [0, 1].map(|_| engine.answer(&keyed("/key"), START + 5_000));
    assert_eq!(rest.each_ref().map(|answer| answer.status), [200, 429]);
    assert!(
        text(&rest[0]).contains(r#""current_total_monthly_calls":1,"#),
        "{}",
        text(&rest[0])
    );

    assert_eq!(again("on", Some("\"other\"")).1.status, 200);
    assert_eq!(again("on", Some("W/\"x\", *")).1.status, 200, "`*` stands alone");
    assert_eq!(again("on", Some("*")).1.status, 304);
    let (first, second, _) = again("off", None);
    assert_eq!(
        (second.status, second.credit, &second.body),
        (200, true, &first.body)
    );

    let error = assuming(Plan::Demo, &[]).answer(&with("/coins/nope", "if-none-match", "*"), START);
    assert_eq!(error.status, 404, "only a 200 can be had already");
    let engine = assuming(small(3, 1000), &[("credits", "every_call")]);
    assert!(engine.answer(&with("/ping", "if-none-match", "*"), START).credit);
}

#[test]
fn a_body_is_compressed_for_who_takes_it_or_for_nobody() {
    let asked = |value, target: &str, accepted: &str| {
        assuming(Plan::Demo, &[("gzip", value)]).answer(&with(target, "accept-encoding", accepted), START)
    };
    let plain = engine().answer(&keyed(BITCOIN), START);
    let zipped = asked("on", BITCOIN, "gzip, br");
    assert_eq!(header(&zipped, "content-encoding"), Some("gzip"));
    assert!(zipped.body.len() < plain.body.len() && unzipped(&zipped) == text(&plain));
    for name in ["etag", "vary", "transfer-encoding"] {
        assert_eq!(header(&zipped, name), header(&plain, name), "{name}");
    }
    for (value, target, accepted) in [
        ("on", BITCOIN, "identity"),
        ("on", BITCOIN, "gzip;q=0, *"),
        ("off", BITCOIN, "gzip"),
        ("on", SIMPLE, "gzip"),
        ("on", "/coins/nope", "gzip"),
    ] {
        let answer = asked(value, target, accepted);
        assert_eq!(
            header(&answer, "content-encoding"),
            None,
            "{value} {target} {accepted}"
        );
        assert!(text(&answer).starts_with(['[', '{']));
    }
}

#[test]
fn faults_change_what_is_said_before_it_is_compressed_and_cut_what_is_sent() {
    let zipped = with(BITCOIN, "accept-encoding", "gzip");
    let whole = engine().answer(&zipped, START);
    let of = |kind| engine_of(Plan::Demo, &[sample(kind)]).answer(&zipped, START);
    let wrong = of(CoinGeckoFault::WrongValue {
        value: WrongValue::Zero,
    });
    assert!(
        unzipped(&wrong).contains(r#""current_price":0,"#),
        "{}",
        unzipped(&wrong)
    );
    assert_ne!(header(&wrong, "etag"), header(&whole, "etag"));

    let cut = of(CoinGeckoFault::Truncated {
        how: Cut::Length,
        after: None,
    });
    let after = whole.body.len() / 2;
    assert_eq!(
        (&cut.body, cut.wire),
        (
            &whole.body,
            Wire::Cut {
                how: Cut::Length,
                after
            }
        )
    );
    let length = whole.body.len().to_string();
    assert_eq!(
        header(&cut, "content-length"),
        Some(length.as_str()),
        "of what is sent"
    );
    let json = of(CoinGeckoFault::Truncated {
        how: Cut::Json,
        after: Some(600),
    });
    assert_eq!((unzipped(&json).len(), json.wire), (600, Wire::Whole));
}

#[test]
fn the_edge_says_where_an_answer_is_from() {
    let engine = engine();
    let said = |target: &str, at_ms| {
        let answer = engine.answer(&keyed(target), START + at_ms);
        ["cf-cache-status", "age"]
            .map(|name| header(&answer, name).unwrap_or("-").to_owned())
            .join(" ")
    };
    assert_eq!(said(BITCOIN, 10_000), "MISS -");
    assert_eq!(said(BITCOIN, 17_999), "HIT 7");
    assert_eq!(
        said("/coins/markets?ids=bitcoin&vs_currency=usd", 18_000),
        "MISS -",
        "another URL"
    );
    assert_eq!(said(BITCOIN, 60_000), "EXPIRED -", "there are new data");
    assert_eq!(said(BITCOIN, 119_999), "HIT 59");
    assert_eq!(
        ["/ping", "/key"].map(|target| said(target, 0)),
        ["DYNAMIC -", "DYNAMIC -"]
    );
    assert_eq!(said("/coins/nope", 0), "- -", "an error is of the application");
    assert_eq!(said("/coins/list", 120_000), "MISS -");
    assert_eq!(said("/coins/list", 299_999), "HIT 179");
}
