//! A small HTTP server on a free port of loopback: what it answers is handed in.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// How long nobody is let in after somebody could not be, for want of a file, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A server that listens. Dropping it closes it, and every connection.
#[derive(Debug)]
pub struct Loopback {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Loopback {
    /// Listens; `answer` gets each request with the address that it came from.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn serve<F, A>(answer: F) -> io::Result<Self>
    where
        F: Fn(Request<Incoming>, IpAddr) -> A + Clone + Send + 'static,
        A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(accept(listener, answer));
        Ok(Self { address, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes it; returns when that is done.
    pub async fn stop(mut self) {
        self.server.abort();
        // Aborted: there is nothing to learn.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>, IpAddr) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(converse(stream, peer.ip(), answer.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse<F, A>(stream: TcpStream, peer: IpAddr, answer: F)
where
    F: Fn(Request<Incoming>, IpAddr) -> A,
    A: Future<Output = Response<Full<Bytes>>>,
{
    // Answers are small: waiting to fill a packet only adds to what is measured.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answering = answer(request, peer);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    // Whoever goes away breaks off the exchange, which is nobody's error here.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
