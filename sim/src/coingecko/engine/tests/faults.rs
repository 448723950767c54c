//! What each kind of fault makes of an answer.

use scenarios::format::fault::{BlockBody, ConnectFailure, PriceField};

use super::*;
use crate::coingecko::wire::Unreachable;
use crate::faults::sample;

/// Two calls of a service on a Demo plan: prices of two coins, from either endpoint.
const MARKETS: &str = "/coins/markets?vs_currency=usd&ids=bitcoin,ethereum";
const SIMPLE: &str = "/simple/price?vs_currencies=usd&ids=bitcoin,ethereum";

fn broken(kind: CoinGeckoFault) -> Engine {
    engine_of(Plan::Demo, &[sample(kind)])
}

fn of_coin(id: &str, kind: CoinGeckoFault) -> Fault {
    Fault {
        matches: Match {
            id: Some(id.to_owned()),
            ..Match::default()
        },
        ..sample(kind)
    }
}

/// Status, content type and body of a call, and what its fault has touched.
fn said(kind: CoinGeckoFault, target: &str) -> String {
    let engine = broken(kind);
    let answer = engine.answer(&keyed(target), START);
    let header = |name: &str| {
        answer
            .headers
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("-", |(_, value)| value.as_str())
    };
    assert_eq!(answer.faults, [0], "{}", text(&answer));
    assert_eq!(engine.touches()[0].count, 1);
    assert!(!answer.credit || answer.status == 200);
    format!(
        "{} {} retry-after {}\n{}",
        answer.status,
        header("content-type"),
        header("retry-after"),
        text(&answer)
    )
}

#[test]
fn each_error_has_the_status_type_and_body_of_its_kind() {
    let all = [
        said(CoinGeckoFault::QuotaExhausted, SIMPLE),
        said(CoinGeckoFault::CfRateLimit1015, SIMPLE),
        said(
            CoinGeckoFault::CfBlock {
                body: BlockBody::Html,
            },
            SIMPLE,
        ),
        said(
            CoinGeckoFault::CfBlock {
                body: BlockBody::Code1020,
            },
            SIMPLE,
        ),
        said(CoinGeckoFault::EndpointDisabled, MARKETS),
        said(CoinGeckoFault::GatewayHtml { status: 520 }, SIMPLE),
        said(CoinGeckoFault::App500Html, SIMPLE),
        said(CoinGeckoFault::HtmlWith200, SIMPLE),
        said(CoinGeckoFault::AuthMixup { code: 10_011 }, SIMPLE),
        said(CoinGeckoFault::UriTooLong { above: 20 }, SIMPLE),
    ];
    insta::assert_snapshot!(all.map(|said| said.trim_end().to_owned()).join("\n"), @r#"
    429 application/json retry-after -
    {"status":{"error_code":10006,"error_message":"You've reached 10,000 calls limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans for higher call credits."}}
    429 text/plain; charset=UTF-8 retry-after -
    error code: 1015
    403 text/html; charset=UTF-8 retry-after -
    <!DOCTYPE html>
    <html lang="en-US"><head><title>Access denied | api.coingecko.com used Cloudflare to restrict access</title></head><body><h1>Access denied</h1><p>The owner of this website (api.coingecko.com) has banned your access.</p></body></html>
    403 text/plain; charset=UTF-8 retry-after -
    error code: 1020
    403 application/json retry-after -
    {"status":{"error_code":403,"error_message":"This endpoint is temporarily unavailable due to ongoing issues. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans with higher availability and https://status.coingecko.com for API status. "}}
    520 text/html; charset=UTF-8 retry-after -
    <!DOCTYPE html>
    <html lang="en-US"><head><title>api.coingecko.com | 520: Web server is returning an unknown error</title></head><body><h1>Web server is returning an unknown error</h1><p>Error code 520</p></body></html>
    500 text/html; charset=utf-8 retry-after -
    <!DOCTYPE html>
    <html lang="en-US"><head><title>Uh Oh! We're sorry, but something went wrong. (500)</title></head><body><h1>Uh Oh!</h1><p>We're sorry, but something went wrong.</p></body></html>
    200 text/html; charset=UTF-8 retry-after -
    <!DOCTYPE html>
    <html lang="en-US"><head><title>Just a moment...</title></head><body><h1>Checking your browser before accessing api.coingecko.com</h1><p>Enable JavaScript and cookies to continue.</p></body></html>
    400 application/json; charset=utf-8 retry-after -
    {"timestamp":"2026-03-02T00:00:00.000+00:00","error_code":10011,"status":{"error_message":"If you are using Demo API key, please change your root URL from pro-api.coingecko.com to api.coingecko.com Please refer here for more details: https://docs.coingecko.com/v3.0.1/reference/introduction"}}
    414 text/html; charset=UTF-8 retry-after -
    <!DOCTYPE html>
    <html lang="en-US"><head><title>414 Request-URI Too Large</title></head><body><h1>414 Request-URI Too Large</h1><p>cloudflare</p></body></html>
    "#);
}

#[test]
fn a_spent_month_is_spent_for_keys_only() {
    let engine = broken(CoinGeckoFault::QuotaExhausted);
    assert_eq!(engine.answer(&keyed("/key"), START).status, 429, "/key too");
    let keyless = engine.answer(&request(SIMPLE, None), START);
    assert_eq!((keyless.status, keyless.faults.len()), (200, 0));
    assert_eq!(engine.touches()[0].count, 1);
}

#[test]
fn an_address_that_is_short_enough_passes() {
    let engine = broken(CoinGeckoFault::UriTooLong { above: 200 });
    assert_eq!(engine.answer(&keyed(SIMPLE), START).status, 200);
    assert_eq!(engine.touches()[0].count, 0);
}

#[test]
fn a_200_with_other_data_is_a_touch_and_one_with_the_same_is_none() {
    let nulls = CoinGeckoFault::NullFields {
        fields: vec![PriceField::Price],
        absent: false,
    };
    let engine = broken(nulls);
    for target in [SIMPLE, MARKETS, "/coins/bitcoin"] {
        let answer = engine.answer(&keyed(target), START);
        assert_eq!((answer.status, answer.faults), (200, vec![0]), "{target}");
    }
    for target in ["/ping", "/coins/list", "/simple/price?ids=nope&vs_currencies=usd"] {
        let answer = engine.answer(&keyed(target), START);
        assert_eq!((answer.status, answer.faults.len()), (200, 0), "{target}");
    }
    assert_eq!(engine.touches()[0].count, 3);
}

#[test]
fn a_change_is_of_the_matched_coin_alone() {
    let value = WrongValue::Spike { factor: 1000.0 };
    let spike = Fault {
        first: Some(1),
        ..of_coin("ethereum", CoinGeckoFault::WrongValue { value })
    };
    let engine = engine_of(Plan::Demo, &[spike]);
    let price = |target: &str, id: &str| {
        let answer = engine.answer(&keyed(target), START);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}"));
        body[id]["usd"]
            .as_f64()
            .unwrap_or_else(|| panic!("{}", text(&answer)))
    };
    // No call for ethereum, so not the first.
    let bitcoin = price("/simple/price?ids=bitcoin&vs_currencies=usd", "bitcoin");
    let both = engine.answer(&keyed(SIMPLE), START);
    let body: Value = serde_json::from_slice(&both.body).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(body["bitcoin"]["usd"].as_f64(), Some(bitcoin));
    let ethereum = price(SIMPLE, "ethereum");
    assert_eq!(
        body["ethereum"]["usd"].as_f64(),
        Some((ethereum * 1e5).round() / 100.0)
    );
    assert!(
        engine
            .publication()
            .was_published("BTC", &bitcoin.to_string(), START / 1000 * 1000 - 1000)
    );
}

