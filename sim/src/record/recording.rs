//! The recording: aggregates events as they come.

use std::{borrow::Cow, collections::BTreeMap, collections::HashMap, sync::Arc, time::Duration};

use scenarios::wire::RequestLine;

use super::{
    AdmissionRecord, Buckets, CallRecord, Chunks, EmfTotals, LeaseLog, PriceLedger, PublicationCheck,
    RequestRecord, StoreLog, Timing, event::Event, links::Links,
};

/// What a recording must know before the first event.
#[derive(Clone, Debug)]
pub struct RecordingSetup {
    /// The run's clock.
    pub timing: Timing,
    /// How long the service as started takes a price for fresh.
    pub cache_ttl: Duration,
    /// The supported symbols.
    pub symbols: Vec<String>,
    /// By load, the key ids (hex SHA-256) of its keys, in the order of its plan.
    pub key_ids: Vec<Vec<String>>,
    /// What was published when.
    pub publication: Arc<dyn PublicationCheck>,
}

/// What became of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadEnd {
    /// Requests sent.
    pub sent: u64,
    /// Arrivals dropped for want of a free slot.
    pub dropped: u64,
    /// CPU time of its generator, µs.
    pub cpu_us: u64,
}

/// One end of an update process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateEnd {
    /// When, real µs.
    pub at_us: u64,
    /// Whether it exited with 0.
    pub ok: bool,
}

/// A log line at warning level or above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was read, real µs.
    pub at_us: u64,
    /// The process.
    pub process: String,
    /// Its level.
    pub level: String,
    /// Its message.
    pub message: String,
}

/// A process's memory and CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Peak resident set size, bytes.
    pub peak_rss: u64,
    /// CPU time, µs.
    pub cpu_us: u64,
}

/// How much memory a recording takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingBytes {
    /// Request and admission records: what grows with every request.
    pub by_request: usize,
    /// Everything else: totals by bucket, the price ledger, calls, leases.
    pub other: usize,
    /// Requests recorded.
    pub requests: usize,
}

impl RecordingBytes {
    /// Bytes that each request costs.
    #[must_use]
    pub fn per_request(&self) -> f64 {
        self.by_request as f64 / self.requests.max(1) as f64
    }

    /// Bytes in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.by_request + self.other
    }
}

/// No more log lines than this are kept.
const LOGS_KEPT: usize = 200;

/// Everything that happened in a run, aggregated.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The run's clock.
    pub timing: Timing,
    /// The buckets of totals and series.
    pub buckets: Buckets,
    /// Key ids; records name them by index.
    pub keys: Vec<String>,
    /// Client requests, in order of arrival at the recorder.
    pub requests: Chunks<RequestRecord>,
    /// Counter updates of the rate limiter, in order of arrival at the recorder.
    pub admissions: Chunks<AdmissionRecord>,
    /// Prices stored and served.
    pub prices: PriceLedger,
    /// Calls to CoinGecko.
    pub calls: Vec<CallRecord>,
    /// Who held the lease when.
    pub leases: LeaseLog,
    /// Requests to the store.
    pub store: StoreLog,
    /// What the service says.
    pub emf: EmfTotals,
    /// Events that each fault touched.
    pub touched: BTreeMap<u16, u64>,
    /// When the schedule fired, real µs.
    pub firings: Vec<u64>,
    /// Update processes that ended.
    pub updates: Vec<UpdateEnd>,
    /// Loads that ended.
    pub loads: BTreeMap<u16, LoadEnd>,
    /// The first log lines at warning level or above.
    pub logs: Vec<LogRecord>,
    /// How many such lines there were, by level.
    pub log_counts: BTreeMap<String, u64>,
    /// Memory and CPU of the service's processes.
    pub usage: BTreeMap<String, ProcessUsage>,
    links: Links,
    load_keys: Vec<Vec<u32>>,
    key_index: HashMap<String, u32>,
}

impl Recording {
    /// An empty recording.
    #[must_use]
    pub fn new(setup: RecordingSetup) -> Self {
        let mut recording = Self {
            timing: setup.timing,
            buckets: Buckets::of(setup.timing.duration),
            keys: Vec::new(),
            requests: Chunks::default(),
            admissions: Chunks::default(),
            prices: PriceLedger::new(setup.timing, setup.cache_ttl, &setup.symbols, setup.publication),
            calls: Vec::new(),
            leases: LeaseLog::default(),
            store: StoreLog::default(),
            emf: EmfTotals::default(),
            touched: BTreeMap::new(),
            firings: Vec::new(),
            updates: Vec::new(),
            loads: BTreeMap::new(),
            logs: Vec::new(),
            log_counts: BTreeMap::new(),
            usage: BTreeMap::new(),
            links: Links::default(),
            load_keys: Vec::new(),
            key_index: HashMap::new(),
        };
        for ids in setup.key_ids {
            let keys = ids.into_iter().map(|id| recording.key(id)).collect();
            recording.load_keys.push(keys);
        }
        recording
    }

    fn key(&mut self, id: String) -> u32 {
        if let Some(index) = self.key_index.get(&id) {
            return *index;
        }
        let index = self.keys.len() as u32;
        self.keys.push(id.clone());
        self.key_index.insert(id, index);
        index
    }

