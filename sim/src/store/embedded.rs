//! A DynamoDB emulator inside this process: `dynoxide-rs`, in memory or in a file, behind its own HTTP server.

use std::{
    fmt, io,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    thread::{self, JoinHandle},
};

use dynoxide::{Database, server};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

/// Why the emulator cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its `SQLite` could not be opened.
    #[error("cannot open the embedded DynamoDB in memory: {0}")]
    Open(String),
    /// The same, in a file.
    #[error("cannot open the embedded DynamoDB in {file}: {reason}")]
    OpenFile {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The operating system gave it no port on the loopback interface.
    #[error("cannot listen on 127.0.0.1 for the embedded DynamoDB: {0}")]
    Listen(#[source] io::Error),
    /// The operating system gave it no thread or no event loop.
    #[error("cannot start the thread of the embedded DynamoDB: {0}")]
    Thread(#[source] io::Error),
}

/// A running emulator. It is empty until [`crate::store::table::create`] is called with its database.
///
/// It has a thread with an event loop of its own, because it works inside its HTTP handlers: on a shared
/// runtime a batch write would hold up everyone else for milliseconds. Dropping it stops the server, closes
/// its connections and waits for the thread to end.
pub struct EmbeddedStore {
    url: String,
    database: Database,
    /// The server stops when this is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Starts an empty emulator on a free port; it accepts connections when this returns.
    ///
    /// # Errors
    /// When it gets no memory database, port or thread.
    pub fn start() -> Result<Self, EmbeddedError> {
        let database = Database::memory().map_err(|error| EmbeddedError::Open(error.to_string()))?;
        Self::serve(database, listen()?)
    }

    /// Starts an emulator over the database in `file`, which is made if there is none; it answers on `listener`.
    ///
    /// # Errors
    /// When the file is no database, or there is no thread.
    pub fn open(file: &Path, listener: TcpListener) -> Result<Self, EmbeddedError> {
        let shown = file.display().to_string();
        let database = Database::new(&shown).map_err(|error| EmbeddedError::OpenFile {
            file: shown,
            reason: error.to_string(),
        })?;
        Self::serve(database, listener)
    }

    fn serve(database: Database, listener: TcpListener) -> Result<Self, EmbeddedError> {
        listener.set_nonblocking(true).map_err(EmbeddedError::Listen)?;
        let url = format!("http://{}", listener.local_addr().map_err(EmbeddedError::Listen)?);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(EmbeddedError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let served = database.clone();
        let thread = thread::Builder::new()
            .name("embedded-dynamodb".to_owned())
            .spawn(move || answer(&runtime, listener, served, stopped))
            .map_err(EmbeddedError::Thread)?;
        Ok(Self {
            url,
            database,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database behind the server, to prepare and to inspect it without HTTP.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }
}

/// A free port of the loopback interface.
///
/// # Errors
/// When the operating system has none.
pub fn listen() -> Result<TcpListener, EmbeddedError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(EmbeddedError::Listen)
}

/// Serves until `stopped`. Requests run inside the event loop without yielding, so none is cut half-way; the
/// connections that are left end with the runtime.
fn answer(runtime: &Runtime, listener: TcpListener, database: Database, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async move {
        // Fails only without an event loop, and this is inside one.
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return;
        };
        tokio::select! {
            biased;
            _ = stopped => {}
            _ = server::serve_with_shutdown(listener, database, std::future::pending()) => {}
        }
    });
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the server has already been printed by the panic hook.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    use super::*;

    fn address(store: &EmbeddedStore) -> String {
        store.url().trim_start_matches("http://").to_owned()
    }

    #[test]
    fn it_is_ready_at_once_and_gone_when_dropped() {
        let store = EmbeddedStore::start().expect("the emulator starts");
        let address = address(&store);
        let mut idle = TcpStream::connect(&address).expect("it listens");
        idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .expect("it reads");
        let mut head = [0; 15];
        idle.read_exact(&mut head).expect("it answers");
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        let thread = store.thread.as_ref().map(|thread| thread.thread().id());
        assert_ne!(thread, Some(thread::current().id()));

        // With an open keep-alive connection, which must not hold it up.
        drop(store);
        assert!(TcpStream::connect(&address).is_err(), "nothing listens any more");
        let mut rest = Vec::new();
        let _ = idle.read_to_end(&mut rest);
    }

    #[test]
    fn two_of_them_do_not_share_anything() {
        let (one, other) = (
            EmbeddedStore::start().expect("one"),
            EmbeddedStore::start().expect("another"),
        );
        assert_ne!(one.url(), other.url());
        crate::store::table::create(one.database(), "prices").expect("created");
        crate::store::table::create(other.database(), "prices").expect("created there, too");
    }
}
