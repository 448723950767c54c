//! `alarm.<Name>.*`: when the alarms of what is deployed went off, and whether they should have.

use std::{ops::Range, time::Duration};

use crate::{judge::evidence::Lens, record::AlarmChange};

pub(super) fn value(name: &str, id: &str, lens: &Lens<'_>) -> Option<f64> {
    let alarms = &lens.recording().alarms;
    let changes = alarms.of(id)?;
    let within = |changed: &&AlarmChange| lens.real.contains(&changed.at_us);
    let fires = changes.clone().filter(within).filter(|changed| changed.is_fire());
    let is_on_at = |at_us: u64| {
        let last = changes.clone().rfind(|changed| changed.at_us < at_us);
        last.is_some_and(AlarmChange::is_fire)
    };
    let wall_since = |at_us: u64, since_us: u64| {
        let timing = &lens.recording().timing;
        at_us.saturating_sub(since_us) as f64 / 1e6 * timing.speed
    };
    let Range { start, end } = lens.real.clone();
    match name.split_once('.')?.1 {
        "fired" => Some(fires.count() as f64),
        "fires_within" if is_on_at(start) => Some(0.0),
        "fires_within" => fires.map(|fire| wall_since(fire.at_us, start)).next(),
        "clears_within" if is_on_at(end) => {
            let clear = changes
                .clone()
                .find(|changed| changed.at_us >= end && !changed.is_fire())?;
            Some(wall_since(clear.at_us, end))
        }
        "clears_within" => (is_on_at(start) || fires.count() > 0).then_some(0.0),
        "false_fires" => {
            let reach = alarms.alarms.iter().find(|alarm| alarm.id == id)?.reach;
            let faults = &lens.evidence.scenario.faults;
            let is_false = |fire: &AlarmChange| {
                let at = Duration::from_secs_f64(lens.recording().timing.wall_s(fire.at_us));
                !faults.iter().any(|fault| {
                    let span = fault.span_in_time();
                    (span.start..span.end + reach).contains(&at)
                })
            };
            Some(fires.filter(|fire| is_false(fire)).count() as f64)
        }
        _ => None,
    }
}
