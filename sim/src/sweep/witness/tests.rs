//! The rules on hand-made events: each is broken by what breaks it, and by nothing else.

use std::time::Duration;

use scenarios::wire::{RequestLine, ServedPrice};

use super::*;
use crate::{
    record::event::{LeaseAction, LeaseEvent, UpstreamCall},
    sweep::trial,
    world::environment,
};

const SECOND: u64 = 1_000_000;
/// 2026-03-02T00:00:00Z
const START_MS: i64 = 1_772_409_600_000;
/// When the stage's one fault is over.
const FAULT_END: u64 = 120 * SECOND;

const STAGE: &str = r#"
schema = 1
name = "stage"
about = "An hour with a fault at its beginning."
start = "2026-03-02T00:00:00Z"
duration = "1h"
[stack]
cache_ttl = "5m"
price_retention = "10m"
update_every = "5m"
[[journey]]
name = "one"
get = ["/prices/{symbol}"]
[[load]]
name = "day"
users = 1
[[fault]]
name = "early"
target = "coingecko"
at = "1m"
for = "1m"
kind = "status"
status = 503
"#;

/// A run of which nothing is known but what is told here.
struct Stage {
    watch: Watch,
    holders: u64,
}

fn stage() -> Stage {
    let scenario = trial::read("stage.toml", STAGE).unwrap_or_else(|problems| panic!("{problems}"));
    let config = environment::effective(&scenario.stack, &BTreeMap::new()).expect("a configuration");
    Stage {
        watch: Watch::new(Bounds::of(&scenario, &config)),
        holders: 0,
    }
}

impl Stage {
    fn lease(&self, at_us: u64, holder: &str, action: LeaseAction) {
        self.watch.see(&Event::Lease(LeaseEvent {
            at_us,
            holder: holder.to_owned(),
            action,
            held: true,
        }));
    }

    fn call(&self, at_us: u64, took_us: u64, status: u16, retry_after_s: Option<u32>) {
        self.watch.see(&Event::Upstream(UpstreamCall {
            at_us,
            done_us: at_us + took_us,
            path: "/api/v3/coins/markets".to_owned(),
            status,
            complete: status != 0,
            retry_after_s,
            credit: status == 200,
            faults: if status == 200 { Vec::new() } else { vec![0] },
        }));
    }

    /// BTC is stored at an instant, as fetched then, with data of an age.
    fn store(&self, at_us: u64, data_age_ms: i64) {
        let wall_ms = START_MS + (at_us / 1000) as i64;
        self.watch.see(&Event::PriceWrite {
            at_us,
            symbol: "BTC".into(),
            price: "100".into(),
            updated_ms: wall_ms - data_age_ms,
            fetched_ms: wall_ms,
            ttl_s: wall_ms / 1000 + 600,
        });
    }

    /// One refresh: the calls are so many µs apart and take 10 ms each; the last 200 is stored.
    fn refresh(&mut self, kind: &str, at_us: u64, apart_us: u64, calls: &[(u16, Option<u32>)]) {
        self.holders += 1;
        let holder = format!("{kind}-{}", self.holders);
        self.lease(at_us, &holder, LeaseAction::Acquire);
        let mut end_us = at_us;
        for (number, (status, retry_after_s)) in (0u64..).zip(calls) {
            let at_us = at_us + number * apart_us;
            self.call(at_us, 10_000, *status, *retry_after_s);
            end_us = at_us + 10_000;
        }
        if calls.last().is_some_and(|(status, _)| *status == 200) {
            self.store(end_us, 20_000);
        }
        self.lease(end_us, &holder, LeaseAction::Release);
    }

    fn answer(&self, line: RequestLine) {
        self.watch.see(&Event::Request { load: 0, line });
    }

    /// The names of the rules that were broken.
    fn broken(&self) -> Vec<&'static str> {
        self.watch.finish().broken.into_keys().collect()
    }
}

/// A request for BTC that is owed a 200 and answered so after 5 ms.
fn answered(sent_us: u64, status: u16) -> RequestLine {
    RequestLine {
        sent_us,
        answered_us: sent_us + 5_000,
        owed: 200,
        status,
        asked: ["BTC".to_owned()].into(),
        problem: (status == 503).then(|| "PRICE_UNAVAILABLE".to_owned()),
        ..RequestLine::default()
    }
}

fn served(sent_us: u64, updated_ms: i64) -> RequestLine {
    RequestLine {
        prices: [ServedPrice {
            symbol: "BTC".into(),
            price: "100".into(),
            updated_ms,
        }]
        .into(),
        ..answered(sent_us, 200)
    }
}

