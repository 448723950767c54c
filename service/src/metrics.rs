//! Metrics: one EMF document per request or update, written to a line sink.
//!
//! CloudWatch reads the documents out of the log. Dimensions are `Service` and `Environment` and nothing else:
//! keys, symbols and request ids would each make a metric of their own. A counter that is zero is left out:
//! it adds nothing to a sum, and log bytes cost.

use std::fmt;

use crate::{
    clock::Timestamp,
    config::Environment,
    prices::{Tier, UpstreamTally},
    refresh::health::Health,
    stdout::write_line,
    store::Capacity,
};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "CryptoWatch";

/// One metric, as a document spells it: much the same is written for each request.
#[derive(Clone, Copy, Debug)]
struct Metric {
    /// Its item of the directive.
    declared: &'static str,
    /// What stands before its value.
    member: &'static str,
}

/// The metric of a name, in a unit as CloudWatch spells it.
macro_rules! metric {
    ($name:literal, $unit:literal) => {
        Metric {
            declared: concat!(r#"{"Name":""#, $name, r#"","Unit":""#, $unit, r#""}"#),
            member: concat!(",\"", $name, "\":"),
        }
    };
}

/// Where EMF documents go, one line each.
pub trait Emf: Send + Sync + fmt::Debug {
    /// Writes one document.
    fn line(&self, json: &str);
}

/// Standard output, which Lambda and the simulation read.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdoutEmf;

impl Emf for StdoutEmf {
    fn line(&self, json: &str) {
        write_line(json);
    }
}

/// What a request did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestMetrics {
    /// `RateLimited`: refused by the rate limit.
    pub rate_limited: bool,
    /// `PriceRequests` and `Cache*`: an admitted price request that was answered 200, 304 or
    /// `PRICE_UNAVAILABLE`, and where its worst coin came from.
    pub worst_tier: Option<Tier>,
    /// `Collapsed`: waited for a refresh that another request leads.
    pub collapsed: bool,
    /// `RefreshWaitMs`: spent waiting on a refresh.
    pub refresh_wait_ms: f64,
    /// `UpstreamCalls`, `UpstreamRetries`, `UpstreamRateLimited`.
    pub upstream: UpstreamTally,
    /// How CoinGecko is, when this request reports a refresh.
    pub health: Option<Health>,
    /// `OldestPriceAgeSeconds`: of the prices in the answer.
    pub oldest_price_age_s: Option<f64>,
    /// `BodyBytesIdentity`: the body of a price answer (a 200) before encoding; none for other answers.
    pub identity_bytes: u64,
    /// `EncodedResponses`: the body is sent encoded.
    pub encoded: bool,
    /// `ReadCapacityUnits`, `WriteCapacityUnits`.
    pub consumed: Capacity,
}

/// What only the outermost layer knows about a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// When it was answered.
    pub at: Timestamp,
    /// The deployment.
    pub environment: Environment,
    /// Its id, a property for looking it up.
    pub request_id: &'a str,
    /// The route's pattern, a property.
    pub route: &'a str,
    /// `Status2xx` and so on.
    pub status: u16,
    /// `LatencyMs`: from the request to its answer.
    pub latency_ms: f64,
    /// `BodyBytesSent`: the body as sent, of whatever answer.
    pub sent_bytes: u64,
}

impl RequestMetrics {
    /// The EMF document of a request.
    #[must_use]
    pub fn document(&self, facts: &RequestFacts<'_>) -> String {
        let mut metrics = Metrics(Vec::with_capacity(16));
        metrics.always(metric!("Requests", "Count"), 1.0);
        metrics.always(metric!("LatencyMs", "Milliseconds"), facts.latency_ms);
        let status = match facts.status / 100 {
            2 => metric!("Status2xx", "Count"),
            3 => metric!("Status3xx", "Count"),
            4 => metric!("Status4xx", "Count"),
            _ => metric!("Status5xx", "Count"),
        };
        metrics.always(status, 1.0);
        metrics.flag(metric!("RateLimited", "Count"), self.rate_limited);
        if let Some(tier) = self.worst_tier {
            metrics.always(metric!("PriceRequests", "Count"), 1.0);
            metrics.always(cache_metric(tier), 1.0);
        }
        metrics.flag(metric!("Collapsed", "Count"), self.collapsed);
        metrics.counted(metric!("RefreshWaitMs", "Milliseconds"), self.refresh_wait_ms);
        metrics.upstream(self.upstream);
        metrics.health(self.health);
        if let Some(age) = self.oldest_price_age_s {
            metrics.always(metric!("OldestPriceAgeSeconds", "Seconds"), age);
        }
        metrics.counted(metric!("BodyBytesIdentity", "Bytes"), self.identity_bytes as f64);
        metrics.counted(metric!("BodyBytesSent", "Bytes"), facts.sent_bytes as f64);
        metrics.flag(metric!("EncodedResponses", "Count"), self.encoded);
        metrics.consumed(self.consumed);
        let properties = [("requestId", facts.request_id), ("route", facts.route)];
        metrics.document(facts.at, "api", facts.environment, &properties)
    }
}

