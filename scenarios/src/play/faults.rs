//! The faults of users: what they make of a request, and of the wait before one.
//!
//! Every load counts for itself what its faults may touch, since on sockets every load has a process of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::draw::{Component, Draws};
use crate::faults::{Facts, Rule};
use crate::format::FaultKind;
use crate::format::fault::ClientFault;
use crate::format::model::{Scenario, Target};
use crate::request::{Wanted, wanted};

/// The secret of the disabled key that the users of a load present when a `disabled_key` fault makes them: the
/// world stores it, disabled.
#[must_use]
pub fn disabled_key(seed: u64, load: &str) -> String {
    secret(Draws::new(seed, load), Component::DisabledKey, 0)
}

/// A secret that looks like one of the service's.
fn secret(draws: Draws, component: Component, index: u64) -> String {
    let mut stream = draws.stream(component, index);
    format!("cw_{:016x}{:016x}", stream.bits(), stream.bits())
}

/// The faults of a load's users.
#[derive(Debug)]
pub(super) struct ClientFaults {
    rules: Mutex<Vec<Rule>>,
    draws: Draws,
    disabled_key: HeaderValue,
}

/// What the faults make of a request.
#[derive(Debug, Default)]
pub(super) struct Upset {
    /// Presented in place of the user's own key.
    pub(super) key: Option<HeaderValue>,
    /// Sent in place of what the user wanted, and what it is owed.
    pub(super) malformed: Option<(String, Wanted)>,
    /// How its answer is read.
    pub(super) slow: Option<SlowRead>,
    /// Index in the scenario of each fault that touched it.
    pub(super) faults: Vec<u16>,
}

/// An answer is read slowly, though never longer than its load lasts.
#[derive(Debug)]
pub(crate) struct SlowRead {
    bytes_per_second: u64,
    /// When the load ends.
    until: Instant,
    /// Time spent so far on being slow, real µs.
    paused_us: AtomicU64,
}

impl SlowRead {
    /// Takes the time that so many bytes take.
    pub(crate) async fn pause(&self, bytes: usize) {
        let begun = Instant::now();
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let until = (begun + takes).min(self.until);
        if until > begun {
            tokio::time::sleep_until(until).await;
        }
        let paused_us = begun.elapsed().as_micros() as u64;
        self.paused_us.fetch_add(paused_us, Ordering::Relaxed);
    }

    /// The longest time that it may still take, real time.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Time spent so far, real µs.
    pub(super) fn paused_us(&self) -> u64 {
        self.paused_us.load(Ordering::Relaxed)
    }
}

impl ClientFaults {
    /// The faults of users among the scenario's; `None` when there are none.
    pub(super) fn new(scenario: &Scenario, draws: Draws, disabled_key: String) -> Option<Self> {
        let rules = Rule::of(&scenario.faults, Target::Clients, draws.of_faults());
        (!rules.is_empty()).then(|| Self {
            rules: Mutex::new(rules),
            draws,
            disabled_key: header_value(disabled_key),
        })
    }

    /// How many times as fast what follows comes when the wait for it begins `at` (wall time since the start). The
    /// faults that see to it are added to `faults`.
    pub(super) fn hurry(&self, at: Duration, faults: &mut Vec<u16>) -> f64 {
        let mut hurry = 1.0;
        for rule in self.rules().iter_mut() {
            let FaultKind::Clients(ClientFault::OverLimit { factor }) = rule.fault().kind else {
                continue;
            };
            if rule.chooses(at, &Facts::default()) == Some(true) {
                rule.touch();
                faults.push(rule.index());
                hurry *= factor;
            }
        }
        hurry
    }

