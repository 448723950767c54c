//! The store front: a loopback proxy before any DynamoDB endpoint that passes bytes through and tells what
//! happened.
//!
//! It keeps connections open on both sides, holds no lock while it waits, and never keeps a client waiting
//! longer than [`super::forward::STORE_BOUND`].

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use http::Uri;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{
    cost::FrontCost,
    faults::StoreFaults,
    forward::{Broken, Forward},
    midway::Midway,
    signing::Signer,
    upstream::Upstream,
};
use crate::{clock::RunClock, ports, record::event::Event};

/// Where the front tells what happened.
pub type Emit = Arc<dyn Fn(Event) + Send + Sync>;

/// How long calls in flight may take to end when the front stops, real time.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Connections that may wait to be accepted.
const QUEUE: i32 = 1024;
/// How long to wait after the operating system could not accept a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What the front breaks on purpose, to prove that the judge notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontSabotage {
    /// Gives the lease to whoever asks: conditions of writes to it are dropped on the way.
    pub drop_lease_condition: bool,
}

/// What the front does besides passing on.
#[derive(Debug)]
pub struct FrontRules {
    /// What it breaks on purpose, to prove that the judge notices.
    pub sabotage: FrontSabotage,
    /// What requests suffer.
    pub faults: StoreFaults,
    /// Who is told of batches of prices that an update has stored.
    pub midway: Midway,
}

impl FrontRules {
    /// It does nothing besides, but for this.
    #[must_use]
    pub fn only(sabotage: FrontSabotage, clock: RunClock) -> Self {
        Self {
            sabotage,
            faults: StoreFaults::none(clock),
            midway: Midway::default(),
        }
    }
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
    open: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl StoreFront {
    /// Starts a front before the DynamoDB at `endpoint` on a free loopback port. It works on the runtime that it is
    /// started from and calls `emit` on it, so that must be quick. Requests are passed on with the signatures that they
    /// came with.
    ///
    /// # Errors
    /// When `endpoint` is no address or no port is free.
    pub async fn start(
        endpoint: &str,
        clock: RunClock,
        emit: Emit,
        rules: FrontRules,
    ) -> Result<Self, FrontError> {
        Self::signing(endpoint, None, clock, emit, rules).await
    }

    /// The same before a DynamoDB that checks signatures: `signer` signs all requests anew.
    ///
    /// # Errors
    /// When `endpoint` is no address or no port is free.
    pub async fn signing(
        endpoint: &str,
        signer: Option<Signer>,
        clock: RunClock,
        emit: Emit,
        rules: FrontRules,
    ) -> Result<Self, FrontError> {
        let upstream: Uri = endpoint
            .parse()
            .map_err(|_| FrontError::Endpoint(endpoint.to_owned()))?;
        if !matches!(upstream.scheme_str(), Some("http" | "https")) || upstream.authority().is_none() {
            return Err(FrontError::Endpoint(endpoint.to_owned()));
        }
        let listener =
            ports::lasting(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).map_err(FrontError::Listen)?;
        listener.set_nonblocking(true).map_err(FrontError::Listen)?;
        let url = format!("http://{}", listener.local_addr().map_err(FrontError::Listen)?);
        let forward = Arc::new(Forward::new(Upstream::new(upstream, signer), clock, emit, rules));
        let (stop, stopped) = watch::channel(false);
        let (open, is_open) = watch::channel(true);
        let door = Door {
            listener,
            is_open,
            stopped,
        };
        let accepting = tokio::spawn(door.keep(Arc::clone(&forward)));
        Ok(Self {
            url,
            forward,
            stop,
            open,
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
        self.forward.cost()
    }

    /// Refuses connections from now on, and cuts those that there are, or accepts them again.
    pub fn set_reachable(&self, is_reachable: bool) {
        self.open.send_replace(is_reachable);
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

/// The listening side.
struct Door {
    listener: std::net::TcpListener,
    is_open: watch::Receiver<bool>,
    stopped: watch::Receiver<bool>,
}

impl Door {
    /// Accepts connections until stopped, while it is open.
    async fn keep(mut self, forward: Arc<Forward>) {
        let mut connections = JoinSet::new();
        while !*self.stopped.borrow() {
            // What the system refuses here it would refuse again: try again in a moment.
            if self.accept(&mut connections, &forward).await.is_err()
                || self.refuse(&mut connections).await.is_err()
            {
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        // Those that are still in flight after this end with the set.
        let _ = tokio::time::timeout(STOP_WITHIN, all).await;
    }

    /// Accepts connections until stopped or closed.
    async fn accept(&mut self, connections: &mut JoinSet<()>, forward: &Arc<Forward>) -> io::Result<()> {
        rustix::net::listen(&self.listener, QUEUE)?;
        let listener = TcpListener::from_std(self.listener.try_clone()?)?;
        loop {
            tokio::select! {
                biased;
                () = told(&mut self.stopped, true) => return Ok(()),
                () = told(&mut self.is_open, false) => return Ok(()),
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, Arc::clone(forward), self.stopped.clone()));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
    }

    /// Refuses everybody until stopped or opened.
    async fn refuse(&mut self, connections: &mut JoinSet<()>) -> io::Result<()> {
        if *self.stopped.borrow() || *self.is_open.borrow() {
            return Ok(());
        }
        // On Linux this ends the listening and keeps the port.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Read)?;
        connections.shutdown().await;
        tokio::select! {
            biased;
            () = told(&mut self.stopped, true) => {}
            () = told(&mut self.is_open, true) => {}
        }
        Ok(())
    }
}

/// Waits until the front is told this, or is gone altogether.
async fn told(channel: &mut watch::Receiver<bool>, wanted: bool) {
    let _ = channel.wait_for(|value| *value == wanted).await;
}

/// Serves one connection until its client closes it, a fault breaks it or the front stops.
async fn serve(stream: TcpStream, forward: Arc<Forward>, mut stop: watch::Receiver<bool>) {
    // Without it the connection works, a little slower.
    let _ = stream.set_nodelay(true);
    // The same socket, to say how it is to be closed.
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else {
        return;
    };
    let service = service_fn(|request| {
        let (forward, socket) = (Arc::clone(&forward), &socket);
        async move {
            let answer = forward.answer(request).await;
            if matches!(answer, Err(Broken::Reset)) {
                // Closing it then sends a reset. Where that cannot be set it is closed in order, which is as good as no answer.
                let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
            }
            answer
        }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
    );
    // A connection's error is its client's, or a fault's: it is gone, and there is nobody to tell.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = told(&mut stop, true) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
