//! What the harness and the load generator say to each other.
//!
//! The harness writes one [`LoadPlan`] as a line of JSON to the child's standard input; the child writes one
//! [`LoadLine`] a line to its standard output. Its standard error is for people.
//!
//! What many requests have in common is shared: a load played within the harness's own process makes a line for
//! each of a million requests.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The header in which an emulated gateway says which of the environments behind it answered, as a number. No other
/// gateway has it.
pub const ENVIRONMENT_HEADER: &str = "x-emulated-environment";

/// Everything a load generator process has to know. One process plays one `[[load]]` of a scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadPlan {
    /// The scenario file as written (with `--set` applied), to be parsed again by the child.
    pub scenario_toml: String,
    /// Index of the `[[load]]` to play.
    pub load: usize,
    /// The run's seed; the child derives one generator per user from it.
    pub seed: u64,
    /// The run's common anchor, Unix milliseconds of the system clock.
    pub anchor_ms: i64,
    /// Wall seconds per real second.
    pub speed: f64,
    /// Base URLs of the instances; request `n` of a load goes to `n % targets`.
    pub targets: Vec<String>,
    /// The API keys of this load, by index.
    pub keys: Vec<String>,
    /// The supported symbols, most popular first.
    pub symbols: Vec<String>,
    /// Longest time to wait for an answer, real milliseconds.
    pub timeout_ms: u64,
}

/// One line from the load generator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all lines are of the largest variant"
)]
pub enum LoadLine {
    /// The generator is up and waits for its load to begin.
    Ready {
        /// The build id of the `scenarios` crate.
        build: String,
        /// `goose` (closed loop) or `open` (arrivals at a rate).
        engine: String,
    },
    /// One request and its answer.
    Request(RequestLine),
    /// The load was played to its end.
    Done {
        /// Requests sent.
        sent: u64,
        /// Open loop: arrivals that were not sent because too many were in flight.
        dropped: u64,
        /// CPU time of the generator, microseconds.
        cpu_us: u64,
    },
    /// The generator cannot go on.
    Failed {
        /// What, where and what to do.
        message: String,
    },
}

/// One request as the client saw it. Instants are real microseconds since the run's anchor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestLine {
    /// When it was due (open loop) or sent (closed loop).
    pub due_us: u64,
    /// When its first byte was handed to the socket.
    pub sent_us: u64,
    /// When the answer's last byte had been read, or when it failed.
    pub answered_us: u64,
    /// Index of the `[[journey]]`.
    pub journey: u16,
    /// The user (closed loop) or arrival (open loop) number.
    pub user: u32,
    /// Index into the plan's keys; none for a request without a key, or with one that is not among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u32>,
    /// Index into the plan's targets; or the environment that answered, where a gateway says it.
    pub target: u16,
    /// `/prices`, `/prices/{symbol}`, `/health` or `other`.
    pub route: Cow<'static, str>,
    /// The status that an admitted request like this is owed: 200, or 400, 401, 404, 405 for an invalid one.
    /// (`304` is as good as the 200.)
    pub owed: u16,
    /// The symbols asked for, upper case, in order, each once.
    #[serde(default, with = "shared", skip_serializing_if = "<[_]>::is_empty")]
    pub asked: Arc<[String]>,
    /// The status answered; 0 when there was no answer.
    pub status: u16,
    /// Why there was no answer: `timeout`, `connect`, `reset`, `body` or `decode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Body bytes on the wire, as sent (encoded).
    pub wire_bytes: u32,
    /// Body bytes after decoding.
    pub plain_bytes: u32,
    /// Whether the answer was gzip-encoded.
    #[serde(default)]
    pub gzip: bool,
    /// The `Age` header, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u32>,
    /// The `Cache-Status` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_status: Option<String>,
    /// The `Retry-After` header, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    /// Whether a gateway gave the answer by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_gateway: bool,
    /// `code` of the problem document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Prices of a 200, in the order answered.
    #[serde(default, with = "shared", skip_serializing_if = "<[_]>::is_empty")]
    pub prices: Arc<[ServedPrice]>,
    /// Symbols that a 200 named as unavailable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<String>,
    /// Whether this is a repeat after a 429 (`on_reject`).
    #[serde(default)]
    pub repeat: bool,
    /// How much of the time to `answered_us` the client took on purpose to read the answer, µs (`slow_reader`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slow_us: u64,
    /// Index in the scenario of each fault that touched the request, or the wait before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<u16>,
    /// By which number whoever carried it within the harness's own process knows it; none on sockets.
    #[serde(skip)]
    pub number: Option<u64>,
}

impl RequestLine {
    /// When the answer's last byte would have come to a client that reads at once.
    #[must_use]
    pub fn arrived_us(&self) -> u64 {
        self.answered_us.saturating_sub(self.slow_us)
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One price of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServedPrice {
    /// Upper-case symbol.
    #[serde(with = "shared_text")]
    pub symbol: Arc<str>,
    /// The number as written in the JSON.
    #[serde(with = "shared_text")]
    pub price: Arc<str>,
    /// `lastUpdated`, Unix milliseconds.
    pub updated_ms: i64,
}

/// Shared texts are written as texts.
mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Into::into)
    }
}

/// Shared lists are written as lists.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        list: &Arc<[T]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        list[..].serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<[T]>, D::Error> {
        Vec::deserialize(deserializer).map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_as_before_and_read_again() {
        let line = RequestLine {
            route: "/prices".into(),
            asked: ["BTC".to_owned()].into(),
            prices: [ServedPrice {
                symbol: "BTC".into(),
                price: "76975.10".into(),
                updated_ms: 5,
            }]
            .into(),
            ..RequestLine::default()
        };
        let text = serde_json::to_string(&line).expect("a line");
        insta::assert_snapshot!(text, @r#"{"due_us":0,"sent_us":0,"answered_us":0,"journey":0,"user":0,"target":0,"route":"/prices","owed":0,"asked":["BTC"],"status":0,"wire_bytes":0,"plain_bytes":0,"gzip":false,"prices":[{"symbol":"BTC","price":"76975.10","updated_ms":5}],"repeat":false}"#);
        assert_eq!(serde_json::from_str::<RequestLine>(&text).expect("a line"), line);
        let bare = RequestLine::default();
        let text = serde_json::to_string(&bare).expect("a line");
        assert!(!text.contains("asked") && !text.contains("prices"), "{text}");
        assert_eq!(serde_json::from_str::<RequestLine>(&text).expect("a line"), bare);
    }
}
