//! Everything that happens in a simulation, as one closed enum.
//!
//! Instants (`at_us`) are real microseconds since the run's anchor; in virtual time they are virtual ones.
//! Wall time is `start + speed × at`.

use std::{sync::Arc, time::Duration};

use scenarios::wire::RequestLine;

use crate::{audit::Findings, cloudwatch::alarms::StateChange, lambda::outcome::Failure};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client request and its answer, from load `load`.
    Request {
        /// Index of the `[[load]]`.
        load: u16,
        /// What the client saw.
        line: RequestLine,
    },
    /// The load generator of a load ended.
    LoadEnded {
        /// Index of the `[[load]]`.
        load: u16,
        /// Requests sent.
        sent: u64,
        /// Arrivals dropped for want of a free slot.
        dropped: u64,
        /// CPU time of the generator, microseconds.
        cpu_us: u64,
    },
    /// A call that reached the fake CoinGecko, and its fate.
    Upstream(UpstreamCall),
    /// A request that reached the store front.
    Store(StoreCall),
    /// The rate limiter's counter moved: a request was admitted or refused by the conditional update.
    Admission {
        /// When the store answered.
        at_us: u64,
        /// Key id (hex SHA-256) of the counter.
        key_id: Arc<str>,
        /// The window, as in `RATELIMIT#{window}`.
        window: i64,
        /// Whether the condition held.
        admitted: bool,
        /// The counter after an admission.
        count: u32,
    },
    /// The answer to an admission came late: only now does its request go on. (Virtual time.)
    AdmissionHeard {
        /// When.
        at_us: u64,
    },
    /// The lease item changed hands or was asked for.
    Lease(LeaseEvent),
    /// Prices were read for a user: eventually consistent, unlike the refresh's own read.
    PriceRead {
        /// When the store answered.
        at_us: u64,
        /// Upper-case symbols that were asked for.
        symbols: Vec<Arc<str>>,
        /// How many of them were found.
        found: u16,
    },
    /// A price was written to the store.
    PriceWrite {
        /// When the store answered.
        at_us: u64,
        /// Upper-case symbol.
        symbol: String,
        /// The number as stored.
        price: String,
        /// `lastUpdated`, Unix milliseconds.
        updated_ms: i64,
        /// `fetchedAt`, Unix milliseconds.
        fetched_ms: i64,
        /// `ttl`, Unix seconds.
        ttl_s: i64,
    },
    /// A fault did something that no other event tells of: a process of the service or the store stopped, say.
    Fault {
        /// When.
        at_us: u64,
        /// Index of the `[[fault]]`.
        fault: u16,
    },
    /// The store was asked whether it has what it acknowledged; or why it could not be asked.
    Audited(Result<Findings, String>),
    /// An API process was started again: what it knew is gone.
    Started {
        /// When.
        at_us: u64,
        /// Its index.
        instance: u16,
    },
    /// The schedule fired.
    ScheduleFired {
        /// When.
        at_us: u64,
        /// The count of this firing, from 0.
        index: u32,
        /// Index of the `[[fault]]`s that touched it.
        faults: Vec<u16>,
    },
    /// A fault kept the schedule from firing.
    ScheduleSkipped {
        /// When it would have fired.
        at_us: u64,
        /// Index of the `[[fault]]`s that touched it.
        faults: Vec<u16>,
    },
    /// An update process ended.
    UpdateEnded {
        /// When.
        at_us: u64,
        /// The count of its firing.
        index: u32,
        /// Whether it exited with 0.
        ok: bool,
    },
    /// A line of the service's EMF: the metrics of one document.
    Emf {
        /// When it was read.
        at_us: u64,
        /// `api` or `update`.
        service: &'static str,
        /// Metric name → value.
        values: Vec<(Arc<str>, f64)>,
    },
    /// A JSON log line of the service at warning level or above, kept short.
    Log {
        /// When it was read.
        at_us: u64,
        /// The process, such as `api-0` or `update-3`.
        process: String,
        /// `WARN` or `ERROR`.
        level: String,
        /// The message.
        message: String,
    },
    /// An invocation of a function begins.
    InvocationBegan {
        /// When.
        at_us: u64,
        /// Whether its environment is a new one.
        is_cold: bool,
        /// How many of this function run now, this one included.
        running: u32,
    },
    /// An invocation found no room.
    InvocationThrottled {
        /// When.
        at_us: u64,
    },
    /// An invocation of a function has ended.
    Invoked {
        /// When.
        at_us: u64,
        /// How long it took, real time.
        duration: Duration,
        /// Which function: `api` or `update`.
        service: &'static str,
        /// Why it failed, and what its caller was told.
        failure: Option<(Failure, String)>,
        /// Why its processor time was not limited to the function's share; none when it was.
        unlimited: Option<String>,
    },
    /// A document of metrics that CloudWatch would drop without a word.
    EmfBroken {
        /// When it was read.
        at_us: u64,
        /// What rule it breaks, and the document.
        problem: String,
    },
    /// An alarm has another state than before.
    Alarm {
        /// When.
        at_us: u64,
        /// Which, and what it was and is.
        change: StateChange,
    },
    /// A sample of a child's memory.
    Memory {
        /// When.
        at_us: u64,
        /// The process, such as `api-0`.
        process: String,
        /// Peak resident set size, bytes.
        peak_rss: u64,
        /// CPU time so far, microseconds.
        cpu_us: u64,
    },
}

