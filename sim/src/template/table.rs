//! The table.

use super::{deploy::Resolved, fields::Field, model::Table};

/// The table, if nothing in it is wrong that keeps one from being made of it.
pub(super) fn table(field: &Field<'_>, id: &str, all: &Resolved<'_>) -> Option<Table> {
    let is_on_demand = match field.get("BillingMode") {
        // What DynamoDB takes where nothing is said (b).
        None => Some(false),
        Some(mode) => mode.word(&[("PAY_PER_REQUEST", true), ("PROVISIONED", false)]),
    };
    let key = field.need("KeySchema").and_then(|schema| key(&schema));
    let listed = field.get("GlobalSecondaryIndexes");
    let listed = listed.map(|list| list.items()).unwrap_or_default();
    let indexes: Option<Vec<(String, String, String)>> = listed.iter().map(index).collect();
    let ttl = match field.get("TimeToLiveSpecification") {
        None => None,
        Some(ttl) => {
            ttl.only(&["AttributeName", "Enabled"]);
            let is_on = ttl.need("Enabled")?.flag()?;
            let attribute = ttl.need("AttributeName")?.text()?;
            is_on.then_some(attribute)
        }
    };
    let table = Table {
        name: all.name(id)?,
        key: key?,
        indexes: indexes?,
        ttl,
        is_on_demand: is_on_demand?,
    };
    attributes(field, &table);
    Some(table)
}

/// Partition and sort key, both of which every table and index here has.
fn key(schema: &Field<'_>) -> Option<(String, String)> {
    let mut names = Vec::new();
    for (item, kind) in schema.items().iter().zip(["HASH", "RANGE"]) {
        item.only(&["AttributeName", "KeyType"]);
        item.need("KeyType")?.word(&[(kind, ())])?;
        names.push(item.need("AttributeName")?.text()?);
    }
    let count = schema.items().len();
    match <[String; 2]>::try_from(names) {
        Ok([partition, sort]) if count == 2 => Some((partition, sort)),
        _ => {
            schema.not_emulated("a key is one HASH and one RANGE");
            None
        }
    }
}

fn index(field: &Field<'_>) -> Option<(String, String, String)> {
    field.only(&["IndexName", "KeySchema", "Projection"]);
    if let Some(projection) = field.need("Projection") {
        projection.only(&["ProjectionType"]);
        projection.need("ProjectionType")?.word(&[("ALL", ())]);
    }
    let name = field.need("IndexName")?.text()?;
    let (partition, sort) = key(&field.need("KeySchema")?)?;
    Some((name, partition, sort))
}

/// Says where the attributes that are defined are not those that keys are made of, which DynamoDB refuses (b).
fn attributes(field: &Field<'_>, table: &Table) -> Option<()> {
    let definitions = field.need("AttributeDefinitions")?;
    let mut defined = Vec::new();
    for item in definitions.items() {
        item.only(&["AttributeName", "AttributeType"]);
        item.need("AttributeType")?.word(&[("S", ())]);
        defined.push((item.need("AttributeName")?.text()?, item));
    }
    let mut used = vec![&table.key.0, &table.key.1];
    for (_, partition, sort) in &table.indexes {
        used.extend([partition, sort]);
    }
    for name in &used {
        if !defined.iter().any(|(other, _)| other == *name) {
            definitions.error(format!("has no {name}, which a key is made of; add it"));
        }
    }
    for (name, item) in &defined {
        if !used.contains(&name) {
            item.error(format!(
                "{name} is in no key, which DynamoDB refuses; take it out"
            ));
        }
    }
    Some(())
}
