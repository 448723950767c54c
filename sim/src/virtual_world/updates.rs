//! The schedule at work in virtual time: each firing runs one update in an `App` of its own, as each starts a
//! process of its own on the real clock.

use service::serve;
use tokio::{sync::watch, task::JoinSet, time::Instant};

use super::{ProcessParts, Pulse, api::NextFiring};
use crate::{
    deployed::eventbridge::ScheduledFunction,
    record::event::Event,
    schedule::Occasion,
    world::{UPDATE_BEYOND_END, WorldError},
};

/// What every update is started with.
#[derive(Clone, Debug)]
pub(super) struct Updater {
    pub(super) parts: ProcessParts,
    /// What the schedule invokes, where something is deployed.
    pub(super) function: Option<ScheduledFunction>,
    /// The end of the scenario. What is tried again after that tells nothing.
    pub(super) end: Instant,
    /// Counts the updates that are killed midway.
    pub(super) killed: watch::Receiver<u64>,
    pub(super) next_firing: NextFiring,
    pub(super) pulse: Pulse,
}

/// Whoever waits for the next firing must not wait for one that never comes.
struct NoMore(NextFiring);

impl Drop for NoMore {
    fn drop(&mut self) {
        self.0.set(NextFiring::NEVER);
    }
}

impl Updater {
    /// Fires on these occasions and waits for the last update to end.
    ///
    /// # Errors
    /// An update panicked. (That it fails is an answer, and recorded as such.)
    pub(super) async fn fire(self, occasions: Vec<Occasion>) -> Result<(), WorldError> {
        let no_more = NoMore(self.next_firing.clone());
        let mut running = JoinSet::new();
        for occasion in occasions {
            self.next_firing.set(self.parts.clock.at_us_of_wall(occasion.at));
            tokio::time::sleep_until(self.parts.clock.instant_of_wall(occasion.at)).await;
            let (at_us, faults) = (self.parts.clock.now_us(), occasion.faults);
            let Some(index) = occasion.index else {
                self.parts
                    .recorder
                    .record(Event::ScheduleSkipped { at_us, faults });
                continue;
            };
            self.parts
                .recorder
                .record(Event::ScheduleFired { at_us, index, faults });
            running.spawn(self.clone().update(index));
            while let Some(ended) = running.try_join_next() {
                ended.map_err(|panic| WorldError::Internal(panic.to_string()))?;
            }
        }
        drop(no_more);
        while let Some(ended) = running.join_next().await {
            ended.map_err(|panic| WorldError::Internal(panic.to_string()))?;
        }
        Ok(())
    }

    async fn update(mut self, index: u32) {
        let pulse = self.pulse;
        let _running = pulse.update();
        if let Some(function) = self.function {
            let clock = self.parts.clock;
            let fired = function.fire(clock, |ok| {
                let at_us = clock.now_us();
                self.parts
                    .recorder
                    .record(Event::UpdateEnded { at_us, index, ok });
            });
            // One that still waits to be tried again then is ended.
            let _ = tokio::time::timeout_at(self.end + UPDATE_BEYOND_END, fired).await;
            return;
        }
        let process = format!("update-{index}");
        let app = self.parts.app("update", &process);
        self.killed.mark_unchanged();
        let ok = tokio::select! {
            biased;
            // Where nobody kills updates there is no sender, and this is out.
            Ok(()) = self.killed.changed() => false,
            ended = serve::invoke_update(&app, None, &process) => ended.is_ok(),
        };
        self.parts.recorder.record(Event::UpdateEnded {
            at_us: self.parts.clock.now_us(),
            index,
            ok,
        });
    }
}
