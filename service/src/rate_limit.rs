//! The rate limit: rolling by two counters, one minute each.
//!
//! What was used of the previous window counts in proportion to how much of it still lies within the last
//! minute: `room = floor(limit − prev · (1 − elapsed / window))` requests may have been counted in this one.
//! The decision is pure; [`Limiter`] adds the two store requests it needs.
//!
//! Bounds: a fixed window never admits more than the limit, but for updates in flight at its boundary and for
//! clock skew × rate; up to 2 · limit − 1 in an unlucky exact minute is inherent in two counters; an evenly
//! spaced client at twice its limit L ≥ 2 gets at least 1 − 1/L of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::OnceCell;

use crate::{
    clock::Timestamp,
    models::{ByKey, KeyId},
    store::{Capacity, Counted, Store, StoreError},
};

/// Length of a counter's window, milliseconds.
pub const WINDOW_MS: i64 = 60_000;

/// How long a counter is kept after its window began, seconds: DynamoDB deletes it some time later.
const COUNTER_TTL_S: i64 = 3600;

/// Previous windows' counts that are kept, one a key: far more than keys seen by one process in a minute.
const KEPT_KEYS: usize = 10_000;

/// Where in time a request falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The window: epoch minutes.
    pub window: i64,
    /// Milliseconds since it began, `0..WINDOW_MS`.
    pub elapsed_ms: i64,
}

impl Position {
    /// The position of an instant.
    #[must_use]
    pub const fn of(now: Timestamp) -> Self {
        Self {
            window: now.0.div_euclid(WINDOW_MS),
            elapsed_ms: now.0.rem_euclid(WINDOW_MS),
        }
    }

    /// Wall time left in this window.
    #[must_use]
    pub fn left(self) -> Duration {
        millis(WINDOW_MS - self.elapsed_ms)
    }
}

/// How many requests this window may count so that one more is admitted: below one, none is.
#[must_use]
pub fn room(limit: u32, previous: u32, elapsed_ms: i64) -> i64 {
    // Whole numbers throughout: floor(limit − prev · (W − e) / W) over the common denominator W.
    (i64::from(limit) * WINDOW_MS - i64::from(previous) * (WINDOW_MS - elapsed_ms)).div_euclid(WINDOW_MS)
}

/// How long a client that was refused must stay silent to be admitted: exact, in wall time.
///
/// `count` is what this window has counted. It is also right after any longer silence, so that it may be
/// rounded up: at the start of the next window there is room for `limit − count`, and it only grows.
#[must_use]
pub fn silence_needed(limit: u32, previous: u32, count: u32, elapsed_ms: i64) -> Duration {
    if count < limit
        && let Some(at) = first_admission(limit, previous, count)
        && at < WINDOW_MS
    {
        return millis((at - elapsed_ms).max(0));
    }
    // In the next window this one's count is the previous one, and nothing is counted yet.
    let at = first_admission(limit, count, 0).unwrap_or(WINDOW_MS);
    millis(WINDOW_MS - elapsed_ms + at)
}

/// The least `elapsed_ms` in `0..=WINDOW_MS` at which `room > count`; none when the window has none.
fn first_admission(limit: u32, previous: u32, count: u32) -> Option<i64> {
    // limit·W − prev·(W − e) ≥ (count + 1)·W  ⇔  prev·e ≥ (count + 1 − limit + prev)·W
    let (limit, previous, count) = (i64::from(limit), i64::from(previous), i64::from(count));
    let needed = (count + 1 - limit + previous) * WINDOW_MS;
    if needed <= 0 {
        return Some(0);
    }
    if previous == 0 {
        return None;
    }
    let at = (needed + previous - 1) / previous;
    (at <= WINDOW_MS).then_some(at)
}

/// What the limiter says about one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether it is admitted.
    pub outcome: Outcome,
    /// What deciding cost.
    pub consumed: Capacity,
}

/// Admitted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Counted and let through.
    Admitted {
        /// Requests that are left at this instant.
        remaining: u32,
        /// Wall time until the window ends.
        reset: Duration,
    },
    /// Neither counted nor let through.
    Refused {
        /// The silence after which the client is admitted, wall time.
        retry_after: Duration,
    },
}

/// The limiter of one process: what it remembers of previous windows.
#[derive(Debug, Default)]
pub struct Limiter(Mutex<Windows>);

/// The previous window's count of each key, read once.
#[derive(Debug, Default)]
struct Windows {
    by_key: ByKey<Previous>,
    /// Keys in the order of their first use, to forget the oldest.
    order: VecDeque<KeyId>,
}

#[derive(Clone, Debug)]
struct Previous {
    /// The current window that this is the previous one's count of.
    window: i64,
    /// Filled by the first request; those that come meanwhile wait for it.
    count: Arc<OnceCell<u32>>,
}