    /// What the faults make of a request for `path` that is about to be sent `at` (wall time since the start), in
    /// file order; of two that change the same about it, the first does. Slow reading lasts to `until` at most.
    pub(super) fn upset(
        &self,
        at: Duration,
        request: (&str, &Wanted),
        headers: &HeaderMap,
        known: &BTreeSet<String>,
        until: Instant,
    ) -> Option<Box<Upset>> {
        let (path, asked) = request;
        let facts = Facts {
            path: path.split_once('?').map_or(path, |(path, _)| path),
            headers: Some(headers),
            ..Facts::default()
        };
        let mut upset = Upset::default();
        for rule in self.rules().iter_mut() {
            let FaultKind::Clients(kind) = rule.fault().kind else {
                continue;
            };
            let sent = upset.malformed.as_ref().map_or(asked, |(_, wanted)| wanted);
            let eligible = match kind {
                ClientFault::OverLimit { .. } => false,
                ClientFault::BadKey | ClientFault::DisabledKey => sent.needs_key() && upset.key.is_none(),
                ClientFault::Malformed => upset.malformed.is_none(),
                ClientFault::SlowReader { .. } => upset.slow.is_none(),
            };
            if !eligible || rule.chooses(at, &facts) != Some(true) {
                continue;
            }
            let number = rule.touches().count;
            match kind {
                ClientFault::OverLimit { .. } => {}
                ClientFault::BadKey => {
                    upset.key = Some(header_value(secret(self.draws, Component::BadKey, number)));
                }
                ClientFault::DisabledKey => upset.key = Some(self.disabled_key.clone()),
                ClientFault::Malformed => {
                    let path = malformed(number);
                    let wanted = wanted(&path, known);
                    upset.malformed = Some((path, wanted));
                }
                ClientFault::SlowReader { bytes_per_second } => {
                    upset.slow = Some(SlowRead {
                        bytes_per_second,
                        until,
                        paused_us: AtomicU64::new(0),
                    });
                }
            }
            rule.touch();
            upset.faults.push(rule.index());
        }
        (!upset.faults.is_empty()).then(|| Box::new(upset))
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path of the `number`-th request that is not valid.
fn malformed(number: u64) -> String {
    match number % 5 {
        0 => "/prices".to_owned(),
        1 => {
            let many: Vec<String> = (0..=50).map(|index| format!("S{index}")).collect();
            format!("/prices?symbols={}", many.join(","))
        }
        2 => "/prices?symbols=NO-SUCH-COIN".to_owned(),
        3 => format!("/prices/{}", "A".repeat(21)),
        _ => "/no/such/path".to_owned(),
    }
}

/// A value of a header from hexadecimal digits.
fn header_value(secret: String) -> HeaderValue {
    HeaderValue::try_from(secret).unwrap_or(HeaderValue::from_static("cw_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Alone, parse};

    fn faults(lines: &str) -> ClientFaults {
        let text = format!(
            "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"10m\"\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\n[[load]]\nname = \"day\"\nrate = \"1/s\"\n{lines}"
        );
        let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        let draws = Draws::new(1, "day");
        ClientFaults::new(&scenario, draws, disabled_key(1, "day")).expect("there are faults")
    }

    fn fault(name: &str, kind: &str) -> String {
        format!(
            "[[fault]]\nname = \"{name}\"\ntarget = \"clients\"\nat = \"1m\"\nfor = \"1m\"\nkind = {kind}\n"
        )
    }

    fn known() -> BTreeSet<String> {
        ["BTC", "ETH"].map(str::to_owned).into()
    }

    fn upset_at(faults: &ClientFaults, at: u64, path: &str) -> Option<Box<Upset>> {
        let wanted = wanted(path, &known());
        let (at, headers) = (Duration::from_secs(at), HeaderMap::new());
        faults.upset(at, (path, &wanted), &headers, &known(), Instant::now())
    }

    #[test]
    fn a_request_is_upset_within_the_span_alone() {
        let faults = faults(&fault("bad", "\"bad_key\""));
        let touched = |at| upset_at(&faults, at, "/prices/BTC").map(|upset| upset.faults);
        assert_eq!(
            [touched(59), touched(60), touched(120)],
            [None, Some(vec![0]), None]
        );
        // Who needs no key presents no wrong one.
        assert!(upset_at(&faults, 60, "/health").is_none());
    }

    #[test]
    fn wrong_keys_are_not_those_of_users() {
        let faults = faults(&format!(
            "{}{}",
            fault("bad", "\"bad_key\"\nevery = 2"),
            fault("off", "\"disabled_key\"")
        ));
        let keys: Vec<_> = (0..4)
            .map(|_| upset_at(&faults, 60, "/prices/BTC").expect("upset"))
            .map(|upset| (upset.key.expect("a key"), upset.faults))
            .collect();
        let disabled = disabled_key(1, "day");
        assert!(keys[0].0 == *disabled && keys[2].0 == *disabled, "{keys:?}");
        assert!(keys[1].0 != keys[3].0 && keys[1].0 != *disabled, "{keys:?}");
        let touched: Vec<_> = keys.into_iter().map(|(_, faults)| faults).collect();
        assert_eq!(touched, [[1], [0], [1], [0]]);
        assert_ne!(disabled, disabled_key(1, "night"));
        assert_ne!(disabled, disabled_key(2, "day"));
        assert_eq!(disabled.len(), 35);
    }

    #[test]
    fn malformed_requests_take_turns_and_are_owed_their_refusal() {
        let faults = faults(&fault("odd", "\"malformed\"\nmatch = { path = \"/prices\" }"));
        let owed: Vec<u16> = (0..6)
            .map(|_| upset_at(&faults, 60, "/prices?symbols=BTC").expect("upset"))
            .map(|upset| upset.malformed.expect("malformed").1.owed)
            .collect();
        assert_eq!(owed, [400, 400, 404, 400, 404, 400]);
        assert!(upset_at(&faults, 60, "/health").is_none());
    }

    #[test]
    fn several_faults_upset_one_request() {
        let lines = [
            fault("slow", "\"slow_reader\"\nspeed = \"1KB/s\""),
            fault("odd", "\"malformed\""),
            fault("bad", "\"bad_key\""),
            fault("slower", "\"slow_reader\"\nspeed = \"1B/s\""),
        ];
        let upset = upset_at(&faults(&lines.concat()), 60, "/prices/BTC").expect("upset");
        assert_eq!(upset.faults, [0, 1, 2]);
        assert_eq!(upset.slow.map(|slow| slow.bytes_per_second), Some(1000));
        assert!(upset.key.is_some() && upset.malformed.is_some());
    }

    #[test]
    fn overlapping_hurries_multiply() {
        let lines = [
            fault("over", "\"over_limit\""),
            fault("more", "\"over_limit\"\nfactor = 1.5\nfirst = 1"),
        ];
        let faults = faults(&lines.concat());
        let hurry = |at| {
            let mut touched = Vec::new();
            let hurry = faults.hurry(Duration::from_secs(at), &mut touched);
            (hurry, touched)
        };
        assert_eq!(hurry(59), (1.0, vec![]));
        assert_eq!(hurry(60), (3.0, vec![0, 1]));
        assert_eq!(hurry(61), (2.0, vec![0]));
        assert!(upset_at(&faults, 60, "/prices/BTC").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn reading_is_slow_until_the_load_ends() {
        let until = Instant::now() + Duration::from_secs(10);
        let slow = SlowRead {
            bytes_per_second: 100,
            until,
            paused_us: AtomicU64::new(0),
        };
        slow.pause(400).await;
        assert_eq!(slow.paused_us(), 4_000_000);
        slow.pause(4000).await;
        assert_eq!((slow.paused_us(), Instant::now()), (10_000_000, until));
        slow.pause(4000).await;
        assert_eq!(slow.paused_us(), 10_000_000);
    }
}
