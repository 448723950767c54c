//! The mount over real sockets: what is on the wire, and that memory does not grow.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

mod kinds;
mod wire;

use super::*;
use crate::coingecko::engine::EngineConfig;
use crate::coingecko::limits::{DEMO_KEY, KeyRing, Terms};
use crate::faults::Timeline;
use crate::faults::sample;
use crate::record::event::UpstreamCall;
use crate::seed::Seed;
use scenarios::format::assumptions::Assumptions;
use scenarios::format::fault::{CoinGeckoFault, Latency};
use scenarios::format::model::{Fault, Match, Plan, Target};

/// 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600_000;

/// When a test stops waiting for what should have come long ago.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);

struct Played {
    mounted: MountedCoinGecko,
    calls: Arc<Mutex<Vec<UpstreamCall>>>,
}

impl Played {
    async fn on(plan: Plan, faults: &[Fault]) -> Self {
        let config = EngineConfig {
            seed: 42,
            start_ms: START,
            terms: Terms::of(plan),
            keys: KeyRing::default(),
            assumed: Assumptions::default(),
        };
        let engine = Engine::new(config, Timeline::new(faults, Target::CoinGecko, Seed(42)));
        let clock = RunClock::starting_in(Duration::ZERO, START, 1.0);
        let calls = Arc::new(Mutex::new(Vec::new()));
        let witness: Witness = {
            let calls = Arc::clone(&calls);
            Arc::new(move |call| calls.lock().unwrap_or_else(PoisonError::into_inner).push(call))
        };
        let mounted = match mount(Arc::new(engine), clock, witness, HERE).await {
            Ok(mounted) => mounted,
            Err(error) => panic!("{error}"),
        };
        // It begins with the next whole millisecond, and what comes earlier came at 0.
        tokio::time::sleep_until(clock.instant_of_wall(Duration::ZERO)).await;
        Self { mounted, calls }
    }

    async fn connect(&self) -> TcpStream {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, self.mounted.port())).await {
            Ok(stream) => stream,
            Err(error) => panic!("{error}"),
        }
    }

    async fn client(&self) -> SendRequest<Empty<Bytes>> {
        match handshake(TokioIo::new(self.connect().await)).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                client
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// All bytes that come back for one request on a connection of its own.
    async fn raw(&self, target: &str) -> String {
        let mut stream = self.connect().await;
        let request = format!(
            "GET /api/v3{target} HTTP/1.1\r\nhost: localhost\r\nx-cg-demo-api-key: {DEMO_KEY}\r\nconnection: close\r\n\r\n"
        );
        let mut answer = Vec::new();
        let sent = stream.write_all(request.as_bytes()).await;
        let read = stream.read_to_end(&mut answer).await;
        assert!(sent.is_ok() && read.is_ok(), "{sent:?} {read:?}");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Waits until so many calls have ended.
    async fn ended(&self, count: usize) -> Vec<UpstreamCall> {
        let all = async {
            while self.calls().len() < count {
                tokio::task::yield_now().await;
            }
        };
        let within = tokio::time::timeout(GIVEN_UP_AFTER, all).await;
        assert!(
            within.is_ok(),
            "{} of {count} calls were told of",
            self.calls().len()
        );
        self.calls()
    }

    /// Begins a call and waits until it has come.
    async fn begun(&self) -> TcpStream {
        let mut stream = self.connect().await;
        let sent = stream
            .write_all(b"GET /api/v3/ping HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        assert!(sent.is_ok());
        while self.mounted.calls.begun() == 0 {
            tokio::task::yield_now().await;
        }
        stream
    }

    fn calls(&self) -> Vec<UpstreamCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn get(client: &mut SendRequest<Empty<Bytes>>, target: &str) -> (u16, http::HeaderMap, Bytes) {
    let request = http::Request::get(format!("/api/v3{target}"))
        .header("host", "localhost")
        .header("x-cg-demo-api-key", DEMO_KEY)
        .body(Empty::new());
    let Ok(request) = request else {
        panic!("{target} is a valid target")
    };
    assert!(client.ready().await.is_ok());
    match client.send_request(request).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => panic!("{target}: {error}"),
            };
            (head.status.as_u16(), head.headers, body)
        }
        Err(error) => panic!("{target}: {error}"),
    }
}

