//! The scenarios that come with the program, by suite, and how a name on the command line finds one.
//!
//! A suite is a folder of `files/`; its scenarios are in alphabetical order, except `smoke`, which begins with the
//! plainest.

use std::path::Path;

use crate::format::{Diagnostic, Diagnostics, Override, Resolve, Scenario, nearest, parse};

/// A built-in scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// The suite, which is the folder of its file.
    pub suite: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its file, relative to the repository.
    pub file: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! built_in {
    ($($suite:literal / $name:literal),* $(,)?) => {
        &[$(BuiltIn {
            suite: $suite,
            name: $name,
            file: concat!("scenarios/files/", $suite, "/", $name, ".toml"),
            text: include_str!(concat!("../files/", $suite, "/", $name, ".toml")),
        }),*]
    };
}

/// All built-in scenarios, by suite.
pub static BUILT_IN: &[BuiltIn] = built_in![
    "smoke" / "steady",
    "smoke" / "cold-cache",
    "smoke" / "coingecko-429",
    "smoke" / "coingecko-down",
    "smoke" / "client-over-limit",
    "smoke" / "gzip-watchlist",
    "days" / "coingecko-outage-2h",
    "days" / "coingecko-flapping",
    "days" / "monthly-quota",
    "days" / "updater-dead",
    "days" / "noisy-client",
    "days" / "thundering-herd",
    "outages" / "calm",
    "outages" / "absurd-retry-after",
    "outages" / "app-crash",
    "outages" / "cache-split",
    "outages" / "challenge-page",
    "outages" / "cloudflare-1015",
    "outages" / "cloudflare-ban",
    "outages" / "connection-refused",
    "outages" / "connection-reset",
    "outages" / "cut-json",
    "outages" / "ddos-html",
    "outages" / "delisted-coin",
    "outages" / "dial-timeout",
    "outages" / "empty-answer",
    "outages" / "endless-retry-after",
    "outages" / "endpoint-disabled",
    "outages" / "expiry-herd",
    "outages" / "from-bad-to-worse",
    "outages" / "fleet-silent",
    "outages" / "frozen-prices",
    "outages" / "half-refused",
    "outages" / "hiccups",
    "outages" / "lost-chunk",
    "outages" / "lost-packets",
    "outages" / "missing-coins",
    "outages" / "no-response",
    "outages" / "null-prices",
    "outages" / "price-spike",
    "outages" / "quota-spent",
    "outages" / "remote-disconnected",
    "outages" / "renamed-coin",
    "outages" / "short-body",
    "outages" / "slow-headers",
    "outages" / "stale-data",
    "outages" / "total-outage",
    "outages" / "trickling-body",
    "outages" / "uri-too-long",
    "outages" / "wrong-host",
    "outages" / "zero-prices",
    "store" / "hot-partition",
    "store" / "lost-answers",
    "store" / "partial-batches",
    "store" / "store-down",
    "store" / "store-down-at-update",
    "store" / "store-hangs",
    "store" / "store-slow",
    "store" / "store-throttled",
    "crash" / "all-crash",
    "crash" / "api-killed",
    "crash" / "store-restarted",
    "crash" / "updater-killed",
    "lambda" / "alarm-drill",
    "lambda" / "alarm-twin",
    "lambda" / "cold-burst",
    "lambda" / "double-fire",
    "lambda" / "freeze-mid-refresh",
    "lambda" / "out-of-memory",
    "lambda" / "panic",
    "lambda" / "throttled",
    "lambda" / "timeout",
    "lambda" / "update-retried",
    "lambda" / "usage-plan-quota",
    "sweep" / "sweep-base",
];

/// The suite that is played when nothing is named.
pub const DEFAULT_SUITE: &str = "smoke";

/// The names of the suites, in order.
pub fn suites() -> Vec<&'static str> {
    let mut suites: Vec<_> = BUILT_IN.iter().map(|scenario| scenario.suite).collect();
    suites.dedup();
    suites
}

/// The built-in scenario of this name.
pub fn by_name(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|scenario| scenario.name == name)
}

/// The scenarios of a suite; empty when there is no such suite.
pub fn of_suite(suite: &str) -> Vec<&'static BuiltIn> {
    BUILT_IN
        .iter()
        .filter(|scenario| scenario.suite == suite)
        .collect()
}

/// A scenario's text, not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, as messages name it.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl Found {
    /// Reads and checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it, each at its place.
    pub fn parse(&self, overrides: &[Override]) -> Result<Scenario, Diagnostics> {
        let folder = Path::new(&self.file)
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default();
        parse(&self.file, &self.text, overrides, &Beside { folder: &folder })
    }
}

impl From<&BuiltIn> for Found {
    fn from(built_in: &BuiltIn) -> Self {
        Self {
            file: built_in.file.to_owned(),
            text: built_in.text.to_owned(),
        }
    }
}

