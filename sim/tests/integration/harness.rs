//! Runs `crypto-watch-sim` in a folder of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

/// A folder with a scenario file and room for results.
pub(crate) struct Folder {
    folder: TempDir,
}

/// What a finished run said, with the folder's path made the same for every test run.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        fs::create_dir(folder.temporary()).expect("it is empty");
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where what is run here puts temporary things; none is left when it has ended.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.path().join("tmp")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.path().join("out")
    }

    /// A scenario file of this name.
    pub(crate) fn scenario(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("the folder is writable");
    }

    /// The program, to be run in this folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_crypto-watch-sim")), args)
    }

    pub(crate) fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.path())
            .env("TMPDIR", self.temporary())
            .stdin(Stdio::null());
        command
    }

    /// Runs `run` with these arguments, in virtual time, and its results in this folder.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        let mut all = vec!["run", "--out", "out"];
        all.extend(args);
        self.finish(&mut self.command(&all))
    }

    /// The same on the real clock.
    pub(crate) fn run_real(&self, args: &[&str]) -> Finished {
        self.run(&[&["--clock", "real"], args].concat())
    }

    pub(crate) fn finish(&self, command: &mut Command) -> Finished {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the program starts");
        let finished = Finished {
            code: status.code(),
            stdout: self.told(&stdout),
            stderr: self.told(&stderr),
        };
        self.assert_tidy(&finished.stderr);
        finished
    }

    /// Whatever was run here has put away what it made for itself.
    fn assert_tidy(&self, said: &str) {
        let left: Vec<_> = fs::read_dir(self.temporary()).expect("it is there").collect();
        assert!(left.is_empty(), "{left:?} is left; it said:\n{said}");
    }

    fn told(&self, text: &[u8]) -> String {
        let path = self.path().display().to_string();
        String::from_utf8_lossy(text).replace(&path, "[folder]")
    }

    /// The report of a play on the real clock, read.
    pub(crate) fn report(&self, play: &str) -> serde_json::Value {
        self.report_on(play, "real")
    }

    /// The report of a play on a clock, read.
    pub(crate) fn report_on(&self, play: &str, clock: &str) -> serde_json::Value {
        let path = self.out().join(play).join(clock).join("report.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("report.json is JSON")
    }
}

/// A run that goes on.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    /// Starts a run on the real clock and waits until its stack is ready.
    pub(crate) fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut all = vec!["run", "--clock", "real", "--out", "out"];
        all.extend(args);
        let mut child = folder
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut running = Self {
            child,
            stderr,
            said: String::new(),
        };
        running.wait_for("stack ready");
        running
    }

    /// Reads on until a line has this in it.
    pub(crate) fn wait_for(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("text");
            assert!(
                read > 0,
                "it ended before it said {text:?}; it said:\n{}",
                self.said
            );
            self.said += &line;
            if line.contains(text) {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid_of(self.child.id()), signal).expect("it runs");
    }

    /// The ids of its child processes whose name begins so.
    pub(crate) fn children(&self, name: &str) -> Vec<u32> {
        let parent = self.child.id().to_string();
        let ids = fs::read_dir("/proc")
            .expect("Linux")
            .flatten()
            .filter_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                let (before, after) = stat.rsplit_once(')')?;
                let is_child = after.split_whitespace().nth(1)? == parent;
                let is_named = before.split_once('(')?.1.starts_with(name);
                (is_child && is_named).then_some(pid)
            });
        ids.collect()
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self, folder: &Folder) -> Finished {
        let mut stdout = Vec::new();
        self.child
            .stdout
            .take()
            .expect("it is piped")
            .read_to_end(&mut stdout)
            .expect("readable");
        let mut rest = Vec::new();
        self.stderr.read_to_end(&mut rest).expect("readable");
        let status = self.child.wait().expect("it is ours");
        self.said += &String::from_utf8_lossy(&rest);
        folder.assert_tidy(&self.said);
        Finished {
            code: status.code(),
            stdout: folder.told(&stdout),
            stderr: folder.told(self.said.as_bytes()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that a failed test leaves; its reaper does the rest.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn pid_of(id: u32) -> Pid {
    Pid::from_raw(id as i32).expect("a process id")
}

pub(crate) fn is_running(id: u32) -> bool {
    test_kill_process(pid_of(id)).is_ok()
}

/// Waits until something is so.
pub(crate) async fn becomes(mut is_so: impl FnMut() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), so).await;
    waited.expect("it becomes so");
}

/// A scenario that lasts for `wall` on the wall clock; `more` comes at its end.
pub(crate) fn scenario(wall: &str, more: &str) -> String {
    format!(
        r#"schema = 1
name = "tiny"
about = "A small load, for tests of the harness."
seed = 7
start = "2026-03-02T00:00:00Z"
duration = "{wall}"

[stack]
update_every = "5m"
update_phase = "0s"

[[journey]]
name = "one"
get = ["/prices/{{symbol}}"]
think = "10s"

[[load]]
name = "all"
for = "{wall}"
users = 5
keys = {{ count = 5 }}

{more}
"#
    )
}
