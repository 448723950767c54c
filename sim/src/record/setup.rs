//! What a recording must know before the first event.

use std::{sync::Arc, time::Duration};

use crate::cloudwatch::running::AlarmAbout;

use super::{PublicationCheck, Timing, View};

/// What the recording of a run is made from.
#[derive(Clone, Debug)]
pub struct RecordingSetup {
    /// The run's clock.
    pub timing: Timing,
    /// How long, real time, an event may be heard of behind others that happened later: 0 on the virtual clock, where
    /// events come in order; [`RecordingSetup::REAL_LAG`] where threads tell them.
    pub lag: Duration,
    /// What the judge will ask about besides the whole run: [`View::asked_by`] the scenario.
    pub views: Vec<View>,
    /// The scenario's limit per minute and key; never what `--env` says, which is what is judged.
    pub rate_limit: u32,
    /// How long the service as started takes a price for fresh.
    pub cache_ttl: Duration,
    /// The supported symbols.
    pub symbols: Vec<String>,
    /// By load, the key ids (hex SHA-256) of its keys, in the order of its plan.
    pub key_ids: Vec<Vec<String>>,
    /// The alarms of what is deployed.
    pub alarms: Vec<AlarmAbout>,
    /// What was published when.
    pub publication: Arc<dyn PublicationCheck>,
}

impl RecordingSetup {
    /// The lag of real processes. What bears on a request is seen by the store front, within the recording's own
    /// process, so this only has to cover a thread that is put aside between seeing and telling.
    pub const REAL_LAG: Duration = Duration::from_millis(250);
}
