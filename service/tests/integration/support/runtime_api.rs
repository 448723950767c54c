//! The Lambda runtime API for one environment: hands out events, collects what becomes of them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::process::{PATIENCE, Stub};

pub(crate) struct RuntimeApi {
    stub: Stub,
    events: UnboundedSender<Event>,
    ended: Receiver<Ended>,
}

/// An event to hand out.
#[derive(Clone, Debug)]
struct Event {
    id: String,
    deadline_ms: u64,
    payload: String,
}

/// What a function made of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    Response(String, Value),
    Error(String, Value),
}

struct Queues {
    events: tokio::sync::Mutex<UnboundedReceiver<Event>>,
    ended: Mutex<Sender<Ended>>,
}

impl RuntimeApi {
    pub(crate) fn start() -> Self {
        let (events, queue) = unbounded_channel();
        let (ended_in, ended) = channel();
        let queues = Arc::new(Queues {
            events: tokio::sync::Mutex::new(queue),
            ended: Mutex::new(ended_in),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(outcome))
            .with_state(queues);
        Self {
            stub: Stub::start(router),
            events,
            ended,
        }
    }

    /// What Lambda sets for a function.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        [
            ("AWS_LAMBDA_RUNTIME_API", self.stub.authority()),
            ("AWS_LAMBDA_FUNCTION_NAME", "test".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/test".to_owned()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/03/02/[$LATEST]0".to_owned()),
            ("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Hands out one event and waits for what becomes of it.
    pub(crate) fn invoke(&self, id: &str, payload: &Value) -> Ended {
        // A deadline far ahead: the tests are not about time running out.
        let event = Event {
            id: id.to_owned(),
            deadline_ms: 4_000_000_000_000,
            payload: payload.to_string(),
        };
        self.events.send(event).expect("the stub lives");
        self.ended.recv_timeout(PATIENCE).expect("an answer")
    }
}

/// A long poll: never answered without an event.
async fn next(State(queues): State<Arc<Queues>>) -> Response {
    let Some(event) = queues.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", event.id),
        ("lambda-runtime-deadline-ms", event.deadline_ms.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:test".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-0-0;Parent=0;Sampled=0".to_owned(),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event.payload).into_response()
}

async fn outcome(
    State(queues): State<Arc<Queues>>,
    Path((id, outcome)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let ended = if outcome == "response" {
        Ended::Response(id, body)
    } else {
        Ended::Error(id, body)
    };
    let _ = queues
        .ended
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(ended);
    (StatusCode::ACCEPTED, r#"{"status":"OK"}"#).into_response()
}
