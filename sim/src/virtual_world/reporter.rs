//! To whom the parts of a run tell what happens: the recorder, and whoever watches beside it.

use std::{fmt, sync::Arc};

use crate::record::{
    Recorder,
    event::{Asker, Event},
};

/// Watches a run beside the recorder. It is called from the run's one thread, for each event as it happens and
/// before the recorder is.
#[derive(Clone)]
pub struct Witness(Arc<dyn Fn(&Event) + Send + Sync>);

impl Witness {
    /// One that calls `see`.
    pub fn new(see: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

/// What every part of a run holds.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    pub(super) recorder: Recorder,
    pub(super) witness: Option<Witness>,
}

impl Reporter {
    pub(super) fn record(&self, event: Event) {
        if let Some(Witness(see)) = &self.witness {
            see(&event);
        }
        self.recorder.record(event);
    }

    /// Records what was caused on behalf of a request, if it was.
    pub(super) fn record_for(&self, asker: Option<Asker>, event: Event) {
        let Some(asker) = asker else {
            return self.record(event);
        };
        if let Some(Witness(see)) = &self.witness {
            see(&event);
        }
        self.recorder.record_for(asker, event);
    }
}
