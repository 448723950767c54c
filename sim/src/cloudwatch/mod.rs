//! CloudWatch: metrics and their statistics, the documents that carry them through a log, and alarms.
//!
//! Nothing here knows the time: every instant is Unix milliseconds, handed in, so that one and the same CloudWatch serves
//! real and virtual clocks. Each docstring says whether a behaviour is (a) verified against a recorded answer of AWS,
//! (b) documented by AWS, or (c) assumed.

pub mod alarms;
pub mod aws_metrics;
pub mod emf;
pub mod math;
pub mod metrics;
mod reason;
pub mod running;

/// Milliseconds of a minute, the resolution of standard metrics and the beat of standard alarms.
const MINUTE_MS: i64 = 60_000;
