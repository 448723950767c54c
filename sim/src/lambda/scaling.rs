//! Which environment an invocation gets, and when there is none: Lambda's scaling, without processes or clocks.
//!
//! Times are µs on the clock of whoever asks: wall time on the real clock, virtual time in virtual time.
//!
//! - One invocation at a time in an environment; the one that was used last is used next (assumed: so that idle ones can
//!   expire).
//! - An account runs so many at the same time; what is reserved for a function is taken off from all others, and is its own
//!   limit, too. (Documented: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>.)
//! - A function gets at most 1,000 new environments in 10 s, refilled continuously and never more than that. (Documented:
//!   <https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html>.)
//! - An idle environment is ended after a while that AWS does not tell (assumed: ten minutes).

use std::{collections::BTreeMap, time::Duration};

/// What an account allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    /// Invocations at the same time.
    pub concurrency: u32,
    /// New environments that a function may have at once.
    pub burst: u32,
    /// In how long that many more are allowed.
    pub refill: Duration,
    /// How long an environment may be idle.
    pub keep_alive: Duration,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            concurrency: 1000,
            burst: 1000,
            refill: Duration::from_secs(10),
            keep_alive: Duration::from_secs(600),
        }
    }
}

/// An environment: its number in this run.
pub type EnvironmentId = u32;

/// What an invocation gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An environment that waits.
    Warm(EnvironmentId),
    /// A new one.
    Cold(EnvironmentId),
    /// None: 429.
    Throttled(Throttle),
}

/// Why there is no environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Throttle {
    /// As many run as are reserved for the function.
    Reserved,
    /// As many run as the account allows, less what is reserved for others.
    Account,
    /// Too many new ones within a short time.
    Rate,
}

impl Throttle {
    /// `Reason` of Lambda's answer. (The first is recorded; the others are from AWS's API reference.)
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Self::Account => "ConcurrentInvocationLimitExceeded",
            Self::Rate => "CallerRateLimitExceeded",
        }
    }
}

/// Why functions cannot be scaled like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reserved} of the account's {concurrency} concurrent invocations are reserved, and AWS keeps 100 for functions without a \
     reservation; reserve fewer"
)]
pub struct TooMuchReserved {
    reserved: u64,
    concurrency: u32,
}

/// What AWS keeps unreserved. (Documented, as above.)
const UNRESERVED: u64 = 100;

/// The environments of an account's functions.
#[derive(Clone, Debug)]
pub struct Scaler {
    account: Account,
    functions: Vec<Scaled>,
    next: EnvironmentId,
    of: BTreeMap<EnvironmentId, usize>,
}

#[derive(Clone, Debug)]
struct Scaled {
    reserved: Option<u32>,
    /// Those that wait, and since when; the last one was used last.
    idle: Vec<(EnvironmentId, u64)>,
    busy: u32,
    /// New environments that are allowed now.
    budget: f64,
    refilled_us: u64,
}

impl Scaler {
    /// No environment yet; `reserved` is what each function has for itself.
    ///
    /// # Errors
    /// AWS would refuse the reservations.
    pub fn new(account: Account, reserved: &[Option<u32>]) -> Result<Self, TooMuchReserved> {
        let sum: u64 = reserved.iter().flatten().map(|count| u64::from(*count)).sum();
        if sum > 0 && sum + UNRESERVED > u64::from(account.concurrency) {
            return Err(TooMuchReserved {
                reserved: sum,
                concurrency: account.concurrency,
            });
        }
        let scaled = |reserved: &Option<u32>| Scaled {
            reserved: *reserved,
            idle: Vec::new(),
            busy: 0,
            budget: f64::from(account.burst),
            refilled_us: 0,
        };
        Ok(Self {
            account,
            functions: reserved.iter().map(scaled).collect(),
            next: 0,
            of: BTreeMap::new(),
        })
    }

