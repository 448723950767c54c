//! DynamoDB's JSON without the SDK: for what the service never sends.

use aws_smithy_runtime_api::client::{http::HttpConnector as _, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use sim::store::inproc::InProcessStore;

use super::checks::TABLE;

/// A client of one table. Clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    way: Way,
    table: String,
}

#[derive(Clone, Debug)]
enum Way {
    Http {
        endpoint: String,
        client: Box<Client<HttpConnector, Full<Bytes>>>,
    },
    /// As the SDK reaches it, so only the service's own operations are answered.
    InProcess(InProcessStore),
}

impl Raw {
    /// A client of the checks' table at an endpoint.
    pub(crate) fn new(endpoint: &str) -> Self {
        Self::of(endpoint, TABLE)
    }

    pub(crate) fn of(endpoint: &str, table: &str) -> Self {
        Self {
            way: Way::Http {
                endpoint: endpoint.to_owned(),
                client: Box::new(Client::builder(TokioExecutor::new()).build_http()),
            },
            table: table.to_owned(),
        }
    }

    pub(crate) fn in_process(store: &InProcessStore) -> Self {
        Self {
            way: Way::InProcess(store.clone()),
            table: TABLE.to_owned(),
        }
    }

    /// A client of another table there.
    pub(crate) fn elsewhere(&self, table: &str) -> Self {
        Self {
            table: table.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn is_over_http(&self) -> bool {
        matches!(self.way, Way::Http { .. })
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// A request with everything that DynamoDB wants; emulators do not check the signature.
    pub(crate) fn request(&self, operation: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let Way::Http { endpoint, .. } = &self.way else {
            panic!("there is no HTTP in process");
        };
        Request::post(endpoint)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target(operation))
            .header("x-amz-date", "20260302T000000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260302/us-east-1/dynamodb/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature=00",
            )
            .body(Full::new(body.into()))
            .expect("a valid request")
    }

    /// Status and body of the answer.
    pub(crate) async fn send(&self, operation: &str, body: impl Into<Bytes>) -> (u16, Value) {
        let (status, body) = match &self.way {
            Way::Http { .. } => self.exchange(self.request(operation, body)).await,
            Way::InProcess(store) => {
                let mut request = HttpRequest::new(SdkBody::from(body.into().to_vec()));
                request.headers_mut().insert("x-amz-target", target(operation));
                let answer = store.call(request).await.expect("an answer");
                let body = answer.body().bytes().expect("a whole body").to_vec();
                (answer.status().as_u16(), body.into())
            }
        };
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    /// Status and body of the answer to any request over HTTP.
    pub(crate) async fn exchange(&self, request: Request<Full<Bytes>>) -> (u16, Bytes) {
        let Way::Http { client, .. } = &self.way else {
            panic!("there is no HTTP in process");
        };
        let answer = client.request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a whole body");
        (status, body.to_bytes())
    }

    /// The body of an answer that must be a 200.
    pub(crate) async fn call(&self, operation: &str, body: &Value) -> Value {
        let (status, answer) = self.send(operation, body.to_string()).await;
        assert_eq!(status, 200, "{operation} {}: {answer}", shown(body));
        answer
    }

    /// The error of an answer that must be a 400 with this code.
    pub(crate) async fn refused(&self, operation: &str, body: &Value, code: &str) -> Value {
        let (status, answer) = self.send(operation, body.to_string()).await;
        assert_eq!(
            (status, self::code(&answer)),
            (400, code),
            "{operation} {}: {answer}",
            shown(body)
        );
        answer
    }

    /// The same body for this table.
    pub(crate) fn here(&self, mut body: Value) -> Value {
        body["TableName"] = json!(self.table);
        body
    }

    /// The item of a key, if there is one.
    pub(crate) async fn item(&self, key: &Value) -> Option<Value> {
        let read = self.here(json!({ "Key": key, "ConsistentRead": true }));
        let answer = self.call("GetItem", &read).await;
        answer.get("Item").cloned()
    }
}

fn target(operation: &str) -> String {
    format!("DynamoDB_20120810.{operation}")
}

/// As much of a body as one wants to read.
fn shown(body: &Value) -> String {
    body.to_string().chars().take(400).collect()
}

/// An error's code without the name of the service that it stands in.
pub(crate) fn code(answer: &Value) -> &str {
    let code = answer["__type"].as_str().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default()
}

/// The key of an item of the checks.
pub(crate) fn key(pk: &str) -> Value {
    json!({ "PK": { "S": pk }, "SK": { "S": "METADATA" } })
}

/// A key with further attributes: an object of them.
pub(crate) fn item(pk: &str, attributes: Value) -> Value {
    let mut item = key(pk);
    let Value::Object(attributes) = attributes else {
        panic!("no object: {attributes}");
    };
    for (name, value) in attributes {
        item[name] = value;
    }
    item
}

/// An item of a size in bytes, as DynamoDB counts it: names and texts.
pub(crate) fn sized(pk: &str, size: usize) -> Value {
    let rest = size - "PKSKMETADATAblob".len() - pk.len();
    item(pk, json!({ "blob": { "S": "x".repeat(rest) } }))
}
