//! HTTP: the routes and the layers around them.
//!
//! Knows nothing of sockets or Lambda: [`crate::serve`] mounts the router on either.

mod answer;
mod cors;
mod etag;
mod exchange;
mod headers;
mod symbols;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
pub use headers::FixedHeaders;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use tokio::time::Instant;

use crate::{App, problem::Problem};

/// Request extension: when the invocation ends, whatever it does. Set by the Lambda mount only.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Request extension: the id that the platform gave the request. Without it one is drawn.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

/// The service as a router.
pub fn router(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/prices", get(many).options(cors::preflight))
        .route("/prices/{symbol}", get(one).options(cors::preflight))
        .route("/health", get(health).options(cors::preflight))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .with_state(app.clone());
    // The only layer: it sees the final status of everything, so that each request is logged, measured, given its
    // id and its CORS headers exactly once; also the only one who can write the id into a problem.
    routes.layer(middleware::from_fn_with_state(app, exchange::exchange))
}

/// `GET /prices?symbols=BTC,ETH`.
async fn many(
    State(app): State<Arc<App>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
    deadline: Option<Extension<Deadline>>,
) -> Response {
    let asked = query.map_err(|_| symbols::unreadable()).map(|Query(pairs)| {
        pairs
            .into_iter()
            .filter(|(name, _)| name == "symbols")
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
    });
    answer::answer(&app, asked, &headers, deadline.map(|Extension(Deadline(at))| at)).await
}

/// `GET /prices/{symbol}`.
async fn one(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    deadline: Option<Extension<Deadline>>,
) -> Response {
    // A comma here is part of the symbol, not a separator: such a symbol is not supported.
    let asked = match path {
        Ok(Path(symbol)) if symbol.contains(',') => {
            Err(Problem::UnknownSymbol(vec![symbols::shown(&symbol)]))
        }
        Ok(Path(symbol)) => Ok(vec![symbol]),
        Err(_) => Err(symbols::unreadable()),
    };
    answer::answer(&app, asked, &headers, deadline.map(|Extension(Deadline(at))| at)).await
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    environment: &'static str,
    version: &'static str,
}

/// `GET /health`: that the process runs, not that its store does, so that a store failure restarts nothing.
async fn health(State(app): State<Arc<App>>) -> impl IntoResponse {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let environment = app.config.environment.as_str();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Health {
        status: "ok",
        environment,
        version: crate::BUILD_ID,
    };
    (headers, serde_json::to_vec(&body).unwrap_or_default())
}
