//! The service's one table, and what a run puts into it before it begins.

use dynoxide::{
    Database, ImportOptions,
    actions::{create_table::CreateTableRequest, update_time_to_live::UpdateTimeToLiveRequest},
    types::{AttributeValue, Item},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service::models::{ApiKeyItem, KeyId, Timestamp};
use sha2::{Digest, Sha256};

/// Why the table cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the table `{table}` in the embedded DynamoDB: {reason}")]
pub struct TableError {
    /// What was tried.
    action: &'static str,
    /// The table's name.
    table: String,
    /// What the emulator said.
    reason: String,
}

/// `CreateTable` of the service's table as it is deployed: keys `PK` and `SK`, the unused index `GSI1`, on-demand.
#[must_use]
pub fn definition(table: &str) -> Value {
    let string = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let keys = |hash: &str, range: &str| {
        json!([
            { "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": range, "KeyType": "RANGE" },
        ])
    };
    json!({
        "TableName": table,
        "AttributeDefinitions": [string("PK"), string("SK"), string("GSI1PK"), string("GSI1SK")],
        "KeySchema": keys("PK", "SK"),
        "GlobalSecondaryIndexes": [{
            "IndexName": "GSI1",
            "KeySchema": keys("GSI1PK", "GSI1SK"),
            "Projection": { "ProjectionType": "ALL" },
        }],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// `UpdateTimeToLive` of the service's table: `ttl`, Unix seconds.
#[must_use]
pub fn time_to_live(table: &str) -> Value {
    json!({
        "TableName": table,
        "TimeToLiveSpecification": { "AttributeName": "ttl", "Enabled": true },
    })
}

/// Creates the service's table.
///
/// # Errors
/// What the emulator says, such as that the name is no table name or that there is such a table.
pub fn create(database: &Database, table: &str) -> Result<(), TableError> {
    let failed = |action, reason: String| TableError {
        action,
        table: table.to_owned(),
        reason,
    };
    let request: CreateTableRequest = typed(definition(table)).map_err(|reason| failed("create", reason))?;
    database
        .create_table(request)
        .map_err(|error| failed("create", error.to_string()))?;
    let request: UpdateTimeToLiveRequest =
        typed(time_to_live(table)).map_err(|reason| failed("set the time to live of", reason))?;
    database
        .update_time_to_live(request)
        .map_err(|error| failed("set the time to live of", error.to_string()))?;
    Ok(())
}

fn typed<T: DeserializeOwned>(request: Value) -> Result<T, String> {
    serde_json::from_value(request).map_err(|error| error.to_string())
}

/// The id of an API key: the lower-case hex SHA-256 of its secret.
#[must_use]
pub fn key_id(secret: &str) -> String {
    Sha256::digest(secret)
        .iter()
        .fold(String::with_capacity(64), |id, byte| id + &format!("{byte:02x}"))
}

/// Stores API keys, each given by its secret and whether it is enabled, as `crypto-watch-keys create` would have
/// at `created_ms` (Unix milliseconds): never used so far. All in one transaction, without HTTP.
///
/// # Errors
/// What the emulator says; then none of them is stored.
pub fn seed_keys(
    database: &Database,
    table: &str,
    keys: &[(String, bool)],
    created_ms: i64,
) -> Result<(), TableError> {
    let items = keys
        .iter()
        .map(|(secret, enabled)| key_item(secret, *enabled, created_ms))
        .collect();
    database
        .import_items(table, items, ImportOptions::default())
        .map(drop)
        .map_err(|error| TableError {
            action: "put API keys into",
            table: table.to_owned(),
            reason: error.to_string(),
        })
}

/// The key of a secret as it is when it has just been created.
pub(super) fn new_key(secret: &str, enabled: bool, created_ms: i64) -> ApiKeyItem {
    let id = KeyId::new(&key_id(secret));
    ApiKeyItem {
        name: format!("simulated {}", id.masked()),
        id,
        created_at: Timestamp(created_ms),
        enabled,
        last_used_at: None,
    }
}

/// The item of a key as JSON on the wire.
pub(super) fn key_json(secret: &str, enabled: bool, created_ms: i64) -> Value {
    serde_json::to_value(key_item(secret, enabled, created_ms)).unwrap_or_default()
}

fn key_item(secret: &str, enabled: bool, created_ms: i64) -> Item {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let key = new_key(secret, enabled, created_ms);
    let id = key.id.as_str();
    [
        ("PK", text(&format!("APIKEY#{id}"))),
        ("SK", text("METADATA")),
        ("keyId", text(id)),
        ("name", text(&key.name)),
        ("createdAt", AttributeValue::N(key.created_at.0.to_string())),
        ("enabled", AttributeValue::BOOL(key.enabled)),
    ]
    .into_iter()
    .map(|(attribute, value)| (attribute.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_it_is_deployed() {
        let database = Database::memory().expect("a database");
        create(&database, "crypto-watch").expect("created");
        let described = database
            .describe_table(typed(json!({ "TableName": "crypto-watch" })).expect("a request"))
            .expect("it is there");
        let described = serde_json::to_value(described).expect("JSON");
        let table = &described["Table"];
        assert_eq!(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
        assert_eq!(table["KeySchema"], definition("x")["KeySchema"]);
        assert_eq!(table["GlobalSecondaryIndexes"][0]["IndexName"], "GSI1");
        let ttl = database
            .describe_time_to_live(typed(json!({ "TableName": "crypto-watch" })).expect("a request"))
            .expect("it is there");
        let ttl = serde_json::to_value(ttl).expect("JSON");
        assert_eq!(
            ttl["TimeToLiveDescription"],
            json!({ "AttributeName": "ttl", "TimeToLiveStatus": "ENABLED" })
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let database = Database::memory().expect("a database");
        create(&database, "crypto-watch").expect("created");
        let twice = create(&database, "crypto-watch")
            .expect_err("it is there already")
            .to_string();
        assert!(
            twice.starts_with("cannot create the table `crypto-watch` in the embedded DynamoDB: "),
            "{twice}"
        );
        let keys = [("secret".to_owned(), true)];
        let nowhere = seed_keys(&database, "another", &keys, 0)
            .expect_err("there is no such table")
            .to_string();
        assert!(
            nowhere.starts_with("cannot put API keys into the table `another`"),
            "{nowhere}"
        );
    }

    #[test]
    fn keys_are_stored_under_the_hash_of_their_secret() {
        let database = Database::memory().expect("a database");
        create(&database, "crypto-watch").expect("created");
        let keys: Vec<_> = (0..3000).map(|n| (format!("secret-{n}"), n != 7)).collect();
        seed_keys(&database, "crypto-watch", &keys, 1_772_409_600_000).expect("stored");

        let id = key_id("secret-7");
        let read = |id: &str| {
            let key = json!({ "PK": { "S": format!("APIKEY#{id}") }, "SK": { "S": "METADATA" } });
            let request = typed(json!({ "TableName": "crypto-watch", "Key": key })).expect("a request");
            serde_json::to_value(database.get_item(request).expect("an answer")).expect("JSON")
        };
        assert_eq!(
            read(&id)["Item"],
            json!({
                "PK": { "S": format!("APIKEY#{id}") },
                "SK": { "S": "METADATA" },
                "keyId": { "S": id },
                "name": { "S": format!("simulated {}", &id[..8]) },
                "createdAt": { "N": "1772409600000" },
                "enabled": { "BOOL": false },
            })
        );
        assert_eq!(
            read(&key_id("secret-2999"))["Item"]["enabled"],
            json!({ "BOOL": true })
        );
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            key_id("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
