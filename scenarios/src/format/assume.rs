//! `upstream_assume` as written, and what is meant by it. Its keys are those of [`assumptions::ROWS`].

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::assumptions::{self, AssumeError, Assumptions};
use super::checker::{Checker, suggestion};
use super::written::At;

/// The assumptions that a scenario names: key, value, and the place of the value.
#[derive(Debug, Default)]
pub(crate) struct RawAssume(Vec<(&'static str, String, Range<usize>)>);

/// What is assumed for a scenario that writes this.
pub(super) fn check(checker: &mut Checker<'_>, raw: &RawAssume) -> Option<Assumptions> {
    let mut assumed = Assumptions::default();
    let mut sound = true;
    for (key, value, range) in &raw.0 {
        let (message, help) = match assumed.set(key, value) {
            Ok(()) => continue,
            // Reading knows the keys.
            Err(AssumeError::UnknownKey) => {
                (format!("unknown key `{key}`"), suggestion(key, assumptions::KEYS))
            }
            Err(AssumeError::NoValue(error)) => (error.message, error.help),
        };
        checker.error(range, message, help);
        sound = false;
    }
    sound.then_some(assumed)
}

impl<'de> Deserialize<'de> for RawAssume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = RawAssume;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table such as { window = \"sliding\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawAssume, A::Error> {
                let mut pairs = Vec::new();
                while let Some(key) = map.next_key_seed(Key)? {
                    let value: At<Plain> = map.next_value()?;
                    pairs.push((key, value.value.0, value.range));
                }
                Ok(RawAssume(pairs))
            }
        }

        deserializer.deserialize_struct("Assume", assumptions::KEYS, Pairs)
    }
}

/// Reads one of the keys.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an assumption")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let known = assumptions::KEYS.iter().find(|key| **key == text);
        known
            .copied()
            .ok_or_else(|| E::unknown_field(text, assumptions::KEYS))
    }
}

/// A text, or a number that stands for its digits.
#[derive(Debug)]
struct Plain(String);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value such as \"sliding\" or 30")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Plain, E> {
                Ok(Plain(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Plain, E> {
                Ok(Plain(number.to_string()))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for RawAssume {
    fn schema_name() -> Cow<'static, str> {
        "Assume".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let default = Assumptions::default();
        let properties = assumptions::ROWS.iter().map(|row| {
            let about = format!(
                "{}{}. Default: `{}`.",
                row.about[..1].to_uppercase(),
                &row.about[1..],
                (row.get)(&default)
            );
            let property = serde_json::json!({
                "title": (row.values)(),
                "description": about,
                "type": ["string", "integer"],
            });
            (row.key.to_owned(), property)
        });
        json_schema!({
            "type": "object",
            "description": "What is assumed of the real CoinGecko where nobody could verify it or sources disagree. \
                            `docs/fake-coingecko.md` tells what is known of each. A number may be written without quotes.",
            "properties": properties.collect::<serde_json::Map<_, _>>(),
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Alone, Override, parse};

    /// What a scenario with this line in its `[stack]`, and these flags, assumes; or what is wrong with it.
    fn assumed(line: &str, flags: &[&str]) -> Result<Assumptions, String> {
        let text = format!(
            "schema = 1\nname = \"plain\"\nabout = \"It says so.\"\nduration = \"10m\"\n[stack]\n{line}\n\
             [[journey]]\nname = \"one\"\nget = [\"/prices/{{symbol}}\"]\n[[load]]\nname = \"day\"\nrate = \"1/s\"\n"
        );
        let flags: Vec<Override> = flags
            .iter()
            .map(|flag| flag.parse().unwrap_or_else(|error| panic!("{error}")))
            .collect();
        parse("plain.toml", &text, &flags, &Alone)
            .map(|scenario| scenario.stack.upstream_assume)
            .map_err(|problems| problems.to_string())
    }

    fn changes(line: &str, flags: &[&str]) -> Vec<(&'static str, String)> {
        match assumed(line, flags) {
            Ok(assumed) => assumed.changes().collect(),
            Err(problems) => panic!("{problems}"),
        }
    }

    #[test]
    fn a_scenario_may_assume_otherwise() {
        assert!(changes("", &[]).is_empty());
        let line = "upstream_assume = { demo_per_minute = 30, window = \"sliding\" }";
        let both = [
            ("window", "sliding".to_owned()),
            ("demo_per_minute", "30".to_owned()),
        ];
        assert_eq!(changes(line, &[]), both);
        assert_eq!(
            changes(line, &["stack.upstream_assume.window=fixed"]),
            both[1..],
            "a flag is stronger"
        );
        assert_eq!(
            changes("", &["stack.upstream_assume.quota_status=200"]),
            [("quota_status", "200".to_owned())]
        );
    }

    #[test]
    fn what_is_not_there_is_told_with_its_place() {
        let wrong = |line: &str| match assumed(line, &[]) {
            Err(problems) => problems,
            Ok(assumed) => panic!("{assumed:?}"),
        };
        insta::assert_snapshot!(wrong("upstream_assume = { windows = \"fixed\" }"), @r#"
        error: unknown key `windows`
          --> plain.toml:6:21
          |
        6 | upstream_assume = { windows = "fixed" }
          |                     ^^^^^^^ did you mean `window`?
        "#);
        insta::assert_snapshot!(wrong("upstream_assume = { window = \"slidng\", gzip = \"no\" }"), @r#"
        error: unknown word `no`
          --> plain.toml:6:47
          |
        6 | upstream_assume = { window = "slidng", gzip = "no" }
          |                                               ^^^^ write one of on, off

        error: unknown word `slidng`
          --> plain.toml:6:30
          |
        6 | upstream_assume = { window = "slidng", gzip = "no" }
          |                              ^^^^^^^^ did you mean `sliding`?
        "#);
        insta::assert_snapshot!(wrong("upstream_assume = { demo_per_minute = 1000 }"), @"
        error: `1000` is not a number of calls that anybody claims
          --> plain.toml:6:39
          |
        6 | upstream_assume = { demo_per_minute = 1000 }
          |                                       ^^^^ write a whole number from 30 to 100; a plan of your own has any limits
        ");
        insta::assert_snapshot!(wrong("upstream_assume = \"sliding\""), @r#"
        error: invalid type: string "sliding"
          --> plain.toml:6:19
          |
        6 | upstream_assume = "sliding"
          |                   ^^^^^^^^^ expected a table such as { window = "sliding" }
        "#);
        insta::assert_snapshot!(wrong("upstream_assume = { gzip = true }"), @r#"
        error: invalid type: boolean `true`
          --> plain.toml:6:28
          |
        6 | upstream_assume = { gzip = true }
          |                            ^^^^ expected a value such as "sliding" or 30
        "#);
    }
}
