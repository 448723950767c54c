//! One execution environment: a process, its Runtime API, and what may happen to both.
//!
//! ```text
//!            start (10 s at most)        event      answer, and the next /next
//! (nothing) ─────────────────────▶ idle ───────▶ busy ───────────────────────▶ idle, standing still
//!     ▲  a start that fails is tried again  │ time is up, or the process ends
//!     └──── as part of the invocation ──────┘
//! ```
//! Between two invocations nothing in it runs: all of its processes are stopped (SIGSTOP) once the runtime has asked for the
//! next event, and go on (SIGCONT) when there is one. What it does after its answer and before it asks is its own affair,
//! as on Lambda. (Documented: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>.)

use std::{io, path::Path, process::ExitStatus, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    cpu::CpuLimit,
    function::Function,
    ordeal::{Ordeal, Suffers},
    outcome::{Failure, Outcome},
    process::{OnLine, Process},
    report::{self, Report},
    runtime::{Event, InitError, RuntimeApi},
    variables::{RUNTIME_API, variables},
};
use crate::clock::system_now;

/// How long a start may take.
pub const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How often it is looked how much memory a busy process has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who hears what an environment writes.
#[derive(Clone)]
pub struct Log {
    /// Lines of the function.
    pub function: OnLine,
    /// Lines of Lambda about it.
    pub platform: OnLine,
}

/// How often, and after which pause, an executable that is still open for writing is tried again.
const BUSY_TRIES: u32 = 40;
const BUSY_WAIT: Duration = Duration::from_millis(5);

/// An invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// A UUID.
    pub request_id: String,
    /// `Root=1-…;Parent=…;Sampled=0`
    pub trace_id: String,
    /// JSON.
    pub payload: Bytes,
    /// What a fault makes it go through.
    pub ordeal: Option<Ordeal>,
}

/// An execution environment. Dropping it kills what is in it.
pub struct Sandbox {
    function: Arc<Function>,
    log: Log,
    log_stream: String,
    init_limit: Duration,
    api: RuntimeApi,
    process: Option<Process>,
    /// None when this machine gives none; then why.
    cpu: Result<CpuLimit, String>,
    /// Whether its process has never been started.
    is_new: bool,
    /// The most memory seen, bytes.
    memory: u64,
}

/// Why a runtime is not ready.
enum NotReady {
    /// It says so.
    Says(InitError),
    /// It ended.
    Ended(ExitStatus),
    /// It cannot be started.
    Unstartable(io::Error),
}

impl Sandbox {
    /// An environment for a function in which nothing runs yet.
    ///
    /// # Errors
    /// There is no port for its Runtime API.
    pub async fn new(function: Arc<Function>, log: Log, log_stream: String) -> io::Result<Self> {
        let api = RuntimeApi::listen().await?;
        let cpu = CpuLimit::new(function.memory_mb);
        Ok(Self {
            function,
            log,
            log_stream,
            init_limit: INIT_LIMIT,
            api,
            process: None,
            cpu,
            is_new: true,
            memory: 0,
        })
    }

    /// The same with another limit for its start than Lambda's.
    #[cfg(test)]
    pub(super) fn starting_within(mut self, limit: Duration) -> Self {
        self.init_limit = limit;
        self
    }

    /// Runs one invocation. `answer` gets its outcome as soon as there is one; then the environment is waited for until it can
    /// take the next.
    pub async fn invoke(
        &mut self,
        invocation: Invocation,
        answer: oneshot::Sender<Outcome>,
    ) -> (Report, Outcome) {
        let init = if self.is_new { self.init().await } else { None };
        self.is_new = false;
        let format = self.function.log_format;
        (self.log.platform)(&report::start(format, &invocation.request_id, &now()));
        let request_id = invocation.request_id.clone();
        let begun = Instant::now();
        let until = begun + self.function.timeout;
        let outcome = self.run(invocation, until).await;
        // Whoever asked may have given up.
        let _ = answer.send(outcome.clone());
        if outcome.leaves_it_alive() {
            self.settle(until).await;
        } else {
            self.end().await;
        }
        let report = Report {
            request_id,
            duration: begun
                .elapsed()
                .min(self.function.timeout.max(Duration::from_millis(1))),
            init,
            memory: self.memory,
            unlimited: self.cpu.as_ref().err().cloned(),
        };
        if outcome.failure == Some(Failure::Timeout)
            && let Some(line) = report::timed_out(&self.function, &report.request_id, &now())
        {
            (self.log.platform)(&line);
        }
        for line in report::end(&self.function, &report, &outcome, &now()) {
            (self.log.platform)(&line);
        }
        (report, outcome)
    }

    /// Ends all that is in it.
    pub async fn end(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
        if let Ok(limit) = &self.cpu {
            limit.kill();
        }
    }

    /// The first start. What fails here is tried again by the invocation, within its own time.
    async fn init(&mut self) -> Option<Duration> {
        let begun = Instant::now();
        let (status, error_type) = match timeout_at(begun + self.init_limit, self.started()).await {
            Ok(Ok(())) => return Some(begun.elapsed()),
            Ok(Err(NotReady::Says(error))) => ("error", Some(error.error_type)),
            Ok(Err(NotReady::Ended(_))) => ("error", Some("Runtime.ExitError".to_owned())),
            Ok(Err(NotReady::Unstartable(_))) => ("error", Some("Runtime.InvalidEntrypoint".to_owned())),
            Err(_) => ("timeout", None),
        };
        let (format, took) = (self.function.log_format, begun.elapsed());
        (self.log.platform)(&report::init_failed(
            format,
            took,
            status,
            error_type.as_deref(),
            &now(),
        ));
        self.end().await;
        None
    }

