//! The service as it is deployed: functions in an emulated Lambda, behind the gateway that the template describes.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, sync::Arc};

use bytes::Bytes;
use service::rng::SystemRng;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{
    clock::RunClock,
    cloudwatch::emf,
    gateway::{ApiKey, Gateway, Keys, Settings, serve::GatewayServer},
    lambda::{
        asynchronous::{Next, Queued, Try},
        function::Function,
        pool::{Happened, Hear, Lambda, trace_id, uuid},
        scaling::{Account, Throttle},
        variables::{ACCOUNT, REGION},
    },
    record::{Recorder, event::Event},
    template::model::{AsyncInvoke, Deployment},
    world::{
        WorldError,
        attempts::Unseen,
        deployed::Deployed,
        logs::{self, Line, Origin},
    },
};

/// The service behind its gateway.
#[derive(Debug)]
pub struct Front {
    gateway: GatewayServer,
    /// What runs behind it.
    pub updates: UpdateFunction,
    broken: watch::Receiver<Option<String>>,
    /// Held for as long as the functions run from it.
    _packages: TempDir,
}

/// The function that the schedule invokes.
#[derive(Clone, Debug)]
pub struct UpdateFunction {
    lambda: Lambda,
    place: usize,
    rules: AsyncInvoke,
    rule: String,
}

/// What the parts of a front are made of.
#[derive(Debug)]
pub struct FrontSpec<'a> {
    /// The template and its packages.
    pub deployed: &'a Deployed,
    /// What the stack of the scenario says, by variable.
    pub env: &'a BTreeMap<String, String>,
    /// What a stack says that says nothing, by variable.
    pub defaults: &'a BTreeMap<String, String>,
    /// The API keys of the run, each with whether it is enabled.
    pub keys: &'a [(String, bool)],
    /// The run's clock.
    pub clock: RunClock,
    /// Where everything goes.
    pub recorder: &'a Recorder,
    /// Who hears of attempts that the fake could not see.
    pub unseen: &'a Unseen,
}

impl Front {
    /// Unpacks the functions and listens; nothing of them runs before it is asked for.
    ///
    /// # Errors
    /// A part cannot be made.
    pub async fn start(spec: FrontSpec<'_>) -> Result<Self, WorldError> {
        let deployment = &spec.deployed.deployment;
        let packages = tempfile::tempdir().map_err(|error| failed("no temporary folder", &error))?;
        let mut functions = Vec::new();
        let mut places = BTreeMap::new();
        for (place, (id, deployed)) in deployment.functions.iter().enumerate() {
            let bootstrap = packages.path().join(id).join("bootstrap");
            let code = spec
                .deployed
                .packages
                .get(id)
                .map_or(&[][..], |package| &package.bootstrap);
            fs::create_dir(packages.path().join(id))
                .and_then(|()| fs::write(&bootstrap, code))
                .and_then(|()| fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)))
                .map_err(|error| failed("a package cannot be unpacked", &error))?;
            let function = Function {
                name: deployed.name.clone(),
                bootstrap,
                handler: "bootstrap".to_owned(),
                timeout: deployed.timeout,
                memory_mb: deployed.memory_mb,
                environment: variables(&deployed.environment, spec.env, spec.defaults),
                log_format: deployed.log_format,
                application_log_level: deployed.application_log_level.clone(),
                log_group: deployed.log_group.clone(),
            };
            functions.push((function, deployed.reserved_concurrency));
            places.insert(id.clone(), place);
        }
        let (tell, broken) = watch::channel(None);
        let services = services(deployment);
        let hear = hear(
            services,
            spec.clock,
            spec.recorder.clone(),
            spec.unseen.clone(),
            tell,
        );
        let lambda = Lambda::new(Account::default(), functions, spec.clock, hear)
            .map_err(|error| failed("AWS would not deploy it", &error))?;
        let mut keys = Keys::new();
        let plan = deployment.api.usage_plans.first().map(|plan| plan.name.clone());
        for (place, (secret, is_enabled)) in spec.keys.iter().enumerate() {
            let key = ApiKey {
                id: format!("key{place:07}"),
                plan: plan.clone(),
                is_enabled: *is_enabled,
            };
            keys.add(secret, key)
                .map_err(|error| failed("an API key", &error))?;
        }
        let settings = Settings {
            started_ms: spec.clock.start_ms(),
            ..Settings::default()
        };
        let gateway = Gateway::new(&deployment.api, keys, settings)
            .map_err(|error| failed("the template's API", &error))?;
        let gateway = GatewayServer::start(gateway, lambda.clone(), places.clone(), spec.clock)
            .await
            .map_err(|error| failed("the gateway", &error))?;
        let updates = updates(deployment, &places, &lambda)?;
        Ok(Self {
            gateway,
            updates,
            broken,
            _packages: packages,
        })
    }

    /// What paths are appended to.
    #[must_use]
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// Waits for something that no real deployment would notice, and says what.
    pub async fn broken(&self) -> String {
        let mut broken = self.broken.clone();
        let said = broken
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|said| said.clone());
        match said {
            Some(said) => said,
            None => std::future::pending().await,
        }
    }

    /// Ends all of it.
    pub async fn stop(self) {
        self.gateway.stop().await;
        self.updates.lambda.stop().await;
    }
}

