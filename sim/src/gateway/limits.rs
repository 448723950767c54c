//! How often may be asked: keys, usage plans, the stage and the account.
//!
//! The order is AWS's (b, "How throttling limit settings are applied"): usage plan, then the stage's method, then the
//! account. Within a usage plan the quota comes before the throttle, and what is throttled does not count for the quota (c).
//! A token that was taken stays taken when a later limit refuses (c). AWS applies all of them on a best-effort basis and may
//! let more pass (b); the emulated gateway does not.

use std::collections::{BTreeMap, btree_map::Entry};

use jiff::{Timestamp, tz::Offset};

use super::error::GatewayError;
use crate::template::model::{Period, Quota, RestApi, StageThrottle, Throttle, UsagePlan};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Parts of a token, so that no rounding lets a request pass that should not.
const TOKEN: u128 = 1_000_000_000;

/// A token bucket that is refilled continuously and starts full (b: "token bucket algorithm, where a token counts for a
/// request"; c: that it starts full).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Parts of tokens.
    capacity: u128,
    /// Parts of tokens a millisecond.
    rate: u128,
    level: u128,
    at_ms: i64,
}

impl Bucket {
    pub(super) fn new(throttle: Throttle, now_ms: i64) -> Self {
        let capacity = u128::from(throttle.burst) * TOKEN;
        // Rounded down, and 0 for what is no rate; a float holds all that API Gateway takes.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and makes 0 of NaN and of what is negative"
        )]
        let rate = (throttle.rate * 1e6) as u128;
        Self {
            capacity,
            rate,
            level: capacity,
            at_ms: now_ms,
        }
    }

    /// Takes a token, if there is one. Time that goes back counts as none.
    pub(super) fn take(&mut self, now_ms: i64) -> bool {
        let elapsed = u128::from(now_ms.saturating_sub(self.at_ms).max(0).unsigned_abs());
        self.at_ms = self.at_ms.max(now_ms);
        self.level = self
            .level
            .saturating_add(elapsed.saturating_mul(self.rate))
            .min(self.capacity);
        match self.level.checked_sub(TOKEN) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }
}

/// An API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, which events carry beside its value.
    pub id: String,
    /// The usage plan that it is in, by name; a key in none opens nothing.
    pub plan: Option<String>,
    /// A key that is not opens nothing (a).
    pub is_enabled: bool,
}

/// The API keys of the account, by value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, ApiKey>);

impl Keys {
    /// No keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key. AWS takes values of 20 to 128 characters (b), which is not asked here.
    ///
    /// # Errors
    /// The value is empty, or another key has it.
    pub fn add(&mut self, value: impl Into<String>, key: ApiKey) -> Result<(), GatewayError> {
        let value = value.into();
        let place = format!("API key {}", key.id);
        if value.is_empty() {
            return Err(GatewayError::new(place, "its value is empty", "give it one"));
        }
        match self.0.entry(value) {
            Entry::Vacant(vacant) => {
                vacant.insert(key);
                Ok(())
            }
            Entry::Occupied(other) => Err(GatewayError::new(
                place,
                format!("it has the same value as API key {}", other.get().id),
                "leave out one: to API Gateway they are the same key",
            )),
        }
    }
}

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No key, or none that opens this stage.
    Key,
    /// The key's quota is used up.
    Quota,
    /// A bucket is empty.
    Throttle,
}

/// All limits, with what was used of them.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    plans: Vec<UsagePlan>,
    holders: BTreeMap<String, Holder>,
    /// By place of the method; none = not limited by the stage.
    stage: Vec<Option<Bucket>>,
    account: Bucket,
    started_ms: i64,
}

/// A key and what was used of its plan.
#[derive(Clone, Debug)]
struct Holder {
    id: String,
    /// Place of the plan.
    plan: Option<usize>,
    /// By place of the method (b: a usage plan's throttle is "a per-method throttling target for all methods").
    buckets: BTreeMap<usize, Bucket>,
    /// Period and requests in it.
    used: (i64, u64),
}

