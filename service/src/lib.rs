//! Crypto Watch: cryptocurrency prices from CoinGecko, cached in DynamoDB, served over HTTP or Lambda.
//!
//! A request comes in through [`http`] (plain or Lambda: [`serve`]), is checked by [`auth`] and [`rate_limit`], and
//! asks [`prices`], which looks in [`memory`], then in the [`store`], and joins a [`refresh`] when that is due.
//! The updater ([`update`]) runs the same [`refresh`]: it takes the lease, fetches through [`coingecko`], filters,
//! stores, and gives the lease back. [`cache`], [`transformers`] and `refresh::sanity` are the pure decisions.
//!
//! Nothing here reads time, environment or randomness but their homes [`clock`], [`config`] and [`rng`]; those,
//! the [`store`], the upstream and the metrics sink are handed in through [`App`].

/// Hash of the service's sources and the lockfile, and the profile: every binary prints it with `--version`.
pub const BUILD_ID: &str = env!("BUILD_ID");

/// What `--version` says after the binary's name.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("BUILD_ID"), ")");

pub mod app;
pub mod auth;
pub mod cache;
pub mod clock;
pub mod coingecko;
pub mod compression;
pub mod config;
pub mod http;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod models;
pub mod prices;
pub mod problem;
pub mod rate_limit;
pub mod refresh;
pub mod rng;
pub mod serve;
pub mod stdout;
pub mod store;
pub mod symbols;
#[cfg(test)]
mod testing;
pub mod transformers;
pub mod update;

pub use app::App;
