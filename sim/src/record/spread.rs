//! How samples spread: percentiles in memory that does not grow with their number.

use hdrhistogram::Histogram;

/// Significant digits that are kept of a sample.
const DIGITS: u8 = 3;

/// Larger samples than so many steps count as so many (but for the maximum): 35 years of microseconds.
const MOST_STEPS: u64 = 1 << 50;

/// A distribution of samples that are not negative.
///
/// Count and maximum are exact. A percentile is at most 0.1 % above the sample that it stands for (nearest rank), and
/// never above the maximum; below 2048 steps it is exact to the step.
#[derive(Clone, Debug)]
pub struct Spread {
    /// Steps in one unit of the samples.
    per_unit: f64,
    /// Counts of the samples in steps; none before the first sample.
    steps: Option<Histogram<u32>>,
    max: f64,
}

impl Spread {
    /// An empty distribution that tells samples apart by `1 / per_unit`.
    #[must_use]
    pub fn new(per_unit: f64) -> Self {
        Self {
            per_unit,
            steps: None,
            max: 0.0,
        }
    }

    /// Takes in a sample.
    pub fn record(&mut self, sample: f64) {
        self.max = self.max.max(sample);
        self.count_in(sample, 1);
    }

    /// The sum of the samples, to 0.1 %.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.steps
            .as_ref()
            .map_or(0.0, |steps| steps.mean() * steps.len() as f64 / self.per_unit)
    }

    /// The same distribution with so many samples of 0 more.
    #[must_use]
    pub fn with_zeros(&self, zeros: u64) -> Self {
        let mut more = self.clone();
        if zeros > 0 {
            more.count_in(0.0, u32::try_from(zeros).unwrap_or(u32::MAX));
        }
        more
    }

    fn count_in(&mut self, sample: f64, count: u32) {
        let steps = ((sample * self.per_unit).round() as u64).min(MOST_STEPS);
        if self.steps.is_none() {
            self.steps = Histogram::new(DIGITS).ok();
        }
        if let Some(histogram) = &mut self.steps {
            // It grows to hold whatever is at most `MOST_STEPS`, so that nothing is lost.
            let _ = histogram.record_n(steps, count);
        }
    }

    /// How many samples there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.steps.as_ref().map_or(0, Histogram::len)
    }

    /// The value below which the share `p` (0 to 1) of the samples lies: the smallest sample that is not smaller
    /// than that share of all (nearest rank). None without samples.
    #[must_use]
    pub fn percentile(&self, p: f64) -> Option<f64> {
        let histogram = self.steps.as_ref().filter(|histogram| !histogram.is_empty())?;
        if p >= 1.0 {
            return Some(self.max);
        }
        let value = histogram.value_at_quantile(p) as f64 / self.per_unit;
        Some(value.min(self.max))
    }

    /// Bytes that the counts take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let counts = self.steps.as_ref().map_or(0, Histogram::distinct_values);
        counts * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(samples: impl IntoIterator<Item = f64>) -> Spread {
        let mut spread = Spread::new(1e6);
        samples.into_iter().for_each(|sample| spread.record(sample));
        spread
    }

    #[test]
    fn percentiles_are_nearest_rank_within_a_thousandth() {
        let hundred = spread((1..=100).rev().map(f64::from));
        for (p, rank) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (0.999, 100.0)] {
            let found = hundred.percentile(p).unwrap_or(f64::NAN);
            assert!((rank..=rank * 1.001).contains(&found), "{p}: {found}");
        }
        assert_eq!(hundred.count(), 100);
        assert_eq!(spread([]).percentile(0.5), None);
    }

    #[test]
    fn the_maximum_is_exact_and_nothing_lies_above_it() {
        let most = 12_345.678_901_2;
        let spread = spread([0.0, most, 0.001]);
        assert_eq!(spread.percentile(1.0), Some(most));
        assert_eq!(spread.percentile(0.999), Some(most));
        assert_eq!(spread.percentile(0.5), Some(0.001), "small samples are exact");
    }

    #[test]
    fn zeros_stand_for_samples_that_need_no_telling() {
        let some = spread([2.0, 3.0]);
        let all = some.with_zeros(98);
        assert_eq!((all.count(), some.count()), (100, 2));
        assert_eq!(
            (all.percentile(0.98), all.percentile(1.0)),
            (Some(0.0), Some(3.0))
        );
        assert!(all.percentile(0.99).is_some_and(|p99| (p99 - 2.0).abs() < 0.002));
        assert_eq!(spread([]).with_zeros(1).percentile(1.0), Some(0.0));
    }

    #[test]
    fn memory_grows_with_the_largest_sample_and_not_with_their_number() {
        let few = spread([10.0]).bytes();
        assert_eq!(spread((0..50_000).map(|n| f64::from(n) / 5_000.0)).bytes(), few);
        assert!(few < 64 * 1024, "{few} bytes");
        assert!(spread([f64::INFINITY]).bytes() < 256 * 1024);
    }
}
