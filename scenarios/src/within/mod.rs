//! Loads played within the harness's own process: no sockets, no threads, and no clock but tokio's.
//!
//! On a paused runtime that is virtual time. Users are the same as those on sockets ([`crate::play`]): the same
//! journeys, draws and reactions, and the same arrivals. Only how a request is carried differs, which [`Carry`] says.
//! A load that comes second by second is made second by second: nothing is kept of a visit that has ended, nor of
//! one that has not yet begun.

mod carry;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::carry::Carrier;
use crate::format::model::{Scenario, Shape};
use crate::open;
use crate::play::{LoadClock, Pace, Play, Setup, Tell, play_journey};
use crate::wire::RequestLine;

pub use crate::play::PlayError;
pub use crate::request::{Answer, Exchange, NoAnswer};

/// Carries requests to the service.
pub trait Carry: Send + Sync {
    /// Sends a GET for `path` (with its query) to the instance `target`, and waits for the answer. What takes too
    /// long is dropped.
    fn get<'a>(&'a self, target: u16, path: &'a str, headers: HeaderMap) -> Carried<'a>;
}

/// A request being carried. Boxed, so that who thinks for a while keeps nothing of the service's state.
pub type Carried<'a> = Pin<Box<dyn Future<Output = Exchange> + Send + 'a>>;

/// Which load is played, and with what.
#[derive(Clone, Debug)]
pub struct WithinPlan<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Index of the `[[load]]` to play.
    pub load: usize,
    /// The run's seed.
    pub seed: u64,
    /// Instances; requests of the load go to them in turn.
    pub targets: u16,
    /// The API keys of this load, by index.
    pub keys: Vec<String>,
    /// The supported symbols, most popular first.
    pub symbols: Vec<String>,
    /// Longest time to wait for an answer.
    pub timeout: Duration,
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadEnd {
    /// Requests that were told of.
    pub sent: u64,
    /// Requests that were not sent because too many were in flight.
    pub dropped: u64,
}

/// Plays a load to its end, or until `stop` becomes true: then requests in flight get half a second.
///
/// The run's anchor, at which its scenario starts, is the instant at which this is called (not that of its first
/// poll); instants of lines are microseconds since then. Each request is told of as its answer comes. Dropping the
/// future ends the load at once.
///
/// # Errors
/// When the plan does not fit its scenario.
///
/// # Panics
/// Outside of a tokio runtime with its time driver on; and when a request panics.
pub fn play(
    plan: WithinPlan<'_>,
    carry: Arc<dyn Carry>,
    tell: Arc<dyn Fn(RequestLine) + Send + Sync>,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = Result<LoadEnd, PlayError>> + Send + use<> {
    let play = Play::new(Setup {
        scenario: plan.scenario,
        load: plan.load,
        seed: plan.seed,
        targets: plan.targets,
        keys: &plan.keys,
        symbols: plan.symbols,
        clock: LoadClock::from_now(),
        tell: Tell(tell),
        stop,
    });
    async move {
        let play = Arc::new(play?);
        let engine = async {
            match &play.load.shape {
                Shape::Rate(rates) => {
                    let carrier = Carrier::with_room(carry, plan.timeout, open::MAX_IN_FLIGHT);
                    open::run(Arc::clone(&play), rates, carrier).await;
                }
                Shape::Users(users) => crowd(&play, *users, &Carrier::new(carry, plan.timeout)).await,
            }
        };
        // An early end is told by the numbers.
        let _ = play.to_the_end(engine).await;
        Ok(LoadEnd {
            sent: play.sent(),
            dropped: play.dropped(),
        })
    }
}

/// The closed loop: all users come when the load begins, as they do on goose, which takes a few milliseconds to
/// start them.
async fn crowd(play: &Arc<Play>, users: u32, carrier: &Carrier) {
    play.wait_until(play.begin_us()).await;
    let mut crowd = JoinSet::new();
    for number in 0..users {
        crowd.spawn(user(Arc::clone(play), number, carrier.clone()));
    }
    while let Some(ended) = crowd.join_next().await {
        open::or_panic(ended);
    }
}

/// Makes one journey after the other until the load ends.
async fn user(play: Arc<Play>, number: u32, mut carrier: Carrier) {
    let mut visitor = play.user(number);
    while !play.is_over() {
        play_journey(&play, &mut visitor, &mut carrier, Pace::Closed).await;
    }
}

#[cfg(test)]
mod tests;
