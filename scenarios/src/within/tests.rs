//! Users on a paused runtime: everything about them is exact.

mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::mem::size_of_val;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use http::header::RETRY_AFTER;

use super::*;
use crate::format::{Alone, parse};

const ONE: &str = "[[journey]]\nname = \"one\"\nget = [\"/prices/{symbol}\"]\nthink = \"10s\"\n";
const EVEN: &str = "[[load]]\nname = \"day\"\nrate = \"3/s\"\narrivals = \"even\"\nkeys = { count = 10, dist = \"zipf\", s = 1.0 }\n";

/// A minute with these journeys and loads.
fn scenario(journeys: &str, loads: &str) -> Scenario {
    let text =
        format!("schema = 1\nname = \"t\"\nabout = \"t\"\nseed = 1\nduration = \"60s\"\n{journeys}\n{loads}");
    parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"))
}

fn plan(scenario: &Scenario, load: usize) -> WithinPlan<'_> {
    let keys = scenario.loads[load].keys.count;
    WithinPlan {
        scenario,
        load,
        seed: 1,
        targets: 2,
        keys: (0..keys).map(|index| format!("key-{index}")).collect(),
        symbols: ["BTC", "ETH", "SOL", "XRP", "ADA"].map(str::to_owned).to_vec(),
        timeout: Duration::from_secs(10),
    }
}

/// A service that takes `takes` and answers by the count of the request, from 0.
struct Service<F> {
    takes: Duration,
    asked: Mutex<u64>,
    answer: F,
}

impl<F: Fn(u64) -> Exchange + Send + Sync> Carry for Service<F> {
    fn get<'a>(&'a self, _: u16, _: &'a str, _: HeaderMap) -> Carried<'a> {
        let number = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            *asked += 1;
            *asked - 1
        };
        Box::pin(async move {
            if !self.takes.is_zero() {
                tokio::time::sleep(self.takes).await;
            }
            (self.answer)(number)
        })
    }
}

/// A service that takes so many milliseconds.
fn service(takes_ms: u64, answer: impl Fn(u64) -> Exchange + Send + Sync + 'static) -> Arc<dyn Carry> {
    Arc::new(Service {
        takes: Duration::from_millis(takes_ms),
        asked: Mutex::new(0),
        answer,
    })
}

fn answered(status: StatusCode, headers: HeaderMap, body: &'static str) -> Exchange {
    Exchange::Answered(Answer {
        status,
        headers,
        body: body.into(),
        number: None,
    })
}

fn ok(_: u64) -> Exchange {
    let body = r#"{"data":[{"symbol":"BTC","price":1.50,"lastUpdated":"2026-03-02T00:00:00Z"}]}"#;
    answered(StatusCode::OK, HeaderMap::new(), body)
}

/// The first is refused for 7 s, the others are answered.
fn first_refused(number: u64) -> Exchange {
    if number > 0 {
        return ok(number);
    }
    let headers = HeaderMap::from_iter([(RETRY_AFTER, http::HeaderValue::from_static("7"))]);
    answered(
        StatusCode::TOO_MANY_REQUESTS,
        headers,
        r#"{"code":"RATE_LIMIT_EXCEEDED"}"#,
    )
}

/// Where lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<RequestLine>>>);

impl Lines {
    fn tell(&self) -> Arc<dyn Fn(RequestLine) + Send + Sync> {
        let lines = Arc::clone(&self.0);
        Arc::new(move |line| lines.lock().unwrap_or_else(PoisonError::into_inner).push(line))
    }

