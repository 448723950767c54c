//! Everything that happened in a run.

pub mod event;
