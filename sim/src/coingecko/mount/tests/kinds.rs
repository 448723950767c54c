//! What a plain TCP client sees of each kind of fault that HTTP can tell: first line, type, `Retry-After`, bytes, time.

use scenarios::format::fault::{
    BlockBody, FaultKind, Freeze, Missing, PriceField, Renamed, RetryAfter, WrongValue,
};
use tokio::time::Instant;

use super::*;

const PRICES: &str = "/simple/price?ids=bitcoin,ethereum&vs_currencies=usd&include_last_updated_at=true";
const MINUTE: Duration = Duration::from_secs(60);

/// Where a kind is held against the wire. A new kind must name its test here.
fn tested_in(kind: &CoinGeckoFault) -> &'static str {
    match kind {
        CoinGeckoFault::Hang { .. } | CoinGeckoFault::Status { .. } => "mount::tests",
        CoinGeckoFault::SlowBody { .. }
        | CoinGeckoFault::ConnectFail { .. }
        | CoinGeckoFault::SlowConnect { .. }
        | CoinGeckoFault::Truncated { .. } => "mount::tests::wire",
        CoinGeckoFault::RateLimit { .. }
        | CoinGeckoFault::QuotaExhausted
        | CoinGeckoFault::CfRateLimit1015
        | CoinGeckoFault::CfBlock { .. }
        | CoinGeckoFault::EndpointDisabled
        | CoinGeckoFault::GatewayHtml { .. }
        | CoinGeckoFault::App500Html
        | CoinGeckoFault::HtmlWith200
        | CoinGeckoFault::Latency { .. }
        | CoinGeckoFault::StaleData { .. }
        | CoinGeckoFault::CacheSplit { .. }
        | CoinGeckoFault::NullFields { .. }
        | CoinGeckoFault::MissingCoin { .. }
        | CoinGeckoFault::IdRenamed { .. }
        | CoinGeckoFault::Delisted
        | CoinGeckoFault::WrongValue { .. }
        | CoinGeckoFault::AuthMixup { .. }
        | CoinGeckoFault::UriTooLong { .. } => "mount::tests::kinds",
    }
}

fn of_bitcoin(kind: CoinGeckoFault) -> Fault {
    Fault {
        matches: Match {
            id: Some("bitcoin".to_owned()),
            ..Match::default()
        },
        ..sample(kind)
    }
}

/// The answers to `targets`, one connection each: what tells one fault from another.
async fn seen(fault: Fault, targets: &[&str]) -> String {
    if let FaultKind::CoinGecko(kind) = &fault.kind {
        assert_eq!(tested_in(kind), "mount::tests::kinds", "{kind:?}");
    }
    let played = Played::on(Plan::Demo, &[fault]).await;
    let mut all = Vec::new();
    for target in targets {
        let answer = played.raw(target).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        let told = lines.filter(|line| line.starts_with("content-type") || line.starts_with("retry-after"));
        let told: Vec<_> = std::iter::once(first).chain(told).collect();
        // In chunks a body has its length before it; pages are long.
        let body: String = body
            .lines()
            .filter(|line| !line.is_empty() && u32::from_str_radix(line, 16).is_err())
            .collect::<Vec<_>>()
            .join(" ");
        let short: String = body.chars().take(150).collect();
        all.push(format!("{} | {short}", told.join(" | ")));
    }
    assert!(
        played
            .ended(targets.len())
            .await
            .iter()
            .any(|call| call.faults == [0]),
        "a fault that touched nothing shows nothing"
    );
    all.join("\n")
}