#[test]
fn an_outage_as_the_service_plays_it_breaks_nothing() {
    let mut stage = stage();
    stage.refresh("update", 10 * SECOND, 0, &[(200, None)]);
    // Retries after full jitter, then the probe pauses: 15 s, 30 s, and what Retry-After says.
    stage.refresh(
        "api",
        70 * SECOND,
        150_000,
        &[(503, None), (503, None), (503, None)],
    );
    stage.refresh("update", 86 * SECOND, 150_000, &[(503, None), (503, None)]);
    stage.refresh("api", 117 * SECOND, 0, &[(429, Some(53))]);
    stage.answer(served(130 * SECOND, START_MS + 10_010 - 20_000));
    stage.refresh("api", 178 * SECOND, 0, &[(200, None)]);
    for minute in 10..50 {
        if minute % 5 == 0 {
            stage.refresh("update", minute * 60 * SECOND, 0, &[(200, None)]);
        }
        stage.answer(answered((minute * 60 + 30) * SECOND, 200));
    }
    assert_eq!(stage.watch.finish().broken, BTreeMap::new());
}

#[test]
fn a_call_before_the_pause_is_over_is_too_early() {
    let pauses = |first: &[(u16, Option<u32>)], after_s: u64, kind: &str| {
        let mut stage = stage();
        stage.refresh("api", 0, 0, first);
        stage.refresh(kind, after_s * SECOND, 0, &[(200, None)]);
        stage.broken()
    };
    assert_eq!(pauses(&[(503, None)], 14, "update"), ["upstream.pause"]);
    assert_eq!(pauses(&[(503, None)], 16, "update"), [""; 0]);
    assert_eq!(pauses(&[(429, Some(53))], 50, "update"), ["upstream.pause"]);
    assert_eq!(pauses(&[(429, Some(53))], 54, "update"), [""; 0]);
    // No more than 15 minutes are believed.
    assert_eq!(pauses(&[(429, Some(5_000))], 899, "api"), ["upstream.pause"]);
    assert_eq!(pauses(&[(429, Some(5_000))], 901, "api"), [""; 0]);
    // A cut by an API process binds API processes only.
    let cut = |kind: &str| {
        let mut stage = stage();
        stage.lease(0, "api-0", LeaseAction::Acquire);
        stage.call(1000, 2 * SECOND - 1000, 0, None);
        stage.lease(2 * SECOND, "api-0", LeaseAction::Release);
        stage.refresh(kind, 5 * SECOND, 0, &[(200, None)]);
        stage.broken()
    };
    assert_eq!(cut("api"), ["upstream.pause"]);
    assert_eq!(cut("update"), [""; 0]);
    // A connection that breaks at once binds everybody.
    assert_eq!(pauses(&[(0, None)], 5, "update"), ["upstream.pause"]);
}

#[test]
fn pauses_double_with_each_failure_and_end_with_a_success() {
    let mut stage = stage();
    stage.refresh("api", 0, 0, &[(503, None)]);
    stage.refresh("api", 20 * SECOND, 0, &[(503, None)]);
    stage.refresh("api", 40 * SECOND, 0, &[(200, None)]);
    assert_eq!(stage.broken(), ["upstream.pause"], "the second pause is 30 s");

    let mut stage = super::tests::stage();
    stage.refresh("api", 0, 0, &[(503, None)]);
    stage.refresh("api", 20 * SECOND, 0, &[(200, None)]);
    stage.refresh("api", 330 * SECOND, 0, &[(503, None)]);
    stage.refresh("api", 346 * SECOND, 0, &[(200, None)]);
    assert_eq!(stage.broken(), [""; 0]);
}

#[test]
fn an_answer_of_which_nothing_can_be_stored_is_a_failure() {
    let mut stage = stage();
    stage.lease(0, "api-1", LeaseAction::Acquire);
    stage.call(0, 10_000, 200, None);
    stage.lease(20_000, "api-1", LeaseAction::Release);
    stage.refresh("api", 5 * SECOND, 0, &[(200, None)]);
    assert_eq!(stage.broken(), ["upstream.pause"]);
}

#[test]
fn retries_are_counted_and_wait() {
    let calls = |apart_us, calls: &[(u16, Option<u32>)]| {
        let mut stage = stage();
        stage.refresh("update", 0, apart_us, calls);
        stage.broken()
    };
    let failed = (503, None);
    assert_eq!(calls(SECOND, &[failed; 3]), [""; 0]);
    assert_eq!(calls(SECOND, &[failed; 4]), ["upstream.attempts"]);
    assert_eq!(calls(SECOND, &[(404, None), failed]), ["upstream.attempts"]);
    assert_eq!(calls(SECOND, &[(429, Some(3)), failed]), ["upstream.retry_after"]);
    assert_eq!(calls(4 * SECOND, &[(429, Some(3)), failed]), [""; 0]);
}

