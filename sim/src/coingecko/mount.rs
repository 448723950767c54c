//! The engine on a real socket: wiremock with one responder that routes inside, behind the [front](super::front).
//!
//! wiremock keeps a copy of every request that a mock has matched (about 8 KiB each) until the mock set is reset;
//! dropping a scoped mock does not free them. So every [`REMOUNT_EVERY`] requests the set is reset and the
//! responder mounted anew. That happens in a task on the server's own single-threaded runtime which never waits
//! between the two steps, so no request can come in between and find nothing mounted.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use http::Method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use super::calls::{Calls, Witness};
use super::engine::{BASE_PATH, Engine};
use super::exchange::FakeRequest;
use super::front::{CALL, Front};
use crate::clock::RunClock;
use crate::ports;

/// Requests that wiremock keeps at most, give or take those in flight: about 4 MiB.
pub const REMOUNT_EVERY: u64 = 512;

/// Any free port of 127.0.0.1.
pub const HERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

/// Why the fake could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// Something else listens there.
    #[error(
        "port {} on {} is taken: end what listens there, or choose another port (0 = any free one)", .address.port(), .address.ip()
    )]
    PortTaken {
        /// Where it was to listen.
        address: SocketAddrV4,
    },
    /// No network interface of this machine has the address.
    #[error(
        "this machine does not have the address {ip}: listen on one that it has, or on 0.0.0.0 (all of them)"
    )]
    NotOurs {
        /// The address asked for.
        ip: Ipv4Addr,
    },
    /// The port cannot be had for another reason.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddrV4,
        /// Why.
        source: std::io::Error,
    },
}

impl MountError {
    /// Why it is that nobody can listen at `address`.
    pub(super) fn at(address: SocketAddrV4, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::AddrInUse => Self::PortTaken { address },
            std::io::ErrorKind::AddrNotAvailable => Self::NotOurs { ip: *address.ip() },
            _ => Self::Listen { address, source },
        }
    }
}

/// Where this machine's programs reach what listens at `address`: all addresses are no place to connect to.
pub(super) fn reached_at(address: SocketAddrV4) -> SocketAddrV4 {
    if address.ip().is_unspecified() {
        return SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port());
    }
    address
}

/// A fake CoinGecko that listens. It stops when it is stopped or dropped; calls in flight are cut, and told of.
#[derive(Debug)]
pub struct MountedCoinGecko {
    address: SocketAddrV4,
    front: Front,
    calls: Arc<Calls>,
    /// Behind the front.
    _server: Arc<MockServer>,
    kept: Arc<Kept>,
}

impl MountedCoinGecko {
    /// The base address, as `EXTERNAL_API_URL` wants it.
    pub fn url(&self) -> String {
        format!("http://{}{BASE_PATH}", reached_at(self.address))
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops it, and returns when every call has been told of.
    pub async fn stop(self) {
        self.front.stop().await;
        self.calls.end_all();
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

/// Mounts an engine at `address`; port 0 = any free one. `clock` gives the instants; `witness` is called once for
/// every call, when it has ended, with what became of it.
pub async fn mount(
    engine: Arc<Engine>,
    clock: RunClock,
    witness: Witness,
    address: SocketAddrV4,
) -> Result<MountedCoinGecko, MountError> {
    let unusable = |source| MountError::at(address, source);
    let listener = ports::lasting(address).map_err(unusable)?;
    let port = listener.local_addr().map_err(unusable)?.port();
    let address = SocketAddrV4::new(*address.ip(), port);
    let server = MockServer::builder().disable_request_recording().start().await;
    let server = Arc::new(server);
    let (calls, kept) = (Calls::new(clock, witness), Arc::new(Kept::default()));
    let front = Front::start(
        (listener, address),
        *server.address(),
        Arc::clone(&engine),
        clock,
        Arc::clone(&calls),
    )
    .map_err(unusable)?;
    let desk = Arc::new(Desk {
        engine,
        clock,
        calls: Arc::clone(&calls),
        kept: Arc::clone(&kept),
        server: OnceLock::from(Arc::downgrade(&server)),
    });
    server.register(desk.mock()).await;
    Ok(MountedCoinGecko {
        address,
        front,
        calls,
        _server: server,
        kept,
    })
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

    /// Answers a call: the engine's answer waits for the front, its body goes by wiremock.
    fn serve(&self, request: &Request) -> ResponseTemplate {
        let at_us = self.clock.now_us();
        let call = FakeRequest {
            method: request.method.clone(),
            path: request.url.path().to_owned(),
            query: request.url.query().unwrap_or_default().to_owned(),
            headers: request.headers.clone(),
        };
        let mut answer = self.engine.answer(&call, self.clock.wall_ms(at_us));
        let body = std::mem::take(&mut answer.body);
        let bodiless = call.method == Method::HEAD || matches!(answer.status, 204 | 304);
        let number = self.calls.begin(at_us, call.path, answer, bodiless);
        ResponseTemplate::new(200)
            .append_header(CALL, number.to_string())
            .set_body_bytes(body)
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

#[cfg(test)]
mod tests;
