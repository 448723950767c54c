//! An HTTP server that answers as a test says and remembers what it was asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The symbols asked for.
    fn symbols(&self) -> impl Iterator<Item = &str> {
        let list = self.path.rsplit(['=', '/']).next().unwrap_or_default();
        list.split(',')
    }
}

/// What the server answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Prices of what was asked for.
    Prices,
    /// The same, gzip-encoded.
    Gzip,
    /// A status with headers and a body.
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// Nothing, for ever.
    Nothing,
}

impl Reply {
    pub(crate) fn rate_limited(retry_after_s: u32) -> Self {
        Self::Status(
            429,
            vec![("retry-after", retry_after_s.to_string())],
            r#"{"code":"RATE_LIMIT_EXCEEDED"}"#,
        )
    }
}

type Answer = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

/// A running server; it stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Answers the n-th request (from 0) as told.
    pub(crate) fn start(answer: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let answer: Arc<Answer> = Arc::new(answer);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let all = Arc::clone(&seen);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&all));
                let service =
                    service_fn(move |request| respond(Arc::clone(&answer), Arc::clone(&seen), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            address,
            seen,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn respond(
    answer: Arc<Answer>,
    all: Arc<Mutex<Vec<Seen>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = value.to_str().unwrap_or_default();
            (name.as_str().to_owned(), value.to_owned())
        })
        .collect();
    let seen = Seen {
        path: request.uri().to_string(),
        headers,
    };
    let number = {
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(seen.clone());
        all.len() - 1
    };
    let reply = answer(number, &seen);
    let response = Response::builder().header("age", "30");
    let response = match reply {
        Reply::Prices => response.body(Full::from(prices(&seen))),
        Reply::Gzip => response
            .header("content-encoding", "gzip")
            .body(Full::from(gzip(&prices(&seen)))),
        Reply::Status(status, headers, body) => headers
            .into_iter()
            .fold(response.status(status), |response, (name, value)| {
                response.header(name, value)
            })
            .body(Full::from(body)),
        Reply::Nothing => std::future::pending().await,
    };
    Ok(response.expect("a response"))
}

/// The service's answer about the symbols asked for.
pub(crate) fn prices(seen: &Seen) -> String {
    let data: Vec<String> = seen
        .symbols()
        .map(|symbol| {
            format!(r#"{{"symbol":"{symbol}","name":"{symbol}","price":1.50,"change24h":null,"marketCap":null,"lastUpdated":"2026-03-02T00:00:00Z"}}"#)
        })
        .collect();
    format!(
        r#"{{"data":[{}],"timestamp":"2026-03-02T00:00:30Z"}}"#,
        data.join(",")
    )
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish())
        .expect("memory takes all")
}
