//! The one place that turns an answer into a line for the harness.
//!
//! Coins are spelt the same in one answer after the other for as long as their prices do not change, so what a spelling
//! says is remembered, and what an encoded body says.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use http::header::{AGE, CONTENT_ENCODING, HeaderName, RETRY_AFTER};
use serde::Deserialize;

use super::answer::{Answer, NoAnswer};
use super::route;
use super::spellings::{Prices, Spellings};
use crate::wire::{ENVIRONMENT_HEADER, RequestLine};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Answers that API Gateway gives by itself, and no others, have it.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const ENVIRONMENT: HeaderName = HeaderName::from_static(ENVIRONMENT_HEADER);

/// Largest decoded body that is read, bytes: far above every answer of the service.
const MAX_PLAIN: u64 = 16 << 20;

/// Encoded bodies remembered at least, bytes; at most twice as many.
const REMEMBERED: usize = 1 << 20;

/// What remembering a body costs beside its bytes, bytes.
const ENTRY: usize = 128;

/// Reads answers.
#[derive(Debug, Default)]
pub(crate) struct Reader(Mutex<Memory>);

impl Reader {
    /// Writes into `line` what an answer says. A body that cannot be decoded is no answer, though its bytes count.
    pub(crate) fn read(&self, answer: &Answer, line: &mut RequestLine) {
        let text = |name: &HeaderName| answer.headers.get(name)?.to_str().ok();
        line.age_s = text(&AGE).and_then(|value| value.parse().ok());
        line.retry_after_s = text(&RETRY_AFTER).and_then(|value| value.parse().ok());
        if let Some(environment) = text(&ENVIRONMENT).and_then(|value| value.parse().ok()) {
            line.target = environment;
        }
        line.by_gateway = answer.headers.contains_key(&ERROR_TYPE);
        line.cache_status = text(&CACHE_STATUS).map(str::to_owned);
        line.gzip = text(&CONTENT_ENCODING).is_some_and(|value| value.eq_ignore_ascii_case("gzip"));
        line.wire_bytes = size(answer.body.len());
        let has_prices =
            answer.status == StatusCode::OK && [route::PRICES, route::PRICE].contains(&line.route.as_ref());
        let read = if has_prices {
            self.prices(answer, line)
        } else {
            other(answer, line)
        };
        match read {
            Some(()) => line.status = answer.status.as_u16(),
            None => line.error = Some(NoAnswer::Decode.as_str().to_owned()),
        }
    }

    /// The body of a 200 to a request for prices; `None` when it is not readable.
    fn prices(&self, answer: &Answer, line: &mut RequestLine) -> Option<()> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = if line.gzip {
            memory.encoded(&answer.body)
        } else {
            memory.plain(&answer.body)
        };
        line.plain_bytes = said.plain_bytes;
        let prices = said.prices?;
        line.prices = prices.served;
        line.unavailable = prices.unavailable;
        Some(())
    }
}

/// What a body says.
#[derive(Clone, Debug)]
struct Said {
    /// Its size when decoded.
    plain_bytes: u32,
    /// `None` when it cannot be read.
    prices: Option<Prices>,
}

#[derive(Debug, Default)]
struct Memory {
    spellings: Spellings,
    /// What encoded bodies said, by their bytes, in two generations: what was not asked for since the last one began
    /// is forgotten with the next one.
    young: Generation,
    old: Generation,
    /// Size of the young ones.
    bytes: usize,
}

/// Hashed alike in every run, and never iterated.
type Generation = HashMap<Bytes, Said, BuildHasherDefault<DefaultHasher>>;

impl Memory {
    fn plain(&mut self, body: &[u8]) -> Said {
        Said {
            plain_bytes: size(body.len()),
            prices: self.spellings.read(body),
        }
    }

