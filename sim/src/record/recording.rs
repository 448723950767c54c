//! The recording: everything that happened in a run, aggregated.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{
    AlarmLog, Buckets, CallRecord, EmfTotals, LambdaLog, LeaseLog, PriceLedger, RecordingSetup,
    RequestSeries, StoreLog, Tallies, Timing,
};
use crate::audit::Findings;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Peak resident set size, bytes.
    pub peak_rss: u64,
    /// CPU time, µs.
    pub cpu_us: u64,
    /// When the peak of its present life was seen to be another, real µs, and what it was then.
    pub peaks: Vec<(u64, u64)>,
}

impl ProcessUsage {
    pub(super) fn sample(&mut self, at_us: u64, peak_rss: u64, cpu_us: u64) {
        self.peak_rss = self.peak_rss.max(peak_rss);
        self.cpu_us = self.cpu_us.max(cpu_us);
        if self.peaks.last().is_none_or(|(_, last)| *last != peak_rss) {
            self.peaks.push((at_us, peak_rss));
        }
    }

    /// The peak as the window began (that of the first sample, when there was none before), and the highest within it;
    /// none without a sample until the window's end.
    #[must_use]
    pub fn peak_within(&self, real: &Range<u64>) -> Option<(u64, u64)> {
        let before = self.peaks.partition_point(|(at_us, _)| *at_us <= real.start);
        let known = before.saturating_sub(1);
        let within = self
            .peaks
            .get(known..)?
            .iter()
            .take_while(|(at_us, _)| *at_us < real.end);
        let begun = within.clone().next()?.1;
        Some((begun, within.map(|(_, peak)| *peak).max()?))
    }
}

/// How much memory a recording takes: none of it grows with the number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingBytes {
    /// The most that waited to be settled: requests, admissions and what links them, of the last seconds and minutes.
    pub unsettled: usize,
    /// Tallies of the views and series: grows with the scenario's expectations.
    pub tallies: usize,
    /// The price ledger, calls, leases, updates: grows with the length of the run.
    pub other: usize,
    /// Requests recorded.
    pub requests: u64,
}

impl RecordingBytes {
    /// Bytes in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.unsettled + self.tallies + self.other
    }

    /// Bytes in all ÷ requests; the more requests, the fewer.
    #[must_use]
    pub fn per_request(&self) -> f64 {
        self.total() as f64 / self.requests.max(1) as f64
    }
}

/// Everything that happened in a run, aggregated.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The run's clock.
    pub timing: Timing,
    /// The buckets of totals and series.
    pub buckets: Buckets,
    /// The scenario's limit per minute and key.
    pub rate_limit: u32,
    /// Client requests, counted for each view that the judge asks about.
    pub tallies: Tallies,
    /// Client requests by bucket of time.
    pub series: RequestSeries,
    /// Client requests that were heard of, by load.
    pub requests: BTreeMap<u16, u64>,
    /// Requests that were heard of so late that nothing could be told about their limit.
    pub late: u64,
    /// Prices stored and served.
    pub prices: PriceLedger,
    /// Calls to CoinGecko.
    pub calls: Vec<CallRecord>,
    /// Who held the lease when.
    pub leases: LeaseLog,
    /// Requests to the store.
    pub store: StoreLog,
    /// Invocations of functions; empty where the service is played as processes.
    pub lambda: LambdaLog,
    /// The alarms, and when they changed.
    pub alarms: AlarmLog,
    /// What the service says.
    pub emf: EmfTotals,
    /// Documents of metrics that CloudWatch would drop without a word, and what is wrong with the first.
    pub emf_broken: (u64, Option<String>),
    /// What the store still has of what it acknowledged, or why it could not be asked; none when nobody tried.
    pub audit: Option<Result<Findings, String>>,
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
    /// The most that waited to be settled, bytes.
    pub(super) unsettled_peak: usize,
}

impl Recording {
    /// A recording of nothing.
    pub(super) fn new(setup: &RecordingSetup) -> Self {
        let timing = setup.timing;
        let buckets = Buckets::of(timing.duration);
        Self {
            timing,
            buckets,
            rate_limit: setup.rate_limit,
            tallies: Tallies::new(setup.views.clone(), &timing),
            series: RequestSeries::new(timing, buckets),
            requests: BTreeMap::new(),
            late: 0,
            prices: PriceLedger::new(timing, setup.cache_ttl, &setup.symbols, setup.publication.clone()),
            calls: Vec::new(),
            leases: LeaseLog::default(),
            store: StoreLog::default(),
            lambda: LambdaLog::default(),
            alarms: AlarmLog::new(setup.alarms.clone()),
            emf: EmfTotals::default(),
            emf_broken: (0, None),
            audit: None,
            touched: BTreeMap::new(),
            firings: Vec::new(),
            updates: Vec::new(),
            loads: BTreeMap::new(),
            logs: Vec::new(),
            log_counts: BTreeMap::new(),
            usage: BTreeMap::new(),
            unsettled_peak: 0,
        }
    }

    /// An event was touched by these faults.
    pub(super) fn touched_by(&mut self, faults: &[u16]) {
        for fault in faults {
            *self.touched.entry(*fault).or_default() += 1;
        }
    }

    /// What the recording took in memory.
    #[must_use]
    pub fn bytes(&self) -> RecordingBytes {
        RecordingBytes {
            unsettled: self.unsettled_peak,
            tallies: self.tallies.bytes() + self.series.bytes(),
            other: self.prices.bytes()
                + self.store.bytes()
                + self.lambda.bytes()
                + size_of_val(self.calls.as_slice())
                + size_of_val(self.leases.tenures())
                + size_of_val(self.updates.as_slice())
                + size_of_val(self.firings.as_slice()),
            requests: self.requests.values().sum(),
        }
    }
}
