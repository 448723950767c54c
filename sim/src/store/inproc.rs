//! The embedded DynamoDB without sockets: the service's own SDK client over a connector that asks `dynoxide` in
//! the same thread.
//!
//! For virtual time. The connector sees the bytes that would go over the wire, and tells what the store front would
//! tell. Everything that the SDK waits for (its retries, its timeouts) is tokio's time; what it draws for them is
//! repeated from the seed.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
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

use super::{
    expiry::Sweeps,
    forward::{error_body, micros},
    front::Emit,
    observe::{self, Seen},
    table::{self, TableError},
};
use crate::{
    clock::RunClock,
    latency::Modelled,
    record::event::{StoreOp, StoreSubject},
    seed::Seed,
};

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum InProcessError {
    /// Its `SQLite` could not be opened.
    #[error("cannot open the embedded DynamoDB in memory: {0}")]
    Open(String),
    /// The table could not be made.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// An error in place of the store's own answer; then the store never sees the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// DynamoDB's error code, such as `InternalServerError`.
    pub code: &'static str,
}

/// Decides for each request whether it is refused. Asked in the order of the requests.
pub type Refuse = Arc<dyn Fn(StoreOp, StoreSubject) -> Option<Refusal> + Send + Sync>;

/// A DynamoDB with the service's table. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct InProcessStore {
    shared: Arc<Shared>,
    refuse: Option<Refuse>,
}

struct Shared {
    database: Database,
    /// The database's clock, by which it tells what is expired: it stands still between sweeps.
    expiry: ManualClock,
    sweeps: Mutex<Sweeps>,
    clock: RunClock,
    latency: Modelled,
    emit: Emit,
}

impl InProcessStore {
    /// A DynamoDB with an empty `table`. Each request takes what `latency` draws and is then told to `emit`; items
    /// expire by `clock`.
    ///
    /// The SDK draws its jitter from a generator of the thread, which is set to `seed` here: call this on the thread
    /// of the run, and let nothing else there draw from it.
    ///
    /// # Errors
    /// When there is no database in memory, or `table` is no name of a table.
    pub fn open(
        table: &str,
        clock: RunClock,
        latency: Modelled,
        emit: Emit,
        seed: Seed,
    ) -> Result<Self, InProcessError> {
        let expiry = ManualClock::new(0);
        let database = Database::memory_with_clock(expiry.arc())
            .map_err(|error| InProcessError::Open(error.to_string()))?;
        table::create(&database, table)?;
        fastrand::seed(seed.0);
        let shared = Shared {
            database,
            expiry,
            sweeps: Mutex::default(),
            clock,
            latency,
            emit,
        };
        Ok(Self {
            shared: Arc::new(shared),
            refuse: None,
        })
    }

    /// The same table, where requests are refused as `refuse` says.
    #[must_use]
    pub fn refusing(&self, refuse: Refuse) -> Self {
        Self {
            refuse: Some(refuse),
            ..self.clone()
        }
    }

    /// The table as an instance of the service sees it that is configured like this.
    #[must_use]
    pub fn service_store(&self, config: &Config) -> DynamoStore {
        DynamoStore::over(self.clone(), config, Arc::new(self.shared.clock))
    }

    /// The database itself, to prepare and to inspect it.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.shared.database
    }

    /// The way of one request: it comes, its latency passes, and then the database answers.
    async fn answer(self, target: String, body: Bytes) -> Result<HttpResponse, ConnectorError> {
        let shared = &self.shared;
        let at_us = shared.clock.now_us();
        let call = observe::request(&target, &body);
        let store_us = micros(shared.latency.pass().await);
        let refusal = self
            .refuse
            .as_ref()
            .and_then(|refuse| refuse(call.op, call.subject));
        let (status, answer) = match refusal {
            Some(Refusal { status, code }) => {
                (status, error_body(code, "the request was refused on purpose"))
            }
            None => shared.ask(target.rsplit('.').next().unwrap_or_default(), &body),
        };
        let outcome = call.answer(status, answer.as_bytes(), shared.clock.now_us());
        let seen = Seen {
            at_us,
            store_us,
            front_us: 0,
            status,
        };
        call.tell(seen, outcome, |event| (shared.emit)(event));
        let status =
            StatusCode::try_from(status).map_err(|error| ConnectorError::other(Box::new(error), None))?;
        Ok(HttpResponse::new(status, SdkBody::from(answer)))
    }
}

impl Shared {
    /// Status and body of the database's answer.
    fn ask(&self, operation: &str, body: &[u8]) -> (u16, String) {
        self.sweep();
        let database = &self.database;
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

    /// Deletes expired items when that is due.
    fn sweep(&self) {
        let mut sweeps = self.sweeps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before_s) = sweeps.due(self.clock.now_ms()) {
            self.expiry.set(u64::try_from(before_s).unwrap_or(0));
            // It fails when the database is broken, and then so does the request that follows.
            let _ = self.database.sweep_ttl();
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
            .field("latency", &self.shared.latency)
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
            let (status, answer) = store.shared.ask(operation, body.as_bytes());
            let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
            let told = answer["__type"].as_str().unwrap_or_default();
            assert!(told.ends_with(code), "{operation} {body}: {answer}");
            assert_eq!(status, if code.is_empty() { 200 } else { 400 }, "{answer}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let clock = RunClock::starting_in(std::time::Duration::ZERO, 0, 1.0);
        let failed = InProcessStore::open("?", clock, Modelled::none(), Arc::new(|_| {}), Seed(1));
        let error = failed.expect_err("no table").to_string();
        assert!(
            error.starts_with("cannot create the table `?` in the embedded DynamoDB: "),
            "{error}"
        );
    }
}
