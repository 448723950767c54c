//! Filtering what was fetched against what is stored, and storing it, while the lease lasts.

use std::{collections::BTreeMap, time::Duration};

use rust_decimal::prelude::ToPrimitive;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Report,
    lease::Lease,
    sanity::{Rules, Verdict, judge},
};
use crate::{
    App,
    coingecko::{backoff::jittered, client::Fetched},
    models::{StoredPrice, Symbol, Timestamp},
    store::{Consistency, MAX_BATCH_READ, MAX_BATCH_WRITE, PriceBatch, StoreError},
    transformers::Shortfall,
};

/// Backoff between tries of what the store left out, real time: first upper end, and longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// What is stored, by symbol.
type Stored = BTreeMap<Symbol, StoredPrice>;

/// Stores what may be stored, within `WRITE_TIMEOUT`. The memory then knows what is in the store.
pub(super) async fn write(app: &App, lease: &Lease, fetched: Fetched, fetched_at: Timestamp) -> Report {
    let deadline = Instant::now() + app.config.write_timeout;
    if !lease.outlives(app, app.config.write_timeout) {
        return nothing_stored(app, "the lease no longer outlives a write");
    }
    let mut stored = match read(app, deadline).await {
        Ok(stored) => stored,
        Err(reason) => return nothing_stored(app, &reason),
    };
    stored.retain(|_, price| price.is_servable(fetched_at));
    let plan = Plan::make(app, fetched, &stored, fetched_at);
    let (left_out, trouble) = write_all(app, lease, &plan.writes, deadline).await;

    let mut report = Report {
        failed: plan.failed,
        ..Report::default()
    };
    for price in plan.writes {
        if left_out.contains(&price.symbol) {
            report.failed.retain(|(symbol, _)| *symbol != price.symbol);
            report.failed.push((price.symbol, Shortfall::NotStored));
            continue;
        }
        report.written += usize::from(price.fetched_at == fetched_at);
        stored.insert(price.symbol.clone(), price);
    }
    remember(app, &stored);
    let now = app.clock.now();
    report.oldest = stored.values().map(|price| now.since(price.fetched_at)).max();
    report.reason = match (trouble, report.written) {
        (Some(trouble), _) => Some(trouble),
        (None, 0) => Some(format!(
            "not one price of the answer could be used: {}",
            summary(&report.failed)
        )),
        (None, _) => None,
    };
    report
}

/// What follows from a fetch.
struct Plan {
    /// To be stored.
    writes: Vec<StoredPrice>,
    /// Without a new price.
    failed: Vec<(Symbol, Shortfall)>,
}

impl Plan {
    fn make(app: &App, fetched: Fetched, stored: &Stored, now: Timestamp) -> Self {
        let rules = Rules {
            retention: app.config.price_retention,
            jump_factor: app.config.price_jump_factor.to_f64().unwrap_or(f64::INFINITY),
        };
        let mut plan = Self {
            writes: Vec::new(),
            failed: Vec::new(),
        };
        for (coin, reading) in app.symbols.coins().iter().zip(fetched) {
            match judge(coin, reading, stored.get(&coin.symbol), now, rules) {
                Verdict::Store(price) => plan.writes.push(price),
                Verdict::Hold(price) => {
                    plan.failed.push((coin.symbol.clone(), Shortfall::Held));
                    plan.writes.push(price);
                }
                Verdict::Leave(shortfall) => plan.failed.push((coin.symbol.clone(), shortfall)),
            }
        }
        plan
    }
}

