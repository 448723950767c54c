//! Wall time: the one home of reading the system clock.
//!
//! Everything else takes `now` as an argument or asks the [`Clock`] in [`crate::App`]. Durations and sleeps
//! are tokio's, so that a paused runtime moves them.

use std::{fmt, sync::Arc, time::Duration};

/// Wall time in Unix epoch milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

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
