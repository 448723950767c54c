//! The commands that play nothing: what they tell, and how they exit.

use serde_json::Value;

use crate::{
    bad_luck::copy_alone,
    harness::{Finished, Folder},
};

fn told(args: &[&str]) -> String {
    let folder = Folder::new();
    let Finished { code, stdout, stderr } = folder.finish(&mut folder.command(args));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args:?}: {stdout}");
    stdout
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&told(args)).expect("JSON")
}

#[test]
fn list_tells_what_can_be_played() {
    let listed = told(&["list"]);
    let first = listed.lines().next();
    assert_eq!(first, Some("smoke (the default)"), "{listed}");
    let rows = json(&["list", "--json"]);
    let rows = rows.as_array().expect("an array");
    assert_eq!(rows[0]["name"], "steady");
    for row in rows {
        let name = row["name"].as_str().expect("a name");
        assert!(listed.contains(name), "{name} is in both lists");
        assert!(
            row["about"].as_str().is_some_and(|about| !about.is_empty()),
            "{row}"
        );
    }
    let metrics = told(&["list", "--metrics"]);
    assert!(
        metrics.lines().any(|line| line.starts_with("api.success ")),
        "{metrics}"
    );
}

#[test]
fn schema_prints_what_is_published() {
    let published: Value =
        serde_json::from_str(include_str!("../../src/report/report.schema.json")).expect("JSON");
    assert_eq!(json(&["schema", "report"]), published);
    let both = json(&["schema"]);
    assert_eq!(both["report"], published);
    assert_eq!(both["scenario"], json(&["schema", "scenario"]));
    assert_eq!(
        told(&["schema", "reference"]).trim_end(),
        include_str!("../../../docs/scenario-format.md").trim_end()
    );
}

#[test]
fn doctor_finds_everything_where_all_binaries_are() {
    let report = told(&["doctor"]);
    for what in [
        "crypto-watch-sim",
        "crypto-watch-api",
        "crypto-watch-update",
        "crypto-watch-load",
        "calibration",
        "loopback",
    ] {
        assert!(
            report
                .lines()
                .any(|line| line.starts_with(&format!("ok  {what} "))),
            "{what}:\n{report}"
        );
    }
    assert!(!report.contains("!!"), "{report}");
}

#[test]
fn doctor_says_what_is_missing_and_exits_with_3() {
    let folder = Folder::new();
    let alone = copy_alone(&folder);
    let Finished { code, stdout, .. } = folder.finish(&mut folder.command_of(&alone, &["doctor"]));
    assert_eq!(code, Some(3), "{stdout}");
    let broken: Vec<_> = stdout.lines().filter(|line| line.starts_with("!!")).collect();
    let missing = ["crypto-watch-api", "crypto-watch-update", "crypto-watch-load"];
    assert_eq!(broken.len(), missing.len(), "{stdout}");
    for (line, name) in broken.iter().zip(missing) {
        // How to build it depends on how this was built.
        let said =
            format!("{name} is missing beside this program (looked in [folder]); rebuild with `cargo build ");
        assert!(line.contains(&said), "{line}");
    }
}

#[test]
fn calibrate_measures_nothing_without_the_real_binaries_and_exits_with_3() {
    let folder = Folder::new();
    let alone = copy_alone(&folder);
    let args = ["calibrate", "--out", "out"];
    let Finished { code, stdout, stderr } = folder.finish(&mut folder.command_of(&alone, &args));
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    assert!(
        stderr.starts_with("error: crypto-watch-api is missing beside this program"),
        "{stderr}"
    );
    assert!(stderr.trim_end().ends_with("nothing was written"), "{stderr}");
    assert!(
        !folder.out().exists(),
        "nothing was measured, so there are no results"
    );
}
