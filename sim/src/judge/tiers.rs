//! Which cache tier answered: as seen from outside, and as the service says.

use super::evidence::Lens;
use crate::record::{CacheClaim, Tier};

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

/// What was seen of the requests of a window.
pub(super) fn seen(lens: &Lens<'_>) -> Tiers {
    let mut tiers = Tiers::default();
    for (request, _) in lens.requests() {
        match request.tier {
            Some(Tier::Memory) => tiers.memory += 1,
            Some(Tier::Store) => tiers.store += 1,
            Some(Tier::Upstream) => tiers.upstream += 1,
            Some(Tier::Stale) => tiers.stale += 1,
            Some(Tier::Nothing) => tiers.none += 1,
            None => {}
        }
    }
    tiers
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
