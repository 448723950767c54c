//! Takes in events and settles them: into the recording goes only what is counted.
//!
//! A request is *settled* once all admissions that bear on it can have been heard of: when the recording has heard of
//! something that happened later than its answer by the clocks' slack and the stated lag; at the end, all are. Then the
//! reference limiter tells its class, and it is counted in every view that it belongs to. Its age, its truth and its
//! tier are told as it comes: what bears on these was in the store, and was heard of, before the answer was given.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use scenarios::wire::RequestLine;

use super::{
    AlarmChange, CallRecord, LoadEnd, LogRecord, Recording, RecordingSetup, UpdateEnd,
    event::{Asker, Event},
    limiter::{Admission, CLOCK_SLACK_US, Limiter},
    links::Links,
    refusals::Refusals,
    requests::{Flags, NONE, RequestRecord},
    traces::Traces,
    unsettled::Unsettled,
};

/// No more log lines than this are kept.
const LOGS_KEPT: usize = 200;

/// How long after it was sent a request may be heard of, real time: a client waits at most 10 s, and its line may come
/// seconds later. What bears only on older ones is forgotten.
const HEARD_WITHIN: Duration = Duration::from_secs(15);

/// A recording in the making: what is settled, and what still waits.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    recording: Recording,
    unsettled: Unsettled,
    limiter: Limiter,
    refusals: Refusals,
    links: Links,
    traces: Traces,
    /// How many events have come.
    order: u64,
    load_keys: Vec<Vec<u32>>,
    key_index: HashMap<String, u32>,
    lag_us: u64,
    /// The latest instant that was heard of, real µs.
    latest_us: u64,
    /// When to forget again, real µs.
    forget_us: u64,
}

impl Intake {
    pub(super) fn new(setup: RecordingSetup) -> Self {
        let limiter = Limiter::new(setup.rate_limit, setup.timing);
        let mut intake = Self {
            recording: Recording::new(&setup),
            unsettled: Unsettled::default(),
            forget_us: limiter.minute_us(),
            limiter,
            refusals: Refusals::default(),
            links: Links::default(),
            traces: Traces::default(),
            order: 0,
            load_keys: Vec::new(),
            key_index: HashMap::new(),
            lag_us: setup.lag.as_micros() as u64,
            latest_us: 0,
        };
        for ids in setup.key_ids {
            let keys = ids.into_iter().map(|id| intake.key(&id)).collect();
            intake.load_keys.push(keys);
        }
        intake
    }

    /// What has been settled so far.
    pub(super) fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The recording with everything settled that was taken in.
    pub(super) fn finish(mut self) -> Recording {
        self.note_peak();
        self.settle(u64::MAX);
        self.recording
    }

    fn key(&mut self, id: &str) -> u32 {
        if let Some(index) = self.key_index.get(id) {
            return *index;
        }
        let next = self.key_index.len() as u32;
        self.key_index.insert(id.to_owned(), next);
        next
    }

    /// Takes in one event.
    #[cfg(test)]
    fn take(&mut self, event: Event) {
        self.take_for(None, event);
    }

    /// Takes in one event; one with an `asker` was caused on its behalf and comes as it happens.
    pub(super) fn take_for(&mut self, asker: Option<Asker>, event: Event) {
        self.order += 1;
        self.latest_us = self.latest_us.max(at_us(&event).unwrap_or(0));
        self.note(asker, event);
        self.settle(self.latest_us.saturating_sub(self.lag_us + CLOCK_SLACK_US));
        if self.latest_us >= self.forget_us {
            self.note_peak();
            self.forget();
            self.forget_us = self.latest_us + self.limiter.minute_us();
        }
    }

