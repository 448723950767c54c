//! What the service says about itself beside what was seen: EMF documents and `Cache-Status` against clients,
//! store front and fake.
//!
//! In virtual time everything that is seen is seen exactly, so there they must be equal.

use scenarios::format::{FaultKind, fault::ServiceFault, model::ClockKind};

use super::{evidence::Lens, verdict::Claim};

/// On the real clock, the share of a total by which two counts may differ.
const SHARE: f64 = 0.01;
/// On the real clock, the difference that is always allowed: what was in flight when the recording ended.
const COUNTS: f64 = 2.0;
/// Attempts of one refresh, at most.
const ATTEMPTS_MOST: f64 = 3.0;

/// Every number that is known both ways.
pub(super) fn compare(lens: &Lens<'_>) -> Vec<Claim> {
    let mut claims = cache(lens);
    claims.extend(traffic(lens));
    claims.extend(upstream(lens));
    claims.extend(gzip(lens));
    claims
}

/// What EMF says of a total that was seen.
fn claim(lens: &Lens<'_>, what: &str, seen: f64, claimed: f64) -> Claim {
    compared(what, "EMF", seen, claimed, tolerance(lens, seen, 0))
}

/// The difference at which counts of this total still agree, when `unsure` of it may be counted otherwise.
fn tolerance(lens: &Lens<'_>, total: f64, unsure: u64) -> f64 {
    match lens.evidence.clock {
        ClockKind::Virtual => 0.0,
        ClockKind::Real => (total * SHARE).max(COUNTS) + unsure as f64,
    }
}

fn compared(what: &str, by: &str, seen: f64, claimed: f64, tolerance: f64) -> Claim {
    Claim {
        what: what.to_owned(),
        seen,
        claimed: Some(claimed),
        by: by.to_owned(),
        tolerance,
        agrees: (claimed - seen).abs() <= tolerance,
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
    let tolerance = tolerance(lens, total, lens.tally.unsure);
    let both = seen.each().into_iter().zip(claimed.each()).zip(NAMES);
    let mut claims: Vec<Claim> = both
        .flat_map(|(((_, seen), (_, tally)), (what, metric))| {
            [
                compared(what, "Cache-Status", seen as f64, tally as f64, tolerance),
                compared(what, "EMF", seen as f64, emf.sum("api", metric), tolerance),
            ]
        })
        .collect();
    if lens.evidence.clock == ClockKind::Virtual {
        // Two answers that tell each other's story have the right sums.
        let told = total - lens.tally.mistold as f64;
        claims.push(compared(
            "answers that tell their own tier",
            "Cache-Status",
            total,
            told,
            0.0,
        ));
    }
    claims
}

fn traffic(lens: &Lens<'_>) -> Vec<Claim> {
    let emf = &lens.recording().emf;
    let tally = lens.tally;
    // Of what the gateway answers by itself the service knows nothing.
    let answered = (tally.requests - tally.status(0) - tally.by_gateway) as f64;
    let refused = (tally.status(429) - tally.gateway_refused) as f64;
    [
        ("requests answered", answered, "Requests"),
        ("429s given to clients", refused, "RateLimited"),
    ]
    .map(|(what, seen, metric)| claim(lens, what, seen, emf.sum("api", metric)))
    .to_vec()
}

fn upstream(lens: &Lens<'_>) -> Vec<Claim> {
    let emf = &lens.recording().emf;
    let calls = lens.tries().count() as f64;
    let retries = lens.tries().filter(|a_try| a_try.retry > 0).count() as f64;
    let untold = untold_calls(lens);
    let limited = lens.tries().filter(|a_try| a_try.call.status == 429).count() as f64;
    [
        ("CoinGecko calls", calls, "UpstreamCalls"),
        ("CoinGecko retries", retries, "UpstreamRetries"),
        ("429s from CoinGecko", limited, "UpstreamRateLimited"),
    ]
    .map(|(what, seen, metric)| {
        let tolerance = tolerance(lens, seen, 0).max(untold);
        compared(what, "EMF", seen, emf.sum_of_both(metric), tolerance)
    })
    .to_vec()
}

/// Calls that killed processes may have made and not told of: all attempts of a refresh each.
fn untold_calls(lens: &Lens<'_>) -> f64 {
    let evidence = lens.evidence;
    let touched = |index: usize| {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        evidence.recording.touched.get(&index).copied().unwrap_or(0)
    };
    let kills = evidence
        .scenario
        .faults
        .iter()
        .enumerate()
        .filter(|(_, fault)| matches!(fault.kind, FaultKind::Service(ServiceFault::Kill { .. })));
    kills.map(|(index, _)| touched(index)).sum::<u64>() as f64 * ATTEMPTS_MOST
}

fn gzip(lens: &Lens<'_>) -> Vec<Claim> {
    let emf = &lens.recording().emf;
    let tally = lens.tally;
    [
        // The service tells the plain size of price answers only.
        ("plain bytes of prices", tally.priced_bytes, "BodyBytesIdentity"),
        ("encoded answers", tally.encoded, "EncodedResponses"),
        ("body bytes sent", tally.wire_bytes, "BodyBytesSent"),
    ]
    .map(|(what, seen, metric)| claim(lens, what, seen as f64, emf.sum("api", metric)))
    .to_vec()
}
