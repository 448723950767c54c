//! The run's one seed, and the generators that are derived from it.

use std::fmt;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest, Sha256};

/// A seed. Each part of a run draws from a child of its own, so that one more draw in one part moves no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of the part called `name`.
    #[must_use]
    pub fn child(self, name: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(self.0.to_le_bytes())
            .chain_update(name.as_bytes())
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_le_bytes(first))
    }

    /// A generator that starts from this seed.
    #[must_use]
    pub fn rng(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0)
    }
}

/// A uniform draw from 0.0..1.0.
pub(crate) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    // 53 bits: every value is exactly representable.
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_differ_by_name_and_by_seed_and_repeat() {
        let draw = |seed: u64, name: &str| Seed(seed).child(name).rng().next_u64();
        assert_eq!(draw(42, "market"), draw(42, "market"));
        assert_ne!(draw(42, "market"), draw(42, "faults"));
        assert_ne!(draw(42, "market"), draw(43, "market"));
    }
}
