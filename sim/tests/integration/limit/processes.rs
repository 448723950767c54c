//! Two API processes on one store, one client of them, and what the store front saw of its key.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
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

use super::bounds::{Counted, WINDOW_MS};
use crate::store::{
    Fronted,
    checks::{TABLE, price, service_store},
};

const SECRET: &str = "a secret that all clients share";

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
pub(super) struct TwoProcesses {
    fronted: Fronted,
    clock: RunClock,
    processes: Vec<Child>,
    pub(super) urls: Vec<String>,
}

impl TwoProcesses {
    /// Two that give each key `limit` requests a minute. They are told `clock_env`; else they read the system's
    /// clock.
    pub(super) async fn start(limit: u32, clock: RunClock, clock_env: Option<String>) -> Self {
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
                ("RATE_LIMIT_PER_MINUTE", &limit.to_string()),
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
    pub(super) async fn stop(self) -> Vec<Counted> {
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

pub(super) type Http = Client<HttpConnector, Full<Bytes>>;

/// A client that keeps its connections.
pub(super) fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

/// What a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A price.
    Admitted,
    /// A 429.
    Refused {
        /// Its `Retry-After`, wall time.
        retry_after: Duration,
    },
}

/// One request. Anything but a price or a refusal that says until when fails.
pub(super) async fn ask(http: &Http, url: &str) -> Answer {
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
            Answer::Admitted
        }
        429 => {
            assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED", "{body}");
            let said = head.headers.get("retry-after");
            let seconds: u64 = said
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .unwrap_or(0);
            assert!((1..=120).contains(&seconds), "{:?}", head.headers);
            Answer::Refused {
                retry_after: Duration::from_secs(seconds),
            }
        }
        other => panic!("{other}: {body}"),
    }
}
