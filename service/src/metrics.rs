//! Metrics: the EMF line sink.

use std::fmt;

/// Where EMF documents go, one line each.
pub trait Emf: Send + Sync + fmt::Debug {
    /// Writes one document.
    fn line(&self, json: &str);
}
