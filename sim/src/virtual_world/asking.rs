//! On whose behalf the service asks in virtual time: whatever is polled for a request is done for it.

use crate::{clock::RunClock, record::event::Asker};

tokio::task_local! {
    /// Index of the instance, and the number of the request.
    static ASKING: (u16, u64);
}

/// Does `work` on behalf of a request.
pub(super) async fn on_behalf_of<T>(instance: u16, request: u64, work: impl Future<Output = T>) -> T {
    ASKING.scope((instance, request), work).await
}

/// The request on whose behalf the caller is being polled; none when it is an update.
pub(super) fn asker(clock: &RunClock) -> Option<Asker> {
    let asking = ASKING.try_with(|asking| *asking).ok();
    asking.map(|(instance, request)| Asker {
        instance,
        request,
        now_us: clock.now_us(),
    })
}
