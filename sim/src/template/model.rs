//! What a template deploys in one environment, with every intrinsic function resolved: what the emulators are made of.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// The value of the parameter `Environment`.
    pub environment: String,
    /// The functions, by logical id.
    pub functions: BTreeMap<String, Function>,
    /// The REST API.
    pub api: RestApi,
    /// What invokes functions on a schedule, in the template's order.
    pub schedules: Vec<Schedule>,
    /// The table.
    pub table: Table,
    /// The alarms that this environment has, in the template's order.
    pub alarms: Vec<Alarm>,
    /// The log groups.
    pub log_groups: Vec<LogGroup>,
}

/// A Lambda function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name in AWS.
    pub name: String,
    /// The package, as the template has it: relative to the template.
    pub code: PathBuf,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Memory, MB of 2^20 bytes, which decides the share of a CPU, too.
    pub memory_mb: u32,
    /// Its environment variables, without those that Lambda sets.
    pub environment: BTreeMap<String, String>,
    /// How many of it may run at the same time, taken from the account's.
    pub reserved_concurrency: Option<u32>,
    /// What becomes of asynchronous invocations that fail.
    pub asynchronous: AsyncInvoke,
    /// Lines of JSON, or of text.
    pub log_format: LogFormat,
    /// The level below which Lambda drops a JSON line: `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`.
    pub application_log_level: Option<String>,
    /// Where its lines go.
    pub log_group: Option<String>,
}

/// How Lambda treats an event that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsyncInvoke {
    /// How often an invocation that failed is tried again; 0 to 2.
    pub retries: u32,
    /// The age at which an event is dropped.
    pub max_age: Duration,
}

/// The form of a function's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// A rule that invokes a function in intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The rule's name.
    pub name: String,
    /// Logical id of the function.
    pub function: String,
    /// `rate(5 minutes)` or `cron(0/5 * * * ? *)`.
    pub expression: String,
    /// Whether it fires.
    pub enabled: bool,
    /// How often EventBridge delivers again when Lambda does not take the event.
    pub retries: u32,
    /// The age at which EventBridge drops an event.
    pub max_age: Duration,
}

/// A stage of a REST API.
#[derive(Clone, Debug, PartialEq)]
pub struct RestApi {
    /// Its name, a dimension of its metrics.
    pub name: String,
    /// The stage.
    pub stage: String,
    /// Media types that are binary, such as `*/*`.
    pub binary_media_types: Vec<String>,
    /// From which size on the gateway itself compresses, bytes.
    pub minimum_compression_size: Option<u32>,
    /// What can be asked for.
    pub methods: Vec<Method>,
    /// Answers that the gateway gives by itself, by type, such as `THROTTLED`.
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
    /// Limits of the stage, by method, or of all of them (`*` for both path and method).
    pub stage_throttles: Vec<StageThrottle>,
    /// The usage plans that are attached to this stage.
    pub usage_plans: Vec<UsagePlan>,
}

/// A method of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// `/prices/{symbol}`
    pub resource: String,
    /// Upper case; `ANY` for all.
    pub http_method: String,
    /// Whether a key of a usage plan is needed.
    pub api_key_required: bool,
    /// Who answers.
    pub integration: Integration,
}

/// What stands behind a method.
#[derive(Clone, Debug, PartialEq)]
pub enum Integration {
    /// A function, with the whole request as its event (`aws_proxy`).
    Lambda {
        /// Logical id of the function.
        function: String,
        /// How long the gateway waits for it.
        timeout: Duration,
    },
    /// The gateway itself.
    Mock(Mock),
}

/// A mock integration.
#[derive(Clone, Debug, PartialEq)]
pub struct Mock {
    /// What is done to the body of the request: without `ToText` a template cannot be applied to a binary one.
    pub content_handling: Option<ContentHandling>,
    /// `never`, `when_no_match` or `when_no_templates`: what becomes of a body whose type has no template.
    pub passthrough: String,
    /// By media type; the mock answers with the `statusCode` of what comes of it.
    pub request_templates: BTreeMap<String, String>,
    /// By the pattern of a status, or `default`.
    pub responses: BTreeMap<String, MockResponse>,
}

