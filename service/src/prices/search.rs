//! One lookup under way: what is known of each coin, and the decisions about refreshing.

use std::{ops::Deref, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Lookup, Quote, Tier};
use crate::{
    App,
    cache::{self, Freshness, Prospect, READ_LAG, freshness},
    coingecko::backoff::jittered,
    memory::{KnownLease, KnownPrice, PAUSE},
    models::{LeaseItem, Symbol, Timestamp},
    refresh::{self, Ended, Terms, Watched, single_flight::Role},
    store::{Binary, Consistency, StoreError},
};

/// Tries of a read that the store answers in part.
const PARTIAL_READS: u32 = 3;
/// Times that one request takes part in a refresh; a second when the first holder of the lease vanished.
const REFRESHES: u32 = 2;

/// One coin of a search.
#[derive(Clone, Debug)]
struct Row {
    price: Option<Arc<KnownPrice>>,
    as_of: Option<Timestamp>,
    freshness: Freshness,
    /// Where a fresh price came from.
    tier: Option<Tier>,
}

/// A lookup under way.
pub(super) struct Search<'a> {
    app: &'a App,
    symbols: &'a [Symbol],
    rows: Vec<Row>,
    lookup: Lookup,
    /// What is served stale is served so because of this.
    stale: Tier,
}

