//! What happens to processes and to the store in virtual time.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::{api::Instances, table::Table};
use crate::{
    clock::RunClock,
    incidents::{Act, Incident, Ordeal, UpdateKills},
    record::{Recorder, event::Event},
    store::midway::Midway,
    world::WorldError,
};

/// Whom incidents hit.
#[derive(Clone, Debug)]
pub(super) struct Victims {
    pub(super) clock: RunClock,
    pub(super) recorder: Recorder,
    pub(super) instances: Arc<Instances>,
    pub(super) table: Table,
}

impl Victims {
    /// Lets all of it happen, each at its time.
    ///
    /// # Errors
    /// The store could not be started again.
    pub(super) async fn suffer(self, incidents: Vec<Incident>) -> Result<(), WorldError> {
        for Incident { at, fault, act } in incidents {
            tokio::time::sleep_until(self.clock.instant_of_wall(at)).await;
            let at_us = self.clock.now_us();
            if let Act::Begin(_) = act {
                self.recorder.record(Event::Fault { at_us, fault });
            }
            match act {
                Act::Begin(Ordeal::StoreDown) => self.table.set_reachable(false),
                Act::End(Ordeal::StoreDown) => self.table.set_reachable(true),
                Act::Begin(Ordeal::StoreKilled) => self.table.halt(),
                Act::End(Ordeal::StoreKilled) => self.table.resume()?,
                Act::Begin(Ordeal::Killed(instance)) => self.instances.kill(instance),
                Act::Begin(Ordeal::Restarted(instance)) | Act::End(Ordeal::Killed(instance)) => {
                    self.instances.start(instance);
                    let instance = u16::try_from(instance).unwrap_or(u16::MAX);
                    self.recorder.record(Event::Started { at_us, instance });
                }
                Act::End(Ordeal::Restarted(_)) => {}
                Act::Begin(Ordeal::Frozen(instance)) => self.instances.freeze(instance, true),
                Act::End(Ordeal::Frozen(instance)) => self.instances.freeze(instance, false),
            }
        }
        Ok(())
    }
}

/// Kills updates that are midway, when a fault says so; who is killed hears of it by the receiver.
pub(super) fn update_killer(
    kills: UpdateKills,
    clock: RunClock,
    recorder: Recorder,
) -> (Midway, watch::Receiver<u64>) {
    let (killed, told) = watch::channel(0);
    if kills.is_empty() {
        return (Midway::default(), told);
    }
    let killed = Arc::new(killed);
    let act = move || {
        let at_us = clock.now_us();
        let by = kills.at(clock.wall_since_start(at_us));
        if let Some(fault) = by {
            recorder.record(Event::Fault { at_us, fault });
            killed.send_modify(|count| *count += 1);
        }
        async move {
            if by.is_some() {
                // It is dropped here.
                std::future::pending().await
            }
        }
        .boxed()
    };
    (Midway::new(Arc::new(act)), told)
}
