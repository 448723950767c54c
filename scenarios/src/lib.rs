//! What is played: the scenario format, the built-in scenarios, and the journeys of their users.

/// Build id of this crate and the lockfile: harness and load generator must agree on it.
pub const BUILD_ID: &str = env!("BUILD_ID");

pub mod format;
pub mod schema;
pub mod suites;
pub mod wire;