    /// An environment for an invocation of a function; `room` is what others leave of the account's concurrency for now.
    pub fn place(&mut self, function: usize, now_us: u64, room: Option<u32>) -> Place {
        let is_reserved = |scaled: &&Scaled| scaled.reserved.is_some();
        let reserved: u32 = self.functions.iter().filter_map(|scaled| scaled.reserved).sum();
        let shared: u32 = self
            .functions
            .iter()
            .filter(|scaled| !is_reserved(scaled))
            .map(|scaled| scaled.busy)
            .sum();
        let (account, next) = (self.account, self.next);
        let concurrency = room.map_or(account.concurrency, |room| room.min(account.concurrency));
        let Some(scaled) = self.functions.get_mut(function) else {
            return Place::Throttled(Throttle::Account);
        };
        match scaled.reserved {
            Some(reserved) if scaled.busy >= reserved => return Place::Throttled(Throttle::Reserved),
            None if shared >= concurrency.saturating_sub(reserved) => {
                return Place::Throttled(Throttle::Account);
            }
            _ => {}
        }
        scaled.refill(&account, now_us);
        let keeps_us = account.keep_alive.as_micros() as u64;
        let lives = |since_us: u64| now_us.saturating_sub(since_us) < keeps_us;
        if let Some((environment, _)) = scaled.idle.pop_if(|(_, since_us)| lives(*since_us)) {
            scaled.busy += 1;
            return Place::Warm(environment);
        }
        if scaled.budget < 1.0 {
            return Place::Throttled(Throttle::Rate);
        }
        scaled.budget -= 1.0;
        scaled.busy += 1;
        self.next += 1;
        self.of.insert(next, function);
        Place::Cold(next)
    }

    /// An invocation has ended; its environment waits for another, or is gone.
    pub fn free(&mut self, environment: EnvironmentId, now_us: u64, lives: bool) {
        let Some(scaled) = self
            .of
            .get(&environment)
            .and_then(|function| self.functions.get_mut(*function))
        else {
            return;
        };
        scaled.busy = scaled.busy.saturating_sub(1);
        if lives {
            scaled.idle.push((environment, now_us));
        } else {
            self.of.remove(&environment);
        }
    }

    /// Ends those that have been idle for too long, and tells which.
    pub fn expire(&mut self, now_us: u64) -> Vec<EnvironmentId> {
        let keeps_us = self.account.keep_alive.as_micros() as u64;
        let mut expired = Vec::new();
        for scaled in &mut self.functions {
            scaled.idle.retain(|(environment, since_us)| {
                let lives = now_us.saturating_sub(*since_us) < keeps_us;
                if !lives {
                    expired.push(*environment);
                }
                lives
            });
        }
        for environment in &expired {
            self.of.remove(environment);
        }
        expired
    }

    /// How many invocations of all functions run now.
    #[must_use]
    pub fn busy_in_all(&self) -> u32 {
        self.functions.iter().map(|scaled| scaled.busy).sum()
    }

    /// How many invocations of a function run now.
    #[must_use]
    pub fn busy(&self, function: usize) -> u32 {
        self.functions.get(function).map_or(0, |scaled| scaled.busy)
    }
}

