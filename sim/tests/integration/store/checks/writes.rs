//! Single writes: conditions, what a refusal shows, and counting with `ADD`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    super::raw::{Raw, item, key},
    counters::{CLIENTS, TRIES_EACH},
};

const FAILED: &str = "ConditionalCheckFailedException";

/// `ADD` to a counter that the service would write without its condition.
fn add_one(raw: &Raw, pk: &str) -> Value {
    raw.here(json!({
        "Key": key(pk),
        "UpdateExpression": "SET #ttl = if_not_exists(#ttl, :ttl) ADD #count :one",
        "ExpressionAttributeNames": { "#ttl": "ttl", "#count": "count" },
        "ExpressionAttributeValues": { ":ttl": { "N": "1772413200" }, ":one": { "N": "1" } },
        "ReturnValues": "UPDATED_NEW",
    }))
}

/// 64 clients add to one counter without a condition: each addition has a sum of its own, and none is missing.
pub(crate) async fn add_up_to_the_unit(raw: &Raw) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let raw = raw.clone();
            tokio::spawn(async move {
                let add = add_one(&raw, "COUNTER");
                let mut sums = Vec::new();
                for _ in 0..TRIES_EACH {
                    let answer = raw.call("UpdateItem", &add).await;
                    let sum = answer["Attributes"]["count"]["N"].as_str().expect("a sum");
                    sums.push(sum.parse::<u32>().expect("a number"));
                }
                sums
            })
        })
        .collect();
    let mut sums = BTreeSet::new();
    for client in clients {
        for sum in client.await.expect("no panic") {
            assert!(sums.insert(sum), "{sum} was given twice");
        }
    }
    assert_eq!(sums, (1..=CLIENTS * TRIES_EACH).collect());
    let counter = raw.item(&key("COUNTER")).await.expect("it is there");
    let total = (CLIENTS * TRIES_EACH).to_string();
    assert_eq!(
        counter,
        item(
            "COUNTER",
            json!({ "count": { "N": total }, "ttl": { "N": "1772413200" } })
        )
    );
}

/// A refused write changes nothing, and shows the item in its way to whoever asks, and to nobody else.
pub(crate) async fn are_refused_with_the_item_in_the_way(raw: &Raw) {
    let there = item(
        "THERE",
        json!({ "count": { "N": "7" }, "name": { "S": "first" } }),
    );
    raw.call("PutItem", &raw.here(json!({ "Item": there }))).await;
    let put = json!({
        "Item": item("THERE", json!({ "name": { "S": "second" } })),
        "ConditionExpression": "attribute_not_exists(PK)",
    });
    let update = |pk: &str| {
        json!({
            "Key": key(pk),
            "UpdateExpression": "ADD #count :seven",
            "ConditionExpression": "#count < :seven",
            "ExpressionAttributeNames": { "#count": "count" },
            "ExpressionAttributeValues": { ":seven": { "N": "7" } },
        })
    };
    for (operation, body, in_the_way) in [
        ("PutItem", put, Some(&there)),
        ("UpdateItem", update("THERE"), Some(&there)),
        ("UpdateItem", update("ABSENT"), None),
    ] {
        let mut body = raw.here(body);
        for (shows, shown) in [(Some("ALL_OLD"), in_the_way), (Some("NONE"), None), (None, None)] {
            if let Some(shows) = shows {
                body["ReturnValuesOnConditionCheckFailure"] = json!(shows);
            }
            let answer = raw.refused(operation, &body, FAILED).await;
            assert_eq!(answer.get("Item"), shown, "{operation} {shows:?}");
            body.as_object_mut()
                .expect("an object")
                .remove("ReturnValuesOnConditionCheckFailure");
        }
    }
    assert_eq!(raw.item(&key("THERE")).await, Some(there));
    assert_eq!(raw.item(&key("ABSENT")).await, None);
}

