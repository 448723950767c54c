//! What the service says about itself beside what was seen: EMF documents and `Cache-Status` against clients,
//! store front and fake.

use super::{evidence::Lens, tiers, verdict::Claim};
use crate::record::Flags;

/// The share of a total by which two counts may differ.
const SHARE: f64 = 0.01;
/// The difference that is always allowed: what was in flight when the recording ended.
const COUNTS: f64 = 2.0;

/// Every number that is known both ways.
pub(super) fn compare(lens: &Lens<'_>) -> Vec<Claim> {
    let mut claims = cache(lens);
    claims.extend(traffic(lens));
    claims.extend(upstream(lens));
    claims.extend(gzip(lens));
    claims
}

fn claim(what: &str, by: &str, seen: f64, claimed: Option<f64>, total: f64) -> Claim {
    tolerant(what, by, seen, claimed, (total * SHARE).max(COUNTS))
}

fn tolerant(what: &str, by: &str, seen: f64, claimed: Option<f64>, tolerance: f64) -> Claim {
    Claim {
        what: what.to_owned(),
        seen,
        claimed,
        by: by.to_owned(),
        tolerance,
        agrees: claimed.is_none_or(|claimed| (claimed - seen).abs() <= tolerance),
    }
}

fn cache(lens: &Lens<'_>) -> Vec<Claim> {
    const NAMES: [(&str, &str); 5] = [
        ("served from memory", "CacheMemory"),
        ("served from the store", "CacheStore"),
        ("served after a refresh", "CacheUpstream"),
        ("served stale", "CacheStale"),
        ("nothing to serve", "CacheNone"),
    ];
    let seen = tiers::seen(lens);
    let claimed = tiers::claimed(lens);
    let total = seen.total() as f64;
    if seen.total() == 0 {
        return Vec::new();
    }
    let emf = &lens.recording().emf;
    // What cannot be told from outside cannot be held against the service.
    let unsure = lens
        .requests()
        .filter(|(request, _)| request.flags.has(Flags::UNSURE))
        .count() as f64;
    let tolerance = (total * SHARE).max(COUNTS) + unsure;
    let both = seen.each().into_iter().zip(claimed.each()).zip(NAMES);
    both.flat_map(|(((_, seen), (_, tally)), (what, metric))| {
        [
            tolerant(what, "Cache-Status", seen as f64, Some(tally as f64), tolerance),
            tolerant(what, "EMF", seen as f64, Some(emf.sum("api", metric)), tolerance),
        ]
    })
    .collect()
}

fn traffic(lens: &Lens<'_>) -> Vec<Claim> {
    let emf = &lens.recording().emf;
    let answered = lens.requests().filter(|(request, _)| request.status != 0).count() as f64;
    let rejected = lens
        .requests()
        .filter(|(request, _)| request.status == 429)
        .count() as f64;
    vec![
        claim(
            "requests answered",
            "EMF",
            answered,
            Some(emf.sum("api", "Requests")),
            answered,
        ),
        claim(
            "429s given to clients",
            "EMF",
            rejected,
            Some(emf.sum("api", "RateLimited")),
            rejected,
        ),
    ]
}

fn upstream(lens: &Lens<'_>) -> Vec<Claim> {
    let emf = &lens.recording().emf;
    let calls = lens.tries().count() as f64;
    let retries = lens.tries().filter(|a_try| a_try.retry > 0).count() as f64;
    let limited = lens.tries().filter(|a_try| a_try.call.status == 429).count() as f64;
    [
        ("CoinGecko calls", calls, "UpstreamCalls"),
        ("CoinGecko retries", retries, "UpstreamRetries"),
        ("429s from CoinGecko", limited, "UpstreamRateLimited"),
    ]
    .map(|(what, seen, metric)| claim(what, "EMF", seen, Some(emf.sum_of_both(metric)), seen))
    .to_vec()
}

fn gzip(lens: &Lens<'_>) -> Vec<Claim> {
    let emf = &lens.recording().emf;
    let (mut encoded, mut wire, mut plain) = (0u64, 0u64, 0u64);
    for (request, _) in lens.requests().filter(|(request, _)| request.status != 0) {
        encoded += u64::from(request.flags.has(Flags::GZIP));
        wire += u64::from(request.wire_bytes);
        // The service tells the plain size of price answers only.
        plain += if request.is_priced_answer() && request.status == 200 {
            u64::from(request.plain_bytes)
        } else {
            0
        };
    }
    vec![
        claim(
            "plain bytes of prices",
            "EMF",
            plain as f64,
            Some(emf.sum("api", "BodyBytesIdentity")),
            plain as f64,
        ),
        claim(
            "encoded answers",
            "EMF",
            encoded as f64,
            Some(emf.sum("api", "EncodedResponses")),
            encoded as f64,
        ),
        claim(
            "body bytes sent",
            "EMF",
            wire as f64,
            Some(emf.sum("api", "BodyBytesSent")),
            wire as f64,
        ),
    ]
}
