//! What was called so far: minute windows and monthly credits.
//!
//! Every call counts towards the minute, whatever its answer, and so does one that is refused for it.

use std::collections::{BTreeMap, VecDeque};

use scenarios::format::assumptions::Window;

use super::limits::Caller;
use super::market::MINUTE_MS;

/// The calls of each caller. Memory: a number for each with fixed windows, an instant for each permitted call of the
/// last minute with sliding ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    window: Window,
    minute: i64,
    /// In fixed windows: calls of this minute.
    calls: BTreeMap<Caller, u32>,
    /// In sliding windows: when the last calls were, at most as many as are permitted and one more.
    latest: BTreeMap<Caller, VecDeque<i64>>,
    month: (i16, i8),
    credits: BTreeMap<Caller, u64>,
}

impl Book {
    /// An empty book that counts in such windows.
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            ..Self::default()
        }
    }

    /// Counts a call, whatever becomes of it.
    ///
    /// # Errors
    /// Whole seconds until there is room again for a caller that stays silent, when `permitted` calls a minute leave no
    /// room for this one.
    pub(super) fn count(&mut self, caller: &Caller, now_ms: i64, permitted: u32) -> Result<(), u32> {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if minute > self.minute {
            self.minute = minute;
            self.calls.clear();
            self.latest
                .retain(|_, calls| calls.back().is_some_and(|last| is_within(*last, now_ms)));
        }
        let month = month_of(now_ms);
        if month > self.month {
            self.month = month;
            self.credits.clear();
        }
        match self.window {
            Window::Fixed => {
                let calls = self.calls.entry(caller.clone()).or_insert(0);
                *calls = calls.saturating_add(1);
                if *calls <= permitted {
                    Ok(())
                } else {
                    Err(rest_of_window_s(now_ms, MINUTE_MS))
                }
            }
            Window::Sliding => {
                let permitted = permitted as usize;
                let calls = self.latest.entry(caller.clone()).or_default();
                calls.retain(|call| is_within(*call, now_ms));
                let last = calls.back().copied().unwrap_or(now_ms);
                calls.push_back(now_ms.max(last));
                if calls.len() <= permitted {
                    return Ok(());
                }
                // Those that were refused before take part, so that only silence helps.
                while calls.len() > permitted + 1 {
                    calls.pop_front();
                }
                let first_to_leave = calls.get(1).or(calls.front()).copied().unwrap_or(now_ms);
                Err(seconds(first_to_leave + MINUTE_MS - now_ms))
            }
        }
    }

    /// Credits spent in this month.
    pub(super) fn spent(&self, caller: &Caller) -> u64 {
        self.credits.get(caller).copied().unwrap_or(0)
    }

    /// Takes one credit.
    pub(super) fn charge(&mut self, caller: &Caller) {
        *self.credits.entry(caller.clone()).or_insert(0) += 1;
    }
}

fn is_within(call_ms: i64, now_ms: i64) -> bool {
    call_ms > now_ms - MINUTE_MS
}

/// Seconds until the fixed window ends, rounded up: 1 to its length.
pub(crate) fn rest_of_window_s(now_ms: i64, window_ms: i64) -> u32 {
    let window_ms = window_ms.max(1);
    seconds(window_ms - now_ms.rem_euclid(window_ms))
}

/// Whole seconds, rounded up.
fn seconds(ms: i64) -> u32 {
    u32::try_from((ms + 999).div_euclid(1000)).unwrap_or(u32::MAX)
}

fn month_of(now_ms: i64) -> (i16, i8) {
    let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let date = jiff::tz::Offset::UTC.to_datetime(now).date();
    (date.year(), date.month())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-02T00:00:00Z.
    const START: i64 = 1_772_409_600_000;

    fn key(name: &str) -> Caller {
        Caller::Key(name.to_owned())
    }

    #[test]
    fn minutes_are_fixed_windows_of_each_caller() {
        let mut book = Book::default();
        let mut count = |caller: &Caller, at_ms| book.count(caller, START + at_ms, 1);
        assert_eq!(count(&key("a"), 59_000), Ok(()));
        assert_eq!(count(&key("a"), 59_999), Err(1));
        assert_eq!(count(&Caller::Keyless, 59_999), Ok(()));
        assert_eq!(count(&key("a"), 60_000), Ok(()));
        // A call that was stamped a moment earlier belongs to the window that has begun.
        assert_eq!(count(&key("a"), 59_999), Err(1));
        assert_eq!(count(&key("a"), 72_500), Err(48));
    }

    #[test]
    fn a_sliding_minute_has_no_edge() {
        let mut book = Book::new(Window::Sliding);
        let mut count = |caller: &Caller, at_ms| book.count(caller, START + at_ms, 2);
        assert_eq!(count(&key("a"), 50_000), Ok(()));
        assert_eq!(count(&key("a"), 59_000), Ok(()));
        assert_eq!(count(&key("b"), 59_000), Ok(()));
        // Of three calls the second has to leave before there is room for one more.
        assert_eq!(count(&key("a"), 61_000), Err(58));
        assert_eq!(count(&key("a"), 118_999), Err(3));
        assert_eq!(
            count(&key("a"), 121_000),
            Ok(()),
            "as it was told, since the last but one has left"
        );
        assert_eq!(count(&key("b"), 121_000), Ok(()));
    }

    #[test]
    fn what_a_sliding_minute_remembers_is_bounded() {
        let mut book = Book::new(Window::Sliding);
        for call in 0..1000 {
            let _ = book.count(&key("a"), START + call, 5);
        }
        assert_eq!(book.latest.get(&key("a")).map(VecDeque::len), Some(6));
        assert_eq!(
            book.count(&key("a"), START + 2_000, 0),
            Err(60),
            "none is permitted"
        );
        assert_eq!(book.count(&key("b"), START + 200_000, 5), Ok(()));
        assert_eq!(book.latest.len(), 1, "who has been silent is forgotten");
    }

    #[test]
    fn credits_are_of_a_calendar_month() {
        let mut book = Book::default();
        let count = |book: &mut Book, at_ms| assert_eq!(book.count(&key("a"), START + at_ms, 9), Ok(()));
        count(&mut book, 0);
        book.charge(&key("a"));
        count(&mut book, 29 * 86_400_000);
        assert_eq!((book.spent(&key("a")), book.spent(&key("b"))), (1, 0));
        // 2026-04-01T00:00:00Z.
        count(&mut book, 30 * 86_400_000);
        assert_eq!(book.spent(&key("a")), 0);
    }

    #[test]
    fn the_rest_of_a_window_is_never_zero() {
        let rest = |at_ms| rest_of_window_s(START + at_ms, MINUTE_MS);
        assert_eq!([0, 1, 1_000, 7_400, 59_999].map(rest), [60, 60, 59, 53, 1]);
    }
}
