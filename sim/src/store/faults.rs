//! The faults of the store at work: what follows for a request that they touch.
//!
//! Faults are asked in file order; delays add up, and the first verdict that ends a request is final. Faults that keep
//! connections from coming about judge no request: see [`crate::incidents`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand_chacha::ChaCha8Rng;
use scenarios::{
    faults::{Facts, Rule},
    format::{
        FaultKind,
        fault::{Latency, StoreFault, Throttling},
        model::{Fault, Target},
    },
};

use super::{observe::Call, partial::partition_keys};
use crate::{clock::RunClock, latency::draw, seed::Seed};

/// A request to the store, as its faults see it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The DynamoDB operation, such as `GetItem`.
    pub op: &'a str,
    /// The partition keys of its items, in order.
    pub keys: &'a [&'a str],
    /// Whether it consumes write capacity.
    pub writes: bool,
    /// Whether it reads strongly consistent.
    pub consistent: bool,
}

impl Asked<'_> {
    fn is_batch(&self) -> bool {
        self.op.starts_with("Batch")
    }

    /// Capacity units of each item: none of the service's is larger than what one unit pays for.
    fn units(&self) -> f64 {
        if self.writes || self.consistent { 1.0 } else { 0.5 }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, perhaps in part.
    #[default]
    Pass,
    /// It is not done, and answered with this error.
    Refuse {
        /// HTTP status.
        status: u16,
        /// DynamoDB's error code.
        code: &'static str,
    },
    /// It is neither done nor answered; the connection is closed at last.
    Hang {
        /// Real time until then.
        at_most: Duration,
    },
    /// It is not done, and its connection is reset.
    Reset,
    /// It is done, and its connection is reset instead of an answer.
    LoseAnswer,
}

/// All that the faults do to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Real time by which the answer comes later than the store gave it.
    pub delay: Duration,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Which items of a batch come back unprocessed, by their place; never all of them.
    pub left_out: BTreeSet<usize>,
    /// Index in the scenario of each fault that touched it.
    pub touched: Vec<u16>,
}

/// The faults of the store, with their counters.
#[derive(Debug)]
pub struct StoreFaults {
    clock: RunClock,
    /// Whether there are none, which is asked before each request.
    is_none: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<AtWork>,
    second: Second,
}

/// A fault at work.
#[derive(Debug)]
struct AtWork {
    rule: Rule,
    kind: StoreFault,
    /// For what the touched requests suffer.
    rng: ChaCha8Rng,
}

/// The capacity units that partition keys consumed in the current second of wall time.
#[derive(Debug, Default)]
struct Second {
    number: i64,
    /// Written and read.
    consumed: BTreeMap<String, [f64; 2]>,
}

impl StoreFaults {
    /// The faults of the store among a scenario's. Each draws from a generator of its own, named after the fault.
    #[must_use]
    pub fn of(faults: &[Fault], seed: Seed, clock: RunClock) -> Self {
        let rules = Rule::of(faults, Target::Store, seed.0);
        let faults: Vec<AtWork> = rules
            .into_iter()
            .filter_map(|rule| AtWork::new(rule, seed))
            .collect();
        Self {
            clock,
            is_none: faults.is_empty(),
            state: Mutex::new(State {
                faults,
                second: Second::default(),
            }),
        }
    }

    /// No faults at all.
    #[must_use]
    pub fn none(clock: RunClock) -> Self {
        Self::of(&[], Seed(0), clock)
    }

