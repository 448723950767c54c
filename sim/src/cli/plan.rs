//! From a command line to the plays that it asks for: scenarios found, read, checked, each with its factor.
//!
//! Nothing is played before everything that can be wrong with it has been looked for.

use std::{collections::BTreeMap, sync::Arc};

use scenarios::{
    format::{Override, Scenario},
    suites::{self, Found},
};
use service::config::Config;

use crate::{
    cli::args::{ClockArg, RunArgs, Sabotage, Via},
    seed::Seed,
    world::{
        compress::Bounds,
        environment::{self, effective},
        playable,
    },
};

/// One scenario, ready to be played.
#[derive(Clone, Debug)]
pub struct Play {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// Its name and, when one command plays several variants of it, what was set: the name of its folder.
    pub name: String,
    /// The seed to play with.
    pub seed: Seed,
    /// Wall seconds per real second.
    pub speed: u32,
    /// Environment variables beneath the scenario's back.
    pub env: BTreeMap<String, String>,
    /// The service's configuration, as it will read it.
    pub config: Config,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// What the command line changed, as given: `--set`, `--env`, `--sabotage`.
    pub overrides: Vec<String>,
    /// The command that plays exactly this.
    pub command: String,
    /// What is odd about it, but no error.
    pub warnings: Vec<String>,
}

/// Everything that a command line asks to play, or everything that is wrong with it, as texts.
///
/// # Errors
/// Unknown names, bad scenarios, what cannot be played or honoured.
pub fn plan(args: &RunArgs, program: &str) -> Result<Vec<Play>, Vec<String>> {
    refuse_what_is_not_built(args)?;
    let mut problems = Vec::new();
    let mut plays: Vec<Play> = Vec::new();
    for found in find(&args.what, &mut problems) {
        for variant in variants(&args.overrides) {
            match play(args, program, &found, &variant) {
                Ok(play) => plays.push(play),
                Err(more) => problems.extend(more),
            }
        }
    }
    for (index, play) in plays.iter().enumerate() {
        if plays[..index].iter().any(|earlier| earlier.name == play.name) {
            problems.push(format!(
                "error: two of the scenarios are called `{}`; rename one",
                play.name
            ));
        }
    }
    problems.dedup();
    if problems.is_empty() {
        Ok(plays)
    } else {
        Err(problems)
    }
}

