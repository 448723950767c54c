//! The outermost layer: what every exchange has exactly once, whatever became of it.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    RequestId,
    answer::Telemetry,
    cors,
    headers::{self, REQUEST_ID},
};
use crate::{App, metrics::RequestFacts, problem::Problem};

/// Gives the request its id, runs it, completes its answer, logs it and measures it.
pub(super) async fn exchange(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request.extensions().get::<RequestId>().map_or_else(
        || format!("{:016x}", app.rng.next_u64()),
        |id| id.0.as_ref().to_owned(),
    );
    let route = request.extensions().get::<MatchedPath>().cloned();
    let head = request.method() == Method::HEAD;
    let span = tracing::info_span!("request", request_id = id);
    // A panic of a handler becomes a problem, which then is an answer like any other. The hook has logged what and
    // where; the client learns only that it was us.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answer = answer.instrument(span.clone()).await;
    let mut response = answer.unwrap_or_else(|_| Problem::Internal.into_response());
    let _in = span.enter();
    complete(&mut response, &id, head);
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    record(&app, &response, &id, route, head, started);
    response
}

/// Writes the problem, and the headers that every answer has.
fn complete(response: &mut Response, id: &str, head: bool) {
    if let Some(problem) = response.extensions().get::<Problem>() {
        let body = problem.body(id);
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if !head {
            *response.body_mut() = Body::from(body);
        }
    }
    if matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        // A length of zero would say something of the body that a 200 has, so this one has no length at all.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>());
    }
    let headers = response.headers_mut();
    headers::set(headers, REQUEST_ID, id);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    cors::allow(headers);
}

fn record(app: &App, response: &Response, id: &str, route: &str, head: bool, started: Instant) {
    // Microseconds: what lies below is noise.
    let latency_ms = started.elapsed().as_micros() as f64 / 1000.0;
    let unknown = Telemetry::default();
    let telemetry = response
        .extensions()
        .get::<Box<Telemetry>>()
        .map_or(&unknown, |known| known);
    let facts = RequestFacts {
        at: app.clock.now(),
        environment: app.config.environment,
        request_id: id,
        route,
        status: response.status().as_u16(),
        latency_ms,
        sent_bytes: if head {
            0
        } else {
            response.body().size_hint().exact().unwrap_or(0)
        },
    };
    tracing::info!(
        event = "request",
        route,
        status = facts.status,
        duration_ms = latency_ms,
        cache_status = telemetry.cache_status.as_deref(),
        key = telemetry.key.as_ref().map(|key| key.masked()),
        "answered"
    );
    app.emf.line(&telemetry.metrics.document(&facts));
}
