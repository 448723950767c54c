//! Pauses: full jitter between the attempts of one refresh, doubling between refreshes that fail.

use std::time::Duration;

/// Exponential backoff with full jitter: `unit × min(cap, base × 2^(attempt − 1))`, for `unit` from `0.0..1.0`.
///
/// `attempt` is the one that failed, from 1. Source: AWS Architecture Blog, *Exponential Backoff and Jitter*.
#[must_use]
pub fn jittered(attempt: u32, base: Duration, cap: Duration, unit: f64) -> Duration {
    doubled(base, attempt.saturating_sub(1), cap).mul_f64(unit.clamp(0.0, 1.0))
}

/// The pause after `failures` refreshes in a row: `min(cap, floor × 2^(failures − 1))`, wall time.
#[must_use]
pub fn probe(failures: u32, floor: Duration, cap: Duration) -> Duration {
    doubled(floor, failures.saturating_sub(1), cap)
}

fn doubled(base: Duration, times: u32, cap: Duration) -> Duration {
    2u32.checked_pow(times)
        .and_then(|factor| base.checked_mul(factor))
        .map_or(cap, |pause| pause.min(cap))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn probes_double_from_the_floor_to_the_cap() {
        let pauses: Vec<_> = (0..=6)
            .map(|failures| probe(failures, s(15), s(240)).as_secs())
            .collect();
        assert_eq!(pauses, [15, 15, 30, 60, 120, 240, 240]);
        assert_eq!(probe(u32::MAX, s(15), s(240)), s(240));
    }

    proptest! {
        #[test]
        fn jitter_stays_between_zero_and_the_doubled_base(
            attempt in 1u32..100, base in 1u64..10_000, cap in 1u64..100_000, unit in 0.0f64..1.0,
        ) {
            let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
            let pause = jittered(attempt, base, cap, unit);
            let top = base.as_secs_f64() * 2f64.powi(i32::try_from(attempt).unwrap_or(i32::MAX) - 1);
            prop_assert!(pause <= cap);
            prop_assert!(pause.as_secs_f64() <= top + 1e-9);
        }

        #[test]
        fn more_jitter_never_waits_less(attempt in 1u32..40, a in 0.0f64..1.0, b in 0.0f64..1.0) {
            let of = |unit| jittered(attempt, s(1), s(60), unit);
            prop_assert!(of(a.min(b)) <= of(a.max(b)));
        }
    }
}