impl Limiter {
    /// Decides about one request of `key` at `now`, counting it when it is admitted.
    ///
    /// # Errors
    /// The store's: a request that cannot be counted is not admitted.
    pub async fn admit(
        &self,
        store: &dyn Store,
        key: &KeyId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Verdict, StoreError> {
        let Position { window, elapsed_ms } = Position::of(now);
        let mut consumed = Capacity::default();
        let cell = self.previous(key, window);
        let previous = *cell
            .get_or_try_init(|| async {
                let read = store.request_count(key, window - 1).await?;
                consumed = read.consumed;
                Ok::<_, StoreError>(read.value)
            })
            .await?;
        let refused = |count| Outcome::Refused {
            retry_after: silence_needed(limit, previous, count, elapsed_ms),
        };
        let outcome = match u32::try_from(room(limit, previous, elapsed_ms)) {
            // Room only grows within a window, so nothing was admitted in this one either: its count is 0.
            Err(_) | Ok(0) => refused(0),
            Ok(room) => {
                let ttl_s = window * WINDOW_MS / 1000 + COUNTER_TTL_S;
                match store
                    .count_request(key, window, room, ttl_s)
                    .await?
                    .charge(&mut consumed)
                {
                    Counted::Admitted { count } => Outcome::Admitted {
                        remaining: room.saturating_sub(count),
                        reset: Position { window, elapsed_ms }.left(),
                    },
                    Counted::Refused { count } => refused(count),
                }
            }
        };
        Ok(Verdict { outcome, consumed })
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.windows().by_key.len()
    }

    fn previous(&self, key: &KeyId, window: i64) -> Arc<OnceCell<u32>> {
        let mut windows = self.windows();
        if let Some(known) = windows.by_key.get_mut(key) {
            if known.window != window {
                *known = Previous {
                    window,
                    count: Arc::default(),
                };
            }
            return known.count.clone();
        }
        if windows.by_key.len() >= KEPT_KEYS
            && let Some(oldest) = windows.order.pop_front()
        {
            windows.by_key.remove(&oldest);
        }
        let count = Arc::new(OnceCell::new());
        windows.by_key.insert(
            key.clone(),
            Previous {
                window,
                count: count.clone(),
            },
        );
        windows.order.push_back(key.clone());
        count
    }

    fn windows(&self) -> std::sync::MutexGuard<'_, Windows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn room_is_the_stated_formula() {
        assert_eq!(room(100, 0, 0), 100);
        assert_eq!(room(100, 100, 0), 0);
        assert_eq!(room(100, 100, 30_000), 50);
        assert_eq!(room(100, 100, 59_999), 99, "rounded down, never up");
        assert_eq!(room(10, 7, 20_000), 5);
        assert_eq!(
            room(10, 30, 0),
            -20,
            "the previous window may hold more when the limit was lowered"
        );
    }

    #[test]
    fn a_limit_of_one_is_a_request_every_other_window_at_worst() {
        // One at the start of a window: the next window has room only once the whole of it has passed.
        assert_eq!(silence_needed(1, 0, 1, 0), Duration::from_secs(120));
        assert_eq!(silence_needed(2, 0, 2, 0), Duration::from_secs(90));
    }

    /// Whether a silent client is admitted `silence` later, by the rule itself.
    fn admitted_after(limit: u32, previous: u32, count: u32, elapsed_ms: i64, silence_ms: i64) -> bool {
        let at = elapsed_ms + silence_ms;
        match at / WINDOW_MS {
            0 => room(limit, previous, at) > i64::from(count),
            1 => room(limit, count, at - WINDOW_MS) >= 1,
            _ => room(limit, 0, 0) >= 1,
        }
    }

    proptest! {
        #[test]
        fn the_silence_needed_is_enough_also_rounded_up_and_not_too_long(
            limit in 1u32..300, previous in 0u32..600, count in 0u32..300, elapsed_ms in 0..WINDOW_MS,
        ) {
            prop_assume!(i64::from(count) >= room(limit, previous, elapsed_ms));
            let silence = i64::try_from(silence_needed(limit, previous, count, elapsed_ms).as_millis()).expect("fits");
            for longer in [0, 1, 999, 1000, 60_000, 120_000] {
                prop_assert!(admitted_after(limit, previous, count, elapsed_ms, silence + longer), "{silence} + {longer}");
            }
            prop_assert!(silence > 0);
            prop_assert!(!admitted_after(limit, previous, count, elapsed_ms, silence - 1), "{silence} is too long");
        }

        #[test]
        fn no_fixed_window_admits_more_than_the_limit(
            limit in 1u32..50, gaps in proptest::collection::vec(0i64..5_000, 1..600),
        ) {
            let (mut now, mut counts) = (0, BTreeMap::<i64, u32>::new());
            let mut admitted = Vec::new();
            for gap in gaps {
                now += gap;
                let Position { window, elapsed_ms } = Position::of(Timestamp(now));
                let previous = counts.get(&(window - 1)).copied().unwrap_or(0);
                let count = counts.entry(window).or_default();
                if i64::from(*count) < room(limit, previous, elapsed_ms) {
                    *count += 1;
                    admitted.push(now);
                }
            }
            prop_assert!(counts.values().all(|count| *count <= limit));
            let worst = admitted
                .iter()
                .map(|start| admitted.iter().filter(|at| (*start..start + WINDOW_MS).contains(*at)).count())
                .max()
                .unwrap_or(0);
            prop_assert!(worst < 2 * limit as usize, "{worst} in an exact minute at a limit of {limit}");
        }

        #[test]
        fn an_evenly_spaced_client_at_twice_its_limit_gets_nearly_all_of_it(limit in 2u32..120) {
            let spacing = WINDOW_MS as f64 / (2.0 * f64::from(limit));
            let (mut counts, mut admitted) = (BTreeMap::<i64, u32>::new(), 0u32);
            // An hour, after three windows to settle.
            for n in 0..i64::from(limit) * 2 * 63 {
                let now = (n as f64 * spacing) as i64;
                let Position { window, elapsed_ms } = Position::of(Timestamp(now));
                let previous = counts.get(&(window - 1)).copied().unwrap_or(0);
                let count = counts.entry(window).or_default();
                if i64::from(*count) < room(limit, previous, elapsed_ms) {
                    *count += 1;
                    admitted += u32::from(window >= 3);
                }
            }
            // 1 − 1/L of the limit, for sixty windows.
            prop_assert!(admitted >= (limit - 1) * 60, "{admitted} in an hour at a limit of {limit}");
        }
    }
}
