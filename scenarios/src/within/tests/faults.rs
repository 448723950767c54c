//! What faults make of users.

use super::*;
use crate::play::disabled_key;

const USER: &str = "[[load]]\nname = \"day\"\nusers = 1\n";

/// A fault from 20 s on for 20 s.
fn fault(kind: &str) -> String {
    format!("[[fault]]\nname = \"f\"\ntarget = \"clients\"\nat = \"20s\"\nfor = \"20s\"\nkind = {kind}\n")
}

/// A service that remembers the paths and keys of its requests.
#[derive(Default)]
struct Remembering(Mutex<Vec<(String, String)>>);

impl Carry for Remembering {
    fn get<'a>(&'a self, _: u16, path: &'a str, headers: HeaderMap) -> Carried<'a> {
        let key = headers.get("x-api-key").and_then(|key| key.to_str().ok());
        let seen = (path.to_owned(), key.unwrap_or_default().to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        Box::pin(async { ok(0) })
    }
}

/// What is told of a minute of one user, who sends each ten seconds, and what the service saw.
async fn upset(kind: &str) -> (Vec<RequestLine>, Vec<(String, String)>) {
    let scenario = scenario(ONE, &format!("{USER}{}", fault(kind)));
    let service = Arc::new(Remembering::default());
    let carry = Arc::clone(&service) as Arc<dyn Carry>;
    let (lines, _) = played(plan(&scenario, 0), carry).await;
    let seen = service.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(sent(&lines), [0, 10, 20, 30, 40, 50].map(|s| s * 1_000_000));
    let touched: Vec<bool> = lines.iter().map(|line| line.faults == [0]).collect();
    assert_eq!(touched, [false, false, true, true, false, false]);
    assert!(lines.iter().all(|line| line.faults.len() <= 1));
    (lines, seen)
}

#[tokio::test(start_paused = true)]
async fn users_over_the_limit_think_for_a_shorter_time() {
    let scenario = scenario(ONE, &format!("{USER}{}", fault("\"over_limit\"")));
    let (lines, _) = played(plan(&scenario, 0), service(0, ok)).await;
    assert_eq!(
        sent(&lines),
        [0, 10, 20, 25, 30, 35, 40, 50].map(|s| s * 1_000_000)
    );
    let touched: Vec<u64> = lines
        .iter()
        .filter(|line| line.faults == [0])
        .map(|line| line.sent_us / 1_000_000)
        .collect();
    assert_eq!(touched, [25, 30, 35, 40]);
}

#[tokio::test(start_paused = true)]
async fn arrivals_over_the_limit_come_so_many_times_as_often() {
    let even = EVEN.replace("3/s", "1/s");
    let scenario = scenario(ONE, &format!("{even}{}", fault("\"over_limit\"\nfactor = 4.0")));
    let (lines, _) = played(plan(&scenario, 0), service(0, ok)).await;
    // One a second, from 20.5 s on four a second to 40 s, then one a second again.
    assert_eq!(lines.len(), 20 + 79 + 19);
    assert_eq!((lines[20].due_us, lines[21].due_us), (20_500_000, 20_750_000));
    assert_eq!((lines[98].due_us, lines[99].due_us), (40_000_000, 41_000_000));
    assert_eq!(lines.iter().filter(|line| line.faults == [0]).count(), 78);
}

#[tokio::test(start_paused = true)]
async fn unknown_and_disabled_keys_are_owed_a_refusal() {
    let disabled = disabled_key(1, "day");
    for (kind, is_right) in [
        (
            "\"disabled_key\"",
            &(|key: &str| key == disabled) as &dyn Fn(&str) -> bool,
        ),
        ("\"bad_key\"", &|key| key.starts_with("cw_") && key != disabled),
    ] {
        let (lines, seen) = upset(kind).await;
        for (number, (line, (_, key))) in lines.iter().zip(&seen).enumerate() {
            if [2, 3].contains(&number) {
                assert_eq!((line.key, line.owed), (None, 401), "{kind}");
                assert!(is_right(key), "{kind}: {key}");
            } else {
                assert_eq!(
                    (line.key, line.owed, key.as_str()),
                    (Some(0), 200, "key-0"),
                    "{kind}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_requests_are_sent_in_place_of_good_ones() {
    let (lines, seen) = upset("\"malformed\"").await;
    assert_eq!(seen[2].0, "/prices");
    assert!(seen[3].0.starts_with("/prices?symbols=S0,S1,"), "{}", seen[3].0);
    let told: Vec<_> = lines[2..4]
        .iter()
        .map(|line| (line.route.as_ref(), line.owed, line.asked.len(), line.key))
        .collect();
    assert_eq!(
        told,
        [("/prices", 400, 0, Some(0)), ("/prices", 400, 51, Some(0))]
    );
    assert!(seen[4].0.starts_with("/prices/"), "{}", seen[4].0);
}

#[tokio::test(start_paused = true)]
async fn slow_readers_take_their_time_within_the_load() {
    let Exchange::Answered(Answer { body, .. }) = ok(0) else {
        panic!("an answer")
    };
    let size = body.len() as u64;
    let slow = fault("\"slow_reader\"\nspeed = \"20B/s\"\nfirst = 1");
    let slower = fault("\"slow_reader\"\nspeed = \"1B/s\"").replace("\"f\"", "\"g\"");
    let scenario = scenario(ONE, &format!("{USER}{slow}{slower}"));
    let mut plan = plan(&scenario, 0);
    // Patience is for the service, not for oneself.
    plan.timeout = Duration::from_secs(1);
    let (lines, _) = played(plan, service(5, ok)).await;
    // An answer is told of as it comes; who reads it slowly comes back later.
    let taken = |line: &RequestLine| (line.answered_us - line.sent_us, line.slow_us, line.faults.clone());
    assert_eq!(taken(&lines[1]), (5_000, 0, vec![]));
    assert_eq!(taken(&lines[2]), (5_000, 0, vec![0]));
    let last = lines.last().expect("there are lines");
    assert_eq!((taken(last), last.status), ((5_000, 0, vec![1]), 200));
    let thinks = 10_000_000;
    assert_eq!(last.sent_us - lines[2].answered_us, size * 50_000 + thinks);
    assert_eq!(
        lines.len(),
        4,
        "who reads a byte a second reads to the end of the load"
    );
}
