//! The way of one call through the store front: read, passed on, answered, told.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TE, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::{sync::watch, time::Instant};

use super::{
    cost::{FrontCost, Tally},
    faults::{StoreFaults, Verdict, judge},
    front::{Emit, FrontRules, FrontSabotage},
    midway::Midway,
    observe::{self, Call, Outcome, Seen},
    partial,
    upstream::Upstream,
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
    upstream: Upstream,
    clock: RunClock,
    emit: Emit,
    sabotage: FrontSabotage,
    faults: StoreFaults,
    midway: Midway,
    costs: Mutex<Costs>,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward")
            .field("upstream", self.upstream.uri())
            .finish_non_exhaustive()
    }
}

impl Forward {
    /// Forwards to the DynamoDB at `upstream`.
    pub(super) fn new(upstream: Upstream, clock: RunClock, emit: Emit, rules: FrontRules) -> Self {
        let FrontRules {
            sabotage,
            faults,
            midway,
        } = rules;
        Self {
            upstream,
            clock,
            emit,
            sabotage,
            faults,
            midway,
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

    /// Passes one request on and its answer back, unless faults keep it from that.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Broken> {
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
                let outcome = self.outcome(&call, &refusal);
                self.tell(
                    &call,
                    arrived.seen(Duration::ZERO, refusal.status, Vec::new()),
                    outcome,
                );
                return Ok(refusal.into_response());
            }
            Err(error) => {
                let refusal = refusal(StatusCode::BAD_REQUEST, &format!("the request was cut: {error}"));
                return Ok(refusal.into_response());
            }
        };
        let (waits, is_waited_for) = watch::channel(());
        // A task of its own: when the client gives up, what the store then does must still be seen.
        let forwarded = tokio::spawn(self.forward(arrived, parts, body, waits)).await;
        drop(is_waited_for);
        match forwarded {
            Ok(answer) => answer.map(Answer::into_response),
            Err(error) => Ok(refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("the store front failed: {error}"),
            )
            .into_response()),
        }
    }

    /// The way of one request; `waits` is closed when its client has given up.
    async fn forward(
        self: Arc<Self>,
        arrived: Arrived,
        parts: Parts,
        body: Bytes,
        waits: watch::Sender<()>,
    ) -> Result<Answer, Broken> {
        let call = observe::request(target(&parts.headers), &body);
        let judgement = judge(&self.faults, &call, &body);
        let unanswered = |faults| Seen {
            status: 0,
            ..arrived.seen(Duration::ZERO, StatusCode::OK, faults)
        };
        match judgement.verdict {
            Verdict::Pass | Verdict::LoseAnswer => {}
            Verdict::Refuse { status, code } => {
                let answer = fault_answer(status, code);
                let outcome = self.outcome(&call, &answer);
                self.tell(
                    &call,
                    arrived.seen(Duration::ZERO, answer.status, judgement.touched),
                    outcome,
                );
                return Ok(answer);
            }
            Verdict::Hang { at_most } => {
                self.tell(&call, unanswered(judgement.touched), Outcome::default());
                // It ends early when its client does.
                let _ = tokio::time::timeout(at_most, waits.closed()).await;
                return Err(Broken::Closed);
            }
            Verdict::Reset => {
                self.tell(&call, unanswered(judgement.touched), Outcome::default());
                return Err(Broken::Reset);
            }
        }
        let body = if self.sabotage.drop_lease_condition && call.subject == StoreSubject::Lease {
            observe::without_condition(&body).map_or(body, Bytes::from)
        } else {
            body
        };
        let split = (!judgement.left_out.is_empty())
            .then(|| partial::split(&body, &judgement.left_out))
            .flatten();
        let body = split
            .as_ref()
            .map_or(body, |split| Bytes::from(split.request.clone()));
        let is_lost = judgement.verdict == Verdict::LoseAnswer;
        let late = || async {
            judgement.delay.is_zero()
                || tokio::time::timeout(judgement.delay, waits.closed())
                    .await
                    .is_err()
        };
        if call.op.reads() && (is_lost || !late().await) {
            // What a read finds is what there is when it is answered, and matters only to whoever hears of it.
            self.tell(&call, unanswered(judgement.touched), Outcome::default());
            return Err(Broken::Reset);
        }
        let sent = Instant::now();
        let mut answer = self.asked(parts, body).await;
        let store = sent.elapsed();
        if let Some(body) = split
            .filter(|_| answer.status == StatusCode::OK)
            .and_then(|split| split.answer(&answer.body))
        {
            answer.body = body.into();
        }
        let outcome = self.outcome(&call, &answer);
        self.midway.saw(&outcome);
        let stores_prices = outcome.stores_prices();
        let seen = arrived.seen(store, answer.status, judgement.touched.clone());
        let status = if is_lost { 0 } else { seen.status };
        self.tell(&call, Seen { status, ..seen }, outcome);
        if stores_prices {
            self.midway.batch_stored().await;
        }
        if is_lost {
            return Err(Broken::Reset);
        }
        if call.op.writes() {
            late().await;
        }
        Ok(answer)
    }

    /// The store's answer, or that there is none.
    async fn asked(&self, parts: Parts, body: Bytes) -> Answer {
        match tokio::time::timeout(STORE_BOUND, self.ask_store(parts, body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!(
                    "the store behind the front at {} does not answer: {reason}",
                    self.upstream.uri()
                ),
            ),
            Err(_) => refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!(
                    "the store behind the front at {} took over {STORE_BOUND:?}",
                    self.upstream.uri()
                ),
            ),
        }
    }

    async fn ask_store(&self, parts: Parts, body: Bytes) -> Result<Answer, String> {
        let response = self
            .upstream
            .send(parts.method, &parts.uri, end_to_end(parts.headers), body)
            .await?;
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

    /// What an answer means.
    fn outcome(&self, call: &Call, answer: &Answer) -> Outcome {
        call.answer(answer.status.as_u16(), &answer.body, self.clock.now_us())
    }

    /// Tells what happened.
    fn tell(&self, call: &Call, seen: Seen, outcome: Outcome) {
        {
            let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
            costs.added.add(seen.front_us);
            costs.store.add(seen.store_us);
        }
        call.tell(seen, outcome, |event| (self.emit)(event));
    }
}

/// When a request came.
#[derive(Clone, Copy)]
struct Arrived {
    at_us: u64,
    at: Instant,
}

impl Arrived {
    /// What is known of the call by now. `store` is what the store took of the time since.
    fn seen(&self, store: Duration, status: StatusCode, faults: Vec<u16>) -> Seen {
        Seen {
            at_us: self.at_us,
            store_us: micros(store),
            front_us: micros(self.at.elapsed().saturating_sub(store)),
            status: status.as_u16(),
            faults,
        }
    }
}

/// How a connection ends instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// By a FIN.
    #[error("closed on purpose")]
    Closed,
    /// By an RST.
    #[error("reset on purpose")]
    Reset,
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

/// A fault's answer, in DynamoDB's form.
fn fault_answer(status: u16, code: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(JSON))]),
        body: error_body(code, "a fault of the scenario refused the request").into(),
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

/// Microseconds as events carry them.
pub(super) fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
