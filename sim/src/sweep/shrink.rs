//! Shrinking: from a timeline that fails to the smallest that still does.
//!
//! Delta debugging by hand: one change at a time, kept when the timeline still fails. Every change makes it smaller
//! in the same order (faults, instances, modifiers, lengths), so it ends; the number of replays is bounded besides.

use super::timeline::{Draft, Timeline};

/// A timeline that was shrunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest that was found to fail.
    pub timeline: Timeline,
    /// How often it was tried whether one fails.
    pub replays: u32,
}

/// No fault is cut shorter than this, seconds.
const SHORTEST_S: u64 = 5;

/// Shrinks a timeline that fails. `fails` plays a smaller one; it is called at most `budget` times.
pub fn shrink(timeline: Timeline, budget: u32, fails: impl FnMut(&Timeline) -> bool) -> Shrunk {
    let mut search = Search {
        best: timeline,
        replays: 0,
        budget,
        fails,
    };
    search.isolate();
    while search.pass() {}
    search.round();
    Shrunk {
        timeline: search.best,
        replays: search.replays,
    }
}

struct Search<F> {
    best: Timeline,
    replays: u32,
    budget: u32,
    fails: F,
}

impl<F: FnMut(&Timeline) -> bool> Search<F> {
    /// Keeps `candidate` when it fails, too.
    fn try_out(&mut self, candidate: Timeline) -> bool {
        if candidate == self.best || self.replays >= self.budget {
            return false;
        }
        self.replays += 1;
        let fails = (self.fails)(&candidate);
        if fails {
            self.best = candidate;
        }
        fails
    }

    /// Tries to change one fault.
    fn try_fault(&mut self, index: usize, change: impl FnOnce(&mut Draft)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate.faults[index]);
        self.try_out(candidate)
    }

    /// Most failures have one cause: each fault alone.
    fn isolate(&mut self) {
        let all = self.best.faults.clone();
        if all.len() > 1 {
            let _found = all.into_iter().any(|fault| {
                self.try_out(Timeline {
                    instances: self.best.instances,
                    faults: vec![fault],
                })
            });
        }
    }

    /// One pass of all changes; whether any was kept.
    fn pass(&mut self) -> bool {
        // No shortcuts: all of them are tried.
        self.drop_faults() | self.drop_instances() | self.drop_modifiers() | self.halve_lengths()
    }

    fn drop_faults(&mut self) -> bool {
        let mut kept = false;
        let mut index = 0;
        while index < self.best.faults.len() {
            let mut candidate = self.best.clone();
            candidate.faults.remove(index);
            if self.try_out(candidate) {
                kept = true;
            } else {
                index += 1;
            }
        }
        kept
    }

    fn drop_instances(&mut self) -> bool {
        let before = self.best.instances;
        for instances in [1, 2, before / 2] {
            let candidate = Timeline {
                instances,
                ..self.best.clone()
            };
            if (1..before).contains(&instances) && self.try_out(candidate) {
                return true;
            }
        }
        false
    }

    fn drop_modifiers(&mut self) -> bool {
        let drops: [fn(&mut Draft); 4] = [
            |fault| fault.shape = None,
            |fault| fault.share = None,
            |fault| fault.every = None,
            |fault| fault.first = None,
        ];
        let mut kept = false;
        for index in 0..self.best.faults.len() {
            for drop in drops {
                kept |= self.try_fault(index, drop);
            }
        }
        kept
    }

    /// Each fault ends sooner by half, or begins later by half.
    fn halve_lengths(&mut self) -> bool {
        let mut kept = false;
        for index in 0..self.best.faults.len() {
            let half = self.best.faults[index].for_s / 2;
            if half < SHORTEST_S {
                continue;
            }
            kept |= self.try_fault(index, |fault| fault.for_s -= half)
                || self.try_fault(index, |fault| {
                    fault.at_s += half;
                    fault.for_s -= half;
                });
        }
        kept
    }

    /// Times that are easy to read: the coarsest unit with which it still fails. What is shorter than half a unit is
    /// not stretched to a whole one.
    fn round(&mut self) {
        for index in 0..self.best.faults.len() {
            let Draft { at_s, for_s, .. } = self.best.faults[index];
            let units = [600, 60, 10].into_iter().filter(|unit| for_s * 2 >= *unit);
            for unit in units {
                let round = |s: u64| (s + unit / 2) / unit * unit;
                let rounded = self.try_fault(index, |fault| {
                    fault.at_s = round(at_s);
                    fault.for_s = round(for_s);
                });
                if rounded {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use scenarios::format::model::Target;

    use super::*;

    fn fault(name: &str, kind: &'static str, at_s: u64, for_s: u64) -> Draft {
        Draft {
            name: name.to_owned(),
            target: Target::CoinGecko,
            kind,
            at_s,
            for_s,
            shape: None,
            share: Some(50),
            every: Some(2),
            first: None,
            parameters: Vec::new(),
        }
    }

    fn six() -> Timeline {
        let kinds = ["status", "hang", "latency", "rate_limit", "stale_data", "skip"];
        let faults = kinds
            .iter()
            .zip(0u64..)
            .map(|(kind, n)| fault(kind, kind, 613 + n * 100, 997));
        Timeline {
            instances: 7,
            faults: faults.collect(),
        }
    }

    #[test]
    fn one_cause_is_isolated_simplified_and_cut() {
        // It needs a hang of a minute and more that covers 20 min, and two instances.
        let fails = |timeline: &Timeline| {
            timeline.instances >= 2
                && timeline.faults.iter().any(|fault| {
                    let span = fault.at_s..fault.at_s + fault.for_s;
                    fault.kind == "hang" && fault.for_s >= 60 && span.contains(&1_200)
                })
        };
        let shrunk = shrink(six(), 200, fails);
        assert!(fails(&shrunk.timeline));
        assert_eq!((shrunk.timeline.instances, shrunk.timeline.faults.len()), (2, 1));
        let hang = &shrunk.timeline.faults[0];
        assert_eq!((hang.kind, hang.share, hang.every), ("hang", None, None));
        assert_eq!((hang.at_s, hang.for_s), (1_150, 60), "{hang:?}");
    }

    #[test]
    fn two_causes_are_both_kept() {
        let fails = |timeline: &Timeline| {
            let has = |kind| timeline.faults.iter().any(|fault| fault.kind == kind);
            has("skip") && has("stale_data")
        };
        let shrunk = shrink(six(), 200, fails);
        let kinds: Vec<_> = shrunk.timeline.faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(
            (kinds, shrunk.timeline.instances),
            (vec!["stale_data", "skip"], 1)
        );
        // As short as may be, and then at times that are easy to read.
        assert!(
            shrunk
                .timeline
                .faults
                .iter()
                .all(|fault| (fault.at_s % 10, fault.for_s) == (0, 10)),
            "{shrunk:?}"
        );
    }

    #[test]
    fn no_more_replays_are_made_than_asked_for() {
        let replays = RefCell::new(0);
        let shrunk = shrink(six(), 9, |_| {
            *replays.borrow_mut() += 1;
            false
        });
        assert_eq!(
            (shrunk.replays, *replays.borrow(), shrunk.timeline),
            (9, 9, six())
        );
    }
}
