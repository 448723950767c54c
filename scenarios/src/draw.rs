//! Everything that loads and faults draw: each component of each user, and each fault, has a generator of its own,
//! derived from the one seed.
//!
//! So a draw that is added in one place moves no other draw, and a run with the same seed asks for the same things
//! in the same order per user, whatever the machine's timing does.

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
    /// Which events a fault touches.
    Fault = 5,
    /// The disabled key of a load.
    DisabledKey = 6,
    /// Keys that do not exist.
    BadKey = 7,
    /// When a fault begins.
    FaultBegin = 8,
}

/// The source of the streams of one load or fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    seed: u64,
    name: u64,
}

impl Draws {
    /// The streams of the load or fault of this name, in a run with this seed.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a: the name only has to tell the loads and faults of one scenario apart.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { seed, name: hash }
    }

    /// The seed of the faults of a load's users.
    pub(crate) fn of_faults(self) -> u64 {
        self.stream(Component::Fault, 0).bits()
    }

    /// The stream of a component of the `index`-th user or arrival.
    pub(crate) fn stream(self, component: Component, index: u64) -> Stream {
        let words = [self.seed, self.name, component as u64, index];
        Stream(
            words
                .into_iter()
                .fold(0, |state, word| mix((state ^ word).wrapping_add(GAMMA))),
        )
    }
}

/// A sequence of random numbers: `SplitMix64` (Steele, Lea and Flood 2014), which is made to be split into many short
/// streams. A stream is one word and costs next to nothing to begin, of which each of a million arrivals needs three.
#[derive(Clone, Debug)]
pub(crate) struct Stream(u64);

/// The distance of two states that follow each other: odd, near 2^64 over the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes the bits of a state. No two states give the same.
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

impl Stream {
    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A uniform draw from `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits: every value is exactly representable.
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
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

    /// The indices of `count` different things, or of all when there are fewer: one drawn after the other, each taken
    /// out of the lot. One draw for each thing.
    pub(crate) fn draw_distinct<'a>(&'a self, count: usize, stream: &'a mut Stream) -> Distinct<'a> {
        let left = count.min(self.weights.len());
        Distinct {
            choice: self,
            stream,
            taken: Vec::with_capacity(left),
            left,
        }
    }
}

/// See [`Choice::draw_distinct`].
#[derive(Debug)]
pub(crate) struct Distinct<'a> {
    choice: &'a Choice,
    stream: &'a mut Stream,
    /// What has been drawn, ascending.
    taken: Vec<usize>,
    left: usize,
}

impl Iterator for Distinct<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let Choice { weights, cumulative } = self.choice;
        let taken: f64 = self.taken.iter().map(|index| weights[*index]).sum();
        // A place on what is left of the line, moved past each piece that was taken out before it.
        let mut place = self.stream.unit() * (cumulative.last()? - taken);
        for index in &self.taken {
            if place >= cumulative[*index] - weights[*index] {
                place += weights[*index];
            }
        }
        let mut index = cumulative
            .partition_point(|sum| *sum <= place)
            .min(weights.len() - 1);
        // Rounding may lead to the edge of a piece that was taken: its next neighbour that is left, then.
        while self.taken.binary_search(&index).is_ok() {
            index = (index + 1) % weights.len();
        }
        let at = self.taken.partition_point(|other| *other < index);
        self.taken.insert(at, index);
        Some(index)
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
            .filter(|_| choice.draw_distinct(3, &mut stream).next() == Some(0))
            .count();
        assert!((hits as f64 / 20_000.0 - 0.48).abs() < 0.02, "{hits}");
    }

    #[test]
    fn distinct_draws_are_draws_without_what_was_drawn() {
        let weights = [4.0, 3.0, 2.0, 1.0];
        let choice = Choice::weighted(weights);
        let mut stream = stream(5);
        let mut shares = std::collections::BTreeMap::new();
        for _ in 0..50_000 {
            let drawn: Vec<usize> = choice.draw_distinct(3, &mut stream).collect();
            *shares.entry(drawn).or_insert(0.0) += 1.0 / 50_000.0;
        }
        assert_eq!(shares.len(), 24);
        for (drawn, share) in shares {
            let mut left: f64 = weights.iter().sum();
            let mut expected = 1.0;
            for index in &drawn {
                expected *= weights[*index] / left;
                left -= weights[*index];
            }
            // Five standard deviations of a share of 50,000.
            let bound = 5.0 * (expected / 50_000.0f64).sqrt();
            assert!(
                (share - expected).abs() < bound,
                "{drawn:?}: {share} for {expected}"
            );
        }
    }

    #[test]
    fn nothing_to_choose_is_no_panic() {
        let none = Choice::popular(Popularity::Uniform, 0);
        assert_eq!(none.draw(&mut stream(1)), 0);
        assert_eq!(none.draw_distinct(3, &mut stream(1)).count(), 0);
    }

    proptest! {
        #[test]
        fn distinct_draws_are_distinct(seed: u64, s in 0.1..3.0f64, count in 1..60usize, wanted in 1..60usize) {
            let choice = Choice::popular(Popularity::Zipf { s }, count);
            let drawn: Vec<usize> = choice.draw_distinct(wanted, &mut stream(seed)).collect();
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
