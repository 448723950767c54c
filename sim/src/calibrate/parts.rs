//! One request to the store and one answer of CoinGecko, each alone: the service's own clients in this process, over
//! loopback, against the parts that a run on the real clock starts.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use scenarios::format::Scenario;
use service::{
    App,
    coingecko::{
        client::{Terms, fetch},
        upstream::https_upstream,
    },
    config::Config,
    metrics::StdoutEmf,
    models::{KeyId, Number, StoredPrice, Symbol, Timestamp},
    refresh::budget::Budget,
    rng::SystemRng,
    store::{Consistency, Store, dynamo::DynamoStore},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{measure::CalibrateError, seen::PER_SECOND};
use crate::{
    clock::RunClock,
    coingecko::{mount, mount::HERE},
    record::{
        Spread,
        event::{Event, StoreCall},
    },
    seed::Seed,
    store::{
        embedded::EmbeddedStore,
        front::{FrontRules, FrontSabotage, StoreFront},
        table,
    },
    world::{
        environment::{Endpoints, TABLE, on_stack},
        stack::engine,
    },
};

/// Between two requests to the store: in runs they come one by one, to parts that have gone to sleep.
const STORE_GAP: Duration = Duration::from_millis(4);
/// Between two calls to CoinGecko.
const COINGECKO_GAP: Duration = Duration::from_millis(5);
/// So many calls are made before any is counted.
const WARM_CALLS: u64 = 10;
/// An address that nothing is sent to.
pub(super) const NOWHERE: &str = "http://127.0.0.1:1";

/// What requests to the store take.
#[derive(Debug)]
pub(super) struct StoreTimes {
    /// As the client sees it, in seconds.
    pub(super) calls: Spread,
    /// The median of what the client waits beyond what the front sees: the client's own work and the way to the front.
    pub(super) hop: Duration,
}

/// The embedded store behind its front, with a key and five fresh prices.
pub(super) struct Stocked {
    pub(super) clock: RunClock,
    front: StoreFront,
    client: DynamoStore,
    symbols: Vec<Symbol>,
    heard: Arc<Mutex<Vec<StoreCall>>>,
    _embedded: EmbeddedStore,
}

/// Its key.
pub(super) const SECRET: &str = "calibrate";

impl Stocked {
    pub(super) async fn open(scenario: &Scenario) -> Result<Self, CalibrateError> {
        let unusable = |error: &dyn std::error::Error| CalibrateError::Store(error.to_string());
        let clock = clock(scenario);
        let embedded = EmbeddedStore::start().map_err(|error| unusable(&error))?;
        table::create(embedded.database(), TABLE).map_err(|error| unusable(&error))?;
        let keys = [(SECRET.to_owned(), true)];
        table::seed_keys(embedded.database(), TABLE, &keys, clock.start_ms())
            .map_err(|error| unusable(&error))?;
        let heard: Arc<Mutex<Vec<StoreCall>>> = Arc::default();
        let hearing = Arc::clone(&heard);
        let emit = Arc::new(move |event| {
            if let Event::Store(call) = event {
                hearing.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            }
        });
        let rules = FrontRules::only(FrontSabotage::default(), clock);
        let front = StoreFront::start(embedded.url(), clock, emit, rules)
            .await
            .map_err(|error| unusable(&error))?;
        let endpoints = Endpoints {
            store: front.url(),
            table: TABLE,
            coingecko: NOWHERE,
        };
        let client = DynamoStore::new(&config(scenario, endpoints, &clock)?, Arc::new(clock));
        let prices = prices(Timestamp(clock.start_ms()));
        client
            .write_prices(&prices)
            .await
            .map_err(|error| unusable(&error))?;
        Ok(Self {
            clock,
            front,
            client,
            symbols: prices.into_iter().map(|price| price.symbol).collect(),
            heard,
            _embedded: embedded,
        })
    }

    /// Where it listens.
    pub(super) fn endpoints(&self) -> Endpoints<'_> {
        Endpoints {
            store: self.front.url(),
            table: TABLE,
            coingecko: NOWHERE,
        }
    }

    /// The requests since this was last asked. The front tells of each before it answers.
    pub(super) fn heard(&self) -> Vec<StoreCall> {
        mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn close(self) {
        self.front.stop().await;
    }
}

/// What the front saw of a request, in seconds.
pub(super) fn took(call: &StoreCall) -> f64 {
    (f64::from(call.store_us) + f64::from(call.front_us)) / 1e6
}

/// Measures requests to the embedded store behind its front. Of ten, eight count a request, one reads a key, one reads
/// five prices: most of what a stack asks while it serves from memory is to count.
pub(super) async fn store(
    scenario: &Scenario,
    lasting: Duration,
    stop: &watch::Receiver<bool>,
) -> Result<StoreTimes, CalibrateError> {
    let stocked = Stocked::open(scenario).await?;
    let Stocked { client, symbols, .. } = &stocked;
    let key = KeyId::new(&table::key_id(SECRET));
    let now = Timestamp(stocked.clock.start_ms());
    let (mut calls, mut hops) = (Spread::new(PER_SECOND), Spread::new(PER_SECOND));
    let window = now.0 / service::rate_limit::WINDOW_MS;
    let ttl = now.0 / 1000 + 3600;
    every(STORE_GAP, lasting, stop, async |index| {
        let sent = Instant::now();
        let answer = match index % 10 {
            0 => client.api_key(&key).await.map(drop),
            5 => client.prices(symbols, Consistency::Eventual).await.map(drop),
            _ => client.count_request(&key, window, u32::MAX, ttl).await.map(drop),
        };
        let waited = sent.elapsed().as_secs_f64();
        answer.map_err(|error| CalibrateError::Store(error.to_string()))?;
        let heard = stocked.heard();
        if index >= WARM_CALLS {
            calls.record(waited);
            hops.record((waited - heard.last().map_or(0.0, took)).max(0.0));
        }
        Ok(())
    })
    .await?;
    stocked.close().await;
    let hop = Duration::from_secs_f64(hops.percentile(0.5).unwrap_or(0.0));
    Ok(StoreTimes { calls, hop })
}

/// Measures answers of the fake CoinGecko, as the service's client fetches and reads them; in seconds.
pub(super) async fn coingecko(
    scenario: &Scenario,
    lasting: Duration,
    stop: &watch::Receiver<bool>,
) -> Result<Spread, CalibrateError> {
    let unusable = |error: &dyn std::error::Error| CalibrateError::CoinGecko(error.to_string());
    let clock = clock(scenario);
    let engine = Arc::new(engine(scenario, Seed(scenario.seed)));
    let fake = mount(engine, clock, Arc::new(|_| {}), HERE)
        .await
        .map_err(|error| unusable(&error))?;
    let url = fake.url();
    let endpoints = Endpoints {
        store: NOWHERE,
        table: TABLE,
        coingecko: &url,
    };
    let config = config(scenario, endpoints, &clock)?;
    let store = Arc::new(DynamoStore::new(&config, Arc::new(clock)));
    let app = App::new(
        config,
        Arc::new(clock),
        store,
        https_upstream(),
        Arc::new(SystemRng),
        Arc::new(StdoutEmf),
    );
    let mut answers = Spread::new(PER_SECOND);
    every(COINGECKO_GAP, lasting, stop, async |index| {
        let sent = Instant::now();
        let mut terms = Terms {
            bound: sent + app.config.update_timeout,
            budget: &mut Budget::new(None),
            invocation: "calibrate",
        };
        fetch(&app, &mut terms)
            .await
            .map_err(|failure| unusable(&failure.error))?;
        if index >= WARM_CALLS {
            answers.record(sent.elapsed().as_secs_f64());
        }
        Ok(())
    })
    .await?;
    Ok(answers)
}

/// Calls one at a time, each `gap` after the end of the one before, until `lasting` is over.
pub(super) async fn every(
    gap: Duration,
    lasting: Duration,
    stop: &watch::Receiver<bool>,
    mut call: impl AsyncFnMut(u64) -> Result<(), CalibrateError>,
) -> Result<(), CalibrateError> {
    let until = Instant::now() + lasting;
    for index in 0.. {
        if *stop.borrow() {
            return Err(CalibrateError::Interrupted);
        }
        if Instant::now() >= until {
            break;
        }
        call(index).await?;
        sleep(gap).await;
    }
    Ok(())
}

pub(super) fn clock(scenario: &Scenario) -> RunClock {
    RunClock::starting_in(Duration::ZERO, scenario.start.as_millisecond(), 1.0)
}

/// The service's configuration on a stack like the scenario's.
fn config(scenario: &Scenario, endpoints: Endpoints<'_>, clock: &RunClock) -> Result<Config, CalibrateError> {
    let env = on_stack(&scenario.stack, endpoints, clock, &BTreeMap::new());
    Config::from_lookup(|name| env.get(name).cloned())
        .map_err(|problem| CalibrateError::Store(problem.to_string()))
}

/// Five prices as the service stores them.
fn prices(now: Timestamp) -> Vec<StoredPrice> {
    let of = |(symbol, _, name): &(&str, &str, &str)| {
        Some(StoredPrice {
            symbol: Symbol::new(symbol),
            name: (*name).into(),
            price: Number::parse("76975.25")?,
            change24h: Number::parse("-1.4093297098441402"),
            market_cap: Number::parse("1542226908349.8406"),
            last_updated: now,
            fetched_at: now,
            ttl: now.0 / 1000 + 3600,
            held: None,
        })
    };
    service::symbols::BUILTIN.iter().take(5).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::stack;

    const SHORT: Duration = Duration::from_millis(300);

    fn scenario() -> Scenario {
        stack::scenario(1, Duration::from_secs(1)).expect("a scenario")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn both_parts_are_measured_through_the_services_own_clients() {
        let (_go, stop) = watch::channel(false);
        // A busy machine makes few calls in this time, so there may be none that counts; but none may fail.
        let store = store(&scenario(), SHORT, &stop).await.expect("the store answers");
        assert_eq!(store.calls.count() == 0, store.hop.is_zero());
        coingecko(&scenario(), SHORT, &stop).await.expect("it answers");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_spaced_and_end_in_time() {
        let (_go, stop) = watch::channel(false);
        let begun = Instant::now();
        let mut at_ms = Vec::new();
        every(
            Duration::from_millis(10),
            Duration::from_millis(45),
            &stop,
            async |index| {
                at_ms.push(begun.elapsed().as_millis());
                if index == 1 {
                    sleep(Duration::from_millis(15)).await;
                }
                Ok(())
            },
        )
        .await
        .expect("nothing fails");
        assert_eq!(at_ms, [0, 10, 35]);
    }

    #[tokio::test(start_paused = true)]
    async fn they_end_when_someone_asks_for_it() {
        let (ask, stop) = watch::channel(false);
        let mut calls = 0;
        let ended = every(
            Duration::from_millis(10),
            Duration::from_secs(9),
            &stop,
            async |_| {
                calls += 1;
                ask.send_replace(true);
                Ok(())
            },
        )
        .await;
        assert!(matches!(ended, Err(CalibrateError::Interrupted)), "{ended:?}");
        assert_eq!(calls, 1);
    }
}
