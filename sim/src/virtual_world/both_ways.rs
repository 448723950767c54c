//! The same requests to the service directly, and through the template's gateway and Lambda: what differs, and why it may.
//!
//! Each test plays one script of requests twice, in two worlds of the same seed, and tells what the answers differ by. What
//! it does not tell (bodies, validators, ages, limits) is the same. The service's own tests say what that is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use scenarios::format::{Alone, parse};
use service::{http::router, serve};
use tower::ServiceExt;

use super::{
    Pulse, StoreKind, VirtualSpec, World,
    functions::{Functions, FunctionsSpec},
    lambda::Entrance,
};
use crate::{deployed::Deployed, latency::Modelled, seed::Seed, world::environment};

/// Method, path, and headers beside a valid key; a header without a value is taken away.
type Asked = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// Lines of answers, which have no order.
type Lines = BTreeSet<String>;

/// Lines about requests, each with how many in a row it is about.
type InARow = Vec<(String, usize)>;

/// One thing of a script.
enum Step {
    /// An update, which must succeed or must not.
    Update(bool),
    /// So many seconds pass.
    Wait(u64),
    /// The store can be reached from now on, or not.
    Store(bool),
    /// A request.
    Ask(Asked),
    /// So many requests, four in a second.
    Times(usize, Asked),
}

/// In the place of a value: a key that is in the table and disabled.
const DISABLED: &str = "(disabled)";
/// In the place of a value: the `ETag` of the answer before.
const ITS_ETAG: &str = "(the ETag before)";

/// All there are, and as many as may be asked for.
const FIFTY: &str = "/prices?symbols=BTC,ETH,USDT,BNB,SOL,XRP,USDC,DOGE,ADA,TRX,AVAX,SHIB,TON,LINK,DOT,BCH,SUI,NEAR,LTC,UNI,\
    PEPE,APT,ICP,DAI,ETC,XMR,XLM,HBAR,FIL,CRO,ATOM,ARB,VET,OP,INJ,MNT,AAVE,GRT,ALGO,MKR,\
    THETA,QNT,FLOW,EGLD,XTZ,SAND,AXS,MANA,EOS,KSM";
/// One more than may be asked for.
const FIFTY_ONE: &str = "/prices?symbols=BTC,ETH,USDT,BNB,SOL,XRP,USDC,DOGE,ADA,TRX,AVAX,SHIB,TON,LINK,DOT,BCH,SUI,NEAR,LTC,UNI,\
    PEPE,APT,ICP,DAI,ETC,XMR,XLM,HBAR,FIL,CRO,ATOM,ARB,VET,OP,INJ,MNT,AAVE,GRT,ALGO,MKR,\
    THETA,QNT,FLOW,EGLD,XTZ,SAND,AXS,MANA,EOS,KSM,NOPE";

/// What is asked of a service that has all prices, each of them fresh.
const FRESH: [Asked; 38] = [
    ("GET", "/prices?symbols=BTC", &[]),
    ("GET", "/prices?symbols=BTC,ETH", &[("accept-encoding", "gzip")]),
    ("GET", "/prices?symbols=btc,eth", &[]),
    ("GET", "/prices?symbols=BTC%2CETH", &[]),
    ("GET", "/prices?symbols=eth,%20BTC,eth,sol", &[]),
    ("GET", "/prices?symbols=%42TC", &[]),
    ("GET", "/prices?symbols=BTC&symbols=ETH", &[]),
    ("GET", "/prices?symbols=BTC&other=1", &[]),
    ("GET", "/prices?symbols=", &[]),
    ("GET", "/prices?symbols=NOPE", &[]),
    ("GET", "/prices?symbols=BTC,%C3%A4", &[]),
    ("GET", FIFTY, &[("accept-encoding", "br, gzip")]),
    ("GET", FIFTY_ONE, &[]),
    ("GET", "/prices", &[]),
    ("GET", "/prices/", &[]),
    ("GET", "/prices/btc", &[("accept-encoding", "gzip;q=0")]),
    ("GET", "/prices/%42TC", &[]),
    ("GET", "/prices/NOPE", &[]),
    ("GET", "/prices/BTC/x", &[]),
    ("GET", "/prices/BTC", &[("if-none-match", "*")]),
    ("GET", "/prices/BTC", &[]),
    ("GET", "/prices/BTC", &[("if-none-match", ITS_ETAG)]),
    ("GET", "/prices/BTC", &[("if-none-match", "W/\"another\"")]),
    ("GET", "/prices/BTC", &[("origin", "https://app.example")]),
    ("GET", "/prices/BTC", &[("x-api-key", "wrong")]),
    ("GET", "/prices/BTC", &[("x-api-key", "")]),
    ("GET", "/prices/BTC", &[("x-api-key", DISABLED)]),
    ("GET", "/health", &[("x-api-key", "")]),
    ("GET", "/health", &[("x-api-key", "wrong")]),
    ("GET", "/", &[]),
    ("GET", "/nope", &[]),
    ("HEAD", "/prices/BTC", &[]),
    ("HEAD", "/health", &[("x-api-key", "")]),
    ("POST", "/prices", &[]),
    ("DELETE", "/prices/BTC", &[]),
    (
        "OPTIONS",
        "/prices",
        &[
            ("x-api-key", ""),
            ("origin", "https://app.example"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "x-api-key"),
        ],
    ),
    (
        "OPTIONS",
        "/prices/BTC",
        &[
            ("x-api-key", ""),
            ("origin", "https://app.example"),
            ("access-control-request-method", "GET"),
        ],
    ),
    ("OPTIONS", "/nope", &[("x-api-key", "")]),
];

