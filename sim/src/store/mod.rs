//! The simulated DynamoDB: the service's one table, in three forms that tell the same events and keep the same
//! contract.
//!
//! ```text
//! real time     service ──HTTP──▶ StoreFront ──HTTP──▶ Backend: EmbeddedStore or another DynamoDB endpoint
//! virtual time  service ──trait Store──▶ MemoryStore
//!               service ──trait Store──▶ DynamoStore, the SDK ──bytes──▶ InProcessStore
//!                       each of them └─▶ Event::{Store, Admission, Lease, PriceRead, PriceWrite}
//! ```

pub mod backend;
pub mod cost;
pub mod embedded;
pub mod expiry;
pub mod faults;
pub mod front;
pub mod inproc;
pub mod memory;
pub mod midway;
pub mod sdk;
pub mod signing;
pub mod table;

mod expression;
mod forward;
mod observe;
mod partial;
mod upstream;
mod wire;
