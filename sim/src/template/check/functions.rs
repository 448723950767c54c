//! Functions, their variables, and what invokes the updater.

use std::{path::Path, time::Duration};

use super::{Checks, value_text};
use crate::template::{
    model::{Function, Integration, LogFormat},
    yaml::Node,
};

/// What keeps the Rust runtime from putting the stage before paths.
pub(super) const IGNORE_STAGE: &str = "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH";

/// The variables that both functions get: what the template's parameters set, the table and the environment.
const REQUIRED: [&str; 9] = [
    "CACHE_TTL_SECONDS",
    "DYNAMODB_TABLE_NAME",
    "ENVIRONMENT",
    "EXTERNAL_API_KEY",
    "EXTERNAL_API_PLAN",
    "EXTERNAL_API_URL",
    "LOG_LEVEL",
    "RATE_LIMIT_PER_MINUTE",
    "SUPPORTED_SYMBOLS",
];

/// What else the service reads (`service/src/config.rs`), but for what Lambda sets and what only simulations may.
const OPTIONAL: [&str; 16] = [
    "ATTEMPT_TIMEOUT_MS",
    "COMPRESSION",
    "EXTERNAL_API_ENDPOINT",
    "KEY_CACHE_SECONDS",
    "PRICE_JUMP_FACTOR",
    "PRICE_RETENTION_SECONDS",
    "PROBE_CAP_SECONDS",
    "PROBE_FLOOR_SECONDS",
    "REFRESH_WAIT_MS",
    "RETRY_ATTEMPTS",
    "RETRY_BASE_MS",
    "RETRY_CAP_MS",
    "STORE_TIMEOUT_MS",
    "UPDATE_INTERVAL_SECONDS",
    "UPDATE_TIMEOUT_MS",
    "WRITE_TIMEOUT_MS",
];

impl Checks<'_> {
    /// Those that the API invokes.
    fn is_behind_the_api(&self, id: &str) -> bool {
        let mut methods = self.deployment.api.methods.iter();
        methods.any(
            |method| matches!(&method.integration, Integration::Lambda { function, .. } if function == id),
        )
    }

    pub(super) fn function(&mut self, id: &str, function: &Function) {
        let seconds = if self.is_behind_the_api(id) { 25 } else { 60 };
        if function.timeout != Duration::from_secs(seconds) || function.memory_mb != 512 {
            let problem = format!(
                "{:?} and {} MB; have {seconds} s and 512 MB",
                function.timeout, function.memory_mb
            );
            self.property("function-size", id, "Timeout", problem);
        }
        let wanted = self.resolved.resolver.parameters.get("Architecture").cloned();
        let wanted = wanted.and_then(|value| value_text(&value));
        if wanted.as_deref() != Some(&function.architecture) {
            let problem = format!(
                "{} is not what the parameter Architecture says; !Ref it",
                function.architecture
            );
            self.property("architecture", id, "Architectures", problem);
        }
        self.variables(id, function);
        if function.log_format != LogFormat::Json {
            self.property(
                "log-lines",
                id,
                "LoggingConfig",
                "metrics are JSON; say LogFormat: JSON",
            );
        }
        // A metric has no level, which Lambda takes for INFO.
        let drops = |level: &String| !["TRACE", "DEBUG", "INFO"].contains(&level.as_str());
        if function.application_log_level.as_ref().is_some_and(drops) {
            let problem = "drops metrics, which Lambda takes for INFO; have INFO or less";
            self.property("log-lines", id, "LoggingConfig", problem);
        }
        let groups = &self.deployment.log_groups;
        let is_known = |name: &String| groups.iter().any(|group| group.name == *name);
        if !function.log_group.as_ref().is_some_and(is_known) {
            let problem =
                "Lambda would make a group that keeps lines for ever; refer to one of the template's";
            self.property("log-retention", id, "LoggingConfig", problem);
        }
        let is_packed = function.code.starts_with("dist")
            && function.code.file_name() == Path::new("bootstrap.zip").file_name();
        let metadata = ["Resources", id, "Metadata"];
        let skips = self
            .template
            .root
            .get("Resources")
            .and_then(|all| all.get(id)?.get("Metadata")?.get("SkipBuild"));
        if !is_packed || skips.and_then(Node::as_text).as_deref() != Some("true") {
            let problem = "what ships would not be what was tested: say CodeUri: dist/…/bootstrap.zip and SkipBuild: true";
            self.add("built-once", &metadata, problem);
        }
    }

    fn variables(&mut self, id: &str, function: &Function) {
        let place = "Environment";
        for name in REQUIRED {
            if !function.environment.contains_key(name) {
                self.property(
                    "service-variables",
                    id,
                    place,
                    format!("has no {name}, which the service reads; add it"),
                );
            }
        }
        for name in function.environment.keys().map(String::as_str) {
            if name != IGNORE_STAGE && !REQUIRED.contains(&name) && !OPTIONAL.contains(&name) {
                let problem = format!("{name} is no variable of the service's; take it out");
                self.property("service-variables", id, place, problem);
            }
        }
        let own = [
            ("DYNAMODB_TABLE_NAME", &self.deployment.table.name),
            ("ENVIRONMENT", &self.deployment.environment),
        ];
        for (name, value) in own {
            if function.environment.get(name).is_some_and(|is| is != value) {
                self.property(
                    "service-variables",
                    id,
                    place,
                    format!("{name} has to be {value}"),
                );
            }
        }
    }

    pub(super) fn updater(&mut self) {
        let schedules = &self.deployment.schedules;
        let on_time = |text: &str| ["rate(5 minutes)", "cron(0/5 * * * ? *)"].contains(&text);
        for (id, function) in &self.deployment.functions {
            if self.is_behind_the_api(id) {
                if function.reserved_concurrency.is_some() {
                    let problem = "the stage's throttle bounds it; take it out";
                    self.property(
                        "reserved-concurrency",
                        id,
                        "ReservedConcurrentExecutions",
                        problem,
                    );
                }
                continue;
            }
            if function.reserved_concurrency != Some(1) {
                let problem = "an event that comes twice would run twice at once; say 1";
                self.property(
                    "reserved-concurrency",
                    id,
                    "ReservedConcurrentExecutions",
                    problem,
                );
            }
            let asynchronous = function.asynchronous;
            if asynchronous.retries > 1 || asynchronous.max_age > Duration::from_secs(240) {
                let problem = "the next update is due by then; say MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 240";
                self.property("retry-policy", id, "EventInvokeConfig", problem);
            }
            let own: Vec<_> = schedules
                .iter()
                .filter(|schedule| schedule.function == *id)
                .collect();
            if !matches!(&own[..], [only] if only.enabled && on_time(&only.expression)) {
                let problem = "prices would grow old: have one schedule that is on, rate(5 minutes)";
                self.property("update-schedule", id, "Events", problem);
            }
            if own
                .iter()
                .any(|schedule| schedule.retries > 3 || schedule.max_age > Duration::from_secs(240))
            {
                let problem = "is delivered for too long: say RetryPolicy with 3 attempts at most and 240 s";
                self.property("retry-policy", id, "Events", problem);
            }
        }
    }
}
