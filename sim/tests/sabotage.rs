//! Breaks the service from outside, one way at a time, and demands that exactly the scenario which guards
//! against that break fails, with exit code 1, while the rest of the suite holds.
//!
//! A binary of its own, with one test: each run plays a whole suite on the wall clock, and other tests beside
//! it would steal the cores that it times.

use std::{collections::BTreeSet, path::Path, process::Command};

/// A break, and the one scenario that must notice it.
struct Sabotage {
    what: &'static str,
    flags: &'static [&'static str],
    guard: &'static str,
}

const SABOTAGES: [Sabotage; 6] = [
    Sabotage {
        what: "prices expire five times too early",
        flags: &["--env", "CACHE_TTL_SECONDS=/5"],
        guard: "steady",
    },
    Sabotage {
        what: "a failed attempt is never retried",
        flags: &["--env", "RETRY_ATTEMPTS=1"],
        guard: "coingecko-429",
    },
    Sabotage {
        what: "a CoinGecko that is down is probed each second",
        flags: &["--env", "PROBE_FLOOR_SECONDS=1", "--env", "PROBE_CAP_SECONDS=1"],
        guard: "coingecko-down",
    },
    Sabotage {
        what: "answers are never compressed",
        flags: &["--env", "COMPRESSION=off"],
        guard: "gzip-watchlist",
    },
    Sabotage {
        what: "clients get twice their limit",
        flags: &["--env", "RATE_LIMIT_PER_MINUTE=*2"],
        guard: "client-over-limit",
    },
    Sabotage {
        what: "the lease is given to whoever asks",
        flags: &["--sabotage", "drop-lease-condition"],
        guard: "cold-cache",
    },
];

#[test]
fn each_break_fails_exactly_the_scenario_that_guards_it() {
    let mut wrong = Vec::new();
    for sabotage in &SABOTAGES {
        let out = tempfile::tempdir().expect("a temporary folder");
        let run = Command::new(env!("CARGO_BIN_EXE_crypto-watch-sim"))
            .args(["run", "smoke", "--clock", "real", "--out"])
            .arg(out.path())
            // A slow machine is no broken store.
            .args([
                "--env",
                "STORE_TIMEOUT_MS=10000",
                "--env",
                "WRITE_TIMEOUT_MS=10000",
            ])
            .args(sabotage.flags)
            .output()
            .expect("the harness starts");
        let failed = failed_scenarios(out.path());
        if run.status.code() != Some(1) || failed != BTreeSet::from([sabotage.guard.to_owned()]) {
            wrong.push(format!(
                "{} ({:?}): exit code {:?}, failed {failed:?}, expected 1 and only {:?}\n{}{}",
                sabotage.what,
                sabotage.flags,
                run.status.code(),
                sabotage.guard,
                String::from_utf8_lossy(&run.stdout),
                String::from_utf8_lossy(&run.stderr),
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Names of the scenarios whose `report.json` below `out` says `failed`.
fn failed_scenarios(out: &Path) -> BTreeSet<String> {
    let mut failed = BTreeSet::new();
    for entry in std::fs::read_dir(out)
        .expect("the output folder exists")
        .flatten()
    {
        let Ok(text) = std::fs::read_to_string(entry.path().join("real/report.json")) else {
            continue;
        };
        let report: serde_json::Value = serde_json::from_str(&text).expect("report.json is JSON");
        if report["verdict"] == "failed" {
            failed.insert(
                report["scenario"]
                    .as_str()
                    .expect("a scenario has a name")
                    .to_owned(),
            );
        }
    }
    failed
}
