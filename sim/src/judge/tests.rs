//! Metrics on hand-made recordings with known answers.

use std::{sync::Arc, time::Duration};

use scenarios::{
    format::{Alone, Scenario, model::ClockKind, parse},
    wire::{RequestLine, ServedPrice},
};

use super::*;
use crate::audit::Findings;
use crate::cloudwatch::{
    alarms::{State, StateChange},
    running::AlarmAbout,
};
use crate::lambda::outcome::Failure;
use crate::record::{
    PublicationCheck, Recorder, RecordingSetup, Timing, View,
    event::{Event, LeaseAction, LeaseEvent, StoreCall, StoreOp, StoreSubject, UpstreamCall},
};

/// Publishes only the price 100 at any time, where the market stands too.
#[derive(Debug)]
struct Hundred;

impl PublicationCheck for Hundred {
    fn published(&self, _: &str, price: &str, _: i64, _: i64, _: i64) -> bool {
        price.parse() == Ok(100.0)
    }

    fn market_price(&self, _: &str, _: i64) -> f64 {
        100.0
    }
}

/// 2026-03-02T00:00:00Z
const START_MS: i64 = 1_772_409_600_000;

const SCENARIO: &str = r#"
schema = 1
name = "stage"
about = "Ten minutes."
seed = 1
start = "2026-03-02T00:00:00Z"
duration = "10m"
[stack]
cache_ttl = "2m"
rate_limit = "3/min"
update_every = "5m"
update_phase = "0s"
[[journey]]
name = "first"
get = ["/prices/{symbol}"]
[[journey]]
name = "second"
get = ["/prices/{symbol}"]
[[load]]
name = "day"
users = 1
keys = { count = 2 }
"#;

