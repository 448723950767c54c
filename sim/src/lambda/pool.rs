//! The environments of a run, on the real clock: started when they are needed, used again, ended when they are not.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use service::rng::{Rng, SystemRng};
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

use super::{
    cpu,
    function::Function,
    outcome::Outcome,
    report::Report,
    sandbox::{Invocation, Log, Sandbox},
    scaling::{Account, EnvironmentId, Place, Scaler, Throttle, TooMuchReserved},
};
use crate::clock::RunClock;

/// How often idle environments are looked at, real time.
const EXPIRE_EVERY: Duration = Duration::from_millis(500);

/// Something that happened in Lambda.
#[derive(Clone, Debug)]
pub enum Happened {
    /// An invocation got no environment.
    Throttled {
        /// Which function, by its place.
        function: usize,
        /// Why.
        why: Throttle,
    },
    /// An invocation begins; how many run now.
    Began {
        /// Which function, by its place.
        function: usize,
        /// In which environment.
        environment: EnvironmentId,
        /// Whether it is a new one.
        is_cold: bool,
        /// With this one.
        running: u32,
        /// Of all functions.
        running_in_all: u32,
    },
    /// An invocation has ended.
    Ended {
        /// Which function, by its place.
        function: usize,
        /// In which environment.
        environment: EnvironmentId,
        /// Its figures.
        report: Report,
        /// What its caller got.
        outcome: Outcome,
    },
    /// An environment was ended because it was idle for long.
    Expired(EnvironmentId),
    /// A line of the function's log.
    Line {
        /// Which function, by its place.
        function: usize,
        /// Of which environment.
        environment: EnvironmentId,
        /// Whether the function wrote it, or Lambda about it.
        by_function: bool,
        /// The line.
        line: String,
    },
}

/// Hears of what happens, in order for each environment.
pub type Hear = Arc<dyn Fn(Happened) + Send + Sync>;

/// What a caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// What came of it.
    pub outcome: Outcome,
    /// In which environment it was.
    pub environment: EnvironmentId,
}

/// An emulated Lambda with its functions. A handle: clones are the same.
#[derive(Clone)]
pub struct Lambda(Arc<Inner>);

struct Inner {
    functions: Vec<Arc<Function>>,
    clock: RunClock,
    hear: Hear,
    state: Mutex<State>,
    reaper: AbortHandle,
}

struct State {
    scaler: Scaler,
    idle: BTreeMap<EnvironmentId, Sandbox>,
    running: JoinSet<()>,
    is_over: bool,
}

