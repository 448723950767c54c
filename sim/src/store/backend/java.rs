//! DynamoDB Local as a process of its own: a jar and a Java.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::process::Command;

use super::{
    BackendError, Disk,
    client::{AskError, Client},
    error::indented,
    local, maven,
    ready::{READY_WITHIN, ready},
    tools::Tools,
};
use crate::{
    reaper::TemporaryFolder,
    world::children::{Child, ChildSpec, Keep},
};

/// The oldest Java that runs it.
const OLDEST_JAVA: u32 = 17;
/// How many ports are tried.
const PORT_TRIES: u32 = 3;
/// How long it may take to end when asked to.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Its entry point, where its manifest cannot say so.
const MAIN: &str = "software.amazon.dynamodb.services.local.main.ServerRunner";
/// How Java says that a port is taken.
const TAKEN: &str = "Address already in use";

/// A jar with all that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jar {
    /// Arguments of Java up to those of DynamoDB Local.
    args: Vec<String>,
}

impl Jar {
    /// Amazon's download has its libraries in a folder beside the jar; elsewhere they are in the same folder.
    pub(super) fn at(path: &Path) -> Result<Self, BackendError> {
        let shown = path.display().to_string();
        if !path.is_file() {
            return Err(BackendError::NoJar(shown));
        }
        if !is_zip(path) {
            return Err(BackendError::NotAJar(shown));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let libraries = folder.join("DynamoDBLocal_lib");
        let args = if libraries.is_dir() {
            vec![
                format!("-Djava.library.path={}", libraries.display()),
                "-jar".to_owned(),
                shown,
            ]
        } else {
            vec![
                format!("-Djava.library.path={}", folder.display()),
                "-cp".to_owned(),
                format!("{shown}:{}/*", folder.display()),
                MAIN.to_owned(),
            ]
        };
        Ok(Self { args })
    }
}

/// A jar is a zip, which begins like this.
fn is_zip(path: &Path) -> bool {
    let mut head = [0; 4];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .is_ok_and(|()| head == *b"PK\x03\x04")
}

/// A port that nobody else gets while we have it: bound, and not listened on. Java may listen on it all the same, since
/// both say that addresses may be used again.
#[derive(Debug)]
struct Port {
    number: u16,
    _held: OwnedFd,
}

impl Port {
    fn hold() -> std::io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let bound = rustix::net::getsockname(&socket)?;
        let number = SocketAddr::try_from(bound)?.port();
        Ok(Self {
            number,
            _held: socket,
        })
    }
}

/// A running, or halted, DynamoDB Local.
#[derive(Debug)]
pub(super) struct Java {
    url: String,
    client: Client,
    java: PathBuf,
    jar: Jar,
    disk: Disk,
    port: Port,
    /// None while it is halted.
    child: Option<Child>,
    version: Option<String>,
    /// Its data, and what Java unpacks; last, so that it goes when nobody uses it any more.
    folder: TemporaryFolder,
}

/// What became of a start.
enum Started {
    Ready(Child, Option<String>),
    PortTaken,
}

