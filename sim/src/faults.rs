//! The faults of CoinGecko at work: what follows for a call that they touch.
//!
//! Which of them touch it is for [`scenarios::faults`] to say, as for every other target. Faults are asked in file
//! order; delays add up, and the first verdict that ends a call is final, so a later fault does not see the call
//! any more.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use scenarios::faults::Rule;
use scenarios::format::FaultKind;
use scenarios::format::fault::{CoinGeckoFault, Freeze, RetryAfter};
use scenarios::format::model::{Fault, Target};

pub use scenarios::faults::{Facts, Touches};

use crate::coingecko::limits::rest_of_window_s;
use crate::latency::draw;
use crate::seed::Seed;

/// What becomes of a call to CoinGecko.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing but perhaps a delay.
    #[default]
    Pass,
    /// This status with CoinGecko's JSON error.
    Status(u16),
    /// 429.
    RateLimited {
        /// What it says about coming back, whole seconds.
        retry_after_s: Option<u32>,
    },
    /// No answer; the connection is closed at last.
    Hang {
        /// Real time until then.
        at_most: Duration,
    },
}

/// Healthy answers with old data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How old, wall time.
    pub age: Duration,
    /// Prices with their timestamps, or prices alone.
    pub freeze: Freeze,
}

/// All that the faults do to one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Real time before anything is sent.
    pub delay: Duration,
    /// What is sent.
    pub verdict: Verdict,
    /// How old the data of a healthy answer are; the oldest where several faults say so.
    pub stale: Option<Stale>,
    /// Index in the scenario of each fault that touched the call.
    pub touched: Vec<u16>,
}

/// The faults of one target, with their counters.
#[derive(Debug)]
pub struct Timeline {
    faults: Vec<AtWork>,
}

impl Timeline {
    /// The faults of `target` among a scenario's. Each draws from a generator of its own, named after the fault.
    pub fn new(faults: &[Fault], target: Target, seed: Seed) -> Self {
        let rules = Rule::of(faults, target, seed.0);
        let faults = rules.into_iter().map(|rule| AtWork {
            rng: seed.child(&format!("fault:{}", rule.fault().name)).rng(),
            rule,
            window: Window::default(),
        });
        Self {
            faults: faults.collect(),
        }
    }

    /// No faults at all.
    pub fn none() -> Self {
        Self { faults: Vec::new() }
    }

    /// What the faults do to a CoinGecko call that comes `since_start` (wall time) into the scenario, at `now_ms`
    /// (Unix milliseconds of the same clock, for windows of limits).
    pub fn judge(&mut self, since_start: Duration, now_ms: i64, facts: &Facts<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for fault in &mut self.faults {
            let Some(effect) = fault.effect(since_start, now_ms, facts) else {
                continue;
            };
            fault.rule.touch();
            judgement.touched.push(fault.rule.index());
            match effect {
                Effect::Delay(delay) => judgement.delay += delay,
                Effect::Age(stale) => {
                    let older = judgement.stale.is_none_or(|known| known.age < stale.age);
                    judgement.stale = if older { Some(stale) } else { judgement.stale };
                }
                Effect::End(verdict) => {
                    judgement.verdict = verdict;
                    break;
                }
            }
        }
        judgement
    }

    /// How often each fault touched something so far, in file order.
    pub fn touches(&self) -> Vec<Touches> {
        self.faults.iter().map(|fault| fault.rule.touches()).collect()
    }
}

/// A fault at work.
#[derive(Debug)]
struct AtWork {
    rule: Rule,
    /// For what the touched calls suffer.
    rng: ChaCha8Rng,
    window: Window,
}

/// Calls in the current fixed window of a limit.
#[derive(Debug, Default)]
struct Window {
    number: i64,
    calls: u64,
}

/// What a fault does to a call that it touches.
enum Effect {
    /// Holds it up.
    Delay(Duration),
    /// Lets it have old data.
    Age(Stale),
    /// Decides it.
    End(Verdict),
}

