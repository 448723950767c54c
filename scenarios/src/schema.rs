//! The scenario format told to others: a JSON Schema for editors, and the reference for people.
//!
//! Both are made from the types that read a scenario and from the table of fault kinds, so they cannot drift.

use std::fmt;
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::{Map, Value, json};

use crate::format::assume::RawAssume;
use crate::format::kinds::KINDS;
use crate::format::model::Target;
use crate::format::raw::{
    RawCustomPlan, RawExpect, RawFault, RawJourney, RawKeys, RawLatencies, RawLoad, RawMatch, RawPopularity,
    RawScenario, RawStack,
};

/// What a scenario must have, unless it extends another that does.
const INHERITED: [&str; 3] = ["duration", "journey", "load"];

/// The JSON Schema (2020-12) of a scenario file.
pub fn json() -> Value {
    let mut schema = complete();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), "Crypto Watch scenario".into());
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|name| !INHERITED.iter().any(|inherited| name == inherited));
        }
        schema.insert(
            "anyOf".to_owned(),
            json!([{ "required": ["extends"] }, { "required": INHERITED }]),
        );
    }
    schema
}

/// The schema of a scenario that extends no other.
fn complete() -> Value {
    let mut schema = Value::from(schemars::schema_for!(RawScenario));
    strip_null(&mut schema);
    schema
}

