//! What the fake CoinGecko takes to answer a refresh of 50 coins, beside what the service takes to read it, and beside a
//! bare router that answers the same bytes, over HTTP/1.1 in memory.
//!
//! The fake computes its market anew for each answer, which takes several times what reading takes. What matters is how
//! many refreshes a second that leaves room for: the service makes one in each interval, and a few a minute when it fails.

use std::{hint::black_box, io::Write, time::Instant};

use axum::{Router, routing::get};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use service::{clock::Timestamp, coingecko::wire, config::Endpoint, transformers};

const NOW: Timestamp = Timestamp(1_772_409_600_000);
/// Rounds of which the ratio tells; in each, all three take turns, so that what else the machine does falls on all.
const ROUNDS: u32 = 300;

/// What the service makes of an answer.
fn read(body: &[u8]) -> usize {
    let quotes = wire::decode(body, Endpoint::Markets).expect("a sound body");
    let readings = quotes.iter().map(transformers::reading);
    readings.filter(Result::is_ok).count()
}

fn fake(c: &mut Criterion) {
    let (engine, request) = (benches::fake(NOW), benches::refresh());
    let body = engine.answer(&request, NOW.0).body;
    assert_eq!(read(&body), 50, "the fake answers what is asked for");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut client = runtime.block_on(bare(body.clone()));

    let mut group = c.benchmark_group("/coins/markets of 50 coins");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("the fake's answer", |b| {
        b.iter(|| engine.answer(black_box(&request), NOW.0))
    });
    group.bench_function("the service reads it", |b| b.iter(|| read(black_box(&body))));
    group.bench_function("a bare router answers the same bytes", |b| {
        b.iter(|| runtime.block_on(ask(&mut client)))
    });
    group.finish();

    let (mut answering, mut reading, mut routing) = (0.0, 0.0, 0.0);
    for _ in 0..ROUNDS {
        answering += seconds(|| engine.answer(black_box(&request), NOW.0));
        reading += seconds(|| read(black_box(&body)));
        routing += seconds(|| runtime.block_on(ask(&mut client)));
    }
    let _ = writeln!(
        std::io::stdout(),
        "the fake answers {:.0} refreshes a second; an answer takes {:.2} times what the service takes to read it, and \
         {:.2} times a bare router's",
        f64::from(ROUNDS) / answering,
        answering / reading,
        answering / routing
    );
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the machine's time")]
fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let began = Instant::now();
    black_box(work());
    began.elapsed().as_secs_f64()
}

type Client = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

/// A client of a router that has but one answer.
async fn bare(body: Bytes) -> Client {
    let router = Router::new().route("/", get(move || async move { body }));
    let (ours, theirs) = tokio::io::duplex(256 * 1024);
    tokio::spawn(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(theirs), TowerToHyperService::new(router)),
    );
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours))
        .await
        .expect("a connection in memory");
    tokio::spawn(connection);
    client
}

async fn ask(client: &mut Client) -> Bytes {
    let request = Request::get("/").body(Empty::new()).expect("a sound request");
    client.ready().await.expect("the connection stays");
    let answer = client.send_request(request).await.expect("an answer");
    answer.into_body().collect().await.expect("a body").to_bytes()
}

criterion_group!(benches, fake);
criterion_main!(benches);
