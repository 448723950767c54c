//! Everything that a load draws: each component of each user has a generator of its own, derived from the one seed.
//!
//! So a draw that is added in one place moves no other draw, and a run with the same seed asks for the same things
//! in the same order per user, whatever the machine's timing does.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::format::model::Popularity;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    /// The API key of a user.
    Key = 1,
    /// Which journey a user makes next.
    Journey = 2,
    /// The symbols of a request.
    Symbols = 3,
    /// The gaps between the arrivals of a load.
    Arrivals = 4,
}

/// The source of the streams of one load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    seed: u64,
    load: u64,
}

impl Draws {
    /// The streams of the load of this name, in a run with this seed.
    pub(crate) fn new(seed: u64, load: &str) -> Self {
        // FNV-1a: the name only has to tell the loads of one scenario apart.
        let hash = load.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { seed, load: hash }
    }

    /// The stream of a component of the `index`-th user or arrival.
    pub(crate) fn stream(self, component: Component, index: u64) -> Stream {
        let mut key = [0; 32];
        let words = [self.seed, self.load, component as u64, index];
        for (place, word) in key.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Stream(ChaCha8Rng::from_seed(key))
    }
}

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    /// A uniform draw from `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits: every value is exactly representable.
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An exponential draw with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        // 1 - unit is in (0, 1], so the logarithm is finite.
        -(1.0 - self.unit()).ln()
    }
}

/// A choice among things of different weight, by their index.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    weights: Vec<f64>,
    /// Sums of the weights up to and including each.
    cumulative: Vec<f64>,
}

impl Choice {
    /// A choice among things with these weights, each above 0.
    pub(crate) fn weighted(weights: impl IntoIterator<Item = f64>) -> Self {
        let weights: Vec<f64> = weights.into_iter().collect();
        let mut sum = 0.0;
        let cumulative = weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { weights, cumulative }
    }

    /// A choice among `count` things, the most popular first.
    pub(crate) fn popular(popularity: Popularity, count: usize) -> Self {
        Self::weighted((1..=count).map(|rank| match popularity {
            Popularity::Uniform => 1.0,
            Popularity::Zipf { s } => (rank as f64).powf(-s),
        }))
    }

    /// The index of one thing; 0 when there is none to choose.
    pub(crate) fn draw(&self, stream: &mut Stream) -> usize {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let place = stream.unit() * total;
        let index = self.cumulative.partition_point(|sum| *sum <= place);
        index.min(self.weights.len().saturating_sub(1))
    }

    /// The indices of `count` different things, or of all when there are fewer.
    ///
    /// The same distribution as drawing one after the other and taking what is drawn out of the lot, but with one
    /// draw for each thing (Efraimidis and Spirakis 2006): the smallest of independent exponential times with the
    /// weights as rates.
    pub(crate) fn draw_distinct(&self, count: usize, stream: &mut Stream) -> Vec<usize> {
        let mut times: Vec<(f64, usize)> = self
            .weights
            .iter()
            .enumerate()
            .map(|(index, weight)| (stream.exponential() / weight, index))
            .collect();
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        times.into_iter().take(count).map(|(_, index)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn stream(seed: u64) -> Stream {
        Draws::new(seed, "day").stream(Component::Symbols, 0)
    }

    /// How often each of `count` things is drawn in 20,000 draws.
    fn shares(popularity: Popularity, count: usize) -> Vec<f64> {
        const DRAWS: usize = 20_000;
        let choice = Choice::popular(popularity, count);
        let mut stream = stream(7);
        let mut counts = vec![0.0; count];
        for _ in 0..DRAWS {
            counts[choice.draw(&mut stream)] += 1.0 / DRAWS as f64;
        }
        counts
    }

    #[test]
    fn streams_differ_by_seed_load_component_and_user() {
        let first =
            |seed, load, component, index| Draws::new(seed, load).stream(component, index).unit().to_bits();
        let all = [
            first(1, "day", Component::Key, 0),
            first(2, "day", Component::Key, 0),
            first(1, "night", Component::Key, 0),
            first(1, "day", Component::Journey, 0),
            first(1, "day", Component::Key, 1),
        ];
        assert_eq!(BTreeSet::from(all).len(), all.len());
        assert_eq!(all[0], first(1, "day", Component::Key, 0));
    }

    #[test]
    fn draws_follow_their_distribution() {
        for (share, expected) in shares(Popularity::Uniform, 4).iter().zip([0.25; 4]) {
            assert!((share - expected).abs() < 0.02, "{share}");
        }
        // 1, 1/2, 1/3, 1/4 over their sum.
        let zipf = shares(Popularity::Zipf { s: 1.0 }, 4);
        for (share, expected) in zipf.iter().zip([0.48, 0.24, 0.16, 0.12]) {
            assert!((share - expected).abs() < 0.02, "{share} for {expected}");
        }
    }

    #[test]
    fn the_first_of_distinct_draws_follows_the_distribution_too() {
        let choice = Choice::popular(Popularity::Zipf { s: 1.0 }, 4);
        let mut stream = stream(3);
        let hits = (0..20_000)
            .filter(|_| choice.draw_distinct(3, &mut stream).first() == Some(&0))
            .count();
        assert!((hits as f64 / 20_000.0 - 0.48).abs() < 0.02, "{hits}");
    }

    #[test]
    fn nothing_to_choose_is_no_panic() {
        let none = Choice::popular(Popularity::Uniform, 0);
        assert_eq!(none.draw(&mut stream(1)), 0);
        assert!(none.draw_distinct(3, &mut stream(1)).is_empty());
    }

    proptest! {
        #[test]
        fn distinct_draws_are_distinct(seed: u64, s in 0.1..3.0f64, count in 1..60usize, wanted in 1..60usize) {
            let drawn = Choice::popular(Popularity::Zipf { s }, count).draw_distinct(wanted, &mut stream(seed));
            prop_assert_eq!(drawn.len(), wanted.min(count));
            prop_assert!(drawn.iter().all(|index| *index < count));
            prop_assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
        }

        #[test]
        fn a_unit_is_below_one(seed: u64) {
            prop_assert!((0.0..1.0).contains(&stream(seed).unit()));
            prop_assert!(stream(seed).exponential().is_finite());
        }
    }
}
