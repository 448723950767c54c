//! When a store of ours answers.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::client::{AskError, Client};

/// How long a store may take to its first answer, real time.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often it is asked.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until the store lists its tables; what the last try said when it did not in time.
pub(super) async fn ready(client: &Client, within: Duration) -> Result<(), AskError> {
    let until = Instant::now() + within;
    loop {
        let Err(error) = client.ask("ListTables", &json!({})).await else {
            return Ok(());
        };
        if Instant::now() >= until {
            return Err(error);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
