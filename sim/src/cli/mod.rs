//! The command line.

pub mod ambient;
pub mod args;
pub mod doctor;
pub mod exit;
pub mod interrupt;
pub mod list;
pub mod out_dir;
pub mod plan;
pub mod printer;
pub mod progress;
