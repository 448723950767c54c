//! The one table of metrics: what exists, what it means, in which unit, which direction is better.

use std::fmt;

use scenarios::format::{Quantity, nearest};
use schemars::JsonSchema;
use serde::Serialize;

use self::{
    Better::{Higher, Lower, Neither},
    Filter::{Requests, Window},
    Tolerance::{Absolute, Exact, Relative},
};

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A number of things.
    Count,
    /// A number that multiplies, or a distance without a unit.
    Factor,
    /// A fraction; written as a percentage or a plain number.
    Ratio,
    /// Seconds.
    Seconds,
    /// Per wall second.
    PerSecond,
    /// Hundredths of a percent.
    BasisPoints,
    /// US dollars.
    Dollars,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// Whether a limit may be written as `quantity`.
    #[must_use]
    pub fn accepts(self, quantity: Quantity) -> bool {
        match self {
            Self::Count => matches!(quantity, Quantity::Count(_)),
            Self::Factor | Self::Ratio => matches!(quantity, Quantity::Ratio(_) | Quantity::Count(_)),
            Self::Seconds => matches!(quantity, Quantity::Duration(_)),
            Self::PerSecond => matches!(quantity, Quantity::Rate(_)),
            Self::BasisPoints => matches!(quantity, Quantity::BasisPoints(_)),
            Self::Dollars => matches!(quantity, Quantity::Money(_)),
            Self::Bytes => matches!(quantity, Quantity::Bytes(_)),
        }
    }

    /// How to write a limit in this unit.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Count => "a plain number such as 12",
            Self::Factor => "a plain number such as 1.2",
            Self::Ratio => "a share such as 99.9%, or a plain number",
            Self::Seconds => "a duration such as 250ms or 6m",
            Self::PerSecond => "a rate such as 5/s",
            Self::BasisPoints => "basis points such as 25bp",
            Self::Dollars => "an amount such as 1.5 USD",
            Self::Bytes => "a size such as 512KB or 16MB",
        }
    }

    /// Prints a value as people write it: `99.93%`, `1m12s`, `250ms`.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Count | Self::Factor => trimmed(value, 3),
            Self::Ratio => format!("{}%", trimmed(value * 100.0, 2)),
            Self::Seconds => seconds(value),
            Self::PerSecond => format!("{}/s", trimmed(value, 2)),
            Self::BasisPoints => format!("{}bp", trimmed(value, 1)),
            Self::Dollars => format!("{} USD", trimmed(value, 2)),
            Self::Bytes => bytes(value),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Factor => "factor",
            Self::Ratio => "ratio",
            Self::Seconds => "seconds",
            Self::PerSecond => "per_second",
            Self::BasisPoints => "basis_points",
            Self::Dollars => "dollars",
            Self::Bytes => "bytes",
        })
    }
}

/// Prints with at most `digits` decimals and no trailing zeros.
fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

fn bytes(value: f64) -> String {
    match value.abs() {
        size if size < 1e3 => format!("{}B", trimmed(value, 0)),
        size if size < 1e6 => format!("{}KB", trimmed(value / 1e3, 1)),
        size if size < 1e9 => format!("{}MB", trimmed(value / 1e6, 2)),
        _ => format!("{}GB", trimmed(value / 1e9, 2)),
    }
}

fn seconds(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        0.0 => "0s".to_owned(),
        _ if size < 0.001 => format!("{}us", trimmed(size * 1e6, 0)),
        _ if size < 1.0 => format!("{}ms", trimmed(size * 1e3, 1)),
        _ if size < 60.0 => format!("{}s", trimmed(size, 2)),
        _ => {
            // Tenths of a second tell something only of a few minutes.
            let tenths = if size < 3600.0 {
                (size * 10.0).round() as u64
            } else {
                size.round() as u64 * 10
            };
            let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, (tenths % 600) as f64 / 10.0);
            let part = |count: u64, unit: &str| {
                if count > 0 {
                    format!("{count}{unit}")
                } else {
                    String::new()
                }
            };
            let rest = if rest > 0.0 {
                format!("{}s", trimmed(rest, 1))
            } else {
                String::new()
            };
            format!("{}{}{rest}", part(hours, "h"), part(minutes, "m"))
        }
    };
    if value < 0.0 { format!("-{text}") } else { text }
}

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Neither: it describes.
    Neither,
}

