//! The world of one run in virtual time: the service's own code in one thread, on a clock that jumps.
//!
//! ```text
//! users (journeys) ──▶ router of api-0 … api-n ──▶ store (memory, or the SDK into dynoxide)
//!            schedule ──▶ update-k ──▶   │
//!                           └─────────▶ engine of the fake CoinGecko (faults)
//! ```
//! With `--via lambda` users come to the template's gateway, and behind it are environments of a modelled Lambda in the place
//! of instances; the schedule invokes a function.
//!
//! A paused tokio runtime moves its clock to the next timer whenever nothing else is left to do, so waits cost
//! nothing and everything happens in an order that depends on the scenario and the seed alone. There are no sockets,
//! no threads and no blocking calls; wall time is the scenario's `start` plus the virtual time that has passed. What
//! happens is told to the same [`Recorder`] as in real time and judged by the same judge. ARCHITECTURE.md explains
//! more.

mod api;
mod asking;
#[cfg(test)]
mod both_ways;
mod emf;
mod functions;
mod incidents;
mod lambda;
mod models;
mod parts;
mod plant;
mod pulse;
mod rng;
mod table;
mod updates;
mod upstream;
mod warnings;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use scenarios::{
    format::{
        Override, Scenario,
        model::{Fault, Target},
    },
    suites,
    within::{self, Carry, WithinPlan},
};
use service::{App, coingecko::upstream::Upstream, config::Config, http::router, rng::Rng};
use tokio::sync::watch;

use self::{
    api::{Instance, Instances, NextFiring},
    emf::RecordedEmf,
    functions::{Functions, FunctionsSpec},
    incidents::Victims,
    models::Models,
    parts::Parts,
    rng::SeededRng,
    table::Table,
    updates::Updater,
    upstream::Desk,
};
use crate::{
    clock::RunClock,
    deployed::{Deployed, monitor::Monitor},
    incidents::UpdateKills,
    record::{Recorder, Recording, Timing, event::Event},
    seed::Seed,
    world::{
        Ended, WorldError, environment, keys,
        load::ANSWER_TIMEOUT,
        occasions,
        stack::{engine, recording_setup, symbols},
    },
};

pub use crate::record::Witness;
pub use plant::Plant;
pub use pulse::Pulse;

/// How long the last answers and updates may take after the end, beyond the longest answer, virtual time.
const DRAIN: Duration = Duration::from_secs(60);

/// The stores of virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// Our own, typed and fast.
    #[default]
    Memory,
    /// The service's SDK client over an in-process connector into dynoxide.
    Embedded,
}

impl StoreKind {
    /// What a scenario is played on when nobody says otherwise: on the memory store, unless something kills the store.
    /// Then it must be on disk.
    #[must_use]
    pub fn default_of(scenario: &Scenario) -> Self {
        if crate::incidents::kill_the_store(&scenario.faults) {
            Self::Embedded
        } else {
            Self::Memory
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Embedded => "embedded",
        })
    }
}

/// What to build a virtual world from.
#[derive(Clone, Debug)]
pub struct VirtualSpec {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The run's seed.
    pub seed: Seed,
    /// The configuration that the service makes of the scenario's stack.
    pub config: Config,
    /// The store.
    pub store: StoreKind,
    /// What is deployed, when the service is played as functions.
    pub deployed: Option<Arc<Deployed>>,
    /// Settings of the service beneath the scenario's back, which `config` has in it.
    pub env: BTreeMap<String, String>,
    /// Who watches beside the recorder.
    pub witness: Option<Witness>,
    /// What is broken on purpose.
    pub plant: Option<Plant>,
    /// What the service is started with when that is not `config`: settings that switch a protection off. The run is
    /// judged by `config`.
    pub broken_config: Option<Config>,
}

impl VirtualSpec {
    /// A built-in scenario with `set` keys, on the memory store, with its own seed.
    ///
    /// # Errors
    /// There is no such scenario, or it cannot be played so; as a text.
    pub fn built_in(name: &str, set: &[(&str, String)]) -> Result<Self, String> {
        let found = suites::find(name).map_err(|problem| problem.to_string())?;
        let overrides: Vec<Override> = set
            .iter()
            .map(|(key, value)| Override {
                key: (*key).to_owned(),
                value: value.clone(),
            })
            .collect();
        let one = found.first().ok_or_else(|| format!("`{name}` is empty"))?;
        let scenario = one.parse(&overrides).map_err(|problems| problems.to_string())?;
        let config = environment::effective(&scenario.stack, &BTreeMap::new())
            .map_err(|problem| problem.to_string())?;
        Ok(Self {
            seed: Seed(scenario.seed),
            scenario: Arc::new(scenario),
            config,
            store: StoreKind::Memory,
            deployed: None,
            env: BTreeMap::new(),
            witness: None,
            plant: None,
            broken_config: None,
        })
    }

