//! The binaries as plain processes: start, stop, bad settings, keys.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    thread,
};

use insta::assert_snapshot;
use serde_json::Value;
use service::auth::key_id;

use crate::support::{
    bench::KEY,
    coingecko, dynamodb,
    process::{PATIENCE, Process, Stub, get},
};

const API: &str = env!("CARGO_BIN_EXE_crypto-watch-api");
const UPDATE: &str = env!("CARGO_BIN_EXE_crypto-watch-update");
const KEYS: &str = env!("CARGO_BIN_EXE_crypto-watch-keys");

fn settings(dynamodb: &Stub, coingecko: &Stub) -> BTreeMap<String, String> {
    [
        ("DYNAMODB_TABLE_NAME", "crypto-watch".to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url()),
        ("EXTERNAL_API_URL", format!("{}/api/v3", coingecko.url())),
        // A slow machine is no broken store.
        ("STORE_TIMEOUT_MS", "10000".to_owned()),
        ("WRITE_TIMEOUT_MS", "10000".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Starts the API on a free port; gives it and its address.
fn start_api(settings: &BTreeMap<String, String>) -> (Process, String) {
    let api = Process::start(API, &["--listen", "127.0.0.1:0"], settings);
    let address = api.line("listening")["addr"]
        .as_str()
        .expect("an address")
        .to_owned();
    (api, address)
}

#[test]
fn each_binary_tells_its_version() {
    for (path, name) in [
        (API, "crypto-watch-api"),
        (UPDATE, "crypto-watch-update"),
        (KEYS, "crypto-watch-keys"),
    ] {
        let output = Command::new(path)
            .arg("--version")
            .env_clear()
            .output()
            .expect("it runs");
        let version = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(version, format!("{name} 0.0.0 (build {})\n", service::BUILD_ID));
    }
}

#[test]
fn the_api_serves_what_the_updater_stored_until_it_is_told_to_stop() {
    let (dynamodb, _) = dynamodb::start();
    let (coingecko, calls) = coingecko::start();
    let settings = settings(&dynamodb, &coingecko);
    let updated = Process::start(UPDATE, &[], &settings).wait();
    assert!(updated.status.success(), "{}", updated.stderr);
    let update = updated
        .lines
        .iter()
        .find(|line| line["event"] == "update")
        .expect("a line");
    assert_eq!(
        (&update["outcome"], &update["written"]),
        (&"refreshed".into(), &50.into())
    );
    assert_eq!(calls.all(), ["keyless"], "fifty coins are one call");

    let created = Process::start(KEYS, &["create", "--name", "app", "--key", KEY], &settings).wait();
    assert!(created.status.success(), "{}", created.stderr);
    let (api, address) = start_api(&settings);
    let (head, body) = get(&address, "/prices?symbols=BTC,ETH", &[("x-api-key", KEY)]);
    assert!(head.starts_with("http/1.1 200 ok"), "{head}");
    assert!(
        head.contains("cache-status: crypto-watch; hit; detail=store; ttl="),
        "{head}"
    );
    assert_eq!(head.matches("content-length:").count(), 1, "{head}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["data"][1]["symbol"], "ETH");

    let (head, problem) = get(&address, "/prices/BTC", &[]);
    assert!(head.starts_with("http/1.1 401"), "{head}");
    assert!(problem.contains("UNAUTHORIZED"), "{problem}");
    api.terminate();
    let ended = api.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
    let request = ended.lines.iter().find(|line| line["event"] == "request");
    let request = request.expect("it was logged");
    assert_eq!(
        (&request["status"], &request["route"]),
        (&200.into(), &"/prices".into())
    );
}

#[test]
fn a_key_is_logged_by_eight_digits_of_its_hash_and_no_more() {
    let (dynamodb, _) = dynamodb::start();
    let (coingecko, _) = coingecko::start();
    let mut settings = settings(&dynamodb, &coingecko);
    let created = Process::start(KEYS, &["create", "--name", "app", "--key", KEY], &settings).wait();
    assert!(created.status.success(), "{}", created.stderr);
    // As talkative as it gets.
    settings.insert("LOG_LEVEL".to_owned(), "TRACE".to_owned());
    settings.insert("EXTERNAL_API_KEY".to_owned(), "CG-secret".to_owned());
    let (api, address) = start_api(&settings);
    let (head, _) = get(&address, "/prices/BTC", &[("x-api-key", KEY)]);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (head, _) = get(&address, "/prices/BTC", &[("x-api-key", "a-wrong-key")]);
    assert!(head.starts_with("http/1.1 401"), "{head}");
    api.terminate();
    let ended = api.wait();

    let keys: Vec<_> = ended
        .lines
        .iter()
        .filter(|line| line["event"] == "request")
        .map(|line| line["key"].clone())
        .collect();
    let id = key_id(KEY);
    assert_eq!(keys, [Value::from(&id.as_str()[..8]), Value::Null]);
    assert!(ended.lines.iter().any(|line| line["event"] == "upstream"));
    for line in ended.lines.iter().map(Value::to_string) {
        for secret in [KEY, "a-wrong-key", "CG-secret", &id.as_str()[..9]] {
            assert!(!line.contains(secret), "{secret}: {line}");
        }
    }
}

#[test]
fn a_request_in_flight_is_finished_before_it_stops() {
    let (dynamodb, _) = dynamodb::start();
    let (coingecko, gate) = coingecko::held_back();
    let settings = settings(&dynamodb, &coingecko);
    let created = Process::start(KEYS, &["create", "--name", "app", "--key", KEY], &settings).wait();
    assert!(created.status.success(), "{}", created.stderr);
    let (api, address) = start_api(&settings);
    let request = thread::spawn(move || get(&address, "/prices/BTC", &[("x-api-key", KEY)]));
    gate.wait_for_request();
    api.terminate();
    assert_eq!(
        api.line("stopping")["message"],
        "finishing the requests in flight"
    );
    gate.open();
    let (head, body) = request.join().expect("no panic");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        head.contains("cache-status: crypto-watch; fwd=miss; stored"),
        "{head}"
    );
    assert!(body.contains(r#""symbol":"BTC""#), "{body}");
    let ended = api.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(
        ended.lines.iter().all(|line| line["event"] != "stopping"),
        "it gave up on nothing"
    );
}

#[test]
fn an_idle_connection_does_not_keep_it_from_stopping() {
    let (coingecko, _) = coingecko::start();
    let (api, address) = start_api(&settings(&dynamodb::broken(), &coingecko));
    let mut kept = TcpStream::connect(&address).expect("it listens");
    kept.set_read_timeout(Some(PATIENCE))
        .expect("a timeout above zero");
    write!(kept, "GET /health HTTP/1.1\r\nhost: test\r\n\r\n").expect("sent");
    let mut first = [0; 15];
    kept.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    api.terminate();
    assert_eq!(api.wait().status.code(), Some(0));
}

#[test]
fn a_store_failure_is_a_503() {
    let (coingecko, _) = coingecko::start();
    let dynamodb = dynamodb::broken();
    let (_api, address) = start_api(&settings(&dynamodb, &coingecko));
    let (head, body) = get(&address, "/prices/BTC", &[("x-api-key", KEY)]);
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(body.contains("STORE_UNAVAILABLE"), "{body}");
}

#[test]
fn a_store_that_never_answers_is_a_503_too() {
    let (coingecko, _) = coingecko::start();
    let dynamodb = dynamodb::silent();
    let mut settings = settings(&dynamodb, &coingecko);
    settings.insert("STORE_TIMEOUT_MS".to_owned(), "100".to_owned());
    let (_api, address) = start_api(&settings);
    let (head, body) = get(&address, "/prices/BTC", &[("x-api-key", KEY)]);
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(
        head.contains("cache-status: crypto-watch; fwd=miss; ttl=0"),
        "{head}"
    );
    assert!(body.contains("STORE_UNAVAILABLE"), "{body}");
}

#[test]
fn a_bad_setting_ends_each_binary_with_2_and_its_name() {
    let (coingecko, _) = coingecko::start();
    let dynamodb = dynamodb::broken();
    let mut settings = settings(&dynamodb, &coingecko);
    settings.insert("CACHE_TTL_SECONDS".to_owned(), "soon".to_owned());
    let mut messages = String::new();
    for (binary, arguments) in [(API, &[][..]), (UPDATE, &[]), (KEYS, &["list"])] {
        let ended = Process::start(binary, arguments, &settings).wait();
        assert_eq!(ended.status.code(), Some(2));
        assert!(ended.lines.is_empty(), "standard output is for JSON lines");
        messages.push_str(&ended.stderr);
    }
    assert_snapshot!(messages, @"
    crypto-watch-api: CACHE_TTL_SECONDS: expected a whole number of seconds from 1 to 86400, got `soon`
    crypto-watch-update: CACHE_TTL_SECONDS: expected a whole number of seconds from 1 to 86400, got `soon`
    crypto-watch-keys: CACHE_TTL_SECONDS: expected a whole number of seconds from 1 to 86400, got `soon`
    ");
}

#[test]
fn a_taken_port_says_so() {
    let (coingecko, _) = coingecko::start();
    let settings = settings(&dynamodb::broken(), &coingecko);
    let ended = Process::start(API, &["--listen", &coingecko.authority()], &settings).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains("cannot listen on 127.0.0.1:"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--listen"), "{}", ended.stderr);
}

#[test]
fn an_update_that_fails_ends_with_1() {
    let (coingecko, calls) = coingecko::start();
    let dynamodb = dynamodb::broken();
    let ended = Process::start(UPDATE, &[], &settings(&dynamodb, &coingecko)).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended
            .stderr
            .starts_with("crypto-watch-update: the update failed: "),
        "{}",
        ended.stderr
    );
    assert!(calls.all().is_empty(), "without the lease there is no call");
}

#[test]
fn updates_repeat_until_told_to_stop() {
    let (dynamodb, _) = dynamodb::start();
    let (coingecko, calls) = coingecko::start();
    let mut settings = settings(&dynamodb, &coingecko);
    settings.insert("UPDATE_INTERVAL_SECONDS".to_owned(), "31".to_owned());
    let updater = Process::start(UPDATE, &["--every", "20ms"], &settings);
    for _ in 0..3 {
        assert_eq!(updater.line("update")["level"], "INFO");
    }
    updater.terminate();
    let ended = updater.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!calls.all().is_empty());
}

#[test]
fn an_update_that_did_not_fail_is_seen_by_a_file() {
    let (coingecko, _) = coingecko::start();
    let (dynamodb, _) = dynamodb::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let touched = folder.path().join("updated");
    let repeat = |dynamodb: &Stub, file: &Path| {
        let file = file.to_str().expect("text");
        let settings = settings(dynamodb, &coingecko);
        Process::start(UPDATE, &["--every", "20ms", "--touch", file], &settings)
    };
    let end = |updater: Process| {
        // The second line says that all of the first update is done.
        updater.line("update");
        updater.line("update");
        updater.terminate();
        updater.wait()
    };

    end(repeat(&dynamodb::broken(), &touched));
    assert!(!touched.exists(), "each update failed");
    end(repeat(&dynamodb, &touched));
    assert!(touched.exists());
    let nowhere = folder.path().join("nowhere/updated");
    let ended = end(repeat(&dynamodb, &nowhere));
    let line = ended.lines.iter().find(|line| line["event"] == "touch");
    let line = line.expect("it is told of").to_string();
    assert!(
        line.contains("ERROR") && line.contains("cannot touch the file of --touch"),
        "{line}"
    );
}

#[test]
fn keys_are_made_shown_once_listed_and_disabled() {
    let (dynamodb, items) = dynamodb::start();
    let (coingecko, _) = coingecko::start();
    let settings = settings(&dynamodb, &coingecko);
    let run = |arguments: &[&str]| Process::start(KEYS, arguments, &settings).wait();

    let created = run(&["create", "--name", "app"]);
    assert!(created.status.success(), "{}", created.stderr);
    let [line] = &created.lines[..] else {
        panic!("one line")
    };
    let secret = line["key"].as_str().expect("the key, this once").to_owned();
    let id = line["keyId"].as_str().expect("its id").to_owned();
    assert_eq!(id, key_id(&secret).as_str());
    assert!(secret.len() >= 40 && secret.starts_with("cw_"), "{secret}");
    let stored = format!("{:?}", items.lock().expect("no panic"));
    assert!(
        stored.contains(&id) && !stored.contains(&secret),
        "only its hash is stored"
    );

    let listed = run(&["list"]);
    let [line] = &listed.lines[..] else {
        panic!("one line")
    };
    assert_eq!((&line["name"], &line["enabled"]), (&"app".into(), &true.into()));
    assert!(line.get("key").is_none());

    assert!(run(&["disable", &id]).status.success());
    assert_eq!(run(&["list"]).lines[0]["enabled"], false);
    let unknown = run(&["disable", "0000"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_snapshot!(unknown.stderr, @"crypto-watch-keys: there is no key with the id 0000; see `list`");
    assert_eq!(
        run(&["create", "--name", "app", "--key", "two words"])
            .status
            .code(),
        Some(1)
    );
}
