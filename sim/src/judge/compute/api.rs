//! `api.*`: what clients were answered, how fast, and how old it was.

use super::statistics::{share, spread};
use crate::{
    judge::evidence::Lens,
    record::{Share, Spread},
};

pub(super) fn value(name: &str, part: &str, lens: &Lens<'_>) -> Option<f64> {
    let tally = lens.tally;
    match name {
        "requests" => return Some(tally.requests as f64),
        "rps" => return Some(tally.requests as f64 / lens.wall_seconds()),
        "memory.max" => return memory(lens).map(|(_, peak)| peak).max().map(|peak| peak as f64),
        "memory.growth" => {
            let grown = memory(lens).map(|(begun, peak)| peak - begun).max();
            return grown.map(|grown| grown as f64);
        }
        _ if tally.requests == 0 => return None,
        _ => {}
    }
    let ratio = |of: Share| share(of.good, of.all);
    match name {
        "success" => ratio(tally.owed),
        "correct" => ratio(tally.clear),
        "first_good" => {
            let start_us = lens.recording().timing.window(&lens.view.wall).start;
            tally
                .first_good_us
                .map(|at_us| at_us.saturating_sub(start_us) as f64 / 1e6)
        }
        _ if name.starts_with("status.") => Some(tally.status(part.parse().unwrap_or(0)) as f64),
        _ => {
            let (family, statistic) = name.rsplit_once('.')?;
            match family {
                "latency" => spread(statistic, &tally.latency),
                "wait" => spread(statistic, &waits(lens)?),
                "age" => spread(statistic, &tally.age),
                "data_age" => spread(statistic, &tally.data_age),
                _ => None,
            }
        }
    }
}

/// The peak resident memory of each API process as the window began, and at its highest within it.
fn memory<'l>(lens: &'l Lens<'_>) -> impl Iterator<Item = (u64, u64)> + 'l {
    let api = lens
        .recording()
        .usage
        .iter()
        .filter(|(process, _)| process.starts_with("api"));
    api.filter_map(|(_, usage)| usage.peak_within(&lens.real))
}

/// Waits are reported only where there was one; all other requests waited for nothing.
fn waits(lens: &Lens<'_>) -> Option<Spread> {
    let tally = lens.tally;
    let told = lens.recording().emf.documents("api") > 0;
    told.then(|| {
        tally
            .wait
            .with_zeros(tally.requests.saturating_sub(tally.wait.count()))
    })
}
