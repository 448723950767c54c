//! Fetching the set: its pages, and the retries of each.

use std::time::Duration;

use http::Uri;
use tokio::time::{Instant, sleep};

use super::{
    attempt::{Attempt, AttemptError, try_once},
    backoff::jittered,
    wire::{BadBody, decode},
};
use crate::{
    App,
    config::{Config, Endpoint},
    refresh::budget::Budget,
    symbols::Coin,
    transformers::{Reading, Shortfall, reading},
};

/// Most ids of one call; `/coins/markets` gives no more on a page.
pub const PAGE: usize = 250;
/// An attempt that would be cut sooner than this is not begun.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(50);

/// What each supported coin's turn gave, in the set's order.
pub type Fetched = Vec<Result<Reading, Shortfall>>;

/// A fetch that gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchFailure {
    /// The last attempt's error.
    pub error: AttemptError,
    /// The longest that any attempt was asked to wait, wall time.
    pub retry_after: Option<Duration>,
    /// Whether CoinGecko was merely too slow for the bound: nothing but the cut went wrong.
    pub only_slow: bool,
}

/// What one refresh may do.
#[derive(Debug)]
pub struct Terms<'a> {
    /// When it has to be over, real time.
    pub bound: Instant,
    /// The retry budget.
    pub budget: &'a mut Budget,
    /// Groups the attempts of one refresh in the log: the lease's holder.
    pub invocation: &'a str,
}

/// Fetches the whole supported set.
///
/// # Errors
/// Not one page could be fetched. When a later page cannot, its coins and those after it are
/// [`Shortfall::NotFetched`].
pub async fn fetch(app: &App, terms: &mut Terms<'_>) -> Result<Fetched, FetchFailure> {
    let mut fetched = Fetched::new();
    let mut attempts = 0;
    for page in app.symbols.coins().chunks(PAGE) {
        match fetch_page(app, page, &mut attempts, terms).await {
            Ok(readings) => fetched.extend(readings),
            Err(failure) if fetched.is_empty() => return Err(failure),
            Err(failure) => {
                tracing::warn!(
                    event = "page",
                    "a page of the set could not be fetched: {}",
                    failure.error
                );
                break;
            }
        }
    }
    fetched.resize(app.symbols.coins().len(), Err(Shortfall::NotFetched));
    Ok(fetched)
}

/// One page, with retries. `retries` counts those of the whole refresh.
async fn fetch_page(
    app: &App,
    page: &[Coin],
    retries: &mut u32,
    terms: &mut Terms<'_>,
) -> Result<Fetched, FetchFailure> {
    let uri = page_uri(&app.config, page);
    let mut attempt = 1;
    let mut longest_asked = None;
    loop {
        let this = Attempt {
            uri: &uri,
            number: attempt,
            bound: terms.bound,
            invocation: terms.invocation,
        };
        let read = |body: &[u8]| read_page(body, page, app.config.external_api_endpoint);
        let error = match try_once(app, &this, read).await {
            Ok(readings) => return Ok(readings),
            Err(error) => error,
        };
        longest_asked = longest_asked.max(error.retry_after());
        let failure = |error: AttemptError| FetchFailure {
            only_slow: attempt == 1 && error == AttemptError::Cut,
            retry_after: longest_asked,
            error,
        };
        if !error.is_retryable() || *retries + 1 >= app.config.retry_attempts {
            return Err(failure(error));
        }
        let floor = app.clock.real(error.retry_after().unwrap_or_default());
        let jitter = jittered(
            attempt,
            app.config.retry_base,
            app.config.retry_cap,
            app.rng.unit(),
        );
        let left = terms.bound.saturating_duration_since(Instant::now());
        if floor + jitter + SHORTEST_ATTEMPT > left || !terms.budget.spend() {
            return Err(failure(error));
        }
        sleep(floor + jitter).await;
        *retries += 1;
        attempt += 1;
    }
}

/// The address of one page. Base URL and ids were checked when the configuration was read.
fn page_uri(config: &Config, page: &[Coin]) -> Uri {
    let ids = page.iter().map(|coin| &*coin.id).collect::<Vec<_>>().join(",");
    let base = &config.external_api_url;
    let text = match config.external_api_endpoint {
        Endpoint::Markets => {
            format!("{base}/coins/markets?vs_currency=usd&ids={ids}&per_page={PAGE}")
        }
        Endpoint::Simple => format!(
            "{base}/simple/price?vs_currencies=usd&ids={ids}&include_market_cap=true\
             &include_24hr_change=true&include_last_updated_at=true"
        ),
    };
    text.parse().unwrap_or_default()
}

fn read_page(body: &[u8], page: &[Coin], endpoint: Endpoint) -> Result<Fetched, BadBody> {
    let quotes = decode(body, endpoint)?;
    Ok(page
        .iter()
        .map(|coin| {
            let quote = quotes.iter().find(|quote| quote.id == *coin.id);
            quote.map_or(Err(Shortfall::Missing), reading)
        })
        .collect())
}

#[cfg(test)]
mod tests;
