//! What invokes functions: an emulated Lambda, whichever clock it runs on.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{
    outcome::Outcome,
    scaling::{EnvironmentId, Throttle},
};

/// Lambda takes no larger event of a caller who waits, bytes. (Documented: 6 MB.)
pub const MOST_EVENT: usize = 6 << 20;

/// What a caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// What came of it.
    pub outcome: Outcome,
    /// In which environment it was.
    pub environment: EnvironmentId,
    /// The number of the request, where one thread does it all and it can be known on whose behalf.
    pub number: Option<u64>,
}

/// An emulated Lambda.
pub trait Invoke: Send + Sync + fmt::Debug {
    /// Invokes a function, by its place, and waits for its answer. It goes on when nobody waits any more.
    ///
    /// # Errors
    /// There is no room for it.
    fn invoke(
        &self,
        function: usize,
        payload: Bytes,
        trace_id: String,
    ) -> BoxFuture<'_, Result<Invoked, Throttle>>;
}