#[tokio::test]
async fn each_status_goes_over_the_wire() {
    let on_list = Match {
        path: Some("/coins/list".to_owned()),
        ..Match::default()
    };
    let faults = [Fault {
        matches: on_list,
        ..sample(CoinGeckoFault::Status { status: 503 })
    }];
    let played = Played::on(
        Plan::Custom {
            per_minute: 7,
            per_month: 100,
        },
        &faults,
    )
    .await;
    let mut client = played.client().await;
    let mut seen = Vec::new();
    for target in [
        "/ping",
        "/simple/price?ids=bitcoin%2Cethereum&vs_currencies=usd",
        "/coins/markets?vs_currency=usd&per_page=250",
        "/simple/price",
        "/coins/markets?vs_currency=xyz",
        "/nope",
        "/coins/list",
        "/ping",
    ] {
        let (status, headers, body) = get(&mut client, target).await;
        assert!(
            serde_json::from_slice::<serde_json::Value>(&body).is_ok(),
            "{target}: {body:?}"
        );
        assert_eq!(
            headers.get("server").map(http::HeaderValue::as_bytes),
            Some(b"cloudflare".as_slice())
        );
        seen.push(status);
    }
    assert_eq!(seen, [200, 200, 200, 422, 400, 404, 503, 429]);
    let calls = played.calls();
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.status, call.credit, call.faults.len()))
        .collect();
    let expect = [
        (200, true, 0),
        (200, true, 0),
        (200, true, 0),
        (422, false, 0),
        (400, false, 0),
        (404, false, 0),
        (503, false, 1),
        (429, false, 0),
    ];
    assert_eq!(told, expect);
    assert_eq!(calls[2].path, "/api/v3/coins/markets");
    assert!(
        calls[7]
            .retry_after_s
            .is_some_and(|seconds| (1..=60).contains(&seconds)),
        "{:?}",
        calls[7]
    );
}

