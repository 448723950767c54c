//! The binaries on Lambda: driven through the runtime API with the events that API Gateway and EventBridge send.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{
    bench::KEY,
    coingecko, dynamodb,
    process::{Process, Stub},
    runtime_api::{Ended, RuntimeApi},
};

const API: &str = env!("CARGO_BIN_EXE_crypto-watch-api");
const UPDATE: &str = env!("CARGO_BIN_EXE_crypto-watch-update");
const KEYS: &str = env!("CARGO_BIN_EXE_crypto-watch-keys");

/// The settings of a process between these two.
fn settings(dynamodb: &Stub, coingecko: &Stub) -> BTreeMap<String, String> {
    [
        ("DYNAMODB_TABLE_NAME", "crypto-watch".to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url()),
        ("EXTERNAL_API_URL", format!("{}/api/v3", coingecko.url())),
        // A slow machine is no broken store.
        ("STORE_TIMEOUT_MS", "10000".to_owned()),
        ("WRITE_TIMEOUT_MS", "10000".to_owned()),
        ("SUPPORTED_SYMBOLS", "BTC=bitcoin,ETH=ethereum".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn on_lambda(mut settings: BTreeMap<String, String>, runtime: &RuntimeApi) -> BTreeMap<String, String> {
    settings.append(&mut runtime.environment());
    settings
}

/// A REST proxy event, version 1, as a regional API sends it.
fn proxy_event(path: &str, query: Option<(&str, &str)>, headers: &[(&str, &str)]) -> Value {
    let single: BTreeMap<_, _> = headers.iter().copied().collect();
    let multi: BTreeMap<_, _> = headers.iter().map(|(name, value)| (*name, [*value])).collect();
    json!({
        "resource": "/prices/{symbol}", "path": path, "httpMethod": "GET",
        "headers": single, "multiValueHeaders": multi,
        "queryStringParameters": query.map(|(name, value)| BTreeMap::from([(name, value)])),
        "multiValueQueryStringParameters": query.map(|(name, value)| BTreeMap::from([(name, [value])])),
        "pathParameters": null, "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012", "apiId": "abc123", "deploymentId": "d1",
            "domainName": "abc123.execute-api.us-east-1.amazonaws.com", "domainPrefix": "abc123",
            "extendedRequestId": "JKJaXmPLvHcESHA=", "httpMethod": "GET",
            "identity": {
                "accessKey": null, "accountId": null, "apiKey": null, "apiKeyId": null, "caller": null,
                "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null,
                "cognitoIdentityId": null, "cognitoIdentityPoolId": null, "principalOrgId": null,
                "sourceIp": "203.0.113.7", "user": null, "userAgent": "curl/8", "userArn": null
            },
            "path": format!("/dev{path}"), "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTime": "09/Apr/2026:12:34:56 +0000", "requestTimeEpoch": 1_775_738_096_000_u64,
            "resourceId": "r1", "resourcePath": "/prices/{symbol}", "stage": "dev"
        },
        "body": null, "isBase64Encoded": false
    })
}

fn scheduled_event() -> Value {
    json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
        "source": "aws.events", "account": "123456789012", "time": "2026-04-09T12:35:00Z", "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/update"], "detail": {}
    })
}

