//! Where scenarios are played: the world, its fakes and faults, the recording, the judge, the reports.

pub mod record;
