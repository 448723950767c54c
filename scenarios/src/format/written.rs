//! Values as written: with their place, not understood yet.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, de};
use toml::Spanned;

/// A value with its place; in the schema it is the value alone.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(super) value: T,
    pub(super) range: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            range: spanned.span(),
            value: spanned.into_inner(),
        })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A kind of text with a grammar of its own.
pub(crate) trait Grammar {
    /// What it is, for messages and docs.
    const WHAT: &'static str;
    /// An example.
    const EXAMPLE: &'static str;
    /// A regular expression that admits at least all of it.
    const PATTERN: &'static str;
}

macro_rules! grammars {
    ($($name:ident: $what:literal, $example:literal, $pattern:literal;)*) => {$(
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;
        impl Grammar for $name {
            const WHAT: &'static str = $what;
            const EXAMPLE: &'static str = $example;
            const PATTERN: &'static str = $pattern;
        }
    )*};
}

grammars! {
    Time: "duration", "2h5m", r"^([0-9.]+(d|h|m|s|ms|us|ns))+$";
    TimeOrSpan: "duration, or two as in `2m..8m`", "2m..8m", r"^([0-9.]+(d|h|m|s|ms|us|ns))+$";
    TimeOrNone: "duration, `date` or `none`", "53s", r"^(none|date|([0-9.]+(d|h|m|s|ms|us|ns))+)$";
    PerTime: "rate", "100/min", r"^[0-9.]+ */ *(s|min|h|d)$";
    Share: "share", "50%", r"^[0-9.]+ *%$";
    Size: "size", "8KiB", r"^[0-9.]+ *(B|KB|KiB|MB|MiB|GB|GiB)$";
    Speed: "speed", "1KB/s", r"^[0-9.]+ *(B|KB|KiB|MB|MiB|GB|GiB)/s$";
    Instant: "instant", "2026-03-02T00:00:00Z", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].*$";
}

/// A quantity as written. A bare number is taken up too, so that its missing unit can be named.
#[derive(Clone, Debug)]
pub(crate) struct Raw<G> {
    pub(super) text: String,
    pub(super) range: Range<usize>,
    grammar: PhantomData<G>,
}

impl<G> Raw<G> {
    pub(super) fn new(text: String, range: Range<usize>) -> Self {
        Self {
            text,
            range,
            grammar: PhantomData,
        }
    }
}

impl<'de, G: Grammar> Deserialize<'de> for Raw<G> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Scalar<G>>::deserialize(deserializer)?;
        Ok(Self::new(spanned.get_ref().text.clone(), spanned.span()))
    }
}

impl<G: Grammar> JsonSchema for Raw<G> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        G::WHAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "title": G::WHAT, "pattern": G::PATTERN, "examples": [G::EXAMPLE] })
    }
}

/// A text, or a number that should have been one.
struct Scalar<G> {
    text: String,
    grammar: PhantomData<G>,
}

impl<'de, G: Grammar> Deserialize<'de> for Scalar<G> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(PhantomData))
    }
}

struct ScalarVisitor<G>(PhantomData<G>);

impl<G: Grammar> ScalarVisitor<G> {
    fn found<E>(text: String) -> Result<Scalar<G>, E> {
        Ok(Scalar {
            text,
            grammar: PhantomData,
        })
    }
}

impl<G: Grammar> Visitor<'_> for ScalarVisitor<G> {
    type Value = Scalar<G>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} such as \"{}\"", G::WHAT, G::EXAMPLE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Self::found(text.to_owned())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Self::found(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Self::found(number.to_string())
    }
}

/// One quantity or a list of them.
#[derive(Debug)]
pub(crate) enum OneOrMany<G> {
    One(String),
    Many(Vec<Raw<G>>),
}

impl<'de, G: Grammar> Deserialize<'de> for OneOrMany<G> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<G>(PhantomData<G>);

        impl<'de, G: Grammar> Visitor<'de> for Either<G> {
            type Value = OneOrMany<G>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a {0} such as \"{1}\", or a list of {0}s", G::WHAT, G::EXAMPLE)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(OneOrMany::One(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(OneOrMany::One(number.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(item) = items.next_element()? {
                    many.push(item);
                }
                Ok(OneOrMany::Many(many))
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<G: Grammar> JsonSchema for OneOrMany<G> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{} or a list of them", G::WHAT).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = Raw::<G>::json_schema(generator);
        json_schema!({
            "title": Self::schema_name(),
            "anyOf": [one, { "type": "array", "minItems": 1, "items": one }]
        })
    }
}

/// Reads a string or a `T`, and makes one thing of either.
pub(super) struct TextOr<T, F> {
    make: F,
    expecting: &'static str,
    table: PhantomData<T>,
}

impl<T, F> TextOr<T, F> {
    pub(super) fn new(make: F, expecting: &'static str) -> Self {
        Self {
            make,
            expecting,
            table: PhantomData,
        }
    }
}

impl<'de, T, V, F> Visitor<'de> for TextOr<T, F>
where
    T: Deserialize<'de>,
    F: FnOnce(Result<String, T>) -> V,
{
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V, E> {
        Ok((self.make)(Ok(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<V, E> {
        Ok((self.make)(Ok(number.to_string())))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<V, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|table| (self.make)(Err(table)))
    }
}
