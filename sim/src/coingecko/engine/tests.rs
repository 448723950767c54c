//! The engine's answers: parameters, shapes, limits, credits, faults.

use http::HeaderMap;
use serde_json::Value;

mod assumed;
mod coin;
mod faults;

use super::*;
use crate::coingecko::limits::{DEMO_KEY, PRO_KEY};
use crate::faults::sample;
use crate::seed::Seed;
use scenarios::format::fault::{CoinGeckoFault, Cut, Freeze, Latency, RetryAfter, WrongValue};
use scenarios::format::model::{Fault, Match, Plan, Target};

/// 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600_000;
const DAY: i64 = 86_400_000;

fn engine_of(plan: Plan, faults: &[Fault]) -> Engine {
    engine_assuming(plan, faults, Assumptions::default())
}

fn engine_assuming(plan: Plan, faults: &[Fault], assumed: Assumptions) -> Engine {
    let config = EngineConfig {
        seed: 42,
        start_ms: START,
        terms: Terms::assuming(plan, &assumed),
        keys: KeyRing::default(),
        assumed,
    };
    Engine::new(config, Timeline::new(faults, Target::CoinGecko, Seed(42)))
}

fn engine() -> Engine {
    engine_of(Plan::Demo, &[])
}

fn request(target: &str, key: Option<(&'static str, &str)>) -> FakeRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    if let Some((name, key)) = key {
        headers.insert(
            name,
            key.parse().unwrap_or_else(|_| panic!("{key} is a header value")),
        );
    }
    FakeRequest {
        method: Method::GET,
        path: format!("{BASE_PATH}{path}"),
        query: query.to_owned(),
        headers,
    }
}

fn keyed(target: &str) -> FakeRequest {
    request(target, Some(("x-cg-demo-api-key", DEMO_KEY)))
}

/// A body that is not compressed.
fn text(answer: &FakeAnswer) -> &str {
    std::str::from_utf8(&answer.body).unwrap_or_else(|error| panic!("{error}"))
}

/// Status and body of one keyed call at the start.
fn get(target: &str) -> String {
    let answer = engine().answer(&keyed(target), START);
    format!("{} {}", answer.status, text(&answer))
}

fn json(target: &str) -> Value {
    let answer = engine().answer(&keyed(target), START);
    assert_eq!(answer.status, 200, "{target}: {}", text(&answer));
    serde_json::from_str(text(&answer)).unwrap_or_else(|error| panic!("{target}: {error}"))
}

fn keys(value: &Value) -> Vec<String> {
    value
        .as_object()
        .map(|object| object.keys().cloned().collect())
        .unwrap_or_default()
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["id"].as_str())
        .collect()
}

/// Member names as they stand in the text, which `Value` would sort.
fn keys_in_order(body: &str) -> String {
    let mut names = Vec::new();
    for piece in body.split(['{', ',']) {
        if let Some((name, _)) = piece.split_once("\":") {
            names.push(name.trim_start_matches(['"', '[']));
        }
    }
    names.join(" ")
}

#[test]
fn a_slash_at_the_end_is_no_other_path() {
    assert_eq!(get("/coins/bitcoin/"), get("/coins/bitcoin"));
    assert!(get("/coins/").starts_with("404 "));
}

