//! The world of one run in real time: store, fake CoinGecko, schedule, the service's processes and its users,
//! built from one scenario and one seed, played, and taken down again.
//!
//! ```text
//! users (load generators) ──▶ api-0 … api-n ──▶ store front ──▶ store
//!                      schedule ──▶ update-k ──▶     │
//!                                     └──────────▶ fake CoinGecko (faults)
//! ```
//! Everything that happens is recorded by the [`Recorder`] and judged afterwards.

pub mod attempts;
pub mod children;
pub mod compress;
pub mod environment;
mod incidents;
pub mod instances;
pub mod keys;
pub mod lambda;
pub mod load;
pub mod logs;
pub mod playable;
mod publication;
pub mod siblings;
pub mod stack;
pub mod updates;
pub mod usage;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::{join_all, select_all, try_join_all};
use scenarios::format::Scenario;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    clock::RunClock,
    deployed::Deployed,
    incidents::{incidents, kill_the_store},
    record::{Recorder, event::Event},
    schedule::{Occasion, Schedule},
    seed::Seed,
    store::backend::BackendError,
    world::{
        children::{ChildError, Death, Killed},
        incidents::{Backed, Victims},
        instances::Instance,
        siblings::SiblingError,
        stack::{Backing, Stack},
    },
};

pub use stack::{Remains, WorldSpec};

/// How often memory and CPU of the processes are sampled, real time.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// How often progress is told, real time.
const TICK_EVERY: Duration = Duration::from_millis(200);
/// How long the users' last answers may take after the end, beyond the longest answer, real time.
const DRAIN_BEYOND_ANSWER: Duration = Duration::from_secs(5);
/// How long the last update may go on after the end, real time.
pub(crate) const UPDATE_BEYOND_END: Duration = Duration::from_secs(5);
/// How long a process may take to end when asked to: above every bound of a request in flight.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Why a world cannot be built or played on.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A binary is missing or stale.
    #[error(transparent)]
    Sibling(#[from] SiblingError),
    /// A process could not be started.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// A process ended though it was still needed.
    #[error("{0}")]
    Died(Death),
    /// An API process did not answer.
    #[error("{name} did not answer within {within:?}; its last lines: {last_lines:?}")]
    NotReady {
        /// Which process.
        name: String,
        /// How long it was waited for.
        within: Duration,
        /// The last lines that it wrote.
        last_lines: Vec<String>,
    },
    /// The stack was not up when the scenario should have begun, even with the longest lead.
    #[error("the stack was not ready {0:?} after its parts were started: this machine is too busy")]
    TooSlow(Duration),
    /// A load generator said that it cannot go on.
    #[error("the load generator of `{load}` cannot go on: {message}")]
    LoadFailed {
        /// The load.
        load: String,
        /// What it said.
        message: String,
    },
    /// Users were still waiting long after the end.
    #[error("the load did not end within {0:?} after the scenario's end")]
    LoadStuck(Duration),
    /// The store could not be started or prepared.
    #[error("the store is not usable: {0}")]
    Store(String),
    /// The fake CoinGecko could not be started.
    #[error("the fake CoinGecko is not usable: {0}")]
    CoinGecko(String),
    /// The emulated Lambda, or its gateway, cannot be set up, or notices what AWS would pass over in silence.
    #[error("the emulated Lambda: {0}")]
    Lambda(String),
    /// What a part of a virtual play was waiting for did not come.
    #[error(
        "{within:?} of virtual time after the scenario's end {waiting} had not ended, with {} and {} under way: what they \
         wait for never comes",
        so_many(*open, "request"),
        so_many(*updating, "update")
    )]
    Deadlock {
        /// Virtual time since the scenario's end.
        within: Duration,
        /// The parts that had not ended, in words.
        waiting: String,
        /// Requests that were being answered.
        open: u64,
        /// Updates that ran.
        updating: u64,
    },
    /// Virtual time does not go on.
    #[error(
        "virtual time has stood still for {within:?} of real time, {at:?} after the scenario's start, with {} and {} under \
         way: something in there works without end; nothing was judged",
        so_many(*open, "request"),
        so_many(*updating, "update")
    )]
    TimeStandsStill {
        /// Real time without a sign of life.
        within: Duration,
        /// Virtual time since the scenario's start.
        at: Duration,
        /// Requests that were being answered.
        open: u64,
        /// Updates that ran.
        updating: u64,
    },
    /// A defect of the harness.
    #[error("the harness has a defect: {0}")]
    Internal(String),
}

