//! The load generator from outside: the real binary plays plans against a server that remembers what it was asked.

mod closed;
mod faults;
mod open;
mod process;
mod reactions;
mod support;
