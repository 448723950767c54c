//! A call and what becomes of it, as the engine is asked and answers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::answers::Body;
use super::edge::{CacheStatus, Caching};
use super::errors::ErrorAnswer;
use super::headers::{self, Headers, Representation, Stamp};
use super::negotiation;
use super::wire::Wire;

/// A call, without its body (no endpoint reads one).
#[derive(Clone, Debug)]
pub struct FakeRequest {
    /// Method.
    pub method: Method,
    /// Path, such as `/api/v3/ping`.
    pub path: String,
    /// What follows the `?`, encoded as it came; empty when there is none.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct FakeAnswer {
    /// HTTP status; what it would be if the fate were to answer.
    pub status: u16,
    /// In the order in which they are sent.
    pub headers: Headers,
    /// The body, encoded as the headers say.
    pub body: Bytes,
    /// Real time before the answer, or before the connection is closed.
    pub delay: Duration,
    /// Whether there is an answer at all.
    pub fate: Fate,
    /// What becomes of its bytes.
    pub wire: Wire,
    /// The `Retry-After` sent, seconds.
    pub retry_after_s: Option<u32>,
    /// Whether it cost a monthly credit.
    pub credit: bool,
    /// Index in the scenario of each fault that touched it.
    pub faults: Vec<u16>,
}

/// What happens on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The answer is sent.
    Answer,
    /// Nothing is sent until the delay is over; then the connection is closed.
    Hang,
}

/// A 200 before its headers.
pub(super) struct Routed {
    pub(super) body: Body,
    pub(super) fresh_ms: i64,
    pub(super) caching: Caching,
}

impl FakeAnswer {
    fn new(status: u16, headers: Headers, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers,
            body: body.into(),
            delay: Duration::ZERO,
            fate: Fate::Answer,
            wire: Wire::Whole,
            retry_after_s: None,
            credit: false,
            faults: Vec::new(),
        }
    }

    /// A 200, or a 304 to a caller that has the body already.
    pub(super) fn ok(
        stamp: Stamp,
        request: &FakeRequest,
        routed: Routed,
        cached: CacheStatus,
        may: May,
    ) -> Self {
        let Routed { body, fresh_ms, .. } = routed;
        let paging = body.paging.filter(|_| may.paging);
        let of = Representation {
            etag: headers::etag(&body.json),
            shared_s: fresh_ms / 1000,
            cached,
            paging: paging.map_or_else(Vec::new, |paging| headers::paging(request, paging)),
        };
        if may.not_modified && negotiation::has_already(&request.headers, &of.etag) {
            return Self::new(304, headers::not_modified(stamp, &of), Bytes::new());
        }
        let compressed = (may.gzip && negotiation::admits_gzip(&request.headers))
            .then(|| negotiation::gzip(&body.json))
            .flatten();
        let headers = headers::ok(stamp, &of, compressed.is_some());
        Self::new(200, headers, compressed.unwrap_or_else(|| Bytes::from(body.json)))
    }

    /// What is not a 200 of an endpoint.
    pub(super) fn refusal(stamp: Stamp, error: ErrorAnswer) -> Self {
        Self {
            retry_after_s: error.retry_after_s,
            ..Self::new(error.status, headers::error(stamp, &error), error.body)
        }
    }
}

/// What a 200 may be besides a 200 with a plain body.
#[derive(Clone, Copy, Debug)]
pub(super) struct May {
    pub(super) not_modified: bool,
    pub(super) gzip: bool,
    pub(super) paging: bool,
}
