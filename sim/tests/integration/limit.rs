//! The rate limit as it is stated, under 64 concurrent clients of one key over two API processes, counted by
//! the store front.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use service::models::{StoredPrice, Timestamp};
use sim::{
    clock::RunClock,
    record::event::Event,
    store::{front::FrontSabotage, table},
    world::children::{Child, ChildSpec, Keep, Killed},
};
use tokio::{process::Command, sync::mpsc};

use crate::store::{
    Fronted,
    checks::{TABLE, price, service_store},
};

/// Requests a minute.
const LIMIT: u32 = 50;
const CLIENTS: usize = 64;
const WINDOW_MS: i64 = 60_000;
const SECRET: &str = "a secret that all clients share";
/// How far apart the front and a process may read the same wall time, real milliseconds: each truncates.
const SKEW_MS: f64 = 2.0;

/// The API's executable beside the harness's, built from the same sources.
async fn api() -> PathBuf {
    let harness = Path::new(env!("CARGO_BIN_EXE_crypto-watch-sim"));
    let api = harness.with_file_name(format!("crypto-watch-api{}", std::env::consts::EXE_SUFFIX));
    let version = Command::new(&api).arg("--version").output().await;
    let version = version
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let (found, build) = (version.trim(), service::BUILD_ID);
    assert!(
        found.ends_with(&format!("(build {build})")),
        "{} is missing or stale ({found:?}, not build {build}): build all binaries first",
        api.display(),
    );
    api
}

/// Two API processes on one store, and what they need.
struct TwoProcesses {
    fronted: Fronted,
    clock: RunClock,
    processes: Vec<Child>,
    urls: Vec<String>,
}

