//! The command line.

pub mod ambient;
pub mod doctor;
pub mod exit;
pub mod out_dir;
pub mod printer;
