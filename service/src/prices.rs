//! The read path: process memory, then the store, then CoinGecko, and what each coin came from.

mod search;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    App,
    memory::KnownPrice,
    models::Symbol,
    store::{Capacity, StoreError},
};
use search::Search;

/// Where a coin's answer came from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Fresh in this process.
    Memory,
    /// Fresh in the store.
    Store,
    /// Nothing was there; fetched by a refresh that another request led.
    CollapsedMiss,
    /// Nothing was there; fetched by a refresh that this request led.
    StoredMiss,
    /// It was stale; fetched by a refresh that another request led.
    CollapsedStale,
    /// It was stale; fetched by a refresh that this request led.
    StoredStale,
    /// Stale, while another process refreshes.
    RevalidatingElsewhere,
    /// Stale, because a refresh failed or is not allowed.
    StaleIfError,
    /// Nothing servable.
    Nothing,
}

/// One coin of an answer.
#[derive(Clone, Debug)]
pub struct Quote {
    /// The price.
    pub price: Arc<KnownPrice>,
    /// Where it came from.
    pub tier: Tier,
}

/// CoinGecko calls, counted as they are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTally {
    /// Attempts, retries included.
    pub calls: u32,
    /// Attempts after the first.
    pub retries: u32,
    /// Attempts answered 429.
    pub rate_limited: u32,
}

/// What was found for a request.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// What can be served, in the order asked.
    pub found: Vec<Quote>,
    /// What cannot, in the order asked.
    pub unavailable: Vec<Symbol>,
    /// How long this request waited on a refresh, real time.
    pub waited: Duration,
    /// When to try again for what is unavailable, wall time; zero when all was found.
    pub retry_after: Duration,
    /// Capacity consumed by the reads of this request, and by refreshes not yet reported by another.
    pub consumed: Capacity,
    /// CoinGecko calls made by refreshes not yet reported by another request.
    pub upstream: UpstreamTally,
    /// Whether it waited for a refresh that another request leads.
    pub collapsed: bool,
}

/// Finds prices for `symbols`, each supported and named once. `deadline` is the Lambda's.
///
/// # Errors
/// The store cannot be read.
pub async fn lookup(app: &App, symbols: &[Symbol], deadline: Option<Instant>) -> Result<Lookup, StoreError> {
    let mut search = Search::new(app, symbols);
    search.recall(Tier::Memory, Tier::Memory);
    if search.reading_tells_something() {
        search.read(Tier::Store, Tier::Store).await?;
    }
    if !search.is_done() {
        search.refresh(deadline).await?;
    }
    Ok(search.finish())
}

#[cfg(test)]
mod tests;
