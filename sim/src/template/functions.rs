//! Functions and the schedules that invoke them.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    deploy::Resolved,
    fields::Field,
    model::{AsyncInvoke, Function, LogFormat, Schedule},
    schedule::Expression,
};

/// What AWS takes where the template says nothing (b).
const TIMEOUT: u32 = 3;
const MEMORY_MB: u32 = 128;
const ASYNC_RETRIES: u32 = 2;
const ASYNC_MAX_AGE: u32 = 6 * 3600;
const RULE_RETRIES: u32 = 185;
const RULE_MAX_AGE: u32 = 24 * 3600;

/// What Lambda sets itself, and lets nobody set (b:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
const RESERVED: [&str; 17] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// A function, if nothing in it is wrong that keeps one from being made of it.
pub(super) fn function(field: &Field<'_>, id: &str, all: &Resolved<'_>) -> Option<Function> {
    if let Some(kind) = field.get("PackageType") {
        kind.word(&[("Zip", ())]);
    }
    // SAM wants one (a), though an OS-only runtime runs bootstrap whatever it says (b).
    field.need("Handler");
    if let Some(runtime) = field.need("Runtime") {
        // Others run more than the package's bootstrap, or on another glibc.
        runtime.word(&[("provided.al2023", ())]);
    }
    let architecture = architecture(field);
    let code = field.need("CodeUri").and_then(|code| package(&code));
    let timeout = seconds(field, "Timeout", 1..=900, TIMEOUT);
    let memory_mb = whole(field, "MemorySize", 128..=10_240, MEMORY_MB);
    let environment = variables(field);
    let reserved_concurrency = match field.get("ReservedConcurrentExecutions") {
        Some(reserved) => Some(reserved.whole(0..=u32::MAX)?),
        None => None,
    };
    let (retries, max_age) = match field.get("EventInvokeConfig") {
        None => (
            Some(ASYNC_RETRIES),
            Some(Duration::from_secs(u64::from(ASYNC_MAX_AGE))),
        ),
        Some(config) => {
            config.only(&["MaximumRetryAttempts", "MaximumEventAgeInSeconds"]);
            (
                whole(&config, "MaximumRetryAttempts", 0..=2, ASYNC_RETRIES),
                seconds(&config, "MaximumEventAgeInSeconds", 60..=21_600, ASYNC_MAX_AGE),
            )
        }
    };
    let (log_format, application_log_level, log_group) = logging(field)?;
    Some(Function {
        name: all.name(id)?,
        code: code?,
        architecture: architecture?,
        timeout: timeout?,
        memory_mb: memory_mb?,
        environment,
        reserved_concurrency,
        asynchronous: AsyncInvoke {
            retries: retries?,
            max_age: max_age?,
        },
        log_format,
        application_log_level,
        log_group,
    })
}

fn whole(field: &Field<'_>, key: &str, range: std::ops::RangeInclusive<u32>, default: u32) -> Option<u32> {
    field.get(key).map_or(Some(default), |member| member.whole(range))
}

fn seconds(
    field: &Field<'_>,
    key: &str,
    range: std::ops::RangeInclusive<u32>,
    default: u32,
) -> Option<Duration> {
    whole(field, key, range, default).map(|seconds| Duration::from_secs(u64::from(seconds)))
}

fn architecture(field: &Field<'_>) -> Option<String> {
    const X86_64: &str = "x86_64";
    let Some(list) = field.get("Architectures") else {
        return Some(X86_64.to_owned());
    };
    let items = list.items();
    let [only] = &items[..] else {
        list.error("wants one architecture");
        return None;
    };
    only.word(&[(X86_64, X86_64), ("arm64", "arm64")])
        .map(str::to_owned)
}

fn package(code: &Field<'_>) -> Option<PathBuf> {
    let path = code.text()?;
    if path.contains("://") {
        code.not_emulated("the package has to be a file beside the template, such as dist/api/bootstrap.zip");
        return None;
    }
    Some(PathBuf::from(path))
}

fn variables(field: &Field<'_>) -> BTreeMap<String, String> {
    let Some(environment) = field.get("Environment") else {
        return BTreeMap::new();
    };
    environment.only(&["Variables"]);
    let members = environment.get("Variables").map(|variables| variables.members());
    let members = members.unwrap_or_default().into_iter();
    members
        .filter_map(|(name, value)| {
            if RESERVED.contains(&name) {
                value.error("is Lambda's own to set; take it out");
            }
            Some((name.to_owned(), value.text()?))
        })
        .collect()
}

