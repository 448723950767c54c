//! What plays of one command say together: variants and twins beside each other, and whether both clocks agree.

use std::sync::Arc;

use scenarios::format::model::Shape;

use crate::{
    cli::{exit::Exit, outcome::Outcome, plan::Play},
    judge,
    report::{Beside, Clocks, Entry, Played, Together},
};

/// More plays than this of one scenario are not set beside each other: nobody could read that.
const BESIDE_MOST: usize = 8;

/// Compares what was played to a verdict.
#[must_use]
pub fn compare(plays: &[Arc<Play>], outcomes: &[Outcome]) -> Together {
    let played = |play: &Play| {
        let outcome = outcomes
            .iter()
            .find(|outcome| outcome.name == play.name && outcome.clock == play.on.clock())?;
        match &outcome.entry {
            Entry::Played(played) => Some(&**played),
            Entry::Broken { .. } => None,
        }
    };
    Together {
        beside: beside(plays, &played),
        clocks: clocks(plays, &played),
    }
}

/// How the command exits because of this.
#[must_use]
pub fn exit(together: &Together) -> Exit {
    if together.clocks.iter().all(Clocks::agree) {
        Exit::Held
    } else {
        Exit::ExpectationFailed
    }
}

fn beside<'a>(plays: &'a [Arc<Play>], played: &impl Fn(&Play) -> Option<&'a Played>) -> Vec<Beside> {
    let mut groups: Vec<(&str, &str)> = plays
        .iter()
        .map(|play| (play.scenario.name.as_str(), play.on.clock()))
        .collect();
    groups.dedup();
    let mut tables = Vec::new();
    for (index, (scenario, clock)) in groups.iter().enumerate() {
        if groups[..index].contains(&(scenario, clock)) {
            continue;
        }
        let of_group = plays
            .iter()
            .filter(|play| play.scenario.name == *scenario && play.on.clock() == *clock);
        let columns: Vec<(String, &Played)> = of_group
            .filter_map(|play| Some((label(play), played(play)?)))
            .collect();
        if (2..=BESIDE_MOST).contains(&columns.len()) {
            tables.push(Beside::of(&format!("{scenario}, {clock} clock"), &columns));
        }
    }
    tables
}

/// What tells a play from the others of its scenario.
fn label(play: &Play) -> String {
    match (play.variant.is_empty(), play.twin) {
        (true, false) => "as it is".to_owned(),
        (true, true) => "no faults".to_owned(),
        (false, false) => play.variant.clone(),
        (false, true) => format!("{}, no faults", play.variant),
    }
}

fn clocks<'a>(plays: &'a [Arc<Play>], played: &impl Fn(&Play) -> Option<&'a Played>) -> Vec<Clocks> {
    let on = |name: &str, clock: &str| {
        plays
            .iter()
            .find(|play| play.name == name && play.on.clock() == clock)
            .and_then(|play| played(play))
    };
    let in_virtual = plays.iter().filter(|play| play.on.clock() == "virtual");
    in_virtual
        .filter_map(|play| {
            let (in_virtual, real) = (on(&play.name, "virtual")?, on(&play.name, "real")?);
            Some(Clocks {
                scenario: play.name.clone(),
                metrics: judge::agreement::between(
                    &in_virtual.verdict,
                    &real.verdict,
                    play.scenario
                        .loads
                        .iter()
                        .any(|load| matches!(load.shape, Shape::Users(_))),
                ),
            })
        })
        .collect()
}