#[test]
fn a_delisted_coin_is_gone_everywhere_but_among_the_inactive() {
    let engine = engine_of(Plan::Demo, &[of_coin("bitcoin", CoinGeckoFault::Delisted)]);
    let body = |target: &str| text(&engine.answer(&keyed(target), START)).to_owned();
    let listed = |body: String| body.contains("\"id\":\"bitcoin\"");
    assert!(!listed(body("/coins/list")) && listed(body("/coins/list?status=inactive")));
    assert!(!listed(body(MARKETS)) && !body(SIMPLE).contains("\"bitcoin\""));
    assert_eq!(engine.answer(&keyed("/coins/bitcoin"), START).status, 404);
    assert_eq!(engine.touches()[0].count, 5);
}

#[test]
fn a_body_that_breaks_off_is_complete_as_http() {
    let truncated = |how, after| CoinGeckoFault::Truncated { how, after };
    let whole = engine().answer(&keyed(SIMPLE), START).body;
    let engine = broken(truncated(Cut::Json, Some(10)));
    let answer = engine.answer(&keyed(SIMPLE), START);
    assert_eq!((&answer.body[..], answer.wire), (&whole[..10], Wire::Whole));
    let longer = broken(truncated(Cut::Json, Some(1_000_000)));
    assert_eq!(longer.answer(&keyed(SIMPLE), START).body, whole);
    assert_eq!((engine.touches()[0].count, longer.touches()[0].count), (1, 0));
}

#[test]
fn a_cut_promises_the_whole() {
    let whole = engine().answer(&keyed(SIMPLE), START).body;
    for how in [Cut::Length, Cut::Chunked] {
        let answer = broken(CoinGeckoFault::Truncated { how, after: Some(7) }).answer(&keyed(SIMPLE), START);
        assert_eq!((&answer.body, answer.wire), (&whole, Wire::Cut { how, after: 7 }));
        let framing: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(name, _)| matches!(*name, "content-length" | "transfer-encoding"))
            .map(|(_, value)| value.as_str())
            .collect();
        let length = whole.len().to_string();
        let promised = if how == Cut::Length {
            length.as_str()
        } else {
            "chunked"
        };
        assert_eq!(framing, [promised]);
        assert_eq!(answer.faults, [0]);
    }
}

#[test]
fn what_breaks_a_connection_is_for_its_carrier_to_play() {
    let wire = |kind| broken(kind).answer(&keyed(SIMPLE), START).wire;
    let connect_fail = |how| CoinGeckoFault::ConnectFail { how };
    assert_eq!(wire(connect_fail(ConnectFailure::Reset)), Wire::Reset);
    assert_eq!(wire(connect_fail(ConnectFailure::Close)), Wire::Close);
    assert_eq!(
        wire(CoinGeckoFault::SlowBody {
            bytes_per_second: 1000
        }),
        Wire::Drip {
            bytes_per_second: 1000
        }
    );
    let engine = broken(connect_fail(ConnectFailure::Refuse));
    assert_eq!(engine.unreachable(START), Some((Unreachable::Refuse, 0)));
    let answer = engine.answer(&keyed(SIMPLE), START);
    assert_eq!((answer.status, answer.wire), (200, Wire::Whole), "it has come");
    assert_eq!((answer.faults, engine.touches()[0].count), (vec![], 0));
}
