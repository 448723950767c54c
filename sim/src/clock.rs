//! The run's common clock: real microseconds since the anchor, and the wall time that they stand for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use service::{clock::Clock, models::Timestamp};
use tokio::time::Instant;

/// The system's time, which the outside world lives by: not that of a run.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one home of reading the system clock in the simulation"
)]
pub fn system_now() -> SystemTime {
    SystemTime::now()
}

/// The clock of one run. Every process of the run computes the same wall time from the same three numbers.
///
/// The system clock is read once, when the run's clock is made; from then on time is monotonic.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    anchor_ms: i64,
    start_ms: i64,
    speed: f64,
    /// The monotonic instant of the anchor; it may lie ahead while the stack is starting.
    anchor: Instant,
}

impl RunClock {
    /// A clock on which the scenario's `start` (Unix milliseconds) comes `lead` from now; from then on `speed`
    /// wall seconds pass in each real second.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of reading the system clock in the simulation"
    )]
    pub fn starting_in(lead: Duration, start_ms: i64, speed: f64) -> Self {
        // The process may be put aside between two readings: the tightest of a few pairs counts.
        let pair = || {
            let now = Instant::now();
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (now.elapsed(), now, since_epoch)
        };
        let tightest = (0..8).map(|_| pair()).min_by_key(|(gap, ..)| *gap);
        let (_, now, since_epoch) = tightest.unwrap_or_else(pair);
        // The anchor is a whole millisecond, because that is what the processes are told.
        let anchor_ms = (since_epoch + lead).as_millis() as i64 + 1;
        let ahead = Duration::from_millis(anchor_ms as u64).saturating_sub(since_epoch);
        Self {
            anchor_ms,
            start_ms,
            speed,
            anchor: now + ahead,
        }
    }

    /// A clock for virtual time, on which the scenario's `start` (Unix milliseconds) is now. It follows tokio's
    /// clock at speed 1 and never reads the system's: on a paused runtime all of it is virtual, the anchor too.
    #[must_use]
    pub fn paused(start_ms: i64) -> Self {
        Self {
            anchor_ms: start_ms,
            start_ms,
            speed: 1.0,
            anchor: Instant::now(),
        }
    }

    /// Real microseconds since the anchor; 0 before it.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        Instant::now().saturating_duration_since(self.anchor).as_micros() as u64
    }

    /// Whether the scenario has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        Instant::now() >= self.anchor
    }

    /// The wall time, Unix milliseconds, at a real instant of the run.
    #[must_use]
    pub fn wall_ms(&self, at_us: u64) -> i64 {
        self.start_ms + (at_us as f64 * self.speed / 1000.0).floor() as i64
    }

    /// The wall time now, Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.wall_ms(self.now_us())
    }

    /// The wall time that has passed since the scenario's start at a real instant of the run.
    #[must_use]
    pub fn wall_since_start(&self, at_us: u64) -> Duration {
        Duration::from_micros(at_us).mul_f64(self.speed)
    }

    /// The real instant of a wall time, given as its distance from the scenario's start.
    #[must_use]
    pub fn at_us_of_wall(&self, since_start: Duration) -> u64 {
        self.real(since_start).as_micros() as u64
    }

    /// The real time in which `wall` passes.
    #[must_use]
    pub fn real(&self, wall: Duration) -> Duration {
        wall.div_f64(self.speed)
    }

    /// The monotonic instant of a wall time, given as its distance from the scenario's start.
    #[must_use]
    pub fn instant_of_wall(&self, since_start: Duration) -> Instant {
        self.anchor + self.real(since_start)
    }

    /// The common anchor, Unix milliseconds of the system clock.
    #[must_use]
    pub fn anchor_ms(&self) -> i64 {
        self.anchor_ms
    }

    /// The scenario's start, Unix milliseconds.
    #[must_use]
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// Wall seconds per real second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// The value of `CLOCK` for the service's processes.
    #[must_use]
    pub fn env(&self) -> String {
        format!("{},{},{}", self.anchor_ms, self.start_ms, self.speed)
    }
}

/// The service's clock when it runs in this process.
impl Clock for RunClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now_ms())
    }

    fn speed(&self) -> f64 {
        self.speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: i64 = 1_772_409_600_000;

    #[test]
    fn wall_time_runs_at_the_speed() {
        let clock = RunClock::starting_in(Duration::ZERO, START_MS, 120.0);
        assert_eq!(clock.wall_ms(0), START_MS);
        assert_eq!(clock.wall_ms(2_500_000), START_MS + 300_000);
        assert_eq!(clock.wall_since_start(500_000), Duration::from_secs(60));
        assert_eq!(clock.at_us_of_wall(Duration::from_secs(300)), 2_500_000);
        assert_eq!(clock.env(), format!("{},{START_MS},120", clock.anchor_ms()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_is_moved_by_the_runtime_alone() {
        let clock = RunClock::paused(START_MS);
        assert_eq!((clock.now_us(), Clock::now(&clock)), (0, Timestamp(START_MS)));
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        assert_eq!(clock.now_us(), 86_400_000_000);
        assert_eq!(Clock::now(&clock), Timestamp(START_MS + 86_400_000));
        let noon = clock.instant_of_wall(Duration::from_secs(129_600));
        tokio::time::sleep_until(noon).await;
        assert_eq!(clock.now_ms(), START_MS + 129_600_000);
    }

    #[test]
    fn before_the_anchor_it_is_the_start() {
        let made = Instant::now();
        let clock = RunClock::starting_in(Duration::from_secs(3600), START_MS, 10.0);
        assert!(!clock.has_begun());
        assert_eq!((clock.now_us(), clock.now_ms()), (0, START_MS));

        let twenty = clock.instant_of_wall(Duration::from_secs(20));
        let start = clock.instant_of_wall(Duration::ZERO);
        assert_eq!(
            twenty - start,
            Duration::from_secs(2),
            "20 wall seconds are 2 real seconds"
        );
        assert!(
            start >= made + Duration::from_secs(3600),
            "it never begins before its lead is over"
        );
    }
}
