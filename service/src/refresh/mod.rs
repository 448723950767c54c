//! Refreshing the set: under the lease, within a bound, filtered, and accounted for.
//!
//! ARCHITECTURE.md has the states, the expressions and the inequalities. Reading order: this file is the
//! refresh itself; `lease` takes and gives back; `writing` stores; `sanity`, `budget` are pure; `health` tells
//! how CoinGecko is; `single_flight` shares one refresh among the requests that wait; `watching` waits for another process.

pub mod budget;
pub mod health;
mod lease;
pub mod sanity;
pub mod single_flight;
mod watching;
mod writing;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use http::StatusCode;
use tokio::time::Instant;

use crate::{
    App,
    cache::Prospect,
    coingecko::{
        backoff::probe,
        client::{self, FetchFailure},
    },
    models::{Symbol, Timestamp},
    prices::UpstreamTally,
    store::{Binary, Capacity, Metered, ReleaseOutcome, StoreError},
    transformers::Shortfall,
};
use budget::Budget;
use lease::Lease;
use single_flight::{Role, SingleFlight};
pub use watching::Watched;

/// On whose behalf a refresh runs, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Which binary.
    pub binary: Binary,
    /// How long fetching may take, real time.
    pub patience: Duration,
    /// When fetching has to be over: `patience` from now, or sooner because of a deadline.
    pub bound: Instant,
    /// How long to hold the lease, real time.
    pub lease: Duration,
    /// How old the last refresh has to be, wall time.
    pub due_after: Duration,
}

/// How a refresh ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// All that was fetched and accepted is stored.
    Refreshed(Arc<Report>),
    /// The lease was refused, and why; the memory knows the item.
    Refused(Prospect),
    /// There was no time left for it when it had the lease.
    Unused,
    /// CoinGecko or the store failed it. What was stored nevertheless is in the report.
    Failed(Arc<Report>),
    /// The store could not say whether it may begin.
    Store(StoreError),
}

/// What a refresh did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Coins whose price was stored, new or seen again.
    pub written: usize,
    /// Coins without a new price, and why.
    pub failed: Vec<(Symbol, Shortfall)>,
    /// Why the refresh as a whole failed.
    pub reason: Option<String>,
    /// Age of the oldest servable price afterwards, wall time.
    pub oldest: Option<Duration>,
}

/// The process's refreshes: at most one under way, one watch of another's, and costs not yet reported.
#[derive(Debug, Default)]
pub struct Refresher {
    leads: SingleFlight<Ended>,
    watches: SingleFlight<Watched>,
    unreported: Mutex<(Capacity, UpstreamTally)>,
}

impl Refresher {
    /// Whether a refresh of this process is under way, so that the lease may be seen held by ourselves.
    pub fn is_leading(&self) -> bool {
        self.leads.is_under_way()
    }

    /// Counts an attempt as it begins.
    pub fn tally_call(&self, is_retry: bool) {
        self.tally(|_, tally| {
            tally.calls += 1;
            tally.retries += u32::from(is_retry);
        });
    }

    /// Counts a refusal.
    pub fn tally_answer(&self, status: Option<StatusCode>) {
        if status == Some(StatusCode::TOO_MANY_REQUESTS) {
            self.tally(|_, tally| tally.rate_limited += 1);
        }
    }

    /// Counts what a request of a refresh consumed.
    pub fn charge<T>(&self, answer: Metered<T>) -> T {
        self.tally(|consumed, _| *consumed += answer.consumed);
        answer.value
    }

    /// Everything counted since the last call: whoever reports next reports it, so that a refresh whose
    /// waiters all went away is not lost.
    pub fn take_unreported(&self) -> (Capacity, UpstreamTally) {
        self.tally(|consumed, tally| (std::mem::take(consumed), std::mem::take(tally)))
    }

    fn tally<T>(&self, count: impl FnOnce(&mut Capacity, &mut UpstreamTally) -> T) -> T {
        let mut unreported = self.unreported.lock().unwrap_or_else(PoisonError::into_inner);
        let (consumed, tally) = &mut *unreported;
        count(consumed, tally)
    }
}

/// Joins the refresh under way in this process, or begins one on these terms, and waits for its end.
pub async fn join(app: &App, terms: Terms) -> (Ended, Role) {
    let (flight, role) = app.refresher.leads.join(|| {
        let app = app.clone();
        async move { run(&app, terms).await }.boxed()
    });
    (flight.await, role)
}

/// Waits, together with all others in this process, until the lease that another holds is given back or runs
/// out, or until `bound`.
pub async fn watch(app: &App, bound: Instant) -> Watched {
    let (flight, _) = app.refresher.watches.join(|| {
        let app = app.clone();
        async move { watching::watch(&app, bound).await }.boxed()
    });
    flight.await
}

