//! Ctrl-C, SIGTERM and the terminal's end (SIGHUP): the first asks to stop in order, the second to stop at once.

use std::{
    io,
    task::{Context, Poll},
};

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
pub fn listen() -> io::Result<Interrupt> {
    let mut signals = Signals::listen()?;
    let (stop, stopping) = watch::channel(false);
    let (abort, aborting) = watch::channel(false);
    tokio::spawn(async move {
        signals.any().await;
        stop.send_replace(true);
        signals.any().await;
        abort.send_replace(true);
        // Receivers must not take a closed channel for a signal.
        std::future::pending::<()>().await;
    });
    Ok(Interrupt {
        stop: stopping,
        abort: aborting,
    })
}

/// The signals that ask for the end.
pub struct Signals(Vec<Signal>);

impl Signals {
    /// Listens for them from now on; for the terminal's end unless whoever started this wants it ignored, as `nohup` does.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn listen() -> io::Result<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !ignores(SignalKind::hangup()) {
            kinds.push(SignalKind::hangup());
        }
        kinds.into_iter().map(signal).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for one of them.
    pub async fn any(&mut self) {
        std::future::poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Each is polled, so that each wakes.
        let come = self
            .0
            .iter_mut()
            .filter_map(|signal| match signal.poll_recv(context) {
                Poll::Ready(_) => Some(()),
                Poll::Pending => None,
            });
        if come.count() > 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Whether this process ignores a signal, which it has from whoever started it. (proc(5): `SigIgn`, a mask in hexadecimal.)
fn ignores(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
