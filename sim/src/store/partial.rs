//! Batches of which some items come back unprocessed, as DynamoDB's JSON. Pure: bytes in, bytes out.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A batch taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    /// The request without the items that are left out.
    pub(super) request: Vec<u8>,
    /// These, as an answer has them.
    unprocessed: Map<String, Value>,
}

/// The partition keys of the items of a request, in order; those of a batch table by table.
pub(super) fn partition_keys(body: &[u8]) -> Vec<String> {
    let Ok(mut request) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let mut keys = Vec::new();
    if let Some(Value::Object(tables)) = request.get_mut("RequestItems") {
        for table in tables.values_mut() {
            keys.extend(items(table).iter().map(partition_key));
        }
    } else {
        let item = request.get("Key").or_else(|| request.get("Item"));
        keys.extend(item.map(text));
    }
    keys
}

/// A batch without the items at these places, counted as by [`partition_keys`]; `None` when it is no batch.
pub(super) fn split(body: &[u8], left_out: &BTreeSet<usize>) -> Option<Split> {
    let mut request: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let Value::Object(tables) = request.get_mut("RequestItems")? else {
        return None;
    };
    let mut unprocessed = Map::new();
    let mut place = 0;
    for (name, table) in tables.iter_mut() {
        // What is said of the table besides, such as how it is to be read, is said of both parts.
        let mut rest = table.clone();
        let (mut out, mut done) = (Vec::new(), Vec::new());
        for item in std::mem::take(items(table)) {
            if left_out.contains(&place) {
                out.push(item);
            } else {
                done.push(item);
            }
            place += 1;
        }
        *items(table) = done;
        if !out.is_empty() {
            *items(&mut rest) = out;
            unprocessed.insert(name.clone(), rest);
        }
    }
    tables.retain(|_, table| !items(&mut table.clone()).is_empty());
    Some(Split {
        request: serde_json::to_vec(&request).ok()?,
        unprocessed,
    })
}

impl Split {
    /// The store's answer to the rest, with the items that were left out beside what the store itself left out.
    pub(super) fn answer(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let name = if answer.contains_key("Responses") || answer.contains_key("UnprocessedKeys") {
            "UnprocessedKeys"
        } else {
            "UnprocessedItems"
        };
        let known = answer
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()?;
        for (table, left_out) in &self.unprocessed {
            let mut left_out = left_out.clone();
            match known.get_mut(table) {
                Some(already) => items(already).append(items(&mut left_out)),
                None => drop(known.insert(table.clone(), left_out)),
            }
        }
        serde_json::to_vec(&answer).ok()
    }
}

/// The items of one table in a batch: a list of writes, or the keys of a read.
fn items(table: &mut Value) -> &mut Vec<Value> {
    if table.is_object() {
        let keys = &mut table["Keys"];
        if !keys.is_array() {
            *keys = Value::Array(Vec::new());
        }
        return list(keys);
    }
    list(table)
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Array(list) => list,
        _ => unreachable!("it was made one"),
    }
}

/// The partition key of a write or of a key to be read.
fn partition_key(item: &Value) -> String {
    let put = item.pointer("/PutRequest/Item");
    let delete = item.pointer("/DeleteRequest/Key");
    text(put.or(delete).unwrap_or(item))
}

fn text(item: &Value) -> String {
    let key = item.pointer("/PK/S").and_then(Value::as_str);
    key.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(symbol: &str) -> Value {
        json!({ "PK": { "S": format!("PRICE#{symbol}") }, "SK": { "S": "METADATA" } })
    }

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).expect("JSON")
    }

    #[test]
    fn keys_are_told_in_order() {
        let keys = |body: Value| partition_keys(body.to_string().as_bytes());
        assert_eq!(keys(json!({ "Key": key("BTC") })), ["PRICE#BTC"]);
        assert_eq!(keys(json!({ "Item": key("BTC") })), ["PRICE#BTC"]);
        let read = json!({ "RequestItems": { "t": { "Keys": [key("ETH"), key("BTC")] } } });
        assert_eq!(keys(read), ["PRICE#ETH", "PRICE#BTC"]);
        let put = |symbol| json!({ "PutRequest": { "Item": key(symbol) } });
        let write =
            json!({ "RequestItems": { "t": [put("ETH"), { "DeleteRequest": { "Key": key("BTC") } }] } });
        assert_eq!(keys(write), ["PRICE#ETH", "PRICE#BTC"]);
        for body in [
            &b"{"[..],
            b"[]",
            b"{\"RequestItems\": 5}",
            b"{\"RequestItems\": {\"t\": 5}}",
        ] {
            assert!(partition_keys(body).is_empty());
        }
    }

    #[test]
    fn a_read_comes_back_with_the_keys_that_were_left_out() {
        let keys = [key("BTC"), key("ETH"), key("SOL")];
        let body = json!({ "RequestItems": { "t": { "Keys": keys, "ConsistentRead": true } }, "ReturnConsumedCapacity": "TOTAL" });
        let split = split(body.to_string().as_bytes(), &BTreeSet::from([1])).expect("a batch");
        assert_eq!(
            value(&split.request),
            json!({ "RequestItems": { "t": { "Keys": [keys[0], keys[2]], "ConsistentRead": true } },
                    "ReturnConsumedCapacity": "TOTAL" })
        );
        let answer = split
            .answer(br#"{"Responses":{"t":[{}]},"UnprocessedKeys":{}}"#)
            .expect("JSON");
        assert_eq!(
            value(&answer),
            json!({ "Responses": { "t": [{}] }, "UnprocessedKeys": { "t": { "Keys": [keys[1]], "ConsistentRead": true } } })
        );
    }

    #[test]
    fn a_write_comes_back_with_its_own_and_with_what_the_store_left_out() {
        let puts = ["BTC", "ETH"].map(|symbol| json!({ "PutRequest": { "Item": key(symbol) } }));
        let body = json!({ "RequestItems": { "t": puts } });
        let split = split(body.to_string().as_bytes(), &BTreeSet::from([0])).expect("a batch");
        assert_eq!(
            value(&split.request),
            json!({ "RequestItems": { "t": [puts[1]] } })
        );
        for (stored, expected) in [
            (json!({}), vec![&puts[0]]),
            (json!({ "UnprocessedItems": {} }), vec![&puts[0]]),
            (
                json!({ "UnprocessedItems": { "t": [puts[1]] } }),
                vec![&puts[1], &puts[0]],
            ),
        ] {
            let answer = split.answer(stored.to_string().as_bytes()).expect("JSON");
            assert_eq!(value(&answer), json!({ "UnprocessedItems": { "t": expected } }));
        }
        assert_eq!(super::split(b"{\"Key\":{}}", &BTreeSet::from([0])), None);
    }
}
