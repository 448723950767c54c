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
    insta::assert_snapshot!(refused("[[expect]]\ncheck = \"api.success >= 99%\"\nlevl = \"warn\""), @r#"
    error: unknown key `levl`
       --> tiny.toml:25:1
       |
    25 | levl = "warn"
       | ^^^^ did you mean `level`?
    "#);
}

#[test]
fn a_bad_unit_is_pointed_at() {
    insta::assert_snapshot!(refused("[[expect]]\ncheck = \"api.age.max <= 6mm\""), @r#"
    error: `6mm` is not a duration: unknown unit `mm`
       --> tiny.toml:24:25
       |
    24 | check = "api.age.max <= 6mm"
       |                         ^^^ write a quantity such as 99.9%, 250ms, 2h5m, 12, 5/s, 40KB, 25bp or 1.5 USD
    "#);
}

#[test]
fn an_unknown_metric_is_pointed_at() {
    insta::assert_snapshot!(refused("[[expect]]\ncheck = \"api.sucess >= 99%\""), @r#"
    error: unknown metric `api.sucess`
       --> tiny.toml:24:10
       |
    24 | check = "api.sucess >= 99%"
       |          ^^^^^^^^^^ did you mean `api.success`?
    "#);
}

#[test]
fn a_store_that_would_forget_is_not_restarted() {
    let fault =
        "[[fault]]\nname = \"gone\"\ntarget = \"store\"\nat = \"1m\"\nfor = \"30s\"\nkind = \"restart\"";
    let folder = Folder::new();
    folder.scenario("tiny.toml", &scenario("2m", fault));
    let Finished { code, stderr, .. } = folder.run(&["tiny.toml", "--store", "memory"]);
    insta::assert_snapshot!(stderr, @r#"
    error: the store `memory` would lose all that it acknowledged
       --> tiny.toml:28:8
       |
    28 | kind = "restart"
       |        ^^^^^^^^^ play it with --store embedded or, on the real clock, --store dynamodb-local: both are on disk then
    "#);
    assert_eq!(code, Some(2));
}

#[test]
fn an_unknown_name_gets_the_nearest_one() {
    let folder = Folder::new();
    let Finished { code, stderr, .. } = folder.run(&["stedy"]);
    insta::assert_snapshot!(stderr, @"
    error: there is no scenario, suite or file `stedy`
      = did you mean `steady`?
    ");
    assert_eq!(code, Some(2));
}

#[test]
fn too_high_a_factor_names_the_largest_usable_one() {
    let folder = Folder::new();
    let fault = "[[fault]]\nname = \"stuck\"\ntarget = \"coingecko\"\nat = \"1m\"\nfor = \"30s\"\nkind = \"hang\"\nat_most = \"20s\"";
    folder.scenario("tiny.toml", &scenario("2m", fault));
    let Finished { code, stderr, .. } = folder.run_real(&["tiny.toml", "--compress", "60"]);
    insta::assert_snapshot!(stderr, @"error: tiny: --compress 60 is too fast: a request may wait 15.6s of real time, which would be 936s on the wall clock, more than a fifth of cache_ttl 300s; the largest usable factor is 3");
    assert_eq!(code, Some(2));
}

#[test]
fn a_bad_setting_of_the_service_is_named() {
    let folder = Folder::new();
    let Finished { code, stderr, .. } = folder.run(&["steady", "--env", "RETRY_ATTEMPTS=0"]);
    insta::assert_snapshot!(stderr, @"error: steady: RETRY_ATTEMPTS: expected a whole number from 1 to 3, got `0`");
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
