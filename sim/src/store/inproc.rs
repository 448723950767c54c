//! The embedded DynamoDB without sockets: the service's own SDK client over a connector that asks `dynoxide` in
//! the same thread.
//!
//! For virtual time. The connector sees the bytes that would go over the wire, and tells what the store front would
//! tell. Everything that the SDK waits for (its retries, its timeouts) is tokio's time; what it draws for them is
//! repeated from the seed.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use dynoxide::{Database, DynoxideError, storage_backend::ManualClock};
use serde::{Serialize, de::DeserializeOwned};
use service::{config::Config, store::dynamo::DynamoStore};

use tokio::time::sleep;

use super::{
    expiry::Sweeps,
    faults::{StoreFaults, Verdict, judge},
    forward::{error_body, micros},
    front::Emit,
    midway::Midway,
    observe::{self, Call, Seen},
    partial,
    table::{self, TableError},
};
use crate::{clock::RunClock, latency::Modelled, record::event::Event, seed::Seed};

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum InProcessError {
    /// Its `SQLite` could not be opened.
    #[error("cannot open the embedded DynamoDB: {0}")]
    Open(String),
    /// The table could not be made.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// A DynamoDB with the service's table. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct InProcessStore(Arc<Shared>);

struct Shared {
    /// None while the store is stopped.
    database: Mutex<Option<Database>>,
    /// Where it is on disk.
    path: Option<PathBuf>,
    /// The database's clock, by which it tells what is expired: it stands still between sweeps.
    expiry: ManualClock,
    sweeps: Mutex<Sweeps>,
    clock: RunClock,
    latency: Modelled,
    emit: Emit,
    faults: StoreFaults,
    midway: Midway,
    is_reachable: AtomicBool,
}

/// What a run asks of its store besides the table.
#[derive(Debug)]
pub struct Conditions {
    /// What requests suffer.
    pub faults: StoreFaults,
    /// Who is told of batches of prices that an update has stored.
    pub midway: Midway,
    /// The file that it is to keep; it is in memory without one.
    pub path: Option<PathBuf>,
}

impl Conditions {
    /// A store in memory that nothing happens to.
    #[must_use]
    pub fn calm(clock: RunClock) -> Self {
        Self {
            faults: StoreFaults::none(clock),
            midway: Midway::default(),
            path: None,
        }
    }
}

impl InProcessStore {
    /// A DynamoDB with an empty `table`. Each request takes what `latency` draws and is then told to `emit`; items
    /// expire by `clock`.
    ///
    /// The SDK draws its jitter from a generator of the thread, which is set to `seed` here: call this on the thread
    /// of the run, and let nothing else there draw from it.
    ///
    /// # Errors
    /// When there is no database in memory or at its path, or `table` is no name of a table.
    pub fn open(
        table: &str,
        clock: RunClock,
        latency: Modelled,
        emit: Emit,
        seed: Seed,
        conditions: Conditions,
    ) -> Result<Self, InProcessError> {
        let Conditions { faults, midway, path } = conditions;
        let expiry = ManualClock::new(0);
        let database = open_database(path.as_deref(), &expiry)?;
        table::create(&database, table)?;
        fastrand::seed(seed.0);
        Ok(Self(Arc::new(Shared {
            database: Mutex::new(Some(database)),
            path,
            expiry,
            sweeps: Mutex::default(),
            clock,
            latency,
            emit,
            faults,
            midway,
            is_reachable: AtomicBool::new(true),
        })))
    }

    /// The table as an instance of the service sees it that is configured like this.
    #[must_use]
    pub fn service_store(&self, config: &Config) -> DynamoStore {
        DynamoStore::over(self.clone(), config, Arc::new(self.0.clock))
    }

    /// The database itself, to prepare and to inspect it; none while the store is stopped.
    #[must_use]
    pub fn database(&self) -> Option<Database> {
        self.0.database().clone()
    }

    /// Whether connections to it come about from now on.
    pub fn set_reachable(&self, is_reachable: bool) {
        self.0.is_reachable.store(is_reachable, Ordering::Relaxed);
    }

    /// Ends the database as if its process were killed.
    pub fn halt(&self) {
        self.set_reachable(false);
        *self.0.database() = None;
    }

    /// Starts it again with what is on disk.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn resume(&self) -> Result<(), InProcessError> {
        let database = open_database(self.0.path.as_deref(), &self.0.expiry)?;
        *self.0.database() = Some(database);
        self.set_reachable(true);
        Ok(())
    }

    /// The way of one request: it comes, its latency passes, and then the database answers, unless faults keep it from
    /// that.
    async fn answer(self, target: String, body: Bytes) -> Result<HttpResponse, ConnectorError> {
        let shared = &self.0;
        if !shared.is_reachable.load(Ordering::Relaxed) {
            return Err(broken("connection refused"));
        }
        let call = observe::request(&target, &body);
        let judgement = judge(&shared.faults, &call, &body);
        let mut seen = Seen {
            at_us: shared.clock.now_us(),
            store_us: 0,
            front_us: 0,
            status: 0,
            faults: judgement.touched,
        };
        match judgement.verdict {
            Verdict::Pass | Verdict::LoseAnswer => {}
            Verdict::Refuse { status, code } => {
                seen.store_us = micros(shared.latency.pass().await);
                seen.status = status;
                let answer = error_body(code, "a fault of the scenario refused the request");
                shared.tell(&call, seen, answer.as_bytes());
                return response(status, answer.into_bytes());
            }
            Verdict::Hang { at_most } => {
                shared.tell(&call, seen, b"");
                sleep(at_most).await;
                return Err(broken("the connection was closed without an answer"));
            }
            Verdict::Reset => {
                shared.tell(&call, seen, b"");
                return Err(broken("the connection was reset"));
            }
        }
        let split = (!judgement.left_out.is_empty())
            .then(|| partial::split(&body, &judgement.left_out))
            .flatten();
        let is_lost = judgement.verdict == Verdict::LoseAnswer;
        let unheard = Unheard {
            shared,
            told: (call.op.reads() && !seen.faults.is_empty()).then(|| (&call, seen.clone())),
        };
        if call.op.reads() && !judgement.delay.is_zero() {
            // What a read finds is what there is when it is answered, and matters only to whoever hears of it.
            sleep(judgement.delay).await;
        }
        seen.store_us = micros(shared.latency.pass().await);
        let asked = split.as_ref().map_or(&body[..], |split| &split.request);
        let (status, answer) = shared.ask(target.rsplit('.').next().unwrap_or_default(), asked);
        let merged = split
            .filter(|_| status == 200)
            .and_then(|split| split.answer(answer.as_bytes()));
        let answer = merged.unwrap_or_else(|| answer.into_bytes());
        if call.op.reads() {
            if !is_lost {
                unheard.was_heard();
                shared.tell(&call, Seen { status, ..seen }, &answer);
            }
        } else {
            seen.status = if is_lost { 0 } else { status };
            let outcome = call.answer(status, &answer, shared.clock.now_us());
            shared.midway.saw(&outcome);
            let is_batch = outcome.stores_prices();
            let admits = outcome.admits();
            call.tell(seen, outcome, |event| (shared.emit)(event));
            if is_batch {
                shared.midway.batch_stored().await;
            }
            if !is_lost && !judgement.delay.is_zero() {
                sleep(judgement.delay).await;
                if admits {
                    let at_us = shared.clock.now_us();
                    (shared.emit)(Event::AdmissionHeard { at_us });
                }
            }
        }
        if is_lost {
            return Err(broken("the connection was reset after the request"));
        }
        response(status, answer)
    }
}