const ONE: Asked = ("GET", "/prices/BTC", &[]);
const TWO: Asked = ("GET", "/prices?symbols=BTC,ETH", &[]);
const HEALTH: Asked = ("GET", "/health", &[("x-api-key", "")]);

/// What an answer is.
struct Told {
    /// Its status and, of a problem, its code.
    outcome: String,
    /// Its status, its headers and its body, in lines that can be compared. Ids, which are drawn, are left out.
    lines: Lines,
    etag: Option<HeaderValue>,
}

impl Told {
    async fn of(response: Response<impl HttpBody<Data = Bytes, Error: std::fmt::Debug>>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let length = body.len().to_string();
        let mut outcome = parts.status.as_u16().to_string();
        let mut lines = Lines::from([format!("status {outcome}")]);
        for (name, value) in &parts.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            let value = match name.as_str() {
                "x-request-id" | "x-amzn-requestid" | "x-amz-apigw-id" | "x-amzn-trace-id" => "(an id)",
                "date" => "(now)",
                // Ids are not equally long.
                "content-length" | "x-amzn-remapped-content-length" if *value == *length => "(of the body)",
                "x-amzn-remapped-content-length" => "(another)",
                _ => &value,
            };
            lines.insert(format!("{name}: {value}"));
        }
        let body = match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(mut document) => {
                if let Some(id) = document.get_mut("requestId") {
                    *id = "(an id)".into();
                }
                if let Some(code) = document["code"].as_str() {
                    outcome = format!("{outcome} {code}");
                }
                document.to_string()
            }
            Err(_) => format!("{body:?}"),
        };
        lines.insert(format!("body {body}"));
        Self {
            outcome,
            lines,
            etag: parts.headers.get("etag").cloned(),
        }
    }
}

/// The way to the service.
enum Way {
    Direct(Router),
    Deployed(Arc<Entrance>),
}

impl Way {
    async fn ask(&self, asked: Asked, keys: (&str, &str), etag: Option<&HeaderValue>) -> Told {
        let (method, path, headers) = asked;
        let prefix = match self {
            Self::Direct(_) => String::new(),
            Self::Deployed(entrance) => format!("/{}", entrance.stage),
        };
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(format!("{prefix}{path}"))
            .body(Bytes::new())
            .expect("a request");
        let names = request.headers_mut();
        names.insert("host", HeaderValue::from_static("127.0.0.1"));
        names.insert("x-api-key", HeaderValue::from_str(keys.0).expect("a key"));
        for (name, value) in headers {
            let name = HeaderName::from_static(name);
            let value = match *value {
                "" => {
                    names.remove(name);
                    continue;
                }
                DISABLED => HeaderValue::from_str(keys.1).expect("a key"),
                ITS_ETAG => etag.expect("an ETag before").clone(),
                value => HeaderValue::from_static(value),
            };
            names.insert(name, value);
        }
        match self {
            Self::Direct(router) => {
                let Ok(response) = router.clone().oneshot(request.map(Body::from)).await;
                Told::of(response).await
            }
            Self::Deployed(entrance) => {
                let (response, _) = entrance.desk.exchange(request, "127.0.0.1".to_owned()).await;
                Told::of(response.map(Full::new)).await
            }
        }
    }
}

