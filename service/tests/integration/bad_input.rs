//! Requests that cannot be answered: each gets its own clear answer, and none costs memory.

use std::{sync::atomic::Ordering, time::Duration};

use axum::body::Body;
use http::{Method, Request, StatusCode};
use insta::assert_snapshot;

use crate::support::bench::{Bench, KEY};

#[tokio::test(start_paused = true)]
async fn no_key_a_wrong_one_and_a_disabled_one_look_the_same() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    bench.store.add_key("a-disabled-key", false);
    let without = bench.send(Method::GET, "/prices/BTC", &[]).await;
    assert_snapshot!(without.dump(), @r#"
    401 Unauthorized
    access-control-allow-origin: *
    access-control-expose-headers: Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id
    cache-control: no-store
    content-length: 193
    content-type: application/problem+json
    vary: Accept-Encoding
    x-request-id: 0000000000000001

    {"type":"urn:crypto-watch:problem:unauthorized","title":"Unauthorized","status":401,"detail":"send a valid API key in the X-API-Key header","code":"UNAUTHORIZED","requestId":"0000000000000001"}
    "#);
    let strip = |text: String, id: &str| text.replace(id, "");
    let expected = strip(without.text(), without.header("x-request-id"));
    for key in ["wrong", "a-disabled-key", "", " ", &"x".repeat(8192)] {
        let answer = bench
            .send(Method::GET, "/prices/BTC", &[("x-api-key", key)])
            .await;
        assert_eq!(answer.problem(), "401 UNAUTHORIZED");
        assert_eq!(strip(answer.text(), answer.header("x-request-id")), expected);
    }
    let twice = [("x-api-key", KEY), ("x-api-key", "wrong")];
    assert_eq!(
        bench.send(Method::GET, "/prices/BTC", &twice).await.problem(),
        "401 UNAUTHORIZED"
    );
    assert_eq!(
        bench.store.calls("count_request"),
        0,
        "nobody's request is counted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_disabled_is_let_in_for_the_stated_time() {
    let bench = Bench::with(&[("KEY_CACHE_SECONDS", "30")]).with_prices(Duration::ZERO);
    assert_eq!(bench.get("/prices/BTC").await.status, StatusCode::OK);
    bench.store.add_key(KEY, false);
    tokio::time::advance(Duration::from_millis(29_900)).await;
    assert_eq!(bench.get("/prices/BTC").await.status, StatusCode::OK);
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(bench.get("/prices/BTC").await.problem(), "401 UNAUTHORIZED");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_symbols_is_1_to_50() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    for path in [
        "/prices",
        "/prices?symbols=",
        "/prices?symbols=,%20,",
        "/prices?symbol=BTC",
        "/prices/%20",
    ] {
        assert_eq!(bench.get(path).await.problem(), "400 INVALID_REQUEST", "{path}");
    }
    let many: Vec<String> = (0..51).map(|n| format!("S{n}")).collect();
    let answer = bench.get(&format!("/prices?symbols={}", many.join(","))).await;
    assert_snapshot!(answer.text(), @r#"{"type":"urn:crypto-watch:problem:invalid-request","title":"Invalid request","status":400,"detail":"ask for 1 to 50 symbols, such as /prices?symbols=BTC,ETH","code":"INVALID_REQUEST","requestId":"0000000000000006"}"#);
    let fifty = bench
        .get(&format!("/prices?symbols={}", many[..50].join(",")))
        .await;
    assert_eq!(fifty.problem(), "404 UNKNOWN_SYMBOL", "fifty are few enough");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_symbol_is_named_and_nothing_else_is() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    let answer = bench.get("/prices?symbols=BTC,dogee,ETH").await;
    assert_snapshot!(answer.dump(), @r#"
    404 Not Found
    access-control-allow-origin: *
    access-control-expose-headers: Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id
    cache-control: no-store
    content-length: 175
    content-type: application/problem+json
    vary: Accept-Encoding
    x-request-id: 0000000000000001

    {"type":"urn:crypto-watch:problem:unknown-symbol","title":"Unknown symbol","status":404,"detail":"not supported: DOGEE","code":"UNKNOWN_SYMBOL","requestId":"0000000000000001"}
    "#);
    assert_eq!(bench.get("/prices/BTC,ETH").await.problem(), "404 UNKNOWN_SYMBOL");
    assert_eq!(
        bench.get("/prices/%3Cscript%3E").await.problem(),
        "404 UNKNOWN_SYMBOL"
    );
    assert_eq!(
        bench.store.calls("count_request"),
        0,
        "what cannot be answered uses up no quota"
    );
}

#[tokio::test(start_paused = true)]
async fn eight_kilobytes_of_symbols_are_read_no_further_than_needed() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    let distinct: Vec<String> = (0..1500).map(|n| format!("S{n}")).collect();
    let answer = bench
        .get(&format!("/prices?symbols={}", distinct.join(",")))
        .await;
    assert_eq!(answer.problem(), "400 INVALID_REQUEST");
    let one = bench.get(&format!("/prices?symbols={}", "A".repeat(8192))).await;
    assert_eq!(one.problem(), "400 INVALID_REQUEST");
    assert!(one.body.len() < 400, "it is not repeated: {}", one.text());
    let repeated = bench
        .get(&format!("/prices?symbols={}", "BTC,".repeat(2048)))
        .await;
    assert_eq!(
        repeated.status,
        StatusCode::OK,
        "the same coin 2048 times is one coin"
    );
    let path = bench
        .get(&format!("/prices/{}", "%F0%9F%98%80".repeat(600)))
        .await;
    assert_eq!(path.problem(), "400 INVALID_REQUEST");
    assert_eq!(bench.get("/prices/%FF%FE").await.problem(), "400 INVALID_REQUEST");
}

#[tokio::test(start_paused = true)]
async fn wrong_paths_and_methods_are_problems_with_cors_too() {
    let bench = Bench::new();
    for path in ["/", "/price", "/prices/BTC/x", "/health/", "/prices/"] {
        let answer = bench.get(path).await;
        assert_eq!(answer.problem(), "404 NOT_FOUND", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    assert_eq!(bench.last_metrics()["route"], "other");
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::TRACE,
    ] {
        let answer = bench.send(method.clone(), "/prices", &[]).await;
        assert_eq!(answer.problem(), "405 METHOD_NOT_ALLOWED", "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preflight_needs_no_key() {
    let bench = Bench::new();
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "x-api-key"),
    ];
    assert_snapshot!(bench.send(Method::OPTIONS, "/prices/BTC", &headers).await.dump(), @"
    204 No Content
    access-control-allow-headers: X-API-Key, If-None-Match
    access-control-allow-methods: GET, HEAD, OPTIONS
    access-control-allow-origin: *
    access-control-expose-headers: Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id
    access-control-max-age: 86400
    allow: GET, HEAD, OPTIONS
    vary: Accept-Encoding
    x-request-id: 0000000000000001
    ");
}

#[tokio::test(start_paused = true)]
async fn accept_encoding_oddities_do_no_harm() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    let path = "/prices?symbols=BTC,ETH,SOL,XRP,ADA,DOGE,TRX,LINK";
    for (value, encoded) in [
        ("gzip;q=0", ""),
        ("*", "gzip"),
        ("*;q=0", ""),
        ("gzip;q=0, *;q=1", ""),
        ("deflate, br", ""),
        ("gzip;q=banana", ""),
        ("GZip ; Q=0.3", "gzip"),
        ("identity;q=1, gzip;q=0.9", ""),
        (",;=,", ""),
    ] {
        let answer = bench.get_with(path, &[("accept-encoding", value)]).await;
        assert_eq!(
            (answer.status, answer.header("content-encoding")),
            (StatusCode::OK, encoded),
            "{value:?}"
        );
        assert_eq!(answer.json()["data"].as_array().map(Vec::len), Some(8));
    }
    let mut request = Request::get(path)
        .header("x-api-key", KEY)
        .body(Body::empty())
        .expect("a request");
    let odd = http::HeaderValue::from_bytes(b"gzip\xff").expect("opaque bytes are a value");
    request.headers_mut().insert("accept-encoding", odd);
    assert_eq!(bench.call(request).await.header("content-encoding"), "");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_bad_keys_and_symbols_leave_nothing_behind() {
    let bench = Bench::with(&[("RATE_LIMIT_PER_MINUTE", "1000000")]).with_prices(Duration::ZERO);
    bench.get("/prices/BTC").await;
    let remembered = || {
        (
            bench.app.keys.remembered(),
            bench.app.limiter.remembered(),
            bench.app.bodies.size(),
            bench.app.memory.remembered(),
        )
    };
    let before = remembered();
    for n in 0..10_000 {
        let key = format!("made-up-{n}");
        let answer = bench
            .send(Method::GET, "/prices/BTC", &[("x-api-key", &key)])
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let answer = bench
            .get_with(&format!("/prices/BAD{n}"), &[("accept-encoding", "gzip")])
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(remembered(), before);
    assert_eq!(
        (before.0, before.3),
        (1, 1),
        "the good key and the coin that was asked for"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_failure_is_a_503_at_once() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    bench.get("/prices/BTC").await;
    bench.store.failing.store(true, Ordering::Relaxed);
    let known_key = bench.get("/prices/BTC").await;
    assert_eq!(known_key.problem(), "503 STORE_UNAVAILABLE");
    assert_eq!(known_key.header("retry-after"), "1");
    assert_eq!(known_key.header("cache-status"), "crypto-watch; fwd=miss; ttl=0");
    let new_key = bench
        .send(Method::GET, "/prices/BTC", &[("x-api-key", "new")])
        .await;
    assert_eq!(
        new_key.problem(),
        "503 STORE_UNAVAILABLE",
        "not a 401: nobody knows"
    );
    assert_eq!(new_key.header("cache-status"), "crypto-watch; fwd=miss; ttl=0");
    assert_eq!(
        bench.send(Method::GET, "/health", &[]).await.status,
        StatusCode::OK
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_500_and_the_service_lives() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    bench.store.panicking.store(true, Ordering::Relaxed);
    let answer = bench.get("/prices/BTC").await;
    assert_eq!(answer.problem(), "500 INTERNAL");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        !answer.text().contains("asked for a panic"),
        "the client learns nothing of it"
    );
    assert_eq!(bench.last_metrics()["Status5xx"], 1);
    bench.store.panicking.store(false, Ordering::Relaxed);
    assert_eq!(bench.get("/prices/BTC").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn every_request_is_measured_once() {
    let bench = Bench::new().with_prices(Duration::ZERO);
    bench.get("/prices/BTC").await;
    bench.get("/nowhere").await;
    bench.send(Method::POST, "/prices", &[]).await;
    bench.send(Method::OPTIONS, "/prices", &[]).await;
    assert_eq!(bench.documents(), 4);
}
