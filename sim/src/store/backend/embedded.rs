//! dynoxide within this process: in memory, or in a file that outlives a halt.

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    path::PathBuf,
};

use dynoxide::Database;
use rustix::net::Shutdown;

use super::{BackendError, Disk, StoreAbout};
use crate::{ports, reaper::TemporaryFolder, store::embedded::EmbeddedStore};

/// Connections that may wait to be accepted.
const QUEUE: i32 = 1024;

/// What it is.
pub(super) fn about(disk: Disk) -> StoreAbout {
    StoreAbout {
        name: "dynoxide".to_owned(),
        version: Some(dynoxide::PRODUCT_VERSION.to_owned()),
        how: match disk {
            Disk::No => "embedded".to_owned(),
            Disk::Yes => "embedded, on disk".to_owned(),
        },
    }
}

/// The embedded store.
#[derive(Debug)]
pub(super) struct Embedded {
    url: String,
    /// None while it is halted.
    store: Option<EmbeddedStore>,
    disk: Option<OnDisk>,
}

/// What stays while the store is halted.
#[derive(Debug)]
struct OnDisk {
    /// A second handle of the port, so that nobody else gets it.
    port: TcpListener,
    folder: TemporaryFolder,
}

impl OnDisk {
    fn file(&self) -> PathBuf {
        self.folder.path().join("dynoxide.db")
    }

    fn open(&self) -> Result<EmbeddedStore, BackendError> {
        let listener = self.port.try_clone().map_err(of_the_port)?;
        Ok(EmbeddedStore::open(&self.file(), listener)?)
    }
}

impl Embedded {
    /// Starts it; on disk in a temporary folder of its own.
    pub(super) fn start(disk: Disk) -> Result<Self, BackendError> {
        let (store, disk) = match disk {
            Disk::No => (EmbeddedStore::start()?, None),
            Disk::Yes => {
                let folder = super::temporary_folder()?;
                let disk = OnDisk {
                    port: ports::lasting(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).map_err(of_the_port)?,
                    folder,
                };
                (disk.open()?, Some(disk))
            }
        };
        Ok(Self {
            url: store.url().to_owned(),
            store: Some(store),
            disk,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn is_durable(&self) -> bool {
        self.disk.is_some()
    }

    /// Where its data are.
    #[cfg(test)]
    pub(super) fn folder(&self) -> Option<&std::path::Path> {
        self.disk.as_ref().map(|disk| disk.folder.path())
    }

    /// The database, to prepare it without HTTP.
    pub(super) fn database(&self) -> Result<&Database, BackendError> {
        let store = self.store.as_ref().ok_or(BackendError::Halted)?;
        Ok(store.database())
    }

    /// Closes server and database. Whoever connects is refused.
    pub(super) fn halt(&mut self) -> Result<(), BackendError> {
        drop(self.store.take());
        if let Some(disk) = &self.disk {
            // On Linux this ends the listening and keeps the port.
            rustix::net::shutdown(&disk.port, Shutdown::Read).map_err(|errno| of_the_port(errno.into()))?;
        }
        Ok(())
    }

    /// Opens them again.
    pub(super) fn resume(&mut self) -> Result<(), BackendError> {
        if let (None, Some(disk)) = (&self.store, &self.disk) {
            rustix::net::listen(&disk.port, QUEUE).map_err(|errno| of_the_port(errno.into()))?;
            self.store = Some(disk.open()?);
        }
        Ok(())
    }
}

fn of_the_port(source: std::io::Error) -> BackendError {
    BackendError::Io {
        action: "keep the port of the embedded DynamoDB".to_owned(),
        source,
    }
}
