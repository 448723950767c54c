//! A DynamoDB endpoint as its callers here reach it: plain or over TLS, signed for it or passed on as it is.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::signing::Signer;
use crate::clock;

/// An endpoint and the connections to it.
#[derive(Debug)]
pub(super) struct Upstream {
    uri: Uri,
    /// Who signs what goes there; none when it goes as it came.
    signer: Option<Signer>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Upstream {
    pub(super) fn new(uri: Uri, signer: Option<Signer>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(usize::MAX)
            .pool_idle_timeout(None)
            .build(connector());
        Self { uri, signer, client }
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Sends a request to the path of `asked` at the endpoint.
    pub(super) async fn send(
        &self,
        method: Method,
        asked: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, String> {
        let uri = self.at(asked)?;
        if let Some(signer) = &self.signer {
            signer.sign((&method, &uri), &mut headers, &body, clock::system_now())?;
        }
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        *request.headers_mut() = headers;
        self.client
            .request(request)
            .await
            .map_err(|error| with_causes(&error))
    }

    /// The same path at the endpoint.
    fn at(&self, asked: &Uri) -> Result<Uri, String> {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = asked.path_and_query().cloned().or(parts.path_and_query);
        Uri::from_parts(parts).map_err(|error| error.to_string())
    }
}

/// Ring passed explicitly: a build that unifies features may hold two providers, and then no default is safe.
fn connector() -> HttpsConnector<HttpConnector> {
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_webpki_roots()
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http)
}

pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
