//! The service as functions in virtual time: what the template deploys, made of parts that live on its clock.

use std::{collections::BTreeMap, sync::Arc};

use scenarios::format::model;
use service::{
    config::{Config, ConfigError},
    rng::Rng,
};

use super::{
    ProcessParts, Pulse,
    api::NextFiring,
    lambda::{Entrance, Function, LambdaParts, ModelledLambda},
    rng::SeededRng,
};
use crate::{
    deployed::{
        Deployed, ears::Ears, entrance::desk, eventbridge::ScheduledFunction, monitor::Monitor, variables,
    },
    lambda::{
        invoke::Invoke,
        ordeal::Ordeals,
        scaling::{Account, Scaler},
        variables::RUNTIME_API,
    },
    latency::Modelled,
    world::{WorldError, environment, stack::stored_keys},
};

/// The functions of a run, and the ways to them.
pub(super) struct Functions {
    /// For users.
    pub(super) entrance: Arc<Entrance>,
    /// For the schedule.
    pub(super) scheduled: ScheduledFunction,
    /// CloudWatch.
    pub(super) monitor: Monitor,
}

/// What they are made of.
#[derive(Debug)]
pub(super) struct FunctionsSpec<'a> {
    pub(super) deployed: &'a Deployed,
    pub(super) parts: &'a ProcessParts,
    /// By load.
    pub(super) keys: &'a [Vec<String>],
    /// What an environment takes to start, and an invocation beside what it waits for.
    pub(super) models: (Arc<Modelled>, Arc<Modelled>),
    pub(super) next_firing: &'a NextFiring,
    pub(super) pulse: &'a Pulse,
}

impl Functions {
    /// All of them; no environment runs yet.
    ///
    /// # Errors
    /// AWS would refuse it, or the service would refuse its variables.
    pub(super) fn of(of: FunctionsSpec<'_>) -> Result<Self, WorldError> {
        let (deployment, parts) = (&of.deployed.deployment, of.parts);
        let (spec, clock) = (&parts.spec, parts.clock);
        let monitor = Monitor::new(deployment, clock, parts.recorder.clone())
            .map_err(|error| WorldError::lambda("the template's alarms", &error))?;
        let services = of.deployed.services();
        let said = environment::nowhere(&spec.scenario.stack, &spec.env);
        let defaults = environment::of_stack(&model::Stack::default());
        let mut functions = Vec::new();
        for (function, service) in deployment.functions.values().zip(&services) {
            let variables = variables(&function.environment, &said, &defaults);
            let config = configured(&variables).map_err(|error| {
                WorldError::lambda(&format!("the variables of {}", function.name), &error)
            })?;
            let config = match spec.plant {
                Some(plant) => plant.config(&config),
                None => config,
            };
            functions.push(Function::new(service, config, function.timeout, &variables));
        }
        let reserved: Vec<Option<u32>> = deployment
            .functions
            .values()
            .map(|function| function.reserved_concurrency)
            .collect();
        let scaler = Scaler::new(Account::default(), &reserved)
            .map_err(|error| WorldError::lambda("AWS would not deploy it", &error))?;
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::of(spec.seed, "aws"));
        let (cold_start, invocation) = of.models;
        let lambda: Arc<dyn Invoke> = Arc::new(ModelledLambda::new(LambdaParts {
            functions,
            scaler,
            ordeals: Ordeals::of(&spec.scenario.faults, spec.seed),
            stage: deployment.api.stage.clone(),
            parts: ProcessParts {
                monitor: Some(monitor.clone()),
                ..parts.clone()
            },
            ears: Ears {
                services,
                clock,
                recorder: parts.recorder.clone(),
                monitor: monitor.clone(),
            },
            cold_start,
            invocation,
            rng: Arc::clone(&rng),
        }));
        let keys = stored_keys(&spec.scenario, spec.seed, of.keys);
        let desk = desk(
            deployment,
            &keys,
            Arc::clone(&lambda),
            (clock, Arc::clone(&rng)),
            &monitor,
        )?;
        let scheduled = ScheduledFunction::of(deployment, &lambda, &monitor, &rng)?;
        let entrance = Entrance {
            stage: desk.stage(),
            desk,
            clock,
            next_firing: of.next_firing.clone(),
            pulse: of.pulse.clone(),
        };
        Ok(Self {
            entrance: Arc::new(entrance),
            scheduled,
            monitor,
        })
    }
}

/// What the service makes of the variables of a function, on Lambda.
fn configured(variables: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
    Config::from_lookup(|name| match name {
        // By this the service knows where it is. Nobody asks there.
        RUNTIME_API => Some("127.0.0.1:1".to_owned()),
        _ => variables.get(name).cloned(),
    })
}
