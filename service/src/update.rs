//! The updater: one refresh of the whole set, for the schedule.

use tokio::time::Instant;

use crate::{
    App,
    cache::{Prospect, due_for_updater},
    models::Symbol,
    prices::UpstreamTally,
    refresh::{self, Ended, Report, Terms, health::Health},
    store::{Binary, Capacity},
};

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
    /// How CoinGecko is, as the lease item says.
    pub health: Option<Health>,
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
    /// How CoinGecko is, as the lease item says.
    pub health: Option<Health>,
}

/// Runs one update. `deadline` is the Lambda's.
///
/// # Errors
/// Nothing was stored although a refresh was due and allowed.
pub async fn run(app: &App, deadline: Option<Instant>) -> Result<UpdateReport, UpdateError> {
    let ended = refresh::run(app, terms(app, deadline)).await;
    let (consumed, upstream) = app.refresher.take_unreported();
    let health = app.memory.health(app.clock.now());
    let skipped = |outcome| {
        let refreshed_at = app.memory.lease().item.refreshed_at;
        Ok(UpdateReport {
            outcome,
            written: 0,
            failed: Vec::new(),
            consumed,
            upstream,
            health,
            oldest_age_s: refreshed_at.map(|at| app.clock.now().since(at).as_secs_f64()),
        })
    };
    let error = |reason: String, failed| {
        Err(UpdateError {
            reason,
            failed,
            consumed,
            upstream,
            health,
        })
    };
    match ended {
        Ended::Refreshed(report) | Ended::Failed(report) if report.written > 0 => Ok(UpdateReport {
            outcome: UpdateOutcome::Refreshed,
            written: report.written,
            failed: named(&report),
            consumed,
            upstream,
            health,
            oldest_age_s: report.oldest.map(|age| age.as_secs_f64()),
        }),
        Ended::Refreshed(report) | Ended::Failed(report) => {
            error(report.reason.clone().unwrap_or_default(), named(&report))
        }
        Ended::Refused(Prospect::NotDue { .. }) => skipped(UpdateOutcome::SkippedFresh),
        Ended::Refused(Prospect::BackingOff { .. }) => skipped(UpdateOutcome::SkippedBackingOff),
        // Held, or given back in the same moment.
        Ended::Refused(Prospect::Held { .. } | Prospect::LeftToOthers | Prospect::Free) => {
            skipped(UpdateOutcome::SkippedHeld)
        }
        Ended::Unused => error(
            "the store was so slow that no time was left to fetch".to_owned(),
            Vec::new(),
        ),
        Ended::Store(failure) => error(failure.to_string(), Vec::new()),
    }
}

/// The updater's own bound, never past the deadline, and its own idea of due: a tenth of an interval.
fn terms(app: &App, deadline: Option<Instant>) -> Terms {
    let config = &app.config;
    let now = Instant::now();
    // After the bound come the write and the release.
    let reserve = config.write_timeout + config.store_timeout;
    let left = deadline.map(|deadline| deadline.saturating_duration_since(now).saturating_sub(reserve));
    let patience = left.map_or(config.update_timeout, |left| left.min(config.update_timeout));
    Terms {
        binary: Binary::Update,
        patience,
        bound: now + patience,
        lease: config.update_lease(),
        due_after: due_for_updater(config.update_interval),
    }
}

fn named(report: &Report) -> Vec<(Symbol, String)> {
    report
        .failed
        .iter()
        .map(|(symbol, why)| (symbol.clone(), why.to_string()))
        .collect()
}

#[cfg(test)]
mod tests;
