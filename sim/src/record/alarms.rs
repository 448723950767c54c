//! The alarms of a deployment, and when they changed.

use crate::cloudwatch::{
    alarms::{State, StateChange},
    running::AlarmAbout,
};

/// An alarm has another state than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmChange {
    /// When, real µs.
    pub at_us: u64,
    /// The alarm, what it was and is, and why.
    pub change: StateChange,
}

/// What alarms there are, and what became of them.
#[derive(Clone, Debug, Default)]
pub struct AlarmLog {
    /// The alarms; empty where nothing is deployed, or where the environment has none.
    pub alarms: Vec<AlarmAbout>,
    changes: Vec<AlarmChange>,
}

impl AlarmLog {
    pub(super) fn new(alarms: Vec<AlarmAbout>) -> Self {
        Self {
            alarms,
            changes: Vec::new(),
        }
    }

    pub(super) fn changed(&mut self, change: AlarmChange) {
        self.changes.push(change);
    }

    /// All changes, in order.
    #[must_use]
    pub fn changes(&self) -> &[AlarmChange] {
        &self.changes
    }

    /// The changes of an alarm, in order; none when there is no such alarm.
    pub fn of(&self, id: &str) -> Option<impl DoubleEndedIterator<Item = &AlarmChange> + Clone> {
        self.alarms.iter().find(|alarm| alarm.id == id)?;
        Some(self.changes.iter().filter(move |changed| changed.change.id == id))
    }
}

impl AlarmChange {
    /// Whether it went off.
    #[must_use]
    pub fn is_fire(&self) -> bool {
        self.change.to == State::Alarm
    }
}
