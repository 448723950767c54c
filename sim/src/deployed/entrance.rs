//! The way in: the template's gateway before the functions.

use std::sync::Arc;

use service::rng::Rng;

use super::{ears::count, monitor::Monitor};
use crate::{
    clock::RunClock,
    gateway::{
        Answer, ApiKey, Gateway, Keys, Settings,
        desk::{Behind, Desk},
    },
    lambda::invoke::Invoke,
    template::model::Deployment,
    world::WorldError,
};

/// The gateway of a deployment that starts at an instant, Unix milliseconds, and knows `keys`, each with whether it is enabled.
///
/// # Errors
/// AWS would refuse the API, or something of it is not emulated.
pub fn gateway(
    deployment: &Deployment,
    keys: &[(String, bool)],
    started_ms: i64,
) -> Result<Gateway, WorldError> {
    let plan = deployment.api.usage_plans.first().map(|plan| plan.name.clone());
    let mut known = Keys::new();
    for (place, (secret, is_enabled)) in keys.iter().enumerate() {
        let key = ApiKey {
            id: format!("key{place:07}"),
            plan: plan.clone(),
            is_enabled: *is_enabled,
        };
        known
            .add(secret, key)
            .map_err(|error| WorldError::lambda("an API key", &error))?;
    }
    let settings = Settings {
        started_ms,
        ..Settings::default()
    };
    Gateway::new(&deployment.api, known, settings)
        .map_err(|error| WorldError::lambda("the template's API", &error))
}

/// That gateway with the functions behind it.
///
/// # Errors
/// As [`gateway`].
pub fn desk(
    deployment: &Deployment,
    keys: &[(String, bool)],
    lambda: Arc<dyn Invoke>,
    (clock, rng): (RunClock, Arc<dyn Rng>),
    monitor: &Monitor,
) -> Result<Desk, WorldError> {
    let gateway = gateway(deployment, keys, clock.start_ms())?;
    let functions = deployment.functions.keys().cloned();
    let monitor = monitor.clone();
    let answered = Arc::new(move |answer: &Answer| {
        monitor.put(|cloudwatch, now_ms| count(cloudwatch, now_ms, answer));
    });
    let behind = Behind {
        lambda,
        functions: functions.enumerate().map(|(place, id)| (id, place)).collect(),
        clock,
        rng,
        answered,
    };
    Ok(Desk::new(gateway, behind))
}
