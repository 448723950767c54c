//! The service as it is deployed: functions in an emulated Lambda, behind the gateway that the template describes.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use bytes::Bytes;
use service::rng::SystemRng;
use tempfile::TempDir;

use crate::{
    clock::RunClock,
    cloudwatch::{
        aws_metrics::{Answered, Invocation, LambdaMetrics},
        emf::Document,
        metrics::Metrics,
        running::CloudWatch,
    },
    gateway::{Answer, ApiKey, Gateway, Keys, Settings, serve::GatewayServer},
    lambda::{
        asynchronous::{Next, Queued, Try},
        function::Function,
        pool::{Happened, Hear, Lambda, trace_id, uuid},
        scaling::{Account, EnvironmentId, Throttle},
        variables::{ACCOUNT, REGION},
    },
    record::{Recorder, event::Event},
    template::model::{AsyncInvoke, Deployment},
    world::{
        WorldError,
        attempts::Unseen,
        deployed::Deployed,
        logs::{self, Line, Origin},
        monitor::Monitor,
    },
};

/// The service behind its gateway.
#[derive(Debug)]
pub struct Front {
    gateway: GatewayServer,
    /// The function of the schedule.
    pub updates: UpdateFunction,
    monitor: Monitor,
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
    monitor: Monitor,
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
        let monitor = Monitor::new(deployment, spec.clock, spec.recorder.clone())
            .map_err(|error| failed("the template's alarms", &error))?;
        let ears = Ears {
            services: services(deployment),
            clock: spec.clock,
            recorder: spec.recorder.clone(),
            unseen: spec.unseen.clone(),
            monitor: monitor.clone(),
        };
        let hear: Hear = Arc::new(move |happened| ears.hear(happened));
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
        let counts = monitor.clone();
        let answered = Arc::new(move |answer: &Answer| {
            counts.put(|cloudwatch, now_ms| count(cloudwatch, now_ms, answer))
        });
        let gateway = GatewayServer::start(gateway, lambda.clone(), places.clone(), spec.clock, answered)
            .await
            .map_err(|error| failed("the gateway", &error))?;
        let updates = updates(deployment, &places, &lambda, &monitor)?;
        Ok(Self {
            gateway,
            updates,
            monitor,
            _packages: packages,
        })
    }

    /// What paths are appended to.
    #[must_use]
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// Its CloudWatch.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
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
        let put = |put: fn(LambdaMetrics, &mut Metrics, i64, f64), age: Duration| {
            self.monitor.put(|cloudwatch, now_ms| {
                if let Some((metrics, lambda)) = cloudwatch.of_function(self.place) {
                    put(lambda, metrics, now_ms, age.as_secs_f64() * 1e3);
                }
            });
        };
        let age = || {
            let now = clock.wall_since_start(clock.now_us());
            now.saturating_sub(clock.wall_since_start(arrived_us))
        };
        put(
            |lambda, metrics, now_ms, _| lambda.event_received(metrics, now_ms),
            age(),
        );
        loop {
            let trace_id = trace_id(&SystemRng, clock.now_ms() / 1000);
            put(LambdaMetrics::event_invoked, age());
            let result = match self.lambda.invoke(self.place, event.clone(), trace_id).await {
                Ok(invoked) if invoked.outcome.failure.is_none() => Try::Succeeded,
                Ok(_) => Try::Failed,
                Err(Throttle::Reserved | Throttle::Account | Throttle::Rate) => Try::Throttled,
            };
            if result != Try::Throttled {
                tried(result == Try::Succeeded);
            }
            match queued.tried(result, age()) {
                Next::After(wait) => tokio::time::sleep(wait.div_f64(clock.speed())).await,
                Next::Done => return,
                Next::Dropped(_) => {
                    put(
                        |lambda, metrics, now_ms, _| lambda.event_dropped(metrics, now_ms),
                        age(),
                    );
                    return;
                }
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
    monitor: &Monitor,
) -> Result<UpdateFunction, WorldError> {
    let scheduled = deployment.schedules.iter().find_map(|schedule| {
        let place = places.get(&schedule.function)?;
        let function = deployment.functions.get(&schedule.function)?;
        Some(UpdateFunction {
            lambda: lambda.clone(),
            place: *place,
            rules: function.asynchronous,
            rule: schedule.name.clone(),
            monitor: monitor.clone(),
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

/// What the gateway says of a request to CloudWatch.
fn count(cloudwatch: &mut CloudWatch, now_ms: i64, answer: &Answer) {
    if answer.is_counted() {
        let (metrics, api) = cloudwatch.of_api();
        let answered = Answered {
            status: answer.response.status().as_u16(),
            latency_ms: answer.latency_ms as f64,
            integration_latency_ms: answer.integration_latency_ms.map(|ms| ms as f64),
        };
        api.answered(metrics, now_ms, answered);
    }
}

/// Hears what happens in Lambda, and tells the recording and CloudWatch.
struct Ears {
    /// What each function is to the recording, by its place.
    services: Vec<&'static str>,
    clock: RunClock,
    recorder: Recorder,
    unseen: Unseen,
    monitor: Monitor,
}

impl Ears {
    fn hear(&self, happened: Happened) {
        let at_us = self.clock.now_us();
        match happened {
            Happened::Line {
                function,
                environment,
                by_function: true,
                line,
            } => self.line(self.origin(function, environment), &line),
            Happened::Ended {
                function,
                environment,
                report,
                outcome,
            } => {
                self.recorder.record(Event::Memory {
                    at_us,
                    process: self.origin(function, environment).process,
                    peak_rss: report.memory,
                    cpu_us: 0,
                });
                let took_ms = report.duration.as_secs_f64() * 1e3;
                self.put(function, |lambda, metrics, now_ms| {
                    let began_ms = now_ms - (took_ms * self.clock.speed()) as i64;
                    let ended = if outcome.failure.is_some() {
                        Invocation::Failed
                    } else {
                        Invocation::Succeeded
                    };
                    lambda.invoked(metrics, began_ms, took_ms, ended);
                });
                self.recorder.record(Event::Invoked {
                    at_us,
                    duration: report.duration,
                    failure: outcome.failure,
                    unlimited: report.unlimited,
                });
            }
            Happened::Began {
                function,
                is_cold,
                running,
                running_in_all,
                ..
            } => {
                self.put(function, |lambda, metrics, now_ms| {
                    lambda.running(metrics, now_ms, running, running_in_all);
                });
                self.recorder.record(Event::InvocationBegan {
                    at_us,
                    is_cold,
                    running,
                });
            }
            Happened::Throttled { function, .. } => {
                self.put(function, |lambda, metrics, now_ms| {
                    lambda.throttled(metrics, now_ms);
                });
                self.recorder.record(Event::InvocationThrottled { at_us });
            }
            Happened::Expired(_)
            | Happened::Line {
                by_function: false, ..
            } => {}
        }
    }

    fn origin(&self, function: usize, environment: EnvironmentId) -> Origin {
        let service = self.services.get(function).copied().unwrap_or("api");
        Origin {
            service,
            process: format!("{service}-{environment}"),
        }
    }

    fn put(&self, function: usize, put: impl FnOnce(LambdaMetrics, &mut Metrics, i64)) {
        self.monitor.put(|cloudwatch, now_ms| {
            if let Some((metrics, lambda)) = cloudwatch.of_function(function) {
                put(lambda, metrics, now_ms);
            }
        });
    }

    fn line(&self, origin: Origin, line: &str) {
        let keep = |document: &Document<'_>| {
            self.monitor
                .put(|cloudwatch, _| cloudwatch.metrics().put_document(document));
        };
        match logs::read_with(line, &origin, &self.clock, keep) {
            Line::Emf(_) if !self.clock.has_begun() => {}
            Line::Emf(event) | Line::BrokenEmf(event) | Line::Warning(event) => self.recorder.record(event),
            Line::Attempt(attempt) => self.unseen.hear(attempt),
            Line::Listening(_) | Line::Other => {}
        }
    }
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
