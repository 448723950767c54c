//! From a world that was played to a verdict, its files and an exit code.

use std::{path::Path, time::Duration};

use crate::{
    cli::{
        exit::Exit,
        plan::{On, Play},
    },
    judge::{self, EffectiveStack, Origin, Severity, Verdict, metrics::Unit},
    record::Recording,
    report::{self, Entry, Provenance, ReportError, RunFacts, RunMeasured, StoreMeasured},
    world::Ended,
};

/// What became of one play.
#[derive(Debug)]
pub struct Outcome {
    /// The play's name.
    pub name: String,
    /// The clock it was played on.
    pub clock: &'static str,
    /// What is reported about it.
    pub entry: Entry,
    /// How the command would exit for it alone.
    pub exit: Exit,
}

/// A play that came to an end, whichever.
#[derive(Debug)]
pub struct Ending {
    /// How it ended.
    pub ended: Ended,
    /// Processes that had to be killed because they did not end when asked to.
    pub killed: Vec<String>,
    /// Everything that happened.
    pub recording: Recording,
    /// Real ms from the start of the stack to its first answer; none where there is nothing to start.
    pub stack_ready_ms: Option<f64>,
    /// The store, and what it took.
    pub store: StoreMeasured,
    /// Real time from the first part built to the last one gone.
    pub wall: Duration,
}

impl Outcome {
    /// It could not be played to a verdict.
    #[must_use]
    pub fn broken(play: &Play, message: &str) -> Self {
        let (scenario, reproduce) = (play.name.clone(), play.command());
        Self {
            name: play.name.clone(),
            clock: play.on.clock(),
            entry: Entry::Broken {
                scenario,
                message: message.to_owned(),
                reproduce,
            },
            exit: Exit::Harness,
        }
    }

    /// Judges what was recorded, however much that is.
    #[must_use]
    pub fn judged(play: &Play, ending: Ending, provenance: &Provenance) -> Self {
        let Ending {
            ended,
            killed,
            recording,
            stack_ready_ms,
            store,
            wall,
        } = ending;
        let stack = EffectiveStack::of(&play.scenario, &play.config, play.seed);
        let mut verdict = judge::judge(&play.scenario, &recording, &stack, play.on.kind());
        if !killed.is_empty() {
            verdict.notes.insert(
                0,
                format!("did not end when asked to, and was killed: {}", killed.join(", ")),
            );
        }
        let exit = match &ended {
            Ended::Complete if verdict.passed => Exit::Held,
            Ended::Complete => Exit::ExpectationFailed,
            Ended::Interrupted | Ended::Failed(_) => {
                break_off(&mut verdict, &ended);
                Exit::Harness
            }
        };
        let measured = RunMeasured {
            wall_seconds: wall.as_secs_f64(),
            stack_ready_ms,
            store: Some(store),
            compress: match play.on {
                On::Virtual { .. } => None,
                On::Real { speed } => Some(f64::from(speed)),
            },
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        };
        let facts = RunFacts::new(&recording, &measured, provenance);
        let scenario = &play.scenario;
        let document = report::Played {
            scenario: play.name.clone(),
            about: scenario.about.clone(),
            seed: play.seed.0,
            clock: play.on.clock(),
            start: scenario.start,
            duration: scenario.duration,
            overrides: play.overrides.clone(),
            verdict,
            facts,
            program: play.program.clone(),
            arguments: play.arguments.clone(),
        };
        Self {
            name: play.name.clone(),
            clock: play.on.clock(),
            entry: Entry::Played(Box::new(document)),
            exit,
        }
    }

    /// The first of two plays with one seed: with another exit code when `second` was reported differently. When one of
    /// them broke off there is nothing to compare, and it is that one.
    #[must_use]
    pub fn alike(mut self, second: Self) -> Self {
        if self.exit == Exit::Harness {
            return self;
        }
        if second.exit == Exit::Harness {
            return second;
        }
        let (Entry::Played(first), Entry::Played(second)) = (&mut self.entry, &second.entry) else {
            return self;
        };
        if let Some(difference) = report::difference(first, second) {
            first.verdict.passed = false;
            first.verdict.expectations.push(broken_rule(
                "two plays with one seed are reported alike, to the byte",
                difference,
            ));
            self.exit = self.exit.and(Exit::Nondeterminism);
        }
        self
    }

    /// Writes the play's own files.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        match &self.entry {
            Entry::Played(played) => report::write_scenario(folder, played),
            Entry::Broken { .. } => Ok(()),
        }
    }
}

/// A run that broke off has not passed, whatever held until then. The rules that hold in every run are about whole
/// runs (loads are cut, answers in flight are lost), so they are not judged.
fn break_off(verdict: &mut Verdict, ended: &Ended) {
    verdict.passed = false;
    verdict
        .expectations
        .retain(|outcome| outcome.origin == Origin::Scenario);
    verdict.expectations.push(broken_rule(
        "the scenario was played to its end",
        ended.headline(),
    ));
    verdict.notes.insert(
        0,
        "the run broke off: all numbers cover only what was recorded until then".to_owned(),
    );
}

/// A rule in words that did not hold.
fn broken_rule(check: &str, why: String) -> judge::Outcome {
    judge::Outcome {
        check: check.to_owned(),
        origin: Origin::Invariant,
        during: None,
        filter: None,
        level: Severity::Fail,
        judged: true,
        unit: Unit::Count,
        actual: None,
        limit: None,
        held: false,
        margin: String::new(),
        why: Some(why),
    }
}
