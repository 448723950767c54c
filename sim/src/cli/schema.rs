//! `schema`: the JSON Schemas of what is read and written.

use scenarios::schema;
use serde_json::{Value, json};

use crate::{
    cli::{args::SchemaOf, exit::Exit, printer},
    report,
};

/// Prints one schema, or both in one document; or the reference of the scenario format, for people.
#[must_use]
pub fn print(of: Option<SchemaOf>) -> Exit {
    if of == Some(SchemaOf::Reference) {
        printer::result(&schema::markdown());
        return Exit::Held;
    }
    let report = || serde_json::from_str::<Value>(&report::report_schema());
    let document = match of {
        Some(SchemaOf::Scenario) => Ok(schema::json()),
        Some(SchemaOf::Report) => report(),
        Some(SchemaOf::Reference) | None => {
            report().map(|report| json!({ "scenario": schema::json(), "report": report }))
        }
    };
    match document.and_then(|document| serde_json::to_string_pretty(&document)) {
        Ok(text) => {
            printer::result(&text);
            Exit::Held
        }
        Err(error) => {
            printer::notice(&format!("error: {error}"));
            Exit::Harness
        }
    }
}
