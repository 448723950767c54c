//! The store seam: one DynamoDB table behind a trait whose methods are single requests.
//!
//! Loops (unprocessed items, pages) and retries live above it, so that whoever counts calls of this trait
//! counts DynamoDB requests.

pub mod dynamo;
mod item;
#[cfg(test)]
pub(crate) mod memory;

use std::{fmt::Debug, ops::AddAssign};

use futures_util::future::BoxFuture;

use crate::models::{ApiKeyItem, Holder, KeyId, LeaseItem, RetryTokens, StoredPrice, Symbol, Timestamp};

/// Most keys of one [`Store::prices`].
pub const MAX_BATCH_READ: usize = 100;
/// Most items of one [`Store::write_prices`].
pub const MAX_BATCH_WRITE: usize = 25;

/// Capacity units that requests consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Read capacity units.
    pub read: f64,
    /// Write capacity units.
    pub write: f64,
}

impl AddAssign for Capacity {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.write += other.write;
    }
}

/// An answer and what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Metered<T> {
    /// The answer.
    pub value: T,
    /// What the request consumed.
    pub consumed: Capacity,
}

impl<T> Metered<T> {
    /// Adds the cost to `total` and gives the answer.
    pub fn charge(self, total: &mut Capacity) -> T {
        *total += self.consumed;
        self.value
    }
}

/// Why a store request failed. The texts name the operation and what was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No answer in time, no connection, or a 5xx. A write may or may not have happened.
    #[error("{operation}: the store is unavailable: {reason}")]
    Unavailable {
        /// The DynamoDB operation.
        operation: &'static str,
        /// What happened.
        reason: String,
    },
    /// The store refused for want of capacity; nothing happened.
    #[error("{operation}: the store throttles: {reason}")]
    Throttled {
        /// The DynamoDB operation.
        operation: &'static str,
        /// What happened.
        reason: String,
    },
    /// The store refused the request itself: a missing table, missing rights, or our bug.
    #[error("{operation}: the store refuses the request: {reason}; check the table's name and rights")]
    Rejected {
        /// The DynamoDB operation.
        operation: &'static str,
        /// What happened.
        reason: String,
    },
    /// An item cannot be read.
    #[error("{operation}: an item is unreadable: {reason}")]
    Corrupt {
        /// The DynamoDB operation.
        operation: &'static str,
        /// Which item, which attribute.
        reason: String,
    },
}

/// What every method gives.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<Metered<T>, StoreError>>;

/// How a read is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Cheap, may lag writes by moments: what users' requests read.
    Eventual,
    /// Sees every earlier write: what a refresh filters against.
    Strong,
}

/// What a batch read found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceBatch {
    /// The items found, in no particular order. Expired ones are among them.
    pub prices: Vec<StoredPrice>,
    /// What the store left out for now and has to be asked again.
    pub unprocessed: Vec<Symbol>,
}

/// Which instants keep a process from taking the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// An API process: `retryNotBefore` and `apiNotBefore`.
    Api,
    /// The updater: `retryNotBefore` only.
    Update,
}

/// A try to take the refresh lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcquireLease {
    /// Who wants it.
    pub holder: Holder,
    /// On whose behalf.
    pub binary: Binary,
    /// The wall time now.
    pub now: Timestamp,
    /// Until when to hold it.
    pub until: Timestamp,
    /// Only when the set was last refreshed at or before this instant (or never).
    pub due_before: Timestamp,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Acquire {
    /// The lease is ours; the item as it is now.
    Acquired(LeaseItem),
    /// It is not; the item as it is (empty when the store did not say).
    Refused(LeaseItem),
}

/// Giving the lease back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseLease {
    /// Who gives it back; refused when another holds it by now.
    pub holder: Holder,
    /// What to leave behind.
    pub outcome: ReleaseOutcome,
}

