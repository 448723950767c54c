//! What goes wrong around a run: binaries, ports, processes, signals, folders. Each has its own answer, and
//! nothing is left running.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use rustix::process::{Signal, kill_process};
use sim::lambda::process::runs;

use crate::harness::{Finished, Folder, Running, becomes, is_running, pid_of, scenario};

/// Copies only `crypto-watch-sim` into a folder, without the binaries that it needs beside it.
pub(crate) fn copy_alone(folder: &Folder) -> std::path::PathBuf {
    let alone = folder.path().join("crypto-watch-sim");
    let program = env!("CARGO_BIN_EXE_crypto-watch-sim");
    // A program that any process has open for writing cannot be run, and a child of another test has all that this process
    // has open until it runs something itself: so it is not written where it can be linked.
    fs::hard_link(program, &alone)
        .or_else(|_| fs::copy(program, &alone).map(drop))
        .expect("the folder is writable");
    alone
}

fn run_of(folder: &Folder, program: &Path) -> Finished {
    folder.finish(&mut folder.command_of(program, &["run", "steady", "--clock", "real", "--out", "out"]))
}

#[test]
fn a_missing_binary_is_named() {
    let folder = Folder::new();
    let Finished { code, stderr, .. } = run_of(&folder, &copy_alone(&folder));
    insta::assert_snapshot!(stderr, @"error: crypto-watch-api is missing beside this program (looked in [folder]); rebuild with `cargo build --release --workspace --bins`");
    assert_eq!(code, Some(3));
}