/// The form of the lines, the level below which Lambda drops them, and where they go.
fn logging(field: &Field<'_>) -> Option<(LogFormat, Option<String>, Option<String>)> {
    const LEVELS: [(&str, &str); 6] = [
        ("TRACE", "TRACE"),
        ("DEBUG", "DEBUG"),
        ("INFO", "INFO"),
        ("WARN", "WARN"),
        ("ERROR", "ERROR"),
        ("FATAL", "FATAL"),
    ];
    let Some(config) = field.get("LoggingConfig") else {
        return Some((LogFormat::Text, None, None));
    };
    config.only(&["LogFormat", "LogGroup", "ApplicationLogLevel", "SystemLogLevel"]);
    let format = match config.get("LogFormat") {
        None => LogFormat::Text,
        Some(format) => format.word(&[("Text", LogFormat::Text), ("JSON", LogFormat::Json)])?,
    };
    if let Some(level) = config.get("SystemLogLevel") {
        // Below it, records of Lambda's own would be missing.
        level.word(&[("INFO", ())]);
    }
    let level = match config.get("ApplicationLogLevel") {
        // What Lambda takes for JSON where nothing is said (b).
        None => (format == LogFormat::Json).then(|| "INFO".to_owned()),
        Some(level) if format == LogFormat::Text => {
            level.error("AWS takes it only with LogFormat: JSON; add that");
            None
        }
        Some(level) => Some(level.word(&LEVELS)?.to_owned()),
    };
    let group = match config.get("LogGroup") {
        None => None,
        Some(group) => Some(group.text()?),
    };
    Some((format, level, group))
}

/// The schedules among a function's events.
pub(super) fn schedules(field: &Field<'_>, function: &str, all: &Resolved<'_>) -> Vec<Schedule> {
    let events = field.get("Events").map(|events| events.members());
    let events = events.unwrap_or_default().into_iter();
    events
        .filter_map(|(event, source)| {
            source.only(&["Type", "Properties"]);
            match source.need("Type")?.text()?.as_str() {
                "Schedule" => schedule(&source.need("Properties")?, function, event, all),
                "Api" => {
                    source.not_emulated("write it in the API's DefinitionBody");
                    None
                }
                other => {
                    source.not_emulated(&format!("of events, Schedule is, and {other} is not"));
                    None
                }
            }
        })
        .collect()
}

fn schedule(field: &Field<'_>, function: &str, event: &str, all: &Resolved<'_>) -> Option<Schedule> {
    field.only(&[
        "Schedule",
        "Name",
        "Description",
        "Enabled",
        "State",
        "RetryPolicy",
    ]);
    let expression = field.need("Schedule");
    let text = expression.as_ref().and_then(Field::text);
    if let (Some(expression), Some(text)) = (&expression, &text)
        && let Err(error) = Expression::parse(text)
    {
        expression.error(error.to_string());
    }
    let enabled = match (field.get("Enabled"), field.get("State")) {
        (Some(_), Some(state)) => {
            state.error("SAM takes either Enabled or State; take one of them out");
            None
        }
        (Some(enabled), None) => enabled.flag(),
        (None, Some(state)) => state.word(&[("ENABLED", true), ("DISABLED", false)]),
        (None, None) => Some(true),
    };
    let (retries, max_age) = match field.get("RetryPolicy") {
        None => (
            Some(RULE_RETRIES),
            Some(Duration::from_secs(u64::from(RULE_MAX_AGE))),
        ),
        Some(policy) => {
            policy.only(&["MaximumRetryAttempts", "MaximumEventAgeInSeconds"]);
            (
                whole(&policy, "MaximumRetryAttempts", 0..=185, RULE_RETRIES),
                seconds(&policy, "MaximumEventAgeInSeconds", 60..=86_400, RULE_MAX_AGE),
            )
        }
    };
    let name = match field.get("Name") {
        Some(name) => name.text()?,
        // AWS puts a random end behind it (b), which nothing here depends on.
        None => format!("{}-{function}{event}", all.resolver.stack),
    };
    Some(Schedule {
        name,
        function: function.to_owned(),
        expression: text?,
        enabled: enabled?,
        retries: retries?,
        max_age: max_age?,
    })
}
