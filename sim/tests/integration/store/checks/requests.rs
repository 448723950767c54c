//! What is wrong with a request, by status and code. Texts differ, and nobody reads them.

use serde_json::{Value, json};

use super::super::raw::{Raw, item, key};

const INVALID: &str = "ValidationException";

/// An update of one item, with what is to be tried.
fn update(raw: &Raw, rest: Value) -> Value {
    let mut body = raw.here(json!({ "Key": key("WORDS") }));
    let Value::Object(rest) = rest else {
        panic!("no object: {rest}");
    };
    for (member, value) in rest {
        body[member] = value;
    }
    body
}

/// Words that DynamoDB keeps for itself name attributes only by way of an alias.
pub(crate) async fn may_not_use_reserved_words(raw: &Raw) {
    for word in ["ttl", "count", "name", "key", "value", "status", "TTL"] {
        let one = json!({ ":one": { "N": "1" } });
        for expression in [format!("SET {word} = :one"), format!("ADD {word} :one")] {
            let body = json!({ "UpdateExpression": expression, "ExpressionAttributeValues": one });
            raw.refused("UpdateItem", &update(raw, body), INVALID).await;
        }
        let condition = format!("attribute_not_exists({word})");
        let put = raw.here(json!({ "Item": key("WORDS"), "ConditionExpression": condition }));
        raw.refused("PutItem", &put, INVALID).await;
        let scan = raw.here(json!({
            "FilterExpression": format!("{word} = :one"), "ExpressionAttributeValues": one,
        }));
        raw.refused("Scan", &scan, INVALID).await;

        let aliased = json!({
            "UpdateExpression": "SET #word = :one",
            "ExpressionAttributeNames": { "#word": word },
            "ExpressionAttributeValues": one,
        });
        raw.call("UpdateItem", &update(raw, aliased)).await;
    }
    // Those of the service's attributes that it writes as they are.
    for word in ["PK", "SK", "requestCount", "holder", "leaseUntil"] {
        let put = raw.here(json!({
            "Item": key("WORDS"), "ConditionExpression": format!("attribute_not_exists({word}) OR PK = SK OR PK <> SK"),
        }));
        raw.call("PutItem", &put).await;
    }
}

/// Each alias and value is used, and each that is used is given.
pub(crate) async fn define_what_they_use(raw: &Raw) {
    let one = json!({ "N": "1" });
    for body in [
        json!({ "UpdateExpression": "SET a = :one", "ExpressionAttributeValues": { ":one": one, ":two": one } }),
        json!({
            "UpdateExpression": "SET a = :one", "ExpressionAttributeValues": { ":one": one },
            "ExpressionAttributeNames": { "#b": "b" },
        }),
        json!({ "UpdateExpression": "SET a = :one" }),
        json!({ "UpdateExpression": "SET #a = :one", "ExpressionAttributeValues": { ":one": one } }),
        json!({ "UpdateExpression": "SET a = :one,", "ExpressionAttributeValues": { ":one": one } }),
        json!({ "UpdateExpression": "SET a = :one REMOVE a", "ExpressionAttributeValues": { ":one": one } }),
        json!({ "UpdateExpression": "SET PK = :one", "ExpressionAttributeValues": { ":one": { "S": "b" } } }),
        json!({ "UpdateExpression": "ADD a :text", "ExpressionAttributeValues": { ":text": { "S": "b" } } }),
        json!({ "UpdateExpression": "" }),
    ] {
        raw.refused("UpdateItem", &update(raw, body), INVALID).await;
    }
    assert_eq!(raw.item(&key("WORDS")).await, None);
}

/// Keys are those of the table, of its types, and not empty.
pub(crate) async fn have_whole_keys(raw: &Raw) {
    let text = |text: &str| json!({ "S": text });
    for bad in [
        json!({ "PK": text("a") }),
        json!({ "PK": text("a"), "SK": { "N": "1" } }),
        json!({ "PK": text(""), "SK": text("b") }),
        json!({ "PK": text("a"), "SK": text("") }),
        json!({ "PK": text(&"x".repeat(2049)), "SK": text("b") }),
        json!({ "PK": text("a"), "SK": text(&"x".repeat(1025)) }),
    ] {
        raw.refused("PutItem", &raw.here(json!({ "Item": bad })), INVALID)
            .await;
        let batch = json!({ "RequestItems": { raw.table(): [{ "PutRequest": { "Item": bad } }] } });
        raw.refused("BatchWriteItem", &batch, INVALID).await;
        raw.refused("GetItem", &raw.here(json!({ "Key": bad })), INVALID)
            .await;
        let batch = json!({ "RequestItems": { raw.table(): { "Keys": [bad] } } });
        raw.refused("BatchGetItem", &batch, INVALID).await;
    }
    let more = item("a", json!({ "name": text("b") }));
    raw.refused("GetItem", &raw.here(json!({ "Key": more })), INVALID)
        .await;
    // The index is unused, and still has its keys' types.
    let indexed = item("a", json!({ "GSI1PK": { "N": "1" }, "GSI1SK": text("b") }));
    raw.refused("PutItem", &raw.here(json!({ "Item": indexed })), INVALID)
        .await;
    // The longest ones.
    let longest = json!({ "PK": text(&"x".repeat(2048)), "SK": text(&"y".repeat(1024)) });
    raw.call("PutItem", &raw.here(json!({ "Item": longest }))).await;
    assert_eq!(raw.item(&longest).await, Some(longest));
}

/// A value has one type, which it keeps to.
pub(crate) async fn have_well_formed_values(raw: &Raw) {
    for bad in [
        json!({ "S": "a", "N": "1" }),
        json!({}),
        json!({ "SS": [] }),
        json!({ "SS": ["a", "a"] }),
        json!({ "NULL": false }),
    ] {
        let put = raw.here(json!({ "Item": item("VALUE", json!({ "value": bad })) }));
        raw.refused("PutItem", &put, INVALID).await;
    }
    for good in [
        json!({ "S": "" }),
        json!({ "BOOL": false }),
        json!({ "NULL": true }),
        json!({ "S": "\u{20bf} and \u{1f680}, \"quoted\" \\ \n" }),
    ] {
        let stored = item("VALUE", json!({ "value": good }));
        raw.call("PutItem", &raw.here(json!({ "Item": stored }))).await;
        assert_eq!(raw.item(&key("VALUE")).await, Some(stored));
    }
}

/// A table that is not there, an operation that there is not, a body that says nothing.
pub(crate) async fn are_refused_with_the_code_that_says_why(raw: &Raw) {
    let a = key("a");
    for (operation, body) in [
        ("GetItem", json!({ "TableName": "missing", "Key": a })),
        ("PutItem", json!({ "TableName": "missing", "Item": a })),
        ("UpdateItem", json!({ "TableName": "missing", "Key": a })),
        ("Scan", json!({ "TableName": "missing" })),
        (
            "BatchGetItem",
            json!({ "RequestItems": { "missing": { "Keys": [a] } } }),
        ),
        (
            "BatchWriteItem",
            json!({ "RequestItems": { "missing": [{ "PutRequest": { "Item": a } }] } }),
        ),
    ] {
        raw.refused(operation, &body, "ResourceNotFoundException").await;
        raw.refused(operation, &json!({}), INVALID).await;
    }
    raw.refused("Nonsense", &json!({}), "UnknownOperationException")
        .await;
}
