//! Draws for random timelines, from one generator.

use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use crate::seed::{Seed, unit};

/// A generator with the draws that timelines need.
#[derive(Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of a seed.
    pub(super) fn of(seed: Seed) -> Self {
        Self(seed.rng())
    }

    /// One of `low..=high`, each equally often.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = high.saturating_sub(low).saturating_add(1);
        low + self.0.next_u64() % width
    }

    /// True in so many of a hundred draws.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.between(0, 99) < chance
    }

    /// One of these.
    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let last = choices.len().saturating_sub(1);
        choices[self.between(0, last as u64) as usize]
    }

    /// One of `low..=high`, where each doubling is as likely as the next: short spans as often as long ones.
    pub(super) fn spread(&mut self, low: u64, high: u64) -> u64 {
        let (low, high) = (low.max(1), high.max(low).max(1));
        let ratio = high as f64 / low as f64;
        let drawn = (low as f64 * ratio.powf(unit(&mut self.0))).round() as u64;
        drawn.clamp(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_ends_and_reach_them() {
        let mut dice = Dice::of(Seed(1));
        let drawn: Vec<u64> = (0..500).map(|_| dice.between(3, 5)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&5)));
        let spread: Vec<u64> = (0..2_000).map(|_| dice.spread(10, 1_000)).collect();
        assert!(spread.iter().all(|drawn| (10..=1_000).contains(drawn)));
        let below = spread.iter().filter(|drawn| **drawn < 100).count();
        assert!(
            (900..1_100).contains(&below),
            "half lie in the lower decade: {below}"
        );
        assert_eq!(dice.between(7, 7), 7);
    }
}
