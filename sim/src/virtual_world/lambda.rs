//! Lambda in virtual time: environments that start, are reused and end by the same rules as on the real clock, in which the
//! service's own code handles the events.
//!
//! Modelled: how long an environment takes to start, and what an invocation takes beside what it waits for. By itself: that
//! nothing of an environment goes on between invocations, since the service begins no task of its own.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    os::unix::process::ExitStatusExt,
    pin::pin,
    process::ExitStatus,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Request, Uri};
use lambda_http::{Adapter, Context, LambdaEvent, request::LambdaRequest};
use scenarios::within::{Answer, Carried, Carry, Exchange, NoAnswer};
use service::{
    App,
    config::Config,
    http::{Deadline, RequestId, router},
    rng::Rng,
    serve::{self, ANSWER_MARGIN},
};
use tokio::{sync::oneshot, time::Instant};
use tower::{Service, ServiceExt, service_fn};

use super::{ProcessParts, Pulse, api::NextFiring, asking};
use crate::{
    clock::RunClock,
    deployed::ears::Ears,
    gateway::{desk::Desk, serve::ENVIRONMENT},
    lambda::{
        ids::uuid,
        invoke::{Invoke, Invoked},
        ordeal::{Ordeal, Ordeals, Suffers},
        outcome::Outcome,
        pool::Happened,
        report::Report,
        runtime,
        scaling::{EnvironmentId, Place, Scaler, Throttle},
    },
    latency::Modelled,
    record::event::Event,
};

/// The variable that tells `lambda_http` not to put the stage before the path.
const IGNORE_STAGE: &str = "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH";

/// A function as it is modelled.
#[derive(Clone, Debug)]
pub(super) struct Function {
    /// What its documents say it is, `api` or `update`.
    pub(super) service: &'static str,
    /// What it makes of its variables.
    pub(super) config: Config,
    /// How long an invocation may take.
    pub(super) timeout: Duration,
    /// Whether its variables keep the stage out of the paths.
    pub(super) ignores_stage: bool,
}

impl Function {
    /// A function with these variables.
    pub(super) fn new(
        service: &'static str,
        config: Config,
        timeout: Duration,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        Self {
            service,
            config,
            timeout,
            ignores_stage: variables.contains_key(IGNORE_STAGE),
        }
    }
}

/// An emulated Lambda. A handle: clones are the same.
#[derive(Clone)]
pub(super) struct ModelledLambda(Arc<Inner>);

/// What it is made of.
pub(super) struct LambdaParts {
    pub(super) functions: Vec<Function>,
    pub(super) scaler: Scaler,
    /// What faults make invocations go through.
    pub(super) ordeals: Ordeals,
    /// The stage of the API.
    pub(super) stage: String,
    pub(super) parts: ProcessParts,
    pub(super) ears: Ears,
    /// What an environment takes to start.
    pub(super) cold_start: Arc<Modelled>,
    /// What an invocation takes beside what it waits for.
    pub(super) invocation: Arc<Modelled>,
    pub(super) rng: Arc<dyn Rng>,
}

struct Inner {
    made_of: LambdaParts,
    state: Mutex<State>,
    /// How many requests there were.
    count: AtomicU64,
}

struct State {
    scaler: Scaler,
    /// What runs in the environments that wait. One that is not here has no process.
    idle: BTreeMap<EnvironmentId, Process>,
    /// How many processes each environment has had.
    starts: BTreeMap<EnvironmentId, u64>,
}

/// What runs in an environment.
enum Process {
    Api(Router),
    Update(Arc<App>),
}

/// An invocation that has an environment.
struct Placed {
    function: usize,
    environment: EnvironmentId,
    is_cold: bool,
    process: Option<Process>,
    request_id: String,
    number: u64,
    payload: Bytes,
}

