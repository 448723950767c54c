//! Everything that is counted about the requests of one view.

use std::collections::BTreeMap;

use super::{
    limiter::Class,
    requests::{CacheClaim, Flags, NONE, NoAnswer, RequestRecord, Tier},
    spread::Spread,
};

/// Steps in a second of latencies and waits.
const MICROS: f64 = 1e6;
/// Steps in a second of ages.
const MILLIS: f64 = 1e3;
/// Steps in a basis point.
const THOUSANDTHS: f64 = 1e3;

/// Admitted price requests by the tier of their worst coin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    /// Process memory.
    pub memory: u64,
    /// DynamoDB.
    pub store: u64,
    /// A refresh from CoinGecko, collapsed ones too.
    pub upstream: u64,
    /// Older than the TTL.
    pub stale: u64,
    /// Nothing servable.
    pub none: u64,
}

impl Tiers {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.memory + self.store + self.upstream + self.stale + self.none
    }

    /// Name and count of each, best first.
    #[must_use]
    pub fn each(self) -> [(&'static str, u64); 5] {
        [
            ("memory", self.memory),
            ("store", self.store),
            ("upstream", self.upstream),
            ("stale", self.stale),
            ("none", self.none),
        ]
    }

    fn seen(&mut self, tier: Tier) {
        *match tier {
            Tier::Memory => &mut self.memory,
            Tier::Store => &mut self.store,
            Tier::Upstream => &mut self.upstream,
            Tier::Stale => &mut self.stale,
            Tier::Nothing => &mut self.none,
        } += 1;
    }

    fn said(&mut self, claim: CacheClaim) {
        *match claim {
            CacheClaim::Memory => &mut self.memory,
            CacheClaim::Store => &mut self.store,
            CacheClaim::Collapsed | CacheClaim::Fetched => &mut self.upstream,
            CacheClaim::Stale => &mut self.stale,
            CacheClaim::Nothing => &mut self.none,
            CacheClaim::None => return,
        } += 1;
    }
}

/// Some requests, and how many of them were answered rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Answered rightly.
    pub good: u64,
    /// All.
    pub all: u64,
}

impl Share {
    fn count(&mut self, good: bool) {
        self.all += 1;
        self.good += u64::from(good);
    }
}

/// Encoded answers and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// How many.
    pub answers: u64,
    /// Body bytes on the wire.
    pub wire: u64,
    /// Body bytes after decoding.
    pub plain: u64,
}

