//! Carries requests over one pooled HTTP/1 client.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::play::{Outgoing, SlowRead, Transport};
use crate::request::{Answer, Exchange, NoAnswer};

/// A clone shares connections and room.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    /// Base URLs of the targets, without a slash at their end.
    bases: Arc<[String]>,
    client: Client<HttpConnector, Empty<Bytes>>,
    room: Arc<Semaphore>,
    timeout: Duration,
}

impl Carrier {
    /// A client that waits no longer than `timeout` for an answer and has at most `room` requests in flight.
    pub(crate) fn new(bases: Arc<[String]>, timeout: Duration, room: usize) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            bases,
            client: Client::builder(TokioExecutor::new()).build(connector),
            room: Arc::new(Semaphore::new(room)),
            timeout,
        }
    }

    async fn exchange(&self, request: Request<Empty<Bytes>>) -> Result<Answer, NoAnswer> {
        let (parts, body) = self.head(request).await?.into_parts();
        let body = body.collect().await.map_err(|_| NoAnswer::Body)?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
            number: None,
        })
    }

    /// Reads the body slowly. Only the time that the other side takes is bounded: to the headers, and to each part.
    async fn exchange_slowly(
        &self,
        request: Request<Empty<Bytes>>,
        slow: &SlowRead,
    ) -> Result<Answer, NoAnswer> {
        let late = |_| NoAnswer::Timeout;
        let head = timeout(self.timeout, self.head(request)).await.map_err(late)??;
        let (parts, mut body) = head.into_parts();
        let mut read = BytesMut::new();
        while let Some(frame) = timeout(self.timeout, body.frame()).await.map_err(late)? {
            if let Ok(data) = frame.map_err(|_| NoAnswer::Body)?.into_data() {
                slow.pause(data.len()).await;
                read.extend_from_slice(&data);
            }
        }
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: read.freeze(),
            number: None,
        })
    }

    async fn head(&self, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, NoAnswer> {
        self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                NoAnswer::Connect
            } else {
                NoAnswer::Reset
            }
        })
    }
}

impl Transport for Carrier {
    async fn get<'a>(&'a mut self, request: Outgoing<'a>) -> Exchange {
        let Ok(_place) = self.room.try_acquire() else {
            return Exchange::NoRoom;
        };
        let url = request.url(&self.bases);
        let Ok(mut outgoing) = Request::get(url).body(Empty::new()) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        *outgoing.headers_mut() = request.headers;
        let answer = match request.slow {
            Some(slow) => self.exchange_slowly(outgoing, slow).await,
            None => timeout(self.timeout, self.exchange(outgoing))
                .await
                .unwrap_or(Err(NoAnswer::Timeout)),
        };
        answer.map_or_else(Exchange::Failed, Exchange::Answered)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What a request comes to when each connection is sent `answer` and then closed, or kept when `answer` is
    /// `None`.
    async fn exchange(answer: Option<&'static str>, room: usize) -> Exchange {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let server = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(answer) = answer else {
                    kept.push(stream);
                    continue;
                };
                // All of the request, or closing would reset the connection.
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n")
                    && stream.read_buf(&mut request).await.is_ok_and(|n| n > 0)
                {}
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        let timeout = Duration::from_millis(if answer.is_some() { 10_000 } else { 50 });
        let request = Outgoing {
            target: 0,
            path: "/",
            name: "/",
            headers: HeaderMap::new(),
            slow: None,
        };
        let exchange = Carrier::new([base].into(), timeout, room).get(request).await;
        server.abort();
        exchange
    }

    fn why(exchange: &Exchange) -> Option<NoAnswer> {
        match exchange {
            Exchange::Failed(why) => Some(*why),
            Exchange::Answered(_) | Exchange::NoRoom => None,
        }
    }

    #[tokio::test]
    async fn answers_and_failures_are_told_apart() {
        let whole = exchange(Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), 1).await;
        assert!(matches!(whole, Exchange::Answered(answer) if answer.body == "ok"));
        let cut = exchange(Some("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"), 1).await;
        assert_eq!(why(&cut), Some(NoAnswer::Body), "{cut:?}");
        assert_eq!(why(&exchange(Some("HTTP/1.1 2"), 1).await), Some(NoAnswer::Reset));
        assert_eq!(why(&exchange(None, 1).await), Some(NoAnswer::Timeout));
    }

    #[tokio::test]
    async fn without_room_nothing_is_sent() {
        assert!(matches!(exchange(None, 0).await, Exchange::NoRoom));
    }
}
