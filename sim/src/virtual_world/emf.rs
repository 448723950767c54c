//! The metrics sink of the service in virtual time: reads each document as whoever tails the log would.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use memchr::{memchr, memchr2};
use service::metrics::Emf;

use crate::{
    clock::RunClock,
    cloudwatch::emf::Document,
    deployed::monitor::Monitor,
    record::{Recorder, event::Event},
    world::logs::numbers,
};

/// Hands the metrics of each document to the recorder.
pub(super) struct RecordedEmf {
    service: &'static str,
    clock: RunClock,
    recorder: Recorder,
    /// CloudWatch, where something is deployed: it reads each document, and keeps what keeps all rules.
    monitor: Option<Monitor>,
    names: Mutex<Names>,
}

/// Every name that a document has had, so that each is made once. There are some twenty.
#[derive(Debug, Default)]
struct Names {
    known: Vec<Arc<str>>,
    /// Documents name their metrics in the same order, so the next one is likely to stand here or soon after.
    next: usize,
}

/// Metrics of most documents, at most.
const MOST_METRICS: usize = 16;

impl RecordedEmf {
    /// The sink of a process; `service` is `api` or `update`.
    pub(super) fn new(
        service: &'static str,
        clock: RunClock,
        recorder: Recorder,
        monitor: Option<Monitor>,
    ) -> Self {
        Self {
            service,
            clock,
            recorder,
            monitor,
            names: Mutex::default(),
        }
    }
}

impl Emf for RecordedEmf {
    fn line(&self, json: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = Vec::with_capacity(MOST_METRICS);
        let mut take = |(name, value): (&str, f64)| values.push((names.shared(name), value));
        match &self.monitor {
            None => metrics(json).for_each(take),
            Some(monitor) => match Document::parse(json, self.clock.now_ms()) {
                Some(Ok(document)) => {
                    monitor.put(|cloudwatch, _| cloudwatch.metrics().put_document(&document));
                    numbers(&document).for_each(&mut take);
                }
                Some(Err(error)) => {
                    self.recorder.record(Event::EmfBroken {
                        at_us: self.clock.now_us(),
                        problem: format!("{error}: {json}"),
                    });
                    return;
                }
                None => return,
            },
        }
        self.recorder.record(Event::Emf {
            at_us: self.clock.now_us(),
            service: self.service,
            values,
        });
    }
}

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        let (before, after) = self.known.split_at(self.next);
        let is_it = |known: &Arc<str>| **known == *name;
        let found = after.iter().position(is_it).map(|at| self.next + at);
        let place = found
            .or_else(|| before.iter().position(is_it))
            .unwrap_or_else(|| {
                self.known.push(name.into());
                self.known.len() - 1
            });
        self.next = place + 1;
        Arc::clone(&self.known[place])
    }
}

impl fmt::Debug for RecordedEmf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedEmf")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// The metrics that a document declares, with their values.
///
/// A virtual day has a document for each of its requests, so this reads what an EMF document of one directive has in one
/// pass instead of building a JSON tree: behind the directive each root member is a text (a dimension or a property) or
/// a number, and numbers are metrics. A test compares it with the reader of real runs on documents of every kind.
fn metrics(json: &str) -> impl Iterator<Item = (&str, f64)> {
    let mut rest = behind_directive(json).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            let member = rest.strip_prefix(",\"")?;
            let (name, value) = member.split_at(memchr(b'"', member.as_bytes())?);
            let value = value.strip_prefix("\":")?;
            if let Some(text) = value.strip_prefix('"') {
                rest = behind_text(text)?;
                continue;
            }
            let length = memchr2(b',', b'}', value.as_bytes())?;
            rest = &value[length..];
            if let Ok(number) = value[..length].parse() {
                return Some((name, number));
            }
        }
    })
}

/// What follows the directive: its end is the only place before the root's members where these brackets meet.
fn behind_directive(json: &str) -> Option<&str> {
    let mut rest = json;
    loop {
        rest = &rest[memchr(b']', rest.as_bytes())?..];
        match rest.strip_prefix("]}]}") {
            Some(behind) => return Some(behind),
            None => rest = &rest[1..],
        }
    }
}

/// What follows a JSON text of which the first quote has been read.
fn behind_text(text: &str) -> Option<&str> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    text.get(end + 1..)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use service::{
        clock::Timestamp,
        config::Environment,
        metrics::{RequestFacts, RequestMetrics, UpdateMetrics},
        models::RetryTokens,
        prices::{Tier, UpstreamTally},
        refresh::health::Health,
        store::Capacity,
    };

    use super::*;
    use crate::world::logs::{self, Line, Origin};

    fn documents() -> Vec<String> {
        let facts = RequestFacts {
            at: Timestamp(1_772_409_600_000),
            environment: Environment::Prod,
            request_id: "LatencyMs\":7,\"Requests",
            route: "/prices",
            status: 200,
            latency_ms: 1.25,
            sent_bytes: 317,
        };
        let full = RequestMetrics {
            rate_limited: true,
            worst_tier: Some(Tier::StoredMiss),
            collapsed: true,
            refresh_wait_ms: 189.4,
            upstream: UpstreamTally {
                calls: 2,
                retries: 1,
                rate_limited: 1,
            },
            health: Some(Health {
                is_healthy: false,
                backs_off: Duration::from_secs(15),
                tokens: RetryTokens(31),
            }),
            oldest_price_age_s: Some(0.0),
            identity_bytes: 1024,
            encoded: true,
            consumed: Capacity {
                read: 1.5,
                write: 1.0,
            },
        };
        let update = UpdateMetrics {
            succeeded: true,
            written: 50,
            oldest_price_age_s: Some(12.0),
            ..UpdateMetrics::default()
        };
        vec![
            RequestMetrics::default().document(&facts),
            full.document(&facts),
            update.document(Timestamp(1_772_409_600_000), Environment::Dev, "update-3"),
        ]
    }

    #[test]
    fn the_scan_reads_what_the_reader_of_real_runs_reads() {
        let clock = RunClock::starting_in(Duration::ZERO, 1_772_409_600_000, 1.0);
        let origin = Origin {
            service: "api",
            process: "api-0".to_owned(),
        };
        for document in documents() {
            let Line::Emf(Event::Emf { values, .. }) = logs::read(&document, &origin, &clock) else {
                panic!("{document} is an EMF document")
            };
            let scanned: Vec<(Arc<str>, f64)> = metrics(&document)
                .map(|(name, value)| (name.into(), value))
                .collect();
            assert_eq!(scanned, values, "{document}");
            assert!(scanned.len() >= 3);
        }
    }

    #[test]
    fn what_is_no_document_has_no_metrics() {
        assert_eq!(metrics("{\"level\":\"INFO\"}").count(), 0);
        assert_eq!(metrics("").count(), 0);
    }
}