/// What is known of the requests of one view, and of the admissions and waits in its window.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Client requests.
    pub requests: u64,
    /// Answers by status; 0 = none.
    pub statuses: BTreeMap<u16, u64>,
    /// Valid requests that the limit admits whenever they arrived; good = answered 200 or 304.
    pub owed: Share,
    /// Requests for which only one class of answer is right; good = answered so.
    pub clear: Share,
    /// When the first good answer came to a request that was owed one, real µs of the run.
    pub first_good_us: Option<u64>,
    /// From due to answered, real seconds.
    pub latency: Spread,
    /// Waits on a refresh as the service tells them, real seconds; those above zero.
    pub wait: Spread,
    /// From an event to the end of its invocation, real seconds.
    pub invoked: Spread,
    /// `fetchedAt` of the oldest coin of an answer to the answer, wall seconds.
    pub age: Spread,
    /// `lastUpdated` of the oldest coin of an answer to the answer, wall seconds.
    pub data_age: Spread,
    /// Between served and market price of the worst coin of an answer, basis points.
    pub price_error: Spread,
    /// Admitted price requests: answered 200, 304 or `PRICE_UNAVAILABLE`.
    pub priced: u64,
    /// Of them with a price that was never validly published.
    pub wrong: u64,
    /// Of them without a coin that the store could serve.
    pub missing: u64,
    /// Of them with an older price than the instance had served before.
    pub backwards: u64,
    /// Where they came from, seen from outside.
    pub tiers: Tiers,
    /// Where they came from, as `Cache-Status` says.
    pub said: Tiers,
    /// Of them collapsed into another's refresh, as `Cache-Status` says.
    pub collapsed: u64,
    /// Answers whose tier may as well be the neighbouring one.
    pub unsure: u64,
    /// Answers whose `Cache-Status` says another tier than was seen; of use only where that is exact.
    pub mistold: u64,
    /// Answers with a price that was never seen in a store write.
    pub untraced: u64,
    /// Requests with a key.
    pub keyed: u64,
    /// Answered by the gateway itself.
    pub by_gateway: u64,
    /// Of those answered 429.
    pub gateway_refused: u64,
    /// Of those answered 5xx.
    pub gateway_failed: u64,
    /// Valid requests with a key answered 429 by the service.
    pub rejected: u64,
    /// Of those answered 429, whose `Retry-After` holds.
    pub honest: u64,
    /// Of those answered 429, to which the limit owed an admission.
    pub false_rejected: u64,
    /// Valid requests with a key for which a 429 and an admission are both right.
    pub either: u64,
    /// Outcomes of conditional counter updates.
    pub admissions: u64,
    /// Admissions beyond the rule at its most generous.
    pub excess: u64,
    /// Most admissions of one key within an exact minute.
    pub busiest_minute: u64,
    /// 200s that were encoded.
    pub encoded_200: Encoded,
    /// Answers that were encoded, of any status.
    pub encoded: u64,
    /// Body bytes on the wire of all answers.
    pub wire_bytes: u64,
    /// Body bytes after decoding of 200s with prices.
    pub priced_bytes: u64,
    /// Requests without an answer, by the reason.
    pub no_answer: BTreeMap<NoAnswer, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: 0,
            statuses: BTreeMap::new(),
            owed: Share::default(),
            clear: Share::default(),
            first_good_us: None,
            latency: Spread::new(MICROS),
            wait: Spread::new(MICROS),
            invoked: Spread::new(MICROS),
            age: Spread::new(MILLIS),
            data_age: Spread::new(MILLIS),
            price_error: Spread::new(THOUSANDTHS),
            priced: 0,
            wrong: 0,
            missing: 0,
            backwards: 0,
            tiers: Tiers::default(),
            said: Tiers::default(),
            collapsed: 0,
            unsure: 0,
            mistold: 0,
            untraced: 0,
            keyed: 0,
            rejected: 0,
            gateway_refused: 0,
            gateway_failed: 0,
            by_gateway: 0,
            honest: 0,
            false_rejected: 0,
            either: 0,
            admissions: 0,
            excess: 0,
            busiest_minute: 0,
            encoded_200: Encoded::default(),
            encoded: 0,
            wire_bytes: 0,
            priced_bytes: 0,
            no_answer: BTreeMap::new(),
        }
    }
}

impl Tally {
    /// Answers with this status; 0 = none.
    #[must_use]
    pub fn status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// Takes in a request. `honest`: it is no 429, or its `Retry-After` is true by the replayed rule.
    pub(super) fn add(&mut self, request: &RequestRecord, class: Class, honest: bool) {
        self.requests += 1;
        *self.statuses.entry(request.status).or_default() += 1;
        self.latency.record(request.latency_s());
        if request.owed == 200 && class == Class::Owed {
            self.owed.count(request.is_good());
            if request.is_good() {
                let at_us = request.answered_us();
                self.first_good_us = Some(self.first_good_us.map_or(at_us, |first| first.min(at_us)));
            }
        }
        if class != Class::Either {
            self.clear.count(is_right(request, class));
        }
        let by_gateway = request.flags.has(Flags::BY_GATEWAY);
        self.by_gateway += u64::from(by_gateway);
        self.gateway_refused += u64::from(by_gateway && request.status == 429);
        self.gateway_failed += u64::from(by_gateway && request.status >= 500);
        if request.error != NoAnswer::Answered {
            *self.no_answer.entry(request.error).or_default() += 1;
        }
        if request.key != NONE {
            self.limited(request, class, honest);
        }
        if request.is_priced_answer() {
            self.priced(request);
        }
        self.bytes_of(request);
    }

    fn limited(&mut self, request: &RequestRecord, class: Class, honest: bool) {
        self.keyed += 1;
        self.either += u64::from(request.owed == 200 && class == Class::Either);
        if request.status == 429 && !request.flags.has(Flags::BY_GATEWAY) {
            self.rejected += 1;
            self.honest += u64::from(honest);
            self.false_rejected += u64::from(class == Class::Owed);
        }
    }

    fn priced(&mut self, request: &RequestRecord) {
        let has = |flag| u64::from(request.flags.has(flag));
        self.priced += 1;
        self.wrong += has(Flags::WRONG);
        self.missing += has(Flags::MISSING);
        self.backwards += has(Flags::BACKWARDS);
        self.unsure += has(Flags::UNSURE);
        self.untraced += has(Flags::UNTRACED);
        request.tier.into_iter().for_each(|tier| self.tiers.seen(tier));
        self.said.said(request.claim);
        self.mistold += u64::from(request.tier.is_some_and(|tier| !request.claim.is(tier)));
        self.collapsed += u64::from(request.claim == CacheClaim::Collapsed);
        if request.age_ms != NONE {
            self.age.record(f64::from(request.age_ms) / 1000.0);
        }
        if request.data_age_ms != NONE {
            self.data_age.record(f64::from(request.data_age_ms) / 1000.0);
        }
        if !request.error_bp.is_nan() {
            self.price_error.record(f64::from(request.error_bp));
        }
    }