impl Limits {
    /// The limits of an API, all unused.
    ///
    /// # Errors
    /// A key names a plan, or a stage's throttle a method, that the API does not have.
    pub(super) fn new(
        api: &RestApi,
        keys: Keys,
        account: Throttle,
        started_ms: i64,
    ) -> Result<Self, GatewayError> {
        let plans = api.usage_plans.clone();
        let mut holders = BTreeMap::new();
        for (value, key) in keys.0 {
            let plan = match &key.plan {
                None => None,
                Some(name) => Some(plans.iter().position(|plan| plan.name == *name).ok_or_else(|| {
                    GatewayError::new(
                        format!("API key {}", key.id),
                        format!("the API's stage has no usage plan `{name}`"),
                        "name one of its plans, or none for a key that opens nothing",
                    )
                })?),
            };
            let holder = Holder {
                id: key.id,
                plan: plan.filter(|_| key.is_enabled),
                buckets: BTreeMap::new(),
                used: (i64::MIN, 0),
            };
            holders.insert(value, holder);
        }
        for throttle in &api.stage_throttles {
            let is_for = |method: &crate::template::model::Method| {
                rank(throttle, &method.resource, &method.http_method).is_some()
            };
            if !api.methods.iter().any(is_for) {
                return Err(GatewayError::new(
                    format!("stage throttle of {} {}", throttle.http_method, throttle.resource),
                    "the API has no such method",
                    "name one of its methods, or * for all",
                ));
            }
        }
        // Each method has a bucket of its own, whatever set its size (b: stage limits "are applied at the API method
        // level"; the console says that "each method in this stage will respect these rate and burst settings").
        let stage = api
            .methods
            .iter()
            .map(|method| {
                let ranked = api.stage_throttles.iter().filter_map(|throttle| {
                    Some((
                        rank(throttle, &method.resource, &method.http_method)?,
                        throttle.throttle,
                    ))
                });
                let chosen = ranked.max_by_key(|(rank, _)| *rank);
                chosen.map(|(_, throttle)| Bucket::new(throttle, started_ms))
            })
            .collect();
        Ok(Self {
            plans,
            holders,
            stage,
            account: Bucket::new(account, started_ms),
            started_ms,
        })
    }

    /// The id of the key that a request shows, when the key's plan lets the request pass; it counts.
    pub(super) fn admit_key(
        &mut self,
        value: Option<&str>,
        method: usize,
        now_ms: i64,
    ) -> Result<&str, Refusal> {
        let holder = value
            .and_then(|value| self.holders.get_mut(value))
            .ok_or(Refusal::Key)?;
        let plan = holder.plan.and_then(|plan| self.plans.get(plan));
        let plan = plan.ok_or(Refusal::Key)?;
        if let Some(quota) = plan.quota {
            let period = period(quota.period, now_ms);
            if holder.used.0 != period {
                holder.used = (period, 0);
            }
            if holder.used.1 >= allowed(quota, period, self.started_ms) {
                return Err(Refusal::Quota);
            }
        }
        if let Some(throttle) = plan.throttle {
            let bucket = holder.buckets.entry(method);
            let bucket = bucket.or_insert_with(|| Bucket::new(throttle, now_ms));
            if !bucket.take(now_ms) {
                return Err(Refusal::Throttle);
            }
        }
        holder.used.1 += 1;
        Ok(&holder.id)
    }

    /// Whether stage and account let a request pass; it counts.
    pub(super) fn admit(&mut self, method: usize, now_ms: i64) -> Result<(), Refusal> {
        let stage = self.stage.get_mut(method).and_then(Option::as_mut);
        let passes = stage.is_none_or(|bucket| bucket.take(now_ms)) && self.account.take(now_ms);
        if passes { Ok(()) } else { Err(Refusal::Throttle) }
    }
}

/// How specific a stage's throttle is to a method; nothing when it is for others.
fn rank(throttle: &StageThrottle, resource: &str, http_method: &str) -> Option<u8> {
    let fits = |setting: &str, value: &str| match setting {
        "*" | "/*" => Some(false),
        setting if setting == value => Some(true),
        _ => None,
    };
    let resource = fits(&throttle.resource, resource)?;
    let http_method = fits(&throttle.http_method, http_method)?;
    Some(2 * u8::from(resource) + u8::from(http_method))
}

/// How many requests a quota has in a period. The offset is taken off in the first one (b), which is the one that the run
/// starts in (c).
fn allowed(quota: Quota, in_period: i64, started_ms: i64) -> u64 {
    if in_period == period(quota.period, started_ms) {
        quota.limit.saturating_sub(quota.offset)
    } else {
        quota.limit
    }
}

