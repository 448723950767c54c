//! Randomness of the service in virtual time: a generator of its own for each process, from the run's seed.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use rand_chacha::{ChaCha8Rng, rand_core::Rng as _};
use service::rng::Rng;

use crate::seed::Seed;

/// Draws the same numbers in every run with the same seed.
pub(super) struct SeededRng(Mutex<ChaCha8Rng>);

impl SeededRng {
    /// The generator of the process called `process`.
    pub(super) fn of(seed: Seed, process: &str) -> Self {
        Self(Mutex::new(seed.child("service").child(process).rng()))
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}

impl fmt::Debug for SeededRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededRng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_draws_its_own_numbers_again_and_again() {
        let draw = |seed, process| SeededRng::of(Seed(seed), process).next_u64();
        assert_eq!(draw(1, "api-0"), draw(1, "api-0"));
        assert_ne!(draw(1, "api-0"), draw(1, "api-1"));
        assert_ne!(draw(1, "api-0"), draw(2, "api-0"));
    }
}
