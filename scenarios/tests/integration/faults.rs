//! Faults of users on sockets, in both engines.

use crate::support::{Reply, Server, plan, play, scenario};

const JOURNEY: &str = "[[journey]]\nname = \"one\"\nget = [\"/prices/{symbol}\"]\nthink = \"5s\"";

/// Two users, or two arrivals each five wall seconds, with this fault from the start to the end.
fn loads(kind: &str) -> [String; 2] {
    ["users = 2", "rate = \"24/min\"\narrivals = \"even\""].map(|load| {
        format!(
            "{load}\nkeys = {{ count = 2 }}\n[[fault]]\nname = \"f\"\ntarget = \"clients\"\nat = \"0s\"\nfor = \"60s\"\nkind = {kind}\n"
        )
    })
}

#[test]
fn answers_are_read_slowly() {
    for load in loads("\"slow_reader\"\nspeed = \"2KB/s\"") {
        let server = Server::start(|_, _| Reply::Prices);
        let played = play(&plan(scenario(JOURNEY, &load), vec![server.url()], 2));
        let requests = played.requests();
        assert!(!requests.is_empty());
        for request in &requests {
            assert_eq!(
                (request.status, &request.faults[..]),
                (200, &[0][..]),
                "{request:?}"
            );
            assert!(request.arrived_us() >= request.sent_us, "{request:?}");
        }
        // Unless the load ends before: half a millisecond a byte.
        let first = requests
            .iter()
            .min_by_key(|request| request.sent_us)
            .expect("some");
        assert!(first.slow_us >= u64::from(first.wire_bytes) * 500, "{first:?}");
    }
}

#[test]
fn wrong_keys_are_presented() {
    let disabled = scenarios::play::disabled_key(1, "day");
    for load in loads("\"disabled_key\"\nevery = 2") {
        let server = Server::start(|_, _| Reply::Prices);
        let played = play(&plan(scenario(JOURNEY, &load), vec![server.url()], 2));
        let requests = played.requests();
        let wrong = requests.iter().filter(|request| !request.faults.is_empty());
        assert!(
            wrong
                .clone()
                .all(|request| request.owed == 401 && request.key.is_none()),
            "{requests:?}"
        );
        let seen = server.seen();
        let presented = seen
            .iter()
            .filter(|seen| seen.header("x-api-key") == Some(&*disabled));
        assert_eq!(presented.count(), wrong.count());
        assert_eq!(
            requests.iter().filter(|request| request.owed == 401).count(),
            requests.len() / 2
        );
    }
}
