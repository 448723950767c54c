//! The store that a play on the real clock is played on: started, prepared, stopped; and, when it keeps its data on
//! disk, halted and resumed like a machine that loses its power.
//!
//! | file | owns |
//! |---|---|
//! | `embedded` | dynoxide within this process |

mod embedded;
mod error;

use std::fmt;

use self::embedded::Embedded;
pub use self::error::BackendError;
use super::table;

/// The table of a store that is ours alone.
pub const TABLE: &str = "crypto-watch";

/// Which store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// dynoxide within this process.
    #[default]
    Embedded,
}

/// Where a store keeps its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disk {
    /// In memory, where that is up to us.
    #[default]
    No,
    /// In a folder of its own, which is gone when the store is.
    Yes,
}

/// What store a play wants.
#[derive(Clone, Debug, Default)]
pub struct StoreSpec {
    /// Which.
    pub choice: Choice,
    /// Where it keeps its data.
    pub disk: Disk,
}

/// What a started store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAbout {
    /// Its name, such as `DynamoDB Local`.
    pub name: String,
    /// Its version, when it tells.
    pub version: Option<String>,
    /// How it is run, such as `embedded`.
    pub how: String,
}

impl fmt::Display for StoreAbout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(version) = &self.version {
            write!(f, " {version}")?;
        }
        write!(f, " ({})", self.how)
    }
}

/// What the table holds before a play begins.
#[derive(Clone, Debug)]
pub struct Contents {
    /// API keys by their secrets, each with whether it is enabled.
    pub keys: Vec<(String, bool)>,
    /// When they were created, and when the play begins: Unix milliseconds.
    pub start_ms: i64,
}

/// A started store. Dropping it ends whatever belongs to it; [`Backend::stop`] also tells what did not end well.
#[derive(Debug)]
pub struct Backend {
    kind: Kind,
    table: String,
    about: StoreAbout,
}

#[derive(Debug)]
enum Kind {
    Embedded(Embedded),
}

impl Backend {
    /// Starts a store; it answers when this returns, and has no table yet.
    ///
    /// # Errors
    /// What is missing, or what it said; nothing of it is left then.
    pub async fn start(spec: &StoreSpec) -> Result<Self, BackendError> {
        match spec.choice {
            Choice::Embedded => Ok(Self {
                kind: Kind::Embedded(Embedded::start(spec.disk)?),
                table: TABLE.to_owned(),
                about: embedded::about(spec.disk),
            }),
        }
    }

    /// `http://HOST:PORT`; the same before and after it was halted.
    #[must_use]
    pub fn url(&self) -> &str {
        match &self.kind {
            Kind::Embedded(embedded) => embedded.url(),
        }
    }

    /// The name of its table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What it is.
    #[must_use]
    pub fn about(&self) -> &StoreAbout {
        &self.about
    }

    /// Whether its data outlive a halt.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        match &self.kind {
            Kind::Embedded(embedded) => embedded.is_durable(),
        }
    }

    /// Creates the table and puts into it what a play begins with.
    ///
    /// # Errors
    /// What the store said.
    pub async fn prepare(&self, contents: &Contents) -> Result<(), BackendError> {
        match &self.kind {
            Kind::Embedded(embedded) => {
                let database = embedded.database()?;
                table::create(database, &self.table)?;
                table::seed_keys(database, &self.table, &contents.keys, contents.start_ms)?;
                Ok(())
            }
        }
    }

    /// Ends the store without asking it; its port refuses everybody from now on, and its data stay.
    ///
    /// # Errors
    /// When its data would be lost, or it is not ours to halt.
    pub async fn halt(&mut self) -> Result<(), BackendError> {
        if !self.is_durable() {
            return Err(BackendError::Volatile(self.about.to_string()));
        }
        match &mut self.kind {
            Kind::Embedded(embedded) => embedded.halt(),
        }
    }

    /// Starts a halted store again, on the same port, with its data; it answers when this returns.
    ///
    /// # Errors
    /// When it does not start; it stays halted then.
    pub async fn resume(&mut self) -> Result<(), BackendError> {
        match &mut self.kind {
            Kind::Embedded(embedded) => embedded.resume(),
        }
    }

    /// Ends the store, and with it all that belongs to it.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn stop(self) -> Result<(), BackendError> {
        match self.kind {
            Kind::Embedded(embedded) => drop(embedded),
        }
        Ok(())
    }
}

/// A folder that is gone when it is dropped.
fn temporary_folder() -> Result<tempfile::TempDir, BackendError> {
    tempfile::Builder::new()
        .prefix("crypto-watch-store-")
        .tempdir()
        .map_err(|source| BackendError::Io {
            action: "make a temporary folder for the store's data".to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests;