/// A read that a fault touched; told as unanswered unless somebody hears of it.
struct Unheard<'a> {
    shared: &'a Shared,
    told: Option<(&'a Call, Seen)>,
}

impl Unheard<'_> {
    fn was_heard(mut self) {
        self.told = None;
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if let Some((call, seen)) = self.told.take() {
            self.shared.tell(call, seen, b"");
        }
    }
}

fn open_database(path: Option<&Path>, expiry: &ManualClock) -> Result<Database, InProcessError> {
    let opened = match path {
        None => Database::memory_with_clock(expiry.arc()),
        // A database on disk takes the system's clock and no other.
        Some(path) => Database::new(&path.display().to_string()),
    };
    opened.map_err(|error| InProcessError::Open(error.to_string()))
}

fn broken(what: &'static str) -> ConnectorError {
    ConnectorError::io(what.into())
}

fn response(status: u16, body: Vec<u8>) -> Result<HttpResponse, ConnectorError> {
    let status =
        StatusCode::try_from(status).map_err(|error| ConnectorError::other(Box::new(error), None))?;
    Ok(HttpResponse::new(status, SdkBody::from(body)))
}

impl Shared {
    fn database(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, call: &Call, seen: Seen, answer: &[u8]) {
        let outcome = call.answer(seen.status, answer, self.clock.now_us());
        call.tell(seen, outcome, |event| (self.emit)(event));
    }

