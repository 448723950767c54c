//! What users and the store front saw of a play, and what that says.

use std::{ops::Range, time::Duration};

use super::search::Step;
use crate::record::{
    Spread,
    event::{Event, StoreSubject},
};

/// How far the clocks of two processes of a run may be apart, µs: each reads the system's clock once, to the
/// microsecond, but may be put aside while it does.
const CLOCKS_APART_US: u64 = 500;

/// Steps of a microsecond in samples that are seconds.
pub(super) const PER_SECOND: f64 = 1e6;

/// A request as its user saw it; real µs since the play's start.
#[derive(Clone, Copy, Debug)]
struct Asked {
    due_us: u64,
    sent_us: u64,
    answered_us: u64,
    /// It was answered with prices.
    served: bool,
    /// And all of them came from the memory of the process.
    from_memory: bool,
}

/// A request to the store as the front saw it.
#[derive(Clone, Copy, Debug)]
struct Called {
    at_us: u64,
    took_us: u64,
    /// It counted a request for the rate limit.
    counted: bool,
}

/// What was seen of a play.
#[derive(Debug, Default)]
pub(super) struct Seen {
    requests: Vec<Asked>,
    calls: Vec<Called>,
}

impl Seen {
    /// Takes in what happened.
    pub(super) fn see(&mut self, event: &Event) {
        match event {
            Event::Request { line, .. } => {
                let served = matches!(line.status, 200 | 304);
                let cache = line.cache_status.as_deref().unwrap_or_default();
                self.requests.push(Asked {
                    due_us: line.due_us,
                    sent_us: line.sent_us,
                    answered_us: line.answered_us,
                    served,
                    from_memory: served && cache.contains("detail=memory"),
                });
            }
            Event::Store(call) => self.calls.push(Called {
                at_us: call.at_us,
                took_us: u64::from(call.store_us) + u64::from(call.front_us),
                counted: call.subject == StoreSubject::RateLimit,
            }),
            _ => {}
        }
    }

    /// What became of the requests that were due in `window`, real µs, at `rate` a second.
    pub(super) fn step(&self, rate: u32, window: &Range<u64>) -> Step {
        let mut spread = Spread::new(PER_SECOND);
        let mut answered = 0;
        for request in self.due_in(window) {
            answered += u64::from(request.served);
            spread.record(seconds(request.answered_us.saturating_sub(request.due_us)));
        }
        let planned = u64::from(rate) * (window.end - window.start) / 1_000_000;
        Step {
            rate,
            due: planned,
            answered,
            p99: spread.percentile(0.99).map(Duration::from_secs_f64),
        }
    }

    /// What requests took that were served from memory, in seconds, without their request to the store. `hop` is what
    /// a client of the store waits beyond what the front sees of its request.
    ///
    /// Only of requests that were alone, and made one request to the store: to count them. So it is known whose it was.
    pub(super) fn service_times(mut self, window: &Range<u64>, hop: Duration) -> Spread {
        let mut spread = Spread::new(PER_SECOND);
        self.requests.sort_by_key(|request| request.sent_us);
        self.calls.sort_by_key(|call| call.at_us);
        // Until when those that were sent before were under way.
        let mut busy_until_us = 0;
        for (index, request) in self.requests.iter().enumerate() {
            let around =
                request.sent_us.saturating_sub(CLOCKS_APART_US)..request.answered_us + CLOCKS_APART_US;
            let next = self.requests.get(index + 1);
            let alone = busy_until_us <= around.start && next.is_none_or(|next| next.sent_us > around.end);
            busy_until_us = busy_until_us.max(request.answered_us);
            if !(request.from_memory && alone && window.contains(&request.due_us)) {
                continue;
            }
            let first = self.calls.partition_point(|call| call.at_us < around.start);
            let end = self.calls.partition_point(|call| call.at_us <= around.end);
            if let [call] = &self.calls[first..end]
                && call.counted
            {
                let all = request.answered_us.saturating_sub(request.sent_us);
                spread.record((seconds(all.saturating_sub(call.took_us)) - hop.as_secs_f64()).max(0.0));
            }
        }
        spread
    }