/// TOML has no null: what may be left out is not required, that is all.
fn strip_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip_null),
        Value::Object(object) => {
            object.values_mut().for_each(strip_null);
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(words)) = object.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            flatten_choice(object);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A choice between something and null is that something.
fn flatten_choice(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

const HEAD: &str = "# Scenario files

<!-- Made by `crypto-watch-sim schema reference`; a test keeps it true. -->

A scenario says what is played, on which stack, what breaks, and what must hold. It is written in TOML and in
production time: a TTL of five minutes is `\"5m\"`, however fast the run's clock goes. The built-in ones are in
`scenarios/files`; `crypto-watch-sim list` names them.

Every key is checked: an unknown one is an error, and so is a quantity without its unit. Errors name file, line and
column. A list such as `[[load]]` has one block for each of its elements. What is required may also come from the
scenario that `extends` names.

| quantity | examples |
|---|---|
| duration | `\"250ms\"`, `\"30s\"`, `\"5m\"`, `\"2h5m\"`, `\"1d\"` |
| rate | `\"2/s\"`, `\"100/min\"`, `\"5/h\"`, `\"3/d\"` |
| share | `\"50%\"`, `\"99.9%\"` |
| size, speed | `\"512B\"`, `\"40KB\"` (1,000), `\"8KiB\"` (1,024); `\"1KB/s\"` |
| instant | `\"2026-03-02T00:00:00Z\"` |
| limit of a check | any of these, a plain number, `25bp` (basis points), `1.5 USD` |

`--set KEY=VALUE` changes a key for one run: `--set stack.cache_ttl=60s`. An element of a list is named by its name or
its index from 0: `--set load.day.rate=5/s`, `--set expect.0.level=warn`.
";

/// A table of keys of the reference.
struct Section {
    heading: &'static str,
    definition: Option<&'static str>,
    keys: fn() -> Vec<&'static str>,
}

const SECTIONS: [Section; 11] = [
    Section {
        heading: "Top level",
        definition: None,
        keys: keys_of::<RawScenario>,
    },
    Section {
        heading: "`[stack]`",
        definition: Some("Stack"),
        keys: keys_of::<RawStack>,
    },
    Section {
        heading: "`upstream_plan` as a table",
        definition: Some("CustomPlan"),
        keys: keys_of::<RawCustomPlan>,
    },
    Section {
        heading: "`upstream_assume`",
        definition: Some("Assume"),
        keys: keys_of::<RawAssume>,
    },
    Section {
        heading: "`[symbols]`",
        definition: Some("Popularity"),
        keys: keys_of::<RawPopularity>,
    },
    Section {
        heading: "`[latency]`",
        definition: Some("Latencies"),
        keys: keys_of::<RawLatencies>,
    },
    Section {
        heading: "`[[journey]]`",
        definition: Some("Journey"),
        keys: keys_of::<RawJourney>,
    },
    Section {
        heading: "`[[load]]`",
        definition: Some("Load"),
        keys: keys_of::<RawLoad>,
    },
    Section {
        heading: "`keys` of a load",
        definition: Some("Keys"),
        keys: keys_of::<RawKeys>,
    },
    Section {
        heading: "`[[expect]]`",
        definition: Some("Expect"),
        keys: keys_of::<RawExpect>,
    },
    Section {
        heading: "`[[fault]]`",
        definition: Some("Fault"),
        keys: keys_of::<RawFault>,
    },
];

/// The reference of the format, as Markdown.
pub fn markdown() -> String {
    let schema = complete();
    let mut out = HEAD.to_owned();
    for section in SECTIONS {
        let table = match section.definition {
            Some(name) => &schema["$defs"][name],
            None => &schema,
        };
        let _ = writeln!(out, "\n## {}\n", section.heading);
        if let Some(about) = table["description"]
            .as_str()
            .filter(|_| section.definition.is_some())
        {
            let _ = writeln!(out, "{}\n", one_line(about));
        }
        out.push_str("| key | value | meaning |\n|---|---|---|\n");
        for key in (section.keys)() {
            key_row(&mut out, table, key);
        }
    }
    out.push_str("\n### `match` of a fault\n\n| key | value | meaning |\n|---|---|---|\n");
    for key in keys_of::<RawMatch>() {
        key_row(&mut out, &schema["$defs"]["Match"], key);
    }
    kinds(&mut out);
    out
}

/// One row of a table of keys.
fn key_row(out: &mut String, table: &Value, key: &str) {
    let property = &table["properties"][key];
    let required = table["required"]
        .as_array()
        .is_some_and(|names| names.iter().any(|name| name == key));
    let about = one_line(property["description"].as_str().unwrap_or_default());
    let must = if required { "**Required.** " } else { "" };
    let _ = writeln!(out, "| `{key}` | {} | {must}{about} |", shape(property));
}

/// What may stand after the equals sign.
fn shape(property: &Value) -> String {
    if let Some(title) = property["title"].as_str() {
        return title.to_owned();
    }
    if let Some(words) = property["enum"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        // The kinds of faults have a table of their own.
        return if words.len() > 8 {
            "word".to_owned()
        } else {
            words.join(", ")
        };
    }
    if property.get("$ref").is_some() {
        return "table".to_owned();
    }
    match property["type"].as_str() {
        Some("array") if property["items"].get("$ref").is_some() => "list of tables".to_owned(),
        Some("array") => "list of strings".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("number") => "number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        _ => "string".to_owned(),
    }
}

/// The tables of fault kinds, one for each target.
fn kinds(out: &mut String) {
    for target in [
        Target::CoinGecko,
        Target::Store,
        Target::Service,
        Target::Schedule,
        Target::Clients,
        Target::Lambda,
    ] {
        let _ = writeln!(out, "\n### Kinds of target `{target}`\n");
        out.push_str(match target {
            Target::Service => "Not with `--via lambda`, where Lambda starts and ends processes.\n\n",
            Target::Lambda => "Only with `--via lambda`.\n\n",
            _ => "",
        });
        out.push_str("| kind | what happens | parameters |\n|---|---|---|\n");
        for row in KINDS.iter().filter(|row| row.target == target) {
            let needs = row.needs.iter().map(|name| format!("`{name}`"));
            let may = row
                .may
                .iter()
                .map(|(name, default)| format!("`{name}` (default {default})"));
            let parameters: Vec<String> = needs.chain(may).collect();
            let _ = writeln!(
                out,
                "| `{}` | {} | {} |",
                row.kind,
                row.about,
                parameters.join(", ")
            );
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The keys of a table in the order of its struct, which a JSON object need not keep.
fn keys_of<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    match T::deserialize(KeyReader) {
        Err(Keys(keys)) => keys,
        Ok(_) => Vec::new(),
    }
}

/// Asked for a struct, it answers with an error that holds the names of its fields.
struct KeyReader;

#[derive(Debug)]
struct Keys(Vec<&'static str>);

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for Keys {}

impl de::Error for Keys {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Vec::new())
    }
}

impl<'de> Deserializer<'de> for KeyReader {
    type Error = Keys;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Keys> {
        Err(Keys(Vec::new()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Keys> {
        Err(Keys(fields.to_vec()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenario-format.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == markdown(),
            "run `crypto-watch-sim schema reference > docs/scenario-format.md` and commit it"
        );
    }

    #[test]
    fn every_key_is_explained() {
        let schema = json();
        for section in SECTIONS {
            let table = section.definition.map_or(&schema, |name| &schema["$defs"][name]);
            let keys = (section.keys)();
            let known = table["properties"].as_object().map_or(0, Map::len);
            assert_eq!(keys.len(), known, "{}", section.heading);
            for key in keys {
                let about = table["properties"][key]["description"]
                    .as_str()
                    .unwrap_or_default();
                assert!(!about.is_empty(), "{} says nothing about {key}", section.heading);
            }
        }
    }

    #[test]
    fn every_parameter_of_a_kind_is_a_key_of_a_fault() {
        let keys = keys_of::<RawFault>();
        for row in KINDS {
            for name in row.needs.iter().chain(row.may.iter().map(|(name, _)| name)) {
                assert!(keys.contains(name), "{} has no key {name}", row.kind);
            }
        }
    }

    #[test]
    fn the_schema_has_no_null_and_admits_no_other_keys() {
        let schema = json();
        assert!(!schema.to_string().contains("null\""), "TOML has no null");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["duration"]["title"], "duration");
        assert_eq!(schema["properties"]["load"]["items"]["$ref"], "#/$defs/Load");
        let rate = &schema["$defs"]["Load"]["properties"]["rate"];
        assert!(
            rate["anyOf"].as_array().is_some_and(|choices| choices.len() == 2),
            "{rate}"
        );
    }
}
