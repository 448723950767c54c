//! From a command line to the plays that it asks for: scenarios found, read, checked, each with its factor.
//!
//! Nothing is played before everything that can be wrong with it has been looked for.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use scenarios::{
    format::{
        Alone, Override, Scenario, Variant as OtherFaults,
        model::{ClockKind, Stack},
        parse,
    },
    suites::{self, Found},
};
use service::config::Config;

use crate::{
    calibrate::{self, Calibration},
    cli::args::{ClockArg, RunArgs, Sabotage, Via},
    deployed::Deployed,
    seed::Seed,
    store::backend::{Choice, Endpoint, Way},
    virtual_world::StoreKind,
    world::{
        compress::Bounds,
        environment::{self, effective},
        playable,
    },
};

/// How a scenario is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// On the virtual clock.
    Virtual {
        /// The store.
        store: StoreKind,
    },
    /// On the real clock.
    Real {
        /// Wall seconds per real second.
        speed: u32,
    },
}

impl On {
    /// The clock's name, which is also that of the play's folder.
    #[must_use]
    pub const fn clock(self) -> &'static str {
        match self {
            Self::Virtual { .. } => "virtual",
            Self::Real { .. } => "real",
        }
    }

    /// The same as the judge takes it.
    #[must_use]
    pub const fn kind(self) -> ClockKind {
        match self {
            Self::Virtual { .. } => ClockKind::Virtual,
            Self::Real { .. } => ClockKind::Real,
        }
    }
}

/// One scenario, ready to be played.
#[derive(Clone, Debug)]
pub struct Play {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// Its name and, when one command plays several variants of it, what was set: the name of its folder.
    pub name: String,
    /// The values that tell it from the other variants of its scenario; empty when there are none.
    pub variant: String,
    /// Whether it is the scenario without its faults.
    pub twin: bool,
    /// The seed to play with.
    pub seed: Seed,
    /// The clock, and what goes with it.
    pub on: On,
    /// The store, on the real clock.
    pub store: Choice,
    /// Environment variables beneath the scenario's back.
    pub env: BTreeMap<String, String>,
    /// The service's configuration, as it will read it.
    pub config: Config,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// What the sabotaged service is started with in virtual time, when that is not `config`.
    pub broken_config: Option<Config>,
    /// What the command line changed, as given: `--set`, `--env`, `--sabotage`.
    pub overrides: Vec<String>,
    /// The program as it was called.
    pub program: String,
    /// The arguments with which it plays exactly this.
    pub arguments: String,
    /// What is odd about it, but no error.
    pub warnings: Vec<String>,
}

impl Play {
    /// The same without its faults. It is played for comparison: nothing is expected of it but what always holds.
    fn twin(&self) -> Result<Self, String> {
        let scenario = &self.scenario;
        let text = scenario.variant(&OtherFaults {
            name: scenario.name.clone(),
            about: scenario.about.clone(),
            seed: scenario.seed,
            instances: scenario.stack.instances,
            faults: String::new(),
        });
        let scenario = parse(&scenario.name, &text, &[], &Alone).map_err(|problems| problems.to_string())?;
        Ok(Self {
            name: format!("{}@twin", self.name),
            twin: true,
            scenario: Arc::new(scenario),
            arguments: format!("{} --twin", self.arguments),
            ..self.clone()
        })
    }

    /// The command that plays exactly this.
    #[must_use]
    pub fn command(&self) -> String {
        format!("{} {}", self.program, self.arguments)
    }
}

