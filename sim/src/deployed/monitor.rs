//! CloudWatch beside a run: what the parts of the deployment put is of the run's time, and what the alarms make of it is
//! recorded.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::RunClock,
    cloudwatch::{alarms::AlarmError, running::CloudWatch},
    record::{Recorder, event::Event},
    template::model::Deployment,
};

/// The CloudWatch of a run. A handle: clones are the same.
#[derive(Clone)]
pub struct Monitor {
    cloudwatch: Arc<Mutex<CloudWatch>>,
    clock: RunClock,
    recorder: Recorder,
}

impl Monitor {
    /// That of a deployment.
    ///
    /// # Errors
    /// An alarm is not emulated.
    pub fn new(deployment: &Deployment, clock: RunClock, recorder: Recorder) -> Result<Self, AlarmError> {
        let cloudwatch = CloudWatch::of(deployment, clock.start_ms())?;
        Ok(Self {
            cloudwatch: Arc::new(Mutex::new(cloudwatch)),
            clock,
            recorder,
        })
    }

    /// Lets `put` put samples, given the wall time, Unix milliseconds.
    pub fn put(&self, put: impl FnOnce(&mut CloudWatch, i64)) {
        let mut cloudwatch = self.cloudwatch.lock().unwrap_or_else(PoisonError::into_inner);
        put(&mut cloudwatch, self.clock.now_ms());
    }

    /// Evaluates the alarms at each minute of a scenario that is so long, for as long as it is polled: after its end nobody
    /// asks, and that is no outage.
    pub async fn evaluate(self, length: Duration) {
        let end_ms = self.clock.start_ms() + i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        loop {
            let next_ms = self.advance();
            if next_ms > end_ms {
                return std::future::pending().await;
            }
            let since_start = Duration::from_millis((next_ms - self.clock.start_ms()).unsigned_abs());
            tokio::time::sleep_until(self.clock.instant_of_wall(since_start)).await;
        }
    }

    /// Evaluates what is due, and tells when the next is, Unix milliseconds.
    fn advance(&self) -> i64 {
        let mut cloudwatch = self.cloudwatch.lock().unwrap_or_else(PoisonError::into_inner);
        for change in cloudwatch.advance(self.clock.now_ms()) {
            let since_start = Duration::from_millis((change.at_ms - self.clock.start_ms()).unsigned_abs());
            self.recorder.record(Event::Alarm {
                at_us: self.clock.at_us_of_wall(since_start),
                change,
            });
        }
        cloudwatch.next_ms()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}
