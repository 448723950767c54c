//! Price answers: bodies, headers, validators, encodings.

use std::time::Duration;

use http::{Method, StatusCode};
use insta::assert_snapshot;

use crate::support::bench::{Bench, CannedUpstream, START};

fn ascending() -> [String; 3] {
    ["76975", "-1.4093297098441402", "1542226908349.8406"].map(ToOwned::to_owned)
}

#[tokio::test(start_paused = true)]
async fn a_price_is_answered_with_everything_that_tells_where_it_came_from() {
    let bench = Bench::new();
    bench.add_price(
        "BTC",
        "Bitcoin",
        &ascending(),
        service::clock::Timestamp(START.0 - 61_500),
    );
    assert_snapshot!(bench.get("/prices/btc").await.dump(), @r#"
    200 OK
    access-control-allow-origin: *
    access-control-expose-headers: Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id
    age: 61
    cache-control: private, max-age=300
    cache-status: crypto-watch; hit; detail=store; ttl=238
    content-length: 199
    content-type: application/json
    etag: W/"33209278123b577c9f772e5c0fcc0f53"
    ratelimit-policy: "default";q=100;w=60
    ratelimit: "default";r=99;t=30
    vary: Accept-Encoding
    x-request-id: 0000000000000001

    {"data":[{"symbol":"BTC","name":"Bitcoin","price":76975,"change24h":-1.4093297098441402,"marketCap":1542226908349.8406,"lastUpdated":"2026-03-01T23:59:11.377Z"}],"timestamp":"2026-03-01T23:59:28.5Z"}
    "#);
    assert_snapshot!(serde_json::to_string(&bench.last_metrics()).expect("JSON"), @r#"{"BodyBytesIdentity":199,"BodyBytesSent":199,"CacheStore":1,"Environment":"dev","LatencyMs":0,"OldestPriceAgeSeconds":61.5,"PriceRequests":1,"ReadCapacityUnits":1.5,"Requests":1,"Service":"api","Status2xx":1,"WriteCapacityUnits":2,"requestId":"0000000000000001","route":"/prices/{symbol}"}"#);
}

#[tokio::test(start_paused = true)]
async fn coins_come_in_the_order_asked_and_each_once() {
    let bench = Bench::new().with_prices(Duration::from_secs(10));
    let answer = bench.get("/prices?symbols=eth,%20BTC,eth,sol&other=1").await;
    assert_eq!(answer.status, StatusCode::OK);
    let symbols: Vec<_> = answer.json()["data"]
        .as_array()
        .expect("data")
        .iter()
        .map(|coin| coin["symbol"].as_str().expect("a symbol").to_owned())
        .collect();
    assert_eq!(symbols, ["ETH", "BTC", "SOL"]);
}

#[tokio::test(start_paused = true)]
async fn equal_data_give_equal_bytes_and_a_304() {
    let bench = Bench::new().with_prices(Duration::from_secs(10));
    let first = bench.get("/prices?symbols=BTC,ETH").await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let again = bench.get("/prices?symbols=BTC,ETH").await;
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("etag"), again.header("etag"));
    assert_eq!((first.header("age"), again.header("age")), ("10", "15"));
    let known = bench
        .get_with(
            "/prices?symbols=BTC,ETH",
            &[("if-none-match", first.header("etag"))],
        )
        .await;
    assert_snapshot!(known.dump(), @r#"
    304 Not Modified
    access-control-allow-origin: *
    access-control-expose-headers: Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id
    age: 15
    cache-control: private, max-age=300
    cache-status: crypto-watch; hit; detail=memory; ttl=285
    etag: W/"b90975733713525384ef5ce6d000fd16"
    ratelimit-policy: "default";q=100;w=60
    ratelimit: "default";r=97;t=25
    vary: Accept-Encoding
    x-request-id: 0000000000000003
    "#);
    let metrics = bench.last_metrics();
    assert_eq!(
        (&metrics["Status3xx"], &metrics["PriceRequests"]),
        (&1.into(), &1.into())
    );
    let other = bench
        .get_with(
            "/prices?symbols=ETH,BTC",
            &[("if-none-match", first.header("etag"))],
        )
        .await;
    assert_eq!(other.status, StatusCode::OK, "another order is another body");
}

#[tokio::test(start_paused = true)]
async fn a_supported_coin_without_a_price_is_named() {
    let bench = Bench::new();
    bench.add_price("BTC", "Bitcoin", &ascending(), START);
    let answer = bench.get("/prices?symbols=ETH,BTC").await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    assert_eq!(body["unavailable"], serde_json::json!(["ETH"]));
    assert_eq!(body["data"][0]["symbol"], "BTC");
    assert_eq!(
        answer.header("cache-status"),
        "crypto-watch; fwd=miss; ttl=0",
        "the worst coin's"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_servable_is_a_503_that_says_when_to_come_back() {
    let bench = Bench::new();
    let answer = bench.get("/prices/BTC").await;
    assert_eq!(answer.problem(), "503 PRICE_UNAVAILABLE");
    assert_eq!(answer.header("cache-status"), "crypto-watch; fwd=miss; ttl=0");
    let retry_after: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=240).contains(&retry_after), "{retry_after}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_ne!(answer.header("ratelimit"), "", "it was admitted");
    assert_eq!(bench.last_metrics()["CacheNone"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_empty_cache_is_filled_by_one_request() {
    let body = r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin","current_price":76975.10,"market_cap":1.5422269083498406E+12,"price_change_percentage_24h":null,"last_updated":"2026-03-02T00:00:01.5Z"}]"#;
    let bench = Bench::build(
        &[("SUPPORTED_SYMBOLS", "BTC=bitcoin")],
        CannedUpstream {
            status: StatusCode::OK,
            body,
        },
    );
    let first = bench.get("/prices/BTC").await;
    assert_snapshot!(first.text(), @r#"{"data":[{"symbol":"BTC","name":"Bitcoin","price":76975.1,"change24h":null,"marketCap":1542226908349.8406,"lastUpdated":"2026-03-02T00:00:01.5Z"}],"timestamp":"2026-03-02T00:00:30Z"}"#);
    assert_eq!(
        first.header("cache-status"),
        "crypto-watch; fwd=miss; stored; ttl=300"
    );
    let metrics = bench.last_metrics();
    assert_eq!(
        (&metrics["CacheUpstream"], &metrics["UpstreamCalls"]),
        (&1.into(), &1.into())
    );
    let second = bench.get("/prices/BTC").await;
    assert_eq!(
        second.header("cache-status"),
        "crypto-watch; hit; detail=memory; ttl=300"
    );
    assert_eq!(first.body, second.body);
}

#[tokio::test(start_paused = true)]
async fn gzip_is_sent_when_asked_for_and_saves_what_is_promised() {
    let bench = Bench::new().with_prices(Duration::from_secs(10));
    let all: Vec<&str> = service::symbols::BUILTIN
        .iter()
        .map(|(symbol, ..)| *symbol)
        .collect();
    for (count, least) in [(20, 0.67), (50, 0.70)] {
        let path = format!("/prices?symbols={}", all[..count].join(","));
        let plain = bench.get(&path).await;
        let encoded = bench.get_with(&path, &[("accept-encoding", "br, gzip")]).await;
        assert_eq!(plain.header("content-encoding"), "");
        assert_eq!(encoded.header("content-encoding"), "gzip");
        assert_eq!(
            (plain.header("vary"), encoded.header("vary")),
            ("Accept-Encoding", "Accept-Encoding")
        );
        assert_eq!(plain.header("etag"), encoded.header("etag"));
        assert_eq!(plain.text(), encoded.text());
        let saved = 1.0 - encoded.body.len() as f64 / plain.body.len() as f64;
        assert!(
            saved >= least,
            "{count} symbols: {saved:.4} saved of {} bytes",
            plain.body.len()
        );
        let metrics = bench.last_metrics();
        assert_eq!(metrics["BodyBytesIdentity"], plain.body.len() as f64);
        assert_eq!(metrics["BodyBytesSent"], encoded.body.len() as f64);
        assert_eq!(metrics["EncodedResponses"], 1);
    }
    assert_eq!(
        bench.app.bodies.size().0,
        2,
        "each body was encoded once and kept"
    );
    let small = bench
        .get_with("/prices/BTC", &[("accept-encoding", "gzip")])
        .await;
    assert_eq!(small.header("content-encoding"), "", "not worth it");
}

#[tokio::test(start_paused = true)]
async fn compression_can_be_switched_off() {
    let bench = Bench::with(&[("COMPRESSION", "off")]).with_prices(Duration::ZERO);
    let answer = bench
        .get_with(
            "/prices?symbols=BTC,ETH,SOL,XRP,ADA,DOGE",
            &[("accept-encoding", "gzip")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-encoding"), "");
}

#[tokio::test(start_paused = true)]
async fn head_is_get_without_the_body() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    let get = bench.get("/prices/BTC").await;
    let head = bench
        .send(
            Method::HEAD,
            "/prices/BTC",
            &[("x-api-key", crate::support::bench::KEY)],
        )
        .await;
    assert_eq!(head.status, StatusCode::OK);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    assert_eq!(head.header("etag"), get.header("etag"));
    let refused = bench.send(Method::HEAD, "/prices/BTC", &[]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.body.is_empty());
}

#[tokio::test(start_paused = true)]
async fn health_needs_no_key() {
    let bench = Bench::with(&[("ENVIRONMENT", "staging")]);
    let answer = bench.send(Method::GET, "/health", &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text(),
        format!(
            r#"{{"status":"ok","environment":"staging","version":"{}"}}"#,
            service::BUILD_ID
        )
    );
    assert_eq!(bench.last_metrics()["route"], "/health");
    assert_eq!(bench.store.items().calls.len(), 0, "not even the store is asked");
}

#[tokio::test(start_paused = true)]
async fn last_use_is_written_once_a_minute() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    for _ in 0..5 {
        bench.get("/prices/BTC").await;
        tokio::time::advance(Duration::from_secs(30)).await;
    }
    // At 0, 60 and 120 seconds.
    assert_eq!(bench.store.calls("touch_api_key"), 3);
    let items = bench.store.items();
    let key = items.keys.values().next().expect("the key");
    assert_eq!(key.last_used_at.map(|at| at.0 - START.0), Some(120_000));
}
