//! What can break: the closed list of fault kinds, with their parameters.

use std::time::Duration;

use super::model::Target;

/// What breaks and how.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// The fake CoinGecko misbehaves.
    CoinGecko(CoinGeckoFault),
    /// DynamoDB misbehaves.
    Store(StoreFault),
    /// A process of the service suffers.
    Service(ServiceFault),
    /// The schedule misbehaves.
    Schedule(ScheduleFault),
    /// Users misbehave.
    Clients(ClientFault),
    /// Functions of the service suffer.
    Lambda(LambdaFault),
}

impl FaultKind {
    /// What it breaks.
    pub fn target(&self) -> Target {
        match self {
            Self::CoinGecko(_) => Target::CoinGecko,
            Self::Store(_) => Target::Store,
            Self::Service(_) => Target::Service,
            Self::Schedule(_) => Target::Schedule,
            Self::Clients(_) => Target::Clients,
            Self::Lambda(_) => Target::Lambda,
        }
    }
}

/// How the fake CoinGecko misbehaves.
#[derive(Clone, Debug, PartialEq)]
pub enum CoinGeckoFault {
    /// Every touched call is answered with this status and CoinGecko's own JSON error.
    Status {
        /// 400 to 599.
        status: u16,
    },
    /// A lower limit than the plan's: calls above it are answered 429. With limit 0 every touched call is.
    RateLimit {
        /// Calls per minute.
        limit: f64,
        /// Length of the fixed window in which calls are counted.
        window: Duration,
        /// What the 429 says about coming back.
        retry_after: RetryAfter,
    },
    /// The month's credits are used up: 429 with `error_code` 10006 for calls with a key, `/key` included.
    QuotaExhausted,
    /// Cloudflare's own limit: 429 `text/plain`, `error code: 1015`.
    CfRateLimit1015,
    /// Cloudflare blocks: 403.
    CfBlock {
        /// With which body.
        body: BlockBody,
    },
    /// The matched path is switched off: 403 JSON.
    EndpointDisabled,
    /// A gateway's HTML page.
    GatewayHtml {
        /// 502, 503, 504, 520 or 522.
        status: u16,
    },
    /// The application's own HTML page with status 500.
    App500Html,
    /// A challenge page, HTML with status 200.
    HtmlWith200,
    /// Headers come late.
    Latency {
        /// How late.
        latency: Latency,
    },
    /// The body trickles.
    SlowBody {
        /// Bytes per real second.
        bytes_per_second: u64,
    },
    /// No answer for so long, then the connection is closed.
    Hang {
        /// Real time until the connection is closed.
        at_most: Duration,
    },
    /// There is no working connection.
    ConnectFail {
        /// In which way.
        how: ConnectFailure,
    },
    /// Connecting takes long, since its first packets are lost.
    SlowConnect {
        /// How long at least, real time.
        by: Duration,
    },
    /// The body is cut.
    Truncated {
        /// In which way.
        how: Cut,
        /// How many bytes of the body come; `None` = half of them. A shorter body is left as it is.
        after: Option<u64>,
    },
    /// Healthy answers with old data.
    StaleData {
        /// How old the data are at least.
        age: Duration,
        /// What stands still.
        freeze: Freeze,
    },
    /// Two edge caches answer in turns, one of them this much behind.
    CacheSplit {
        /// How far the second is behind.
        lag: Duration,
    },
    /// Fields are null or absent.
    NullFields {
        /// Which.
        fields: Vec<PriceField>,
        /// Left out instead of null.
        absent: bool,
    },
    /// Coins are missing from a 200.
    MissingCoin {
        /// How many of those asked for (the matched `id` when one is given).
        count: u32,
        /// What stands in their place.
        shape: Missing,
    },
    /// The matched id has moved to another.
    IdRenamed {
        /// What the old id gets.
        shape: Renamed,
    },
    /// The matched id is no longer listed.
    Delisted,
    /// A wrong number.
    WrongValue {
        /// In which way.
        value: WrongValue,
    },
    /// A key of one kind at the host of another.
    AuthMixup {
        /// 10002, 10010 or 10011.
        code: u32,
    },
    /// 414 for long addresses.
    UriTooLong {
        /// Path and query longer than this many bytes.
        above: u64,
    },
}

impl CoinGeckoFault {
    /// Whether it keeps connections from coming about, so that it hits all of them alike: nobody knows yet what will
    /// be asked for.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::ConnectFail {
                how: ConnectFailure::Refuse | ConnectFailure::Blackhole
            } | Self::SlowConnect { .. }
        )
    }

    /// Whether it changes what a healthy answer says, so that `match.id` means the coin that it changes.
    pub fn changes_data(&self) -> bool {
        matches!(
            self,
            Self::NullFields { .. }
                | Self::MissingCoin { .. }
                | Self::IdRenamed { .. }
                | Self::Delisted
                | Self::WrongValue { .. }
        )
    }
}

/// What a 429 says about coming back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// The seconds until the window ends, rounded up.
    RestOfWindow,
    /// Always this, in whole seconds.
    Fixed(Duration),
    /// The instant at which the window ends, as an HTTP-date (RFC 9110).
    Date,
    /// These characters, whatever they mean.
    Text(String),
    /// There is no such header.
    Absent,
}

/// The body of a Cloudflare block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockBody {
    /// An HTML page.
    Html,
    /// `error code: 1020`
    Code1020,
}

/// How late an answer is: in real time, or as modelled in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always by this.
    Fixed(Duration),
    /// Lognormal through these two.
    Lognormal {
        /// Median.
        p50: Duration,
        /// 99th percentile, not less than the median.
        p99: Duration,
    },
}

