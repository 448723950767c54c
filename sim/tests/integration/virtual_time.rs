//! Virtual time through the command line: the same bytes every time, both clocks alike, twins and variants.

use std::fs;

use crate::harness::{Finished, Folder, scenario};

const OUTAGE: &str = "[[fault]]\nname = \"outage\"\ntarget = \"coingecko\"\nat = \"4m\"\nfor = \"8m\"\nkind = \"status\"\nstatus = 503\n\n\
                      [[fault]]\nname = \"slow\"\ntarget = \"coingecko\"\nat = \"13m\"\nfor = \"5m\"\nkind = \"latency\"\nlatency = { p50 = \"300ms\", p99 = \"2s\" }\nmay_miss = true\n";

/// The bytes of report.json of a play with this environment.
fn report_with(args: &[&str], env: &[(&str, &str)]) -> Vec<u8> {
    let folder = Folder::new();
    folder.scenario("tiny.toml", &scenario("20m", OUTAGE));
    let mut command = folder.command(&[&["run", "--out", "out", "tiny.toml"], args].concat());
    command.env_clear().envs(env.iter().copied());
    let Finished { code, stdout, stderr } = folder.finish(&mut command);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    fs::read(folder.out().join("tiny/virtual/report.json")).expect("it was written")
}

#[test]
fn two_processes_with_two_environments_report_the_same_bytes() {
    for store in ["memory", "embedded"] {
        let args = ["--store", store];
        let one = report_with(
            &args,
            &[
                ("HOME", "/nowhere"),
                ("TZ", "Asia/Tokyo"),
                ("LANG", "ja_JP.UTF-8"),
            ],
        );
        let other = report_with(
            &args,
            &[("TZ", "UTC"), ("LC_ALL", "C"), ("TOKIO_WORKER_THREADS", "1")],
        );
        assert!(one.len() > 2000, "{} bytes", one.len());
        assert!(
            one == other,
            "{store}: {}\n{}",
            String::from_utf8_lossy(&one),
            String::from_utf8_lossy(&other)
        );
        let another_seed = report_with(&["--store", store, "--seed", "8"], &[]);
        assert_ne!(one, another_seed, "{store}: another seed is another day");
    }
}

#[test]
fn a_play_that_is_checked_for_determinism_passes() {
    let folder = Folder::new();
    folder.scenario("tiny.toml", &scenario("20m", OUTAGE));
    let Finished { code, stdout, stderr } = folder.run(&["tiny.toml", "--check-determinism"]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
}

#[test]
fn what_virtual_time_cannot_honour_is_refused_with_the_flag_that_would_work() {
    let folder = Folder::new();
    let Finished { code, stderr, .. } = folder.run(&["steady", "--store", "dynamodb-local"]);
    insta::assert_snapshot!(stderr, @"error: `dynamodb-local` is outside this process, and in virtual time nothing may be: its answers take real time; play with --store memory or --store embedded");
    assert_eq!(code, Some(2));
}

#[test]
fn a_twin_shows_what_the_faults_changed_and_fails_nothing() {
    let folder = Folder::new();
    let expect = "[[expect]]\ncheck = \"upstream.status.503 >= 3\"\nduring = \"outage\"";
    folder.scenario("tiny.toml", &scenario("20m", &format!("{OUTAGE}\n{expect}")));
    let Finished { code, stdout, stderr } = folder.run(&["tiny.toml", "--twin"]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    let table = stdout
        .split("tiny, virtual clock\n")
        .nth(1)
        .unwrap_or_else(|| panic!("there is a table: {stdout}"));
    let row = |metric: &str| table.lines().find(|line| line.trim_start().starts_with(metric));
    assert!(row("upstream.retries").is_some(), "{table}");
    assert!(row("price.wrong").is_none(), "nothing differs there: {table}");
    let twin = folder.report_on("tiny@twin", "virtual");
    assert!(twin["metrics"]["upstream.status.503"].is_null());
    assert_eq!(twin["metrics"]["upstream.retries"]["value"], 0.0);
}

#[test]
fn both_clocks_agree() {
    let folder = Folder::new();
    // Arrivals that do not wait for answers; a block longer than the TTL, of a kind that is not retried: the waits between
    // attempts are request-scale time, which a fast wall clock stretches, and would move every probe after them. No set
    // becomes due when an update fires: the update is a process on one clock and takes no time to start on the other, so
    // that either of it and the API might come first.
    let text = scenario("12m", OUTAGE.split("\n\n").next().expect("the outage"))
        .replace("users = 5", "rate = \"1/s\"")
        .replace("[stack]", "[stack]\ncache_ttl = \"270s\"")
        .replace("for = \"8m\"", "for = \"3m\"")
        .replace("status = 503", "status = 403");
    folder.scenario("tiny.toml", &text);
    let Finished { code, stdout, stderr } = folder.run(&[
        "tiny.toml",
        "--clock",
        "both",
        "--compress",
        "40",
        // A slow machine is no broken store.
        "--env",
        "STORE_TIMEOUT_MS=10000",
        "--env",
        "WRITE_TIMEOUT_MS=10000",
    ]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    let agreed = stdout.lines().find(|line| line.contains("both clocks agree on"));
    assert!(agreed.is_some_and(|line| line.starts_with("tiny")), "{stdout}");
    let together = fs::read_to_string(folder.out().join("together.json")).expect("it was written");
    let together: serde_json::Value = serde_json::from_str(&together).expect("JSON");
    let metrics = together["clocks"][0]["metrics"].as_array().expect("metrics");
    assert!(metrics.len() > 20, "{} metrics", metrics.len());
    let of = |name: &str, clock: &str| {
        let found = metrics.iter().find(|metric| metric["metric"] == name);
        found.and_then(|metric| metric[clock].as_f64())
    };
    assert_eq!(of("api.requests", "virtual"), of("api.requests", "real"));
    assert!(of("cache.stale_ratio", "virtual").is_some_and(|stale| stale > 0.1));
}

#[test]
fn users_who_hammer_a_service_that_takes_no_time_do_not_stop_the_clock() {
    let folder = Folder::new();
    let text = scenario("4s", "[latency]\nservice = \"0ms\"\nstore = \"0ms\"\n")
        .replace("think = \"10s\"", "think = \"1s\"\non_reject = \"hammer\"")
        .replace("[stack]", "[stack]\nrate_limit = \"1/min\"");
    folder.scenario("tiny.toml", &text);
    let Finished { code, stdout, stderr } = folder.run(&["tiny.toml"]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    let report = folder.report_on("tiny", "virtual");
    let rejected = report["metrics"]["limit.rejected"]["value"].as_f64();
    assert!(rejected.is_some_and(|count| count > 1000.0), "{rejected:?}");
}
