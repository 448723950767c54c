//! Retries as the fake saw them: which call is a first try and which a retry, how long each retry waited, and
//! whether its jitter is full.

use crate::record::{CallRecord, Tenure};

/// A call with its place under a lease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Try {
    /// The call.
    pub call: CallRecord,
    /// How many calls were made before it under the same lease; 0 = a first try.
    pub retry: u32,
    /// The call before it under the same lease.
    pub previous: Option<CallRecord>,
    /// Whether any lease was held when it came.
    pub leased: bool,
}

impl Try {
    /// Real seconds from the previous answer to this retry. None for a first try, and after a call that the
    /// client gave up before the fake had finished with it.
    #[must_use]
    pub fn delay_s(&self) -> Option<f64> {
        let previous = self.previous.filter(|previous| previous.complete)?;
        Some(self.call.at_us.checked_sub(previous.done_us)? as f64 / 1e6)
    }
}

/// Gives each call its place: a call goes to the oldest lease held at the time that has seen none yet, else it
/// is a retry under the lease acquired last whose calls have all been answered. By arrival.
#[must_use]
pub fn attribute(calls: &[CallRecord], tenures: &[Tenure]) -> Vec<Try> {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|call| call.at_us);
    let mut made: Vec<Option<(u32, CallRecord)>> = vec![None; tenures.len()];
    let mut first_open = 0;
    let place = |call: CallRecord| {
        while tenures
            .get(first_open)
            .is_some_and(|tenure| tenure.released_us < call.at_us)
        {
            first_open += 1;
        }
        let held = |index: &usize| {
            let tenure = &tenures[*index];
            tenure.acquired_us <= call.at_us && call.at_us <= tenure.released_us
        };
        let open: Vec<usize> = (first_open..tenures.len())
            .take_while(|index| tenures[*index].acquired_us <= call.at_us)
            .filter(held)
            .collect();
        let unused = open.iter().copied().find(|index| made[*index].is_none());
        let answered = |index: &usize| made[*index].is_some_and(|(_, last)| last.done_us <= call.at_us);
        let index = unused
            .or_else(|| open.iter().copied().rev().find(answered))
            .or(open.last().copied());
        let Some(index) = index else {
            return Try {
                call,
                retry: 0,
                previous: None,
                leased: false,
            };
        };
        let before = made[index];
        let retry = before.map_or(0, |(retries, _)| retries + 1);
        made[index] = Some((retry, call));
        Try {
            call,
            retry,
            previous: before.map(|(_, last)| last),
            leased: true,
        }
    };
    calls.into_iter().map(place).collect()
}

/// The longest time, real seconds, that full jitter may add before retry `n` (from 1): `min(cap, base × 2^(n−1))`.
#[must_use]
pub fn jitter_bound_s(base_s: f64, cap_s: f64, n: u32) -> f64 {
    (base_s * 2f64.powi(i32::try_from(n.saturating_sub(1)).unwrap_or(i32::MAX))).min(cap_s)
}

/// The Kolmogorov-Smirnov distance between samples and the uniform distribution on 0 to 1.
#[must_use]
pub fn ks_uniform(samples: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = samples.iter().map(|sample| sample.clamp(0.0, 1.0)).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let distance = |(index, sample): (usize, &f64)| {
        let (below, above) = (index as f64 / n, (index as f64 + 1.0) / n);
        (sample - below).max(above - sample)
    };
    sorted.iter().enumerate().map(distance).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::Rng;

    use super::*;
    use crate::{record::HolderKind, seed::Seed};

    fn call(at_us: u64, done_us: u64, status: u16) -> CallRecord {
        CallRecord {
            at_us,
            done_us,
            retry_after_s: None,
            status,
            complete: true,
            credit: false,
        }
    }

    fn tenure(acquired_us: u64, released_us: u64) -> Tenure {
        Tenure {
            acquired_us,
            released_us,
            kind: HolderKind::Api,
            seen_by_api: false,
        }
    }

    fn retries(calls: &[CallRecord], tenures: &[Tenure]) -> Vec<u32> {
        attribute(calls, tenures)
            .iter()
            .map(|a_try| a_try.retry)
            .collect()
    }

    #[test]
    fn the_first_call_under_each_lease_is_a_first_try() {
        let calls = [
            call(10, 20, 429),
            call(120, 130, 503),
            call(400, 410, 200),
            call(1010, 1020, 200),
        ];
        let tries = attribute(&calls, &[tenure(5, 500), tenure(1000, u64::MAX)]);
        assert_eq!(
            tries.iter().map(|a_try| a_try.retry).collect::<Vec<_>>(),
            [0, 1, 2, 0]
        );
        assert_eq!(tries[1].delay_s(), Some(100e-6));
        assert_eq!(tries[3].delay_s(), None);
        assert!(tries.iter().all(|a_try| a_try.leased));
    }

    #[test]
    fn leases_held_at_once_each_get_their_first_try() {
        let calls = [call(10, 50, 200), call(12, 60, 200), call(70, 80, 200)];
        assert_eq!(retries(&calls, &[tenure(1, 100), tenure(2, 100)]), [0, 0, 1]);
    }

    #[test]
    fn a_call_without_a_lease_is_told_apart() {
        let tries = attribute(&[call(10, 20, 200)], &[]);
        assert!(!tries[0].leased && tries[0].retry == 0);
    }

    #[test]
    fn a_hung_call_gives_no_delay() {
        let tries = attribute(&[call(10, 900, 0), call(510, 520, 200)], &[tenure(1, 1000)]);
        assert_eq!((tries[1].retry, tries[1].delay_s()), (1, None));
    }

    #[test]
    fn ks_tells_full_jitter_from_none() {
        let mut rng = Seed(7).rng();
        let mut draw = || rng.next_u64() as f64 / u64::MAX as f64;
        let uniform: Vec<f64> = (0..500).map(|_| draw()).collect();
        let half: Vec<f64> = (0..500).map(|_| 0.5 + draw() / 2.0).collect();
        assert!(ks_uniform(&uniform) < 0.08, "{}", ks_uniform(&uniform));
        assert!(ks_uniform(&half) > 0.4, "{}", ks_uniform(&half));
        assert!(ks_uniform(&[1.0; 40]) > 0.9);
        assert!((ks_uniform(&[0.25, 0.75]) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn the_jitter_bound_doubles_up_to_its_cap() {
        let bounds: Vec<f64> = (1..6).map(|n| jitter_bound_s(0.2, 1.0, n)).collect();
        assert_eq!(bounds, [0.2, 0.4, 0.8, 1.0, 1.0]);
    }
}