/// On whose behalf something was done, where one thread does it all and that can be known.
///
/// What several requests share, such as a refresh, is done on behalf of whichever of them drives it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Index of the instance.
    pub instance: u16,
    /// The request's number, as in [`RequestLine::number`].
    pub request: u64,
    /// When it is told, virtual µs.
    pub now_us: u64,
}

/// A call that reached the fake CoinGecko.
#[derive(Clone, Debug)]
pub struct UpstreamCall {
    /// When it came.
    pub at_us: u64,
    /// When its answer is complete (its delay included).
    pub done_us: u64,
    /// Path without query, such as `/api/v3/coins/markets`.
    pub path: String,
    /// Status answered; 0 for a hang or a broken connection.
    pub status: u16,
    /// Whether the whole answer was sent: its body neither broke off nor was given up by the caller.
    pub complete: bool,
    /// The `Retry-After` sent, seconds.
    pub retry_after_s: Option<u32>,
    /// Whether it cost a monthly credit.
    pub credit: bool,
    /// Index of the `[[fault]]`s that touched it.
    pub faults: Vec<u16>,
}

/// A request that reached the store front.
#[derive(Clone, Debug)]
pub struct StoreCall {
    /// When it came.
    pub at_us: u64,
    /// How long the store behind took, microseconds.
    pub store_us: u32,
    /// What the front itself added, microseconds.
    pub front_us: u32,
    /// The operation, such as `UpdateItem`.
    pub op: StoreOp,
    /// What it was about.
    pub subject: StoreSubject,
    /// Whether it read strongly consistent.
    pub consistent: bool,
    /// Items asked for or written.
    pub items: u16,
    /// Items found (reads).
    pub found: u16,
    /// HTTP status; 0 when it was not answered, or nobody waited for the answer any more.
    pub status: u16,
    /// Read capacity units.
    pub rcu: f64,
    /// Write capacity units.
    pub wcu: f64,
    /// Whether it was refused for want of capacity.
    pub throttled: bool,
    /// Index of the `[[fault]]`s that touched it.
    pub faults: Vec<u16>,
}

/// DynamoDB operations that the service uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreOp {
    /// `GetItem`.
    GetItem,
    /// `BatchGetItem`.
    BatchGetItem,
    /// `UpdateItem`.
    UpdateItem,
    /// `PutItem`.
    PutItem,
    /// `BatchWriteItem`.
    BatchWriteItem,
    /// Anything else; the service sends `Scan` only.
    Other,
}

impl StoreOp {
    /// DynamoDB's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetItem => "GetItem",
            Self::BatchGetItem => "BatchGetItem",
            Self::UpdateItem => "UpdateItem",
            Self::PutItem => "PutItem",
            Self::BatchWriteItem => "BatchWriteItem",
            Self::Other => "Scan",
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::GetItem | Self::BatchGetItem | Self::Other)
    }

    /// Whether it may change something.
    #[must_use]
    pub const fn writes(self) -> bool {
        !self.reads()
    }
}

/// What a store call was about, from its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreSubject {
    /// `PRICE#…`.
    Prices,
    /// `APIKEY#…`/`METADATA`.
    ApiKey,
    /// `APIKEY#…`/`RATELIMIT#…`.
    RateLimit,
    /// `LEASE#prices`.
    Lease,
    /// Anything else.
    Other,
}

/// A write to the lease item.
#[derive(Clone, Debug)]
pub struct LeaseEvent {
    /// When the store answered.
    pub at_us: u64,
    /// The holder named in the request (`api-…` or `update-…`).
    pub holder: String,
    /// What was tried.
    pub action: LeaseAction,
    /// Whether the condition held.
    pub held: bool,
}

/// The writes that the lease item sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseAction {
    /// To take it.
    Acquire,
    /// To give it back (success or failure alike).
    Release,
}
