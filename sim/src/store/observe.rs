//! What a DynamoDB request and its answer mean for the simulation. Pure: bytes in, events out.
//!
//! Nothing here fails: what cannot be read is a call about [`StoreSubject::Other`], because the front must never
//! get in the way of a request that the store understands.

use std::{collections::BTreeSet, sync::Arc};

use scenarios::format::fault::Throttling;
use serde::de::DeserializeOwned;

use super::{
    expression::{Effect, effect_on, placeholders},
    wire::{BatchAnswer, BatchGet, BatchWrite, Consumed, Item, OneAnswer, OneItem, number, text, whole},
};
use crate::record::event::{Event, LeaseAction, LeaseEvent, StoreCall, StoreOp, StoreSubject};

/// A request as far as the simulation cares.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) op: StoreOp,
    pub(super) subject: StoreSubject,
    pub(super) consistent: bool,
    pub(super) items: u16,
    /// Whether it consumes write capacity rather than read capacity.
    writes: bool,
    detail: Detail,
}

/// What else is to be said about a call.
#[derive(Debug)]
enum Detail {
    Nothing,
    /// Counts a request of a key.
    Count {
        key_id: Arc<str>,
        window: i64,
    },
    /// Takes the lease or gives it back.
    Lease {
        holder: String,
        action: LeaseAction,
    },
    /// Puts prices.
    Prices(Vec<Item>),
    /// Reads prices of these symbols for a user.
    UserRead(Vec<Arc<str>>),
}

/// An answer as far as the simulation cares.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Items found (reads).
    pub(super) found: u16,
    /// Read capacity units.
    pub(super) rcu: f64,
    /// Write capacity units.
    pub(super) wcu: f64,
    /// Whether it was refused for want of capacity.
    pub(super) throttled: bool,
    /// What it means beyond the call itself.
    pub(super) events: Vec<Event>,
}

/// What is known of a call besides its bytes.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// When it came.
    pub(super) at_us: u64,
    /// How long the store took, microseconds.
    pub(super) store_us: u32,
    /// What was added on the way, microseconds.
    pub(super) front_us: u32,
    /// HTTP status of the answer; 0 when there was none.
    pub(super) status: u16,
    /// Index of the `[[fault]]`s that touched it.
    pub(super) faults: Vec<u16>,
}

/// Reads a request: `target` is its `X-Amz-Target`.
pub(super) fn request(target: &str, body: &[u8]) -> Call {
    let name = target.rsplit('.').next().unwrap_or_default();
    let one = |op, writes| one_item(op, writes, parsed(body));
    match name {
        "GetItem" => one(StoreOp::GetItem, false),
        "UpdateItem" => one(StoreOp::UpdateItem, true),
        "PutItem" => one(StoreOp::PutItem, true),
        "BatchGetItem" => batch_get(parsed(body)),
        "BatchWriteItem" => batch_write(parsed(body)),
        _ => Call {
            op: StoreOp::Other,
            subject: StoreSubject::Other,
            consistent: false,
            items: 0,
            writes: matches!(name, "DeleteItem" | "TransactWriteItems"),
            detail: Detail::Nothing,
        },
    }
}

fn parsed<T: DeserializeOwned + Default>(body: &[u8]) -> T {
    serde_json::from_slice(body).unwrap_or_default()
}

fn one_item(op: StoreOp, writes: bool, request: OneItem) -> Call {
    let key = if op == StoreOp::PutItem {
        &request.item
    } else {
        &request.key
    };
    let subject = subject(key);
    let detail = match (op, subject) {
        (StoreOp::UpdateItem, StoreSubject::RateLimit) => count(key),
        (StoreOp::UpdateItem, StoreSubject::Lease) => lease(&request),
        (StoreOp::PutItem, StoreSubject::Prices) => Detail::Prices(vec![request.item]),
        _ => Detail::Nothing,
    };
    Call {
        op,
        subject,
        consistent: request.consistent_read,
        items: 1,
        writes,
        detail,
    }
}

