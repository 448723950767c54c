//! EventBridge: the rule that invokes a function, and what becomes of its events.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use service::rng::Rng;

use crate::{
    clock::RunClock,
    cloudwatch::{aws_metrics::LambdaMetrics, metrics::Metrics},
    deployed::monitor::Monitor,
    lambda::{
        asynchronous::{Next, Queued, Try},
        ids::{trace_id, uuid},
        invoke::Invoke,
        scaling::Throttle,
        variables::{ACCOUNT, REGION},
    },
    template::model::{AsyncInvoke, Deployment},
    world::WorldError,
};

/// The function that the schedule invokes.
#[derive(Clone, Debug)]
pub struct ScheduledFunction {
    lambda: Arc<dyn Invoke>,
    place: usize,
    rules: AsyncInvoke,
    rule: String,
    monitor: Monitor,
    rng: Arc<dyn Rng>,
}

impl ScheduledFunction {
    /// The function of the one schedule that the harness plays.
    ///
    /// # Errors
    /// There is none.
    pub fn of(
        deployment: &Deployment,
        lambda: &Arc<dyn Invoke>,
        monitor: &Monitor,
        rng: &Arc<dyn Rng>,
    ) -> Result<Self, WorldError> {
        let scheduled = deployment.schedules.iter().find_map(|schedule| {
            let place = deployment
                .functions
                .keys()
                .position(|id| *id == schedule.function)?;
            let function = deployment.functions.get(&schedule.function)?;
            Some(Self {
                lambda: Arc::clone(lambda),
                place,
                rules: function.asynchronous,
                rule: schedule.name.clone(),
                monitor: monitor.clone(),
                rng: Arc::clone(rng),
            })
        });
        scheduled.ok_or_else(|| {
            WorldError::Lambda("the template has no schedule, so that no price is ever updated".to_owned())
        })
    }

    /// One firing of the schedule, until its event is done or dropped. `tried` hears how each try ended.
    pub async fn fire(&self, clock: RunClock, tried: impl Fn(bool)) {
        let event = scheduled(&*self.rng, &self.rule, clock.now_ms());
        let arrived_us = clock.now_us();
        let mut queued = Queued::new(self.rules);
        let put = |put: fn(LambdaMetrics, &mut Metrics, i64, f64), age: Duration| {
            self.monitor.put(|cloudwatch, now_ms| {
                if let Some((metrics, lambda)) = cloudwatch.of_function(self.place) {
                    put(lambda, metrics, now_ms, age.as_secs_f64() * 1e3);
                }
            });
        };
        let age = || {
            let now = clock.wall_since_start(clock.now_us());
            now.saturating_sub(clock.wall_since_start(arrived_us))
        };
        put(
            |lambda, metrics, now_ms, _| lambda.event_received(metrics, now_ms),
            age(),
        );
        loop {
            let trace_id = trace_id(&*self.rng, clock.now_ms() / 1000);
            put(LambdaMetrics::event_invoked, age());
            let result = match self.lambda.invoke(self.place, event.clone(), trace_id).await {
                Ok(invoked) if invoked.outcome.failure.is_none() => Try::Succeeded,
                Ok(_) => Try::Failed,
                Err(Throttle::Reserved | Throttle::Account | Throttle::Rate) => Try::Throttled,
            };
            if result != Try::Throttled {
                tried(result == Try::Succeeded);
            }
            match queued.tried(result, age()) {
                Next::After(wait) => tokio::time::sleep(wait.div_f64(clock.speed())).await,
                Next::Done => return,
                Next::Dropped(_) => {
                    put(
                        |lambda, metrics, now_ms, _| lambda.event_dropped(metrics, now_ms),
                        age(),
                    );
                    return;
                }
            }
        }
    }
}

/// The event of a rule that fires. (Recorded of AWS.)
#[must_use]
pub fn scheduled(rng: &dyn Rng, rule: &str, now_ms: i64) -> Bytes {
    let time = jiff::Timestamp::from_second(now_ms.div_euclid(1000)).unwrap_or_default();
    let event = serde_json::json!({
        "version": "0",
        "id": uuid(rng),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": time.to_string(),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule}")],
        "detail": {},
    });
    Bytes::from(event.to_string())
}