/// How much two runs may differ before a comparison calls it a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// Not at all.
    Exact,
    /// By this share of the baseline.
    Relative(f64),
    /// By this much, in the metric's unit.
    Absolute(f64),
}

/// What a check of a metric may be narrowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// `during` and `where`: it is about client requests, each of which can be told apart.
    Requests,
    /// `during` only.
    Window,
}

/// Where a metric can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// On every stack.
    Any,
    /// On the real clock only, where the service is a process.
    Processes,
    /// With `--via lambda` only, where the service is functions.
    Functions,
    /// Not on this one; what it needs.
    Needs(&'static str),
}

/// One metric, or a family of them: `<…>` in a name stands for any part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricDef {
    /// Its name in checks and reports.
    pub name: &'static str,
    /// What it means, in a sentence without its full stop.
    pub meaning: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Which direction is better.
    pub better: Better,
    /// What a comparison of two runs tolerates.
    pub tolerance: Tolerance,
    /// What a check of it may be narrowed to.
    pub filter: Filter,
    /// Where it can be measured.
    pub stack: Stack,
    /// How far the real clock may be from the virtual one; none = not compared.
    pub clocks: Option<Apart>,
    /// Whether virtual time only models it (it depends on drawn latencies, not on what the service does): it is told
    /// there and not judged.
    pub modelled: bool,
}

/// How far a metric of a real run may be from that of the virtual one, and why it may be at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Apart {
    /// By this share of the virtual value …
    pub share: f64,
    /// … or by this much, in the metric's unit, whichever is more.
    pub least: f64,
    /// What makes the clocks differ.
    pub why: &'static str,
    /// Whether it depends on the pace of users, which in a closed loop is that of the answers.
    pub paced: bool,
    /// Whether it depends on how many processes share the requests, since each remembers what it has read itself. Of functions
    /// that is how many invocations overlap, which a fast wall clock multiplies: there it is not compared.
    pub by_process: bool,
}

/// The pace of users; and whether it is that, as for each of these.
const PACE: (&str, bool) = (
    "a closed loop waits for real answers, which take N times as long on a wall clock that runs N times as fast",
    true,
);
/// Refreshes and expiries.
const EDGE: (&str, bool) = (
    "what comes close to a refresh or an expiry may fall on either side of it",
    true,
);
/// Retries and probes.
const JITTER: (&str, bool) = (
    "retries wait for a random time, which each clock draws for itself",
    false,
);
/// Bodies.
const DIGITS: (&str, bool) = (
    "prices are fetched at slightly other instants, so that bodies differ in some digits",
    false,
);
/// Updates.
const START: (&str, bool) = (
    "an update is a process of its own on the real clock, and its start takes time",
    false,
);
/// Alarms.
const MINUTE: (&str, bool) = (
    "a sample close to a whole minute may fall on either side of it, and alarms go by minutes",
    false,
);
/// What must be so on every clock.
const ALWAYS: (&str, bool) = ("nothing does: it must be the same", false);

const fn metric(
    name: &'static str,
    unit: Unit,
    better: Better,
    tolerance: Tolerance,
    filter: Filter,
    meaning: &'static str,
) -> MetricDef {
    MetricDef {
        name,
        meaning,
        unit,
        better,
        tolerance,
        filter,
        stack: Stack::Any,
        clocks: None,
        modelled: false,
    }
}

impl MetricDef {
    /// The same, measured where the service is a process.
    const fn of_processes(mut self) -> Self {
        self.stack = Stack::Processes;
        self
    }

    /// The same, measured where the service is functions.
    const fn of_functions(mut self) -> Self {
        self.stack = Stack::Functions;
        self
    }

