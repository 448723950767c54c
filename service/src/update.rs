//! The updater: one refresh of the whole set, for the schedule.

use tokio::time::Instant;

use crate::{App, models::Symbol, prices::UpstreamTally, store::Capacity};

/// What an update did.
#[derive(Clone, Debug)]
pub struct UpdateReport {
    /// Whether it fetched, or why it did not.
    pub outcome: UpdateOutcome,
    /// Symbols whose price was stored or confirmed.
    pub written: usize,
    /// Symbols that have no new price, each with the reason.
    pub failed: Vec<(Symbol, String)>,
    /// Capacity consumed.
    pub consumed: Capacity,
    /// CoinGecko calls made.
    pub upstream: UpstreamTally,
    /// Age of the oldest stored price at the end, seconds; `None` when none was looked at.
    pub oldest_age_s: Option<f64>,
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// Prices were fetched and stored.
    Refreshed,
    /// Prices were refreshed moments ago.
    SkippedFresh,
    /// Another process refreshes.
    SkippedHeld,
    /// CoinGecko is not to be called yet.
    SkippedBackingOff,
}

/// An update that stored nothing; it fails loudly, so that the schedule's retry comes.
#[derive(Clone, Debug, thiserror::Error)]
#[error("nothing was stored: {reason}")]
pub struct UpdateError {
    /// Why.
    pub reason: String,
    /// Symbols that have no new price, each with the reason.
    pub failed: Vec<(Symbol, String)>,
    /// Capacity consumed.
    pub consumed: Capacity,
    /// CoinGecko calls made.
    pub upstream: UpstreamTally,
}

/// Runs one update. `deadline` is the Lambda's.
///
/// # Errors
/// Nothing was stored although a refresh was due and allowed.
pub async fn run(app: &App, deadline: Option<Instant>) -> Result<UpdateReport, UpdateError> {
    let _ = (app, deadline);
    Err(UpdateError {
        reason: String::new(),
        failed: Vec::new(),
        consumed: Capacity::default(),
        upstream: UpstreamTally::default(),
    })
}
