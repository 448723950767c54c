//! The decisions and conversions that every request or refresh makes, and one request through the router.

use std::{hint::black_box, io::Write, time::Duration};

use axum::body::Body;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::{Compression, write::GzEncoder};
use http::Request;
use http_body_util::BodyExt;
use service::{
    cache,
    clock::Timestamp,
    coingecko::{backoff, wire},
    compression,
    config::Endpoint,
    http as edge, rate_limit,
    store::{Consistency, Store},
    transformers,
};
use tower::ServiceExt;

const NOW: Timestamp = Timestamp(1_772_409_600_000);

fn cache_decision(c: &mut Criterion) {
    let store = benches::WarmStore::new(NOW);
    let symbols: Vec<_> = service::symbols::SymbolTable::new(None)
        .coins()
        .iter()
        .map(|coin| coin.symbol.clone())
        .collect();
    let prices = ready(store.prices(&symbols, Consistency::Eventual)).value.prices;
    c.bench_function("cache decision, 50 coins", |b| {
        b.iter(|| {
            prices
                .iter()
                .filter(|price| {
                    cache::freshness(Some(black_box(price)), NOW, Duration::from_secs(300))
                        == cache::Freshness::Fresh
                })
                .count()
        });
    });
}

fn rate_limit_decision(c: &mut Criterion) {
    c.bench_function("rate-limit decision", |b| {
        b.iter(|| {
            let position = rate_limit::Position::of(black_box(NOW));
            rate_limit::room(black_box(100), black_box(57), position.elapsed_ms)
        });
    });
}

fn backoff_delay(c: &mut Criterion) {
    c.bench_function("backoff delays, 3 attempts", |b| {
        b.iter(|| {
            (1..=3)
                .map(|attempt| {
                    backoff::jittered(
                        black_box(attempt),
                        Duration::from_millis(200),
                        Duration::from_secs(5),
                        0.5,
                    )
                })
                .sum::<Duration>()
        });
    });
}

fn decode(c: &mut Criterion) {
    let body = benches::markets(NOW);
    let mut group = c.benchmark_group("CoinGecko decode");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("50 coins, to checked prices", |b| {
        b.iter(|| {
            let quotes = wire::decode(black_box(&body), Endpoint::Markets).expect("a sound body");
            quotes
                .iter()
                .map(transformers::reading)
                .filter(Result::is_ok)
                .count()
        });
    });
    group.finish();
}

fn compress(c: &mut Criterion) {
    let mut group = c.benchmark_group("gzip");
    for coins in [1, 20, 50] {
        let body = answer(coins);
        group.throughput(Throughput::Bytes(body.len() as u64));
        for level in [1, 6, 9] {
            let encode = |body: &[u8]| {
                let mut encoder = GzEncoder::new(Vec::with_capacity(body.len()), Compression::new(level));
                encoder.write_all(body).expect("writing to memory");
                encoder.finish().expect("writing to memory")
            };
            let saved = 1.0 - encode(&body).len() as f64 / body.len() as f64;
            let name = format!("{coins} coins, level {level}, saves {:.1} %", saved * 100.0);
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| encode(black_box(&body)))
            });
        }
        let saved = 1.0 - compression::gzip(&body).len() as f64 / body.len() as f64;
        let name = format!("{coins} coins, as served, saves {:.1} %", saved * 100.0);
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| compression::gzip(black_box(&body)))
        });
    }
    group.finish();
}

fn one_request(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let router = edge::router(benches::warm_app().into());
    let mut group = c.benchmark_group("one request through the router, prices in memory");
    for (name, gzip) in [("plain", false), ("gzip", true)] {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| {
                let router = router.clone();
                async move {
                    let mut request =
                        Request::get("/prices?symbols=BTC,ETH,SOL").header("x-api-key", benches::SECRET);
                    if gzip {
                        request = request.header("accept-encoding", "gzip");
                    }
                    let request = request.body(Body::empty()).expect("a sound request");
                    let answer = router.oneshot(request).await.expect("the router does not fail");
                    assert_eq!(answer.status(), 200);
                    answer.into_body().collect().await.expect("a body").to_bytes()
                }
            });
        });
    }
    group.finish();
}

/// The body that `/prices` answers for the first `coins` coins.
fn answer(coins: usize) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let app = benches::warm_app();
    let symbols: Vec<_> = app
        .symbols
        .coins()
        .iter()
        .take(coins)
        .map(|coin| coin.symbol.as_str().to_owned())
        .collect();
    let request = Request::get(format!("/prices?symbols={}", symbols.join(",")))
        .header("x-api-key", benches::SECRET)
        .body(Body::empty())
        .expect("a sound request");
    runtime.block_on(async {
        let answer = edge::router(app.into())
            .oneshot(request)
            .await
            .expect("the router does not fail");
        assert_eq!(answer.status(), 200);
        answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes()
            .to_vec()
    })
}

/// The value of a store call that is ready at once.
fn ready<T>(call: service::store::StoreFuture<'_, T>) -> service::store::Metered<T> {
    futures_util::FutureExt::now_or_never(call)
        .expect("ready at once")
        .expect("does not fail")
}

criterion_group!(
    benches,
    cache_decision,
    rate_limit_decision,
    backoff_delay,
    decode,
    compress,
    one_request
);
criterion_main!(benches);
