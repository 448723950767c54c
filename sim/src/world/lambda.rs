//! The service as it is deployed: functions in an emulated Lambda, behind the gateway that the template describes.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, sync::Arc};

use service::rng::{Rng, SystemRng};

use crate::{
    clock::RunClock,
    cloudwatch::emf::Document,
    deployed::{Deployed, ears::Ears, entrance, eventbridge::ScheduledFunction, monitor::Monitor, variables},
    gateway::serve::GatewayServer,
    lambda::{
        function::Function,
        invoke::Invoke,
        ordeal::Ordeals,
        pool::{Happened, Hear, Lambda},
        scaling::Account,
    },
    reaper::TemporaryFolder,
    record::Recorder,
    store::backend::Tell,
    world::{
        WorldError,
        attempts::Unseen,
        logs::{self, Line},
    },
};

/// The service behind its gateway.
#[derive(Debug)]
pub struct Front {
    gateway: GatewayServer,
    /// The function of the schedule.
    pub updates: ScheduledFunction,
    lambda: Lambda,
    monitor: Monitor,
    /// Held for as long as the functions run from it.
    _packages: TemporaryFolder,
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
    /// What faults make invocations go through.
    pub ordeals: Ordeals,
    /// Who hears each line of the functions' logs: theirs, and Lambda's about them.
    pub logs: &'a Tell,
}

impl Front {
    /// Unpacks the functions and listens; nothing of them runs before it is asked for.
    ///
    /// # Errors
    /// A part cannot be made.
    pub async fn start(spec: FrontSpec<'_>) -> Result<Self, WorldError> {
        let deployment = &spec.deployed.deployment;
        let packages =
            TemporaryFolder::new().map_err(|error| WorldError::lambda("no temporary folder", &error))?;
        let mut functions = Vec::new();
        let services = spec.deployed.services();
        for ((id, deployed), service) in deployment.functions.iter().zip(&services) {
            let bootstrap = packages.path().join(id).join("bootstrap");
            let code = spec
                .deployed
                .packages
                .get(id)
                .map_or(&[][..], |package| &package.bootstrap);
            fs::create_dir(packages.path().join(id))
                .and_then(|()| fs::write(&bootstrap, code))
                .and_then(|()| fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)))
                .map_err(|error| WorldError::lambda("a package cannot be unpacked", &error))?;
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
            functions.push((function, *service, deployed.reserved_concurrency));
        }
        let monitor = Monitor::new(deployment, spec.clock, spec.recorder.clone())
            .map_err(|error| WorldError::lambda("the template's alarms", &error))?;
        let ears = Ears {
            services,
            clock: spec.clock,
            recorder: spec.recorder.clone(),
            monitor: monitor.clone(),
        };
        let (unseen, logs) = (spec.unseen.clone(), spec.logs.clone());
        let hear: Hear = Arc::new(move |happened| {
            if let Happened::Line { line, .. } = &happened {
                logs.notice(line);
            }
            hear(&ears, &unseen, &happened);
        });
        let lambda = Lambda::new(Account::default(), functions, spec.ordeals, spec.clock, hear)
            .map_err(|error| WorldError::lambda("AWS would not deploy it", &error))?;
        let (invoke, rng): (Arc<dyn Invoke>, Arc<dyn Rng>) = (Arc::new(lambda.clone()), Arc::new(SystemRng));
        let desk = entrance::desk(
            deployment,
            spec.keys,
            Arc::clone(&invoke),
            (spec.clock, Arc::clone(&rng)),
            &monitor,
        )?;
        let gateway = GatewayServer::start(desk)
            .await
            .map_err(|error| WorldError::lambda("the gateway", &error))?;
        let updates = ScheduledFunction::of(deployment, &invoke, &monitor, &rng)?;
        Ok(Self {
            gateway,
            updates,
            lambda,
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
        self.lambda.stop().await;
    }
}

/// Tells the recording and CloudWatch what happened, and what the functions wrote.
fn hear(ears: &Ears, unseen: &Unseen, happened: &Happened) {
    let &Happened::Line {
        function,
        environment,
        by_function: true,
        ref line,
    } = happened
    else {
        ears.hear(happened);
        return;
    };
    let origin = ears.origin(function, environment);
    let keep = |document: &Document<'_>| {
        ears.monitor
            .put(|cloudwatch, _| cloudwatch.metrics().put_document(document));
    };
    match logs::read_with(line, &origin, &ears.clock, keep) {
        Line::Emf(_) if !ears.clock.has_begun() => {}
        Line::Emf(event) | Line::BrokenEmf(event) | Line::Warning(event) => ears.recorder.record(event),
        Line::Attempt(attempt) => unseen.hear(attempt),
        Line::Listening(_) | Line::Other => {}
    }
}