/// The number of a period, in UTC (c: AWS does not say in which time zone; days are UTC's in its reports).
fn period(period: Period, now_ms: i64) -> i64 {
    let day = now_ms.div_euclid(DAY_MS);
    match period {
        Period::Day => day,
        // 1970-01-01 was a Thursday; weeks begin on Sundays (b).
        Period::Week => (day + 4).div_euclid(7),
        Period::Month => {
            let at = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
            let date = Offset::UTC.to_datetime(at).date();
            i64::from(date.year()) * 12 + i64::from(date.month())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let throttle = Throttle { rate: 2.0, burst: 3 };
        let mut bucket = Bucket::new(throttle, 1_000);
        let mut taken = |now_ms| bucket.take(now_ms);
        assert_eq!([1_000; 4].map(&mut taken), [true, true, true, false]);
        assert!(!taken(1_499));
        assert!(taken(1_500));
        // Back in time: nothing comes, nothing is lost.
        assert!(!taken(0));
        assert!(taken(2_000));
        assert_eq!([1_000_000; 4].map(&mut taken), [true, true, true, false]);
    }

    #[test]
    fn a_slow_rate_and_none_at_all() {
        let mut slow = Bucket::new(
            Throttle {
                rate: 0.001,
                burst: 1,
            },
            0,
        );
        assert!(slow.take(0) && !slow.take(999_999) && slow.take(1_000_000));
        let mut closed = Bucket::new(Throttle { rate: 5.0, burst: 0 }, 0);
        assert!(!closed.take(i64::MAX));
        let mut broken = Bucket::new(
            Throttle {
                rate: f64::NAN,
                burst: 1,
            },
            0,
        );
        assert!(broken.take(0) && !broken.take(i64::MAX));
    }

    proptest! {
        /// In no span of time does a bucket give more than its burst and what came in since.
        #[test]
        fn a_bucket_never_gives_too_much(
            rate in 0.0..2_000.0_f64,
            burst in 0_u32..50,
            steps in prop::collection::vec((0_i64..400, 1_usize..8), 1..80),
        ) {
            let mut bucket = Bucket::new(Throttle { rate, burst }, 0);
            let mut now_ms = 0;
            let mut given = Vec::new();
            for (step, requests) in steps {
                now_ms += step;
                for _ in 0..requests {
                    if bucket.take(now_ms) {
                        given.push(now_ms);
                    }
                }
            }
            for (first, from) in given.iter().enumerate() {
                for (last, until) in given.iter().enumerate().skip(first) {
                    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                    let (count, span) = ((last - first + 1) as f64, (until - from) as f64 / 1000.0);
                    prop_assert!(count <= f64::from(burst) + rate * span + 1e-6, "{count} in {span} s");
                }
            }
        }

        /// Whoever keeps to the rate is never refused.
        #[test]
        fn a_steady_client_is_never_throttled(per_second in 1_u32..1_000, burst in 1_u32..20) {
            let mut bucket = Bucket::new(Throttle { rate: f64::from(per_second), burst }, 0);
            let every_ms = i64::from(1_000_u32.div_ceil(per_second));
            for request in 0..200 {
                prop_assert!(bucket.take(request * every_ms));
            }
        }
    }

    #[test]
    fn periods_change_at_midnight_sunday_and_on_the_first() {
        let same = |kind, left: &str, right: &str| period(kind, ms(left)) == period(kind, ms(right));
        assert!(same(
            Period::Day,
            "2026-04-09T00:00:00Z",
            "2026-04-09T23:59:59.999Z"
        ));
        assert!(!same(
            Period::Day,
            "2026-04-09T23:59:59.999Z",
            "2026-04-10T00:00:00Z"
        ));
        // 2026-04-12 is a Sunday.
        assert!(same(Period::Week, "2026-04-05T00:00:00Z", "2026-04-11T23:59:59Z"));
        assert!(!same(
            Period::Week,
            "2026-04-11T23:59:59Z",
            "2026-04-12T00:00:00Z"
        ));
        assert!(same(
            Period::Month,
            "2026-04-01T00:00:00Z",
            "2026-04-30T23:59:59Z"
        ));
        assert!(!same(
            Period::Month,
            "2026-04-30T23:59:59Z",
            "2026-05-01T00:00:00Z"
        ));
        assert!(!same(
            Period::Month,
            "2026-04-01T00:00:00Z",
            "2025-04-01T00:00:00Z"
        ));
    }

    #[test]
    fn an_offset_counts_in_the_first_period_only() {
        let quota = Quota {
            limit: 10,
            period: Period::Day,
            offset: 4,
        };
        let start = ms("2026-04-09T12:00:00Z");
        assert_eq!(allowed(quota, period(Period::Day, start), start), 6);
        assert_eq!(allowed(quota, period(Period::Day, start + DAY_MS), start), 10);
    }
}
