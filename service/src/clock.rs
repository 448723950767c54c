//! Wall time: the one home of reading the system clock.
//!
//! Everything else takes `now` as an argument or asks the [`Clock`] in [`crate::App`]. Durations and sleeps
//! are tokio's, so that a paused runtime moves them.

use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Wall time in Unix epoch milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The instant `span` earlier.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Source of wall time, and the rate at which wall time runs against the time of sockets and timers.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall time now.
    fn now(&self) -> Timestamp;

    /// Wall seconds that pass in one real second: 1 but for a simulation on a fast wall clock.
    fn speed(&self) -> f64 {
        1.0
    }

    /// The wall time that passes while a request-scale (real) duration passes.
    fn wall(&self, real: Duration) -> Duration {
        real.mul_f64(self.speed())
    }

    /// The real time that has to be slept for `wall` to pass.
    fn real(&self, wall: Duration) -> Duration {
        wall.div_f64(self.speed())
    }
}

/// A shared clock.
pub type SharedClock = Arc<dyn Clock>;

/// The operating system's clock, read at every call: it is what other processes see, and time that passes
/// while Lambda keeps this one frozen counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        system_now()
    }
}

/// What `CLOCK` says: wall = `start_ms` + `speed` × (system time − `anchor_ms`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FastClockSpec {
    /// System time, Unix ms, at which the wall clock stands at `start_ms`; the same for all processes of a run.
    pub anchor_ms: i64,
    /// Wall time at the anchor, Unix ms.
    pub start_ms: i64,
    /// Wall seconds per real second.
    pub speed: f64,
}

/// `CLOCK` could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `<anchor ms>,<start ms>,<speed>` with a speed from 1 to 100000, got `{0}`")]
pub struct ClockFormatError(String);

impl FromStr for FastClockSpec {
    type Err = ClockFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ClockFormatError(text.chars().take(60).collect());
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [anchor, start, speed] = parts.as_slice() else {
            return Err(refused());
        };
        let spec = Self {
            anchor_ms: anchor.parse().map_err(|_| refused())?,
            start_ms: start.parse().map_err(|_| refused())?,
            speed: speed.parse().map_err(|_| refused())?,
        };
        if (1.0..=100_000.0).contains(&spec.speed) {
            Ok(spec)
        } else {
            Err(refused())
        }
    }
}

/// A wall clock that runs fast, for simulation. The system time is read once; from then on it is monotonic.
#[derive(Clone, Copy, Debug)]
pub struct FastClock {
    spec: FastClockSpec,
    /// Real µs since the anchor when this clock was made: a whole millisecond would be much on a fast clock.
    since_anchor_us: i64,
    /// The monotonic instant when this clock was made.
    base: Instant,
}

impl FastClock {
    /// Starts the clock of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one home of wall time")]
    pub fn start(spec: FastClockSpec) -> Self {
        // The process may be put aside between two readings: the tightest of a few pairs counts.
        let pair = || {
            let base = Instant::now();
            let system_us = system_now_us();
            (base.elapsed(), base, system_us)
        };
        let tightest = (0..8).map(|_| pair()).min_by_key(|(gap, ..)| *gap);
        let (_, base, system_us) = tightest.unwrap_or_else(pair);
        Self {
            spec,
            since_anchor_us: system_us - spec.anchor_ms * 1000,
            base,
        }
    }

    fn at(&self, since_base: Duration) -> Timestamp {
        let real_ms = self.since_anchor_us as f64 / 1000.0 + since_base.as_secs_f64() * 1000.0;
        Timestamp(self.spec.start_ms + (real_ms * self.spec.speed).floor() as i64)
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.at(self.base.elapsed())
    }

    fn speed(&self) -> f64 {
        self.spec.speed
    }
}

/// The clock that a configuration asks for.
#[must_use]
pub fn clock(spec: Option<FastClockSpec>) -> SharedClock {
    match spec {
        Some(spec) => Arc::new(FastClock::start(spec)),
        None => Arc::new(SystemClock),
    }
}

/// Real time left until an instant of the system's time, Unix ms, such as Lambda's deadline: a simulated wall
/// clock does not move it.
#[must_use]
pub fn until_system_time(unix_ms: u64) -> Duration {
    let now = u64::try_from(system_now().0).unwrap_or(0);
    Duration::from_millis(unix_ms.saturating_sub(now))
}

fn system_now() -> Timestamp {
    Timestamp(system_now_us().div_euclid(1000))
}

/// The system's time, Unix µs.
#[expect(clippy::disallowed_methods, reason = "the one home of wall time")]
fn system_now_us() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_clock_starts_where_it_is_told_and_runs_at_its_speed() {
        let spec: FastClockSpec = "1000, 500000, 60".parse().expect("valid");
        let clock = FastClock {
            since_anchor_us: 250_000,
            ..FastClock::start(spec)
        };
        assert_eq!(clock.at(Duration::ZERO), Timestamp(500_000 + 250 * 60));
        assert_eq!(clock.at(Duration::from_millis(10)), Timestamp(500_000 + 260 * 60));
        assert_eq!(clock.wall(Duration::from_secs(1)), Duration::from_secs(60));
        assert_eq!(clock.real(Duration::from_secs(60)), Duration::from_secs(1));
    }

    #[test]
    fn two_processes_agree_on_the_time() {
        let anchor = system_now().0;
        let spec = FastClockSpec {
            anchor_ms: anchor,
            start_ms: 0,
            speed: 100.0,
        };
        let (first, second) = (FastClock::start(spec), FastClock::start(spec));
        let (a, b) = (first.now().0, second.now().0);
        // 100 wall ms are one real ms: whole milliseconds would make them differ by that much.
        assert!(
            b >= a - 1,
            "the second, asked later, is at most rounding behind: {a} {b}"
        );
    }

    #[test]
    fn a_speed_below_one_and_other_text_is_refused() {
        for text in ["", "1,2,0.5", "1,2,NaN", "1,2,3,4", "a,2,3", "1,2,1e9"] {
            assert!(text.parse::<FastClockSpec>().is_err(), "{text}");
        }
    }
}