fn batch_get(request: BatchGet) -> Call {
    let tables = request.request_items;
    let first = tables.values().find_map(|table| table.keys.first());
    let consistent = tables.values().any(|table| table.consistent_read);
    let subject = first.map_or(StoreSubject::Other, subject);
    let symbols = tables
        .values()
        .flat_map(|table| &table.keys)
        .map(|key| text(key, "PK"));
    let symbols = symbols.filter_map(|pk| Some(pk.strip_prefix("PRICE#")?.into()));
    let detail = match subject {
        StoreSubject::Prices if !consistent => Detail::UserRead(symbols.collect()),
        _ => Detail::Nothing,
    };
    Call {
        op: StoreOp::BatchGetItem,
        subject,
        consistent,
        items: short(tables.values().map(|table| table.keys.len()).sum()),
        writes: false,
        detail,
    }
}

fn batch_write(request: BatchWrite) -> Call {
    let writes: Vec<_> = request.request_items.into_values().flatten().collect();
    let items = short(writes.len());
    let subject = writes.first().map_or(StoreSubject::Other, |write| {
        let put = &write.put_request.item;
        subject(if put.is_empty() {
            &write.delete_request.key
        } else {
            put
        })
    });
    let is_price = |item: &Item| text(item, "PK").starts_with("PRICE#");
    let prices = writes
        .into_iter()
        .map(|write| write.put_request.item)
        .filter(is_price)
        .collect();
    let detail = Detail::Prices(prices);
    Call {
        op: StoreOp::BatchWriteItem,
        subject,
        consistent: false,
        items,
        writes: true,
        detail,
    }
}

fn subject(key: &Item) -> StoreSubject {
    let (pk, sk) = (text(key, "PK"), text(key, "SK"));
    match pk.split_once('#') {
        Some(("PRICE", _)) => StoreSubject::Prices,
        Some(("APIKEY", _)) if sk.starts_with("RATELIMIT#") => StoreSubject::RateLimit,
        Some(("APIKEY", _)) => StoreSubject::ApiKey,
        Some(("LEASE", "prices")) => StoreSubject::Lease,
        _ => StoreSubject::Other,
    }
}

fn count(key: &Item) -> Detail {
    let key_id = text(key, "PK").trim_start_matches("APIKEY#").into();
    match text(key, "SK").trim_start_matches("RATELIMIT#").parse() {
        Ok(window) => Detail::Count { key_id, window },
        Err(_) => Detail::Nothing,
    }
}

/// An update that sets `leaseUntil` to an instant takes the lease; one that removes or clears it gives it back.
fn lease(update: &OneItem) -> Detail {
    let values = &update.expression_attribute_values;
    let is_holder = |text: &&str| text.starts_with("api-") || text.starts_with("update-");
    let holder = values
        .values()
        .filter_map(|value| value.text.as_deref())
        .find(is_holder)
        .unwrap_or_default();
    let effect = effect_on(
        &update.update_expression,
        &update.expression_attribute_names,
        "leaseUntil",
    );
    let action = match effect {
        None => return Detail::Nothing,
        Some(Effect::Removed) => LeaseAction::Release,
        Some(Effect::Set(value)) => match values.get(&value) {
            Some(value) if value.number.as_deref().is_none_or(|until| until == "0") => LeaseAction::Release,
            _ => LeaseAction::Acquire,
        },
    };
    Detail::Lease {
        holder: holder.to_owned(),
        action,
    }
}

impl Outcome {
    /// Whether a request was admitted.
    pub(super) fn admits(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, Event::Admission { admitted: true, .. }))
    }

    /// Whether prices were stored.
    pub(super) fn stores_prices(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, Event::PriceWrite { .. }))
    }
}

impl Call {
    /// Reads the answer to this request. `done_us` is when it came.
    pub(super) fn answer(&self, status: u16, body: &[u8], done_us: u64) -> Outcome {
        match self.op {
            StoreOp::BatchGetItem | StoreOp::BatchWriteItem => self.batch(status, &parsed(body), done_us),
            StoreOp::GetItem | StoreOp::UpdateItem | StoreOp::PutItem | StoreOp::Other => {
                self.one(status, &parsed(body), done_us)
            }
        }
    }

    /// Tells of this call and its outcome: the call itself first.
    pub(super) fn tell(&self, seen: Seen, outcome: Outcome, emit: impl Fn(Event)) {
        emit(Event::Store(StoreCall {
            at_us: seen.at_us,
            store_us: seen.store_us,
            front_us: seen.front_us,
            op: self.op,
            subject: self.subject,
            consistent: self.consistent,
            items: self.items,
            found: outcome.found,
            status: seen.status,
            rcu: outcome.rcu,
            wcu: outcome.wcu,
            throttled: outcome.throttled,
            faults: seen.faults,
        }));
        outcome.events.into_iter().for_each(emit);
    }

