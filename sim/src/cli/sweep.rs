//! `sweep`: random fault timelines over a scenario, and `sweep --replay`: one of them again.

mod results;

use std::{ops::Range, str::FromStr, sync::Arc};

use scenarios::{
    format::{Override, Scenario, model::ClockKind},
    suites,
};
use tokio::{sync::watch, time::Instant};

use self::results::Results;
use super::{args::SweepArgs, exit::Exit, interrupt, out_dir::OutDir, plan::quoted, printer};
use crate::{
    sweep::{Broken, Findings, Sweep, TrialError, trial},
    world::playable,
};

/// The scenario that is swept when none is named.
pub const DEFAULT: &str = "sweep-base";

/// Progress is told about so often.
const TELLINGS: u64 = 10;

/// A range of seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}: write A..B (without B), A..=B, or one seed");
        let number = |text: &str| {
            text.trim()
                .parse::<u64>()
                .map_err(|_| wrong("that is no range of seeds"))
        };
        let (start, end) = match text.split_once("..") {
            None => (number(text)?, number(text)?.checked_add(1)),
            Some((from, to)) => match to.strip_prefix('=') {
                Some(last) => (number(from)?, number(last)?.checked_add(1)),
                None => (number(from)?, Some(number(to)?)),
            },
        };
        match end {
            Some(end) if start < end => Ok(Self(start..end)),
            Some(_) => Err(wrong("there is no seed in it")),
            None => Err(wrong("the last seed is too great")),
        }
    }
}

/// Sweeps, or replays. `program` is how this program was called, for the commands that it prints.
pub async fn sweep(args: SweepArgs, program: &str) -> Exit {
    let stop = match interrupt::listen() {
        Ok(interrupt) => interrupt.stop,
        Err(error) => {
            printer::notice(&format!("error: {error}"));
            return Exit::Harness;
        }
    };
    let program = quoted(program);
    // Plays keep a thread busy.
    let work = tokio::task::spawn_blocking(move || match &args.replay {
        Some(file) => replay(file, &stop),
        None => sweep_all(&args, &program, &stop),
    });
    work.await.unwrap_or_else(|panic| {
        printer::notice(&format!("error: the harness has a defect: {panic}"));
        Exit::Harness
    })
}

/// The one scenario that a word means, for a sweep: without expectations, and fit for the virtual clock.
fn find(word: &str, overrides: &[(String, String)]) -> Result<Scenario, String> {
    let found = suites::find(word).map_err(|problem| problem.to_string())?;
    let [one] = found.as_slice() else {
        return Err(format!(
            "error: `{word}` is a suite of {}; name one of its scenarios",
            found.len()
        ));
    };
    let overrides: Vec<Override> = overrides
        .iter()
        .map(|(key, value)| Override {
            key: key.clone(),
            value: value.clone(),
        })
        .collect();
    let mut scenario = one.parse(&overrides).map_err(|problems| problems.to_string())?;
    scenario.expects.clear();
    Ok(scenario)
}

fn replay(file: &str, stop: &watch::Receiver<bool>) -> Exit {
    let scenario = match find(file, &[]) {
        Ok(scenario) => scenario,
        Err(problem) => {
            printer::notice(&problem);
            return Exit::Usage;
        }
    };
    if let Err(problems) = playable::check(
        &scenario,
        ClockKind::Virtual,
        Some("memory"),
        playable::Service::Processes,
    ) {
        printer::notice(&problems.to_string());
        return Exit::Usage;
    }
    let name = scenario.name.clone();
    match trial::play(&Arc::new(scenario), None, stop.clone()) {
        Ok(findings) => {
            printer::result(&told(&name, &findings));
            if findings.held() {
                Exit::Held
            } else {
                Exit::ExpectationFailed
            }
        }
        Err(error) => {
            printer::notice(&format!("error: {name}: {error}"));
            Exit::Harness
        }
    }
}

/// One replay in words.
fn told(name: &str, findings: &Findings) -> String {
    let Findings { seed, requests, .. } = findings;
    let mut text = format!("{name}: seed {seed}, {requests} requests: ");
    if findings.held() {
        text += "all rules held";
    } else {
        text += "broken:";
        for Broken { rule, what, times } in &findings.broken {
            text += &format!("\n  {rule} ({}): {what}", times_word(*times));
        }
    }
    text
}

fn times_word(times: u64) -> String {
    if times == 1 {
        "once".to_owned()
    } else {
        format!("{times} times")
    }
}