    /// Waits until a runtime is ready for an event; starts one when there is none.
    async fn started(&mut self) -> Result<(), NotReady> {
        if self.process.is_none() {
            self.start().await.map_err(NotReady::Unstartable)?;
        }
        let Some(process) = &self.process else {
            return Err(NotReady::Unstartable(io::ErrorKind::NotFound.into()));
        };
        tokio::select! {
            biased;
            ready = self.api.ready() => ready.map_err(NotReady::Says),
            status = process.ended() => Err(NotReady::Ended(status)),
        }
    }

    async fn start(&mut self) -> io::Result<()> {
        self.api.reset();
        let folder = self.function.bootstrap.parent().unwrap_or(Path::new("/"));
        let variables = variables(&self.function, self.api.address(), folder, &self.log_stream);
        let mut left = BUSY_TRIES;
        let process = loop {
            let started = Process::start(
                &self.function.bootstrap,
                folder,
                &variables,
                format!("{RUNTIME_API}={}", self.api.address()),
                Arc::clone(&self.log.function),
            );
            match started {
                // It was written a moment ago, and a child that another thread is just starting has it open until it runs.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && left > 0 => {
                    left -= 1;
                    tokio::time::sleep(BUSY_WAIT).await;
                }
                other => break other?,
            }
        };
        if let Ok(limit) = &self.cpu
            && let Err(error) = limit.hold(process.id())
            && !process.is_gone()
        {
            self.cpu = Err(format!("cannot hold the process in its control group: {error}"));
        }
        self.process = Some(process);
        Ok(())
    }

    /// From the event to its outcome.
    async fn run(&mut self, invocation: Invocation, until: Instant) -> Outcome {
        let request_id = invocation.request_id.clone();
        let timed_out = Outcome::timed_out(&request_id, self.function.timeout);
        match timeout_at(until, self.started()).await {
            Ok(Ok(())) => {}
            Ok(Err(NotReady::Says(error))) => return Outcome::init_error(error),
            Ok(Err(NotReady::Ended(status))) => return Outcome::exited(&request_id, status),
            Ok(Err(NotReady::Unstartable(error))) => return Outcome::no_entrypoint(&request_id, &error),
            Err(_) => return timed_out,
        }
        let Some(process) = &self.process else {
            return timed_out;
        };
        let left = until.saturating_duration_since(Instant::now());
        process.thaw();
        let answered = self.api.offer(Event {
            request_id: request_id.clone(),
            trace_id: invocation.trace_id,
            deadline_ms: deadline_ms(left),
            arn: self.function.arn(),
            payload: invocation.payload,
        });
        let limit = u64::from(self.function.memory_mb) << 20;
        let memory = &mut self.memory;
        let ordeal = invocation.ordeal;
        let ended = async {
            tokio::select! {
                biased;
                answer = answered => match answer {
                    Ok(answer) => Outcome::of(answer, &request_id),
                    // The seat was cleared: the process is being replaced.
                    Err(_) => std::future::pending().await,
                },
                () = outgrows(process, limit, memory) => Outcome::out_of_memory(&request_id),
                () = goes_through(process, ordeal) => Outcome::out_of_memory(&request_id),
                status = process.ended() => Outcome::exited(&request_id, status),
            }
        };
        timeout_at(until, ended).await.unwrap_or(timed_out)
    }

    /// Lets the runtime ask for its next event, and then stand still. One that does not ask in time, or ends, is replaced
    /// with the next invocation.
    async fn settle(&mut self, until: Instant) {
        let asked = timeout_at(until, self.started()).await;
        if let Some(process) = &self.process {
            let now = process.resident();
            self.memory = self.memory.max(now);
        }
        match (&self.process, asked) {
            (Some(process), Ok(Ok(()))) => process.freeze(),
            _ => self.end().await,
        }
    }
}

/// Returns when the process has more memory than its function.
async fn outgrows(process: &Process, limit: u64, most: &mut u64) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        *most = (*most).max(process.resident());
        if *most > limit {
            return;
        }
    }
}

/// Lets a process go through what a fault wants; returns when it is to be killed for its memory.
async fn goes_through(process: &Process, ordeal: Option<Ordeal>) {
    let Some(Ordeal { into, what }) = ordeal else {
        return std::future::pending().await;
    };
    // A timer rounds up, and a process does much in a millisecond.
    if !into.is_zero() {
        tokio::time::sleep(into).await;
    }
    match what {
        Suffers::OutOfMemory => return,
        Suffers::Abort => process.abort(),
        Suffers::Freeze(lasting) => {
            process.freeze();
            if let Some(lasting) = lasting {
                tokio::time::sleep(lasting).await;
                process.thaw();
            }
        }
    }
    std::future::pending().await
}

/// Lambda's deadline is a time of the system's clock.
fn deadline_ms(left: Duration) -> u64 {
    let at = system_now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        + left;
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339, with milliseconds, as Lambda writes it.
fn now() -> String {
    let now = jiff::Timestamp::try_from(system_now()).unwrap_or_default();
    format!("{now:.3}")
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("function", &self.function.name)
            .field("api", &self.api.address())
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}
