//! `lambda invoke`: any function's bootstrap, run as Lambda runs it.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use bytes::Bytes;
use service::rng::SystemRng;
use tokio::sync::oneshot;

use crate::{
    cli::{args::InvokeArgs, exit::Exit, interrupt, printer},
    clock::system_now,
    lambda::{
        cpu,
        function::Function,
        ids::{trace_id, uuid},
        invoke::MOST_EVENT,
        outcome::{Failure, Outcome},
        sandbox::{Invocation, Log, Sandbox},
    },
    template::model::LogFormat,
};

/// Invokes a bootstrap with an event, as often as asked, in one execution environment. What it answers goes to standard
/// output, its log to standard error.
pub async fn invoke(args: InvokeArgs) -> Exit {
    let mut interrupt = match interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            printer::notice(&format!("error: cannot listen for signals: {error}"));
            return Exit::Harness;
        }
    };
    let invoked = async {
        match run(args).await {
            Ok(exit) => exit,
            Err(problem) => {
                printer::notice(&format!("error: {problem}"));
                Exit::Usage
            }
        }
    };
    let exit = tokio::select! {
        biased;
        exit = invoked => exit,
        // Dropping what runs kills it.
        _ = interrupt.stop.wait_for(|stop| *stop) => {
            printer::notice("interrupted");
            Exit::Harness
        }
    };
    cpu::tidy().await;
    exit
}

async fn run(args: InvokeArgs) -> Result<Exit, String> {
    let payload = event(&args.event)?;
    let bootstrap = fs::canonicalize(&args.bootstrap)
        .map_err(|error| format!("--bootstrap {}: {error}", args.bootstrap.display()))?;
    if !bootstrap.is_file() {
        return Err(format!("--bootstrap {}: it is no file", args.bootstrap.display()));
    }
    let function = Arc::new(Function {
        name: args.name,
        bootstrap,
        handler: args.handler,
        timeout: args.timeout,
        memory_mb: args.memory,
        environment: args.env.into_iter().collect::<BTreeMap<_, _>>(),
        log_format: if args.json_log {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
        application_log_level: None,
        log_group: None,
    });
    let say: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(printer::notice);
    let log = Log {
        function: Arc::clone(&say),
        platform: say,
    };
    let mut sandbox = Sandbox::new(function, log, "local".to_owned())
        .await
        .map_err(|error| format!("no port for the Runtime API: {error}"))?;
    let mut exit = Exit::Held;
    for _ in 0..args.times {
        let invocation = Invocation {
            request_id: uuid(&SystemRng),
            trace_id: trace_id(&SystemRng, unix_s()),
            payload: payload.clone(),
            ordeal: None,
        };
        let (answer, answered) = oneshot::channel();
        let (report, outcome) = sandbox.invoke(invocation, answer).await;
        drop(answered);
        printer::result(&String::from_utf8_lossy(&outcome.payload));
        if let Some(why) = &report.unlimited {
            printer::notice(&format!("note: CPU not limited to the function's share: {why}"));
        }
        exit = exit.and(judged(&outcome, &args.bootstrap));
    }
    sandbox.end().await;
    Ok(exit)
}

fn judged(outcome: &Outcome, bootstrap: &Path) -> Exit {
    match outcome.failure {
        None => Exit::Held,
        Some(Failure::Entrypoint) => {
            printer::notice(&format!(
                "error: the function failed: {} cannot be started; it must be executable (chmod +x), be of this processor \
                 or begin with `#!` and a program that is there, and lie where programs may run (no noexec mount)",
                bootstrap.display()
            ));
            Exit::ExpectationFailed
        }
        Some(failure) => {
            printer::notice(&format!("error: the function failed: {}", failure.name()));
            Exit::ExpectationFailed
        }
    }
}

fn unix_s() -> i64 {
    jiff::Timestamp::try_from(system_now()).map_or(0, jiff::Timestamp::as_second)
}

/// An event, which is JSON.
fn event(path: &Path) -> Result<Bytes, String> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).map_err(|error| format!("standard input: {error}"))?
    } else {
        fs::read_to_string(path).map_err(|error| format!("--event {}: {error}", path.display()))?
    };
    serde_json::from_str::<serde::de::IgnoredAny>(&text)
        .map_err(|error| format!("--event {}: an event is JSON: {error}", path.display()))?;
    if text.len() > MOST_EVENT {
        return Err(format!(
            "--event {}: it has {} bytes, and Lambda takes {MOST_EVENT} of a caller who waits",
            path.display(),
            text.len()
        ));
    }
    Ok(Bytes::from(text))
}
