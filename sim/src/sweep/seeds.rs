//! Many seeds on several threads. What becomes of a seed does not depend on how many there are, nor does the order
//! in which they are told.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use tokio::sync::watch;

use super::{Sweep, Trial, TrialError};

/// Tells the threads of a sweep to end: because somebody asked to stop, or because enough is known.
#[derive(Clone, Debug)]
pub struct Halt {
    stop: watch::Receiver<bool>,
    enough: Arc<AtomicBool>,
}

impl Halt {
    /// One that is on when `stop` becomes true.
    #[must_use]
    pub fn on(stop: watch::Receiver<bool>) -> Self {
        Self {
            stop,
            enough: Arc::default(),
        }
    }

    /// Whether to end.
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self.stop.borrow() || self.enough.load(Ordering::Relaxed)
    }

    /// Becomes true when somebody asks to stop.
    #[must_use]
    pub fn stop(&self) -> &watch::Receiver<bool> {
        &self.stop
    }
}

impl Sweep {
    /// Plays all seeds on `jobs` threads and tells of each in their order, as soon as all before it are known. With
    /// `fail_fast` it ends with the first that breaks a rule.
    ///
    /// # Errors
    /// The first seed that could not be played, when nobody asked to stop. What was told before stands.
    pub fn run(
        &self,
        seeds: Range<u64>,
        jobs: usize,
        fail_fast: bool,
        stop: watch::Receiver<bool>,
        mut tell: impl FnMut(Trial),
    ) -> Result<(), TrialError> {
        let halt = Halt::on(stop);
        let next = AtomicU64::new(seeds.start);
        let (done, results) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                let (done, halt, next) = (done.clone(), halt.clone(), &next);
                let end = seeds.end;
                scope.spawn(move || {
                    while !halt.is_on() {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end || done.send((seed, self.trial(seed, &halt))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(done);
            let told = in_order(seeds.start, &results, fail_fast, &mut tell);
            halt.enough.store(true, Ordering::Relaxed);
            told
        })
    }
}

/// Hands on the results in the order of their seeds.
fn in_order(
    first: u64,
    results: &mpsc::Receiver<(u64, Result<Trial, TrialError>)>,
    fail_fast: bool,
    tell: &mut impl FnMut(Trial),
) -> Result<(), TrialError> {
    let mut early = BTreeMap::new();
    let mut next = first;
    for (seed, result) in results {
        early.insert(seed, result);
        while let Some(result) = early.remove(&next) {
            let trial = result?;
            next += 1;
            let failed = trial.failure.is_some();
            tell(trial);
            if failed && fail_fast {
                return Ok(());
            }
        }
    }
    Ok(())
}
