//! Running updates: for a scheduled event, once, or at an interval.

use std::{fs, path::Path, pin::pin, sync::Arc, time::Duration};

use futures_util::future;
use lambda_runtime::LambdaEvent;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{ServeError, deadline, signal::Stop};
use crate::{
    App,
    metrics::UpdateMetrics,
    models::Symbol,
    update::{self, UpdateOutcome},
};

/// Runs one update for each event until the environment ends.
pub(super) async fn lambda(app: Arc<App>) -> Result<(), ServeError> {
    let handler = |event: LambdaEvent<IgnoredAny>| {
        let app = app.clone();
        async move {
            let deadline = deadline(&event.context);
            // A failure is the invocation's failure, so that Lambda tries again and counts it.
            invoke(&app, Some(deadline), &event.context.request_id)
                .await
                .map_err(|reason| lambda_runtime::Diagnostic {
                    error_type: "UpdateFailed".to_owned(),
                    error_message: reason,
                })
        }
    };
    lambda_runtime::run(lambda_runtime::service_fn(handler))
        .await
        .map_err(|error| ServeError::Lambda(error.to_string()))
}

/// Runs one update. A signal does not cut it off: it is bounded, and it holds the lease.
pub(super) async fn once(app: &App) -> Result<(), ServeError> {
    let _stop = Stop::listen()?;
    invoke(app, None, &invocation(app))
        .await
        .map(|_| ())
        .map_err(ServeError::Update)
}

/// Runs an update at once and then one each `every` (wall time) until told to stop. One that fails is no end,
/// but then `touched` grows old.
pub(super) async fn repeat(app: &App, every: Duration, touched: Option<&Path>) -> Result<(), ServeError> {
    let mut stop = Stop::listen()?;
    let mut ticks = interval(app.clock.real(every).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        // The signal first: it may have come during the last update.
        let next = pin!(ticks.tick());
        match future::select(pin!(stop.asked()), next).await {
            future::Either::Left(_) => return Ok(()),
            future::Either::Right(_) => {
                if invoke(app, None, &invocation(app)).await.is_ok() {
                    touch(touched);
                }
            }
        }
    }
}

/// Makes a file as young as the last update. Prices matter more than a file: one that cannot be written is told of.
fn touch(file: Option<&Path>) {
    let Some(file) = file else {
        return;
    };
    if let Err(error) = fs::write(file, "") {
        tracing::error!(event = "touch", file = %file.display(), "cannot touch the file of --touch: {error}");
    }
}

/// One update with its log line and its EMF document; gives what an invocation answers.
///
/// # Errors
/// Nothing was stored although a refresh was due and allowed; says why.
pub async fn invoke(app: &App, deadline: Option<Instant>, invocation: &str) -> Result<Value, String> {
    let span = tracing::info_span!("update", request_id = invocation);
    let ended = tracing::Instrument::instrument(update::run(app, deadline), span.clone()).await;
    let _in = span.enter();
    let (metrics, answer) = match ended {
        Ok(report) => {
            let outcome = outcome_name(report.outcome);
            let failed = symbols(&report.failed);
            let metrics = UpdateMetrics {
                succeeded: true,
                skipped: report.outcome != UpdateOutcome::Refreshed,
                written: report.written,
                failed: report.failed.len(),
                upstream: report.upstream,
                health: report.health,
                oldest_price_age_s: report.oldest_age_s,
                consumed: report.consumed,
            };
            if failed.is_empty() {
                tracing::info!(event = "update", outcome, written = report.written, "updated");
            } else {
                log_failures(&report.failed);
                tracing::warn!(
                    event = "update",
                    outcome,
                    written = report.written,
                    failed,
                    "some coins have no new price"
                );
            }
            (
                metrics,
                Ok(json!({ "outcome": outcome, "written": report.written, "failed": failed })),
            )
        }
        Err(error) => {
            let metrics = UpdateMetrics {
                failed: error.failed.len(),
                upstream: error.upstream,
                health: error.health,
                consumed: error.consumed,
                ..UpdateMetrics::default()
            };
            let failed = symbols(&error.failed);
            tracing::error!(
                event = "update",
                outcome = "failed",
                written = 0,
                failed,
                "{error}"
            );
            (metrics, Err(error.to_string()))
        }
    };
    app.emf
        .line(&metrics.document(app.clock.now(), app.config.environment, invocation));
    answer
}

const fn outcome_name(outcome: UpdateOutcome) -> &'static str {
    match outcome {
        UpdateOutcome::Refreshed => "refreshed",
        UpdateOutcome::SkippedFresh => "skipped-fresh",
        UpdateOutcome::SkippedHeld => "skipped-held",
        UpdateOutcome::SkippedBackingOff => "skipped-backing-off",
    }
}

fn symbols(failed: &[(Symbol, String)]) -> String {
    failed
        .iter()
        .map(|(symbol, _)| symbol.as_str())
        .collect::<Vec<_>>()
        .join(",")
}

fn log_failures(failed: &[(Symbol, String)]) {
    for (symbol, reason) in failed {
        tracing::info!(event = "coin", symbol = symbol.as_str(), reason, "no new price");
    }
}

/// An id for a run that no platform gave one.
fn invocation(app: &App) -> String {
    format!("{:016x}", app.rng.next_u64())
}

/// `--every` could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time above zero with its unit, such as 5m, 30s or 1h")]
pub struct EveryFormatError;

/// Reads an interval such as `5m`: a whole number of `ms`, `s`, `m` or `h`.
///
/// # Errors
/// It is something else, or zero.
pub fn parse_every(text: &str) -> Result<Duration, EveryFormatError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| EveryFormatError)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(EveryFormatError),
    };
    let ms = number
        .checked_mul(unit_ms)
        .filter(|ms| *ms > 0)
        .ok_or(EveryFormatError)?;
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_a_unit() {
        assert_eq!(parse_every("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_every("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_every("1h"), Ok(Duration::from_secs(3600)));
        for text in [
            "",
            "5",
            "m",
            "0s",
            "-5m",
            "5 m",
            "5min",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(parse_every(text), Err(EveryFormatError), "{text}");
        }
    }
}