    fn all(&self) -> Vec<RequestLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn played(plan: WithinPlan<'_>, carry: Arc<dyn Carry>) -> (Vec<RequestLine>, LoadEnd) {
    let lines = Lines::default();
    let (_stop, never) = watch::channel(false);
    let end = play(plan, carry, lines.tell(), never)
        .await
        .expect("a plan that fits");
    (lines.all(), end)
}

/// Instants of sending, in order.
fn sent(lines: &[RequestLine]) -> Vec<u64> {
    let mut sent: Vec<u64> = lines.iter().map(|line| line.sent_us).collect();
    sent.sort_unstable();
    sent
}

#[tokio::test(start_paused = true)]
async fn even_arrivals_are_counted_and_timed_exactly() {
    let scenario = scenario(ONE, &EVEN.replace("3/s", "20/s"));
    // The anchor is the call, not the start of the runtime.
    tokio::time::advance(Duration::from_secs(100)).await;
    let (lines, end) = played(plan(&scenario, 0), service(3, ok)).await;
    assert_eq!(
        end,
        LoadEnd {
            sent: 1200,
            dropped: 0
        }
    );
    for (number, line) in (0u64..).zip(&lines) {
        let due_us = number * 50_000 + 25_000;
        assert_eq!(
            (line.due_us, line.sent_us, line.answered_us),
            (due_us, due_us, due_us + 3_000)
        );
        assert_eq!(
            (u64::from(line.user), u64::from(line.target)),
            (number, number % 2)
        );
        assert_eq!(
            (line.status, line.owed, &*line.prices[0].price),
            (200, 200, "1.50")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn arrivals_between_two_ticks_are_due_exactly_and_sent_at_the_next() {
    let scenario = scenario(ONE, EVEN);
    let (lines, _) = played(plan(&scenario, 0), service(0, ok)).await;
    let first: Vec<(u64, u64)> = lines
        .iter()
        .take(2)
        .map(|line| (line.due_us, line.sent_us))
        .collect();
    assert_eq!(first, [(166_667, 167_000), (500_000, 500_000)]);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_lines() {
    let loads = EVEN
        .replace("arrivals = \"even\"\n", "")
        .replace("\"3/s\"", "[\"1/s\", \"9/s\"]");
    let scenario = scenario(
        "[[journey]]\nname = \"list\"\nget = [\"/prices?symbols={symbols:3}\", \"/prices/{symbol}\"]\nthink = \"2s\"\n",
        &loads,
    );
    let first = played(plan(&scenario, 0), service(2, ok)).await;
    assert!(first.0.len().abs_diff(580) < 150, "{}", first.0.len());
    assert_eq!(first, played(plan(&scenario, 0), service(2, ok)).await);
    let mut other = plan(&scenario, 0);
    other.seed = 2;
    assert_ne!(first, played(other, service(2, ok)).await);
}

#[tokio::test(start_paused = true)]
async fn a_load_more_moves_no_draw_of_another() {
    let alone = scenario(ONE, EVEN);
    let beside = scenario(
        ONE,
        &format!("[[load]]\nname = \"crowd\"\nat = \"0s\"\nfor = \"60s\"\nusers = 3\n{EVEN}at = \"0s\"\n"),
    );
    let (first, _) = played(plan(&alone, 0), service(2, ok)).await;
    let (second, _) = played(plan(&beside, 1), service(2, ok)).await;
    assert_eq!(first, second);
    let asked: BTreeSet<_> = first.iter().map(|line| (line.key, line.asked.clone())).collect();
    assert!(asked.len() > 10, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn users_think_exactly_and_leave_at_the_end() {
    let scenario = scenario(ONE, "[[load]]\nname = \"day\"\nusers = 5\nkeys = { count = 3 }\n");
    let (lines, end) = played(plan(&scenario, 0), service(40, ok)).await;
    assert_eq!(end.sent, 30);
    let mut users: BTreeMap<u32, Vec<RequestLine>> = BTreeMap::new();
    for line in lines {
        users.entry(line.user).or_default().push(line);
    }
    for (user, lines) in users {
        assert_eq!(
            sent(&lines),
            [0, 10_040_000, 20_080_000, 30_120_000, 40_160_000, 50_200_000]
        );
        assert!(
            lines
                .iter()
                .all(|line| line.key == Some(user % 3) && line.due_us == line.sent_us)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn users_come_when_their_load_begins() {
    let loads = format!("{EVEN}for = \"20s\"\n[[load]]\nname = \"late\"\nusers = 2\n");
    let scenario = scenario(ONE, &loads);
    let (lines, _) = played(plan(&scenario, 1), service(0, ok)).await;
    assert_eq!(
        sent(&lines),
        [20, 20, 30, 30, 40, 40, 50, 50].map(|s| s * 1_000_000)
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_user_comes_back_when_it_is_told_to() {
    let journey = format!("{ONE}on_reject = \"retry-after\"\n");
    let scenario = scenario(&journey, "[[load]]\nname = \"day\"\nusers = 1\n");
    let (lines, _) = played(plan(&scenario, 0), service(5, first_refused)).await;
    assert_eq!(sent(&lines)[..3], [0, 7_005_000, 17_010_000]);
    let told: Vec<_> = lines[..2].iter().map(|line| (line.status, line.repeat)).collect();
    assert_eq!(told, [(429, false), (200, true)]);
    assert_eq!(
        (lines[0].retry_after_s, lines[0].problem.as_deref()),
        (Some(7), Some("RATE_LIMIT_EXCEEDED"))
    );
    assert_eq!(lines[0].asked, lines[1].asked);
}

#[tokio::test(start_paused = true)]
async fn time_passes_for_who_never_waits() {
    let refuse = |_| answered(StatusCode::TOO_MANY_REQUESTS, HeaderMap::new(), "");
    let scenario = scenario(
        &format!("{ONE}on_reject = \"hammer\"\n"),
        "[[load]]\nname = \"day\"\nusers = 1\n",
    );
    let (lines, _) = played(plan(&scenario, 0), service(0, refuse)).await;
    // One a tick of tokio's timer.
    assert_eq!(lines.len(), 60_000);
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_answer_gives_up_in_time() {
    let scenario = scenario(ONE, "[[load]]\nname = \"day\"\nusers = 1\n");
    let mut plan = plan(&scenario, 0);
    plan.timeout = Duration::from_secs(3);
    let (lines, end) = played(plan, service(3_600_000, ok)).await;
    assert_eq!(sent(&lines), [0, 13, 26, 39, 52].map(|s| s * 1_000_000));
    assert_eq!(end.sent, 5);
    for line in lines {
        assert_eq!((line.status, line.error.as_deref()), (0, Some("timeout")));
        assert_eq!(line.answered_us, line.sent_us + 3_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_there_is_room_for_are_dropped() {
    let scenario = scenario(ONE, &EVEN.replace("3/s", "100/s"));
    let mut plan = plan(&scenario, 0);
    plan.timeout = Duration::from_secs(12);
    let (lines, end) = played(plan, service(3_600_000, ok)).await;
    // Of the 1,200 of each 12 s, as many as there is room for.
    assert_eq!((end.sent, end.dropped), (5 * 960, 5 * 240));
    assert_eq!(lines.len(), 5 * 960);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_within_half_a_second() {
    for (load, sent) in [(EVEN, 30), ("[[load]]\nname = \"day\"\nusers = 4\n", 4)] {
        let scenario = scenario(ONE, load);
        let (stop, stopped) = watch::channel(false);
        let begin = tokio::time::Instant::now();
        let lines = Lines::default();
        let playing = tokio::spawn(play(plan(&scenario, 0), service(100, ok), lines.tell(), stopped));
        // The thirtieth arrival, at 9.833 s, is in flight no more, nobody thinks to the end.
        tokio::time::sleep(Duration::from_millis(9_990)).await;
        stop.send_replace(true);
        let end = playing.await.expect("no panic").expect("a plan that fits");
        assert_eq!(end, LoadEnd { sent, dropped: 0 });
        assert!(
            begin.elapsed() < Duration::from_millis(10_500),
            "{:?}",
            begin.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_users_are_played() {
    let scenario = scenario(ONE, "[[load]]\nname = \"day\"\nusers = 10_000\n");
    let (lines, end) = played(plan(&scenario, 0), service(20, ok)).await;
    assert_eq!((end.sent, lines.len()), (60_000, 60_000));
    let users: BTreeSet<u32> = lines.iter().map(|line| line.user).collect();
    assert_eq!(users.len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_user_takes_less_than_a_kilobyte() {
    let scenario = scenario(ONE, "[[load]]\nname = \"day\"\nusers = 1\n");
    let (_stop, stopped) = watch::channel(false);
    let plan = plan(&scenario, 0);
    let play = Play::new(Setup {
        scenario: &scenario,
        load: 0,
        seed: 1,
        targets: 1,
        keys: &plan.keys,
        symbols: plan.symbols.clone(),
        clock: LoadClock::from_now(),
        tell: Tell(Arc::new(drop)),
        stop: stopped,
    });
    let play = Arc::new(play.expect("a plan that fits"));
    let user = user(play, 0, Carrier::new(service(0, ok), plan.timeout));
    assert!(size_of_val(&user) < 1024, "{}", size_of_val(&user));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_does_not_fit_is_refused() {
    let scenario = scenario(ONE, EVEN);
    let refused = async |change: &dyn Fn(&mut WithinPlan<'_>)| {
        let mut plan = plan(&scenario, 0);
        change(&mut plan);
        let (_stop, never) = watch::channel(false);
        let end = play(plan, service(0, ok), Lines::default().tell(), never).await;
        end.map_or_else(|error| error.to_string(), |end| format!("{end:?}"))
    };
    insta::assert_snapshot!(refused(&|plan| plan.load = 3).await, @"the plan does not fit its scenario: it names load 3, the scenario has 1");
    insta::assert_snapshot!(refused(&|plan| plan.targets = 0).await, @"the plan does not fit its scenario: it must name 1 to 65535 targets");
    insta::assert_snapshot!(refused(&|plan| plan.keys.clear()).await, @"the plan does not fit its scenario: load `day` has 10 keys, the plan 0");
}
