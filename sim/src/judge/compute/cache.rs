//! `cache.*`: which tier answered.

use super::statistics::share;
use crate::judge::evidence::Lens;

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let tally = lens.tally;
    if name == "collapsed" {
        return (tally.priced > 0).then_some(tally.collapsed as f64);
    }
    let tiers = tally.tiers;
    let count = match name {
        "memory_ratio" => tiers.memory,
        "store_ratio" => tiers.store,
        "upstream_ratio" => tiers.upstream,
        "stale_ratio" => tiers.stale,
        "none_ratio" => tiers.none,
        "hit_ratio" => tiers.memory + tiers.store,
        _ => return None,
    };
    share(count, tiers.total())
}