impl AtWork {
    /// What it does to this call; `None` when it lets it be.
    fn effect(&mut self, since_start: Duration, now_ms: i64, facts: &Facts<'_>) -> Option<Effect> {
        let chosen = self.rule.chooses(since_start, facts)?;
        let FaultKind::CoinGecko(kind) = &self.rule.fault().kind else {
            return None;
        };
        match kind {
            CoinGeckoFault::Status { status } => chosen.then_some(Effect::End(Verdict::Status(*status))),
            CoinGeckoFault::RateLimit {
                limit,
                window,
                retry_after,
            } => {
                // Every eligible call counts, the modifiers choose among those above the limit.
                let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1);
                let calls = self.window.count(now_ms.div_euclid(window_ms));
                let permitted = (limit * window.as_secs_f64() / 60.0).floor();
                let exceeded = calls as f64 > permitted;
                let retry_after_s = retry_after_s(*retry_after, now_ms, window_ms);
                (chosen && exceeded).then_some(Effect::End(Verdict::RateLimited { retry_after_s }))
            }
            CoinGeckoFault::Latency { latency } => {
                let latency = *latency;
                chosen.then(|| Effect::Delay(draw(latency, &mut self.rng)))
            }
            CoinGeckoFault::Hang { at_most } => {
                chosen.then_some(Effect::End(Verdict::Hang { at_most: *at_most }))
            }
            CoinGeckoFault::StaleData { age, freeze } => {
                let (age, freeze) = (*age, *freeze);
                chosen.then_some(Effect::Age(Stale { age, freeze }))
            }
            // Refused before a run begins, until each is played.
            CoinGeckoFault::QuotaExhausted
            | CoinGeckoFault::CfRateLimit1015
            | CoinGeckoFault::CfBlock { .. }
            | CoinGeckoFault::EndpointDisabled
            | CoinGeckoFault::GatewayHtml { .. }
            | CoinGeckoFault::App500Html
            | CoinGeckoFault::HtmlWith200
            | CoinGeckoFault::SlowBody { .. }
            | CoinGeckoFault::ConnectFail { .. }
            | CoinGeckoFault::Truncated { .. }
            | CoinGeckoFault::CacheSplit { .. }
            | CoinGeckoFault::NullFields { .. }
            | CoinGeckoFault::MissingCoin { .. }
            | CoinGeckoFault::IdRenamed { .. }
            | CoinGeckoFault::Delisted
            | CoinGeckoFault::WrongValue { .. }
            | CoinGeckoFault::AuthMixup { .. }
            | CoinGeckoFault::UriTooLong { .. }
            | CoinGeckoFault::Ramp { .. }
            | CoinGeckoFault::Flap { .. } => None,
        }
    }
}

impl Window {
    /// Counts a call and returns how many there are in its window.
    fn count(&mut self, number: i64) -> u64 {
        if number > self.number {
            *self = Self { number, calls: 0 };
        }
        self.calls += 1;
        self.calls
    }
}

fn retry_after_s(retry_after: RetryAfter, now_ms: i64, window_ms: i64) -> Option<u32> {
    match retry_after {
        RetryAfter::RestOfWindow => Some(rest_of_window_s(now_ms, window_ms)),
        RetryAfter::Fixed(wait) => Some(u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)),
        RetryAfter::Absent => None,
    }
}

