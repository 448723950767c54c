//! The gateway on the real clock: a port of loopback before the desk.

use std::{io, net::IpAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use scenarios::wire::ENVIRONMENT_HEADER;

use super::{MAX_BODY_BYTES, desk::Desk};
use crate::loopback::Loopback;

/// Names the environment that an answer is from, for the harness.
pub const ENVIRONMENT: HeaderName = HeaderName::from_static(ENVIRONMENT_HEADER);

/// A gateway that listens. Dropping it closes it.
#[derive(Debug)]
pub struct GatewayServer {
    stage: String,
    server: Loopback,
}

impl GatewayServer {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// There is none.
    pub async fn start(desk: Desk) -> io::Result<Self> {
        let stage = desk.stage();
        let desk = Arc::new(desk);
        let server = Loopback::serve(move |request, peer| {
            let desk = Arc::clone(&desk);
            async move { exchange(&desk, request, peer).await }
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

async fn exchange(desk: &Desk, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    // One byte more than is allowed tells the engine enough.
    let body = read(body, MAX_BODY_BYTES + 1).await;
    let request = Request::from_parts(parts, body);
    let (response, whence) = desk.exchange(request, peer.to_string()).await;
    let mut response = response.map(Full::new);
    if let Some(whence) = whence {
        let environment = HeaderValue::from(whence.environment);
        response.headers_mut().insert(ENVIRONMENT, environment);
    }
    response
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
