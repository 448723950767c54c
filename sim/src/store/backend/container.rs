//! DynamoDB Local in a container, by testcontainers, which goes by `DOCKER_HOST` and the usual sockets.

use std::{collections::HashMap, net::Ipv4Addr, thread, time::Duration};

use service::rng::{Rng, SystemRng};
use testcontainers::{
    ContainerAsync, GenericImage, ImageExt, TestcontainersError,
    bollard::{
        Docker, errors::Error as DockerError, models::PortBinding,
        query_parameters::RemoveContainerOptionsBuilder,
    },
    core::{IntoContainerPort, client::docker_client_instance, error::ClientError},
    runners::AsyncRunner,
};

use super::{
    BackendError, Disk,
    client::Client,
    error::indented,
    local::{self, VERSION},
    ready::{READY_WITHIN, ready},
    tools::Tools,
};
use crate::reaper::{Thing, Watched};

/// Its image on Docker Hub.
const IMAGE: &str = "amazon/dynamodb-local";
/// The port within the container.
const PORT: u16 = 8000;
/// A folder of the container that whoever it runs as may write to; it outlives a kill, and goes with the container.
const DATA: &str = "/tmp";
/// How many host ports are tried.
const PORT_TRIES: u32 = 3;
/// How long an engine may take to say that it is there.
const ENGINE_WITHIN: Duration = Duration::from_secs(5);
/// How long removing may hold up the end.
const REMOVE_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked whether the container still runs.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// So many last lines explain a death.
const KEPT_LINES: usize = 20;

/// The version of the Docker engine that answers, or why none does.
pub(super) async fn engine() -> Result<String, String> {
    let asked = async {
        let docker = docker_client_instance()
            .await
            .map_err(|error| error.to_string())?;
        let version = docker.version().await.map_err(|error| error.to_string())?;
        Ok(version.version.unwrap_or_else(|| "unknown".to_owned()))
    };
    tokio::time::timeout(ENGINE_WITHIN, asked)
        .await
        .unwrap_or_else(|_| Err(format!("nothing came within {ENGINE_WITHIN:?}")))
}

/// Whether the image is on this machine, so that no registry is asked.
pub(super) async fn has_image() -> bool {
    let asked = async {
        let docker = docker_client_instance().await.ok()?;
        docker.inspect_image(&image()).await.ok()
    };
    tokio::time::timeout(ENGINE_WITHIN, asked)
        .await
        .is_ok_and(|found| found.is_some())
}

/// The image with its tag.
pub(super) fn image() -> String {
    format!("{IMAGE}:{VERSION}")
}

/// A running, or halted, container.
#[derive(Debug)]
pub(super) struct Container {
    url: String,
    client: Client,
    disk: Disk,
    container: ContainerAsync<GenericImage>,
    /// Removes what testcontainers does not: a container that never ran.
    removal: Removal,
}

impl Container {
    /// Starts it on a loopback port that stays the same when it is started again.
    pub(super) async fn start(disk: Disk, tools: &Tools) -> Result<Self, BackendError> {
        engine().await.map_err(BackendError::NoDocker)?;
        if !has_image().await {
            tools.tell.notice(&format!(
                "Docker fetches {}; it is Amazon's, under the DynamoDB Local License Agreement, which is \
         not open source and asks for an AWS account: LICENSE.txt in DynamoDBLocal.jar",
                image()
            ));
        }
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            let removal = Removal::armed(format!("crypto-watch-store-{:016x}", SystemRng.next_u64()));
            let container = match request(disk, port, &removal.name).start().await {
                Ok(container) => container,
                Err(error) if is_port_taken(&error) => {
                    removal.now().await?;
                    continue;
                }
                Err(error) => {
                    removal.now().await?;
                    return Err(told(error));
                }
            };
            let url = format!("http://127.0.0.1:{port}");
            let this = Self {
                client: local::client(&url)?,
                url,
                disk,
                container,
                removal,
            };
            return match this.ready().await {
                Ok(()) => Ok(this),
                Err(error) => {
                    // What went wrong first is what is told.
                    let _ = this.stop().await;
                    Err(error)
                }
            };
        }
        Err(BackendError::PortTaken(PORT_TRIES))
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_durable(&self) -> bool {
        self.disk == Disk::Yes
    }

    /// Kills what runs in it.
    pub(super) async fn halt(&self) -> Result<(), BackendError> {
        self.container
            .stop_with_timeout(Some(0))
            .await
            .map_err(failed("kill"))
    }

    /// Starts it again.
    pub(super) async fn resume(&self) -> Result<(), BackendError> {
        self.container.start().await.map_err(failed("start"))?;
        self.ready().await
    }

    /// Removes it, whatever it is at.
    pub(super) async fn stop(self) -> Result<(), BackendError> {
        let removed = tokio::time::timeout(REMOVE_WITHIN, self.container.rm()).await;
        match removed {
            Ok(Ok(())) => {
                self.removal.disarm();
                Ok(())
            }
            // Once more, by its name.
            Ok(Err(_)) | Err(_) => self.removal.now().await,
        }
    }

