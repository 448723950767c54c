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

/// The gateway of a deployment, which knows `keys`, each with whether it is enabled.
///
/// # Errors
/// AWS would refuse the API, or something of it is not emulated.
pub fn desk(
    deployment: &Deployment,
    keys: &[(String, bool)],
    lambda: Arc<dyn Invoke>,
    (clock, rng): (RunClock, Arc<dyn Rng>),
    monitor: &Monitor,
) -> Result<Desk, WorldError> {
    let failed = |what: &str, error: &dyn std::error::Error| WorldError::Lambda(format!("{what}: {error}"));
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
            .map_err(|error| failed("an API key", &error))?;
    }
    let settings = Settings {
        started_ms: clock.start_ms(),
        ..Settings::default()
    };
    let gateway = Gateway::new(&deployment.api, known, settings)
        .map_err(|error| failed("the template's API", &error))?;
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