/// Everything that a command line asks to play, or everything that is wrong with it, as texts.
///
/// # Errors
/// Unknown names, bad scenarios, what cannot be played or honoured.
pub fn plan(args: &RunArgs, program: &str) -> Result<Vec<Play>, Vec<String>> {
    refuse_what_is_not_built(args)?;
    let store = real_store(args).map_err(|problem| vec![format!("error: {problem}")])?;
    let servable_rate = servable_rate(args)? * servable_part(&store) * servable_via(args.via);
    let mut problems = Vec::new();
    let mut plays: Vec<Play> = Vec::new();
    let seeds = args.seeds.iter().flat_map(|seeds| seeds.0.clone());
    let seeds = seeds.map(|seed| ("seed".to_owned(), seed.to_string()));
    let overrides: Vec<(String, String)> = args.overrides.iter().cloned().chain(seeds).collect();
    for found in find(&args.what, &mut problems) {
        for variant in variants(&overrides) {
            for clock in clocks(args.clock) {
                let play = match play(args, program, &found, &variant, *clock, (&store, servable_rate)) {
                    Ok(play) => play,
                    Err(more) => {
                        problems.extend(more);
                        continue;
                    }
                };
                // In a suite, those without faults are played alone.
                let twin = (args.twin && !play.scenario.faults.is_empty()).then(|| play.twin());
                plays.push(play);
                match twin {
                    Some(Ok(twin)) => plays.push(twin),
                    Some(Err(problem)) => problems.push(problem),
                    None => {}
                }
            }
        }
    }
    for (index, play) in plays.iter().enumerate() {
        let same = |earlier: &Play| earlier.name == play.name && earlier.on.clock() == play.on.clock();
        if plays[..index].iter().any(same) {
            problems.push(format!(
                "error: two of the scenarios are called `{}`; rename one",
                play.name
            ));
        }
    }
    if args.twin && problems.is_empty() && !plays.iter().any(|play| play.twin) {
        let mut names: Vec<&str> = plays.iter().map(|play| play.scenario.name.as_str()).collect();
        names.dedup();
        problems.push(format!(
            "error: {}: there are no faults that a twin could be without; leave --twin out",
            names.join(", ")
        ));
    }
    problems.dedup();
    if problems.is_empty() {
        Ok(plays)
    } else {
        Err(problems)
    }
}

/// Requests per real second that can be counted on, on the real clock.
fn servable_rate(args: &RunArgs) -> Result<f64, Vec<String>> {
    let Some(path) = &args.calibration else {
        return Ok(calibrate::committed().embedded.servable_rate);
    };
    Calibration::read(path)
        .map(|calibration| calibration.embedded.servable_rate)
        .map_err(|error| vec![format!("error: {error}")])
}

/// The clocks to play on, in order.
fn clocks(asked: ClockArg) -> &'static [ClockKind] {
    match asked {
        ClockArg::Virtual => &[ClockKind::Virtual],
        ClockArg::Real => &[ClockKind::Real],
        ClockArg::Both => &[ClockKind::Virtual, ClockKind::Real],
    }
}

fn refuse_what_is_not_built(args: &RunArgs) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    let mut refuse = |refused: bool, message: &str| {
        if refused {
            problems.push(format!("error: {message}"));
        }
    };
    let plays_virtual = args.clock != ClockArg::Real;
    let plays_real = args.clock != ClockArg::Virtual;
    refuse(
        args.via == Via::Lambda && args.sabotage.is_some_and(|sabotage| !sabotage.is_for_real_runs()),
        "--sabotage breaks processes of the service in virtual time, not functions; leave --via lambda out",
    );
    refuse(
        args.check_determinism && !plays_virtual,
        "--check-determinism needs virtual time: on the real clock no two runs are alike; leave --clock real out",
    );
    refuse(
        args.compress.is_some() && !plays_real,
        "--compress speeds up the real clock, and virtual time has no speed; add --clock real or leave it out",
    );
    refuse(
        args.calibration.is_some() && !plays_real,
        "--calibration bounds the speed of the real clock, and virtual time goes by the committed calibration alone, so \
         that its reports depend on nothing else; add --clock real or leave it out",
    );
    if let Some(sabotage) = args.sabotage.filter(|sabotage| !sabotage.is_for_real_runs()) {
        refuse(
            plays_real,
            &format!(
                "--sabotage {} breaks what only virtual time hands to the service; leave --clock out",
                sabotage.name(),
            ),
        );
    }
    if let Some(store) = args.store.as_deref() {
        refuse(
            plays_virtual && virtual_store(store).is_none(),
            &format!(
                "`{store}` is outside this process, and in virtual time nothing may be: its answers take real time; \
                 play with --store memory or --store embedded"
            ),
        );
        refuse(
            plays_real && store == StoreKind::Memory.to_string(),
            "the memory store lives in virtual time, and cannot be asked over sockets; on the real clock play with --store \
             embedded (the default there), dynamodb-local or a URL",
        );
    }
    let is_local = args.store.as_deref() == Some(DYNAMODB_LOCAL);
    refuse(
        args.dynamodb_local.is_some() && !is_local,
        "--dynamodb-local says how --store dynamodb-local is had; add that or leave it out",
    );
    refuse(
        args.real_aws && !args.store.as_deref().is_some_and(is_url),
        "--real-aws is a leave for --store URL; add that or leave it out",
    );
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// Amazon's DynamoDB Local, as a store is called.
pub(super) const DYNAMODB_LOCAL: &str = "dynamodb-local";
/// The part of the calibrated rate, which is dynoxide's, that is counted on elsewhere. DynamoDB Local served 362, 567 and
/// 319 pairs of a counted request and a read of ten prices a second to 1, 16 and 64 callers on two cores where dynoxide
/// over HTTP served 1,079, 906 and 936; what an endpoint serves nobody knows, so no more is asked of it.
const ELSEWHERE: f64 = 1.0 / 3.0;