    fn one(&self, status: u16, answer: &OneAnswer, done_us: u64) -> Outcome {
        let held = status == 200;
        let refused = answer.error.ends_with("ConditionalCheckFailedException");
        let units = match &answer.consumed_capacity {
            Some(consumed) => consumed.capacity_units,
            // DynamoDB bills a refused write by the size of the item in its way, and does not say so in the error.
            None if refused => write_units(answer.item.as_ref()),
            None => 0.0,
        };
        let mut outcome = self.consumed(units);
        outcome.throttled = is_throttled(status, &answer.error);
        outcome.found = u16::from(held && self.op == StoreOp::GetItem && answer.item.is_some());
        if held || refused {
            outcome.events = self.effects(held, answer, done_us);
        }
        outcome
    }

    fn effects(&self, held: bool, answer: &OneAnswer, done_us: u64) -> Vec<Event> {
        match &self.detail {
            Detail::Nothing => Vec::new(),
            Detail::Count { key_id, window } => {
                let item = if held { &answer.attributes } else { &answer.item };
                vec![Event::Admission {
                    at_us: done_us,
                    key_id: Arc::clone(key_id),
                    window: *window,
                    admitted: held,
                    count: item
                        .as_ref()
                        .and_then(|item| whole(item, "requestCount"))
                        .unwrap_or(0),
                }]
            }
            Detail::Lease { holder, action } => {
                vec![Event::Lease(LeaseEvent {
                    at_us: done_us,
                    holder: holder.clone(),
                    action: *action,
                    held,
                })]
            }
            Detail::Prices(items) if held => items.iter().filter_map(|item| price(item, done_us)).collect(),
            Detail::Prices(_) | Detail::UserRead(_) => Vec::new(),
        }
    }

    fn batch(&self, status: u16, answer: &BatchAnswer, done_us: u64) -> Outcome {
        let units = answer
            .consumed_capacity
            .iter()
            .flatten()
            .map(|consumed: &Consumed| consumed.capacity_units);
        // Not `sum`: that of no numbers is -0.
        let mut outcome = self.consumed(units.fold(0.0, |sum, units| sum + units));
        if status != 200 {
            outcome.throttled = is_throttled(status, &answer.error);
            return outcome;
        }
        outcome.found = short(answer.responses.values().map(Vec::len).sum());
        if let Detail::UserRead(symbols) = &self.detail {
            outcome.events = vec![Event::PriceRead {
                at_us: done_us,
                symbols: symbols.clone(),
                found: outcome.found,
            }];
        }
        if let Detail::Prices(items) = &self.detail {
            let left_out: BTreeSet<&str> = answer
                .unprocessed_items
                .values()
                .flatten()
                .map(|write| text(&write.put_request.item, "PK"))
                .collect();
            let written = items.iter().filter(|item| !left_out.contains(text(item, "PK")));
            outcome.events = written.filter_map(|item| price(item, done_us)).collect();
        }
        outcome
    }

    fn consumed(&self, units: f64) -> Outcome {
        let (rcu, wcu) = if self.writes { (0.0, units) } else { (units, 0.0) };
        Outcome {
            rcu,
            wcu,
            ..Outcome::default()
        }
    }
}

/// Whether an error says that there is no capacity.
fn is_throttled(status: u16, error: &str) -> bool {
    status == 400
        && Throttling::ALL
            .iter()
            .any(|throttling| error.ends_with(throttling.code()))
}

/// One unit for each started KB of an item; an absent one costs one. Only what the front reads of it counts,
/// which is all of the items that are written on a condition.
fn write_units(item: Option<&Item>) -> f64 {
    let size = |value: &Option<String>| value.as_ref().map_or(0, String::len);
    let bytes: usize = item.map_or(0, |item| {
        item.iter()
            .map(|(name, value)| name.len() + size(&value.text) + size(&value.number))
            .sum()
    });
    bytes.div_ceil(1024).max(1) as f64
}

