//! The sweep: random fault timelines over a scenario's load, judged by rules that must hold under any faults, and
//! the smallest timeline for each that breaks one.
//!
//! | file | owns |
//! |---|---|
//! | `rules` | what must hold, each with its source |
//! | `bounds` | the times and numbers that the rules compare with |
//! | `witness` | watches a run's events and applies the rules |
//! | `trial` | one scenario played under the rules, and what was found |
//! | `timeline`, `kinds`, `dice` | a random timeline: drawn from a seed, written as TOML |
//! | `shrink` | from a timeline that fails to the smallest that still does |
//! | `seeds` | many seeds on several threads, in order |
//!
//! A timeline is written as the text of a scenario and read by the ordinary reader, so what a sweep plays is to the
//! byte what its file replays.

pub mod bounds;
mod dice;
pub mod kinds;
pub mod rules;
pub mod seeds;
pub mod shrink;
pub mod timeline;
pub mod trial;
pub mod witness;

use std::{collections::BTreeMap, sync::Arc};

use scenarios::format::{Scenario, Variant};
use tokio::sync::watch;

pub use kinds::{Menu, Room};
pub use seeds::Halt;
pub use timeline::Timeline;
pub use trial::{Broken, Findings, TrialError};

use crate::{seed::Seed, virtual_world::Plant, world::environment};

/// Replays that shrinking one failure may take.
const REPLAYS: u32 = 120;

/// A sweep over one scenario.
#[derive(Clone, Debug)]
pub struct Sweep {
    base: Scenario,
    room: Room,
    menu: Menu,
    plant: Option<Plant>,
}

/// What became of one seed.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The seed.
    pub seed: u64,
    /// Its timeline.
    pub timeline: Timeline,
    /// What was found.
    pub findings: Findings,
    /// The smallest timeline that breaks the same rule, when one was broken.
    pub failure: Option<Failure>,
}

/// A rule that a seed breaks, and the smallest scenario that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule, and what happened when the smallest scenario was played.
    pub broken: Broken,
    /// The scenario's name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its timeline.
    pub timeline: Timeline,
    /// How often it was played to find it.
    pub replays: u32,
}

impl Sweep {
    /// A sweep over the stack, the users and the times of `base`; its own faults and expectations are left out.
    ///
    /// # Errors
    /// The scenario has no room for faults, or cannot be played.
    pub fn new(base: Scenario, plant: Option<Plant>) -> Result<Self, String> {
        let config =
            environment::effective(&base.stack, &BTreeMap::new()).map_err(|problem| problem.to_string())?;
        let room = Room::of(&base, &config)?;
        let menu = Menu::of(&base, room);
        if menu.is_empty() {
            return Err(format!(
                "`{}` cannot be played in virtual time with any kind of fault",
                base.name
            ));
        }
        Ok(Self {
            base,
            room,
            menu,
            plant,
        })
    }

    /// The scenario's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.base.name
    }

    /// The kinds of faults that are drawn.
    #[must_use]
    pub fn menu(&self) -> &Menu {
        &self.menu
    }

    /// Plays the scenario without faults: what breaks a rule then is no fault's doing.
    ///
    /// # Errors
    /// See [`TrialError`].
    pub fn quiet(&self, seed: u64, stop: &watch::Receiver<bool>) -> Result<Findings, TrialError> {
        self.play(seed, &Timeline::quiet(self.base.stack.instances), stop)
    }

    /// Plays one seed and, when that breaks a rule, shrinks it. `halted` ends the shrinking early.
    ///
    /// # Errors
    /// See [`TrialError`].
    pub fn trial(&self, seed: u64, halt: &Halt) -> Result<Trial, TrialError> {
        let timeline = Timeline::draw(Seed(seed), &self.menu, self.room);
        let findings = self.play(seed, &timeline, halt.stop())?;
        let failure = findings
            .broken
            .first()
            .map(|broken| self.smallest(seed, &timeline, broken, halt));
        Ok(Trial {
            seed,
            timeline,
            findings,
            failure,
        })
    }

    fn smallest(&self, seed: u64, timeline: &Timeline, broken: &Broken, halt: &Halt) -> Failure {
        let mut last = broken.clone();
        let fails = |candidate: &Timeline| {
            if halt.is_on() {
                return false;
            }
            let Ok(findings) = self.play(seed, candidate, halt.stop()) else {
                return false;
            };
            let same = findings
                .broken
                .into_iter()
                .find(|other| other.rule == broken.rule);
            same.map(|same| last = same).is_some()
        };
        let shrunk = shrink::shrink(timeline.clone(), REPLAYS, fails);
        let variant = self.variant(
            seed,
            &shrunk.timeline,
            &format!("Breaks {}: {}.", last.rule, last.what),
        );
        Failure {
            name: variant.name.clone(),
            text: self.base.variant(&variant),
            broken: last,
            timeline: shrunk.timeline,
            replays: shrunk.replays,
        }
    }

    fn play(
        &self,
        seed: u64,
        timeline: &Timeline,
        stop: &watch::Receiver<bool>,
    ) -> Result<Findings, TrialError> {
        let variant = self.variant(seed, timeline, "A timeline of a sweep.");
        let text = self.base.variant(&variant);
        let scenario =
            trial::read(&format!("{}.toml", variant.name), &text).map_err(TrialError::Unplayable)?;
        trial::play(&Arc::new(scenario), self.plant, stop.clone())
    }

    fn variant(&self, seed: u64, timeline: &Timeline, about: &str) -> Variant {
        Variant {
            name: format!("{}-seed-{seed}", self.base.name),
            about: about.to_owned(),
            seed,
            instances: timeline.instances,
            faults: timeline.toml(),
        }
    }
}

#[cfg(test)]
mod tests;
