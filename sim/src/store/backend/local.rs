//! Amazon's DynamoDB Local: which way to it, and what all ways have in common.

use std::time::Duration;

use super::{
    BackendError, Disk, StoreAbout,
    choice::Way,
    client::Client,
    container::{self, Container},
    java::{self, Jar, Java},
    tools::Tools,
};
use crate::store::signing::Signer;

/// Its name.
pub(super) const NAME: &str = "DynamoDB Local";
/// Its version: in the pom, and the tag of its image.
pub(super) const VERSION: &str = "3.3.1";

/// How often Docker is asked whether it still runs, real time.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How Java runs it: one compiler and one collector of garbage that both begin at once. Plays are over before better code
/// would pay; on two cores this halves the time to the first answer and that of a call.
pub(super) const JVM: [&str; 2] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/// A started DynamoDB Local.
#[derive(Debug)]
pub(super) enum Local {
    Java(Box<Java>),
    Container(Box<Container>),
}

/// A way, and why it is taken.
pub(super) struct Chosen {
    pub(super) way: Way,
    pub(super) why: String,
}

/// The way asked for; else Docker where an engine answers, else Maven. Whatever is chosen is not fallen back from.
pub(super) async fn choose(asked: Option<&Way>) -> Chosen {
    if let Some(way) = asked {
        return Chosen {
            way: way.clone(),
            why: "as asked for".to_owned(),
        };
    }
    match container::engine().await {
        Ok(version) => Chosen {
            way: Way::Docker,
            why: format!("a Docker engine answers, version {version}"),
        },
        Err(reason) => Chosen {
            way: Way::Maven,
            why: format!("no Docker engine answers: {reason}"),
        },
    }
}

impl Local {
    /// Starts it.
    pub(super) async fn start(
        asked: Option<&Way>,
        disk: Disk,
        tools: &Tools,
    ) -> Result<(Self, StoreAbout), BackendError> {
        let Chosen { way, why } = choose(asked).await;
        let what = match &way {
            Way::Docker => "in Docker".to_owned(),
            Way::Maven => "by Maven".to_owned(),
            Way::Jar(path) => format!("from {}", path.display()),
        };
        tools.tell.notice(&format!("{NAME} {what} ({why})"));
        let (local, version, how) = match &way {
            Way::Docker => {
                let container = Container::start(disk, tools).await?;
                (
                    Self::Container(Box::new(container)),
                    Some(VERSION.to_owned()),
                    "Docker",
                )
            }
            Way::Maven => {
                let java = Java::start(java::by_maven(tools).await?, disk, tools).await?;
                let version = java.version().map(str::to_owned);
                (Self::Java(Box::new(java)), version, "Maven")
            }
            Way::Jar(path) => {
                let java = Java::start(Jar::at(path)?, disk, tools).await?;
                let version = java.version().map(str::to_owned);
                (Self::Java(Box::new(java)), version, "jar")
            }
        };
        let how = match disk {
            Disk::No => how.to_owned(),
            Disk::Yes => format!("{how}, on disk"),
        };
        let about = StoreAbout {
            name: NAME.to_owned(),
            version,
            how,
        };
        Ok((local, about))
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Java(java) => java.url(),
            Self::Container(container) => container.url(),
        }
    }

    pub(super) fn client(&self) -> &Client {
        match self {
            Self::Java(java) => java.client(),
            Self::Container(container) => container.client(),
        }
    }

    pub(super) fn is_durable(&self) -> bool {
        match self {
            Self::Java(java) => java.is_durable(),
            Self::Container(container) => container.is_durable(),
        }
    }

    pub(super) async fn ended(&self) -> BackendError {
        match self {
            Self::Java(java) => java.ended().await,
            Self::Container(container) => container.ended(WATCH_EVERY).await,
        }
    }

    pub(super) async fn halt(&mut self) -> Result<(), BackendError> {
        match self {
            Self::Java(java) => {
                java.halt().await;
                Ok(())
            }
            Self::Container(container) => container.halt().await,
        }
    }

    pub(super) async fn resume(&mut self) -> Result<(), BackendError> {
        match self {
            Self::Java(java) => java.resume().await,
            Self::Container(container) => container.resume().await,
        }
    }

    pub(super) async fn stop(self) -> Result<(), BackendError> {
        match self {
            Self::Java(java) => {
                java.stop().await;
                Ok(())
            }
            Self::Container(container) => container.stop().await,
        }
    }
}

/// What it is started with, behind the port: one database for all, telemetry off.
pub(super) fn arguments(disk: Disk, folder: &str) -> Vec<String> {
    let mut args = vec!["-sharedDb".to_owned(), "-disableTelemetry".to_owned()];
    match disk {
        Disk::No => args.push("-inMemory".to_owned()),
        Disk::Yes => args.extend(["-dbPath".to_owned(), folder.to_owned()]),
    }
    args
}

/// A client of ours; it checks no signature.
pub(super) fn client(url: &str) -> Result<Client, BackendError> {
    let uri = url.parse().map_err(|_| BackendError::Io {
        action: format!("use {url}"),
        source: std::io::ErrorKind::InvalidInput.into(),
    })?;
    Ok(Client::new(uri, Signer::unchecked()))
}
