//! One piece of work shared by all who wait for it, and driven by them: never a spawned task.
//!
//! The work is a shared future. Whoever waits polls it; when the one that drives it goes away, the next
//! waiter drives it on from where it stands. When nobody waits any more it is dropped.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

/// The work as its waiters hold it.
pub type Flight<T> = Shared<BoxFuture<'static, T>>;

/// Whether the work was begun by this waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It began it.
    Leader,
    /// It found it under way.
    Follower,
}

/// A place for at most one piece of work at a time.
pub struct SingleFlight<T: Clone>(Mutex<Option<WeakShared<BoxFuture<'static, T>>>>);

impl<T: Clone> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    /// Joins the work under way, or begins it.
    pub fn join(&self, begin: impl FnOnce() -> BoxFuture<'static, T>) -> (Flight<T>, Role) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way(slot.as_ref()) {
            return (flight, Role::Follower);
        }
        let flight = begin().shared();
        *slot = flight.downgrade();
        (flight, Role::Leader)
    }

    /// Whether there is work to join.
    pub fn is_under_way(&self) -> bool {
        under_way(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref()).is_some()
    }
}

/// One that has ended may still be held by waiters that have not been polled since.
fn under_way<T: Clone>(slot: Option<&WeakShared<BoxFuture<'static, T>>>) -> Option<Flight<T>> {
    slot.and_then(WeakShared::upgrade)
        .filter(|flight| flight.peek().is_none())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use tokio::time::{Instant, sleep};

    use super::*;

    fn work(begun: &Arc<AtomicU32>) -> BoxFuture<'static, u32> {
        let count = begun.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            sleep(Duration::from_secs(1)).await;
            count
        }
        .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_goes_away_is_replaced_by_a_waiter() {
        let (flights, begun) = (Arc::new(SingleFlight::default()), Arc::new(AtomicU32::new(0)));
        let start = Instant::now();
        let leader = {
            let (flight, role) = flights.join(|| work(&begun));
            assert_eq!(role, Role::Leader);
            tokio::spawn(flight)
        };
        sleep(Duration::from_millis(400)).await;
        let (flight, role) = flights.join(|| work(&begun));
        assert_eq!(role, Role::Follower);
        let waiter = tokio::spawn(flight);
        sleep(Duration::from_millis(100)).await;
        leader.abort();
        assert_eq!(waiter.await.expect("not aborted"), 1);
        assert_eq!(start.elapsed().as_millis(), 1000);
        assert_eq!(flights.join(|| work(&begun)).1, Role::Leader);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_nobody_waits_for_is_dropped() {
        let (flights, begun) = (SingleFlight::default(), Arc::new(AtomicU32::new(0)));
        drop(flights.join(|| work(&begun)));
        let (flight, role) = flights.join(|| work(&begun));
        assert_eq!((role, flight.await), (Role::Leader, 2));
    }
}