fn refuse_what_is_not_built(args: &RunArgs) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    let mut refuse = |refused: bool, message: &str| {
        if refused {
            problems.push(format!("error: {message}"));
        }
    };
    refuse(
        args.clock != ClockArg::Real,
        "virtual time is not built yet; play with --clock real (the default), sped up by --compress",
    );
    refuse(
        args.via == Via::Lambda,
        "--via lambda is not built yet; play with --via direct (the default)",
    );
    refuse(
        args.store != "embedded",
        "only the embedded store is built so far; play with --store embedded (the default)",
    );
    refuse(
        args.twin,
        "--twin is not played yet; play the scenario and a copy of it without its faults",
    );
    refuse(
        args.check_determinism,
        "--check-determinism needs virtual time, which is not built yet: on the real clock no two runs are alike",
    );
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// The scenarios that the words mean, each once.
fn find(words: &[String], problems: &mut Vec<String>) -> Vec<Found> {
    let default = [suites::DEFAULT_SUITE.to_owned()];
    let words = if words.is_empty() { &default } else { words };
    let mut found: Vec<Found> = Vec::new();
    for word in words {
        match suites::find(word) {
            Ok(more) => {
                for one in more {
                    if !found.contains(&one) {
                        found.push(one);
                    }
                }
            }
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    found
}

/// One choice of `--set` values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Variant {
    overrides: Vec<(String, String)>,
    /// `@key=value` for each key that was given several values.
    suffix: String,
}

/// Every combination of the values that the keys were given, keys and values in the order given.
fn variants(overrides: &[(String, String)]) -> Vec<Variant> {
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in overrides {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut variants = vec![Variant::default()];
    for key in keys {
        let values: Vec<&String> = overrides
            .iter()
            .filter(|(other, _)| other == key)
            .map(|(_, value)| value)
            .collect();
        let several = values.len() > 1;
        variants = variants
            .iter()
            .flat_map(|variant| values.iter().map(move |value| variant.with(key, value, several)))
            .collect();
    }
    variants
}

impl Variant {
    fn with(&self, key: &str, value: &str, several: bool) -> Self {
        let mut variant = self.clone();
        variant.overrides.push((key.to_owned(), value.to_owned()));
        if several {
            // It becomes the name of a folder.
            let value = value.replace(['/', '\\'], "_");
            variant.suffix += &format!("@{key}={value}");
        }
        variant
    }
}

fn play(args: &RunArgs, program: &str, found: &Found, variant: &Variant) -> Result<Play, Vec<String>> {
    let overrides: Vec<Override> = variant
        .overrides
        .iter()
        .map(|(key, value)| Override {
            key: key.clone(),
            value: value.clone(),
        })
        .collect();
    let scenario = found
        .parse(&overrides)
        .map_err(|problems| vec![problems.to_string()])?;
    playable::check(&scenario).map_err(|problems| vec![problems.to_string()])?;
    let error = |message: String| vec![format!("error: {}: {message}", scenario.name)];
    let env = environment::overrides(&scenario.stack, &args.env).map_err(error)?;
    let config = effective(&scenario.stack, &env).map_err(|problem| error(problem.to_string()))?;
    let bounds = Bounds::new(&scenario, &config);
    let speed = bounds
        .choose(args.compress)
        .map_err(|problem| error(problem.to_string()))?;
    let seed = args.seed.unwrap_or(scenario.seed);
    let changes = changes(args, variant);
    Ok(Play {
        name: format!("{}{}", scenario.name, variant.suffix),
        seed: Seed(seed),
        speed,
        command: command(program, found, &scenario, seed, speed, &changes),
        overrides: changes
            .into_iter()
            .map(|(flag, value)| format!("{flag} {value}"))
            .collect(),
        warnings: scenario.warnings().iter().map(ToString::to_string).collect(),
        scenario: Arc::new(scenario),
        env,
        config,
        sabotage: args.sabotage,
    })
}

/// What the command line changes of a scenario: flags and their values.
fn changes(args: &RunArgs, variant: &Variant) -> Vec<(&'static str, String)> {
    let set = variant
        .overrides
        .iter()
        .map(|(key, value)| ("--set", format!("{key}={value}")));
    let env = args
        .env
        .iter()
        .map(|(name, value)| ("--env", format!("{name}={value}")));
    let sabotage = args
        .sabotage
        .map(|Sabotage::DropLeaseCondition| ("--sabotage", "drop-lease-condition".to_owned()));
    set.chain(env).chain(sabotage).collect()
}

/// The command that plays one scenario again, just so.
fn command(
    program: &str,
    found: &Found,
    scenario: &Scenario,
    seed: u64,
    speed: u32,
    changes: &[(&'static str, String)],
) -> String {
    let is_built_in = suites::by_name(&scenario.name).is_some_and(|built_in| built_in.file == found.file);
    let what = if is_built_in { &scenario.name } else { &found.file };
    let mut line = format!(
        "{} run {} --seed {seed} --compress {speed}",
        quoted(program),
        quoted(what)
    );
    for (flag, value) in changes {
        line += &format!(" {flag} {}", quoted(value));
    }
    line
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn run_args(words: &[&str]) -> RunArgs {
        let line = ["crypto-watch-sim", "run"].iter().chain(words);
        match Cli::try_parse_from(line).expect("valid").command {
            Command::Run(args) => args,
            other => panic!("{other:?} is `run`"),
        }
    }

    fn refusal(words: &[&str]) -> String {
        plan(&run_args(words), "crypto-watch-sim")
            .expect_err("refused")
            .join("\n")
    }

    #[test]
    fn a_key_with_several_values_is_played_with_each() {
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let given = [set("a", "1"), set("b", "x/y"), set("a", "2"), set("b", "z")];
        let suffixes: Vec<String> = variants(&given)
            .into_iter()
            .map(|variant| variant.suffix)
            .collect();
        assert_eq!(suffixes, ["@a=1@b=x_y", "@a=1@b=z", "@a=2@b=x_y", "@a=2@b=z"]);
        assert_eq!(
            variants(&[set("a", "1")])[0].suffix,
            "",
            "one value needs no suffix"
        );
        assert_eq!(variants(&[]), [Variant::default()]);
    }

    #[test]
    fn words_are_quoted_for_a_shell_when_they_need_it() {
        assert_eq!(quoted("stack.cache_ttl=60s"), "stack.cache_ttl=60s");
        assert_eq!(quoted("load.0.rate=[\"1/s\"]"), "'load.0.rate=[\"1/s\"]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        insta::assert_snapshot!(refusal(&["--clock", "virtual"]), @"error: virtual time is not built yet; play with --clock real (the default), sped up by --compress");
        insta::assert_snapshot!(refusal(&["--via", "lambda", "--twin"]), @"
        error: --via lambda is not built yet; play with --via direct (the default)
        error: --twin is not played yet; play the scenario and a copy of it without its faults
        ");
        insta::assert_snapshot!(refusal(&["--store", "dynamodb-local"]), @"error: only the embedded store is built so far; play with --store embedded (the default)");
        insta::assert_snapshot!(refusal(&["--check-determinism"]), @"error: --check-determinism needs virtual time, which is not built yet: on the real clock no two runs are alike");
    }

    #[test]
    fn the_built_in_suite_is_what_no_word_means() {
        let plays = plan(&run_args(&["--seed", "7", "--env", "COMPRESSION=off"]), "sim").expect("playable");
        let names: Vec<&str> = plays.iter().map(|play| play.name.as_str()).collect();
        assert_eq!(
            names,
            suites::of_suite("smoke")
                .iter()
                .map(|one| one.name)
                .collect::<Vec<_>>()
        );
        for play in &plays {
            let expected = format!(
                "sim run {} --seed 7 --compress {} --env COMPRESSION=off",
                play.scenario.name, play.speed
            );
            assert_eq!(play.command, expected);
        }
    }
}