fn servable_part(store: &Choice) -> f64 {
    match store {
        Choice::Embedded => 1.0,
        Choice::DynamoDbLocal(_) | Choice::Endpoint(_) => ELSEWHERE,
    }
}

/// The part of the calibrated rate, which is that of a process without a limit to its processor time, that is counted on of
/// functions behind a gateway.
const OF_FUNCTIONS: f64 = 0.25;

fn servable_via(via: Via) -> f64 {
    match via {
        Via::Direct => 1.0,
        Via::Lambda => OF_FUNCTIONS,
    }
}

fn is_url(store: &str) -> bool {
    store.contains("://")
}

/// The store of the real clock that was asked for.
fn real_store(args: &RunArgs) -> Result<Choice, String> {
    match args.store.as_deref() {
        // Virtual time has stores of its own.
        None | Some("embedded" | "memory") => Ok(Choice::Embedded),
        Some(DYNAMODB_LOCAL) => Ok(Choice::DynamoDbLocal(
            args.dynamodb_local.as_deref().map(Way::parse),
        )),
        Some(url) if is_url(url) => {
            let endpoint = Endpoint::parse(url)?;
            if endpoint.is_public() && !args.real_aws {
                return Err(format!(
                    "{url} is beyond this machine and its private networks, where a DynamoDB costs money; add --real-aws \
                     if that is meant"
                ));
            }
            Ok(Choice::Endpoint(endpoint))
        }
        Some(other) => Err(format!(
            "there is no store `{other}`: it is memory, embedded, dynamodb-local or a URL"
        )),
    }
}

/// The store of virtual time that is called so.
fn virtual_store(name: &str) -> Option<StoreKind> {
    [StoreKind::Memory, StoreKind::Embedded]
        .into_iter()
        .find(|kind| kind.to_string() == name)
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
    /// The same for people.
    label: String,
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
            if !variant.label.is_empty() {
                variant.label.push(' ');
            }
            variant.label += &format!("{key}={value}");
            // It becomes the name of a folder.
            let value = value.replace(['/', '\\'], "_");
            variant.suffix += &format!("@{key}={value}");
        }
        variant
    }
}

fn play(
    args: &RunArgs,
    program: &str,
    found: &Found,
    variant: &Variant,
    clock: ClockKind,
    (store, servable_rate): (&Choice, f64),
) -> Result<Play, Vec<String>> {
    let set = variant.overrides.iter().cloned();
    let seed = args.seed.map(|seed| ("seed".to_owned(), seed.to_string()));
    let mut overrides: Vec<Override> = set
        .chain(seed)
        .map(|(key, value)| Override { key, value })
        .collect();
    let parsed = |overrides: &[Override]| {
        let scenario = found.parse(overrides);
        scenario.map_err(|problems| vec![problems.to_string()])
    };
    let mut scenario = parsed(&overrides)?;
    let deployed = deployed(args.via, &scenario.stack);
    if let Some(deployed) = &deployed {
        overrides.extend(deployed.settings(&scenario));
        scenario = parsed(&overrides)?;
    }
    let virtual_store = args.store.as_deref().and_then(virtual_store);
    let virtual_store = virtual_store.unwrap_or_else(|| StoreKind::default_of(&scenario));
    let forgets = match (clock, store) {
        (ClockKind::Virtual, _) if virtual_store == StoreKind::Memory => Some(virtual_store.to_string()),
        (ClockKind::Real, Choice::Endpoint(endpoint)) => Some(endpoint.to_string()),
        _ => None,
    };
    let service = match args.via {
        Via::Direct => playable::Service::Processes,
        Via::Lambda => playable::Service::Functions,
    };
    playable::check(&scenario, clock, forgets.as_deref(), service)
        .map_err(|problems| vec![problems.to_string()])?;
    let error = |message: String| vec![format!("error: {}: {message}", scenario.name)];
    let env = environment::overrides(&scenario.stack, &args.env).map_err(error)?;
    // The functions have them from the template; whoever asks them and judges them must know them, too.
    let mut known = env.clone();
    if let Some(symbols) = deployed.and_then(|deployed| deployed.variable(SYMBOLS).map(ToOwned::to_owned)) {
        known.entry(SYMBOLS.to_owned()).or_insert(symbols);
    }
    let config = effective(&scenario.stack, &known).map_err(|problem| error(problem.to_string()))?;
    let setting = args
        .sabotage
        .and_then(|sabotage| sabotage.setting(scenario.stack.cache_ttl));
    let broken_config = setting
        .map(|setting| {
            let broken = env.iter().map(|(name, value)| (name.clone(), value.clone()));
            environment::unchecked(&scenario.stack, &broken.chain([setting]).collect())
        })
        .transpose()
        .map_err(|problem| error(problem.to_string()))?;
    let on = match clock {
        ClockKind::Virtual => On::Virtual { store: virtual_store },
        ClockKind::Real => On::Real {
            speed: Bounds::new(&scenario, &config, servable_rate)
                .choose(args.compress)
                .map_err(|problem| error(problem.to_string()))?,
        },
    };
    let seed = scenario.seed;
    let changes = changes(args, variant);
    Ok(Play {
        name: format!("{}{}", scenario.name, variant.suffix),
        variant: variant.label.clone(),
        twin: false,
        seed: Seed(seed),
        on,
        store: store.clone(),
        program: quoted(program),
        arguments: arguments(args, found, &scenario, seed, on, &changes),
        overrides: changes
            .into_iter()
            .map(|(flag, value)| format!("{flag} {value}"))
            .collect(),
        warnings: warnings(&scenario, args.via),
        scenario: Arc::new(scenario),
        env,
        config,
        sabotage: args.sabotage,
        broken_config,
    })
}

