//! The world of one run in real time.

pub mod children;
pub mod keys;
pub mod logs;
pub mod siblings;
pub mod usage;
