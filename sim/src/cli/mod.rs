//! The command line: grammar, commands, what they print, how they exit.
//!
//! | file | owns |
//! |---|---|
//! | `args` | the grammar |
//! | `plan` | from arguments to plays; every refusal before anything is played |
//! | `run`, `outcome` | playing, judging, writing results |
//! | `estimate` | what a play on a DynamoDB that costs money costs at most |
//! | `together` | what several plays say together |
//! | `sweep` | random fault timelines |
//! | `calibrate` | what calls take on this machine |
//! | `package` | what ships to Lambda |
//! | `lambda`, `lambda_event`, `lambda_serve` | any bootstrap as Lambda runs it; an event; what is deployed, on this machine |
//! | `list`, `schema`, `doctor`, `fake`, `create_table` | the other commands |
//! | `progress`, `printer` | what people see meanwhile; the one way to print |
//! | `out_dir` | the folder of the results and its lock |
//! | `interrupt`, `ambient` | signals; the terminal and the environment |
//! | `exit` | exit codes |

pub mod ambient;
pub mod args;
pub mod calibrate;
pub mod create_table;
pub mod doctor;
pub mod estimate;
pub mod exit;
pub mod fake;
pub mod interrupt;
pub mod lambda;
pub mod lambda_event;
pub mod lambda_serve;
pub mod list;
pub mod out_dir;
pub mod outcome;
pub mod package;
pub mod plan;
pub mod printer;
pub mod progress;
pub mod run;
pub mod schema;
pub mod sweep;
pub mod together;

use std::{ffi::OsString, time::Duration};

use clap::Parser;

use args::{Cli, Command, LambdaCommand};
use exit::Exit;

use crate::reaper;

/// Threads of the harness: the store front and the recorder work beside the embedded store's own thread.
const WORKERS: usize = 2;

/// How long a thread that is still at work may hold up the end.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Runs the command line; the first word is how the program was called.
pub fn main(words: impl IntoIterator<Item = OsString>) -> Exit {
    let words: Vec<OsString> = words.into_iter().collect();
    let program = words.first().map_or_else(
        || "crypto-watch-sim".to_owned(),
        |program| program.to_string_lossy().into_owned(),
    );
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version are answers, everything else is an error.
            let exit = if answer.use_stderr() {
                Exit::Usage
            } else {
                Exit::Held
            };
            let _ = answer.print();
            return exit;
        }
    };
    reaper::prepare("reap");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(dispatch(cli.command, &program));
            // A virtual run that works without end keeps its thread, and must not keep the process.
            runtime.shutdown_timeout(LEAVE_WITHIN);
            reaper::dismiss();
            exit
        }
        Err(error) => {
            printer::notice(&format!("error: cannot start: {error}"));
            Exit::Harness
        }
    }
}

async fn dispatch(command: Command, program: &str) -> Exit {
    match command {
        Command::List { json, metrics: false } => list::scenarios(json),
        Command::List { json, metrics: true } => list::metrics(json),
        Command::Run(args) => run::run(args, program).await,
        Command::Sweep(args) => sweep::sweep(args, program).await,
        Command::Calibrate(args) => calibrate::calibrate(args, program).await,
        Command::Fake(command) => fake::fake(command).await,
        Command::CreateTable { endpoint, name } => create_table::create_table(&endpoint, &name).await,
        Command::Lambda(LambdaCommand::Invoke(args)) => lambda::invoke(args).await,
        Command::Lambda(LambdaCommand::Event(args)) => lambda_event::event(&args),
        Command::Lambda(LambdaCommand::Serve(args)) => lambda_serve::serve(&args).await,
        Command::Package { out } => package::package(out.as_deref()).await,
        Command::Schema { of } => schema::print(of),
        Command::Doctor => doctor::doctor().await,
        Command::Reap { owner } => {
            // What is sent to all processes of a session is meant for its owner, whose end it then sees.
            let _listens = interrupt::listen();
            if let Some(told) = reaper::reap(owner, std::io::stdin().lock()).await {
                printer::notice(&told);
            }
            Exit::Held
        }
    }
}
