//! What virtual time knows exactly of a request: what it did at the store, and in which order.
//!
//! One thread does everything there, and whoever asks the store is known, so the order in which events come is the
//! order in which they happened, at equal instants too. A request begins to look for prices in the very step in
//! which it is admitted. What is shared in an instance cannot be seen being shared: of those who wait for a refresh, one
//! drives it. But who was not told by its instance's memory at once, and not by a read of its own, has waited.

use std::collections::BTreeMap;

use super::{
    event::{Asker, StoreCall, StoreOp, StoreSubject},
    links::Coins,
};

/// A read of prices that a request made for itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnRead {
    /// When the store answered, virtual µs.
    pub(super) at_us: u64,
    /// What was asked for: what was not fresh in memory.
    pub(super) coins: Coins,
    /// Of them what was servable.
    pub(super) servable: Coins,
    /// Of these what was fresh.
    pub(super) fresh: Coins,
    /// Whether it came after a wait for another process, which is for those who have nothing to serve.
    pub(super) waited: bool,
}

impl OwnRead {
    /// Whether it found something to serve. Fresh coins beside some that are gone do not count: they may be the first
    /// half of a set that is being stored.
    fn found_something(&self) -> bool {
        self.coins.without(self.servable).is_empty() || !self.servable.without(self.fresh).is_empty()
    }
}

/// A request that was admitted.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// Index of its instance.
    pub(super) instance: u16,
    /// The place among all events at which it began to look for prices.
    pub(super) order: u64,
    /// When that was, virtual µs.
    pub(super) at_us: u64,
    /// Its reads, in order. Most requests make none.
    pub(super) reads: Vec<OwnRead>,
}

/// The requests that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Traces {
    open: BTreeMap<u64, Trace>,
    /// By instance: when it last saw what became of another's lease, virtual µs.
    looked_us: Vec<Option<u64>>,
    /// When the read began that is told next, virtual µs.
    read_began_us: u64,
}

impl Traces {
    /// A request was admitted.
    pub(super) fn admitted(&mut self, asker: Asker, order: u64, at_us: u64) {
        let trace = Trace {
            instance: asker.instance,
            order,
            at_us,
            reads: Vec::new(),
        };
        self.open.insert(asker.request, trace);
    }

    /// A request to the store was answered.
    pub(super) fn called(&mut self, asker: Asker, call: &StoreCall) {
        match (call.op, call.subject) {
            // Only who waits for its holder reads the lease item.
            (StoreOp::GetItem, StoreSubject::Lease) => {
                let instance = usize::from(asker.instance);
                if self.looked_us.len() <= instance {
                    self.looked_us.resize(instance + 1, None);
                }
                self.looked_us[instance] = Some(asker.now_us);
            }
            (StoreOp::BatchGetItem, _) => self.read_began_us = call.at_us,
            _ => {}
        }
    }

    /// Prices were read by a request for itself. It has been called just before, in the same step.
    pub(super) fn read(&mut self, asker: Asker, read: OwnRead) {
        let Some(trace) = self.open.get_mut(&asker.request) else {
            return;
        };
        let looked_us = self.looked_us.get(usize::from(asker.instance)).copied().flatten();
        let began_us = self.read_began_us;
        // Whoever waited goes on in the instant in which the lease was seen given back.
        let waits_over = began_us > trace.at_us && looked_us == Some(began_us);
        let waited = trace.reads.last().map_or(waits_over, |before| {
            before.waited || (waits_over && !before.found_something())
        });
        trace.reads.push(OwnRead { waited, ..read });
    }

    /// Takes out a request that has ended.
    pub(super) fn end(&mut self, request: u64) -> Option<Trace> {
        self.open.remove(&request)
    }

    /// Forgets requests that were admitted before `before_us`: those that nobody waited for to their end.
    pub(super) fn forget(&mut self, before_us: u64) {
        self.open.retain(|_, trace| trace.at_us >= before_us);
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        let reads: usize = self.open.values().map(|trace| trace.reads.len()).sum();
        self.open.len() * size_of::<(u64, Trace)>() + reads * size_of::<OwnRead>()
    }
}