    /// The same, compared between the clocks.
    const fn on_both(mut self, share: f64, least: f64, (why, paced): (&'static str, bool)) -> Self {
        self.clocks = Some(Apart {
            share,
            least,
            why,
            paced,
            by_process: false,
        });
        self
    }

    /// The same, which depends on how many processes share the requests.
    const fn by_process(mut self) -> Self {
        if let Some(apart) = &mut self.clocks {
            apart.by_process = true;
        }
        self
    }
}

const fn modelled(metric: MetricDef) -> MetricDef {
    MetricDef {
        modelled: true,
        ..metric
    }
}

const fn elsewhere(
    name: &'static str,
    unit: Unit,
    better: Better,
    needs: &'static str,
    meaning: &'static str,
) -> MetricDef {
    let stack = Stack::Needs(needs);
    MetricDef {
        name,
        meaning,
        unit,
        better,
        tolerance: Exact,
        filter: Window,
        stack,
        clocks: None,
        modelled: false,
    }
}

const COST: &str = "it needs the price table";

/// Every metric.
#[rustfmt::skip]
pub const METRICS: &[MetricDef] = &[
    metric("api.requests", Unit::Count, Neither, Relative(0.01), Requests, "client requests").on_both(0.03, 5.0, PACE),
    metric("api.rps", Unit::PerSecond, Neither, Relative(0.01), Requests, "client requests per wall second"),
    metric("api.status.<code|none>", Unit::Count, Neither, Relative(0.01), Requests, "answers with this status; none = no answer").on_both(0.03, 5.0, PACE),
    metric("api.success", Unit::Ratio, Higher, Absolute(0.001), Requests, "owed requests answered 200 or 304 in time ÷ owed requests; a stale 200 counts").on_both(0.0, 0.005, EDGE),
    metric("api.correct", Unit::Ratio, Higher, Absolute(0.001), Requests, "answers of the class that the replayed rules expect ÷ all but those where both are right").on_both(0.0, 0.005, EDGE),
    modelled(metric("api.latency.p50", Unit::Seconds, Lower, Relative(0.1), Requests, "median real time from due to answered")),
    modelled(metric("api.latency.p95", Unit::Seconds, Lower, Relative(0.1), Requests, "95th percentile of the real time from due to answered")),
    modelled(metric("api.latency.p99", Unit::Seconds, Lower, Relative(0.1), Requests, "99th percentile of the real time from due to answered")),
    modelled(metric("api.latency.p999", Unit::Seconds, Lower, Relative(0.2), Requests, "99.9th percentile of the real time from due to answered")),
    modelled(metric("api.latency.max", Unit::Seconds, Lower, Relative(0.5), Requests, "longest real time from due to answered")),
    metric("api.wait.p99", Unit::Seconds, Lower, Relative(0.1), Window, "99th percentile over all requests of the real time spent waiting on a refresh, as the service reports it"),
    metric("api.wait.max", Unit::Seconds, Lower, Relative(0.2), Window, "longest real time spent waiting on a refresh, as the service reports it"),
    metric("api.age.p99", Unit::Seconds, Lower, Relative(0.05), Requests, "99th percentile of now − fetchedAt of the oldest coin of an answer"),
    metric("api.age.max", Unit::Seconds, Lower, Relative(0.05), Requests, "largest now − fetchedAt of the oldest coin of an answer"),
    metric("api.data_age.p50", Unit::Seconds, Lower, Relative(0.05), Requests, "median of now − CoinGecko's lastUpdated of the oldest coin of an answer"),
    metric("api.data_age.p99", Unit::Seconds, Lower, Relative(0.05), Requests, "99th percentile of now − CoinGecko's lastUpdated of the oldest coin of an answer"),
    metric("api.data_age.max", Unit::Seconds, Lower, Relative(0.05), Requests, "largest now − CoinGecko's lastUpdated of the oldest coin of an answer"),

    metric("api.first_good", Unit::Seconds, Lower, Relative(0.2), Requests, "real time from the start of the window to the first good answer of a request that was owed one"),
    metric("api.memory.max", Unit::Bytes, Lower, Relative(0.1), Window, "peak resident memory of the largest API process").of_processes(),
    metric("api.memory.growth", Unit::Bytes, Lower, Relative(0.2), Window, "by how much the peak resident memory of an API process rose within the window, at the most").of_processes(),

    metric("price.wrong", Unit::Count, Lower, Exact, Requests, "answers with a price that CoinGecko never validly published").on_both(0.0, 0.0, ALWAYS),
    metric("price.missing", Unit::Count, Lower, Exact, Requests, "200s that leave out a coin of which the store held a servable price").on_both(0.0, 0.0, ALWAYS),
    metric("price.backwards", Unit::Count, Lower, Exact, Window, "store writes and answers of one instance that go back to an older lastUpdated").on_both(0.0, 0.0, ALWAYS),
    metric("price.error.p50", Unit::BasisPoints, Lower, Relative(0.1), Requests, "median distance between served price and market, worst coin"),
    metric("price.error.p99", Unit::BasisPoints, Lower, Relative(0.1), Requests, "99th percentile of the distance between served price and market, worst coin"),
    metric("price.error.max", Unit::BasisPoints, Lower, Relative(0.1), Requests, "largest distance between served price and market, worst coin"),

    metric("cache.memory_ratio", Unit::Ratio, Neither, Absolute(0.01), Requests, "share of admitted price requests served from process memory").on_both(0.0, 0.03, EDGE).by_process(),
    metric("cache.store_ratio", Unit::Ratio, Neither, Absolute(0.01), Requests, "share served from DynamoDB").on_both(0.0, 0.03, EDGE).by_process(),
    metric("cache.upstream_ratio", Unit::Ratio, Lower, Absolute(0.01), Requests, "share that waited for a refresh from CoinGecko, their own or another's").on_both(0.0, 0.03, EDGE),
    metric("cache.stale_ratio", Unit::Ratio, Lower, Absolute(0.01), Requests, "share served with a coin older than the TTL").on_both(0.0, 0.03, EDGE),
    metric("cache.none_ratio", Unit::Ratio, Lower, Absolute(0.01), Requests, "share for which at least one coin had nothing servable").on_both(0.0, 0.01, EDGE),
    metric("cache.hit_ratio", Unit::Ratio, Higher, Absolute(0.01), Requests, "memory + store").on_both(0.0, 0.03, EDGE),
    metric("cache.collapsed", Unit::Count, Neither, Relative(0.1), Requests, "answers that waited for another request's refresh, as Cache-Status says"),

    metric("limit.rejected", Unit::Count, Neither, Relative(0.01), Requests, "requests answered 429 by the service").on_both(0.05, 5.0, PACE),
    metric("limit.excess", Unit::Count, Lower, Exact, Window, "admissions that the two-counter rule, replayed, refuses even at its most generous").on_both(0.0, 0.0, ALWAYS),
    metric("limit.overshoot", Unit::Ratio, Lower, Absolute(0.01), Window, "admissions of one key in its worst exact 60 s ÷ limit − 1"),
    metric("limit.false_rejected", Unit::Count, Lower, Exact, Requests, "requests answered 429 that the replayed rule admits at every instant between send and answer").on_both(0.0, 0.0, ALWAYS),
    metric("limit.either", Unit::Count, Neither, Relative(0.1), Requests, "requests for which both a 429 and an admission are right"),
    metric("limit.retry_after_honest", Unit::Ratio, Higher, Exact, Requests, "429s whose Retry-After holds for a client that stays silent until then: by replay, and by the key's next request"),

    metric("upstream.calls", Unit::Count, Lower, Relative(0.01), Window, "calls that reached CoinGecko, refused ones too").on_both(0.15, 3.0, JITTER),
    metric("upstream.first_tries", Unit::Count, Lower, Relative(0.01), Window, "first calls under each acquired lease").on_both(0.15, 3.0, JITTER),
    metric("upstream.retries", Unit::Count, Lower, Relative(0.01), Window, "further calls under the same lease").on_both(0.3, 3.0, JITTER),
    metric("upstream.amplification", Unit::Factor, Lower, Relative(0.02), Window, "calls ÷ first tries"),
    metric("upstream.per_interval.max", Unit::Count, Lower, Exact, Window, "most calls within one update interval").on_both(0.3, 3.0, JITTER),
    metric("upstream.status.<code|none>", Unit::Count, Neither, Relative(0.01), Window, "calls answered with this status; none = hung or cut").on_both(0.15, 3.0, JITTER),
    metric("upstream.concurrent_max", Unit::Count, Lower, Exact, Window, "most calls open at the same time").on_both(0.0, 0.0, ALWAYS),
    metric("upstream.credits", Unit::Count, Lower, Relative(0.01), Window, "calls that cost a monthly credit").on_both(0.15, 3.0, JITTER),
    metric("upstream.quota_pace", Unit::Ratio, Lower, Relative(0.02), Window, "credits × 30 d ÷ duration ÷ the plan's monthly credits"),

    metric("retry.delay.p50", Unit::Seconds, Neither, Relative(0.2), Window, "median real time from an answer to the retry under the same lease"),
    metric("retry.delay.p99", Unit::Seconds, Neither, Relative(0.2), Window, "99th percentile of the real time from an answer to the retry under the same lease"),
    metric("retry.delay.max", Unit::Seconds, Neither, Relative(0.2), Window, "longest real time from an answer to the retry under the same lease"),
    metric("retry.jitter_ks", Unit::Factor, Lower, Absolute(0.05), Window, "Kolmogorov-Smirnov distance of retry delays, Retry-After subtracted, from full jitter (30 retries or more)"),
    metric("retry.after_floor", Unit::Ratio, Higher, Exact, Window, "next calls after a Retry-After that waited at least as long as it says"),
    metric("retry.early", Unit::Count, Lower, Exact, Window, "next calls after a Retry-After that came earlier than it says"),

    metric("gzip.saved", Unit::Ratio, Higher, Absolute(0.01), Requests, "1 − bytes on the wire ÷ plain bytes, over encoded answers").on_both(0.0, 0.02, DIGITS),
    metric("gzip.share", Unit::Ratio, Higher, Absolute(0.01), Requests, "encoded answers ÷ 200s").on_both(0.0, 0.02, PACE),

    metric("update.runs", Unit::Count, Neither, Exact, Window, "update processes that ended").on_both(0.0, 1.0, START),
    metric("update.succeeded", Unit::Count, Higher, Exact, Window, "update processes that ended well").on_both(0.0, 1.0, START),
    metric("update.written", Unit::Count, Higher, Relative(0.01), Window, "prices stored under an updater's lease").on_both(0.02, 50.0, START),
    metric("update.gap_max", Unit::Seconds, Lower, Relative(0.02), Window, "longest time without a stored write of a symbol, ends included"),

    metric("store.reads", Unit::Count, Lower, Relative(0.02), Window, "requests to DynamoDB that read").on_both(0.05, 20.0, EDGE).by_process(),
    metric("store.writes", Unit::Count, Lower, Relative(0.02), Window, "requests to DynamoDB that write").on_both(0.05, 20.0, PACE),
    metric("store.rcu", Unit::Count, Lower, Relative(0.02), Window, "read capacity units").on_both(0.05, 30.0, EDGE).by_process(),
    metric("store.wcu", Unit::Count, Lower, Relative(0.02), Window, "write capacity units").on_both(0.05, 60.0, PACE),
    metric("store.throttled", Unit::Count, Lower, Relative(0.02), Window, "requests to DynamoDB that were refused for want of capacity").on_both(0.1, 5.0, EDGE),
    metric("store.failed", Unit::Count, Lower, Relative(0.02), Window, "requests to DynamoDB that were not answered, or by a status of 500 or above").on_both(0.1, 5.0, EDGE),
    metric("store.lost", Unit::Count, Lower, Exact, Window, "items that the store acknowledged and, asked when all is over, does not have (prices, and the counters of 256 keys), and a lease held longer than one lasts").on_both(0.0, 0.0, ALWAYS),

    metric("lambda.invocations", Unit::Count, Neither, Relative(0.02), Window, "invocations").of_functions().on_both(0.03, 5.0, PACE),
    metric("lambda.cold_starts", Unit::Count, Lower, Relative(0.02), Window, "execution environments started").of_functions(),
    metric("lambda.concurrent_max", Unit::Count, Lower, Relative(0.02), Window, "most invocations at the same time").of_functions(),
    metric("lambda.throttles", Unit::Count, Lower, Relative(0.02), Window, "invocations refused for want of concurrency").of_functions(),
    metric("lambda.timeouts", Unit::Count, Lower, Relative(0.02), Window, "invocations that ran into their timeout").of_functions(),
    metric("lambda.errors", Unit::Count, Lower, Relative(0.02), Window, "invocations that failed").of_functions(),
    metric("lambda.duration.p99", Unit::Seconds, Lower, Relative(0.1), Window, "99th percentile of the real time from an event until its function is ready for the next").of_functions(),
    metric("gateway.refused", Unit::Count, Lower, Relative(0.05), Requests, "requests that the gateway answered 429 by itself: a throttle, or a quota").of_functions(),
    metric("gateway.failed", Unit::Count, Lower, Relative(0.05), Requests, "requests that the gateway answered 5xx by itself: a function failed, took too long, or was throttled").of_functions(),
    metric("alarm.<Name>.fired", Unit::Count, Neither, Exact, Window, "times that the alarm of this logical id fired").of_functions().on_both(0.0, 0.0, ALWAYS),
    metric("alarm.<Name>.fires_within", Unit::Seconds, Lower, Absolute(60.0), Window, "time from the start of the window until the alarm is on; 0 when it was on already").of_functions().on_both(0.0, 60.0, MINUTE),
    metric("alarm.<Name>.clears_within", Unit::Seconds, Lower, Absolute(60.0), Window, "time from the end of the window until the alarm that was on in it is off; 0 when it was off by then").of_functions().on_both(0.0, 60.0, MINUTE),
    metric("alarm.<Name>.false_fires", Unit::Count, Lower, Exact, Window, "times that the alarm fired outside every fault and the time for which it looks back on one").of_functions(),
    elsewhere("cost.run", Unit::Dollars, Lower, COST, "cost of what the run consumed"),
    elsewhere("cost.month", Unit::Dollars, Lower, COST, "cost of a month at this pace"),
    elsewhere("cost.<part>", Unit::Dollars, Lower, COST, "cost of one part"),
];

impl MetricDef {
    /// The part that `<…>` stands for, when `name` is this metric; empty for a metric without such a part.
    #[must_use]
    pub fn matches<'n>(&self, name: &'n str) -> Option<&'n str> {
        let Some((before, rest)) = self.name.split_once('<') else {
            return (self.name == name).then_some("");
        };
        let after = rest.split_once('>').map_or("", |(_, after)| after);
        let part = name.strip_prefix(before)?.strip_suffix(after)?;
        let is_status = self.name.contains("<code|none>");
        let status =
            |part: &str| part == "none" || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()));
        let fits = !part.is_empty() && !part.contains('.') && (!is_status || status(part));
        fits.then_some(part)
    }
}

