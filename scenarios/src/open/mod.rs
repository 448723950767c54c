//! The open loop: arrivals come when they are due, however long the answers to earlier ones take.
//!
//! Requests in flight are bounded; one that finds no room is not sent and counts as dropped, so that an overload is
//! seen in the report and never silently turns the load into a closed loop.

mod arrivals;
mod carry;

use std::sync::Arc;

use tokio::task::JoinSet;

use self::arrivals::DueTimes;
use self::carry::Carrier;
use crate::play::{Pace, Play, play_journey};

/// Most requests in flight: below the 1,024 files that a process may usually open, and enough for 400 requests a
/// second, the most that a run is sped up to, when each waits for the service's bound of 2 s.
const MAX_IN_FLIGHT: usize = 960;

/// Plays a `rate` load to its end.
pub(crate) async fn run(play: Arc<Play>, rates: &[f64]) {
    let carrier = Carrier::new(play.timeout(), MAX_IN_FLIGHT);
    let due_times = DueTimes::new(rates, play.load.length, play.load.arrivals, play.arrivals());
    let mut visits = JoinSet::new();
    for (number, due) in (0..).zip(due_times) {
        let due_us = play.begin_us() + play.clock.real_us(due);
        if !play.wait_until(due_us).await {
            break;
        }
        visits.spawn(visit(Arc::clone(&play), number, due_us, carrier.clone()));
        while visits.try_join_next().is_some() {}
    }
    while visits.join_next().await.is_some() {}
    // The last arrivals may have gone long before the load ends.
    play.wait_until(play.end_us()).await;
}

async fn visit(play: Arc<Play>, number: u32, due_us: u64, mut carrier: Carrier) {
    let mut visitor = play.arrival(number);
    play_journey(&play, &mut visitor, &mut carrier, Pace::Open { due_us }).await;
}