/// A service, its key and what CoinGecko suffers.
fn spec(faults: &str) -> VirtualSpec {
    let text = format!(
        "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"2h\"\n\
         [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\n[[load]]\nname = \"all\"\nrate = \"1/s\"\n{faults}"
    );
    let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let deployed = Deployed::modelled(&root, "dev").expect("it can be deployed");
    VirtualSpec {
        config: environment::effective(&scenario.stack, &BTreeMap::new()).expect("it can be configured"),
        scenario: Arc::new(scenario),
        seed: Seed(1),
        store: StoreKind::Memory,
        deployed: Some(Arc::new(deployed)),
        env: BTreeMap::new(),
        witness: None,
        plant: None,
        broken_config: None,
    }
}

/// The answers to a script.
async fn played(spec: &VirtualSpec, script: &[Step], is_deployed: bool) -> Vec<(Asked, Told)> {
    let world = World::build(spec, Pulse::default()).expect("a world");
    let parts = &world.updater.parts;
    let update = parts.app("update", "update-0");
    let way = if is_deployed {
        // It takes no time: what differs is not how long things take.
        let none = || Arc::new(Modelled::none());
        let functions = Functions::of(FunctionsSpec {
            deployed: spec.deployed.as_deref().expect("it is deployed"),
            parts,
            keys: &world.keys,
            models: (none(), none()),
            next_firing: &world.updater.next_firing,
            pulse: &world.pulse,
        })
        .expect("functions");
        Way::Deployed(functions.entrance)
    } else {
        Way::Direct(router(Arc::new(parts.app("api", "api-0"))))
    };
    let disabled = scenarios::play::disabled_key(spec.seed.0, &spec.scenario.loads[0].name);
    let keys = (world.keys[0][0].as_str(), disabled.as_str());
    let mut answers: Vec<(Asked, Told)> = Vec::new();
    for step in script {
        let (times, asked) = match *step {
            Step::Update(succeeds) => {
                let updated = serve::invoke_update(&update, None, "update-0").await;
                assert_eq!(updated.is_ok(), succeeds, "{updated:?}");
                continue;
            }
            Step::Wait(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                continue;
            }
            Step::Store(is_reachable) => {
                world.table.set_reachable(is_reachable);
                continue;
            }
            Step::Ask(asked) => (1, asked),
            Step::Times(times, asked) => (times, asked),
        };
        for time in 0..times {
            if time > 0 {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            let etag = answers.last().and_then(|(_, told)| told.etag.as_ref());
            let told = way.ask(asked, keys, etag).await;
            answers.push((asked, told));
        }
    }
    answers
}

/// A request and what came of it directly.
fn line((method, path, headers): Asked, outcome: &str) -> String {
    let with: String = headers
        .iter()
        .map(|(name, value)| match *value {
            "" => format!(", without {name}"),
            value => format!(", {name}: {value}"),
        })
        .collect();
    let path = match path {
        FIFTY => "/prices?symbols=(50 of them)",
        FIFTY_ONE => "/prices?symbols=(51 of them)",
        path => path,
    };
    format!("{method} {path}{with}: {outcome}")
}

/// The requests of a script with what came of them directly (equal ones in a row once), and below those that share them what
/// the answers through gateway and Lambda lack and have besides.
async fn differences(faults: &str, script: &[Step]) -> String {
    let spec = spec(faults);
    let (direct, deployed) = (
        played(&spec, script, false).await,
        played(&spec, script, true).await,
    );
    let mut by_difference: Vec<(Lines, InARow)> = Vec::new();
    for ((asked, direct), (_, deployed)) in direct.iter().zip(&deployed) {
        let only = |one: &Told, other: &Told, sign| -> Lines {
            one.lines
                .difference(&other.lines)
                .map(|line| format!("{sign} {line}"))
                .collect()
        };
        let difference = &only(direct, deployed, '-') | &only(deployed, direct, '+');
        let place = by_difference
            .iter()
            .position(|(known, _)| *known == difference)
            .unwrap_or_else(|| {
                by_difference.push((difference, Vec::new()));
                by_difference.len() - 1
            });
        let requests = &mut by_difference[place].1;
        let line = line(*asked, &direct.outcome);
        match requests.last_mut() {
            Some((last, times)) if *last == line => *times += 1,
            _ => requests.push((line, 1)),
        }
    }
    by_difference
        .iter()
        .fold(String::new(), |mut text, (difference, requests)| {
            for (line, times) in requests {
                text += line;
                text += &match times {
                    1 => "\n".to_owned(),
                    times => format!(" ({times} times)\n"),
                };
            }
            for line in difference {
                text += &format!("    {line}\n");
            }
            text
        })
}

#[tokio::test(start_paused = true)]
async fn with_fresh_prices() {
    let mut script = vec![Step::Update(true)];
    // One at a time, far enough apart for the limits of the key and of the stage.
    for asked in FRESH {
        script.extend([Step::Ask(asked), Step::Wait(1)]);
    }
    insta::assert_snapshot!(differences("", &script).await, @r#"
    GET /prices?symbols=BTC: 200
    GET /prices?symbols=BTC,ETH, accept-encoding: gzip: 200
    GET /prices?symbols=btc,eth: 200
    GET /prices?symbols=BTC%2CETH: 200
    GET /prices?symbols=eth,%20BTC,eth,sol: 200
    GET /prices?symbols=%42TC: 200
    GET /prices?symbols=BTC&symbols=ETH: 200
    GET /prices?symbols=BTC&other=1: 200
    GET /prices?symbols=: 400 INVALID_REQUEST
    GET /prices?symbols=NOPE: 404 UNKNOWN_SYMBOL
    GET /prices?symbols=BTC,%C3%A4: 404 UNKNOWN_SYMBOL
    GET /prices?symbols=(50 of them), accept-encoding: br, gzip: 200
    GET /prices?symbols=(51 of them): 400 INVALID_REQUEST
    GET /prices: 400 INVALID_REQUEST
    GET /prices/: 404 NOT_FOUND
    GET /prices/btc, accept-encoding: gzip;q=0: 200
    GET /prices/%42TC: 200
    GET /prices/NOPE: 404 UNKNOWN_SYMBOL
    GET /prices/BTC: 200
    GET /prices/BTC, if-none-match: W/"another": 200
    GET /prices/BTC, origin: https://app.example: 200
    GET /health, without x-api-key: 200
    GET /health, x-api-key: wrong: 200
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (of the body)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    GET /prices/BTC/x: 404 NOT_FOUND
    GET /: 404 NOT_FOUND
    GET /nope: 404 NOT_FOUND
    OPTIONS /nope, without x-api-key: 404 NOT_FOUND
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-errortype: MissingAuthenticationTokenException
        + x-amzn-requestid: (an id)
        - vary: Accept-Encoding
    GET /prices/BTC, if-none-match: *: 304
    GET /prices/BTC, if-none-match: (the ETag before): 304
        + content-type: application/json
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    GET /prices/BTC, x-api-key: wrong: 401 UNAUTHORIZED
    GET /prices/BTC, without x-api-key: 401 UNAUTHORIZED
    GET /prices/BTC, x-api-key: (disabled): 401 UNAUTHORIZED
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-errortype: ForbiddenException
        + x-amzn-requestid: (an id)
        - vary: Accept-Encoding
    HEAD /prices/BTC: 200
        + content-length: (of the body)
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (another)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
        - content-length: 185
    HEAD /health, without x-api-key: 200
        + content-length: (of the body)
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (another)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
        - content-length: 72
    POST /prices: 405 METHOD_NOT_ALLOWED
    DELETE /prices/BTC: 405 METHOD_NOT_ALLOWED
        + body {"code":"NOT_FOUND","detail":"paths are /prices, /prices/{symbol} and /health","requestId":"(an id)","status":404,"title":"Not found","type":"urn:crypto-watch:problem:not-found"}
        + date: (now)
        + status 404
        + x-amz-apigw-id: (an id)
        + x-amzn-errortype: MissingAuthenticationTokenException
        + x-amzn-requestid: (an id)
        - allow: GET, HEAD, OPTIONS
        - body {"code":"METHOD_NOT_ALLOWED","detail":"use GET","requestId":"(an id)","status":405,"title":"Method not allowed","type":"urn:crypto-watch:problem:method-not-allowed"}
        - status 405
        - vary: Accept-Encoding
    OPTIONS /prices, without x-api-key, origin: https://app.example, access-control-request-method: GET, access-control-request-headers: x-api-key: 204
    OPTIONS /prices/BTC, without x-api-key, origin: https://app.example, access-control-request-method: GET: 204
        + content-type: application/json
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-requestid: (an id)
    "#);
}

#[tokio::test(start_paused = true)]
async fn with_no_prices_that_one_request_fetches() {
    let script = [
        Step::Ask(ONE),
        Step::Wait(1),
        Step::Ask(ONE),
        Step::Ask(TWO),
        Step::Wait(1),
        Step::Ask(HEALTH),
    ];
    insta::assert_snapshot!(differences("", &script).await, @r"
    GET /prices/BTC: 200 (2 times)
    GET /prices?symbols=BTC,ETH: 200
    GET /health, without x-api-key: 200
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (of the body)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    ");
}

#[tokio::test(start_paused = true)]
async fn with_coingecko_failing_from_the_start_and_later() {
    let failing = "[[fault]]\nname = \"f\"\ntarget = \"coingecko\"\nkind = \"status\"\nstatus = 503\nat = \"AT\"\nfor = \"119m\"\n";
    let from_the_start = [
        Step::Update(false),
        Step::Ask(ONE),
        Step::Wait(1),
        Step::Ask(ONE),
        Step::Ask(HEALTH),
    ];
    insta::assert_snapshot!(differences(&failing.replace("AT", "0s"), &from_the_start).await, @r"
    GET /prices/BTC: 503 PRICE_UNAVAILABLE (2 times)
    GET /health, without x-api-key: 200
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (of the body)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    ");
    let later = [
        Step::Update(true),
        Step::Ask(ONE),
        Step::Wait(400),
        Step::Ask(ONE),
        Step::Ask(("GET", "/prices/BTC", &[("if-none-match", ITS_ETAG)])),
        Step::Ask(TWO),
        // Until it is older than what may be served.
        Step::Wait(3300),
        Step::Ask(ONE),
    ];
    insta::assert_snapshot!(differences(&failing.replace("AT", "1m"), &later).await, @r"
    GET /prices/BTC: 200 (2 times)
    GET /prices?symbols=BTC,ETH: 200
    GET /prices/BTC: 503 PRICE_UNAVAILABLE
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (of the body)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    GET /prices/BTC, if-none-match: (the ETag before): 304
        + content-type: application/json
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    ");
}

#[tokio::test(start_paused = true)]
async fn with_a_store_that_is_down() {
    let script = [
        Step::Update(true),
        Step::Ask(ONE),
        Step::Store(false),
        Step::Ask(ONE),
        Step::Ask(TWO),
        Step::Ask(("GET", "/prices/NOPE", &[])),
        Step::Ask(("GET", "/prices/BTC", &[("x-api-key", DISABLED)])),
        Step::Ask(HEALTH),
        Step::Store(true),
        Step::Wait(60),
        Step::Ask(ONE),
    ];
    insta::assert_snapshot!(differences("", &script).await, @r#"
    GET /prices/BTC: 200
    GET /prices/BTC: 503 STORE_UNAVAILABLE
    GET /prices?symbols=BTC,ETH: 503 STORE_UNAVAILABLE
    GET /prices/NOPE: 404 UNKNOWN_SYMBOL
    GET /health, without x-api-key: 200
    GET /prices/BTC: 200
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (of the body)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    GET /prices/BTC, x-api-key: (disabled): 503 STORE_UNAVAILABLE
        + body {"code":"UNAUTHORIZED","detail":"send a valid API key in the X-API-Key header","requestId":"(an id)","status":401,"title":"Unauthorized","type":"urn:crypto-watch:problem:unauthorized"}
        + date: (now)
        + status 401
        + x-amz-apigw-id: (an id)
        + x-amzn-errortype: ForbiddenException
        + x-amzn-requestid: (an id)
        - body {"code":"STORE_UNAVAILABLE","detail":"a part that the service needs does not answer; try again","requestId":"(an id)","status":503,"title":"Store unavailable","type":"urn:crypto-watch:problem:store-unavailable"}
        - cache-status: crypto-watch; fwd=miss; ttl=0
        - retry-after: 1
        - status 503
        - vary: Accept-Encoding
    "#);
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_of_a_key() {
    let script = [
        Step::Update(true),
        Step::Times(102, ONE),
        Step::Ask(("HEAD", "/prices/BTC", &[])),
        Step::Ask(("GET", "/prices/NOPE", &[])),
        Step::Ask(HEALTH),
        Step::Wait(120),
        Step::Ask(ONE),
    ];
    insta::assert_snapshot!(differences("", &script).await, @r"
    GET /prices/BTC: 200 (100 times)
    GET /prices/BTC: 429 RATE_LIMIT_EXCEEDED (2 times)
    GET /prices/NOPE: 404 UNKNOWN_SYMBOL
    GET /health, without x-api-key: 200
    GET /prices/BTC: 200
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (of the body)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    HEAD /prices/BTC: 429
        + content-length: (of the body)
        + date: (now)
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (another)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
        - content-length: 227
    ");
}
