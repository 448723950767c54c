//! Entity tags: weak, since one tag names the plain and the encoded form of the same data (RFC 9110 §8.8.3).

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

/// The identity of a body's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentTag(pub(super) u128);

impl ContentTag {
    pub(super) fn of(body: &[u8]) -> Self {
        let digest = Sha256::digest(body);
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(half))
    }

    /// As in the `ETag` header.
    pub(super) fn header(self) -> String {
        format!("W/\"{:032x}\"", self.0)
    }

    /// Whether the client has this content already, by `If-None-Match`: weak comparison, or `*`.
    pub(super) fn is_known_to(self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::IF_NONE_MATCH) {
            return false;
        }
        let own = format!("{:032x}", self.0);
        headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
            // Our tags hold hexadecimal digits only, so a comma never lies within one of them.
            value
                .to_str()
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .any(|tag| {
                    tag == "*"
                        || tag
                            .strip_prefix("W/")
                            .unwrap_or(tag)
                            .strip_prefix('"')
                            .and_then(|tag| tag.strip_suffix('"'))
                            .is_some_and(|tag| tag == own)
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_weak_and_depends_on_the_content_only() {
        let tag = ContentTag::of(b"abc");
        assert_eq!(tag.header(), "W/\"ba7816bf8f01cfea414140de5dae2223\"");
        assert_eq!(tag, ContentTag::of(b"abc"));
        assert_ne!(tag, ContentTag::of(b"abd"));
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let tag = ContentTag::of(b"abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223";
        for (value, known) in [
            (format!("W/\"{hex}\""), true),
            (format!("\"{hex}\""), true),
            (format!("\"x\", W/\"y\" , W/\"{hex}\""), true),
            ("*".to_owned(), true),
            (hex.to_owned(), false),
            (format!("W/\"{hex}"), false),
            ("W/\"other\"".to_owned(), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().expect("a header value"));
            assert_eq!(tag.is_known_to(&headers), known, "{value:?}");
        }
        assert!(!tag.is_known_to(&HeaderMap::new()));
    }
}
