//! The lease: one holder at a time, and what each way for a refresh to end leaves behind.

use std::{sync::Arc, time::Duration};

use service::{
    models::{Holder, LeaseItem, RetryTokens, Timestamp},
    store::{Acquire, AcquireLease, Binary, ReleaseLease, ReleaseOutcome, Store},
};

use super::NOW;

pub(crate) fn holder(name: &str) -> Holder {
    Holder(name.into())
}

pub(crate) fn acquire(name: &str, now: Timestamp) -> AcquireLease {
    AcquireLease {
        holder: holder(name),
        binary: if name.starts_with("api-") {
            Binary::Api
        } else {
            Binary::Update
        },
        now,
        until: now.after(Duration::from_secs(5)),
        due_before: now.before(Duration::from_secs(300)),
    }
}

async fn takes(store: &Arc<dyn Store>, name: &str, now: Timestamp) -> bool {
    match store
        .acquire_lease(&acquire(name, now))
        .await
        .expect("an answer")
        .value
    {
        Acquire::Acquired(item) => {
            assert_eq!(item.holder, Some(holder(name)), "the item is as it is now");
            true
        }
        Acquire::Refused(item) => {
            assert!(
                item.holder.is_some_and(|other| other != holder(name)),
                "the refusal shows the holder"
            );
            false
        }
    }
}

async fn gives_back(store: &Arc<dyn Store>, name: &str, outcome: ReleaseOutcome) -> bool {
    let release = ReleaseLease {
        holder: holder(name),
        outcome,
    };
    store.release_lease(&release).await.expect("an answer").value
}

/// One holder at a time; a stranger cannot release; a backoff is kept; a lease that ran out is free. Thirteen
/// writes.
pub(crate) async fn has_one_holder(store: &Arc<dyn Store>) {
    assert!(takes(store, "api-1111111111111111", NOW).await);
    assert!(!takes(store, "api-2222222222222222", NOW).await);
    assert!(!takes(store, "update-3333333333333333", NOW).await);
    assert!(!gives_back(store, "api-2222222222222222", ReleaseOutcome::Unused).await);

    let retry_not_before = NOW.after(Duration::from_secs(15));
    let failed = ReleaseOutcome::Failed {
        failures: 1,
        tokens: RetryTokens(40),
        retry_not_before,
    };
    assert!(gives_back(store, "api-1111111111111111", failed).await);
    let just_before = retry_not_before.before(Duration::from_millis(1));
    assert!(!takes(store, "update-3333333333333333", just_before).await);
    assert!(takes(store, "update-3333333333333333", retry_not_before).await);

    // It never comes back: its lease runs out.
    let ran_out = retry_not_before.after(Duration::from_secs(5));
    assert!(
        !takes(
            store,
            "api-4444444444444444",
            ran_out.before(Duration::from_millis(1))
        )
        .await
    );
    assert!(takes(store, "api-4444444444444444", ran_out).await);
    assert!(!gives_back(store, "update-3333333333333333", ReleaseOutcome::Unused).await);
    let refreshed = ReleaseOutcome::Refreshed {
        at: ran_out,
        tokens: RetryTokens(41),
    };
    assert!(gives_back(store, "api-4444444444444444", refreshed).await);

    let item = store.lease().await.expect("an answer").value;
    assert_eq!(
        (item.lease_until, item.retry_not_before, item.failures),
        (None, None, 0)
    );
    assert_eq!(item.refreshed_at, Some(ran_out));
    // Not due yet, then due.
    let due = ran_out.after(Duration::from_secs(300));
    assert!(
        !takes(
            store,
            "api-5555555555555555",
            due.before(Duration::from_millis(1))
        )
        .await
    );
    assert!(takes(store, "api-5555555555555555", due).await);
}

/// 64 processes want the lease at the same instant: one gets it.
pub(crate) async fn goes_to_one_of_many(store: &Arc<dyn Store>) {
    let processes: Vec<_> = (0..64)
        .map(|n| {
            let store = Arc::clone(store);
            tokio::spawn(async move { takes(&store, &format!("api-{n:016x}"), NOW).await })
        })
        .collect();
    let mut holders = 0;
    for process in processes {
        holders += u32::from(process.await.expect("no panic"));
    }
    assert_eq!(holders, 1);
}

