//! What is played: the scenario format, the built-in scenarios, and the journeys of their users.
//!
//! | module | owns |
//! |---|---|
//! | [`mod@format`] | scenario files: from text to a checked [`format::Scenario`] |
//! | [`faults`] | which of a scenario's faults touch an event |
//! | [`suites`] | the built-in scenarios |
//! | [`schema`] | the format as a JSON Schema |
//! | [`wire`] | what the harness and a load generator say to each other |
//! | [`play`] | the load generator's process, and what all engines share |
//! | `journeys`, `open` | the engines on sockets: goose users in a closed loop, arrivals in an open one |
//! | [`within`] | loads played within the harness's own process, on tokio's clock |
//! | `request` | from a template to a path, from an answer to a line |
//! | `draw` | everything that is drawn, from the one seed |

/// Build id of this crate and the lockfile: harness and load generator must agree on it.
pub const BUILD_ID: &str = env!("BUILD_ID");

/// The version that `crypto-watch-load --version` prints.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("BUILD_ID"), ")");

mod draw;
pub mod faults;
pub mod format;
mod journeys;
mod open;
pub mod play;
mod request;
pub mod schema;
pub mod suites;
pub mod wire;
pub mod within;