impl Scaled {
    fn refill(&mut self, account: &Account, now_us: u64) {
        let passed = now_us.saturating_sub(self.refilled_us) as f64 / 1e6;
        let per_second = f64::from(account.burst) / account.refill.as_secs_f64();
        self.budget = (self.budget + passed * per_second).min(f64::from(account.burst));
        self.refilled_us = self.refilled_us.max(now_us);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn scaler(reserved: &[Option<u32>]) -> Scaler {
        Scaler::new(Account::default(), reserved).expect("AWS allows it")
    }

    #[test]
    fn the_environment_that_was_used_last_is_used_next() {
        let mut scaler = scaler(&[None]);
        let placed = [scaler.place(0, 0, None), scaler.place(0, 0, None)];
        assert_eq!(placed, [Place::Cold(0), Place::Cold(1)]);
        scaler.free(1, 1, true);
        scaler.free(0, 2, true);
        assert_eq!(scaler.place(0, 3, None), Place::Warm(0));
        scaler.free(0, 4, false);
        assert_eq!(
            scaler.place(0, 5, None),
            Place::Warm(1),
            "a dead one is not used again"
        );
        assert_eq!(scaler.place(0, 5, None), Place::Cold(2));
    }

    #[test]
    fn an_idle_environment_is_ended_after_a_while() {
        let mut scaler = scaler(&[None]);
        scaler.place(0, 0, None);
        scaler.free(0, SECOND, true);
        assert!(scaler.expire(600 * SECOND).is_empty());
        assert_eq!(
            scaler.place(0, 601 * SECOND, None),
            Place::Cold(1),
            "nobody has looked, and it is too old"
        );
        assert_eq!(scaler.expire(601 * SECOND), [0]);
    }

    #[test]
    fn what_is_reserved_limits_the_function_and_is_taken_from_others() {
        let account = Account {
            concurrency: 110,
            ..Account::default()
        };
        let mut scaler = Scaler::new(account, &[Some(1), None]).expect("109 are left");
        assert_eq!(scaler.place(0, 0, None), Place::Cold(0));
        assert_eq!(scaler.place(0, 0, None), Place::Throttled(Throttle::Reserved));
        let placed = (0..110)
            .filter(|_| matches!(scaler.place(1, 0, None), Place::Cold(_)))
            .count();
        assert_eq!(placed, 109);
        assert_eq!(scaler.place(1, 0, None), Place::Throttled(Throttle::Account));
        assert_eq!((scaler.busy(0), scaler.busy(1)), (1, 109));
        let refused = Scaler::new(account, &[Some(11)]).expect_err("too much");
        insta::assert_snapshot!(refused, @"11 of the account's 110 concurrent invocations are reserved, and AWS keeps 100 for functions without a reservation; reserve fewer");
    }

    #[test]
    fn new_environments_come_at_a_rate() {
        let account = Account {
            concurrency: 5000,
            ..Account::default()
        };
        let mut scaler = Scaler::new(account, &[None]).expect("nothing is reserved");
        let cold = |scaler: &mut Scaler, at_us| {
            (0..3000)
                .filter(|_| matches!(scaler.place(0, at_us, None), Place::Cold(_)))
                .count()
        };
        assert_eq!(cold(&mut scaler, 0), 1000);
        assert_eq!(scaler.place(0, 0, None), Place::Throttled(Throttle::Rate));
        assert_eq!(cold(&mut scaler, SECOND), 100);
        assert_eq!(
            cold(&mut scaler, 60 * SECOND),
            1000,
            "what is not used is not saved up"
        );
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_passed_and_no_environment_runs_two(
            steps in prop::collection::vec((0..2usize, 0..4u8, 0..2_000_000u64), 1..400)
        ) {
            let account = Account { concurrency: 120, burst: 8, ..Account::default() };
            let mut scaler = Scaler::new(account, &[Some(3), None]).expect("117 are left");
            let (mut now, mut running) = (0, Vec::new());
            for (function, action, passed) in steps {
                now += passed;
                if action < 3 {
                    match scaler.place(function, now, None) {
                        Place::Warm(environment) | Place::Cold(environment) => {
                            prop_assert!(!running.contains(&(function, environment)));
                            running.push((function, environment));
                        }
                        Place::Throttled(_) => {}
                    }
                } else if let Some((_, environment)) = running.pop() {
                    scaler.free(environment, now, passed % 2 == 0);
                }
                let of = |wanted| running.iter().filter(|(function, _)| *function == wanted).count();
                prop_assert!(of(0) <= 3 && of(1) <= 117);
                prop_assert_eq!((scaler.busy(0) as usize, scaler.busy(1) as usize), (of(0), of(1)));
            }
        }
    }
}
