//! What faults make invocations go through, and the room that they leave to functions; the pools of both clocks ask here.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use scenarios::{
    faults::{Facts, Rule},
    format::{
        FaultKind,
        fault::LambdaFault,
        model::{Fault, FunctionName, Target},
    },
};

use crate::seed::Seed;

/// What an invocation goes through, so long after its event, real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordeal {
    /// So long after the event.
    pub into: Duration,
    /// What.
    pub what: Suffers,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffers {
    /// It stands still for so long; none = until its time is up.
    Freeze(Option<Duration>),
    /// Its process ends as after a panic that nobody catches.
    Abort,
    /// Its process is killed for want of memory.
    OutOfMemory,
}

/// The faults of Lambda at work.
#[derive(Debug)]
pub struct Ordeals {
    rules: Mutex<Vec<Rule>>,
    /// The other faults, with their index: those that leave less room.
    narrow: Vec<(u16, Fault, u32)>,
}

impl Ordeals {
    /// Those of a scenario.
    #[must_use]
    pub fn of(faults: &[Fault], seed: Seed) -> Self {
        let rules = Rule::of(faults, Target::Lambda, seed.0);
        let room = |rule: &Rule| match rule.fault().kind {
            FaultKind::Lambda(LambdaFault::Concurrency { count }) => {
                Some((rule.index(), rule.fault().clone(), count))
            }
            _ => None,
        };
        let narrow = rules.iter().filter_map(room).collect();
        Self {
            rules: Mutex::new(rules.into_iter().filter(|rule| room(rule).is_none()).collect()),
            narrow,
        }
    }

    /// What an invocation goes through that begins at an instant, wall time since the start, by which fault. The first in
    /// file order that touches it has it.
    pub fn of_invocation(&self, since_start: Duration, service: &str) -> Option<(u16, Ordeal)> {
        let facts = Facts {
            function: Some(match service {
                "update" => FunctionName::Update,
                _ => FunctionName::Api,
            }),
            ..Facts::default()
        };
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut suffers = None;
        // Each is asked about every invocation, so that what one chooses does not depend on the others.
        for rule in rules.iter_mut() {
            let is_chosen = rule.chooses(since_start, &facts) == Some(true);
            let FaultKind::Lambda(kind) = rule.fault().kind else {
                continue;
            };
            let (into, what) = match kind {
                LambdaFault::Freeze { into, lasting } => (into, Suffers::Freeze(lasting)),
                LambdaFault::Abort { into } => (into, Suffers::Abort),
                LambdaFault::OutOfMemory { into } => (into, Suffers::OutOfMemory),
                LambdaFault::Concurrency { .. } => continue,
            };
            if is_chosen && suffers.is_none() {
                rule.touch();
                suffers = Some((rule.index(), Ordeal { into, what }));
            }
        }
        suffers
    }

    /// How many invocations the account may run at an instant, wall time since the start, by which fault; none = as many as
    /// ever.
    #[must_use]
    pub fn room(&self, since_start: Duration) -> Option<(u16, u32)> {
        let at_work = self
            .narrow
            .iter()
            .filter(|(_, fault, _)| fault.strength_at(since_start) > 0.0);
        at_work
            .map(|(index, _, count)| (*index, *count))
            .min_by_key(|(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use scenarios::format::{Alone, parse};

    use super::*;

    fn ordeals(faults: &str) -> Ordeals {
        let text = format!(
            "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"10m\"\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\n[[load]]\nname = \"day\"\nrate = \"1/s\"\n{faults}"
        );
        let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        Ordeals::of(&scenario.faults, Seed(1))
    }

    #[test]
    fn an_invocation_goes_through_one_thing_and_only_in_its_time() {
        let ordeals = ordeals(
            "[[fault]]\nname = \"a\"\ntarget = \"lambda\"\nat = \"1m\"\nfor = \"1m\"\nkind = \"abort\"\n\
             every = 2\nmatch = { function = \"api\" }\n\
             [[fault]]\nname = \"f\"\ntarget = \"lambda\"\nat = \"1m\"\nfor = \"1m\"\nkind = \"freeze\"\n\
             into = \"1s\"\nlasting = \"8s\"\n",
        );
        let at = |seconds, service| ordeals.of_invocation(Duration::from_secs(seconds), service);
        let freeze = Ordeal {
            into: Duration::from_secs(1),
            what: Suffers::Freeze(Some(Duration::from_secs(8))),
        };
        let abort = Ordeal {
            into: Duration::ZERO,
            what: Suffers::Abort,
        };
        assert_eq!(at(59, "api"), None);
        assert_eq!(at(60, "api"), Some((1, freeze)), "the first is not every second");
        assert_eq!(at(61, "update"), Some((1, freeze)), "another function");
        assert_eq!(at(62, "api"), Some((0, abort)));
        assert_eq!(at(120, "api"), None);
    }

    #[test]
    fn the_least_room_counts() {
        let ordeals = ordeals(
            "[[fault]]\nname = \"a\"\ntarget = \"lambda\"\nat = \"1m\"\nfor = \"5m\"\nkind = \"concurrency\"\ncount = 9\n\
             [[fault]]\nname = \"b\"\ntarget = \"lambda\"\nat = \"2m\"\nfor = \"1m\"\nkind = \"concurrency\"\ncount = 3\n",
        );
        let at = |seconds| ordeals.room(Duration::from_secs(seconds));
        assert_eq!(
            [at(59), at(60), at(150), at(180)],
            [None, Some((0, 9)), Some((1, 3)), Some((0, 9))]
        );
        assert_eq!(ordeals.of_invocation(Duration::from_secs(150), "api"), None);
    }
}
