//! What is reported about one scenario.

use std::{collections::BTreeMap, time::Duration};

use scenarios::format::quantity::show_duration;

use super::RunFacts;
use crate::judge::Verdict;

/// Where a result comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The commit of the checkout, when there is one.
    pub commit: Option<String>,
    /// The build id of the service that was played.
    pub build_id: String,
    /// The packages that were played, by their files, with the SHA-256 of each in hex; none when it was processes.
    pub packages: BTreeMap<String, String>,
}

/// A scenario that was played and judged.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its name.
    pub scenario: String,
    /// What it proves.
    pub about: String,
    /// The seed it was played with.
    pub seed: u64,
    /// `real` or `virtual`.
    pub clock: &'static str,
    /// The wall time at which it starts.
    pub start: jiff::Timestamp,
    /// How long it is, wall time.
    pub duration: Duration,
    /// What the command line changed: `--set`, `--env` and `--sabotage`, as given.
    pub overrides: Vec<String>,
    /// What the judge found.
    pub verdict: Verdict,
    /// What differs from run to run.
    pub facts: RunFacts,
    /// The program that played it, as it was called.
    pub program: String,
    /// The arguments with which it plays it again.
    pub arguments: String,
}

impl Played {
    /// The command that plays it again.
    #[must_use]
    pub fn reproduce(&self) -> String {
        format!("{} {}", self.program, self.arguments)
    }

    /// How long the play took against how long the scenario is.
    #[must_use]
    pub fn how_fast(&self) -> String {
        let wall_seconds = self.facts.wall_seconds;
        match self.facts.compress {
            Some(speed) => format!("{wall_seconds:.1} s of real time at {speed}×"),
            None => format!(
                "{} of virtual time in {wall_seconds:.1} s",
                show_duration(self.duration)
            ),
        }
    }
}

/// One scenario of a suite.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It was played and judged.
    Played(Box<Played>),
    /// It could not be played to a verdict.
    Broken {
        /// Its name.
        scenario: String,
        /// What went wrong, and what to do.
        message: String,
        /// The command that tries again.
        reproduce: String,
    },
}

impl Entry {
    /// The scenario's name.
    #[must_use]
    pub fn scenario(&self) -> &str {
        match self {
            Self::Played(played) => &played.scenario,
            Self::Broken { scenario, .. } => scenario,
        }
    }

    /// Whether everything held.
    #[must_use]
    pub fn passed(&self) -> bool {
        match self {
            Self::Played(played) => played.verdict.passed,
            Self::Broken { .. } => false,
        }
    }
}
