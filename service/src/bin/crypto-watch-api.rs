//! The API: serves HTTP, or Lambda when `AWS_LAMBDA_RUNTIME_API` is set.

use std::{net::SocketAddr, process::ExitCode};

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves cryptocurrency prices. Settings come from the environment.
#[derive(Parser)]
#[command(name = "crypto-watch-api", version = service::VERSION)]
struct Args {
    /// Where to listen for HTTP; port 0 takes a free one. Not used on Lambda.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

fn main() -> ExitCode {
    let args = Args::parse();
    service::serve::exit_code("crypto-watch-api", service::serve::api(args.listen))
}
