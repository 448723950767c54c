//! One price request, from its key to its answer.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::Instant;

use super::{
    etag::ContentTag,
    headers::{self, CACHE_STATUS, Worst},
    symbols,
};
use crate::{
    App,
    auth::{AuthError, TOUCH_EVERY},
    clock::Timestamp,
    compression,
    config::Compression,
    metrics::RequestMetrics,
    models::KeyId,
    prices::{self, Lookup},
    problem::Problem,
    rate_limit::Outcome,
    store::{Capacity, StoreError},
    transformers,
};

/// Headers of an answer, those that the outermost layer adds included: made room for at once.
const MOST_HEADERS: usize = 14;

/// Response extension: what the outermost layer logs and measures.
#[derive(Clone, Debug, Default)]
pub(super) struct Telemetry {
    /// For the EMF document.
    pub(super) metrics: RequestMetrics,
    /// The key, when it is a valid one.
    pub(super) key: Option<KeyId>,
    /// The `Cache-Status` value, without the cache's name.
    pub(super) cache_status: Option<String>,
}

/// Answers a price request. `asked` are the lists of symbols, or why there are none.
pub(super) async fn answer(
    app: &App,
    asked: Result<Vec<String>, Problem>,
    request: &HeaderMap,
    deadline: Option<Instant>,
) -> Response {
    let mut telemetry = Telemetry::default();
    // What holds for the answer whether it becomes prices or a problem.
    let mut common = HeaderMap::with_capacity(MOST_HEADERS);
    let outcome = exchange(app, asked, request, deadline, &mut telemetry, &mut common).await;
    if outcome
        .as_ref()
        .is_err_and(|problem| *problem == Problem::StoreUnavailable)
    {
        // Nothing can be served, as when there is nothing.
        let nothing = Worst::NOTHING.header();
        headers::set(&mut common, CACHE_STATUS, &nothing);
        telemetry.cache_status = Some(nothing);
    }
    let mut response = match outcome {
        Ok((status, body)) => {
            let mut response = Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = common;
            response
        }
        Err(problem) => {
            let mut response = problem.into_response();
            response.headers_mut().extend(common);
            response
        }
    };
    response.extensions_mut().insert(Box::new(telemetry));
    response
}

async fn exchange(
    app: &App,
    asked: Result<Vec<String>, Problem>,
    request: &HeaderMap,
    deadline: Option<Instant>,
    telemetry: &mut Telemetry,
    common: &mut HeaderMap,
) -> Result<(StatusCode, Body), Problem> {
    let now = app.clock.now();
    let key = app
        .keys
        .authenticate(
            &*app.store,
            request,
            now,
            app.config.key_cache,
            &mut telemetry.metrics.consumed,
        )
        .await
        .map_err(|error| match error {
            AuthError::Unauthorized => Problem::Unauthorized,
            AuthError::Store(error) => store_problem(&error),
        })?;
    telemetry.key = Some(key.clone());
    // Before the limit: what can never be answered does not use up the quota.
    let symbols = symbols::parse(&app.symbols, &asked?)?;
    let limit = app.config.rate_limit_per_minute;
    let verdict = app
        .limiter
        .admit(&*app.store, &key, limit, app.clock.now())
        .await
        .map_err(|error| store_problem(&error))?;
    telemetry.metrics.consumed += verdict.consumed;
    headers::quota(common, &app.fixed_headers, verdict.outcome);
    if let Outcome::Refused { retry_after } = verdict.outcome {
        telemetry.metrics.rate_limited = true;
        return Err(Problem::RateLimitExceeded { retry_after });
    }
    let (lookup, touched) = tokio::join!(prices::lookup(app, &symbols, deadline), touch(app, &key));
    telemetry.metrics.consumed += touched;
    let lookup = lookup.map_err(|error| store_problem(&error))?;
    respond(app, request, &lookup, telemetry, common)
}

/// Turns what was found into the answer.
fn respond(
    app: &App,
    request: &HeaderMap,
    lookup: &Lookup,
    telemetry: &mut Telemetry,
    common: &mut HeaderMap,
) -> Result<(StatusCode, Body), Problem> {
    let now = app.clock.now();
    let worst = Worst::of(lookup, now, app.config.cache_ttl);
    let cache_status = worst.header();
    headers::set(common, CACHE_STATUS, &cache_status);
    telemetry.cache_status = Some(cache_status);
    let oldest = lookup.found.iter().map(|quote| quote.price.fetched_at).min();
    let metrics = &mut telemetry.metrics;
    metrics.worst_tier = Some(worst.tier);
    metrics.collapsed = lookup.collapsed;
    metrics.refresh_wait_ms = lookup.waited.as_secs_f64() * 1000.0;
    metrics.upstream = lookup.upstream;
    metrics.health = (lookup.upstream.calls > 0)
        .then(|| app.memory.health(now))
        .flatten();
    metrics.consumed += lookup.consumed;
    let Some(oldest) = oldest else {
        return Err(Problem::PriceUnavailable {
            retry_after: lookup.retry_after,
        });
    };
    let age_ms = (now.0 - oldest.0).max(0);
    metrics.oldest_price_age_s = Some(age_ms as f64 / 1000.0);
    common.insert(header::AGE, HeaderValue::from(age_ms / 1000));
    app.fixed_headers.cache_control(common);
    let prices = lookup.found.iter().map(|quote| &*quote.price);
    let body = transformers::answer(prices, &lookup.unavailable);
    let tag = ContentTag::of(&body);
    headers::set(common, header::ETAG, &tag.header());
    if tag.is_known_to(request) {
        return Ok((StatusCode::NOT_MODIFIED, Body::empty()));
    }
    metrics.identity_bytes = body.len() as u64;
    common.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let encoded = (app.config.compression == Compression::On && compression::wants_gzip(request))
        .then(|| app.bodies.gzip(tag.0, &body))
        .flatten();
    metrics.encoded = encoded.is_some();
    if encoded.is_some() {
        common.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let body = encoded.unwrap_or_else(|| Bytes::from(body));
    Ok((StatusCode::OK, Body::from(body)))
}

/// Writes `lastUsedAt` when it is due; gives what that cost. Nobody is refused because it failed.
async fn touch(app: &App, key: &KeyId) -> Capacity {
    let now = app.clock.now();
    if !app.keys.touch_due(key, now) {
        return Capacity::default();
    }
    let not_since = Timestamp(now.0 - i64::try_from(TOUCH_EVERY.as_millis()).unwrap_or(0));
    match app.store.touch_api_key(key, now, not_since).await {
        Ok(touched) => touched.consumed,
        Err(error) => {
            tracing::warn!(event = "store", error = %error, "lastUsedAt was not written");
            Capacity::default()
        }
    }
}

fn store_problem(error: &StoreError) -> Problem {
    tracing::warn!(event = "store", error = %error, "the store failed");
    Problem::StoreUnavailable
}
