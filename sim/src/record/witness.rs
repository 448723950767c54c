//! Whoever watches a run beside the recorder.

use std::{fmt, sync::Arc};

use super::event::Event;

/// Watches a run beside the recorder. It is called for each event as it happens, before the recorder is: in virtual
/// time from the run's one thread, in real time from whichever thread tells it, so it must be quick.
#[derive(Clone)]
pub struct Witness(Arc<dyn Fn(&Event) + Send + Sync>);

impl Witness {
    /// One that calls `see`.
    pub fn new(see: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    /// Shows it an event.
    pub fn see(&self, event: &Event) {
        (self.0)(event);
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}
