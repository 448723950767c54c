//! Plays a plan with the real binary.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use scenarios::wire::{LoadLine, LoadPlan, RequestLine};

/// How far ahead the load's begin lies, ms: time to start the process.
const LEAD_MS: i64 = 300;

/// Wall seconds in a real one.
const SPEED: f64 = 40.0;

/// The real time of so many wall seconds, µs, rounded down.
pub(crate) fn real_us(wall_s: f64) -> u64 {
    (wall_s / SPEED * 1e6) as u64
}

/// A scenario of a minute with this journey (or these) and one load.
pub(crate) fn scenario(journeys: &str, load: &str) -> String {
    format!(
        r#"schema = 1
name = "test"
about = "A test."
seed = 1
duration = "60s"

{journeys}

[[load]]
name = "day"
{load}
"#
    )
}

/// A plan for the scenario's only load: one and a half real seconds, so that a pause of a busy machine is not all of it.
pub(crate) fn plan(scenario_toml: String, targets: Vec<String>, keys: usize) -> LoadPlan {
    LoadPlan {
        scenario_toml,
        load: 0,
        seed: 1,
        anchor_ms: now_ms() + LEAD_MS,
        speed: SPEED,
        targets,
        keys: (0..keys).map(|index| format!("key-{index}")).collect(),
        symbols: ["BTC", "ETH", "SOL", "XRP", "ADA"].map(str::to_owned).to_vec(),
        timeout_ms: 5000,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the generator under test takes its anchor from the system clock"
)]
fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |since| since.as_millis() as i64)
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) status: ExitStatus,
    /// All lines, in order.
    pub(crate) lines: Vec<LoadLine>,
    pub(crate) stderr: String,
}

impl Played {
    pub(crate) fn requests(&self) -> Vec<&RequestLine> {
        self.lines
            .iter()
            .filter_map(|line| match line {
                LoadLine::Request(request) => Some(request),
                LoadLine::Ready { .. } | LoadLine::Done { .. } | LoadLine::Failed { .. } => None,
            })
            .collect()
    }

    /// The requests of each user or arrival, in the order sent.
    pub(crate) fn by_user(&self) -> BTreeMap<u32, Vec<&RequestLine>> {
        let mut users: BTreeMap<u32, Vec<&RequestLine>> = BTreeMap::new();
        for request in self.requests() {
            users.entry(request.user).or_default().push(request);
        }
        for requests in users.values_mut() {
            requests.sort_by_key(|request| request.sent_us);
        }
        users
    }

    pub(crate) fn engine(&self) -> &str {
        match self.lines.first() {
            Some(LoadLine::Ready { engine, .. }) => engine,
            other => panic!("the first line is {other:?}"),
        }
    }

    /// Requests sent and dropped, as the generator says at its end.
    pub(crate) fn done(&self) -> (u64, u64) {
        match self.lines.last() {
            Some(LoadLine::Done { sent, dropped, .. }) => (*sent, *dropped),
            other => panic!("the last line is {other:?}; stderr: {}", self.stderr),
        }
    }
}

/// A run of the binary.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    lines: Vec<LoadLine>,
}

/// Starts the binary with this standard input, which stays open.
pub(crate) fn start(input: &str) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crypto-watch-load"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut pipe = child.stdin.take().expect("piped");
    // A binary that has already gone shows in its end.
    let _ = pipe.write_all(input.as_bytes());
    let output = BufReader::new(child.stdout.take().expect("piped"));
    Running {
        child,
        input: Some(pipe),
        output,
        lines: Vec::new(),
    }
}

impl Running {
    /// Waits for the next line; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<&LoadLine> {
        let mut text = String::new();
        let read = self.output.read_line(&mut text).expect("UTF-8");
        if read == 0 {
            return None;
        }
        let line = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        self.lines.push(line);
        self.lines.last()
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Waits for the end of the process.
    pub(crate) fn end(mut self) -> Played {
        while self.line().is_some() {}
        let mut stderr = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr).expect("UTF-8");
        }
        let status = self.child.wait().expect("a child");
        Played {
            status,
            lines: std::mem::take(&mut self.lines),
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a failed assertion; a process that has ended cannot be killed, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays a plan to its end.
pub(crate) fn play(plan: &LoadPlan) -> Played {
    let line = serde_json::to_string(plan).expect("a plan");
    let played = start(&(line + "\n")).end();
    assert!(played.status.success(), "{played:?}");
    played
}
