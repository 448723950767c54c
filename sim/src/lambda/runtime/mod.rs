//! The Runtime API of one execution environment, on a loopback port of its own: who calls there is told by the port,
//! since a runtime may open as many connections as it likes.
//!
//! Routes, statuses, bodies and headers are those of
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html> and, where that says nothing, of AWS's own
//! emulator (see [`states`]).

pub mod states;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::{Notify, oneshot};

use self::states::{NotAllowed, State, Step, step};
use crate::loopback::Loopback;

/// The largest answer that Lambda takes of a function, bytes: 6 MiB and 100.
pub const MOST_ANSWER: usize = (6 << 20) + 100;

const VERSION: &str = "/2018-06-01";

/// An event for a function.
#[derive(Clone, Debug)]
pub struct Event {
    /// The id of the invocation, a UUID.
    pub request_id: String,
    /// `Root=1-…;Parent=…;Sampled=0`
    pub trace_id: String,
    /// When the invocation is cut off, Unix milliseconds of the system's clock.
    pub deadline_ms: u64,
    /// The function.
    pub arn: String,
    /// JSON.
    pub payload: Bytes,
}

/// What a runtime answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `/response`
    Response(Bytes),
    /// `/error`, with the type that its header names.
    Error {
        /// `Runtime.…` or `Function.…`
        error_type: String,
        /// A document of the runtime's own.
        payload: Bytes,
    },
    /// More than [`MOST_ANSWER`].
    TooLarge,
    /// The connection broke before its body was complete.
    Truncated,
    /// A `Lambda-Runtime-Function-Response-Mode` that does not exist.
    InvalidMode,
}

/// Why a runtime does not start, in its own words (`/init/error`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitError {
    /// `Runtime.…` or `Function.…`
    pub error_type: String,
    /// A document of the runtime's own.
    pub payload: Bytes,
}

/// A Runtime API that listens. Dropping it closes it.
#[derive(Debug)]
pub struct RuntimeApi {
    desk: Arc<Desk>,
    server: Loopback,
}

/// What the connections of one environment share.
#[derive(Debug, Default)]
struct Desk {
    seat: Mutex<Seat>,
    /// There may be an event for whoever waits for one.
    offered: Notify,
    /// The runtime made a step.
    stepped: Notify,
}

#[derive(Debug)]
struct Seat {
    state: State,
    event: Option<Arc<Event>>,
    answer: Option<oneshot::Sender<Answer>>,
    init_error: Option<InitError>,
}

impl Default for Seat {
    fn default() -> Self {
        Self {
            state: State::Started,
            event: None,
            answer: None,
            init_error: None,
        }
    }
}

