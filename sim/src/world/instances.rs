//! The API: its processes, each on a port of its own.

use std::{
    collections::BTreeMap,
    net::SocketAddrV4,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::{
    net::{AddressFamily, SocketType},
    process::Signal,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::{mpsc, watch},
};

use crate::{
    clock::RunClock,
    record::event::Event,
    world::{
        WorldError,
        attempts::Unseen,
        children::{Child, ChildSpec, Killed},
        load::first_of,
        logs::{self, Line, Origin},
        siblings::{Binary, Siblings},
    },
};

/// How long an instance may take from its start to its first answer, real time.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long an instance that is restarted may take to end, real time: above every bound of a request in flight.
const END_WITHIN: Duration = Duration::from_secs(5);

/// What every API process of a run is started with.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Where the binary is.
    pub siblings: Siblings,
    /// The environment of the processes.
    pub env: BTreeMap<String, String>,
    /// The run's clock.
    pub clock: RunClock,
    /// Who hears of attempts that the fake could not see.
    pub unseen: Unseen,
}

/// An API process that has answered, and is started again after it was ended on purpose.
#[derive(Debug)]
pub struct Instance {
    index: u32,
    recipe: Recipe,
    address: String,
    state: State,
    pid: Arc<AtomicU32>,
}

#[derive(Debug)]
enum State {
    Runs(Child),
    /// Ended on purpose. Its port stays ours.
    Gone {
        /// Held, and not used.
        _port: Option<OwnedFd>,
    },
}

/// What is done to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// SIGKILL.
    Kill,
    /// Start it again.
    Start,
    /// Ask it to end, and start it again.
    Restart,
    /// SIGSTOP.
    Freeze,
    /// SIGCONT.
    Continue,
}

impl Instance {
    /// Starts instance `index` and waits for its first answer.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not answer in time.
    pub async fn start(index: u32, recipe: Recipe) -> Result<Self, WorldError> {
        let (child, address) = recipe.launch(index, "127.0.0.1:0").await?;
        Ok(Self {
            index,
            recipe,
            address,
            pid: Arc::new(AtomicU32::new(child.pid())),
            state: State::Runs(child),
        })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its name in the recording.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.index)
    }

    /// The process id, for as long as it has one; 0 while there is no process.
    #[must_use]
    pub fn pid(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.pid)
    }

    /// Obeys, until it ends without having been told to, or cannot be started again.
    pub async fn attend(&mut self, mut orders: mpsc::UnboundedReceiver<Order>) -> WorldError {
        loop {
            let died = async {
                match &self.state {
                    State::Runs(child) => WorldError::Died(child.death(child.ended().await)),
                    State::Gone { .. } => std::future::pending().await,
                }
            };
            let order = tokio::select! {
                biased;
                Some(order) = orders.recv() => order,
                death = died => return death,
            };
            if let Err(error) = self.obey(order).await {
                return error;
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), WorldError> {
        match order {
            Order::Kill => self.end(Duration::ZERO).await,
            Order::Start => self.launch_again().await?,
            Order::Restart => {
                self.end(END_WITHIN).await;
                self.launch_again().await?;
            }
            Order::Freeze => self.signal(Signal::STOP),
            Order::Continue => self.signal(Signal::CONT),
        }
        Ok(())
    }

    /// Ends the process: asks it to, and kills it when it has not ended within `grace`.
    async fn end(&mut self, grace: Duration) {
        if let State::Runs(child) = std::mem::replace(&mut self.state, State::Gone { _port: None }) {
            self.pid.store(0, Ordering::Relaxed);
            if grace.is_zero() {
                child.kill().await;
            } else {
                child.stop(grace).await;
            }
            self.state = State::Gone {
                _port: hold(&self.address),
            };
        }
    }

    async fn launch_again(&mut self) -> Result<(), WorldError> {
        if let State::Gone { .. } = self.state {
            let (child, _) = self.recipe.launch(self.index, &self.address).await?;
            self.pid.store(child.pid(), Ordering::Relaxed);
            self.state = State::Runs(child);
            self.recipe.unseen.recorder.record(Event::Started {
                at_us: self.recipe.clock.now_us(),
                instance: u16::try_from(self.index).unwrap_or(u16::MAX),
            });
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let State::Runs(child) = &self.state {
            child.signal(signal);
        }
    }

    /// Lets it finish what is in flight and end.
    pub async fn stop(self, grace: Duration) -> Killed {
        match self.state {
            State::Runs(child) => {
                // One that stands still would not hear that it is to end.
                child.signal(Signal::CONT);
                child.stop(grace).await.1
            }
            State::Gone { .. } => Killed::No,
        }
    }
}

fn name(index: u32) -> String {
    format!("api-{index}")
}

/// Keeps the port of a process that is gone from being given to somebody else: bound, and not listened on, so that
/// connections are refused. (Linux lets the process bind it again all the same, since both say `SO_REUSEADDR`; elsewhere
/// the port is not kept.)
fn hold(address: &str) -> Option<OwnedFd> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let address: SocketAddrV4 = address.parse().ok()?;
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
    rustix::io::ioctl_fioclex(&socket).ok()?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true).ok()?;
    rustix::net::bind(&socket, &address).ok()?;
    Some(socket)
}

impl Recipe {
    /// Starts a process on an address and waits for its first answer; gives the address that it listens on.
    async fn launch(&self, index: u32, listen: &str) -> Result<(Child, String), WorldError> {
        let Self {
            siblings,
            env,
            clock,
            unseen,
        } = self.clone();
        let recorder = unseen.recorder.clone();
        let name = name(index);
        let spec = ChildSpec {
            name: name.clone(),
            program: siblings.path(Binary::Api),
            args: vec!["--listen".to_owned(), listen.to_owned()],
            env,
            stdin: None,
        };
        let origin = Origin {
            service: "api",
            process: name.clone(),
        };
        let (tell, mut listening) = watch::channel(None);
        let on_line = move |line: &str| {
            let line = logs::read(line, &origin, &clock);
            let keep = line.keep();
            match line {
                // What was asked before the start was not asked by users.
                Line::Emf(_) if !clock.has_begun() => {}
                Line::Emf(event) | Line::BrokenEmf(event) | Line::Warning(event) => recorder.record(event),
                Line::Attempt(attempt) => unseen.hear(attempt),
                Line::Listening(address) => drop(tell.send_replace(Some(address))),
                Line::Other => {}
            }
            keep
        };
        let child = Child::spawn(spec, on_line).await?;
        let up = async {
            let told = listening
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|address| address.clone());
            let Some(address) = told else {
                // Its output has ended: so has the process, which the other branch tells.
                return std::future::pending().await;
            };
            while first_answer(&address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok(address)
        };
        let gone = async {
            let status = child.ended().await;
            Err(WorldError::Died(child.death(status)))
        };
        let address = tokio::time::timeout(READY_WITHIN, first_of(up, gone))
            .await
            .map_err(|_| WorldError::NotReady {
                name,
                within: READY_WITHIN,
                last_lines: child.last_lines(),
            })??;
        Ok((child, address))
    }
}

/// Asks for `/health` and reads the status line.
async fn first_answer(address: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status_line = String::new();
    BufReader::new(stream).read_line(&mut status_line).await?;
    if status_line.contains(" 200 ") {
        Ok(())
    } else {
        Err(std::io::Error::other(status_line))
    }
}
