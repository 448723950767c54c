//! The command line's grammar.

use std::{net::Ipv4Addr, path::PathBuf, sync::LazyLock, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use scenarios::format::{assumptions::Assumptions, model::Plan, quantity::parse_duration};

use super::sweep::{self, Seeds};
use crate::{store::backend::Endpoint, virtual_world::Plant};

/// What was asked for.
#[derive(Debug, Parser)]
#[command(
    name = "crypto-watch-sim",
    version = VERSION.as_str(),
    about = "Plays Crypto Watch under load and faults on this machine, and judges what users saw",
    after_help = "Exit codes: 0 all held · 1 an expectation failed · 2 bad usage or scenario ·\n3 the harness failed · 5 nondeterminism",
    term_width = 80
)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the built-in scenarios and suites
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Show the metrics that a check may name instead
        #[arg(long)]
        metrics: bool,
    },
    /// Play scenarios and judge them
    Run(RunArgs),
    /// Play random fault timelines over a scenario, and shrink each that breaks a rule
    Sweep(SweepArgs),
    /// Measure what calls take on this machine and how many requests a second can be counted on
    Calibrate(CalibrateArgs),
    /// Run a fake alone
    #[command(subcommand)]
    Fake(FakeCommand),
    /// Make the service's table in a DynamoDB emulator, with its time to live, unless it is there
    CreateTable {
        /// The URL at which the emulator listens
        #[arg(long, value_name = "URL", value_parser = nearby)]
        endpoint: Endpoint,
        /// The name of the table, as the service is told it
        #[arg(value_name = "TABLE")]
        name: String,
    },
    /// Run a function's bootstrap as Lambda runs it
    #[command(subcommand)]
    Lambda(LambdaCommand),
    /// Build what ships to Lambda, and pack it with a manifest
    Package {
        /// Where the packages go; default: `dist` in the workspace, where the template looks for them
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print the JSON Schemas of the scenario format and of report.json, or a reference for people
    Schema {
        /// Only one of them
        #[arg(value_enum)]
        of: Option<SchemaOf>,
    },
    /// Tell what this machine can play
    Doctor,
    /// What `reaper` starts beside a process, and nobody else
    #[command(hide = true)]
    Reap {
        /// The id of that process
        owner: u32,
    },
}

/// The fakes.
#[derive(Debug, Subcommand)]
pub enum FakeCommand {
    /// The fake CoinGecko, until it is interrupted
    Coingecko {
        /// Listen on this address of this machine, with both ports; 0.0.0.0 = all, for callers elsewhere, as in containers
        #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST, value_parser = ipv4)]
        listen: Ipv4Addr,
        /// Listen on this port; 0 = any free one
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Listen on this port for faults to be set; 0 = any free one
        #[arg(long, default_value_t = 0)]
        admin_port: u16,
        /// The plan whose limits apply
        #[arg(long, value_enum, default_value_t = PlanName::Demo)]
        plan: PlanName,
        /// The seed of the market
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Assume something else of the real API, as in `window=sliding`; docs/fake-coingecko.md has them all
        #[arg(long, value_name = "KEY=VALUE", value_parser = assume)]
        assume: Vec<Assume>,
    },
}

/// What can be done with functions.
#[derive(Debug, Subcommand)]
pub enum LambdaCommand {
    /// Invoke it with an event; its answer goes to standard output, its log to standard error
    Invoke(InvokeArgs),
    /// Print the event that the function of template.yaml gets for a request, or when its schedule fires
    Event(EventArgs),
    /// Serve what template.yaml deploys, with what was packed, until Ctrl-C; prints the URL and an API key
    Serve(ServeArgs),
}

/// The environments that there is a samconfig of.
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// What to serve.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The environment whose samconfig has the parameters
    #[arg(long, value_name = "NAME", default_value = "dev", value_parser = ENVIRONMENTS)]
    pub environment: String,
    /// Set an environment variable of the functions over what the template says
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = key_value)]
    pub env: Vec<(String, String)>,
}

