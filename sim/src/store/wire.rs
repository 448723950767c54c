//! The parts of DynamoDB's JSON that the front reads. Everything else is skipped, and passed on as it came.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

/// An item or a key.
pub(super) type Item = BTreeMap<String, Value>;

/// An attribute value: text and numbers; of other types only that they are there.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Value {
    #[serde(rename = "S")]
    pub(super) text: Option<String>,
    #[serde(rename = "N")]
    pub(super) number: Option<String>,
}

/// The text of an attribute; empty when there is none.
pub(super) fn text<'a>(item: &'a Item, attribute: &str) -> &'a str {
    item.get(attribute)
        .and_then(|value| value.text.as_deref())
        .unwrap_or_default()
}

/// The number of an attribute as written.
pub(super) fn number<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute)?.number.as_deref()
}

/// The number of an attribute, when it is a whole one that fits.
pub(super) fn whole<T: std::str::FromStr>(item: &Item, attribute: &str) -> Option<T> {
    number(item, attribute)?.parse().ok()
}

/// A request about one item: `GetItem`, `PutItem`, `UpdateItem`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct OneItem {
    pub(super) key: Item,
    pub(super) item: Item,
    pub(super) consistent_read: bool,
    pub(super) update_expression: String,
    pub(super) expression_attribute_names: BTreeMap<String, String>,
    pub(super) expression_attribute_values: Item,
}

/// `BatchGetItem`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct BatchGet {
    pub(super) request_items: BTreeMap<String, BatchGetTable>,
}

/// What a `BatchGetItem` wants of one table.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct BatchGetTable {
    pub(super) keys: Vec<Item>,
    pub(super) consistent_read: bool,
}

/// `BatchWriteItem`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct BatchWrite {
    pub(super) request_items: BTreeMap<String, Vec<Write>>,
}

/// One write of a batch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Write {
    pub(super) put_request: Put,
    pub(super) delete_request: Delete,
}

/// Puts an item; empty when the write is no put.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Put {
    pub(super) item: Item,
}

/// Deletes an item; empty when the write is no delete.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Delete {
    pub(super) key: Item,
}

/// An answer about one item, or an error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct OneAnswer {
    #[serde(rename = "__type")]
    pub(super) error: String,
    pub(super) item: Option<Item>,
    pub(super) attributes: Option<Item>,
    pub(super) consumed_capacity: Option<Consumed>,
}

/// The answer of a batch, or an error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct BatchAnswer {
    #[serde(rename = "__type")]
    pub(super) error: String,
    pub(super) responses: BTreeMap<String, Vec<IgnoredAny>>,
    /// Of a `BatchWriteItem` only.
    pub(super) unprocessed_items: BTreeMap<String, Vec<Write>>,
    pub(super) consumed_capacity: Option<Vec<Consumed>>,
}

/// What a request consumed in one table.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Consumed {
    pub(super) capacity_units: f64,
}
