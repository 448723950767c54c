//! The engine on a real socket: wiremock with one responder that routes inside.
//!
//! wiremock keeps a copy of every request that a mock has matched (about 8 KiB each) until the mock set is reset;
//! dropping a scoped mock does not free them. So every [`REMOUNT_EVERY`] requests the set is reset and the
//! responder mounted anew. That happens in a task on the server's own single-threaded runtime which never waits
//! between the two steps, so no request can come in between and find nothing mounted.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use super::calls::{Calls, Witness};
use super::engine::{BASE_PATH, Engine, FakeAnswer, FakeRequest, Fate};
use crate::clock::RunClock;
use crate::record::event::UpstreamCall;

/// Requests that wiremock keeps at most, give or take those in flight: about 4 MiB.
pub const REMOUNT_EVERY: u64 = 512;

/// Why the fake could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// Something else listens there.
    #[error(
        "port {port} on 127.0.0.1 is taken: end what listens there, or choose another port (0 = any free one)"
    )]
    PortTaken {
        /// The port asked for.
        port: u16,
    },
    /// The port cannot be had for another reason.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
}

/// A fake CoinGecko that listens. It stops when dropped; calls in flight are cut, and told of before that.
#[derive(Debug)]
pub struct MountedCoinGecko {
    server: Arc<MockServer>,
    calls: Arc<Calls>,
    kept: Arc<Kept>,
}

impl Drop for MountedCoinGecko {
    fn drop(&mut self) {
        // The server ends some time later, in a thread of its own.
        self.calls.end_all();
    }
}

impl MountedCoinGecko {
    /// The base address, as `EXTERNAL_API_URL` wants it.
    pub fn url(&self) -> String {
        format!("{}{BASE_PATH}", self.server.uri())
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// What wiremock keeps of the requests so far.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }
}

/// Counts what wiremock keeps in memory.
#[derive(Debug, Default)]
pub struct Kept {
    requests: AtomicU64,
    requests_max: AtomicU64,
    mounts: AtomicU64,
    mounts_alive: AtomicU64,
}

impl Kept {
    /// Most requests that were kept at once.
    pub fn requests_max(&self) -> u64 {
        self.requests_max.load(Ordering::Relaxed)
    }

    /// How often the responder was mounted.
    pub fn mounts(&self) -> u64 {
        self.mounts.load(Ordering::Relaxed)
    }

    /// How many responders, each with the requests that it matched, have not been freed.
    pub fn mounts_alive(&self) -> u64 {
        self.mounts_alive.load(Ordering::Relaxed)
    }
}

/// Mounts an engine on a port of 127.0.0.1, 0 = any free one. `clock` gives the instants; `witness` is called once for
/// every call, when it has ended, with what became of it.
pub async fn mount(
    engine: Arc<Engine>,
    clock: RunClock,
    witness: Witness,
    port: u16,
) -> Result<MountedCoinGecko, MountError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => MountError::PortTaken { port },
        _ => MountError::Listen { port, source },
    })?;
    let server = MockServer::builder()
        .listener(listener)
        .disable_request_recording()
        .start()
        .await;
    let server = Arc::new(server);
    let (calls, kept) = (Calls::new(witness), Arc::new(Kept::default()));
    let desk = Arc::new(Desk {
        engine,
        clock,
        calls: Arc::clone(&calls),
        kept: Arc::clone(&kept),
        server: OnceLock::from(Arc::downgrade(&server)),
    });
    server.register(desk.mock()).await;
    Ok(MountedCoinGecko { server, calls, kept })
}

/// What every mounted responder shares.
struct Desk {
    engine: Arc<Engine>,
    clock: RunClock,
    calls: Arc<Calls>,
    kept: Arc<Kept>,
    /// Weak, because the server owns the responders.
    server: OnceLock<Weak<MockServer>>,
}

impl Desk {
    fn mock(self: &Arc<Self>) -> Mock {
        self.kept.mounts.fetch_add(1, Ordering::Relaxed);
        self.kept.mounts_alive.fetch_add(1, Ordering::Relaxed);
        Mock::given(matchers::any()).respond_with(Responder(Arc::clone(self)))
    }

    fn serve(&self, request: &Request) -> ResponseTemplate {
        let at_us = self.clock.now_us();
        let call = FakeRequest {
            method: request.method.clone(),
            path: request.url.path().to_owned(),
            query: request.url.query().unwrap_or_default().to_owned(),
            headers: request.headers.clone(),
        };
        let answer = self.engine.answer(&call, self.clock.wall_ms(at_us));
        self.template(called(call.path, at_us, &answer), answer)
    }

    fn template(&self, call: UpstreamCall, answer: FakeAnswer) -> ResponseTemplate {
        let mut template = ResponseTemplate::new(answer.status);
        // A delay of nothing would still wait for the timer's next tick.
        if !answer.delay.is_zero() {
            template = template.set_delay(answer.delay);
        }
        let (headers, body) = match answer.fate {
            Fate::Answer => (answer.headers, answer.body),
            // A response cannot say "close", but hyper sends nothing and closes when a head contradicts itself.
            Fate::Hang => (
                vec![
                    ("content-length", "1".to_owned()),
                    ("transfer-encoding", "chunked".to_owned()),
                ],
                "-".to_owned(),
            ),
        };
        let mut headers = headers.into_iter();
        if let Some((name, value)) = headers.next() {
            template = template.append_header(name, self.calls.begin(call, answer.delay, value));
        }
        template.append_headers(headers).set_body_bytes(body)
    }

    /// Frees what wiremock keeps, once in [`REMOUNT_EVERY`] requests.
    fn count(self: &Arc<Self>) {
        let kept = self.kept.requests.fetch_add(1, Ordering::Relaxed) + 1;
        self.kept.requests_max.fetch_max(kept, Ordering::Relaxed);
        if kept != REMOUNT_EVERY {
            return;
        }
        let desk = Arc::clone(self);
        // Responders run on the server's runtime, and so does this task.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let Some(server) = desk.server.get().and_then(Weak::upgrade) else {
                    return;
                };
                // Nobody else holds the server's lock across an await, so neither of these two ever waits.
                server.reset().await;
                desk.kept.requests.store(0, Ordering::Relaxed);
                server.register(desk.mock()).await;
            });
        }
    }
}

/// The one mock.
struct Responder(Arc<Desk>);

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.0.count();
        self.0.serve(request)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.0.kept.mounts_alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call whose caller waits for what is meant for it.
fn called(path: String, at_us: u64, answer: &FakeAnswer) -> UpstreamCall {
    let answered = answer.fate == Fate::Answer;
    UpstreamCall {
        at_us,
        done_us: at_us + answer.delay.as_micros() as u64,
        path,
        status: if answered { answer.status } else { 0 },
        complete: answered,
        retry_after_s: answer.retry_after_s.filter(|_| answered),
        credit: answer.credit,
        faults: answer.faults.clone(),
    }
}

#[cfg(test)]
mod tests;
