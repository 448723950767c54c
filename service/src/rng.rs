//! Randomness: the one home of drawing from the operating system.

use std::fmt;

/// Source of random numbers for jitter, request ids and lease holders.
pub trait Rng: Send + Sync + fmt::Debug {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;

    /// A uniform draw from `0.0..1.0`.
    fn unit(&self) -> f64 {
        // 53 bits: every value is exactly representable.
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the operating system has a random source");
        u64::from_le_bytes(bytes)
    }
}
