//! The metrics that Lambda and API Gateway put about themselves.
//!
//! Both send them in intervals of a minute (b), of standard resolution. Names, dimensions and meaning are (b), of Lambda's
//! "Working with Lambda function metrics" and API Gateway's "Amazon API Gateway dimensions and metrics", but where marked.

use super::metrics::{MetricId, Metrics};

/// The namespace of Lambda's metrics.
pub const LAMBDA: &str = "AWS/Lambda";
/// The namespace of API Gateway's metrics.
pub const API_GATEWAY: &str = "AWS/ApiGateway";

/// A metric of Lambda's that is kept with the dimension `FunctionName`, without any, or both.
#[derive(Clone, Copy, Debug)]
struct Pair([Option<MetricId>; 2]);

impl Pair {
    fn put(self, metrics: &mut Metrics, at_ms: i64, value: f64) {
        for id in self.0 {
            metrics.put_to(id, at_ms, value);
        }
    }
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// The function answered.
    Succeeded,
    /// The function said that it failed, crashed, was killed, or took too long: each is an error of the function.
    Failed,
}

/// The metrics of a function, which Lambda puts twice: for the function (`FunctionName`) and for all functions of the
/// region (no dimension).
#[derive(Clone, Copy, Debug)]
pub struct LambdaMetrics {
    invocations: Pair,
    errors: Pair,
    throttles: Pair,
    duration: Pair,
    concurrent: Pair,
    async_received: Pair,
    async_age: Pair,
    async_dropped: Pair,
    dead_letter_errors: Pair,
}

impl LambdaMetrics {
    /// Those of a function, looked up once.
    #[must_use]
    pub fn of(metrics: &Metrics, function: &str) -> Self {
        let pair = |name| {
            Pair([
                metrics.find(LAMBDA, name, &[("FunctionName", function)]),
                metrics.find(LAMBDA, name, &[]),
            ])
        };
        Self {
            invocations: pair("Invocations"),
            errors: pair("Errors"),
            throttles: pair("Throttles"),
            duration: pair("Duration"),
            concurrent: pair("ConcurrentExecutions"),
            async_received: pair("AsyncEventsReceived"),
            async_age: pair("AsyncEventAge"),
            async_dropped: pair("AsyncEventsDropped"),
            dead_letter_errors: pair("DeadLetterErrors"),
        }
    }

    /// An invocation is over that began at `at_ms`, to which all of its metrics are dated: so an error after a timeout of
    /// a minute is one of the minute before, and arrives late. `Errors` is 0 or 1, so that its average is the share;
    /// `Throttles` has a 0 as well (a: alarms on it were seen to be OK with datapoint `[0.0]`).
    ///
    /// `Duration` is what the function's code took, ms, without the start of its environment.
    pub fn invoked(self, metrics: &mut Metrics, at_ms: i64, duration_ms: f64, outcome: Invocation) {
        self.invocations.put(metrics, at_ms, 1.0);
        let failed = f64::from(u8::from(outcome == Invocation::Failed));
        self.errors.put(metrics, at_ms, failed);
        self.throttles.put(metrics, at_ms, 0.0);
        self.duration.put(metrics, at_ms, duration_ms);
    }

    /// An invocation was refused for want of concurrency: neither an invocation nor an error.
    pub fn throttled(self, metrics: &mut Metrics, at_ms: i64) {
        self.throttles.put(metrics, at_ms, 1.0);
    }

    /// So many environments of the function, and of all functions, are at work at an instant. How often Lambda says so is
    /// not documented (c): say it when an invocation begins.
    pub fn running(self, metrics: &mut Metrics, at_ms: i64, of_function: u32, of_all: u32) {
        let Pair([function, all]) = self.concurrent;
        metrics.put_to(function, at_ms, f64::from(of_function));
        metrics.put_to(all, at_ms, f64::from(of_all));
    }

    /// An event was queued for an asynchronous invocation.
    pub fn event_received(self, metrics: &mut Metrics, at_ms: i64) {
        self.async_received.put(metrics, at_ms, 1.0);
    }

    /// A queued event is invoked, so long after it was queued, ms; again at each retry.
    pub fn event_invoked(self, metrics: &mut Metrics, at_ms: i64, age_ms: f64) {
        self.async_age.put(metrics, at_ms, age_ms);
    }

    /// A queued event was dropped without a success: its age or its retries are used up, or the function's reserved
    /// concurrency is zero.
    pub fn event_dropped(self, metrics: &mut Metrics, at_ms: i64) {
        self.async_dropped.put(metrics, at_ms, 1.0);
    }

    /// A dropped event could not be sent to the dead-letter queue.
    pub fn dead_letter_failed(self, metrics: &mut Metrics, at_ms: i64) {
        self.dead_letter_errors.put(metrics, at_ms, 1.0);
    }
}

/// The metrics of a stage, which API Gateway puts twice: for the API (`ApiName`) and for the stage (`ApiName`, `Stage`).
/// Those of each method (`MetricsEnabled`) are not emulated.
#[derive(Clone, Copy, Debug)]
pub struct ApiMetrics {
    count: Pair,
    client_errors: Pair,
    server_errors: Pair,
    latency: Pair,
    integration_latency: Pair,
}

/// What API Gateway answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// The status that the client got, also one that the gateway gave by itself.
    pub status: u16,
    /// From the request to its answer, ms.
    pub latency_ms: f64,
    /// Of which the integration took, ms; none = it was not asked (c: then there is no sample).
    pub integration_latency_ms: Option<f64>,
}

