//! What happens to processes and to the store in real time.

use tokio::sync::mpsc;

use super::{WorldError, instances::Order, stack::Backing};
use crate::{
    clock::RunClock,
    incidents::{Act, Incident, Ordeal},
    record::{Recorder, event::Event},
    store::front::StoreFront,
};

/// Whom incidents hit.
pub(super) struct Victims<'a> {
    pub(super) clock: RunClock,
    pub(super) recorder: Recorder,
    /// By index.
    pub(super) instances: Vec<mpsc::UnboundedSender<Order>>,
    pub(super) backing: Backed<'a>,
}

/// What is behind the service.
pub(super) enum Backed<'a> {
    /// The scenario kills the store, and starts it again.
    Mortal(&'a mut Backing),
    /// It does not.
    Lasting(&'a Backing),
}

impl Backed<'_> {
    fn front(&self) -> &StoreFront {
        match self {
            Self::Mortal(backing) => &backing.front,
            Self::Lasting(backing) => &backing.front,
        }
    }

    async fn halt(&mut self) -> Result<(), WorldError> {
        match self {
            Self::Mortal(backing) => backing.halt().await,
            Self::Lasting(_) => Err(unexpected()),
        }
    }

    async fn resume(&mut self) -> Result<(), WorldError> {
        match self {
            Self::Mortal(backing) => backing.resume().await,
            Self::Lasting(_) => Err(unexpected()),
        }
    }
}

fn unexpected() -> WorldError {
    WorldError::Internal("something kills a store that nothing was to kill".to_owned())
}

impl Victims<'_> {
    /// Lets all of it happen, each at its time.
    ///
    /// # Errors
    /// The store could not be started again.
    pub(super) async fn suffer(mut self, incidents: Vec<Incident>) -> Result<(), WorldError> {
        for Incident { at, fault, act } in incidents {
            tokio::time::sleep_until(self.clock.instant_of_wall(at)).await;
            if let Act::Begin(_) = act {
                let at_us = self.clock.now_us();
                self.recorder.record(Event::Fault { at_us, fault });
            }
            match act {
                Act::Begin(Ordeal::StoreDown) => self.backing.front().set_reachable(false),
                Act::End(Ordeal::StoreDown) => self.backing.front().set_reachable(true),
                Act::Begin(Ordeal::StoreKilled) => self.backing.halt().await?,
                Act::End(Ordeal::StoreKilled) => self.backing.resume().await?,
                Act::Begin(Ordeal::Killed(instance)) => self.order(instance, Order::Kill),
                Act::End(Ordeal::Killed(instance)) => self.order(instance, Order::Start),
                Act::Begin(Ordeal::Restarted(instance)) => self.order(instance, Order::Restart),
                Act::End(Ordeal::Restarted(_)) => {}
                Act::Begin(Ordeal::Frozen(instance)) => self.order(instance, Order::Freeze),
                Act::End(Ordeal::Frozen(instance)) => self.order(instance, Order::Continue),
            }
        }
        Ok(())
    }

    fn order(&self, instance: u32, order: Order) {
        if let Some(orders) = self.instances.get(instance as usize) {
            // Nobody listens only when the run is over.
            let _ = orders.send(order);
        }
    }
}
