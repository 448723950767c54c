//! JSON taken apart one level deep, with every character and the order of members kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{Object, RawValue};

/// The members of an object.
pub(super) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// `None` when it is no object.
    pub(super) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, json)| (name.as_str(), json.as_ref()))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The member `id`, if it is a text.
    pub(super) fn id(&self) -> Option<String> {
        let (_, json) = self.iter().find(|(name, _)| *name == "id")?;
        serde_json::from_str(json.get()).ok()
    }

    /// The object with each member's value as `map` makes it; `None` leaves the member out.
    pub(super) fn mapped(&self, map: impl Fn(&str, &str) -> Option<String>) -> String {
        let mut object = Object::new();
        for (name, json) in self.iter() {
            if let Some(json) = map(name, json.get()) {
                object.raw(name, &json);
            }
        }
        object.close()
    }

    /// The object again.
    pub(super) fn close(&self) -> String {
        self.mapped(|_, json| Some(json.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// The items of a list of objects.
pub(super) struct Items(Vec<Members>);

impl Items {
    /// `None` when it is no list of objects.
    pub(super) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Members> {
        self.0.iter()
    }
}