impl RuntimeApi {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// There is none.
    pub async fn listen() -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let answering = Arc::clone(&desk);
        let server = Loopback::serve(move |request, _| {
            let desk = Arc::clone(&answering);
            async move { route(&desk, request).await }
        })
        .await?;
        Ok(Self { desk, server })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` says.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Waits until the runtime asks for an event, or says why it cannot.
    ///
    /// # Errors
    /// Its reason.
    pub async fn ready(&self) -> Result<(), InitError> {
        self.desk
            .until(|seat| match seat.state {
                State::Ready => Some(Ok(())),
                State::InitError => seat.init_error.clone().map(Err),
                _ => None,
            })
            .await
    }

    /// Gives the runtime an event; its answer comes through what is returned. (None comes when the runtime is gone.)
    pub fn offer(&self, event: Event) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut seat = self.desk.seat();
        seat.event = Some(Arc::new(event));
        seat.answer = Some(answer);
        drop(seat);
        self.desk.offered.notify_waiters();
        answered
    }

    /// Forgets all that the last process said, for the next one.
    pub fn reset(&self) {
        *self.desk.seat() = Seat::default();
    }
}

impl Desk {
    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until<T>(&self, mut seen: impl FnMut(&mut Seat) -> Option<T>) -> T {
        loop {
            let mut stepped = std::pin::pin!(self.stepped.notified());
            // What happens between the look and the wait is not missed.
            stepped.as_mut().enable();
            if let Some(found) = seen(&mut self.seat()) {
                return found;
            }
            stepped.await;
        }
    }

    fn step(&self, asked: Step) -> Result<(), NotAllowed> {
        let mut seat = self.seat();
        seat.state = step(seat.state, asked)?;
        drop(seat);
        self.stepped.notify_waiters();
        Ok(())
    }

    /// `GET /runtime/invocation/next`
    async fn next(&self) -> Result<Arc<Event>, NotAllowed> {
        self.step(Step::Next)?;
        loop {
            let mut offered = std::pin::pin!(self.offered.notified());
            offered.as_mut().enable();
            {
                let mut seat = self.seat();
                let has_event = seat.event.clone();
                match (seat.state, has_event) {
                    // The same again, to whoever asks twice.
                    (State::Running, Some(event)) => return Ok(event),
                    (State::Ready, Some(event)) if seat.answer.is_some() => {
                        seat.state = State::Running;
                        return Ok(event);
                    }
                    _ => {}
                }
            }
            offered.await;
        }
    }

    /// `POST …/{id}/response` and `…/{id}/error`
    async fn answer(
        &self,
        asked: Step,
        id: &str,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Response<Full<Bytes>> {
        if let Err(error) = self.step(asked) {
            return not_allowed(error);
        }
        // A wrong id has taken the step all the same: the runtime can do nothing more.
        let is_asked = self
            .seat()
            .event
            .as_ref()
            .is_some_and(|event| event.request_id == id);
        if !is_asked {
            return refused(StatusCode::BAD_REQUEST, "Invalid request ID", "InvalidRequestID");
        }
        let mode = headers.get("lambda-runtime-function-response-mode");
        if mode.is_some_and(|mode| mode != "streaming") {
            self.sent(Answer::InvalidMode);
            return refused(
                StatusCode::BAD_REQUEST,
                "Invalid function response mode",
                "InvalidFunctionResponseMode",
            );
        }
        match read(body).await {
            Ok(Some(payload)) => {
                let answer = match asked {
                    Step::Error => Answer::Error {
                        error_type: error_type(headers),
                        payload,
                    },
                    Step::Next | Step::Response | Step::InitError => Answer::Response(payload),
                };
                self.sent(answer);
                accepted()
            }
            Ok(None) => {
                self.sent(Answer::TooLarge);
                refused(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &format!("Exceeded maximum allowed payload size ({MOST_ANSWER} bytes)."),
                    "RequestEntityTooLarge",
                )
            }
            Err(_) => {
                self.sent(Answer::Truncated);
                refused(
                    StatusCode::BAD_REQUEST,
                    "HTTP request detected as truncated",
                    "TruncatedHTTPRequest",
                )
            }
        }
    }

    fn sent(&self, answer: Answer) {
        let mut seat = self.seat();
        seat.state = State::ResponseSent;
        seat.event = None;
        let waiting = seat.answer.take();
        drop(seat);
        if let Some(waiting) = waiting {
            // Nobody waits when the invocation was cut off meanwhile.
            let _ = waiting.send(answer);
        }
        self.stepped.notify_waiters();
    }

    /// `POST /runtime/init/error`
    async fn init_error(&self, headers: &HeaderMap, body: Incoming) -> Response<Full<Bytes>> {
        let payload = read(body).await.ok().flatten().unwrap_or_default();
        {
            let mut seat = self.seat();
            match step(seat.state, Step::InitError) {
                Ok(state) => seat.state = state,
                Err(error) => return not_allowed(error),
            }
            seat.init_error = Some(InitError {
                error_type: error_type(headers),
                payload,
            });
        }
        self.stepped.notify_waiters();
        accepted()
    }
}

async fn route(desk: &Desk, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let Some(path) = parts.uri.path().strip_prefix(VERSION) else {
        return unknown();
    };
    let words: Vec<&str> = path.split('/').collect();
    match (&parts.method, words.as_slice()) {
        (&Method::GET, ["", "ping"]) => text(StatusCode::OK, "pong"),
        (&Method::GET, ["", "runtime", "invocation", "next"]) => match desk.next().await {
            Ok(event) => delivered(&event),
            Err(error) => not_allowed(error),
        },
        (&Method::POST, ["", "runtime", "invocation", id, "response"]) => {
            desk.answer(Step::Response, id, &parts.headers, body).await
        }
        (&Method::POST, ["", "runtime", "invocation", id, "error"]) => {
            desk.answer(Step::Error, id, &parts.headers, body).await
        }
        (&Method::POST, ["", "runtime", "init", "error"]) => desk.init_error(&parts.headers, body).await,
        _ => unknown(),
    }
}

/// All of a body; none when it is too large.
async fn read(mut body: Incoming) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if whole.len() + data.len() > MOST_ANSWER {
                return Ok(None);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(Some(whole.freeze()))
}

/// What the runtime calls its error, where that is a name that AWS lets pass.
fn error_type(headers: &HeaderMap) -> String {
    let named = headers
        .get("lambda-runtime-function-error-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_name = |rest: &str| rest.len() > 1 && rest.starts_with(|first: char| first.is_ascii_uppercase());
    match named.split_once('.') {
        Some(("Runtime" | "Function", rest)) if is_name(rest) => named.to_owned(),
        Some(("Function", _)) => "Function.Unknown".to_owned(),
        _ => "Runtime.Unknown".to_owned(),
    }
}

fn delivered(event: &Event) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(event.payload.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(event.deadline_ms));
    for (name, value) in [
        ("lambda-runtime-aws-request-id", &event.request_id),
        ("lambda-runtime-invoked-function-arn", &event.arn),
        ("lambda-runtime-trace-id", &event.trace_id),
    ] {
        // All three are made of what a header may have.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn accepted() -> Response<Full<Bytes>> {
    json(StatusCode::ACCEPTED, &serde_json::json!({ "status": "OK" }))
}

fn not_allowed(error: NotAllowed) -> Response<Full<Bytes>> {
    refused(
        StatusCode::FORBIDDEN,
        &error.to_string(),
        "InvalidStateTransition",
    )
}

fn refused(status: StatusCode, message: &str, error_type: &str) -> Response<Full<Bytes>> {
    let error = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    json(status, &error)
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn unknown() -> Response<Full<Bytes>> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
