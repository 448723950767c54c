//! Carries requests through goose's client.

use goose::goose::{GooseMethod, GooseRequest, GooseUser};

use crate::play::{Outgoing, Transport};
use crate::request::{Answer, Exchange, NoAnswer};

/// A goose user as a transport.
pub(super) struct Carrier<'a> {
    pub(super) user: &'a mut GooseUser,
    /// Base URLs of the targets, without a slash at their end.
    pub(super) bases: &'a [String],
}

impl Transport for Carrier<'_> {
    async fn get(&mut self, request: Outgoing<'_>) -> Exchange {
        let url = request.url(self.bases);
        let Ok(builder) = self.user.get_request_builder(&GooseMethod::Get, &url) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        let goose_request = GooseRequest::builder()
            .path(url.as_str())
            .name(request.name)
            .set_request_builder(builder.headers(request.headers))
            .build();
        // An error here is of goose's statistics, which are off; one of the request is in the response.
        let Ok(goose) = self.user.request(goose_request).await else {
            return Exchange::Failed(NoAnswer::Reset);
        };
        let response = match goose.response {
            Ok(response) => response,
            Err(error) => return Exchange::Failed(why(&error, NoAnswer::Reset)),
        };
        let status = response.status();
        let headers = response.headers().clone();
        match response.bytes().await {
            Ok(body) => Exchange::Answered(Answer {
                status,
                headers,
                body,
            }),
            Err(error) => Exchange::Failed(why(&error, NoAnswer::Body)),
        }
    }
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
