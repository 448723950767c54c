//! Who may call how often: plans and keys. What was called so far is in [`super::book`].

use scenarios::format::assumptions::Assumptions;
use scenarios::format::model::Plan;

use super::errors::ErrorAnswer;
use super::market::MINUTE_MS;
use super::query::Query;

/// The key that the simulation hands to the service on a Demo plan.
pub const DEMO_KEY: &str = "CG-demo-key-of-the-simulation";
/// The key that the simulation hands to the service on a paid plan.
pub const PRO_KEY: &str = "CG-pro-key-of-the-simulation";

/// What a plan permits, and how fresh its data are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// As `/key` names it.
    pub plan: &'static str,
    /// Which of CoinGecko's hosts the fake stands for.
    pub host: Host,
    /// For calls with a key.
    pub keyed: Allowance,
    /// For calls without one, together.
    pub keyless: Allowance,
    /// How often `/simple/price` gets new data.
    pub simple_fresh_ms: i64,
    /// How often `/coins/markets` gets new data.
    pub markets_fresh_ms: i64,
}

/// How many calls are permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Calls in a minute.
    pub per_minute: u32,
    /// Credits in a calendar month (UTC); `None` = calls cost no credits.
    pub per_month: Option<u64>,
}

/// A host of CoinGecko's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// `api.coingecko.com`: Demo keys, or none.
    Public,
    /// `pro-api.coingecko.com`: Pro keys only.
    Pro,
}

impl Terms {
    /// The terms of a plan as published, and where publications disagree as they are assumed by default.
    pub fn of(plan: Plan) -> Self {
        Self::assuming(plan, &Assumptions::default())
    }

    /// The terms of a plan, with what is assumed of it.
    pub fn assuming(plan: Plan, assumed: &Assumptions) -> Self {
        let published = Self::published(plan, assumed);
        Self {
            simple_fresh_ms: assumed.simple_price_fresh.or_ms(published.simple_fresh_ms),
            markets_fresh_ms: assumed.markets_fresh.or_ms(published.markets_fresh_ms),
            ..published
        }
    }

    fn published(plan: Plan, assumed: &Assumptions) -> Self {
        let demo = Self {
            plan: "Demo",
            host: Host::Public,
            keyed: Allowance {
                per_minute: assumed.demo_per_minute.get(),
                per_month: Some(10_000),
            },
            keyless: Allowance {
                per_minute: assumed.keyless_per_minute.get(),
                per_month: None,
            },
            simple_fresh_ms: MINUTE_MS,
            markets_fresh_ms: MINUTE_MS,
        };
        let paid = |plan, per_minute, per_month| Self {
            plan,
            host: Host::Pro,
            keyed: Allowance {
                per_minute,
                per_month: Some(per_month),
            },
            keyless: Allowance {
                per_minute: 0,
                per_month: None,
            },
            simple_fresh_ms: 20_000,
            markets_fresh_ms: 45_000,
        };
        match plan {
            Plan::Keyless | Plan::Demo => demo,
            Plan::Basic => paid("Basic", 250, 100_000),
            Plan::Analyst => paid("Analyst", 500, 500_000),
            Plan::Lite => paid("Lite", 500, 2_000_000),
            Plan::Custom {
                per_minute,
                per_month,
            } => {
                let allowance = Allowance {
                    per_minute,
                    per_month: Some(per_month),
                };
                Self {
                    plan: "Custom",
                    keyed: allowance,
                    keyless: allowance,
                    ..demo
                }
            }
        }
    }

    /// What one caller may do.
    pub fn allowance(&self, caller: &Caller) -> Allowance {
        match caller {
            Caller::Keyless => self.keyless,
            Caller::Key(_) => self.keyed,
        }
    }
}

/// What the service's environment has to say to be on `plan`: variable and value.
pub fn service_env(plan: Plan) -> Vec<(&'static str, &'static str)> {
    match plan {
        Plan::Keyless => vec![("EXTERNAL_API_PLAN", "keyless")],
        Plan::Demo | Plan::Custom { .. } => {
            vec![("EXTERNAL_API_PLAN", "demo"), ("EXTERNAL_API_KEY", DEMO_KEY)]
        }
        Plan::Basic | Plan::Analyst | Plan::Lite => {
            vec![("EXTERNAL_API_PLAN", "pro"), ("EXTERNAL_API_KEY", PRO_KEY)]
        }
    }
}

/// The keys of one kind that are valid. Demo and Pro keys look alike, so they have to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Every key is.
    Any,
    /// These are.
    Only(Vec<String>),
}

impl Keys {
    fn admits(&self, key: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(keys) => keys.iter().any(|known| known == key),
        }
    }

    fn names(&self, key: &str) -> bool {
        matches!(self, Self::Only(_)) && self.admits(key)
    }
}

/// The keys of both kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    /// Demo keys.
    pub demo: Keys,
    /// Pro keys.
    pub pro: Keys,
}

impl Default for KeyRing {
    fn default() -> Self {
        Self {
            demo: Keys::Only(vec![DEMO_KEY.to_owned()]),
            pro: Keys::Only(vec![PRO_KEY.to_owned()]),
        }
    }
}

