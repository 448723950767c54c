//! What becomes of a request.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// What became of a request.
#[derive(Debug)]
pub enum Exchange {
    /// There was an answer.
    Answered(Answer),
    /// There was none.
    Failed(NoAnswer),
    /// It was not sent: too many are in flight.
    NoRoom,
}

/// An answer as it came, its body still encoded.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as sent.
    pub body: Bytes,
    /// By which number whoever carried the request within the harness's own process knows it; none on sockets.
    pub number: Option<u64>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It did not come in time.
    Timeout,
    /// No connection.
    Connect,
    /// The connection broke before the answer's headers.
    Reset,
    /// The connection broke within the body.
    Body,
    /// The body cannot be decoded or is not what a 200 must be.
    Decode,
}

impl NoAnswer {
    /// As in [`RequestLine::error`](crate::wire::RequestLine::error).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Body => "body",
            Self::Decode => "decode",
        }
    }
}
