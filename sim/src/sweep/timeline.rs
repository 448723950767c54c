//! A random timeline: how many instances there are and what breaks when, drawn from a seed and written as TOML.
//!
//! What is played is what is written: a timeline becomes the text of a scenario, and that is read as any other.

use std::{fmt::Write, time::Duration};

use scenarios::format::{Scenario, model::Target, quantity::show_duration};
use service::config::Config;

use super::{
    bounds::Bounds,
    dice::Dice,
    kinds::{Kind, Menu, Parameter, Room},
};
use crate::seed::Seed;

/// Most faults of a timeline.
const MOST_FAULTS: u64 = 6;
/// Most API processes.
const MOST_INSTANCES: u64 = 8;
/// The longest `Retry-After` that is drawn. More than is believed, now and then.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(20 * 60);
/// How much of a scenario is left to be judged once all must be well again.
const WELL: Duration = Duration::from_secs(4 * 60);

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its name; what it draws when it is played depends on it.
    pub name: String,
    /// What breaks.
    pub target: Target,
    /// How.
    pub kind: &'static str,
    /// When it begins, seconds since the start.
    pub at_s: u64,
    /// How long it lasts, seconds, at least 1.
    pub for_s: u64,
    /// How strong it is over its span; in full when there is none.
    pub shape: Option<DraftShape>,
    /// The share of events that it touches, percent; all of them when there is none.
    pub share: Option<u64>,
    /// Only every so-many-th.
    pub every: Option<u64>,
    /// Only the first so many.
    pub first: Option<u64>,
    /// The parameters of its kind: key, and value as TOML.
    pub parameters: Vec<(&'static str, String)>,
}

/// How strong a fault is over its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DraftShape {
    /// From none to all.
    RampIn,
    /// From all to none.
    RampOut,
    /// It comes and goes. Where it would not go, it is as if there were no shape.
    Flap {
        /// How long it is there each time, seconds.
        on_s: u64,
        /// How long it is not, seconds.
        off_s: u64,
    },
}

/// What a sweep plays over its scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// API processes.
    pub instances: u32,
    /// What breaks, in the order in which overlapping faults apply.
    pub faults: Vec<Draft>,
}

impl Room {
    /// The room that a scenario has for faults: all of it, but what recovery takes and four minutes.
    ///
    /// # Errors
    /// There is none; with what would be enough.
    pub fn of(scenario: &Scenario, config: &Config) -> Result<Self, String> {
        let bounds = Bounds::of(scenario, config);
        // A longer one would leave a short scenario with no time for faults.
        let asked = LONGEST_RETRY_AFTER.min(scenario.duration / 4);
        let quiet = bounds.recovery(asked.min(super::bounds::BELIEVED)) + WELL;
        let needed = quiet + Duration::from_secs(60);
        if scenario.duration < needed {
            return Err(format!(
                "`{}` lasts {}, and recovery alone may take {}; sweep one of {} or more, or shorten `stack.update_every`",
                scenario.name,
                show_duration(scenario.duration),
                show_duration(Duration::from_secs((quiet - WELL).as_secs())),
                show_duration(Duration::from_secs(needed.as_secs().div_ceil(60) * 60)),
            ));
        }
        Ok(Self {
            faults_until_s: (scenario.duration - quiet).as_secs(),
            longest_retry_after_s: asked.as_secs().max(1),
            update_every_s: scenario.stack.update_every.as_secs().max(1),
        })
    }
}

impl Draft {
    /// A fault of this kind, at the start, without a length.
    pub(super) fn of(name: &str, kind: &Kind, parameters: Vec<Parameter>) -> Self {
        Self {
            name: name.to_owned(),
            target: kind.target,
            kind: kind.name,
            at_s: 0,
            for_s: 0,
            shape: None,
            share: None,
            every: None,
            first: None,
            parameters,
        }
    }

    /// Whether it hits all connections alike, so that no modifier may choose among them.
    fn hits_all(&self) -> bool {
        let unreachable =
            |(key, how): &Parameter| *key == "how" && matches!(how.as_str(), "\"refuse\"" | "\"blackhole\"");
        self.kind == "slow_connect"
            || (self.kind == "connect_fail" && self.parameters.iter().any(unreachable))
    }

