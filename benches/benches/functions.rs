//! What the emulated Lambda adds to an invocation, and what the service's bootstrap takes to start beside an empty one.
//!
//! Budgets: 100 µs at the median from an event to its answer through the emulator, of a bootstrap that does nothing; and three
//! times the start of such a bootstrap for the API's. The two bootstraps take turns, so that what else the machine does falls
//! on both.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use service::rng::SystemRng;
use sim::{
    lambda::{
        cpu,
        function::Function,
        ids::{trace_id, uuid},
        sandbox::{Invocation, Log, Sandbox},
    },
    template::model::LogFormat,
};
use tokio::{sync::oneshot, time::Instant};

/// Invocations that are counted, after so many that are not.
const INVOCATIONS: usize = 2000;
const WARM: usize = 200;
/// Starts of each bootstrap, after some that are not counted.
const STARTS: usize = 40;
const WARM_STARTS: usize = 3;
/// A whole processor, MB: what is measured is not how it is shared.
const MEMORY_MB: u32 = 1769;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(compare())
}

async fn compare() -> io::Result<()> {
    let empty = PathBuf::from(env!("CARGO_BIN_EXE_empty-bootstrap"));
    let mut out = io::stdout();
    let mut answers = exchanges(&empty).await?;
    writeln!(
        out,
        "event to answer, of a bootstrap that does nothing: p50 {:.1} µs, p99 {:.1} µs (budget: p50 100 µs)",
        at(&mut answers, 0.5).as_secs_f64() * 1e6,
        at(&mut answers, 0.99).as_secs_f64() * 1e6,
    )?;
    let api = empty.with_file_name("crypto-watch-api");
    if !api.exists() {
        writeln!(
            out,
            "SKIPPED the start of the API's bootstrap: {} is missing; build it with `cargo build --release`",
            api.display()
        )?;
        return Ok(());
    }
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for round in 0..WARM_STARTS + STARTS {
        for (bootstrap, starts) in [(&empty, &mut theirs), (&api, &mut ours)] {
            let took = start(bootstrap).await?;
            if round >= WARM_STARTS {
                starts.push(took);
            }
        }
    }
    let (theirs, ours) = (at(&mut theirs, 0.5), at(&mut ours, 0.5));
    writeln!(
        out,
        "start to the first /next: empty p50 {:.2} ms, API p50 {:.2} ms, ratio {:.2} (budget: 3)",
        theirs.as_secs_f64() * 1e3,
        ours.as_secs_f64() * 1e3,
        ours.as_secs_f64() / theirs.as_secs_f64(),
    )?;
    cpu::tidy().await;
    Ok(())
}

/// The value at a share of the samples, nearest rank.
fn at(samples: &mut [Duration], share: f64) -> Duration {
    samples.sort_unstable();
    let place = ((samples.len() as f64 * share).ceil() as usize).clamp(1, samples.len());
    samples[place - 1]
}

async fn exchanges(bootstrap: &Path) -> io::Result<Vec<Duration>> {
    let mut sandbox = sandbox(bootstrap).await?;
    let mut took = Vec::with_capacity(INVOCATIONS);
    for index in 0..WARM + INVOCATIONS {
        let (answer, answered) = oneshot::channel();
        let begun = Instant::now();
        let invoking = sandbox.invoke(invocation(), answer);
        let timed = async {
            let outcome = answered.await;
            (begun.elapsed(), outcome)
        };
        let (_, (elapsed, outcome)) = tokio::join!(invoking, timed);
        let outcome = outcome.map_err(io::Error::other)?;
        if outcome.failure.is_some() {
            return Err(io::Error::other(
                String::from_utf8_lossy(&outcome.payload).into_owned(),
            ));
        }
        if index >= WARM {
            took.push(elapsed);
        }
    }
    sandbox.end().await;
    Ok(took)
}

async fn start(bootstrap: &Path) -> io::Result<Duration> {
    let mut sandbox = sandbox(bootstrap).await?;
    let (answer, _) = oneshot::channel();
    let (report, outcome) = sandbox.invoke(invocation(), answer).await;
    sandbox.end().await;
    let failed = || io::Error::other(String::from_utf8_lossy(&outcome.payload).into_owned());
    report.init.ok_or_else(failed)
}

fn invocation() -> Invocation {
    Invocation {
        request_id: uuid(&SystemRng),
        trace_id: trace_id(&SystemRng, 0),
        payload: Bytes::from_static(b"{}"),
        ordeal: None,
    }
}

async fn sandbox(bootstrap: &Path) -> io::Result<Sandbox> {
    let variables = [
        ("DYNAMODB_TABLE_NAME", "bench"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1"),
    ];
    let function = Function {
        name: "bench".to_owned(),
        bootstrap: bootstrap.to_owned(),
        handler: "bootstrap".to_owned(),
        timeout: Duration::from_secs(3),
        memory_mb: MEMORY_MB,
        environment: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        log_format: LogFormat::Json,
        application_log_level: None,
        log_group: None,
    };
    let log = Log {
        function: Arc::new(|_| {}),
        platform: Arc::new(|_| {}),
    };
    Sandbox::new(Arc::new(function), log, "bench".to_owned()).await
}
