//! The same requests to the service directly, and through the template's gateway and Lambda: what differs, and why it may.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use service::{http::router, serve};
use tower::ServiceExt;

use super::{
    Pulse, VirtualSpec, World,
    functions::{Functions, FunctionsSpec},
};
use crate::{deployed::Deployed, latency::Modelled};

/// Method, path, and headers beside a valid key; a header without a value is taken away.
type Asked = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// What is asked.
const ASKED: [Asked; 31] = [
    ("GET", "/prices?symbols=BTC", &[]),
    ("GET", "/prices?symbols=BTC,ETH", &[("accept-encoding", "gzip")]),
    ("GET", "/prices?symbols=btc,eth", &[]),
    ("GET", "/prices?symbols=BTC%2CETH", &[]),
    ("GET", "/prices?symbols=%42TC", &[]),
    ("GET", "/prices?symbols=BTC&symbols=ETH", &[]),
    ("GET", "/prices?symbols=BTC&other=1", &[]),
    ("GET", "/prices?symbols=", &[]),
    ("GET", "/prices?symbols=NOPE", &[]),
    ("GET", "/prices?symbols=BTC,%C3%A4", &[]),
    ("GET", "/prices", &[]),
    ("GET", "/prices/", &[]),
    ("GET", "/prices/BTC", &[]),
    ("GET", "/prices/btc", &[("accept-encoding", "gzip;q=0")]),
    ("GET", "/prices/%42TC", &[]),
    ("GET", "/prices/NOPE", &[]),
    ("GET", "/prices/BTC/x", &[]),
    ("GET", "/prices/BTC", &[("if-none-match", "*")]),
    ("GET", "/prices/BTC", &[("origin", "https://app.example")]),
    ("GET", "/prices/BTC", &[("x-api-key", "wrong")]),
    ("GET", "/prices/BTC", &[("x-api-key", "")]),
    ("GET", "/health", &[("x-api-key", "")]),
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

/// What an answer is, in lines that can be compared: its status, its headers, its body. Ids, which are drawn, are left out.
async fn told(response: Response<impl HttpBody<Data = Bytes, Error: std::fmt::Debug>>) -> BTreeSet<String> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let length = body.len().to_string();
    let mut lines = BTreeSet::from([format!("status {}", parts.status.as_u16())]);
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = match name.as_str() {
            "x-request-id" | "x-amzn-requestid" | "x-amz-apigw-id" | "x-amzn-trace-id" => "(an id)",
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
            document.to_string()
        }
        Err(_) => format!("{} bytes", body.len()),
    };
    lines.insert(format!("body {body}"));
    lines
}

fn request<B>(place: usize, prefix: &str, key: &str, body: B) -> Request<B> {
    let (method, path, headers) = ASKED[place];
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).expect("a method"))
        .uri(format!("{prefix}{path}"))
        .body(body)
        .expect("a request");
    let names = request.headers_mut();
    names.insert("host", HeaderValue::from_static("127.0.0.1"));
    names.insert("x-api-key", HeaderValue::from_str(key).expect("a key"));
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        if value.is_empty() {
            names.remove(name);
        } else {
            names.insert(name, HeaderValue::from_static(value));
        }
    }
    request
}