    fn note(&mut self, asker: Option<Asker>, event: Event) {
        let recording = &mut self.recording;
        match event {
            Event::Request { load, line } => self.request(load, &line),
            Event::LoadEnded {
                load,
                sent,
                dropped,
                cpu_us,
            } => {
                let end = LoadEnd {
                    sent,
                    dropped,
                    cpu_us,
                };
                recording.loads.insert(load, end);
            }
            Event::Upstream(call) => {
                recording.touched_by(&call.faults);
                recording.calls.push(CallRecord::from(&call));
            }
            Event::Store(call) => {
                recording.touched_by(&call.faults);
                let bucket = recording.buckets.index(recording.timing.wall_s(call.at_us));
                recording.store.record(bucket, &call);
                if let Some(asker) = asker {
                    self.traces.called(asker, &call);
                }
            }
            Event::Admission {
                at_us,
                key_id,
                window,
                admitted,
                ..
            } => self.admission(asker, at_us, &key_id, window, admitted),
            Event::AdmissionHeard { at_us } => {
                if let Some(asker) = asker {
                    self.traces.admitted(asker, self.order, at_us);
                }
            }
            Event::Lease(lease) => recording.leases.record(&lease),
            Event::PriceRead {
                at_us,
                symbols,
                found,
            } => match asker {
                Some(asker) => {
                    let read = recording.prices.own_read(asker, self.order, at_us, &symbols);
                    self.traces.read(asker, read);
                }
                None => self.links.read(recording.prices.read(at_us, &symbols, found)),
            },
            Event::PriceWrite {
                at_us,
                symbol,
                price,
                updated_ms,
                fetched_ms,
                ttl_s,
            } => {
                let prices = &mut recording.prices;
                prices.write(at_us, &symbol, &price, updated_ms, fetched_ms, ttl_s);
                if let Some(asker) = asker {
                    prices.written_for(asker, self.order, &symbol, fetched_ms);
                }
            }
            Event::Fault { fault, .. } => recording.touched_by(&[fault]),
            Event::Audited(findings) => recording.audit = Some(findings),
            Event::Started { instance, .. } => recording.prices.forgotten_by(instance),
            Event::ScheduleFired { at_us, faults, .. } => {
                recording.touched_by(&faults);
                recording.firings.push(at_us);
            }
            Event::ScheduleSkipped { faults, .. } => recording.touched_by(&faults),
            Event::UpdateEnded { at_us, ok, .. } => recording.updates.push(UpdateEnd { at_us, ok }),
            Event::Emf {
                at_us,
                service,
                values,
            } => self.emf(at_us, service, &values),
            Event::Log {
                at_us,
                process,
                level,
                message,
            } => {
                *recording.log_counts.entry(level.clone()).or_default() += 1;
                if recording.logs.len() < LOGS_KEPT {
                    recording.logs.push(LogRecord {
                        at_us,
                        process,
                        level,
                        message,
                    });
                }
            }
            Event::InvocationBegan {
                at_us,
                is_cold,
                running,
            } => {
                let bucket = recording.buckets.index(recording.timing.wall_s(at_us));
                recording.lambda.began(bucket, is_cold, running);
            }
            Event::InvocationThrottled { at_us } => {
                let bucket = recording.buckets.index(recording.timing.wall_s(at_us));
                recording.lambda.throttled(bucket);
            }
            Event::Invoked {
                at_us,
                duration,
                service,
                failure,
                unlimited,
            } => {
                recording.lambda.unlimited = recording.lambda.unlimited.take().or(unlimited);
                let bucket = recording.buckets.index(recording.timing.wall_s(at_us));
                recording.lambda.ended(bucket, service, failure);
                recording.tallies.invoked(at_us, duration.as_secs_f64());
            }
            Event::EmfBroken { problem, .. } => {
                let (count, first) = &mut recording.emf_broken;
                *count += 1;
                first.get_or_insert(problem);
            }
            Event::Alarm { at_us, change } => recording.alarms.changed(AlarmChange { at_us, change }),
            Event::Memory {
                at_us,
                process,
                peak_rss,
                cpu_us,
            } => recording
                .usage
                .entry(process)
                .or_default()
                .sample(at_us, peak_rss, cpu_us),
        }
    }

    fn request(&mut self, load: u16, line: &RequestLine) {
        self.recording.touched_by(&line.faults);
        let mut line = Cow::Borrowed(line);
        if line.slow_us > 0 {
            // How long a user reads is not the service's doing.
            line.to_mut().answered_us = line.arrived_us();
        }
        let line = &*line;
        let keys = self.load_keys.get(usize::from(load));
        let key = line.key.and_then(|index| keys?.get(index as usize).copied());
        let mut record = RequestRecord::of(load, line, key);
        let trace = line.number.and_then(|number| self.traces.end(number));
        let recording = &mut self.recording;
        *recording.requests.entry(load).or_default() += 1;
        if record.is_priced_answer() {
            let (links, leases) = (&mut self.links, &recording.leases);
            recording
                .prices
                .complete(line, &mut record, trace.as_ref(), links, leases);
        }
        self.unsettled.request(record);
    }

    fn admission(&mut self, asker: Option<Asker>, at_us: u64, key_id: &str, window: i64, admitted: bool) {
        let key = self.key(key_id);
        if !admitted {
            self.recording.tallies.admission(at_us, false);
            return;
        }
        // No run lasts until windows beyond 32 bits; a name like that is none of a window.
        let window = i64::from(i32::try_from(window).unwrap_or(i32::MAX));
        let admission = Admission { at_us, window, key };
        match asker {
            Some(asker) => self.traces.admitted(asker, self.order, at_us),
            None => self.links.admitted(key, at_us),
        }
        self.limiter.admit(&admission);
        self.unsettled.admission(admission);
    }

