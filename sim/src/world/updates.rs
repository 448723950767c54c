//! The schedule at work: one price update process for each firing, whatever faults make of the firings.

use std::{collections::BTreeMap, process::ExitStatus, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    clock::RunClock,
    deployed::eventbridge::ScheduledFunction,
    record::{Recorder, event::Event},
    schedule::Occasion,
    world::{
        WorldError,
        attempts::Unseen,
        children::{Child, ChildSpec},
        logs::{self, Line, Origin},
        siblings::{Binary, Siblings},
    },
};

/// How long an update that was told to end may take to do so.
const END_WITHIN: Duration = Duration::from_secs(1);

/// What runs an update.
#[derive(Clone, Debug)]
pub enum Runner {
    /// A process for each.
    Process(Updater),
    /// The function that the template's schedule invokes.
    Function {
        /// The function.
        function: ScheduledFunction,
        /// The run's clock.
        clock: RunClock,
        /// Where firings and ends are recorded.
        recorder: Recorder,
    },
}

/// What every update of a run is started with.
#[derive(Clone, Debug)]
pub struct Updater {
    /// Where the binary is.
    pub siblings: Siblings,
    /// The environment of the processes.
    pub env: BTreeMap<String, String>,
    /// The run's clock.
    pub clock: RunClock,
    /// Where firings, ends and what the processes say are recorded.
    pub recorder: Recorder,
    /// Who hears of attempts that the fake could not see.
    pub unseen: Unseen,
}

/// The updates that are running.
#[derive(Debug)]
pub struct Updates {
    runner: Runner,
    running: JoinSet<Result<(), WorldError>>,
    end_now: watch::Sender<bool>,
    killer: Killer,
}

/// Kills the updates that are running.
#[derive(Clone, Debug, Default)]
pub struct Killer {
    orders: Arc<watch::Sender<u64>>,
    deaths: Arc<watch::Sender<u64>>,
}

/// How long a killed process may take to be gone, real time.
const GONE_WITHIN: Duration = Duration::from_secs(5);

impl Killer {
    /// Kills those that are running; returns when one is gone.
    pub async fn kill(self) {
        let mut deaths = self.deaths.subscribe();
        self.orders.send_modify(|orders| *orders += 1);
        // None may be running, or the last one may have ended by itself.
        let _ = tokio::time::timeout(GONE_WITHIN, deaths.changed()).await;
    }
}

impl Updates {
    /// No update is running yet.
    #[must_use]
    pub fn new(runner: Runner, killer: Killer) -> Self {
        Self {
            runner,
            running: JoinSet::new(),
            end_now: watch::Sender::new(false),
            killer,
        }
    }

    /// Fires on these occasions, which are in order of time.
    ///
    /// # Errors
    /// When an update cannot be started, or dies of a signal. (That it fails is an answer, and recorded as such.)
    pub async fn fire(&mut self, occasions: &[Occasion]) -> Result<(), WorldError> {
        for occasion in occasions {
            let (clock, recorder) = self.runner.books();
            let due = clock.instant_of_wall(occasion.at);
            while let Ok(Some(ended)) = tokio::time::timeout_at(due, self.next_end()).await {
                ended?;
            }
            tokio::time::sleep_until(due).await;
            let at_us = clock.now_us();
            let faults = occasion.faults.clone();
            let Some(index) = occasion.index else {
                recorder.record(Event::ScheduleSkipped { at_us, faults });
                continue;
            };
            recorder.record(Event::ScheduleFired { at_us, index, faults });
            let end_now = self.end_now.subscribe();
            match &self.runner {
                Runner::Process(updater) => {
                    let one = updater.clone().update(index, end_now, self.killer.clone());
                    self.running.spawn(one);
                }
                Runner::Function { function, .. } => {
                    let one = invoke(function.clone(), clock, recorder, index, end_now);
                    self.running.spawn(one);
                }
            }
        }
        self.finish().await
    }

    /// Waits for those that are running.
    ///
    /// # Errors
    /// As [`Updates::fire`].
    pub async fn finish(&mut self) -> Result<(), WorldError> {
        while let Some(ended) = self.next_end().await {
            ended?;
        }
        Ok(())
    }

    /// Ends those that are running; what they would have done is not recorded.
    pub async fn stop(mut self) {
        self.end_now.send_replace(true);
        while self.running.join_next().await.is_some() {}
    }

    async fn next_end(&mut self) -> Option<Result<(), WorldError>> {
        let ended = self.running.join_next().await?;
        Some(ended.unwrap_or_else(|panic| Err(WorldError::Internal(panic.to_string()))))
    }
}

impl Runner {
    fn books(&self) -> (RunClock, Recorder) {
        match self {
            Self::Process(Updater { clock, recorder, .. }) | Self::Function { clock, recorder, .. } => {
                (*clock, recorder.clone())
            }
        }
    }
}

/// One firing, as an event for the function, with all that Lambda makes of it.
async fn invoke(
    function: ScheduledFunction,
    clock: RunClock,
    recorder: Recorder,
    index: u32,
    mut end_now: watch::Receiver<bool>,
) -> Result<(), WorldError> {
    let fired = function.fire(clock, |ok| {
        recorder.record(Event::UpdateEnded {
            at_us: clock.now_us(),
            index,
            ok,
        });
    });
    tokio::select! {
        biased;
        // Without a sender the run is over, too.
        _ = end_now.wait_for(|now| *now) => {}
        () = fired => {}
    }
    Ok(())
}

impl Updater {
    /// One update, from its start to its end.
    async fn update(
        self,
        index: u32,
        mut end_now: watch::Receiver<bool>,
        killer: Killer,
    ) -> Result<(), WorldError> {
        let mut orders = killer.orders.subscribe();
        let Self {
            siblings,
            env,
            clock,
            recorder,
            unseen,
        } = self;
        let name = format!("update-{index}");
        let spec = ChildSpec {
            name: name.clone(),
            program: siblings.path(Binary::Update),
            args: Vec::new(),
            env,
            stdin: None,
        };
        let origin = Origin {
            service: "update",
            process: name,
        };
        let events = recorder.clone();
        let on_line = move |line: &str| {
            let line = logs::read(line, &origin, &clock);
            let keep = line.keep();
            match line {
                Line::Emf(event) | Line::BrokenEmf(event) | Line::Warning(event) => events.record(event),
                Line::Attempt(attempt) => unseen.hear(attempt),
                Line::Listening(_) | Line::Other => {}
            }
            keep
        };
        let child = Child::spawn(spec, on_line).await?;
        let ended = tokio::select! {
            biased;
            // Without a sender the run is over, too.
            _ = end_now.wait_for(|now| *now) => Ended::Told,
            // The killer lives as long as this.
            _ = orders.changed() => Ended::Killed,
            status = child.ended() => Ended::ByItself(status),
        };
        let ok = match ended {
            Ended::Told => {
                child.stop(END_WITHIN).await;
                return Ok(());
            }
            Ended::Killed => {
                child.kill().await;
                killer.deaths.send_modify(|deaths| *deaths += 1);
                false
            }
            Ended::ByItself(status) if status.code().is_none() => {
                return Err(WorldError::Died(child.death(status)));
            }
            Ended::ByItself(status) => status.success(),
        };
        recorder.record(Event::UpdateEnded {
            at_us: clock.now_us(),
            index,
            ok,
        });
        Ok(())
    }
}

/// How an update came to its end.
enum Ended {
    /// Because the run is over.
    Told,
    /// Killed on purpose.
    Killed,
    ByItself(ExitStatus),
}
