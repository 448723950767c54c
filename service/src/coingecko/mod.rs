//! CoinGecko: the seam to it, its wire shapes, and the client that fetches a set of prices.

pub mod attempt;
pub mod backoff;
pub mod client;
pub mod retry_after;
pub mod upstream;
pub mod wire;
