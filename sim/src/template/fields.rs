//! Reading resolved nodes: each reader says what is wrong where it is, once, and goes on.

use std::{cell::RefCell, fmt, ops::RangeInclusive};

use super::{
    Position, TemplateError,
    yaml::{Node, Value},
};

/// Collects what is wrong with a template.
#[derive(Debug)]
pub(super) struct Report<'a> {
    file: &'a str,
    errors: RefCell<Vec<TemplateError>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self {
            file,
            errors: RefCell::default(),
        }
    }

    pub(super) fn add(&self, at: Position, place: &Place, problem: impl Into<String>) {
        let error = TemplateError {
            file: self.file.to_owned(),
            at,
            resource: place.resource.clone(),
            property: place.path.clone(),
            problem: problem.into(),
        };
        self.errors.borrow_mut().push(error);
    }

    /// All of it, in the order of the text.
    pub(super) fn into_errors(self) -> Vec<TemplateError> {
        let mut errors = self.errors.into_inner();
        errors.sort();
        errors.dedup();
        errors
    }
}

/// Whose property something is, and its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) resource: Option<String>,
    pub(super) path: String,
}

impl Place {
    pub(super) fn root(path: &str) -> Self {
        Self {
            resource: None,
            path: path.to_owned(),
        }
    }

    pub(super) fn resource(id: &str) -> Self {
        Self {
            resource: Some(id.to_owned()),
            path: String::new(),
        }
    }

    /// One level down: `A.B` for a key, `A[0]` for an index in brackets.
    pub(super) fn down(&self, key: impl fmt::Display) -> Self {
        let key = key.to_string();
        let dot = if self.path.is_empty() || key.starts_with('[') {
            ""
        } else {
            "."
        };
        Self {
            resource: self.resource.clone(),
            path: format!("{}{dot}{key}", self.path),
        }
    }
}

/// A resolved node at its place.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) place: Place,
    pub(super) at: Position,
    pub(super) node: &'a Node,
}

impl<'a> Field<'a> {
    pub(super) fn new(report: &'a Report<'a>, place: Place, node: &'a Node) -> Self {
        Self {
            report,
            place,
            at: node.at,
            node,
        }
    }

    pub(super) fn error(&self, problem: impl Into<String>) {
        self.report.add(self.at, &self.place, problem);
    }

    /// Says that it is not emulated, and why or what to do instead.
    pub(super) fn not_emulated(&self, why: &str) {
        self.error(format!("is not emulated: {why}"));
    }

    fn is_unknown(&self) -> bool {
        self.node.value == Value::Unknown
    }

    /// A member, if there is one.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let entry = self.node.entry(key)?;
        Some(Self {
            report: self.report,
            place: self.place.down(key),
            at: entry.at,
            node: &entry.value,
        })
    }

    /// A member that has to be there.
    pub(super) fn need(&self, key: &str) -> Option<Self> {
        let member = self.get(key);
        if member.is_none() && matches!(self.node.value, Value::Map(_)) {
            self.error(format!("has no {key}; add it"));
        }
        member
    }

    /// The members of a map, with their keys.
    pub(super) fn members(&self) -> Vec<(&'a str, Self)> {
        match &self.node.value {
            Value::Map(entries) => entries
                .iter()
                .map(|entry| {
                    let field = Self {
                        report: self.report,
                        place: self.place.down(&entry.key),
                        at: entry.at,
                        node: &entry.value,
                    };
                    (entry.key.as_str(), field)
                })
                .collect(),
            Value::Unknown => Vec::new(),
            _ => {
                self.error("has to be a map");
                Vec::new()
            }
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| Self::new(self.report, self.place.down(format!("[{index}]")), node))
                .collect(),
            Value::Unknown => Vec::new(),
            _ => {
                self.error("has to be a list");
                Vec::new()
            }
        }
    }

    /// Says of each member that is none of these, that it is not emulated.
    pub(super) fn only(&self, known: &[&str]) {
        for (key, member) in self.members() {
            if !known.contains(&key) {
                member.not_emulated(&format!("of this, only {} are; take it out", known.join(", ")));
            }
        }
    }

    /// A scalar as text.
    pub(super) fn text(&self) -> Option<String> {
        let text = self.node.as_text();
        if text.is_none() && !self.is_unknown() {
            self.error("has to be text");
        }
        text
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(format!(
                "{text} is not emulated; here it is {}",
                words.join(" or ")
            ));
        }
        found.map(|(_, value)| *value)
    }

    /// A whole number; AWS takes one in quotes for one, too (b).
    pub(super) fn whole(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.text()?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.error(format!(
                "{text} is no whole number of {} to {}",
                range.start(),
                range.end()
            ));
        }
        number
    }

    /// A number that is not negative or, if so allowed, any finite one.
    pub(super) fn number(&self, least: f64) -> Option<f64> {
        let text = self.text()?;
        let number = text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number >= least);
        if number.is_none() {
            self.error(format!("{text} is no number that AWS takes here"));
        }
        number
    }

    /// A truth value; AWS takes one in quotes for one, too (b).
    pub(super) fn flag(&self) -> Option<bool> {
        self.word(&[("true", true), ("false", false)])
    }
}
