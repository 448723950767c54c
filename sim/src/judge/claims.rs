//! What the service says about itself beside what was seen: EMF documents and `Cache-Status` against clients,
//! store front and fake.

use super::{evidence::Lens, verdict::Claim};

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
    let (seen, claimed) = (lens.tally.tiers, lens.tally.said);
    let total = seen.total() as f64;
    if seen.total() == 0 {
        return Vec::new();
    }
    let emf = &lens.recording().emf;
    // What cannot be told from outside cannot be held against the service.
    let tolerance = (total * SHARE).max(COUNTS) + lens.tally.unsure as f64;
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
    let tally = lens.tally;
    let answered = (tally.requests - tally.status(0)) as f64;
    let rejected = tally.status(429) as f64;
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
    let tally = lens.tally;
    // The service tells the plain size of price answers only.
    let plain = tally.priced_bytes as f64;
    let (encoded, wire) = (tally.encoded as f64, tally.wire_bytes as f64);
    vec![
        claim(
            "plain bytes of prices",
            "EMF",
            plain,
            Some(emf.sum("api", "BodyBytesIdentity")),
            plain,
        ),
        claim(
            "encoded answers",
            "EMF",
            encoded,
            Some(emf.sum("api", "EncodedResponses")),
            encoded,
        ),
        claim(
            "body bytes sent",
            "EMF",
            wire,
            Some(emf.sum("api", "BodyBytesSent")),
            wire,
        ),
    ]
}
