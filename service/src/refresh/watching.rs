//! Waiting for another process's refresh: polls the lease item, never the prices.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::health;
use crate::{App, store::StoreError};

/// How often the lease item is looked at, real time.
const POLL: Duration = Duration::from_millis(100);

/// How waiting ended.
#[derive(Clone, Debug)]
pub enum Watched {
    /// Nobody holds the lease any more; the memory knows the item.
    Over,
    /// It was still held at the bound.
    StillHeld,
    /// The store failed.
    Store(StoreError),
}

/// Polls until the lease is not held, or until `bound`.
pub(super) async fn watch(app: &App, bound: Instant) -> Watched {
    loop {
        let pause = POLL.min(bound.saturating_duration_since(Instant::now()));
        sleep(pause).await;
        let item = match timeout_at(bound, app.store.lease()).await {
            Err(_) => return Watched::StillHeld,
            Ok(Err(error)) => return Watched::Store(error),
            Ok(Ok(answer)) => app.refresher.charge(answer),
        };
        let now = app.clock.now();
        let held = item.lease_until.is_some_and(|until| until > now);
        health::learn(app, item, now);
        if !held {
            return Watched::Over;
        }
        if Instant::now() >= bound {
            return Watched::StillHeld;
        }
    }
}
