//! Scenarios and command lines that are wrong: each gets its own answer before anything is played.

use crate::harness::{Finished, Folder, scenario};

/// What is said about a scenario file with these lines at its end; nothing may have been played.
fn refused(more: &str) -> String {
    let folder = Folder::new();
    folder.scenario("tiny.toml", &scenario("2m", more));
    let Finished { code, stdout, stderr } = folder.run(&["tiny.toml"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(stdout, "");
    assert!(
        !folder.out().exists(),
        "nothing was played, so there are no results"
    );
    stderr
}

#[test]
fn an_unknown_key_is_pointed_at() {
    insta::assert_snapshot!(refused("[[expect]]\ncheck = \"api.success >= 99%\"\nlevl = \"warn\""), @"");
}

#[test]
fn a_bad_unit_is_pointed_at() {
    insta::assert_snapshot!(refused("[[expect]]\ncheck = \"api.age.max <= 6mm\""), @"");
}

#[test]
fn an_unknown_metric_is_pointed_at() {
    insta::assert_snapshot!(refused("[[expect]]\ncheck = \"api.sucess >= 99%\""), @"");
}

#[test]
fn a_fault_that_is_not_played_yet_is_pointed_at() {
    let fault =
        "[[fault]]\nname = \"slow\"\ntarget = \"store\"\nat = \"1m\"\nfor = \"30s\"\nkind = \"throttle\"";
    insta::assert_snapshot!(refused(fault), @"");
}

#[test]
fn an_unknown_name_gets_the_nearest_one() {
    let folder = Folder::new();
    let Finished { code, stderr, .. } = folder.run(&["stedy"]);
    insta::assert_snapshot!(stderr, @"");
    assert_eq!(code, Some(2));
}

#[test]
fn too_high_a_factor_names_the_largest_usable_one() {
    let folder = Folder::new();
    let fault = "[[fault]]\nname = \"stuck\"\ntarget = \"coingecko\"\nat = \"1m\"\nfor = \"30s\"\nkind = \"hang\"\nat_most = \"20s\"";
    folder.scenario("tiny.toml", &scenario("2m", fault));
    let Finished { code, stderr, .. } = folder.run(&["tiny.toml", "--compress", "60"]);
    insta::assert_snapshot!(stderr, @"");
    assert_eq!(code, Some(2));
}

#[test]
fn a_bad_setting_of_the_service_is_named() {
    let folder = Folder::new();
    let Finished { code, stderr, .. } = folder.run(&["steady", "--env", "RETRY_ATTEMPTS=0"]);
    insta::assert_snapshot!(stderr, @"");
    assert_eq!(code, Some(2));
}

#[test]
fn bad_usage_exits_with_2_and_help_with_0() {
    let folder = Folder::new();
    let finish = |args: &[&str]| folder.finish(&mut folder.command(args));
    assert_eq!(finish(&["run", "--no-such-flag"]).code, Some(2));
    assert_eq!(finish(&[]).code, Some(2));
    let help = finish(&["--help"]);
    assert_eq!(
        (help.code, help.stdout.contains("Exit codes: 0 all held")),
        (Some(0), true)
    );
}
