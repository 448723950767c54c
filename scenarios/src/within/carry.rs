//! Carries requests by a [`Carry`], no longer than is waited for an answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Carry;
use crate::play::{Outgoing, Transport};
use crate::request::{Exchange, NoAnswer};

/// A clone shares the room.
#[derive(Clone)]
pub(super) struct Carrier {
    carry: Arc<dyn Carry>,
    timeout: Duration,
    /// `None`: as many in flight as there are users.
    room: Option<Arc<Semaphore>>,
}

impl Carrier {
    /// Has as many requests in flight as it is given.
    pub(super) fn new(carry: Arc<dyn Carry>, timeout: Duration) -> Self {
        Self {
            carry,
            timeout,
            room: None,
        }
    }

    /// Has at most `room` requests in flight.
    pub(super) fn with_room(carry: Arc<dyn Carry>, timeout: Duration, room: usize) -> Self {
        Self {
            room: Some(Arc::new(Semaphore::new(room))),
            ..Self::new(carry, timeout)
        }
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

impl Transport for Carrier {
    // An answer is all there at once, and told of at once: what it was worth is known of that instant.
    const READS_SLOWLY: bool = false;

    /// No `async fn`: what is given here need not be kept for as long as the answer takes.
    fn get<'a>(&'a mut self, request: Outgoing<'a>) -> impl Future<Output = Exchange> + Send {
        let place = self.room.as_ref().map(|room| room.try_acquire());
        let carried = (!matches!(place, Some(Err(_)))).then(|| {
            let carried = self.carry.get(request.target, request.path, request.headers);
            tokio::time::timeout(self.timeout, carried)
        });
        async move {
            let _place = place;
            let Some(carried) = carried else {
                return Exchange::NoRoom;
            };
            carried.await.unwrap_or(Exchange::Failed(NoAnswer::Timeout))
        }
    }
}
