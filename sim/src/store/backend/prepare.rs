//! Prepares a store over HTTP: its table, the time to live, the keys.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::{BackendError, Contents, client::Client, tools::Tell};
use crate::{
    clock,
    store::table::{self, definition, time_to_live},
};

/// How long a table may take to become active, real time: a minute is seldom, on AWS.
const ACTIVE_WITHIN: Duration = Duration::from_secs(180);
/// How often it is asked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Items in one write: DynamoDB's limit.
const BATCH: usize = 25;
/// Writes under way at a time.
const AT_ONCE: usize = 8;
/// How often what was left unprocessed is sent again.
const AGAIN: u32 = 8;
/// The wait before the first of these times; each is twice as long.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How far from now a scenario may begin for expired items to be deleted by the real date.
const NOW_WITHIN_MS: i64 = 24 * 60 * 60 * 1000;

/// What is refused when the table was not made.
pub(super) const CREATE: &str = "create";

/// Creates the table of a store whose clock is not ours, and puts into it what a play begins with.
pub(super) async fn prepare(
    client: &Client,
    table: &str,
    contents: &Contents,
    tell: &Tell,
) -> Result<(), BackendError> {
    let refused = |action| move |error| BackendError::refused(action, table, error);
    client
        .ask("CreateTable", &definition(table))
        .await
        .map_err(refused(CREATE))?;
    active(client, table).await?;
    if (contents.start_ms - now_ms()).abs() <= NOW_WITHIN_MS {
        client
            .ask("UpdateTimeToLive", &time_to_live(table))
            .await
            .map_err(refused("set the time to live of"))?;
    } else {
        tell.notice(
            "this store deletes expired items by today's date, and the scenario does not play today: the table's time to \
             live stays off, so expired items stay until the service itself ignores them",
        );
    }
    let put = |(secret, enabled): &(String, bool)| json!({ "PutRequest": { "Item": table::key_json(secret, *enabled, contents.start_ms) } });
    let writes: Vec<_> = contents
        .keys
        .chunks(BATCH)
        .map(|keys| write(client, table, keys.iter().map(put).collect()))
        .collect();
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
}

fn now_ms() -> i64 {
    let since = clock::system_now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Waits until the table can be used, and makes sure that it is ours.
pub(super) async fn active(client: &Client, table: &str) -> Result<(), BackendError> {
    let look = async {
        loop {
            let described = client
                .ask("DescribeTable", &json!({ "TableName": table }))
                .await
                .map_err(|error| BackendError::refused("look at", table, error))?;
            let described = &described["Table"];
            let (found, wanted) = (keys(described), keys(&definition(table)));
            if found != wanted {
                return Err(BackendError::Schema {
                    table: table.to_owned(),
                    found,
                    wanted,
                });
            }
            if described["TableStatus"] == "ACTIVE" {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(ACTIVE_WITHIN, look)
        .await
        .unwrap_or_else(|_| {
            Err(BackendError::NeverActive {
                table: table.to_owned(),
                within: ACTIVE_WITHIN,
            })
        })
}

/// The keys of a table in words.
fn keys(table: &Value) -> String {
    let list = |name: &str| table[name].as_array().into_iter().flatten();
    let types: BTreeMap<&str, &str> = list("AttributeDefinitions")
        .filter_map(|it| Some((it["AttributeName"].as_str()?, it["AttributeType"].as_str()?)))
        .collect();
    let names: BTreeMap<&str, &str> = list("KeySchema")
        .filter_map(|key| Some((key["KeyType"].as_str()?, key["AttributeName"].as_str()?)))
        .collect();
    let word = |(kind, name): (&&str, &&str)| {
        let of_type = types.get(name).copied().unwrap_or("?");
        format!("{kind} {name} ({of_type})")
    };
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Writes one batch, and what of it was left unprocessed, again.
async fn write(client: &Client, table: &str, batch: Vec<Value>) -> Result<(), BackendError> {
    let mut left = json!({ table: batch });
    let mut wait = AGAIN_AFTER;
    for _ in 0..AGAIN {
        let answer = client
            .ask("BatchWriteItem", &json!({ "RequestItems": left }))
            .await
            .map_err(|error| BackendError::refused("put API keys into", table, error))?;
        let unprocessed = &answer["UnprocessedItems"];
        if unprocessed.as_object().is_none_or(|tables| tables.is_empty()) {
            return Ok(());
        }
        left = unprocessed.clone();
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    Err(BackendError::Unprocessed {
        table: table.to_owned(),
        times: AGAIN,
    })
}
