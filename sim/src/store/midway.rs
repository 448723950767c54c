//! Midway through an update: after a batch of prices that it has stored, and before it is told so.
//!
//! Who asks the store is not in a request, but prices are written only by the holder of the lease, and its name says
//! whether it is an update.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;

use super::observe::Outcome;
use crate::record::event::{Event, LeaseAction};

/// Is called midway through an update; the answer waits until it returns.
pub type Act = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Knows when an update is midway, and what happens then.
#[derive(Clone, Default)]
pub struct Midway(Option<Arc<Inner>>);

struct Inner {
    act: Act,
    /// Whether the lease was last taken by an update.
    by_update: AtomicBool,
}

impl Midway {
    /// Calls `act` after each batch of prices that an update has stored.
    #[must_use]
    pub fn new(act: Act) -> Self {
        Self(Some(Arc::new(Inner {
            act,
            by_update: AtomicBool::new(false),
        })))
    }

    /// What came of a request: perhaps the lease was taken.
    pub(super) fn saw(&self, outcome: &Outcome) {
        for event in &outcome.events {
            if let Event::Lease(lease) = event
                && lease.action == LeaseAction::Acquire
                && lease.held
            {
                self.taken_by(&lease.holder);
            }
        }
    }

    /// The lease was taken by this holder.
    pub(super) fn taken_by(&self, holder: &str) {
        if let Some(inner) = &self.0 {
            inner
                .by_update
                .store(holder.starts_with("update-"), Ordering::Relaxed);
        }
    }

    /// A batch of prices was stored.
    pub(super) async fn batch_stored(&self) {
        if let Some(inner) = &self.0
            && inner.by_update.load(Ordering::Relaxed)
        {
            (inner.act)().await;
        }
    }
}

impl fmt::Debug for Midway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Midway").field(&self.0.is_some()).finish()
    }
}
