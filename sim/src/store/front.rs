//! The store front: a loopback proxy before any DynamoDB endpoint that passes bytes through and tells what
//! happened.
//!
//! It keeps connections open on both sides, holds no lock while it waits, and never keeps a client waiting
//! longer than [`STORE_BOUND`].

use std::{
    convert::Infallible,
    fmt, io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode, Uri,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TE, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::{
    cost::{FrontCost, Tally},
    observe,
};
use crate::{
    clock::RunClock,
    record::event::{Event, StoreCall, StoreSubject},
};

/// Where the front tells what happened.
pub type Emit = Arc<dyn Fn(Event) + Send + Sync>;

/// Largest body that is passed on in either direction: DynamoDB's own limit.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// The longest that the store may take, real time; every client of it gives up long before.
const STORE_BOUND: Duration = Duration::from_secs(30);
/// How long calls in flight may take to end when the front stops, real time.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// DynamoDB's media type.
const JSON: &str = "application/x-amz-json-1.0";
/// How long to wait after the operating system could not accept a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What the front breaks on purpose, to prove that the judge notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontSabotage {
    /// Gives the lease to whoever asks: conditions of writes to it are dropped on the way.
    pub drop_lease_condition: bool,
}

/// Why the front cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The endpoint is no address that one can connect to.
    #[error("`{0}` is no endpoint of a store: it must be like http://127.0.0.1:8000")]
    Endpoint(String),
    /// The operating system gave it no port on the loopback interface.
    #[error("cannot listen on 127.0.0.1 for the store front: {0}")]
    Listen(#[source] io::Error),
}

/// A running front. It stops listening when it is stopped or dropped.
#[derive(Debug)]
pub struct StoreFront {
    url: String,
    forward: Arc<Forward>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl StoreFront {
    /// Starts a front before the DynamoDB at `endpoint` (plain HTTP) on a free loopback port. It works on the
    /// runtime that it is started from and calls `emit` on it, so that must be quick.
    ///
    /// # Errors
    /// When `endpoint` is no address or no port is free.
    pub async fn start(
        endpoint: &str,
        clock: RunClock,
        emit: Emit,
        sabotage: FrontSabotage,
    ) -> Result<Self, FrontError> {
        let upstream: Uri = endpoint
            .parse()
            .map_err(|_| FrontError::Endpoint(endpoint.to_owned()))?;
        if upstream.scheme_str() != Some("http") || upstream.authority().is_none() {
            return Err(FrontError::Endpoint(endpoint.to_owned()));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(FrontError::Listen)?;
        let url = format!("http://{}", listener.local_addr().map_err(FrontError::Listen)?);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(usize::MAX)
            .pool_idle_timeout(None)
            .build(connector);
        let costs = Mutex::new(Costs::default());
        let forward = Arc::new(Forward {
            upstream,
            client,
            clock,
            emit,
            sabotage,
            costs,
        });
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&forward), stopped));
        Ok(Self {
            url,
            forward,
            stop,
            accepting,
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the front has cost so far.
    #[must_use]
    pub fn cost(&self) -> FrontCost {
        let costs = self.forward.costs.lock().unwrap_or_else(PoisonError::into_inner);
        FrontCost {
            added: costs.added.spread(),
            store: costs.store.spread(),
        }
    }

    /// Stops listening, lets calls in flight end (for at most two seconds) and tells what all of it has cost.
    pub async fn stop(mut self) -> FrontCost {
        self.stop.send_replace(true);
        // It ends only by its own or by an abort, and nobody aborts it while `self` lives.
        let _ = (&mut self.accepting).await;
        self.cost()
    }
}

impl Drop for StoreFront {
    fn drop(&mut self) {
        // Drops the listener and all connections with it.
        self.accepting.abort();
    }
}

/// Accepts connections until stopped.
async fn accept(listener: TcpListener, forward: Arc<Forward>, stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stop = stopped.clone();
    loop {
        tokio::select! {
            biased;
            () = asked_to(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&forward), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // Those that are still in flight after this end with the set.
    let _ = tokio::time::timeout(STOP_WITHIN, all).await;
}

/// Waits until the front is to stop.
async fn asked_to(stop: &mut watch::Receiver<bool>) {
    // An error says that the front is gone altogether.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves one connection until its client closes it or the front stops.
async fn serve(stream: TcpStream, forward: Arc<Forward>, mut stop: watch::Receiver<bool>) {
    // Without it the connection works, a little slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let forward = Arc::clone(&forward);
        async move { Ok::<_, Infallible>(forward.answer(request).await) }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
    );
    // A connection's error is its client's: it is gone, and there is nobody to tell.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = asked_to(&mut stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

#[derive(Debug, Default)]
struct Costs {
    added: Tally,
    store: Tally,
}

/// What each call needs.
struct Forward {
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
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
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
        (self.emit)(Event::Store(StoreCall {
            at_us: arrived.at_us,
            store_us,
            front_us,
            op: call.op,
            subject: call.subject,
            consistent: call.consistent,
            items: call.items,
            found: outcome.found,
            status,
            rcu: outcome.rcu,
            wcu: outcome.wcu,
        }));
        outcome.events.into_iter().for_each(|event| (self.emit)(event));
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
    let body = serde_json::json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": message,
    });
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(JSON))]);
    Answer {
        status,
        headers,
        body: body.to_string().into(),
    }
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

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
