//! The reference limiter: replays the stated rolling rule over the admissions that the store front saw.
//!
//! The rule (two counters of a minute each): `room = floor(limit − prev × (1 − elapsed ÷ 60 s))`; a request is
//! admitted when fewer than `room` requests were admitted in this window before it. What the rule knows at a
//! request's arrival can only be bounded from outside: it arrived between send and answer, the counter moved in
//! between, and the previous window's count was read once, perhaps while its last updates were in flight. So
//! each question is asked twice, at the most generous and at the strictest choice.

use std::{collections::BTreeMap, ops::RangeInclusive};

use crate::record::{AdmissionRecord, NONE, Recording, RequestRecord, Timing};

/// Length of a counter's window, wall ms.
const WINDOW_MS: i64 = 60_000;

/// How far the clocks of two processes of a run may be apart, real µs. They share one anchor, read once.
pub const CLOCK_SLACK_US: u64 = 2_000;

/// What a request may rightly be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The limit admits it at every instant at which it can have arrived.
    Owed,
    /// The limit refuses it at every such instant.
    Refuse,
    /// Both answers are right.
    Either,
}

/// Admissions of one key: by window, the real instants at which the store answered, rising.
type Windows = BTreeMap<i64, Vec<u64>>;

/// The reference limiter of a run.
#[derive(Clone, Debug)]
pub struct Limiter {
    limit: u32,
    timing: Timing,
    keys: BTreeMap<u32, Windows>,
}

impl Limiter {
    /// The limiter that has admitted what the recording says.
    #[must_use]
    pub fn new(limit: u32, recording: &Recording) -> Self {
        Self::over(limit, recording.timing, recording.admissions.iter())
    }

    /// The limiter that has admitted `admissions`.
    pub fn over<'a>(
        limit: u32,
        timing: Timing,
        admissions: impl IntoIterator<Item = &'a AdmissionRecord>,
    ) -> Self {
        let mut keys: BTreeMap<u32, Windows> = BTreeMap::new();
        for admission in admissions.into_iter().filter(|admission| admission.admitted) {
            let windows = keys.entry(admission.key).or_default();
            windows
                .entry(i64::from(admission.window))
                .or_default()
                .push(admission.at_us);
        }
        for window in keys.values_mut().flat_map(BTreeMap::values_mut) {
            window.sort_unstable();
        }
        Self { limit, timing, keys }
    }

    /// What the limit owes to a request. One without a key is never limited.
    #[must_use]
    pub fn class(&self, request: &RequestRecord) -> Class {
        if request.key == NONE {
            return Class::Owed;
        }
        let admitted = request.status != 429;
        let (from, to) = (
            request.sent_us.saturating_sub(CLOCK_SLACK_US),
            request.answered_us() + CLOCK_SLACK_US,
        );
        let windows = self.window(from)..=self.window(to);
        let mut always = true;
        let mut ever = false;
        for window in windows {
            // A request that was admitted must not stand in its own way: one admission among those that can be
            // its own is left out.
            let own = u64::from(admitted && self.count(request.key, window, from..=to) > 0);
            let (start, end) = (self.elapsed(window, from), self.elapsed(window, to));
            let before = self.count(request.key, window, 0..=from.saturating_sub(1));
            let after = self.count(request.key, window, 0..=to).saturating_sub(own);
            always &= after < self.room(request.key, window, start, Previous::Most);
            ever |= before < self.room(request.key, window, end, Previous::Least);
        }
        match (always, ever) {
            (true, _) => Class::Owed,
            (false, true) => Class::Either,
            (false, false) => Class::Refuse,
        }
    }

    /// Admissions beyond the rule at its most generous, whose store answers lie in `window` (real µs).
    #[must_use]
    pub fn excess(&self, window: &std::ops::Range<u64>) -> u64 {
        let mut excess = 0;
        for (key, windows) in &self.keys {
            for (minute, admissions) in windows {
                for (before, at_us) in admissions.iter().enumerate() {
                    let end = self.elapsed(*minute, at_us + CLOCK_SLACK_US);
                    let room = self.room(*key, *minute, end, Previous::Least);
                    excess += u64::from(window.contains(at_us) && before as u64 >= room);
                }
            }
        }
        excess
    }

    /// The worst exact 60 s of one key, as admissions ÷ limit − 1; none without admissions.
    #[must_use]
    pub fn overshoot(&self, window: &std::ops::Range<u64>) -> Option<f64> {
        let minute_us = (WINDOW_MS as f64 * 1000.0 / self.timing.speed) as u64;
        let worst = self.keys.values().map(|windows| {
            let mut all: Vec<u64> = windows
                .values()
                .flatten()
                .copied()
                .filter(|at| window.contains(at))
                .collect();
            all.sort_unstable();
            let mut first = 0;
            let mut most = 0;
            for (last, at_us) in all.iter().enumerate() {
                while at_us - all[first] >= minute_us {
                    first += 1;
                }
                most = most.max(last + 1 - first);
            }
            most
        });
        let worst = worst.max().filter(|most| *most > 0)?;
        Some(worst as f64 / f64::from(self.limit) - 1.0)
    }

    /// Whether the rule would admit a request of `key` at `at_us` when nobody had been admitted after `known_us`.
    #[must_use]
    pub fn admits_in_silence(&self, key: u32, known_us: u64, at_us: u64) -> bool {
        let window = self.window(at_us);
        let known = 0..=known_us;
        let previous = self.count(key, window - 1, known.clone());
        let current = self.count(key, window, known);
        current < room(self.limit, previous, self.elapsed(window, at_us))
    }

    /// The window, minutes since the Unix epoch, at a real instant.
    fn window(&self, at_us: u64) -> i64 {
        self.timing.wall_ms(at_us).div_euclid(WINDOW_MS)
    }

    /// The share of a window that has passed at a real instant, 0 to 1.
    fn elapsed(&self, window: i64, at_us: u64) -> f64 {
        let since_ms = self.timing.wall_ms(at_us) - window * WINDOW_MS;
        (since_ms as f64 / WINDOW_MS as f64).clamp(0.0, 1.0)
    }

    /// Admissions of a key in a window that the store answered at instants in `at`.
    fn count(&self, key: u32, window: i64, at: RangeInclusive<u64>) -> u64 {
        let Some(admissions) = self.keys.get(&key).and_then(|windows| windows.get(&window)) else {
            return 0;
        };
        let from = admissions.partition_point(|admitted| admitted < at.start());
        let to = admissions.partition_point(|admitted| admitted <= at.end());
        to.saturating_sub(from) as u64
    }

    fn room(&self, key: u32, window: i64, elapsed: f64, previous: Previous) -> u64 {
        let until = match previous {
            // Read at the very start of the window, while its last updates were still in flight.
            Previous::Least => self
                .timing
                .at_us(window * WINDOW_MS)
                .saturating_sub(CLOCK_SLACK_US),
            Previous::Most => u64::MAX,
        };
        room(self.limit, self.count(key, window - 1, 0..=until), elapsed)
    }
}

