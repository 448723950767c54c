//! The reference limiter: replays the stated rolling rule over the admissions that the store front saw.
//!
//! The rule (two counters of a minute each): `room = floor(limit − prev × (1 − elapsed ÷ 60 s))`; a request is
//! admitted when fewer than `room` requests were admitted in this window before it. What the rule knows at a
//! request's arrival can only be bounded from outside: it arrived between send and answer, the counter moved in
//! between, and the previous window's count was read once, perhaps while its last updates were in flight. So
//! each question is asked twice, at the most generous and at the strictest choice.
//!
//! Only the windows that can still be asked about are kept.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{
    requests::{NONE, RequestRecord},
    timing::Timing,
};

/// Length of a counter's window, wall ms.
const WINDOW_MS: i64 = 60_000;

/// How far the clocks of two processes of a run may be apart, real µs. They share one anchor, read once.
pub(super) const CLOCK_SLACK_US: u64 = 2_000;

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

/// One request that a counter admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// When the store answered, real µs.
    pub(super) at_us: u64,
    /// The window, minutes since the Unix epoch, as the counter's name says.
    pub(super) window: i64,
    /// Whose counter.
    pub(super) key: u32,
}

/// What one counter admitted in one window.
#[derive(Clone, Debug)]
struct Minute {
    window: i64,
    /// Real instants at which the store answered, rising.
    at_us: Vec<u64>,
    /// Admissions before those.
    forgotten: u64,
    /// Admissions that were compared with the rule.
    compared: u64,
}

impl Minute {
    fn new(window: i64) -> Self {
        Self {
            window,
            at_us: Vec::new(),
            forgotten: 0,
            compared: 0,
        }
    }

    fn until(&self, at_us: u64) -> u64 {
        self.forgotten + self.at_us.partition_point(|admitted| *admitted <= at_us) as u64
    }

    fn within(&self, at_us: &RangeInclusive<u64>) -> u64 {
        let from = self.at_us.partition_point(|admitted| admitted < at_us.start());
        let to = self.at_us.partition_point(|admitted| admitted <= at_us.end());
        to.saturating_sub(from) as u64
    }

    /// Keeps only the number of the admissions before `from_us`.
    fn forget(&mut self, from_us: u64) {
        let gone = self.at_us.partition_point(|admitted| *admitted < from_us);
        self.at_us.drain(..gone);
        self.forgotten += gone as u64;
    }
}

/// The reference limiter of a run.
#[derive(Clone, Debug)]
pub(super) struct Limiter {
    limit: u32,
    timing: Timing,
    /// By key; each list by window, rising.
    keys: BTreeMap<u32, Vec<Minute>>,
    /// Windows before this one may be forgotten.
    known_from: i64,
}

impl Limiter {
    /// A limiter of `limit` requests a minute and key that has admitted nothing yet.
    pub(super) fn new(limit: u32, timing: Timing) -> Self {
        Self {
            limit,
            timing,
            keys: BTreeMap::new(),
            known_from: i64::MIN,
        }
    }

    /// Takes in an admission; those of a key may come a little out of order.
    pub(super) fn admit(&mut self, admission: &Admission) {
        let minutes = self.keys.entry(admission.key).or_default();
        let place = minutes.partition_point(|minute| minute.window < admission.window);
        if minutes
            .get(place)
            .is_none_or(|minute| minute.window != admission.window)
        {
            minutes.insert(place, Minute::new(admission.window));
        }
        let at_us = &mut minutes[place].at_us;
        let place = at_us.partition_point(|admitted| *admitted <= admission.at_us);
        at_us.insert(place, admission.at_us);
    }

    /// Compares an admission, taken in before, with the rule at its most generous: whether it is beyond it.
    /// Admissions are compared in the order of their instants, each once.
    pub(super) fn is_excess(&mut self, admission: &Admission) -> bool {
        let end = self.elapsed(admission.window, admission.at_us + CLOCK_SLACK_US);
        let room = self.room(
            self.minutes(admission.key),
            admission.window,
            end,
            Previous::Least,
        );
        let minutes = self.keys.get_mut(&admission.key);
        let minute = minutes.and_then(|minutes| {
            minutes
                .iter_mut()
                .find(|minute| minute.window == admission.window)
        });
        let before = minute.map_or(0, |minute| {
            minute.compared += 1;
            minute.compared - 1
        });
        before >= room
    }

    /// Admissions of a key within the exact minute that ends with `at_us`, from `since_us` on.
    pub(super) fn in_minute_until(&self, key: u32, since_us: u64, at_us: u64) -> u64 {
        let begun_us = (at_us + 1).saturating_sub(self.minute_us());
        self.admitted(key, begun_us.max(since_us)..=at_us)
    }

    /// Admissions of a key in a span of real µs that is still remembered.
    pub(super) fn admitted(&self, key: u32, at_us: RangeInclusive<u64>) -> u64 {
        self.minutes(key).iter().map(|minute| minute.within(&at_us)).sum()
    }

