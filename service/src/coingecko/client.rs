//! Fetching the set: pages, attempts, their timeouts and retries, one log line an attempt.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use tokio::time::{Instant, sleep, timeout_at};
use tower::ServiceExt;

use super::{
    backoff::jittered,
    retry_after::retry_after,
    upstream::{BoxError, UpstreamBody},
    wire::{BadBody, decode},
};
use crate::{
    App,
    config::{Config, Endpoint},
    models::Timestamp,
    refresh::budget::Budget,
    symbols::Coin,
    transformers::{Reading, Shortfall, reading},
};

/// Most ids of one call; `/coins/markets` gives no more on a page.
pub const PAGE: usize = 250;
/// Longest body that is read. 250 coins with all fields are about 250 kB.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// An attempt that would be cut sooner than this is not begun.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(50);

/// What each supported coin's turn gave, in the set's order.
pub type Fetched = Vec<Result<Reading, Shortfall>>;

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// It answered with something else than 200.
    #[error("coingecko answered {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// What `Retry-After` asks for, wall time.
        retry_after: Option<Duration>,
    },
    /// It did not answer within the attempt's timeout.
    #[error("coingecko did not answer in time")]
    Timeout,
    /// The bound of the refresh came first.
    #[error("coingecko had not answered when the refresh had to end")]
    Cut,
    /// The exchange broke.
    #[error("coingecko could not be reached: {0}")]
    Transport(String),
    /// It answered 200 with something unusable.
    #[error(transparent)]
    Body(#[from] BadBody),
}

impl AttemptError {
    /// Retried: 408, 429, 5xx, transport, timeout, unreadable body; never other 4xx.
    fn is_retryable(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            Self::Timeout | Self::Transport(_) | Self::Body(_) => true,
            Self::Cut => false,
        }
    }

    /// What `Retry-After` asked for, wall time.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The name in the log.
    const fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Status { .. } => None,
            Self::Timeout => Some("timeout"),
            Self::Cut => Some("cut"),
            Self::Transport(_) => Some("transport"),
            Self::Body(_) => Some("body"),
        }
    }
}

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
        let error = match try_once(app, &uri, page, attempt, terms).await {
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

/// One attempt, counted and logged however it ends.
async fn try_once(
    app: &App,
    uri: &Uri,
    page: &[Coin],
    attempt: u32,
    terms: &Terms<'_>,
) -> Result<Fetched, AttemptError> {
    let log = AttemptLog::begin(app, uri, attempt, terms.invocation);
    let limit = (log.started + app.config.attempt_timeout).min(terms.bound);
    let answer = match timeout_at(limit, exchange(app, uri)).await {
        Ok(answer) => answer,
        Err(_) if limit == terms.bound => Err(Broken {
            status: None,
            error: AttemptError::Cut,
        }),
        Err(_) => Err(Broken {
            status: None,
            error: AttemptError::Timeout,
        }),
    };
    let result = answer.and_then(|body| {
        let ok = Some(StatusCode::OK);
        read_page(&body, page, app.config.external_api_endpoint).map_err(|error| Broken {
            status: ok,
            error: error.into(),
        })
    });
    match result {
        Ok(readings) => {
            log.end(Some(StatusCode::OK), None);
            Ok(readings)
        }
        Err(Broken { status, error }) => {
            app.refresher.tally_answer(status);
            log.end(status, Some(&error));
            Err(error)
        }
    }
}

/// A failed exchange, with the status if one came.
struct Broken {
    status: Option<StatusCode>,
    error: AttemptError,
}

async fn exchange(app: &App, uri: &Uri) -> Result<Bytes, Broken> {
    let transport = |status: Option<StatusCode>, error: &BoxError| Broken {
        status,
        error: AttemptError::Transport(chain(error.as_ref())),
    };
    let request = request(&app.config, uri).map_err(|error| transport(None, &error.into()))?;
    let answer = app
        .upstream
        .clone()
        .oneshot(request)
        .await
        .map_err(|error| transport(None, &error))?;
    let status = answer.status();
    if status != StatusCode::OK {
        let retry_after = retry_after(answer.headers(), app.clock.now());
        return Err(Broken {
            status: Some(status),
            error: AttemptError::Status { status, retry_after },
        });
    }
    read_body(answer.into_body()).await.map_err(|error| Broken {
        status: Some(status),
        error,
    })
}

/// The whole body, or as much of it as is too much.
async fn read_body(mut body: UpstreamBody) -> Result<Bytes, AttemptError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| AttemptError::Transport(chain(error.as_ref())))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > BODY_LIMIT {
            return Err(BadBody(format!("longer than {BODY_LIMIT} bytes")).into());
        }
    }
    Ok(bytes.freeze())
}

fn request(config: &Config, uri: &Uri) -> Result<Request<Empty<Bytes>>, http::Error> {
    let mut request = Request::get(uri)
        .header(
            header::USER_AGENT,
            concat!("crypto-watch/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity");
    if let (Some(name), Some(key)) = (config.external_api_plan.key_header(), &config.external_api_key) {
        request = request.header(name, key.expose());
    }
    request.body(Empty::new())
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

/// An error and its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Writes the one log line of an attempt, also when the attempt is dropped half-way.
struct AttemptLog<'a> {
    at: Timestamp,
    started: Instant,
    path: &'a str,
    attempt: u32,
    invocation: &'a str,
    ended: bool,
}

impl<'a> AttemptLog<'a> {
    fn begin(app: &App, uri: &'a Uri, attempt: u32, invocation: &'a str) -> Self {
        app.refresher.tally_call(attempt > 1);
        Self {
            at: app.clock.now(),
            started: Instant::now(),
            path: uri.path(),
            attempt,
            invocation,
            ended: false,
        }
    }

    fn end(mut self, status: Option<StatusCode>, error: Option<&AttemptError>) {
        self.ended = true;
        let retry_after = error
            .and_then(AttemptError::retry_after)
            .map(|wait| wait.as_secs());
        self.write(status, error.and_then(AttemptError::kind), retry_after);
        if let Some(error) = error {
            tracing::debug!(event = "attempt", attempt = self.attempt, "{error}");
        }
    }

    fn write(&self, status: Option<StatusCode>, error: Option<&str>, retry_after: Option<u64>) {
        tracing::info!(
            event = "upstream",
            at = self.at.0,
            path = self.path,
            status = status.map(|status| status.as_u16()),
            error,
            latencyMs = self.started.elapsed().as_secs_f64() * 1e3,
            retryAfter = retry_after,
            attempt = self.attempt,
            invocation = self.invocation,
            "called coingecko"
        );
    }
}

impl Drop for AttemptLog<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.write(None, Some("dropped"), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_retried() {
        let status = |code: u16| AttemptError::Status {
            status: StatusCode::from_u16(code).expect("a status"),
            retry_after: None,
        };
        for code in [408, 429, 500, 502, 503, 504, 520, 522] {
            assert!(status(code).is_retryable(), "{code}");
        }
        for code in [301, 400, 401, 403, 404, 414, 422] {
            assert!(!status(code).is_retryable(), "{code}");
        }
        assert!(AttemptError::Timeout.is_retryable() && !AttemptError::Cut.is_retryable());
    }
}