/// A fault of this kind from the start on for an hour, without modifiers.
#[cfg(test)]
pub(crate) fn sample(kind: CoinGeckoFault) -> Fault {
    Fault {
        name: "it".to_owned(),
        at: Duration::ZERO,
        length: Duration::from_secs(3600),
        kind: FaultKind::CoinGecko(kind),
        share: 1.0,
        first: None,
        every: None,
        matches: scenarios::format::model::Match::default(),
        may_miss: false,
        span: scenarios::format::Span {
            source: 0,
            range: 0..0,
        },
        kind_span: scenarios::format::Span {
            source: 0,
            range: 0..0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenarios::format::fault::{Latency, StoreFault};
    use scenarios::format::model::Match;

    const SECOND: Duration = Duration::from_secs(1);
    /// 2026-03-02T00:00:00Z.
    const START: i64 = 1_772_409_600_000;

    /// From 10 s to 110 s.
    fn fault(kind: CoinGeckoFault) -> Fault {
        Fault {
            at: 10 * SECOND,
            length: 100 * SECOND,
            ..sample(kind)
        }
    }

    fn status(status: u16) -> Fault {
        fault(CoinGeckoFault::Status { status })
    }

    fn timeline(faults: &[Fault]) -> Timeline {
        Timeline::new(faults, Target::CoinGecko, Seed(42))
    }

    /// Plays one call a second from 0 s on and returns the seconds in which a fault touched it.
    fn touched_at(timeline: &mut Timeline, calls: u32, facts: &Facts<'_>) -> Vec<u32> {
        let touched = (0..calls).filter(|second| {
            let since_start = Duration::from_secs(u64::from(*second));
            !timeline
                .judge(since_start, START + i64::from(*second) * 1000, facts)
                .touched
                .is_empty()
        });
        touched.collect()
    }

    fn check(fault: Fault, expect: &[u32]) {
        let mut timeline = timeline(&[fault]);
        assert_eq!(touched_at(&mut timeline, 20, &Facts::default()), expect);
        assert_eq!(timeline.touches()[0].count, expect.len() as u64);
    }

    #[test]
    fn a_span_begins_and_ends() {
        check(
            Fault {
                length: 3 * SECOND,
                ..status(503)
            },
            &[10, 11, 12],
        );
        check(
            Fault {
                at: 100 * SECOND,
                ..status(503)
            },
            &[],
        );
    }

    #[test]
    fn modifiers_are_combined_by_and() {
        check(
            Fault {
                first: Some(2),
                ..status(503)
            },
            &[10, 11],
        );
        check(
            Fault {
                every: Some(3),
                ..status(503)
            },
            &[12, 15, 18],
        );
        check(
            Fault {
                every: Some(3),
                first: Some(6),
                ..status(503)
            },
            &[12, 15],
        );
        check(
            Fault {
                every: Some(10),
                first: Some(3),
                ..status(503)
            },
            &[],
        );
    }

    #[test]
    fn a_share_is_drawn_from_the_seed() {
        let half = Fault {
            share: 0.5,
            length: 2_000 * SECOND,
            ..status(503)
        };
        let play = |seed| {
            let mut timeline = Timeline::new(std::slice::from_ref(&half), Target::CoinGecko, Seed(seed));
            touched_at(&mut timeline, 2_000, &Facts::default())
        };
        let touched = play(1);
        assert!(
            (900..1100).contains(&touched.len()),
            "about half of 1990: {}",
            touched.len()
        );
        assert_eq!(touched, play(1));
        assert_ne!(touched, play(2));
    }

    #[test]
    fn a_share_draws_the_same_beside_other_modifiers() {
        let play = |first| {
            let mut timeline = timeline(&[Fault {
                share: 0.5,
                first,
                ..status(503)
            }]);
            touched_at(&mut timeline, 60, &Facts::default())
        };
        let all = play(None);
        let early: Vec<u32> = all.iter().copied().filter(|second| *second < 20).collect();
        assert_eq!(play(Some(10)), early);
    }

    #[test]
    fn only_eligible_calls_are_counted() {
        let of_markets = Match {
            path: Some("/coins/markets".to_owned()),
            ..Match::default()
        };
        let mut timeline = timeline(&[Fault {
            first: Some(1),
            matches: of_markets,
            ..status(503)
        }]);
        let mut touched = |path| {
            let facts = Facts {
                path,
                ..Facts::default()
            };
            !timeline.judge(20 * SECOND, START, &facts).touched.is_empty()
        };
        assert_eq!(
            [
                touched("/ping"),
                touched("/coins/markets"),
                touched("/coins/markets")
            ],
            [false, true, false]
        );
    }

    #[test]
    fn overlapping_faults_apply_in_file_order() {
        let slow = fault(CoinGeckoFault::Latency {
            latency: Latency::Fixed(2 * SECOND),
        });
        let hang = fault(CoinGeckoFault::Hang { at_most: 30 * SECOND });
        let judge = |faults: &[Fault]| timeline(faults).judge(20 * SECOND, START, &Facts::default());

        let both = judge(&[slow.clone(), slow.clone(), status(503), hang.clone()]);
        assert_eq!(
            both,
            Judgement {
                delay: 4 * SECOND,
                verdict: Verdict::Status(503),
                stale: None,
                touched: vec![0, 1, 2]
            }
        );
        let ended = judge(&[hang, slow]);
        let verdict = Verdict::Hang { at_most: 30 * SECOND };
        assert_eq!(
            ended,
            Judgement {
                delay: Duration::ZERO,
                verdict,
                stale: None,
                touched: vec![0]
            }
        );
    }

    #[test]
    fn the_oldest_of_overlapping_stale_data_is_sent() {
        let stale = |seconds: u32, freeze| {
            fault(CoinGeckoFault::StaleData {
                age: seconds * SECOND,
                freeze,
            })
        };
        let faults = [
            stale(300, Freeze::All),
            stale(540, Freeze::Price),
            stale(120, Freeze::All),
        ];
        let judged = timeline(&faults).judge(20 * SECOND, START, &Facts::default());
        assert_eq!((judged.verdict, judged.touched.len()), (Verdict::Pass, 3));
        assert_eq!(
            judged.stale,
            Some(Stale {
                age: 540 * SECOND,
                freeze: Freeze::Price
            })
        );
    }

    #[test]
    fn other_targets_keep_their_place_in_the_file() {
        let store = Fault {
            kind: FaultKind::Store(StoreFault::Throttle),
            ..status(0)
        };
        let mut timeline = timeline(&[store, status(500)]);
        assert_eq!(timeline.judge(20 * SECOND, START, &Facts::default()).touched, [1]);
    }

    fn rate_limit(limit: f64, retry_after: RetryAfter) -> Fault {
        fault(CoinGeckoFault::RateLimit {
            limit,
            window: 60 * SECOND,
            retry_after,
        })
    }

    #[test]
    fn a_limit_of_zero_refuses_every_call_that_it_touches() {
        let fixed = RetryAfter::Fixed(Duration::from_millis(52_500));
        let mut always = timeline(&[rate_limit(0.0, fixed)]);
        let judged = always.judge(20 * SECOND, START, &Facts::default());
        assert_eq!(
            judged.verdict,
            Verdict::RateLimited {
                retry_after_s: Some(53)
            }
        );
        check(
            Fault {
                every: Some(2),
                ..rate_limit(0.0, RetryAfter::Absent)
            },
            &[11, 13, 15, 17, 19],
        );
    }

    #[test]
    fn a_limit_refuses_the_rest_of_each_window() {
        let mut timeline = timeline(&[rate_limit(3.0, RetryAfter::RestOfWindow)]);
        let touched = touched_at(&mut timeline, 80, &Facts::default());
        let expect: Vec<u32> = (13..60).chain(63..80).collect();
        assert_eq!(touched, expect);
        let judged = timeline.judge(80 * SECOND, START + 80_000, &Facts::default());
        assert_eq!(
            judged.verdict,
            Verdict::RateLimited {
                retry_after_s: Some(40)
            }
        );
    }
}
