//! To whom the parts of a run tell what happens: the recorder, and whoever watches beside it.

use crate::record::{Recorder, Witness, event::Event};

/// What every part of a run holds.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    pub(super) recorder: Recorder,
    pub(super) witness: Option<Witness>,
}

impl Reporter {
    pub(super) fn record(&self, event: Event) {
        if let Some(witness) = &self.witness {
            witness.see(&event);
        }
        self.recorder.record(event);
    }
}
