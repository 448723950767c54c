//! `rate` loads: arrivals that wait for nobody.

use std::collections::BTreeSet;

use crate::support::{Reply, Server, plan, play, real_us, scenario};

const TWO_GETS: &str = r#"
[[journey]]
name = "two"
get = ["/prices/{symbol}", "/prices?symbols={symbols:2}"]
think = "10s"
"#;

const ONE_GET: &str = r#"
[[journey]]
name = "one"
get = ["/prices/{symbol}"]
"#;

#[test]
fn arrivals_come_when_they_are_due() {
    let server = Server::start(|_, _| Reply::Prices);
    let toml = scenario(
        ONE_GET,
        "rate = \"2/s\"\narrivals = \"even\"\nkeys = { count = 10 }",
    );
    let played = play(&plan(toml, vec![server.url()], 10));
    assert_eq!(played.engine(), "open");
    assert_eq!(played.done(), (120, 0));
    assert_eq!(server.seen().len(), 120);
    for (arrival, requests) in played.by_user() {
        let [request] = requests[..] else {
            panic!("{requests:?}")
        };
        // Half a gap of half a wall second after the begin, then one gap after the other.
        let due_us = real_us((f64::from(arrival) + 0.5) * 0.5);
        assert!(request.due_us.abs_diff(due_us) <= 1, "{request:?}, due {due_us}");
        assert!(request.sent_us >= request.due_us && request.answered_us >= request.sent_us);
        assert_eq!((request.status, request.owed), (200, 200));
    }
    let keys: BTreeSet<u32> = played
        .requests()
        .iter()
        .filter_map(|request| request.key)
        .collect();
    assert_eq!(keys.len(), 10);
}

#[test]
fn slow_answers_hold_nobody_up() {
    // Nothing is ever answered: a closed loop would send one request per user.
    let server = Server::start(|_, _| Reply::Nothing);
    let toml = scenario(ONE_GET, "rate = \"1/s\"\narrivals = \"even\"");
    let mut plan = plan(toml, vec![server.url()], 100);
    plan.timeout_ms = 700;
    let played = play(&plan);
    assert_eq!(played.done(), (60, 0));
    for request in played.requests() {
        assert_eq!((request.status, request.error.as_deref()), (0, Some("timeout")));
    }
}

#[test]
fn a_journey_thinks_between_its_gets_and_leaves() {
    let server = Server::start(|_, _| Reply::Prices);
    let toml = scenario(TWO_GETS, "rate = \"1/s\"\narrivals = \"even\"");
    let played = play(&plan(toml, vec![server.url()], 100));
    let mut both = 0;
    for (arrival, requests) in played.by_user() {
        assert!(requests.len() <= 2, "arrival {arrival}: {requests:?}");
        assert!(requests.iter().all(|request| request.key == requests[0].key));
        if let [first, second] = requests[..] {
            both += 1;
            assert_eq!((first.asked.len(), second.asked.len()), (1, 2));
            assert!(
                second.due_us >= first.answered_us + real_us(10.0),
                "{first:?} {second:?}"
            );
        }
    }
    // Who comes in the last ten seconds is cut off by the end of the load.
    assert!((1..=50).contains(&both), "{both}");
    assert!(
        played
            .requests()
            .iter()
            .all(|request| request.due_us <= real_us(60.0))
    );
}

#[test]
fn poisson_arrivals_repeat_with_the_seed() {
    let server = Server::start(|_, _| Reply::Prices);
    let run = || {
        let toml = scenario(
            ONE_GET,
            "rate = [\"0/s\", \"4/s\"]\nkeys = { count = 9, dist = \"zipf\", s = 1.0 }",
        );
        let played = play(&plan(toml, vec![server.url()], 9));
        let users = played.by_user();
        let told = users
            .into_values()
            .flatten()
            .map(|request| (request.due_us, request.key, request.asked.clone()));
        told.collect::<Vec<_>>()
    };
    let first = run();
    // 120 are expected; five standard deviations are 55.
    assert!(first.len().abs_diff(120) < 55, "{}", first.len());
    assert_eq!(first, run());
}
