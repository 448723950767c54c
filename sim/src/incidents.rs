//! Faults that happen once and not to each of many requests: processes that are killed, frozen or started again, and a
//! store to which no connection comes about.
//!
//! Here is only what happens when; the worlds of both clocks say how.

use std::{ops::Range, time::Duration};

use scenarios::format::{
    FaultKind,
    fault::{Killed, ServiceFault, StoreFault},
    model::Fault,
};

/// Something that is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// When, wall time since the start.
    pub at: Duration,
    /// Index of the `[[fault]]`.
    pub fault: u16,
    /// What.
    pub act: Act,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It begins.
    Begin(Ordeal),
    /// It is over.
    End(Ordeal),
}

/// What somebody goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ordeal {
    /// Connections to the store are refused.
    StoreDown,
    /// The store's process is gone.
    StoreKilled,
    /// This API process is gone.
    Killed(u32),
    /// This API process is asked to end and started again: all of it when it begins.
    Restarted(u32),
    /// This API process stands still.
    Frozen(u32),
}

/// What the faults of a scenario with so many API processes do, in order of time. At equal instants what ends comes
/// first. Of those that overlap and do the same, the last ends it.
#[must_use]
pub fn incidents(faults: &[Fault], instances: u32) -> Vec<Incident> {
    let mut all: Vec<(u16, Ordeal, Range<Duration>)> = Vec::new();
    for (index, fault) in faults.iter().enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        for ordeal in ordeals(&fault.kind, instances) {
            all.extend(fault.spans().into_iter().map(|span| (index, ordeal, span)));
        }
    }
    let goes_on = |ordeal: Ordeal, at: Duration| {
        all.iter()
            .any(|(_, other, span)| *other == ordeal && span.contains(&at))
    };
    let begins = all.iter().map(|(fault, ordeal, span)| Incident {
        at: span.start,
        fault: *fault,
        act: Act::Begin(*ordeal),
    });
    let ends = all
        .iter()
        .filter(|(_, ordeal, span)| !goes_on(*ordeal, span.end))
        .map(|(fault, ordeal, span)| Incident {
            at: span.end,
            fault: *fault,
            act: Act::End(*ordeal),
        });
    let mut incidents: Vec<Incident> = ends.chain(begins).collect();
    incidents.sort_by_key(|incident| incident.at);
    incidents
}

/// What a fault does to whom.
fn ordeals(kind: &FaultKind, instances: u32) -> Vec<Ordeal> {
    let of = |instance: Option<u32>, ordeal: fn(u32) -> Ordeal| match instance {
        Some(one) => vec![ordeal(one)],
        None => (0..instances).map(ordeal).collect(),
    };
    match kind {
        FaultKind::Store(StoreFault::Down) => vec![Ordeal::StoreDown],
        FaultKind::Store(StoreFault::Restart) => vec![Ordeal::StoreKilled],
        FaultKind::Service(ServiceFault::Kill {
            process: Killed::Api { instance },
        }) => of(*instance, Ordeal::Killed),
        FaultKind::Service(ServiceFault::Restart { instance }) => of(*instance, Ordeal::Restarted),
        FaultKind::Service(ServiceFault::Freeze { instance }) => of(*instance, Ordeal::Frozen),
        _ => Vec::new(),
    }
}

/// Whether something kills the store's process, so that its data must be on disk.
#[must_use]
pub fn kill_the_store(faults: &[Fault]) -> bool {
    let kills = |fault: &Fault| fault.kind == FaultKind::Store(StoreFault::Restart);
    faults.iter().any(kills)
}

/// When updates are killed midway, and by which fault.
#[derive(Clone, Debug, Default)]
pub struct UpdateKills(Vec<(u16, Range<Duration>)>);

impl UpdateKills {
    /// Those of a scenario.
    #[must_use]
    pub fn of(faults: &[Fault]) -> Self {
        let kill = FaultKind::Service(ServiceFault::Kill {
            process: Killed::Update,
        });
        let kills = faults.iter().enumerate().filter(|(_, fault)| fault.kind == kill);
        let spans = kills.flat_map(|(index, fault)| {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            fault.spans().into_iter().map(move |span| (index, span))
        });
        Self(spans.collect())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fault that kills an update that is midway at an instant, wall time since the start.
    #[must_use]
    pub fn at(&self, since_start: Duration) -> Option<u16> {
        let by = self.0.iter().find(|(_, span)| span.contains(&since_start));
        by.map(|(fault, _)| *fault)
    }
}

#[cfg(test)]
mod tests {
    use scenarios::format::{Alone, Scenario, parse};

    use super::*;

    fn scenario(faults: &str) -> Scenario {
        let text = format!(
            "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"10m\"\n[stack]\ninstances = 2\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\n[[load]]\nname = \"all\"\nrate = \"1/s\"\n{faults}"
        );
        parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn fault(name: &str, target: &str, at: &str, lines: &str) -> String {
        format!("[[fault]]\nname = \"{name}\"\ntarget = \"{target}\"\nat = \"{at}\"\nfor = \"1m\"\n{lines}\n")
    }

    fn told(faults: &[Fault]) -> Vec<String> {
        let told = incidents(faults, 2).into_iter();
        told.map(|incident| format!("{} f{} {:?}", incident.at.as_secs(), incident.fault, incident.act))
            .collect()
    }

    #[test]
    fn what_happens_is_in_order_and_ends_come_first() {
        let faults = [
            fault("a", "service", "2m", "kind = \"freeze\"\ninstance = 1"),
            fault("b", "service", "1m", "kind = \"kill\""),
            fault(
                "c",
                "store",
                "1m",
                "kind = \"down\"\nflap = { on = \"10s\", off = \"40s\" }",
            ),
        ];
        insta::assert_snapshot!(told(&scenario(&faults.concat()).faults).join("\n"), @r"
        60 f1 Begin(Killed(0))
        60 f1 Begin(Killed(1))
        60 f2 Begin(StoreDown)
        70 f2 End(StoreDown)
        110 f2 Begin(StoreDown)
        120 f1 End(Killed(0))
        120 f1 End(Killed(1))
        120 f2 End(StoreDown)
        120 f0 Begin(Frozen(1))
        180 f0 End(Frozen(1))
        ");
    }

    #[test]
    fn the_last_of_those_that_overlap_ends_it() {
        let faults = [
            fault("a", "service", "1m", "kind = \"kill\"\ninstance = 0"),
            fault("b", "service", "90s", "kind = \"kill\"\ninstance = 0"),
        ];
        insta::assert_snapshot!(told(&scenario(&faults.concat()).faults).join("\n"), @r"
        60 f0 Begin(Killed(0))
        90 f1 Begin(Killed(0))
        150 f1 End(Killed(0))
        ");
    }

    #[test]
    fn updates_are_killed_by_the_fault_that_says_so() {
        let faults = [
            fault("a", "service", "1m", "kind = \"kill\""),
            fault("b", "service", "1m", "kind = \"kill\"\nprocess = \"update\""),
            fault("c", "store", "1m", "kind = \"restart\""),
        ];
        let faults = scenario(&faults.concat()).faults;
        let kills = UpdateKills::of(&faults);
        let at = |second| kills.at(Duration::from_secs(second));
        assert_eq!((at(59), at(60), at(119), at(120)), (None, Some(1), Some(1), None));
        assert!(UpdateKills::of(&faults[..1]).is_empty());
        assert!(kill_the_store(&faults) && !kill_the_store(&faults[..2]));
    }
}