/// What a refresh leaves behind in the lease item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// The set was fetched and stored.
    Refreshed {
        /// When it was fetched.
        at: Timestamp,
        /// The budget that is left.
        tokens: RetryTokens,
    },
    /// It failed: nobody tries before `retry_not_before`.
    Failed {
        /// Failures in a row, this one included.
        failures: u32,
        /// The budget that is left.
        tokens: RetryTokens,
        /// When the next refresh may start.
        retry_not_before: Timestamp,
    },
    /// An API process ran into its wait bound: no API process tries before `api_not_before`.
    GaveUp {
        /// Failures in a row, this one included.
        failures: u32,
        /// The budget that is left.
        tokens: RetryTokens,
        /// When the next refresh by an API process may start.
        api_not_before: Timestamp,
    },
    /// CoinGecko was not called.
    Unused,
}

/// What the counting update said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// The request was counted.
    Admitted {
        /// The count, this request included.
        count: u32,
    },
    /// There was no room; nothing was counted.
    Refused {
        /// The count as it is.
        count: u32,
    },
}

/// One page of API keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyPage {
    /// The keys.
    pub keys: Vec<ApiKeyItem>,
    /// Where the next page starts; `None` when this is the last. A page can be empty and not the last.
    pub next: Option<KeyPosition>,
}

/// Where a scan of keys goes on: the primary key that it stopped at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPosition {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

/// The one table. Each method is exactly one DynamoDB request.
pub trait Store: Send + Sync + Debug {
    /// `BatchGetItem` of up to [`MAX_BATCH_READ`] prices.
    fn prices<'a>(&'a self, symbols: &'a [Symbol], consistency: Consistency) -> StoreFuture<'a, PriceBatch>;

    /// `BatchWriteItem` of up to [`MAX_BATCH_WRITE`] prices; gives those that were left out for now.
    fn write_prices<'a>(&'a self, prices: &'a [StoredPrice]) -> StoreFuture<'a, Vec<Symbol>>;

    /// `GetItem` of the lease, strongly consistent; an absent item reads as an empty one.
    fn lease(&self) -> StoreFuture<'_, LeaseItem>;

    /// `UpdateItem`: takes the lease if nobody holds it, no backoff lies ahead and a refresh is due.
    fn acquire_lease<'a>(&'a self, request: &'a AcquireLease) -> StoreFuture<'a, Acquire>;

    /// `UpdateItem`: gives the lease back; `false` when another holds it by now.
    fn release_lease<'a>(&'a self, request: &'a ReleaseLease) -> StoreFuture<'a, bool>;

    /// `GetItem` of an API key.
    fn api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, Option<ApiKeyItem>>;

    /// `PutItem` of a new API key; `false` when there is one with its id.
    fn put_api_key<'a>(&'a self, key: &'a ApiKeyItem) -> StoreFuture<'a, bool>;

    /// `UpdateItem` that disables an API key; `false` when there is none.
    fn disable_api_key<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a, bool>;

    /// `Scan` of one page of the table for API keys; for the keys tool only.
    fn list_api_keys<'a>(&'a self, start: Option<&'a KeyPosition>) -> StoreFuture<'a, ApiKeyPage>;

    /// `UpdateItem` of a key's `lastUsedAt` to `now`, unless it is later than `not_since` already.
    fn touch_api_key<'a>(
        &'a self,
        id: &'a KeyId,
        now: Timestamp,
        not_since: Timestamp,
    ) -> StoreFuture<'a, bool>;

    /// `GetItem` of a window's request count, strongly consistent; 0 when there is none.
    fn request_count<'a>(&'a self, id: &'a KeyId, window: i64) -> StoreFuture<'a, u32>;

    /// `UpdateItem` that adds one to a window's count if it is below `room`. `ttl` is Unix seconds.
    fn count_request<'a>(
        &'a self,
        id: &'a KeyId,
        window: i64,
        room: u32,
        ttl: i64,
    ) -> StoreFuture<'a, Counted>;
}
