//! Which cache tier answered, from what was seen from outside.
//!
//! An answer that lacks a coin is `none`; one whose oldest coin was older than the TTL when the request was sent
//! is `stale`; one with a coin that was stored for it while it was open is `upstream`. What remains was served
//! fresh, from the store as often as users' price reads found all of their coins fresh (less the second reads of
//! those who had waited for another process's refresh), else from memory.

use super::evidence::Lens;
use crate::record::{CacheClaim, Flags, NONE, RequestRecord};

/// Admitted price requests by the tier of their worst coin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    /// Process memory.
    pub memory: u64,
    /// DynamoDB.
    pub store: u64,
    /// A refresh from CoinGecko, collapsed ones too.
    pub upstream: u64,
    /// Older than the TTL.
    pub stale: u64,
    /// Nothing servable.
    pub none: u64,
}

impl Tiers {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.memory + self.store + self.upstream + self.stale + self.none
    }

    /// Name and count of each, best first.
    #[must_use]
    pub fn each(self) -> [(&'static str, u64); 5] {
        [
            ("memory", self.memory),
            ("store", self.store),
            ("upstream", self.upstream),
            ("stale", self.stale),
            ("none", self.none),
        ]
    }
}

/// The truth about the requests of a window.
pub(super) fn seen(lens: &Lens<'_>) -> Tiers {
    let recording = lens.recording();
    let mut tiers = Tiers::default();
    let mut fresh = 0;
    for (request, _) in lens.requests().filter(|(request, _)| request.is_priced_answer()) {
        if request.flags.has(Flags::NOTHING) {
            tiers.none += 1;
        } else if was_stale(request, recording.cache_ttl_ms(), recording.timing.speed) {
            tiers.stale += 1;
        } else if request.flags.has(Flags::REFRESHED) {
            tiers.upstream += 1;
        } else {
            fresh += 1;
        }
    }
    let reads = recording
        .store
        .sum(recording.buckets.within(&lens.wall))
        .fresh_price_reads;
    tiers.store = u64::from(reads).min(fresh);
    tiers.memory = fresh - tiers.store;
    tiers
}

/// Whether the oldest coin was past the TTL already when the request was sent. (At the answer it is older by the
/// time that the request took, which a fast clock makes long.)
fn was_stale(request: &RequestRecord, ttl_ms: i64, speed: f64) -> bool {
    let took_wall_ms = f64::from(request.took_us) * speed / 1000.0;
    request.age_ms != NONE && f64::from(request.age_ms) - took_wall_ms >= ttl_ms as f64
}

/// What `Cache-Status` says about the same requests.
pub(super) fn claimed(lens: &Lens<'_>) -> Tiers {
    let mut tiers = Tiers::default();
    for (request, _) in lens.requests().filter(|(request, _)| request.is_priced_answer()) {
        match request.claim {
            CacheClaim::Memory => tiers.memory += 1,
            CacheClaim::Store => tiers.store += 1,
            CacheClaim::Collapsed | CacheClaim::Fetched => tiers.upstream += 1,
            CacheClaim::Stale => tiers.stale += 1,
            CacheClaim::Nothing => tiers.none += 1,
            CacheClaim::None => {}
        }
    }
    tiers
}
