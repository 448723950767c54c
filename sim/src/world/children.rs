//! Child processes: started with an exact environment, watched, and never left behind.
//!
//! Each child is its own process group, so that a terminal's Ctrl-C reaches only the harness, which then stops
//! them in order. A child that is not stopped is killed when its handle is dropped; when the harness itself is killed, by
//! the [reaper].

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{ChildStdin, Command},
    sync::{Notify, watch},
    task::JoinHandle,
};

use crate::reaper::{self, Thing, Watched};

/// How many of a child's last lines are kept to explain its death.
const KEPT_LINES: usize = 20;
/// Longer lines are cut, so that a dead child's last words fit a screen.
const KEPT_LINE_CHARS: usize = 400;

/// What to start.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// The name in messages and in the recording, such as `api-0`.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// Written to its standard input, which then stays open for as long as the child is wanted. Without it the
    /// child reads end-of-file at once.
    pub stdin: Option<String>,
}

/// What a reader of a child's lines makes of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It may explain the child's death.
    Line,
    /// It is data, of no use to a reader.
    Nothing,
}

/// Why a child is no use.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("cannot start {name} ({program}): {source}")]
    Spawn {
        /// Which child.
        name: String,
        /// The executable.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended though it was still needed.
    #[error("{0}")]
    Died(Death),
}

/// A child that ended though it was still needed.
#[derive(Clone, Debug)]
pub struct Death {
    /// Which child.
    pub name: String,
    /// How it ended.
    pub status: ExitStatus,
    /// The last lines that it wrote.
    pub last_lines: Vec<String>,
}

impl Death {
    /// What happened, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        format!("{} ended while it was needed ({})", self.name, self.status)
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        if self.last_lines.is_empty() {
            return f.write_str("; it wrote nothing");
        }
        f.write_str("; its last lines:")?;
        self.last_lines
            .iter()
            .try_for_each(|line| write!(f, "\n  | {line}"))
    }
}

/// A running child process.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: u32,
    /// Set when the process has ended and all of its output has been read.
    ended: watch::Receiver<Option<ExitStatus>>,
    kill: Arc<Notify>,
    tail: Arc<Mutex<VecDeque<String>>>,
    supervisor: JoinHandle<()>,
    /// Held open: a load generator ends when it closes.
    stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts a child; `on_line` sees each line of its standard output, in order.
    ///
    /// # Errors
    /// [`ChildError::Spawn`] when the operating system refuses.
    pub async fn spawn(
        spec: ChildSpec,
        on_line: impl FnMut(&str) -> Keep + Send + 'static,
    ) -> Result<Self, ChildError> {
        let refused = |source| ChildError::Spawn {
            name: spec.name.clone(),
            program: spec.program.display().to_string(),
            source,
        };
        reaper::ready();
        let mut process = Command::new(&spec.program)
            .args(&spec.args)
            .env_clear()
            .envs(&spec.env)
            .stdin(if spec.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(refused)?;
        let pid = process.id().unwrap_or_default();
        let watched = Watched::new(Thing::Group(i32::try_from(pid).unwrap_or_default()));
        let mut stdin = process.stdin.take();
        if let (Some(pipe), Some(text)) = (&mut stdin, &spec.stdin) {
            // A child that has already gone closes the pipe; its end is told by `ended`.
            let _ = pipe.write_all(text.as_bytes()).await;
        }
        let tail = Arc::new(Mutex::new(VecDeque::with_capacity(KEPT_LINES)));
        let stdout = process
            .stdout
            .take()
            .map(|pipe| tokio::spawn(read_lines(pipe, Arc::clone(&tail), on_line)));
        let stderr = process
            .stderr
            .take()
            .map(|pipe| tokio::spawn(read_lines(pipe, Arc::clone(&tail), |_| Keep::Line)));
        let kill = Arc::new(Notify::new());
        let (tell, ended) = watch::channel(None);
        let readers = stdout.into_iter().chain(stderr).collect();
        let supervisor = tokio::spawn(supervise(watched, process, readers, Arc::clone(&kill), tell));
        Ok(Self {
            name: spec.name,
            pid,
            ended,
            kill,
            tail,
            supervisor,
            stdin,
        })
    }

    /// The name in messages and in the recording.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operating system's id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the process has ended and all of its output has been read.
    pub async fn ended(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let status = match ended.wait_for(Option::is_some).await {
            Ok(status) => *status,
            Err(_) => None,
        };
        status.unwrap_or_default()
    }

    /// The end of this child as a [`Death`].
    #[must_use]
    pub fn death(&self, status: ExitStatus) -> Death {
        Death {
            name: self.name.clone(),
            status,
            last_lines: self.last_lines(),
        }
    }

    /// The last lines that it wrote, oldest first.
    #[must_use]
    pub fn last_lines(&self) -> Vec<String> {
        self.tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// Asks the process to end (SIGTERM), waits for at most `grace`, then kills it; returns how it ended, and
    /// whether it had to be killed.
    pub async fn stop(mut self, grace: Duration) -> (ExitStatus, Killed) {
        if self.ended.borrow().is_none() {
            self.signal(rustix::process::Signal::TERM);
        }
        let first = tokio::time::timeout(grace, self.ended()).await;
        if let Ok(status) = first {
            return (status, Killed::No);
        }
        self.stdin = None;
        self.kill.notify_one();
        (self.ended().await, Killed::Yes)
    }

    /// Kills the process (SIGKILL) and waits until it has ended and all of its output has been read.
    pub async fn kill(self) -> ExitStatus {
        self.kill.notify_one();
        self.ended().await
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended meanwhile, which is what is wanted.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The supervisor owns the process, which dies with it.
        self.supervisor.abort();
    }
}

/// Whether a child had to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// It ended when asked to.
    No,
    /// It did not end in time.
    Yes,
}