impl Java {
    /// Starts it on a port of its own.
    pub(super) async fn start(jar: Jar, disk: Disk, tools: &Tools) -> Result<Self, BackendError> {
        let java = tools.java().ok_or(BackendError::Missing {
            program: "Java",
            what_to_do: "`java` is neither on PATH nor in JAVA_HOME, and DynamoDB Local needs a JRE 17 or newer; install \
                         one, or play with --dynamodb-local docker",
        })?;
        check(&java).await?;
        for _ in 0..PORT_TRIES {
            let folder = super::temporary_folder()?;
            let port = Port::hold().map_err(|source| BackendError::Io {
                action: "hold a port for DynamoDB Local".to_owned(),
                source,
            })?;
            let url = format!("http://127.0.0.1:{}", port.number);
            let client = local::client(&url)?;
            let mut this = Self {
                url,
                client,
                java: java.clone(),
                jar: jar.clone(),
                disk,
                port,
                child: None,
                version: None,
                folder,
            };
            match this.spawn().await? {
                Started::Ready(child, version) => {
                    (this.child, this.version) = (Some(child), version);
                    return Ok(this);
                }
                Started::PortTaken => {}
            }
        }
        Err(BackendError::PortTaken(PORT_TRIES))
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Where its data are.
    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The version that it told of when it started.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    pub(super) fn is_durable(&self) -> bool {
        self.disk == Disk::Yes
    }

    /// Waits until it has ended by itself; for ever when it is halted.
    pub(super) async fn ended(&self) -> BackendError {
        match &self.child {
            Some(child) => BackendError::Died(child.death(child.ended().await)),
            None => std::future::pending().await,
        }
    }

    /// Kills it; what it had not written to its file yet is lost, as in any crash.
    pub(super) async fn halt(&mut self) {
        if let Some(child) = self.child.take() {
            child.kill().await;
        }
    }

    /// Starts it again, on the same port and file.
    pub(super) async fn resume(&mut self) -> Result<(), BackendError> {
        if self.child.is_some() {
            return Ok(());
        }
        match self.spawn().await? {
            Started::Ready(child, _) => {
                self.child = Some(child);
                Ok(())
            }
            Started::PortTaken => Err(BackendError::PortTaken(1)),
        }
    }

    pub(super) async fn stop(self) {
        if let Some(child) = self.child {
            child.stop(STOP_WITHIN).await;
        }
    }

    async fn spawn(&self) -> Result<Started, BackendError> {
        let version = Arc::new(Mutex::new(None));
        let told = Arc::clone(&version);
        let on_line = move |line: &str| {
            if let Some(version) = line.strip_prefix("Version:") {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                *told = Some(version.trim().to_owned());
            }
            Keep::Line
        };
        let child = Child::spawn(self.spec(), on_line).await?;
        let waited = tokio::select! {
            biased;
            status = child.ended() => {
                let death = child.death(status);
                if death.last_lines.iter().any(|line| line.contains(TAKEN)) {
                    return Ok(Started::PortTaken);
                }
                return Err(BackendError::Died(death));
            }
            waited = ready(&self.client, READY_WITHIN) => waited,
        };
        if let Err(reason) = waited {
            return Err(self.not_ready(&child, &reason));
        }
        let version = version.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Started::Ready(child, version))
    }

    fn not_ready(&self, child: &Child, reason: &AskError) -> BackendError {
        BackendError::NotReady {
            name: local::NAME.to_owned(),
            url: self.url.clone(),
            within: READY_WITHIN,
            reason: reason.to_string(),
            lines: indented(child.last_lines().iter().map(String::as_str)),
        }
    }

    fn spec(&self) -> ChildSpec {
        let folder = self.folder.path().display();
        // Whatever Java leaves in temporary folders goes with ours, however it ends.
        let mut args: Vec<String> = local::JVM.map(str::to_owned).into();
        args.extend([
            "-XX:+PerfDisableSharedMem".to_owned(),
            format!("-Djava.io.tmpdir={folder}"),
        ]);
        args.extend(self.jar.args.iter().cloned());
        args.extend(["-port".to_owned(), self.port.number.to_string()]);
        args.extend(local::arguments(self.disk, &folder.to_string()));
        ChildSpec {
            name: local::NAME.to_owned(),
            program: self.java.clone(),
            args,
            env: BTreeMap::new(),
            stdin: None,
        }
    }
}

/// Makes sure that a Java is new enough.
async fn check(java: &Path) -> Result<(), BackendError> {
    let said = said(java).await;
    if is_new_enough(&said) {
        return Ok(());
    }
    Err(BackendError::OldJava {
        java: java.display().to_string(),
        said: said.lines().next().unwrap_or_default().to_owned(),
    })
}

/// What `java -version` says, on whichever stream.
pub(super) async fn said(java: &Path) -> String {
    let output = Command::new(java)
        .arg("-version")
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    match output {
        Ok(output) => String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// The major version in `openjdk version "17.0.15" …`, or in `java version "1.8.0_292"`.
fn major(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    let mut parts = version.split(['.', '-', '_', '+']);
    match parts.next()?.parse().ok()? {
        1 => parts.next()?.parse().ok(),
        major => Some(major),
    }
}

/// Whether the oldest Java that does is older than this one.
pub(super) fn is_new_enough(said: &str) -> bool {
    major(said).is_some_and(|major| major >= OLDEST_JAVA)
}

/// The jar that Maven resolved.
pub(super) async fn by_maven(tools: &Tools) -> Result<Jar, BackendError> {
    Jar::at(&maven::jar(&maven::resolve(tools).await?))
}