#[tokio::test(start_paused = true)]
async fn the_gateway_changes_what_aws_changes_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut spec = VirtualSpec::built_in("steady", &[]).expect("it is built in");
    let deployed = Arc::new(Deployed::modelled(&root, "dev").expect("it can be deployed"));
    spec.deployed = Some(Arc::clone(&deployed));
    let world = World::build(&spec, Pulse::default()).expect("a world");
    let parts = &world.updater.parts;
    let update = parts.app("update", "update-0");
    serve::invoke_update(&update, None, "update-0")
        .await
        .expect("prices are stored");
    let none = || Arc::new(Modelled::none());
    let functions = Functions::of(FunctionsSpec {
        deployed: &deployed,
        parts,
        keys: &world.keys,
        models: (none(), none()),
        next_firing: &world.updater.next_firing,
        pulse: &world.pulse,
    })
    .expect("functions");
    let desk = &functions.entrance.desk;
    // As on Lambda, where compression has to be asked for: the template does.
    let direct = router(Arc::new(parts.app("api", "api-0")));
    // A key of its own for each way, so that both have as much of the limit left.
    let keys = [&world.keys[0][0], &world.keys[0][1]];
    let mut differences = Vec::new();
    for place in 0..ASKED.len() {
        let Ok(response) = direct
            .clone()
            .oneshot(request(place, "", keys[0], Body::empty()))
            .await;
        let directly = told(response).await;
        let asked = request(place, &format!("/{}", desk.stage()), keys[1], Bytes::new());
        let (response, _) = desk.exchange(asked, "127.0.0.1".to_owned()).await;
        let deployed = told(response.map(http_body_util::Full::new)).await;
        let only = |one: &BTreeSet<String>, other: &BTreeSet<String>, sign| -> BTreeSet<String> {
            one.difference(other)
                .map(|line| format!("{sign} {line}"))
                .collect()
        };
        differences.push(&only(&directly, &deployed, '-') | &only(&deployed, &directly, '+'));
    }
    let mut by_difference: BTreeMap<&BTreeSet<String>, Vec<String>> = BTreeMap::new();
    for (place, difference) in differences.iter().enumerate() {
        let (method, path, headers) = ASKED[place];
        let with: Vec<String> = headers
            .iter()
            .map(|(name, value)| match *value {
                "" => format!(", without {name}"),
                value => format!(", {name}: {value}"),
            })
            .collect();
        let asked = format!("{method} {path}{}", with.concat());
        by_difference.entry(difference).or_default().push(asked);
    }
    let text = by_difference
        .iter()
        .fold(String::new(), |text, (difference, asked)| {
            let difference: Vec<&str> = difference.iter().map(String::as_str).collect();
            format!("{text}{}\n    {}\n", asked.join("\n"), difference.join("\n    "))
        });
    insta::assert_snapshot!(text, @r#"
    POST /prices
    DELETE /prices/BTC
        + body {"code":"NOT_FOUND","detail":"paths are /prices, /prices/{symbol} and /health","requestId":"(an id)","status":404,"title":"Not found","type":"urn:crypto-watch:problem:not-found"}
        + date: Mon, 02 Mar 2026 00:00:00 GMT
        + status 404
        + x-amz-apigw-id: (an id)
        + x-amzn-errortype: MissingAuthenticationTokenException
        + x-amzn-requestid: (an id)
        - allow: GET, HEAD, OPTIONS
        - body {"code":"METHOD_NOT_ALLOWED","detail":"use GET","requestId":"(an id)","status":405,"title":"Method not allowed","type":"urn:crypto-watch:problem:method-not-allowed"}
        - status 405
        - vary: Accept-Encoding
    HEAD /prices/BTC
        + content-length: (of the body)
        + date: Mon, 02 Mar 2026 00:00:00 GMT
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (another)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
        - content-length: 185
    HEAD /health, without x-api-key
        + content-length: (of the body)
        + date: Mon, 02 Mar 2026 00:00:00 GMT
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (another)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
        - content-length: 72
    OPTIONS /prices, without x-api-key, origin: https://app.example, access-control-request-method: GET, access-control-request-headers: x-api-key
    OPTIONS /prices/BTC, without x-api-key, origin: https://app.example, access-control-request-method: GET
        + content-type: application/json
        + date: Mon, 02 Mar 2026 00:00:00 GMT
        + x-amz-apigw-id: (an id)
        + x-amzn-requestid: (an id)
    GET /prices/BTC, if-none-match: *
        + content-type: application/json
        + date: Mon, 02 Mar 2026 00:00:00 GMT
        + x-amz-apigw-id: (an id)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    GET /prices/BTC, x-api-key: wrong
    GET /prices/BTC, without x-api-key
        + date: Mon, 02 Mar 2026 00:00:00 GMT
        + x-amz-apigw-id: (an id)
        + x-amzn-errortype: ForbiddenException
        + x-amzn-requestid: (an id)
        - vary: Accept-Encoding
    GET /prices/BTC/x
    GET /
    GET /nope
    OPTIONS /nope, without x-api-key
        + date: Mon, 02 Mar 2026 00:00:00 GMT
        + x-amz-apigw-id: (an id)
        + x-amzn-errortype: MissingAuthenticationTokenException
        + x-amzn-requestid: (an id)
        - vary: Accept-Encoding
    GET /prices?symbols=BTC
    GET /prices?symbols=BTC,ETH, accept-encoding: gzip
    GET /prices?symbols=btc,eth
    GET /prices?symbols=BTC%2CETH
    GET /prices?symbols=%42TC
    GET /prices?symbols=BTC&symbols=ETH
    GET /prices?symbols=BTC&other=1
    GET /prices?symbols=
    GET /prices?symbols=NOPE
    GET /prices?symbols=BTC,%C3%A4
    GET /prices
    GET /prices/
    GET /prices/BTC
    GET /prices/btc, accept-encoding: gzip;q=0
    GET /prices/%42TC
    GET /prices/NOPE
    GET /prices/BTC, origin: https://app.example
    GET /health, without x-api-key
        + date: Mon, 02 Mar 2026 00:00:00 GMT
        + x-amz-apigw-id: (an id)
        + x-amzn-remapped-content-length: (of the body)
        + x-amzn-requestid: (an id)
        + x-amzn-trace-id: (an id)
    "#);
}