impl ModelledLambda {
    pub(super) fn new(made_of: LambdaParts) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                scaler: made_of.scaler.clone(),
                idle: BTreeMap::new(),
                starts: BTreeMap::new(),
            }),
            made_of,
            count: AtomicU64::new(0),
        }))
    }

    async fn place(&self, function: usize, payload: Bytes) -> Result<Invoked, Throttle> {
        let inner = &self.0;
        let (now_us, ordeals) = (inner.made_of.parts.clock.now_us(), &inner.made_of.ordeals);
        let since_start = Duration::from_micros(now_us);
        let room = ordeals.room(since_start);
        let count = room.map(|(_, count)| count);
        let (placed, running, running_in_all) = {
            let mut state = inner.state();
            for expired in state.scaler.expire(now_us) {
                state.idle.remove(&expired);
                state.starts.remove(&expired);
            }
            let (environment, is_cold) = match state.scaler.place(function, now_us, count) {
                Place::Warm(environment) => (environment, false),
                Place::Cold(environment) => (environment, true),
                Place::Throttled(why) => {
                    drop(state);
                    let fault = room.map(|(fault, _)| fault).filter(|_| why == Throttle::Account);
                    let throttled = Happened::Throttled { function, why, fault };
                    inner.made_of.ears.hear(&throttled);
                    return Err(why);
                }
            };
            let placed = Placed {
                function,
                environment,
                is_cold,
                process: state.idle.remove(&environment),
                request_id: uuid(&*inner.made_of.rng),
                number: inner.count.fetch_add(1, Ordering::Relaxed),
                payload,
            };
            (placed, state.scaler.busy(function), state.scaler.busy_in_all())
        };
        let service = inner.made_of.functions[function].service;
        let suffers = ordeals.of_invocation(since_start, service);
        let (environment, number) = (placed.environment, placed.number);
        inner.made_of.ears.hear(&Happened::Began {
            function,
            environment,
            is_cold: placed.is_cold,
            running,
            running_in_all,
            fault: suffers.map(|(fault, _)| fault),
        });
        let ordeal = suffers.map(|(_, ordeal)| ordeal);
        let (answer, answered) = oneshot::channel();
        tokio::spawn(Arc::clone(inner).run(placed, ordeal, answer));
        match answered.await {
            Ok(outcome) => Ok(Invoked {
                outcome,
                environment,
                number: Some(number),
            }),
            // The run is over.
            Err(_) => Err(Throttle::Account),
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>, placed: Placed, ordeal: Option<Ordeal>, answer: oneshot::Sender<Outcome>) {
        let Placed {
            function,
            environment,
            is_cold,
            mut process,
            request_id,
            number,
            payload,
        } = placed;
        let timeout = self.made_of.functions[function].timeout;
        let init = if is_cold {
            process = Some(self.make(function, environment));
            Some(self.made_of.cold_start.pass().await)
        } else {
            None
        };
        let begun = Instant::now();
        let work = async {
            let process = match process {
                Some(process) => process,
                // The last one was killed, or ended: the invocation starts another, within its own time.
                None => {
                    let process = self.make(function, environment);
                    self.made_of.cold_start.pass().await;
                    process
                }
            };
            self.made_of.invocation.pass().await;
            let deadline = begun + timeout.saturating_sub(ANSWER_MARGIN);
            let outcome = match &process {
                Process::Api(router) => {
                    let asked = Asked {
                        request_id: &request_id,
                        deadline,
                        payload: &payload,
                    };
                    let answering = self.answer(function, router.clone(), asked);
                    asking::on_behalf_of(instance(environment), number, answering).await
                }
                Process::Update(app) => update(app, deadline, &request_id).await,
            };
            (process, outcome)
        };
        let work = goes_through(work.map(Ok), ordeal, &request_id);
        let (process, outcome) = match tokio::time::timeout(timeout, work).await {
            Ok(Ok((process, outcome))) => (Some(process), outcome),
            Ok(Err(outcome)) => (None, outcome),
            Err(_) => (None, Outcome::timed_out(&request_id, timeout)),
        };
        {
            let mut state = self.state();
            state
                .scaler
                .free(environment, self.made_of.parts.clock.now_us(), true);
            if let Some(process) = process.filter(|_| outcome.leaves_it_alive()) {
                state.idle.insert(environment, process);
            }
        }
        let report = Report {
            request_id,
            duration: begun.elapsed().max(Duration::from_micros(1)),
            init,
            memory: 0,
            unlimited: None,
        };
        self.made_of.ears.hear(&Happened::Ended {
            function,
            environment,
            report,
            outcome: outcome.clone(),
        });
        // Whoever asked may have given up.
        let _ = answer.send(outcome);
    }

    /// Starts a process: all that the last one knew is gone.
    fn make(&self, function: usize, environment: EnvironmentId) -> Process {
        let starts = {
            let mut state = self.state();
            let starts = state.starts.entry(environment).or_default();
            *starts += 1;
            *starts
        };
        let function = &self.made_of.functions[function];
        let parts = &self.made_of.parts;
        let service = function.service;
        let process = match starts {
            1 => format!("{service}-{environment}"),
            again => format!("{service}-{environment}#{again}"),
        };
        if starts > 1 {
            parts.recorder.record(Event::Started {
                at_us: parts.clock.now_us(),
                instance: instance(environment),
            });
        }
        let app = Arc::new(parts.app_of(function.config.clone(), service, &process));
        match service {
            "update" => Process::Update(app),
            _ => Process::Api(router(app)),
        }
    }

    /// Answers an event of the gateway by way of `lambda_http`, as the API's binary does.
    async fn answer(&self, function: usize, router: Router, asked: Asked<'_>) -> Outcome {
        let event: LambdaRequest = match serde_json::from_slice(asked.payload) {
            Ok(event) => event,
            Err(error) => return reported(asked.request_id, "EventUnreadable", &error.to_string()),
        };
        let (id, deadline) = (RequestId(asked.request_id.into()), Deadline(asked.deadline));
        let ignores_stage = self.made_of.functions[function].ignores_stage;
        let stage = self.made_of.stage.clone();
        let mount = service_fn(move |mut request: lambda_http::Request| {
            request.extensions_mut().insert(id.clone());
            request.extensions_mut().insert(deadline);
            if let Some(uri) = placed_in_stage(request.uri(), &stage, ignores_stage) {
                *request.uri_mut() = uri;
            }
            let router = router.clone();
            async move { router.oneshot(request).await }
        });
        let event = LambdaEvent::new(event, Context::default());
        let answering = Adapter::from(mount).call(event);
        let Ok::<_, Infallible>(response) = answering.await;
        match serde_json::to_vec(&response) {
            Ok(payload) => Outcome::of(runtime::Answer::Response(Bytes::from(payload)), asked.request_id),
            Err(error) => reported(asked.request_id, "AnswerUnwritable", &error.to_string()),
        }
    }
}