impl WorldError {
    /// Something of the emulated Lambda, or of its gateway, cannot be made.
    pub(crate) fn lambda(what: &str, error: &dyn std::error::Error) -> Self {
        Self::Lambda(format!("{what}: {error}"))
    }
}

impl From<BackendError> for WorldError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Died(death) => Self::Died(death),
            error => Self::Store(error.to_string()),
        }
    }
}

fn so_many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How a play ended.
#[derive(Debug)]
pub enum Ended {
    /// The scenario was played to its end.
    Complete,
    /// Someone asked to stop.
    Interrupted,
    /// A part of the stack failed.
    Failed(WorldError),
}

impl Ended {
    /// How it ended, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        match self {
            Self::Failed(WorldError::Died(death)) => death.headline(),
            Self::Complete | Self::Interrupted | Self::Failed(_) => {
                let text = self.to_string();
                text.lines().next().unwrap_or_default().to_owned()
            }
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("played to its end"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// Where a play is.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Wall time since the scenario's start.
    pub wall: Duration,
    /// Answers that users have had so far.
    pub requests: u64,
    /// Names of the active faults.
    pub faults: Vec<String>,
}

impl Tick {
    /// Where a play of `scenario` is when so much wall time has passed.
    #[must_use]
    pub fn at(scenario: &Scenario, wall: Duration, requests: u64) -> Self {
        let active = scenario
            .faults
            .iter()
            .filter(|fault| fault.strength_at(wall) > 0.0);
        Self {
            wall: wall.min(scenario.duration),
            requests,
            faults: active.map(|fault| fault.name.clone()).collect(),
        }
    }
}

/// A built world that waits for its scenario to begin.
#[derive(Debug)]
pub struct World {
    scenario: Arc<Scenario>,
    occasions: Vec<Occasion>,
    stack: Stack,
}

/// What is left of a world that was played.
#[derive(Debug)]
pub struct Played {
    /// How it ended.
    pub ended: Ended,
    /// Processes that had to be killed because they did not end when asked to.
    pub killed: Vec<String>,
    /// The real time that the play took, without starting and stopping.
    pub took: Duration,
}

impl World {
    /// Builds everything and waits until all of it answers.
    ///
    /// # Errors
    /// What could not be built. Nothing of it is left.
    pub async fn start(spec: WorldSpec) -> Result<Self, WorldError> {
        let scenario = Arc::clone(&spec.scenario);
        let occasions = occasions(&scenario, spec.seed, spec.deployed.as_deref())?;
        let stack = Stack::start(&spec).await?;
        Ok(Self {
            scenario,
            occasions,
            stack,
        })
    }

    /// How long the stack took to its last part's first answer, real time.
    #[must_use]
    pub fn ready(&self) -> Duration {
        self.stack.ready
    }

    /// What paths are appended to, where the service is behind a gateway.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.stack.front.as_ref().map(lambda::Front::url)
    }

    /// Plays the scenario to its end, to the first failure, or until `stop` becomes true; then takes the world down
    /// in order. `tick` hears where it is, several times a second.
    pub async fn play(mut self, mut stop: watch::Receiver<bool>, tick: impl Fn(&Tick)) -> (Played, Remains) {
        let begun = Instant::now();
        let ended = self.until_the_end(&mut stop, tick).await;
        let took = begun.elapsed();
        let (killed, remains) = self.take_down().await;
        (Played { ended, killed, took }, remains)
    }