    /// The randomness of a process of the service.
    fn rng(&self, process: &str) -> Arc<dyn Rng> {
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::of(self.seed, process));
        match self.plant {
            Some(plant) => plant.rng(rng),
            None => rng,
        }
    }
}

/// What is left of a virtual world that was played.
#[derive(Debug)]
pub struct VirtualPlayed {
    /// How it ended.
    pub ended: Ended,
    /// Everything that happened.
    pub recording: Recording,
}

/// Plays a scenario to its end, or until `stop` becomes true. Keeps the calling thread busy all the while.
///
/// # Errors
/// The world cannot be built.
pub fn play(
    spec: &VirtualSpec,
    stop: watch::Receiver<bool>,
    pulse: &Pulse,
) -> Result<VirtualPlayed, WorldError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the operating system");
    let (ended, recorder) = runtime.block_on(async {
        let world = World::build(spec, pulse.clone())?;
        let recorder = world.recorder.clone();
        let _warnings = warnings::listen(world.clock, recorder.clone());
        let (table, clock) = (world.table.clone(), world.clock);
        let ended = world.play(stop).await;
        if let Ended::Complete = ended {
            recorder.record(table.audit(&clock).await);
        }
        Ok::<_, WorldError>((ended, recorder))
    })?;
    // Whatever still runs is dropped here, and may tell the recorder so.
    drop(runtime);
    Ok(VirtualPlayed {
        ended,
        recording: recorder.finish(),
    })
}

/// A built world.
struct World<'a> {
    spec: &'a VirtualSpec,
    clock: RunClock,
    recorder: Recorder,
    pulse: Pulse,
    instances: Arc<Instances>,
    /// What users talk to.
    entrance: Arc<dyn Carry>,
    /// CloudWatch, where something is deployed.
    monitor: Option<Monitor>,
    updater: Updater,
    table: Table,
    /// By load.
    keys: Vec<Vec<String>>,
}

impl<'a> World<'a> {
    fn build(spec: &'a VirtualSpec, pulse: Pulse) -> Result<Self, WorldError> {
        let scenario = &*spec.scenario;
        let clock = RunClock::paused(scenario.start.as_millisecond());
        let keys: Vec<Vec<String>> = scenario
            .loads
            .iter()
            .map(|load| keys::secrets(spec.seed, &load.name, load.keys.count))
            .collect();
        let engine = Arc::new(engine(scenario, spec.seed));
        let recorder = Recorder::new(recording_setup(
            scenario,
            &spec.config,
            (Timing::of(&clock, scenario.duration), Duration::ZERO),
            &engine,
            &keys,
            spec.deployed.as_deref(),
        ))
        .watched_by(spec.witness.clone());
        let Models {
            store: store_latency,
            coingecko,
            service,
            cold_start,
            invocation,
        } = Models::of(scenario, spec.seed);
        let (midway, killed) =
            incidents::update_killer(UpdateKills::of(&scenario.faults), clock, recorder.clone());
        let table = Table::open(spec, clock, &recorder, store_latency, &keys, midway)?;
        let mut upstream = upstream::upstream(Arc::new(Desk {
            engine,
            clock,
            recorder: recorder.clone(),
            latency: coingecko,
        }));
        let mut config = spec.broken_config.as_ref().unwrap_or(&spec.config).clone();
        if let Some(plant) = spec.plant {
            (config, upstream) = (plant.config(&config), plant.upstream(upstream));
        }
        let next_firing = NextFiring::new();
        let parts = ProcessParts {
            config,
            spec: spec.clone(),
            clock,
            table: table.clone(),
            upstream,
            recorder: recorder.clone(),
            monitor: None,
        };
        let functions = match spec.deployed.as_deref() {
            Some(deployed) => Some(Functions::of(FunctionsSpec {
                deployed,
                parts: &parts,
                keys: &keys,
                models: (cold_start, invocation),
                next_firing: &next_firing,
                pulse: &pulse,
            })?),
            None => None,
        };
        let processes = if functions.is_some() {
            0
        } else {
            scenario.stack.instances
        };
        let of_instance = parts.clone();
        let make = move |index: u32, starts: u64| {
            let process = match starts {
                0 => format!("api-{index}"),
                again => format!("api-{index}#{again}"),
            };
            router(Arc::new(of_instance.app("api", &process)))
        };
        let is_service = |fault: &Fault| fault.target() == Target::Service;
        let instances = Instances {
            instances: (0..processes)
                .map(|index| Instance::new(make(index, 0)))
                .collect(),
            are_mortal: scenario.faults.iter().any(is_service),
            make: Box::new(make),
            clock,
            service_time: service,
            next_firing: next_firing.clone(),
            pulse: pulse.clone(),
            count: AtomicU64::new(0),
        };
        let instances = Arc::new(instances);
        let (entrance, monitor, function) = match functions {
            Some(functions) => (
                functions.entrance as Arc<dyn Carry>,
                Some(functions.monitor),
                Some(functions.scheduled),
            ),
            None => (Arc::clone(&instances) as Arc<dyn Carry>, None, None),
        };
        let updater = Updater {
            parts,
            function,
            end: clock.instant_of_wall(scenario.duration),
            killed,
            next_firing,
            pulse: pulse.clone(),
        };
        Ok(Self {
            spec,
            clock,
            recorder,
            pulse,
            instances,
            entrance,
            monitor,
            updater,
            table,
            keys,
        })
    }

