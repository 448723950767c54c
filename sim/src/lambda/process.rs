//! The process of an execution environment: a group of its own, stopped, continued and killed as one.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
    sync::{Notify, watch},
    task::JoinHandle,
};

use crate::reaper::{Thing, Watched};

/// Hears each line that a process writes, to standard output or to standard error.
pub type OnLine = Arc<dyn Fn(&str) + Send + Sync>;

/// How much of one line is kept, bytes: CloudWatch takes no larger event.
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>: 1 MB.)
const MOST_LINE: usize = 1 << 20;

/// A running process.
#[derive(Debug)]
pub struct Process {
    group: Pid,
    /// Set when it has ended and all of its output has been read.
    ended: watch::Receiver<Option<ExitStatus>>,
    kill: Arc<Notify>,
    supervisor: JoinHandle<()>,
    /// A variable that only this process and its descendants have.
    mark: String,
    _marked: Watched,
}

/// How a process ended, as AWS words it.
#[must_use]
pub fn wording(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        (None, None) => "Runtime exited without providing a reason".to_owned(),
    }
}

/// As Go words them, in which AWS's side is written.
fn signal_name(signal: i32) -> String {
    match signal {
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    }
}

impl Process {
    /// Starts `program` in `folder` with exactly these variables. `mark` is the one (`NAME=value`) that no other process has.
    ///
    /// # Errors
    /// The operating system refuses: it is not executable, say.
    pub fn start(
        program: &Path,
        folder: &Path,
        variables: &BTreeMap<String, String>,
        mark: String,
        on_line: OnLine,
    ) -> io::Result<Self> {
        let marked = Watched::new(Thing::Marked(mark.clone()));
        let mut child = Command::new(program)
            .current_dir(folder)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let group = id.ok_or_else(|| io::Error::other("it ended before it had begun"))?;
        let watched = Watched::new(Thing::Group(group.as_raw_nonzero().get()));
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(tokio::spawn(read_lines(pipe, Arc::clone(&on_line))));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(tokio::spawn(read_lines(pipe, on_line)));
        }
        let kill = Arc::new(Notify::new());
        let (tell, ended) = watch::channel(None);
        let supervisor = tokio::spawn(supervise(watched, child, group, readers, Arc::clone(&kill), tell));
        Ok(Self {
            group,
            ended,
            kill,
            supervisor,
            _marked: marked,
            mark,
        })
    }

    /// Its id, which is also that of its group.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Waits until it has ended and its output has been read.
    pub async fn ended(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let status = ended
            .wait_for(Option::is_some)
            .await
            .map_or(None, |status| *status);
        status.unwrap_or_default()
    }

    /// Whether it runs no more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Lets all of it stand still.
    pub fn freeze(&self) {
        let _ = kill_process_group(self.group, Signal::STOP);
    }

    /// Lets all of it go on.
    pub fn thaw(&self) {
        let _ = kill_process_group(self.group, Signal::CONT);
    }

    /// Ends it as a panic that nobody catches does.
    pub fn abort(&self) {
        let _ = kill_process_group(self.group, Signal::ABORT);
    }

    /// Kills all of it, whatever left the group included, and waits for its end.
    pub async fn kill(self) -> ExitStatus {
        self.kill.notify_one();
        let status = self.ended().await;
        kill_those_marked(&[&self.mark]);
        status
    }

    /// The most memory that it has had, and what its descendants have now, resident, bytes; 0 when it is gone.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let id = self.id();
        memory(id, "VmHWM:")
            + descendants(id)
                .into_iter()
                .map(|id| memory(id, "VmRSS:"))
                .sum::<u64>()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.supervisor.abort();
        if !self.is_gone() {
            let _ = kill_process_group(self.group, Signal::KILL);
            kill_those_marked(&[&self.mark]);
        }
    }
}

/// Owns the process until it has ended. What it began in its group ends with it, which also closes the pipes.
async fn supervise(
    watched: Watched,
    mut child: tokio::process::Child,
    group: Pid,
    readers: Vec<JoinHandle<()>>,
    kill: Arc<Notify>,
    tell: watch::Sender<Option<ExitStatus>>,
) {
    let status = tokio::select! {
        biased;
        status = child.wait() => status,
        () = kill.notified() => {
            let _ = kill_process_group(group, Signal::KILL);
            child.wait().await
        }
    };
    // A group whose leader has been waited for can still have members; when it has none this does nothing.
    let _ = kill_process_group(group, Signal::KILL);
    drop(watched);
    for reader in readers {
        // Whoever left the group may hold a pipe open; it is killed later, and its lines are nobody's.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), reader).await;
    }
    tell.send_replace(Some(status.unwrap_or_default()));
}

async fn read_lines(pipe: impl AsyncRead + Unpin, on_line: OnLine) {
    let mut reader = BufReader::with_capacity(16 * 1024, pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => line.truncate(MOST_LINE),
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            on_line(text);
        }
    }
}

/// All processes of this system that can be looked at.
fn processes() -> impl Iterator<Item = (i32, PathBuf)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
}

/// Whether a process still does something. One that has ended, and whose end nobody has asked for yet, does not.
#[must_use]
pub fn runs(id: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// What it and its descendants have begun. (A process of several threads may begin one by any of them.)
fn descendants(id: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut left = vec![id];
    while let Some(id) = left.pop() {
        let threads = fs::read_dir(format!("/proc/{id}/task"))
            .into_iter()
            .flatten()
            .flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = children
                .split_whitespace()
                .filter_map(|id| id.parse::<i32>().ok());
            left.extend(children.inspect(|id| found.push(*id)));
        }
    }
    found
}

/// A line of `/proc/ID/status` such as `VmRSS:  5120 kB`, bytes.
fn memory(id: i32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Kills what has one of these variables (`NAME=value`): who left the group (`setsid`) still has those that it was born with.
pub(crate) fn kill_those_marked(marks: &[&str]) {
    if marks.is_empty() {
        return;
    }
    for (id, folder) in processes() {
        let variables = fs::read(folder.join("environ")).unwrap_or_default();
        let is_ours = variables
            .split(|byte| *byte == 0)
            .any(|variable| marks.iter().any(|mark| variable == mark.as_bytes()));
        if let Some(id) = Pid::from_raw(id).filter(|_| is_ours) {
            let _ = kill_process(id, Signal::KILL);
        }
    }
}
