//! `schema`: the JSON Schemas of what is read and written, and the references made from the code.

use scenarios::schema;
use serde_json::{Value, json};

use crate::{
    cli::{args::SchemaOf, exit::Exit, printer},
    coingecko::reference,
    report,
};

/// Prints one schema, or both in one document; or one of the references, for people.
#[must_use]
pub fn print(of: Option<SchemaOf>) -> Exit {
    if of == Some(SchemaOf::Reference) {
        printer::result(&schema::markdown());
        return Exit::Held;
    }
    if of == Some(SchemaOf::FakeCoingecko) {
        printer::result(&reference::markdown());
        return Exit::Held;
    }
    let report = || serde_json::from_str::<Value>(&report::report_schema());
    let document = match of {
        Some(SchemaOf::Scenario) => Ok(schema::json()),
        Some(SchemaOf::Report) => report(),
        Some(SchemaOf::Reference | SchemaOf::FakeCoingecko) | None => {
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
