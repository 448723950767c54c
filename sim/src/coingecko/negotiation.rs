//! What a caller asks for in headers: a body that it does not have yet, and one that is compressed.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, IF_NONE_MATCH};

/// The shortest body that is compressed, bytes.
pub(super) const WORTH_GZIP: usize = 512;

/// Whether the caller has the body of this `ETag` already: one of `If-None-Match` is it, weakly compared (RFC 9110, 13.1.2).
pub(super) fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let ours = opaque(etag);
    values(headers, IF_NONE_MATCH).any(|value| {
        value.trim() == "*"
            || entity_tags(value)
                .into_iter()
                .any(|theirs| opaque(theirs) == ours)
    })
}

/// The `ETag`s of a list. Commas may stand within their quotes; what is no `ETag` is passed over.
fn entity_tags(list: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = list;
    while let Some(open) = rest.find('"') {
        let Some(length) = rest[open + 1..].find('"') else {
            break;
        };
        let end = open + length + 2;
        let start = if rest[..open].ends_with("W/") {
            open - 2
        } else {
            open
        };
        tags.push(&rest[start..end]);
        rest = &rest[end..];
    }
    tags
}

/// Whether the caller takes gzip (RFC 9110, 12.5.3). Who says nothing of encodings is not sent any.
pub(super) fn admits_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for coding in values(headers, ACCEPT_ENCODING).flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let wanted =
            weight.is_none_or(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0));
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return wanted;
        }
        any |= name == "*" && wanted;
    }
    any
}

fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
}

/// The body as gzip, the same bytes each time; `None` when it is too short to gain by it.
pub(super) fn gzip(body: &str) -> Option<Bytes> {
    if body.len() < WORTH_GZIP {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    encoder.write_all(body.as_bytes()).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().map(|line| {
            let value = line
                .parse()
                .unwrap_or_else(|_| panic!("{line} is a header value"));
            (name.clone(), value)
        });
        lines.collect()
    }

    #[test]
    fn etags_are_compared_weakly() {
        let has = |lines: &[&str]| has_already(&headers(&IF_NONE_MATCH, lines), "W/\"a,b\"");
        for lines in [
            &["W/\"a,b\""][..],
            &["\"a,b\""],
            &["*"],
            &["\"x\", W/\"a,b\""],
            &["W/\"x\",\"a,b\",\"y\""],
            &["\"x\"", "\"a,b\""],
        ] {
            assert!(has(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[""],
            &["a,b"],
            &["\"a\", \"b\""],
            &["W/\"A,B\""],
            &["\"a,b"],
            &["\"*\""],
        ] {
            assert!(!has(lines), "{lines:?}");
        }
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let admits = |lines: &[&str]| admits_gzip(&headers(&ACCEPT_ENCODING, lines));
        for lines in [
            &["gzip"][..],
            &["gzip, deflate"],
            &["br;q=1.0, GZIP;q=0.2"],
            &["*"],
            &["identity", "x-gzip"],
            &["deflate, *;q=0.1"],
            &["*;q=0, gzip"],
        ] {
            assert!(admits(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &["identity"],
            &["gzip;q=0"],
            &["gzip; q=0.000, *"],
            &["*, gzip;q=0"],
            &["*;q=0"],
            &["gzip;q=much"],
            &["gzipped"],
        ] {
            assert!(!admits(lines), "{lines:?}");
        }
    }

    #[test]
    fn a_long_body_is_compressed_to_the_same_bytes_each_time() {
        assert_eq!(gzip(&"x".repeat(WORTH_GZIP - 1)), None);
        let long = "price ".repeat(100);
        let (Some(once), Some(again)) = (gzip(&long), gzip(&long)) else {
            panic!("it is long enough")
        };
        assert_eq!(once, again);
        let mut read = String::new();
        let mut decoder = flate2::read::GzDecoder::new(once.as_ref());
        assert!(std::io::Read::read_to_string(&mut decoder, &mut read).is_ok());
        assert_eq!(read, long);
    }
}