#[tokio::test]
async fn refusals_and_pages() {
    let limit = |retry_after| CoinGeckoFault::RateLimit {
        limit: 0.0,
        window: MINUTE,
        retry_after,
    };
    let mut all = Vec::new();
    for kind in [
        limit(RetryAfter::Fixed(Duration::from_secs(53))),
        limit(RetryAfter::Text("-1".to_owned())),
        limit(RetryAfter::Absent),
        CoinGeckoFault::QuotaExhausted,
        CoinGeckoFault::CfRateLimit1015,
        CoinGeckoFault::CfBlock {
            body: BlockBody::Code1020,
        },
        CoinGeckoFault::CfBlock {
            body: BlockBody::Html,
        },
        CoinGeckoFault::EndpointDisabled,
        CoinGeckoFault::GatewayHtml { status: 502 },
        CoinGeckoFault::GatewayHtml { status: 522 },
        CoinGeckoFault::App500Html,
        CoinGeckoFault::HtmlWith200,
        CoinGeckoFault::UriTooLong { above: 40 },
    ] {
        all.push(seen(sample(kind), &[PRICES]).await);
    }
    insta::assert_snapshot!(all.join("\n"), @r#"
    HTTP/1.1 429 Too Many Requests | content-type: application/json | retry-after: 53 | {"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our
    HTTP/1.1 429 Too Many Requests | content-type: application/json | retry-after: -1 | {"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our
    HTTP/1.1 429 Too Many Requests | content-type: application/json | {"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our
    HTTP/1.1 429 Too Many Requests | content-type: application/json | {"status":{"error_code":10006,"error_message":"You've reached 10,000 calls limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe t
    HTTP/1.1 429 Too Many Requests | content-type: text/plain; charset=UTF-8 | error code: 1015
    HTTP/1.1 403 Forbidden | content-type: text/plain; charset=UTF-8 | error code: 1020
    HTTP/1.1 403 Forbidden | content-type: text/html; charset=UTF-8 | <!DOCTYPE html> <html lang="en-US"><head><title>Access denied | api.coingecko.com used Cloudflare to restrict access</title></head><body><h1>Access de
    HTTP/1.1 403 Forbidden | content-type: application/json | {"status":{"error_code":403,"error_message":"This endpoint is temporarily unavailable due to ongoing issues. Please visit https://www.coingecko.com/en
    HTTP/1.1 502 Bad Gateway | content-type: text/html; charset=UTF-8 | <!DOCTYPE html> <html lang="en-US"><head><title>api.coingecko.com | 502: Bad Gateway</title></head><body><h1>Bad Gateway</h1><p>Error code 502</p></bo
    HTTP/1.1 522 Unknown | content-type: text/html; charset=UTF-8 | <!DOCTYPE html> <html lang="en-US"><head><title>api.coingecko.com | 522: Connection timed out</title></head><body><h1>Connection timed out</h1><p>Erro
    HTTP/1.1 500 Internal Server Error | content-type: text/html; charset=utf-8 | <!DOCTYPE html> <html lang="en-US"><head><title>Uh Oh! We're sorry, but something went wrong. (500)</title></head><body><h1>Uh Oh!</h1><p>We're sorry,
    HTTP/1.1 200 OK | content-type: text/html; charset=UTF-8 | <!DOCTYPE html> <html lang="en-US"><head><title>Just a moment...</title></head><body><h1>Checking your browser before accessing api.coingecko.com</h1>
    HTTP/1.1 414 URI Too Long | content-type: text/html; charset=UTF-8 | <!DOCTYPE html> <html lang="en-US"><head><title>414 Request-URI Too Large</title></head><body><h1>414 Request-URI Too Large</h1><p>cloudflare</p></bod
    "#);
}

#[tokio::test]
async fn a_date_to_come_back_at_is_an_http_date() {
    let kind = CoinGeckoFault::RateLimit {
        limit: 0.0,
        window: MINUTE,
        retry_after: RetryAfter::Date,
    };
    insta::assert_snapshot!(seen(sample(kind), &[PRICES]).await, @r#"HTTP/1.1 429 Too Many Requests | content-type: application/json | retry-after: Mon, 02 Mar 2026 00:01:00 GMT | {"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our"#);
}

#[tokio::test]
async fn keys_that_are_mixed_up() {
    let mut all = Vec::new();
    for code in [10_002, 10_010, 10_011] {
        all.push(seen(sample(CoinGeckoFault::AuthMixup { code }), &["/ping"]).await);
    }
    // When it was said, to the millisecond.
    let text = all.join("\n");
    let parts = text.split(r#""timestamp":""#).enumerate().map(|(n, part)| {
        let after = part.split_once('"').map_or("", |(_, after)| after);
        if n == 0 {
            part.to_owned()
        } else {
            format!("NOW\"{after}")
        }
    });
    insta::assert_snapshot!(parts.collect::<Vec<_>>().join(r#""timestamp":""#), @r#"
    HTTP/1.1 401 Unauthorized | content-type: application/json; charset=utf-8 | {"status":{"timestamp":"NOW","error_code":10002,"error_message":"API Key Missing. Please make sure you're using the right au
    HTTP/1.1 400 Bad Request | content-type: application/json; charset=utf-8 | {"timestamp":"NOW","error_code":10010,"status":{"error_message":"If you are using Pro API key, please change your root URL f
    HTTP/1.1 400 Bad Request | content-type: application/json; charset=utf-8 | {"timestamp":"NOW","error_code":10011,"status":{"error_message":"If you are using Demo API key, please change your root URL
    "#);
}

#[tokio::test]
async fn data_that_are_wrong() {
    let of = |fault| async move { seen(fault, &[PRICES]).await };
    let mut all = vec![of(of_bitcoin(CoinGeckoFault::Delisted)).await];
    for kind in [
        CoinGeckoFault::NullFields {
            fields: vec![PriceField::Price],
            absent: false,
        },
        CoinGeckoFault::MissingCoin {
            count: 1,
            shape: Missing::Omit,
        },
        CoinGeckoFault::MissingCoin {
            count: 1,
            shape: Missing::EmptyCoin,
        },
        CoinGeckoFault::IdRenamed { shape: Renamed::Omit },
        CoinGeckoFault::IdRenamed {
            shape: Renamed::Hollow,
        },
        CoinGeckoFault::WrongValue {
            value: WrongValue::Zero,
        },
        CoinGeckoFault::WrongValue {
            value: WrongValue::Negative,
        },
        CoinGeckoFault::WrongValue {
            value: WrongValue::Spike { factor: 1000.0 },
        },
        CoinGeckoFault::WrongValue {
            value: WrongValue::OtherCoin,
        },
    ] {
        all.push(of(of_bitcoin(kind)).await);
    }
    insta::assert_snapshot!(all.join("\n"), @r#"
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":null,"last_updated_at":1772409599},"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{},"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":null,"last_updated_at":1772409599},"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":0,"last_updated_at":1772409599},"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":-85165,"last_updated_at":1772409599},"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":85165000,"last_updated_at":1772409599},"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":0.000582683,"last_updated_at":1772409599},"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    "#);
}

#[tokio::test]
async fn data_that_are_old() {
    let stale = |freeze| CoinGeckoFault::StaleData {
        age: MINUTE * 60,
        freeze,
    };
    let mut all = vec![
        seen(sample(stale(Freeze::All)), &[PRICES]).await,
        seen(sample(stale(Freeze::Price)), &[PRICES]).await,
    ];
    let split = CoinGeckoFault::CacheSplit { lag: MINUTE * 10 };
    all.push(seen(sample(split), &[PRICES, PRICES]).await);
    insta::assert_snapshot!(all.join("\n"), @r#"
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":84751,"last_updated_at":1772405999},"ethereum":{"usd":2633.45,"last_updated_at":1772405990}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":84751,"last_updated_at":1772409599},"ethereum":{"usd":2633.45,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":85165,"last_updated_at":1772409599},"ethereum":{"usd":2633.36,"last_updated_at":1772409590}}
    HTTP/1.1 200 OK | content-type: application/json; charset=utf-8 | {"bitcoin":{"usd":84971,"last_updated_at":1772408999},"ethereum":{"usd":2642.41,"last_updated_at":1772408990}}
    "#);
}

#[tokio::test]
async fn headers_that_come_late_come_no_sooner_than_said() {
    let late = Duration::from_millis(120);
    let played = Played::on(
        Plan::Demo,
        &[sample(CoinGeckoFault::Latency {
            latency: Latency::Fixed(late),
        })],
    )
    .await;
    let begun = Instant::now();
    let answer = played.raw(PRICES).await;
    assert!(begun.elapsed() >= late, "{:?}", begun.elapsed());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}