    /// What the encoded body says, remembered from now on.
    fn encoded(&mut self, body: &Bytes) -> Said {
        if let Some(said) = self.young.get(body) {
            return said.clone();
        }
        let said = self.old.remove(body).unwrap_or_else(|| {
            let plain = plain(body, true);
            Said {
                plain_bytes: plain.as_ref().map_or(0, |plain| size(plain.len())),
                prices: plain.and_then(|plain| self.spellings.read(&plain)),
            }
        });
        self.bytes += body.len() + ENTRY;
        self.young.insert(body.clone(), said.clone());
        if self.bytes > REMEMBERED {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        said
    }
}

/// Any other body: the size, and of a problem its code.
fn other(answer: &Answer, line: &mut RequestLine) -> Option<()> {
    let body = plain(&answer.body, line.gzip)?;
    line.plain_bytes = size(body.len());
    if answer.status.is_client_error() || answer.status.is_server_error() {
        let problem: Option<ProblemDocument<'_>> = serde_json::from_slice(&body).ok();
        line.problem = problem.map(|problem| problem.code.into_owned());
    }
    Some(())
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The decoded body.
fn plain(body: &[u8], gzip: bool) -> Option<Cow<'_, [u8]>> {
    if !gzip {
        return Some(Cow::Borrowed(body));
    }
    let mut plain = Vec::with_capacity(body.len() * 4);
    let read = flate2::read::MultiGzDecoder::new(body)
        .take(MAX_PLAIN)
        .read_to_end(&mut plain);
    read.ok().map(|_| Cow::Owned(plain))
}

#[derive(Deserialize)]
struct ProblemDocument<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use http::{HeaderMap, HeaderValue};

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

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Bytes>) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: body.into(),
            number: None,
        }
    }

    fn read(reader: &Reader, answer: &Answer) -> RequestLine {
        let mut line = RequestLine {
            route: route::PRICES.into(),
            ..RequestLine::default()
        };
        reader.read(answer, &mut line);
        line
    }

    fn line(status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Bytes>) -> RequestLine {
        read(&Reader::default(), &answer(status, headers, body))
    }

    #[test]
    fn a_body_that_came_before_says_the_same() {
        let reader = Reader::default();
        let encoded = [("content-encoding", "gzip")];
        let (plain, cut) = (answer(200, &[], BODY), answer(200, &[], &BODY[..90]));
        let zipped = answer(200, &encoded, gzip(BODY));
        // The bytes of one, the coding of the other.
        let mixed = answer(200, &encoded, BODY);
        let first: Vec<RequestLine> = [&plain, &cut, &zipped, &mixed].map(|it| read(&reader, it)).into();
        let again: Vec<RequestLine> = [&plain, &cut, &zipped, &mixed].map(|it| read(&reader, it)).into();
        assert_eq!(first, again);
        assert_eq!(
            first.iter().map(|line| line.status).collect::<Vec<_>>(),
            [200, 0, 200, 0]
        );
        assert!(Arc::ptr_eq(&first[2].prices, &again[2].prices));
        assert_ne!(first[0].gzip, first[2].gzip);
        assert_eq!(first[0].prices, first[2].prices);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let reader = Reader::default();
        for number in 0..20_000 {
            let body = format!(
                r#"{{"data":[{{"symbol":"BTC","price":{number},"lastUpdated":"2026-03-02T00:00:00Z"}}]}}"#
            );
            let line = read(
                &reader,
                &answer(200, &[("content-encoding", "gzip")], gzip(&body)),
            );
            assert_eq!(*line.prices[0].price, *number.to_string());
        }
        let memory = reader.0.into_inner().expect("not poisoned");
        let most = REMEMBERED / ENTRY;
        assert!(
            memory.young.len() + memory.old.len() <= 2 * most,
            "{}",
            memory.young.len()
        );
        assert!(!memory.old.is_empty());
    }

    #[test]
    fn a_200_gives_prices_as_written() {
        let line = line(200, &[("age", "30"), ("cache-status", "crypto-watch; hit")], BODY);
        let prices: Vec<_> = line
            .prices
            .iter()
            .map(|price| (&*price.symbol, &*price.price, price.updated_ms))
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
