//! Taking and giving back the refresh lease, and what may be done while it is held.

use std::time::Duration;

use super::{Terms, health};
use crate::{
    App,
    models::{Holder, LeaseItem, Timestamp},
    store::{Acquire, AcquireLease, Binary, ReleaseLease, ReleaseOutcome, StoreError},
};

/// A lease that was taken.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    /// Ours, drawn for this acquisition.
    pub(super) holder: Holder,
    /// Until when others leave us alone, wall time.
    pub(super) until: Timestamp,
    /// When it was taken.
    pub(super) taken_at: Timestamp,
    /// The item as we found it (with our hold on it).
    pub(super) item: LeaseItem,
}

/// Tries to take the lease; the item that refused it otherwise.
///
/// # Errors
/// The store cannot say.
pub(super) async fn acquire(app: &App, terms: &Terms) -> Result<Result<Lease, LeaseItem>, StoreError> {
    let name = match terms.binary {
        Binary::Api => "api",
        Binary::Update => "update",
    };
    let now = app.clock.now();
    let request = AcquireLease {
        holder: Holder(format!("{name}-{:016x}", app.rng.next_u64()).into()),
        binary: terms.binary,
        now,
        until: now.after(app.clock.wall(terms.lease)),
        due_before: now.before(terms.due_after),
    };
    let first = app.store.acquire_lease(&request).await;
    let answer = match first {
        // It may have happened: asked again, the item tells.
        Err(StoreError::Unavailable { .. }) => app.store.acquire_lease(&request).await?,
        other => other?,
    };
    let item = match app.refresher.charge(answer) {
        Acquire::Acquired(item) => item,
        Acquire::Refused(item)
            if item.holder.as_ref() == Some(&request.holder) && item.lease_until == Some(request.until) =>
        {
            item
        }
        Acquire::Refused(item) => return Ok(Err(item)),
    };
    Ok(Ok(Lease {
        holder: request.holder,
        until: request.until,
        taken_at: now,
        item,
    }))
}

impl Lease {
    /// Whether it will still be ours when work that may take `real` from now has ended.
    pub(super) fn outlives(&self, app: &App, real: Duration) -> bool {
        app.clock.real(self.until.since(app.clock.now())) > real
    }

    /// Gives it back and remembers what that leaves; what this process has read by `as_of` it then knows to stand.
    pub(super) async fn release(self, app: &App, outcome: ReleaseOutcome, as_of: Timestamp) {
        let request = ReleaseLease {
            holder: self.holder.clone(),
            outcome,
        };
        let first = app.store.release_lease(&request).await;
        let answer = match first {
            // If it did happen, doing it again changes nothing, unless another holds it: then it is refused.
            Err(StoreError::Unavailable { .. }) => app.store.release_lease(&request).await,
            other => other,
        };
        match answer.map(|answer| app.refresher.charge(answer)) {
            Ok(true) => health::learn(app, self.left_behind(&request.outcome), as_of),
            // Another took it: we know nothing until we ask.
            Ok(false) => app.memory.learn_lease(LeaseItem::default(), as_of),
            Err(error) => {
                tracing::warn!(
                    event = "release",
                    "the lease could not be given back and runs out by itself: {error}"
                );
                app.memory.learn_lease(self.item, as_of);
            }
        }
    }

    /// The item after the release.
    fn left_behind(self, outcome: &ReleaseOutcome) -> LeaseItem {
        let item = LeaseItem {
            lease_until: None,
            ..self.item
        };
        match *outcome {
            ReleaseOutcome::Refreshed { at, tokens } => LeaseItem {
                refreshed_at: Some(at),
                retry_tokens: Some(tokens),
                failures: 0,
                retry_not_before: None,
                api_not_before: None,
                ..item
            },
            ReleaseOutcome::Failed {
                failures,
                tokens,
                retry_not_before,
            } => LeaseItem {
                failures,
                retry_tokens: Some(tokens),
                retry_not_before: Some(retry_not_before),
                ..item
            },
            ReleaseOutcome::GaveUp {
                failures,
                tokens,
                api_not_before,
            } => LeaseItem {
                failures,
                retry_tokens: Some(tokens),
                api_not_before: Some(api_not_before),
                ..item
            },
            ReleaseOutcome::Unused => item,
        }
    }
}
