//! What is played: the scenario format, the built-in scenarios, and the journeys of their users.

/// Build id of this crate and the lockfile: harness and load generator must agree on it.
pub const BUILD_ID: &str = env!("BUILD_ID");

/// The version that `crypto-watch-load --version` prints.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("BUILD_ID"), ")");

mod draw;
pub mod format;
mod journeys;
mod open;
pub mod play;
mod request;
pub mod schema;
pub mod suites;
pub mod wire;
