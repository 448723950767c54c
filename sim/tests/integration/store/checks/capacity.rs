//! What an endpoint says that requests consume.

use serde_json::json;

use super::super::raw::{Raw, key, sized};

/// Consumed capacity follows the documented formulas: writes by started KB, reads by started 4 KB, halved when
/// eventually consistent, absent items as small ones. Returns the read and write units that all of it cost.
pub(crate) async fn follows_the_formulas(raw: &Raw) -> (f64, f64) {
    let table = raw.table();
    let (kb_2_5, kb_5) = (sized("SIZE#2.5", 2560), sized("SIZE#5", 5120));
    let small: Vec<_> = (0..25).map(|n| key(&format!("SIZE#small{n}"))).collect();
    let puts: Vec<_> = small
        .iter()
        .map(|item| json!({ "PutRequest": { "Item": item } }))
        .collect();
    let keys = json!({ "Keys": small[..10] });
    let keys_strong = json!({ "Keys": small[..10], "ConsistentRead": true });
    let cases = [
        ("GetItem", json!({ "Key": key("SIZE#none") }), 0.5),
        (
            "GetItem",
            json!({ "Key": key("SIZE#none"), "ConsistentRead": true }),
            1.0,
        ),
        ("PutItem", json!({ "Item": kb_2_5 }), 3.0),
        ("PutItem", json!({ "Item": kb_5 }), 5.0),
        ("GetItem", json!({ "Key": key("SIZE#5") }), 1.0),
        (
            "GetItem",
            json!({ "Key": key("SIZE#5"), "ConsistentRead": true }),
            2.0,
        ),
        ("BatchWriteItem", json!({ "RequestItems": { table: puts } }), 25.0),
        ("BatchGetItem", json!({ "RequestItems": { table: keys } }), 5.0),
        (
            "BatchGetItem",
            json!({ "RequestItems": { table: keys_strong } }),
            10.0,
        ),
        (
            "UpdateItem",
            json!({ "Key": key("SIZE#2.5"), "UpdateExpression": "SET x = PK" }),
            3.0,
        ),
        (
            "UpdateItem",
            json!({ "Key": key("SIZE#new"), "UpdateExpression": "SET x = PK" }),
            1.0,
        ),
    ];
    let (mut read, mut written) = (0.0, 0.0);
    for (operation, mut body, units) in cases {
        body["ReturnConsumedCapacity"] = json!("TOTAL");
        if body.get("RequestItems").is_none() {
            body = raw.here(body);
        }
        let answer = raw.call(operation, &body).await;
        let consumed = &answer["ConsumedCapacity"];
        let consumed = consumed.get(0).unwrap_or(consumed)["CapacityUnits"].as_f64();
        assert_eq!(consumed, Some(units), "{operation} {body}");
        if operation.contains("Get") {
            read += units
        } else {
            written += units
        }
    }
    // A refused write costs as much as the item in its way; only the bill says so.
    let refused = raw.here(json!({
        "Item": kb_2_5, "ConditionExpression": "attribute_not_exists(PK)",
        "ReturnConsumedCapacity": "TOTAL", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }));
    raw.refused("PutItem", &refused, "ConditionalCheckFailedException")
        .await;
    (read, written + 3.0)
}