/// Which reading of the previous window's count is assumed.
#[derive(Clone, Copy)]
enum Previous {
    Least,
    Most,
}

/// The stated rule.
fn room(limit: u32, previous: u64, elapsed: f64) -> u64 {
    (f64::from(limit) - previous as f64 * (1.0 - elapsed))
        .floor()
        .max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use scenarios::wire::RequestLine;

    use super::*;

    const SPEED: f64 = 60.0;

    fn timing() -> Timing {
        Timing {
            start_ms: 0,
            speed: SPEED,
            duration: Duration::from_secs(600),
        }
    }

    /// An honest limiter of one process, with `limit`, asked at real instants; each decision takes `took_us`.
    fn play(limit: u32, arrivals: &[u64], took_us: u64) -> (Vec<AdmissionRecord>, Vec<RequestRecord>) {
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        let mut admissions = Vec::new();
        let mut requests = Vec::new();
        for at_us in arrivals {
            let decided_us = at_us + took_us / 2;
            let wall_ms = timing().wall_ms(decided_us);
            let window = wall_ms.div_euclid(WINDOW_MS);
            let previous = counts.get(&(window - 1)).copied().unwrap_or(0);
            let elapsed = (wall_ms - window * WINDOW_MS) as f64 / WINDOW_MS as f64;
            let count = counts.entry(window).or_default();
            let admitted = *count < room(limit, previous, elapsed);
            if admitted {
                *count += 1;
                let window = i32::try_from(window).expect("a small window");
                admissions.push(AdmissionRecord {
                    at_us: decided_us,
                    key: 0,
                    window,
                    count: *count as u32,
                    admitted,
                });
            }
            let line = RequestLine {
                sent_us: *at_us,
                answered_us: at_us + took_us,
                status: if admitted { 200 } else { 429 },
                owed: 200,
                ..RequestLine::default()
            };
            requests.push(RequestRecord::of(0, &line, Some(0)));
        }
        (admissions, requests)
    }

    fn arrivals() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(1u64..60_000, 1..300).prop_map(|gaps| {
            gaps.iter()
                .scan(0, |at, gap| {
                    *at += gap;
                    Some(*at)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn an_honest_limiter_is_never_blamed(arrivals in arrivals(), limit in 1u32..60, took_us in 0u64..5_000) {
            let (admissions, requests) = play(limit, &arrivals, took_us);
            let limiter = Limiter::over(limit, timing(), &admissions);
            prop_assert_eq!(limiter.excess(&(0..u64::MAX)), 0);
            for request in &requests {
                let class = limiter.class(request);
                if request.status == 429 {
                    prop_assert_ne!(class, Class::Owed, "a rightly refused request at {}", request.sent_us);
                } else {
                    prop_assert_ne!(class, Class::Refuse, "a rightly admitted request at {}", request.sent_us);
                }
            }
        }
    }

    /// One arrival each 10 ms of real time = 100 a wall minute, for ten minutes.
    fn even() -> Vec<u64> {
        (0..1000).map(|n| 5_000 + n * 10_000).collect()
    }

    #[test]
    fn a_limiter_with_twice_the_limit_has_excess() {
        let (admissions, _) = play(60, &even(), 1_000);
        assert_eq!(Limiter::over(60, timing(), &admissions).excess(&(0..u64::MAX)), 0);
        assert!(Limiter::over(30, timing(), &admissions).excess(&(0..u64::MAX)) > 200);
    }

    #[test]
    fn a_limiter_with_half_the_limit_refuses_what_is_owed() {
        let (admissions, requests) = play(20, &even(), 1_000);
        let limiter = Limiter::over(40, timing(), &admissions);
        let wronged = requests
            .iter()
            .filter(|r| r.status == 429 && limiter.class(r) == Class::Owed)
            .count();
        assert!(wronged > 500, "{wronged}");
    }

    #[test]
    fn overshoot_is_of_the_worst_exact_minute() {
        // 30 at the end of one minute, 30 at the start of the next: 60 within an exact minute.
        let at = |n: u64| {
            if n < 30 {
                970_000 + n * 1_000
            } else {
                1_000_000 + (n - 30) * 1_000
            }
        };
        let admissions: Vec<AdmissionRecord> = (0..60)
            .map(|n| AdmissionRecord {
                at_us: at(n),
                key: 0,
                window: i32::from(n >= 30),
                count: 1,
                admitted: true,
            })
            .collect();
        let limiter = Limiter::over(40, timing(), &admissions);
        assert_eq!(limiter.overshoot(&(0..u64::MAX)), Some(0.5));
        assert_eq!(limiter.overshoot(&(0..970_000)), None);
        assert_eq!(Limiter::over(40, timing(), &[]).overshoot(&(0..u64::MAX)), None);
    }

    #[test]
    fn a_silent_client_is_judged_by_what_was_known_when_it_was_refused() {
        let (admissions, _) = play(10, &even(), 1_000);
        let limiter = Limiter::over(10, timing(), &admissions);
        // In the first minute ten are admitted within its first sixth; then none until the next.
        assert!(!limiter.admits_in_silence(0, 500_000, 900_000));
        assert!(
            !limiter.admits_in_silence(0, 500_000, 1_000_000),
            "the previous window still counts in full"
        );
        assert!(
            limiter.admits_in_silence(0, 500_000, 1_100_000),
            "a tenth of it has been forgotten"
        );
        assert!(
            limiter.admits_in_silence(7, 500_000, 500_001),
            "a key that was never seen"
        );
    }

    #[test]
    fn what_lies_at_the_edge_may_be_either() {
        let (admissions, requests) = play(10, &even(), 1_000);
        let limiter = Limiter::over(10, timing(), &admissions);
        let classes: Vec<Class> = requests
            .iter()
            .take(12)
            .map(|request| limiter.class(request))
            .collect();
        assert!(
            classes[..9].iter().all(|class| *class == Class::Owed),
            "{classes:?}"
        );
        assert_eq!(classes[11], Class::Refuse);
        let keyless = RequestRecord::of(
            0,
            &RequestLine {
                status: 200,
                ..RequestLine::default()
            },
            None,
        );
        assert_eq!(limiter.class(&keyless), Class::Owed);
    }
}
