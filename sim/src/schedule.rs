//! When the updater is due: the EventBridge rate rule of the stack, and what faults make of it.

use std::time::Duration;

use rand_chacha::rand_core::Rng;
use scenarios::faults::{Facts, Rule};
use scenarios::format::FaultKind;
use scenarios::format::fault::ScheduleFault;
use scenarios::format::model::{Fault, Stack, Target};

use crate::seed::Seed;
use crate::template::schedule::{Expression, ScheduleError};

/// A rate rule: fires at `phase` after the start, then every `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The first firing, wall time since the scenario's start.
    pub phase: Duration,
    /// The distance between firings, wall time; never zero.
    pub every: Duration,
}

/// An occasion of the schedule: the updater is started, or was to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// Wall time since the scenario's start.
    pub at: Duration,
    /// The count of this firing, from 0; `None` when a fault keeps the schedule from firing.
    pub index: Option<u32>,
    /// Index in the scenario of each fault that touched it.
    pub faults: Vec<u16>,
}

impl Schedule {
    /// A rule with this interval; a phase that is not given is drawn from the seed, as EventBridge gives no promise
    /// about where in its interval a rate rule begins.
    #[must_use]
    pub fn new(every: Duration, phase: Option<Duration>, seed: Seed) -> Self {
        let drawn = || {
            let whole_seconds = every.as_secs().max(1);
            Duration::from_secs(seed.child("schedule").rng().next_u64() % whole_seconds)
        };
        Self {
            phase: phase.unwrap_or_else(drawn),
            every,
        }
    }

    /// The schedule of a stack.
    #[must_use]
    pub fn of(stack: &Stack, seed: Seed) -> Self {
        Self::new(stack.update_every, stack.update_phase, seed)
    }

    /// The firings before `end`, wall time since the scenario's start, in order.
    pub fn firings(self, end: Duration) -> impl Iterator<Item = Duration> {
        (0u32..)
            .map(move |index| self.phase + self.every * index)
            .take_while(move |at| *at < end)
    }

    /// What becomes of the firings before `end` under a scenario's faults, in order of time: see [`occasions`].
    #[must_use]
    pub fn occasions(self, faults: &[Fault], seed: Seed, end: Duration) -> Vec<Occasion> {
        occasions(self.firings(end), faults, seed, end)
    }
}

/// The firings before `end` of a deployed rule, in order, wall time since the scenario's start. A scenario whose stack has another
/// interval than every stack by default goes by that; so an expression of the template that is wrong is missed elsewhere.
///
/// # Errors
/// EventBridge would refuse the expression.
pub fn deployed_firings(
    expression: &str,
    stack: &Stack,
    seed: Seed,
    (start_ms, end): (i64, Duration),
) -> Result<Vec<Duration>, ScheduleError> {
    let expression = Expression::parse(expression)?;
    if stack.update_every != Stack::default().update_every {
        return Ok(Schedule::of(stack, seed).firings(end).collect());
    }
    Ok(match expression {
        Expression::Rate { every } => {
            let every = Duration::from_secs(every.unsigned_abs());
            Schedule::new(every, stack.update_phase, seed)
                .firings(end)
                .collect()
        }
        Expression::Cron(_) => {
            let start_s = start_ms.div_euclid(1000);
            // One that fires at the very start does.
            let next = |at: &i64| expression.next_after(*at);
            std::iter::successors(next(&(start_s - 1)), next)
                .map(|at| Duration::from_secs((at - start_s).unsigned_abs()))
                .take_while(|at| *at < end)
                .collect()
        }
    })
}

/// What becomes of firings before `end` under a scenario's faults, in order of time.
///
/// A firing is touched by what its own time and the modifiers say, however late it comes; faults apply in file
/// order, and none touches what another has left out. A firing that is late beyond the end is left out, too.
#[must_use]
pub fn occasions(
    firings: impl Iterator<Item = Duration>,
    faults: &[Fault],
    seed: Seed,
    end: Duration,
) -> Vec<Occasion> {
    let mut rules = Rule::of(faults, Target::Schedule, seed.0);
    let mut occasions = Vec::new();
    for planned in firings {
        let (mut fires, mut faults) = fires(&mut rules, planned);
        fires.retain(|at| *at < end);
        if fires.is_empty() {
            occasions.push(Occasion {
                at: planned,
                index: None,
                faults,
            });
            continue;
        }
        // Numbered below. Of two that come of one firing, the first has its faults.
        occasions.extend(fires.into_iter().map(|at| Occasion {
            at,
            index: Some(0),
            faults: std::mem::take(&mut faults),
        }));
    }
    // Of those at one instant, the one that was planned first comes first.
    occasions.sort_by_key(|occasion| occasion.at);
    let fired = occasions
        .iter_mut()
        .filter_map(|occasion| occasion.index.as_mut());
    for (number, index) in (0..).zip(fired) {
        *index = number;
    }
    occasions
}