#[test]
fn ping() {
    insta::assert_snapshot!(get("/ping"), @r#"200 {"gecko_says":"(V3) To the Moon!"}"#);
}

#[test]
fn simple_price_has_the_documented_members() {
    let target = "/simple/price?ids=bitcoin,shiba-inu&vs_currencies=usd&include_market_cap=true\
                  &include_24hr_vol=true&include_24hr_change=true&include_last_updated_at=true";
    insta::assert_snapshot!(get(target), @r#"200 {"bitcoin":{"usd":85165,"usd_market_cap":1705899401326.3027,"usd_24h_vol":55274120582.589516,"usd_24h_change":0.7880451771815814,"last_updated_at":1772409599},"shiba-inu":{"usd":1.22267e-05,"usd_market_cap":7201530227.679577,"usd_24h_vol":415429563.1403695,"usd_24h_change":1.8182968985438241,"last_updated_at":1772409592}}"#);
}

#[test]
fn simple_price_leaves_out_what_it_does_not_know() {
    insta::assert_snapshot!(get("/simple/price?ids=nope&vs_currencies=usd"), @"200 {}");
    insta::assert_snapshot!(get("/simple/price?ids=bitcoin&vs_currencies=xyz"), @r#"200 {"bitcoin":{}}"#);
    insta::assert_snapshot!(get("/simple/price?ids=bitcoin&vs_currencies=xyz&include_last_updated_at=true"), @r#"200 {"bitcoin":{}}"#);
    assert_eq!(
        keys(&json("/simple/price?ids=bitcoin,nope&vs_currencies=usd")),
        ["bitcoin"]
    );
}

#[test]
fn simple_price_is_a_cross_product_and_does_not_trim() {
    let raw = json("/simple/price?ids=bitcoin,ethereum&vs_currencies=usd,eur");
    assert_eq!(
        raw,
        json("/simple/price?ids=bitcoin%2Cethereum&vs_currencies=usd%2Ceur")
    );
    assert_eq!(keys(&raw), ["bitcoin", "ethereum"]);
    assert!(
        raw.as_object()
            .into_iter()
            .flatten()
            .all(|(_, coin)| keys(coin) == ["eur", "usd"]),
        "{raw}"
    );
    let untrimmed = json("/simple/price?ids=bitcoin,%20ethereum,%20litecoin&vs_currencies=usd,%20myr,%20eth");
    assert_eq!(
        (keys(&untrimmed), keys(&untrimmed["bitcoin"])),
        (vec!["bitcoin".to_owned()], vec!["usd".to_owned()])
    );
}

#[test]
fn lookups_have_a_priority() {
    assert_eq!(
        keys(&json(
            "/simple/price?ids=solana&names=Bitcoin&symbols=eth&vs_currencies=usd"
        )),
        ["solana"]
    );
    assert_eq!(
        keys(&json("/simple/price?names=Bitcoin&symbols=eth&vs_currencies=usd")),
        ["Bitcoin"]
    );
    let by_symbol = json("/simple/price?symbols=btc&vs_currencies=usd");
    assert_eq!(
        by_symbol["btc"],
        json("/simple/price?ids=bitcoin&vs_currencies=usd")["bitcoin"]
    );
    let all = json("/simple/price?symbols=btc&include_tokens=all&vs_currencies=usd");
    assert_eq!(keys(&all), ["bitcoin", "bitcoin-replica"]);
    assert_eq!(
        ids(&json("/coins/markets?vs_currency=usd&symbols=btc,axl")),
        ["bitcoin", "axelar"]
    );
    assert_eq!(
        ids(&json("/coins/markets?vs_currency=usd&ids=solana&symbols=btc")),
        ["solana"]
    );
    let stable = json("/coins/markets?vs_currency=usd&ids=bitcoin&category=stablecoins");
    assert!(ids(&stable).contains(&"tether") && !ids(&stable).contains(&"bitcoin"));
}

#[test]
fn missing_parameters_are_422() {
    insta::assert_snapshot!(get("/simple/price?ids=bitcoin"), @r#"422 {"error":"Missing parameter vs_currencies"}"#);
    insta::assert_snapshot!(get("/simple/price?ids=bitcoin&vs_currencies="), @r#"422 {"error":"Missing parameter vs_currencies"}"#);
    insta::assert_snapshot!(get("/simple/price?vs_currencies=usd"), @r#"422 {"error":"Missing parameter ids"}"#);
    insta::assert_snapshot!(get("/coins/markets"), @r#"422 {"error":"Missing parameter vs_currency"}"#);
    insta::assert_snapshot!(get("/coins/markets?vs_currency=xyz"), @r#"400 {"error":"invalid vs_currency"}"#);
}

#[test]
fn paths_and_methods_that_are_not_there() {
    insta::assert_snapshot!(get("/coins/nope"), @r#"404 {"error":"coin not found"}"#);
    insta::assert_snapshot!(get("/nope"), @r#"404 {"error":"Incorrect path. Please check https://www.coingecko.com/api/"}"#);
    let posted = engine().answer(
        &FakeRequest {
            method: Method::POST,
            ..keyed("/ping")
        },
        START,
    );
    let outside = engine().answer(
        &FakeRequest {
            path: "/ping".to_owned(),
            ..keyed("/ping")
        },
        START,
    );
    assert_eq!((posted.status, outside.status), (404, 404));
}

/// Each of the 26 members that an item always has, in the documented order.
const ITEM: &str = "id symbol name image current_price market_cap market_cap_rank fully_diluted_valuation total_volume \
                    high_24h low_24h price_change_24h price_change_percentage_24h market_cap_change_24h \
                    market_cap_change_percentage_24h circulating_supply total_supply max_supply ath \
                    ath_change_percentage ath_date atl atl_change_percentage atl_date roi last_updated";

#[test]
fn markets_items_have_their_26_members() {
    let answer = engine().answer(&keyed("/coins/markets?vs_currency=usd&ids=bitcoin"), START);
    assert_eq!(
        (keys_in_order(text(&answer)).as_str(), ITEM.split(' ').count()),
        (ITEM, 26)
    );
    insta::assert_snapshot!(text(&answer), @r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin","image":"https://coin-images.coingecko.com/coins/images/25885/large/bitcoin.png?1696501400","current_price":85165,"market_cap":1705899401326,"market_cap_rank":1,"fully_diluted_valuation":1788467584290,"total_volume":55274120583,"high_24h":85284,"low_24h":83936,"price_change_24h":665.8921142349718,"price_change_percentage_24h":0.78805,"market_cap_change_24h":13338147332.93872,"market_cap_change_percentage_24h":0.78805,"circulating_supply":20030493.0,"total_supply":20030493.0,"max_supply":21000000.0,"ath":112181,"ath_change_percentage":-24.08239,"ath_date":"2025-04-16T09:55:05.885Z","atl":50828,"atl_change_percentage":67.5565,"atl_date":"2021-10-08T14:58:14.115Z","roi":null,"last_updated":"2026-03-01T23:59:59.115Z"}]"#);

    let all = json("/coins/markets?vs_currency=usd&per_page=250");
    let numbers = [
        "current_price",
        "market_cap",
        "total_volume",
        "high_24h",
        "low_24h",
        "circulating_supply",
    ];
    for item in all.as_array().into_iter().flatten() {
        assert_eq!(keys(item).len(), 26, "{item}");
        assert!(
            numbers
                .iter()
                .all(|name| item[name].as_f64().is_some_and(|value| value > 0.0)),
            "{item}"
        );
        let (low, high) = (item["low_24h"].as_f64(), item["high_24h"].as_f64());
        assert!(
            low <= item["current_price"].as_f64() && item["current_price"].as_f64() <= high,
            "{item}"
        );
    }
}

#[test]
fn ether_has_a_return_and_no_maximum() {
    let answer = engine().answer(&keyed("/coins/markets?vs_currency=usd&ids=ethereum"), START);
    assert!(text(&answer).contains(r#""max_supply":null,"#) && text(&answer).contains(r#""roi":{"times":"#));
    assert!(
        text(&answer).contains(r#""circulating_supply":120720000.0,"#),
        "whole supplies are floats"
    );
}

#[test]
fn markets_answers_what_is_asked_for_besides() {
    let target = "/coins/markets?vs_currency=usd&ids=bitcoin&sparkline=true&include_rehypothecated=true\
                  &price_change_percentage=1h,24h,7d,14d,30d,200d,1y,2y";
    let item = &json(target)[0];
    let extra: Vec<String> = keys(item)
        .into_iter()
        .filter(|name| !ITEM.split(' ').any(|known| known == name))
        .collect();
    insta::assert_snapshot!(extra.join("\n"), @r"
    market_cap_rank_with_rehypothecated
    price_change_percentage_14d_in_currency
    price_change_percentage_1h_in_currency
    price_change_percentage_1y_in_currency
    price_change_percentage_200d_in_currency
    price_change_percentage_24h_in_currency
    price_change_percentage_30d_in_currency
    price_change_percentage_7d_in_currency
    sparkline_in_7d
    ");
    let week = item["sparkline_in_7d"]["price"].as_array().map(Vec::len);
    assert_eq!(week, Some(168));
}

#[test]
fn markets_is_ordered_and_paged() {
    let page = |rest: &str| json(&format!("/coins/markets?vs_currency=usd&{rest}"));
    let caps = |list: &Value| -> Vec<f64> {
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["market_cap"].as_f64())
            .collect()
    };
    let first = page("");
    assert_eq!((ids(&first).len(), ids(&first)[0]), (100, "bitcoin"));
    assert!(caps(&first).is_sorted_by(|a, b| a >= b));
    assert!(caps(&page("order=market_cap_asc")).is_sorted_by(|a, b| a <= b));
    assert!(ids(&page("order=id_asc")).is_sorted());
    assert!(ids(&page("order=id_desc")).is_sorted_by(|a, b| a >= b));
    assert_ne!(ids(&page("order=volume_desc")), ids(&page("order=volume_asc")));
    assert_eq!(
        [250, 251, 1, 0].map(|size| ids(&page(&format!("per_page={size}"))).len()),
        [250, 250, 1, 1]
    );
    let (all, second) = (page("per_page=250"), page("per_page=3&page=2"));
    assert_eq!(ids(&second), ids(&all)[3..6]);
    assert_eq!(second[0]["market_cap_rank"], 4, "a rank is among all coins");
    assert_eq!(ids(&page("page=99")).len(), 0);
    assert_eq!(ids(&page("page=0&per_page=2")), ids(&page("per_page=2")));
    insta::assert_snapshot!(get("/coins/markets?vs_currency=usd&ids=nope"), @"200 []");
}

#[test]
fn a_precision_rounds_prices() {
    let price = |precision: &str| {
        let answer = engine().answer(
            &keyed(&format!(
                "/simple/price?ids=bitcoin&vs_currencies=usd&precision={precision}"
            )),
            START,
        );
        text(&answer)
            .trim_start_matches(r#"{"bitcoin":{"usd":"#)
            .trim_end_matches("}}")
            .to_owned()
    };
    let full = price("full");
    assert!(full.len() > 12, "all digits: {full}");
    assert_eq!(
        price("0"),
        price(""),
        "a big price is a whole number unless asked otherwise"
    );
    let parsed = full.parse::<f64>().unwrap_or_default();
    assert_eq!(
        price("3").parse::<f64>().ok(),
        format!("{parsed:.3}").parse().ok()
    );
}

#[test]
fn timestamps_are_iso_in_markets_and_seconds_in_simple() {
    let markets = json("/coins/markets?vs_currency=usd&ids=bitcoin");
    let simple = json("/simple/price?ids=bitcoin&vs_currencies=usd&include_last_updated_at=true");
    let iso = markets[0]["last_updated"].as_str().unwrap_or_default().to_owned();
    let at: jiff::Timestamp = iso.parse().unwrap_or_default();
    assert!(
        iso.ends_with('Z') && iso.len() == "2026-03-02T00:00:00.000Z".len(),
        "{iso}"
    );
    assert_eq!(
        simple["bitcoin"]["last_updated_at"].as_i64(),
        Some(at.as_millisecond().div_euclid(1000))
    );
    assert!((START - 15_000..=START).contains(&at.as_millisecond()));
}

#[test]
fn answers_change_once_a_quantum_and_were_published() {
    let engine = engine();
    let target = keyed("/coins/markets?vs_currency=usd&ids=bitcoin,pepe,dai&per_page=250");
    let body = |at_ms| engine.answer(&target, at_ms).body;
    assert_eq!(body(START), body(START + 59_999));
    assert_ne!(body(START), body(START + 60_000));
    let log = engine.publication();
    let list: Value = serde_json::from_slice(&body(START + 3_600_000)).unwrap_or_default();
    for item in list.as_array().into_iter().flatten() {
        let at: jiff::Timestamp = item["last_updated"]
            .as_str()
            .unwrap_or_default()
            .parse()
            .unwrap_or_default();
        let (id, price) = (
            item["id"].as_str().unwrap_or_default(),
            item["current_price"].to_string(),
        );
        assert!(log.was_published(id, &price, at.as_millisecond()), "{id} {price}");
    }
}

#[test]
fn a_paid_plan_has_fresher_data() {
    let engine = engine_of(Plan::Basic, &[]);
    let body = |target: &str, at_ms| {
        engine
            .answer(&request(target, Some(("x-cg-pro-api-key", PRO_KEY))), at_ms)
            .body
    };
    let simple = "/simple/price?ids=bitcoin&vs_currencies=usd&precision=full";
    assert_eq!(body(simple, START), body(simple, START + 19_999));
    assert_ne!(body(simple, START), body(simple, START + 20_000));
    let markets = "/coins/markets?vs_currency=usd&ids=bitcoin";
    assert_eq!(body(markets, START), body(markets, START + 44_999));
    assert_ne!(body(markets, START), body(markets, START + 45_000));
}

#[test]
fn the_101st_call_of_a_minute_is_refused_and_the_next_minute_is_not() {
    let engine = engine();
    let statuses: Vec<u16> = (0..101)
        .map(|n| engine.answer(&keyed("/ping"), START + 20_000 + n).status)
        .collect();
    assert!(
        statuses[..100].iter().all(|status| *status == 200) && statuses[100] == 429,
        "{statuses:?}"
    );
    let refused = engine.answer(&keyed("/ping"), START + 20_200);
    assert_eq!(
        (refused.body.len(), refused.retry_after_s, refused.credit),
        (187, Some(40), false)
    );
    assert_eq!(engine.answer(&keyed("/ping"), START + 60_000).status, 200);
}

#[test]
fn failed_calls_count_towards_the_minute_but_cost_no_credit() {
    let engine = engine_of(
        Plan::Custom {
            per_minute: 3,
            per_month: 100,
        },
        &[],
    );
    let call = |target: &str| {
        let answer = engine.answer(&keyed(target), START);
        (answer.status, answer.credit)
    };
    assert_eq!(
        ["/simple/price", "/nope", "/ping", "/ping"].map(call),
        [(422, false), (404, false), (200, true), (429, false)]
    );
}

#[test]
fn without_a_key_five_calls_a_minute_are_permitted() {
    let engine = engine_of(Plan::Keyless, &[]);
    let statuses: Vec<u16> = (0..6)
        .map(|_| engine.answer(&request("/ping", None), START).status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    assert_eq!(
        engine.answer(&keyed("/ping"), START).status,
        200,
        "a key has a minute of its own"
    );
}

#[test]
fn spent_credits_refuse_until_the_month_ends() {
    let engine = engine_of(
        Plan::Custom {
            per_minute: 1000,
            per_month: 3,
        },
        &[],
    );
    let key = |at_ms| engine.answer(&keyed("/key"), at_ms);
    assert_eq!(
        [0, 1].map(|n| engine.answer(&keyed("/ping"), START + n).status),
        [200, 200]
    );
    insta::assert_snapshot!(text(&key(START)), @r#"{"plan":"Custom","rate_limit_request_per_minute":1000,"monthly_call_credit":3,"current_total_monthly_calls":2,"current_remaining_monthly_calls":1,"api_key_rate_limit_request_per_minute":1000,"api_key_monthly_call_credit":3,"api_key_current_total_monthly_calls":2}"#);
    let spent = key(START + DAY);
    assert_eq!((spent.status, spent.retry_after_s), (429, None));
    assert!(
        text(&spent).contains(r#""error_code":10006"#) && text(&spent).contains("3 calls limit"),
        "{}",
        text(&spent)
    );
    assert_eq!(
        engine.answer(&request("/ping", None), START + DAY).status,
        200,
        "others still may"
    );
    assert_eq!(key(START + 30 * DAY).status, 200, "a new month has begun");
}

#[test]
fn keys_at_the_wrong_host() {
    let status_and_code = |plan, key| {
        let answer = engine_of(plan, &[]).answer(&request("/ping", key), START);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = body["error_code"]
            .as_i64()
            .or_else(|| body["status"]["error_code"].as_i64());
        (answer.status, code)
    };
    let (demo, pro) = ("x-cg-demo-api-key", "x-cg-pro-api-key");
    assert_eq!(
        status_and_code(Plan::Demo, Some((demo, "CG-other"))),
        (401, Some(10_002))
    );
    assert_eq!(
        status_and_code(Plan::Demo, Some((pro, PRO_KEY))),
        (400, Some(10_010))
    );
    assert_eq!(status_and_code(Plan::Basic, None), (401, Some(10_002)));
    assert_eq!(
        status_and_code(Plan::Basic, Some((demo, DEMO_KEY))),
        (400, Some(10_011))
    );
    assert_eq!(status_and_code(Plan::Basic, Some((pro, PRO_KEY))), (200, None));
}

#[test]
fn the_service_is_told_a_key_that_works() {
    for plan in [
        Plan::Keyless,
        Plan::Demo,
        Plan::Basic,
        Plan::Analyst,
        Plan::Custom {
            per_minute: 1,
            per_month: 1,
        },
    ] {
        let env = limits::service_env(plan);
        let value = |name| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        };
        let header = match value("EXTERNAL_API_PLAN") {
            Some("pro") => Some("x-cg-pro-api-key"),
            Some("demo") => Some("x-cg-demo-api-key"),
            _ => None,
        };
        let key = header.zip(value("EXTERNAL_API_KEY"));
        assert_eq!(
            engine_of(plan, &[]).answer(&request("/ping", key), START).status,
            200,
            "{plan:?}"
        );
    }
}

#[test]
fn faults_decide_and_are_named() {
    let latency = Duration::from_millis(1500);
    let engine = engine_of(
        Plan::Demo,
        &[
            sample(CoinGeckoFault::Latency {
                latency: Latency::Fixed(latency),
            }),
            Fault {
                first: Some(1),
                ..sample(CoinGeckoFault::Status { status: 503 })
            },
            Fault {
                matches: Match {
                    id: Some("dai".to_owned()),
                    ..Match::default()
                },
                ..sample(CoinGeckoFault::Hang {
                    at_most: Duration::from_secs(9),
                })
            },
        ],
    );
    let failed = engine.answer(&keyed("/ping"), START);
    assert_eq!(
        (failed.status, failed.delay, failed.faults),
        (503, latency, vec![0, 1])
    );
    let slow = engine.answer(&keyed("/ping"), START);
    assert_eq!(
        (slow.status, slow.delay, slow.faults, slow.credit),
        (200, latency, vec![0], true)
    );
    let hung = engine.answer(&keyed("/simple/price?ids=bitcoin,dai&vs_currencies=usd"), START);
    let expect = (Fate::Hang, latency + Duration::from_secs(9), vec![0, 2], false);
    assert_eq!((hung.fate, hung.delay, hung.faults, hung.credit), expect);
    assert_eq!(
        engine
            .touches()
            .iter()
            .map(|touches| touches.count)
            .collect::<Vec<_>>(),
        [3, 1, 1]
    );
    let later = engine.answer(&keyed("/ping"), START + 3_600_000);
    assert_eq!((later.delay, later.faults), (Duration::ZERO, vec![]));
}

/// Price and `last_updated` of Bitcoin, the `age` header, and whether the log knows the price, of one call 10 min
/// after the start.
fn bitcoin(engine: &Engine) -> (String, String, Option<String>, bool) {
    let answer = engine.answer(
        &keyed("/coins/markets?vs_currency=usd&ids=bitcoin"),
        START + 600_000,
    );
    let age = answer.headers.iter().find(|(name, _)| *name == "age");
    let item = &serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()[0];
    let (price, updated) = (
        item["current_price"].to_string(),
        item["last_updated"].to_string(),
    );
    let at = updated.trim_matches('"').parse::<jiff::Timestamp>();
    let known = at.is_ok_and(|at| {
        engine
            .publication()
            .was_published("BTC", &price, at.as_millisecond())
    });
    (price, updated, age.map(|(_, age)| age.clone()), known)
}

#[test]
fn stale_data_are_those_of_then_or_only_their_prices_are() {
    let stale = |freeze| {
        let age = Duration::from_secs(300);
        bitcoin(&engine_of(
            Plan::Demo,
            &[sample(CoinGeckoFault::StaleData { age, freeze })],
        ))
    };
    let healthy = bitcoin(&engine());
    let then = engine();
    let answer = then.answer(
        &keyed("/coins/markets?vs_currency=usd&ids=bitcoin"),
        START + 300_000,
    );
    let item = &serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()[0];
    let (price, updated) = (
        item["current_price"].to_string(),
        item["last_updated"].to_string(),
    );
    assert_ne!((&healthy.0, &healthy.1), (&price, &updated));
    assert!(healthy.3);

    let all = stale(Freeze::All);
    assert_eq!(all, (price.clone(), updated, Some("300".to_owned()), true));
    let frozen = stale(Freeze::Price);
    assert_eq!(
        frozen,
        (price, healthy.1, healthy.2, true),
        "the timestamp goes on"
    );
}

#[test]
fn a_limit_of_a_fault_comes_before_the_plans() {
    let limit = CoinGeckoFault::RateLimit {
        limit: 2.0,
        window: Duration::from_secs(60),
        retry_after: RetryAfter::Fixed(Duration::from_secs(119)),
    };
    let engine = engine_of(Plan::Demo, &[sample(limit)]);
    let answers: Vec<_> = (0..3)
        .map(|_| engine.answer(&keyed("/ping"), START + 1))
        .collect();
    let seen: Vec<_> = answers
        .iter()
        .map(|answer| (answer.status, answer.retry_after_s))
        .collect();
    assert_eq!(seen, [(200, None), (200, None), (429, Some(119))]);
    assert_eq!(
        (answers[2].body.len(), answers[2].faults.as_slice()),
        (187, [0].as_slice())
    );
    assert!(
        answers[1].faults.is_empty(),
        "a limit that is not reached touches nothing"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let play = || -> Vec<FakeAnswer> {
        let engine = engine();
        let targets = ["/coins/markets?vs_currency=usd", "/ping", "/nope"];
        targets
            .map(|target| engine.answer(&keyed(target), START + 30_000))
            .into()
    };
    assert_eq!(play(), play());
}