impl TwoProcesses {
    /// `clock` is told to the processes when `tell_clock` is set; else they read the system's.
    async fn start(clock: RunClock, clock_env: Option<String>) -> Self {
        let fronted = Fronted::start_at(clock, FrontSabotage::default()).await;
        table::seed_keys(fronted.store.database(), TABLE, &[(SECRET.to_owned(), true)], 0).expect("stored");
        // A price that is fresh throughout: nobody calls CoinGecko, and every admitted request is a 200.
        let now = Timestamp(clock.now_ms());
        let fresh = StoredPrice {
            fetched_at: now,
            ttl: now.0 / 1000 + 86_400,
            ..price("BTC", "76975")
        };
        service_store(fronted.store.url())
            .write_prices(&[fresh])
            .await
            .expect("stored");

        let mut env = BTreeMap::from(
            [
                ("DYNAMODB_TABLE_NAME", TABLE),
                ("AWS_ENDPOINT_URL_DYNAMODB", fronted.front.url()),
                ("EXTERNAL_API_URL", "http://127.0.0.1:1/api/v3"),
                ("RATE_LIMIT_PER_MINUTE", &LIMIT.to_string()),
                ("CACHE_TTL_SECONDS", "86400"),
                ("PRICE_RETENTION_SECONDS", "86400"),
                // A slow machine is no broken store.
                ("STORE_TIMEOUT_MS", "10000"),
                ("WRITE_TIMEOUT_MS", "10000"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        env.extend(clock_env.map(|value| ("CLOCK".to_owned(), value)));
        let program = api().await;
        let (mut processes, mut urls) = (Vec::new(), Vec::new());
        for index in 0..2 {
            let (child, url) = start(index, &program, env.clone()).await;
            processes.push(child);
            urls.push(url);
        }
        Self {
            fronted,
            clock,
            processes,
            urls,
        }
    }

    /// Ends the processes, which must end by themselves, and gives what the front saw of the key.
    async fn stop(self) -> Vec<Counted> {
        for process in self.processes {
            let (status, killed) = process.stop(Duration::from_secs(20)).await;
            assert!(status.success() && killed == Killed::No, "{status}, {killed:?}");
        }
        let key = table::key_id(SECRET);
        let clock = self.clock;
        let told = self.fronted.told.all().into_iter();
        told.filter_map(|event| match event {
            Event::Admission {
                at_us,
                key_id,
                window,
                admitted,
                count,
            } => {
                assert_eq!(*key_id, *key, "there is one key");
                let elapsed_ms = (clock.wall_ms(at_us) - window * WINDOW_MS) as f64;
                Some(Counted {
                    window,
                    elapsed_ms,
                    admitted,
                    count,
                })
            }
            _ => None,
        })
        .collect()
    }
}

/// What the front saw of one request at the counter.
#[derive(Clone, Copy, Debug)]
struct Counted {
    window: i64,
    /// Wall milliseconds since that window began, when the store had answered: above a window's length when it
    /// was in flight at the boundary.
    elapsed_ms: f64,
    admitted: bool,
    count: u32,
}

async fn start(index: u32, program: &Path, env: BTreeMap<String, String>) -> (Child, String) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let spec = ChildSpec {
        name: format!("api-{index}"),
        program: program.to_owned(),
        args: vec!["--listen".to_owned(), "127.0.0.1:0".to_owned()],
        env,
        stdin: None,
    };
    let child = Child::spawn(spec, move |line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        if line["event"] == "listening" {
            let _ = tell.send(format!("http://{}", line["addr"].as_str().unwrap_or_default()));
        }
        Keep::Line
    })
    .await
    .expect("it starts");
    // The channel closes when the process ends.
    let url = told
        .recv()
        .await
        .unwrap_or_else(|| panic!("it ended: {:?}", child.last_lines()));
    (child, url)
}

type Http = Client<HttpConnector, Full<Bytes>>;

/// One request; whether it was admitted. Anything but a price or an honest refusal fails.
async fn ask(http: &Http, url: &str) -> bool {
    let request = Request::get(format!("{url}/prices/BTC"))
        .header("x-api-key", SECRET)
        .body(Full::default())
        .expect("a valid request");
    let answer = http.request(request).await.expect("an answer");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    match head.status.as_u16() {
        200 => {
            assert_eq!(body["data"][0]["symbol"], "BTC", "{body}");
            true
        }
        429 => {
            assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED", "{body}");
            let retry_after = head
                .headers
                .get("retry-after")
                .and_then(|value| value.to_str().ok()?.parse().ok());
            assert!(
                (1..=120).contains(&retry_after.unwrap_or(0)),
                "{:?}",
                head.headers
            );
            false
        }
        other => panic!("{other}: {body}"),
    }
}

/// Plays all clients, each for as long as `more` of its requests says; returns how many requests were admitted
/// and how many refused.
async fn play(urls: &[String], more: impl Fn(usize) -> bool + Copy) -> (usize, usize) {
    let http: &Http = &Client::builder(TokioExecutor::new()).build_http();
    let client = |client: usize| async move {
        let mut admitted = Vec::new();
        while more(admitted.len()) {
            admitted.push(ask(http, &urls[(client + admitted.len()) % urls.len()]).await);
        }
        admitted
    };
    let answers: Vec<bool> = join_all((0..CLIENTS).map(client)).await.concat();
    let admitted = answers.iter().filter(|admitted| **admitted).count();
    (admitted, answers.len() - admitted)
}

/// The stated bounds, from what the front saw. Returns the admissions by window.
fn check(seen: &[Counted], speed: f64) -> BTreeMap<i64, u32> {
    let mut windows: BTreeMap<i64, u32> = BTreeMap::new();
    for counted in seen.iter().filter(|counted| counted.admitted) {
        let of_window = windows.entry(counted.window).or_default();
        *of_window += 1;
        assert!(
            counted.count <= LIMIT,
            "{counted:?}: the counter went beyond the limit"
        );
    }
    for (window, admitted) in &windows {
        assert!(*admitted <= LIMIT, "{admitted} were admitted in window {window}");
    }
    let skew_ms = SKEW_MS * speed;
    // What a process must have read of a window at its end: all but what was still in flight.
    let landed = |window: i64| {
        let within = |counted: &&Counted| counted.elapsed_ms + skew_ms < WINDOW_MS as f64;
        seen.iter()
            .filter(|c| c.admitted && c.window == window)
            .filter(within)
            .count() as f64
    };
    for counted in seen.iter().filter(|counted| counted.admitted) {
        let left = 1.0 - ((counted.elapsed_ms + skew_ms) / WINDOW_MS as f64).clamp(0.0, 1.0);
        let room = (f64::from(LIMIT) - landed(counted.window - 1) * left).floor();
        assert!(
            f64::from(counted.count) <= room,
            "{counted:?} is beyond the room of {room}"
        );
    }
    windows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_64_clients_over_two_processes_gets_the_limit_and_no_more() {
    // The front reads the system's clock, as the processes do.
    let probe = RunClock::starting_in(Duration::ZERO, 0, 1.0);
    let clock = RunClock::starting_in(Duration::ZERO, probe.anchor_ms(), 1.0);
    let stack = TwoProcesses::start(clock, None).await;
    let (admitted, refused) = play(&stack.urls, |sent| sent < 20).await;
    assert_eq!(admitted + refused, CLIENTS * 20);

    let seen = stack.stop().await;
    let windows = check(&seen, 1.0);
    assert_eq!(
        windows.values().sum::<u32>() as usize,
        admitted,
        "the front counted what clients were given"
    );
    let refused_by_store = seen.iter().filter(|counted| !counted.admitted).count();
    assert!(
        refused_by_store <= refused,
        "some are refused without asking, none the other way round"
    );
    assert!(
        admitted >= LIMIT as usize,
        "the whole limit can be used: {windows:?}"
    );
    if windows.len() == 1 {
        assert_eq!(admitted, LIMIT as usize);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_several_windows_the_rolling_rule_holds_for_each_request() {
    const SPEED: f64 = 60.0;
    let clock = RunClock::starting_in(Duration::ZERO, 1_772_409_600_000, SPEED);
    let stack = TwoProcesses::start(clock, Some(clock.env())).await;
    let end = clock.now_ms() + 4 * WINDOW_MS;
    let (admitted, refused) = play(&stack.urls, |_| clock.now_ms() < end).await;

    let seen = stack.stop().await;
    let windows = check(&seen, SPEED);
    assert_eq!(
        windows.values().sum::<u32>() as usize,
        admitted,
        "the front counted what clients were given"
    );
    assert!(
        windows.len() >= 3,
        "clients were admitted again and again: {windows:?}"
    );
    assert!(refused > admitted, "64 clients ask for far more than the limit");
}

/// The check itself: a limiter that forgets the previous window keeps to every fixed window and is still caught.
#[test]
fn a_limiter_that_forgets_the_previous_window_is_caught() {
    let full = |window| {
        (1..=LIMIT).map(move |count| Counted {
            window,
            elapsed_ms: f64::from(count) * 100.0,
            admitted: true,
            count,
        })
    };
    let seen: Vec<_> = full(7).chain(full(8)).collect();
    let caught = std::panic::catch_unwind(|| check(&seen, 1.0)).expect_err("the check fails");
    let message = caught.downcast_ref::<String>().expect("a message with figures");
    assert!(message.contains("beyond the room"), "{message}");
}
