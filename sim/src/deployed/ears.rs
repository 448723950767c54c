//! What happens in Lambda and at the gateway, told to the recording and to CloudWatch.

use crate::{
    clock::RunClock,
    cloudwatch::{
        aws_metrics::{Answered, Invocation, LambdaMetrics},
        metrics::Metrics,
        running::CloudWatch,
    },
    deployed::monitor::Monitor,
    gateway::Answer,
    lambda::{pool::Happened, scaling::EnvironmentId},
    record::{Recorder, event::Event},
    world::logs::Origin,
};

/// So much is kept of what a caller was told of a failure, characters.
const TOLD: usize = 300;

/// What the gateway says of a request to CloudWatch.
pub(super) fn count(cloudwatch: &mut CloudWatch, now_ms: i64, answer: &Answer) {
    if answer.is_counted() {
        let (metrics, api) = cloudwatch.of_api();
        let answered = Answered {
            status: answer.response.status().as_u16(),
            latency_ms: answer.latency_ms as f64,
            integration_latency_ms: answer.integration_latency_ms.map(|ms| ms as f64),
        };
        api.answered(metrics, now_ms, answered);
    }
}

/// Hears what happens in Lambda, and tells the recording and CloudWatch.
#[derive(Debug)]
pub struct Ears {
    /// What each function is to the recording, by its place.
    pub services: Vec<&'static str>,
    /// The run's clock.
    pub clock: RunClock,
    /// The recording.
    pub recorder: Recorder,
    /// CloudWatch.
    pub monitor: Monitor,
}

impl Ears {
    /// Takes in what happened; lines of the functions' logs are left to who calls.
    pub fn hear(&self, happened: &Happened) {
        let at_us = self.clock.now_us();
        match happened {
            &Happened::Ended {
                function,
                environment,
                ref report,
                ref outcome,
            } => {
                // In virtual time there is no process to measure.
                if report.memory > 0 {
                    self.recorder.record(Event::Memory {
                        at_us,
                        process: self.origin(function, environment).process,
                        peak_rss: report.memory,
                        cpu_us: 0,
                    });
                }
                let took_ms = report.duration.as_secs_f64() * 1e3;
                self.put(function, |lambda, metrics, now_ms| {
                    let began_ms = now_ms - (took_ms * self.clock.speed()) as i64;
                    let ended = if outcome.failure.is_some() {
                        Invocation::Failed
                    } else {
                        Invocation::Succeeded
                    };
                    lambda.invoked(metrics, began_ms, took_ms, ended);
                });
                let told = || {
                    String::from_utf8_lossy(&outcome.payload)
                        .chars()
                        .take(TOLD)
                        .collect()
                };
                self.recorder.record(Event::Invoked {
                    at_us,
                    duration: report.duration,
                    service: self.service(function),
                    failure: outcome.failure.map(|failure| (failure, told())),
                    unlimited: report.unlimited.clone(),
                });
            }
            &Happened::Began {
                function,
                is_cold,
                running,
                running_in_all,
                fault,
                ..
            } => {
                self.touched(fault);
                self.put(function, |lambda, metrics, now_ms| {
                    lambda.running(metrics, now_ms, running, running_in_all);
                });
                self.recorder.record(Event::InvocationBegan {
                    at_us,
                    is_cold,
                    running,
                });
            }
            &Happened::Throttled { function, fault, .. } => {
                self.touched(fault);
                self.put(function, |lambda, metrics, now_ms| {
                    lambda.throttled(metrics, now_ms);
                });
                self.recorder.record(Event::InvocationThrottled { at_us });
            }
            Happened::Expired(_) | Happened::Line { .. } => {}
        }
    }

    /// What the recording calls a function.
    fn service(&self, function: usize) -> &'static str {
        self.services.get(function).copied().unwrap_or("api")
    }

    fn touched(&self, fault: Option<u16>) {
        if let Some(fault) = fault {
            let at_us = self.clock.now_us();
            self.recorder.record(Event::Fault { at_us, fault });
        }
    }

    /// What the recording calls an environment.
    #[must_use]
    pub fn origin(&self, function: usize, environment: EnvironmentId) -> Origin {
        let service = self.service(function);
        Origin {
            service,
            process: format!("{service}-{environment}"),
        }
    }

    fn put(&self, function: usize, put: impl FnOnce(LambdaMetrics, &mut Metrics, i64)) {
        self.monitor.put(|cloudwatch, now_ms| {
            if let Some((metrics, lambda)) = cloudwatch.of_function(function) {
                put(lambda, metrics, now_ms);
            }
        });
    }
}
