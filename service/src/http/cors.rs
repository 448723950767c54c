//! CORS: any web page may read the answers; the API key decides what there is to read.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// How long a browser may remember a preflight, seconds.
const MAX_AGE: &str = "86400";

/// Answers a preflight; browsers send it without the key.
pub(super) async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "X-API-Key, If-None-Match"),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        (header::ALLOW, "GET, HEAD, OPTIONS"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Adds what every answer carries.
pub(super) fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "Age, Cache-Status, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id",
        ),
    );
}
