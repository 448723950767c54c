//! From a world that was played to a verdict, its files and an exit code.

use std::{path::Path, time::Duration};

use scenarios::format::model::{ClockKind, Plan};

use crate::{
    cli::{exit::Exit, plan::Play},
    coingecko::Terms,
    judge::{self, EffectiveStack, Origin, Severity, Verdict, metrics::Unit},
    report::{self, Entry, Provenance, ReportError, RunFacts, RunMeasured},
    schedule::Schedule,
    world::{Ended, Played, Remains},
};

/// The clock that scenarios are played on.
const CLOCK: ClockKind = ClockKind::Real;

/// What became of one play.
#[derive(Debug)]
pub struct Outcome {
    /// The play's name.
    pub name: String,
    /// What is reported about it.
    pub entry: Entry,
    /// How the command would exit for it alone.
    pub exit: Exit,
}

impl Outcome {
    /// It could not be played to a verdict.
    #[must_use]
    pub fn broken(play: &Play, message: &str) -> Self {
        let (scenario, reproduce) = (play.name.clone(), play.command.clone());
        Self {
            name: play.name.clone(),
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
    pub fn judged(
        play: &Play,
        played: &Played,
        remains: Remains,
        wall: Duration,
        provenance: &Provenance,
    ) -> Self {
        let recording = remains.recorder.finish();
        let mut verdict = judge::judge(&play.scenario, &recording, &effective_stack(play), CLOCK);
        if !played.killed.is_empty() {
            verdict.notes.insert(
                0,
                format!(
                    "did not end when asked to, and was killed: {}",
                    played.killed.join(", ")
                ),
            );
        }
        let exit = match &played.ended {
            Ended::Complete if verdict.passed => Exit::Held,
            Ended::Complete => Exit::ExpectationFailed,
            Ended::Interrupted | Ended::Failed(_) => {
                break_off(&mut verdict, &played.ended);
                Exit::Harness
            }
        };
        let measured = RunMeasured {
            wall_seconds: wall.as_secs_f64(),
            stack_ready_ms: Some(remains.ready.as_secs_f64() * 1000.0),
            compress: f64::from(play.speed),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        };
        let facts = RunFacts::new(&recording, &measured, provenance);
        let command = play.command.clone();
        let mut document = report::Played::new(&play.scenario, CLOCK, play.seed.0, verdict, facts, command)
            .with_overrides(play.overrides.clone());
        document.scenario.clone_from(&play.name);
        Self {
            name: play.name.clone(),
            entry: Entry::Played(Box::new(document)),
            exit,
        }
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
    verdict.expectations.push(judge::Outcome {
        check: "the scenario was played to its end".to_owned(),
        origin: Origin::Invariant,
        during: None,
        filter: None,
        level: Severity::Fail,
        unit: Unit::Count,
        actual: None,
        limit: None,
        judged: true,
        held: false,
        margin: String::new(),
        why: Some(ended.headline()),
    });
    verdict.notes.insert(
        0,
        "the run broke off: all numbers cover only what was recorded until then".to_owned(),
    );
}

fn effective_stack(play: &Play) -> EffectiveStack {
    let stack = &play.scenario.stack;
    let terms = Terms::of(stack.upstream_plan);
    let allowance = if stack.upstream_plan == Plan::Keyless {
        terms.keyless
    } else {
        terms.keyed
    };
    EffectiveStack {
        update_every: stack.update_every,
        update_phase: Schedule::of(stack, play.seed).phase,
        credits_per_month: allowance.per_month,
        retry_base: play.config.retry_base,
        retry_cap: play.config.retry_cap,
    }
}
