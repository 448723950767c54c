//! The simulated DynamoDB: an embedded emulator, the service's table in it, and the front that counts what
//! reaches it.
//!
//! ```text
//! service ──HTTP──▶ StoreFront ──HTTP──▶ EmbeddedStore (or any other DynamoDB endpoint)
//!                       └─▶ Event::{Store, Admission, Lease, PriceWrite}
//! ```

pub mod cost;
pub mod embedded;
pub mod expiry;
pub mod front;
pub mod memory;
pub mod table;

mod expression;
mod forward;
mod observe;
mod wire;
