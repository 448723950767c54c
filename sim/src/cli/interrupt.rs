//! Ctrl-C and SIGTERM: the first asks to stop in order, the second to stop at once.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Becomes true when someone asks to stop.
#[derive(Clone, Debug)]
pub struct Interrupt {
    /// In order: what was recorded is judged and reported.
    pub stop: watch::Receiver<bool>,
    /// At once.
    pub abort: watch::Receiver<bool>,
}

/// Listens for the signals from now on.
///
/// # Errors
/// When the operating system refuses.
pub fn listen() -> std::io::Result<Interrupt> {
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let (stop, stopping) = watch::channel(false);
    let (abort, aborting) = watch::channel(false);
    tokio::spawn(async move {
        let (mut interrupt, mut terminate) = (interrupt, terminate);
        either(&mut interrupt, &mut terminate).await;
        stop.send_replace(true);
        either(&mut interrupt, &mut terminate).await;
        abort.send_replace(true);
        // Receivers must not take a closed channel for a signal.
        std::future::pending::<()>().await;
    });
    Ok(Interrupt {
        stop: stopping,
        abort: aborting,
    })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        biased;
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
