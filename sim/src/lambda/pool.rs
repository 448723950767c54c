//! The environments of a run, on the real clock: started when they are needed, used again, ended when they are not.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use service::rng::SystemRng;
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

use super::{
    cpu,
    function::Function,
    ids::uuid,
    invoke::{Invoke, Invoked},
    ordeal::Ordeals,
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
        /// The fault that left less room.
        fault: Option<u16>,
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
        /// The fault that it is to go through.
        fault: Option<u16>,
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

/// An emulated Lambda with its functions. A handle: clones are the same.
#[derive(Clone)]
pub struct Lambda(Arc<Inner>);

struct Inner {
    functions: Vec<Arc<Function>>,
    /// What each function is to faults and to the recording, `api` or `update`.
    services: Vec<&'static str>,
    ordeals: Ordeals,
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
    /// The functions of an account, each with its service (`api` or `update`) and what is reserved for it. Called within a
    /// runtime.
    ///
    /// # Errors
    /// AWS would refuse the reservations.
    pub fn new(
        account: Account,
        functions: Vec<(Function, &'static str, Option<u32>)>,
        ordeals: Ordeals,
        clock: RunClock,
        hear: Hear,
    ) -> Result<Self, TooMuchReserved> {
        let reserved: Vec<Option<u32>> = functions.iter().map(|(.., reserved)| *reserved).collect();
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
                services: functions.iter().map(|(_, service, _)| *service).collect(),
                functions: functions
                    .into_iter()
                    .map(|(function, ..)| Arc::new(function))
                    .collect(),
                ordeals,
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

    async fn place(&self, function: usize, payload: Bytes, trace_id: String) -> Result<Invoked, Throttle> {
        let inner = &self.0;
        let (answer, answered) = oneshot::channel();
        let since_start = inner.clock.wall_since_start(inner.clock.now_us());
        let room = inner.ordeals.room(since_start);
        let environment = {
            let mut state = inner.state();
            if state.is_over {
                return Err(Throttle::Account);
            }
            let count = room.map(|(_, count)| count);
            let placed = state.scaler.place(function, inner.now_us(), count);
            let (environment, is_cold) = match placed {
                Place::Warm(environment) => (environment, false),
                Place::Cold(environment) => (environment, true),
                Place::Throttled(why) => {
                    drop(state);
                    let fault = room.map(|(fault, _)| fault).filter(|_| why == Throttle::Account);
                    (inner.hear)(Happened::Throttled { function, why, fault });
                    return Err(why);
                }
            };
            let running = state.scaler.busy(function);
            let running_in_all = state.scaler.busy_in_all();
            let sandbox = state.idle.remove(&environment);
            let suffers = inner.ordeals.of_invocation(since_start, inner.services[function]);
            let invocation = Invocation {
                request_id: uuid(&SystemRng),
                trace_id,
                payload,
                ordeal: suffers.map(|(_, ordeal)| ordeal),
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
                fault: suffers.map(|(fault, _)| fault),
            });
            environment
        };
        match answered.await {
            Ok(outcome) => Ok(Invoked {
                outcome,
                environment,
                number: None,
            }),
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

impl Invoke for Lambda {
    fn invoke(
        &self,
        function: usize,
        payload: Bytes,
        trace_id: String,
    ) -> BoxFuture<'_, Result<Invoked, Throttle>> {
        self.place(function, payload, trace_id).boxed()
    }
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
