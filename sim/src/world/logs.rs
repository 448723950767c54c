//! What the service's processes write to their standard output: JSON logs and EMF documents, one a line.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{
    clock::RunClock,
    cloudwatch::emf::{Document, Values},
    record::event::Event,
    world::{attempts::Attempt, children::Keep},
};

/// Log messages are kept short in the recording, in characters.
pub(crate) const MESSAGE_CHARS: usize = 200;

/// Where a line comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// `api` or `update`.
    pub service: &'static str,
    /// The process, such as `api-0`.
    pub process: String,
}

/// What a line is.
#[derive(Debug)]
pub enum Line {
    /// An EMF document.
    Emf(Event),
    /// One that CloudWatch would drop.
    BrokenEmf(Event),
    /// A log line at warning level or above.
    Warning(Event),
    /// An attempt to call CoinGecko has ended.
    Attempt(Attempt),
    /// The process listens on this address.
    Listening(String),
    /// A log line of no interest to the recording, or no JSON at all.
    Other,
}

impl Line {
    /// Whether the line may explain the death of its process.
    #[must_use]
    pub fn keep(&self) -> Keep {
        match self {
            Self::Emf(_) | Self::Attempt(_) => Keep::Nothing,
            Self::BrokenEmf(_) | Self::Warning(_) | Self::Listening(_) | Self::Other => Keep::Line,
        }
    }
}

/// Reads one line of standard output.
#[must_use]
pub fn read(line: &str, origin: &Origin, clock: &RunClock) -> Line {
    read_with(line, origin, clock, |_| {})
}

/// Reads one line of standard output; `hear` gets it when it is a document of metrics that CloudWatch would keep.
pub fn read_with(line: &str, origin: &Origin, clock: &RunClock, hear: impl FnOnce(&Document<'_>)) -> Line {
    match Document::parse(line, clock.now_ms()) {
        Some(Ok(document)) => {
            hear(&document);
            return Line::Emf(Event::Emf {
                at_us: clock.now_us(),
                service: origin.service,
                values: numbers(&document)
                    .map(|(name, value)| (Arc::from(name), value))
                    .collect(),
            });
        }
        Some(Err(error)) => {
            return Line::BrokenEmf(Event::EmfBroken {
                at_us: clock.now_us(),
                problem: format!("{} of {}: {}", error, origin.process, short(line)),
            });
        }
        None => {}
    }
    let Ok(document) = serde_json::from_str::<Map<String, Value>>(line) else {
        return Line::Other;
    };
    let text = |field: &str| document.get(field).and_then(Value::as_str);
    if text("event") == Some("listening")
        && let Some(address) = text("addr")
    {
        return Line::Listening(address.to_owned());
    }
    if text("event") == Some("upstream")
        && let Some(attempt) = attempt(&document)
    {
        return Line::Attempt(attempt);
    }
    match text("level") {
        Some(level @ ("WARN" | "ERROR")) => Line::Warning(Event::Log {
            at_us: clock.now_us(),
            process: origin.process.clone(),
            level: level.to_owned(),
            message: short(text("message").unwrap_or_default()),
        }),
        _ => Line::Other,
    }
}

fn short(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS).collect()
}

/// The service's line of an attempt (DESIGN §4.3, *Observability*).
fn attempt(document: &Map<String, Value>) -> Option<Attempt> {
    let latency_ms = document.get("latencyMs")?.as_f64()?;
    Some(Attempt {
        at_ms: document.get("at")?.as_i64()?,
        latency: Duration::try_from_secs_f64(latency_ms / 1e3).ok()?,
        path: document.get("path")?.as_str()?.to_owned(),
        answered: document.get("status").is_some(),
    })
}

/// The metrics of a document with their values; what it does not declare is a property, no metric.
pub(crate) fn numbers<'d>(document: &'d Document<'_>) -> impl Iterator<Item = (&'d str, f64)> {
    let metrics = document
        .directives
        .iter()
        .flat_map(|directive| &directive.metrics);
    metrics.filter_map(|metric| match metric.values {
        Values::One(value) => Some((&*metric.name, value)),
        // The service writes none of these.
        Values::Many(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_api(line: &str) -> Line {
        let clock = RunClock::starting_in(Duration::from_secs(60), 0, 1.0);
        read(
            line,
            &Origin {
                service: "api",
                process: "api-0".to_owned(),
            },
            &clock,
        )
    }

    #[test]
    fn only_declared_metrics_of_an_emf_document_are_values() {
        let line = read_api(
            r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"CryptoWatch","Dimensions":[["Service"]],
            "Metrics":[{"Name":"Requests","Unit":"Count"},{"Name":"LatencyMs"}]}]},"Service":"api","route":"/health","Requests":1,"LatencyMs":0.25,"bytes":7}"#,
        );
        let Line::Emf(Event::Emf { service, values, .. }) = line else {
            panic!("{line:?} is an EMF document")
        };
        assert_eq!(service, "api");
        assert_eq!(values, [("Requests".into(), 1.0), ("LatencyMs".into(), 0.25)]);
    }

    #[test]
    fn a_document_that_cloudwatch_would_drop_is_no_metric() {
        let line = read_api(
            r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"CryptoWatch","Dimensions":[["Service"]],"Metrics":[{"Name":"Requests","Unit":"Counts"}]}]},"Service":"api","Requests":1}"#,
        );
        let Line::BrokenEmf(Event::EmfBroken { problem, .. }) = line else {
            panic!("{line:?} has a unit that there is not")
        };
        assert!(
            problem.contains("Counts") && problem.contains("api-0"),
            "{problem}"
        );
    }

    #[test]
    fn an_attempt_is_read_with_its_instant_and_whether_it_was_answered() {
        let line = |rest: &str| {
            let line = read_api(&format!(
                r#"{{"level":"INFO","event":"upstream","at":1772323200000,"path":"/api/v3/ping",{rest},"attempt":1}}"#
            ));
            let Line::Attempt(attempt) = line else {
                panic!("{line:?} is an attempt")
            };
            (attempt.at_ms, attempt.latency, attempt.answered)
        };
        let ms = Duration::from_millis;
        assert_eq!(
            line(r#""status":429,"latencyMs":12"#),
            (1_772_323_200_000, ms(12), true)
        );
        assert_eq!(
            line(r#""error":"transport","latencyMs":0.5"#).1,
            Duration::from_micros(500)
        );
        assert!(!line(r#""error":"timeout","latencyMs":5000"#).2);
    }

    #[test]
    fn log_lines_are_told_apart() {
        let listening =
            r#"{"level":"INFO","message":"listening","event":"listening","addr":"127.0.0.1:4321"}"#;
        assert!(matches!(read_api(listening), Line::Listening(address) if address == "127.0.0.1:4321"));
        let warning = r#"{"level":"WARN","message":"store slow"}"#;
        assert!(matches!(
            read_api(warning),
            Line::Warning(Event::Log { process, level, message, .. })
                if process == "api-0" && level == "WARN" && message == "store slow"
        ));
        assert!(matches!(
            read_api(r#"{"level":"INFO","message":"request"}"#),
            Line::Other
        ));
        assert!(matches!(read_api("thread 'main' panicked"), Line::Other));
    }
}
