//! The one place to which every part of a run reports what happened.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Recording, RecordingSetup, Witness,
    event::{Asker, Event},
    intake::Intake,
};

/// A handle on the recording of a run; cheap to clone, callable from any thread.
#[derive(Clone, Debug)]
pub struct Recorder {
    intake: Arc<Mutex<Intake>>,
    witness: Option<Witness>,
}

impl Recorder {
    /// A recorder with nothing recorded.
    #[must_use]
    pub fn new(setup: RecordingSetup) -> Self {
        Self {
            intake: Arc::new(Mutex::new(Intake::new(setup))),
            witness: None,
        }
    }

    /// The same recorder with someone beside it who sees what it and its clones record.
    #[must_use]
    pub fn watched_by(self, witness: Option<Witness>) -> Self {
        Self { witness, ..self }
    }

    /// Records an event. It is aggregated at once and not kept.
    pub fn record(&self, event: Event) {
        self.record_for(None, event);
    }

    /// Records an event; one with an `asker` is known to have been caused on its behalf, at this very moment.
    pub fn record_for(&self, asker: Option<Asker>, event: Event) {
        if let Some(witness) = &self.witness {
            witness.see(&event);
        }
        self.lock().take_for(asker, event);
    }

    /// Looks at what has been settled so far. `look` must not record.
    pub fn with<T>(&self, look: impl FnOnce(&Recording) -> T) -> T {
        look(self.lock().recording())
    }

    /// The recording of everything until now. What is recorded later through other handles is not in it.
    #[must_use]
    pub fn finish(self) -> Recording {
        let intake = match Arc::try_unwrap(self.intake) {
            Ok(intake) => intake.into_inner().unwrap_or_else(PoisonError::into_inner),
            Err(shared) => shared.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        intake.finish()
    }

    fn lock(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
