//! The scenario format: TOML in, a checked [`Scenario`] out, and errors that point at the place.

pub mod check;
pub mod diagnostics;
pub mod fault;
pub mod model;
pub mod quantity;

pub use check::{Anchor, Check, During, Moment, Op, Where};
pub use diagnostics::{Diagnostic, Diagnostics, Severity, Source, Span};
pub use fault::FaultKind;
pub use model::Scenario;
pub use quantity::Quantity;