/// Owns the process until it has ended; its end is told after its last line has been read.
async fn supervise(
    watched: Watched,
    mut process: tokio::process::Child,
    readers: Vec<JoinHandle<()>>,
    kill: Arc<Notify>,
    tell: watch::Sender<Option<ExitStatus>>,
) {
    let status = tokio::select! {
        biased;
        status = process.wait() => status,
        () = kill.notified() => {
            let _ = process.start_kill();
            process.wait().await
        }
    };
    drop(watched);
    for reader in readers {
        let _ = reader.await;
    }
    tell.send_replace(Some(status.unwrap_or_default()));
}

async fn read_lines(
    pipe: impl AsyncRead + Unpin,
    tail: Arc<Mutex<VecDeque<String>>>,
    mut on_line: impl FnMut(&str) -> Keep,
) {
    let mut reader = BufReader::with_capacity(64 * 1024, pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() && on_line(text) == Keep::Line {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            if tail.len() == KEPT_LINES {
                tail.pop_front();
            }
            tail.push_back(text.chars().take(KEPT_LINE_CHARS).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn shell(script: &str, stdin: Option<&str>) -> ChildSpec {
        ChildSpec {
            name: "child-0".to_owned(),
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: BTreeMap::from([("ONLY".to_owned(), "this".to_owned())]),
            stdin: stdin.map(str::to_owned),
        }
    }

    fn is_running(pid: u32) -> bool {
        let pid = rustix::process::Pid::from_raw(pid as i32).expect("a pid");
        rustix::process::test_kill_process(pid).is_ok()
    }

    #[tokio::test]
    async fn lines_are_read_before_the_end_is_told() {
        let (send, lines) = mpsc::channel();
        let spec = shell(
            "read word; echo \"$word $ONLY $HOME\"; echo why >&2; exit 7",
            Some("hello\n"),
        );
        let child = Child::spawn(spec, move |line| {
            send.send(line.to_owned()).expect("the test listens");
            Keep::Nothing
        })
        .await
        .expect("the shell starts");
        let status = child.ended().await;
        assert_eq!(
            lines.try_iter().collect::<Vec<_>>(),
            ["hello this"],
            "env is exact: HOME is not set"
        );
        insta::assert_snapshot!(child.death(status), @"
        child-0 ended while it was needed (exit status: 7); its last lines:
          | why
        ");
    }

    #[tokio::test]
    async fn a_child_that_ignores_the_request_is_killed() {
        let (send, mut started) = tokio::sync::mpsc::unbounded_channel();
        let spec = shell("trap '' TERM; echo up; while :; do sleep 0.05; done", None);
        let child = Child::spawn(spec, move |_| {
            let _ = send.send(());
            Keep::Line
        })
        .await
        .expect("the shell starts");
        started.recv().await.expect("the trap is set");
        let pid = child.pid();
        assert!(is_running(pid));
        let (_, killed) = child.stop(Duration::from_millis(50)).await;
        assert_eq!(killed, Killed::Yes);
        assert!(!is_running(pid));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let spec = ChildSpec {
            program: PathBuf::from("/nowhere/crypto-watch-api"),
            ..shell("", None)
        };
        let error = Child::spawn(spec, |_| Keep::Line)
            .await
            .expect_err("there is no such program");
        insta::assert_snapshot!(error, @"cannot start child-0 (/nowhere/crypto-watch-api): No such file or directory (os error 2)");
    }
}
