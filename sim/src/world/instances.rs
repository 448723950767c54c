//! The API: its processes, each on a port of its own.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
};

use crate::{
    clock::RunClock,
    world::{
        WorldError,
        attempts::Unseen,
        children::{Child, ChildSpec, Death, Killed},
        load::first_of,
        logs::{self, Line, Origin},
        siblings::{Binary, Siblings},
    },
};

/// How long an instance may take from its start to its first answer, real time.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running API process that has answered.
#[derive(Debug)]
pub struct Instance {
    child: Child,
    address: String,
}

impl Instance {
    /// Starts instance `index` and waits for its first answer.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not answer in time.
    pub async fn start(
        index: u32,
        siblings: &Siblings,
        env: BTreeMap<String, String>,
        clock: RunClock,
        unseen: Unseen,
    ) -> Result<Self, WorldError> {
        let recorder = unseen.recorder.clone();
        let name = format!("api-{index}");
        let spec = ChildSpec {
            name: name.clone(),
            program: siblings.path(Binary::Api),
            args: vec!["--listen".to_owned(), "127.0.0.1:0".to_owned()],
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
                Line::Emf(event) | Line::Warning(event) => recorder.record(event),
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
        Ok(Self { child, address })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its name in the recording.
    #[must_use]
    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Waits for its end, which nobody wants.
    pub async fn died(&self) -> Death {
        let status = self.child.ended().await;
        self.child.death(status)
    }

    /// Lets it finish what is in flight and end.
    pub async fn stop(self, grace: Duration) -> Killed {
        self.child.stop(grace).await.1
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