/// Whose calls are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Everyone without a valid key.
    Keyless,
    /// This key.
    Key(String),
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyError {
    Missing,
    ProAtPublic,
    DemoAtPro,
}

impl KeyError {
    pub(super) fn answer(self, now_ms: i64) -> ErrorAnswer {
        match self {
            Self::Missing => ErrorAnswer::key_missing(now_ms),
            Self::ProAtPublic => ErrorAnswer::pro_key_at_public_host(now_ms),
            Self::DemoAtPro => ErrorAnswer::demo_key_at_pro_host(now_ms),
        }
    }
}

/// Who calls: by header or query parameter, by the kind of key and the kind of host.
pub(super) fn identify(
    host: Host,
    ring: &KeyRing,
    headers: &http::HeaderMap,
    query: &Query,
) -> Result<Caller, KeyError> {
    let given = |header: &str, parameter: &str| {
        let header = headers
            .get(header)
            .and_then(|value| value.to_str().ok())
            .filter(|key| !key.is_empty());
        header.or_else(|| query.get(parameter)).map(str::to_owned)
    };
    let demo = given("x-cg-demo-api-key", "x_cg_demo_api_key");
    let pro = given("x-cg-pro-api-key", "x_cg_pro_api_key");
    match host {
        Host::Public if pro.is_some() => Err(KeyError::ProAtPublic),
        Host::Public => match demo {
            None => Ok(Caller::Keyless),
            Some(key) if ring.pro.names(&key) => Err(KeyError::ProAtPublic),
            Some(key) if ring.demo.admits(&key) => Ok(Caller::Key(key)),
            Some(_) => Err(KeyError::Missing),
        },
        Host::Pro => match pro {
            None if demo.is_some() => Err(KeyError::DemoAtPro),
            None => Err(KeyError::Missing),
            Some(key) if ring.demo.names(&key) => Err(KeyError::DemoAtPro),
            Some(key) if ring.pro.admits(&key) => Ok(Caller::Key(key)),
            Some(_) => Err(KeyError::Missing),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Caller {
        Caller::Key(name.to_owned())
    }

    #[test]
    fn keys_are_judged_by_kind_and_host() {
        let ring = KeyRing {
            demo: Keys::Only(vec!["CG-d".to_owned()]),
            pro: Keys::Only(vec!["CG-p".to_owned()]),
        };
        let identified = |host, header: &str, value: &str, query: &str| {
            let mut headers = http::HeaderMap::new();
            if let (Ok(name), Ok(value)) = (header.parse::<http::HeaderName>(), value.parse()) {
                headers.insert(name, value);
            }
            identify(host, &ring, &headers, &Query::parse(query))
        };
        let (demo, pro) = ("x-cg-demo-api-key", "x-cg-pro-api-key");
        assert_eq!(identified(Host::Public, "", "", ""), Ok(Caller::Keyless));
        assert_eq!(identified(Host::Public, demo, "", ""), Ok(Caller::Keyless));
        assert_eq!(identified(Host::Public, demo, "CG-d", ""), Ok(key("CG-d")));
        assert_eq!(
            identified(Host::Public, "", "", "x_cg_demo_api_key=CG-d"),
            Ok(key("CG-d"))
        );
        assert_eq!(identified(Host::Public, demo, "CG-x", ""), Err(KeyError::Missing));
        assert_eq!(
            identified(Host::Public, demo, "CG-p", ""),
            Err(KeyError::ProAtPublic)
        );
        assert_eq!(
            identified(Host::Public, pro, "CG-p", ""),
            Err(KeyError::ProAtPublic)
        );
        assert_eq!(identified(Host::Pro, pro, "CG-p", ""), Ok(key("CG-p")));
        assert_eq!(
            identified(Host::Pro, "", "", "x_cg_pro_api_key=CG-p"),
            Ok(key("CG-p"))
        );
        assert_eq!(identified(Host::Pro, "", "", ""), Err(KeyError::Missing));
        assert_eq!(identified(Host::Pro, pro, "CG-x", ""), Err(KeyError::Missing));
        assert_eq!(identified(Host::Pro, pro, "CG-d", ""), Err(KeyError::DemoAtPro));
        assert_eq!(identified(Host::Pro, demo, "CG-d", ""), Err(KeyError::DemoAtPro));
    }

    #[test]
    fn published_terms() {
        let terms = |plan| {
            let terms = Terms::of(plan);
            (
                terms.host,
                terms.keyed.per_minute,
                terms.keyed.per_month,
                terms.keyless.per_minute,
            )
        };
        assert_eq!(terms(Plan::Keyless), (Host::Public, 100, Some(10_000), 5));
        assert_eq!(terms(Plan::Demo), (Host::Public, 100, Some(10_000), 5));
        assert_eq!(terms(Plan::Basic), (Host::Pro, 250, Some(100_000), 0));
        assert_eq!(terms(Plan::Analyst), (Host::Pro, 500, Some(500_000), 0));
        assert_eq!(terms(Plan::Lite), (Host::Pro, 500, Some(2_000_000), 0));
        let custom = Plan::Custom {
            per_minute: 30,
            per_month: 7,
        };
        assert_eq!(terms(custom), (Host::Public, 30, Some(7), 30));
    }
}