/// One refresh. Ends with the lease given back, however it went.
pub async fn run(app: &App, terms: Terms) -> Ended {
    let lease = match lease::acquire(app, &terms).await {
        Ok(Ok(lease)) => lease,
        Ok(Err(item)) => {
            let now = app.clock.now();
            let why = crate::cache::prospect(&item, now, terms.binary, terms.due_after);
            health::learn(app, item, now);
            return Ended::Refused(why);
        }
        Err(error) => {
            tracing::warn!(event = "acquire", "the lease could not be asked for: {error}");
            return Ended::Store(error);
        }
    };
    // A slow store must not look like a slow CoinGecko, which would be backed off from.
    if terms.bound.saturating_duration_since(Instant::now()) < terms.patience / 2 {
        let taken_at = lease.taken_at;
        lease.release(app, ReleaseOutcome::Unused, taken_at).await;
        return Ended::Unused;
    }
    let mut budget = Budget::new(lease.item.retry_tokens);
    let invocation = lease.holder.0.clone();
    let mut fetch = client::Terms {
        bound: terms.bound,
        budget: &mut budget,
        invocation: &invocation,
    };
    match client::fetch(app, &mut fetch).await {
        Ok(fetched) => store(app, lease, budget, fetched).await,
        Err(failure) => give_up(app, lease, budget, terms.binary, &failure).await,
    }
}

/// The fetch succeeded: filter, store, give back.
async fn store(app: &App, lease: Lease, mut budget: Budget, fetched: client::Fetched) -> Ended {
    let fetched_at = app.clock.now();
    let report = writing::write(app, &lease, fetched, fetched_at).await;
    let outcome = if report.reason.is_none() {
        budget.deposit();
        ReleaseOutcome::Refreshed {
            at: fetched_at,
            tokens: budget.left(),
        }
    } else {
        failed(app, &lease, budget, None)
    };
    log(&outcome, &report);
    lease.release(app, outcome, app.clock.now()).await;
    let report = Arc::new(report);
    if report.reason.is_none() {
        Ended::Refreshed(report)
    } else {
        Ended::Failed(report)
    }
}

/// The fetch failed: say until when to leave CoinGecko alone, give back.
async fn give_up(app: &App, lease: Lease, budget: Budget, binary: Binary, failure: &FetchFailure) -> Ended {
    let outcome = match failed(app, &lease, budget, failure.retry_after) {
        // The updater waits longer, and must not be kept from succeeding by those who cannot.
        ReleaseOutcome::Failed {
            failures,
            tokens,
            retry_not_before,
        } if failure.only_slow && binary == Binary::Api => ReleaseOutcome::GaveUp {
            failures,
            tokens,
            api_not_before: retry_not_before,
        },
        outcome => outcome,
    };
    let coins = app.symbols.coins().iter();
    let report = Report {
        failed: coins
            .map(|coin| (coin.symbol.clone(), Shortfall::NotFetched))
            .collect(),
        reason: Some(failure.error.to_string()),
        ..Report::default()
    };
    log(&outcome, &report);
    let taken_at = lease.taken_at;
    lease.release(app, outcome, taken_at).await;
    Ended::Failed(Arc::new(report))
}

/// One more failure in a row, and the pause that follows from it.
fn failed(app: &App, lease: &Lease, budget: Budget, retry_after: Option<Duration>) -> ReleaseOutcome {
    let failures = lease.item.failures.saturating_add(1);
    let pause = probe(failures, app.config.probe_floor, app.config.probe_cap);
    let pause = pause.max(retry_after.unwrap_or_default());
    ReleaseOutcome::Failed {
        failures,
        tokens: budget.left(),
        retry_not_before: app.clock.now().after(pause),
    }
}

fn log(outcome: &ReleaseOutcome, report: &Report) {
    let (name, state, tokens, not_before) = match *outcome {
        ReleaseOutcome::Refreshed { tokens, .. } => ("refreshed", "healthy", tokens, None),
        ReleaseOutcome::Failed {
            tokens,
            retry_not_before,
            ..
        } => ("failed", "backing-off", tokens, Some(retry_not_before)),
        ReleaseOutcome::GaveUp {
            tokens,
            api_not_before,
            ..
        } => ("gave-up", "slow", tokens, Some(api_not_before)),
        ReleaseOutcome::Unused => return,
    };
    tracing::info!(
        event = "refresh",
        outcome = name,
        upstream = state,
        tokens = f64::from(tokens.0) / 10.0,
        retryNotBefore = not_before.map(|Timestamp(at)| at),
        written = report.written,
        failed = report.failed.len(),
        reason = report.reason,
        "refresh ended"
    );
}

#[cfg(test)]
mod tests;
