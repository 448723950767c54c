//! Who may connect: everybody, or for a while nobody, as the faults say that keep connections from coming about.
//!
//! *Refused*: the port stays ours, but nobody listens on it, so that the system answers with a reset.
//! *Vanished*: somebody listens who accepts nothing, and the queue of those who wait to be accepted is full. Linux
//! drops the first packet of whoever comes then, and takes it in when it is sent again after there is room.
//! *Slow*: the same, but there is room for a moment when `/proc/net/tcp` shows somebody who has tried long enough.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::clock::RunClock;
use crate::coingecko::engine::Engine;
use crate::coingecko::mount::reached_at;
use crate::coingecko::wire::Unreachable;

/// Callers that may wait to be accepted.
const QUEUE: i32 = 1024;
/// How often it is asked whether connections come about, real time.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a connection of our own may take until the queue is taken for full.
const FULL_AFTER: Duration = Duration::from_millis(30);
/// Connections of our own at most: a queue of length 0 takes one or two.
const DUMMIES_MOST: usize = 16;
/// How long to wait after the operating system could not accept a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The listening side of the front.
pub(super) struct Door {
    listener: std::net::TcpListener,
    address: SocketAddrV4,
    engine: Arc<Engine>,
    clock: RunClock,
}

impl Door {
    pub(super) fn new(
        listener: std::net::TcpListener,
        address: SocketAddrV4,
        engine: Arc<Engine>,
        clock: RunClock,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            address,
            engine,
            clock,
        })
    }

    /// Lets callers in, each to a task of its own, until it is stopped; then their connections are cut. `serve` is told of
    /// the fault that made connecting take long.
    pub(super) async fn keep<F>(
        self,
        serve: impl Fn(TcpStream, Option<u16>) -> F,
        mut stopped: watch::Receiver<bool>,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut inside = JoinSet::new();
        tokio::select! {
            biased;
            // An error says that the front is gone altogether.
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = self.tend(&mut inside, serve) => {}
        }
        inside.shutdown().await;
    }

    async fn tend<F>(&self, inside: &mut JoinSet<()>, serve: impl Fn(TcpStream, Option<u16>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let unreachable = self.unreachable();
            if let Some((Unreachable::Refuse | Unreachable::Blackhole, _)) = unreachable {
                // Connections that there are go the way of those that come.
                inside.shutdown().await;
            }
            let mut enter = |caller: TcpStream, slowed: Option<u16>| {
                while inside.try_join_next().is_some() {}
                inside.spawn(serve(caller, slowed));
            };
            let done = match unreachable {
                None => {
                    let let_in = |caller| enter(caller, None);
                    self.open(let_in, || self.unreachable().is_none()).await
                }
                Some((Unreachable::Refuse, _)) => self.refuse(unreachable).await,
                Some((Unreachable::Blackhole, _)) => self.vanish(unreachable).await,
                Some((Unreachable::Slow(by), fault)) => self.slow(&mut enter, by, fault).await,
            };
            // What the system refuses here it would refuse again: try again in a moment.
            if done.is_err() {
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn unreachable(&self) -> Option<(Unreachable, u16)> {
        self.engine.unreachable(self.clock.now_ms())
    }

    /// Gives everybody to `let_in` while `may` says so.
    async fn open(&self, mut let_in: impl FnMut(TcpStream), may: impl Fn() -> bool) -> io::Result<()> {
        rustix::net::listen(&self.listener, QUEUE)?;
        let accepting = TcpListener::from_std(self.listener.try_clone()?)?;
        while may() {
            // A fault may be set at any time.
            match timeout(LOOK_EVERY, accepting.accept()).await {
                Ok(Ok((caller, _))) => let_in(caller),
                Ok(Err(_)) => sleep(ACCEPT_PAUSE).await,
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Waits as long as connections do not come about for this reason.
    async fn while_it_is(&self, unreachable: Option<(Unreachable, u16)>) {
        while self.unreachable() == unreachable {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Refuses everybody while that is the fault.
    async fn refuse(&self, fault: Option<(Unreachable, u16)>) -> io::Result<()> {
        // On Linux this ends the listening and keeps the port.
        rustix::net::shutdown(&self.listener, Shutdown::Read)?;
        self.while_it_is(fault).await;
        Ok(())
    }

    /// Lets packets vanish while that is the fault.
    async fn vanish(&self, fault: Option<(Unreachable, u16)>) -> io::Result<()> {
        let _full = self.fill().await?;
        self.while_it_is(fault).await;
        self.send_away();
        Ok(())
    }

    /// Lets each in who has tried for `by`, while that is the fault.
    async fn slow(
        &self,
        enter: &mut impl FnMut(TcpStream, Option<u16>),
        by: Duration,
        fault: u16,
    ) -> io::Result<()> {
        let is_slow = || self.unreachable() == Some((Unreachable::Slow(by), fault));
        let mut seen: BTreeMap<u16, Instant> = BTreeMap::new();
        while is_slow() {
            let full = self.fill().await?;
            let patient = loop {
                if !is_slow() {
                    break None;
                }
                let trying = self.trying()?;
                seen.retain(|port, _| trying.contains(port));
                for port in &trying {
                    seen.entry(*port).or_insert_with(Instant::now);
                }
                if let Some((port, _)) = seen.iter().find(|(_, since)| since.elapsed() >= by) {
                    break Some(*port);
                }
                sleep(LOOK_EVERY).await;
            };
            drop(full);
            self.send_away();
            if let Some(port) = patient {
                // Until its next packet has come.
                let waits = || is_slow() && self.trying().is_ok_and(|trying| trying.contains(&port));
                let mut let_in = |caller: TcpStream| {
                    // Others may come while there is room, and have not waited.
                    let has_waited = caller.peer_addr().is_ok_and(|peer| peer.port() == port);
                    if has_waited {
                        self.engine.touch(fault);
                    }
                    enter(caller, has_waited.then_some(fault));
                };
                self.open(&mut let_in, waits).await?;
                // It is through, but perhaps not accepted.
                while let Ok((caller, _)) = self.listener.accept() {
                    caller.set_nonblocking(true)?;
                    let_in(TcpStream::from_std(caller)?);
                }
            }
        }
        Ok(())
    }

    /// Fills the queue with connections of our own.
    async fn fill(&self) -> io::Result<Vec<TcpStream>> {
        rustix::net::listen(&self.listener, 0)?;
        let mut dummies = Vec::new();
        while dummies.len() < DUMMIES_MOST {
            match timeout(FULL_AFTER, TcpStream::connect(reached_at(self.address))).await {
                Ok(dummy) => dummies.push(dummy?),
                Err(_) => break,
            }
        }
        Ok(dummies)
    }

    /// Closes what waits in the queue: our own, and who slipped in while it was filled.
    fn send_away(&self) {
        while self.listener.accept().is_ok() {}
    }

    /// Ports of those whose first packet was not answered yet. Our own attempts are over by then.
    fn trying(&self) -> io::Result<Vec<u16>> {
        let sockets = std::fs::read_to_string("/proc/net/tcp")?;
        Ok(sockets
            .lines()
            .filter_map(|line| trying(line, self.address.port()))
            .collect())
    }
}

/// The local port of a line of `/proc/net/tcp` (proc(5)) in state `SYN_SENT` towards `port`.
fn trying(line: &str, port: u16) -> Option<u16> {
    const SYN_SENT: &str = "02";
    let mut fields = line.split_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    let port_of = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    (state == SYN_SENT && port_of(remote)? == port).then(|| port_of(local))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tries_to_connect_is_read_from_the_list_of_sockets() {
        let listening = "   0: 0100007F:8273 00000000:0000 0A 00000000:00000000 00:00000000 00000000";
        let trying_line = "   3: 0100007F:E354 0100007F:8273 02 00000001:00000000 01:00000064 00000000";
        assert_eq!(trying(trying_line, 0x8273), Some(0xE354));
        assert_eq!(trying(trying_line, 0x8274), None);
        assert_eq!(trying(listening, 0x8273), None);
        assert_eq!(trying("  sl  local_address rem_address   st", 0x8273), None);
    }
}
