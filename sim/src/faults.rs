//! The faults of CoinGecko at work: what follows for a call that they touch.
//!
//! Which of them touch it is for [`scenarios::faults`] to say, as for every other target. Faults are asked in file
//! order; delays add up, and the first verdict that ends a call is final, so a later fault does not see the call
//! any more. Faults that keep connections from coming about judge no call: see [`Timeline::unreachable`].

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use scenarios::faults::Rule;
use scenarios::format::FaultKind;
use scenarios::format::fault::{CoinGeckoFault, ConnectFailure, Cut, Freeze};
use scenarios::format::model::{Fault, Target};

pub use scenarios::faults::{Facts, Touches};

use crate::coingecko::altered::Altered;
use crate::coingecko::book::rest_of_window_s;
use crate::coingecko::errors::ErrorAnswer;
use crate::coingecko::market::MINUTE_MS;
use crate::coingecko::wire::{Unreachable, Wire};
use crate::latency::draw;
use crate::seed::Seed;

/// A call to CoinGecko, as its faults see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    /// What `match` is compared with. Ids are those of the query, or of the path.
    pub facts: Facts<'a>,
    /// Whether it carries a key.
    pub keyed: bool,
    /// Bytes of path and query.
    pub uri_bytes: usize,
}

/// What becomes of a call to CoinGecko.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing but perhaps a delay, or damage to what it is answered.
    #[default]
    Pass,
    /// This instead of an answer of CoinGecko's own.
    Answer(ErrorAnswer),
    /// The month's credits are spent, however many they are.
    QuotaExhausted,
    /// No answer; the connection is closed at last.
    Hang {
        /// Real time until then.
        at_most: Duration,
    },
    /// No answer, since the connection breaks: [`Wire::Close`] or [`Wire::Reset`].
    Broken(Wire),
}

/// Healthy answers with old data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How old, wall time.
    pub age: Duration,
    /// Prices with their timestamps, or prices alone.
    pub freeze: Freeze,
}

/// Damage to the body of a 200. It counts as a touch only if it changes something, which is for those to say who have
/// the body: see [`Timeline::touch`].
#[derive(Clone, Debug, PartialEq)]
pub enum Damage {
    /// It says something else.
    Altered(Altered),
    /// It breaks off after so many bytes, or in the middle.
    BreaksOff(Option<u64>),
    /// Its connection is closed after so many bytes, or in the middle.
    Cut(Cut, Option<u64>),
}

/// All that the faults do to one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Real time before anything is sent.
    pub delay: Duration,
    /// What is sent.
    pub verdict: Verdict,
    /// How old the data of a healthy answer are; the oldest where several faults say so.
    pub stale: Option<Stale>,
    /// What becomes of the body, in order, with the index of the fault.
    pub damage: Vec<(u16, Damage)>,
    /// Body bytes per real second; the fewest where several faults say so.
    pub bytes_per_second: Option<u64>,
    /// Index in the scenario of each fault that touched the call so far.
    pub touched: Vec<u16>,
}

/// The faults of one target, with their counters.
#[derive(Debug)]
pub struct Timeline {
    faults: Vec<AtWork>,
    seed: Seed,
    /// The index of the next fault that is set later.
    next: u16,
}

impl Timeline {
    /// The faults of `target` among a scenario's. Each draws from a generator of its own, named after the fault.
    pub fn new(faults: &[Fault], target: Target, seed: Seed) -> Self {
        let rules = Rule::of(faults, target, seed.0);
        Self {
            seed,
            next: u16::try_from(faults.len()).unwrap_or(u16::MAX),
            faults: rules.into_iter().map(|rule| AtWork::new(rule, seed)).collect(),
        }
    }

    /// No faults at all.
    pub fn none() -> Self {
        Self::new(&[], Target::CoinGecko, Seed(0))
    }

