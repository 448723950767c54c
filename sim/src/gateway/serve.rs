//! The gateway on the real clock: a port of loopback before the engine, and functions behind it.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use scenarios::wire::ENVIRONMENT_HEADER;
use service::rng::{Rng, SystemRng};

use super::{Answer, Arrival, Gateway, Invocation, MAX_BODY_BYTES, Outcome, Step};
use crate::{
    clock::RunClock,
    lambda::{
        pool::{Invoked, Lambda, trace_id, uuid},
        scaling::EnvironmentId,
    },
    loopback::Loopback,
};

/// Names the environment that an answer is from, for the harness.
const ENVIRONMENT: HeaderName = HeaderName::from_static(ENVIRONMENT_HEADER);

/// Lambda takes no larger event of a caller who waits, bytes. (Documented: 6 MB.)
const MOST_EVENT: usize = 6 << 20;

/// A gateway that listens. Dropping it closes it.
#[derive(Debug)]
pub struct GatewayServer {
    stage: String,
    server: Loopback,
}

struct Desk {
    gateway: Mutex<Gateway>,
    lambda: Lambda,
    /// The place of each function in Lambda, by logical id.
    functions: BTreeMap<String, usize>,
    clock: RunClock,
    answered: Answered,
}

/// Hears of each request that is answered.
pub type Answered = Arc<dyn Fn(&Answer) + Send + Sync>;

impl GatewayServer {
    /// Listens on a free port of loopback. `answered` hears of each request.
    ///
    /// # Errors
    /// There is none.
    pub async fn start(
        gateway: Gateway,
        lambda: Lambda,
        functions: BTreeMap<String, usize>,
        clock: RunClock,
        answered: Answered,
    ) -> io::Result<Self> {
        let stage = gateway.stage().to_owned();
        let desk = Arc::new(Desk {
            gateway: Mutex::new(gateway),
            lambda,
            functions,
            clock,
            answered,
        });
        let server = Loopback::serve(move |request, peer| {
            let desk = Arc::clone(&desk);
            async move { desk.exchange(request, peer).await }
        })
        .await?;
        Ok(Self { stage, server })
    }

    /// What paths are appended to: `http://127.0.0.1:PORT/{stage}`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/{}", self.server.address(), self.stage)
    }

    /// Closes it, and every connection.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Desk {
    async fn exchange(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        // One byte more than is allowed tells the engine enough.
        let body = read(body, MAX_BODY_BYTES + 1).await;
        let request = Request::from_parts(parts, body);
        let now_ms = self.clock.now_ms();
        let arrival = Arrival {
            now_ms,
            source_ip: peer.to_string(),
            request_id: uuid(&SystemRng),
            extended_request_id: extended_id(&SystemRng),
            trace_id: trace_id(&SystemRng, now_ms / 1000),
        };
        let step = self.gateway().receive(&request, arrival);
        let (answer, environment) = match step {
            Step::Answer(answer) => (answer, None),
            Step::Invoke(invocation) => self.invoke(*invocation).await,
        };
        (self.answered)(&answer);
        let mut response = answer.response.map(Full::new);
        if let Some(environment) = environment {
            response
                .headers_mut()
                .insert(ENVIRONMENT, HeaderValue::from(environment));
        }
        response
    }

    async fn invoke(&self, mut invocation: Invocation) -> (Answer, Option<EnvironmentId>) {
        let payload = Bytes::from(std::mem::take(&mut invocation.payload));
        let (outcome, environment) = match self.functions.get(&invocation.function) {
            _ if payload.len() > MOST_EVENT => (Outcome::TooLarge, None),
            None => (Outcome::Unavailable, None),
            Some(function) => {
                let trace_id = trace_id(&SystemRng, self.clock.now_ms() / 1000);
                let invoked = self.lambda.invoke(*function, payload, trace_id);
                match tokio::time::timeout(invocation.timeout, invoked).await {
                    Err(_) => (Outcome::TimedOut, None),
                    Ok(Err(_)) => (Outcome::Throttled, None),
                    Ok(Ok(Invoked { outcome, environment })) => {
                        let given = if outcome.failure.is_some() {
                            Outcome::FunctionError(outcome.payload)
                        } else {
                            Outcome::Payload(outcome.payload)
                        };
                        (given, Some(environment))
                    }
                }
            }
        };
        let answer = self.gateway().finish(invocation, outcome, self.clock.now_ms());
        (answer, environment)
    }

    fn gateway(&self) -> std::sync::MutexGuard<'_, Gateway> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is of a body, up to `most` bytes.
async fn read(mut body: Incoming, most: usize) -> Bytes {
    let mut whole = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            let room = most.saturating_sub(whole.len());
            whole.extend_from_slice(&data[..data.len().min(room)]);
            if whole.len() == most {
                break;
            }
        }
    }
    whole.freeze()
}

/// In the form of `x-amz-apigw-id`: 15 letters and digits, and `=`.
fn extended_id(rng: &dyn Rng) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    let letters = (0..15).map(|place| char::from(LETTERS[(bits >> (6 * place)) as usize & 63]));
    letters.chain(['=']).collect()
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}
