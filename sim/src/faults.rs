//! The timeline of faults: which of a scenario's faults touch an event, and what follows from it.
//!
//! A fault becomes a [`Rule`]: its span, its modifiers, its counters and a generator of its own. Rules are asked
//! in file order; delays add up, and the first verdict that ends a call is final, so a later fault does not see
//! the call any more.

use std::time::Duration;

use http::HeaderMap;
use rand_chacha::ChaCha8Rng;
use scenarios::format::FaultKind;
use scenarios::format::fault::{CoinGeckoFault, RetryAfter};
use scenarios::format::model::{Fault, Match, Target};

use crate::coingecko::limits::rest_of_window_s;
use crate::latency::draw;
use crate::seed::{Seed, unit};

/// What a fault's `match` is compared with. What an event does not have matches no condition on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Path without query; of CoinGecko without `/api/v3`.
    pub path: &'a str,
    /// CoinGecko ids asked for.
    pub ids: &'a [&'a str],
    /// Request headers.
    pub headers: Option<&'a HeaderMap>,
    /// DynamoDB operation.
    pub op: Option<&'a str>,
    /// The item's partition key.
    pub key: Option<&'a str>,
}

impl Facts<'_> {
    fn meet(&self, conditions: &Match) -> bool {
        let Match {
            path,
            id,
            header,
            op,
            key_prefix,
        } = conditions;
        path.as_deref().is_none_or(|path| self.path.starts_with(path))
            && id.as_deref().is_none_or(|id| self.ids.contains(&id))
            && header
                .as_ref()
                .is_none_or(|(name, value)| self.has_header(name, value.as_deref()))
            && op.as_deref().is_none_or(|op| self.op == Some(op))
            && key_prefix
                .as_deref()
                .is_none_or(|prefix| self.key.is_some_and(|key| key.starts_with(prefix)))
    }

    fn has_header(&self, name: &str, value: Option<&str>) -> bool {
        let Some(found) = self.headers.and_then(|headers| headers.get(name)) else {
            return false;
        };
        value.is_none_or(|value| found.as_bytes() == value.as_bytes())
    }
}

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

/// All that the faults do to one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Real time before anything is sent.
    pub delay: Duration,
    /// What is sent.
    pub verdict: Verdict,
    /// Index in the scenario of each fault that touched the call.
    pub touched: Vec<u16>,
}

/// How often a fault touched something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touches {
    /// Index in the scenario.
    pub index: u16,
    /// The fault's name.
    pub name: String,
    /// Events that it changed.
    pub count: u64,
    /// Whether none is well.
    pub may_miss: bool,
}

/// The faults of one target, with their counters.
#[derive(Debug)]
pub struct Timeline {
    rules: Vec<Rule>,
}

impl Timeline {
    /// The faults of `target` among a scenario's. Each draws from a generator of its own, named after the fault.
    pub fn new(faults: &[Fault], target: Target, seed: Seed) -> Self {
        let of_target = faults
            .iter()
            .enumerate()
            .filter(|(_, fault)| fault.target() == target);
        let rules = of_target.map(|(index, fault)| Rule {
            index: u16::try_from(index).unwrap_or(u16::MAX),
            rng: seed.child(&format!("fault:{}", fault.name)).rng(),
            fault: fault.clone(),
            eligible: 0,
            touched: 0,
            window: Window::default(),
        });
        Self {
            rules: rules.collect(),
        }
    }

    /// No faults at all.
    pub fn none() -> Self {
        Self { rules: Vec::new() }
    }

    /// What the faults do to a CoinGecko call that comes `since_start` (wall time) into the scenario, at `now_ms`
    /// (Unix milliseconds of the same clock, for windows of limits).
    pub fn judge(&mut self, since_start: Duration, now_ms: i64, facts: &Facts<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for rule in &mut self.rules {
            let Some(effect) = rule.effect(since_start, now_ms, facts) else {
                continue;
            };
            rule.touched += 1;
            judgement.touched.push(rule.index);
            match effect {
                Effect::Delay(delay) => judgement.delay += delay,
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
        let touches = self.rules.iter().map(|rule| Touches {
            index: rule.index,
            name: rule.fault.name.clone(),
            count: rule.touched,
            may_miss: rule.fault.may_miss,
        });
        touches.collect()
    }
}

/// A fault at work.
#[derive(Debug)]
struct Rule {
    index: u16,
    fault: Fault,
    rng: ChaCha8Rng,
    /// Events so far that its span and its `match` let through.
    eligible: u64,
    touched: u64,
    window: Window,
}

/// Calls in the current fixed window of a limit.
#[derive(Debug, Default)]
struct Window {
    number: i64,
    calls: u64,
}

/// What a rule does to a call that it touches.
enum Effect {
    /// Holds it up.
    Delay(Duration),
    /// Decides it.
    End(Verdict),
}

impl Rule {
    /// What it does to this call; `None` when it lets it be.
    fn effect(&mut self, since_start: Duration, now_ms: i64, facts: &Facts<'_>) -> Option<Effect> {
        if !self.fault.span_in_time().contains(&since_start) || !facts.meet(&self.fault.matches) {
            return None;
        }
        self.eligible += 1;
        let chosen = self.choose();
        let FaultKind::CoinGecko(kind) = &self.fault.kind else {
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
            | CoinGeckoFault::StaleData { .. }
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

    /// Whether the modifiers choose the eligible event that was just counted: all that are given must.
    fn choose(&mut self) -> bool {
        let Fault {
            share, first, every, ..
        } = self.fault;
        // Drawn for every eligible event, so that another modifier does not move the draws.
        let by_share = share >= 1.0 || unit(&mut self.rng) < share;
        let by_first = first.is_none_or(|first| self.eligible <= u64::from(first));
        let by_every = every.is_none_or(|every| self.eligible.is_multiple_of(u64::from(every.max(1))));
        by_share && by_first && by_every
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
        matches: Match::default(),
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
    fn conditions_match_what_the_call_has() {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", http::HeaderValue::from_static("probe/1"));
        let ids = ["bitcoin", "ethereum"];
        let call = Facts {
            path: "/coins/markets",
            ids: &ids,
            headers: Some(&headers),
            op: Some("GetItem"),
            key: Some("LEASE#prices"),
        };
        let meets = |conditions: Match| call.meet(&conditions);
        let text = |text: &str| Some(text.to_owned());
        let header = |name: &str, value: Option<&str>| Match {
            header: Some((name.to_owned(), value.map(str::to_owned))),
            ..Match::default()
        };
        assert!(meets(Match::default()));
        assert!(meets(Match {
            path: text("/coins"),
            id: text("ethereum"),
            ..Match::default()
        }));
        assert!(!meets(Match {
            path: text("/simple"),
            id: text("ethereum"),
            ..Match::default()
        }));
        assert!(!meets(Match {
            path: text("/coins"),
            id: text("ether"),
            ..Match::default()
        }));
        assert!(meets(header("user-agent", None)) && meets(header("user-agent", Some("probe/1"))));
        assert!(!meets(header("user-agent", Some("probe"))) && !meets(header("accept", None)));
        assert!(meets(Match {
            op: text("GetItem"),
            key_prefix: text("LEASE#"),
            ..Match::default()
        }));
        assert!(!meets(Match {
            op: text("PutItem"),
            ..Match::default()
        }));
        assert!(!meets(Match {
            key_prefix: text("PRICE#"),
            ..Match::default()
        }));
        assert!(!Facts::default().meet(&Match {
            op: text("GetItem"),
            ..Match::default()
        }));
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
                touched: vec![0]
            }
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
