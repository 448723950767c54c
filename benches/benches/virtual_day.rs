//! A virtual day of the full service beside the same count of requests through a bare router, in one run.
//!
//! The reference is what a paused runtime costs by itself: an axum router with one handler that sleeps 5 ms, served by
//! hyper over an in-memory pipe, asked by a hyper client on one kept connection, with Poisson arrivals. The budget is a
//! ratio of at most 1. Prints both times, requests per second of wall time, the ratio, and the resident memory after
//! half of the day and after all of it.
//!
//! `cargo bench -p benches --bench virtual_day` plays the whole day; with `-- --quick` a tenth of it.

use std::{io::Write, time::Duration};

use axum::{Router, routing::get};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sim::virtual_world::{self, Pulse, VirtualSpec};
use tokio::{sync::watch, time::sleep_until};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SCENARIO: &str = "coingecko-outage-2h";

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let day = played(if quick { 10 } else { 1 });
    let reference = bare(day.requests, Duration::from_secs(86_400));
    let per_second = |seconds: f64| day.requests as f64 / seconds;
    let mut out = std::io::stdout();
    let _ = writeln!(
        out,
        "virtual day: {} requests in {:.2} s ({:.0}/s); bare router over hyper: {:.2} s ({:.0}/s); ratio {:.3} (budget 1)",
        day.requests,
        day.seconds,
        per_second(day.seconds),
        reference,
        per_second(reference),
        day.seconds / reference,
    );
    let _ = writeln!(
        out,
        "resident memory: {:.1} MB before, {:.1} MB after; recording {:.1} MB",
        day.rss_before as f64 / 1e6,
        day.rss_after as f64 / 1e6,
        day.recording as f64 / 1e6,
    );
}

struct Day {
    requests: u64,
    seconds: f64,
    rss_before: u64,
    rss_after: u64,
    recording: usize,
}

/// The scenario, its rates divided by `by`.
fn played(by: u32) -> Day {
    let rates = |rates: &[f64]| {
        let rates: Vec<String> = rates
            .iter()
            .map(|rate| format!("\"{}/s\"", rate / f64::from(by)))
            .collect();
        format!("[{}]", rates.join(", "))
    };
    let set = [
        ("load.night.rate", rates(&[2.0, 2.0])),
        ("load.day.rate", rates(&[4.0, 22.0, 8.0])),
    ];
    let spec = VirtualSpec::built_in(SCENARIO, &set).unwrap_or_else(|problems| panic!("{problems}"));
    let (_stop, stopped) = watch::channel(false);
    let pulse = Pulse::default();
    let rss_before = rss();
    let begun = machine_time();
    let played = virtual_world::play(&spec, stopped, &pulse).expect("a world");
    let seconds = begun.elapsed().as_secs_f64();
    Day {
        requests: pulse.requests(),
        seconds,
        rss_before,
        rss_after: rss(),
        recording: played.recording.bytes().total(),
    }
}

/// Real seconds that so many requests take through a bare router on a paused runtime.
fn bare(requests: u64, over: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let begun = machine_time();
    runtime.block_on(async {
        let answer = "x".repeat(600);
        let router = Router::new().route(
            "/prices",
            get(move || {
                let answer = answer.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    answer
                }
            }),
        );
        let (client, server) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let service = hyper_util::service::TowerToHyperService::new(router);
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(server), service)
                .await
        });
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Empty<bytes::Bytes>>(TokioIo::new(client))
                .await
                .expect("a pipe does not fail");
        tokio::spawn(connection);
        let mut rng = ChaCha8Rng::seed_from_u64(42);
        let mean = over.as_secs_f64() / requests as f64;
        let mut due = tokio::time::Instant::now();
        for _ in 0..requests {
            let unit = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            due += Duration::from_secs_f64(-(1.0 - unit).ln() * mean);
            sleep_until(due).await;
            let request = http::Request::get("/prices")
                .body(Empty::new())
                .expect("a request");
            let answer = sender.send_request(request).await.expect("an answer");
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(body.len(), 600);
        }
    });
    begun.elapsed().as_secs_f64()
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is the machine's time, which a paused runtime does not move"
)]
fn machine_time() -> std::time::Instant {
    std::time::Instant::now()
}

/// Resident set of this process, bytes.
fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