/// Which event.
#[derive(Debug, Args)]
pub struct EventArgs {
    /// A request with a valid API key, such as "GET /prices?symbols=BTC"; or schedule
    #[arg(value_name = "REQUEST")]
    pub request: String,
    /// The environment whose samconfig has the parameters
    #[arg(long, value_name = "NAME", default_value = "dev", value_parser = ENVIRONMENTS)]
    pub environment: String,
}

/// What to invoke, and how.
#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// The executable `bootstrap`, of any language; it is run in its own folder
    #[arg(long, value_name = "PATH")]
    pub bootstrap: PathBuf,
    /// The event, JSON; - = standard input
    #[arg(long, value_name = "FILE")]
    pub event: PathBuf,
    /// How often, one after the other, in the same execution environment
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub times: u32,
    /// How long an invocation may take; Lambda takes 1s to 15m
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = lambda_timeout)]
    pub timeout: Duration,
    /// Memory, MB, which also decides the share of a processor
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    pub memory: u32,
    /// The function's name
    #[arg(long, default_value = "function", value_parser = function_name)]
    pub name: String,
    /// What a runtime that loads code finds it by
    #[arg(long, value_name = "HANDLER", default_value = "bootstrap")]
    pub handler: String,
    /// Set an environment variable of the function
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = key_value)]
    pub env: Vec<(String, String)>,
    /// Log as a function with `LogFormat: JSON` does
    #[arg(long)]
    pub json_log: bool,
}

/// As Lambda takes them: <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>.
fn function_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=64).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("a function's name has 1 to 64 letters, digits, `-` and `_`".to_owned())
    }
}

fn lambda_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text).map_err(|error| format!("{error}: {}", error.help))?;
    let most = Duration::from_secs(15 * 60);
    if (Duration::from_secs(1)..=most).contains(&timeout) {
        return Ok(timeout);
    }
    Err("Lambda takes 1s to 15m".to_owned())
}

/// One assumption about CoinGecko that is sound by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assume {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

fn nearby(text: &str) -> Result<Endpoint, String> {
    let endpoint = Endpoint::parse(text)?;
    if endpoint.is_public() {
        return Err("this is for emulators on this machine or its private networks: elsewhere a deployment makes the table".to_owned());
    }
    Ok(endpoint)
}

fn ipv4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| {
        "write an IPv4 address without a port (--port has it), such as 127.0.0.1, or 0.0.0.0 for all of this machine"
            .to_owned()
    })
}

