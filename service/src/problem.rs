//! What goes wrong with a request, and its one rendering: RFC 9457 `application/problem+json`.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// Everything that an answer other than 2xx and 304 can say.
///
/// A handler returns it as its error; the router's outermost layer renders it, since only that layer knows
/// the request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request cannot be understood; the text says what to send instead.
    InvalidRequest(String),
    /// No API key, an unknown one or a disabled one: never said which.
    Unauthorized,
    /// No such path.
    NotFound,
    /// Symbols that are not supported, as asked for.
    UnknownSymbol(Vec<String>),
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The key's quota is used up for `retry_after` from now (wall time).
    RateLimitExceeded {
        /// From when on a silent client is admitted again.
        retry_after: Duration,
    },
    /// None of the prices asked for can be served.
    PriceUnavailable {
        /// When it is worth asking again (wall time).
        retry_after: Duration,
    },
    /// DynamoDB did not answer as it should.
    StoreUnavailable,
    /// A defect of the service.
    Internal,
}

impl Problem {
    /// The machine-readable `code`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "INVALID_REQUEST",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::NotFound => "NOT_FOUND",
            Self::UnknownSymbol(_) => "UNKNOWN_SYMBOL",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::RateLimitExceeded { .. } => "RATE_LIMIT_EXCEEDED",
            Self::PriceUnavailable { .. } => "PRICE_UNAVAILABLE",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound | Self::UnknownSymbol(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RateLimitExceeded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::PriceUnavailable { .. } | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// `Retry-After` in whole wall seconds, rounded up, at least one.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::RateLimitExceeded { retry_after } | Self::PriceUnavailable { retry_after } => {
                Some(whole_seconds_up(*retry_after).max(1))
            }
            // A store failure is answered at once; a second is the shortest that can be said.
            Self::StoreUnavailable => Some(1),
            Self::InvalidRequest(_)
            | Self::Unauthorized
            | Self::NotFound
            | Self::UnknownSymbol(_)
            | Self::MethodNotAllowed
            | Self::Internal => None,
        }
    }

    const fn title(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "Invalid request",
            Self::Unauthorized => "Unauthorized",
            Self::NotFound => "Not found",
            Self::UnknownSymbol(_) => "Unknown symbol",
            Self::MethodNotAllowed => "Method not allowed",
            Self::RateLimitExceeded { .. } => "Rate limit exceeded",
            Self::PriceUnavailable { .. } => "Price unavailable",
            Self::StoreUnavailable => "Store unavailable",
            Self::Internal => "Internal error",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::InvalidRequest(what) => what.clone(),
            Self::Unauthorized => "send a valid API key in the X-API-Key header".to_owned(),
            Self::NotFound => "paths are /prices, /prices/{symbol} and /health".to_owned(),
            Self::UnknownSymbol(symbols) => format!("not supported: {}", symbols.join(", ")),
            Self::MethodNotAllowed => "use GET".to_owned(),
            Self::RateLimitExceeded { .. } => {
                "too many requests with this API key; wait for Retry-After".to_owned()
            }
            Self::PriceUnavailable { .. } => {
                "no current price is known; try again after Retry-After".to_owned()
            }
            Self::StoreUnavailable => "a part that the service needs does not answer; try again".to_owned(),
            Self::Internal => "the service failed; the request id helps to find out why".to_owned(),
        }
    }

    /// The document.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            detail: String,
            code: &'a str,
            request_id: &'a str,
        }
        let slug = self.code().to_ascii_lowercase().replace('_', "-");
        let document = Document {
            r#type: format!("urn:crypto-watch:problem:{slug}"),
            title: self.title(),
            status: self.status().as_u16(),
            detail: self.detail(),
            code: self.code(),
            request_id,
        };
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

/// Marks the answer with its problem; the router's outermost layer writes the body.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self == Self::MethodNotAllowed {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// `duration` in seconds, rounded up.
pub(crate) fn whole_seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn body(problem: &Problem) -> String {
        String::from_utf8(problem.body("req-1")).expect("UTF-8")
    }

    #[test]
    fn the_document_has_all_members() {
        let problem = Problem::UnknownSymbol(vec!["DOGEE".to_owned(), "\"X".to_owned()]);
        assert_snapshot!(body(&problem), @r#"{"type":"urn:crypto-watch:problem:unknown-symbol","title":"Unknown symbol","status":404,"detail":"not supported: DOGEE, \"X","code":"UNKNOWN_SYMBOL","requestId":"req-1"}"#);
    }

    #[test]
    fn retry_after_is_rounded_up_and_at_least_one() {
        let seconds = |ms| {
            Problem::RateLimitExceeded {
                retry_after: Duration::from_millis(ms),
            }
            .retry_after_seconds()
        };
        assert_eq!(seconds(0), Some(1));
        assert_eq!(seconds(1000), Some(1));
        assert_eq!(seconds(1001), Some(2));
        let response = Problem::PriceUnavailable {
            retry_after: Duration::from_secs(9),
        }
        .into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "9");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn a_wrong_method_says_which_are_right() {
        let response = Problem::MethodNotAllowed.into_response();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD, OPTIONS");
    }
}
