//! How a virtual run is doing, for those who watch it from outside its thread, and whether it stands still.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::sleep;

use crate::world::WorldError;

/// How long a run may show no sign of life, real time: a virtual second takes microseconds.
const STILL: Duration = Duration::from_secs(30);
/// How often it is looked at, real time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The pulse of a run; a clone shows the same.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    now_us: AtomicU64,
    answers: AtomicU64,
    open: AtomicU64,
    updating: AtomicU64,
}

impl Pulse {
    /// Virtual µs since the start at the last answer.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.0.now_us.load(Relaxed)
    }

    /// Answers so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.answers.load(Relaxed)
    }

    /// A user had an answer.
    pub(super) fn beat(&self, now_us: u64) {
        self.0.now_us.store(now_us, Relaxed);
        self.0.answers.fetch_add(1, Relaxed);
    }

    /// A request that is being answered.
    pub(super) fn request(&self) -> Running<'_> {
        Running::new(&self.0.open)
    }

    /// An update that runs.
    pub(super) fn update(&self) -> Running<'_> {
        Running::new(&self.0.updating)
    }

    /// The run waited in vain for these parts of it, until `within` after the scenario's end.
    pub(super) fn deadlock(&self, within: Duration, waiting: String) -> WorldError {
        WorldError::Deadlock {
            within,
            waiting,
            open: self.0.open.load(Relaxed),
            updating: self.0.updating.load(Relaxed),
        }
    }

    /// Waits until the run stands still, by real time: to be asked outside of it. A run that waits for nothing (a
    /// deadlock) ends by itself, as its clock goes on to its end; one that never stops to work does not.
    pub async fn still(&self) -> WorldError {
        let mut seen = (u64::MAX, u64::MAX);
        let mut since = Duration::ZERO;
        loop {
            let now = (self.now_us(), self.requests());
            since = if now == seen {
                since + LOOK_EVERY
            } else {
                Duration::ZERO
            };
            seen = now;
            if since >= STILL {
                return WorldError::TimeStandsStill {
                    within: STILL,
                    at: Duration::from_micros(self.now_us()),
                    open: self.0.open.load(Relaxed),
                    updating: self.0.updating.load(Relaxed),
                };
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Counts what runs for as long as it lives.
#[derive(Debug)]
pub(super) struct Running<'a>(&'a AtomicU64);

impl<'a> Running<'a> {
    fn new(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Relaxed);
        Self(counter)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_run_that_shows_no_sign_of_life_stands_still_and_what_runs_is_told() {
        let pulse = Pulse::default();
        let alive = async {
            for second in 0..100 {
                sleep(Duration::from_secs(20)).await;
                pulse.beat(second);
            }
        };
        tokio::select! {
            biased;
            () = alive => {}
            still = pulse.still() => panic!("{still}"),
        }
        let _request = pulse.request();
        drop(pulse.update());
        pulse.beat(90_000_000);
        insta::assert_snapshot!(pulse.still().await, @"virtual time has stood still for 30s of real time, 90s after the scenario's start, with 1 request and 0 updates under way: something in there works without end; nothing was judged");
    }
}
