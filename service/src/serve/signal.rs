//! Being told to stop: SIGTERM from whoever runs the process, SIGINT from a terminal.

use std::pin::pin;

use futures_util::future;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ServeError;

/// From its making on, the signals no longer end the process: they are waited for.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(super) fn listen() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(ServeError::Setup);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits until one has come, also before this call.
    pub(super) async fn asked(&mut self) {
        let (terminate, interrupt) = (pin!(self.terminate.recv()), pin!(self.interrupt.recv()));
        future::select(terminate, interrupt).await;
    }
}
