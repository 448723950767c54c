//! `run.json`: wall time, machine, memory; all that differs from run to run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Provenance, StoreFacts, StoreMeasured};
use crate::record::Recording;

/// What only the player of a run can measure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunMeasured {
    /// Real seconds from the first process started to the last one gone.
    pub wall_seconds: f64,
    /// Real ms from the start of the stack to its first answer.
    pub stack_ready_ms: Option<f64>,
    /// The store, and what it took.
    pub store: Option<StoreMeasured>,
    /// Wall seconds per real second; none in virtual time, which has no speed.
    pub compress: Option<f64>,
    /// Cores of the machine.
    pub cores: usize,
}

/// What `run.json` holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunFacts {
    /// Real seconds from the first process started to the last one gone.
    pub wall_seconds: f64,
    /// Real ms from the start of the stack to its first answer.
    pub stack_ready_ms: Option<f64>,
    /// Wall seconds per real second; none in virtual time, which has no speed.
    pub compress: Option<f64>,
    /// The machine.
    pub machine: Machine,
    /// The commit of the checkout, when there is one.
    pub commit: Option<String>,
    /// The build id of the service that was played.
    pub build_id: String,
    /// The packages that were played, by their files, with the SHA-256 of each in hex; none when it was processes.
    pub packages: BTreeMap<String, String>,
    /// Peak resident set of the largest API process, bytes.
    pub api_peak_rss_bytes: Option<u64>,
    /// CPU time of the API processes per client request, µs.
    pub service_cpu_us_per_request: Option<f64>,
    /// CPU time of the load generators per client request, µs.
    pub generator_cpu_us_per_request: Option<f64>,
    /// What the store front added to a request, µs on average.
    pub store_front_mean_us: Option<f64>,
    /// The store.
    pub store: Option<StoreFacts>,
    /// The recording's memory.
    pub recording: RecordingFacts,
    /// The service's processes.
    pub processes: BTreeMap<String, ProcessFacts>,
}

/// The machine of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Cores that the run could use.
    pub cores: usize,
    /// Operating system.
    pub os: &'static str,
    /// Processor architecture.
    pub arch: &'static str,
}

/// What the recording took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RecordingFacts {
    /// Client requests recorded.
    pub requests: u64,
    /// Bytes in all; they do not grow with the number of requests.
    pub bytes: usize,
    /// Of these, the most that requests took while they waited to be settled.
    pub unsettled_bytes: usize,
    /// Bytes in all ÷ requests: the more requests, the fewer.
    pub bytes_per_request: f64,
}

/// Memory and CPU of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessFacts {
    /// Peak resident set, bytes.
    pub peak_rss_bytes: u64,
    /// CPU time, µs.
    pub cpu_us: u64,
}

impl RunFacts {
    /// The facts of a run.
    #[must_use]
    pub fn new(recording: &Recording, measured: &RunMeasured, provenance: &Provenance) -> Self {
        let bytes = recording.bytes();
        let api = || {
            recording
                .usage
                .iter()
                .filter(|(process, _)| process.starts_with("api"))
        };
        let per_request =
            |cpu_us: u64| (bytes.requests > 0 && cpu_us > 0).then(|| cpu_us as f64 / bytes.requests as f64);
        let processes = recording.usage.iter().map(|(process, usage)| {
            (
                process.clone(),
                ProcessFacts {
                    peak_rss_bytes: usage.peak_rss,
                    cpu_us: usage.cpu_us,
                },
            )
        });
        Self {
            wall_seconds: measured.wall_seconds,
            stack_ready_ms: measured.stack_ready_ms,
            compress: measured.compress,
            machine: Machine {
                cores: measured.cores,
                os: std::env::consts::OS,
                arch: std::env::consts::ARCH,
            },
            commit: provenance.commit.clone(),
            build_id: provenance.build_id.clone(),
            packages: provenance.packages.clone(),
            api_peak_rss_bytes: api().map(|(_, usage)| usage.peak_rss).max(),
            service_cpu_us_per_request: per_request(api().map(|(_, usage)| usage.cpu_us).sum()),
            generator_cpu_us_per_request: per_request(recording.loads.values().map(|end| end.cpu_us).sum()),
            store_front_mean_us: recording.store.front_mean_us(),
            store: measured
                .store
                .as_ref()
                .map(|store| StoreFacts::of(store, recording)),
            recording: RecordingFacts {
                requests: bytes.requests,
                bytes: bytes.total(),
                unsettled_bytes: bytes.unsettled,
                bytes_per_request: bytes.per_request(),
            },
            processes: processes.collect(),
        }
    }
}
