//! The parts of a play, the schedule and the loads, until all of them have ended.

use std::time::Duration;

use tokio::{
    task::{Id, JoinSet},
    time::{Instant, timeout_at},
};

use super::Pulse;
use crate::world::WorldError;

/// Parts that run. Dropping them ends them.
#[derive(Debug, Default)]
pub(super) struct Parts {
    running: JoinSet<Result<(), WorldError>>,
    /// Those that have not ended, in the order in which they began.
    names: Vec<(Id, String)>,
}

impl Parts {
    /// Begins a part; `name` is what it is called in words.
    pub(super) fn begin(
        &mut self,
        name: String,
        part: impl Future<Output = Result<(), WorldError>> + Send + 'static,
    ) {
        let id = self.running.spawn(part).id();
        self.names.push((id, name));
    }

    /// Waits for all to end, no longer than for `drain` after the scenario's `end`.
    ///
    /// # Errors
    /// The first that a part gives; or some have not ended by then.
    pub(super) async fn end(
        &mut self,
        end: Instant,
        drain: Duration,
        pulse: &Pulse,
    ) -> Result<(), WorldError> {
        let all = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                let (id, ended) = ended.unwrap_or_else(|panic| {
                    let problem = WorldError::Internal(panic.to_string());
                    (panic.id(), Err(problem))
                });
                ended?;
                self.names.retain(|(other, _)| *other != id);
            }
            Ok(())
        };
        match timeout_at(end + drain, all).await {
            Ok(ended) => ended,
            Err(_) => {
                let names: Vec<&str> = self.names.iter().map(|(_, name)| name.as_str()).collect();
                Err(pulse.deadlock(drain, names.join(" and ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_never_ends_is_told_with_what_was_under_way() {
        let (pulse, mut parts) = (Pulse::default(), Parts::default());
        parts.begin("the schedule".to_owned(), async { Ok(()) });
        let stuck = pulse.clone();
        parts.begin("load `day`".to_owned(), async move {
            let _open = stuck.request();
            pending().await
        });
        parts.begin("load `night`".to_owned(), pending());
        let end = Instant::now() + Duration::from_secs(3600);
        let told = parts.end(end, Duration::from_secs(70), &pulse).await;
        let told = told.expect_err("two parts never end").to_string();
        insta::assert_snapshot!(told, @"70s of virtual time after the scenario's end load `day` and load `night` had not ended, with 1 request and 0 updates under way: what they wait for never comes");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_error_of_a_part_ends_the_play() {
        let mut parts = Parts::default();
        parts.begin("load `day`".to_owned(), pending());
        parts.begin("load `night`".to_owned(), async { panic!("a defect") });
        let end = Instant::now();
        let told = parts.end(end, Duration::from_secs(70), &Pulse::default()).await;
        assert!(matches!(told, Err(WorldError::Internal(_))), "{told:?}");
    }
}