    /// Status and body of the database's answer.
    fn ask(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let Some(database) = self.database().clone() else {
            return (
                500,
                error_body("InternalServerError", "the store was stopped meanwhile"),
            );
        };
        self.sweep(&database);
        let answer = match operation {
            "GetItem" => typed(body, |request| database.get_item(request)),
            "PutItem" => typed(body, |request| database.put_item(request)),
            "UpdateItem" => typed(body, |request| database.update_item(request)),
            "BatchGetItem" => typed(body, |request| database.batch_get_item(request)),
            "BatchWriteItem" => typed(body, |request| database.batch_write_item(request)),
            "Scan" => typed(body, |request| database.scan(request)),
            _ => {
                let unknown = error_body("UnknownOperationException", "the service sends no such operation");
                return (400, unknown);
            }
        };
        match answer {
            Ok(answer) => (200, answer),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    /// Deletes expired items when that is due. On disk none are: there the database would go by the system's clock.
    fn sweep(&self, database: &Database) {
        if self.path.is_some() {
            return;
        }
        let mut sweeps = self.sweeps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before_s) = sweeps.due(self.clock.now_ms()) {
            self.expiry.set(u64::try_from(before_s).unwrap_or(0));
            // It fails when the database is broken, and then so does the request that follows.
            let _ = database.sweep_ttl();
        }
    }
}

/// A request and its answer as JSON.
fn typed<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    act: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
    let answer = act(request)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// What DynamoDB says to a request that cannot be read. `dynoxide` marks what its types refuse for their own reasons
/// and tells the rest apart in its wire layer, which is not public; this is as much of it as an SDK can provoke.
fn unreadable(text: &str) -> DynoxideError {
    match text.split_once(':') {
        Some((mark, why)) if mark.starts_with("VALIDATION") => {
            DynoxideError::ValidationException(why.to_owned())
        }
        _ if ["missing field", "unknown variant", "AttributeValue"]
            .iter()
            .any(|invalid| text.contains(invalid)) =>
        {
            DynoxideError::ValidationException(text.to_owned())
        }
        _ => DynoxideError::SerializationException(text.to_owned()),
    }
}

impl HttpConnector for InProcessStore {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request
            .headers()
            .get("x-amz-target")
            .unwrap_or_default()
            .to_owned();
        let body = Bytes::copy_from_slice(request.body().bytes().unwrap_or_default());
        HttpConnectorFuture::new(self.clone().answer(target, body))
    }
}

impl HttpClient for InProcessStore {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl fmt::Debug for InProcessStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessStore")
            .field("latency", &self.0.latency)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_gets_the_error_that_dynamodb_gives() {
        let store = InProcessStore::open(
            "crypto-watch",
            RunClock::starting_in(std::time::Duration::ZERO, 1_772_409_600_000, 1.0),
            Modelled::none(),
            Arc::new(|_| {}),
            Seed(1),
            Conditions::calm(RunClock::paused(0)),
        )
        .expect("a store");
        let key = |number: &str| {
            format!(
                r#"{{"TableName":"crypto-watch","Key":{{"PK":{{"S":"a"}},"SK":{{"S":"b"}}}},
                    "UpdateExpression":"SET x = :x","ExpressionAttributeValues":{{":x":{{"N":{number}}}}}}}"#
            )
        };
        let missing = r#"{"TableName":"missing","Key":{"PK":{"S":"x"},"SK":{"S":"y"}}}"#;
        for (operation, body, code) in [
            ("UpdateItem", key(r#""5""#), ""),
            ("UpdateItem", key(r#""five""#), "#ValidationException"),
            ("UpdateItem", key("5"), "#SerializationException"),
            ("GetItem", "{".to_owned(), "#SerializationException"),
            ("GetItem", "{}".to_owned(), "#ValidationException"),
            ("GetItem", missing.to_owned(), "#ResourceNotFoundException"),
            ("Nonsense", "{}".to_owned(), "#UnknownOperationException"),
        ] {
            let (status, answer) = store.0.ask(operation, body.as_bytes());
            let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
            let told = answer["__type"].as_str().unwrap_or_default();
            assert!(told.ends_with(code), "{operation} {body}: {answer}");
            assert_eq!(status, if code.is_empty() { 200 } else { 400 }, "{answer}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let clock = RunClock::starting_in(std::time::Duration::ZERO, 0, 1.0);
        let failed = InProcessStore::open(
            "?",
            clock,
            Modelled::none(),
            Arc::new(|_| {}),
            Seed(1),
            Conditions::calm(clock),
        );
        let error = failed.expect_err("no table").to_string();
        assert!(
            error.starts_with("cannot create the table `?` in the embedded DynamoDB: "),
            "{error}"
        );
    }
}
