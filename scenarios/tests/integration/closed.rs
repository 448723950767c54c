//! `users` loads: goose.

use std::collections::BTreeSet;

use crate::support::{Played, Reply, Server, plan, play, real_us, scenario};

const JOURNEYS: &str = r#"
[[journey]]
name = "watchlist"
weight = 3
get = ["/prices?symbols={symbols:3}", "/prices/{symbol}"]
think = "10s"
[[journey]]
name = "status"
get = ["/health"]
think = "10s"
"#;

fn five_users(server: &Server) -> Played {
    let toml = scenario(JOURNEYS, "users = 5\nkeys = { count = 3 }");
    play(&plan(toml, vec![server.url(), server.url() + "/"], 3))
}

#[test]
fn users_play_their_journeys_until_the_load_ends() {
    let server = Server::start(|_, _| Reply::Gzip);
    let played = five_users(&server);
    assert_eq!(played.engine(), "goose");
    let requests = played.requests();
    assert_eq!(played.done(), (requests.len() as u64, 0));
    assert_eq!(server.seen().len(), requests.len());
    let users = played.by_user();
    assert_eq!(users.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    for (user, requests) in &users {
        // One at once, then one after each think time, as long as the load lasts.
        assert!(
            (1..=6).contains(&requests.len()),
            "user {user}: {}",
            requests.len()
        );
        for pair in requests.windows(2) {
            assert!(pair[1].sent_us >= pair[0].answered_us + real_us(10.0), "{pair:?}");
        }
        assert!(requests.iter().all(|request| request.sent_us <= real_us(60.0)));
        assert!(requests.iter().all(|request| request.due_us == request.sent_us));
        assert!(requests.iter().all(|request| !request.repeat));
    }
    // Requests go to the targets in turn.
    let second = requests.iter().filter(|request| request.target == 1).count();
    assert_eq!(second, requests.len() / 2);
}

#[test]
fn each_user_keeps_its_key() {
    let server = Server::start(|_, _| Reply::Prices);
    let played = five_users(&server);
    for (user, requests) in played.by_user() {
        for request in requests {
            let expected = (request.route != "/health").then_some(user % 3);
            assert_eq!(request.key, expected, "{request:?}");
        }
    }
    let keys: BTreeSet<Option<String>> = server
        .seen()
        .iter()
        .filter(|seen| !seen.path.starts_with("/health"))
        .map(|seen| seen.header("x-api-key").map(str::to_owned))
        .collect();
    let expected = ["key-0", "key-1", "key-2"].map(|key| Some(key.to_owned()));
    assert_eq!(keys, BTreeSet::from(expected));
}

#[test]
fn lines_tell_what_was_asked_and_answered() {
    let server = Server::start(|_, _| Reply::Gzip);
    let played = five_users(&server);
    let mut lists = 0;
    for request in played.requests() {
        assert_eq!(
            (request.status, request.owed, request.gzip),
            (200, 200, true),
            "{request:?}"
        );
        assert_eq!((request.age_s, &request.error), (Some(30), &None));
        let served: Vec<&str> = request.prices.iter().map(|price| &*price.symbol).collect();
        assert_eq!(served, *request.asked);
        assert!(
            request
                .prices
                .iter()
                .all(|price| *price.price == *"1.50" && price.updated_ms > 0)
        );
        let (journey, asked) = match request.route.as_ref() {
            "/prices" => (0, 3),
            "/prices/{symbol}" => (0, 1),
            route => {
                assert_eq!(route, "/health");
                (1, 0)
            }
        };
        assert_eq!((request.journey, request.asked.len()), (journey, asked));
        if request.route == "/prices" {
            lists += 1;
            let plain = r#"{"data":[],"timestamp":"2026-03-02T00:00:30Z"}"#.len() as u32;
            assert!(
                request.plain_bytes > plain && request.wire_bytes < request.plain_bytes,
                "{request:?}"
            );
        }
    }
    assert!(lists > 0);
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("accept-encoding") == Some("gzip"))
    );
}

#[test]
fn the_same_seed_asks_for_the_same() {
    let server = Server::start(|_, _| Reply::Prices);
    let asked = |played: &Played| -> Vec<Vec<(u16, Vec<String>)>> {
        let of_user = |requests: Vec<&scenarios::wire::RequestLine>| {
            let told = requests
                .iter()
                .map(|request| (request.journey, request.asked.to_vec()));
            told.collect()
        };
        played.by_user().into_values().map(of_user).collect()
    };
    let (first, second) = (five_users(&server), five_users(&server));
    for (first, second) in asked(&first).into_iter().zip(asked(&second)) {
        // How many there are depends on timing, what they are does not.
        let both = first.len().min(second.len());
        assert_eq!(first[..both], second[..both]);
    }
    let toml = scenario(JOURNEYS, "users = 5\nkeys = { count = 3 }");
    let mut other = plan(toml, vec![server.url()], 3);
    other.seed = 2;
    assert_ne!(asked(&play(&other)), asked(&first));
}
