//! The store front: a loopback proxy before any DynamoDB endpoint that passes bytes through and tells what
//! happened.
//!
//! It keeps connections open on both sides, holds no lock while it waits, and never keeps a client waiting
//! longer than [`super::forward::STORE_BOUND`].

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc, time::Duration};

use http::Uri;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{cost::FrontCost, forward::Forward};
use crate::{clock::RunClock, record::event::Event};

/// Where the front tells what happened.
pub type Emit = Arc<dyn Fn(Event) + Send + Sync>;

/// How long calls in flight may take to end when the front stops, real time.
const STOP_WITHIN: Duration = Duration::from_secs(2);
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
        let forward = Arc::new(Forward::new(upstream, clock, emit, sabotage));
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
        self.forward.cost()
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
