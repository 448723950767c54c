//! Faults at work: which of a scenario's faults touch an event, and how often each did.
//!
//! A fault becomes a [`Rule`]: its span, its modifiers, its counters and a generator of its own. What follows from a
//! touch is for those to say who play its target.

use std::time::Duration;

use http::HeaderMap;

use crate::draw::{Component, Draws, Stream};
use crate::format::model::{Fault, FunctionName, Match, Target};

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
    /// The partition keys of the items.
    pub keys: &'a [&'a str],
    /// The function that is invoked.
    pub function: Option<FunctionName>,
}

impl Facts<'_> {
    fn meet(&self, conditions: &Match) -> bool {
        let Match {
            path,
            id,
            header,
            op,
            key_prefix,
            function,
        } = conditions;
        path.as_deref().is_none_or(|path| self.path.starts_with(path))
            && id.as_deref().is_none_or(|id| self.ids.contains(&id))
            && header
                .as_ref()
                .is_none_or(|(name, value)| self.has_header(name, value.as_deref()))
            && op.as_deref().is_none_or(|op| self.op == Some(op))
            && key_prefix
                .as_deref()
                .is_none_or(|prefix| self.keys.iter().any(|key| key.starts_with(prefix)))
            && function.is_none_or(|function| self.function == Some(function))
    }

    fn has_header(&self, name: &str, value: Option<&str>) -> bool {
        let Some(found) = self.headers.and_then(|headers| headers.get(name)) else {
            return false;
        };
        value.is_none_or(|value| found.as_bytes() == value.as_bytes())
    }
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

/// A fault at work.
#[derive(Clone, Debug)]
pub struct Rule {
    index: u16,
    fault: Fault,
    draws: Stream,
    /// Events so far that its span and its `match` let through.
    eligible: u64,
    touched: u64,
}

impl Rule {
    /// The faults of `target` among a scenario's, in file order. Each draws from a generator of its own, named after
    /// the fault.
    #[must_use]
    pub fn of(faults: &[Fault], target: Target, seed: u64) -> Vec<Self> {
        let of_target = faults
            .iter()
            .enumerate()
            .filter(|(_, fault)| fault.target() == target);
        let rules = of_target.map(|(index, fault)| {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            Self::new(index, fault.clone(), seed)
        });
        rules.collect()
    }

    /// One fault at work, known by `index`.
    #[must_use]
    pub fn new(index: u16, fault: Fault, seed: u64) -> Self {
        Self {
            index,
            draws: Draws::new(seed, &fault.name).stream(Component::Fault, 0),
            fault,
            eligible: 0,
            touched: 0,
        }
    }

    /// Its index in the scenario.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The fault.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Whether its modifiers choose an event that comes `since_start` (wall time) into the scenario; `None` when the
    /// event is not eligible. Every eligible event has to be asked about, once.
    pub fn chooses(&mut self, since_start: Duration, facts: &Facts<'_>) -> Option<bool> {
        let strength = self.fault.strength_at(since_start);
        if strength <= 0.0 || !facts.meet(&self.fault.matches) {
            return None;
        }
        self.eligible += 1;
        let Fault {
            share, first, every, ..
        } = self.fault;
        // Drawn for every eligible event, so that another modifier does not move the draws.
        let by_share = share * strength >= 1.0 || self.draws.unit() < share * strength;
        let by_first = first.is_none_or(|first| self.eligible <= u64::from(first));
        let by_every = every.is_none_or(|every| self.eligible.is_multiple_of(u64::from(every.max(1))));
        Some(by_share && by_first && by_every)
    }

    /// Counts an event that it changed.
    pub fn touch(&mut self) {
        self.touched += 1;
    }

    /// How often it touched something so far.
    #[must_use]
    pub fn touches(&self) -> Touches {
        Touches {
            index: self.index,
            name: self.fault.name.clone(),
            count: self.touched,
            may_miss: self.fault.may_miss,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Alone, parse};

    /// A throttled store from 10 s to 110 s, with these modifiers.
    fn rule(modifiers: &str) -> Rule {
        let text = format!(
            "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"2m\"\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\n[[load]]\nname = \"day\"\nrate = \"1/s\"\n\
             [[fault]]\nname = \"f\"\ntarget = \"store\"\nkind = \"throttle\"\nat = \"10s\"\nfor = \"100s\"\n{modifiers}\n"
        );
        let scenario = parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        Rule::of(&scenario.faults, Target::Store, 42).remove(0)
    }

    /// The seconds in which it chooses, of one event a second.
    fn chosen(modifiers: &str, seconds: u64) -> Vec<u64> {
        let mut rule = rule(modifiers);
        (0..seconds)
            .filter(|second| rule.chooses(Duration::from_secs(*second), &Facts::default()) == Some(true))
            .collect()
    }

    #[test]
    fn modifiers_are_combined_by_and() {
        assert_eq!(chosen("", 13), [10, 11, 12]);
        assert_eq!(chosen("first = 2", 20), [10, 11]);
        assert_eq!(chosen("every = 3\nfirst = 6", 20), [12, 15]);
        let half = chosen("share = \"50%\"", 110);
        assert!((30..70).contains(&half.len()), "{half:?}");
        let early: Vec<u64> = half.iter().copied().filter(|second| *second < 20).collect();
        assert_eq!(chosen("share = \"50%\"\nfirst = 10", 110), early);
    }

    #[test]
    fn what_is_not_eligible_is_not_counted() {
        let mut rule = rule("every = 2\nmatch = { op = \"GetItem\" }");
        let mut choose = |at, op| {
            let facts = Facts {
                op: Some(op),
                ..Facts::default()
            };
            rule.chooses(Duration::from_secs(at), &facts)
        };
        assert_eq!(choose(9, "GetItem"), None);
        assert_eq!(choose(10, "PutItem"), None);
        assert_eq!(choose(10, "GetItem"), Some(false));
        assert_eq!(choose(11, "GetItem"), Some(true));
        assert_eq!(choose(110, "GetItem"), None);
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
            keys: &["LEASE#prices"],
            function: None,
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
}
