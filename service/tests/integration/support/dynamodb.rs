//! As much of DynamoDB's protocol as the service's processes need: items by primary key, and each
//! of their updates taken for granted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Map, Value, json};

use super::process::Stub;

/// Items as the protocol writes them, by `PK/SK`.
pub(crate) type Items = Arc<Mutex<BTreeMap<String, Value>>>;

pub(crate) fn start() -> (Stub, Items) {
    let items = Items::default();
    let router = Router::new().route("/", post(answer)).with_state(items.clone());
    (Stub::start(router), items)
}

/// A store that fails every request.
pub(crate) fn broken() -> Stub {
    let failure = || async {
        let body = r#"{"__type":"com.amazon.coral.service#InternalServerError","message":"broken"}"#;
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            [("content-type", "application/x-amz-json-1.0")],
            body,
        )
    };
    Stub::start(Router::new().route("/", post(failure)))
}

/// A store that takes every request and answers none.
pub(crate) fn silent() -> Stub {
    Stub::start(Router::new().route("/", post(std::future::pending::<StatusCode>)))
}

async fn answer(State(items): State<Items>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, body) = match operation {
        "GetItem" => (
            StatusCode::OK,
            match items.get(&place(&request["Key"])) {
                Some(item) => json!({ "Item": item }),
                None => json!({}),
            },
        ),
        "PutItem" => {
            items.insert(place(&request["Item"]), request["Item"].clone());
            (StatusCode::OK, json!({}))
        }
        "UpdateItem" => update(&mut items, &request),
        "BatchGetItem" => (StatusCode::OK, batch_get(&items, &request)),
        "BatchWriteItem" => {
            let writes = request["RequestItems"]
                .as_object()
                .into_iter()
                .flat_map(Map::values);
            for write in writes.filter_map(Value::as_array).flatten() {
                let item = &write["PutRequest"]["Item"];
                items.insert(place(item), item.clone());
            }
            (StatusCode::OK, json!({ "UnprocessedItems": {} }))
        }
        "Scan" => {
            let keys: Vec<_> = items
                .iter()
                .filter(|(place, _)| place.ends_with("/METADATA") && place.starts_with("APIKEY#"))
                .map(|(_, item)| item)
                .collect();
            (
                StatusCode::OK,
                json!({ "Items": keys, "Count": keys.len(), "ScannedCount": keys.len() }),
            )
        }
        other => (
            StatusCode::BAD_REQUEST,
            json!({ "__type": "UnknownOperationException", "message": other }),
        ),
    };
    (
        status,
        [("content-type", "application/x-amz-json-1.0")],
        body.to_string(),
    )
        .into_response()
}

/// `SET #name = :value` and `ADD #name :value`, by the names alone. Of the conditions only
/// "the item exists" is kept; the lease is always free.
fn update(items: &mut BTreeMap<String, Value>, request: &Value) -> (StatusCode, Value) {
    let place = place(&request["Key"]);
    let condition = request["ConditionExpression"].as_str().unwrap_or_default();
    if condition.starts_with("attribute_exists(PK)") && !items.contains_key(&place) {
        let refusal = json!({ "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "The conditional request failed" });
        return (StatusCode::BAD_REQUEST, refusal);
    }
    let item = items.entry(place).or_insert_with(|| request["Key"].clone());
    let value = |name: &str| request["ExpressionAttributeValues"][name].clone();
    if !value(":one").is_null() {
        let count: u64 = item["requestCount"]["N"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        item["requestCount"] = json!({ "N": (count + 1).to_string() });
    }
    for (name, given) in [
        ("enabled", ":no"),
        ("lastUsedAt", ":now"),
        ("holder", ":me"),
        ("refreshedAt", ":at"),
    ] {
        let names = request["ExpressionAttributeNames"]
            .as_object()
            .into_iter()
            .flat_map(Map::values);
        if !value(given).is_null() && names.filter_map(Value::as_str).any(|known| known == name) {
            item[name] = value(given);
        }
    }
    (StatusCode::OK, json!({ "Attributes": item }))
}

fn batch_get(items: &BTreeMap<String, Value>, request: &Value) -> Value {
    let mut responses = Map::new();
    for (table, wanted) in request["RequestItems"].as_object().into_iter().flatten() {
        let keys = wanted["Keys"].as_array().into_iter().flatten();
        let found: Vec<_> = keys.filter_map(|key| items.get(&place(key))).collect();
        responses.insert(table.clone(), json!(found));
    }
    json!({ "Responses": responses, "UnprocessedKeys": {} })
}

fn place(key: &Value) -> String {
    let part = |name: &str| key[name]["S"].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", part("PK"), part("SK"))
}
