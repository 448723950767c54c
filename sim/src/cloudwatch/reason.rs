//! Why an alarm changed its state, as CloudWatch words it.
//!
//! The forms are (a): they were read off notifications, histories and `describe-alarms` of AWS that others have published.
//! - `Threshold Crossed: 1 datapoint [3.0 (11/08/18 10:55:00)] was greater than or equal to the threshold (1.0).`
//! - `Threshold Crossed: 2 datapoints [99.9 (07/09/26 06:14:00), 65.6 (07/09/26 06:13:00)] were greater than the threshold
//!   (40.0).`: the newest first, each with the start of its period.
//! - `Threshold Crossed: 24 datapoints were greater than the threshold (0.0). The most recent datapoints which crossed the
//!   threshold: [1.0 (19/12/24 08:33:00), …].`: from five on, and five of them.
//! - `Threshold Crossed: 1 out of the last 3 datapoints [0.0 (04/10/21 21:42:00)] was not greater than the threshold (0.1)
//!   (minimum 1 datapoint for ALARM -> OK transition).`
//! - `Threshold Crossed: 1 datapoint [1.0 (25/09/26 21:51:00)] was not less than the threshold (1.0) and 1 missing datapoint
//!   was treated as [Breaching].`
//! - `Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching].`
//! - `Insufficient Data: 1 datapoint was unknown.`
//!
//! CloudWatch says "out of the last" when `DatapointsToAlarm` was given, even as all of them. A deployment does not tell, so
//! here it says it of M < N (c). That "minimum" towards OK is N - M + 1 is (c) but for N = M, and so are the words where
//! datapoints that were there do not speak for the new state.

use std::fmt::Write;

use jiff::Timestamp;

use super::alarms::State;
use crate::template::model::{Alarm, Comparison, Missing};

/// Datapoints from which on only the newest are told.
const MANY: usize = 5;

/// What an evaluation went by.
pub(super) struct Evidence<'e> {
    pub(super) alarm: &'e Alarm,
    /// Start of the period, Unix milliseconds, and value; the newest first.
    pub(super) evaluated: &'e [(i64, f64)],
    /// How many were missing.
    pub(super) missing: usize,
    /// Whether those were taken for something.
    pub(super) filled: bool,
}

impl Evidence<'_> {
    /// Why the alarm is in `state` now.
    pub(super) fn reason(&self, state: State) -> String {
        if state == State::InsufficientData {
            return format!(
                "Insufficient Data: {} unknown.",
                counted(self.missing, "datapoint was", "datapoints were")
            );
        }
        let in_alarm = state == State::Alarm;
        let mut reason = "Threshold Crossed: ".to_owned();
        if self.evaluated.is_empty() {
            reason += "no datapoints were received for ";
            reason += &counted(self.missing, "period", "periods");
            reason += " and ";
            self.push_missing(&mut reason);
            reason.push('.');
            return reason;
        }
        let speak = |(_, value): &&(i64, f64)| breaches(self.alarm, *value) == in_alarm;
        let speaking: Vec<(i64, f64)> = self.evaluated.iter().filter(speak).copied().collect();
        let mut crossed = None;
        if !speaking.is_empty() {
            crossed = self.push_speaking(&mut reason, &speaking, in_alarm);
        }
        if self.filled && self.missing > 0 {
            if !speaking.is_empty() {
                reason += " and ";
            }
            self.push_missing(&mut reason);
        }
        if let Some(list) = crossed {
            reason += ". The most recent datapoints which crossed the threshold: ";
            reason += &list;
        }
        let (n, m) = (self.alarm.evaluation_periods, self.alarm.datapoints_to_alarm);
        if m < n {
            let (least, transition) = if in_alarm {
                (m, "OK -> ALARM")
            } else {
                (n - m + 1, "ALARM -> OK")
            };
            let least = counted(least as usize, "datapoint", "datapoints");
            // Writing into a string does not fail.
            let _ = write!(reason, " (minimum {least} for {transition} transition)");
        }
        reason.push('.');
        reason
    }

    /// What the datapoints say; when there are many, their list is for later.
    fn push_speaking(&self, reason: &mut String, speaking: &[(i64, f64)], in_alarm: bool) -> Option<String> {
        let (n, m) = (self.alarm.evaluation_periods, self.alarm.datapoints_to_alarm);
        let count = speaking.len();
        *reason += &if m < n {
            format!("{count} out of the last {n} datapoints")
        } else {
            counted(count, "datapoint", "datapoints")
        };
        let points = speaking.iter().take(MANY).map(point).collect::<Vec<_>>();
        let list = format!("[{}]", points.join(", "));
        let is_many = count >= MANY;
        if !is_many {
            *reason += &format!(" {list}");
        }
        let were = if count == 1 { "was" } else { "were" };
        let not = if in_alarm { "" } else { "not " };
        let than = match self.alarm.comparison {
            Comparison::Greater => "greater than",
            Comparison::GreaterOrEqual => "greater than or equal to",
            Comparison::Less => "less than",
            Comparison::LessOrEqual => "less than or equal to",
        };
        let threshold = number(self.alarm.threshold);
        *reason += &format!(" {were} {not}{than} the threshold ({threshold})");
        is_many.then_some(list)
    }

    fn push_missing(&self, reason: &mut String) {
        *reason += &counted(self.missing, "missing datapoint was", "missing datapoints were");
        *reason += match self.alarm.missing {
            Missing::Breaching => " treated as [Breaching]",
            Missing::NotBreaching => " treated as [NonBreaching]",
            // Nothing is filled then, and all missing is another state, or none.
            Missing::Ignore => " treated as [Ignore]",
            Missing::Missing => " treated as [Missing]",
        };
    }
}

/// Whether a value is on the wrong side of an alarm's threshold.
pub(super) fn breaches(alarm: &Alarm, value: f64) -> bool {
    match alarm.comparison {
        Comparison::Greater => value > alarm.threshold,
        Comparison::GreaterOrEqual => value >= alarm.threshold,
        Comparison::Less => value < alarm.threshold,
        Comparison::LessOrEqual => value <= alarm.threshold,
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn point((start_ms, value): &(i64, f64)) -> String {
    let value = number(*value);
    match Timestamp::from_millisecond(*start_ms) {
        Ok(start) => format!("{value} ({})", start.strftime("%d/%m/%y %H:%M:%S")),
        // No such instant is in any calendar.
        Err(_) => value,
    }
}

/// A number as Java writes it: `960.0`, `0.1`, `1.0E7`.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}
