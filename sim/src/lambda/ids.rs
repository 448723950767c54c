//! The ids that AWS gives to requests.

use service::rng::Rng;

/// A random UUID (RFC 9562, version 4).
#[must_use]
pub fn uuid(rng: &dyn Rng) -> String {
    let bits = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    let bits = bits & !(0xf << 76) | 4 << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// As X-Ray writes one that is not sampled, of a request that came at `unix_s`.
#[must_use]
pub fn trace_id(rng: &dyn Rng, unix_s: i64) -> String {
    let (root, more, parent) = (rng.next_u64(), rng.next_u64() as u32, rng.next_u64());
    format!("Root=1-{unix_s:08x}-{root:016x}{more:08x};Parent={parent:016x};Sampled=0")
}

#[cfg(test)]
mod tests {
    use service::rng::SystemRng;

    use super::*;

    #[test]
    fn ids_are_those_of_their_standards() {
        let uuid = uuid(&SystemRng);
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert!(trace_id(&SystemRng, 1_772_409_600).starts_with("Root=1-69a4d300-"));
    }
}
