//! The way of one call through the store front: read, passed on, answered, told.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TE, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::Instant;

use super::{
    cost::{FrontCost, Tally},
    front::{Emit, FrontSabotage},
    observe,
};
use crate::{clock::RunClock, record::event::StoreSubject};

/// Largest body that is passed on in either direction: DynamoDB's own limit.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// The longest that the store may take, real time; every client of it gives up long before.
pub(super) const STORE_BOUND: Duration = Duration::from_secs(30);
/// DynamoDB's media type.
const JSON: &str = "application/x-amz-json-1.0";

#[derive(Debug, Default)]
struct Costs {
    added: Tally,
    store: Tally,
}

/// What each call needs.
pub(super) struct Forward {
    upstream: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
    clock: RunClock,
    emit: Emit,
    sabotage: FrontSabotage,
    costs: Mutex<Costs>,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward")
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

impl Forward {
    /// Forwards to the DynamoDB at `upstream`.
    pub(super) fn new(upstream: Uri, clock: RunClock, emit: Emit, sabotage: FrontSabotage) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(usize::MAX)
            .pool_idle_timeout(None)
            .build(connector);
        Self {
            upstream,
            client,
            clock,
            emit,
            sabotage,
            costs: Mutex::default(),
        }
    }

    /// What the calls so far have cost.
    pub(super) fn cost(&self) -> FrontCost {
        let costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        FrontCost {
            added: costs.added.spread(),
            store: costs.store.spread(),
        }
    }

    /// Passes one request on and its answer back.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let arrived = Arrived {
            at_us: self.clock.now_us(),
            at: Instant::now(),
        };
        let (parts, body) = request.into_parts();
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let call = observe::request(target(&parts.headers), b"");
                let refusal = refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 16 MB");
                self.tell(&arrived, &call, Duration::ZERO, &refusal);
                return refusal.into_response();
            }
            Err(error) => {
                return refusal(StatusCode::BAD_REQUEST, &format!("the request was cut: {error}"))
                    .into_response();
            }
        };
        // A task of its own: when the client gives up, what the store then does must still be seen.
        match tokio::spawn(self.forward(arrived, parts, body)).await {
            Ok(answer) => answer.into_response(),
            Err(error) => refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("the store front failed: {error}"),
            )
            .into_response(),
        }
    }

    async fn forward(self: Arc<Self>, arrived: Arrived, parts: Parts, body: Bytes) -> Answer {
        let call = observe::request(target(&parts.headers), &body);
        let body = if self.sabotage.drop_lease_condition && call.subject == StoreSubject::Lease {
            observe::without_condition(&body).map_or(body, Bytes::from)
        } else {
            body
        };
        let sent = Instant::now();
        let answer = match tokio::time::timeout(STORE_BOUND, self.ask_store(parts, body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!(
                    "the store behind the front at {} does not answer: {reason}",
                    self.upstream
                ),
            ),
            Err(_) => refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!(
                    "the store behind the front at {} took over {STORE_BOUND:?}",
                    self.upstream
                ),
            ),
        };
        self.tell(&arrived, &call, sent.elapsed(), &answer);
        answer
    }

    async fn ask_store(&self, parts: Parts, body: Bytes) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(parts.method)
            .uri(self.uri(&parts.uri)?)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        *request.headers_mut() = end_to_end(parts.headers);
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| with_causes(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY)
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        Ok(Answer {
            status: parts.status,
            headers: end_to_end(parts.headers),
            body,
        })
    }

    /// The same path at the store.
    fn uri(&self, asked: &Uri) -> Result<Uri, String> {
        let mut parts = self.upstream.clone().into_parts();
        parts.path_and_query = asked.path_and_query().cloned().or(parts.path_and_query);
        Uri::from_parts(parts).map_err(|error| error.to_string())
    }

    /// Tells what happened. `store` is what the store took of the time since `arrived`.
    fn tell(&self, arrived: &Arrived, call: &observe::Call, store: Duration, answer: &Answer) {
        let status = answer.status.as_u16();
        let outcome = call.answer(status, &answer.body, self.clock.now_us());
        let store_us = micros(store);
        let front_us = micros(arrived.at.elapsed().saturating_sub(store));
        {
            let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
            costs.added.add(front_us);
            costs.store.add(store_us);
        }
        let seen = observe::Seen {
            at_us: arrived.at_us,
            store_us,
            front_us,
            status,
        };
        call.tell(seen, outcome, |event| (self.emit)(event));
    }
}

/// When a request came.
struct Arrived {
    at_us: u64,
    at: Instant,
}

/// A whole answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// The front's own answer, in DynamoDB's form.
fn refusal(status: StatusCode, message: &str) -> Answer {
    let code = if status.is_server_error() {
        "InternalServerError"
    } else {
        "SerializationException"
    };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(JSON))]);
    Answer {
        status,
        headers,
        body: error_body(code, message).into(),
    }
}

/// An error as DynamoDB writes it.
pub(super) fn error_body(code: &str, message: &str) -> String {
    let body = serde_json::json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": message,
    });
    body.to_string()
}

fn target(headers: &HeaderMap) -> &str {
    headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default()
}

/// The headers without those that belong to one connection; the body's length is set anew on the other.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let keep_alive = HeaderName::from_static("keep-alive");
    for name in [
        CONNECTION,
        keep_alive,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
        CONTENT_LENGTH,
    ] {
        headers.remove(name);
    }
    headers
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Microseconds as events carry them.
pub(super) fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