#[test]
fn the_budget_is_five_retries_and_a_tenth_of_the_successes() {
    let failures = |retries: &[usize], successes: u64| {
        let mut stage = stage();
        for n in 0..successes {
            stage.refresh("update", n * 60 * SECOND, 0, &[(200, None)]);
        }
        for (n, retries) in (0u64..).zip(retries) {
            let at_us = (20_000 + n * 300) * SECOND;
            stage.refresh("update", at_us, SECOND, &vec![(503, None); retries + 1]);
        }
        stage.broken().contains(&"upstream.budget")
    };
    assert!(!failures(&[2, 2, 1, 0, 0], 0));
    assert!(failures(&[2, 2, 2], 0));
    assert!(failures(&[2, 2, 2], 40), "the budget is full from the start");
    let mut stage = stage();
    for n in 0..3 {
        stage.refresh(
            "update",
            n * 300 * SECOND,
            SECOND,
            &[(503, None), (503, None), (503, None)][..3 - (n == 2) as usize],
        );
    }
    for n in 0..9 {
        stage.refresh("update", (1_200 + n * 60) * SECOND, 0, &[(200, None)]);
    }
    stage.refresh("update", 2_000 * SECOND, SECOND, &[(503, None), (503, None)]);
    assert!(
        stage.broken().contains(&"upstream.budget"),
        "nine successes are not yet a retry"
    );
}

#[test]
fn calls_need_the_lease_and_come_one_at_a_time() {
    let mut stage = stage();
    stage.refresh("api", SECOND, 0, &[(200, None)]);
    stage.call(5 * SECOND, 1_000, 200, None);
    assert_eq!(stage.broken(), ["upstream.lease"]);

    let stage = super::tests::stage();
    stage.lease(0, "api-1", LeaseAction::Acquire);
    stage.call(0, SECOND, 200, None);
    stage.lease(SECOND / 2, "api-2", LeaseAction::Acquire);
    stage.call(SECOND / 2, 100_000, 200, None);
    assert_eq!(stage.broken(), ["lease.alone", "upstream.alone"]);

    // A lease that was never given back runs out after five seconds.
    let stage = super::tests::stage();
    stage.lease(0, "api-1", LeaseAction::Acquire);
    stage.lease(5 * SECOND, "api-2", LeaseAction::Acquire);
    assert_eq!(stage.broken(), [""; 0]);
}

#[test]
fn a_refresh_waits_no_longer_than_its_bound() {
    let waits = |holder: &str, took_us| {
        let stage = stage();
        stage.lease(0, holder, LeaseAction::Acquire);
        stage.call(0, took_us, 0, None);
        stage.lease(took_us, holder, LeaseAction::Release);
        stage.broken()
    };
    assert_eq!(waits("api-1", 2 * SECOND), [""; 0]);
    assert_eq!(waits("api-1", 3 * SECOND), ["upstream.wait"]);
    assert_eq!(waits("update-1", 30 * SECOND), [""; 0]);
    assert_eq!(waits("update-1", 31 * SECOND), ["upstream.wait"]);
}

#[test]
fn the_store_goes_back_only_when_what_it_had_has_expired() {
    let back = |after_s: u64| {
        let stage = stage();
        stage.call(0, 0, 200, None);
        stage.store(SECOND, 20_000);
        stage.call(after_s * SECOND, 0, 200, None);
        stage.store(after_s * SECOND, 3_600_000);
        let broken = stage.watch.finish().broken;
        broken.contains_key("store.backwards")
    };
    assert!(back(60));
    assert!(back(600));
    assert!(!back(602));
}

#[test]
fn a_fetch_is_claimed_only_when_coingecko_answered() {
    let stage = stage();
    stage.call(SECOND, 0, 200, None);
    stage.store(SECOND, 20_000);
    stage.call(60 * SECOND, 0, 503, None);
    let claims = |fetched_s: i64| {
        stage.watch.see(&Event::PriceWrite {
            at_us: 61 * SECOND,
            symbol: "ETH".into(),
            price: "1".to_owned(),
            updated_ms: START_MS,
            fetched_ms: START_MS + fetched_s * 1_000,
            ttl_s: 0,
        });
        stage.watch.finish().broken.contains_key("price.fetched")
    };
    assert!(!claims(1), "as the last answer, and again as what was kept");
    assert!(claims(0), "before it");
    let stage = super::tests::stage();
    stage.call(SECOND, 0, 200, None);
    stage.watch.see(&Event::PriceWrite {
        at_us: 2 * SECOND,
        symbol: "ETH".into(),
        price: "1".to_owned(),
        updated_ms: START_MS,
        fetched_ms: START_MS + 9_000,
        ttl_s: 0,
    });
    assert!(
        stage.watch.finish().broken.contains_key("price.fetched"),
        "in the future"
    );
}

