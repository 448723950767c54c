//! Reports: the verdict for people and for machines.
//!
//! | file | owns |
//! |---|---|
//! | `played` | what is reported about one scenario, or about its failure to be played |
//! | `terminal`, `seen` | the verdict in 80 columns |
//! | `json`, `schema` | `report.json` and its JSON Schema |
//! | `run_json` | `run.json`: wall time, machine, memory; what differs from run to run |
//! | `store` | the store of a run: which, what it took, whether it is the bottleneck |
//! | `junit` | `junit.xml` |
//! | `summary` | `summary.md`, for a pull-request comment |
//! | `beside` | variants and twins of a scenario beside each other |
//! | `clocks` | a scenario on both clocks |
//! | `files` | writing them, each at once |

mod beside;
mod clocks;
mod files;
mod json;
mod junit;
mod played;
mod run_json;
mod schema;
mod seen;
mod store;
mod summary;
mod terminal;
#[cfg(test)]
mod tests;

pub use beside::{Beside, BesideRow};
pub use clocks::Clocks;
pub use files::{ReportError, Together, write_scenario, write_suite};
pub use json::{Expectation, ReportDocument, VerdictWord, difference};
pub use junit::junit_xml;
pub use played::{Entry, Played, Provenance};
pub use run_json::{RunFacts, RunMeasured};
pub use schema::report_schema;
pub use store::{StoreFacts, StoreMeasured};
pub use summary::summary_md;
pub(crate) use terminal::wrapped;
pub use terminal::{Style, render, render_suite};
