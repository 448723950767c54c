//! How instants of a recording relate to the wall clock of the simulated world.

use std::{ops::Range, time::Duration};

use crate::clock::RunClock;

/// The run's clock as data: what a recording needs to turn real microseconds into wall time and back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The scenario's start, Unix milliseconds.
    pub start_ms: i64,
    /// Wall seconds per real second.
    pub speed: f64,
    /// How long the scenario is, wall time.
    pub duration: Duration,
}

impl Timing {
    /// The timing of a run of `duration` wall time on `clock`.
    #[must_use]
    pub fn of(clock: &RunClock, duration: Duration) -> Self {
        Self {
            start_ms: clock.start_ms(),
            speed: clock.speed(),
            duration,
        }
    }

    /// The wall time, Unix milliseconds, at a real instant.
    #[must_use]
    pub fn wall_ms(&self, at_us: u64) -> i64 {
        self.start_ms + (at_us as f64 * self.speed / 1000.0).floor() as i64
    }

    /// The real instant of a wall time; before the start = 0.
    #[must_use]
    pub fn at_us(&self, wall_ms: i64) -> u64 {
        ((wall_ms - self.start_ms).max(0) as f64 * 1000.0 / self.speed).ceil() as u64
    }

    /// Wall seconds since the start at a real instant.
    #[must_use]
    pub fn wall_s(&self, at_us: u64) -> f64 {
        at_us as f64 * self.speed / 1e6
    }

    /// The real instants of a window of wall time since the start. One that ends with the scenario is open-ended: what
    /// was begun in the scenario and seen after its end still belongs to it.
    #[must_use]
    pub fn window(&self, wall: &Range<Duration>) -> Range<u64> {
        let mut real = self.real_window(wall);
        if wall.end >= self.duration {
            real.end = u64::MAX;
        }
        real
    }

    /// The real instants of a span of wall time since the start.
    #[must_use]
    pub fn real_window(&self, wall: &Range<Duration>) -> Range<u64> {
        let at = |wall: Duration| (wall.as_secs_f64() * 1e6 / self.speed).round() as u64;
        at(wall.start)..at(wall.end)
    }
}

/// The equal buckets of wall time into which a scenario is cut for series and totals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Buckets {
    /// Width of each, whole wall seconds, at least 1.
    pub width_s: u32,
    /// How many.
    pub count: u32,
}

impl Buckets {
    /// No scenario has more.
    pub const MOST: u32 = 1440;
    /// How many are aimed for: enough to draw, few enough to keep.
    const AIM: u32 = 720;
    /// Widths that people can read off an axis, seconds.
    const WIDTHS: [u32; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800];

    /// The buckets of a scenario of `duration`.
    #[must_use]
    pub fn of(duration: Duration) -> Self {
        let seconds = duration.as_secs_f64().max(1.0);
        let wanted = seconds / f64::from(Self::AIM);
        let width_s = Self::WIDTHS
            .into_iter()
            .find(|width| f64::from(*width) >= wanted)
            .unwrap_or_else(|| (wanted / 3600.0).ceil() as u32 * 3600);
        Self {
            width_s,
            count: (seconds / f64::from(width_s)).ceil() as u32,
        }
    }

    /// The bucket of a moment, wall seconds since the start; what comes after the end belongs to the last.
    #[must_use]
    pub fn index(&self, wall_s: f64) -> u32 {
        ((wall_s / f64::from(self.width_s)) as u32).min(self.count - 1)
    }

    /// The buckets whose middle lies in a span of wall time since the start.
    #[must_use]
    pub fn within(&self, wall: &Range<Duration>) -> Range<u32> {
        let width = f64::from(self.width_s);
        let first = |at: Duration| ((at.as_secs_f64() / width - 0.5).ceil().max(0.0) as u32).min(self.count);
        first(wall.start)..first(wall.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_and_real_time_are_inverse() {
        let timing = Timing {
            start_ms: 1_000_000,
            speed: 120.0,
            duration: Duration::from_secs(60),
        };
        assert_eq!(timing.wall_ms(500_000), 1_060_000);
        assert_eq!(timing.at_us(1_060_000), 500_000);
        assert_eq!(timing.at_us(0), 0);
        assert_eq!(
            timing.real_window(&(Duration::from_secs(6)..Duration::from_secs(12))),
            50_000..100_000
        );
        let until = |end| timing.window(&(Duration::from_secs(6)..Duration::from_secs(end)));
        assert_eq!((until(12), until(60)), (50_000..100_000, 50_000..u64::MAX));
    }

    #[test]
    fn buckets_are_readable_and_few() {
        for (duration, width_s, count) in [
            (1, 1, 1),
            (1260, 2, 630),
            (3600, 5, 720),
            (86_400, 120, 720),
            (30 * 86_400, 3600, 720),
        ] {
            let buckets = Buckets::of(Duration::from_secs(duration));
            assert_eq!((buckets.width_s, buckets.count), (width_s, count), "{duration} s");
            assert!(buckets.count <= Buckets::MOST);
            assert_eq!(
                buckets.within(&(Duration::ZERO..Duration::from_secs(duration))),
                0..count
            );
        }
        let buckets = Buckets::of(Duration::from_secs(3600));
        assert_eq!(buckets.index(4.9), 0);
        assert_eq!(buckets.index(5.0), 1);
        assert_eq!(buckets.index(9999.0), 719);
    }
}
