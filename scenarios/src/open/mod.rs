//! The open loop: arrivals come when they are due, however long the answers to earlier ones take.
//!
//! Requests in flight are bounded; one that finds no room is not sent and counts as dropped, so that an overload is
//! seen in the report and never silently turns the load into a closed loop.

mod arrivals;
mod carry;

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use self::arrivals::DueTimes;
use crate::play::{Pace, Play, Transport, Visitor, play_journey};

pub(crate) use self::carry::Carrier;

/// Most requests in flight: below the 1,024 files that a process may usually open, and enough for 400 requests a
/// second, the most that a run is sped up to, when each waits for the service's bound of 2 s.
pub(crate) const MAX_IN_FLIGHT: usize = 960;

/// Plays a `rate` load to its end.
pub(crate) async fn run<T>(play: Arc<Play>, rates: &[f64], carrier: T)
where
    T: Transport + Clone + 'static,
{
    let mut due_times = DueTimes::new(rates, play.load.length, play.load.arrivals, play.arrivals());
    let mut visits = JoinSet::new();
    // What makes the next one come sooner.
    let mut faults = Vec::new();
    for number in 0.. {
        let Some(due) = due_times.next() else {
            break;
        };
        let due_us = play.begin_us() + play.clock.real_us(due);
        if !play.wait_until(due_us).await {
            break;
        }
        let visitor = play.arrival(number, std::mem::take(&mut faults));
        visits.spawn(visit(Arc::clone(&play), visitor, due_us, carrier.clone()));
        due_times.hasten(play.hurry(play.load.at + due, &mut faults));
        while let Some(ended) = visits.try_join_next() {
            or_panic(ended);
        }
    }
    while let Some(ended) = visits.join_next().await {
        or_panic(ended);
    }
    // The last arrivals may have gone long before the load ends.
    play.wait_until(play.end_us()).await;
}

async fn visit(play: Arc<Play>, mut visitor: Visitor, due_us: u64, mut carrier: impl Transport) {
    play_journey(&play, &mut visitor, &mut carrier, Pace::Open { due_us }).await;
}

/// A user that panicked is a bug of ours, and must not look like one that left.
pub(crate) fn or_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
