//! Managing API keys from a terminal.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use service::serve::KeyCommand;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Manages API keys. Settings come from the environment; answers are JSON lines.
#[derive(Parser)]
#[command(name = "crypto-watch-keys", version = service::VERSION)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key and show it, this once: only its SHA-256 is stored.
    Create {
        /// What its owner is called.
        #[arg(long)]
        name: String,
        /// The key itself, for simulations; drawn when left out.
        #[arg(long, value_name = "SECRET")]
        key: Option<String>,
    },
    /// Show all keys, without their secrets.
    List,
    /// Disable a key.
    Disable {
        /// Its id, as `list` shows it.
        #[arg(value_name = "KEYID")]
        id: String,
    },
}

fn main() -> ExitCode {
    let command = match Args::parse().command {
        Command::Create { name, key } => KeyCommand::Create { name, secret: key },
        Command::List => KeyCommand::List,
        Command::Disable { id } => KeyCommand::Disable { id },
    };
    service::serve::exit_code("crypto-watch-keys", service::serve::keys(command))
}
