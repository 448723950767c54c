//! The binaries as processes, and servers for them to talk to.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use axum::Router;
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};

/// The longest that a test waits for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What was asked of a stub.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    pub(crate) fn push(&self, call: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call.to_owned());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A server on a free port; it ends with the value.
pub(crate) struct Stub {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Stub {
    pub(crate) fn start(router: Router) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            _runtime: runtime,
        }
    }

    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A running binary whose standard output is read line by line. It is killed when the value is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<Value>,
}

/// How a binary ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<Value>,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts `binary` with exactly this environment.
    pub(crate) fn start(binary: &str, arguments: &[&str], environment: &BTreeMap<String, String>) -> Self {
        let mut child = Command::new(binary)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line that has this `event`, or that is an EMF document for `emf`.
    pub(crate) fn line(&self, event: &str) -> Value {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no line `{event}` came"));
            let is_emf = line.get("_aws").is_some();
            if line["event"] == event || (event == "emf" && is_emf) {
                return line;
            }
        }
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let id = self.child.id();
        let killed = Command::new("sh")
            .args(["-c", &format!("kill -TERM {id}")])
            .status()
            .expect("a shell");
        assert!(killed.success());
    }

    /// Waits for its end, which must come.
    pub(crate) fn wait(mut self) -> Ended {
        let mut lines = Vec::new();
        // Its standard output ends with it.
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it did not end; its last lines: {lines:?}"),
            }
        }
        let mut stderr = String::new();
        if let Some(mut stream) = self.child.stderr.take() {
            let _ = stream.read_to_string(&mut stderr);
        }
        let status = self.child.wait().expect("it was started");
        Ended {
            status,
            lines,
            stderr,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP exchange on a connection of its own: status line and headers in lower case, then the body.
pub(crate) fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout above zero");
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("an answer in plain text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_ascii_lowercase(), body.to_owned())
}
