//! What the store front costs: how long calls took behind it and how much it added, as bounded tallies.

/// What the front added to the calls that went through it, and what the store behind it took.
///
/// Added is what passes between the arrival of a request's head and the handing over of its answer, without
/// the time spent on the store. Reading the head and writing the answer to the socket, the kernel's part and
/// the second pass over the loopback interface are not in it: compare latencies with and without the front
/// for those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontCost {
    /// What the front added.
    pub added: Spread,
    /// What the store took, connection included.
    pub store: Spread,
}

/// A summary of durations. Percentiles are exact to 3 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Their sum, microseconds.
    pub sum_us: u64,
    /// Median, microseconds.
    pub p50_us: u32,
    /// 99th percentile, microseconds.
    pub p99_us: u32,
    /// Longest, microseconds.
    pub max_us: u32,
}

impl Spread {
    /// Mean, microseconds; 0 of none.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        self.sum_us as f64 / self.count.max(1) as f64
    }
}

/// Linear steps in each power of two.
const STEPS: u32 = 32;
/// `STEPS` is 2 to this.
const STEP_BITS: u32 = STEPS.ilog2();
/// Enough for every `u32`.
const BUCKETS: usize = (STEPS * (33 - STEP_BITS)) as usize;

/// Durations in logarithmic buckets with linear steps; its size does not grow.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    buckets: Box<[u64]>,
    sum_us: u64,
    max_us: u32,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS].into(),
            sum_us: 0,
            max_us: 0,
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, us: u32) {
        self.buckets[bucket(us)] += 1;
        self.sum_us += u64::from(us);
        self.max_us = self.max_us.max(us);
    }

    pub(super) fn spread(&self) -> Spread {
        let count = self.buckets.iter().sum();
        Spread {
            count,
            sum_us: self.sum_us,
            p50_us: self.percentile(count, 0.50),
            p99_us: self.percentile(count, 0.99),
            max_us: self.max_us,
        }
    }

    /// Nearest rank.
    fn percentile(&self, count: u64, share: f64) -> u32 {
        let rank = ((count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, in_bucket) in self.buckets.iter().enumerate() {
            seen += in_bucket;
            if seen >= rank {
                return highest(index).min(self.max_us);
            }
        }
        0
    }
}

fn bucket(us: u32) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let power = us.ilog2() - STEP_BITS;
    (power * STEPS + (us >> power)) as usize
}

/// The highest value of a bucket.
fn highest(bucket: usize) -> u32 {
    let bucket = bucket as u32;
    if bucket < STEPS {
        return bucket;
    }
    let power = bucket / STEPS - 1;
    let step = u64::from(bucket - power * STEPS);
    (((step + 1) << power) - 1).min(u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_ordered_and_within_three_percent() {
        let mut last = 0;
        for us in (0..5_000).chain([65_535, 1_000_000, u32::MAX - 1, u32::MAX]) {
            let index = bucket(us);
            assert!(index >= last && index < BUCKETS, "{us} is in bucket {index}");
            last = index;
            let top = highest(index);
            assert!(
                top >= us && f64::from(top - us) <= 0.032 * f64::from(us),
                "{us} reads as {top}"
            );
        }
    }

    #[test]
    fn a_spread_tells_what_was_added() {
        assert_eq!(Tally::default().spread(), Spread::default());
        let mut tally = Tally::default();
        (1..=1000).for_each(|us| tally.add(us));
        let spread = tally.spread();
        assert_eq!(
            (spread.count, spread.sum_us, spread.max_us),
            (1000, 500_500, 1000)
        );
        assert!((500..=516).contains(&spread.p50_us), "{spread:?}");
        assert!((990..=1000).contains(&spread.p99_us), "{spread:?}");
        assert!((spread.mean_us() - 500.5).abs() < 1e-9);
    }
}