#[test]
fn a_stale_binary_is_named() {
    let folder = Folder::new();
    let alone = copy_alone(&folder);
    for name in ["crypto-watch-api", "crypto-watch-update", "crypto-watch-load"] {
        let path = folder.path().join(name);
        fs::write(
            &path,
            format!("#!/bin/sh\necho '{name} 0.0.0 (build 0ld-release)'\n"),
        )
        .expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let Finished { code, stderr, .. } = run_of(&folder, &alone);
    let stderr = stderr.replace(service::BUILD_ID, "[build]");
    insta::assert_snapshot!(stderr, @"error: crypto-watch-api is stale: it is build 0ld-release, this program needs [build]; rebuild with `cargo build --release --workspace --bins`");
    assert_eq!(code, Some(3));
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let folder = Folder::new();
    let mut command = folder.command(&["fake", "coingecko", "--port", &port]);
    let Finished { code, stderr, .. } = folder.finish(&mut command);
    insta::assert_snapshot!(stderr.replace(&port, "[port]"), @"error: cannot start the fake CoinGecko: port [port] on 127.0.0.1 is taken: end what listens there, or choose another port (0 = any free one)");
    assert_eq!(code, Some(3));
}

#[test]
fn an_address_of_another_machine_is_named() {
    let folder = Folder::new();
    // Reserved for documentation: no machine has it.
    let mut command = folder.command(&["fake", "coingecko", "--listen", "203.0.113.77"]);
    let Finished { code, stderr, .. } = folder.finish(&mut command);
    insta::assert_snapshot!(stderr, @"error: cannot start the fake CoinGecko: this machine does not have the address 203.0.113.77: listen on one that it has, or on 0.0.0.0 (all of them)");
    assert_eq!(code, Some(3));
}

/// A scenario of half an hour that says when two minutes have passed.
fn long() -> String {
    let mark = "[[fault]]\nname = \"mark\"\ntarget = \"coingecko\"\nat = \"2m\"\nfor = \"28m\"\nkind = \"status\"\nstatus = 503\nmay_miss = true";
    scenario(
        "30m",
        &format!("{mark}\n\n[[expect]]\ncheck = \"api.success >= 1%\""),
    )
}

/// Starts it and waits until users have been served.
fn start_long(folder: &Folder) -> Running {
    folder.scenario("tiny.toml", &long());
    let mut running = Running::start(folder, &["tiny.toml", "--compress", "60"]);
    running.wait_for("active faults: mark");
    running
}

/// The report of a run that broke off holds what was recorded until then, and says so.
fn assert_broken_off(folder: &Folder, said: &str) {
    let report = folder.report("tiny");
    assert_eq!(report["verdict"], "failed", "{said}");
    let requests = report["metrics"]["api.requests"]["value"].as_f64();
    assert!(
        requests.is_some_and(|requests| requests > 0.0),
        "{requests:?}\n{said}"
    );
    let notes = report["notes"].as_array().expect("notes");
    let broke_off = |note: &serde_json::Value| note.as_str().is_some_and(|note| note.contains("broke off"));
    assert!(notes.iter().any(broke_off), "{notes:?}");
}

#[test]
fn a_child_that_dies_is_told_with_its_last_lines_and_what_was_recorded_is_reported() {
    let folder = Folder::new();
    let running = start_long(&folder);
    let all = running.children("crypto-watch");
    let api = running.children("crypto-watch-ap");
    assert_eq!(api.len(), 1, "one instance");
    kill_process(pid_of(api[0]), Signal::KILL).expect("it runs");
    let Finished { code, stdout, stderr } = running.finish(&folder);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(
        stderr.contains("api-0 ended while it was needed (signal: 9 (SIGKILL)); its last lines:"),
        "{stderr}"
    );
    assert!(
        stderr.contains("\"event\":\"request\""),
        "its own log lines are shown:\n{stderr}"
    );
    assert_broken_off(&folder, &stdout);
    assert!(all.iter().all(|pid| !is_running(*pid)), "no process is left");
}

#[test]
fn after_ctrl_c_or_when_its_terminal_is_gone_what_was_recorded_is_reported_and_no_process_is_left() {
    for signal in [Signal::INT, Signal::HUP] {
        let folder = Folder::new();
        let running = start_long(&folder);
        let children = running.children("crypto-watch");
        assert!(
            children.len() >= 3,
            "API, load generator and reaper: {children:?}"
        );
        running.signal(signal);
        if signal == Signal::HUP {
            // From the shell, and from the kernel.
            running.signal(signal);
        }
        let Finished { code, stdout, stderr } = running.finish(&folder);
        assert_eq!(code, Some(3), "{signal:?}: {stderr}");
        assert!(stderr.contains("tiny: interrupted"), "{stderr}");
        assert_broken_off(&folder, &stdout);
        assert!(children.iter().all(|pid| !is_running(*pid)), "no process is left");
    }
}

#[tokio::test]
async fn when_it_is_killed_itself_no_process_and_no_folder_is_left_and_that_is_told() {
    let folder = Folder::new();
    // A store that will be killed has its data in a folder.
    let gone = "[[fault]]\nname = \"gone\"\ntarget = \"store\"\nat = \"25m\"\nfor = \"1m\"\nkind = \"restart\"\nmay_miss = true";
    folder.scenario("tiny.toml", &scenario("30m", gone));
    let running = Running::start(&folder, &["tiny.toml", "--compress", "1"]);
    // The last to be started.
    becomes(|| running.children("crypto-watch-lo").len() == 1).await;
    let children = running.children("crypto-watch");
    assert!(
        children.len() >= 3,
        "API, load generator and reaper: {children:?}"
    );
    assert_eq!(fs::read_dir(folder.temporary()).expect("it is there").count(), 1);
    running.signal(Signal::KILL);
    // The reaper holds standard error open until it has done its work.
    let Finished { code, stderr, .. } = running.finish(&folder);
    assert_eq!(code, None, "{stderr}");
    assert!(
        stderr.contains(" did not end in order; what it left has been ended:\n  processes "),
        "{stderr}"
    );
    // Whoever has them now need not have asked how they ended.
    becomes(|| !children.iter().any(|id| runs(*id as i32))).await;
}

#[test]
fn a_second_run_into_the_same_folder_is_kept_out() {
    let folder = Folder::new();
    folder.scenario("tiny.toml", &scenario("30m", ""));
    let running = Running::start(&folder, &["tiny.toml", "--compress", "60"]);
    let Finished { code, stderr, .. } = folder.run_real(&["tiny.toml"]);
    insta::assert_snapshot!(stderr, @"error: another run is writing to out; wait until it ends or choose another folder with --out");
    assert_eq!(code, Some(3));
    running.signal(Signal::INT);
    assert_eq!(running.finish(&folder).code, Some(3));
}