/// How a connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Nobody listens.
    Refuse,
    /// Packets vanish.
    Blackhole,
    /// Reset after the request.
    Reset,
    /// Closed without an answer.
    Close,
}

/// How a body is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// `Content-Length` promises more than comes.
    Length,
    /// The last chunk never comes.
    Chunked,
    /// Complete as HTTP, but the JSON breaks off.
    Json,
}

/// What stands still in stale data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// Prices and their timestamps.
    All,
    /// Prices, while timestamps go on.
    Price,
}

/// A field of a coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceField {
    /// The price.
    Price,
    /// The change over 24 hours.
    Change24h,
    /// The market capitalisation.
    MarketCap,
    /// The rank.
    Rank,
}

/// What stands in place of missing coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// They are left out.
    Omit,
    /// An object without their prices.
    EmptyCoin,
    /// The whole answer is `{}` or `[]`.
    Empty,
}

/// What a renamed id gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// It is left out of prices, 404 elsewhere.
    Omit,
    /// A hollow record: no current price, zero supply.
    Hollow,
}

/// A wrong number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WrongValue {
    /// 0.
    Zero,
    /// The price times this.
    Spike {
        /// Above 0, not 1.
        factor: f64,
    },
    /// The price with the other sign.
    Negative,
    /// The price of another coin.
    OtherCoin,
}

/// How DynamoDB misbehaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StoreFault {
    /// Refused for want of capacity; nothing happens.
    Throttle {
        /// With which of DynamoDB's exceptions.
        exception: Throttling,
    },
    /// A partition that bears no more than so much in a second: requests to a partition key beyond that are throttled.
    HotPartition {
        /// Write capacity units in each second of wall time and partition key.
        write_units: u32,
        /// Read capacity units in each second of wall time and partition key.
        read_units: u32,
    },
    /// `InternalServerError`, status 500.
    Error,
    /// Answers come late.
    Latency {
        /// How late.
        latency: Latency,
    },
    /// No answer for so long, then the connection is closed.
    Hang {
        /// Real time until the connection is closed.
        at_most: Duration,
    },
    /// The connection is reset, and nothing happens.
    Reset,
    /// Connections are refused.
    Down,
    /// The store's process is killed, and started again with its data at the end.
    Restart,
    /// Batches are done only in part; the rest comes back unprocessed.
    Partial {
        /// The share of a batch that comes back, above 0 and up to 1.
        unprocessed: f64,
    },
    /// The operation is done but its answer is lost.
    LostAnswer,
}

impl StoreFault {
    /// Whether it keeps connections from coming about, so that it hits all requests alike.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Down | Self::Restart)
    }
}

/// DynamoDB's ways of refusing for want of capacity, all with status 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttling {
    /// `ProvisionedThroughputExceededException`: a table or partition.
    ProvisionedThroughputExceeded,
    /// `ThrottlingException`: an on-demand table that grows too fast, or the control plane.
    Throttling,
    /// `RequestLimitExceeded`: the account.
    RequestLimitExceeded,
}

impl Throttling {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::ProvisionedThroughputExceeded,
        Self::Throttling,
        Self::RequestLimitExceeded,
    ];

    /// DynamoDB's error code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ProvisionedThroughputExceeded => "ProvisionedThroughputExceededException",
            Self::Throttling => "ThrottlingException",
            Self::RequestLimitExceeded => "RequestLimitExceeded",
        }
    }
}

/// What happens to processes of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceFault {
    /// Killed (SIGKILL).
    Kill {
        /// Which processes.
        process: Killed,
    },
    /// Asked to end and started again at once.
    Restart {
        /// Index of the instance; `None` = all.
        instance: Option<u32>,
    },
    /// Stopped for the span, then continued.
    Freeze {
        /// Index of the instance; `None` = all.
        instance: Option<u32>,
    },
}

/// Whom a kill hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// API processes, at the beginning of the span; they are started again at its end.
    Api {
        /// Index of the instance; `None` = all.
        instance: Option<u32>,
    },
    /// Each update that has stored its first batch of prices within the span, before it is told so. The schedule
    /// starts the next one.
    Update,
}

/// How the schedule misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleFault {
    /// Firings are left out.
    Skip,
    /// Firings happen twice.
    Double,
    /// Firings come late.
    Late {
        /// By so much.
        by: Duration,
    },
}

/// How users misbehave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClientFault {
    /// They send faster.
    OverLimit {
        /// So many times as fast, above 1.
        factor: f64,
    },
    /// They present keys that do not exist.
    BadKey,
    /// They present disabled keys.
    DisabledKey,
    /// They send requests that are not valid.
    Malformed,
    /// They read their answers slowly.
    SlowReader {
        /// Bytes per real second.
        bytes_per_second: u64,
    },
}

/// What happens to invocations of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LambdaFault {
    /// Its environment stands still (SIGSTOP).
    Freeze {
        /// So long after its event, real time.
        into: Duration,
        /// For so long, real time; `None` = until Lambda's timeout ends it.
        lasting: Option<Duration>,
    },
    /// The process ends as after a panic that nobody catches (SIGABRT).
    Abort {
        /// So long after its event, real time.
        into: Duration,
    },
    /// The process is killed for want of memory.
    OutOfMemory {
        /// So long after its event, real time.
        into: Duration,
    },
    /// Others use the account: functions without a reservation have less room.
    Concurrency {
        /// Invocations that the account may run at the same time.
        count: u32,
    },
}