fn sweep_all(args: &SweepArgs, program: &str, stop: &watch::Receiver<bool>) -> Exit {
    let begun = Instant::now();
    let Seeds(seeds) = args.seeds.clone();
    let sweep = find(&args.scenario, &args.overrides)
        .and_then(|base| Sweep::new(base, None).map_err(|problem| format!("error: {problem}")));
    let sweep = match sweep {
        Ok(sweep) => sweep,
        Err(problem) => {
            printer::notice(&problem);
            return Exit::Usage;
        }
    };
    if let Err(exit) = well_without_faults(&sweep, seeds.start, stop) {
        return exit;
    }
    let (_lock, mut results) = match prepare(args, sweep.name()) {
        Ok(prepared) => prepared,
        Err(problem) => {
            printer::notice(&format!("error: {problem}"));
            return Exit::Harness;
        }
    };
    let jobs = args.jobs.map_or_else(cores, usize::from);
    let kinds: Vec<String> = sweep.menu().names().collect();
    printer::notice(&format!(
        "{}: seeds {}..{}, {jobs} at a time, faults of {}",
        sweep.name(),
        seeds.start,
        seeds.end,
        kinds.join(", ")
    ));
    let total = seeds.end - seeds.start;
    let each = total.div_ceil(TELLINGS);
    let mut written = Ok(());
    let ended = sweep.run(seeds, jobs, args.fail_fast, stop.clone(), |trial| {
        if let Err(error) = results.take(&trial, program) {
            written = Err(error);
        }
        if results.seeds().is_multiple_of(each) {
            printer::notice(&format!("{}: {}", sweep.name(), results.progress(total)));
        }
    });
    let written = written.and_then(|()| results.write());
    printer::result(&results.conclusion(begun.elapsed().as_secs_f64(), total));
    let mut exit = if results.failed() {
        Exit::ExpectationFailed
    } else {
        Exit::Held
    };
    let mut fail = |problem: &str| {
        printer::notice(problem);
        exit = exit.and(Exit::Harness);
    };
    match ended {
        Ok(()) if *stop.borrow() => fail("interrupted"),
        Ok(()) => {}
        Err(TrialError::Interrupted) => fail("interrupted"),
        Err(error @ TrialError::Unplayable(_)) => fail(&format!("error: {}: {error}", sweep.name())),
    }
    if let Err(error) = written {
        fail(&format!("error: cannot write to {}: {error}", results.folder));
    }
    exit
}

/// What breaks a rule without faults would be found with any, and say nothing about them.
fn well_without_faults(sweep: &Sweep, seed: u64, stop: &watch::Receiver<bool>) -> Result<(), Exit> {
    match sweep.quiet(seed, stop) {
        Ok(findings) if findings.held() => Ok(()),
        Ok(findings) => {
            let name = format!("{} without faults", sweep.name());
            printer::result(&told(&name, &findings));
            printer::notice("a sweep would find no more than that; mend it, or sweep another scenario");
            Err(Exit::ExpectationFailed)
        }
        Err(error) => {
            printer::notice(&format!("error: {}: {error}", sweep.name()));
            Err(Exit::Harness)
        }
    }
}

/// The folder of the results, locked and emptied.
fn prepare(args: &SweepArgs, name: &str) -> Result<(OutDir, Results), String> {
    let out = OutDir::lock(&args.out).map_err(|error| error.to_string())?;
    let results = Results::prepare(&out, name).map_err(|error| {
        let path = out.path().display();
        format!("cannot write to {path}: {error}; choose another folder with --out")
    })?;
    Ok((out, results))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scenario_is_swept_without_what_it_expects() {
        let base = find(DEFAULT, &[("duration".to_owned(), "2h".to_owned())]);
        let base = base.unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!((base.expects.len(), base.duration.as_secs()), (0, 7_200));
        let problem = find("sweep", &[]).map(|base| base.name);
        assert_eq!(problem, Ok("sweep-base".to_owned()), "a suite of one");
        let problem = find("smoke", &[]).expect_err("a suite of several");
        insta::assert_snapshot!(problem, @"error: `smoke` is a suite of 6; name one of its scenarios");
    }

    #[test]
    fn seeds_are_ranges_as_rust_writes_them() {
        let read = |text: &str| text.parse::<Seeds>().map(|seeds| seeds.0);
        assert_eq!(read("0..1000"), Ok(0..1000));
        assert_eq!(read("7..=9"), Ok(7..10));
        assert_eq!(read("42"), Ok(42..43));
        insta::assert_snapshot!(read("9..3").expect_err("empty"), @"there is no seed in it: write A..B (without B), A..=B, or one seed");
        insta::assert_snapshot!(read("all").expect_err("no range"), @"that is no range of seeds: write A..B (without B), A..=B, or one seed");
        insta::assert_snapshot!(read(&u64::MAX.to_string()).expect_err("too great"), @"the last seed is too great: write A..B (without B), A..=B, or one seed");
    }
}
