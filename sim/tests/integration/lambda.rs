//! The service as it ships, from its packages to a verdict; and what is refused before it is run.
//!
//! The packages are made of the binaries beside the program: those of `crypto-watch-sim package` take minutes to build, and
//! differ from these in how they are optimised.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sim::package::{self, FUNCTIONS, cargo::Built};

use crate::harness::{Finished, Folder};

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder with the template, its parameters and packages.
fn deployable() -> Folder {
    let folder = Folder::new();
    for file in ["template.yaml", "samconfig-dev.toml"] {
        fs::copy(root().join(file), folder.path().join(file)).expect("the project has it");
    }
    let beside = Path::new(env!("CARGO_BIN_EXE_crypto-watch-sim"))
        .parent()
        .expect("it is in a folder");
    let built = Built::lying_in(beside, &FUNCTIONS.map(|(_, binary)| binary));
    package::pack(&built, &folder.path().join("dist")).expect("the service is built for this machine");
    folder.scenario("few.toml", FEW);
    folder
}

const FEW: &str = r#"
schema   = 1
name     = "few"
about    = "A few users and two updates."
seed     = 7
duration = "6m"

[stack]
update_phase = "0s"

[[journey]]
name = "watchlist"
get  = ["/prices?symbols={symbols:5}", "/health"]

[[load]]
name = "day"
rate = "2/s"
keys = { count = 5 }

[[expect]]
check = "api.success == 100%"
[[expect]]
check = "update.succeeded == 2"
[[expect]]
check = "lambda.errors == 0"
[[expect]]
check = "lambda.cold_starts >= 2"
[[expect]]
check = "gzip.share >= 40%"
"#;

fn via_lambda(folder: &Folder) -> Finished {
    // A slow machine is no broken store.
    let patient = [
        "--env",
        "STORE_TIMEOUT_MS=10000",
        "--env",
        "WRITE_TIMEOUT_MS=10000",
    ];
    folder.run_real(&[&["few.toml", "--via", "lambda"][..], &patient].concat())
}

#[test]
fn what_ships_is_played_behind_the_gateway_and_named_by_its_hash() {
    let folder = deployable();
    let finished = via_lambda(&folder);
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    let manifest = fs::read_to_string(folder.path().join("dist/manifest.json")).expect("it was written");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let packages = manifest["packages"].as_array().expect("a list");
    assert_eq!(packages.len(), 2);
    for package in packages {
        let sha256 = package["sha256"].as_str().expect("a hash");
        assert!(finished.stdout.contains(sha256), "the verdict names {sha256}");
    }
    let metrics = &folder.report("few")["metrics"];
    let invocations = metrics["lambda.invocations"]["value"]
        .as_f64()
        .expect("they are counted");
    let requests = metrics["api.requests"]["value"]
        .as_f64()
        .expect("they are counted");
    assert!(
        (invocations - requests - 2.0).abs() < 0.5,
        "{invocations} for {requests} requests and 2 updates"
    );
}

#[test]
fn what_is_not_what_was_packaged_is_not_run() {
    let folder = deployable();
    let refused = |code: i32| {
        let finished = via_lambda(&folder);
        assert_eq!(
            finished.code,
            Some(code),
            "{}{}",
            finished.stdout,
            finished.stderr
        );
        finished.stderr
    };
    let zip = folder.path().join("dist/api/bootstrap.zip");
    let whole = fs::read(&zip).expect("it was packed");
    fs::write(&zip, &whole[..whole.len() - 1]).expect("writable");
    let told = refused(3);
    assert!(
        told.contains("dist/api/bootstrap.zip is not what was packaged"),
        "{told}"
    );
    fs::write(&zip, &whole).expect("writable");
    let template = folder.path().join("template.yaml");
    let text = fs::read_to_string(&template).expect("it was copied");
    fs::write(&template, text.replace("rate(5 minutes)", "rate(5 minute)")).expect("writable");
    let told = refused(3);
    assert!(
        told.contains("template.yaml:") && told.contains("rate(5 minute)"),
        "{told}"
    );
    fs::write(&template, text).expect("writable");
    fs::remove_file(folder.path().join("dist/manifest.json")).expect("it is there");
    let told = refused(3);
    assert!(
        told.contains("nothing has been packaged; run `crypto-watch-sim package`"),
        "{told}"
    );
    fs::remove_file(folder.path().join("samconfig-dev.toml")).expect("it is there");
    assert!(refused(3).contains("samconfig-dev.toml"));
}

/// Takes one thing of the template away, and plays. A warning of this check tells of it, the play fails, and this is its
/// report.
fn without(text: &str, check: &str) -> serde_json::Value {
    let folder = deployable();
    let template = folder.path().join("template.yaml");
    let whole = fs::read_to_string(&template).expect("it was copied");
    let rest = whole.replace(text, "");
    assert_ne!(whole, rest);
    fs::write(&template, rest).expect("writable");
    let finished = via_lambda(&folder);
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
    let is_warning = |line: &str| line.starts_with("warning: ") && line.ends_with(&format!("[{check}]"));
    assert!(finished.stderr.lines().any(is_warning), "{}", finished.stderr);
    folder.report("few")
}