impl ApiMetrics {
    /// Those of a stage, looked up once. The API's name is freed of what is not ASCII, as API Gateway does.
    #[must_use]
    pub fn of(metrics: &Metrics, api: &str, stage: &str) -> Self {
        let api: String = api.chars().filter(char::is_ascii).collect();
        let pair = |name| {
            Pair([
                metrics.find(API_GATEWAY, name, &[("ApiName", &api)]),
                metrics.find(API_GATEWAY, name, &[("ApiName", &api), ("Stage", stage)]),
            ])
        };
        Self {
            count: pair("Count"),
            client_errors: pair("4XXError"),
            server_errors: pair("5XXError"),
            latency: pair("Latency"),
            integration_latency: pair("IntegrationLatency"),
        }
    }

    /// A request was answered. `4XXError` and `5XXError` are 0 or 1 for every request, so that the average is the share.
    /// Dated to the answer (c).
    pub fn answered(self, metrics: &mut Metrics, at_ms: i64, answered: Answered) {
        let is_of = |class: u16| f64::from(u8::from(answered.status / 100 == class));
        self.count.put(metrics, at_ms, 1.0);
        self.client_errors.put(metrics, at_ms, is_of(4));
        self.server_errors.put(metrics, at_ms, is_of(5));
        self.latency.put(metrics, at_ms, answered.latency_ms);
        if let Some(latency_ms) = answered.integration_latency_ms {
            self.integration_latency.put(metrics, at_ms, latency_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::template::model::MetricStat;

    fn stat(namespace: &str, name: &str, dimensions: &[(&str, &str)], statistic: &str) -> MetricStat {
        let dimensions = dimensions.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        MetricStat {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions.collect::<BTreeMap<_, _>>(),
            statistic: statistic.to_owned(),
            period: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_throttled_invocation_is_none_and_a_failed_one_is_an_error() {
        let lambda = |name, dimensions| stat(LAMBDA, name, dimensions, "Sum");
        let of_api = [("FunctionName", "api")];
        let wanted = [
            (lambda("Invocations", &of_api), 2.0),
            (lambda("Errors", &of_api), 1.0),
            (lambda("Throttles", &of_api), 1.0),
            (stat(LAMBDA, "Errors", &of_api, "Average"), 0.5),
            (stat(LAMBDA, "Throttles", &of_api, "SampleCount"), 3.0),
            (stat(LAMBDA, "Duration", &of_api, "Maximum"), 25_000.0),
            (stat(LAMBDA, "ConcurrentExecutions", &of_api, "Maximum"), 2.0),
            (lambda("Invocations", &[]), 3.0),
            (stat(LAMBDA, "ConcurrentExecutions", &[], "Maximum"), 7.0),
            (lambda("AsyncEventsReceived", &[]), 1.0),
            (lambda("AsyncEventsDropped", &[]), 1.0),
            (lambda("DeadLetterErrors", &[]), 1.0),
            (stat(LAMBDA, "AsyncEventAge", &[], "Average"), 90.0),
        ];
        let mut metrics = Metrics::new();
        for (stat, _) in &wanted {
            metrics.keep(stat, 1).expect("known");
        }
        let (api, update) = (
            LambdaMetrics::of(&metrics, "api"),
            LambdaMetrics::of(&metrics, "update"),
        );
        api.running(&mut metrics, 0, 2, 7);
        api.invoked(&mut metrics, 1, 3.5, Invocation::Succeeded);
        // It began within the minute and timed out long after: the error is the minute's.
        api.invoked(&mut metrics, 59_000, 25_000.0, Invocation::Failed);
        api.throttled(&mut metrics, 2);
        update.event_received(&mut metrics, 3);
        update.event_invoked(&mut metrics, 4, 90.0);
        update.invoked(&mut metrics, 4, 1000.0, Invocation::Succeeded);
        update.event_dropped(&mut metrics, 5);
        update.dead_letter_failed(&mut metrics, 6);
        for (stat, value) in &wanted {
            assert_eq!(metrics.statistic(stat, 0), Some(*value), "{stat:?}");
        }
    }

    #[test]
    fn the_average_of_an_error_metric_is_the_share() {
        let of_stage = [("ApiName", "prces"), ("Stage", "prod")];
        let gateway = |name, statistic| stat(API_GATEWAY, name, &of_stage, statistic);
        let wanted = [
            (gateway("5XXError", "Average"), 0.25),
            (gateway("4XXError", "Average"), 0.25),
            (gateway("4XXError", "Sum"), 1.0),
            (gateway("Count", "SampleCount"), 4.0),
            (gateway("Latency", "Maximum"), 10.0),
            (gateway("IntegrationLatency", "SampleCount"), 3.0),
            (stat(API_GATEWAY, "Count", &[("ApiName", "prces")], "Sum"), 4.0),
        ];
        let mut metrics = Metrics::new();
        for (stat, _) in &wanted {
            metrics.keep(stat, 1).expect("known");
        }
        let api = ApiMetrics::of(&metrics, "prıces", "prod");
        for (status, integration_latency_ms) in
            [(200, Some(8.0)), (304, Some(2.0)), (429, None), (502, Some(9.0))]
        {
            let answered = Answered {
                status,
                latency_ms: 10.0,
                integration_latency_ms,
            };
            api.answered(&mut metrics, 0, answered);
        }
        for (stat, value) in &wanted {
            assert_eq!(metrics.statistic(stat, 0), Some(*value), "{stat:?}");
        }
    }
}
