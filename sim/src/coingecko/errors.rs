//! The exact bodies of everything that is not a 200. There are four shapes: flat, `status`, `status` with the
//! code outside, and pages that are no JSON at all.

use scenarios::format::assumptions::QuotaStatus;
use scenarios::format::fault::{BlockBody, RetryAfter};

use super::{answers::quoted, book::rest_of_window_s, headers::http_date, numbers};

/// An error answer: its status and body, before headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body to the byte.
    pub body: String,
    /// Who wrote it.
    pub from: Origin,
    /// What `Retry-After` asks for, whole seconds; `None` when there is none, or one that means nothing.
    pub retry_after_s: Option<u32>,
    /// How `Retry-After` says it, where that is not a number of seconds.
    pub retry_after_text: Option<String>,
}

/// Who wrote an error, which decides its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// CoinGecko's application.
    App,
    /// The edge before it, in JSON.
    Edge,
    /// The application, in HTML.
    AppPage,
    /// The edge before it, in HTML.
    EdgePage,
    /// The edge before it, in plain text.
    EdgeText,
}

impl ErrorAnswer {
    fn app(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            from: Origin::App,
            retry_after_s: None,
            retry_after_text: None,
        }
    }

    fn edge(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            from: Origin::Edge,
            retry_after_s: None,
            retry_after_text: None,
        }
    }

    /// 422: a required parameter is missing or empty.
    pub fn missing_parameter(name: &str) -> Self {
        Self::app(422, format!(r#"{{"error":"Missing parameter {name}"}}"#))
    }

    /// 422: `/simple/price` is asked for no coin, which is put in these words.
    pub fn no_coin_named(text: &str) -> Self {
        Self::app(422, format!(r#"{{"error":{}}}"#, quoted(text)))
    }

    /// 400: more than 250 coins a page, where that is refused. (No such answer was captured.)
    pub fn invalid_per_page() -> Self {
        Self::app(400, r#"{"error":"invalid per_page"}"#)
    }

    /// 400: `/coins/markets` does not know the currency (`/simple/price` leaves it out instead).
    pub fn invalid_vs_currency() -> Self {
        Self::app(400, r#"{"error":"invalid vs_currency"}"#)
    }

    /// 404: no coin has this id.
    pub fn coin_not_found() -> Self {
        Self::app(404, r#"{"error":"coin not found"}"#)
    }

    /// 404: nothing is there.
    pub fn wrong_path() -> Self {
        Self::app(
            404,
            r#"{"error":"Incorrect path. Please check https://www.coingecko.com/api/"}"#,
        )
    }

    /// 429: too many calls in this minute. The body has 187 bytes.
    pub fn rate_limited(retry_after_s: Option<u32>) -> Self {
        let body = concat!(
            r#"{"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit. "#,
            "Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans ",
            r#"for higher rate limits."}}"#
        );
        Self {
            retry_after_s,
            ..Self::edge(429, body)
        }
    }

    /// 429 (or 200, where that is assumed) with code 10006: the month's credits are spent. It names no time to come
    /// back. How the message goes on after its first sentence is not known.
    pub fn quota_exhausted(credits: u64, status: QuotaStatus) -> Self {
        let credits = grouped(credits);
        let status = match status {
            QuotaStatus::TooManyRequests => 429,
            QuotaStatus::Ok => 200,
        };
        Self::edge(
            status,
            format!(
                r#"{{"status":{{"error_code":10006,"error_message":"You've reached {credits} calls limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans for higher call credits."}}}}"#
            ),
        )
    }

    /// 401 with code 10002: no key, or one that is not valid. (The end of the message is not known.)
    pub fn key_missing(now_ms: i64) -> Self {
        let at = offset_timestamp(now_ms);
        Self::app(
            401,
            format!(
                r#"{{"status":{{"timestamp":"{at}","error_code":10002,"error_message":"API Key Missing. Please make sure you're using the right authentication method. For Pro API, please visit: https://docs.coingecko.com/reference/authentication. For Public/Demo API, please visit: https://docs.coingecko.com/v3.0.1/reference/authentication."}}}}"#
            ),
        )
    }

    /// 400 with code 10010: a Pro key at the public host. The code stands outside `status`.
    pub fn pro_key_at_public_host(now_ms: i64) -> Self {
        Self::wrong_host(
            10_010,
            "Pro",
            ["api.coingecko.com", "pro-api.coingecko.com"],
            now_ms,
        )
    }

    /// 400 with code 10011: a Demo key at the Pro host. The code stands outside `status`.
    pub fn demo_key_at_pro_host(now_ms: i64) -> Self {
        Self::wrong_host(
            10_011,
            "Demo",
            ["pro-api.coingecko.com", "api.coingecko.com"],
            now_ms,
        )
    }

    fn wrong_host(code: u32, kind: &str, [from, to]: [&str; 2], now_ms: i64) -> Self {
        let at = offset_timestamp(now_ms);
        let docs = if kind == "Demo" {
            "v3.0.1/reference/introduction"
        } else {
            "reference/introduction"
        };
        Self::app(
            400,
            format!(
                r#"{{"timestamp":"{at}","error_code":{code},"status":{{"error_message":"If you are using {kind} API key, please change your root URL from {from} to {to} Please refer here for more details: https://docs.coingecko.com/{docs}"}}}}"#
            ),
        )
    }

    /// 403: an endpoint is switched off during an incident.
    pub fn endpoint_disabled() -> Self {
        let body = concat!(
            r#"{"status":{"error_code":403,"error_message":"This endpoint is temporarily unavailable due to "#,
            "ongoing issues. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans ",
            r#"with higher availability and https://status.coingecko.com for API status. "}}"#
        );
        Self::edge(403, body)
    }

    /// The same, with a `Retry-After` as a fault wants it. `window_ms`: length of the fixed window of its limit.
    #[must_use]
    pub fn coming_back(mut self, how: &RetryAfter, now_ms: i64, window_ms: i64) -> Self {
        let rest_s = rest_of_window_s(now_ms, window_ms);
        match how {
            RetryAfter::RestOfWindow => self.retry_after_s = Some(rest_s),
            RetryAfter::Fixed(wait) => {
                let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
                self.retry_after_s = Some(seconds);
            }
            RetryAfter::Date => {
                // A date has whole seconds: the first that is not before the window's end.
                let end_ms = now_ms + window_ms.max(1) - now_ms.rem_euclid(window_ms.max(1));
                let date_ms = (end_ms + 999).div_euclid(1000) * 1000;
                self.retry_after_s = u32::try_from((date_ms - now_ms).div_euclid(1000)).ok();
                self.retry_after_text = Some(http_date(date_ms));
            }
            RetryAfter::Text(text) => {
                let number = text.trim().parse::<u64>().ok();
                self.retry_after_s = number.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
                self.retry_after_text = Some(text.clone());
            }
            RetryAfter::Absent => {}
        }
        self
    }

    /// 429 of the edge's own limit: `error code: 1015`. No `Retry-After` was captured.
    pub fn cf_rate_limited() -> Self {
        Self {
            from: Origin::EdgeText,
            ..Self::edge(429, "error code: 1015")
        }
    }

    /// 403: the edge blocks the caller.
    pub fn cf_blocked(body: BlockBody) -> Self {
        match body {
            BlockBody::Code1020 => Self {
                from: Origin::EdgeText,
                ..Self::edge(403, "error code: 1020")
            },
            BlockBody::Html => Self::page(
                403,
                Origin::EdgePage,
                "Access denied | api.coingecko.com used Cloudflare to restrict access",
                "Access denied",
                "The owner of this website (api.coingecko.com) has banned your access.",
            ),
        }
    }

    /// A gateway's page: 502, 503, 504, or Cloudflare's 520 and 522. (No page of CoinGecko's was captured.)
    pub fn gateway_page(status: u16) -> Self {
        let reason = match status {
            520 => "Web server is returning an unknown error",
            522 => "Connection timed out",
            other => http::StatusCode::from_u16(other)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or("Error"),
        };
        let title = format!("api.coingecko.com | {status}: {reason}");
        Self::page(
            status,
            Origin::EdgePage,
            &title,
            reason,
            &format!("Error code {status}"),
        )
    }

    /// 500: the application crashed.
    pub fn app_page() -> Self {
        Self::page(
            500,
            Origin::AppPage,
            "Uh Oh! We're sorry, but something went wrong. (500)",
            "Uh Oh!",
            "We're sorry, but something went wrong.",
        )
    }

    /// 200 with a page that asks for a browser.
    pub fn challenge_page() -> Self {
        Self::page(
            200,
            Origin::EdgePage,
            "Just a moment...",
            "Checking your browser before accessing api.coingecko.com",
            "Enable JavaScript and cookies to continue.",
        )
    }

    /// 414: path and query are too long.
    pub fn uri_too_long() -> Self {
        Self::page(
            414,
            Origin::EdgePage,
            "414 Request-URI Too Large",
            "414 Request-URI Too Large",
            "cloudflare",
        )
    }

    /// A key of one kind at the host of another: code 10002, 10010 or 10011.
    pub fn auth_mixup(code: u32, now_ms: i64) -> Self {
        match code {
            10_010 => Self::pro_key_at_public_host(now_ms),
            10_011 => Self::demo_key_at_pro_host(now_ms),
            _ => Self::key_missing(now_ms),
        }
    }

    fn page(status: u16, from: Origin, title: &str, heading: &str, text: &str) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>{title}</title></head><body><h1>{heading}</h1>\
             <p>{text}</p></body></html>\n"
        );
        Self {
            from,
            ..Self::edge(status, body)
        }
    }

    /// The edge's page when the origin did not answer in time: what a call that outlasts its hang would get.
    pub fn origin_timed_out() -> Self {
        Self::page(
            524,
            Origin::EdgePage,
            "api.coingecko.com | 524: A timeout occurred",
            "A timeout occurred",
            "Error code 524",
        )
    }

    /// CoinGecko's own JSON error for a status from 400 to 599, as the `status` fault sends it.
    pub fn of_status(status: u16, now_ms: i64, retry_after_s: u32) -> Self {
        match status {
            400 => Self::invalid_vs_currency(),
            401 => Self::key_missing(now_ms),
            403 => Self::endpoint_disabled(),
            404 => Self::coin_not_found(),
            422 => Self::missing_parameter("ids"),
            429 => Self::rate_limited(Some(retry_after_s)),
            other => {
                let reason = http::StatusCode::from_u16(other)
                    .ok()
                    .and_then(|status| status.canonical_reason());
                let reason = reason.unwrap_or("Error");
                Self::edge(
                    other,
                    format!(
                        r#"{{"status":{{"error_code":{other},"error_message":"{reason}. Please visit https://status.coingecko.com for API status."}}}}"#
                    ),
                )
            }
        }
    }
}

/// `2026-05-17T01:39:44.892+00:00`
fn offset_timestamp(now_ms: i64) -> String {
    numbers::iso_timestamp(now_ms).replace('Z', "+00:00")
}

/// `10,000`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-05-17T01:39:44.892Z.
    const NOW: i64 = 1_778_981_984_892;

    fn shown(answer: &ErrorAnswer) -> String {
        format!("{} {}", answer.status, answer.body)
    }

    #[test]
    fn flat_errors() {
        insta::assert_snapshot!(shown(&ErrorAnswer::missing_parameter("vs_currencies")), @r#"422 {"error":"Missing parameter vs_currencies"}"#);
        insta::assert_snapshot!(shown(&ErrorAnswer::invalid_vs_currency()), @r#"400 {"error":"invalid vs_currency"}"#);
        insta::assert_snapshot!(shown(&ErrorAnswer::coin_not_found()), @r#"404 {"error":"coin not found"}"#);
        insta::assert_snapshot!(shown(&ErrorAnswer::wrong_path()), @r#"404 {"error":"Incorrect path. Please check https://www.coingecko.com/api/"}"#);
    }

    #[test]
    fn the_rate_limit_has_187_bytes() {
        let answer = ErrorAnswer::rate_limited(Some(53));
        assert_eq!(answer.body.len(), 187);
        insta::assert_snapshot!(shown(&answer), @r#"429 {"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans for higher rate limits."}}"#);
    }

    #[test]
    fn errors_in_a_status_object() {
        insta::assert_snapshot!(shown(&ErrorAnswer::quota_exhausted(10_000, QuotaStatus::default())), @r#"429 {"status":{"error_code":10006,"error_message":"You've reached 10,000 calls limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans for higher call credits."}}"#);
        insta::assert_snapshot!(shown(&ErrorAnswer::key_missing(NOW)), @r#"401 {"status":{"timestamp":"2026-05-17T01:39:44.892+00:00","error_code":10002,"error_message":"API Key Missing. Please make sure you're using the right authentication method. For Pro API, please visit: https://docs.coingecko.com/reference/authentication. For Public/Demo API, please visit: https://docs.coingecko.com/v3.0.1/reference/authentication."}}"#);
        insta::assert_snapshot!(shown(&ErrorAnswer::endpoint_disabled()), @r#"403 {"status":{"error_code":403,"error_message":"This endpoint is temporarily unavailable due to ongoing issues. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans with higher availability and https://status.coingecko.com for API status. "}}"#);
    }

    #[test]
    fn errors_with_the_code_outside() {
        insta::assert_snapshot!(shown(&ErrorAnswer::demo_key_at_pro_host(NOW)), @r#"400 {"timestamp":"2026-05-17T01:39:44.892+00:00","error_code":10011,"status":{"error_message":"If you are using Demo API key, please change your root URL from pro-api.coingecko.com to api.coingecko.com Please refer here for more details: https://docs.coingecko.com/v3.0.1/reference/introduction"}}"#);
        insta::assert_snapshot!(shown(&ErrorAnswer::pro_key_at_public_host(NOW)), @r#"400 {"timestamp":"2026-05-17T01:39:44.892+00:00","error_code":10010,"status":{"error_message":"If you are using Pro API key, please change your root URL from api.coingecko.com to pro-api.coingecko.com Please refer here for more details: https://docs.coingecko.com/reference/introduction"}}"#);
    }

    #[test]
    fn every_status_of_a_fault_has_a_json_body() {
        for status in 400..600 {
            let answer = ErrorAnswer::of_status(status, NOW, 7);
            assert_eq!(answer.status, status);
            assert!(
                serde_json::from_str::<serde_json::Value>(&answer.body).is_ok(),
                "{}",
                answer.body
            );
            assert_eq!(answer.retry_after_s, (status == 429).then_some(7));
        }
        insta::assert_snapshot!(shown(&ErrorAnswer::of_status(503, NOW, 7)), @r#"503 {"status":{"error_code":503,"error_message":"Service Unavailable. Please visit https://status.coingecko.com for API status."}}"#);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 10_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "10,000", "1,234,567"]
        );
    }
}
