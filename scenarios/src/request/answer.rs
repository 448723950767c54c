//! The one place that turns an answer into a line for the harness.

use std::borrow::Cow;
use std::io::Read as _;

use bytes::Bytes;
use http::header::{AGE, CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::route;
use crate::wire::{RequestLine, ServedPrice};

/// Largest decoded body that is read, bytes: far above every answer of the service.
const MAX_PLAIN: u64 = 16 << 20;

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// There was an answer.
    Answered(Answer),
    /// There was none.
    Failed(NoAnswer),
    /// It was not sent: too many are in flight.
    NoRoom,
}

/// An answer as it came, its body still encoded.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
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
    /// As in [`RequestLine::error`].
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Body => "body",
            Self::Decode => "decode",
        }
    }
}

/// Writes into `line` what an answer says. A body that cannot be decoded is no answer, though its bytes count.
pub(crate) fn read(answer: &Answer, line: &mut RequestLine) {
    let text = |name: &str| answer.headers.get(name)?.to_str().ok();
    line.age_s = text(AGE.as_str()).and_then(|value| value.parse().ok());
    line.retry_after_s = text(RETRY_AFTER.as_str()).and_then(|value| value.parse().ok());
    line.cache_status = text("cache-status").map(str::to_owned);
    line.gzip = text(CONTENT_ENCODING.as_str()).is_some_and(|value| value.eq_ignore_ascii_case("gzip"));
    line.wire_bytes = size(answer.body.len());
    let read = plain(answer, line.gzip).and_then(|body| {
        line.plain_bytes = size(body.len());
        read_body(answer.status, &body, line)
    });
    match read {
        Some(()) => line.status = answer.status.as_u16(),
        None => line.error = Some(NoAnswer::Decode.as_str().to_owned()),
    }
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The decoded body.
fn plain(answer: &Answer, gzip: bool) -> Option<Cow<'_, [u8]>> {
    if !gzip {
        return Some(Cow::Borrowed(&answer.body));
    }
    let mut body = Vec::with_capacity(answer.body.len() * 4);
    let read = flate2::read::MultiGzDecoder::new(&*answer.body)
        .take(MAX_PLAIN)
        .read_to_end(&mut body);
    read.ok().map(|_| Cow::Owned(body))
}

/// The body of a 200. What the harness does not look at is skipped.
#[derive(Deserialize)]
struct Prices<'a> {
    #[serde(borrow)]
    data: Vec<Price<'a>>,
    #[serde(borrow, default)]
    unavailable: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Price<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    /// Kept as written: the service must pass numbers on without rounding them.
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    last_updated: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

/// Reads prices from a 200 to a request for prices, the code from a problem; `None` when a 200 is not readable.
fn read_body(status: StatusCode, body: &[u8], line: &mut RequestLine) -> Option<()> {
    if status.is_client_error() || status.is_server_error() {
        let problem: Option<Problem<'_>> = serde_json::from_slice(body).ok();
        line.problem = problem.map(|problem| problem.code.into_owned());
        return Some(());
    }
    if status != StatusCode::OK || ![route::PRICES, route::PRICE].contains(&line.route.as_str()) {
        return Some(());
    }
    let answer: Prices<'_> = serde_json::from_slice(body).ok()?;
    line.prices = answer
        .data
        .into_iter()
        .map(|price| {
            let updated: jiff::Timestamp = price.last_updated.parse().ok()?;
            Some(ServedPrice {
                symbol: price.symbol.into_owned(),
                price: price.price.get().to_owned(),
                updated_ms: updated.as_millisecond(),
            })
        })
        .collect::<Option<_>>()?;
    line.unavailable = answer.unavailable.into_iter().map(Cow::into_owned).collect();
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http::HeaderValue;

    use super::*;

    const BODY: &str = r#"{"data":[
        {"symbol":"BTC","name":"Bitcoin","price":76975.10,"change24h":null,"marketCap":1,"lastUpdated":"2026-03-02T00:00:00Z"},
        {"symbol":"PEPE","name":"Pepe","price":1.0E-5,"change24h":-1.5,"marketCap":null,"lastUpdated":"2026-03-02T00:00:01.5Z"}],
        "unavailable":["ETH"],"timestamp":"2026-03-02T00:00:30Z"}"#;

    fn gzip(text: &str) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder
            .write_all(text.as_bytes())
            .and_then(|()| encoder.finish())
            .expect("memory takes all")
            .into()
    }

    fn line(status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Bytes>) -> RequestLine {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: body.into(),
        };
        let mut line = RequestLine {
            route: route::PRICES.to_owned(),
            ..RequestLine::default()
        };
        read(&answer, &mut line);
        line
    }

    #[test]
    fn a_200_gives_prices_as_written() {
        let line = line(200, &[("age", "30"), ("cache-status", "crypto-watch; hit")], BODY);
        let prices: Vec<_> = line
            .prices
            .iter()
            .map(|price| (price.symbol.as_str(), price.price.as_str(), price.updated_ms))
            .collect();
        assert_eq!(
            prices,
            [
                ("BTC", "76975.10", 1_772_409_600_000),
                ("PEPE", "1.0E-5", 1_772_409_601_500)
            ]
        );
        assert_eq!(line.unavailable, ["ETH"]);
        assert_eq!((line.status, line.age_s, line.gzip), (200, Some(30), false));
        assert_eq!(line.cache_status.as_deref(), Some("crypto-watch; hit"));
        assert_eq!(line.wire_bytes as usize, BODY.len());
        assert_eq!(line.plain_bytes, line.wire_bytes);
        assert_eq!(line.error, None);
    }

    #[test]
    fn gzip_bytes_are_counted_on_the_wire_and_decoded() {
        let encoded = gzip(BODY);
        let size = encoded.len();
        let line = line(200, &[("content-encoding", "gzip")], encoded);
        assert!(line.gzip);
        assert_eq!(
            (line.wire_bytes as usize, line.plain_bytes as usize),
            (size, BODY.len())
        );
        assert_eq!(line.prices.len(), 2);
    }

    #[test]
    fn problems_give_code_and_retry_after() {
        let line = line(
            429,
            &[("retry-after", "7")],
            r#"{"title":"x","code":"RATE_LIMIT_EXCEEDED"}"#,
        );
        assert_eq!((line.status, line.retry_after_s), (429, Some(7)));
        assert_eq!(line.problem.as_deref(), Some("RATE_LIMIT_EXCEEDED"));
    }

    #[test]
    fn a_body_that_is_no_answer_is_an_error() {
        for body in [
            "{}",
            r#"{"data":[{"symbol":"BTC","price":1,"lastUpdated":"yesterday"}]}"#,
            &BODY[..90],
        ] {
            let line = line(200, &[], body.to_owned());
            assert_eq!(
                (line.status, line.error.as_deref()),
                (0, Some("decode")),
                "{body}"
            );
        }
        let cut = gzip(BODY).slice(..40);
        let cut = line(200, &[("content-encoding", "gzip")], cut);
        assert_eq!(
            (cut.status, cut.error.as_deref(), cut.wire_bytes),
            (0, Some("decode"), 40)
        );
        // An error page of somebody between us and the service is still an answer with its status.
        let page = line(502, &[], "<html>");
        assert_eq!((page.status, page.problem, page.error), (502, None, None));
    }

    #[test]
    fn a_304_has_no_prices() {
        let line = line(304, &[("age", "3")], "");
        assert_eq!((line.status, line.prices.len(), line.error), (304, 0, None));
    }
}
