//! The clock of a load generator: real microseconds since the run's anchor, and how long wall time takes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Reads the system clock once and continues on the monotonic one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadClock {
    /// When the system clock was read.
    base: Instant,
    /// What it said, real µs since the anchor; negative while the anchor lies ahead.
    base_us: i64,
    /// Wall seconds per real second.
    speed: f64,
}

impl LoadClock {
    /// A clock for a run with this anchor (Unix milliseconds) and speed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of reading the system clock in this crate"
    )]
    pub(crate) fn start(anchor_ms: i64, speed: f64) -> Self {
        // The process may be put aside between two readings: the tightest of a few pairs counts.
        let pair = || {
            let base = Instant::now();
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (base.elapsed(), base, since_epoch)
        };
        let tightest = (0..8).map(|_| pair()).min_by_key(|(gap, ..)| *gap);
        let (_, base, since_epoch) = tightest.unwrap_or_else(pair);
        Self {
            base,
            base_us: since_epoch.as_micros() as i64 - anchor_ms * 1000,
            speed,
        }
    }

    /// A clock whose anchor is now and on which wall time passes as tokio's does. Reads no system clock.
    pub(crate) fn from_now() -> Self {
        Self {
            base: Instant::now(),
            base_us: 0,
            speed: 1.0,
        }
    }

    /// Real µs since the anchor; 0 before it.
    pub(crate) fn now_us(self) -> u64 {
        let at = self.base_us + self.base.elapsed().as_micros() as i64;
        at.max(0) as u64
    }

    /// The instant at which so many real µs have passed since the anchor; one that has passed may be moved later,
    /// though never into the future.
    pub(crate) fn instant(self, at_us: u64) -> Instant {
        let ahead = i64::try_from(at_us)
            .unwrap_or(i64::MAX)
            .saturating_sub(self.base_us);
        self.base + Duration::from_micros(ahead.max(0) as u64)
    }

    /// Real µs since the anchor at which so much wall time has passed since the scenario's start.
    pub(crate) fn at_us(self, since_start: Duration) -> u64 {
        self.real_us(since_start)
    }

    /// The wall time since the scenario's start at an instant, real µs since the anchor.
    pub(crate) fn wall(self, at_us: u64) -> Duration {
        let real = Duration::from_micros(at_us);
        if self.speed == 1.0 {
            return real;
        }
        Duration::try_from_secs_f64(real.as_secs_f64() * self.speed).unwrap_or(Duration::MAX)
    }

    /// The real time, µs, in which `wall` passes.
    pub(crate) fn real_us(self, wall: Duration) -> u64 {
        // Rounded up: who has to wait a second never comes back before it has passed.
        if self.speed == 1.0 {
            return u64::try_from(wall.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        }
        (wall.as_secs_f64() / self.speed * 1e6).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(base_us: i64, speed: f64) -> LoadClock {
        LoadClock {
            base: Instant::now(),
            base_us,
            speed,
        }
    }

    #[test]
    fn nothing_has_passed_while_the_anchor_lies_ahead() {
        let hour_us = 3_600_000_000;
        let clock = clock(-hour_us, 60.0);
        assert_eq!(clock.now_us(), 0);
        assert_eq!(
            clock.instant(5) - clock.base,
            Duration::from_micros(3_600_000_005)
        );
    }

    #[test]
    fn waits_for_no_instant_that_has_passed() {
        let clock = clock(5_000_000, 1.0);
        assert!(clock.now_us() >= 5_000_000);
        assert_eq!(clock.instant(1), clock.base);
        assert_eq!(clock.instant(5_000_010) - clock.base, Duration::from_micros(10));
    }

    #[test]
    fn wall_time_passes_faster_and_waits_are_rounded_up() {
        let clock = clock(0, 120.0);
        assert_eq!(clock.real_us(Duration::from_secs(60)), 500_000);
        assert_eq!(clock.at_us(Duration::from_secs(1)), 8334);
        assert_eq!(clock.wall(500_000), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn in_virtual_time_nothing_is_rounded() {
        let clock = LoadClock::from_now();
        assert_eq!(clock.now_us(), 0);
        tokio::time::advance(Duration::from_millis(10_300)).await;
        assert_eq!(clock.now_us(), 10_300_000);
        assert_eq!(clock.real_us(Duration::from_millis(10_300)), 10_300_000);
        assert_eq!(clock.real_us(Duration::from_nanos(1)), 1);
    }
}
