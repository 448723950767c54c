//! What the tests share: a server that remembers, a plan, and a run of the binary.

mod run;
mod server;

pub(crate) use run::{Played, Running, plan, play, real_us, scenario, start};
pub(crate) use server::{Reply, Server};