    async fn until_the_end(&mut self, stop: &mut watch::Receiver<bool>, tick: impl Fn(&Tick)) -> Ended {
        let Self {
            scenario,
            occasions,
            stack,
        } = self;
        let Stack {
            clock,
            recorder,
            instances,
            loads,
            updates,
            requests,
            backing,
            front,
            ..
        } = stack;
        let end = clock.instant_of_wall(scenario.duration);
        let samples = sample(pids(instances), *clock, recorder.clone());
        let (orders, attending): (Vec<_>, Vec<_>) = instances
            .iter_mut()
            .map(|instance| {
                let (orders, ordered) = mpsc::unbounded_channel();
                (orders, Box::pin(instance.attend(ordered)))
            })
            .unzip();
        // One that the scenario kills ends when it is to.
        let (backed, lasting) = if kill_the_store(&scenario.faults) {
            (Backed::Mortal(backing), None)
        } else {
            let backing: &Backing = backing;
            (Backed::Lasting(backing), Some(backing))
        };
        let end_of_store = async {
            match lasting {
                Some(backing) => WorldError::from(backing.store.ended().await),
                None => std::future::pending().await,
            }
        };
        let incidents = Victims {
            clock: *clock,
            recorder: recorder.clone(),
            instances: orders,
            backing: backed,
        }
        .suffer(incidents(&scenario.faults, scenario.stack.instances));
        let deaths = async {
            if attending.is_empty() {
                return std::future::pending().await;
            }
            select_all(attending).await.0
        };
        let alarms = async {
            match front {
                Some(front) => front.monitor().evaluate(scenario.duration).await,
                None => std::future::pending().await,
            }
        };
        let ticks = async {
            loop {
                tokio::time::sleep(TICK_EVERY).await;
                let wall = clock.wall_since_start(clock.now_us()).min(scenario.duration);
                tick(&Tick::at(scenario, wall, requests.load(Ordering::Relaxed)));
            }
        };
        let updates = async {
            let fired = updates.fire(occasions);
            // One that is still running then is ended; that is no failure of its own.
            tokio::time::timeout_at(end + UPDATE_BEYOND_END, fired)
                .await
                .unwrap_or(Ok(()))
        };
        let played = async {
            let drain = load::ANSWER_TIMEOUT + DRAIN_BEYOND_ANSWER;
            let loads = async {
                let all = try_join_all(loads.iter().map(load::LoadChild::played));
                tokio::time::timeout_at(end + drain, all)
                    .await
                    .map_err(|_| WorldError::LoadStuck(drain))?
            };
            let time = async {
                tokio::time::sleep_until(end).await;
                Ok(())
            };
            tokio::try_join!(loads, time, updates, incidents).map(drop)
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Ended::Interrupted,
            error = deaths => Ended::Failed(error),
            error = end_of_store => Ended::Failed(error),
            result = played => match result {
                Ok(()) => Ended::Complete,
                Err(error) => Ended::Failed(error),
            },
            () = samples => Ended::Complete,
            () = ticks => Ended::Complete,
            () = alarms => Ended::Complete,
        }
    }

    /// Users first, then updates, then the API, then what they all talk to.
    async fn take_down(self) -> (Vec<String>, Remains) {
        let Stack {
            clock,
            recorder,
            instances,
            loads,
            updates,
            front,
            backing,
            ..
        } = self.stack;
        let loads = join_all(loads.into_iter().map(|load| async {
            let name = load.name().to_owned();
            (name, load.stop(STOP_WITHIN).await)
        }))
        .await;
        updates.stop().await;
        record_usage(&pids(&instances), clock, &recorder);
        let instances = join_all(instances.into_iter().map(|instance| async {
            let name = instance.name();
            (name, instance.stop(STOP_WITHIN).await)
        }))
        .await;
        if let Some(front) = front {
            front.stop().await;
        }
        let stopped = loads.into_iter().chain(instances);
        let killed = stopped
            .filter(|(_, killed)| *killed == Killed::Yes)
            .map(|(name, _)| name)
            .collect();
        backing.audit().await;
        (killed, backing.stop().await)
    }
}

/// What becomes of the firings of a scenario's schedule, or of the rule that is deployed.
pub(crate) fn occasions(
    scenario: &Scenario,
    seed: Seed,
    deployed: Option<&Deployed>,
) -> Result<Vec<Occasion>, WorldError> {
    match deployed {
        Some(deployed) => deployed
            .occasions(scenario, seed)
            .map_err(|error| WorldError::Lambda(error.to_string())),
        None => {
            let schedule = Schedule::of(&scenario.stack, seed);
            Ok(schedule.occasions(&scenario.faults, seed, scenario.duration))
        }
    }
}

/// The name of each, and its process id at any time.
type Pids = Vec<(String, Arc<AtomicU32>)>;

fn pids(instances: &[Instance]) -> Pids {
    instances
        .iter()
        .map(|instance| (instance.name(), instance.pid()))
        .collect()
}

/// Samples for as long as it is polled.
async fn sample(processes: Pids, clock: RunClock, recorder: Recorder) {
    loop {
        record_usage(&processes, clock, &recorder);
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
}

fn record_usage(processes: &Pids, clock: RunClock, recorder: &Recorder) {
    for (process, pid) in processes {
        let pid = pid.load(Ordering::Relaxed);
        // Between two lives there is no process.
        if let Some(usage) = (pid != 0).then(|| usage::Usage::of(pid)).flatten() {
            recorder.record(Event::Memory {
                at_us: clock.now_us(),
                process: process.clone(),
                peak_rss: usage.peak_rss,
                cpu_us: usage.cpu_us,
            });
        }
    }
}
