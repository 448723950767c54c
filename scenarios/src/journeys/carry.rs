//! Carries requests through goose's client.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use goose::goose::{GooseMethod, GooseRequest, GooseUser};
use reqwest::Response;

use crate::play::{Outgoing, SlowRead, Transport};
use crate::request::{Answer, Exchange, NoAnswer};

/// A goose user as a transport.
pub(super) struct Carrier<'a> {
    pub(super) user: &'a mut GooseUser,
    /// Base URLs of the targets, without a slash at their end.
    pub(super) bases: &'a [String],
    /// Longest time to wait for an answer.
    pub(super) timeout: Duration,
}

impl Transport for Carrier<'_> {
    async fn get<'a>(&'a mut self, request: Outgoing<'a>) -> Exchange {
        let url = request.url(self.bases);
        let Ok(builder) = self.user.get_request_builder(&GooseMethod::Get, &url) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        let mut builder = builder.headers(request.headers);
        if let Some(slow) = request.slow {
            // The client's own timeout is for the whole of an answer.
            builder = builder.timeout(slow.left() + 2 * self.timeout);
        }
        let goose_request = GooseRequest::builder()
            .path(url.as_str())
            .name(request.name)
            .set_request_builder(builder)
            .build();
        let sent = tokio::time::timeout(self.timeout, self.user.request(goose_request));
        let Ok(goose) = sent.await else {
            return Exchange::Failed(NoAnswer::Timeout);
        };
        // An error here is of goose's statistics, which are off; one of the request is in the response.
        let Ok(goose) = goose else {
            return Exchange::Failed(NoAnswer::Reset);
        };
        let response = match goose.response {
            Ok(response) => response,
            Err(error) => return Exchange::Failed(why(&error, NoAnswer::Reset)),
        };
        let status = response.status();
        let headers = response.headers().clone();
        let body = match request.slow {
            Some(slow) => read_slowly(response, slow).await,
            None => response.bytes().await,
        };
        match body {
            Ok(body) => Exchange::Answered(Answer {
                status,
                headers,
                body,
                number: None,
            }),
            Err(error) => Exchange::Failed(why(&error, NoAnswer::Body)),
        }
    }
}

/// Reads a body as slowly as a fault makes its user.
async fn read_slowly(mut response: Response, slow: &SlowRead) -> Result<Bytes, reqwest::Error> {
    let mut read = BytesMut::new();
    while let Some(part) = response.chunk().await? {
        slow.pause(part.len()).await;
        read.extend_from_slice(&part);
    }
    Ok(read.freeze())
}

fn why(error: &reqwest::Error, otherwise: NoAnswer) -> NoAnswer {
    if error.is_timeout() {
        NoAnswer::Timeout
    } else if error.is_connect() {
        NoAnswer::Connect
    } else {
        otherwise
    }
}