impl UpdateFunction {
    /// One firing of the schedule, until its event is done or dropped. `tried` hears how each try ended.
    pub async fn fire(&self, clock: RunClock, tried: impl Fn(bool)) {
        let event = scheduled(&self.rule, clock.now_ms());
        let arrived_us = clock.now_us();
        let mut queued = Queued::new(self.rules);
        loop {
            let trace_id = trace_id(&SystemRng, clock.now_ms() / 1000);
            let result = match self.lambda.invoke(self.place, event.clone(), trace_id).await {
                Ok(invoked) if invoked.outcome.failure.is_none() => Try::Succeeded,
                Ok(_) => Try::Failed,
                Err(Throttle::Reserved | Throttle::Account | Throttle::Rate) => Try::Throttled,
            };
            if result != Try::Throttled {
                tried(result == Try::Succeeded);
            }
            let age = clock
                .wall_since_start(clock.now_us())
                .saturating_sub(clock.wall_since_start(arrived_us));
            match queued.tried(result, age) {
                Next::After(wait) => tokio::time::sleep(wait.div_f64(clock.speed())).await,
                Next::Done | Next::Dropped(_) => return,
            }
        }
    }
}

fn failed(what: &str, error: &dyn std::error::Error) -> WorldError {
    WorldError::Lambda(format!("{what}: {error}"))
}

/// The function of the one schedule that the harness plays.
fn updates(
    deployment: &Deployment,
    places: &BTreeMap<String, usize>,
    lambda: &Lambda,
) -> Result<UpdateFunction, WorldError> {
    let scheduled = deployment.schedules.iter().find_map(|schedule| {
        let place = places.get(&schedule.function)?;
        let function = deployment.functions.get(&schedule.function)?;
        Some(UpdateFunction {
            lambda: lambda.clone(),
            place: *place,
            rules: function.asynchronous,
            rule: schedule.name.clone(),
        })
    });
    scheduled.ok_or_else(|| {
        WorldError::Lambda("the template has no schedule, so that no price is ever updated".to_owned())
    })
}

/// What each function is to the recording, by its place: what a schedule invokes is the update.
fn services(deployment: &Deployment) -> Vec<&'static str> {
    let is_scheduled = |id: &String| {
        deployment
            .schedules
            .iter()
            .any(|schedule| schedule.function == *id)
    };
    let service = |id| if is_scheduled(id) { "update" } else { "api" };
    deployment.functions.keys().map(service).collect()
}

/// The variables of a function: what the template says, and over it what the scenario says. What the template does not have is
/// set only where the scenario differs from every default, or where it is the harness's own: so a variable that the template
/// lacks is missed.
fn variables(
    template: &BTreeMap<String, String>,
    scenario: &BTreeMap<String, String>,
    defaults: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = template.clone();
    for (name, value) in scenario {
        let is_lambdas = name.starts_with("AWS_") && !name.starts_with("AWS_ENDPOINT_URL");
        let is_said = template.contains_key(name) || defaults.get(name) != Some(value);
        if is_said && !is_lambdas {
            all.insert(name.clone(), value.clone());
        }
    }
    all
}

fn hear(
    services: Vec<&'static str>,
    clock: RunClock,
    recorder: Recorder,
    unseen: Unseen,
    tell: watch::Sender<Option<String>>,
) -> Hear {
    let service = move |function: usize| services.get(function).copied().unwrap_or("api");
    Arc::new(move |happened| match happened {
        Happened::Line {
            function,
            environment,
            by_function: true,
            line,
        } => {
            if let Some(Err(error)) = emf::Document::parse(&line, clock.now_ms()) {
                tell.send_replace(Some(format!(
                    "a document of metrics that CloudWatch would drop without a word: {error}: {line}"
                )));
            }
            let service = service(function);
            let origin = Origin {
                service,
                process: format!("{service}-{environment}"),
            };
            match logs::read(&line, &origin, &clock) {
                Line::Emf(_) if !clock.has_begun() => {}
                Line::Emf(event) | Line::Warning(event) => recorder.record(event),
                Line::Attempt(attempt) => unseen.hear(attempt),
                Line::Listening(_) | Line::Other => {}
            }
        }
        Happened::Ended {
            function,
            environment,
            report,
            outcome,
        } => {
            let service = service(function);
            recorder.record(Event::Memory {
                at_us: clock.now_us(),
                process: format!("{service}-{environment}"),
                peak_rss: report.memory,
                cpu_us: 0,
            });
            recorder.record(Event::Invoked {
                at_us: clock.now_us(),
                duration: report.duration,
                failure: outcome.failure,
                unlimited: report.unlimited,
            });
        }
        Happened::Began { is_cold, running, .. } => recorder.record(Event::InvocationBegan {
            at_us: clock.now_us(),
            is_cold,
            running,
        }),
        Happened::Throttled { .. } => recorder.record(Event::InvocationThrottled {
            at_us: clock.now_us(),
        }),
        Happened::Expired(_)
        | Happened::Line {
            by_function: false, ..
        } => {}
    })
}

/// The event of a rule that fires. (Recorded of AWS.)
fn scheduled(rule: &str, now_ms: i64) -> Bytes {
    let time = jiff::Timestamp::from_second(now_ms.div_euclid(1000)).unwrap_or_default();
    let event = serde_json::json!({
        "version": "0",
        "id": uuid(&SystemRng),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": time.to_string(),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule}")],
        "detail": {},
    });
    Bytes::from(event.to_string())
}