    /// What the limit owes to a request. One without a key is never limited; of one that is asked about too late,
    /// when its windows are forgotten, nothing can be told.
    pub(super) fn class(&self, request: &RequestRecord) -> Class {
        if request.key == NONE {
            return Class::Owed;
        }
        if !self.remembers(request) {
            return Class::Either;
        }
        let minutes = self.minutes(request.key);
        let admitted = request.status != 429;
        let (from, to) = reach(request);
        let windows = self.window(from)..=self.window(to);
        let mut always = true;
        let mut ever = false;
        for window in windows {
            // A request that was admitted must not stand in its own way: one admission among those that can be
            // its own is left out.
            let own = find(minutes, window).is_some_and(|minute| minute.within(&(from..=to)) > 0);
            let own = u64::from(admitted && own);
            let (start, end) = (self.elapsed(window, from), self.elapsed(window, to));
            let before = from
                .checked_sub(1)
                .map_or(0, |before| until(minutes, window, before));
            let after = until(minutes, window, to).saturating_sub(own);
            always &= after < self.room(minutes, window, start, Previous::Most);
            ever |= before < self.room(minutes, window, end, Previous::Least);
        }
        match (always, ever) {
            (true, _) => Class::Owed,
            (false, true) => Class::Either,
            (false, false) => Class::Refuse,
        }
    }

    /// Whether all that bears on a request is still known.
    pub(super) fn remembers(&self, request: &RequestRecord) -> bool {
        request.key == NONE || self.window(reach(request).0) > self.known_from
    }

    /// Whether the rule would admit a request of `key` at `at_us` when nobody had been admitted after `known_us`.
    pub(super) fn admits_in_silence(&self, key: u32, known_us: u64, at_us: u64) -> bool {
        let window = self.window(at_us);
        let minutes = self.minutes(key);
        let previous = until(minutes, window - 1, known_us);
        let current = until(minutes, window, known_us);
        current < room(self.limit, previous, self.elapsed(window, at_us))
    }

    /// Since when, real µs, admissions must be remembered that requests sent at `from_us` or later can ask about.
    pub(super) fn needed_from(&self, from_us: u64) -> u64 {
        self.timing.at_us(self.oldest_window(from_us) * WINDOW_MS)
    }

    /// The window before a request's bears on it, and an exact minute may begin in the one before an admission's.
    fn oldest_window(&self, from_us: u64) -> i64 {
        self.window(from_us) - 2
    }

    /// Forgets what no request that was sent at `from_us` or later can ask about.
    pub(super) fn forget(&mut self, from_us: u64) {
        let oldest = self.oldest_window(from_us);
        let oldest_us = self.needed_from(from_us);
        self.known_from = oldest;
        self.keys.retain(|_, minutes| {
            // A counter that is still used stays, whatever its name: only its old instants go.
            minutes.iter_mut().for_each(|minute| minute.forget(oldest_us));
            minutes.retain(|minute| minute.window >= oldest || !minute.at_us.is_empty());
            !minutes.is_empty()
        });
    }

    /// Bytes that the admissions take.
    pub(super) fn bytes(&self) -> usize {
        let of = |minute: &Minute| size_of::<Minute>() + size_of_val(minute.at_us.as_slice());
        let minutes = self.keys.values().flatten();
        self.keys.len() * size_of::<(u32, Vec<Minute>)>() + minutes.map(of).sum::<usize>()
    }

    /// A minute of wall time, real µs.
    pub(super) fn minute_us(&self) -> u64 {
        (WINDOW_MS as f64 * 1000.0 / self.timing.speed) as u64
    }

    fn minutes(&self, key: u32) -> &[Minute] {
        self.keys.get(&key).map_or(&[], Vec::as_slice)
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

    fn room(&self, minutes: &[Minute], window: i64, elapsed: f64, previous: Previous) -> u64 {
        let until_us = match previous {
            // Read at the very start of the window, while its last updates were still in flight.
            Previous::Least => self
                .timing
                .at_us(window * WINDOW_MS)
                .saturating_sub(CLOCK_SLACK_US),
            Previous::Most => u64::MAX,
        };
        room(self.limit, until(minutes, window - 1, until_us), elapsed)
    }
}

/// From the first to the last instant, real µs, at which a request can have been at the service.
fn reach(request: &RequestRecord) -> (u64, u64) {
    (
        request.sent_us.saturating_sub(CLOCK_SLACK_US),
        request.answered_us() + CLOCK_SLACK_US,
    )
}

fn find(minutes: &[Minute], window: i64) -> Option<&Minute> {
    minutes.iter().rev().find(|minute| minute.window == window)
}

/// Admissions in a window that the store answered until `at_us`.
fn until(minutes: &[Minute], window: i64, at_us: u64) -> u64 {
    find(minutes, window).map_or(0, |minute| minute.until(at_us))
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
pub(super) mod tests;
