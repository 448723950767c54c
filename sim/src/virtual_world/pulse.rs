//! How a virtual run is doing, for those who watch it from outside its thread, and when it stands still.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::world::WorldError;

/// So many answers at one instant mean that time does not go on: somebody repeats at once what takes no time.
const MOST_AT_ONE_INSTANT: u64 = 200_000;

/// The pulse of a run; a clone shows the same.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug, Default)]
struct Beats {
    now_us: AtomicU64,
    requests: AtomicU64,
    at_this_instant: AtomicU64,
    stuck: Notify,
}

impl Pulse {
    /// Virtual µs since the start at the last answer.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.0.now_us.load(Ordering::Relaxed)
    }

    /// Answers so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// A user had an answer. Called by the run's one thread only.
    pub(super) fn beat(&self, now_us: u64) {
        let beats = &*self.0;
        let count = |counter: &AtomicU64| counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        count(&beats.requests);
        if beats.now_us.swap(now_us, Ordering::Relaxed) == now_us {
            count(&beats.at_this_instant);
            if beats.at_this_instant.load(Ordering::Relaxed) == MOST_AT_ONE_INSTANT {
                beats.stuck.notify_one();
            }
        } else {
            beats.at_this_instant.store(1, Ordering::Relaxed);
        }
    }

    /// Waits until time does not go on.
    pub(super) async fn stuck(&self) -> WorldError {
        self.0.stuck.notified().await;
        WorldError::TimeStandsStill {
            at: Duration::from_micros(self.now_us()),
            answers: MOST_AT_ONE_INSTANT,
        }
    }
}
