//! Percentiles, shares and the like.

use crate::record::Spread;

/// The value below which the share `p` (0 to 1) of the samples lies: the smallest sample that is not smaller
/// than that share of all (nearest rank). None without samples.
pub(super) fn percentile(samples: impl IntoIterator<Item = f64>, p: f64) -> Option<f64> {
    let mut samples: Vec<f64> = samples.into_iter().collect();
    let rank = ((samples.len() as f64 * p).ceil() as usize).clamp(1, samples.len().max(1)) - 1;
    if samples.is_empty() {
        return None;
    }
    let (_, value, _) = samples.select_nth_unstable_by(rank, f64::total_cmp);
    Some(*value)
}

/// `part ÷ whole`; none of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The share that a metric's last part names: `p50`, `p95`, `p99`, `p999` or `max`.
fn named_share(name: &str) -> Option<f64> {
    match name {
        "p50" => Some(0.5),
        "p95" => Some(0.95),
        "p99" => Some(0.99),
        "p999" => Some(0.999),
        "max" => Some(1.0),
        _ => None,
    }
}

/// The percentile of `samples` that a metric's last part names.
pub(super) fn named(name: &str, samples: impl IntoIterator<Item = f64>) -> Option<f64> {
    percentile(samples, named_share(name)?)
}

/// The percentile of what was counted that a metric's last part names.
pub(super) fn spread(name: &str, samples: &Spread) -> Option<f64> {
    samples.percentile(named_share(name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let hundred = || (1..=100).rev().map(f64::from);
        assert_eq!(named("p50", hundred()), Some(50.0));
        assert_eq!(named("p99", hundred()), Some(99.0));
        assert_eq!(named("p999", hundred()), Some(100.0));
        assert_eq!(named("max", hundred()), Some(100.0));
        assert_eq!(percentile([3.0], 0.0), Some(3.0));
        assert_eq!(percentile([], 0.5), None);
        assert_eq!(named("p42", [1.0]), None);
    }

    #[test]
    fn a_share_of_nothing_is_none() {
        assert_eq!(share(0, 0), None);
        assert_eq!(share(1, 4), Some(0.25));
    }
}
