//! `update.*`: what the scheduled updater achieved.

use crate::{judge::evidence::Lens, record::HolderKind};

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let recording = lens.recording();
    let ended = || {
        recording
            .updates
            .iter()
            .filter(|update| lens.real.contains(&update.at_us))
    };
    match name {
        "runs" => Some(ended().count() as f64),
        "succeeded" => Some(ended().filter(|update| update.ok).count() as f64),
        "written" => {
            let writes = recording.prices.writes().flat_map(|(_, writes)| writes);
            let by_updater = writes.filter(|write| {
                lens.real.contains(&write.at_us)
                    && recording.leases.holder_at(write.at_us) == Some(HolderKind::Update)
            });
            Some(by_updater.count() as f64)
        }
        "gap_max" => gap_max(lens),
        _ => None,
    }
}

/// The longest time without a stored write of a symbol, wall seconds; the window's ends count as writes, so that
/// a symbol which is never written has a gap as long as the window.
fn gap_max(lens: &Lens<'_>) -> Option<f64> {
    let (start, end) = (
        lens.view.wall.start.as_secs_f64(),
        lens.view.wall.end.as_secs_f64(),
    );
    let timing = lens.recording().timing;
    let of_symbol = |writes: &mut dyn Iterator<Item = u64>| {
        let mut last = start;
        let mut longest = 0f64;
        for at in writes
            .map(|at_us| timing.wall_s(at_us))
            .filter(|at| (start..=end).contains(at))
        {
            longest = longest.max(at - last);
            last = at;
        }
        longest.max(end - last)
    };
    let symbols = lens.recording().prices.writes();
    symbols
        .map(|(_, writes)| of_symbol(&mut writes.map(|write| write.at_us)))
        .reduce(f64::max)
}