    fn bytes_of(&mut self, request: &RequestRecord) {
        if request.status == 0 || request.flags.has(Flags::BY_GATEWAY) {
            return;
        }
        let (wire, plain) = (u64::from(request.wire_bytes), u64::from(request.plain_bytes));
        let encoded = request.flags.has(Flags::GZIP);
        self.wire_bytes += wire;
        self.encoded += u64::from(encoded);
        if request.status == 200 {
            if encoded {
                self.encoded_200.answers += 1;
                self.encoded_200.wire += wire;
                self.encoded_200.plain += plain;
            }
            if request.is_priced_answer() {
                self.priced_bytes += plain;
            }
        }
    }

    /// Bytes that its histograms take; all else is small.
    pub(super) fn bytes(&self) -> usize {
        [
            &self.latency,
            &self.wait,
            &self.invoked,
            &self.age,
            &self.data_age,
            &self.price_error,
        ]
        .map(Spread::bytes)
        .iter()
        .sum()
    }
}

/// Whether an answer is what is expected: of an invalid request its own error (or a 429 where the limit refuses
/// it), of a valid one a 200 or 304 when owed and a 429 when to be refused.
fn is_right(request: &RequestRecord, class: Class) -> bool {
    match (request.owed, class) {
        (200, Class::Owed) => request.is_good(),
        (200, Class::Refuse) => request.status == 429,
        (200, Class::Either) => request.is_good() || request.status == 429,
        (owed, Class::Owed) => request.status == owed,
        (owed, Class::Refuse | Class::Either) => request.status == owed || request.status == 429,
    }
}

#[cfg(test)]
mod tests {
    use scenarios::wire::RequestLine;

    use super::*;

    fn request(change: impl FnOnce(&mut RequestLine)) -> RequestRecord {
        let mut line = RequestLine {
            answered_us: 2_000_000,
            route: "/prices".into(),
            owed: 200,
            status: 200,
            wire_bytes: 100,
            plain_bytes: 400,
            ..RequestLine::default()
        };
        change(&mut line);
        RequestRecord::of(0, &line, Some(0))
    }

    #[test]
    fn an_answer_is_right_by_what_its_request_is_owed() {
        let mut tally = Tally::default();
        let mut add = |class, owed, status| {
            tally.add(
                &request(|line| (line.owed, line.status) = (owed, status)),
                class,
                true,
            );
        };
        for status in [200, 304, 503, 429] {
            add(Class::Owed, 200, status);
            add(Class::Either, 200, status);
        }
        add(Class::Refuse, 200, 429);
        add(Class::Refuse, 200, 200);
        add(Class::Refuse, 404, 429);
        add(Class::Owed, 404, 404);
        add(Class::Owed, 404, 429);
        assert_eq!(tally.owed, Share { good: 2, all: 4 });
        assert_eq!(tally.clear, Share { good: 5, all: 9 });
        assert_eq!((tally.keyed, tally.rejected, tally.false_rejected), (13, 5, 2));
        assert_eq!((tally.either, tally.honest, tally.status(503)), (4, 5, 2));
    }

    #[test]
    fn bytes_are_of_answers_and_no_answer_has_its_reason() {
        let mut tally = Tally::default();
        let mut add = |change: &dyn Fn(&mut RequestLine)| tally.add(&request(change), Class::Owed, true);
        add(&|line| line.gzip = true);
        add(&|line| (line.gzip, line.status) = (true, 404));
        add(&|_| {});
        add(&|line| (line.status, line.error) = (0, Some("timeout".to_owned())));
        let encoded_200 = Encoded {
            answers: 1,
            wire: 100,
            plain: 400,
        };
        assert_eq!(tally.encoded_200, encoded_200);
        assert_eq!(
            (tally.encoded, tally.wire_bytes, tally.priced_bytes),
            (2, 300, 800)
        );
        assert_eq!(tally.no_answer, BTreeMap::from([(NoAnswer::Timeout, 1)]));
        assert_eq!(tally.latency.percentile(1.0), Some(2.0));
    }
}
