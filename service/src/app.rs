//! Everything a request handler or an update is handed: configuration, the five seams, process state.

use std::{sync::Arc, time::Duration};

use crate::{
    auth::KeyCache, clock::SharedClock, coingecko::upstream::Upstream, compression::EncodedBodies,
    config::Config, http::FixedHeaders, memory::Memory, metrics::Emf, rate_limit::Limiter,
    refresh::Refresher, rng::Rng, store::Store, symbols::SymbolTable,
};

/// One process's service. Cheap to clone; clones share all state.
#[derive(Clone, Debug)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// The supported set.
    pub symbols: Arc<SymbolTable>,
    /// Wall time (seam).
    pub clock: SharedClock,
    /// The table (seam).
    pub store: Arc<dyn Store>,
    /// CoinGecko (seam).
    pub upstream: Upstream,
    /// Randomness (seam).
    pub rng: Arc<dyn Rng>,
    /// Where metrics documents go (seam).
    pub emf: Arc<dyn Emf>,
    /// How long this process leaves a set that has become due to the others, while it has something to serve; wall
    /// time, drawn once. Without it all processes of a fleet would ask for the lease in the same instant.
    pub ttl_jitter: Duration,
    /// Process state: prices and the lease item as last seen.
    pub memory: Arc<Memory>,
    /// Process state: the refresh under way, and what refreshes cost that nobody reported yet.
    pub refresher: Arc<Refresher>,
    /// Process state: known API keys.
    pub keys: Arc<KeyCache>,
    /// Process state: what the rate limiter remembers of previous windows.
    pub limiter: Arc<Limiter>,
    /// Header values that never change.
    pub fixed_headers: Arc<FixedHeaders>,
    /// Process state: compressed bodies.
    pub bodies: Arc<EncodedBodies>,
}

impl App {
    /// Builds the service around its seams, with empty process state.
    #[must_use]
    pub fn new(
        config: Config,
        clock: SharedClock,
        store: Arc<dyn Store>,
        upstream: Upstream,
        rng: Arc<dyn Rng>,
        emf: Arc<dyn Emf>,
    ) -> Self {
        Self {
            symbols: Arc::new(SymbolTable::new(config.supported_symbols.as_deref())),
            fixed_headers: Arc::new(FixedHeaders::new(config.rate_limit_per_minute, config.cache_ttl)),
            ttl_jitter: config.most_ttl_jitter().mul_f64(rng.unit()),
            config: Arc::new(config),
            clock,
            store,
            upstream,
            rng,
            emf,
            memory: Arc::default(),
            refresher: Arc::default(),
            keys: Arc::default(),
            limiter: Arc::default(),
            bodies: Arc::default(),
        }
    }
}
