//! The stack of a world: its parts, started in order and ready before the scenario begins.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use futures_util::{FutureExt, future::try_join_all};
use scenarios::{
    format::{
        Scenario,
        model::{self, Target},
    },
    wire::LoadPlan,
};
use service::{clock::SystemClock, config::Config, store::dynamo::DynamoStore};
use tokio::time::Instant;

use crate::{
    audit::Ledger,
    clock::RunClock,
    cloudwatch::running::AlarmAbout,
    coingecko::{
        Engine, EngineConfig, MountedCoinGecko, PublicationLog, Terms, limits::KeyRing, mount, mount::HERE,
    },
    deployed::Deployed,
    faults::{Timeline, Touches},
    incidents::UpdateKills,
    lambda::ordeal::Ordeals,
    record::{Recorder, RecordingSetup, Timing, View, Witness, event::Event},
    seed::Seed,
    store::{
        backend::{Backend, BackendError, Contents, StoreAbout, StoreSpec, Tell},
        cost::FrontCost,
        faults::StoreFaults,
        front::{FrontRules, FrontSabotage, StoreFront},
        midway::Midway,
        table,
    },
    world::{
        WorldError,
        attempts::Unseen,
        environment::{self, Endpoints},
        instances::{Instance, Recipe},
        keys,
        lambda::{Front, FrontSpec},
        load::{ANSWER_TIMEOUT, LoadChild},
        siblings::Siblings,
        updates::{Killer, Runner, Updater, Updates},
    },
};