#[tokio::test]
async fn a_key_at_the_wrong_host_goes_over_the_wire() {
    let played = Played::on(Plan::Basic, &[]).await;
    let mut client = played.client().await;
    let (status, _, body) = get(&mut client, "/ping").await;
    assert!(
        status == 400 && body.starts_with(br#"{"timestamp":""#),
        "{status} {body:?}"
    );
}

#[tokio::test]
async fn a_200_is_chunked_and_a_429_has_its_187_bytes() {
    let played = Played::on(
        Plan::Custom {
            per_minute: 1,
            per_month: 100,
        },
        &[],
    )
    .await;
    let ok = played.raw("/ping").await;
    assert!(
        ok.starts_with("HTTP/1.1 200 OK\r\n") && ok.contains("\r\ntransfer-encoding: chunked\r\n"),
        "{ok}"
    );
    assert!(
        !ok.contains("content-length") && ok.ends_with("\r\n0\r\n\r\n"),
        "{ok}"
    );
    assert!(
        ok.contains("\r\ndate: Mon, 02 Mar 2026 00:00:0"),
        "the date is the wall clock's: {ok}"
    );

    let refused = played.raw("/ping").await;
    let Some((head, body)) = refused.split_once("\r\n\r\n") else {
        panic!("{refused}")
    };
    assert_eq!(body.len(), 187);
    let head: Vec<&str> = head
        .lines()
        .filter(|line| {
            !["date:", "cf-ray:", "retry-after:"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .collect();
    insta::assert_snapshot!(head.join("\n"), @r"
        HTTP/1.1 429 Too Many Requests
        content-type: application/json
        content-length: 187
        cache-control: private, max-age=0, no-store, no-cache, must-revalidate, post-check=0, pre-check=0
        server: cloudflare
        connection: close
        ");
    let (_, second) = refused
        .split_once("\r\ndate: Mon, 02 Mar 2026 00:00:")
        .expect("the wall clock's");
    let second: u32 = second[..2].parse().expect("a second");
    let until_the_next_minute = format!("\r\nretry-after: {}\r\n", 60 - second);
    assert!(refused.contains(&until_the_next_minute), "{refused}");
}

#[tokio::test]
async fn a_hang_closes_without_a_word() {
    let hang = sample(CoinGeckoFault::Hang {
        at_most: Duration::from_millis(30),
    });
    let played = Played::on(
        Plan::Demo,
        &[Fault {
            first: Some(1),
            ..hang
        }],
    )
    .await;
    assert_eq!(played.raw("/ping").await, "");
    let calls = played.ended(1).await;
    assert_eq!((calls[0].status, calls[0].complete), (0, false));
    assert!(calls[0].done_us - calls[0].at_us >= 30_000);
    assert!(
        played.raw("/ping").await.starts_with("HTTP/1.1 200 OK"),
        "the next call is answered"
    );
}

#[tokio::test]
async fn a_call_whose_caller_goes_away_ends_with_that_and_unanswered() {
    let ever = Duration::from_secs(300);
    let hang = sample(CoinGeckoFault::Hang { at_most: ever });
    let latency = Latency::Fixed(ever);
    for fault in [hang, sample(CoinGeckoFault::Latency { latency })] {
        let played = Played::on(Plan::Demo, &[fault]).await;
        let stream = played.begun().await;
        assert!(played.calls().is_empty(), "it has not ended");
        drop(stream);
        let call = &played.ended(1).await[0];
        assert_eq!(call.status, 0);
        assert!(
            call.done_us - call.at_us < 300_000_000,
            "long before the fault would have ended it: {call:?}"
        );
    }
}

#[tokio::test]
async fn a_call_under_way_when_the_fake_stops_is_told_of() {
    let at_most = Duration::from_secs(300);
    let played = Played::on(Plan::Demo, &[sample(CoinGeckoFault::Hang { at_most })]).await;
    let _stream = played.begun().await;
    let Played { mounted, calls } = played;
    mounted.stop().await;
    let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].status, 0);
}

#[tokio::test]
async fn a_late_answer_is_whole_and_recorded_as_late() {
    let latency = Latency::Fixed(Duration::from_millis(40));
    let played = Played::on(Plan::Demo, &[sample(CoinGeckoFault::Latency { latency })]).await;
    let before = tokio::time::Instant::now();
    let (status, ..) = get(&mut played.client().await, "/ping").await;
    assert!(status == 200 && before.elapsed() >= Duration::from_millis(40));
    let calls = played.ended(1).await;
    assert!(
        calls[0].complete && calls[0].done_us - calls[0].at_us >= 40_000,
        "{calls:?}"
    );
}

#[tokio::test]
async fn twenty_thousand_requests_do_not_grow_memory() {
    const CLIENTS: u64 = 8;
    const EACH: u64 = 2_500;
    let played = Arc::new(
        Played::on(
            Plan::Custom {
                per_minute: 1_000_000,
                per_month: 1_000_000,
            },
            &[],
        )
        .await,
    );
    let clients = (0..CLIENTS).map(|_| {
        let played = Arc::clone(&played);
        tokio::spawn(async move {
            let mut client = played.client().await;
            for _ in 0..EACH {
                let (status, _, body) = get(&mut client, "/ping").await;
                // Nothing mounted would be a 404 with an empty body.
                assert!(status == 200 && !body.is_empty(), "{status} {body:?}");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        assert!(client.await.is_ok());
    }
    let kept = played.mounted.kept();
    assert_eq!(
        played.ended((CLIENTS * EACH) as usize).await.len() as u64,
        CLIENTS * EACH
    );
    assert!(kept.requests_max() <= REMOUNT_EVERY + CLIENTS, "{kept:?}");
    assert!(
        kept.mounts() >= CLIENTS * EACH / (REMOUNT_EVERY + CLIENTS),
        "{kept:?}"
    );
    // Freeing a responder is freeing the mock and the requests that it matched.
    assert_eq!(kept.mounts_alive(), 1, "{kept:?}");
}

#[tokio::test]
async fn a_stopped_fake_frees_its_port() {
    let played = Played::on(Plan::Demo, &[]).await;
    let port = played.mounted.port();
    assert!(played.mounted.url().ends_with("/api/v3"));
    drop(played);
    // The server's thread ends on its own; the port can be had again once it has.
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