#[test]
fn the_updater_fills_the_table_and_the_api_serves_it() {
    let (dynamodb, items) = dynamodb::start();
    let (coingecko, calls) = coingecko::start();
    let settings = settings(&dynamodb, &coingecko);
    let created = Process::start(KEYS, &["create", "--name", "test", "--key", KEY], &settings).wait();
    assert!(created.status.success(), "{}", created.stderr);

    let runtime = RuntimeApi::start();
    let mut demo = on_lambda(settings.clone(), &runtime);
    demo.insert("EXTERNAL_API_KEY".to_owned(), "CG-test".to_owned());
    let updater = Process::start(UPDATE, &[], &demo);
    let ended = runtime.invoke("schedule-1", &scheduled_event());
    let expected = json!({ "outcome": "refreshed", "written": 2, "failed": "" });
    assert_eq!(ended, Ended::Response("schedule-1".to_owned(), expected));
    assert_eq!(calls.all(), ["CG-test"]);
    let emf = updater.line("emf");
    assert_eq!(
        (&emf["UpdateSucceeded"], &emf["PricesWritten"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(emf["invocation"], "schedule-1");
    assert!(items.lock().expect("no panic").contains_key("PRICE#ETH/METADATA"));

    let runtime = RuntimeApi::start();
    let api = Process::start(API, &[], &on_lambda(settings, &runtime));
    let headers = [("x-api-key", KEY), ("Accept-Encoding", "gzip, deflate")];
    let Ended::Response(id, answer) = runtime.invoke(
        "req-1",
        &proxy_event("/prices", Some(("symbols", "eth,BTC")), &headers),
    ) else {
        panic!("an answer")
    };
    assert_eq!(id, "req-1");
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["isBase64Encoded"], false, "API Gateway compresses, not we");
    let body: Value = serde_json::from_str(answer["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!(body["data"][0]["symbol"], "ETH");
    assert_eq!(body["data"][1]["price"], json!(1.25));
    let header = |name: &str| {
        answer["multiValueHeaders"][name][0]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(header("x-request-id"), "req-1", "the platform's id is ours");
    assert!(
        header("cache-status").starts_with("crypto-watch; hit; detail=store; ttl="),
        "{answer}"
    );
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(api.line("emf")["requestId"], "req-1");

    // One process serves one event after the other, with all routes and problems.
    for (path, key, status) in [
        ("/prices/BTC", KEY, 200),
        ("/prices/BTC", "bad", 401),
        ("/nowhere", KEY, 404),
        ("/health", "", 200),
    ] {
        let Ended::Response(_, answer) =
            runtime.invoke("next", &proxy_event(path, None, &[("x-api-key", key)]))
        else {
            panic!("an answer")
        };
        assert_eq!(answer["statusCode"], status, "{path}: {answer}");
        assert_eq!(answer["isBase64Encoded"], false);
    }
}

#[test]
fn an_update_that_stores_nothing_fails_its_invocation() {
    let dynamodb = dynamodb::broken();
    let (coingecko, _) = coingecko::start();
    let runtime = RuntimeApi::start();
    let updater = Process::start(UPDATE, &[], &on_lambda(settings(&dynamodb, &coingecko), &runtime));
    let Ended::Error(id, error) = runtime.invoke("schedule-1", &scheduled_event()) else {
        panic!("an error")
    };
    assert_eq!(
        (id.as_str(), &error["errorType"]),
        ("schedule-1", &json!("UpdateFailed"))
    );
    assert_eq!(updater.line("update")["level"], "ERROR");
    assert_eq!(updater.line("emf")["UpdateSucceeded"], 0);
    // The environment lives on.
    let Ended::Error(id, _) = runtime.invoke("schedule-2", &scheduled_event()) else {
        panic!("an error")
    };
    assert_eq!(id, "schedule-2");
}

#[test]
fn a_store_failure_is_a_503_on_lambda_too() {
    let dynamodb = dynamodb::broken();
    let (coingecko, _) = coingecko::start();
    let runtime = RuntimeApi::start();
    let _api = Process::start(API, &[], &on_lambda(settings(&dynamodb, &coingecko), &runtime));
    let Ended::Response(_, answer) =
        runtime.invoke("req-1", &proxy_event("/prices/BTC", None, &[("x-api-key", KEY)]))
    else {
        panic!("an answer")
    };
    assert_eq!(answer["statusCode"], 503);
    assert_snapshot!(answer["body"].as_str().expect("a text"), @r#"{"type":"urn:crypto-watch:problem:store-unavailable","title":"Store unavailable","status":503,"detail":"a part that the service needs does not answer; try again","code":"STORE_UNAVAILABLE","requestId":"req-1"}"#);
}

#[test]
fn an_event_of_another_shape_is_an_error_and_the_function_lives() {
    let dynamodb = dynamodb::broken();
    let (coingecko, _) = coingecko::start();
    let runtime = RuntimeApi::start();
    let _api = Process::start(API, &[], &on_lambda(settings(&dynamodb, &coingecko), &runtime));
    assert!(matches!(
        runtime.invoke("odd", &json!({ "requestContext": {} })),
        Ended::Error(..)
    ));
    let Ended::Response(_, answer) = runtime.invoke("fine", &proxy_event("/health", None, &[])) else {
        panic!("an answer")
    };
    assert_eq!(answer["statusCode"], 200);
}
