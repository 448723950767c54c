//! The command line from outside: what it says, how it exits, what it leaves behind.

mod backends;
mod bad_input;
mod bad_luck;
mod coingecko_client;
mod harness;
mod lambda;
mod limit;
mod protections;
mod results;
mod store;
mod told;
mod virtual_time;
