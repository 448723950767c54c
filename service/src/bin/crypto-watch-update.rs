//! The updater: refreshes every price once, each interval, or for each scheduled event on Lambda.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Refreshes the prices of all supported coins. Settings come from the environment.
#[derive(Parser)]
#[command(name = "crypto-watch-update", version = service::VERSION)]
struct Args {
    /// Go on until told to stop, with one update each interval, such as 5m. Not used on Lambda.
    #[arg(long, value_name = "INTERVAL", value_parser = service::serve::parse_every)]
    every: Option<Duration>,
    /// Touch this file after each update that did not fail, for a health check to look at its age.
    #[arg(long, value_name = "FILE", requires = "every")]
    touch: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    service::serve::exit_code(
        "crypto-watch-update",
        service::serve::update(args.every, args.touch.as_deref()),
    )
}