/// A condition compares numbers as numbers, whatever they are written like; what is absent or of another type is
/// neither less nor more.
pub(crate) async fn compare_values_of_one_type(raw: &Raw) {
    let there = item(
        "THERE",
        json!({ "at": { "N": "1772409600000" }, "name": { "S": "9" } }),
    );
    raw.call("PutItem", &raw.here(json!({ "Item": there }))).await;
    let number = |text: &str| json!({ "N": text });
    for (condition, value, holds) in [
        ("#at < :value", number("1772409600001"), true),
        ("#at < :value", number("1772409600000"), false),
        ("#at <= :value", number("1772409600000.0"), true),
        ("#at <= :value", number("1.7724096E12"), true),
        ("#at < :value", number("9"), false),
        ("#at < :value", json!({ "S": "zzz" }), false),
        ("#at > :value", json!({ "S": "" }), false),
        ("#absent < :value", number("1"), false),
        ("#absent >= :value", number("1"), false),
        (
            "attribute_not_exists(#absent) OR #absent < :value",
            number("1"),
            true,
        ),
        ("#name = :value", json!({ "S": "9" }), true),
        ("#name = :value", number("9"), false),
        (
            "attribute_exists(#name) AND #at = :value",
            number("1772409600000"),
            true,
        ),
        (
            "attribute_exists(#absent) AND #at = :value",
            number("1772409600000"),
            false,
        ),
    ] {
        let names: serde_json::Map<_, _> = ["at", "absent", "name"]
            .into_iter()
            .map(|name| (format!("#{name}"), json!(name)))
            .filter(|(alias, _)| condition.contains(alias.as_str()))
            .collect();
        let body = raw.here(json!({
            "Item": there,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": { ":value": value },
        }));
        if holds {
            raw.call("PutItem", &body).await;
        } else {
            raw.refused("PutItem", &body, FAILED).await;
        }
    }
}

/// `ReturnValues`: the whole item as it is now, only what was set, or nothing; `REMOVE` of what is absent is no error.
pub(crate) async fn return_what_they_are_asked_for(raw: &Raw) {
    let update = |returned: Value| {
        raw.here(json!({
            "Key": key("THERE"),
            "UpdateExpression": "SET holder = :me REMOVE leaseUntil",
            "ExpressionAttributeValues": { ":me": { "S": "api-1" } },
            "ReturnValues": returned,
        }))
    };
    let now = item("THERE", json!({ "holder": { "S": "api-1" } }));
    let set = json!({ "holder": { "S": "api-1" } });
    for (asked, expected) in [("ALL_NEW", Some(now)), ("UPDATED_NEW", Some(set)), ("NONE", None)] {
        let answer = raw.call("UpdateItem", &update(json!(asked))).await;
        assert_eq!(answer.get("Attributes").cloned(), expected, "{asked}");
    }
    raw.refused("UpdateItem", &update(json!("EVERYTHING")), "ValidationException")
        .await;
}

/// Numbers are kept to 38 digits and told in full, without zeros that say nothing.
pub(crate) async fn keep_numbers_exactly(raw: &Raw) {
    let digits = "1".repeat(38);
    let kept = [
        ("1234567890.123456789012345678", "1234567890.123456789012345678"),
        ("-1.4093297098441402", "-1.4093297098441402"),
        ("9e9", "9000000000"),
        ("1.50", "1.5"),
        ("-0", "0"),
        ("0.0000001", "0.0000001"),
        (&digits, &digits),
    ];
    for (written, read) in kept {
        let put = raw.here(json!({ "Item": item("NUMBER", json!({ "price": { "N": written } })) }));
        raw.call("PutItem", &put).await;
        let number = raw.item(&key("NUMBER")).await.expect("it is there")["price"].clone();
        assert_eq!(number, json!({ "N": read }), "{written}");
    }
    for none in [
        "",
        "five",
        "0x5",
        "NaN",
        "Infinity",
        "1e126",
        "1e-131",
        &"1".repeat(39),
    ] {
        let put = raw.here(json!({ "Item": item("NUMBER", json!({ "price": { "N": none } })) }));
        raw.refused("PutItem", &put, "ValidationException").await;
    }
}