/// The metric that counts a request by its worst coin's tier; a collapsed one counts as upstream.
const fn cache_metric(tier: Tier) -> Metric {
    match tier {
        Tier::Memory => metric!("CacheMemory", "Count"),
        Tier::Store => metric!("CacheStore", "Count"),
        Tier::CollapsedMiss | Tier::StoredMiss | Tier::CollapsedStale | Tier::StoredStale => {
            metric!("CacheUpstream", "Count")
        }
        Tier::RevalidatingElsewhere | Tier::StaleIfError => metric!("CacheStale", "Count"),
        Tier::Nothing => metric!("CacheNone", "Count"),
    }
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateMetrics {
    /// `UpdateSucceeded`: it ended well, a skip included.
    pub succeeded: bool,
    /// `UpdateSkipped`: it made no call.
    pub skipped: bool,
    /// `PricesWritten`.
    pub written: usize,
    /// `PricesFailed`: coins without a new price.
    pub failed: usize,
    /// `UpstreamCalls`, `UpstreamRetries`, `UpstreamRateLimited`.
    pub upstream: UpstreamTally,
    /// How CoinGecko is, when the lease item could be had.
    pub health: Option<Health>,
    /// `OldestPriceAgeSeconds`: of the stored prices.
    pub oldest_price_age_s: Option<f64>,
    /// `ReadCapacityUnits`, `WriteCapacityUnits`.
    pub consumed: Capacity,
}

impl UpdateMetrics {
    /// The EMF document of an update.
    #[must_use]
    pub fn document(&self, at: Timestamp, environment: Environment, invocation: &str) -> String {
        let mut metrics = Metrics::default();
        metrics.always(metric!("UpdateRuns", "Count"), 1.0);
        // Both are always there: an alarm on "no update succeeded" must see the zero.
        metrics.always(
            metric!("UpdateSucceeded", "Count"),
            f64::from(u8::from(self.succeeded)),
        );
        metrics.always(
            metric!("UpdateSkipped", "Count"),
            f64::from(u8::from(self.skipped)),
        );
        metrics.counted(metric!("PricesWritten", "Count"), self.written as f64);
        metrics.counted(metric!("PricesFailed", "Count"), self.failed as f64);
        metrics.upstream(self.upstream);
        metrics.health(self.health);
        if let Some(age) = self.oldest_price_age_s {
            metrics.always(metric!("OldestPriceAgeSeconds", "Seconds"), age);
        }
        metrics.consumed(self.consumed);
        metrics.document(at, "update", environment, &[("invocation", invocation)])
    }
}

/// What stands between the instant and the metrics of a document; the namespace stands between the two.
const DIRECTIVE: (&str, &str) = (
    r#","CloudWatchMetrics":[{"Namespace":""#,
    r#"","Dimensions":[["Service","Environment"]],"Metrics":["#,
);

fn push_name(json: &mut String, name: &str) {
    json.push_str(",\"");
    json.push_str(name);
    json.push_str("\":");
}

/// A text that needs no escaping.
fn push_text(json: &mut String, name: &str, value: &str) {
    push_name(json, name);
    json.push('"');
    json.push_str(value);
    json.push('"');
}

/// The metrics of one document.
#[derive(Debug, Default)]
struct Metrics(Vec<(Metric, f64)>);

impl Metrics {
    /// A metric that is there also when it is zero.
    fn always(&mut self, metric: Metric, value: f64) {
        // JSON has no infinities; such a value could only be a defect, and a missing one shows it.
        if value.is_finite() {
            self.0.push((metric, value));
        }
    }

    fn counted(&mut self, metric: Metric, value: f64) {
        if value != 0.0 {
            self.always(metric, value);
        }
    }

    fn flag(&mut self, metric: Metric, value: bool) {
        self.counted(metric, f64::from(u8::from(value)));
    }

    fn upstream(&mut self, tally: UpstreamTally) {
        self.counted(metric!("UpstreamCalls", "Count"), f64::from(tally.calls));
        self.counted(metric!("UpstreamRetries", "Count"), f64::from(tally.retries));
        self.counted(
            metric!("UpstreamRateLimited", "Count"),
            f64::from(tally.rate_limited),
        );
    }

    /// Zeros, too: an alarm on "not healthy" must see them.
    fn health(&mut self, health: Option<Health>) {
        if let Some(health) = health {
            let healthy = f64::from(u8::from(health.is_healthy));
            let tokens = f64::from(health.tokens.0) / 10.0;
            self.always(metric!("UpstreamHealthy", "Count"), healthy);
            self.always(
                metric!("UpstreamBackoffSeconds", "Seconds"),
                health.backs_off.as_secs_f64(),
            );
            self.always(metric!("UpstreamRetryTokens", "Count"), tokens);
        }
    }

    fn consumed(&mut self, consumed: Capacity) {
        self.counted(metric!("ReadCapacityUnits", "Count"), consumed.read);
        self.counted(metric!("WriteCapacityUnits", "Count"), consumed.write);
    }

    fn document(
        &self,
        at: Timestamp,
        service: &str,
        environment: Environment,
        properties: &[(&str, &str)],
    ) -> String {
        use fmt::Write;
        let mut json = String::with_capacity(320 + self.0.len() * 72);
        json.push_str(r#"{"_aws":{"Timestamp":"#);
        // Writing into a string does not fail.
        let _ = write!(json, "{}", at.0);
        json.push_str(DIRECTIVE.0);
        json.push_str(NAMESPACE);
        json.push_str(DIRECTIVE.1);
        for (index, (metric, _)) in self.0.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(metric.declared);
        }
        json.push_str(r#"]}]}"#);
        for (name, value) in [("Service", service), ("Environment", environment.as_str())] {
            push_text(&mut json, name, value);
        }
        for (metric, value) in &self.0 {
            json.push_str(metric.member);
            // Most are whole, and those are written several times as fast.
            let whole = *value as i64;
            let _ = if whole as f64 == *value {
                write!(json, "{whole}")
            } else {
                write!(json, "{value}")
            };
        }
        for (name, value) in properties {
            push_name(&mut json, name);
            json.push_str(&serde_json::to_string(value).unwrap_or_default());
        }
        json.push('}');
        json
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::Value;

    use super::*;

    /// The limits of the EMF specification and of CloudWatch; a document outside them is silently no metric.
    fn check_limits(json: &str) {
        assert!(json.len() < 256 * 1024 && !json.contains('\n'));
        let document: Value = serde_json::from_str(json).expect("JSON");
        let root = document.as_object().expect("an object");
        assert!(document["_aws"]["Timestamp"].is_i64());
        for directive in document["_aws"]["CloudWatchMetrics"]
            .as_array()
            .expect("an array")
        {
            let namespace = directive["Namespace"].as_str().expect("a text");
            assert!((1..=256).contains(&namespace.len()));
            assert!(
                namespace
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._#:/-".contains(&b))
            );
            for set in directive["Dimensions"].as_array().expect("an array") {
                let set = set.as_array().expect("an array");
                assert!(set.len() <= 30);
                for name in set {
                    let name = name.as_str().expect("a text");
                    assert!((1..=250).contains(&name.len()) && !name.starts_with(':'));
                    let value = root[name]
                        .as_str()
                        .expect("dimension values are texts at the root");
                    assert!((1..=1024).contains(&value.len()) && value.is_ascii());
                }
            }
            let metrics = directive["Metrics"].as_array().expect("an array");
            assert!((1..=100).contains(&metrics.len()));
            let mut names = Vec::new();
            for metric in metrics {
                let name = metric["Name"].as_str().expect("a text");
                assert!((1..=1024).contains(&name.len()));
                assert!(root[name].is_number(), "{name} has a value at the root");
                assert!(
                    ["Count", "Milliseconds", "Seconds", "Bytes"]
                        .contains(&metric["Unit"].as_str().expect("a text"))
                );
                assert!(!names.contains(&name), "{name} once");
                names.push(name);
            }
        }
    }

    fn facts() -> RequestFacts<'static> {
        RequestFacts {
            at: Timestamp(1_772_409_600_123),
            environment: Environment::Prod,
            request_id: "r-\"1\"",
            route: "/prices",
            status: 200,
            latency_ms: 1.25,
            sent_bytes: 512,
        }
    }

    #[test]
    fn a_request_is_one_document() {
        let metrics = RequestMetrics {
            worst_tier: Some(Tier::Memory),
            oldest_price_age_s: Some(0.0),
            identity_bytes: 1800,
            encoded: true,
            ..RequestMetrics::default()
        };
        let json = metrics.document(&facts());
        check_limits(&json);
        assert_snapshot!(json, @r#"{"_aws":{"Timestamp":1772409600123,"CloudWatchMetrics":[{"Namespace":"CryptoWatch","Dimensions":[["Service","Environment"]],"Metrics":[{"Name":"Requests","Unit":"Count"},{"Name":"LatencyMs","Unit":"Milliseconds"},{"Name":"Status2xx","Unit":"Count"},{"Name":"PriceRequests","Unit":"Count"},{"Name":"CacheMemory","Unit":"Count"},{"Name":"OldestPriceAgeSeconds","Unit":"Seconds"},{"Name":"BodyBytesIdentity","Unit":"Bytes"},{"Name":"BodyBytesSent","Unit":"Bytes"},{"Name":"EncodedResponses","Unit":"Count"}]}]},"Service":"api","Environment":"prod","Requests":1,"LatencyMs":1.25,"Status2xx":1,"PriceRequests":1,"CacheMemory":1,"OldestPriceAgeSeconds":0,"BodyBytesIdentity":1800,"BodyBytesSent":512,"EncodedResponses":1,"requestId":"r-\"1\"","route":"/prices"}"#);
    }

    #[test]
    fn the_fullest_documents_stay_within_the_limits() {
        let upstream = UpstreamTally {
            calls: 3,
            retries: 2,
            rate_limited: 1,
        };
        let consumed = Capacity {
            read: 25.5,
            write: 3.0,
        };
        let health = Health {
            is_healthy: false,
            backs_off: std::time::Duration::from_millis(239_500),
            tokens: crate::models::RetryTokens(7),
        };
        let request = RequestMetrics {
            rate_limited: true,
            worst_tier: Some(Tier::StaleIfError),
            collapsed: true,
            refresh_wait_ms: 2000.1,
            upstream,
            health: Some(health),
            oldest_price_age_s: Some(4000.0),
            identity_bytes: u64::MAX,
            encoded: true,
            consumed,
        };
        check_limits(&request.document(&facts()));
        let update = UpdateMetrics {
            succeeded: true,
            skipped: true,
            written: 50,
            failed: 1,
            upstream,
            health: Some(health),
            oldest_price_age_s: Some(1.0),
            consumed,
        };
        let json = update.document(Timestamp(0), Environment::Dev, "i");
        check_limits(&json);
        assert!(
            json.contains(r#""UpstreamHealthy":0,"UpstreamBackoffSeconds":239.5,"UpstreamRetryTokens":0.7"#),
            "{json}"
        );
    }

    #[test]
    fn an_update_that_failed_says_zero_succeeded() {
        let json = UpdateMetrics::default().document(Timestamp(0), Environment::Dev, "i");
        check_limits(&json);
        assert!(
            json.contains(r#""UpdateRuns":1,"UpdateSucceeded":0,"UpdateSkipped":0"#),
            "{json}"
        );
    }

    #[test]
    fn a_value_that_json_cannot_hold_is_left_out() {
        let json = RequestMetrics::default().document(&RequestFacts {
            latency_ms: f64::NAN,
            ..facts()
        });
        check_limits(&json);
        assert!(!json.contains("LatencyMs"), "{json}");
    }
}
