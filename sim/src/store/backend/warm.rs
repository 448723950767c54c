//! Warms up a store that runs on a JVM: its first thousand requests take ten to a hundred times as long as later ones,
//! which on a fast wall clock would be minutes of a slow store that no scenario asked for.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::{BackendError, client::Client, prepare::active};
use crate::store::table::definition;

/// A table of our own, gone afterwards.
const TABLE: &str = "crypto-watch-warm-up";
/// How often each kind of request is sent.
const ROUNDS: usize = 400;
/// How many rounds are under way at a time.
const AT_ONCE: usize = 4;
/// Items of a batch that is read.
const READ: usize = 10;
/// Items of a batch that is written; one in so many rounds.
const WRITTEN: usize = 25;

/// Sends what the service will send, to a table of its own.
pub(super) async fn warm(client: &Client) -> Result<(), BackendError> {
    let refused = |action| move |error| BackendError::refused(action, TABLE, error);
    client
        .ask("CreateTable", &definition(TABLE))
        .await
        .map_err(refused("create"))?;
    active(client, TABLE).await?;
    let rounds: Vec<_> = (0..ROUNDS).map(|round| self::round(client, round)).collect();
    stream::iter(rounds)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .map_err(refused("warm up with"))?;
    client
        .ask("DeleteTable", &json!({ "TableName": TABLE }))
        .await
        .map_err(refused("delete"))?;
    Ok(())
}

async fn round(client: &Client, round: usize) -> Result<(), super::client::AskError> {
    let item = key(&format!("APIKEY#{}", round % 40), "RATELIMIT#1");
    let count = json!({
        "TableName": TABLE,
        "Key": item,
        "UpdateExpression": "SET #ttl = if_not_exists(#ttl, :ttl) ADD requestCount :one",
        "ConditionExpression": "attribute_not_exists(requestCount) OR requestCount < :room",
        "ExpressionAttributeNames": { "#ttl": "ttl" },
        "ExpressionAttributeValues": { ":ttl": number(1), ":one": number(1), ":room": number(5) },
        "ReturnValues": "UPDATED_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnConsumedCapacity": "TOTAL",
    });
    // Half of them are refused by the condition, as some of the service's are.
    let _ = client.ask("UpdateItem", &count).await;
    let get =
        json!({ "TableName": TABLE, "Key": item, "ConsistentRead": true, "ReturnConsumedCapacity": "TOTAL" });
    client.ask("GetItem", &get).await?;
    let keys: Vec<Value> = (0..READ).map(price_key).collect();
    let read = json!({
        "RequestItems": { TABLE: { "Keys": keys, "ConsistentRead": round.is_multiple_of(2) } },
        "ReturnConsumedCapacity": "TOTAL",
    });
    client.ask("BatchGetItem", &read).await?;
    if round.is_multiple_of(WRITTEN) {
        let puts: Vec<Value> = (0..WRITTEN).map(put).collect();
        let write = json!({ "RequestItems": { TABLE: puts }, "ReturnConsumedCapacity": "TOTAL" });
        client.ask("BatchWriteItem", &write).await?;
    }
    Ok(())
}

fn put(symbol: usize) -> Value {
    let mut item = price_key(symbol);
    for attribute in [
        "price",
        "change24h",
        "marketCap",
        "lastUpdated",
        "fetchedAt",
        "ttl",
    ] {
        item[attribute] = number(symbol + 1);
    }
    json!({ "PutRequest": { "Item": item } })
}

fn price_key(symbol: usize) -> Value {
    key(&format!("PRICE#{symbol}"), "METADATA")
}

fn key(pk: &str, sk: &str) -> Value {
    json!({ "PK": { "S": pk }, "SK": { "S": sk } })
}

fn number(number: usize) -> Value {
    json!({ "N": number.to_string() })
}