/// Finds what a word on the command line means: a built-in scenario, a suite, or a file.
///
/// # Errors
/// When it means nothing, with the nearest name; when its file cannot be read.
pub fn find(word: &str) -> Result<Vec<Found>, Box<Diagnostic>> {
    if let Some(scenario) = by_name(word) {
        return Ok(vec![scenario.into()]);
    }
    let suite = of_suite(word);
    if !suite.is_empty() {
        return Ok(suite.into_iter().map(Found::from).collect());
    }
    if looks_like_file(word) {
        return read(Path::new(word)).map(|found| vec![found]);
    }
    let message = format!("there is no scenario, suite or file `{word}`");
    Err(Box::new(Diagnostic::error(message, Some(suggest(word)))))
}

fn looks_like_file(word: &str) -> bool {
    word.contains(['/', '\\'])
        || Path::new(word)
            .extension()
            .is_some_and(|extension| extension == "toml")
}

fn read(path: &Path) -> Result<Found, Box<Diagnostic>> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Found { file, text }),
        Err(error) => Err(Box::new(Diagnostic::error(
            format!("cannot read {file}: {error}"),
            None,
        ))),
    }
}

/// What to write instead of a word that means nothing.
fn suggest(word: &str) -> String {
    let names: Vec<&str> = BUILT_IN
        .iter()
        .map(|scenario| scenario.name)
        .chain(suites())
        .collect();
    match nearest(word, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!(
            "the suites are {}; `crypto-watch-sim list` names the scenarios; or give a file that ends in .toml",
            suites().join(", ")
        ),
    }
}

/// What a scenario may extend: a built-in one by name, or a file beside its own.
struct Beside<'a> {
    folder: &'a Path,
}

impl Resolve for Beside<'_> {
    fn resolve(&self, name: &str) -> Result<(String, String), String> {
        if let Some(built_in) = by_name(name) {
            return Ok((built_in.file.to_owned(), built_in.text.to_owned()));
        }
        let mut path = self.folder.join(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            path.as_mut_os_string().push(".toml");
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok((path.display().to_string(), text)),
            Err(_) => Err(suggest(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scenarios that overload a key on purpose, and how many of their loads do.
    const WARNED: [(&str, usize); 3] = [
        ("client-over-limit", 2),
        ("noisy-client", 1),
        ("usage-plan-quota", 1),
    ];

    #[test]
    fn every_built_in_scenario_is_right() {
        for built_in in BUILT_IN {
            let scenario = Found::from(built_in)
                .parse(&[])
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.name, built_in.name, "a scenario is named as its file is");
            assert!(!scenario.expects.is_empty(), "{} expects nothing", built_in.name);
            let warnings = scenario.warnings();
            let expected = WARNED
                .iter()
                .find(|(name, _)| *name == built_in.name)
                .map_or(0, |(_, count)| *count);
            assert_eq!(warnings.len(), expected, "{}: {warnings:?}", built_in.name);
        }
    }

    #[test]
    fn names_are_unique_and_no_suite_has_one() {
        let mut names: Vec<_> = BUILT_IN
            .iter()
            .map(|scenario| scenario.name)
            .chain(suites())
            .collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }

    #[test]
    fn every_file_is_listed() {
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("files");
        let mut count = 0;
        for suite in std::fs::read_dir(files).expect("there are suites") {
            let suite = suite.expect("a folder can be read").path();
            count += std::fs::read_dir(suite).expect("a suite is a folder").count();
        }
        assert_eq!(count, BUILT_IN.len());
    }

    #[test]
    fn finds_by_name_suite_and_file() {
        assert_eq!(find("steady").map(|found| found.len()), Ok(1));
        assert_eq!(find("smoke").map(|found| found.len()), Ok(6));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/files/smoke/steady.toml");
        let found = find(file).expect("the file is there");
        assert_eq!(found[0].text, by_name("steady").expect("built in").text);
    }

    #[test]
    fn suggests_the_nearest() {
        let said = |word: &str| find(word).expect_err("nothing is called so").to_string();
        insta::assert_snapshot!(said("stedy"), @r"
        error: there is no scenario, suite or file `stedy`
          = did you mean `steady`?
        ");
        insta::assert_snapshot!(said("qqqq"), @r"
        error: there is no scenario, suite or file `qqqq`
          = the suites are smoke, days, outages, store, crash, lambda, sweep; `crypto-watch-sim list` names the scenarios; or give a file that ends in .toml
        ");
        insta::assert_snapshot!(said("no/such.toml"), @"error: cannot read no/such.toml: No such file or directory (os error 2)");
    }

    #[test]
    fn a_file_may_extend_a_built_in_scenario() {
        let text =
            "schema = 1\nname = \"mine\"\nabout = \"Mine.\"\nextends = \"steady\"\nseed = 9\n".to_owned();
        let found = Found {
            file: "mine.toml".to_owned(),
            text,
        };
        let scenario = found.parse(&[]).expect("steady is there");
        assert_eq!((scenario.seed, scenario.loads.len()), (9, 2));
        let wrong = Found {
            text: found.text.replace("steady", "stedy"),
            ..found
        };
        insta::assert_snapshot!(wrong.parse(&[]).expect_err("no such scenario"), @r#"
        error: there is no scenario `stedy` to extend
          --> mine.toml:4:11
          |
        4 | extends = "stedy"
          |           ^^^^^^^ did you mean `steady`?
        "#);
    }
}
