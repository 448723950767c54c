//! An emulated Lambda: functions as they are packaged, in execution environments that start, are reused, stand still between
//! invocations and end, without Docker.
//!
//! | file | owns |
//! |---|---|
//! | `function`, `variables` | what is deployed; the environment variables that Lambda adds |
//! | `sandbox` | one execution environment, from its start to its end |
//! | `runtime` | its Runtime API, which the runtime in it talks to |
//! | `process`, `cpu` | its processes: stopped, continued, killed as one; their share of a processor |
//! | `ordeal` | what faults make invocations go through |
//! | `outcome` | what the caller is told |
//! | `report` | what Lambda writes into the log |
//! | `scaling` | which environment an invocation gets, and when none |
//! | `asynchronous` | when an event that nobody waits for is tried again |
//! | `invoke` | how functions are invoked, whichever clock they run on |
//! | `pool` | the environments of a run, on the real clock |
//! | `ids` | the ids that AWS gives to requests |

pub mod asynchronous;
pub mod cpu;
pub mod function;
pub mod ids;
pub mod invoke;
pub mod ordeal;
pub mod outcome;
pub mod pool;
pub mod process;
pub mod report;
pub mod runtime;
pub mod sandbox;
pub mod scaling;
pub mod variables;

#[cfg(test)]
mod tests;
