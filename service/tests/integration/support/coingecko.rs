//! A CoinGecko that answers `/coins/markets` for whatever is asked.

use std::fmt::Write;

use axum::{
    Router,
    extract::{Query, State},
    http::HeaderMap,
    response::IntoResponse,
    routing::get,
};

use super::process::{Calls, Stub};

/// Starts it; `calls` gets the key header of each request.
pub(crate) fn start() -> (Stub, Calls) {
    let calls = Calls::default();
    let router = Router::new()
        .route("/api/v3/coins/markets", get(markets))
        .with_state(calls.clone());
    (Stub::start(router), calls)
}

async fn markets(
    State(calls): State<Calls>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> impl IntoResponse {
    calls.push(
        headers
            .get("x-cg-demo-api-key")
            .map_or("keyless", |key| key.to_str().unwrap_or_default()),
    );
    let ids = query
        .iter()
        .find(|(name, _)| name == "ids")
        .map_or("", |(_, ids)| ids);
    let mut body = String::from("[");
    for (index, id) in ids.split(',').enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing into a string does not fail.
        let _ = write!(
            body,
            r#"{comma}{{"id":"{id}","symbol":"x","name":"The {id}","current_price":{}.25,"market_cap":1000000,"price_change_percentage_24h":-1.5,"last_updated":"2026-03-02T00:00:00.000Z"}}"#,
            index + 1
        );
    }
    body.push(']');
    ([("content-type", "application/json; charset=utf-8")], body)
}