#[test]
fn without_the_variable_for_the_stage_no_path_is_found() {
    let report = without(
        "        AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: 'true'\n",
        "stage-path-variable",
    );
    let unknown = report["metrics"]["api.status.404"]["value"].as_f64();
    assert!(unknown.is_some_and(|count| count > 100.0), "{unknown:?}");
}

#[test]
fn without_binary_media_types_what_is_compressed_arrives_as_text() {
    let report = without("      BinaryMediaTypes: ['*~1*']\n", "compressed-bodies");
    let success = report["metrics"]["api.success"]["value"].as_f64();
    assert!(success.is_some_and(|success| success < 0.7), "{success:?}");
}

/// Functions that break, and alarms, in virtual time, of the template in `folder`; to the byte the same twice.
fn modelled(folder: &Folder, what: &str) -> Finished {
    folder.run(&[what, "--via", "lambda", "--check-determinism"])
}

/// A folder with the template and its parameters.
fn template() -> Folder {
    let folder = Folder::new();
    for file in [
        "template.yaml",
        "samconfig-dev.toml",
        "samconfig-staging.toml",
        "samconfig-prod.toml",
    ] {
        fs::copy(root().join(file), folder.path().join(file)).expect("the project has it");
    }
    folder
}

#[test]
fn in_virtual_time_functions_need_no_package_and_are_the_same_twice() {
    let folder = template();
    let ended = modelled(&folder, "lambda");
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("11 scenarios passed"), "{}", ended.stdout);
}

/// One thing of the template, what stands in its place, and the scenario that must notice.
const MUTATIONS: [(&str, &str, &str); 14] = [
    // Each path has the stage before it.
    (
        "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: 'true'",
        "UNUSED: 'true'",
        "steady",
    ),
    // What is compressed arrives as the text of its base64.
    (
        "BinaryMediaTypes: ['*~1*']",
        "BinaryMediaTypes: ['image~1png']",
        "gzip-watchlist",
    ),
    // A throttled function is a 500.
    (
        "        INTEGRATION_FAILURE:",
        "        WAF_FILTERED:",
        "throttled",
    ),
    // A second event does not wait for the first.
    ("      ReservedConcurrentExecutions: 1\n", "", "double-fire"),
    (
        "Schedule: rate(5 minutes)",
        "Schedule: cron(0 * * * ? *)",
        "update-retried",
    ),
    // A failed update is not tried again.
    (
        "        MaximumRetryAttempts: 1\n",
        "        MaximumRetryAttempts: 0\n",
        "update-retried",
    ),
    // The function ends what users would have waited for.
    ("      Timeout: 25\n", "      Timeout: 3\n", "timeout"),
    ("      Threshold: 900\n", "      Threshold: 9000\n", "alarm-drill"),
    ("      Threshold: 0.1\n", "      Threshold: 1.0\n", "alarm-drill"),
    // On Lambda the service compresses only when it is told to.
    (
        "          COMPRESSION: 'on'\n",
        "          UNUSED: 'on'\n",
        "gzip-watchlist",
    ),
    // The alarm looks at a metric that nobody puts.
    (
        "MetricName: OldestPriceAgeSeconds",
        "MetricName: OldestPriceAge",
        "alarm-twin",
    ),
    // Users ask more than they may.
    ("    Default: 100\n", "    Default: 5\n", "steady"),
    // Prices are old when the next user comes.
    ("    Default: 300\n", "    Default: 30\n", "cold-burst"),
    // The quota is never spent.
    ("KeyQuota: 20000}", "KeyQuota: 2000000}", "usage-plan-quota"),
];

#[test]
fn each_change_of_the_template_fails_the_scenario_that_guards_against_it() {
    let mut unnoticed = Vec::new();
    for (from, to, guard) in MUTATIONS {
        let folder = template();
        let path = folder.path().join("template.yaml");
        let text = fs::read_to_string(&path).expect("it was copied");
        assert!(text.contains(from), "the template has no {from:?}");
        fs::write(&path, text.replacen(from, to, 1)).expect("it can be written");
        let ended = modelled(&folder, guard);
        if ended.code != Some(1) {
            unnoticed.push(format!(
                "{from:?} -> {to:?}: {guard} ended with {:?}:\n{}{}",
                ended.code, ended.stdout, ended.stderr
            ));
        }
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

#[test]
fn any_bootstrap_is_invoked() {
    let folder = Folder::new();
    fs::write(folder.path().join("event.json"), "{}").expect("writable");
    let invoke = |event: &str| {
        let args = ["lambda", "invoke", "--bootstrap", "bootstrap", "--event", event];
        folder.finish(&mut folder.command(&args))
    };
    let finished = invoke("event.json");
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(finished.stderr, @"error: --bootstrap bootstrap: No such file or directory (os error 2)");
    fs::write(folder.path().join("bootstrap"), "#!/bin/sh\nexit 7\n").expect("writable");
    let finished = invoke("event.json");
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stdout.contains("Runtime.InvalidEntrypoint"),
        "it is not executable: {}",
        finished.stdout
    );
    fs::write(folder.path().join("event.json"), "{").expect("writable");
    insta::assert_snapshot!(invoke("event.json").stderr, @"error: --event event.json: an event is JSON: EOF while parsing an object at line 1 column 1");
}
