//! Reports: the verdict for people and for machines.
//!
//! | file | owns |
//! |---|---|
//! | `played` | what is reported about one scenario, or about its failure to be played |
//! | `terminal`, `seen` | the verdict in 80 columns |
//! | `json`, `schema` | `report.json` and its JSON Schema |
//! | `run_json` | `run.json`: wall time, machine, memory; what differs from run to run |
//! | `junit` | `junit.xml` |
//! | `summary` | `summary.md`, for a pull-request comment |
//! | `files` | writing them, each at once |

mod files;
mod json;
mod junit;
mod played;
mod run_json;
mod schema;
mod seen;
mod summary;
mod terminal;
#[cfg(test)]
mod tests;

pub use files::{ReportError, write_scenario, write_suite};
pub use json::{Expectation, ReportDocument, VerdictWord};
pub use junit::junit_xml;
pub use played::{Entry, Played, Provenance};
pub use run_json::{RunFacts, RunMeasured};
pub use schema::report_schema;
pub use summary::summary_md;
pub use terminal::{Style, render, render_suite};
