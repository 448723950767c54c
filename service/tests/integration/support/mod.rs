//! What the tests stand on: a table in memory, a virtual clock, and stubs for what processes talk to.

pub(crate) mod bench;
pub(crate) mod coingecko;
pub(crate) mod dynamodb;
pub(crate) mod process;
pub(crate) mod runtime_api;
pub(crate) mod store;
