//! The upstream seam: an HTTP exchange with CoinGecko as a boxed tower service.
//!
//! Only bytes cross it. Timeouts, retries, the body limit and decoding live above, in `client`.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::util::BoxCloneSyncService;

/// Any error of a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A streaming answer.
pub type UpstreamBody = UnsyncBoxBody<Bytes, BoxError>;
/// A request; it has no body.
pub type UpstreamRequest = Request<Empty<Bytes>>;
/// `http::Request` → `http::Response` with a streaming body.
pub type Upstream = BoxCloneSyncService<UpstreamRequest, Response<UpstreamBody>, BoxError>;

type Http = Client<HttpConnector, Empty<Bytes>>;
type Https = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Real sockets. The TLS configuration is built by the first call to an `https` address.
///
/// Connections are not kept: there is one call in minutes, and on Lambda a kept connection would be dead by then.
#[must_use]
pub fn https_upstream() -> Upstream {
    static TLS: OnceLock<Https> = OnceLock::new();
    let plain: Http = builder().build_http();
    Upstream::new(tower::service_fn(move |request: UpstreamRequest| {
        let answer = if request.uri().scheme() == Some(&Scheme::HTTPS) {
            TLS.get_or_init(|| builder().build(tls_connector()))
                .request(request)
        } else {
            plain.request(request)
        };
        async move {
            Ok(answer
                .await?
                .map(|body| body.map_err(BoxError::from).boxed_unsync()))
        }
    }))
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_max_idle_per_host(0);
    builder
}

/// Ring passed explicitly: a build that unifies features may hold two providers, and then no default is safe.
fn tls_connector() -> HttpsConnector<HttpConnector> {
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_webpki_roots()
        .with_no_client_auth();
    HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .build()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use tower::ServiceExt;

    use super::*;

    /// What a TLS record holds, when it is one.
    const HANDSHAKE: u8 = 22;

    #[tokio::test]
    async fn an_https_address_is_asked_over_tls_and_never_in_the_clear() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        // A server that knows no TLS answers what it knows.
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut record = [0; 5];
            stream.read_exact(&mut record).expect("five bytes");
            let mut hello = Vec::new();
            if record[0] == HANDSHAKE {
                let length = u16::from_be_bytes([record[3], record[4]]);
                hello.resize(usize::from(length), 0);
                stream.read_exact(&mut hello).expect("a record");
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            (record, hello)
        });
        let request = Request::get(format!("https://localhost:{port}/ping"))
            .header("x-cg-pro-api-key", "CG-secret")
            .body(Empty::new());
        let answer = https_upstream().oneshot(request.expect("a request")).await;
        assert!(answer.is_err(), "what is not TLS is no answer");
        let (record, hello) = server.join().expect("the server saw a record");
        assert_eq!(&record[..2], [HANDSHAKE, 3], "a record of TLS, major version 3");
        assert_eq!(hello[0], 1, "a ClientHello, which names the host");
        let has = |text: &[u8]| hello.windows(text.len()).any(|part| part == text);
        assert!(has(b"localhost") && !has(b"CG-secret"));
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_an_error_over_either_scheme() {
        // A port that was free a moment ago; the TLS configuration is built on the way.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a free port")
            .port();
        for scheme in ["http", "https"] {
            let request = Request::get(format!("{scheme}://127.0.0.1:{port}/ping")).body(Empty::new());
            let answer = https_upstream().oneshot(request.expect("a request")).await;
            assert!(answer.is_err(), "{scheme}");
        }
    }
}
