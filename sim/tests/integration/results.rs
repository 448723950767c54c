//! What a run leaves behind: files, verdicts, the command that plays it again.

use crate::harness::{Finished, Folder, scenario};

#[test]
fn a_check_without_samples_fails() {
    let folder = Folder::new();
    folder.scenario(
        "tiny.toml",
        &scenario("2m", "[[expect]]\ncheck = \"retry.delay.p50 <= 10s\""),
    );
    let Finished { code, stdout, stderr } = folder.run(&["tiny.toml"]);
    assert_eq!(code, Some(1), "{stdout}\n{stderr}");
    let failed = stdout
        .lines()
        .find(|line| line.contains("retry.delay.p50"))
        .expect("the check is shown");
    assert!(failed.contains("no samples"), "{failed}");
    let command = "crypto-watch-sim run tiny.toml --clock virtual --seed 7";
    assert!(
        stdout.contains(command),
        "how to play it again is shown:\n{stdout}"
    );
}

#[test]
fn a_run_that_holds_leaves_its_files_and_exits_with_0() {
    let folder = Folder::new();
    folder.scenario(
        "tiny.toml",
        &scenario("4m", "[[expect]]\ncheck = \"api.success >= 99%\""),
    );
    let Finished { code, stdout, stderr } = folder.run_real(&["tiny.toml", "--set", "seed=9"]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    for file in [
        "junit.xml",
        "summary.md",
        "tiny/real/report.json",
        "tiny/real/run.json",
    ] {
        assert!(folder.out().join(file).is_file(), "{file} was written");
    }
    let report = folder.report("tiny");
    assert_eq!(report["verdict"], "passed");
    assert_eq!(report["seed"], 9);
    assert_eq!(report["clock"], "real");
}

#[test]
fn each_value_of_a_key_that_is_set_twice_is_played() {
    let folder = Folder::new();
    folder.scenario(
        "tiny.toml",
        &scenario("1m", "[[expect]]\ncheck = \"api.requests >= 1\""),
    );
    let twice = [
        "--set",
        "stack.rate_limit=50/min",
        "--set",
        "stack.rate_limit=60/min",
    ];
    let args = [&["tiny.toml", "--jobs", "2"], &twice[..]].concat();
    let Finished { code, stdout, stderr } = folder.run(&args);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    for value in ["50_min", "60_min"] {
        assert_eq!(
            folder.report_on(&format!("tiny@stack.rate_limit={value}"), "virtual")["verdict"],
            "passed"
        );
    }
}
