//! Why a store cannot be had, in one message each.

use crate::store::{embedded::EmbeddedError, table::TableError};

/// Why a store cannot be started, prepared, halted or stopped.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The embedded one cannot be started.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The embedded one cannot be prepared.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The operating system refuses a folder or a port.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It would lose its data.
    #[error("{0} keeps its data in memory, so that it cannot be restarted: all would be lost")]
    Volatile(String),
    /// It was asked while it was halted.
    #[error("the store is halted")]
    Halted,
}
