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

/// Listens for the signals from now on; for the terminal's end unless whoever started this wants it ignored, as `nohup` does.
///
/// # Errors
/// When the operating system refuses.
pub fn listen() -> io::Result<Interrupt> {
    let mut signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    // It comes twice when a terminal is closed, from the shell and from the kernel, so it never is the second.
    let mut first = match ignores(SignalKind::hangup()) {
        true => Vec::new(),
        false => vec![signal(SignalKind::hangup())?],
    };
    let (stop, stopping) = watch::channel(false);
    let (abort, aborting) = watch::channel(false);
    tokio::spawn(async move {
        std::future::poll_fn(|context| any(signals.iter_mut().chain(&mut first), context)).await;
        stop.send_replace(true);
        std::future::poll_fn(|context| any(signals.iter_mut(), context)).await;
        abort.send_replace(true);
        // Receivers must not take a closed channel for a signal.
        std::future::pending::<()>().await;
    });
    Ok(Interrupt {
        stop: stopping,
        abort: aborting,
    })
}

/// Ready when one of them has come.
fn any<'a>(signals: impl Iterator<Item = &'a mut Signal>, context: &mut Context<'_>) -> Poll<()> {
    // Each is polled, so that each wakes.
    let come = signals.filter_map(|signal| match signal.poll_recv(context) {
        Poll::Ready(_) => Some(()),
        Poll::Pending => None,
    });
    if come.count() > 0 {
        Poll::Ready(())
    } else {
        Poll::Pending
    }
}

/// Whether this process ignores a signal, which it has from whoever started it. (proc(5): `SigIgn`, a mask in hexadecimal.)
fn ignores(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