    async fn ready(&self) -> Result<(), BackendError> {
        let waited = tokio::select! {
            biased;
            died = self.ended(LOOK_EVERY) => return Err(died),
            waited = ready(&self.client, READY_WITHIN) => waited,
        };
        match waited {
            Ok(()) => Ok(()),
            Err(reason) => Err(BackendError::NotReady {
                name: format!("the container of {}", image()),
                url: self.url.clone(),
                within: READY_WITHIN,
                reason: reason.to_string(),
                lines: self.last_lines().await,
            }),
        }
    }

    /// Waits until it does not run any more; Docker is asked once in `every`.
    pub(super) async fn ended(&self, every: Duration) -> BackendError {
        loop {
            tokio::time::sleep(every).await;
            // An engine that does not answer now is told of by what is waited for.
            if let Ok(false) = self.container.is_running().await {
                let code = self.container.exit_code().await.ok().flatten();
                return BackendError::ContainerDied {
                    image: image(),
                    code: code.map_or_else(|| "unknown".to_owned(), |code| code.to_string()),
                    lines: self.last_lines().await,
                };
            }
        }
    }

    async fn last_lines(&self) -> String {
        let both = async {
            let out = self.container.stdout_to_vec().await.unwrap_or_default();
            let err = self.container.stderr_to_vec().await.unwrap_or_default();
            String::from_utf8_lossy(&[out, err].concat()).into_owned()
        };
        let text = tokio::time::timeout(ENGINE_WITHIN, both)
            .await
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(KEPT_LINES);
        indented(lines[from..].iter().copied())
    }
}

fn request(disk: Disk, port: u16, name: &str) -> testcontainers::ContainerRequest<GenericImage> {
    // The image's entry point is Java.
    let mut arguments: Vec<String> = local::JVM.map(str::to_owned).into();
    arguments.extend(["-jar".to_owned(), "DynamoDBLocal.jar".to_owned()]);
    arguments.extend(local::arguments(disk, DATA));
    GenericImage::new(IMAGE, VERSION)
        .with_exposed_port(PORT.tcp())
        .with_cmd(arguments)
        .with_container_name(name)
        .with_startup_timeout(READY_WITHIN)
        .with_host_config_modifier(move |host| {
            let binding = PortBinding {
                host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
                host_port: Some(port.to_string()),
            };
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(HashMap::from([(format!("{PORT}/tcp"), Some(vec![binding]))]));
        })
}

/// A port that is free now; Docker gives one of its own choice to each start, so that it would change with a restart.
fn free_port() -> Result<u16, BackendError> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| BackendError::Io {
            action: "find a port for the container of DynamoDB Local".to_owned(),
            source,
        })
}

fn is_port_taken(error: &TestcontainersError) -> bool {
    let text = error.to_string();
    ["port is already allocated", "address already in use"]
        .iter()
        .any(|words| text.contains(words))
}

fn told(error: TestcontainersError) -> BackendError {
    match error {
        TestcontainersError::Client(ClientError::PullImage { descriptor, err }) => BackendError::Image {
            image: descriptor,
            reason: err.to_string(),
        },
        error => failed("start")(error),
    }
}

fn failed(action: &'static str) -> impl Fn(TestcontainersError) -> BackendError {
    move |error| BackendError::Container {
        action,
        image: image(),
        reason: error.to_string(),
    }
}

/// Sees to it that there is no container of this name when it is dropped.
#[derive(Debug)]
struct Removal {
    name: String,
    armed: bool,
    _watched: Watched,
}

impl Removal {
    fn armed(name: String) -> Self {
        Self {
            _watched: Watched::new(Thing::Container(name.clone())),
            name,
            armed: true,
        }
    }

    fn disarm(mut self) {
        self.armed = false;
    }

    /// Removes it at once, if it is there.
    async fn now(mut self) -> Result<(), BackendError> {
        let removed = remove(&self.name).await;
        self.armed = false;
        removed.map_err(|reason| BackendError::Container {
            action: "remove",
            image: image(),
            reason: format!("{reason}; remove `{}` by hand", self.name),
        })
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let name = self.name.clone();
        // Nothing can be awaited here, and the runtime may be going down: on a runtime of its own.
        let removing = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                // Connections of its own: those of the shared client live on another runtime.
                let removing = async {
                    let docker = Docker::connect_with_defaults().map_err(|error| error.to_string())?;
                    remove_by(&docker, &name).await
                };
                let _ = runtime.block_on(in_time(removing));
            }
        });
        let _ = removing.join();
    }
}

/// Removes a container, if there is one of this name, by the client that all of a runtime share.
///
/// # Errors
/// What Docker says.
pub async fn remove(name: &str) -> Result<(), String> {
    let removing = async {
        let docker = docker_client_instance()
            .await
            .map_err(|error| error.to_string())?;
        remove_by(&docker, name).await
    };
    in_time(removing).await
}

async fn remove_by(docker: &Docker, name: &str) -> Result<(), String> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(name, Some(options)).await {
        Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        outcome => outcome.map_err(|error| error.to_string()),
    }
}

async fn in_time(removing: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::time::timeout(REMOVE_WITHIN, removing)
        .await
        .unwrap_or_else(|_| Err(format!("nothing came within {REMOVE_WITHIN:?}")))
}
