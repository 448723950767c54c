//! Carries requests over one pooled HTTP/1 client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;

use crate::play::{Outgoing, Transport};
use crate::request::{Answer, Exchange, NoAnswer};

/// A clone shares connections and room.
#[derive(Clone, Debug)]
pub(super) struct Carrier {
    client: Client<HttpConnector, Empty<Bytes>>,
    room: Arc<Semaphore>,
    timeout: Duration,
}

impl Carrier {
    /// A client that waits no longer than `timeout` for an answer and has at most `room` requests in flight.
    pub(super) fn new(timeout: Duration, room: usize) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            room: Arc::new(Semaphore::new(room)),
            timeout,
        }
    }

    async fn exchange(&self, request: Request<Empty<Bytes>>) -> Result<Answer, NoAnswer> {
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                NoAnswer::Connect
            } else {
                NoAnswer::Reset
            }
        })?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| NoAnswer::Body)?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }
}

impl Transport for Carrier {
    async fn get(&mut self, request: Outgoing) -> Exchange {
        let Ok(_place) = self.room.try_acquire() else {
            return Exchange::NoRoom;
        };
        let Ok(mut outgoing) = Request::get(&request.url).body(Empty::new()) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        *outgoing.headers_mut() = request.headers;
        match tokio::time::timeout(self.timeout, self.exchange(outgoing)).await {
            Ok(Ok(answer)) => Exchange::Answered(answer),
            Ok(Err(why)) => Exchange::Failed(why),
            Err(_) => Exchange::Failed(NoAnswer::Timeout),
        }
    }
}