    fn due_in(&self, window: &Range<u64>) -> impl Iterator<Item = &Asked> {
        self.requests
            .iter()
            .filter(|request| window.contains(&request.due_us))
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use scenarios::wire::RequestLine;

    use super::*;
    use crate::record::event::{StoreCall, StoreOp};

    const ALL: Range<u64> = 0..2_000_000;

    fn request(due_us: u64, sent_us: u64, answered_us: u64, status: u16, cache: &str) -> Event {
        let line = RequestLine {
            due_us,
            sent_us,
            answered_us,
            status,
            cache_status: Some(format!("crypto-watch; hit; detail={cache}; ttl=9")),
            ..RequestLine::default()
        };
        Event::Request { load: 0, line }
    }

    fn call(at_us: u64, store_us: u32, subject: StoreSubject) -> Event {
        Event::Store(StoreCall {
            at_us,
            store_us,
            front_us: 100,
            op: StoreOp::UpdateItem,
            subject,
            consistent: false,
            items: 1,
            found: 0,
            status: 200,
            rcu: 0.0,
            wcu: 1.0,
            throttled: false,
            faults: Vec::new(),
        })
    }

    fn seen(events: &[Event]) -> Seen {
        let mut seen = Seen::default();
        events.iter().for_each(|event| seen.see(event));
        seen
    }

    #[test]
    fn a_step_counts_what_was_due_in_its_window_and_measures_from_due() {
        let seen = seen(&[
            request(900_000, 900_000, 999_000, 200, "memory"),
            request(1_000_000, 1_004_000, 1_009_000, 200, "memory"),
            request(1_200_000, 1_200_000, 1_203_000, 304, "store"),
            request(1_400_000, 1_400_000, 1_401_000, 503, "memory"),
        ]);
        let step = seen.step(5, &(1_000_000..2_000_000));
        assert_eq!(
            (step.rate, step.due, step.answered),
            (5, 5, 2),
            "two were never sent"
        );
        let p99 = step.p99.expect("something was answered");
        assert_eq!(p99.as_millis(), 9, "it waited 4 ms to be sent");
    }

    #[test]
    fn the_service_takes_what_its_store_does_not() {
        let seen = seen(&[
            request(0, 10_000, 12_500, 200, "memory"),
            call(11_000, 900, StoreSubject::RateLimit),
        ]);
        let times = seen.service_times(&ALL, Duration::from_micros(300));
        assert_eq!(times.count(), 1);
        let took = times.percentile(1.0).expect("a sample");
        assert!((took - 0.001_2).abs() < 1e-9, "2.5 ms - 1 ms - 0.3 ms: {took}");
    }

    #[test]
    fn requests_whose_store_calls_could_be_anothers_are_left_out() {
        let none = |events: &[Event]| {
            assert_eq!(
                seen(events).service_times(&ALL, Duration::ZERO).count(),
                0,
                "{events:?}"
            );
        };
        let counter = |at_us| call(at_us, 900, StoreSubject::RateLimit);
        // Two at a time.
        none(&[
            request(0, 10_000, 12_500, 200, "memory"),
            counter(11_000),
            request(0, 12_000, 14_500, 200, "memory"),
        ]);
        // A third is still under way, though the second is not.
        none(&[
            request(0, 5_000, 30_000, 200, "store"),
            request(0, 6_000, 7_000, 200, "store"),
            request(0, 10_000, 12_500, 200, "memory"),
            counter(11_000),
        ]);
        // No request to the store, two of them, or another than to count.
        none(&[request(0, 10_000, 12_500, 200, "memory")]);
        none(&[
            request(0, 10_000, 12_500, 200, "memory"),
            counter(10_500),
            counter(11_500),
        ]);
        none(&[
            request(0, 10_000, 12_500, 200, "memory"),
            call(11_000, 900, StoreSubject::ApiKey),
        ]);
        // Not from memory, not served, not in the window.
        none(&[request(0, 10_000, 12_500, 200, "store"), counter(11_000)]);
        none(&[request(0, 10_000, 12_500, 429, "memory"), counter(11_000)]);
        none(&[request(3_000_000, 10_000, 12_500, 200, "memory"), counter(11_000)]);
    }
}
