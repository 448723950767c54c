//! CoinGecko: the seam to it, its wire shapes, and the client that fetches a set of prices.

pub mod upstream;
