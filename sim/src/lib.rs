//! Where scenarios are played: the world, its fakes and faults, the recording, the judge, the reports.

pub mod audit;
pub mod calibrate;
pub mod cli;
pub mod clock;
pub mod cloudwatch;
pub mod coingecko;
pub mod deployed;
pub mod faults;
pub mod gateway;
pub mod incidents;
pub mod judge;
pub mod lambda;
pub mod latency;
pub mod loopback;
pub mod package;
pub mod ports;
pub mod reaper;
pub mod record;
pub mod report;
pub mod schedule;
pub mod seed;
pub mod store;
pub mod sweep;
pub mod template;
pub mod virtual_world;
pub mod world;