/// Lets `work` go through what a fault wants.
async fn goes_through<T>(
    work: impl Future<Output = Result<T, Outcome>>,
    ordeal: Option<Ordeal>,
    request_id: &str,
) -> Result<T, Outcome> {
    let Some(Ordeal { into, what }) = ordeal else {
        return work.await;
    };
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = work.as_mut() => return done,
        () = tokio::time::sleep(into) => {}
    }
    match what {
        Suffers::OutOfMemory => Err(Outcome::out_of_memory(request_id)),
        Suffers::Abort => Err(Outcome::exited(request_id, ExitStatus::from_raw(SIGABRT))),
        // Its time is up before it goes on.
        Suffers::Freeze(None) => std::future::pending().await,
        Suffers::Freeze(Some(lasting)) => {
            tokio::time::sleep(lasting).await;
            work.await
        }
    }
}

/// The signal of a process that aborts.
const SIGABRT: i32 = 6;

/// What a function is asked.
struct Asked<'a> {
    request_id: &'a str,
    deadline: Instant,
    payload: &'a [u8],
}

async fn update(app: &App, deadline: Instant, request_id: &str) -> Outcome {
    match serve::invoke_update(app, Some(deadline), request_id).await {
        Ok(answer) => Outcome::of(
            runtime::Answer::Response(Bytes::from(answer.to_string())),
            request_id,
        ),
        Err(reason) => reported(request_id, "UpdateFailed", &reason),
    }
}

