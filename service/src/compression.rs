//! Content coding: whether the client wants gzip (RFC 9110 §12.5.3), and compressed bodies kept for reuse.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Write,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use flate2::{Compression as Level, write::GzEncoder};
use http::{HeaderMap, header};

/// Bodies below this are sent as they are: the gzip frame and the headers eat what little is saved, bytes.
pub const WORTH_IT: usize = 512;

/// Encoded bodies kept, bytes; a 50-coin body takes about 3 KB.
const CACHE_BYTES: usize = 512 * 1024;

/// The highest level: a body is compressed once and sent many times.
const LEVEL: u32 = 9;

/// Whether the request's `Accept-Encoding` prefers gzip to sending the body as it is.
///
/// gzip wins when its quality is above zero and at least that of an `identity` that is named; without the
/// header nothing is encoded. Members that cannot be read are ignored.
#[must_use]
pub fn wants_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for member in value.to_str().unwrap_or_default().split(',') {
            let mut parts = member.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default().to_ascii_lowercase();
            let Some(quality) = quality(parts) else { continue };
            match coding.as_str() {
                "gzip" | "x-gzip" => gzip = Some(quality),
                "identity" => identity = Some(quality),
                "*" => any = Some(quality),
                _ => {}
            }
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// The `q` parameter in thousandths; none when it is not a quality value.
fn quality<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    let mut quality = 1000;
    for parameter in parameters {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        if !name.trim().eq_ignore_ascii_case("q") {
            continue;
        }
        let value = value.trim();
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
        quality = match whole {
            "0" => thousandths,
            "1" if thousandths == 0 => 1000,
            _ => return None,
        };
    }
    Some(quality)
}

/// Compressed bodies by the entity tag of what they encode, so that equal data are compressed once.
///
/// Bounded by bytes; the oldest entry goes first, which is right for bodies that change with every refresh.
#[derive(Debug, Default)]
pub struct EncodedBodies(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// None: compressing that body saves nothing.
    by_tag: BTreeMap<u128, Option<Bytes>>,
    order: VecDeque<u128>,
    bytes: usize,
}

/// What an entry costs beside its body, bytes.
const ENTRY: usize = 64;

impl EncodedBodies {
    /// The gzip form of `body`, whose content is identified by `tag`; none when it is not worth it.
    #[must_use]
    pub fn gzip(&self, tag: u128, body: &[u8]) -> Option<Bytes> {
        if body.len() < WORTH_IT {
            return None;
        }
        if let Some(known) = self.entries().by_tag.get(&tag) {
            return known.clone();
        }
        // Outside the lock: two at once may both do the work, nobody waits for another's.
        let encoded = Some(gzip(body))
            .filter(|encoded| encoded.len() < body.len())
            .map(Bytes::from);
        self.entries().insert(tag, encoded.clone());
        encoded
    }

    /// How many bodies are kept, and their size with what the entries cost, bytes.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let entries = self.entries();
        (entries.by_tag.len(), entries.bytes)
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn insert(&mut self, tag: u128, encoded: Option<Bytes>) {
        let cost = |entry: &Option<Bytes>| ENTRY + entry.as_ref().map_or(0, Bytes::len);
        let added = cost(&encoded);
        if self.by_tag.insert(tag, encoded).is_some() {
            return;
        }
        self.order.push_back(tag);
        self.bytes += added;
        while self.bytes > CACHE_BYTES {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.bytes -= self.by_tag.remove(&oldest).as_ref().map_or(0, cost);
        }
    }
}

/// `body` as one gzip member without time or name, so that equal bodies give equal bytes.
#[must_use]
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Level::new(LEVEL));
    // Writing into memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn wants(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, value.parse().expect("a header value"));
        wants_gzip(&headers)
    }

    #[test]
    fn gzip_is_sent_only_when_asked_for() {
        assert!(!wants_gzip(&HeaderMap::new()));
        for (value, expected) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("br, gzip", true),
            ("*", true),
            ("*;q=0.1", true),
            ("gzip;q=0.001", true),
            ("identity;q=0.5, gzip;q=0.5", true),
            ("identity;q=0, gzip;q=0.2", true),
            ("", false),
            ("br", false),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("identity", false),
            ("identity, gzip;q=0.5", false),
            ("gzip;q=2", false),
            ("gzip;q=-1", false),
            ("gzip;q=abc", false),
            ("gzip;q=1.001", false),
            (";;;,,,", false),
        ] {
            assert_eq!(wants(value), expected, "{value:?}");
        }
    }

    #[test]
    fn several_header_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT_ENCODING, "gzip;q=0".parse().expect("valid"));
        headers.append(header::ACCEPT_ENCODING, "*".parse().expect("valid"));
        assert!(!wants_gzip(&headers));
    }

    #[test]
    fn equal_data_are_compressed_once_and_read_back() {
        let bodies = EncodedBodies::default();
        let body = b"{\"symbol\":\"BTC\"}".repeat(100);
        let first = bodies.gzip(7, &body).expect("worth it");
        let again = bodies.gzip(7, &body).expect("worth it");
        assert_eq!(
            first.as_ptr(),
            again.as_ptr(),
            "the kept bytes are shared, not made again"
        );
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&first[..])
            .read_to_end(&mut plain)
            .expect("gzip");
        assert_eq!(plain, body);
    }

    #[test]
    fn small_bodies_and_bodies_that_do_not_shrink_are_left_alone() {
        let bodies = EncodedBodies::default();
        assert_eq!(bodies.gzip(1, &[b'a'; WORTH_IT - 1]), None);
        let mut state = 1u64;
        let noise: Vec<u8> = (0..2000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            })
            .collect();
        assert_eq!(bodies.gzip(2, &noise), None);
        assert_eq!(bodies.size().0, 1, "that it does not shrink is remembered too");
    }

    #[test]
    fn the_kept_bodies_are_bounded() {
        let bodies = EncodedBodies::default();
        for tag in 0..10_000u32 {
            let body = format!("{tag:>08}").repeat(100);
            let _ = bodies.gzip(u128::from(tag), body.as_bytes());
        }
        let (count, bytes) = bodies.size();
        assert!(bytes <= CACHE_BYTES, "{bytes}");
        assert!((1000..10_000).contains(&count), "{count}");
        assert_eq!(bodies.entries().order.len(), count);
    }
}
