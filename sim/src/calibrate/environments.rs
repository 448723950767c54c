//! Environments of the API's function, started one by one, with the share of a processor that the function has.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use scenarios::format::Scenario;
use service::rng::SystemRng;
use tokio::sync::{oneshot, watch};

use super::{
    measure::CalibrateError,
    parts::{NOWHERE, clock, every},
    seen::PER_SECOND,
};
use crate::{
    deployed::variables,
    lambda::{
        function::Function,
        ids::{trace_id, uuid},
        sandbox::{Invocation, Log, Sandbox},
    },
    record::Spread,
    template::model::LogFormat,
    world::{
        environment::{Endpoints, TABLE, on_stack},
        siblings::{Binary, Siblings},
    },
};

/// Between two starts.
const GAP: Duration = Duration::from_millis(10);
/// So many are started before any is counted: the first read the binary from disk.
const WARM: u64 = 3;
/// Memory of the function, which its share of a processor depends on, MB: that of the template.
const MEMORY_MB: u32 = 512;
/// A path that there is not: answered without a request to anybody.
const EVENT: &str = r#"{"resource":"/none","path":"/none","httpMethod":"GET","requestContext":{"httpMethod":"GET","path":"/none","resourcePath":"/none","stage":"prod"}}"#;

/// What environments take from their start until they ask for an event; in seconds.
pub(super) async fn cold_starts(
    siblings: &Siblings,
    scenario: &Scenario,
    lasting: Duration,
    stop: &watch::Receiver<bool>,
) -> Result<Spread, CalibrateError> {
    let clock = clock(scenario);
    let endpoints = Endpoints {
        store: NOWHERE,
        table: TABLE,
        coingecko: NOWHERE,
    };
    let none = BTreeMap::new();
    let stack = on_stack(&scenario.stack, endpoints, &clock, &none);
    let function = Arc::new(Function {
        name: "calibrate".to_owned(),
        bootstrap: siblings.path(Binary::Api),
        handler: "bootstrap".to_owned(),
        timeout: Duration::from_secs(25),
        memory_mb: MEMORY_MB,
        environment: variables(&none, &stack, &none),
        log_format: LogFormat::Json,
        application_log_level: None,
        log_group: None,
    });
    let failed = |error: &dyn ToString| CalibrateError::Environment(error.to_string());
    let mut starts = Spread::new(PER_SECOND);
    every(GAP, lasting, stop, async |index| {
        let log = Log {
            function: Arc::new(|_| {}),
            platform: Arc::new(|_| {}),
        };
        let mut sandbox = Sandbox::new(Arc::clone(&function), log, "calibrate".to_owned())
            .await
            .map_err(|error| failed(&error))?;
        let invocation = Invocation {
            request_id: uuid(&SystemRng),
            trace_id: trace_id(&SystemRng, clock.now_ms() / 1000),
            payload: Bytes::from_static(EVENT.as_bytes()),
            ordeal: None,
        };
        let (answer, _) = oneshot::channel();
        let (report, outcome) = sandbox.invoke(invocation, answer).await;
        sandbox.end().await;
        match report.init {
            Some(took) if index >= WARM => starts.record(took.as_secs_f64()),
            Some(_) => {}
            None => return Err(failed(&String::from_utf8_lossy(&outcome.payload))),
        }
        Ok(())
    })
    .await?;
    crate::lambda::cpu::tidy().await;
    Ok(starts)
}
