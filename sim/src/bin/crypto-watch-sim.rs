//! `crypto-watch-sim`: plays Crypto Watch and judges what users saw.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sim::cli::main(std::env::args_os()).into()
}
