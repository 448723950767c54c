//! What is reported about one scenario.

use std::time::Duration;

use scenarios::format::{Scenario, model::ClockKind};

use super::RunFacts;
use crate::judge::Verdict;

/// Where a result comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The commit of the checkout, when there is one.
    pub commit: Option<String>,
    /// The build id of the service that was played.
    pub build_id: String,
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
    /// The command that plays it again.
    pub reproduce: String,
}

impl Played {
    /// What is reported about `scenario`, played on `clock` with `seed`.
    #[must_use]
    pub fn new(
        scenario: &Scenario,
        clock: ClockKind,
        seed: u64,
        verdict: Verdict,
        facts: RunFacts,
        reproduce: String,
    ) -> Self {
        Self {
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            seed,
            clock: match clock {
                ClockKind::Real => "real",
                ClockKind::Virtual => "virtual",
            },
            start: scenario.start,
            duration: scenario.duration,
            overrides: Vec::new(),
            verdict,
            facts,
            reproduce,
        }
    }

    /// The same with what the command line changed.
    #[must_use]
    pub fn with_overrides(mut self, overrides: Vec<String>) -> Self {
        self.overrides = overrides;
        self
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