fn price(item: &Item, at_us: u64) -> Option<Event> {
    Some(Event::PriceWrite {
        at_us,
        symbol: text(item, "PK").strip_prefix("PRICE#")?.to_owned(),
        price: number(item, "price")?.to_owned(),
        updated_ms: whole(item, "lastUpdated")?,
        fetched_ms: whole(item, "fetchedAt")?,
        ttl_s: whole(item, "ttl")?,
    })
}

/// A count as events carry it.
pub(super) fn short(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// The request without its condition, and without the names and values that only the condition used (DynamoDB
/// refuses a request with unused ones). `None` when there is no condition.
pub(super) fn without_condition(body: &[u8]) -> Option<Vec<u8>> {
    let mut request: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    request.remove("ConditionExpression")?;
    let update = request
        .get("UpdateExpression")
        .and_then(|update| update.as_str())
        .unwrap_or_default()
        .to_owned();
    let used = placeholders(&update);
    for map in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        let Some(serde_json::Value::Object(entries)) = request.get_mut(map) else {
            continue;
        };
        entries.retain(|name, _| used.contains(name.as_str()));
        if entries.is_empty() {
            request.remove(map);
        }
    }
    serde_json::to_vec(&request).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn call(op: &str, body: &Value) -> Call {
        request(&format!("DynamoDB_20120810.{op}"), body.to_string().as_bytes())
    }

    fn answer(call: &Call, status: u16, body: &Value) -> Outcome {
        call.answer(status, body.to_string().as_bytes(), 7)
    }

    fn key(pk: &str, sk: &str) -> Value {
        json!({ "PK": { "S": pk }, "SK": { "S": sk } })
    }

    fn price_item(symbol: &str, price: &str) -> Value {
        json!({
            "PK": { "S": format!("PRICE#{symbol}") }, "SK": { "S": "METADATA" }, "price": { "N": price },
            "change24h": { "NULL": true }, "lastUpdated": { "N": "1772409599000" },
            "fetchedAt": { "N": "1772409600123" }, "ttl": { "N": "1772413200" },
        })
    }

    #[test]
    fn subjects_are_told_by_their_keys() {
        for (pk, sk, expect) in [
            ("PRICE#BTC", "METADATA", StoreSubject::Prices),
            ("APIKEY#ab", "METADATA", StoreSubject::ApiKey),
            ("APIKEY#ab", "RATELIMIT#29540160", StoreSubject::RateLimit),
            ("LEASE#prices", "METADATA", StoreSubject::Lease),
            ("LEASE#other", "METADATA", StoreSubject::Other),
            ("PRICE", "", StoreSubject::Other),
        ] {
            let call = call("GetItem", &json!({ "Key": key(pk, sk), "ConsistentRead": true }));
            assert_eq!(
                (call.op, call.subject, call.consistent, call.items),
                (StoreOp::GetItem, expect, true, 1)
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_passed_by() {
        for body in [
            &b""[..],
            b"{",
            b"[]",
            b"{\"Key\": 5}",
            b"{\"Key\": null}",
            "\u{fffd}".as_bytes(),
        ] {
            for op in [
                "GetItem",
                "UpdateItem",
                "PutItem",
                "BatchGetItem",
                "BatchWriteItem",
                "Scan",
                "",
            ] {
                let call = request(op, body);
                assert_eq!(call.subject, StoreSubject::Other, "{op} {body:?}");
                for status in [200, 400, 500] {
                    assert!(call.answer(status, body, 0).events.is_empty(), "{op} {body:?}");
                }
            }
        }
    }

    #[test]
    fn a_read_tells_what_it_found_and_cost() {
        let get = call("GetItem", &json!({ "Key": key("PRICE#BTC", "METADATA") }));
        let found = answer(
            &get,
            200,
            &json!({ "Item": {}, "ConsumedCapacity": { "CapacityUnits": 0.5 } }),
        );
        assert_eq!((found.found, found.rcu, found.wcu), (1, 0.5, 0.0));
        assert_eq!(
            answer(
                &get,
                200,
                &json!({ "ConsumedCapacity": { "CapacityUnits": 0.5 } })
            )
            .found,
            0
        );

        let keys = [key("PRICE#BTC", "METADATA"), key("PRICE#ETH", "METADATA")];
        let batch = call(
            "BatchGetItem",
            &json!({ "RequestItems": { "t": { "Keys": keys, "ConsistentRead": true } } }),
        );
        assert_eq!(
            (batch.subject, batch.items, batch.consistent),
            (StoreSubject::Prices, 2, true)
        );
        let consumed = json!([{ "TableName": "t", "CapacityUnits": 1.0 }]);
        let found = answer(
            &batch,
            200,
            &json!({ "Responses": { "t": [{}] }, "ConsumedCapacity": consumed }),
        );
        assert_eq!((found.found, found.rcu), (1, 1.0));
    }

    #[test]
    fn an_admission_tells_key_window_and_count() {
        let call = call(
            "UpdateItem",
            &json!({ "Key": key(&format!("APIKEY#{KEY}"), "RATELIMIT#29540160") }),
        );
        let admission = |status, body: Value| {
            let outcome = answer(&call, status, &body);
            let events: Vec<_> = outcome
                .events
                .into_iter()
                .map(|event| match event {
                    Event::Admission {
                        at_us: 7,
                        key_id,
                        window: 29_540_160,
                        admitted,
                        count,
                    } if &*key_id == KEY => (admitted, count),
                    other => panic!("{other:?}"),
                })
                .collect();
            (events, outcome.wcu)
        };
        let attributes = json!({ "requestCount": { "N": "3" }, "ttl": { "N": "1" } });
        let admitted = json!({ "Attributes": attributes, "ConsumedCapacity": { "CapacityUnits": 1.0 } });
        assert_eq!(admission(200, admitted), (vec![(true, 3)], 1.0));
        let refused = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
        assert_eq!(
            admission(400, json!({ "__type": refused, "Item": attributes })),
            (vec![(false, 3)], 1.0)
        );
        assert_eq!(
            admission(400, json!({ "__type": refused })),
            (vec![(false, 0)], 1.0)
        );
        // The limiter did not decide.
        assert_eq!(
            admission(400, json!({ "__type": "…#ValidationException" })),
            (vec![], 0.0)
        );
        assert_eq!(
            admission(500, json!({ "__type": "…#InternalServerError" })),
            (vec![], 0.0)
        );
    }

    #[track_caller]
    fn check_lease(update: &str, until: &Value, expect: Option<LeaseAction>) {
        let call = call(
            "UpdateItem",
            &json!({
                "Key": key("LEASE#prices", "METADATA"),
                "UpdateExpression": update,
                "ExpressionAttributeNames": { "#l": "leaseUntil", "#h": "holder" },
                "ExpressionAttributeValues": { ":me": { "S": "update-0123456789abcdef" }, ":until": until },
            }),
        );
        for (status, body, held) in [
            (200, json!({}), true),
            (
                400,
                json!({ "__type": "…#ConditionalCheckFailedException" }),
                false,
            ),
        ] {
            let seen = answer(&call, status, &body)
                .events
                .into_iter()
                .next()
                .map(|event| match event {
                    Event::Lease(lease) if lease.holder == "update-0123456789abcdef" => {
                        (lease.action, lease.held)
                    }
                    other => panic!("{other:?}"),
                });
            assert_eq!(seen, expect.map(|action| (action, held)), "{update}");
        }
    }

    #[test]
    fn taking_and_giving_back_the_lease_are_told_apart() {
        let later = json!({ "N": "1772409600000" });
        check_lease("SET #h = :me, #l = :until", &later, Some(LeaseAction::Acquire));
        check_lease(
            "SET holder = :me, leaseUntil = :until",
            &later,
            Some(LeaseAction::Acquire),
        );
        check_lease(
            "SET refreshedAt = :until REMOVE #l, retryNotBefore",
            &later,
            Some(LeaseAction::Release),
        );
        check_lease(
            "SET leaseUntil = :until",
            &json!({ "N": "0" }),
            Some(LeaseAction::Release),
        );
        check_lease(
            "SET leaseUntil = :until",
            &json!({ "NULL": true }),
            Some(LeaseAction::Release),
        );
        check_lease("ADD failures :until", &later, None);
    }

    #[test]
    fn prices_that_were_written_are_told_one_by_one() {
        let writes: Vec<_> = [("BTC", "76975.5"), ("ETH", "2.5"), ("XRP", "1")]
            .map(|(symbol, price)| json!({ "PutRequest": { "Item": price_item(symbol, price) } }))
            .into();
        let call = call("BatchWriteItem", &json!({ "RequestItems": { "t": writes } }));
        assert_eq!((call.subject, call.items), (StoreSubject::Prices, 3));
        let consumed = json!([{ "TableName": "t", "CapacityUnits": 2.0 }]);
        let unprocessed = json!({ "t": [writes[1]] });
        let outcome = answer(
            &call,
            200,
            &json!({ "UnprocessedItems": unprocessed, "ConsumedCapacity": consumed }),
        );
        assert_eq!((outcome.rcu, outcome.wcu), (0.0, 2.0));
        let lines: Vec<_> = outcome.events.iter().map(|event| format!("{event:?}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        PriceWrite { at_us: 7, symbol: "BTC", price: "76975.5", updated_ms: 1772409599000, fetched_ms: 1772409600123, ttl_s: 1772413200 }
        PriceWrite { at_us: 7, symbol: "XRP", price: "1", updated_ms: 1772409599000, fetched_ms: 1772409600123, ttl_s: 1772413200 }
        "#);
        assert!(
            answer(&call, 500, &json!({ "__type": "…#InternalServerError" }))
                .events
                .is_empty()
        );
    }

    #[test]
    fn a_put_of_a_price_is_told_too() {
        let call = call("PutItem", &json!({ "Item": price_item("BTC", "1") }));
        assert_eq!((call.op, call.subject), (StoreOp::PutItem, StoreSubject::Prices));
        assert_eq!(answer(&call, 200, &json!({})).events.len(), 1);
        assert!(
            answer(
                &call,
                400,
                &json!({ "__type": "#ConditionalCheckFailedException" })
            )
            .events
            .is_empty()
        );
    }

    #[test]
    fn a_condition_is_dropped_with_all_that_only_it_used() {
        let stripped = |body: Value| {
            without_condition(body.to_string().as_bytes())
                .map(|body| serde_json::from_slice::<Value>(&body).expect("JSON"))
        };
        let acquire = json!({
            "TableName": "t",
            "Key": key("LEASE#prices", "METADATA"),
            "UpdateExpression": "SET #holder = :me, #leaseUntil = :until",
            "ConditionExpression": "attribute_not_exists(#leaseUntil) OR #leaseUntil <= :now AND #refreshedAt <= :due",
            "ExpressionAttributeNames":
                { "#holder": "holder", "#leaseUntil": "leaseUntil", "#refreshedAt": "refreshedAt" },
            "ExpressionAttributeValues":
                { ":me": { "S": "api-1" }, ":until": { "N": "9" }, ":now": { "N": "1" }, ":due": { "N": "0" } },
        });
        assert_eq!(
            stripped(acquire),
            Some(json!({
                "TableName": "t",
                "Key": key("LEASE#prices", "METADATA"),
                "UpdateExpression": "SET #holder = :me, #leaseUntil = :until",
                "ExpressionAttributeNames": { "#holder": "holder", "#leaseUntil": "leaseUntil" },
                "ExpressionAttributeValues": { ":me": { "S": "api-1" }, ":until": { "N": "9" } },
            }))
        );
        let unused = json!({
            "UpdateExpression": "REMOVE leaseUntil",
            "ConditionExpression": "holder = :me",
            "ExpressionAttributeValues": { ":me": { "S": "api-1" } },
        });
        assert_eq!(
            stripped(unused),
            Some(json!({ "UpdateExpression": "REMOVE leaseUntil" }))
        );
        assert_eq!(stripped(json!({ "UpdateExpression": "REMOVE leaseUntil" })), None);
    }

    #[test]
    fn a_users_read_of_prices_tells_their_symbols() {
        let keys = json!([key("PRICE#BTC", "METADATA"), key("PRICE#ETH", "METADATA")]);
        let body =
            |strong: bool| json!({ "RequestItems": { "t": { "Keys": keys, "ConsistentRead": strong } } });
        let found = json!({ "Responses": { "t": [price_item("BTC", "1")] } });
        let told = |strong, status| {
            let events = answer(&call("BatchGetItem", &body(strong)), status, &found).events;
            events
                .into_iter()
                .map(|event| match event {
                    Event::PriceRead {
                        at_us,
                        symbols,
                        found,
                    } => (at_us, symbols, found),
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(told(false, 200), [(7, vec!["BTC".into(), "ETH".into()], 1)]);
        assert_eq!(told(true, 200), [], "the refresh's own");
        assert_eq!(told(false, 500), []);
    }
}
