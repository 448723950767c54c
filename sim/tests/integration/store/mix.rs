//! Random requests, the same for the same seed, whatever the store answers.

use std::{sync::Arc, time::Duration};

use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use service::{
    models::{HeldPrice, KeyId, Number, RetryTokens, StoredPrice, Symbol},
    store::{AcquireLease, Binary, Consistency, Metered, ReleaseLease, ReleaseOutcome, Store, StoreError},
};
use sim::seed::Seed;

use super::checks::{NOW, keys, lease::holder, price};

/// A client of a store that asks for whatever the service may ask.
#[derive(Debug)]
pub(super) struct Client {
    store: Arc<dyn Store>,
    rng: ChaCha8Rng,
    /// Whole minutes since `NOW`.
    minute: i64,
}

impl Client {
    pub(super) fn new(store: Arc<dyn Store>, seed: Seed) -> Self {
        Self {
            store,
            rng: seed.rng(),
            minute: 0,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn id(&mut self) -> KeyId {
        KeyId::new(&format!("{:064x}", self.below(4)))
    }

    fn symbols(&mut self) -> Vec<Symbol> {
        // Now and then none, or one of them twice.
        let (count, first) = (self.below(6), self.below(9));
        let mut symbols: Vec<_> = (first..first + count)
            .map(|n| Symbol::new(&format!("S{n}")))
            .collect();
        if self.below(25) == 0 {
            symbols.extend(symbols.first().cloned());
        }
        symbols
    }

    fn price(&mut self, symbol: &Symbol) -> StoredPrice {
        let number = |text: String| Number::parse(&text).expect("a number");
        let (digits, exponent) = (self.below(1_000_000_000), self.below(20));
        let now = NOW.after(Duration::from_secs(self.minute as u64 * 60));
        let held = (self.below(4) == 0).then(|| HeldPrice {
            price: number(format!("{digits}")),
            at: now,
        });
        StoredPrice {
            name: "x".repeat(self.below(4) as usize * 1_500).into(),
            price: number(format!("{digits}e-{exponent}")),
            market_cap: (self.below(2) == 0).then(|| number(format!("{digits}e{exponent}"))),
            fetched_at: now,
            ttl: now.0 / 1000 + self.below(7_200) as i64,
            held,
            ..price(symbol.as_str(), "1")
        }
    }

    fn release(&mut self) -> ReleaseLease {
        let tokens = RetryTokens(self.below(51) as u16);
        let failures = self.below(12) as u32;
        let when = NOW.after(Duration::from_secs((self.minute as u64 + self.below(3)) * 60));
        let outcome = match self.below(4) {
            0 => ReleaseOutcome::Refreshed { at: when, tokens },
            1 => ReleaseOutcome::Failed {
                failures,
                tokens,
                retry_not_before: when,
            },
            2 => ReleaseOutcome::GaveUp {
                failures,
                tokens,
                api_not_before: when,
            },
            _ => ReleaseOutcome::Unused,
        };
        let name = format!("api-{:016x}", self.below(2));
        ReleaseLease {
            holder: holder(&name),
            outcome,
        }
    }

    fn acquire(&mut self) -> AcquireLease {
        let now = NOW.after(Duration::from_secs(self.minute as u64 * 60 + self.below(60)));
        AcquireLease {
            holder: holder(&format!("api-{:016x}", self.below(2))),
            binary: if self.below(2) == 0 {
                Binary::Api
            } else {
                Binary::Update
            },
            now,
            until: now.after(Duration::from_secs(self.below(120))),
            due_before: now.before(Duration::from_secs(self.below(120))),
        }
    }

    /// One request, and what came of it.
    pub(super) async fn step(&mut self) -> String {
        if self.below(12) == 0 {
            let minutes = self.below(25);
            self.minute += minutes as i64;
            tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
        }
        let store = Arc::clone(&self.store);
        match self.below(14) {
            0..3 => {
                let consistency = [Consistency::Eventual, Consistency::Strong][self.below(2) as usize];
                outcome(store.prices(&self.symbols(), consistency).await)
            }
            3 => {
                let symbols = self.symbols();
                let prices: Vec<_> = symbols.iter().map(|symbol| self.price(symbol)).collect();
                outcome(store.write_prices(&prices).await)
            }
            4 => outcome(store.lease().await),
            5 => outcome(store.acquire_lease(&self.acquire()).await),
            6 => outcome(store.release_lease(&self.release()).await),
            7 => outcome(store.api_key(&self.id()).await),
            8 => {
                // Below a kilobyte: what a refused write costs is not seen through the SDK.
                let key = keys::key(self.id().as_str(), &"x".repeat(self.below(800) as usize));
                outcome(store.put_api_key(&key).await)
            }
            9 => {
                let (id, now) = (self.id(), NOW.after(Duration::from_secs(self.minute as u64 * 60)));
                match self.below(4) {
                    0 => outcome(store.disable_api_key(&id).await),
                    _ => {
                        let not_since = now.before(Duration::from_secs(60));
                        outcome(store.touch_api_key(&id, now, not_since).await)
                    }
                }
            }
            10 => {
                let window = 29_540_160 + self.minute - self.below(2) as i64;
                outcome(store.request_count(&self.id(), window).await)
            }
            11 => outcome(store.list_api_keys(None).await),
            _ => {
                let window = 29_540_160 + self.minute - self.below(2) as i64;
                let (id, room, ttl) = (self.id(), self.below(5) as u32, (window + 1) * 60 + 3_600);
                outcome(store.count_request(&id, window, room, ttl).await)
            }
        }
    }
}

/// An answer as text. Of errors what a caller can tell apart: texts are each store's own.
fn outcome<T: std::fmt::Debug>(answer: Result<Metered<T>, StoreError>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(StoreError::Rejected { operation, reason }) => {
            let code = reason.split(':').next().unwrap_or_default();
            format!("{operation} rejected: {code}")
        }
        Err(error) => error.to_string(),
    }
}
