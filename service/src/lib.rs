//! Crypto Watch: cryptocurrency prices from CoinGecko, cached in DynamoDB, served over HTTP or Lambda.

/// Hash of the service's sources and the lockfile, and the profile: every binary prints it with `--version`.
pub const BUILD_ID: &str = env!("BUILD_ID");

pub mod clock;
pub mod config;
pub mod rng;
