//! The scenario format: TOML in, a checked [`Scenario`] out, and errors that point at the place.
//!
//! | file | owns |
//! |---|---|
//! | `parse` | the way from text to scenario: document, `extends`, overrides, checks |
//! | `document`, `writer` | TOML trees that remember where each part was written |
//! | `raw`, `written` | the shape of the file: the one table of keys |
//! | `assumptions`, `assume` | the table of what the fake CoinGecko assumes, and how a scenario says otherwise |
//! | `kinds` | the table of fault kinds and their parameters |
//! | `validate`, `loads`, `latency`, `faults`, `checker` | from raw to checked |
//! | `grammar` | the languages within `check`, `during` and `where` |
//! | `model`, `fault`, `check` | what a scenario means |
//! | `variant` | the text of a scenario with other faults |
//! | `quantity` | durations, rates, shares, sizes |
//! | `advice` | warnings about scenarios that are valid but perhaps not meant so |
//! | `diagnostics` | messages that point at file, line and column |

pub mod advice;
pub(crate) mod assume;
pub mod assumptions;
pub mod check;
mod checker;
pub mod diagnostics;
mod document;
pub mod fault;
mod faults;
mod grammar;
pub mod kinds;
mod latency;
mod loads;
pub mod model;
mod modifiers;
mod parse;
pub mod quantity;
pub(crate) mod raw;
mod validate;
mod variant;
mod writer;
mod written;

pub use check::{Anchor, Check, During, Moment, Op, Where};
pub use diagnostics::{Diagnostic, Diagnostics, Severity, Source, Span, nearest};
pub use document::Override;
pub use fault::FaultKind;
pub use model::Scenario;
pub use parse::{Alone, Resolve, parse, parse_fault};
pub use quantity::Quantity;
pub use variant::Variant;

#[cfg(test)]
mod tests;