/// Which coins there are; no scenario says so.
const SYMBOLS: &str = "SUPPORTED_SYMBOLS";

/// What is deployed for a stack, with --via lambda. What keeps it from being deployed is told when it is to be.
fn deployed(via: Via, stack: &Stack) -> Option<Deployed> {
    match via {
        Via::Direct => None,
        Via::Lambda => Deployed::modelled(Path::new("."), stack.environment.as_str()).ok(),
    }
}

/// What is odd about a scenario, or is not looked at.
fn warnings(scenario: &Scenario, via: Via) -> Vec<String> {
    let mut warnings: Vec<String> = scenario.warnings().iter().map(ToString::to_string).collect();
    let instances = scenario.stack.instances;
    if via == Via::Lambda && instances != Stack::default().instances {
        warnings.push(format!(
            "warning: {}: stack.instances = {instances} is not looked at with --via lambda, where Lambda decides how many \
             environments there are",
            scenario.name
        ));
    }
    warnings
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
    let sabotage = args.sabotage.map(|sabotage| ("--sabotage", sabotage.name()));
    set.chain(env).chain(sabotage).collect()
}

/// The arguments that play one scenario again, just so.
fn arguments(
    args: &RunArgs,
    found: &Found,
    scenario: &Scenario,
    seed: u64,
    on: On,
    changes: &[(&'static str, String)],
) -> String {
    let is_built_in = suites::by_name(&scenario.name).is_some_and(|built_in| built_in.file == found.file);
    let what = if is_built_in { &scenario.name } else { &found.file };
    let mut line = format!("run {} --clock {} --seed {seed}", quoted(what), on.clock());
    if args.via == Via::Lambda {
        line += " --via lambda";
    }
    match on {
        On::Virtual {
            store: StoreKind::Memory,
        } => {}
        On::Virtual { store } => line += &format!(" --store {store}"),
        On::Real { speed } => {
            line += &format!(" --compress {speed}");
            line += &store_arguments(args);
            if let Some(file) = &args.calibration {
                line += &format!(" --calibration {}", quoted(&file.display().to_string()));
            }
        }
    }
    for (flag, value) in changes {
        line += &format!(" {flag} {}", quoted(value));
    }
    line
}

/// The store of the real clock, as it was asked for.
fn store_arguments(args: &RunArgs) -> String {
    let mut words = String::new();
    for (flag, value) in [
        ("--store", &args.store),
        ("--dynamodb-local", &args.dynamodb_local),
    ] {
        if let Some(value) = value {
            words += &format!(" {flag} {}", quoted(value));
        }
    }
    if args.real_aws {
        words += " --real-aws";
    }
    words
}

/// A word as a POSIX shell takes it.
pub(super) fn quoted(word: &str) -> String {
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
    fn a_twin_is_played_after_its_scenario_and_only_where_there_are_faults() {
        let names = |words: &[&str]| -> Vec<String> {
            let plays = plan(&run_args(words), "sim").unwrap_or_else(|problems| panic!("{problems:?}"));
            plays.into_iter().map(|play| play.name).collect()
        };
        assert_eq!(
            names(&["coingecko-429", "--twin"]),
            ["coingecko-429", "coingecko-429@twin"]
        );
        let plays = plan(
            &run_args(&["coingecko-429", "--twin", "--set", "stack.cache_ttl=30s"]),
            "sim",
        );
        let plays = plays.unwrap_or_else(|problems| panic!("{problems:?}"));
        let (scenario, twin) = (&plays[0].scenario, &plays[1].scenario);
        assert_eq!((twin.faults.len(), twin.expects.len()), (0, 0));
        assert_eq!(twin.stack, scenario.stack);
        assert_eq!(
            (twin.seed, twin.duration, twin.loads.len(), &twin.name),
            (
                scenario.seed,
                scenario.duration,
                scenario.loads.len(),
                &scenario.name
            )
        );
        insta::assert_snapshot!(refusal(&["steady", "--twin"]), @"error: steady: there are no faults that a twin could be without; leave --twin out");
        let smoke = names(&["smoke", "--twin"]);
        let twins = smoke.iter().filter(|name| name.ends_with("@twin")).count();
        assert_eq!((smoke.len() - twins, twins), (6, 3), "{smoke:?}");
    }

    #[test]
    fn both_clocks_are_played_one_after_the_other() {
        let plays = plan(&run_args(&["steady", "--clock", "both"]), "sim").expect("playable");
        let clocks: Vec<&str> = plays.iter().map(|play| play.on.clock()).collect();
        assert_eq!(clocks, ["virtual", "real"]);
    }

    #[test]
    fn words_are_quoted_for_a_shell_when_they_need_it() {
        assert_eq!(quoted("stack.cache_ttl=60s"), "stack.cache_ttl=60s");
        assert_eq!(quoted("load.0.rate=[\"1/s\"]"), "'load.0.rate=[\"1/s\"]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        insta::assert_snapshot!(refusal(&["--via", "lambda", "--sabotage", "remove-jitter"]), @"error: --sabotage breaks processes of the service in virtual time, not functions; leave --via lambda out");
        insta::assert_snapshot!(refusal(&["--store", "dynamodb-local"]), @"error: `dynamodb-local` is outside this process, and in virtual time nothing may be: its answers take real time; play with --store memory or --store embedded");
        insta::assert_snapshot!(refusal(&["--store", "http://127.0.0.1:8000"]), @"error: `http://127.0.0.1:8000` is outside this process, and in virtual time nothing may be: its answers take real time; play with --store memory or --store embedded");
        insta::assert_snapshot!(refusal(&["--clock", "real", "--store", "memory"]), @"error: the memory store lives in virtual time, and cannot be asked over sockets; on the real clock play with --store embedded (the default there), dynamodb-local or a URL");
        insta::assert_snapshot!(refusal(&["--clock", "real", "--check-determinism"]), @"error: --check-determinism needs virtual time: on the real clock no two runs are alike; leave --clock real out");
        insta::assert_snapshot!(refusal(&["--compress", "60"]), @"error: --compress speeds up the real clock, and virtual time has no speed; add --clock real or leave it out");
        insta::assert_snapshot!(refusal(&["--calibration", "c.toml"]), @"error: --calibration bounds the speed of the real clock, and virtual time goes by the committed calibration alone, so that its reports depend on nothing else; add --clock real or leave it out");
        insta::assert_snapshot!(refusal(&["--clock", "both", "--sabotage", "remove-jitter"]), @"error: --sabotage remove-jitter breaks what only virtual time hands to the service; leave --clock out");
    }

    #[test]
    fn stores_that_cannot_be_meant_are_refused() {
        let real = |words: &[&str]| refusal(&[&["steady", "--clock", "real"], words].concat());
        insta::assert_snapshot!(real(&["--store", "dynamo"]), @"error: there is no store `dynamo`: it is memory, embedded, dynamodb-local or a URL");
        insta::assert_snapshot!(real(&["--store", "ftp://127.0.0.1"]), @"error: `ftp://127.0.0.1` is no endpoint of a DynamoDB: it must be like http://127.0.0.1:8000 or https://dynamodb.eu-central-1.amazonaws.com");
        insta::assert_snapshot!(real(&["--store", "http://127.0.0.1:99999"]), @"error: `http://127.0.0.1:99999` is no endpoint of a DynamoDB: its port is not one of 1 to 65535");
        insta::assert_snapshot!(real(&["--store", "http://127.0.0.1:8000/shell"]), @"error: `http://127.0.0.1:8000/shell` is no endpoint of a DynamoDB: there must be nothing behind the host and the port");
        insta::assert_snapshot!(real(&["--store", "https://me:it@dynamodb.eu-central-1.amazonaws.com"]), @"error: `https://me:it@dynamodb.eu-central-1.amazonaws.com` is no endpoint of a DynamoDB: credentials go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        insta::assert_snapshot!(real(&["--store", "https://dynamodb.eu-central-1.amazonaws.com"]), @"error: https://dynamodb.eu-central-1.amazonaws.com is beyond this machine and its private networks, where a DynamoDB costs money; add --real-aws if that is meant");
        insta::assert_snapshot!(real(&["--real-aws"]), @"error: --real-aws is a leave for --store URL; add that or leave it out");
        insta::assert_snapshot!(real(&["--dynamodb-local", "docker"]), @"error: --dynamodb-local says how --store dynamodb-local is had; add that or leave it out");
        for private in [
            "http://8.8.8.8",
            "http://[2001:db8::1]:8000",
            "http://dynamodb.example.com",
        ] {
            assert!(real(&["--store", private]).contains("costs money"), "{private}");
        }
    }

    #[test]
    fn what_is_played_again_is_played_on_the_same_store_and_no_faster_than_it_can() {
        let played = |words: &[&str]| {
            let words = [&["steady", "--clock", "real"], words].concat();
            let mut plays = plan(&run_args(&words), "sim").unwrap_or_else(|problems| panic!("{problems:?}"));
            plays.remove(0)
        };
        let speed = |play: &Play| match play.on {
            On::Real { speed } => speed,
            On::Virtual { .. } => panic!("it is the real clock"),
        };
        let (usual, local) = (
            played(&[]),
            played(&["--store", "dynamodb-local", "--dynamodb-local", "maven"]),
        );
        assert_eq!(local.store, Choice::DynamoDbLocal(Some(Way::Maven)));
        assert_eq!(
            local.arguments,
            format!(
                "run steady --clock real --seed {} --compress {} --store dynamodb-local --dynamodb-local maven",
                local.seed,
                speed(&local)
            )
        );
        assert!(
            speed(&local) < speed(&usual),
            "{} and {}",
            speed(&local),
            speed(&usual)
        );
        for near in [
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "http://10.1.2.3",
            "http://dynamodb-local:8000",
        ] {
            let play = played(&["--store", near]);
            assert!(matches!(play.store, Choice::Endpoint(_)), "{near}");
            assert!(
                play.arguments.ends_with(&format!(" --store {}", quoted(near))),
                "{}",
                play.arguments
            );
        }
        let far = played(&[
            "--store",
            "https://dynamodb.us-east-1.amazonaws.com",
            "--real-aws",
        ]);
        assert!(
            far.arguments
                .ends_with(" --store https://dynamodb.us-east-1.amazonaws.com --real-aws")
        );
    }

    #[test]
    fn a_calibration_of_ones_own_bounds_the_speed_of_the_real_clock() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("slow.toml");
        let mut slow = calibrate::committed().clone();
        slow.embedded.servable_rate = 15.0;
        std::fs::write(&file, slow.to_toml()).expect("writable");
        let file = file.display().to_string();
        let words = ["steady", "--clock", "real", "--calibration", &file];
        let plays = plan(&run_args(&words), "sim").unwrap_or_else(|problems| panic!("{problems:?}"));
        let peak = Bounds::new(&plays[0].scenario, &plays[0].config, 15.0).peak_rate;
        let On::Real { speed } = plays[0].on else {
            panic!("{:?} is the real clock", plays[0].on)
        };
        assert_eq!(f64::from(speed), (15.0 / peak).floor());
        assert!(
            plays[0].arguments.contains(" --calibration "),
            "{}",
            plays[0].arguments
        );
        let missing = refusal(&["steady", "--clock", "real", "--calibration", "no/such.toml"]);
        assert!(
            missing.starts_with("error: cannot read the calibration no/such.toml: "),
            "{missing}"
        );
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
                "run {} --clock virtual --seed 7 --env COMPRESSION=off",
                play.scenario.name
            );
            assert_eq!((play.program.as_str(), &play.arguments), ("sim", &expected));
        }
    }
}
