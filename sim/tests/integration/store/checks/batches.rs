//! Batches: how many, how large, and what is left out of an answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::raw::{Raw, key, sized};

const INVALID: &str = "ValidationException";
/// The largest item, in bytes.
const LARGEST: usize = 400 * 1024;

fn write(raw: &Raw, items: &[Value]) -> Value {
    let puts: Vec<_> = items
        .iter()
        .map(|item| json!({ "PutRequest": { "Item": item } }))
        .collect();
    json!({ "RequestItems": { raw.table(): puts } })
}

fn read(raw: &Raw, keys: &[Value]) -> Value {
    json!({ "RequestItems": { raw.table(): { "Keys": keys } } })
}

fn keys(prefix: &str, count: usize) -> Vec<Value> {
    (0..count).map(|n| key(&format!("{prefix}{n}"))).collect()
}

/// Partition keys of a list of keys or items.
fn names(list: &Value) -> BTreeSet<String> {
    let all = list.as_array().into_iter().flatten();
    all.map(|item| item["PK"]["S"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// 25 writes and 100 reads, none of them twice, none of them nothing; of a batch that is refused nothing is done.
pub(crate) async fn have_their_limits(raw: &Raw) {
    let some = keys("SOME", 101);
    let answer = raw.call("BatchWriteItem", &write(raw, &some[..25])).await;
    assert_eq!(answer["UnprocessedItems"], json!({}));
    let answer = raw.call("BatchGetItem", &read(raw, &some[..100])).await;
    assert_eq!(answer["UnprocessedKeys"], json!({}));
    let found = &answer["Responses"][raw.table()];
    assert_eq!(names(found), names(&json!(some[..25])));
    assert_eq!(found.as_array().map(Vec::len), Some(25));

    let other = keys("OTHER", 26);
    let twice = [other[0].clone(), other[1].clone(), other[0].clone()];
    for bad in [&other[..], &twice, &[]] {
        raw.refused("BatchWriteItem", &write(raw, bad), INVALID).await;
    }
    for bad in [&some[..], &twice, &[]] {
        raw.refused("BatchGetItem", &read(raw, bad), INVALID).await;
    }
    for operation in ["BatchWriteItem", "BatchGetItem"] {
        raw.refused(operation, &json!({ "RequestItems": {} }), INVALID)
            .await;
    }
    let answer = raw.call("BatchGetItem", &read(raw, &other)).await;
    assert_eq!(names(&answer["Responses"][raw.table()]), BTreeSet::new());
}

/// An item has at most 400 KB, to the byte, names included, however it comes to be that large.
pub(crate) async fn hold_items_of_400_kilobytes(raw: &Raw) {
    let (largest, too_large) = (sized("LARGEST", LARGEST), sized("LARGER", LARGEST + 1));
    raw.call("PutItem", &raw.here(json!({ "Item": largest }))).await;
    raw.refused("PutItem", &raw.here(json!({ "Item": too_large })), INVALID)
        .await;
    raw.refused("BatchWriteItem", &write(raw, &[key("SMALL"), too_large]), INVALID)
        .await;
    let grow = raw.here(json!({
        "Key": key("LARGEST"),
        "UpdateExpression": "SET a = :a",
        "ExpressionAttributeValues": { ":a": { "S": "" } },
    }));
    raw.refused("UpdateItem", &grow, INVALID).await;
    assert_eq!(raw.item(&key("LARGEST")).await, Some(largest));
    for absent in ["LARGER", "SMALL"] {
        assert_eq!(raw.item(&key(absent)).await, None, "{absent}");
    }
}

/// An answer has at most 16 MB: what does not fit is named as unprocessed, to be asked again, and costs nothing.
pub(crate) async fn leave_out_what_exceeds_16_megabytes(raw: &Raw) {
    let (all, size) = (keys("LARGE", 44), 395 * 1024);
    for (nth, some) in all.chunks(22).enumerate() {
        let items: Vec<_> = (0..some.len())
            .map(|n| sized(&format!("LARGE{}", nth * 22 + n), size))
            .collect();
        raw.call("BatchWriteItem", &write(raw, &items)).await;
    }
    let mut ask = read(raw, &all);
    ask["ReturnConsumedCapacity"] = json!("TOTAL");
    let answer = raw.call("BatchGetItem", &ask).await;
    let found = names(&answer["Responses"][raw.table()]);
    let left_out = &answer["UnprocessedKeys"][raw.table()]["Keys"];
    assert_eq!((found.len(), left_out.as_array().map(Vec::len)), (41, Some(3)));
    let both: BTreeSet<_> = found.union(&names(left_out)).cloned().collect();
    assert_eq!(both, names(&json!(all)));
    // 395 KB in steps of 4 KB, each half a unit.
    assert_eq!(answer["ConsumedCapacity"][0]["CapacityUnits"], 41.0 * 49.5);

    // As it was told, the request can be sent again.
    let answer = raw
        .call(
            "BatchGetItem",
            &json!({ "RequestItems": answer["UnprocessedKeys"] }),
        )
        .await;
    assert_eq!(names(&answer["Responses"][raw.table()]), names(left_out));
    assert_eq!(answer["UnprocessedKeys"], json!({}));
}