/// Reads the whole set, strongly consistent.
async fn read(app: &App, deadline: Instant) -> Result<Stored, String> {
    let mut wanted = app
        .symbols
        .coins()
        .iter()
        .map(|coin| coin.symbol.clone())
        .collect::<Vec<_>>();
    let mut stored = Stored::new();
    let mut tries = 0;
    while !wanted.is_empty() {
        let rest = wanted.split_off(wanted.len().min(MAX_BATCH_READ));
        let batch = timeout_at(deadline, app.store.prices(&wanted, Consistency::Strong)).await;
        let PriceBatch { prices, unprocessed } = match batch {
            Ok(Ok(answer)) => app.refresher.charge(answer),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("reading the stored prices took too long".to_owned()),
        };
        stored.extend(prices.into_iter().map(|price| (price.symbol.clone(), price)));
        let again = !unprocessed.is_empty();
        wanted = rest;
        wanted.extend(unprocessed);
        if again {
            tries += 1;
            pause(app, tries, deadline)
                .await
                .ok_or("the store left prices unread for too long")?;
        }
    }
    Ok(stored)
}

/// Writes in batches; gives the symbols that could not be written, and why.
async fn write_all(
    app: &App,
    lease: &Lease,
    prices: &[StoredPrice],
    deadline: Instant,
) -> (Vec<Symbol>, Option<String>) {
    let mut wanted: Vec<StoredPrice> = prices.to_vec();
    let mut tries = 0;
    let mut trouble = None;
    while !wanted.is_empty() && trouble.is_none() {
        let rest = wanted.split_off(wanted.len().min(MAX_BATCH_WRITE));
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || !lease.outlives(app, left) {
            wanted.extend(rest);
            trouble = Some("the lease no longer outlives a write".to_owned());
            break;
        }
        let answer = match timeout_at(deadline, app.store.write_prices(&wanted)).await {
            Err(_) => Err("storing the prices took too long".to_owned()),
            Ok(Err(error @ StoreError::Rejected { .. })) => Err(error.to_string()),
            // Nothing happened, or it may have and may again.
            Ok(Err(error)) => {
                tracing::warn!(event = "write", "a batch of prices was not stored: {error}");
                Ok(wanted.iter().map(|price| price.symbol.clone()).collect())
            }
            Ok(Ok(answer)) => Ok(app.refresher.charge(answer)),
        };
        match answer {
            Ok(unprocessed) => {
                wanted.retain(|price| unprocessed.contains(&price.symbol));
                if !unprocessed.is_empty() {
                    tries += 1;
                    if pause(app, tries, deadline).await.is_none() {
                        trouble = Some("the store left prices unwritten for too long".to_owned());
                    }
                }
            }
            Err(error) => trouble = Some(error),
        }
        let mut next = rest;
        next.append(&mut wanted);
        wanted = next;
    }
    (wanted.into_iter().map(|price| price.symbol).collect(), trouble)
}

/// Sleeps before the next try; `None` when that would pass the deadline.
async fn pause(app: &App, tries: u32, deadline: Instant) -> Option<()> {
    let (base, cap) = AGAIN;
    let pause = jittered(tries, base, cap, app.rng.unit());
    if Instant::now() + pause >= deadline {
        return None;
    }
    sleep(pause).await;
    Some(())
}

/// All of the set was just seen, so what is not there is known not to be.
fn remember(app: &App, stored: &Stored) {
    let all: Vec<_> = app
        .symbols
        .coins()
        .iter()
        .map(|coin| coin.symbol.clone())
        .collect();
    let prices: Vec<_> = stored.values().cloned().collect();
    app.memory.learn(&app.symbols, &all, &prices, app.clock.now());
}

fn nothing_stored(app: &App, reason: &str) -> Report {
    let coins = app.symbols.coins().iter();
    Report {
        failed: coins
            .map(|coin| (coin.symbol.clone(), Shortfall::NotStored))
            .collect(),
        reason: Some(reason.to_owned()),
        ..Report::default()
    }
}

/// How many coins failed for which reason.
fn summary(failed: &[(Symbol, Shortfall)]) -> String {
    let mut counts = BTreeMap::<Shortfall, usize>::new();
    for (_, shortfall) in failed {
        *counts.entry(*shortfall).or_default() += 1;
    }
    counts
        .iter()
        .map(|(shortfall, count)| format!("{count} {shortfall}"))
        .collect::<Vec<_>>()
        .join(", ")
}
