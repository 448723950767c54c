//! Environments of the API's function, with the share of a processor that the function has: what they take to start, one by
//! one, and what one takes for an invocation.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use scenarios::format::Scenario;
use service::rng::SystemRng;
use tokio::sync::{oneshot, watch};

use super::{
    measure::CalibrateError,
    parts::{NOWHERE, SECRET, Stocked, clock, every, took},
    seen::PER_SECOND,
};
use crate::{
    clock::RunClock,
    deployed::variables,
    lambda::{
        function::Function,
        ids::{trace_id, uuid},
        outcome::Outcome,
        report::Report,
        sandbox::{Invocation, Log, Sandbox},
    },
    record::{Spread, event::StoreSubject},
    template::model::LogFormat,
    world::{
        environment::{Endpoints, TABLE, on_stack},
        siblings::{Binary, Siblings},
    },
};

/// Between two starts, and between two invocations: an environment stands still by then.
const GAP: Duration = Duration::from_millis(10);
/// So many are started, or invoked, before any is counted: the first read the binary from disk, and the key and the price from
/// the store.
const WARM: u64 = 3;
/// Memory of the function, which its share of a processor depends on, MB: that of the template.
const MEMORY_MB: u32 = 512;
/// A path that there is not: answered without a request to anybody.
const NO_PATH: &str = r#"{"resource":"/none","path":"/none","httpMethod":"GET","requestContext":{"httpMethod":"GET","path":"/none","resourcePath":"/none","stage":"prod"}}"#;

/// `GET /prices/BTC` as the template's gateway hands it on, with `KEY` in the place of the key.
const GET_PRICE: &str = include_str!("get-price.json");

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
    let function = function(siblings, scenario, endpoints, &clock);
    let mut starts = Spread::new(PER_SECOND);
    every(GAP, lasting, stop, async |index| {
        let mut sandbox = sandbox(&function).await?;
        let (report, outcome) = invoked(&mut sandbox, &clock, NO_PATH).await;
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

/// What one environment takes for an event, until it asks for the next, when it serves from memory; in seconds, less its
/// one request to the store, which counts it. `hop` is what a client of the store waits beyond what the front sees of its request.
pub(super) async fn invocations(
    siblings: &Siblings,
    scenario: &Scenario,
    hop: Duration,
    lasting: Duration,
    stop: &watch::Receiver<bool>,
) -> Result<Spread, CalibrateError> {
    let stocked = Stocked::open(scenario).await?;
    let function = function(siblings, scenario, stocked.endpoints(), &stocked.clock);
    let mut sandbox = sandbox(&function).await?;
    let event = GET_PRICE.replace("KEY", SECRET);
    let mut took_itself = Spread::new(PER_SECOND);
    let measured = every(GAP, lasting, stop, async |index| {
        stocked.heard();
        let (report, outcome) = invoked(&mut sandbox, &stocked.clock, &event).await;
        let answer = String::from_utf8_lossy(&outcome.payload);
        if !answer.contains(r#""statusCode":200"#) {
            return Err(failed(&answer));
        }
        if index >= WARM
            && answer.contains("detail=memory")
            && let [call] = &*stocked.heard()
            && call.subject == StoreSubject::RateLimit
        {
            let waited = took(call) + hop.as_secs_f64();
            took_itself.record((report.duration.as_secs_f64() - waited).max(0.0));
        }
        Ok(())
    })
    .await;
    sandbox.end().await;
    crate::lambda::cpu::tidy().await;
    stocked.close().await;
    measured.map(|()| took_itself)
}

/// The API's function on a stack like the scenario's.
fn function(
    siblings: &Siblings,
    scenario: &Scenario,
    endpoints: Endpoints<'_>,
    clock: &RunClock,
) -> Arc<Function> {
    let none = BTreeMap::new();
    let template = BTreeMap::from([(
        "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH".to_owned(),
        "true".to_owned(),
    )]);
    let stack = on_stack(&scenario.stack, endpoints, clock, &none);
    Arc::new(Function {
        name: "calibrate".to_owned(),
        bootstrap: siblings.path(Binary::Api),
        handler: "bootstrap".to_owned(),
        timeout: Duration::from_secs(25),
        memory_mb: MEMORY_MB,
        environment: variables(&template, &stack, &none),
        log_format: LogFormat::Json,
        application_log_level: None,
        log_group: None,
    })
}

/// An environment of it in which nothing runs yet.
async fn sandbox(function: &Arc<Function>) -> Result<Sandbox, CalibrateError> {
    let log = Log {
        function: Arc::new(|_| {}),
        platform: Arc::new(|_| {}),
    };
    Sandbox::new(Arc::clone(function), log, "calibrate".to_owned())
        .await
        .map_err(|error| failed(&error.to_string()))
}

async fn invoked(sandbox: &mut Sandbox, clock: &RunClock, event: &str) -> (Report, Outcome) {
    let invocation = Invocation {
        request_id: uuid(&SystemRng),
        trace_id: trace_id(&SystemRng, clock.now_ms() / 1000),
        payload: Bytes::copy_from_slice(event.as_bytes()),
        ordeal: None,
    };
    // The outcome is returned, too; nobody listens here.
    let (answer, _) = oneshot::channel();
    sandbox.invoke(invocation, answer).await
}

fn failed(problem: &str) -> CalibrateError {
    CalibrateError::Environment(problem.to_owned())
}
