//! What must hold of a store, whichever it is: each check takes one with the service's table, empty. `contract` says which run on which; those that take a [`super::raw::Raw`] speak DynamoDB's own
//! language.

pub(crate) mod batches;
pub(crate) mod capacity;
pub(crate) mod cost;
pub(crate) mod counters;
pub(crate) mod expiry;
pub(crate) mod keys;
pub(crate) mod lease;
pub(crate) mod prices;
pub(crate) mod requests;
pub(crate) mod tables;
pub(crate) mod writes;

use std::sync::Arc;

use service::{
    clock::SystemClock,
    config::Config,
    models::Timestamp,
    store::{Store, StoreError, dynamo::DynamoStore},
};

pub(crate) use prices::price;

/// The table of the checks.
pub(crate) const TABLE: &str = "crypto-watch";
/// 2026-03-02T00:00:00Z: when all checks begin.
pub(crate) const NOW: Timestamp = Timestamp(1_772_409_600_000);

/// A configuration of the service with this table, and what `lookup` sets besides.
pub(crate) fn config(table: &str, lookup: impl Fn(&str) -> Option<String>) -> Config {
    Config::from_lookup(|name| match name {
        "DYNAMODB_TABLE_NAME" => Some(table.to_owned()),
        _ => lookup(name),
    })
    .expect("a valid configuration")
}

/// The service's own store at an endpoint, patient enough for a busy machine.
pub(crate) fn service_store(endpoint: &str) -> Arc<dyn Store> {
    service_store_of(endpoint, TABLE)
}

/// The same with another table.
pub(crate) fn service_store_of(endpoint: &str, table: &str) -> Arc<dyn Store> {
    let config = config(table, |name| match name {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(endpoint.to_owned()),
        "STORE_TIMEOUT_MS" | "WRITE_TIMEOUT_MS" => Some("10000".to_owned()),
        _ => None,
    });
    Arc::new(DynamoStore::new(&config, Arc::new(SystemClock)))
}

/// That an operation was refused as no valid request.
#[track_caller]
pub(crate) fn assert_invalid<T: std::fmt::Debug>(answer: Result<T, StoreError>, expected: &str) {
    match answer {
        Err(StoreError::Rejected { operation, reason }) => {
            assert_eq!(operation, expected);
            assert!(reason.starts_with("ValidationException: "), "{reason}");
        }
        other => panic!("{expected}: {other:?}"),
    }
}
