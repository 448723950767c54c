//! Asks a DynamoDB what prepares it and clears it away: JSON over HTTP, without the SDK's retries.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use crate::store::{signing::Signer, upstream::Upstream};

/// How long an answer may take, real time.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// So much of an answer is shown that makes no sense.
const SHOWN: usize = 60;

/// Why there is no answer to go by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No connection, or it broke.
    #[error("cannot reach {0}")]
    Unreachable(String),
    /// Nothing came.
    #[error("it did not answer within {0:?}")]
    Silent(Duration),
    /// What answers speaks something else.
    #[error("it is no DynamoDB: it answered {status} with `{shown}`")]
    Alien {
        /// The HTTP status.
        status: u16,
        /// The beginning of its body.
        shown: String,
    },
    /// An error as DynamoDB writes it.
    #[error("{code}: {message}")]
    Refused {
        /// Such as `ResourceInUseException`.
        code: String,
        /// Its words.
        message: String,
    },
}

impl AskError {
    /// Whether it is DynamoDB's error of this name.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == name)
    }
}

/// A client of one endpoint.
#[derive(Debug)]
pub(super) struct Client {
    upstream: Upstream,
    /// How long an answer may take, real time.
    within: Duration,
}

impl Client {
    pub(super) fn new(endpoint: Uri, signer: Signer) -> Self {
        Self {
            upstream: Upstream::new(endpoint, Some(signer)),
            within: ANSWER_WITHIN,
        }
    }

    /// The same with less patience.
    #[cfg(test)]
    pub(super) fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// One request and its answer.
    pub(super) async fn ask(&self, operation: &str, body: &Value) -> Result<Value, AskError> {
        tokio::time::timeout(self.within, self.exchange(operation, body))
            .await
            .unwrap_or(Err(AskError::Silent(self.within)))
    }

    fn unreachable(&self, reason: &str) -> AskError {
        AskError::Unreachable(format!("{}: {reason}", self.upstream.uri()))
    }

    async fn exchange(&self, operation: &str, body: &Value) -> Result<Value, AskError> {
        let target = format!("DynamoDB_20120810.{operation}");
        let target = HeaderValue::from_str(&target).map_err(|error| self.unreachable(&error.to_string()))?;
        let headers = HeaderMap::from_iter([
            (
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-amz-json-1.0"),
            ),
            (HeaderName::from_static("x-amz-target"), target),
        ]);
        let answer = self
            .upstream
            .send(
                Method::POST,
                &Uri::from_static("/"),
                headers,
                Bytes::from(body.to_string()),
            )
            .await
            .map_err(|reason| self.unreachable(&reason))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST_BYTES)
            .collect()
            .await
            .map_err(|error| self.unreachable(&error.to_string()))?
            .to_bytes();
        read(status, &body)
    }
}

/// What an answer says. DynamoDB answers objects; errors have a `__type`.
fn read(status: http::StatusCode, body: &[u8]) -> Result<Value, AskError> {
    let alien = || AskError::Alien {
        status: status.as_u16(),
        shown: String::from_utf8_lossy(body)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(SHOWN)
            .collect(),
    };
    let answer: Value = serde_json::from_slice(body).map_err(|_| alien())?;
    let kind = answer["__type"].as_str();
    match kind {
        Some(kind) => Err(AskError::Refused {
            code: kind.rsplit('#').next().unwrap_or(kind).to_owned(),
            message: ["message", "Message"]
                .iter()
                .find_map(|name| answer[*name].as_str())
                .unwrap_or("no message")
                .to_owned(),
        }),
        None if status.is_success() && answer.is_object() => Ok(answer),
        None => Err(alien()),
    }
}