impl<'a> Search<'a> {
    pub(super) fn new(app: &'a App, symbols: &'a [Symbol]) -> Self {
        let empty = Row {
            price: None,
            as_of: None,
            freshness: Freshness::Gone,
            tier: None,
        };
        Self {
            app,
            symbols,
            rows: vec![empty; symbols.len()],
            lookup: Lookup::default(),
            stale: Tier::StaleIfError,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.rows.iter().all(|row| row.freshness == Freshness::Fresh)
    }

    /// Whether there is something to answer with. Who has that waits for nobody else.
    ///
    /// While coins are gone, those that the holder of the lease has just stored do not count: the others come with
    /// its next batch, within `WRITE_TIMEOUT`, and half a set is no answer.
    fn has_something(&self, lease: &LeaseItem) -> bool {
        let is_complete = self.rows.iter().all(|row| row.freshness != Freshness::Gone);
        is_complete
            || self
                .rows
                .iter()
                .any(|row| row.freshness != Freshness::Gone && !self.is_being_stored(row, lease))
    }

    /// Whether a coin was fetched by the refresh that is under way, as `lease` tells, and others may follow.
    fn is_being_stored(&self, row: &Row, lease: &LeaseItem) -> bool {
        let Some(price) = row.price.as_deref().filter(|_| row.freshness == Freshness::Fresh) else {
            return false;
        };
        let clock = &self.app.clock;
        lease.refreshed_at.is_none_or(|at| at < price.fetched_at)
            && clock.real(clock.now().since(price.fetched_at)) < self.app.config.write_timeout
    }

    /// Takes what the memory has. Coins that are fresh now and were not before are marked: `stale` or `gone`
    /// tells what they were.
    pub(super) fn recall(&mut self, stale: Tier, gone: Tier) {
        let now = self.app.clock.now();
        let (remembered, _) = self.app.memory.recall(self.symbols);
        for (row, known) in self.rows.iter_mut().zip(remembered) {
            let Some(known) = known.filter(|_| row.freshness != Freshness::Fresh) else {
                continue;
            };
            let was = if row.freshness == Freshness::Gone {
                gone
            } else {
                stale
            };
            let price = known.price.as_deref().map(Deref::deref);
            row.freshness = freshness(price, now, self.app.config.cache_ttl);
            row.tier = (row.freshness == Freshness::Fresh).then_some(was);
            row.price = known.price;
            row.as_of = Some(known.as_of);
        }
    }

    /// The lease as known, and what it says for an API process.
    fn prospect(&self) -> (KnownLease, Prospect) {
        let (known, now) = (self.app.memory.lease(), self.app.clock.now());
        let prospect = cache::prospect(&known.item, now, Binary::Api, self.app.config.cache_ttl);
        let prospect = match prospect {
            // Held by ourselves, as somebody here saw who was waiting for its last holder: to be joined.
            Prospect::Held { .. } if self.app.refresher.is_leading() => Prospect::Free,
            Prospect::Free if known.paused_until > now => Prospect::BackingOff {
                until: known.paused_until,
                updater_may: true,
            },
            Prospect::Free if self.is_left_to_others(now) => Prospect::LeftToOthers,
            prospect => prospect,
        };
        (known, prospect)
    }

    /// Whether this process leaves the refresh to the others for now. It has nothing to lose by that while all that was
    /// asked for can be served, and went stale just now, with the set.
    fn is_left_to_others(&self, now: Timestamp) -> bool {
        let patience = self.app.config.cache_ttl + self.app.ttl_jitter;
        self.rows.iter().all(|row| match (row.freshness, &row.price) {
            (Freshness::Fresh, _) => true,
            (Freshness::Stale, Some(price)) => cache::is_within(price.fetched_at, now, patience),
            (Freshness::Stale | Freshness::Gone, _) => false,
        })
    }

    /// Whether the lease is to be asked for although it was seen held, since that was some time ago and its holder
    /// may have given it back early. Who watches the holder knows without; and a store that just failed us is left alone.
    fn should_ask_again(&self, known: &KnownLease, prospect: Prospect) -> bool {
        let now = self.app.clock.now();
        let may_ask = known.paused_until <= now && !cache::is_within(known.learned_at, now, READ_LAG * 2);
        matches!(prospect, Prospect::Held { .. }) && may_ask && self.has_something(&known.item)
    }

    /// Whether some coin is not fresh, and the store may know more of it than we do.
    pub(super) fn reading_tells_something(&self) -> bool {
        if self.is_done() {
            return false;
        }
        let ((known, prospect), now) = (self.prospect(), self.app.clock.now());
        let interval = self.app.config.update_interval;
        let stands = |row: &Row, as_of| {
            let (lease, learned_at) = (&known.item, known.learned_at);
            cache::stands(row.freshness, as_of, learned_at, prospect, interval, lease, now)
        };
        self.rows
            .iter()
            .filter(|row| row.freshness != Freshness::Fresh)
            .any(|row| !row.as_of.is_some_and(|as_of| stands(row, as_of)))
    }

    /// Reads what is not fresh from the store. For `stale` and `gone` see [`Search::recall`].
    pub(super) async fn read(&mut self, stale: Tier, gone: Tier) -> Result<(), StoreError> {
        let not_fresh = self
            .symbols
            .iter()
            .zip(&self.rows)
            .filter(|(_, row)| row.freshness != Freshness::Fresh);
        let mut wanted: Vec<Symbol> = not_fresh.map(|(symbol, _)| symbol.clone()).collect();
        for tries in 1..=PARTIAL_READS {
            let at = self.app.clock.now();
            let answer = self.app.store.prices(&wanted, Consistency::Eventual).await?;
            let batch = answer.charge(&mut self.lookup.consumed);
            wanted.retain(|symbol| !batch.unprocessed.contains(symbol));
            self.app
                .memory
                .learn_read(&self.app.symbols, &wanted, &batch.prices, at);
            wanted = batch.unprocessed;
            if wanted.is_empty() {
                self.recall(stale, gone);
                return Ok(());
            }
            let (base, cap) = (Duration::from_millis(10), Duration::from_millis(50));
            sleep(jittered(tries, base, cap, self.app.rng.unit())).await;
        }
        Err(StoreError::Throttled {
            operation: "BatchGetItem",
            reason: format!("{} of the prices were left out again and again", wanted.len()),
        })
    }

    /// Some coin is not fresh: refresh the set, wait for another's refresh, or settle for what there is.
    pub(super) async fn refresh(&mut self, deadline: Option<Instant>) -> Result<(), StoreError> {
        let until = self.patience_ends(deadline);
        let (mut joined, mut watched, mut read_again) = (0, false, false);
        loop {
            let (known, mut prospect) = self.prospect();
            if joined == 0 && self.should_ask_again(&known, prospect) {
                prospect = Prospect::Free;
            }
            match prospect {
                Prospect::LeftToOthers => {
                    self.stale = Tier::RevalidatingElsewhere;
                    break;
                }
                Prospect::Held { .. } if self.has_something(&known.item) || Instant::now() >= until => {
                    self.stale = Tier::RevalidatingElsewhere;
                    break;
                }
                Prospect::Held { .. } => {
                    watched = true;
                    read_again = true;
                    self.lookup.collapsed = true;
                    match self.wait(refresh::watch(self.app, until)).await {
                        Watched::Over | Watched::StillHeld => {}
                        Watched::Store(error) => return Err(error),
                    }
                }
                _ if read_again => {
                    read_again = false;
                    // Whoever waited for it shared another's refresh; else it had been stored before we asked.
                    let (stale, gone) = if watched {
                        (Tier::CollapsedStale, Tier::CollapsedMiss)
                    } else {
                        (Tier::Store, Tier::Store)
                    };
                    self.read(stale, gone).await?;
                    if self.is_done() {
                        break;
                    }
                }
                Prospect::BackingOff { .. } | Prospect::NotDue { .. } => break,
                Prospect::Free => {
                    let terms = self.terms(deadline);
                    let late = joined > 0 || watched;
                    let left = until.saturating_duration_since(Instant::now());
                    if joined == REFRESHES || (late && left < self.app.config.refresh_wait / 2) {
                        break;
                    }
                    joined += 1;
                    let (ended, role) = self.wait(refresh::join(self.app, terms)).await;
                    match self.take_part(ended, role)? {
                        Next::Settle => break,
                        Next::ReadAgain => read_again = true,
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what a refresh gave.
    fn take_part(&mut self, ended: Ended, role: Role) -> Result<Next, StoreError> {
        let (stale, gone) = match role {
            Role::Leader => (Tier::StoredStale, Tier::StoredMiss),
            Role::Follower => (Tier::CollapsedStale, Tier::CollapsedMiss),
        };
        match ended {
            Ended::Refreshed(_) | Ended::Failed(_) => {
                self.lookup.collapsed |= role == Role::Follower;
                self.recall(stale, gone);
                Ok(Next::Settle)
            }
            Ended::Refused(Prospect::BackingOff { .. }) | Ended::Unused => Ok(Next::Settle),
            Ended::Refused(_) => Ok(Next::ReadAgain),
            Ended::Store(error) => {
                self.app.memory.pause(self.app.clock.now().after(PAUSE));
                if self.rows.iter().any(|row| row.freshness != Freshness::Gone) {
                    Ok(Next::Settle)
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Until when this request waits for another's refresh.
    fn patience_ends(&self, deadline: Option<Instant>) -> Instant {
        let config = &self.app.config;
        let until = Instant::now() + config.refresh_wait;
        // After the wait comes the read of what was waited for.
        deadline.map_or(until, |deadline| until.min(deadline - config.store_timeout))
    }

    /// For a refresh that begins now.
    fn terms(&self, deadline: Option<Instant>) -> Terms {
        let config = &self.app.config;
        let patience = config.refresh_wait;
        let bound = Instant::now() + patience;
        // After the bound come the write and the release.
        let last = deadline.map(|deadline| deadline - config.write_timeout - config.store_timeout);
        Terms {
            binary: Binary::Api,
            patience,
            bound: last.map_or(bound, |last| bound.min(last)),
            lease: config.api_lease(),
            due_after: config.cache_ttl,
        }
    }

    async fn wait<T>(&mut self, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let result = work.await;
        self.lookup.waited += begun.elapsed();
        result
    }

    pub(super) fn finish(mut self) -> Lookup {
        let now = self.app.clock.now();
        let (_, prospect) = self.prospect();
        for (symbol, row) in self.symbols.iter().zip(self.rows) {
            match row.price.filter(|price| price.is_servable(now)) {
                Some(price) => {
                    let tier = row.tier.unwrap_or(self.stale);
                    self.lookup.found.push(Quote { price, tier });
                }
                None => self.lookup.unavailable.push(symbol.clone()),
            }
        }
        if !self.lookup.unavailable.is_empty() {
            self.lookup.retry_after = come_back(prospect, now);
        }
        let (consumed, upstream) = self.app.refresher.take_unreported();
        self.lookup.consumed += consumed;
        self.lookup.upstream = upstream;
        self.lookup
    }
}

/// When something may be there that is not now: at the earliest instant at which a refresh can have begun.
fn come_back(prospect: Prospect, now: Timestamp) -> Duration {
    let until = match prospect {
        Prospect::Held { until } | Prospect::BackingOff { until, .. } | Prospect::NotDue { until } => until,
        Prospect::LeftToOthers | Prospect::Free => now,
    };
    until.since(now).max(Duration::from_secs(1))
}

/// How a search goes on after a refresh.
enum Next {
    /// With what there is.
    Settle,
    /// Somebody else may have stored prices.
    ReadAgain,
}

#[cfg(test)]
mod tests;