    fn write(&self, text: &mut String) {
        let (at, length) = (span(self.at_s), span(self.for_s));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[[fault]]\nname = \"{}\"\ntarget = \"{}\"\nat = \"{at}\"\nfor = \"{length}\"\nkind = \"{}\"\n",
            self.name, self.target, self.kind
        );
        for (key, value) in &self.parameters {
            let _ = writeln!(text, "{key} = {value}");
        }
        let _ = match self.shape {
            Some(DraftShape::RampIn) => writeln!(text, "ramp = \"in\""),
            Some(DraftShape::RampOut) => writeln!(text, "ramp = \"out\""),
            Some(DraftShape::Flap { on_s, off_s }) if on_s < self.for_s => {
                writeln!(
                    text,
                    "flap = {{ on = \"{}\", off = \"{}\" }}",
                    span(on_s),
                    span(off_s)
                )
            }
            Some(DraftShape::Flap { .. }) | None => Ok(()),
        };
        if let Some(share) = self.share {
            let _ = writeln!(text, "share = \"{share}%\"");
        }
        for (key, value) in [("every", self.every), ("first", self.first)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
        // CoinGecko may not be called while it lasts.
        text.push_str("may_miss = true\n");
    }
}

impl Timeline {
    /// Nothing breaks.
    #[must_use]
    pub fn quiet(instances: u32) -> Self {
        Self {
            instances,
            faults: Vec::new(),
        }
    }

    /// The timeline of a seed.
    #[must_use]
    pub fn draw(seed: Seed, menu: &Menu, room: Room) -> Self {
        let mut dice = Dice::of(seed.child("sweep"));
        let instances = u32::try_from(dice.between(1, MOST_INSTANCES)).unwrap_or(1);
        let count = dice.between(1, MOST_FAULTS);
        let mut faults: Vec<Draft> = Vec::new();
        for number in 1..=count {
            let (kind, parameters) = menu.draw(&mut dice, room);
            let mut draft = Draft::of(&format!("fault-{number}"), kind, parameters);
            draft.at_s = begin(&mut dice, &faults, room);
            let left = room.faults_until_s - draft.at_s;
            draft.for_s = dice.spread(left.min(5), left);
            if dice.percent(20) {
                draft.shape = Some(shape(&mut dice, draft.for_s));
            }
            if draft.hits_all() {
                draft.shape = draft
                    .shape
                    .filter(|shape| matches!(shape, DraftShape::Flap { .. }));
                faults.push(draft);
                continue;
            }
            if dice.percent(35) {
                draft.share = Some(dice.between(1, 19) * 5);
            }
            if dice.percent(15) {
                draft.every = Some(dice.between(2, 4));
            }
            if dice.percent(15) {
                draft.first = Some(dice.between(draft.every.unwrap_or(1), 10));
            }
            faults.push(draft);
        }
        Self { instances, faults }
    }

    /// Its faults as TOML.
    #[must_use]
    pub fn toml(&self) -> String {
        let blocks = self.faults.iter().map(|fault| {
            let mut text = String::new();
            fault.write(&mut text);
            text
        });
        blocks.collect::<Vec<_>>().join("\n")
    }
}

/// How strong a fault of this length is over its span.
fn shape(dice: &mut Dice, for_s: u64) -> DraftShape {
    match dice.between(0, 2) {
        0 => DraftShape::RampIn,
        1 => DraftShape::RampOut,
        _ => DraftShape::Flap {
            on_s: dice.spread(1, for_s),
            off_s: dice.spread(1, for_s),
        },
    }
}

/// When a fault begins: now and then with the scenario, often during another fault, else at any time.
fn begin(dice: &mut Dice, others: &[Draft], room: Room) -> u64 {
    let last = room.faults_until_s.saturating_sub(1);
    let drawn = match dice.between(0, 9) {
        0 => 0,
        1..=4 if !others.is_empty() => {
            let other = &others[dice.between(0, others.len() as u64 - 1) as usize];
            dice.between(other.at_s, other.at_s + other.for_s)
        }
        _ => dice.between(0, last),
    };
    drawn.min(last)
}

/// So many seconds as the format writes them.
pub(super) fn span(seconds: u64) -> String {
    show_duration(Duration::from_secs(seconds))
}