    /// What the faults do to a CoinGecko call that comes `since_start` (wall time) into the scenario, at `now_ms`
    /// (Unix milliseconds of the same clock, for windows of limits).
    pub fn judge(&mut self, since_start: Duration, now_ms: i64, call: &Call<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for fault in &mut self.faults {
            let Some(effect) = fault.effect(since_start, now_ms, call) else {
                continue;
            };
            let index = fault.rule.index();
            if let Effect::Damage(damage) = effect {
                judgement.damage.push((index, damage));
                continue;
            }
            fault.rule.touch();
            judgement.touched.push(index);
            match effect {
                Effect::Damage(_) => {}
                Effect::Delay(delay) => judgement.delay += delay,
                Effect::Drip(speed) => {
                    let slowest = judgement.bytes_per_second.map_or(speed, |known| known.min(speed));
                    judgement.bytes_per_second = Some(slowest);
                }
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

    /// Why no connection comes about at an instant (wall time since the start), by which fault. It touches nothing.
    pub fn unreachable(&self, since_start: Duration) -> Option<(Unreachable, u16)> {
        self.faults.iter().find_map(|fault| {
            let unreachable = fault.unreachable()?;
            let is_there = fault.rule.fault().strength_at(since_start) > 0.0;
            is_there.then(|| (unreachable, fault.rule.index()))
        })
    }

    /// Sets another fault; `false` when there is one of this name.
    pub fn set(&mut self, fault: Fault) -> bool {
        if self
            .faults
            .iter()
            .any(|known| known.rule.fault().name == fault.name)
        {
            return false;
        }
        let rule = Rule::new(self.next, fault, self.seed.0);
        self.next = self.next.saturating_add(1);
        self.faults.push(AtWork::new(rule, self.seed));
        true
    }

    /// Clears the fault of this name, or all; how many there were.
    pub fn clear(&mut self, name: Option<&str>) -> usize {
        let before = self.faults.len();
        self.faults
            .retain(|fault| name.is_some_and(|name| fault.rule.fault().name != name));
        before - self.faults.len()
    }

    /// Counts an event that the fault of this index changed, where that shows only later.
    pub fn touch(&mut self, index: u16) {
        for fault in &mut self.faults {
            if fault.rule.index() == index {
                fault.rule.touch();
            }
        }
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
    /// A number of its own, for what it chooses once and for all.
    choice: u64,
    window: Window,
    /// Calls that it touched, where only every other suffers.
    turns: u64,
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
    /// Lets its body trickle.
    Drip(u64),
    /// Lets it have old data.
    Age(Stale),
    /// Spoils its body.
    Damage(Damage),
    /// Decides it.
    End(Verdict),
}

impl AtWork {
    fn new(rule: Rule, seed: Seed) -> Self {
        let own = seed.child(&format!("fault:{}", rule.fault().name));
        Self {
            rng: own.rng(),
            choice: own.0,
            rule,
            window: Window::default(),
            turns: 0,
        }
    }

    fn unreachable(&self) -> Option<Unreachable> {
        match &self.rule.fault().kind {
            FaultKind::CoinGecko(CoinGeckoFault::ConnectFail { how }) => match how {
                ConnectFailure::Refuse => Some(Unreachable::Refuse),
                ConnectFailure::Blackhole => Some(Unreachable::Blackhole),
                ConnectFailure::Reset | ConnectFailure::Close => None,
            },
            FaultKind::CoinGecko(CoinGeckoFault::SlowConnect { by }) => Some(Unreachable::Slow(*by)),
            _ => None,
        }
    }

    /// What it does to this call; `None` when it lets it be.
    fn effect(&mut self, since_start: Duration, now_ms: i64, call: &Call<'_>) -> Option<Effect> {
        let FaultKind::CoinGecko(kind) = self.rule.fault().kind.clone() else {
            return None;
        };
        if self.unreachable().is_some() {
            return None;
        }
        let id = self.rule.fault().matches.id.clone();
        let own: Vec<&str> = id.iter().map(String::as_str).collect();
        let mut facts = call.facts;
        if kind.changes_data() {
            // A call that names no coin asks for coins at large, that of `match.id` among them.
            let says_something = facts.path == "/simple/price" || facts.path.starts_with("/coins/");
            if !says_something {
                return None;
            }
            if facts.ids.is_empty() {
                facts.ids = &own;
            }
        }
        let chosen = self.rule.chooses(since_start, &facts)?;
        if let CoinGeckoFault::RateLimit {
            limit,
            window,
            ref retry_after,
        } = kind
        {
            // Every eligible call counts, the modifiers choose among those above the limit.
            let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1);
            let calls = self.window.count(now_ms.div_euclid(window_ms));
            let permitted = (limit * window.as_secs_f64() / 60.0).floor();
            let exceeded = calls as f64 > permitted;
            let answer = ErrorAnswer::rate_limited(None).coming_back(retry_after, now_ms, window_ms);
            return (chosen && exceeded).then_some(Effect::End(Verdict::Answer(answer)));
        }
        if !chosen {
            return None;
        }
        let answer = |answer| Effect::End(Verdict::Answer(answer));
        Some(match kind {
            CoinGeckoFault::Status { status } => {
                let rest_s = rest_of_window_s(now_ms, MINUTE_MS);
                answer(ErrorAnswer::of_status(status, now_ms, rest_s))
            }
            CoinGeckoFault::QuotaExhausted => call.keyed.then_some(Effect::End(Verdict::QuotaExhausted))?,
            CoinGeckoFault::CfRateLimit1015 => answer(ErrorAnswer::cf_rate_limited()),
            CoinGeckoFault::CfBlock { body } => answer(ErrorAnswer::cf_blocked(body)),
            CoinGeckoFault::EndpointDisabled => answer(ErrorAnswer::endpoint_disabled()),
            CoinGeckoFault::GatewayHtml { status } => answer(ErrorAnswer::gateway_page(status)),
            CoinGeckoFault::App500Html => answer(ErrorAnswer::app_page()),
            CoinGeckoFault::HtmlWith200 => answer(ErrorAnswer::challenge_page()),
            CoinGeckoFault::AuthMixup { code } => answer(ErrorAnswer::auth_mixup(code, now_ms)),
            CoinGeckoFault::UriTooLong { above } => {
                let too_long = call.uri_bytes as u64 > above;
                too_long.then(|| answer(ErrorAnswer::uri_too_long()))?
            }
            CoinGeckoFault::Latency { latency } => Effect::Delay(draw(latency, &mut self.rng)),
            CoinGeckoFault::SlowBody { bytes_per_second } => Effect::Drip(bytes_per_second.max(1)),
            CoinGeckoFault::Hang { at_most } => Effect::End(Verdict::Hang { at_most }),
            CoinGeckoFault::ConnectFail { how } => Effect::End(Verdict::Broken(match how {
                ConnectFailure::Close => Wire::Close,
                ConnectFailure::Reset => Wire::Reset,
                ConnectFailure::Refuse | ConnectFailure::Blackhole => return None,
            })),
            CoinGeckoFault::Truncated { how, after } => Effect::Damage(match how {
                Cut::Json => Damage::BreaksOff(after),
                Cut::Length | Cut::Chunked => Damage::Cut(how, after),
            }),
            CoinGeckoFault::StaleData { age, freeze } => Effect::Age(Stale { age, freeze }),
            CoinGeckoFault::CacheSplit { lag } => {
                self.turns += 1;
                let behind = Stale {
                    age: lag,
                    freeze: Freeze::All,
                };
                self.turns.is_multiple_of(2).then_some(Effect::Age(behind))?
            }
            CoinGeckoFault::NullFields { .. }
            | CoinGeckoFault::MissingCoin { .. }
            | CoinGeckoFault::IdRenamed { .. }
            | CoinGeckoFault::Delisted
            | CoinGeckoFault::WrongValue { .. } => {
                Effect::Damage(Damage::Altered(Altered::of(&kind, id, self.choice)?))
            }
            CoinGeckoFault::SlowConnect { .. } | CoinGeckoFault::RateLimit { .. } => return None,
        })
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

/// A fault of this kind from the start on for an hour, without modifiers.
#[cfg(test)]
pub(crate) fn sample(kind: CoinGeckoFault) -> Fault {
    Fault {
        name: "it".to_owned(),
        at: Duration::ZERO,
        length: Duration::from_secs(3600),
        kind: FaultKind::CoinGecko(kind),
        shape: scenarios::format::model::FaultShape::Step,
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
mod tests;