/// The definition of a metric, and what `<…>` of its name stands for.
#[must_use]
pub fn find(name: &str) -> Option<(&'static MetricDef, &str)> {
    METRICS.iter().find_map(|def| Some((def, def.matches(name)?)))
}

/// The metric whose name is most like `name`, when one is like enough to be meant.
#[must_use]
pub fn suggest(name: &str) -> Option<&'static str> {
    nearest(name, METRICS.iter().map(|def| def.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_families_take_one_part() {
        let names: BTreeSet<&str> = METRICS.iter().map(|def| def.name).collect();
        assert_eq!(names.len(), METRICS.len());
        let found = |name| find(name).map(|(def, part)| (def.name, part));
        assert_eq!(found("api.success"), Some(("api.success", "")));
        assert_eq!(found("api.status.429"), Some(("api.status.<code|none>", "429")));
        assert_eq!(
            found("upstream.status.none"),
            Some(("upstream.status.<code|none>", "none"))
        );
        assert_eq!(
            found("alarm.PricesStale.fires_within"),
            Some(("alarm.<Name>.fires_within", "PricesStale"))
        );
        assert_eq!(found("cost.run").map(|(name, _)| name), Some("cost.run"));
        for unknown in [
            "api.status.4xx",
            "api.status.",
            "api.sucess",
            "alarm..fired",
            "upstream.status.20",
            "",
        ] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
        assert_eq!(suggest("api.sucess"), Some("api.success"));
    }

    #[test]
    fn meanings_are_sentences_without_a_full_stop() {
        for def in METRICS {
            assert!(
                !def.meaning.is_empty() && !def.meaning.ends_with('.'),
                "{}",
                def.name
            );
        }
    }

    #[test]
    fn only_latencies_are_modelled() {
        for def in METRICS {
            assert_eq!(def.modelled, def.name.starts_with("api.latency."), "{}", def.name);
        }
    }

    #[test]
    fn values_are_shown_as_people_write_them() {
        for (unit, value, text) in [
            (Unit::Count, 12.0, "12"),
            (Unit::Count, 0.25, "0.25"),
            (Unit::Ratio, 0.99931, "99.93%"),
            (Unit::Ratio, -1e-9, "0%"),
            (Unit::Seconds, 0.0, "0s"),
            (Unit::Seconds, 0.000_42, "420us"),
            (Unit::Seconds, 0.2512, "251.2ms"),
            (Unit::Seconds, 2.0, "2s"),
            (Unit::Seconds, 539.82, "8m59.8s"),
            (Unit::Seconds, 60.04, "1m"),
            (Unit::Seconds, 3725.4, "1h2m5s"),
            (Unit::Seconds, -90.0, "-1m30s"),
            (Unit::PerSecond, 2.5, "2.5/s"),
            (Unit::BasisPoints, 12.34, "12.3bp"),
            (Unit::Bytes, 0.0, "0B"),
            (Unit::Bytes, 4096.0, "4.1KB"),
            (Unit::Bytes, 13_700_000.0, "13.7MB"),
        ] {
            assert_eq!(unit.show(value), text);
        }
    }
}
