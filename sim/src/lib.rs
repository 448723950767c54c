//! Where scenarios are played: the world, its fakes and faults, the recording, the judge, the reports.

pub mod cli;
pub mod clock;
pub mod record;
pub mod schedule;
pub mod seed;
pub mod world;
