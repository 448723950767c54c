//! The one place to which every part of a run reports what happened.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Recording, RecordingSetup, event::Event};

/// A handle on the recording of a run; cheap to clone, callable from any thread.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Recording>>);

impl Recorder {
    /// A recorder with nothing recorded.
    #[must_use]
    pub fn new(setup: RecordingSetup) -> Self {
        Self(Arc::new(Mutex::new(Recording::new(setup))))
    }

    /// Records an event. It is aggregated at once and not kept.
    pub fn record(&self, event: Event) {
        self.with_mut(|recording| recording.take(event));
    }

    /// Looks at what has been recorded so far. `look` must not record.
    pub fn with<T>(&self, look: impl FnOnce(&Recording) -> T) -> T {
        self.with_mut(|recording| look(recording))
    }

    /// The recording as it is now. What is recorded later through other handles is not in it.
    #[must_use]
    pub fn finish(self) -> Recording {
        match Arc::try_unwrap(self.0) {
            Ok(recording) => recording.into_inner().unwrap_or_else(PoisonError::into_inner),
            Err(shared) => shared.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn with_mut<T>(&self, act: impl FnOnce(&mut Recording) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
