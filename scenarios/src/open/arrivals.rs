//! When the arrivals of an open loop are due: a rate that is linear between points, even or Poisson gaps.

use std::time::Duration;

use crate::draw::Stream;
use crate::format::model::Arrivals;

/// The due times of a load's arrivals: wall time since its begin, ascending.
///
/// Arrivals are found on the integral of the rate. Poisson arrivals lie on it at sums of exponential draws, even
/// ones at one half, one and a half and so on, so that a load gets as many as its integral says, rounded.
#[derive(Clone, Debug)]
pub(super) struct DueTimes {
    integral: Integral,
    gaps: Gaps,
    /// Where on the integral the last arrival lies.
    last: f64,
    /// Where on the integral the next arrival lies.
    next: f64,
}

#[derive(Clone, Debug)]
enum Gaps {
    Even,
    Poisson(Box<Stream>),
}

impl DueTimes {
    /// The arrivals of a load with these rates (per wall second) and length.
    pub(super) fn new(rates: &[f64], length: Duration, arrivals: Arrivals, stream: Stream) -> Self {
        let (gaps, next) = match arrivals {
            Arrivals::Even => (Gaps::Even, 0.5),
            Arrivals::Poisson => {
                let mut stream = stream;
                let first = stream.exponential();
                (Gaps::Poisson(Box::new(stream)), first)
            }
        };
        Self {
            integral: Integral::new(rates, length),
            gaps,
            last: 0.0,
            next,
        }
    }

    /// Shortens the gap between the last arrival and the next: it comes so many times as fast.
    pub(super) fn hasten(&mut self, factor: f64) {
        if factor != 1.0 {
            self.next = self.last + (self.next - self.last) / factor;
        }
    }
}

impl Iterator for DueTimes {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let due = self.integral.time_of(self.next)?;
        self.last = self.next;
        self.next += match &mut self.gaps {
            Gaps::Even => 1.0,
            Gaps::Poisson(stream) => stream.exponential(),
        };
        Some(due)
    }
}

/// The integral of a rate over time, walked forward.
#[derive(Clone, Debug)]
struct Integral {
    /// Rates at the ends of each segment still ahead, the current one first.
    segments: std::vec::IntoIter<(f64, f64)>,
    current: Option<(f64, f64)>,
    /// Length of a segment, s.
    width: f64,
    /// Begin of the current segment, s.
    begin: f64,
    /// The integral up to there.
    area: f64,
}

impl Integral {
    fn new(rates: &[f64], length: Duration) -> Self {
        let pairs: Vec<(f64, f64)> = match rates {
            [] => Vec::new(),
            [only] => vec![(*only, *only)],
            many => many.windows(2).map(|pair| (pair[0], pair[1])).collect(),
        };
        let width = length.as_secs_f64() / pairs.len().max(1) as f64;
        let mut segments = pairs.into_iter();
        Self {
            current: segments.next(),
            segments,
            width,
            begin: 0.0,
            area: 0.0,
        }
    }

    /// The time at which the integral reaches `area`, which never goes back from call to call.
    fn time_of(&mut self, area: f64) -> Option<Duration> {
        loop {
            let (from, to) = self.current?;
            let whole = f64::midpoint(from, to) * self.width;
            let wanted = area - self.area;
            if wanted < whole {
                // Solves from·x + slope/2·x² = wanted, in the form that is stable for any slope.
                let slope = (to - from) / self.width;
                let root = (from * from + 2.0 * slope * wanted).max(0.0).sqrt();
                let x = if wanted > 0.0 {
                    2.0 * wanted / (from + root)
                } else {
                    0.0
                };
                return Some(Duration::from_secs_f64(self.begin + x.clamp(0.0, self.width)));
            }
            self.area += whole;
            self.begin += self.width;
            self.current = self.segments.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::draw::{Component, Draws};

    fn due(rates: &[f64], seconds: u64, arrivals: Arrivals) -> Vec<f64> {
        let stream = Draws::new(1, "day").stream(Component::Arrivals, 0);
        DueTimes::new(rates, Duration::from_secs(seconds), arrivals, stream)
            .map(|due| due.as_secs_f64())
            .collect()
    }

    #[test]
    fn even_arrivals_have_equal_gaps() {
        assert_eq!(due(&[2.0], 2, Arrivals::Even), [0.25, 0.75, 1.25, 1.75]);
    }

    #[test]
    fn nobody_arrives_while_the_rate_is_zero() {
        let due = due(&[0.0, 0.0, 4.0], 4, Arrivals::Even);
        // 0 for 2 s, then 2 t² arrivals by t: the k-th lies at sqrt((k + 0.5) ).
        let expected: Vec<f64> = [0.5f64, 1.5, 2.5, 3.5]
            .iter()
            .map(|area| 2.0 + area.sqrt())
            .collect();
        assert_eq!(due.len(), expected.len());
        for (due, expected) in due.iter().zip(expected) {
            assert!((due - expected).abs() < 1e-6, "{due} for {expected}");
        }
        assert!(self::due(&[0.0], 10, Arrivals::Poisson).is_empty());
    }

    #[test]
    fn a_gap_is_hastened() {
        let stream = Draws::new(1, "day").stream(Component::Arrivals, 0);
        let mut times = DueTimes::new(&[1.0], Duration::from_secs(5), Arrivals::Even, stream);
        let mut due = Vec::new();
        for factor in [1.0, 4.0, 2.0, 1.0, 1.0, 1.0] {
            due.extend(times.next().map(|due| due.as_secs_f64()));
            times.hasten(factor);
        }
        assert_eq!(due, [0.5, 1.5, 1.75, 2.25, 3.25, 4.25]);
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let due = due(&[100.0], 100, Arrivals::Poisson);
        let gaps: Vec<f64> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * 100.0 - 1.0).abs() < 0.05, "{mean}");
        // The coefficient of variation of an exponential distribution is 1, that of equal gaps 0.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{variance}");
    }

    proptest! {
        #[test]
        fn arrivals_ascend_within_the_load_and_are_as_many_as_the_integral(
            rates in proptest::collection::vec(0.0..20.0f64, 1..5),
            seconds in 1..50u64,
        ) {
            let due = due(&rates, seconds, Arrivals::Even);
            let mean = match rates.as_slice() {
                [only] => *only,
                many => many.windows(2).map(|p| (p[0] + p[1]) / 2.0).sum::<f64>() / (many.len() - 1) as f64,
            };
            prop_assert!((due.len() as f64 - mean * seconds as f64).abs() <= 0.5 + 1e-6);
            prop_assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(due.iter().all(|due| *due <= seconds as f64));
        }
    }
}