/// Each release writes what it says and nothing else; an acquire keeps all but the holder and the end.
pub(crate) async fn keeps_what_releases_write(store: &Arc<dyn Store>) {
    let item = async || store.lease().await.expect("an answer").value;
    assert_eq!(
        item().await,
        LeaseItem::default(),
        "an absent item reads as an empty one"
    );
    let name = "api-1111111111111111";
    let nobody = ReleaseLease {
        holder: holder(name),
        outcome: ReleaseOutcome::Unused,
    };
    assert!(!store.release_lease(&nobody).await.expect("an answer").value);
    assert_eq!(
        item().await,
        LeaseItem::default(),
        "a refused update makes no item"
    );

    let (tokens, later) = (RetryTokens(37), NOW.after(Duration::from_secs(15)));
    assert!(takes(store, name, NOW).await);
    let held = LeaseItem {
        holder: Some(holder(name)),
        lease_until: Some(NOW.after(Duration::from_secs(5))),
        ..LeaseItem::default()
    };
    assert_eq!(item().await, held);

    assert!(gives_back(store, name, ReleaseOutcome::Unused).await);
    let unused = LeaseItem {
        lease_until: None,
        ..held.clone()
    };
    assert_eq!(item().await, unused);
    // Who gave it back is still its last holder, and may say so once more: the answer may have been lost.
    assert!(gives_back(store, name, ReleaseOutcome::Unused).await);
    assert_eq!(item().await, unused);

    assert!(takes(store, name, NOW).await);
    let gave_up = ReleaseOutcome::GaveUp {
        failures: 1,
        tokens,
        api_not_before: later,
    };
    assert!(gives_back(store, name, gave_up).await);
    let backing_off = LeaseItem {
        failures: 1,
        retry_tokens: Some(tokens),
        api_not_before: Some(later),
        ..unused
    };
    assert_eq!(item().await, backing_off);
    // Only API processes mind.
    let updater = "update-2222222222222222";
    assert!(
        !takes(
            store,
            "api-3333333333333333",
            later.before(Duration::from_millis(1))
        )
        .await
    );
    assert!(takes(store, updater, NOW).await);
    let failed = ReleaseOutcome::Failed {
        failures: 2,
        tokens,
        retry_not_before: later,
    };
    assert!(gives_back(store, updater, failed).await);
    let backing_off = LeaseItem {
        holder: Some(holder(updater)),
        failures: 2,
        retry_not_before: Some(later),
        ..backing_off
    };
    assert_eq!(item().await, backing_off);
    assert!(
        !takes(
            store,
            "update-4444444444444444",
            later.before(Duration::from_millis(1))
        )
        .await
    );

    assert!(takes(store, "api-3333333333333333", later).await);
    let refreshed = ReleaseOutcome::Refreshed {
        at: later,
        tokens: RetryTokens::FULL,
    };
    assert!(gives_back(store, "api-3333333333333333", refreshed).await);
    let refreshed = LeaseItem {
        holder: Some(holder("api-3333333333333333")),
        refreshed_at: Some(later),
        retry_tokens: Some(RetryTokens::FULL),
        ..LeaseItem::default()
    };
    assert_eq!(item().await, refreshed);
}

/// A holder that went away: another takes over when its time is up, and what it then still sends is refused.
pub(crate) async fn is_lost_by_who_outstays_it(store: &Arc<dyn Store>) {
    let (lost, next) = ("api-1111111111111111", "update-2222222222222222");
    assert!(takes(store, lost, NOW).await);
    let up = NOW.after(Duration::from_secs(5));
    assert!(!takes(store, next, up.before(Duration::from_millis(1))).await);
    assert!(takes(store, next, up).await);
    let late = ReleaseOutcome::Refreshed {
        at: NOW,
        tokens: RetryTokens(1),
    };
    assert!(!gives_back(store, lost, late).await);
    let item = store.lease().await.expect("an answer").value;
    assert_eq!(
        (item.holder, item.refreshed_at, item.retry_tokens),
        (Some(holder(next)), None, None)
    );
    assert_eq!(item.lease_until, Some(up.after(Duration::from_secs(5))));
}
