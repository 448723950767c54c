//! What is signed here against what the service's SDK signs for the same request at the same instant.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use aws_sdk_dynamodb::{
    config::{BehaviorVersion, Region},
    types::AttributeValue,
};
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use proptest::prelude::*;

use super::*;

/// Keeps the request that the SDK would have sent.
#[derive(Clone, Debug, Default)]
struct Captured(Arc<Mutex<Option<Sent>>>);

/// Headers, address and body of a request.
type Sent = (HeaderMap, String, Vec<u8>);

impl HttpConnector for Captured {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect();
        let body = request.body().bytes().expect("a whole body").to_vec();
        let mut captured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *captured = Some((headers, request.uri().to_owned(), body));
        let error = ConnectorError::other("captured".into(), None);
        HttpConnectorFuture::ready(Err(error))
    }
}

impl HttpClient for Captured {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A `GetItem` as the SDK signs it.
fn signed_by_the_sdk(credentials: Credentials, endpoint: &str, at: SystemTime, key: &str) -> Sent {
    let captured = Captured::default();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials)
        .endpoint_url(endpoint)
        .time_source(StaticTimeSource::new(at))
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .http_client(captured.clone())
        .build();
    let asking = aws_sdk_dynamodb::Client::from_conf(config)
        .get_item()
        .table_name("sim-0")
        .key("PK", AttributeValue::S(key.to_owned()))
        .send();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _ = runtime.block_on(asking).expect_err("nothing was sent");
    let mut captured = captured.0.lock().unwrap_or_else(PoisonError::into_inner);
    captured.take().expect("a request")
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials::from_keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token.map(str::to_owned))
}

/// What our signer makes of a request that was signed for another host, with other keys, at another time.
fn signed_anew(stale: Sent, credentials: Credentials, endpoint: &str, at: SystemTime) -> HeaderMap {
    let (mut headers, _, body) = stale;
    let uri: Uri = endpoint.parse().expect("an address");
    Signer::new(credentials, "eu-central-1")
        .sign((&Method::POST, &uri), &mut headers, &body, at)
        .expect("it can be signed");
    headers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn it_is_the_signature_of_the_sdk(second in 1_600_000_000u64..2_000_000_000, key in "[ -~]{1,40}", token in any::<bool>()) {
        let at = UNIX_EPOCH + Duration::from_secs(second);
        let endpoint = "https://dynamodb.eu-central-1.amazonaws.com/";
        let credentials = credentials(token.then_some("a-session"));
        let (expected, uri, _) = signed_by_the_sdk(credentials.clone(), endpoint, at, &key);
        prop_assert_eq!(uri, endpoint);
        let dummy = Credentials::from_keys("simulated", "simulated", None);
        let stale = signed_by_the_sdk(dummy, "http://127.0.0.1:4711/", UNIX_EPOCH, &key);
        prop_assert_ne!(stale.0.get(AUTHORIZATION), expected.get(AUTHORIZATION));
        let anew = signed_anew(stale, credentials, endpoint, at);
        for signed in [AUTHORIZATION, DATE, TOKEN] {
            prop_assert_eq!(anew.get(&signed), expected.get(&signed));
        }
        prop_assert_eq!(anew.get(HOST).and_then(|host| host.to_str().ok()), Some("dynamodb.eu-central-1.amazonaws.com"));
    }
}
