//! The store that a play on the real clock is played on: started, prepared, stopped; and, when it keeps its data on
//! disk, halted and resumed like a machine that loses its power.
//!
//! | file | owns |
//! |---|---|
//! | `choice` | which store, as a command line says it |
//! | `tools` | what the machine gives: environment, downloads, whom to tell |
//! | `embedded` | dynoxide within this process |
//! | `local` | Amazon's DynamoDB Local: which way to it, and what all ways share |
//! | `java`, `maven`, `container` | DynamoDB Local as a process, from Maven, in Docker |
//! | `remote` | somebody else's endpoint, and our table there |
//! | `create` | the service's table at an endpoint, to stay there |
//! | `client`, `ready`, `prepare` | asking, waiting for the first answer, table and keys |
//! | `warm` | the first requests to a JVM |
//! | `ways` | what this machine can do |
//! | `error` | why not |

mod choice;
mod client;
mod container;
mod create;
mod embedded;
mod error;
mod java;
mod local;
mod maven;
mod prepare;
mod ready;
mod remote;
mod tools;
mod warm;
mod ways;

use std::fmt;

pub use self::{
    choice::{Choice, Endpoint, Way},
    client::AskError,
    container::remove as remove_container,
    create::{Ensured, ensure},
    error::BackendError,
    tools::{Tell, Tools},
    ways::{Found, ways},
};
use self::{embedded::Embedded, local::Local, remote::Remote};
use super::{signing::Signer, table};
use crate::reaper::TemporaryFolder;

/// The table of a store that is ours alone.
pub const TABLE: &str = "crypto-watch";

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
    /// What the machine gives.
    pub tools: Tools,
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
    tell: Tell,
}

#[derive(Debug)]
enum Kind {
    Embedded(Embedded),
    Local(Local),
    Remote(Box<Remote>),
}

impl Backend {
    /// Starts a store; it answers when this returns, and has no table yet.
    ///
    /// # Errors
    /// What is missing, or what it said; nothing of it is left then.
    pub async fn start(spec: &StoreSpec) -> Result<Self, BackendError> {
        let (kind, table, about) = match &spec.choice {
            Choice::Embedded => (
                Kind::Embedded(Embedded::start(spec.disk)?),
                TABLE.to_owned(),
                embedded::about(spec.disk),
            ),
            Choice::DynamoDbLocal(way) => {
                let (local, about) = Local::start(way.as_ref(), spec.disk, &spec.tools).await?;
                (Kind::Local(local), TABLE.to_owned(), about)
            }
            Choice::Endpoint(endpoint) => {
                let remote = Remote::new(endpoint, &spec.tools)?;
                let (table, about) = (remote.table().to_owned(), remote.about());
                (Kind::Remote(Box::new(remote)), table, about)
            }
        };
        Ok(Self {
            kind,
            table,
            about,
            tell: spec.tools.tell.clone(),
        })
    }

    /// `http://HOST:PORT`; the same before and after it was halted.
    #[must_use]
    pub fn url(&self) -> &str {
        match &self.kind {
            Kind::Embedded(embedded) => embedded.url(),
            Kind::Local(local) => local.url(),
            Kind::Remote(remote) => remote.url(),
        }
    }

    /// Who must sign what goes to it; none when it looks at no signature.
    #[must_use]
    pub fn signer(&self) -> Option<&Signer> {
        match &self.kind {
            Kind::Embedded(_) | Kind::Local(_) => None,
            Kind::Remote(remote) => Some(remote.signer()),
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
            Kind::Local(local) => local.is_durable(),
            Kind::Remote(_) => false,
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
            Kind::Local(local) => {
                warm::warm(local.client()).await?;
                prepare::prepare(local.client(), &self.table, contents, &self.tell).await
            }
            Kind::Remote(remote) => remote.prepare(contents).await,
        }
    }

    /// Waits until a store that is a process of ours has ended by itself; for ever when it does not, or is none.
    pub async fn ended(&self) -> BackendError {
        match &self.kind {
            Kind::Local(local) => local.ended().await,
            // The one is a part of this process, the other is not ours.
            Kind::Embedded(_) | Kind::Remote(_) => std::future::pending().await,
        }
    }

    /// Ends the store without asking it; its port refuses everybody from now on, and its data stay.
    ///
    /// # Errors
    /// When its data would be lost, or it is not ours to halt.
    pub async fn halt(&mut self) -> Result<(), BackendError> {
        let volatile = BackendError::Volatile(self.about.to_string());
        match &mut self.kind {
            Kind::Embedded(embedded) if embedded.is_durable() => embedded.halt(),
            Kind::Local(local) if local.is_durable() => local.halt().await,
            Kind::Embedded(_) | Kind::Local(_) => Err(volatile),
            Kind::Remote(remote) => Err(BackendError::NotOurs(remote.url().to_owned())),
        }
    }

    /// Starts a halted store again, on the same port, with its data; it answers when this returns.
    ///
    /// # Errors
    /// When it does not start; it stays halted then.
    pub async fn resume(&mut self) -> Result<(), BackendError> {
        match &mut self.kind {
            Kind::Embedded(embedded) => embedded.resume(),
            Kind::Local(local) => local.resume().await,
            Kind::Remote(remote) => Err(BackendError::NotOurs(remote.url().to_owned())),
        }
    }

    /// Ends the store, and with it all that belongs to it.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn stop(self) -> Result<(), BackendError> {
        match self.kind {
            Kind::Embedded(embedded) => {
                drop(embedded);
                Ok(())
            }
            Kind::Local(local) => local.stop().await,
            Kind::Remote(remote) => remote.stop().await,
        }
    }
}

/// A folder that is gone when it is dropped.
fn temporary_folder() -> Result<TemporaryFolder, BackendError> {
    TemporaryFolder::new().map_err(|source| BackendError::Io {
        action: "make a temporary folder for the store's data".to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