    fn emf(&mut self, at_us: u64, service: &str, values: &[(Arc<str>, f64)]) {
        self.recording.emf.record(service, values);
        for (name, ms) in values {
            if **name == *"RefreshWaitMs" && *ms > 0.0 {
                self.recording.tallies.wait(at_us, ms / 1000.0);
            }
        }
    }

    /// Settles what happened before `before_us`.
    fn settle(&mut self, before_us: u64) {
        while let Some(admission) = self.unsettled.next_admission(before_us) {
            self.settle_admission(&admission);
        }
        while let Some(request) = self.unsettled.next_request(before_us) {
            self.settle_request(&request);
        }
    }

    fn settle_admission(&mut self, admission: &Admission) {
        let Admission { at_us, key, .. } = *admission;
        let excess = self.limiter.is_excess(admission);
        let tallies = &mut self.recording.tallies;
        tallies.admission(at_us, excess);
        tallies.minute(at_us, |since_us| {
            self.limiter.in_minute_until(key, since_us, at_us)
        });
    }

    fn settle_request(&mut self, request: &RequestRecord) {
        let recording = &mut self.recording;
        let class = self.limiter.class(request);
        recording.late += u64::from(!self.limiter.remembers(request));
        recording.series.add(request);
        let mut honest = true;
        if request.key != NONE {
            let answered_us = request.answered_us();
            let was_silent = |since_us| self.limiter.admitted(request.key, since_us + 1..=answered_us) == 0;
            for broken in self.refusals.broken_by(request, was_silent) {
                recording.tallies.broken_promise(&broken);
            }
            if request.status == 429 && !request.flags.has(Flags::BY_GATEWAY) {
                honest = self.promise(request);
            }
        }
        self.recording.tallies.request(request, class, honest);
    }

    /// Whether the rule agrees with the `Retry-After` of a 429; then its key's next request is the second witness.
    fn promise(&mut self, refused: &RequestRecord) -> bool {
        let Some(retry_after_s) = refused.retry_after() else {
            return false;
        };
        let speed = self.recording.timing.speed;
        let known_us = refused.answered_us();
        let free_us = known_us + (f64::from(retry_after_s) * 1e6 / speed).ceil() as u64;
        let honest = self
            .limiter
            .admits_in_silence(refused.key, known_us, free_us + CLOCK_SLACK_US);
        if honest {
            self.refusals.promised(refused, free_us);
        }
        honest
    }

    /// Forgets what no request that is still to be settled can be about.
    fn forget(&mut self) {
        let sent_us = self
            .latest_us
            .saturating_sub(HEARD_WITHIN.as_micros() as u64 + self.lag_us);
        // Who comes back minutes late finds an empty window anyway.
        let back_us = sent_us.saturating_sub(2 * self.limiter.minute_us());
        let forgotten_us = self.limiter.needed_from(sent_us).saturating_sub(1);
        let was_silent = |key, since_us: u64| self.limiter.admitted(key, since_us + 1..=forgotten_us) == 0;
        self.refusals.forget(back_us, was_silent);
        self.limiter.forget(sent_us);
        self.links.forget(sent_us);
        self.traces.forget(sent_us);
    }

    fn note_peak(&mut self) {
        let bytes = self.unsettled.bytes()
            + self.limiter.bytes()
            + self.refusals.bytes()
            + self.links.bytes()
            + self.traces.bytes();
        let peak = &mut self.recording.unsettled_peak;
        *peak = (*peak).max(bytes);
    }
}

/// When an event happened, real µs; none for one that tells of no instant.
fn at_us(event: &Event) -> Option<u64> {
    match event {
        Event::Request { line, .. } => Some(line.answered_us),
        Event::Upstream(call) => Some(call.at_us),
        Event::Store(call) => Some(call.at_us),
        Event::Lease(lease) => Some(lease.at_us),
        Event::Admission { at_us, .. }
        | Event::PriceRead { at_us, .. }
        | Event::PriceWrite { at_us, .. }
        | Event::Fault { at_us, .. }
        | Event::AdmissionHeard { at_us }
        | Event::Started { at_us, .. }
        | Event::ScheduleFired { at_us, .. }
        | Event::ScheduleSkipped { at_us, .. }
        | Event::UpdateEnded { at_us, .. }
        | Event::InvocationBegan { at_us, .. }
        | Event::InvocationThrottled { at_us }
        | Event::Invoked { at_us, .. }
        | Event::EmfBroken { at_us, .. }
        | Event::Alarm { at_us, .. }
        | Event::Emf { at_us, .. }
        | Event::Log { at_us, .. } => Some(*at_us),
        Event::LoadEnded { .. } | Event::Memory { .. } | Event::Audited(_) => None,
    }
}

#[cfg(test)]
mod tests;
