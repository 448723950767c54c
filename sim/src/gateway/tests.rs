//! Requests and what the gateway makes of them, with the whole head and body of each answer.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::template::model::{
    ContentHandling, GatewayResponse, Method, Mock, MockResponse, Period, Quota, StageThrottle, UsagePlan,
};

/// 2026-04-09T12:34:56Z
const NOON: i64 = 1_775_738_096_000;

fn strings<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}

fn lambda(http_method: &str, resource: &str, api_key_required: bool) -> Method {
    Method {
        resource: resource.to_owned(),
        http_method: http_method.to_owned(),
        api_key_required,
        integration: Integration::Lambda {
            function: "ApiFunction".to_owned(),
            timeout: Duration::from_secs(29),
        },
    }
}

/// As the template has it.
fn preflight() -> Mock {
    let response = MockResponse {
        status: 204,
        content_handling: Some(ContentHandling::ToText),
        headers: strings([
            ("access-control-allow-origin", "'*'"),
            ("access-control-allow-headers", "'X-API-Key, If-None-Match'"),
            ("x-request-id", "context.requestId"),
        ]),
        templates: BTreeMap::new(),
    };
    Mock {
        content_handling: Some(ContentHandling::ToText),
        passthrough: "never".to_owned(),
        request_templates: strings([("application/json", r#"{"statusCode": 204}"#)]),
        responses: BTreeMap::from([("default".to_owned(), response)]),
    }
}

fn mocked(resource: &str, mock: Mock) -> Method {
    Method {
        resource: resource.to_owned(),
        http_method: "OPTIONS".to_owned(),
        api_key_required: false,
        integration: Integration::Mock(mock),
    }
}

fn response(status: Option<u16>, code: &str) -> GatewayResponse {
    GatewayResponse {
        status,
        headers: strings([
            ("Content-Type", "'application/problem+json'"),
            ("Access-Control-Allow-Origin", "'*'"),
            ("X-Request-Id", "context.requestId"),
        ]),
        templates: strings([(
            "application/json",
            &format!(
                r#"{{"detail":$context.error.messageString,"code":"{code}","requestId":"$context.requestId"}}"#
            ),
        )]),
    }
}

/// The API of the template, in short.
fn api() -> RestApi {
    let responses = [
        ("INVALID_API_KEY", response(Some(401), "UNAUTHORIZED")),
        ("THROTTLED", response(Some(429), "RATE_LIMIT_EXCEEDED")),
        ("QUOTA_EXCEEDED", response(Some(429), "QUOTA")),
        ("MISSING_AUTHENTICATION_TOKEN", response(Some(404), "NOT_FOUND")),
        ("INTEGRATION_FAILURE", response(Some(503), "UNAVAILABLE")),
        ("INTEGRATION_TIMEOUT", response(Some(504), "TIMEOUT")),
        ("DEFAULT_4XX", response(None, "INVALID_REQUEST")),
        ("DEFAULT_5XX", response(None, "INTERNAL")),
    ];
    RestApi {
        name: "crypto-watch-api-dev".to_owned(),
        stage: "dev".to_owned(),
        binary_media_types: vec!["*/*".to_owned()],
        minimum_compression_size: None,
        methods: vec![
            lambda("GET", "/prices", true),
            lambda("HEAD", "/prices", true),
            mocked("/prices", preflight()),
            lambda("GET", "/prices/{symbol}", true),
            lambda("GET", "/health", false),
            lambda("ANY", "/files/{proxy+}", false),
        ],
        gateway_responses: responses
            .into_iter()
            .map(|(name, response)| (name.to_owned(), response))
            .collect(),
        stage_throttles: vec![StageThrottle {
            resource: "*".to_owned(),
            http_method: "*".to_owned(),
            throttle: Throttle {
                rate: 50.0,
                burst: 100,
            },
        }],
        usage_plans: vec![UsagePlan {
            name: "plan".to_owned(),
            throttle: Some(Throttle {
                rate: 10.0,
                burst: 100,
            }),
            quota: Some(Quota {
                limit: 20_000,
                period: Period::Day,
                offset: 0,
            }),
        }],
    }
}

/// The same without anything that a template adds to it.
fn bare() -> RestApi {
    RestApi {
        binary_media_types: Vec::new(),
        gateway_responses: BTreeMap::new(),
        stage_throttles: Vec::new(),
        ..api()
    }
}

fn keys() -> Keys {
    let mut keys = Keys::new();
    let mut add = |value: &str, plan: Option<&str>, is_enabled| {
        let key = ApiKey {
            id: format!("id-of-{value}"),
            plan: plan.map(str::to_owned),
            is_enabled,
        };
        keys.add(value, key).unwrap();
    };
    add("alice", Some("plan"), true);
    add("bob", Some("plan"), true);
    add("homeless", None, true);
    add("disabled", Some("plan"), false);
    keys
}

fn settings() -> Settings {
    Settings {
        started_ms: NOON,
        ..Settings::default()
    }
}

fn gateway(api: &RestApi) -> Gateway {
    Gateway::new(api, keys(), settings()).unwrap()
}

fn arrival(now_ms: i64) -> Arrival {
    Arrival {
        now_ms,
        source_ip: "203.0.113.7".to_owned(),
        request_id: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef".to_owned(),
        extended_request_id: "JKJaXmPLvHcESHA=".to_owned(),
        trace_id: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned(),
    }
}

/// Reads `GET /path`, `name: value` lines, an empty line and a body.
fn request(text: &str) -> Request<Bytes> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines().map(str::trim);
    let (method, uri) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        request = request.header(name, value.trim_start());
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn ask(gateway: &mut Gateway, text: &str, now_ms: i64) -> Step {
    gateway.receive(&request(text), arrival(now_ms))
}

fn show(answer: &Answer) -> String {
    let mut lines = vec![format!(
        "{} by {:?} of {}, {}",
        answer.response.status(),
        answer.by,
        answer.resource.as_deref().unwrap_or("nothing"),
        match answer.integration_latency_ms {
            Some(integration) => format!("{integration} of {} ms", answer.latency_ms),
            None => format!("{} ms", answer.latency_ms),
        }
    )];
    let mut headers: Vec<String> = answer
        .response
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    lines.extend(headers);
    lines.push(String::from_utf8_lossy(answer.response.body()).into_owned());
    lines.join("\n")
}

/// What comes of a request, when the function takes 12 ms for `outcome`.
fn play(gateway: &mut Gateway, text: &str, outcome: Outcome) -> String {
    match ask(gateway, text, NOON) {
        Step::Answer(answer) => show(&answer),
        Step::Invoke(invocation) => {
            let function = invocation.function.clone();
            let answer = gateway.finish(*invocation, outcome, NOON + 12);
            format!("{function} was asked\n{}", show(&answer))
        }
    }
}

fn payload(json: &str) -> Outcome {
    Outcome::Payload(Bytes::copy_from_slice(json.as_bytes()))
}

/// Each request, with the start of its answer and how it was routed.
fn brief(gateway: &mut Gateway, rows: &[&str]) -> String {
    let line = |row: &&str| {
        let step = ask(gateway, row, NOON);
        let what = match &step {
            Step::Answer(answer) => format!(
                "{} {}",
                answer.response.status().as_u16(),
                String::from_utf8_lossy(answer.response.body())
            ),
            Step::Invoke(invocation) => {
                let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
                format!(
                    "{} path={} context={} parameters={}",
                    event["resource"].as_str().unwrap(),
                    event["path"].as_str().unwrap(),
                    event["requestContext"]["path"].as_str().unwrap(),
                    event["pathParameters"],
                )
            }
        };
        format!("{} → {what}", row.replace('\n', " | "))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn requests_find_their_way() {
    let rows = [
        "GET /dev/health",
        "GET //dev/health",
        "GET /dev/health/",
        "GET /dev//health",
        "GET /dev/prices\nx-api-key: alice",
        "GET /dev/prices/BTC\nx-api-key: alice",
        "GET /dev/prices/BTC/\nx-api-key: alice",
        "GET /dev/prices/a%2Fb%20c\nx-api-key: alice",
        "GET /dev/prices/%ff\nx-api-key: alice",
        "GET /dev/prices//BTC\nx-api-key: alice",
        "GET /dev/prices/BTC/x\nx-api-key: alice",
        "DELETE /dev/files/a/b//c/",
        "TRACE /dev/files/a",
        "HEAD /dev/health",
        "POST /dev/health",
        "POST /dev/health\nx-http-method-override: GET",
        "GET /dev",
        "GET /dev/",
        "GET /dev/favicon.ico",
        "GET /dev/Health",
        "GET /prod/health",
        "GET /health",
        "GET /develop/health",
        "GET /",
    ];
    insta::assert_snapshot!(brief(&mut gateway(&bare()), &rows), @r#"
    GET /dev/health → /health path=/health context=/dev/health parameters=null
    GET //dev/health → /health path=/health context=/dev/health parameters=null
    GET /dev/health/ → /health path=/health/ context=/dev/health/ parameters=null
    GET /dev//health → /health path=/health context=/dev//health parameters=null
    GET /dev/prices | x-api-key: alice → /prices path=/prices context=/dev/prices parameters=null
    GET /dev/prices/BTC | x-api-key: alice → /prices/{symbol} path=/prices/BTC context=/dev/prices/BTC parameters={"symbol":"BTC"}
    GET /dev/prices/BTC/ | x-api-key: alice → /prices/{symbol} path=/prices/BTC/ context=/dev/prices/BTC/ parameters={"symbol":"BTC"}
    GET /dev/prices/a%2Fb%20c | x-api-key: alice → /prices/{symbol} path=/prices/a%2Fb%20c context=/dev/prices/a%2Fb%20c parameters={"symbol":"a%2Fb%20c"}
    GET /dev/prices/%ff | x-api-key: alice → /prices/{symbol} path=/prices/%ff context=/dev/prices/%ff parameters={"symbol":"%ff"}
    GET /dev/prices//BTC | x-api-key: alice → 403 {"message":"Missing Authentication Token"}
    GET /dev/prices/BTC/x | x-api-key: alice → 403 {"message":"Missing Authentication Token"}
    DELETE /dev/files/a/b//c/ → /files/{proxy+} path=/files/a/b//c/ context=/dev/files/a/b//c/ parameters={"proxy":"a/b//c"}
    TRACE /dev/files/a → 403 {"message":"Missing Authentication Token"}
    HEAD /dev/health → 403 
    POST /dev/health → 403 {"message":"Missing Authentication Token"}
    POST /dev/health | x-http-method-override: GET → /health path=/health context=/dev/health parameters=null
    GET /dev → 403 {"message":"Missing Authentication Token"}
    GET /dev/ → 403 {"message":"Missing Authentication Token"}
    GET /dev/favicon.ico → 403 {"message":"Missing Authentication Token"}
    GET /dev/Health → 403 {"message":"Missing Authentication Token"}
    GET /prod/health → 403 {"message":"Forbidden"}
    GET /health → 403 {"message":"Forbidden"}
    GET /develop/health → 403 {"message":"Forbidden"}
    GET / → 403 {"message":"Forbidden"}
    "#);
}

#[test]
fn a_key_opens_what_its_plan_is_for() {
    let rows = [
        "GET /dev/prices",
        "GET /dev/prices\nx-api-key: ",
        "GET /dev/prices\nx-api-key: mallory",
        "GET /dev/prices\nx-api-key: homeless",
        "GET /dev/prices\nx-api-key: disabled",
        "GET /dev/prices\nx-api-key: Alice",
        "GET /dev/prices\nx-api-key: alice",
        "GET /dev/prices\nX-API-Key: bob",
        "GET /dev/nothing\nx-api-key: mallory",
        "GET /dev/health\nx-api-key: mallory",
    ];
    insta::assert_snapshot!(brief(&mut gateway(&api()), &rows), @r#"
    GET /dev/prices → 401 {"detail":"Forbidden","code":"UNAUTHORIZED","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    GET /dev/prices | x-api-key:  → 401 {"detail":"Forbidden","code":"UNAUTHORIZED","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    GET /dev/prices | x-api-key: mallory → 401 {"detail":"Forbidden","code":"UNAUTHORIZED","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    GET /dev/prices | x-api-key: homeless → 401 {"detail":"Forbidden","code":"UNAUTHORIZED","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    GET /dev/prices | x-api-key: disabled → 401 {"detail":"Forbidden","code":"UNAUTHORIZED","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    GET /dev/prices | x-api-key: Alice → 401 {"detail":"Forbidden","code":"UNAUTHORIZED","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    GET /dev/prices | x-api-key: alice → /prices path=/prices context=/dev/prices parameters=null
    GET /dev/prices | X-API-Key: bob → /prices path=/prices context=/dev/prices parameters=null
    GET /dev/nothing | x-api-key: mallory → 404 {"detail":"Missing Authentication Token","code":"NOT_FOUND","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    GET /dev/health | x-api-key: mallory → /health path=/health context=/dev/health parameters=null
    "#);
}

/// The answers that are built in, with their heads.
#[test]
fn the_gateway_answers_by_itself() {
    let mut gateway = gateway(&bare());
    let answers = [
        play(&mut gateway, "GET /dev/nothing", Outcome::TimedOut),
        play(&mut gateway, "GET /dev/prices", Outcome::TimedOut),
        play(&mut gateway, "GET /prod/health", Outcome::TimedOut),
        play(&mut gateway, "GET /dev/health", Outcome::TimedOut),
        play(&mut gateway, "GET /dev/health", Outcome::Throttled),
        play(&mut gateway, "GET /dev/health", Outcome::Unavailable),
        play(&mut gateway, "GET /dev/health", Outcome::TooLarge),
        play(
            &mut gateway,
            "GET /dev/health",
            Outcome::FunctionError(Bytes::new()),
        ),
        play(&mut gateway, "GET /dev/health", payload("null")),
        play(&mut gateway, "HEAD /dev/health", Outcome::TimedOut),
    ];
    insta::assert_snapshot!(answers.join("\n----\n"), @r#"
    403 Forbidden by Gateway(MissingAuthenticationToken) of nothing, 0 ms
    content-length: 42
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: MissingAuthenticationTokenException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message":"Missing Authentication Token"}
    ----
    403 Forbidden by Gateway(InvalidApiKey) of /prices, 0 ms
    content-length: 23
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: ForbiddenException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message":"Forbidden"}
    ----
    403 Forbidden by Edge of nothing, 0 ms
    content-length: 23
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: ForbiddenException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message":"Forbidden"}
    ----
    ApiFunction was asked
    504 Gateway Timeout by Gateway(IntegrationTimeout) of /health, 12 of 12 ms
    content-length: 41
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message": "Endpoint request timed out"}
    ----
    ApiFunction was asked
    500 Internal Server Error by Gateway(IntegrationFailure) of /health, 12 of 12 ms
    content-length: 36
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message": "Internal server error"}
    ----
    ApiFunction was asked
    500 Internal Server Error by Gateway(IntegrationFailure) of /health, 12 of 12 ms
    content-length: 36
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message": "Internal server error"}
    ----
    ApiFunction was asked
    413 Payload Too Large by Gateway(RequestTooLarge) of /health, 12 ms
    content-length: 30
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: RequestTooLargeException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message":"Request Too Long"}
    ----
    ApiFunction was asked
    502 Bad Gateway by Gateway(Default5xx) of /health, 12 of 12 ms
    content-length: 36
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message": "Internal server error"}
    ----
    ApiFunction was asked
    502 Bad Gateway by Gateway(Default5xx) of /health, 12 of 12 ms
    content-length: 36
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message": "Internal server error"}
    ----
    403 Forbidden by Gateway(MissingAuthenticationToken) of nothing, 0 ms
    content-length: 42
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: MissingAuthenticationTokenException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    "#);
}

#[test]
fn the_template_words_them() {
    let mut gateway = gateway(&api());
    let too_large = format!("POST /dev/files/a\n\n{}", "x".repeat(MAX_BODY_BYTES + 1));
    let answers = [
        play(
            &mut gateway,
            "GET /dev/nothing\naccept: text/html",
            Outcome::TimedOut,
        ),
        play(&mut gateway, "GET /dev/prices", Outcome::TimedOut),
        play(&mut gateway, "GET /dev/health", Outcome::Throttled),
        play(&mut gateway, "GET /dev/health", Outcome::TimedOut),
        play(
            &mut gateway,
            "GET /dev/health",
            Outcome::FunctionError(Bytes::new()),
        ),
        play(
            &mut gateway,
            "OPTIONS /dev/prices\ncontent-type: text/plain",
            Outcome::TimedOut,
        ),
        play(&mut gateway, &too_large, Outcome::TimedOut),
        play(&mut gateway, "GET /prod/health", Outcome::TimedOut),
    ];
    insta::assert_snapshot!(answers.join("\n----\n"), @r#"
    404 Not Found by Gateway(MissingAuthenticationToken) of nothing, 0 ms
    access-control-allow-origin: *
    content-length: 111
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: MissingAuthenticationTokenException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Missing Authentication Token","code":"NOT_FOUND","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    401 Unauthorized by Gateway(InvalidApiKey) of /prices, 0 ms
    access-control-allow-origin: *
    content-length: 95
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: ForbiddenException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Forbidden","code":"UNAUTHORIZED","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    ApiFunction was asked
    503 Service Unavailable by Gateway(IntegrationFailure) of /health, 12 of 12 ms
    access-control-allow-origin: *
    content-length: 106
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Internal server error","code":"UNAVAILABLE","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    ApiFunction was asked
    504 Gateway Timeout by Gateway(IntegrationTimeout) of /health, 12 of 12 ms
    access-control-allow-origin: *
    content-length: 107
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Endpoint request timed out","code":"TIMEOUT","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    ApiFunction was asked
    502 Bad Gateway by Gateway(Default5xx) of /health, 12 of 12 ms
    access-control-allow-origin: *
    content-length: 103
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Internal server error","code":"INTERNAL","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    415 Unsupported Media Type by Gateway(UnsupportedMediaType) of /prices, 0 ms
    access-control-allow-origin: *
    content-length: 111
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: BadRequestException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Unsupported Media Type","code":"INVALID_REQUEST","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    413 Payload Too Large by Gateway(RequestTooLarge) of /files/{proxy+}, 0 ms
    content-length: 30
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: RequestTooLargeException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message":"Request Too Long"}
    ----
    403 Forbidden by Edge of nothing, 0 ms
    content-length: 23
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: ForbiddenException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"message":"Forbidden"}
    "#);
}

/// The status of a failed integration depends on what the template says of it.
#[test]
fn a_throttle_of_the_function_reaches_clients_as_the_template_says() {
    let status = |responses: &[(&str, Option<u16>)], configured: u16| {
        let mut api = bare();
        for (name, status) in responses {
            api.gateway_responses
                .insert((*name).to_owned(), response(*status, "X"));
        }
        let settings = Settings {
            integration_failure_status: configured,
            ..settings()
        };
        let mut gateway = Gateway::new(&api, keys(), settings).unwrap();
        let Step::Invoke(invocation) = ask(&mut gateway, "GET /dev/health", NOON) else {
            panic!("answered at once");
        };
        let answer = gateway.finish(*invocation, Outcome::Throttled, NOON);
        answer.response.status().as_u16()
    };
    assert_eq!(status(&[], 500), 500);
    assert_eq!(status(&[], 502), 502);
    assert_eq!(status(&[("DEFAULT_5XX", None)], 500), 500);
    assert_eq!(status(&[("DEFAULT_5XX", Some(503))], 500), 503);
    assert_eq!(status(&[("INTEGRATION_FAILURE", None)], 500), 504);
    assert_eq!(status(&[("INTEGRATION_FAILURE", Some(503))], 500), 503);
    assert_eq!(
        status(
            &[("INTEGRATION_FAILURE", Some(429)), ("DEFAULT_5XX", Some(500))],
            500
        ),
        429
    );
    // A type that has a status and no template.
    let mut plain = bare();
    let custom = GatewayResponse {
        status: Some(503),
        headers: BTreeMap::new(),
        templates: BTreeMap::new(),
    };
    plain.gateway_responses.insert("DEFAULT_5XX".to_owned(), custom);
    let answer = play(&mut gateway(&plain), "GET /dev/health", Outcome::TimedOut);
    assert!(
        answer.contains("503 Service Unavailable by Gateway(IntegrationTimeout)"),
        "{answer}"
    );
    assert!(
        answer.ends_with(r#"{"message":"Endpoint request timed out"}"#),
        "{answer}"
    );
    // A status of DEFAULT_4XX is for others.
    assert_eq!(status(&[("DEFAULT_4XX", Some(400))], 500), 500);
}

#[test]
fn heads_that_are_too_large_end_before_the_stage() {
    let mut gateway = gateway(&api());
    let header = |bytes: usize| format!("GET /dev/health\nx-long: {}", "x".repeat(bytes));
    let url = |bytes: usize| format!("GET /dev/health?{}", "x".repeat(bytes - "/dev/health?".len()));
    let status = |gateway: &mut Gateway, text: &str| match ask(gateway, text, NOON) {
        Step::Answer(answer) => answer.response.status().as_u16(),
        Step::Invoke(_) => 0,
    };
    assert_eq!(status(&mut gateway, &header(MAX_HEADER_BYTES)), 0);
    assert_eq!(status(&mut gateway, &header(MAX_HEADER_BYTES + 1)), 431);
    assert_eq!(status(&mut gateway, &url(MAX_URL_BYTES)), 0);
    assert_eq!(status(&mut gateway, &url(MAX_URL_BYTES + 1)), 414);
    let full = format!("POST /dev/files/a\n\n{}", "x".repeat(MAX_BODY_BYTES));
    assert_eq!(status(&mut gateway, &full), 0);
    assert_eq!(status(&mut gateway, &format!("{full}x")), 413);
    insta::assert_snapshot!(play(&mut gateway, &header(MAX_HEADER_BYTES + 1), Outcome::TimedOut), @r"
    431 Request Header Fields Too Large by Edge of nothing, 0 ms
    content-length: 39
    content-type: text/plain
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    HTTP header is larger than 10240 bytes.
    ");
}

/// What functions give, and what clients get: recorded and derived cases.
#[test]
fn a_function_answers() {
    let mut bare = gateway(&bare());
    let mut all_binary = gateway(&api());
    let mut get = |json: &str| play(&mut bare, "GET /dev/health", payload(json));
    let mut answers = vec![
        get(r#"{"statusCode":200}"#),
        get(r#"{"statusCode":200,"headers":{"test-header":"value","header-bool":true}}"#),
        get(r#"{"statusCode":200,"multiValueHeaders":{"test-multi":["value1","value2"]}}"#),
        get(
            r#"{"statusCode":200,"multiValueHeaders":{"tesT-Multi":["value-multi"]},"headers":{"test-multi":"value-solo"}}"#,
        ),
        get(r#"{"statusCode":200,"multiValueHeaders":{"a":["same"]},"headers":{"a":"same"}}"#),
        get(r#"{"statusCode":"201","body":"made"}"#),
        get(
            r#"{"statusCode":200,"body":"dGVzdC1kYXRh","isBase64Encoded":true,"headers":{"content-encoding":"gzip"}}"#,
        ),
        get(
            r#"{"statusCode":401,"headers":{"Date":"then","Server":"s","Connection":"close","Content-Length":"7","WWW-Authenticate":"Basic","Transfer-Encoding":"chunked","Host":"h","x-amzn-requestid":"mine","Content-Type":"text/plain"},"body":"no"}"#,
        ),
        get(r#"{"statusCode":304,"headers":{"etag":"\"x\""},"body":"gone"}"#),
        get(r#"{"statusCode":204}"#),
    ];
    let encoded = r#"{"statusCode":200,"body":"dGVzdC1kYXRh","isBase64Encoded":true,"multiValueHeaders":{"content-encoding":["gzip"]}}"#;
    answers.push(play(&mut all_binary, "GET /dev/health", payload(encoded)));
    answers.push(play(
        &mut all_binary,
        "GET /dev/health\naccept: application/json",
        payload(r#"{"statusCode":200,"body":"plain"}"#),
    ));
    answers.push(play(
        &mut all_binary,
        "GET /dev/health",
        payload(r#"{"body":"no base64!","isBase64Encoded":true}"#),
    ));
    answers.push(play(
        &mut all_binary,
        "HEAD /dev/prices\nx-api-key: alice",
        payload(r#"{"statusCode":200,"headers":{"content-length":"12"},"body":"0123456789"}"#),
    ));
    insta::assert_snapshot!(answers.join("\n----\n"), @r#"
    ApiFunction was asked
    200 OK by Integration of /health, 12 of 12 ms
    content-length: 0
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0

    ----
    ApiFunction was asked
    200 OK by Integration of /health, 12 of 12 ms
    content-length: 0
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    header-bool: true
    test-header: value
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0

    ----
    ApiFunction was asked
    200 OK by Integration of /health, 12 of 12 ms
    content-length: 0
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    test-multi: value1
    test-multi: value2
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0

    ----
    ApiFunction was asked
    200 OK by Integration of /health, 12 of 12 ms
    content-length: 0
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    test-multi: value-multi
    test-multi: value-solo
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0

    ----
    ApiFunction was asked
    200 OK by Integration of /health, 12 of 12 ms
    a: same
    content-length: 0
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0

    ----
    ApiFunction was asked
    201 Created by Integration of /health, 12 of 12 ms
    content-length: 4
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0
    made
    ----
    ApiFunction was asked
    200 OK by Integration of /health, 12 of 12 ms
    content-encoding: gzip
    content-length: 12
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0
    dGVzdC1kYXRh
    ----
    ApiFunction was asked
    401 Unauthorized by Integration of /health, 12 of 12 ms
    content-length: 2
    content-type: text/plain
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-remapped-connection: close
    x-amzn-remapped-content-length: 7
    x-amzn-remapped-date: then
    x-amzn-remapped-server: s
    x-amzn-remapped-www-authenticate: Basic
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0
    no
    ----
    ApiFunction was asked
    304 Not Modified by Integration of /health, 12 of 12 ms
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    etag: "x"
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0

    ----
    ApiFunction was asked
    204 No Content by Integration of /health, 12 of 12 ms
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0

    ----
    ApiFunction was asked
    200 OK by Integration of /health, 12 of 12 ms
    content-encoding: gzip
    content-length: 9
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0
    test-data
    ----
    ApiFunction was asked
    200 OK by Integration of /health, 12 of 12 ms
    content-length: 5
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0
    plain
    ----
    ApiFunction was asked
    500 Internal Server Error by Gateway(ApiConfigurationError) of /health, 12 of 12 ms
    access-control-allow-origin: *
    content-length: 103
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Internal server error","code":"INTERNAL","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    ApiFunction was asked
    200 OK by Integration of /prices, 12 of 12 ms
    content-length: 10
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-remapped-content-length: 12
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0
    "#);
}

/// The trap that the template avoids, and what else mocks do.
#[test]
fn a_mock_answers() {
    let mut api = api();
    let reply = |status, templates: BTreeMap<String, String>, content_handling| MockResponse {
        status,
        content_handling,
        headers: BTreeMap::new(),
        templates,
    };
    let text = Some(ContentHandling::ToText);
    let json = |text: &str| strings([("application/json", text)]);
    // As SAM writes it.
    let sams = Mock {
        content_handling: None,
        ..preflight()
    };
    let half = Mock {
        responses: BTreeMap::from([("default".to_owned(), reply(200, json("{}"), None))]),
        ..preflight()
    };
    let by_pattern = Mock {
        request_templates: json("{statusCode: 418}"),
        responses: BTreeMap::from([
            (
                r"4\d{2}".to_owned(),
                reply(400, json(r#"{"id":"$context.requestId"}"#), text),
            ),
            ("default".to_owned(), reply(200, BTreeMap::new(), text)),
        ]),
        ..preflight()
    };
    let no_response = Mock {
        responses: BTreeMap::from([("200".to_owned(), reply(200, BTreeMap::new(), text))]),
        ..preflight()
    };
    let passing = Mock {
        passthrough: "when_no_match".to_owned(),
        ..preflight()
    };
    api.methods.extend([
        mocked("/sam", sams.clone()),
        mocked("/half", half),
        mocked("/pattern", by_pattern),
        mocked("/no-response", no_response),
        mocked("/passing", passing),
    ]);
    let mut gateway = gateway(&api);
    let mut options = |rest: &str| play(&mut gateway, &format!("OPTIONS /dev/{rest}"), Outcome::TimedOut);
    let mut answers = vec![
        options("prices\norigin: https://a.example\naccess-control-request-method: GET"),
        options("prices\ncontent-type: application/json; charset=utf-8\n\n{}"),
        options("prices\ncontent-type: text/plain\n\nx"),
        options("sam"),
        options("half"),
        options("pattern\naccept: */*"),
        options("no-response"),
        options("passing\ncontent-type: text/plain\n\n{\"statusCode\": 200}"),
        options("passing\ncontent-type: text/plain\n\nx"),
    ];
    // Without binary types SAM's own works.
    let mut bare = bare();
    bare.methods.push(mocked("/sam", sams));
    let mut works = super::tests::gateway(&bare);
    answers.push(play(&mut works, "OPTIONS /dev/sam", Outcome::TimedOut));
    insta::assert_snapshot!(answers.join("\n----\n"), @r#"
    204 No Content by Mock of /prices, 0 of 0 ms
    access-control-allow-headers: X-API-Key, If-None-Match
    access-control-allow-origin: *
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef

    ----
    204 No Content by Mock of /prices, 0 of 0 ms
    access-control-allow-headers: X-API-Key, If-None-Match
    access-control-allow-origin: *
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef

    ----
    415 Unsupported Media Type by Gateway(UnsupportedMediaType) of /prices, 0 ms
    access-control-allow-origin: *
    content-length: 111
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: BadRequestException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Unsupported Media Type","code":"INVALID_REQUEST","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    500 Internal Server Error by Gateway(Default5xx) of /sam, 0 of 0 ms
    access-control-allow-origin: *
    content-length: 103
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Internal server error","code":"INTERNAL","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    500 Internal Server Error by Gateway(Default5xx) of /half, 0 of 0 ms
    access-control-allow-origin: *
    content-length: 103
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Internal server error","code":"INTERNAL","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    400 Bad Request by Mock of /pattern, 0 of 0 ms
    content-length: 45
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"id":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    500 Internal Server Error by Gateway(ApiConfigurationError) of /no-response, 0 of 0 ms
    access-control-allow-origin: *
    content-length: 103
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Internal server error","code":"INTERNAL","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    204 No Content by Mock of /passing, 0 of 0 ms
    access-control-allow-headers: X-API-Key, If-None-Match
    access-control-allow-origin: *
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef

    ----
    500 Internal Server Error by Gateway(Default5xx) of /passing, 0 of 0 ms
    access-control-allow-origin: *
    content-length: 103
    content-type: application/problem+json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-errortype: InternalServerErrorException
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    {"detail":"Internal server error","code":"INTERNAL","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}
    ----
    204 No Content by Mock of /sam, 0 of 0 ms
    access-control-allow-headers: X-API-Key, If-None-Match
    access-control-allow-origin: *
    content-type: application/json
    date: Thu, 09 Apr 2026 12:34:56 GMT
    x-amz-apigw-id: JKJaXmPLvHcESHA=
    x-amzn-requestid: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    x-request-id: c6af9ac6-7b61-11e6-9a41-93e8deadbeef
    "#);
}

/// How many of so many requests at one instant are not refused, and what the first that is gets.
fn burst(gateway: &mut Gateway, text: &str, now_ms: i64, requests: usize) -> (usize, String) {
    let mut passed = 0;
    let mut refused = String::new();
    for _ in 0..requests {
        match ask(gateway, text, now_ms) {
            Step::Answer(answer) if matches!(answer.by, Answerer::Gateway(_)) => {
                if refused.is_empty() {
                    refused = format!("{:?}", answer.by);
                }
            }
            Step::Answer(_) | Step::Invoke(_) => passed += 1,
        }
    }
    (passed, refused)
}

#[test]
fn limits_apply_in_aws_order() {
    let throttled = "Gateway(Throttled)".to_owned();
    let exceeded = "Gateway(QuotaExceeded)".to_owned();
    let alice = "GET /dev/prices\nx-api-key: alice";
    let mut api = api();
    api.stage_throttles.push(StageThrottle {
        resource: "/prices/{symbol}".to_owned(),
        http_method: "GET".to_owned(),
        throttle: Throttle { rate: 1.0, burst: 5 },
    });
    if let Some(plan) = api.usage_plans.first_mut() {
        plan.throttle = Some(Throttle {
            rate: 10.0,
            burst: 20,
        });
        plan.quota = Some(Quota {
            limit: 50,
            period: Period::Day,
            offset: 0,
        });
    }
    let mut gateway = gateway(&api);
    // A bucket for each key and method.
    assert_eq!(burst(&mut gateway, alice, NOON, 30), (20, throttled.clone()));
    assert_eq!(burst(&mut gateway, alice, NOON + 500, 10), (5, throttled.clone()));
    assert_eq!(
        burst(&mut gateway, "GET /dev/prices\nx-api-key: bob", NOON, 30),
        (20, throttled.clone())
    );
    // The stage's limit of one method, below the key's; what it refuses has counted for the quota.
    let symbol = "GET /dev/prices/BTC\nx-api-key: alice";
    assert_eq!(
        burst(&mut gateway, symbol, NOON + 500, 10),
        (5, throttled.clone())
    );
    // 25 + 10 used: 15 are left today, and what was throttled did not count.
    assert_eq!(burst(&mut gateway, alice, NOON + 60_000, 30), (15, exceeded));
    // A request without a good key counts for nobody, and a new day brings a new quota.
    assert_eq!(
        burst(&mut gateway, "GET /dev/prices\nx-api-key: x", NOON, 1_000),
        (0, "Gateway(InvalidApiKey)".to_owned())
    );
    assert_eq!(
        burst(&mut gateway, alice, NOON + 86_400_000, 30),
        (20, throttled.clone())
    );
    // The stage's default: a bucket for each method, keys or not, and mocks, too.
    assert_eq!(
        burst(&mut gateway, "GET /dev/health", NOON, 150),
        (100, throttled.clone())
    );
    assert_eq!(
        burst(&mut gateway, "OPTIONS /dev/prices", NOON, 150),
        (100, throttled)
    );
}

#[test]
fn the_account_has_a_limit_of_its_own() {
    let settings = Settings {
        account_throttle: Throttle { rate: 1.0, burst: 7 },
        ..settings()
    };
    let mut gateway = Gateway::new(&bare(), keys(), settings).unwrap();
    let (passed, by) = burst(&mut gateway, "GET /dev/health", NOON, 4);
    assert_eq!((passed, by.as_str()), (4, ""));
    let (passed, by) = burst(&mut gateway, "OPTIONS /dev/prices", NOON, 4);
    assert_eq!((passed, by.as_str()), (3, "Gateway(Throttled)"));
    assert_eq!(burst(&mut gateway, "GET /dev/health", NOON + 1_000, 4).0, 1);
}

fn event(gateway: &mut Gateway, text: &str) -> Value {
    match ask(gateway, text, NOON) {
        Step::Invoke(invocation) => serde_json::from_slice(&invocation.payload).unwrap(),
        Step::Answer(answer) => panic!("{}", show(&answer)),
    }
}

#[test]
fn a_function_gets_the_whole_request() {
    let text = "GET /dev/prices/BTC?symbols=BTC,ETH&a=1&a=2+3\nhost: 127.0.0.1:3000\nuser-agent: curl/8\naccept: */*\nx-api-key: alice\ncookie: a=1\ncookie: b=2\nconnection: keep-alive\ncontent-length: 0\nte: trailers\nauthorization: Bearer t\nx-forwarded-for: 198.51.100.1";
    let event = event(&mut gateway(&api()), text);
    insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap(), @r#"
    {
      "body": null,
      "headers": {
        "Authorization": "Bearer t",
        "Host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
        "User-Agent": "curl/8",
        "X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        "X-Forwarded-For": "198.51.100.1, 203.0.113.7",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
        "accept": "*/*",
        "cookie": "b=2",
        "x-api-key": "alice"
      },
      "httpMethod": "GET",
      "isBase64Encoded": false,
      "multiValueHeaders": {
        "Authorization": [
          "Bearer t"
        ],
        "Host": [
          "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
        ],
        "User-Agent": [
          "curl/8"
        ],
        "X-Amzn-Trace-Id": [
          "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"
        ],
        "X-Forwarded-For": [
          "198.51.100.1, 203.0.113.7"
        ],
        "X-Forwarded-Port": [
          "443"
        ],
        "X-Forwarded-Proto": [
          "https"
        ],
        "accept": [
          "*/*"
        ],
        "cookie": [
          "a=1",
          "b=2"
        ],
        "x-api-key": [
          "alice"
        ]
      },
      "multiValueQueryStringParameters": {
        "a": [
          "1",
          "2 3"
        ],
        "symbols": [
          "BTC,ETH"
        ]
      },
      "path": "/prices/BTC",
      "pathParameters": {
        "symbol": "BTC"
      },
      "queryStringParameters": {
        "a": "2 3",
        "symbols": "BTC,ETH"
      },
      "requestContext": {
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "deploymentId": "d1e2p3",
        "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
        "domainPrefix": "a1b2c3d4e5",
        "extendedRequestId": "JKJaXmPLvHcESHA=",
        "httpMethod": "GET",
        "identity": {
          "accessKey": null,
          "accountId": null,
          "apiKey": "alice",
          "apiKeyId": "id-of-alice",
          "caller": null,
          "cognitoAuthenticationProvider": null,
          "cognitoAuthenticationType": null,
          "cognitoIdentityId": null,
          "cognitoIdentityPoolId": null,
          "principalOrgId": null,
          "sourceIp": "203.0.113.7",
          "user": null,
          "userAgent": "curl/8",
          "userArn": null
        },
        "path": "/dev/prices/BTC",
        "protocol": "HTTP/1.1",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "requestTime": "09/Apr/2026:12:34:56 +0000",
        "requestTimeEpoch": 1775738096000,
        "resourceId": "9qbubo",
        "resourcePath": "/prices/{symbol}",
        "stage": "dev"
      },
      "resource": "/prices/{symbol}",
      "stageVariables": null
    }
    "#);
}

#[test]
fn a_function_gets_null_for_what_is_not_there() {
    let event = event(&mut gateway(&bare()), "GET /dev/health");
    insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap(), @r#"
    {
      "body": null,
      "headers": {
        "Host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
        "X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https"
      },
      "httpMethod": "GET",
      "isBase64Encoded": false,
      "multiValueHeaders": {
        "Host": [
          "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
        ],
        "X-Amzn-Trace-Id": [
          "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"
        ],
        "X-Forwarded-For": [
          "203.0.113.7"
        ],
        "X-Forwarded-Port": [
          "443"
        ],
        "X-Forwarded-Proto": [
          "https"
        ]
      },
      "multiValueQueryStringParameters": null,
      "path": "/health",
      "pathParameters": null,
      "queryStringParameters": null,
      "requestContext": {
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "deploymentId": "d1e2p3",
        "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
        "domainPrefix": "a1b2c3d4e5",
        "extendedRequestId": "JKJaXmPLvHcESHA=",
        "httpMethod": "GET",
        "identity": {
          "accessKey": null,
          "accountId": null,
          "caller": null,
          "cognitoAuthenticationProvider": null,
          "cognitoAuthenticationType": null,
          "cognitoIdentityId": null,
          "cognitoIdentityPoolId": null,
          "principalOrgId": null,
          "sourceIp": "203.0.113.7",
          "user": null,
          "userAgent": null,
          "userArn": null
        },
        "path": "/dev/health",
        "protocol": "HTTP/1.1",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "requestTime": "09/Apr/2026:12:34:56 +0000",
        "requestTimeEpoch": 1775738096000,
        "resourceId": "s4lsig",
        "resourcePath": "/health",
        "stage": "dev"
      },
      "resource": "/health",
      "stageVariables": null
    }
    "#);
}

#[test]
fn bodies_are_text_or_base64_by_their_type() {
    let mut types = bare();
    types.binary_media_types = vec!["application/octet-stream".to_owned(), "image/*".to_owned()];
    let (mut none, mut some, mut all) = (gateway(&bare()), gateway(&types), gateway(&api()));
    let mut line = |content_type: &str, body: &str| {
        let header = if content_type.is_empty() {
            String::new()
        } else {
            format!("\ncontent-type: {content_type}")
        };
        let text = format!("POST /dev/files/a{header}\n\n{body}");
        let show = |event: Value| format!("{} {}", event["body"], event["isBase64Encoded"]);
        format!(
            "{content_type} {body}: none {}, some {}, all {}",
            show(event(&mut none, &text)),
            show(event(&mut some, &text)),
            show(event(&mut all, &text))
        )
    };
    let lines = [
        line("application/json", "{}"),
        line("image/png", "png"),
        line("Application/Octet-Stream; x=y", "é"),
        line("", "x"),
        line("image/png", ""),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    application/json {}: none "{}" false, some "{}" false, all "e30=" true
    image/png png: none "png" false, some "cG5n" true, all "cG5n" true
    Application/Octet-Stream; x=y é: none "é" false, some "w6k=" true, all "w6k=" true
     x: none "x" false, some "x" false, all "eA==" true
    image/png : none null false, some null false, all null false
    "#);
    let mut damaged = request("POST /dev/files/a");
    *damaged.body_mut() = Bytes::from_static(b"a\xffb");
    let Step::Invoke(invocation) = none.receive(&damaged, arrival(NOON)) else {
        panic!("answered at once");
    };
    let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
    assert_eq!(event["body"], "a\u{fffd}b");
}

#[test]
fn a_trace_that_began_elsewhere_goes_on() {
    let mut gateway = gateway(&bare());
    let root = "Root=1-67891233-abcdef012345678912345678";
    let text = format!("GET /dev/health\nx-amzn-trace-id: {root}");
    assert_eq!(event(&mut gateway, &text)["headers"]["X-Amzn-Trace-Id"], root);
    let answer = play(&mut gateway, &text, payload("{}"));
    assert!(answer.contains(&format!("x-amzn-trace-id: {root}\n")), "{answer}");
}

/// Whatever would not be as on AWS is an error before the first request, which says where and what to do.
#[test]
fn what_is_not_emulated_is_an_error_at_start() {
    let error = |change: &dyn Fn(&mut RestApi)| {
        let mut api = api();
        change(&mut api);
        Gateway::new(&api, keys(), settings()).unwrap_err().to_string()
    };
    let gateway_response = |name: &'static str, change: fn(&mut GatewayResponse)| {
        error(&move |api| {
            let mut response = response(None, "X");
            change(&mut response);
            api.gateway_responses.insert(name.to_owned(), response);
        })
    };
    let mock = |change: fn(&mut Mock)| {
        error(&move |api| {
            let mut mock = preflight();
            change(&mut mock);
            api.methods.push(mocked("/m", mock));
        })
    };
    let in_default = |change: fn(&mut MockResponse)| {
        error(&move |api| {
            let mut mock = preflight();
            mock.responses.values_mut().for_each(change);
            api.methods.push(mocked("/m", mock));
        })
    };
    let errors = [
        error(&|api| "a/b".clone_into(&mut api.stage)),
        error(&|api| api.minimum_compression_size = Some(0)),
        error(&|api| api.methods.push(lambda("GET", "/prices", false))),
        error(&|api| {
            if let Some(Method { integration, .. }) = api.methods.first_mut() {
                *integration = Integration::Lambda {
                    function: "F".to_owned(),
                    timeout: Duration::from_millis(49),
                };
            }
        }),
        error(&|api| {
            if let Some(throttle) = api.stage_throttles.first_mut() {
                "/price".clone_into(&mut throttle.resource);
            }
        }),
        error(&|api| api.usage_plans.clear()),
        gateway_response("THROTTLEDX", |_| ()),
        gateway_response("REQUEST_TOO_LARGE", |_| ()),
        gateway_response("THROTTLED", |response| response.status = Some(999)),
        gateway_response("THROTTLED", |response| {
            response.templates = strings([("application/json", "$context.requestID")]);
        }),
        gateway_response("THROTTLED", |response| {
            response.headers = strings([("X-A", "method.request.header.Accept")]);
        }),
        gateway_response("THROTTLED", |response| {
            response.headers = strings([("X-A", "context.nothing")]);
        }),
        gateway_response("THROTTLED", |response| {
            response.headers = strings([("X A", "'x'")])
        }),
        gateway_response("THROTTLED", |response| {
            response.headers = strings([("X-A", "'é\n'")])
        }),
        mock(|mock| "perhaps".clone_into(&mut mock.passthrough)),
        mock(|mock| {
            mock.request_templates = strings([("application/json", "$input.json('$')")]);
        }),
        mock(|mock| mock.responses.clear()),
        mock(|mock| {
            if let Some(response) = mock.responses.remove("default") {
                mock.responses.insert("2.*".to_owned(), response);
            }
        }),
        in_default(|response| response.status = 100),
        in_default(|response| {
            response.templates = strings([("application/json", "#set($a = 1)")]);
        }),
        in_default(|response| {
            response.content_handling = Some(ContentHandling::ToBinary);
            response.templates = strings([("application/json", "{}")]);
        }),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
    stage a/b: no stage may have this name; use letters, digits, - and _
    API crypto-watch-api-dev: compression by the gateway is not emulated; remove MinimumCompressionSize and let the function compress
    GET /prices: the method is defined twice; remove one
    GET /prices: its integration may take 49 ms; allow it 50 ms at least
    stage throttle of * /price: the API has no such method; name one of its methods, or * for all
    API key id-of-alice: the API's stage has no usage plan `plan`; name one of its plans, or none for a key that opens nothing
    gateway response THROTTLEDX: API Gateway has no such type of response; use one of ACCESS_DENIED, API_CONFIGURATION_ERROR, AUTHORIZER_CONFIGURATION_ERROR, AUTHORIZER_FAILURE, BAD_REQUEST_BODY, BAD_REQUEST_PARAMETERS, DEFAULT_4XX, DEFAULT_5XX, EXPIRED_TOKEN, INTEGRATION_FAILURE, INTEGRATION_TIMEOUT, INVALID_API_KEY, INVALID_SIGNATURE, MISSING_AUTHENTICATION_TOKEN, QUOTA_EXCEEDED, REQUEST_TOO_LARGE, RESOURCE_NOT_FOUND, THROTTLED, UNAUTHORIZED, UNSUPPORTED_MEDIA_TYPE, WAF_FILTERED
    gateway response REQUEST_TOO_LARGE: API Gateway does not support customizing it; remove it: clients get the built-in answer
    gateway response THROTTLED: 999 is not the status of an answer; use one from 200 to 599
    gateway response THROTTLED, template of application/json: the variable `$context.requestID` is not emulated; use $context. with one of accountId, apiId, deploymentId, domainName, domainPrefix, error.message, error.messageString, error.responseType, extendedRequestId, httpMethod, identity.apiKeyId, identity.sourceIp, identity.userAgent, path, protocol, requestId, requestTime, requestTimeEpoch, resourceId, resourcePath, stage
    gateway response THROTTLED, header X-A: `method.request.header.Accept` is neither quoted text nor a variable of the context; write 'text' or context.name (method.request, stageVariables and integration.response are not emulated)
    gateway response THROTTLED, header X-A: the variable `context.nothing` is not emulated; use context. with one of accountId, apiId, deploymentId, domainName, domainPrefix, error.message, error.messageString, error.responseType, extendedRequestId, httpMethod, identity.apiKeyId, identity.sourceIp, identity.userAgent, path, protocol, requestId, requestTime, requestTimeEpoch, resourceId, resourcePath, stage
    gateway response THROTTLED, header X A: no header may have this name; use letters, digits and -
    gateway response THROTTLED, header X-A: its text has a character that no header may have; use printable ASCII
    OPTIONS /m: `perhaps` is no passthrough behaviour; use never, when_no_match or when_no_templates
    OPTIONS /m, request template of application/json: the template is more than a literal status; write {"statusCode": 204}: nothing else of the template language is emulated
    OPTIONS /m: the mock has no response; give it one
    OPTIONS /m, response 2.*: the pattern is more than three digits; use digits, . and \d, such as 204 or 4\d{2}, or default
    OPTIONS /m, default response: 100 is not the status of an answer; use one from 200 to 599
    OPTIONS /m, default response, template of application/json: the template has a directive; use plain text and $context variables: nothing else of the template language is emulated
    OPTIONS /m, default response: its template would be decoded as base64; use CONVERT_TO_TEXT: conversion to binary is not emulated
    "#);
    let mut keys = keys();
    let again = keys.add(
        "alice",
        ApiKey {
            id: "k2".to_owned(),
            plan: None,
            is_enabled: true,
        },
    );
    insta::assert_snapshot!(again.unwrap_err(), @"API key k2: it has the same value as API key id-of-alice; leave out one: to API Gateway they are the same key");
}

/// What the Rust runtime makes of an event.
fn parsed(text: &str) -> (lambda_http::Request, Value) {
    let mut gateway = gateway(&api());
    let Step::Invoke(invocation) = ask(&mut gateway, text, NOON) else {
        panic!("answered at once");
    };
    let payload = String::from_utf8(invocation.payload).unwrap();
    let event = serde_json::from_str(&payload).unwrap();
    (lambda_http::request::from_str(&payload).unwrap(), event)
}

#[test]
fn the_rust_runtime_reads_the_event() {
    use lambda_http::RequestExt;

    let text = "GET /dev/prices/BTC?symbols=BTC,ETH&a=1&a=2+3\nx-api-key: alice\naccept: application/json\ncookie: a=1\ncookie: b=2";
    let (read, event) = parsed(text);
    assert_eq!(read.method(), "GET");
    assert_eq!(read.raw_http_path(), "/prices/BTC");
    // The stage comes back unless AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH is set.
    assert_eq!(read.uri().path(), "/dev/prices/BTC");
    let query = read.query_string_parameters();
    assert_eq!(query.all("a"), Some(vec!["1", "2 3"]));
    assert_eq!(query.first("symbols"), Some("BTC,ETH"));
    assert_eq!(read.path_parameters().first("symbol"), Some("BTC"));
    assert_eq!(read.headers().get("x-api-key").unwrap(), "alice");
    // It lets `headers` replace what `multiValueHeaders` has more of: the last one stays.
    assert_eq!(
        event["multiValueHeaders"]["cookie"],
        serde_json::json!(["a=1", "b=2"])
    );
    assert_eq!(
        read.headers().get_all("cookie").iter().collect::<Vec<_>>(),
        ["b=2"]
    );
    assert_eq!(read.headers().get("x-forwarded-for").unwrap(), "203.0.113.7");
    assert_eq!(
        read.uri().host(),
        Some("a1b2c3d4e5.execute-api.us-east-1.amazonaws.com")
    );
    let (read, _) = parsed("POST /dev/files/a\ncontent-type: application/json\n\n{\"a\":\"é\"}");
    assert_eq!(read.body().as_ref(), "{\"a\":\"é\"}".as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What a client sends, the service gets: method, path, query, headers and body.
    #[test]
    fn the_rust_runtime_gets_what_was_sent(
        method in prop_oneof![Just("GET"), Just("PUT"), Just("DELETE"), Just("PATCH")],
        path in "[a-zA-Z0-9._~-]{1,8}(/[a-zA-Z0-9._~-]{1,8}){0,3}",
        name in "[a-z]{1,6}",
        value in "\\PC{0,10}",
        header in "[!-~]{1,20}",
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        use lambda_http::RequestExt;

        let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let mut sent = request(&format!("{method} /dev/files/{path}?{name}={encoded}\nx-some: {header}"));
        *sent.body_mut() = Bytes::from(body.clone());
        let mut gateway = gateway(&api());
        let Step::Invoke(invocation) = gateway.receive(&sent, arrival(NOON)) else {
            return Err(TestCaseError::fail("answered at once"));
        };
        let read = lambda_http::request::from_reader(invocation.payload.as_slice());
        let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read.method().as_str(), method);
        prop_assert_eq!(read.raw_http_path(), format!("/files/{path}"));
        let query = read.query_string_parameters();
        prop_assert_eq!(query.first(&name), Some(value.as_str()));
        let some = read.headers().get("x-some").map(HeaderValue::as_bytes);
        prop_assert_eq!(some, Some(header.as_bytes()));
        prop_assert_eq!(read.body().as_ref(), body.as_slice());
    }

    /// No request is too strange.
    #[test]
    fn every_request_gets_an_answer_or_an_event(
        method in "[A-Z]{1,8}",
        path in "(/dev)?[!-~&&[^#?]]{0,40}",
        query in "[!-~&&[^#]]{0,40}",
        headers in prop::collection::vec(("[a-z-]{1,12}", prop::collection::vec(32_u8..=255, 0..30)), 0..6),
        content_type in prop::option::of("[ -~]{0,20}"),
        accept in prop::option::of("[ -~]{0,20}"),
        body in prop::collection::vec(any::<u8>(), 0..60),
        now_ms: i64,
    ) {
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        let Ok(uri) = format!("{path}?{query}").parse::<http::Uri>() else {
            return Ok(());
        };
        let mut sent = Request::new(Bytes::from(body));
        *sent.uri_mut() = uri;
        if let Ok(method) = method.parse() {
            *sent.method_mut() = method;
        }
        let more = [("content-type", content_type), ("accept", accept)];
        let more = more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into_bytes())));
        for (name, value) in headers.into_iter().chain(more) {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(&value)) {
                sent.headers_mut().append(name, value);
            }
        }
        for api in [api(), bare()] {
            match gateway(&api).receive(&sent, arrival(now_ms)) {
                Step::Answer(answer) => prop_assert!(answer.response.status().as_u16() >= 200),
                Step::Invoke(invocation) => {
                    let event: Result<Value, _> = serde_json::from_slice(&invocation.payload);
                    prop_assert!(event.is_ok_and(|event| event["requestContext"]["stage"] == "dev"));
                }
            }
        }
    }
}
