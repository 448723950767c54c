//! `cache.*`: which tier answered.

use super::statistics::share;
use crate::{
    judge::{evidence::Lens, tiers},
    record::CacheClaim,
};

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    if name == "collapsed" {
        let mut answers = lens
            .requests()
            .filter(|(request, _)| request.is_priced_answer())
            .peekable();
        answers.peek()?;
        return Some(
            answers
                .filter(|(request, _)| request.claim == CacheClaim::Collapsed)
                .count() as f64,
        );
    }
    let tiers = tiers::seen(lens);
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
