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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_polled_for_a_request_is_done_for_it_however_they_take_turns() {
        let clock = RunClock::paused(0);
        let told = || asker(&clock).map(|asker| (asker.instance, asker.request, asker.now_us));
        let work = async |ms| {
            let before = told();
            sleep(Duration::from_millis(ms)).await;
            [before, told()]
        };
        let both = tokio::join!(on_behalf_of(0, 7, work(2)), on_behalf_of(1, 8, work(1)), work(3));
        assert_eq!(both.0, [Some((0, 7, 0)), Some((0, 7, 2_000))]);
        assert_eq!(both.1, [Some((1, 8, 0)), Some((1, 8, 1_000))]);
        assert_eq!(both.2, [None; 2], "nobody asked for it");
    }
}
