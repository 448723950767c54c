//! From the environment to a running process: plain HTTP or Lambda, one update or one each interval.
//!
//! The binaries are thin calls of [`fn@api`], [`fn@update`] and [`fn@keys`], and end with [`exit_code`].

mod api;
mod keys;
mod schedule;
mod signal;

use std::{io::Write, net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};

use tokio::{runtime::Runtime, time::Instant};

use crate::{
    App, clock,
    coingecko::upstream::https_upstream,
    config::{Config, ConfigError},
    logging,
    metrics::StdoutEmf,
    rng::SystemRng,
    store::dynamo::DynamoStore,
};
pub use keys::KeyCommand;
pub use schedule::{EveryFormatError, invoke as invoke_update, parse_every};

/// Workers of the multi-thread runtime: the work is waiting for sockets, and a function has few cores.
const WORKERS: usize = 2;

/// What an invocation keeps of its time for sending the answer.
pub const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// Why a process ends otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The runtime or the signal handlers cannot be set up.
    #[error("the process cannot be set up: {0}")]
    Setup(#[source] std::io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Accepting connections failed.
    #[error("the server stopped: {0}")]
    Server(#[source] std::io::Error),
    /// The Lambda runtime failed.
    #[error("the Lambda runtime stopped: {0}")]
    Lambda(String),
    /// The one update that was asked for failed.
    #[error("the update failed: {0}")]
    Update(String),
    /// A key command failed.
    #[error("{0}")]
    Keys(String),
}

/// Reports how a binary ended: 0 as asked, 1 failed, 2 a bad setting. Errors go to standard error.
#[must_use]
pub fn exit_code(binary: &str, ended: Result<(), ServeError>) -> ExitCode {
    let Err(error) = ended else {
        return ExitCode::SUCCESS;
    };
    let _ = writeln!(std::io::stderr(), "{binary}: {error}");
    match error {
        ServeError::Config(_) => ExitCode::from(2),
        ServeError::Setup(_)
        | ServeError::Listen { .. }
        | ServeError::Server(_)
        | ServeError::Lambda(_)
        | ServeError::Update(_)
        | ServeError::Keys(_) => ExitCode::FAILURE,
    }
}

/// Serves the API: to Lambda when the environment says so, else over HTTP on `listen` until told to stop.
///
/// # Errors
/// See [`ServeError`].
pub fn api(listen: SocketAddr) -> Result<(), ServeError> {
    let config = Config::from_env()?;
    if config.lambda_runtime_api.is_some() {
        return single_threaded()?.block_on(async { api::lambda(app(config)).await });
    }
    multi_threaded()?.block_on(async { api::plain(app(config), listen).await })
}

/// Runs updates: one for each scheduled event on Lambda; else one each `every` (wall time) until told to stop,
/// or just one. `touched` is written after each that did not fail while they go on.
///
/// # Errors
/// See [`ServeError`].
pub fn update(every: Option<Duration>, touched: Option<&Path>) -> Result<(), ServeError> {
    let config = Config::from_env()?;
    single_threaded()?.block_on(async {
        match (config.lambda_runtime_api.is_some(), every) {
            (true, _) => schedule::lambda(app(config)).await,
            (false, Some(every)) => schedule::repeat(&app(config), every, touched).await,
            (false, None) => schedule::once(&app(config)).await,
        }
    })
}

/// Runs one command on the API keys.
///
/// # Errors
/// See [`ServeError`].
pub fn keys(command: KeyCommand) -> Result<(), ServeError> {
    let config = Config::from_env()?;
    single_threaded()?.block_on(async { keys::run(&app(config), command).await })
}

/// The service on its real seams.
fn app(config: Config) -> Arc<App> {
    let clock = clock::clock(config.clock);
    logging::init(clock.clone(), config.log_level);
    let store = Arc::new(DynamoStore::new(&config, clock.clone()));
    Arc::new(App::new(
        config,
        clock,
        store,
        https_upstream(),
        Arc::new(SystemRng),
        Arc::new(StdoutEmf),
    ))
}

/// When an invocation has to have its answer. Lambda's deadline is system time, whatever the wall clock says.
fn deadline(context: &lambda_runtime::Context) -> Instant {
    Instant::now() + clock::until_system_time(context.deadline).saturating_sub(ANSWER_MARGIN)
}

/// On Lambda one invocation runs at a time, and one thread keeps its one connection to the runtime API.
fn single_threaded() -> Result<Runtime, ServeError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Setup)
}

fn multi_threaded() -> Result<Runtime, ServeError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(ServeError::Setup)
}