/// What a mock answers.
#[derive(Clone, Debug, PartialEq)]
pub struct MockResponse {
    /// The status of the answer.
    pub status: u16,
    /// What is done to the body of the answer.
    pub content_handling: Option<ContentHandling>,
    /// Header name (lower case) → value, such as `'*'` (with its quotes) or `context.requestId`.
    pub headers: BTreeMap<String, String>,
    /// By media type.
    pub templates: BTreeMap<String, String>,
}

/// How a body is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentHandling {
    /// `CONVERT_TO_TEXT`
    ToText,
    /// `CONVERT_TO_BINARY`
    ToBinary,
}

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayResponse {
    /// Another status than the type's.
    pub status: Option<u16>,
    /// Header name, as written → value, such as `'*'` (with its quotes) or `context.requestId`.
    pub headers: BTreeMap<String, String>,
    /// By media type.
    pub templates: BTreeMap<String, String>,
}

/// A limit of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageThrottle {
    /// A resource such as `/prices/{symbol}`, or `*` for all.
    pub resource: String,
    /// A method, or `*` for all.
    pub http_method: String,
    /// The limit.
    pub throttle: Throttle,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// Tokens a second.
    pub rate: f64,
    /// Its size.
    pub burst: u32,
}

/// What the holders of keys may use.
#[derive(Clone, Debug, PartialEq)]
pub struct UsagePlan {
    /// Its name.
    pub name: String,
    /// Of each key and method.
    pub throttle: Option<Throttle>,
    /// Of each key.
    pub quota: Option<Quota>,
}

/// How many requests a key has in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// So many.
    pub limit: u64,
    /// In this period (UTC).
    pub period: Period,
    /// From its first period, so many are taken off.
    pub offset: u64,
}

/// The period of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Sunday on.
    Week,
    /// From the first on.
    Month,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Partition and sort key.
    pub key: (String, String),
    /// Name, partition and sort key of each global index.
    pub indexes: Vec<(String, String, String)>,
    /// The attribute of the time to live.
    pub ttl: Option<String>,
    /// Whether it is billed by request.
    pub is_on_demand: bool,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// How long they are kept; none = for ever.
    pub retention_days: Option<u32>,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Its logical id, by which scenarios call it.
    pub id: String,
    /// Its name in AWS.
    pub name: String,
    /// What is compared.
    pub query: Query,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub threshold: f64,
    /// How many periods are looked at: N.
    pub evaluation_periods: u32,
    /// How many of them must be breaching: M.
    pub datapoints_to_alarm: u32,
    /// What a period without data is.
    pub missing: Missing,
}

/// What an alarm looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// One metric.
    Metric(MetricStat),
    /// An expression over metrics, each by its id.
    Expression {
        /// Such as `FILL(api, 0) + FILL(update, 0)`.
        expression: String,
        /// What its ids stand for.
        metrics: BTreeMap<String, MetricStat>,
    },
}

/// A statistic of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricStat {
    /// `AWS/Lambda`
    pub namespace: String,
    /// `Errors`
    pub name: String,
    /// Name → value.
    pub dimensions: BTreeMap<String, String>,
    /// `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p99`.
    pub statistic: String,
    /// The period.
    pub period: Duration,
}

/// How an alarm compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `GreaterThanThreshold`
    Greater,
    /// `GreaterThanOrEqualToThreshold`
    GreaterOrEqual,
    /// `LessThanThreshold`
    Less,
    /// `LessThanOrEqualToThreshold`
    LessOrEqual,
}

/// What an alarm takes a period without data for (`TreatMissingData`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Over the threshold.
    Breaching,
    /// Within it.
    NotBreaching,
    /// As if it were not there: the state stays.
    Ignore,
    /// No data: when all of it is missing, `INSUFFICIENT_DATA` (the default).
    Missing,
}
