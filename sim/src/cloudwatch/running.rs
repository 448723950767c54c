//! The CloudWatch of a run: takes in what the parts of a deployment put, and evaluates the alarms as time goes by.

use std::time::Duration;

use super::{
    MINUTE_MS,
    alarms::{AlarmError, Alarms, Problem, StateChange, looks_back},
    aws_metrics::{ApiMetrics, LambdaMetrics},
    metrics::Metrics,
};
use crate::template::model::{Alarm, Deployment};

/// How long after a whole minute alarms go by it. (AWS was seen to take 2 to 52 s; this one is assumed.) On a fast real clock
/// it is also what the last samples of the minute have to get here.
pub const SETTLE: Duration = Duration::from_secs(10);

/// Metrics and alarms of one deployment.
#[derive(Clone, Debug)]
pub struct CloudWatch {
    metrics: Metrics,
    alarms: Alarms,
    /// The next evaluation, Unix milliseconds.
    next_ms: i64,
    functions: Vec<LambdaMetrics>,
    api: ApiMetrics,
}

/// What a recording must know of an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmAbout {
    /// Its logical id in the template.
    pub id: String,
    /// For how long after an outage it may still go off because of it.
    pub reach: Duration,
}

impl AlarmAbout {
    /// The alarms of a deployment, in its order.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Vec<Self> {
        let about = |alarm: &Alarm| Self {
            id: alarm.id.clone(),
            reach: looks_back(alarm) + Duration::from_millis(MINUTE_MS.unsigned_abs()) + SETTLE,
        };
        deployment.alarms.iter().map(about).collect()
    }
}

impl CloudWatch {
    /// That of a deployment whose system is in use when the simulation starts, at `start_ms`, Unix milliseconds: no alarm
    /// looks back on the time before.
    ///
    /// # Errors
    /// An alarm is not emulated.
    pub fn of(deployment: &Deployment, start_ms: i64) -> Result<Self, AlarmError> {
        let alarms = Alarms::new(&deployment.alarms)?;
        let unknown = |problem| AlarmError {
            id: "all".to_owned(),
            problem: Problem::Statistic(problem),
        };
        let metrics = Metrics::for_alarms(&deployment.alarms).map_err(unknown)?;
        let functions = deployment.functions.values();
        let settle_ms = i64::try_from(SETTLE.as_millis()).unwrap_or(0);
        Ok(Self {
            functions: functions
                .map(|function| LambdaMetrics::of(&metrics, &function.name))
                .collect(),
            api: ApiMetrics::of(&metrics, &deployment.api.name, &deployment.api.stage),
            metrics,
            alarms: alarms.settling(SETTLE).in_use_since(start_ms),
            next_ms: start_ms.div_euclid(MINUTE_MS) * MINUTE_MS + MINUTE_MS + settle_ms,
        })
    }

    /// Evaluates the alarms for each minute that is over by now and was not looked at.
    pub fn advance(&mut self, now_ms: i64) -> Vec<StateChange> {
        let mut changes = Vec::new();
        while self.next_ms <= now_ms {
            changes.extend(self.alarms.evaluate(&self.metrics, self.next_ms));
            self.next_ms += MINUTE_MS;
        }
        changes
    }

    /// The next evaluation, Unix milliseconds.
    #[must_use]
    pub fn next_ms(&self) -> i64 {
        self.next_ms
    }

    /// The metrics, with those that Lambda puts of a function, by its place in the deployment.
    pub fn of_function(&mut self, place: usize) -> Option<(&mut Metrics, LambdaMetrics)> {
        let lambda = *self.functions.get(place)?;
        Some((&mut self.metrics, lambda))
    }

    /// The metrics, with those that API Gateway puts.
    pub fn of_api(&mut self) -> (&mut Metrics, ApiMetrics) {
        (&mut self.metrics, self.api)
    }

    /// The metrics, for the documents of the functions.
    pub fn metrics(&mut self) -> &mut Metrics {
        &mut self.metrics
    }
}
