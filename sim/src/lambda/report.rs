//! What Lambda writes into a function's log about each invocation.
//!
//! Text: the form that is recorded of AWS, tab and newline at the end included. JSON: the platform records of
//! <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html>.

use std::time::Duration;

use serde_json::{Value, json};

use super::{function::Function, outcome::Outcome};
use crate::template::model::LogFormat;

/// The figures of one invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its id.
    pub request_id: String,
    /// From the event to the runtime's next request for one, real time.
    pub duration: Duration,
    /// How long the environment took to start, when this invocation waited for it.
    pub init: Option<Duration>,
    /// The most memory that the environment has used, bytes.
    pub memory: u64,
    /// Why its processor time is not limited to the function's share; none when it is.
    pub unlimited: Option<String>,
}

impl Report {
    /// What is paid for, in whole milliseconds, and at least one. (Recorded of AWS: rounded up, without the start. Since August
    /// 2025 the start of packages is paid for, too, which no recorded answer shows.)
    #[must_use]
    pub fn billed_ms(&self) -> u64 {
        u64::try_from(self.duration.as_micros().div_ceil(1000))
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// MB of 2^20 bytes, rounded up, and never more than the function has.
    #[must_use]
    pub fn memory_mb(&self, function: &Function) -> u64 {
        self.memory
            .div_ceil(1 << 20)
            .clamp(1, u64::from(function.memory_mb))
    }
}

/// The line with which an invocation begins; `now` is RFC 3339.
#[must_use]
pub fn start(format: LogFormat, request_id: &str, now: &str) -> String {
    match format {
        LogFormat::Text => format!("START RequestId: {request_id} Version: $LATEST"),
        LogFormat::Json => record(
            now,
            "platform.start",
            &json!({ "requestId": request_id, "version": "$LATEST" }),
        ),
    }
}

/// The line about an invocation that was cut off; where the log is JSON, the report says it.
#[must_use]
pub fn timed_out(function: &Function, request_id: &str, now: &str) -> Option<String> {
    let seconds = function.timeout.as_secs_f64();
    (function.log_format == LogFormat::Text)
        .then(|| format!("{now} {request_id} Task timed out after {seconds:.2} seconds"))
}

/// The lines with which it ends.
#[must_use]
pub fn end(function: &Function, report: &Report, outcome: &Outcome, now: &str) -> Vec<String> {
    let status = status(outcome);
    match function.log_format {
        LogFormat::Text => {
            let mut lines = vec![format!("END RequestId: {}", report.request_id)];
            let mut line = format!(
                "REPORT RequestId: {}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
                report.request_id,
                ms(report.duration),
                report.billed_ms(),
                function.memory_mb,
                report.memory_mb(function)
            );
            if let Some(init) = report.init {
                line += &format!("Init Duration: {} ms\t", ms(init));
            }
            if status != "success" {
                line += &format!("Status: {status}\t");
            }
            if let Some(error_type) = outcome.error_type.as_deref().filter(|_| status == "error") {
                line += &format!("Error Type: {error_type}\t");
            }
            lines.push(line);
            lines
        }
        LogFormat::Json => {
            let mut metrics = json!({
                "durationMs": number(report.duration),
                "billedDurationMs": report.billed_ms(),
                "memorySizeMB": function.memory_mb,
                "maxMemoryUsedMB": report.memory_mb(function),
            });
            if let Some(init) = report.init {
                metrics["initDurationMs"] = number(init);
            }
            let mut told = json!({ "requestId": report.request_id, "metrics": metrics, "status": status });
            if let Some(error_type) = outcome.error_type.as_deref().filter(|_| status == "error") {
                told["errorType"] = json!(error_type);
            }
            vec![record(now, "platform.report", &told)]
        }
    }
}

/// The line about a start that failed, or took too long.
#[must_use]
pub fn init_failed(
    format: LogFormat,
    took: Duration,
    status: &str,
    error_type: Option<&str>,
    now: &str,
) -> String {
    match format {
        LogFormat::Text => {
            let error_type = error_type
                .map(|name| format!("\tError Type: {name}"))
                .unwrap_or_default();
            format!(
                "INIT_REPORT Init Duration: {} ms\tPhase: init\tStatus: {status}{error_type}",
                ms(took)
            )
        }
        LogFormat::Json => {
            let mut told = json!({
                "initializationType": "on-demand",
                "phase": "init",
                "status": status,
                "metrics": { "durationMs": number(took) },
            });
            if let Some(error_type) = error_type {
                told["errorType"] = json!(error_type);
            }
            record(now, "platform.initReport", &told)
        }
    }
}

/// As the platform's records name it: an error that the runtime reported is a success of the platform in text, and an `error`
/// only where the process or the time ran out. (Assumed from the documented enumeration `success|failure|error|timeout`.)
fn status(outcome: &Outcome) -> &'static str {
    use super::outcome::Failure;
    match outcome.failure {
        None | Some(Failure::Reported | Failure::TooLarge | Failure::Malformed) => "success",
        Some(Failure::Timeout) => "timeout",
        Some(Failure::Exited | Failure::OutOfMemory | Failure::Init | Failure::Entrypoint) => "error",
    }
}

