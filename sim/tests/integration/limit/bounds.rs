//! The bounds of the rate limit as they are stated, over what the store front saw of one key.

use std::collections::BTreeMap;

/// Length of a window, milliseconds.
pub(super) const WINDOW_MS: i64 = 60_000;
/// How far apart the front and a process may read the same wall time, real milliseconds: each truncates.
pub(super) const SKEW_MS: f64 = 2.0;

/// What the front saw of one request at the counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) window: i64,
    /// Wall milliseconds since that window began, when the store had answered: above a window's length when it
    /// was in flight at the boundary.
    pub(super) elapsed_ms: f64,
    pub(super) admitted: bool,
    pub(super) count: u32,
}

/// The stated bounds, from what the front saw. Returns the admissions by window.
pub(super) fn check(limit: u32, seen: &[Counted], speed: f64) -> BTreeMap<i64, u32> {
    let mut windows: BTreeMap<i64, u32> = BTreeMap::new();
    for counted in seen.iter().filter(|counted| counted.admitted) {
        let of_window = windows.entry(counted.window).or_default();
        *of_window += 1;
        assert!(
            counted.count <= limit,
            "{counted:?}: the counter went beyond the limit"
        );
    }
    for (window, admitted) in &windows {
        assert!(*admitted <= limit, "{admitted} were admitted in window {window}");
    }
    let skew_ms = SKEW_MS * speed;
    // What a process must have read of a window at its end: all but what was still in flight.
    let landed = |window: i64| {
        let within = |counted: &&Counted| counted.elapsed_ms + skew_ms < WINDOW_MS as f64;
        seen.iter()
            .filter(|c| c.admitted && c.window == window)
            .filter(within)
            .count() as f64
    };
    for counted in seen.iter().filter(|counted| counted.admitted) {
        let left = 1.0 - ((counted.elapsed_ms + skew_ms) / WINDOW_MS as f64).clamp(0.0, 1.0);
        let room = (f64::from(limit) - landed(counted.window - 1) * left).floor();
        assert!(
            f64::from(counted.count) <= room,
            "{counted:?} is beyond the room of {room}"
        );
    }
    let worst = worst_minute(seen);
    assert!(
        worst < 2 * limit as usize,
        "{worst} were admitted in an exact minute"
    );
    windows
}

/// The most admissions in any sixty seconds, wherever they begin.
fn worst_minute(seen: &[Counted]) -> usize {
    let admitted = seen.iter().filter(|counted| counted.admitted);
    let mut at_ms: Vec<f64> = admitted
        .map(|counted| (counted.window * WINDOW_MS) as f64 + counted.elapsed_ms)
        .collect();
    at_ms.sort_by(f64::total_cmp);
    let within =
        |(first, start): (usize, &f64)| at_ms.partition_point(|at| *at < start + WINDOW_MS as f64) - first;
    at_ms.iter().enumerate().map(within).max().unwrap_or(0)
}

/// Admissions of a window: the first `after_ms` into it, the others `every_ms` apart.
fn admissions(window: i64, count: u32, after_ms: f64, every_ms: f64) -> impl Iterator<Item = Counted> {
    (1..=count).map(move |count| Counted {
        window,
        elapsed_ms: after_ms + f64::from(count - 1) * every_ms,
        admitted: true,
        count,
    })
}

fn caught(limit: u32, seen: &[Counted]) -> String {
    let caught = std::panic::catch_unwind(|| check(limit, seen, 1.0)).expect_err("the check fails");
    caught
        .downcast_ref::<String>()
        .expect("a message with figures")
        .clone()
}

/// It keeps to every fixed window and is still caught.
#[test]
fn a_limiter_that_forgets_the_previous_window_is_caught() {
    let seen: Vec<_> = admissions(7, 50, 100.0, 100.0)
        .chain(admissions(8, 50, 100.0, 100.0))
        .collect();
    let message = caught(50, &seen);
    assert!(message.contains("beyond the room"), "{message}");
}

#[test]
fn the_worst_minute_is_found_wherever_it_begins() {
    // 30 in the second half of a window and 20 in the first half of the next.
    let seen: Vec<_> = admissions(7, 30, 30_000.0, 900.0)
        .chain(admissions(8, 20, 0.0, 1_000.0))
        .chain(admissions(9, 5, 0.0, 1_000.0))
        .collect();
    assert_eq!(worst_minute(&seen), 50);
    let refused = seen.iter().map(|counted| Counted {
        admitted: false,
        ..*counted
    });
    assert_eq!(worst_minute(&refused.collect::<Vec<_>>()), 0);
    assert_eq!(worst_minute(&[]), 0);
}

#[test]
fn twice_the_limit_in_an_exact_minute_is_caught() {
    // A limit of one, whose bound is one in any minute: the rolling rule leaves room at a window's very end.
    let seen: Vec<_> = admissions(7, 1, 59_999.0, 0.0)
        .chain(admissions(8, 1, 59_998.0, 0.0))
        .collect();
    let message = caught(1, &seen);
    assert!(message.contains("in an exact minute"), "{message}");
}