impl Lambda {
    /// The functions of an account, each with what is reserved for it. Called within a runtime.
    ///
    /// # Errors
    /// AWS would refuse the reservations.
    pub fn new(
        account: Account,
        functions: Vec<(Function, Option<u32>)>,
        clock: RunClock,
        hear: Hear,
    ) -> Result<Self, TooMuchReserved> {
        let reserved: Vec<Option<u32>> = functions.iter().map(|(_, reserved)| *reserved).collect();
        let scaler = Scaler::new(account, &reserved)?;
        Ok(Self(Arc::new_cyclic(|this: &std::sync::Weak<Inner>| {
            let this = this.clone();
            let reaper = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(EXPIRE_EVERY).await;
                    let Some(inner) = this.upgrade() else { return };
                    inner.expire().await;
                }
            });
            Inner {
                functions: functions
                    .into_iter()
                    .map(|(function, _)| Arc::new(function))
                    .collect(),
                clock,
                hear,
                state: Mutex::new(State {
                    scaler,
                    idle: BTreeMap::new(),
                    running: JoinSet::new(),
                    is_over: false,
                }),
                reaper: reaper.abort_handle(),
            }
        })))
    }

    /// Invokes a function, by its place, and waits for its answer. It goes on when nobody waits any more.
    ///
    /// # Errors
    /// There is no room for it.
    pub async fn invoke(
        &self,
        function: usize,
        payload: Bytes,
        trace_id: String,
    ) -> Result<Invoked, Throttle> {
        let inner = &self.0;
        let (answer, answered) = oneshot::channel();
        let environment = {
            let mut state = inner.state();
            if state.is_over {
                return Err(Throttle::Account);
            }
            let placed = state.scaler.place(function, inner.now_us());
            let (environment, is_cold) = match placed {
                Place::Warm(environment) => (environment, false),
                Place::Cold(environment) => (environment, true),
                Place::Throttled(why) => {
                    drop(state);
                    (inner.hear)(Happened::Throttled { function, why });
                    return Err(why);
                }
            };
            let running = state.scaler.busy(function);
            let running_in_all = state.scaler.busy_in_all();
            let sandbox = state.idle.remove(&environment);
            let invocation = Invocation {
                request_id: uuid(&SystemRng),
                trace_id,
                payload,
            };
            let work = Arc::clone(inner).run(function, environment, sandbox, invocation, answer);
            state.running.spawn(work);
            // Those that have ended are forgotten.
            while state.running.try_join_next().is_some() {}
            drop(state);
            (inner.hear)(Happened::Began {
                function,
                environment,
                is_cold,
                running,
                running_in_all,
            });
            environment
        };
        match answered.await {
            Ok(outcome) => Ok(Invoked { outcome, environment }),
            // The run is over, or an environment could not be made.
            Err(_) => Err(Throttle::Account),
        }
    }

    /// Ends all environments; what runs in them is cut off.
    pub async fn stop(self) {
        let mut running = {
            let mut state = self.0.state();
            state.is_over = true;
            std::mem::take(&mut state.running)
        };
        self.0.reaper.abort();
        running.shutdown().await;
        // Only now, since what ran may have become idle meanwhile.
        let idle = std::mem::take(&mut self.0.state().idle);
        for (_, mut sandbox) in idle {
            sandbox.end().await;
        }
        // Those that were running have been dropped by now, and killed with that.
        cpu::tidy().await;
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wall time, µs.
    fn now_us(&self) -> u64 {
        self.clock.wall_since_start(self.clock.now_us()).as_micros() as u64
    }

    async fn run(
        self: Arc<Self>,
        function: usize,
        environment: EnvironmentId,
        sandbox: Option<Sandbox>,
        invocation: Invocation,
        answer: oneshot::Sender<Outcome>,
    ) {
        let made = match sandbox {
            Some(sandbox) => Ok(sandbox),
            None => self.make(function, environment).await,
        };
        let Ok(mut sandbox) = made else {
            self.state().scaler.free(environment, self.now_us(), false);
            return;
        };
        let (report, outcome) = sandbox.invoke(invocation, answer).await;
        {
            let mut state = self.state();
            state.scaler.free(environment, self.now_us(), true);
            state.idle.insert(environment, sandbox);
        }
        (self.hear)(Happened::Ended {
            function,
            environment,
            report,
            outcome,
        });
    }

    async fn make(&self, function: usize, environment: EnvironmentId) -> std::io::Result<Sandbox> {
        let line = |by_function| {
            let hear = Arc::clone(&self.hear);
            Arc::new(move |line: &str| {
                hear(Happened::Line {
                    function,
                    environment,
                    by_function,
                    line: line.to_owned(),
                });
            })
        };
        let log = Log {
            function: line(true),
            platform: line(false),
        };
        let stream = format!("[$LATEST]{environment:032x}");
        Sandbox::new(Arc::clone(&self.functions[function]), log, stream).await
    }

    async fn expire(&self) {
        let ended: Vec<(EnvironmentId, Option<Sandbox>)> = {
            let mut state = self.state();
            let expired = state.scaler.expire(self.now_us());
            expired
                .into_iter()
                .map(|environment| (environment, state.idle.remove(&environment)))
                .collect()
        };
        for (environment, sandbox) in ended {
            if let Some(mut sandbox) = sandbox {
                sandbox.end().await;
            }
            (self.hear)(Happened::Expired(environment));
        }
    }
}

/// A random UUID (RFC 9562, version 4).
#[must_use]
pub fn uuid(rng: &dyn Rng) -> String {
    let bits = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    let bits = bits & !(0xf << 76) | 4 << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// As X-Ray writes one that is not sampled, of a request that came at `unix_s`.
#[must_use]
pub fn trace_id(rng: &dyn Rng, unix_s: i64) -> String {
    let (root, more, parent) = (rng.next_u64(), rng.next_u64() as u32, rng.next_u64());
    format!("Root=1-{unix_s:08x}-{root:016x}{more:08x};Parent={parent:016x};Sampled=0")
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .0
            .functions
            .iter()
            .map(|function| function.name.as_str())
            .collect();
        f.debug_tuple("Lambda").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use service::rng::SystemRng;

    use super::*;

    #[test]
    fn ids_are_those_of_their_standards() {
        let uuid = uuid(&SystemRng);
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert!(trace_id(&SystemRng, 1_772_409_600).starts_with("Root=1-69a4d300-"));
    }
}