    async fn play(self, mut stop: watch::Receiver<bool>) -> Ended {
        let scenario = &self.spec.scenario;
        let end = self.clock.instant_of_wall(scenario.duration);
        let occasions = match occasions(scenario, self.spec.seed, self.spec.deployed.as_deref()) {
            Ok(occasions) => occasions,
            Err(error) => return Ended::Failed(error),
        };
        let mut parts = Parts::default();
        // Faults change before anything else happens at the same instant.
        let incidents = crate::incidents::incidents(&scenario.faults, scenario.stack.instances);
        if !incidents.is_empty() {
            let victims = Victims {
                clock: self.clock,
                recorder: self.recorder.clone(),
                instances: Arc::clone(&self.instances),
                table: self.table.clone(),
            };
            parts.begin("the incidents".to_owned(), victims.suffer(incidents));
        }
        // First the schedule, so that it fires before users act at the same instant.
        parts.begin("the schedule".to_owned(), self.updater.clone().fire(occasions));
        for (index, load) in scenario.loads.iter().enumerate() {
            parts.begin(format!("load `{}`", load.name), self.load(index, stop.clone()));
        }
        // An update that began just before the end may hold its lease that long.
        let alarms = async {
            match &self.monitor {
                Some(monitor) => monitor.clone().evaluate(scenario.duration).await,
                None => std::future::pending().await,
            }
        };
        let last = ANSWER_TIMEOUT.max(self.updater.parts.config.update_lease());
        let played = async {
            parts.end(end, last + DRAIN, &self.pulse).await?;
            tokio::time::sleep_until(end).await;
            Ok(())
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Ended::Interrupted,
            played = played => match played {
                Ok(()) => Ended::Complete,
                Err(error) => Ended::Failed(error),
            },
            () = alarms => Ended::Complete,
        }
    }

    /// One load, to its end. Called at the run's anchor.
    fn load(
        &self,
        index: usize,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = Result<(), WorldError>> + Send + 'static {
        let scenario = &self.spec.scenario;
        let load = u16::try_from(index).unwrap_or(u16::MAX);
        let plan = WithinPlan {
            scenario,
            load: index,
            seed: self.spec.seed.0,
            targets: match &self.monitor {
                Some(_) => 1,
                None => u16::try_from(scenario.stack.instances).unwrap_or(u16::MAX),
            },
            keys: self.keys[index].clone(),
            symbols: symbols(&self.spec.config),
            timeout: ANSWER_TIMEOUT,
        };
        let (recorder, pulse, clock) = (self.recorder.clone(), self.pulse.clone(), self.clock);
        let tell = move |line| {
            pulse.beat(clock.now_us());
            recorder.record(Event::Request { load, line });
        };
        let playing = within::play(plan, Arc::clone(&self.entrance), Arc::new(tell), stop);
        let (recorder, name) = (self.recorder.clone(), scenario.loads[index].name.clone());
        async move {
            let ended = playing.await.map_err(|error| WorldError::LoadFailed {
                load: name,
                message: error.to_string(),
            })?;
            recorder.record(Event::LoadEnded {
                load,
                sent: ended.sent,
                dropped: ended.dropped,
                cpu_us: 0,
            });
            Ok(())
        }
    }
}

/// What a process of the service is made of.
#[derive(Clone, Debug)]
struct ProcessParts {
    config: Config,
    spec: VirtualSpec,
    clock: RunClock,
    table: Table,
    upstream: Upstream,
    recorder: Recorder,
    /// CloudWatch, where something is deployed.
    monitor: Option<Monitor>,
}

impl ProcessParts {
    /// A process of this name; `service` is what its documents say it is.
    fn app(&self, service: &'static str, process: &str) -> App {
        self.app_of(self.config.clone(), service, process)
    }

    /// The same with a configuration of its own.
    fn app_of(&self, config: Config, service: &'static str, process: &str) -> App {
        let store = self.table.of(process);
        App::new(
            config,
            Arc::new(self.clock),
            match self.spec.plant {
                Some(plant) => plant.store(store),
                None => store,
            },
            self.upstream.clone(),
            self.spec.rng(process),
            Arc::new(RecordedEmf::new(
                service,
                self.clock,
                self.recorder.clone(),
                self.monitor.clone(),
            )),
        )
    }
}
