//! A CoinGecko that answers `/coins/markets` for whatever is asked.

use std::{
    fmt::Write,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

use axum::{
    Router,
    extract::{Query, State},
    http::HeaderMap,
    response::IntoResponse,
    routing::get,
};

use tokio::sync::Semaphore;

use super::process::{Calls, PATIENCE, Stub};

/// Starts it; `calls` gets the key header of each request.
pub(crate) fn start() -> (Stub, Calls) {
    let (calls, (arrivals, _)) = (Calls::default(), channel());
    let open = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    (serve(calls.clone(), arrivals, open), calls)
}

/// Starts it with its answers held back.
pub(crate) fn held_back() -> (Stub, Gate) {
    let (arrivals, arrived) = channel();
    let open = Arc::new(Semaphore::new(0));
    let gate = Gate {
        arrived,
        open: open.clone(),
    };
    (serve(Calls::default(), arrivals, open), gate)
}

/// What holds answers back.
pub(crate) struct Gate {
    arrived: Receiver<()>,
    open: Arc<Semaphore>,
}

impl Gate {
    /// Waits until a request has come.
    pub(crate) fn wait_for_request(&self) {
        self.arrived.recv_timeout(PATIENCE).expect("a request");
    }

    /// Lets one answer go.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }
}

type Desk = (Calls, Sender<()>, Arc<Semaphore>);

fn serve(calls: Calls, arrivals: Sender<()>, open: Arc<Semaphore>) -> Stub {
    let desk: Desk = (calls, arrivals, open);
    Stub::start(
        Router::new()
            .route("/api/v3/coins/markets", get(markets))
            .with_state(desk),
    )
}

async fn markets(
    State((calls, arrivals, open)): State<Desk>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> impl IntoResponse {
    calls.push(
        headers
            .get("x-cg-demo-api-key")
            .map_or("keyless", |key| key.to_str().unwrap_or_default()),
    );
    // Nobody listens where nothing is held back.
    let _ = arrivals.send(());
    open.acquire().await.expect("never closed").forget();
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