    /// Takes in one event.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Request { load, line } => self.request(load, &line),
            Event::LoadEnded {
                load,
                sent,
                dropped,
                cpu_us,
            } => {
                self.loads.insert(
                    load,
                    LoadEnd {
                        sent,
                        dropped,
                        cpu_us,
                    },
                );
            }
            Event::Upstream(call) => {
                self.touched_by(&call.faults);
                self.calls.push(CallRecord::from(&call));
            }
            Event::Store(call) => {
                let bucket = self.buckets.index(self.timing.wall_s(call.at_us));
                self.store.record(bucket, &call);
            }
            Event::Admission {
                at_us,
                key_id,
                window,
                admitted,
                count,
            } => {
                let key = self.key(key_id);
                if admitted {
                    self.links.admitted(key, at_us);
                }
                let window = i32::try_from(window).unwrap_or(i32::MAX);
                self.admissions.push(AdmissionRecord {
                    at_us,
                    key,
                    window,
                    count,
                    admitted,
                });
            }
            Event::Lease(lease) => self.leases.record(&lease),
            Event::PriceRead {
                at_us,
                symbols,
                found,
            } => {
                self.links.read(self.prices.read(at_us, &symbols, found));
            }
            Event::PriceWrite {
                at_us,
                symbol,
                price,
                updated_ms,
                fetched_ms,
                ttl_s,
            } => {
                self.prices
                    .write(at_us, &symbol, &price, updated_ms, fetched_ms, ttl_s);
            }
            Event::ScheduleFired { at_us, faults, .. } => {
                self.touched_by(&faults);
                self.firings.push(at_us);
            }
            Event::ScheduleSkipped { faults, .. } => self.touched_by(&faults),
            Event::UpdateEnded { at_us, ok, .. } => self.updates.push(UpdateEnd { at_us, ok }),
            Event::Emf {
                at_us,
                service,
                values,
            } => self.emf.record(at_us, &service, &values),
            Event::Log {
                at_us,
                process,
                level,
                message,
            } => {
                *self.log_counts.entry(level.clone()).or_default() += 1;
                if self.logs.len() < LOGS_KEPT {
                    self.logs.push(LogRecord {
                        at_us,
                        process,
                        level,
                        message,
                    });
                }
            }
            Event::Memory {
                process,
                peak_rss,
                cpu_us,
            } => {
                let usage = self.usage.entry(process).or_default();
                usage.peak_rss = usage.peak_rss.max(peak_rss);
                usage.cpu_us = usage.cpu_us.max(cpu_us);
            }
        }
    }

    fn touched_by(&mut self, faults: &[u16]) {
        for fault in faults {
            *self.touched.entry(*fault).or_default() += 1;
        }
    }

    fn request(&mut self, load: u16, line: &RequestLine) {
        self.touched_by(&line.faults);
        let mut line = Cow::Borrowed(line);
        if line.slow_us > 0 {
            // How long a user reads is not the service's doing.
            line.to_mut().answered_us = line.arrived_us();
        }
        let line = &*line;
        let keys = self.load_keys.get(usize::from(load));
        let key = line.key.and_then(|index| keys?.get(index as usize).copied());
        let mut record = RequestRecord::of(load, line, key);
        if record.is_priced_answer() {
            self.prices
                .complete(line, &mut record, &mut self.links, &self.leases);
        }
        self.requests.push(record);
    }

    /// What the recording takes in memory.
    #[must_use]
    pub fn bytes(&self) -> RecordingBytes {
        RecordingBytes {
            by_request: self.requests.bytes() + self.admissions.bytes(),
            other: self.prices.bytes()
                + self.store.bytes()
                + size_of_val(self.calls.as_slice())
                + size_of_val(self.leases.tenures())
                + size_of_val(self.emf.waits())
                + size_of_val(self.updates.as_slice())
                + size_of_val(self.firings.as_slice()),
            requests: self.requests.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::answers::tests::Hundred;

    fn recording() -> Recording {
        Recording::new(RecordingSetup {
            timing: Timing {
                start_ms: 0,
                speed: 1.0,
                duration: Duration::from_secs(60),
            },
            cache_ttl: Duration::from_secs(30),
            symbols: vec!["BTC".to_owned()],
            key_ids: vec![vec!["aa".to_owned(), "bb".to_owned()], vec!["cc".to_owned()]],
            publication: Arc::new(Hundred),
        })
    }

    #[test]
    fn a_request_with_its_admission_costs_less_than_100_bytes() {
        let mut recording = recording();
        for n in 0..2000u64 {
            let line = RequestLine {
                key: Some(1),
                sent_us: n,
                answered_us: n + 5,
                ..RequestLine::default()
            };
            recording.take(Event::Request { load: 0, line });
            recording.take(Event::Admission {
                at_us: n,
                key_id: "bb".to_owned(),
                window: 0,
                admitted: true,
                count: n as u32,
            });
        }
        let bytes = recording.bytes();
        assert_eq!(bytes.requests, 2000);
        assert!(bytes.per_request() < 100.0, "{} bytes", bytes.per_request());
        assert!(size_of::<RequestRecord>() + size_of::<AdmissionRecord>() < 100);
    }

    #[test]
    fn keys_of_loads_and_counters_are_one_list() {
        let mut recording = recording();
        let line = RequestLine {
            key: Some(0),
            ..RequestLine::default()
        };
        recording.take(Event::Request { load: 1, line });
        let admission = |key_id: &str| Event::Admission {
            at_us: 0,
            key_id: key_id.to_owned(),
            window: 29_540_160,
            admitted: false,
            count: 0,
        };
        recording.take(admission("cc"));
        recording.take(admission("unknown"));
        let keys: Vec<u32> = recording
            .admissions
            .iter()
            .map(|admission| admission.key)
            .collect();
        assert_eq!(
            recording.requests.iter().next().map(|request| request.key),
            Some(2)
        );
        assert_eq!(keys, [2, 3]);
        assert_eq!(recording.keys, ["aa", "bb", "cc", "unknown"]);
    }
}
