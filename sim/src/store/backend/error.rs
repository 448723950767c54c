//! Why a store cannot be had, in one message each.

use std::time::Duration;

use super::client::AskError;
use crate::{
    store::{embedded::EmbeddedError, table::TableError},
    world::children::{ChildError, Death},
};

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
    /// It is somebody else's.
    #[error("the store at {0} is not ours, so that it cannot be restarted")]
    NotOurs(String),
    /// It was asked while it was halted.
    #[error("the store is halted")]
    Halted,

    /// A program is missing.
    #[error("{program} is missing: {what_to_do}")]
    Missing {
        /// Which.
        program: &'static str,
        /// What it is for, and what else would do.
        what_to_do: &'static str,
    },
    /// Java is too old, or is none.
    #[error("{java} does not do: DynamoDB Local needs Java 17 or newer, and `{java} -version` said `{said}`")]
    OldJava {
        /// Which.
        java: String,
        /// What it said of itself.
        said: String,
    },
    /// There is no such jar.
    #[error(
        "there is no file {0}; --dynamodb-local and DYNAMODB_LOCAL take `docker`, `maven` or the path of DynamoDBLocal.jar"
    )]
    NoJar(String),
    /// It is something else.
    #[error("{0} is no jar; name the file DynamoDBLocal.jar of Amazon's download")]
    NotAJar(String),
    /// Maven did not bring what it was asked for.
    #[error(
        "Maven could not resolve software.amazon.dynamodb:DynamoDBLocal:{version} ({status}); its last lines:{lines}"
    )]
    Maven {
        /// Which version.
        version: &'static str,
        /// How Maven ended.
        status: String,
        /// What it wrote, each line indented on a line of its own.
        lines: String,
    },
    /// A process of the store could not be started.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// It ended instead of answering.
    #[error("{0}")]
    Died(Death),
    /// Somebody was always faster.
    #[error("DynamoDB Local found its port taken {0} times, though each was free a moment before")]
    PortTaken(u32),
    /// It never answered.
    #[error("{name} did not answer at {url} within {within:?}: {reason}; its last lines:{lines}")]
    NotReady {
        /// Which store.
        name: String,
        /// Where.
        url: String,
        /// How long it was waited for.
        within: Duration,
        /// What the last try said.
        reason: String,
        /// What it wrote, each line indented on a line of its own.
        lines: String,
    },

    /// No engine.
    #[error(
        "Docker does not answer ({0}); start an engine, or play with --dynamodb-local maven, which needs Java 17 and Maven"
    )]
    NoDocker(String),
    /// The image is not here and cannot be had.
    #[error(
        "the image {image} is not on this machine and cannot be pulled: {reason}; load it with `docker load`, or play with --dynamodb-local maven"
    )]
    Image {
        /// Which.
        image: String,
        /// Why not.
        reason: String,
    },
    /// The container could not be started.
    #[error("cannot {action} the container of {image}: {reason}")]
    Container {
        /// What was tried.
        action: &'static str,
        /// Its image.
        image: String,
        /// Why not.
        reason: String,
    },
    /// The container ended instead of answering.
    #[error("the container of {image} ended while it was needed (exit code {code}); its last lines:{lines}")]
    ContainerDied {
        /// Its image.
        image: String,
        /// How it ended.
        code: String,
        /// What it wrote, each line indented on a line of its own.
        lines: String,
    },

    /// Nobody said who we are.
    #[error(
        "{0} wants to know who asks: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_REGION where the address does not name it"
    )]
    NoCredentials(String),
    /// It said no, or nothing that a DynamoDB says.
    #[error("cannot {action} the table `{table}`: {reason}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// The table.
        table: String,
        /// What it said.
        reason: AskError,
    },
    /// There is another table of this name.
    #[error("the table `{table}` is not the service's: its keys are {found}, not {wanted}")]
    Schema {
        /// The table.
        table: String,
        /// Its keys.
        found: String,
        /// Those of the service's.
        wanted: String,
    },
    /// Its items expire by another attribute than the service's.
    #[error("the table `{table}` is not the service's: its time to live is in `{found}`, not in `ttl`")]
    TimeToLive {
        /// The table.
        table: String,
        /// The attribute.
        found: String,
    },
    /// It was created and never became usable.
    #[error("the table `{table}` was not active {within:?} after it was created")]
    NeverActive {
        /// The table.
        table: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// Keys could not be written.
    #[error("API keys for the table `{table}` were left unprocessed {times} times in a row")]
    Unprocessed {
        /// The table.
        table: String,
        /// How often they were sent.
        times: u32,
    },
    /// What is ours was left there.
    #[error("the table `{table}` at {url} could not be deleted ({reason}): delete it by hand")]
    TableLeft {
        /// The table.
        table: String,
        /// Where.
        url: String,
        /// What it said.
        reason: AskError,
    },
}

impl BackendError {
    pub(super) fn refused(action: &'static str, table: &str, reason: AskError) -> Self {
        Self::Refused {
            action,
            table: table.to_owned(),
            reason,
        }
    }
}

/// Lines as they stand at the end of a message.
pub(super) fn indented<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let text: String = lines.into_iter().map(|line| format!("\n  | {line}")).collect();
    if text.is_empty() { " none".to_owned() } else { text }
}
