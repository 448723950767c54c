//! The fake CoinGecko: a seeded market behind the public API's parameters, answers, headers, errors and limits.
//!
//! - [`engine`]: `(request, now) → answer`, without sockets, sleeps or clocks of its own
//! - [`catalogue`], [`market`], [`numbers`]: which coins there are, what they cost when, how numbers are written
//! - [`query`], [`lookup`], [`currencies`]: what was asked for
//! - [`answers`], [`markets`], [`mod@coin`]: the JSON of a 200
//! - [`altered`]: what faults make of the JSON of a 200
//! - [`errors`], [`headers`]: everything else that is sent
//! - [`limits`]: plans, keys, minute windows, monthly credits
//! - [`publication`]: what was true when, for the judge
//! - [`wire`]: what happens to the bytes of an answer
//! - [`mod@mount`]: the engine on a real socket, behind the `front` that plays what happens to bytes; [`alone`]: that, as a command, with the [`admin`] API
//!
//! Nothing is shared with the service's client: bodies are written from templates of their own, so that a
//! misnamed field cannot cancel out. The fake answers at once; only a fault makes it slow.
//!
//! What nobody has captured is assumed: the default rounding of prices, the key of a coin found by name or symbol
//! (what was asked for), `per_page` above 250 (250), an empty list for unknown ids in `/coins/markets`, fixed
//! minutes as windows of limits, no compression, no 304; what is said of a coin that nobody trades (`null`, and empty
//! objects under `market_data`); `sparkline_7d` as a bare list, as CoinGecko's own description has it.

pub mod admin;
pub mod alone;
pub mod altered;
mod answers;
mod calls;
pub mod catalogue;
mod coin;
mod currencies;
pub mod engine;
pub mod errors;
mod front;
pub mod headers;
pub mod limits;
mod lookup;
pub mod market;
mod markets;
pub mod mount;
pub mod numbers;
pub mod publication;
mod query;
pub mod wire;

pub use calls::Witness;
pub use engine::{Engine, EngineConfig, FakeAnswer, FakeRequest, Fate};
pub use limits::Terms;
pub use mount::{MountError, MountedCoinGecko, mount};
pub use publication::PublicationLog;
pub use wire::{Unreachable, Wire};