/// How long before the scenario's start the parts are started, real time. When that was not enough (a busy
/// machine), all is taken down and started again with the next.
const LEADS: [Duration; 4] = [
    Duration::from_millis(400),
    Duration::from_millis(1500),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// How long the store may take for a request of the audit, real time.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(10);

/// What to build a world from.
#[derive(Clone, Debug)]
pub struct WorldSpec {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The run's seed.
    pub seed: Seed,
    /// Wall seconds per real second.
    pub speed: u32,
    /// The checked binaries.
    pub siblings: Siblings,
    /// What is deployed, when the service is played as it ships, and not as processes.
    pub deployed: Option<Arc<Deployed>>,
    /// Whether the scenario's users come.
    pub has_users: bool,
    /// Settings of the service beneath the scenario's back.
    pub env: BTreeMap<String, String>,
    /// The configuration that the service makes of all that.
    pub config: Config,
    /// What it is played on.
    pub store: StoreSpec,
    /// What the store front breaks on purpose.
    pub sabotage: FrontSabotage,
    /// Who watches beside the recorder.
    pub witness: Option<Witness>,
    /// Who hears each line of the functions' logs: theirs, and Lambda's about them.
    pub logs: Tell,
}

/// Everything of a world that runs.
#[derive(Debug)]
pub struct Stack {
    /// The run's clock.
    pub clock: RunClock,
    /// Where everything that happens goes.
    pub recorder: Recorder,
    /// How many answers users have had.
    pub requests: Arc<AtomicU64>,
    /// From the first part's start to the last instance's first answer, real time.
    pub ready: Duration,
    pub(super) instances: Vec<Instance>,
    /// The gateway and what is behind it, when the service is played as it ships: then there are no instances.
    pub(super) front: Option<Front>,
    pub(super) loads: Vec<LoadChild>,
    pub(super) updates: Updates,
    pub(super) backing: Backing,
}

/// What the service talks to.
#[derive(Debug)]
pub(super) struct Backing {
    clock: RunClock,
    recorder: Recorder,
    ready: Duration,
    engine: Arc<Engine>,
    coingecko: MountedCoinGecko,
    pub(super) front: StoreFront,
    ledger: Ledger,
    config: Config,
    pub(super) store: Backend,
}

/// What a world that was taken down leaves behind.
#[derive(Debug)]
pub struct Remains {
    /// The run's clock.
    pub clock: RunClock,
    /// Everything that happened.
    pub recorder: Recorder,
    /// What CoinGecko published when.
    pub publication: PublicationLog,
    /// How often each fault touched something.
    pub touches: Vec<Touches>,
    /// What the store front cost.
    pub front: FrontCost,
    /// What the store was.
    pub store: StoreAbout,
    /// What of the store could not be removed.
    pub left: Option<BackendError>,
    /// From the first part's start to the last instance's first answer, real time.
    pub ready: Duration,
}

/// What is made before the clock is: it takes the longest, and knows no time.
struct Foundation {
    store: Backend,
    /// By load.
    keys: Vec<Vec<String>>,
}

impl Stack {
    /// Starts everything, and returns before the scenario begins.
    pub(super) async fn start(spec: &WorldSpec) -> Result<Self, WorldError> {
        let mut last = Duration::ZERO;
        for lead in LEADS {
            let stack = Self::start_within(spec, lead).await?;
            if !stack.clock.has_begun() {
                return Ok(stack);
            }
            // Users would start late: all over again, with more time.
            stack.discard().await;
            last = lead;
        }
        Err(WorldError::TooSlow(last))
    }

    async fn start_within(spec: &WorldSpec, lead: Duration) -> Result<Self, WorldError> {
        let begun = Instant::now();
        let Foundation { store, keys } = Foundation::lay(spec).await?;
        let scenario = &spec.scenario;
        let start_ms = scenario.start.as_millisecond();
        let clock = RunClock::starting_in(lead, start_ms, f64::from(spec.speed));
        let engine = Arc::new(engine(scenario, spec.seed));
        let time = (Timing::of(&clock, scenario.duration), RecordingSetup::REAL_LAG);
        let recorder = Recorder::new(recording_setup(
            scenario,
            &spec.config,
            time,
            &engine,
            &keys,
            spec.deployed.as_deref(),
        ))
        .watched_by(spec.witness.clone());
        let ledger = Ledger::default();
        let (witness, emit, sees) = (recorder.clone(), recorder.clone(), ledger.clone());
        let coingecko = mount(
            Arc::clone(&engine),
            clock,
            Arc::new(move |call| witness.record(Event::Upstream(call))),
            HERE,
        )
        .await
        .map_err(|error| WorldError::CoinGecko(error.to_string()))?;
        let killer = Killer::default();
        let rules = FrontRules {
            sabotage: spec.sabotage,
            faults: StoreFaults::of(&scenario.faults, spec.seed, clock),
            midway: killed_midway(UpdateKills::of(&scenario.faults), clock, &recorder, &killer),
        };
        let front = StoreFront::signing(
            store.url(),
            store.signer().cloned(),
            clock,
            Arc::new(move |event| {
                sees.saw(&event);
                emit.record(event);
            }),
            rules,
        )
        .await
        .map_err(|error| WorldError::Store(error.to_string()))?;
        let url = coingecko.url();
        let endpoints = Endpoints {
            store: front.url(),
            table: store.table(),
            coingecko: &url,
        };
        let env = environment::on_stack(&scenario.stack, endpoints, &clock, &spec.env);
        let unseen = Unseen {
            engine: Arc::clone(&engine),
            clock,
            recorder: recorder.clone(),
        };
        let recipe = Recipe {
            siblings: spec.siblings.clone(),
            env: env.clone(),
            clock,
            unseen: unseen.clone(),
        };
        let deployed = match spec.deployed.as_deref() {
            None => None,
            Some(deployed) => {
                let parts = FrontSpec {
                    deployed,
                    env: &env,
                    defaults: &environment::of_stack(&model::Stack::default()),
                    keys: &stored_keys(scenario, spec.seed, &keys),
                    clock,
                    recorder: &recorder,
                    unseen: &unseen,
                    ordeals: Ordeals::of(&scenario.faults, spec.seed),
                    logs: &spec.logs,
                };
                Some(Front::start(parts).await?)
            }
        };
        let processes = if deployed.is_some() {
            0
        } else {
            scenario.stack.instances
        };
        let instances =
            try_join_all((0..processes).map(|index| Instance::start(index, recipe.clone()))).await?;
        let ready = begun.elapsed();
        let requests = Arc::new(AtomicU64::new(0));
        let targets = match &deployed {
            Some(deployed) => vec![deployed.url()],
            None => instances.iter().map(Instance::url).collect(),
        };
        let loads = start_loads(spec, &clock, targets, keys, &recorder, &requests).await?;
        let runner = match &deployed {
            Some(deployed) => Runner::Function {
                function: deployed.updates.clone(),
                clock,
                recorder: recorder.clone(),
            },
            None => Runner::Process(Updater {
                siblings: spec.siblings.clone(),
                env,
                clock,
                recorder: recorder.clone(),
                unseen,
            }),
        };
        let backing = Backing {
            clock,
            recorder: recorder.clone(),
            ready,
            engine,
            coingecko,
            front,
            ledger,
            config: spec.config.clone(),
            store,
        };
        Ok(Self {
            clock,
            recorder,
            requests,
            ready,
            instances,
            front: deployed,
            loads,
            updates: Updates::new(runner, killer),
            backing,
        })
    }

    /// Ends a stack on which nothing was played.
    async fn discard(self) {
        for load in self.loads {
            load.stop(Duration::from_secs(1)).await;
        }
        for instance in self.instances {
            instance.stop(Duration::from_secs(1)).await;
        }
        if let Some(front) = self.front {
            front.stop().await;
        }
        self.backing.stop().await;
    }
}

/// Kills updates that are midway, when a fault says so.
fn killed_midway(kills: UpdateKills, clock: RunClock, recorder: &Recorder, killer: &Killer) -> Midway {
    if kills.is_empty() {
        return Midway::default();
    }
    let (recorder, killer) = (recorder.clone(), killer.clone());
    Midway::new(Arc::new(move || {
        let at_us = clock.now_us();
        let Some(fault) = kills.at(clock.wall_since_start(at_us)) else {
            return std::future::ready(()).boxed();
        };
        recorder.record(Event::Fault { at_us, fault });
        killer.clone().kill().boxed()
    }))
}

impl Backing {
    /// Kills the store's process.
    ///
    /// # Errors
    /// Its data would be lost.
    pub(super) async fn halt(&mut self) -> Result<(), WorldError> {
        self.front.set_reachable(false);
        Ok(self.store.halt().await?)
    }

    /// Starts the store's process again with what it kept.
    ///
    /// # Errors
    /// It does not start.
    pub(super) async fn resume(&mut self) -> Result<(), WorldError> {
        self.store.resume().await?;
        self.front.set_reachable(true);
        Ok(())
    }

    /// Asks the store, past the front, whether it has what it acknowledged.
    pub(super) async fn audit(&self) {
        let config = Config {
            dynamodb_endpoint: Some(self.store.url().to_owned()),
            table_name: self.store.table().to_owned(),
            store_timeout: AUDIT_TIMEOUT,
            ..self.config.clone()
        };
        let store = DynamoStore::new(&config, Arc::new(SystemClock));
        let lease = config.update_lease().mul_f64(self.clock.speed());
        let audit = self.ledger.audit(&store, self.clock.now_ms(), lease).await;
        self.recorder
            .record(Event::Audited(audit.map_err(|error| error.to_string())));
    }

    /// Stops all of it, when nobody talks to it any more.
    pub(super) async fn stop(self) -> Remains {
        let Self {
            clock,
            recorder,
            ready,
            engine,
            coingecko,
            front,
            store,
            ..
        } = self;
        coingecko.stop().await;
        let front = front.stop().await;
        let about = store.about().clone();
        let left = store.stop().await.err();
        Remains {
            clock,
            recorder,
            publication: engine.publication(),
            touches: engine.touches(),
            front,
            store: about,
            left,
            ready,
        }
    }
}

impl Foundation {
    async fn lay(spec: &WorldSpec) -> Result<Self, WorldError> {
        let scenario = &spec.scenario;
        let keys: Vec<Vec<String>> = scenario
            .loads
            .iter()
            .map(|load| keys::secrets(spec.seed, &load.name, load.keys.count))
            .collect();
        let contents = Contents {
            keys: stored_keys(scenario, spec.seed, &keys),
            start_ms: scenario.start.as_millisecond(),
        };
        let store = Backend::start(&spec.store).await?;
        match store.prepare(&contents).await {
            Ok(()) => Ok(Self { store, keys }),
            Err(error) => {
                // What went wrong first is what is told.
                let _ = store.stop().await;
                Err(error.into())
            }
        }
    }
}

/// The keys that a run's table holds, each with whether it is enabled: those of all loads, and for each load one that
/// is disabled.
pub(crate) fn stored_keys(scenario: &Scenario, seed: Seed, keys: &[Vec<String>]) -> Vec<(String, bool)> {
    let enabled = keys.iter().flatten().map(|secret| (secret.clone(), true));
    let disabled = scenario
        .loads
        .iter()
        .map(|load| (scenarios::play::disabled_key(seed.0, &load.name), false));
    enabled.chain(disabled).collect()
}

/// The fake CoinGecko of a scenario, without a socket.
pub(crate) fn engine(scenario: &Scenario, seed: Seed) -> Engine {
    let config = EngineConfig {
        seed: seed.child("market").0,
        start_ms: scenario.start.as_millisecond(),
        terms: Terms::assuming(scenario.stack.upstream_plan, &scenario.stack.upstream_assume),
        keys: KeyRing::default(),
        assumed: scenario.stack.upstream_assume.clone(),
    };
    Engine::new(config, Timeline::new(&scenario.faults, Target::CoinGecko, seed))
}

/// What the recording of a scenario must know: its time and how late it hears of events; `keys` are the secrets by
/// load.
pub(crate) fn recording_setup(
    scenario: &Scenario,
    config: &Config,
    (timing, lag): (Timing, Duration),
    engine: &Engine,
    keys: &[Vec<String>],
    deployed: Option<&Deployed>,
) -> RecordingSetup {
    let key_ids = |secrets: &Vec<String>| secrets.iter().map(|secret| table::key_id(secret)).collect();
    RecordingSetup {
        lag,
        timing,
        views: View::asked_by(scenario),
        rate_limit: scenario.stack.rate_limit,
        cache_ttl: config.cache_ttl,
        symbols: symbols(config),
        key_ids: keys.iter().map(key_ids).collect(),
        publication: Arc::new(engine.publication()),
        alarms: deployed
            .map(|deployed| AlarmAbout::of(&deployed.deployment))
            .unwrap_or_default(),
    }
}

/// The supported symbols, most popular first.
pub(crate) fn symbols(config: &Config) -> Vec<String> {
    match &config.supported_symbols {
        Some(mappings) => mappings.iter().map(|mapping| mapping.symbol.clone()).collect(),
        None => service::symbols::BUILTIN
            .iter()
            .map(|(symbol, ..)| (*symbol).to_owned())
            .collect(),
    }
}

/// Starts a generator for each load and waits until all of them are up.
async fn start_loads(
    spec: &WorldSpec,
    clock: &RunClock,
    targets: Vec<String>,
    keys: Vec<Vec<String>>,
    recorder: &Recorder,
    requests: &Arc<AtomicU64>,
) -> Result<Vec<LoadChild>, WorldError> {
    let symbols = symbols(&spec.config);
    let users = if spec.has_users { keys } else { Vec::new() };
    let loads = spec.scenario.loads.iter().zip(users).enumerate();
    try_join_all(loads.map(|(index, (load, keys))| {
        let plan = LoadPlan {
            scenario_toml: spec.scenario.effective_toml().to_owned(),
            load: index,
            seed: spec.seed.0,
            anchor_ms: clock.anchor_ms(),
            speed: clock.speed(),
            targets: targets.clone(),
            keys,
            symbols: symbols.clone(),
            timeout_ms: ANSWER_TIMEOUT.as_millis() as u64,
        };
        let (recorder, requests) = (recorder.clone(), Arc::clone(requests));
        async move {
            let child = LoadChild::spawn(&load.name, &plan, &spec.siblings, recorder, requests).await?;
            child.ready().await?;
            Ok::<_, WorldError>(child)
        }
    }))
    .await
}
