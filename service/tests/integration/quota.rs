//! The rate limit as a client meets it.

use std::time::Duration;

use http::{Method, StatusCode};
use insta::assert_snapshot;

use crate::support::bench::Bench;

#[tokio::test(start_paused = true)]
async fn the_quota_counts_down_and_then_refuses() {
    let bench = Bench::with(&[("RATE_LIMIT_PER_MINUTE", "3")]).with_prices(Duration::ZERO);
    let mut told = Vec::new();
    for _ in 0..4 {
        let answer = bench.get("/prices/BTC").await;
        told.push(format!(
            "{} {} {}",
            answer.status.as_u16(),
            answer.header("ratelimit-policy"),
            answer.header("ratelimit")
        ));
    }
    assert_snapshot!(told.join("\n"), @r#"
    200 "default";q=3;w=60 "default";r=2;t=30
    200 "default";q=3;w=60 "default";r=1;t=30
    200 "default";q=3;w=60 "default";r=0;t=30
    429 "default";q=3;w=60 "default";r=0;t=50
    "#);
    let refused = bench.get("/prices/BTC").await;
    assert_snapshot!(refused.dump(), @r#"
    429 Too Many Requests
    access-control-allow-origin: *
    access-control-expose-headers: Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id
    cache-control: no-store
    content-length: 227
    content-type: application/problem+json
    ratelimit-policy: "default";q=3;w=60
    ratelimit: "default";r=0;t=50
    retry-after: 50
    vary: Accept-Encoding
    x-request-id: 0000000000000005

    {"type":"urn:crypto-watch:problem:rate-limit-exceeded","title":"Rate limit exceeded","status":429,"detail":"too many requests with this API key; wait for Retry-After","code":"RATE_LIMIT_EXCEEDED","requestId":"0000000000000005"}
    "#);
    let metrics = bench.last_metrics();
    assert_eq!(
        (&metrics["RateLimited"], &metrics["Status4xx"]),
        (&1.into(), &1.into())
    );
    assert!(!metrics.contains_key("PriceRequests"));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_true_and_refusals_do_not_count() {
    for limit in ["1", "2", "3", "10"] {
        let bench = Bench::with(&[("RATE_LIMIT_PER_MINUTE", limit)]).with_prices(Duration::ZERO);
        for round in 0..10 {
            let refused = loop {
                let answer = bench.get("/prices/BTC").await;
                if answer.status == StatusCode::TOO_MANY_REQUESTS {
                    break answer;
                }
                tokio::time::advance(Duration::from_millis(733)).await;
            };
            for _ in 0..20 {
                assert_eq!(
                    bench.get("/prices/BTC").await.status,
                    StatusCode::TOO_MANY_REQUESTS
                );
            }
            let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
            tokio::time::advance(Duration::from_secs(seconds)).await;
            let after = bench.get("/prices/BTC").await.status;
            assert!(
                after != StatusCode::TOO_MANY_REQUESTS,
                "limit {limit}, round {round}: {seconds} s were said"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_previous_window_is_read_once_and_a_hopeless_request_not_counted() {
    let bench = Bench::with(&[("RATE_LIMIT_PER_MINUTE", "2")]).with_prices(Duration::ZERO);
    bench.get("/prices/BTC").await;
    bench.get("/prices/BTC").await;
    assert_eq!(
        (
            bench.store.calls("request_count"),
            bench.store.calls("count_request")
        ),
        (1, 2)
    );
    // The next window starts in half a minute; at its beginning the previous one leaves no room at all.
    tokio::time::advance(Duration::from_secs(30)).await;
    for _ in 0..5 {
        assert_eq!(
            bench.get("/prices/BTC").await.problem(),
            "429 RATE_LIMIT_EXCEEDED"
        );
    }
    assert_eq!(
        (
            bench.store.calls("request_count"),
            bench.store.calls("count_request")
        ),
        (2, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn keys_do_not_share_a_quota() {
    let bench = Bench::with(&[("RATE_LIMIT_PER_MINUTE", "1")]).with_prices(Duration::ZERO);
    bench.store.add_key("another", true);
    assert_eq!(bench.get("/prices/BTC").await.status, StatusCode::OK);
    assert_eq!(
        bench.get("/prices/BTC").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let other = bench
        .send(Method::GET, "/prices/BTC", &[("x-api-key", "another")])
        .await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_are_admitted_exactly_up_to_the_limit() {
    let bench = Bench::with(&[("RATE_LIMIT_PER_MINUTE", "40")]).with_prices(Duration::ZERO);
    let answers = futures_util::future::join_all((0..64).map(|_| bench.get("/prices/BTC"))).await;
    let admitted = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .count();
    assert_eq!(admitted, 40);
    assert_eq!(
        bench.store.calls("request_count"),
        1,
        "those that came at once shared the read"
    );
}