fn record(now: &str, kind: &str, told: &Value) -> String {
    json!({ "time": now, "type": kind, "record": told }).to_string()
}

fn ms(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1e3)
}

fn number(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1e6).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;
    use crate::lambda::runtime::Answer;

    fn function(log_format: LogFormat) -> Function {
        Function {
            name: "crypto-watch-api-dev".to_owned(),
            bootstrap: "/bootstrap".into(),
            handler: "bootstrap".to_owned(),
            timeout: Duration::from_secs(1),
            memory_mb: 128,
            environment: BTreeMap::new(),
            log_format,
            application_log_level: None,
            log_group: None,
        }
    }

    #[test]
    fn lines_are_those_of_aws() {
        let report = Report {
            request_id: "6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e".to_owned(),
            duration: Duration::from_micros(3_012),
            init: Some(Duration::from_micros(110_100)),
            memory: 36 << 20,
            unlimited: None,
        };
        let fine = Outcome::of(Answer::Response(Bytes::new()), &report.request_id);
        let cut = Outcome::timed_out(&report.request_id, Duration::from_secs(1));
        let now = "2026-03-02T00:00:00.000Z";
        let told = |format, outcome| end(&function(format), &report, outcome, now).join("\n");
        insta::assert_snapshot!(start(LogFormat::Text, &report.request_id, now), @"START RequestId: 6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e Version: $LATEST");
        insta::assert_snapshot!(told(LogFormat::Text, &fine), @r"
        END RequestId: 6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e
        REPORT RequestId: 6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e	Duration: 3.01 ms	Billed Duration: 4 ms	Memory Size: 128 MB	Max Memory Used: 36 MB	Init Duration: 110.10 ms
        ");
        insta::assert_snapshot!(told(LogFormat::Text, &cut), @r"
        END RequestId: 6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e
        REPORT RequestId: 6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e	Duration: 3.01 ms	Billed Duration: 4 ms	Memory Size: 128 MB	Max Memory Used: 36 MB	Init Duration: 110.10 ms	Status: timeout
        ");
        insta::assert_snapshot!(
            timed_out(&function(LogFormat::Text), &report.request_id, now).unwrap_or_default(),
            @"2026-03-02T00:00:00.000Z 6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e Task timed out after 1.00 seconds"
        );
        assert_eq!(
            timed_out(&function(LogFormat::Json), &report.request_id, now),
            None
        );
        insta::assert_snapshot!(start(LogFormat::Json, &report.request_id, now), @r#"{"record":{"requestId":"6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e","version":"$LATEST"},"time":"2026-03-02T00:00:00.000Z","type":"platform.start"}"#);
        insta::assert_snapshot!(told(LogFormat::Json, &fine), @r#"{"record":{"metrics":{"billedDurationMs":4,"durationMs":3.012,"initDurationMs":110.1,"maxMemoryUsedMB":36,"memorySizeMB":128},"requestId":"6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e","status":"success"},"time":"2026-03-02T00:00:00.000Z","type":"platform.report"}"#);
        insta::assert_snapshot!(told(LogFormat::Json, &cut), @r#"{"record":{"metrics":{"billedDurationMs":4,"durationMs":3.012,"initDurationMs":110.1,"maxMemoryUsedMB":36,"memorySizeMB":128},"requestId":"6a9e2c6c-8d0f-4a51-9d0c-2f6a5f3f5d1e","status":"timeout"},"time":"2026-03-02T00:00:00.000Z","type":"platform.report"}"#);
        insta::assert_snapshot!(
            init_failed(LogFormat::Text, Duration::from_secs(10), "timeout", None, now),
            @"INIT_REPORT Init Duration: 10000.00 ms	Phase: init	Status: timeout"
        );
    }

    #[test]
    fn what_is_billed_is_rounded_up() {
        let billed = |us| {
            Report {
                request_id: String::new(),
                duration: Duration::from_micros(us),
                init: None,
                memory: 0,
                unlimited: None,
            }
            .billed_ms()
        };
        assert_eq!([billed(0), billed(1), billed(1000), billed(1001)], [1, 1, 1, 2]);
    }
}
