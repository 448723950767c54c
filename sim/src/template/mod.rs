//! The deployable template, read as AWS reads it: what of it is emulated here is a [`model::Deployment`], and what would
//! change behaviour but is not emulated is an error, never left out in silence.
//!
//! [`Template::read`] keeps the line and column of every node; [`Template::deployment`] resolves it for one environment;
//! [`check()`] looks for what no linter of templates finds. Nothing here reads a file, a clock or the environment.
//!
//! How sure we are of each behaviour is said where it is: (a) verified against a recorded answer of AWS or of its own
//! tool SAM, (b) documented by AWS, (c) assumed.

mod alarms;
mod api;
mod check;

mod deploy;
mod fields;
mod functions;
mod globals;
pub mod model;
mod parameters;
mod permissions;
mod resolve;
mod resources;
pub mod schedule;
mod table;
mod yaml;

#[cfg(test)]
mod tests;

pub use check::{CHECKS, Finding, check};
pub use parameters::{Parameters, SamconfigError};
pub use resources::{Influence, Property, RESOURCES, ResourceType};
pub use yaml::Position;

use model::Deployment;
use yaml::Node;

/// A template, read but not resolved.
#[derive(Clone, Debug)]
pub struct Template {
    /// What errors call it.
    path: String,
    root: Node,
}

impl Template {
    /// Reads a template. `path` is only what errors call it.
    ///
    /// YAML is read as both its versions agree on: AWS reads 1.1 (b) and most tools read 1.2, so that a plain `on`,
    /// `010` or `1e3`, of which they make different things, is refused until it is quoted. AWS takes neither
    /// aliases nor merge keys nor nulls (b).
    ///
    /// # Errors
    /// Where the text is no YAML, has one of the above, a duplicate key, or a tag that is none of the functions below.
    pub fn read(path: &str, yaml: &str) -> Result<Self, TemplateError> {
        let root = yaml::read(yaml).map_err(|(at, problem)| TemplateError {
            file: path.to_owned(),
            at,
            resource: None,
            property: String::new(),
            problem,
        })?;
        Ok(Self {
            path: path.to_owned(),
            root,
        })
    }

    /// What it deploys with these parameters.
    ///
    /// # Errors
    /// All that is wrong with the parameters, all that AWS would refuse as far as this is known here, and all that would
    /// change behaviour and is not emulated.
    pub fn deployment(&self, parameters: &Parameters) -> Result<Deployment, Vec<TemplateError>> {
        deploy::deployment(self, parameters)
    }

    /// What errors call it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where a node is, or the nearest above it that there is.
    fn position(&self, keys: &[&str]) -> Position {
        let mut node = &self.root;
        let mut at = node.at;
        for key in keys {
            let Some(entry) = node.entry(key) else {
                break;
            };
            at = entry.at;
            node = &entry.value;
        }
        at
    }
}

/// Something in a template or its parameters that cannot be emulated as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}:{at}: {}{problem}", place(self.resource.as_deref(), &self.property))]
pub struct TemplateError {
    /// The template's path, as it was handed in.
    pub file: String,
    /// Where in it.
    pub at: Position,
    /// Logical id of the resource, if it is one's.
    pub resource: Option<String>,
    /// The path of the property, from the resource's properties on, or from the root of the template.
    pub property: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// `Api: GatewayResponses.THROTTLED: `, as far as there is any of it.
fn place(resource: Option<&str>, property: &str) -> String {
    match (resource, property) {
        (None, "") => String::new(),
        (None, property) => format!("{property}: "),
        (Some(resource), "") => format!("{resource}: "),
        (Some(resource), property) => format!("{resource}: {property}: "),
    }
}