fn assume(text: &str) -> Result<Assume, String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` has no `=`: write KEY=VALUE, such as window=sliding"))?;
    let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
    Assumptions::default()
        .set(&key, &value)
        .map_err(|error| error.said_of(&key))?;
    Ok(Assume { key, value })
}

/// A CoinGecko plan by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanName {
    /// No key
    Keyless,
    /// The free key
    Demo,
    /// The smallest paid plan
    Basic,
    /// The middle paid plan
    Analyst,
    /// As many calls a minute as that, and four times its credits
    Lite,
}

impl From<PlanName> for Plan {
    fn from(name: PlanName) -> Self {
        match name {
            PlanName::Keyless => Self::Keyless,
            PlanName::Demo => Self::Demo,
            PlanName::Basic => Self::Basic,
            PlanName::Analyst => Self::Analyst,
            PlanName::Lite => Self::Lite,
        }
    }
}

/// The documents that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A scenario file
    Scenario,
    /// report.json
    Report,
    /// The reference of the scenario format, as Markdown
    Reference,
    /// The reference of the fake CoinGecko, as Markdown
    FakeCoingecko,
}

/// What to play, and how.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Names of scenarios or suites, or scenario files; none = the suite `smoke`
    #[arg(value_name = "NAME|SUITE|FILE")]
    pub what: Vec<String>,
    /// The clock to play on: virtual (a day in seconds, the same bytes every time), real (the real binaries over
    /// sockets), or both, one after the other and compared
    #[arg(long, value_enum, default_value_t = ClockArg::Virtual)]
    pub clock: ClockArg,
    /// How requests reach the service
    #[arg(long, value_enum, default_value_t = Via::Direct)]
    pub via: Via,
    /// The DynamoDB: memory (virtual clock), embedded, dynamodb-local or a URL; default: memory on the virtual
    /// clock, embedded on the real one
    #[arg(long)]
    pub store: Option<String>,
    /// How DynamoDB Local is had: docker, maven, or the path of its jar; default: what `DYNAMODB_LOCAL` says, else docker
    /// where an engine answers, else maven
    #[arg(long, value_name = "docker|maven|JAR")]
    pub dynamodb_local: Option<String>,
    /// Let --store URL be a DynamoDB that may cost money: any that is not on this machine or its private networks
    #[arg(long)]
    pub real_aws: bool,
    /// Play with this seed instead of the scenario's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Play with each of these seeds: A..B (without B), A..=B
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    pub seeds: Option<Seeds>,
    /// Real clock: play this many times faster than production; default: as fast as is sound, up to 120
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub compress: Option<u32>,
    /// Real clock: bound --compress by the rate of this file, which `calibrate` wrote, instead of the committed one
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Override a key of the scenario, such as `stack.cache_ttl=60s`; the same key twice = both are played
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
    /// Set an environment variable of the service beneath the scenario's back
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = key_value)]
    pub env: Vec<(String, String)>,
    /// Switch a protection of the service off
    #[arg(long, value_enum)]
    pub sabotage: Option<Sabotage>,
    /// Also play each scenario without its faults
    #[arg(long)]
    pub twin: bool,
    /// How many scenarios are played at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Start no more scenarios after one has failed
    #[arg(long)]
    pub fail_fast: bool,
    /// Play twice and compare
    #[arg(long)]
    pub check_determinism: bool,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "target/sim")]
    pub out: PathBuf,
}

/// What to sweep, and how.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// The scenario whose stack, users and times are swept: a name or a file; its own faults and expectations are
    /// left out
    #[arg(value_name = "SCENARIO", default_value = sweep::DEFAULT)]
    pub scenario: String,
    /// The seeds: A..B (without B), A..=B, or one
    #[arg(long, value_name = "A..B", default_value = "0..100")]
    pub seeds: Seeds,
    /// How many are played at the same time; default: one a core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Where the smallest scenario of each failure goes, in `sweep/`
    #[arg(long, value_name = "DIR", default_value = "target/sim")]
    pub out: PathBuf,
    /// End with the first seed that breaks a rule
    #[arg(long)]
    pub fail_fast: bool,
    /// Override a key of the scenario, such as `duration=2h`
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub overrides: Vec<(String, String)>,
    /// Play exactly this scenario once, under the rules of the sweep
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "seeds", "jobs", "fail_fast", "overrides"])]
    pub replay: Option<String>,
}

/// How to measure.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Where `calibration.toml` goes
    #[arg(long, value_name = "DIR", default_value = "target/sim")]
    pub out: PathBuf,
    /// How long each step lasts, seconds; all of it takes at most a minute
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3))]
    pub seconds: u64,
}

/// The clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClockArg {
    /// Simulated time
    Virtual,
    /// The machine's time, perhaps sped up
    Real,
    /// One after the other
    Both,
}

/// How requests reach the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// Straight to the API processes
    Direct,
    /// Through an emulated API Gateway and Lambda
    Lambda,
}

/// What can be broken on purpose: a protection of the service, to see which scenario misses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sabotage {
    /// Whoever asks for the refresh lease gets it
    DropLeaseCondition,
    /// The retry budget is full whenever a refresh begins (virtual clock)
    RefillRetryBudget,
    /// Every draw for jitter is the largest one (virtual clock)
    RemoveJitter,
    /// Prices are gone when they are stale (virtual clock)
    DropStaleFallback,
    /// A price may jump by any factor (virtual clock)
    BelieveAnyPrice,
    /// A request waits a minute for a refresh (virtual clock)
    WaitWithoutBound,
}

impl Sabotage {
    /// As written on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// Whether real runs can be broken like this: the store front is theirs, the seams are not.
    #[must_use]
    pub fn is_for_real_runs(self) -> bool {
        self == Self::DropLeaseCondition
    }

    /// What is planted at a seam of the service.
    #[must_use]
    pub fn plant(self) -> Option<Plant> {
        match self {
            Self::DropLeaseCondition => Some(Plant::LeaseForAll),
            Self::RefillRetryBudget => Some(Plant::BudgetRefilled),
            Self::RemoveJitter => Some(Plant::JitterRemoved),
            Self::DropStaleFallback | Self::BelieveAnyPrice | Self::WaitWithoutBound => None,
        }
    }

    /// The setting that switches it off, on a stack with these prices' time to live; no service would start with some
    /// of them.
    #[must_use]
    pub fn setting(self, cache_ttl: Duration) -> Option<(String, String)> {
        let (name, value) = match self {
            Self::DropLeaseCondition | Self::RefillRetryBudget | Self::RemoveJitter => return None,
            Self::DropStaleFallback => ("PRICE_RETENTION_SECONDS", cache_ttl.as_secs().to_string()),
            Self::BelieveAnyPrice => ("PRICE_JUMP_FACTOR", "1000000000000".to_owned()),
            Self::WaitWithoutBound => ("REFRESH_WAIT_MS", "60000".to_owned()),
        };
        Some((name.to_owned(), value))
    }
}

/// `0.0.0 (build 0123456789abcdef-release)`: the build id that the service's binaries beside must have, too.
static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (build {})", env!("CARGO_PKG_VERSION"), service::BUILD_ID));

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_address_and_an_endpoint_are_read_with_care() {
        let told = |words: &[&str]| {
            let words = [&["crypto-watch-sim"], words].concat();
            Cli::try_parse_from(words)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        let fake = |listen| told(&["fake", "coingecko", "--listen", listen]);
        assert_eq!(fake("0.0.0.0"), Ok(()));
        for wrong in ["0.0.0.0:8089", "coingecko", "::1", ""] {
            assert!(
                fake(wrong).is_err_and(|said| said.contains("write an IPv4 address without a port")),
                "{wrong}"
            );
        }
        let table = |endpoint| told(&["create-table", "--endpoint", endpoint, "x"]);
        assert_eq!(table("http://dynamodb:8000"), Ok(()));
        for (wrong, why) in [
            ("dynamodb:8000", "no endpoint of a DynamoDB"),
            (
                "https://dynamodb.eu-central-1.amazonaws.com",
                "a deployment makes the table",
            ),
        ] {
            assert!(table(wrong).is_err_and(|said| said.contains(why)), "{wrong}");
        }
    }

    #[test]
    fn run_reads_repeated_settings_in_order() {
        let cli = Cli::try_parse_from([
            "crypto-watch-sim",
            "run",
            "steady",
            "--set",
            "stack.cache_ttl=60s",
            "--set",
            "stack.cache_ttl=5m",
            "--env",
            "A=b=c",
        ]);
        let Command::Run(run) = cli.expect("valid").command else {
            panic!("it is `run`")
        };
        assert_eq!(run.what, ["steady"]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            run.overrides,
            [pair("stack.cache_ttl", "60s"), pair("stack.cache_ttl", "5m")]
        );
        assert_eq!(run.env, [pair("A", "b=c")]);
        assert_eq!(
            (run.clock, run.via, run.jobs),
            (ClockArg::Virtual, Via::Direct, 1)
        );
        assert!(Cli::try_parse_from(["crypto-watch-sim", "run", "--set", "nothing"]).is_err());
        assert!(Cli::try_parse_from(["crypto-watch-sim", "run", "--compress", "0"]).is_err());
    }
}