    /// Whether there are none at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.is_none
    }

    /// What the faults do to a request that comes now.
    #[must_use]
    pub fn judge(&self, asked: &Asked<'_>) -> Judgement {
        if self.is_none {
            return Judgement::default();
        }
        let since_start = self.clock.wall_since_start(self.clock.now_us());
        let second = self.clock.now_ms().div_euclid(1000);
        self.state().judge(since_start, second, asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the faults do to a request that comes now, given as its bytes.
pub(super) fn judge(faults: &StoreFaults, call: &Call, body: &[u8]) -> Judgement {
    if faults.is_none() {
        return Judgement::default();
    }
    let keys = partition_keys(body);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    faults.judge(&Asked {
        op: call.op.name(),
        keys: &keys,
        writes: call.op.writes(),
        consistent: call.consistent,
    })
}

impl State {
    fn judge(&mut self, since_start: Duration, second: i64, asked: &Asked<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for fault in &mut self.faults {
            let Some(effect) = fault.effect(since_start, second, asked, &mut self.second) else {
                continue;
            };
            judgement.touched.push(fault.rule.index());
            fault.rule.touch();
            match effect {
                Effect::Delay(delay) => judgement.delay += delay,
                Effect::LeaveOut(items) => judgement.left_out.extend(items),
                Effect::End(verdict) => judgement.verdict = verdict,
            }
            if judgement.left_out.len() == asked.keys.len() && !judgement.left_out.is_empty() {
                // DynamoDB answers a batch of which nothing can be done with an error.
                judgement.left_out.clear();
                judgement.verdict = throttled(Throttling::ProvisionedThroughputExceeded);
            }
            if judgement.verdict != Verdict::Pass {
                break;
            }
        }
        judgement
    }
}

/// What a fault does to a request that it touches.
enum Effect {
    Delay(Duration),
    LeaveOut(Vec<usize>),
    End(Verdict),
}

fn throttled(exception: Throttling) -> Verdict {
    Verdict::Refuse {
        status: 400,
        code: exception.code(),
    }
}

impl AtWork {
    fn new(rule: Rule, seed: Seed) -> Option<Self> {
        let FaultKind::Store(kind) = rule.fault().kind else {
            return None;
        };
        let rng = seed.child(&format!("fault:{}", rule.fault().name)).rng();
        (!kind.is_unreachable()).then_some(Self { rule, kind, rng })
    }

    /// What it does to this request; `None` when it lets it be.
    fn effect(
        &mut self,
        since_start: Duration,
        second: i64,
        asked: &Asked<'_>,
        consumed: &mut Second,
    ) -> Option<Effect> {
        let facts = Facts {
            op: Some(asked.op),
            keys: asked.keys,
            ..Facts::default()
        };
        let is_in_part = matches!(self.kind, StoreFault::Partial { .. });
        if is_in_part && !asked.is_batch() {
            return None;
        }
        if !self.rule.chooses(since_start, &facts)? {
            return None;
        }
        Some(match self.kind {
            StoreFault::Throttle { exception } => Effect::End(throttled(exception)),
            StoreFault::Error => Effect::End(Verdict::Refuse {
                status: 500,
                code: "InternalServerError",
            }),
            StoreFault::Latency { latency } => Effect::Delay(self.delay(latency)),
            StoreFault::Hang { at_most } => Effect::End(Verdict::Hang { at_most }),
            StoreFault::Reset => Effect::End(Verdict::Reset),
            StoreFault::LostAnswer => Effect::End(Verdict::LoseAnswer),
            StoreFault::Partial { unprocessed } => {
                Effect::LeaveOut(self.some_of(asked.keys.len(), unprocessed)?)
            }
            StoreFault::HotPartition {
                write_units,
                read_units,
            } => {
                let prefix = self
                    .rule
                    .fault()
                    .matches
                    .key_prefix
                    .as_deref()
                    .unwrap_or_default();
                let limit = f64::from(if asked.writes { write_units } else { read_units });
                let hot = consumed.take(second, asked, prefix, limit);
                match (hot.is_empty(), asked.is_batch()) {
                    (true, _) => return None,
                    (false, true) => Effect::LeaveOut(hot),
                    (false, false) => Effect::End(throttled(Throttling::ProvisionedThroughputExceeded)),
                }
            }
            StoreFault::Down | StoreFault::Restart => return None,
        })
    }

    fn delay(&mut self, latency: Latency) -> Duration {
        draw(latency, &mut self.rng)
    }

    /// So many of `count` items, at random: at least one, but not all of them unless that is the share.
    fn some_of(&mut self, count: usize, share: f64) -> Option<Vec<usize>> {
        let most = if share < 1.0 {
            count.saturating_sub(1)
        } else {
            count
        };
        let wanted = ((count as f64 * share).round() as usize).clamp(1.min(most), most);
        if wanted == 0 {
            return None;
        }
        let mut left: Vec<usize> = (0..count).collect();
        let chosen = (0..wanted).map(|_| {
            let at = crate::seed::unit(&mut self.rng) * left.len() as f64;
            left.swap_remove(at as usize)
        });
        Some(chosen.collect())
    }
}

impl Second {
    /// Takes a request's units out of what its keys have left in this second; the places of the items of which there
    /// was nothing left.
    fn take(&mut self, second: i64, asked: &Asked<'_>, prefix: &str, limit: f64) -> Vec<usize> {
        if second != self.number {
            self.number = second;
            self.consumed.clear();
        }
        let (side, units) = (usize::from(!asked.writes), asked.units());
        let mut hot = Vec::new();
        for (place, key) in asked.keys.iter().enumerate() {
            if !key.starts_with(prefix) {
                continue;
            }
            let consumed = self.consumed.entry((*key).to_owned()).or_default();
            if consumed[side] + units > limit {
                hot.push(place);
            } else {
                consumed[side] += units;
            }
        }
        hot
    }
}

#[cfg(test)]
mod tests {
    use scenarios::format::{Alone, parse};

    use super::*;

    const PRICES: [&str; 4] = ["PRICE#BTC", "PRICE#ETH", "PRICE#SOL", "PRICE#XRP"];

    /// The faults of a scenario with these `[[fault]]`s, each from the start to its end.
    fn state(faults: &[&str]) -> State {
        let mut text = "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"10m\"\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{symbol}\"]\n[[load]]\nname = \"all\"\nrate = \"1/s\"\n"
            .to_owned();
        for (index, fault) in faults.iter().enumerate() {
            text += &format!(
                "[[fault]]\nname = \"f{index}\"\ntarget = \"store\"\nat = \"0s\"\nfor = \"10m\"\n{fault}\n"
            );
        }
        let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        StoreFaults::of(&scenario.faults, Seed(7), RunClock::paused(0))
            .state
            .into_inner()
            .expect("not poisoned")
    }

    fn count() -> Asked<'static> {
        Asked {
            op: "UpdateItem",
            keys: &["APIKEY#ab"],
            writes: true,
            consistent: false,
        }
    }

    fn read(keys: &'static [&'static str]) -> Asked<'static> {
        Asked {
            op: "BatchGetItem",
            keys,
            writes: false,
            consistent: false,
        }
    }

    fn now(state: &mut State, asked: &Asked<'_>) -> Judgement {
        state.judge(Duration::from_secs(1), 1, asked)
    }

    #[test]
    fn each_kind_has_its_verdict() {
        let refuse = |status, code| Verdict::Refuse { status, code };
        for (kind, verdict) in [
            (
                "kind = \"throttle\"",
                refuse(400, "ProvisionedThroughputExceededException"),
            ),
            (
                "kind = \"throttle\"\nexception = \"ThrottlingException\"",
                refuse(400, "ThrottlingException"),
            ),
            ("kind = \"error\"", refuse(500, "InternalServerError")),
            (
                "kind = \"hang\"\nat_most = \"9s\"",
                Verdict::Hang {
                    at_most: Duration::from_secs(9),
                },
            ),
            ("kind = \"reset\"", Verdict::Reset),
            ("kind = \"lost_answer\"", Verdict::LoseAnswer),
        ] {
            let judged = now(&mut state(&[kind]), &count());
            assert_eq!((judged.verdict, judged.touched), (verdict, vec![0]), "{kind}");
        }
        for kind in ["kind = \"down\"", "kind = \"restart\""] {
            assert_eq!(now(&mut state(&[kind]), &count()), Judgement::default(), "{kind}");
        }
    }

    #[test]
    fn delays_add_up_until_a_verdict_ends_it() {
        let slow = "kind = \"latency\"\nlatency = \"2s\"";
        let mut state = state(&[slow, slow, "kind = \"reset\"", slow]);
        let judged = now(&mut state, &count());
        assert_eq!(
            (judged.delay, judged.verdict, judged.touched),
            (Duration::from_secs(4), Verdict::Reset, vec![0, 1, 2])
        );
        assert_eq!(
            state.judge(Duration::from_secs(600), 600, &count()),
            Judgement::default()
        );
    }

    #[test]
    fn requests_are_chosen_by_operation_and_key() {
        let mut state =
            state(&["kind = \"error\"\nmatch = { op = \"BatchGetItem\", key_prefix = \"PRICE#S\" }"]);
        assert_eq!(now(&mut state, &count()).verdict, Verdict::Pass);
        assert_eq!(now(&mut state, &read(&PRICES[..2])).verdict, Verdict::Pass);
        assert_ne!(
            now(&mut state, &read(&PRICES)).verdict,
            Verdict::Pass,
            "one key is enough"
        );
    }

    #[test]
    fn batches_are_done_in_part_and_never_in_none() {
        let mut half = state(&["kind = \"partial\""]);
        let mut places = BTreeSet::new();
        for _ in 0..50 {
            let judged = now(&mut half, &read(&PRICES));
            assert_eq!((judged.left_out.len(), judged.verdict), (2, Verdict::Pass));
            places.extend(judged.left_out);
        }
        assert_eq!(places.len(), 4, "any of them");
        assert_eq!(now(&mut half, &count()), Judgement::default(), "no batch");

        let refused = throttled(Throttling::ProvisionedThroughputExceeded);
        for (share, keys, left_out, verdict) in [
            ("100%", &PRICES[..], 0, refused),
            ("100%", &PRICES[..1], 0, refused),
            ("99%", &PRICES[..], 3, Verdict::Pass),
            ("1%", &PRICES[..], 1, Verdict::Pass),
            ("99%", &PRICES[..1], 0, Verdict::Pass),
        ] {
            let mut state = state(&[&format!("kind = \"partial\"\nunprocessed = \"{share}\"")]);
            let judged = now(&mut state, &read(keys));
            assert_eq!(
                (judged.left_out.len(), judged.verdict),
                (left_out, verdict),
                "{share}"
            );
        }
    }

    #[test]
    fn a_hot_key_is_throttled_and_no_other() {
        let mut state = state(&["kind = \"hot_partition\"\nwrite_units = 3\nread_units = 2"]);
        let other = Asked {
            keys: &["APIKEY#cd"],
            ..count()
        };
        for _ in 0..3 {
            assert_eq!(now(&mut state, &count()), Judgement::default());
        }
        assert_eq!(
            now(&mut state, &count()).verdict,
            throttled(Throttling::ProvisionedThroughputExceeded)
        );
        assert_eq!(now(&mut state, &other), Judgement::default());
        assert_eq!(
            state.judge(Duration::from_secs(2), 2, &count()),
            Judgement::default(),
            "the next second"
        );
        // Eventually consistent reads cost half a unit: four a second.
        for _ in 0..4 {
            assert_eq!(
                state.judge(Duration::from_secs(2), 2, &read(&PRICES[..1])),
                Judgement::default()
            );
        }
        let judged = state.judge(Duration::from_secs(2), 2, &read(&PRICES));
        assert_eq!(
            judged.left_out,
            BTreeSet::from([0]),
            "the rest of the batch is done"
        );
    }
}
