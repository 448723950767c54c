//! DynamoDB's JSON over HTTP, without the SDK: for what the service never sends.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// A client of one endpoint.
#[derive(Debug)]
pub(crate) struct Raw {
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Raw {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// A request with everything that DynamoDB wants; emulators do not check the signature.
    pub(crate) fn request(&self, operation: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        Request::post(&self.endpoint)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
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
        let answer = self
            .client
            .request(self.request(operation, body))
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a whole body")
            .to_bytes();
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    /// The body of an answer that must be a 200.
    pub(crate) async fn call(&self, operation: &str, body: &Value) -> Value {
        let (status, answer) = self.send(operation, body.to_string()).await;
        assert_eq!(status, 200, "{operation} {body}: {answer}");
        answer
    }
}