/// The runtime reports an error.
fn reported(request_id: &str, error_type: &str, message: &str) -> Outcome {
    let payload = serde_json::json!({ "errorType": error_type, "errorMessage": message });
    let error = runtime::Answer::Error {
        error_type: error_type.to_owned(),
        payload: Bytes::from(payload.to_string()),
    };
    Outcome::of(error, request_id)
}

/// The path as the function sees it, when `lambda_http` gave another: that goes by the variables of this process, which are
/// not those of the function.
fn placed_in_stage(uri: &Uri, stage: &str, ignores_stage: bool) -> Option<Uri> {
    let path = uri.path();
    let within = path
        .strip_prefix(&format!("/{stage}"))
        .filter(|rest| rest.starts_with('/'));
    let wanted = match (within, ignores_stage) {
        (Some(rest), true) => rest.to_owned(),
        (None, false) => format!("/{stage}{path}"),
        (Some(_), false) | (None, true) => return None,
    };
    let wanted = match uri.query() {
        Some(query) => format!("{wanted}?{query}"),
        None => wanted,
    };
    wanted.parse().ok()
}

/// The instance that an environment is to the recording.
fn instance(environment: EnvironmentId) -> u16 {
    u16::try_from(environment).unwrap_or(u16::MAX)
}

impl Invoke for ModelledLambda {
    fn invoke(
        &self,
        function: usize,
        payload: Bytes,
        _trace_id: String,
    ) -> BoxFuture<'_, Result<Invoked, Throttle>> {
        self.place(function, payload).boxed()
    }
}

impl fmt::Debug for ModelledLambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ModelledLambda")
            .field(&self.0.made_of.functions)
            .finish()
    }
}

/// The gateway for users in virtual time.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) desk: Desk,
    pub(super) stage: String,
    pub(super) clock: RunClock,
    pub(super) next_firing: NextFiring,
    pub(super) pulse: Pulse,
}

impl Entrance {
    async fn exchange(&self, path: &str, mut headers: HeaderMap) -> Exchange {
        let _running = self.pulse.request();
        self.next_firing.passed(self.clock.now_us()).await;
        headers
            .entry(http::header::HOST)
            .or_insert(HeaderValue::from_static("127.0.0.1"));
        let Ok(mut request) = Request::get(format!("/{}{path}", self.stage)).body(Bytes::new()) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        *request.headers_mut() = headers;
        let (response, whence) = self.desk.exchange(request, "127.0.0.1".to_owned()).await;
        let (parts, body) = response.into_parts();
        let mut headers = parts.headers;
        if let Some(whence) = &whence {
            headers.insert(ENVIRONMENT, HeaderValue::from(whence.environment));
        }
        Exchange::Answered(Answer {
            status: parts.status,
            headers,
            body,
            number: whence.and_then(|whence| whence.number),
        })
    }
}

impl Carry for Entrance {
    fn get<'a>(&'a self, _target: u16, path: &'a str, headers: HeaderMap) -> Carried<'a> {
        Box::pin(self.exchange(path, headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_in_the_path_unless_the_function_says_so() {
        let placed = |uri: &str, ignores| {
            placed_in_stage(&uri.parse().expect("a URI"), "prod", ignores).map(|uri| uri.to_string())
        };
        assert_eq!(
            placed("/prod/prices?symbols=BTC", true).as_deref(),
            Some("/prices?symbols=BTC")
        );
        assert_eq!(placed("/prod/prices", false), None);
        assert_eq!(placed("/prices", false).as_deref(), Some("/prod/prices"));
        assert_eq!(placed("/prices", true), None);
        assert_eq!(placed("/products", true), None, "no stage, but begins like it");
    }
}
