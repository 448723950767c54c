//! The users: one load generator process for each `[[load]]` of the scenario.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use scenarios::wire::{LoadLine, LoadPlan};
use tokio::sync::watch;

use crate::{
    record::{Recorder, event::Event},
    world::{
        WorldError,
        children::{Child, ChildSpec, Keep, Killed},
        siblings::{Binary, Siblings},
    },
};

/// Longest time that a user waits for an answer, real time: above every bound of the service.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A running load generator.
#[derive(Debug)]
pub struct LoadChild {
    name: String,
    child: Child,
    told: Arc<Told>,
}

/// What the generator has said so far.
#[derive(Debug)]
struct Told {
    ready: watch::Sender<bool>,
    done: AtomicBool,
    failed: Mutex<Option<String>>,
}

impl LoadChild {
    /// Starts the generator of the plan's load; it waits for its load to begin.
    ///
    /// `requests` counts the requests of all loads.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub async fn spawn(
        name: &str,
        plan: &LoadPlan,
        siblings: &Siblings,
        recorder: Recorder,
        requests: Arc<AtomicU64>,
    ) -> Result<Self, WorldError> {
        let line = serde_json::to_string(plan).map_err(|error| WorldError::LoadFailed {
            load: name.to_owned(),
            message: format!("its plan cannot be written: {error}"),
        })?;
        let told = Arc::new(Told {
            ready: watch::Sender::new(false),
            done: AtomicBool::new(false),
            failed: Mutex::new(None),
        });
        let spec = ChildSpec {
            name: format!("the load generator of `{name}`"),
            program: siblings.path(Binary::Load),
            args: Vec::new(),
            env: BTreeMap::new(),
            stdin: Some(line + "\n"),
        };
        let load = u16::try_from(plan.load).unwrap_or(u16::MAX);
        let listener = Arc::clone(&told);
        let on_line = move |line: &str| listener.hear(line, load, &recorder, &requests);
        let child = Child::spawn(spec, on_line).await?;
        Ok(Self {
            name: name.to_owned(),
            child,
            told,
        })
    }

    /// The name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// Waits until the generator is up.
    ///
    /// # Errors
    /// When it ends instead.
    pub async fn ready(&self) -> Result<(), WorldError> {
        let mut ready = self.told.ready.subscribe();
        let up = async {
            // The sender lives as long as `self`.
            let _ = ready.wait_for(|ready| *ready).await;
            Ok(())
        };
        let gone = async {
            let status = self.child.ended().await;
            Err(self
                .failure()
                .unwrap_or_else(|| WorldError::Died(self.child.death(status))))
        };
        first_of(up, gone).await
    }

    /// Waits until the load has been played to its end.
    ///
    /// # Errors
    /// When the generator says that it cannot go on, or ends without having played its load.
    pub async fn played(&self) -> Result<(), WorldError> {
        let status = self.child.ended().await;
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        if self.told.done.load(Ordering::Acquire) && status.success() {
            return Ok(());
        }
        Err(WorldError::Died(self.child.death(status)))
    }

    /// Ends the generator, which then tells what it has sent.
    pub async fn stop(self, grace: Duration) -> Killed {
        self.child.stop(grace).await.1
    }

    fn failure(&self) -> Option<WorldError> {
        let message = self
            .told
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        Some(WorldError::LoadFailed {
            load: self.name.clone(),
            message,
        })
    }
}

impl Told {
    fn hear(&self, line: &str, load: u16, recorder: &Recorder, requests: &AtomicU64) -> Keep {
        match serde_json::from_str::<LoadLine>(line) {
            Ok(LoadLine::Request(line)) => {
                requests.fetch_add(1, Ordering::Relaxed);
                recorder.record(Event::Request { load, line });
                Keep::Nothing
            }
            Ok(LoadLine::Ready { .. }) => {
                self.ready.send_replace(true);
                Keep::Nothing
            }
            Ok(LoadLine::Done {
                sent,
                dropped,
                cpu_us,
            }) => {
                recorder.record(Event::LoadEnded {
                    load,
                    sent,
                    dropped,
                    cpu_us,
                });
                self.done.store(true, Ordering::Release);
                Keep::Nothing
            }
            Ok(LoadLine::Failed { message }) => {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
                Keep::Line
            }
            Err(_) => Keep::Line,
        }
    }
}

/// Whichever ends first; the first one when both have.
pub(super) async fn first_of<T>(first: impl Future<Output = T>, second: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        done = first => done,
        done = second => done,
    }
}