/// When a planned firing comes, once or more often or never, and which faults see to that.
fn fires(rules: &mut [Rule], planned: Duration) -> (Vec<Duration>, Vec<u16>) {
    let mut fires = vec![planned];
    let mut faults = Vec::new();
    for rule in rules {
        if rule.chooses(planned, &Facts::default()) != Some(true) {
            continue;
        }
        let FaultKind::Schedule(kind) = rule.fault().kind else {
            continue;
        };
        rule.touch();
        faults.push(rule.index());
        match kind {
            ScheduleFault::Skip => {
                fires.clear();
                break;
            }
            ScheduleFault::Double => fires = fires.repeat(2),
            ScheduleFault::Late { by } => fires.iter_mut().for_each(|at| *at += by),
        }
    }
    (fires, faults)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scenarios::format::{Alone, parse};

    use super::*;

    #[test]
    fn fires_from_its_phase_on_and_never_at_the_end() {
        let schedule = Schedule::new(Duration::from_secs(300), Some(Duration::from_secs(60)), Seed(1));
        let firings: Vec<u64> = schedule
            .firings(Duration::from_secs(960))
            .map(|at| at.as_secs())
            .collect();
        assert_eq!(firings, [60, 360, 660]);
    }

    /// What becomes of the firings of half an hour, at 1, 6, 11, 16, 21 and 26 minutes, under these faults: minutes,
    /// with the numbers of the firings and the indices of the faults.
    fn occasions(faults: &str) -> Vec<(u64, Option<u32>, Vec<u16>)> {
        let text = format!(
            "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"30m\"\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\n[[load]]\nname = \"day\"\nrate = \"1/s\"\n{faults}"
        );
        let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Schedule::new(minutes(5), Some(minutes(1)), Seed(1))
            .occasions(&scenario.faults, Seed(1), minutes(30))
            .into_iter()
            .map(|occasion| (occasion.at.as_secs() / 60, occasion.index, occasion.faults))
            .collect()
    }

    /// A fault from 6 minutes on for 15 minutes: three firings.
    fn fault(name: &str, lines: &str) -> String {
        format!("[[fault]]\nname = \"{name}\"\ntarget = \"schedule\"\nat = \"6m\"\nfor = \"15m\"\n{lines}\n")
    }

    #[test]
    fn without_faults_all_fire() {
        let all = [1, 6, 11, 16, 21, 26].into_iter().zip(0..);
        let all: Vec<_> = all.map(|(at, index)| (at, Some(index), vec![])).collect();
        assert_eq!(occasions(""), all);
    }

    #[test]
    fn skipped_firings_are_left_out_and_told_of() {
        let told = occasions(&fault("gone", "kind = \"skip\"\nevery = 2"));
        assert_eq!(
            told,
            [
                (1, Some(0), vec![]),
                (6, Some(1), vec![]),
                (11, None, vec![0]),
                (16, Some(2), vec![]),
                (21, Some(3), vec![]),
                (26, Some(4), vec![]),
            ]
        );
    }

    #[test]
    fn double_firings_come_at_one_instant() {
        let told = occasions(&fault("twice", "kind = \"double\"\nfirst = 1"));
        assert_eq!(
            told[..4],
            [
                (1, Some(0), vec![]),
                (6, Some(1), vec![0]),
                (6, Some(2), vec![]),
                (11, Some(3), vec![])
            ]
        );
        assert_eq!(told.len(), 7);
    }

    #[test]
    fn a_late_firing_may_pass_another() {
        let told = occasions(&fault("late", "kind = \"late\"\nby = \"7m\"\nfirst = 1"));
        assert_eq!(
            told[..4],
            [
                (1, Some(0), vec![]),
                (11, Some(1), vec![]),
                (13, Some(2), vec![0]),
                (16, Some(3), vec![])
            ]
        );
    }

    #[test]
    fn what_is_late_beyond_the_end_does_not_come() {
        let told = occasions(&fault("late", "kind = \"late\"\nby = \"14m\""));
        // 6 and 11 come at 20 and 25, 16 would come at 30.
        let expected = [
            (1, Some(0), vec![]),
            (16, None, vec![0]),
            (20, Some(1), vec![0]),
            (21, Some(2), vec![]),
            (25, Some(3), vec![0]),
            (26, Some(4), vec![]),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn faults_apply_in_file_order_and_none_to_what_is_gone() {
        let (twice, late) = (
            fault("twice", "kind = \"double\""),
            fault("late", "kind = \"late\"\nby = \"1m\""),
        );
        let gone = fault("gone", "kind = \"skip\"\nevery = 2");
        let told = occasions(&format!("{twice}{gone}{late}"));
        assert_eq!(
            told[1..6],
            [
                (7, Some(1), vec![0, 2]),
                (7, Some(2), vec![]),
                (11, None, vec![0, 1]),
                (17, Some(3), vec![0, 2]),
                (17, Some(4), vec![])
            ]
        );
    }

    proptest! {
        #[test]
        fn a_drawn_phase_lies_within_the_interval(seed: u64, every in 1u64..100_000) {
            let schedule = Schedule::new(Duration::from_secs(every), None, Seed(seed));
            prop_assert!(schedule.phase < schedule.every);
        }
    }

    #[test]
    fn a_deployed_rule_fires_by_its_expression_unless_the_scenario_has_an_interval_of_its_own() {
        // 2026-03-02T00:00:00Z
        let start_ms = 1_772_409_600_000;
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let firings = |expression, stack: &Stack, hours: u64| {
            let span = (start_ms, minutes(60 * hours));
            let firings = deployed_firings(expression, stack, Seed(1), span);
            firings.map(|all| all.iter().map(|at| at.as_secs() / 60).collect::<Vec<_>>())
        };
        let phased = Stack {
            update_phase: Some(minutes(2)),
            ..Stack::default()
        };
        assert_eq!(firings("rate(20 minutes)", &phased, 1), Ok(vec![2, 22, 42]));
        assert_eq!(
            firings("cron(0/30 * * * ? *)", &phased, 1),
            Ok(vec![0, 30]),
            "it has no phase"
        );
        assert_eq!(firings("cron(15 1 * * ? *)", &phased, 24), Ok(vec![75]));
        let own = Stack {
            update_every: minutes(30),
            ..phased
        };
        assert_eq!(firings("rate(20 minutes)", &own, 1), Ok(vec![2, 32]));
        assert!(firings("every day", &own, 1).is_err());
    }
}
