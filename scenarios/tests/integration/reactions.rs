//! What users do about refusals, entity tags and failures, in both engines.

use scenarios::wire::LoadPlan;

use crate::support::{Played, Reply, Server, plan, play, real_us, scenario};

const ENGINES: [&str; 2] = [
    "users = 4\nkeys = { count = 4 }",
    "rate = \"30/min\"\narrivals = \"even\"\nkeys = { count = 4 }",
];

fn journey(more: &str) -> String {
    format!(
        "[[journey]]\nname = \"one\"\nget = [\"/prices?symbols={{symbols:2}}\"]\nthink = \"5s\"\n{more}\n"
    )
}

fn plan_of(server: &Server, journey: &str, load: &str) -> LoadPlan {
    plan(scenario(journey, load), vec![server.url()], 4)
}

/// Refuses every request whose number is not a multiple of 3.
fn moody(number: usize) -> Reply {
    if number % 3 == 2 {
        Reply::Prices
    } else {
        Reply::rate_limited(12)
    }
}

/// The pairs of requests of which the second repeats the first.
fn repeats(played: &Played) -> usize {
    let mut repeats = 0;
    for requests in played.by_user().values() {
        assert!(!requests[0].repeat, "{requests:?}");
        for pair in requests.windows(2) {
            assert_eq!(pair[1].repeat, pair[0].status == 429, "{pair:?}");
            if pair[1].repeat {
                repeats += 1;
                assert_eq!(pair[0].asked, pair[1].asked, "a repeat asks for the same");
                assert_eq!(pair[0].retry_after_s, Some(12));
                assert_eq!(pair[0].problem.as_deref(), Some("RATE_LIMIT_EXCEEDED"));
            }
        }
    }
    repeats
}

#[test]
fn retry_after_is_honoured() {
    for load in ENGINES {
        let server = Server::start(|number, _| moody(number));
        let played = play(&plan_of(&server, &journey("on_reject = \"retry-after\""), load));
        assert!(repeats(&played) > 0, "{load}");
        for requests in played.by_user().values() {
            for pair in requests.windows(2).filter(|pair| pair[1].repeat) {
                assert!(
                    pair[1].sent_us >= pair[0].answered_us + real_us(12.0),
                    "{load}: {pair:?}"
                );
                assert!(
                    pair[1].due_us >= pair[0].answered_us + real_us(12.0),
                    "{load}: {pair:?}"
                );
            }
        }
    }
}

#[test]
fn a_hammering_user_repeats_at_once() {
    for load in ENGINES {
        let server = Server::start(|number, _| moody(number));
        let played = play(&plan_of(&server, &journey("on_reject = \"hammer\""), load));
        assert!(repeats(&played) > 0, "{load}");
        // Who waited for Retry-After could not be refused more than five times in the load.
        let accepted = played
            .requests()
            .iter()
            .filter(|request| request.status == 200)
            .count();
        let refused = played.requests().len() - accepted;
        assert!(
            refused > accepted,
            "{load}: {refused} refused, {accepted} accepted"
        );
    }
}

#[test]
fn who_gives_up_repeats_nothing() {
    for load in ENGINES {
        let server = Server::start(|_, _| Reply::rate_limited(1));
        let played = play(&plan_of(&server, &journey("on_reject = \"give-up\""), load));
        assert!(!played.requests().is_empty());
        assert!(
            played
                .requests()
                .iter()
                .all(|request| request.status == 429 && !request.repeat)
        );
        for requests in played.by_user().values() {
            for pair in requests.windows(2) {
                assert!(
                    pair[1].sent_us >= pair[0].answered_us + real_us(5.0),
                    "{load}: {pair:?}"
                );
            }
        }
    }
}

#[test]
fn who_revalidates_sends_the_last_tag() {
    let server = Server::start(|_, seen| match seen.header("if-none-match") {
        None => Reply::Status(
            200,
            vec![("etag", "W/\"1\"".to_owned())],
            r#"{"data":[],"timestamp":"2026-03-02T00:00:30Z"}"#,
        ),
        Some(_) => Reply::Status(304, Vec::new(), ""),
    });
    let journey = "[[journey]]\nname = \"one\"\nget = [\"/prices/BTC\"]\nthink = \"5s\"\nrevalidate = true";
    let played = play(&plan_of(&server, journey, ENGINES[0]));
    for requests in played.by_user().values() {
        assert_eq!(requests[0].status, 200, "{requests:?}");
        assert!(
            requests[1..].iter().all(|request| request.status == 304),
            "{requests:?}"
        );
    }
    let tags: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("if-none-match").map(str::to_owned))
        .collect();
    assert!(tags.contains(&Some("W/\"1\"".to_owned())), "{tags:?}");
    assert_eq!(tags.iter().filter(|tag| tag.is_none()).count(), 4);
}

#[test]
fn no_accept_encoding_is_sent_when_none_is_wanted() {
    for load in ENGINES {
        let server = Server::start(|_, _| Reply::Prices);
        let played = play(&plan_of(&server, &journey("accept_encoding = \"none\""), load));
        assert!(
            played
                .requests()
                .iter()
                .all(|request| !request.gzip && request.wire_bytes == request.plain_bytes)
        );
        assert!(
            server
                .seen()
                .iter()
                .all(|seen| seen.header("accept-encoding").is_none()),
            "{load}"
        );
    }
}

#[test]
fn invalid_requests_are_owed_their_refusal() {
    for load in ENGINES {
        let server = Server::start(|_, _| Reply::Status(404, Vec::new(), r#"{"code":"UNKNOWN_SYMBOL"}"#));
        let journey = "[[journey]]\nname = \"bad\"\nget = [\"/prices?symbols=BTC,nope\"]\nthink = \"5s\"";
        let played = play(&plan_of(&server, journey, load));
        for request in played.requests() {
            assert_eq!((request.status, request.owed), (404, 404));
            assert_eq!(*request.asked, ["BTC", "NOPE"]);
            assert_eq!(request.problem.as_deref(), Some("UNKNOWN_SYMBOL"));
        }
    }
}

#[test]
fn failures_are_told_in_lines_and_nowhere_else() {
    for load in ENGINES {
        // A port that was free a moment ago and that nobody listens on.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let url = format!("http://{}", nobody.expect("a free port"));
        let played = play(&plan(scenario(&journey(""), load), vec![url], 4));
        assert!(!played.requests().is_empty());
        for request in played.requests() {
            assert_eq!((request.status, request.error.as_deref()), (0, Some("connect")));
        }
        assert_eq!(played.stderr, "");

        let silent = Server::start(|_, _| Reply::Nothing);
        let mut plan = plan_of(&silent, &journey(""), load);
        plan.timeout_ms = 100;
        let played = play(&plan);
        assert!(!played.requests().is_empty());
        for request in played.requests() {
            assert_eq!((request.status, request.error.as_deref()), (0, Some("timeout")));
            assert!(request.answered_us >= request.sent_us + 99_000, "{request:?}");
        }
    }
}
