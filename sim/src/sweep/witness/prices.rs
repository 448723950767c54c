//! The prices that the store was given: what of them was servable when, and the rules about writing them.

use std::collections::BTreeMap;

use super::{Breaches, at};
use crate::sweep::{bounds::Bounds, rules::Rule};

/// A price that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    /// When the store answered.
    pub(super) at_us: u64,
    /// `lastUpdated`.
    pub(super) updated_ms: i64,
    /// `fetchedAt`.
    pub(super) fetched_ms: i64,
}

/// All writes, by symbol, in time.
#[derive(Debug, Default)]
pub(super) struct Prices {
    by_symbol: BTreeMap<String, Vec<Write>>,
    last_write_us: Vec<u64>,
    count: u64,
}

impl Prices {
    /// Takes in a write. `last_ok_us` is when CoinGecko last answered 200.
    pub(super) fn write(
        &mut self,
        symbol: &str,
        write: Write,
        last_ok_us: Option<u64>,
        bounds: &Bounds,
        breaches: &mut Breaches,
    ) {
        self.count += 1;
        if self.last_write_us.last() != Some(&write.at_us) {
            self.last_write_us.push(write.at_us);
        }
        let known = match self.by_symbol.get_mut(symbol) {
            Some(known) => known,
            None => self.by_symbol.entry(symbol.to_owned()).or_default(),
        };
        let (wall_ms, before) = (bounds.wall_ms(write.at_us), known.last().copied());
        if let Some(before) = before
            && bounds.servable_until(before.fetched_ms) > wall_ms
            && write.updated_ms < before.updated_ms
        {
            breaches.add(Rule::StoreBackwards, write.at_us, || {
                let by_s = (before.updated_ms - write.updated_ms) as f64 / 1000.0;
                format!("{symbol} went back by {by_s} s {}", at(write.at_us))
            });
        }
        let kept = before.is_some_and(|before| before.fetched_ms == write.fetched_ms);
        let answered = last_ok_us.is_some_and(|ok_us| bounds.wall_ms(ok_us) <= write.fetched_ms);
        if !(kept || answered) || write.fetched_ms > wall_ms {
            breaches.add(Rule::PriceFetched, write.at_us, || {
                let ago_ms = wall_ms - write.fetched_ms;
                format!(
                    "{symbol} was stored {} as fetched {ago_ms} ms before",
                    at(write.at_us)
                )
            });
        }
        known.push(write);
    }

    /// The newest write of this data of a symbol, until `until_us`.
    pub(super) fn of(&self, symbol: &str, updated_ms: i64, until_us: u64) -> Option<Write> {
        let writes = self.by_symbol.get(symbol)?.iter().rev();
        writes
            .skip_while(|write| write.at_us > until_us)
            .find(|write| write.updated_ms == updated_ms)
            .copied()
    }

    /// Whether a process that looked at `from_us` must have found a price of `symbol` that it could serve until
    /// `to_us`.
    pub(super) fn was_servable(&self, symbol: &str, from_us: u64, to_us: u64, bounds: &Bounds) -> bool {
        let writes = self.by_symbol.get(symbol).into_iter().flatten().rev();
        let mut known = writes.skip_while(|write| Bounds::known_from(write.at_us) > from_us);
        known
            .next()
            .is_some_and(|write| bounds.servable_until(write.fetched_ms) > bounds.wall_ms(to_us))
    }

    /// Whether prices were stored between two instants.
    pub(super) fn written_within(&self, from_us: u64, to_us: u64) -> bool {
        let first = self.last_write_us.partition_point(|at_us| *at_us < from_us);
        self.last_write_us.get(first).is_some_and(|at_us| *at_us <= to_us)
    }

    /// How many writes there were.
    pub(super) fn writes(&self) -> u64 {
        self.count
    }
}
