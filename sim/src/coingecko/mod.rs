//! The fake CoinGecko: a seeded market behind the public API's parameters, answers, headers, errors and limits.
//!
//! - [`engine`]: `(request, now) → answer`, without sockets, sleeps or clocks of its own; [`exchange`]: both of these
//! - [`catalogue`], [`market`], [`numbers`]: which coins there are, what they cost when, how numbers are written
//! - [`query`], [`lookup`], [`currencies`]: what was asked for
//! - [`answers`], [`markets`], [`mod@coin`]: the JSON of a 200
//! - [`altered`]: what faults make of the JSON of a 200
//! - [`errors`], [`headers`]: everything else that is sent
//! - [`limits`], [`book`]: plans and keys; minute windows and monthly credits
//! - [`edge`], [`negotiation`]: the cache before it; 304 and gzip
//! - [`publication`]: what was true when, for the judge
//! - [`mod@reference`]: `docs/fake-coingecko.md`, made from all this
//! - [`wire`]: what happens to the bytes of an answer
//! - [`mod@mount`]: the engine on a real socket, behind the `front` that plays what happens to bytes; [`alone`]: that, as a command, with the [`admin`] API
//!
//! Nothing is shared with the service's client: bodies are written from templates of their own, so that a
//! misnamed field cannot cancel out. The fake answers at once; only a fault makes it slow.
//!
//! What nobody could verify is assumed, and most of it can be assumed otherwise: [`scenarios::format::assumptions`].

pub mod admin;
pub mod alone;
pub mod altered;
mod answers;
pub(crate) mod book;
mod calls;
pub mod catalogue;
mod coin;
mod currencies;
pub mod edge;
pub mod engine;
pub mod errors;
pub mod exchange;
mod front;
pub mod headers;
pub mod limits;
mod lookup;
pub mod market;
mod markets;
pub mod mount;
mod negotiation;
pub mod numbers;
pub mod publication;
mod query;
pub mod reference;
pub mod wire;

pub use calls::Witness;
pub use engine::{Engine, EngineConfig};
pub use exchange::{FakeAnswer, FakeRequest, Fate};
pub use limits::Terms;
pub use mount::{MountError, MountedCoinGecko, mount};
pub use publication::PublicationLog;
pub use wire::{Unreachable, Wire};
