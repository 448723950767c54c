//! One request and its answer: from a journey's template to a path, from an answer to a line for the harness.

mod answer;
mod reader;
mod spellings;
mod wanted;

pub use answer::{Answer, Exchange, NoAnswer};
pub(crate) use reader::Reader;
pub(crate) use wanted::{Wanted, fill, wanted};

/// The routes that are told apart, as the harness names them.
pub(crate) mod route {
    /// Several symbols.
    pub(crate) const PRICES: &str = "/prices";
    /// One symbol.
    pub(crate) const PRICE: &str = "/prices/{symbol}";
    /// No prices, no key.
    pub(crate) const HEALTH: &str = "/health";
    /// Anything else.
    pub(crate) const OTHER: &str = "other";
}
