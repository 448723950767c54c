//! The load generator as a process: plan on standard input, lines on standard output, signals, exit code.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::output::Output;
use super::{LoadClock, Play, PlayError, Setup, Tell};
use crate::format::model::Shape;
use crate::format::{Alone, parse};
use crate::wire::{LoadLine, LoadPlan};
use crate::{BUILD_ID, journeys, open};

/// Longest plan that is read, bytes.
const MAX_PLAN: u64 = 64 << 20;

/// Plays the load whose plan comes on standard input.
///
/// Gives 0 when it was played, to its end or until the input closed or a signal came, 2 when the plan is no good,
/// 3 when the load cannot be played.
pub fn main() -> ExitCode {
    let (output, writer) = Output::to(io::stdout());
    let end = run(&output);
    let code = match &end {
        Ok(_) => 0,
        Err(PlayError::Engine(_)) => 3,
        Err(_) => 2,
    };
    output.say(end.unwrap_or_else(|error| {
        let message = error.to_string();
        // Where even this cannot be written, the exit code remains.
        let _ = writeln!(io::stderr(), "crypto-watch-load: {message}");
        LoadLine::Failed { message }
    }));
    // An error here means that nobody reads any more.
    let _ = writer.join();
    ExitCode::from(code)
}

fn run(output: &Output) -> Result<LoadLine, PlayError> {
    // One thread: a load of a few hundred requests a second leaves it idle, and the stack needs the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| PlayError::Engine(format!("no runtime: {error}")))?;
    let end = runtime.block_on(play(output));
    // Requests that outlive the load's end have been given their time.
    runtime.shutdown_background();
    end
}

async fn play(output: &Output) -> Result<LoadLine, PlayError> {
    let (stop, stopped) = watch::channel(false);
    let plan = read_plan(stop.clone())
        .await
        .unwrap_or_else(|_| Err(PlayError::Unreadable("it ended".to_owned())))?;
    let play = Arc::new(set_up(&plan, output.clone(), stopped)?);
    listen(stop)?;
    let engine = match play.load.shape {
        Shape::Users(_) => "goose",
        Shape::Rate(_) => "open",
    };
    output.say(LoadLine::Ready {
        build: BUILD_ID.to_owned(),
        engine: engine.to_owned(),
    });
    let timeout = Duration::from_millis(plan.timeout_ms);
    let bases: Arc<[String]> = plan
        .targets
        .iter()
        .map(|target| target.trim_end_matches('/').to_owned())
        .collect();
    let engine = async {
        match &play.load.shape {
            Shape::Users(users) => journeys::run(Arc::clone(&play), *users, bases, timeout).await,
            Shape::Rate(rates) => {
                let carrier = open::Carrier::new(bases, timeout, open::MAX_IN_FLIGHT);
                open::run(Arc::clone(&play), rates, carrier).await;
                Ok(())
            }
        }
    };
    play.to_the_end(engine).await.transpose()?;
    Ok(LoadLine::Done {
        sent: play.sent(),
        dropped: play.dropped(),
        cpu_us: cpu_us(),
    })
}

/// Checks the plan.
fn set_up(plan: &LoadPlan, output: Output, stop: watch::Receiver<bool>) -> Result<Play, PlayError> {
    if !(plan.speed.is_finite() && plan.speed > 0.0) {
        return Err(PlayError::misfit(format!("its speed is {}", plan.speed)));
    }
    let scenario = parse("the plan's scenario", &plan.scenario_toml, &[], &Alone)
        .map_err(|error| PlayError::Scenario(error.to_string()))?;
    Play::new(Setup {
        scenario: &scenario,
        load: plan.load,
        seed: plan.seed,
        // Too many are refused as none.
        targets: u16::try_from(plan.targets.len()).unwrap_or(0),
        keys: &plan.keys,
        symbols: plan.symbols.clone(),
        clock: LoadClock::start(plan.anchor_ms, plan.speed),
        tell: Tell(Arc::new(move |line| output.say(LoadLine::Request(line)))),
        stop,
    })
}

/// Reads the plan, then waits for the end of the input, which tells the generator to end.
///
/// A thread of its own, since a read of standard input cannot be cancelled; it dies with the process.
fn read_plan(stop: watch::Sender<bool>) -> oneshot::Receiver<Result<LoadPlan, PlayError>> {
    let (tell, plan) = oneshot::channel();
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        let read = io::Read::by_ref(&mut input)
            .take(MAX_PLAN)
            .read_until(b'\n', &mut line)
            .map_err(|error| PlayError::Unreadable(error.to_string()))
            .and_then(|_| {
                serde_json::from_slice(&line).map_err(|error| PlayError::Unreadable(error.to_string()))
            });
        // Nobody listens when the process ends already.
        let _ = tell.send(read);
        let mut rest = [0; 1024];
        while matches!(input.read(&mut rest), Ok(1..)) {}
        stop.send_replace(true);
    });
    plan
}

/// SIGTERM and Ctrl-C tell the generator to end.
fn listen(stop: watch::Sender<bool>) -> Result<(), PlayError> {
    use tokio::signal::unix::{SignalKind, signal};

    let on = |kind| signal(kind).map_err(|error| PlayError::Engine(format!("no signal handler: {error}")));
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
    });
    Ok(())
}

/// CPU time of this process so far, µs; 0 where the system has no `/proc`.
fn cpu_us() -> u64 {
    std::fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| ticks(&stat))
        // The kernel tells user space of hundredths of a second, whatever its own clock.
        .map_or(0, |ticks| ticks * 10_000)
}

/// User and system time from `/proc/self/stat`, see `proc_pid_stat(5)`: fields 14 and 15, counted behind the
/// program's name, which may contain anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_the_name() {
        let stat = "42 (a) b 7) S 1 42 42 0 -1 4194304 110 0 0 0 37 5 0 0 20 0 1 0 100 1 1";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("42 (x) S 1"), None);
    }
}
