//! The load generator: plays one load of a scenario. `crypto-watch-sim` starts it, one for each load.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plays one load of a scenario: reads a plan from standard input, one line of JSON, and writes a line of JSON for
/// each request to standard output.
#[derive(Parser)]
#[command(name = "crypto-watch-load", version = scenarios::VERSION)]
struct Args {}

fn main() -> ExitCode {
    let Args {} = Args::parse();
    scenarios::play::main()
}