#[test]
fn a_price_past_its_retention_may_not_be_served() {
    let serves = |after_s: u64| {
        let stage = stage();
        stage.call(0, 0, 200, None);
        stage.store(SECOND, 20_000);
        stage.answer(served(after_s * SECOND, START_MS + 1_000 - 20_000));
        stage.watch.finish().broken.contains_key("price.retention")
    };
    assert!(!serves(600));
    assert!(serves(601), "ten minutes after its fetch, to the second");
    // A 304 carries no price, but its age.
    let stage = stage();
    stage.answer(RequestLine {
        age_s: Some(700),
        ..answered(705 * SECOND, 304)
    });
    assert_eq!(stage.broken(), ["price.retention"]);
}

#[test]
fn a_5xx_needs_that_nothing_is_servable() {
    let fails = |after_s: u64, problem: &str| {
        let stage = stage();
        stage.call(0, 0, 200, None);
        stage.store(SECOND, 20_000);
        stage.answer(RequestLine {
            problem: Some(problem.to_owned()),
            ..answered(after_s * SECOND, 503)
        });
        stage.watch.finish().broken.contains_key("api.server_error")
    };
    assert!(fails(60, "PRICE_UNAVAILABLE"));
    assert!(
        !fails(2, "PRICE_UNAVAILABLE"),
        "not every process can know of it so soon"
    );
    assert!(!fails(650, "PRICE_UNAVAILABLE"), "it has expired");
    assert!(fails(650, "STORE_UNAVAILABLE"), "the store is up");
}

#[test]
fn every_request_is_answered_and_in_time() {
    let takes = |took_us: u64, stored: bool| {
        let stage = stage();
        stage.call(0, 0, 200, None);
        stage.store(SECOND, 20_000);
        if stored {
            stage.call(61 * SECOND, 0, 200, None);
            stage.store(61 * SECOND, 20_000);
        }
        stage.answer(RequestLine {
            answered_us: 60 * SECOND + took_us,
            ..answered(60 * SECOND, 200)
        });
        stage.watch.finish().broken.contains_key("api.deadline")
    };
    assert!(!takes(3 * SECOND, false));
    assert!(takes(3 * SECOND + 1, false));
    assert!(!takes(5 * SECOND, true));
    assert!(takes(5 * SECOND + 1, true));
    let stage = stage();
    stage.answer(RequestLine {
        answered_us: 6 * SECOND,
        ..answered(0, 503)
    });
    assert_eq!(stage.broken(), [""; 0], "with nothing to serve it may take 6 s");
    stage.answer(answered(SECOND, 0));
    assert_eq!(stage.broken(), ["api.answered"]);
}

#[test]
fn an_invalid_request_gets_its_own_error_or_a_429() {
    let is = |owed, status| {
        let stage = stage();
        stage.answer(RequestLine {
            owed,
            ..answered(SECOND, status)
        });
        stage.broken()
    };
    assert_eq!(is(401, 401), [""; 0]);
    assert_eq!(is(400, 429), [""; 0]);
    assert_eq!(is(401, 200), ["api.expected"]);
}

#[test]
fn all_is_well_again_within_the_stated_time() {
    let stage = stage();
    let calm_us = stage.watch.finish().calm_from_us;
    // The updater's lease, the longest pause, an interval, a refresh and what it takes until all know of it.
    let stated = Duration::from_secs(33 + 240 + 300 + 30 + 2 + 3);
    assert_eq!(calm_us, FAULT_END + crate::sweep::bounds::us(stated));
    stage.answer(answered(calm_us - SECOND, 503));
    assert_eq!(stage.broken(), [""; 0]);
    stage.answer(RequestLine {
        age_s: Some(311),
        ..answered(calm_us, 200)
    });
    assert_eq!(stage.broken(), ["recovery.fresh"]);
    stage.answer(answered(calm_us, 503));
    assert_eq!(stage.broken(), ["recovery.fresh", "recovery.served"]);

    let mut stage = super::tests::stage();
    for n in 0..30 {
        stage.refresh("update", calm_us + n * 60 * SECOND, 0, &[(200, None)]);
    }
    assert_eq!(stage.broken(), ["recovery.calls"]);
}

#[test]
fn a_long_retry_after_postpones_recovery_a_plans_own_limit_does_not() {
    let mut stage = stage();
    let before_us = stage.watch.finish().calm_from_us;
    stage.refresh("api", 119 * SECOND, 0, &[(429, Some(900))]);
    let after_us = stage.watch.finish().calm_from_us;
    assert!(after_us > before_us + 600 * SECOND, "{before_us} {after_us}");
    stage.watch.see(&Event::Upstream(UpstreamCall {
        at_us: 2_000 * SECOND,
        done_us: 2_000 * SECOND,
        path: String::new(),
        status: 429,
        complete: true,
        retry_after_s: Some(900),
        credit: false,
        faults: Vec::new(),
    }));
    assert_eq!(stage.watch.finish().calm_from_us, after_us);
}