fn scenario(more: &str) -> Scenario {
    match parse("stage.toml", &format!("{SCENARIO}{more}"), &[], &Alone) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

/// Ten wall minutes in one real minute: a real second is ten wall seconds.
struct Stage {
    scenario: Scenario,
    stack: EffectiveStack,
    recorder: Recorder,
}

impl Stage {
    fn new(more: &str) -> Self {
        let scenario = scenario(more);
        let stack = EffectiveStack {
            update_every: scenario.stack.update_every,
            update_phase: Duration::ZERO,
            credits_per_month: Some(10_000),
            retry_base: Duration::from_millis(200),
            retry_cap: Duration::from_secs(5),
        };
        let recorder = Recorder::new(RecordingSetup {
            timing: Timing {
                start_ms: START_MS,
                speed: 10.0,
                duration: scenario.duration,
            },
            lag: RecordingSetup::REAL_LAG,
            views: View::asked_by(&scenario),
            rate_limit: scenario.stack.rate_limit,
            cache_ttl: scenario.stack.cache_ttl,
            symbols: vec!["BTC".to_owned(), "ETH".to_owned()],
            key_ids: vec![vec!["k0".to_owned(), "k1".to_owned()]],
            alarms: vec![AlarmAbout {
                id: "PricesStale".to_owned(),
                reach: Duration::from_secs(60),
            }],
            publication: Arc::new(Hundred),
        });
        Self {
            scenario,
            stack,
            recorder,
        }
    }

    fn judge(&self) -> Verdict {
        self.judge_on(ClockKind::Real)
    }

    fn judge_on(&self, clock: ClockKind) -> Verdict {
        let recording = self.recorder.clone().finish();
        judge(&self.scenario, &recording, &self.stack, clock)
    }

    fn metric(&self, name: &str) -> Option<f64> {
        self.judge().metric(name)
    }

    /// A request for BTC, sent at `ms` of real time and answered after 10 ms.
    fn request(&mut self, ms: u64, change: impl FnOnce(&mut RequestLine)) {
        let mut line = RequestLine {
            due_us: ms * 1000,
            sent_us: ms * 1000,
            answered_us: (ms + 10) * 1000,
            key: Some(0),
            route: "/prices/{symbol}".into(),
            owed: 200,
            asked: ["BTC".to_owned()].into(),
            status: 200,
            wire_bytes: 300,
            plain_bytes: 300,
            ..RequestLine::default()
        };
        change(&mut line);
        self.recorder.record(Event::Request { load: 0, line });
    }

    fn store(&mut self, ms: u64, op: StoreOp, found: u16, rcu: f64) {
        self.recorder.record(Event::Store(StoreCall {
            at_us: ms * 1000,
            store_us: 100,
            front_us: 20,
            op,
            subject: StoreSubject::Prices,
            consistent: false,
            items: 1,
            found,
            status: 200,
            rcu,
            wcu: 0.0,
            throttled: false,
            faults: Vec::new(),
        }));
        let symbols = vec!["BTC".into()];
        self.recorder.record(Event::PriceRead {
            at_us: ms * 1000 + 100,
            symbols,
            found,
        });
    }

    /// BTC and ETH stored at `ms` of real time, fetched just then, kept for an hour.
    fn write(&mut self, ms: u64) {
        for symbol in ["BTC", "ETH"] {
            let fetched_ms = START_MS + ms as i64 * 10;
            self.recorder.record(Event::PriceWrite {
                at_us: ms * 1000,
                symbol: symbol.to_owned(),
                price: "100".to_owned(),
                updated_ms: fetched_ms - 5_000,
                fetched_ms,
                ttl_s: fetched_ms / 1000 + 3600,
            });
        }
    }

    fn lease(&mut self, ms: u64, holder: &str, action: LeaseAction) {
        let lease = LeaseEvent {
            at_us: ms * 1000,
            holder: holder.to_owned(),
            action,
            held: true,
        };
        self.recorder.record(Event::Lease(lease));
    }

    fn call(&mut self, ms: u64, status: u16, retry_after_s: Option<u32>) {
        self.recorder.record(Event::Upstream(UpstreamCall {
            at_us: ms * 1000,
            done_us: ms * 1000 + 50_000,
            path: "/api/v3/coins/markets".to_owned(),
            status,
            complete: status != 0,
            retry_after_s,
            credit: status == 200,
            faults: Vec::new(),
        }));
    }

    fn admit(&mut self, ms: u64, window: i64, count: u32) {
        self.recorder.record(Event::Admission {
            at_us: ms * 1000,
            key_id: "k0".into(),
            window: START_MS / 60_000 + window,
            admitted: true,
            count,
        });
    }
}

/// BTC at 100 as stored by [`Stage::write`] at `stored_ms` of real time.
fn btc(line: &mut RequestLine, stored_ms: u64) {
    let served = ServedPrice {
        symbol: "BTC".into(),
        price: "100.0".into(),
        updated_ms: START_MS + stored_ms as i64 * 10 - 5_000,
    };
    line.prices = [served].into();
}

#[track_caller]
fn near(actual: Option<f64>, expected: f64) {
    assert!(
        actual.is_some_and(|actual| (actual - expected).abs() < 1e-6),
        "{actual:?}, not {expected}"
    );
}

#[test]
fn nothing_recorded_is_no_samples_and_fails_checks() {
    let stage = Stage::new("[[expect]]\ncheck = \"api.success >= 99%\"\n");
    let verdict = stage.judge();
    assert!(!verdict.passed);
    assert_eq!(verdict.expectations[0].margin, "no samples");
    assert_eq!(verdict.metric("api.success"), None);
    assert_eq!(verdict.metric("api.requests"), Some(0.0));
    assert_eq!(verdict.metric("price.wrong"), None);
    assert_eq!(verdict.metric("gzip.saved"), None);
    assert_eq!(verdict.metric("limit.overshoot"), None);
}

#[test]
fn success_and_correctness_are_of_what_is_owed() {
    let mut stage = Stage::new("");
    stage.request(100, |_| {});
    stage.request(200, |line| line.status = 304);
    stage.request(300, |line| line.status = 503);
    stage.request(400, |line| line.status = 0);
    stage.request(500, |line| (line.owed, line.status) = (404, 404));
    stage.request(600, |line| (line.owed, line.status) = (401, 200));
    let verdict = stage.judge();
    near(verdict.metric("api.requests"), 6.0);
    near(verdict.metric("api.rps"), 0.01);
    near(verdict.metric("api.success"), 0.5);
    near(verdict.metric("api.correct"), 0.5);
    near(verdict.metric("api.status.none"), 1.0);
    near(verdict.metric("api.status.200"), 2.0);
    assert_eq!(verdict.metric("api.status.500"), None);
    near(verdict.metric("api.latency.max"), 0.01);
}

#[test]
fn a_429_is_right_only_where_the_limit_refuses() {
    let mut stage = Stage::new("");
    for (n, ms) in [100, 200, 300].into_iter().enumerate() {
        stage.admit(ms + 5, 0, n as u32 + 1);
        stage.request(ms, |_| {});
    }
    stage.request(400, |line| (line.status, line.retry_after_s) = (429, Some(60)));
    stage.request(500, |line| (line.status, line.key) = (429, Some(1)));
    let verdict = stage.judge();
    near(verdict.metric("limit.rejected"), 2.0);
    near(verdict.metric("limit.false_rejected"), 1.0);
    near(verdict.metric("limit.excess"), 0.0);
    near(verdict.metric("limit.overshoot"), 0.0);
    near(verdict.metric("api.success"), 3.0 / 4.0);
    near(verdict.metric("api.correct"), 4.0 / 5.0);
    let broken: Vec<&str> = verdict.failed().map(|outcome| outcome.check.as_str()).collect();
    assert!(broken.contains(&"limit.false_rejected == 0"), "{broken:?}");
}

#[test]
fn what_the_store_lost_breaks_a_rule_and_a_store_that_cannot_be_asked_is_told_of() {
    let judged = |audit: Result<Findings, String>| {
        let stage = Stage::new("");
        stage.recorder.record(Event::Audited(audit));
        let verdict = stage.judge();
        let lost = |outcome: &&Outcome| outcome.check == "store.lost == 0";
        let why = verdict
            .failed()
            .find(lost)
            .and_then(|outcome| outcome.why.clone());
        let told = verdict
            .notes
            .iter()
            .any(|note| note.ends_with("is not judged: no route"));
        (why, told)
    };
    let lost = (0..7).map(|coin| format!("coin {coin}")).collect();
    let findings = |wrong| Findings { items: 7, wrong };
    assert_eq!(judged(Ok(findings(Vec::new()))), (None, false));
    assert_eq!(
        judged(Ok(findings(lost))),
        (
            Some("coin 0; coin 1; coin 2; coin 3; coin 4; and 2 more".to_owned()),
            false
        )
    );
    assert_eq!(judged(Err("no route".to_owned())), (None, true));
}

#[test]
fn a_fourth_admission_is_excess() {
    let mut stage = Stage::new("");
    for n in 0..4 {
        stage.admit(100 + n * 100, 0, n as u32 + 1);
    }
    near(stage.metric("limit.excess"), 1.0);
    near(stage.metric("limit.overshoot"), 1.0 / 3.0);
}

#[test]
fn retry_after_is_honest_when_silence_is_rewarded() {
    let full_window = |stage: &mut Stage| {
        for n in 0..3 {
            stage.admit(100 + n * 100, 0, n as u32 + 1);
        }
    };
    // Refused at 4 s of wall time; with three admissions a minute earlier, a third must be forgotten: 80 s.
    for (retry_after_s, honest) in [(76, 1.0), (30, 0.0)] {
        let mut stage = Stage::new("");
        full_window(&mut stage);
        stage.request(400, |line| {
            (line.status, line.retry_after_s) = (429, Some(retry_after_s))
        });
        near(stage.metric("limit.retry_after_honest"), honest);
    }

    let mut stage = Stage::new("");
    full_window(&mut stage);
    stage.request(400, |line| line.status = 429);
    near(stage.metric("limit.retry_after_honest"), 0.0);

    // It came back when it was told to and was refused again.
    let mut stage = Stage::new("");
    full_window(&mut stage);
    stage.request(400, |line| (line.status, line.retry_after_s) = (429, Some(80)));
    stage.request(8_500, |line| (line.status, line.retry_after_s) = (429, Some(80)));
    near(stage.metric("limit.retry_after_honest"), 0.5);
    for (clock, rule) in [
        (ClockKind::Virtual, "limit.retry_after_honest == 100%"),
        (ClockKind::Real, "limit.retry_after_honest >= 99%"),
    ] {
        let verdict = stage.judge_on(clock);
        assert!(
            verdict
                .failed()
                .any(|outcome| outcome.check == rule && outcome.margin == "50% of them are not"),
            "a broken promise fails any run"
        );
    }

    // It was told so, but others of its key were admitted meanwhile: that shows nothing.
    let mut stage = Stage::new("");
    full_window(&mut stage);
    stage.request(400, |line| (line.status, line.retry_after_s) = (429, Some(80)));
    stage.admit(8_450, 1, 1);
    stage.request(8_500, |line| (line.status, line.retry_after_s) = (429, Some(80)));
    near(stage.metric("limit.retry_after_honest"), 1.0);

    // It came back too early and was refused: that shows nothing.
    let mut stage = Stage::new("");
    full_window(&mut stage);
    stage.request(400, |line| (line.status, line.retry_after_s) = (429, Some(80)));
    stage.request(5_000, |line| (line.status, line.retry_after_s) = (429, Some(80)));
    near(stage.metric("limit.retry_after_honest"), 1.0);
}

#[test]
fn ages_are_wall_time_by_the_store_writes() {
    let mut stage = Stage::new("");
    stage.write(1_000);
    stage.request(2_990, |line| btc(line, 1_000));
    stage.request(3_990, |line| btc(line, 1_000));
    near(stage.metric("api.age.max"), 30.0);
    near(stage.metric("api.data_age.max"), 35.0);
    let p50 = stage.metric("api.data_age.p50");
    assert!(
        p50.is_some_and(|p50| (25.0..25.025).contains(&p50)),
        "{p50:?}: within a thousandth"
    );
    near(stage.metric("price.error.max"), 0.0);
}

#[test]
fn wrong_missing_and_backwards_answers_are_counted_and_fail_the_run() {
    let mut stage = Stage::new("");
    stage.write(1_000);
    stage.write(2_000);
    stage.request(2_500, |line| btc(line, 2_000));
    stage.request(2_600, |line| btc(line, 1_000));
    stage.request(2_700, |_| {});
    stage.request(2_800, |line| {
        btc(line, 2_000);
        Arc::make_mut(&mut line.prices)[0].price = "7".into();
    });
    let verdict = stage.judge();
    near(verdict.metric("price.backwards"), 1.0);
    near(verdict.metric("price.missing"), 1.0);
    near(verdict.metric("price.wrong"), 1.0);
    assert!(!verdict.passed);
}

#[test]
fn cache_tiers_are_seen_from_outside_and_compared_with_what_is_said() {
    let mut stage = Stage::new("");
    let said = |line: &mut RequestLine, stored_ms, status: &str| {
        btc(line, stored_ms);
        line.cache_status = Some(format!("crypto-watch; {status}; ttl=1"));
    };
    stage.request(50, |line| {
        (line.status, line.problem) = (503, Some("PRICE_UNAVAILABLE".to_owned()));
        line.cache_status = Some("crypto-watch; fwd=miss; ttl=0".to_owned());
    });
    stage.lease(100, "api-aa", LeaseAction::Acquire);
    stage.write(105);
    stage.request(100, |line| said(line, 105, "fwd=miss; stored"));
    stage.store(200, StoreOp::BatchGetItem, 1, 0.5);
    stage.request(199, |line| said(line, 105, "hit; detail=store"));
    stage.request(300, |line| said(line, 105, "hit; detail=memory"));
    stage.store(20_000, StoreOp::BatchGetItem, 1, 0.5);
    stage.request(20_000, |line| said(line, 105, "hit; detail=stale-if-error"));
    let verdict = stage.judge();
    for tier in ["memory", "store", "upstream", "stale", "none"] {
        near(verdict.metric(&format!("cache.{tier}_ratio")), 0.2);
    }
    near(verdict.metric("cache.hit_ratio"), 0.4);
    near(verdict.metric("store.rcu"), 1.0);
    near(verdict.metric("store.reads"), 2.0);
    let tallies = || verdict.claims.iter().filter(|claim| claim.by == "Cache-Status");
    assert_eq!(tallies().count(), 5);
    for claim in tallies() {
        assert_eq!(
            (claim.seen, claim.claimed, claim.agrees),
            (1.0, Some(1.0), true),
            "{}",
            claim.what
        );
    }
}

#[test]
fn in_virtual_time_two_answers_that_tell_each_others_story_are_noticed() {
    let mut stage = Stage::new("");
    stage.write(10);
    let said = |line: &mut RequestLine, detail: &str| {
        btc(line, 10);
        line.cache_status = Some(format!("crypto-watch; hit; detail={detail}; ttl=1"));
    };
    stage.request(100, |line| said(line, "store"));
    stage.store(200, StoreOp::BatchGetItem, 1, 0.5);
    stage.request(199, |line| said(line, "memory"));
    let disagree = |clock| {
        let claims = stage.judge_on(clock).claims.into_iter();
        let wrong = claims.filter(|claim| claim.by == "Cache-Status" && !claim.agrees);
        wrong
            .map(|claim| (claim.what, claim.seen, claim.claimed))
            .collect::<Vec<_>>()
    };
    assert_eq!(disagree(ClockKind::Real), [], "the sums are right");
    let own = "answers that tell their own tier".to_owned();
    assert_eq!(disagree(ClockKind::Virtual), [(own, 2.0, Some(0.0))]);

    let emf = |requests: f64| Event::Emf {
        at_us: 1,
        service: "api",
        values: vec![("Requests".into(), requests)],
    };
    let agrees = |stage: &Stage, clock| {
        let claims = stage.judge_on(clock).claims;
        claims
            .iter()
            .any(|claim| claim.what == "requests answered" && claim.agrees)
    };
    stage.recorder.record(emf(1.0));
    assert!(
        agrees(&stage, ClockKind::Real),
        "one may have been under way at the end"
    );
    assert!(!agrees(&stage, ClockKind::Virtual));
    stage.recorder.record(emf(1.0));
    assert!(agrees(&stage, ClockKind::Virtual));
}

#[test]
fn a_service_that_tells_another_story_fails() {
    let mut stage = Stage::new("");
    stage.write(10);
    let answer = |line: &mut RequestLine| {
        btc(line, 10);
        line.cache_status = Some("crypto-watch; hit; detail=store; ttl=1".to_owned());
    };
    for n in 0..300 {
        stage.request(100 + n, answer);
    }
    let emf = |requests: f64| Event::Emf {
        at_us: 1,
        service: "api",
        values: vec![("Requests".into(), requests), ("CacheMemory".into(), requests)],
    };
    stage.recorder.record(emf(290.0));
    let verdict = stage.judge();
    let of = |what: &str, by: &str| {
        verdict
            .claims
            .iter()
            .find(|claim| claim.what == what && claim.by == by)
            .map(|claim| claim.agrees)
    };
    assert_eq!(
        of("served from memory", "Cache-Status"),
        Some(false),
        "300 seen, 0 said"
    );
    assert_eq!(
        of("served from memory", "EMF"),
        Some(false),
        "300 seen, 290 said, 3 allowed"
    );
    assert_eq!(of("requests answered", "EMF"), Some(false));
    assert_eq!(of("429s given to clients", "EMF"), Some(true));
    let outcome = verdict
        .failed()
        .find(|outcome| outcome.check.contains("what was seen"));
    let why = outcome
        .and_then(|outcome| outcome.why.clone())
        .unwrap_or_default();
    assert!(why.contains("requests answered: seen 300, EMF says 290"), "{why}");
}

#[test]
fn calls_and_retries_are_counted_under_their_leases() {
    let mut stage = Stage::new("");
    stage.lease(1_000, "update-a", LeaseAction::Acquire);
    stage.call(1_010, 429, Some(1));
    stage.call(1_260, 503, None);
    stage.call(1_400, 200, None);
    stage.lease(1_500, "update-a", LeaseAction::Release);
    stage.lease(31_000, "api-b", LeaseAction::Acquire);
    stage.call(31_010, 200, None);
    let verdict = stage.judge();
    near(verdict.metric("upstream.calls"), 4.0);
    near(verdict.metric("upstream.first_tries"), 2.0);
    near(verdict.metric("upstream.retries"), 2.0);
    near(verdict.metric("upstream.amplification"), 2.0);
    near(verdict.metric("upstream.per_interval.max"), 3.0);
    near(verdict.metric("upstream.status.429"), 1.0);
    near(verdict.metric("upstream.concurrent_max"), 1.0);
    near(verdict.metric("upstream.credits"), 2.0);
    near(
        verdict.metric("upstream.quota_pace"),
        2.0 * 30.0 * 24.0 * 6.0 / 10_000.0,
    );
    near(verdict.metric("retry.delay.max"), 0.2);
    near(verdict.metric("retry.delay.p50"), 0.09);
    near(verdict.metric("retry.early"), 0.0);
    near(verdict.metric("retry.after_floor"), 1.0);
    assert_eq!(verdict.metric("retry.jitter_ks"), None, "two retries are too few");
}

#[test]
fn a_retry_before_its_time_is_early() {
    let mut stage = Stage::new("");
    stage.lease(1_000, "api-a", LeaseAction::Acquire);
    stage.call(1_000, 429, Some(20));
    stage.call(2_900, 200, None);
    near(stage.metric("retry.early"), 1.0);
    near(stage.metric("retry.after_floor"), 0.0);
}

#[test]
fn full_jitter_is_told_from_a_constant() {
    let play = |delay_ms: &dyn Fn(u64) -> u64| {
        let mut stage = Stage::new("");
        for n in 0..40 {
            let at = 1_000 + n * 1_000;
            stage.lease(at, &format!("api-{n}"), LeaseAction::Acquire);
            stage.call(at, 429, Some(1));
            // The answer takes 50 ms, Retry-After a tenth of a second.
            stage.call(at + 150 + delay_ms(n), 200, None);
            stage.lease(at + 900, &format!("api-{n}"), LeaseAction::Release);
        }
        stage.metric("retry.jitter_ks").unwrap_or(f64::NAN)
    };
    let spread = play(&|n| n * 5);
    assert!(spread < 0.05, "{spread}");
    let constant = play(&|_| 200);
    assert!(constant > 0.9, "{constant}");
}

#[test]
fn overlapping_calls_are_concurrent() {
    let mut stage = Stage::new("");
    stage.call(1_000, 200, None);
    stage.call(1_049, 200, None);
    stage.call(1_099, 200, None);
    near(stage.metric("upstream.concurrent_max"), 2.0);
}

#[test]
fn gzip_is_bytes_on_the_wire_against_plain_ones() {
    let mut stage = Stage::new("");
    stage.request(100, |line| {
        (line.gzip, line.wire_bytes, line.plain_bytes) = (true, 100, 400)
    });
    stage.request(200, |_| {});
    near(stage.metric("gzip.saved"), 0.75);
    near(stage.metric("gzip.share"), 0.5);
}

#[test]
fn gaps_between_updates_include_the_ends() {
    let mut stage = Stage::new("");
    stage.lease(5_900, "update-a", LeaseAction::Acquire);
    stage.write(6_000);
    stage.write(25_000);
    stage.recorder.record(Event::UpdateEnded {
        at_us: 6_100_000,
        index: 0,
        ok: true,
    });
    stage.recorder.record(Event::UpdateEnded {
        at_us: 7_100_000,
        index: 1,
        ok: false,
    });
    near(stage.metric("update.gap_max"), 350.0);
    near(stage.metric("update.runs"), 2.0);
    near(stage.metric("update.succeeded"), 1.0);
    near(stage.metric("update.written"), 4.0);
}

#[test]
fn waits_are_the_services_own_and_most_requests_wait_for_nothing() {
    let mut stage = Stage::new("");
    for n in 0..4 {
        stage.request(100 * n, |_| {});
    }
    let values = vec![("RefreshWaitMs".into(), 1_500.0)];
    stage.recorder.record(Event::Emf {
        at_us: 1,
        service: "api",
        values,
    });
    near(stage.metric("api.wait.max"), 1.5);
    near(stage.metric("api.wait.p99"), 1.5);
}

#[test]
fn windows_and_filters_narrow_what_is_judged() {
    let mut stage = Stage::new(
        r#"
        [[fault]]
        name = "outage"
        target = "coingecko"
        at = "5m"
        for = "1m"
        kind = "status"
        status = 503
        [[expect]]
        check = "api.requests == 1"
        during = "outage"
        [[expect]]
        check = "api.requests == 2"
        during = "outage.end+1m..end"
        [[expect]]
        check = "api.requests == 1"
        where = "journey=second"
        level = "warn"
        [[expect]]
        check = "api.requests == 3"
        clock = "virtual"
        "#,
    );
    stage.request(29_999, |_| {});
    stage.request(30_000, |_| {});
    stage.request(42_000, |line| line.journey = 1);
    stage.request(60_000, |_| {});
    let verdict = stage.judge();
    let own: Vec<_> = verdict
        .expectations
        .iter()
        .filter(|o| o.origin == Origin::Scenario)
        .collect();
    assert_eq!(own.len(), 3, "what is for the virtual clock is not judged here");
    assert!(own.iter().all(|outcome| outcome.held), "{own:#?}");
    assert_eq!(own[1].during.as_deref(), Some("outage.end+1m..end"));
    assert_eq!(own[2].filter.as_deref(), Some("journey=second"));
    let broken: Vec<&str> = verdict.failed().map(|outcome| outcome.check.as_str()).collect();
    assert!(broken.contains(&"every fault touched something"), "{broken:?}");
    assert!(broken.contains(&"every load was played in full"), "{broken:?}");
}

#[test]
fn each_clock_judges_its_own_expectations_and_virtual_time_no_latency() {
    let stage = |more: &str| {
        let mut stage = Stage::new(&format!(
            r#"
            [[expect]]
            check = "api.requests == 1"
            clock = "real"
            [[expect]]
            check = "api.requests == 2"
            clock = "virtual"
            [[expect]]
            check = "api.latency.max <= 1ms"
            {more}
            "#
        ));
        stage.request(100, |_| {});
        stage
    };
    let own = |verdict: &Verdict| -> Vec<(String, bool, bool)> {
        let own = verdict
            .expectations
            .iter()
            .filter(|o| o.origin == Origin::Scenario);
        own.map(|o| (o.check.clone(), o.judged, o.held)).collect()
    };
    let told = |check: &str, judged, held| (check.to_owned(), judged, held);
    let real = stage("").judge();
    assert_eq!(
        own(&real),
        [
            told("api.requests == 1", true, true),
            told("api.latency.max <= 1ms", true, false)
        ]
    );
    assert!(!real.metrics["api.latency.max"].modelled);
    let simulated = stage("").judge_on(ClockKind::Virtual);
    assert_eq!(
        own(&simulated),
        [
            told("api.requests == 2", true, false),
            told("api.latency.max <= 1ms", false, true)
        ]
    );
    let latency = &simulated.expectations[1];
    assert_eq!(
        (latency.actual, latency.margin.as_str()),
        (Some(0.01), "modelled, not judged")
    );
    assert!(simulated.metrics["api.latency.max"].modelled);
    assert!(!simulated.metrics["api.requests"].modelled);
    assert!(simulated.failed().all(|outcome| outcome.judged));
    assert!(
        simulated.notes[0].contains("latencies are modelled"),
        "{:?}",
        simulated.notes
    );
    let rules = |verdict: &Verdict| {
        let rules = verdict
            .expectations
            .iter()
            .filter(|o| o.origin == Origin::Invariant);
        rules.map(|o| o.check.clone()).collect::<Vec<_>>()
    };
    assert_eq!(rules(&simulated), rules(&real), "the rules hold on both");
}

#[test]
fn memory_grows_by_what_its_peak_rose_within_the_window() {
    let stage = Stage::new(
        r#"
[[expect]]
check = "api.memory.growth == 2MB"
during = "1m..4m"
clock = "real"
[[expect]]
check = "api.memory.max == 9MB"
during = "1m..4m"
clock = "real"
[[expect]]
check = "api.memory.growth == 0B"
during = "7m..9m"
clock = "real"
"#,
    );
    // A real second is ten wall seconds. Another process than an API counts for nothing.
    for (second, process, megabytes) in [
        (0, "api-0", 5),
        (5, "api-0", 6),
        (7, "api-0", 8),
        (20, "api-0", 8),
        (5, "api-1", 9),
        (30, "api-0", 40),
        (7, "update-0", 50),
    ] {
        stage.recorder.record(Event::Memory {
            at_us: second * 1_000_000,
            process: process.to_owned(),
            peak_rss: megabytes * 1_000_000,
            cpu_us: 0,
        });
    }
    let verdict = stage.judge();
    let own = verdict
        .expectations
        .iter()
        .filter(|o| o.origin == Origin::Scenario);
    assert_eq!(
        own.map(|o| (o.actual, o.held)).collect::<Vec<_>>(),
        [(Some(2e6), true), (Some(9e6), true), (Some(0.0), true)]
    );
    assert_eq!(verdict.metric("api.memory.growth"), Some(35e6));
    assert_eq!(
        Stage::new("").metric("api.memory.max"),
        None,
        "no sample, no value"
    );
}

#[test]
fn invocations_are_counted_where_there_are_functions() {
    let mut stage = Stage::new("");
    assert_eq!(stage.metric("lambda.invocations"), None, "there are none");
    for (second, is_cold, ms) in [(1, true, 100), (2, false, 10), (3, false, 30)] {
        let at_us = second * 1_000_000;
        stage.recorder.record(Event::InvocationBegan {
            at_us,
            is_cold,
            running: 1,
        });
        stage.recorder.record(Event::Invoked {
            at_us,
            duration: Duration::from_millis(ms),
            service: "api",
            failure: is_cold.then(|| (Failure::Timeout, "too late".to_owned())),
            unlimited: Some("no control groups".to_owned()),
        });
    }
    stage
        .recorder
        .record(Event::InvocationThrottled { at_us: 4_000_000 });
    stage.request(100, |_| {});
    let verdict = stage.judge();
    for (metric, value) in [
        ("invocations", 3.0),
        ("cold_starts", 1.0),
        ("concurrent_max", 1.0),
        ("throttles", 1.0),
        ("timeouts", 1.0),
        ("errors", 1.0),
    ] {
        assert_eq!(
            verdict.metric(&format!("lambda.{metric}")),
            Some(value),
            "{metric}"
        );
    }
    let slowest = verdict.metric("lambda.duration.p99").expect("three samples");
    assert!((slowest - 0.1).abs() < 1e-3, "{slowest}");
    assert!(
        verdict.notes.iter().any(|note| note.contains("CPU not limited")),
        "{:?}",
        verdict.notes
    );
    let failed = "1 of the invocations of the `api` function failed, the first with too late";
    assert!(
        verdict.notes.iter().any(|note| note == failed),
        "{:?}",
        verdict.notes
    );
}

#[test]
fn alarms_are_timed_and_a_fire_without_a_cause_is_a_false_one() {
    let mut stage = Stage::new(
        "[[fault]]\nname = \"f\"\ntarget = \"coingecko\"\nat = \"2m\"\nfor = \"2m\"\nkind = \"status\"\nstatus = 503\n\
         may_miss = true\n\
         [[expect]]\ncheck = \"alarm.PricesStale.fires_within <= 1m\"\nduring = \"f\"\n\
         [[expect]]\ncheck = \"alarm.PricesStale.clears_within == 40s\"\nduring = \"f\"\n\
         [[expect]]\ncheck = \"alarm.PricesStale.fires_within == 0s\"\nduring = \"3m..4m\"\n\
         [[expect]]\ncheck = \"alarm.PricesStale.fired == 0\"\nduring = \"3m..4m\"\n\
         [[expect]]\ncheck = \"alarm.PricesStale.fires_within <= 9m\"\nduring = \"6m..8m\"\n",
    );
    for (wall_s, from, to) in [
        (150, State::Ok, State::Alarm),
        (280, State::Alarm, State::Ok),
        (540, State::Ok, State::Alarm),
    ] {
        stage.recorder.record(Event::Alarm {
            at_us: wall_s * 100_000,
            change: StateChange {
                alarm: 0,
                id: "PricesStale".to_owned(),
                at_ms: START_MS + wall_s as i64 * 1000,
                from,
                to,
                reason: "t".to_owned(),
            },
        });
    }
    stage.request(100, |_| {});
    let verdict = stage.judge();
    let own: Vec<(Option<f64>, bool)> = verdict
        .expectations
        .iter()
        .take(5)
        .map(|outcome| (outcome.actual, outcome.held))
        .collect();
    assert_eq!(
        own,
        [
            (Some(30.0), true),
            (Some(40.0), true),
            (Some(0.0), true),
            (Some(0.0), true),
            (None, false),
        ]
    );
    assert_eq!(verdict.metric("alarm.PricesStale.fired"), Some(2.0));
    assert_eq!(
        verdict.metric("alarm.PricesStale.false_fires"),
        Some(1.0),
        "the second is long after the fault"
    );
    assert_eq!(verdict.alarms[1].at, 280.0);
    let on = &verdict.series.alarms["PricesStale"];
    let width = verdict.series.bucket_seconds as usize;
    assert_eq!(
        (on[100 / width], on[200 / width], on[400 / width], on[599 / width]),
        (0, 1, 0, 1)
    );
}

#[test]
fn alarms_that_the_template_does_not_have_are_pointed_at() {
    let wrong = scenario("[[expect]]\ncheck = \"alarm.PriceStale.fired == 0\"\n");
    let Err(found) = diagnose_alarms(&wrong, &["PricesStale"]) else {
        panic!("it has none of this name")
    };
    insta::assert_snapshot!(found, @r#"
    error: the template has no alarm `PriceStale` in the environment `dev`
       --> stage.toml:24:10
       |
    24 | check = "alarm.PriceStale.fired == 0"
       |          ^^^^^^^^^^^^^^^^^^^^^^ did you mean `PricesStale`?
    "#);
    let none = diagnose_alarms(&wrong, &[]).expect_err("it has none");
    assert!(none.to_string().contains("it has none there"), "{none}");
    assert_eq!(diagnose_alarms(&wrong, &["PriceStale"]), Ok(()));
}

#[test]
fn of_what_the_gateway_answers_the_service_knows_nothing() {
    let mut stage = Stage::new("");
    stage.recorder.record(Event::InvocationThrottled { at_us: 1 });
    stage.request(100, |line| (line.by_gateway, line.status) = (true, 429));
    stage.request(200, |line| (line.by_gateway, line.status) = (true, 502));
    let verdict = stage.judge();
    for (metric, value) in [
        ("gateway.refused", 1.0),
        ("gateway.failed", 1.0),
        ("limit.rejected", 0.0),
        ("limit.false_rejected", 0.0),
        ("api.success", 0.0),
    ] {
        assert_eq!(verdict.metric(metric), Some(value), "{metric}");
    }
    let claim = |what| {
        verdict
            .claims
            .iter()
            .find(|claim| claim.what == what)
            .map(|claim| claim.seen)
    };
    assert_eq!(claim("requests answered"), Some(0.0));
    assert_eq!(claim("429s given to clients"), Some(0.0));
}

#[test]
fn a_document_that_cloudwatch_would_drop_fails_the_run() {
    let mut stage = Stage::new("");
    stage.request(100, |_| {});
    stage.recorder.record(Event::EmfBroken {
        at_us: 1,
        problem: "a unit that there is not".to_owned(),
    });
    let verdict = stage.judge();
    let broken = verdict
        .failed()
        .find(|outcome| outcome.check == "CloudWatch would keep every document of metrics");
    let why = broken.and_then(|outcome| outcome.why.clone());
    assert_eq!(why.as_deref(), Some("a unit that there is not"));
}

#[test]
fn what_the_recording_was_not_told_of_has_no_samples() {
    let mut stage = Stage::new("");
    stage.request(100, |_| {});
    stage.scenario = scenario("[[expect]]\ncheck = \"api.requests >= 0\"\nduring = \"0s..1m\"\n");
    let verdict = stage.judge();
    assert_eq!(
        (verdict.expectations[0].actual, verdict.expectations[0].held),
        (None, false)
    );
}

#[test]
fn series_have_one_value_for_each_bucket() {
    let mut stage = Stage::new("");
    stage.write(10);
    stage.request(100, |line| btc(line, 10));
    stage.request(59_900, |line| line.status = 0);
    stage.call(200, 503, None);
    let series = stage.judge().series;
    assert_eq!(series.bucket_seconds, 1);
    assert_eq!(series.requests["200"].len(), 600);
    assert_eq!((series.requests["200"][1], series.requests["none"][599]), (1, 1));
    assert_eq!(series.upstream["503"][2], 1);
    assert!(series.age_max[1].is_some_and(|age| (age - 1.0).abs() < 0.01) && series.age_max[2].is_none());
}

#[test]
fn a_check_that_cannot_be_judged_is_pointed_at() {
    let wrong = scenario(
        r#"
[[expect]]
check = "api.sucess >= 99%"
[[expect]]
check = "api.age.max <= 12"
[[expect]]
check = "lambda.errors == 0"
[[expect]]
check = "upstream.calls == 1"
where = "journey=first"
[[expect]]
check = "api.latency.p99 <= 1s"
clock = "virtual"
[[expect]]
check = "api.memory.growth <= 1MB"
"#,
    );
    let Err(found) = diagnose(&wrong, false) else {
        panic!("six mistakes")
    };
    insta::assert_snapshot!(found, @r##"
    error: unknown metric `api.sucess`
       --> stage.toml:25:10
       |
    25 | check = "api.sucess >= 99%"
       |          ^^^^^^^^^^ did you mean `api.success`?

    error: `api.age.max` is not compared with a plain number
       --> stage.toml:27:25
       |
    27 | check = "api.age.max <= 12"
       |                         ^^ write a duration such as 250ms or 6m

    error: `lambda.errors` is measured of functions
       --> stage.toml:29:10
       |
    29 | check = "lambda.errors == 0"
       |          ^^^^^^^^^^^^^ play it with --via lambda

    error: `upstream.calls` cannot be narrowed by `where`
       --> stage.toml:32:9
       |
    32 | where = "journey=first"
       |         ^^^^^^^^^^^^^^^ it is not counted by request; `during` narrows it

    error: `api.latency.p99` is never judged on the virtual clock
       --> stage.toml:34:10
       |
    34 | check = "api.latency.p99 <= 1s"
       |          ^^^^^^^^^^^^^^^ it is modelled there; leave out `clock`, or write `clock = "real"`

    error: `api.memory.growth` is measured on the real clock only
       --> stage.toml:37:10
       |
    37 | check = "api.memory.growth <= 1MB"
       |          ^^^^^^^^^^^^^^^^^ add `clock = "real"` to its `[[expect]]`
    "##);
    assert_eq!(
        diagnose(
            &scenario("[[expect]]\ncheck = \"upstream.amplification <= 1.2\"\n"),
            false
        ),
        Ok(())
    );
}
