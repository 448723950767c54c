//! The `coingecko` crate, a published client that is strict about members and types, unmodified against the fake.
//!
//! It obeys `HTTP_PROXY`, as its HTTP client does: where that is set, `NO_PROXY` has to name 127.0.0.1.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coingecko::CoinGeckoClient;
use coingecko::params::{MarketsOrder, PriceChangePercentage};
use scenarios::format::assumptions::Assumptions;
use scenarios::format::model::Plan;
use sim::clock::RunClock;
use sim::coingecko::limits::{DEMO_KEY, KeyRing};
use sim::coingecko::{Engine, EngineConfig, MountedCoinGecko, Terms, mount, mount::HERE};
use sim::faults::Timeline;
use sim::record::event::UpstreamCall;

/// 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600_000;
/// The client has no timeout of its own.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);

/// A mounted fake, and the client that asks it.
struct Fake {
    client: CoinGeckoClient,
    engine: Arc<Engine>,
    calls: Arc<Mutex<Vec<UpstreamCall>>>,
    _mounted: MountedCoinGecko,
}

impl Fake {
    async fn on(plan: Plan, assumed: Assumptions) -> Self {
        let config = EngineConfig {
            seed: 42,
            start_ms: START,
            terms: Terms::assuming(plan, &assumed),
            keys: KeyRing::default(),
            assumed,
        };
        let engine = Arc::new(Engine::new(config, Timeline::none()));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&calls);
        let witness = Arc::new(move |call| seen.lock().unwrap_or_else(PoisonError::into_inner).push(call));
        let clock = RunClock::starting_in(Duration::ZERO, START, 1.0);
        let mounted = mount(Arc::clone(&engine), clock, witness, HERE)
            .await
            .expect("a free port");
        // The client wants an address for ever.
        let url: &'static str = mounted.url().leak();
        Self {
            client: CoinGeckoClient::new_with_api_key(url, &format!("x_cg_demo_api_key={DEMO_KEY}")),
            engine,
            calls,
            _mounted: mounted,
        }
    }

    async fn demo() -> Self {
        Self::on(Plan::Demo, Assumptions::default()).await
    }

    /// Breaks it from now on: the keys of a `[[fault]]`.
    fn broken(&self, fault: &str) {
        self.engine.clear_faults(None);
        let text = format!("name = \"f\"\n{fault}");
        let fault =
            scenarios::format::parse_fault("fault", &text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(self.engine.set_fault(fault, START), Ok(()));
    }

    /// What the client makes of a price: dollars for a bitcoin, or its error's status (none = it could not read it).
    async fn bitcoin(&self) -> Result<f64, Option<u16>> {
        let price = self
            .client
            .price(&["bitcoin"], &["usd"], false, false, false, false);
        match within(price).await {
            Ok(prices) => Ok(prices["bitcoin"].usd.unwrap_or_default()),
            Err(error) => Err(error.status().map(|status| status.as_u16())),
        }
    }

    /// Status, `Retry-After` and whether all of the answer came, of the last call that was told of.
    fn last(&self) -> Option<(u16, Option<u32>, bool)> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let last = calls.last()?;
        Some((last.status, last.retry_after_s, last.complete))
    }
}

async fn within<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(GIVEN_UP_AFTER, answer)
        .await
        .expect("an answer in time")
}

#[tokio::test]
async fn every_endpoint_that_it_knows_is_read() {
    let Fake { client, .. } = &Fake::demo().await;
    let ping = within(client.ping()).await.expect("a ping");
    assert_eq!(ping.gecko_says, "(V3) To the Moon!");

    let ids = ["bitcoin", "ethereum"];
    let prices = within(client.price(&ids, &["usd", "eur"], true, true, true, true))
        .await
        .expect("prices");
    assert_eq!(prices.len(), 2);
    let bitcoin = &prices["bitcoin"];
    let all = [
        bitcoin.usd,
        bitcoin.usd_market_cap,
        bitcoin.usd24_h_vol,
        bitcoin.eur,
    ];
    assert!(
        all.iter().all(|number| number.is_some_and(|number| number > 0.0)),
        "{bitcoin:?}"
    );
    assert!(bitcoin.usd24_h_change.is_some() && bitcoin.last_updated_at.is_some());

    let currencies = within(client.supported_vs_currencies())
        .await
        .expect("currencies");
    assert_eq!(currencies.len(), 63);

    let spans = [PriceChangePercentage::OneHour, PriceChangePercentage::OneYear];
    let page = client.coins_markets(
        "usd",
        &ids,
        None,
        MarketsOrder::MarketCapDesc,
        250,
        1,
        true,
        &spans,
    );
    let page = within(page).await.expect("markets");
    assert_eq!(page.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ids);
    assert_eq!(
        page[0].current_price, bitcoin.usd,
        "both endpoints tell the same price"
    );
    let week = page[0].sparkline_in7_d.as_ref().map(|week| week.price.len());
    assert_eq!((week, page[0].market_cap_rank.as_u64()), (Some(168), Some(1)));
    assert!(page[0].price_change_percentage1_h_in_currency.is_some());

    let list = within(client.coins_list(true)).await.expect("a list");
    assert!(list.len() >= 250 && list.iter().any(|coin| coin.id == "bitcoin"));

    let coin = within(client.coin("bitcoin", true, true, true, true, true, false))
        .await
        .expect("a coin");
    assert_eq!((coin.id.as_str(), coin.symbol.as_str()), ("bitcoin", "btc"));
}

#[tokio::test]
async fn a_week_of_a_coin_is_read_only_where_it_is_assumed_to_be_an_object() {
    for (value, read) in [("list", false), ("object", true)] {
        let mut assumed = Assumptions::default();
        assert_eq!(assumed.set("coin_sparkline", value), Ok(()));
        let Fake { client, .. } = &Fake::on(Plan::Demo, assumed).await;
        let coin = within(client.coin("bitcoin", false, false, true, false, false, true)).await;
        assert_eq!(coin.is_ok(), read, "{value}: {coin:?}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_left_out_or_404() {
    let Fake { client, .. } = &Fake::demo().await;
    let price = client.price(&["no-such-coin"], &["usd"], false, false, false, false);
    assert!(within(price).await.expect("an empty answer").is_empty());
    let coin = client.coin("no-such-coin", false, false, false, false, false, false);
    let error = within(coin).await.expect_err("no such coin");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404));
}

#[tokio::test]
async fn the_plans_limit_and_a_storm_are_429_with_a_retry_after() {
    let few = Plan::Custom {
        per_minute: 1,
        per_month: 1000,
    };
    let fake = Fake::on(few, Assumptions::default()).await;
    // The clock began at a full minute, and a second call would have to come a minute later to pass.
    assert!(fake.bitcoin().await.is_ok());
    assert_eq!(fake.bitcoin().await, Err(Some(429)));
    let (status, retry_after_s, complete) = fake.last().expect("a call");
    assert_eq!((status, complete), (429, true));
    assert!(
        retry_after_s.is_some_and(|seconds| (1..=60).contains(&seconds)),
        "{retry_after_s:?}"
    );

    let fake = Fake::demo().await;
    fake.broken("kind = \"rate_limit\"\nlimit = \"0/min\"\nretry_after = \"53s\"");
    assert_eq!(fake.bitcoin().await, Err(Some(429)));
    assert_eq!(fake.last(), Some((429, Some(53), true)));
}

#[tokio::test]
async fn errors_pages_and_cut_bodies_are_errors_to_it_and_afterwards_all_is_well() {
    let fake = Fake::demo().await;
    for (fault, seen) in [
        ("kind = \"status\"\nstatus = 503", Some(503)),
        ("kind = \"gateway_html\"\nstatus = 502", Some(502)),
        ("kind = \"app_500_html\"", Some(500)),
        ("kind = \"html_with_200\"", None),
        ("kind = \"truncated\"\nhow = \"json\"", None),
        ("kind = \"truncated\"\nhow = \"length\"", None),
        ("kind = \"truncated\"\nhow = \"chunked\"", None),
    ] {
        fake.broken(fault);
        assert_eq!(fake.bitcoin().await, Err(seen), "{fault}");
        assert_eq!(fake.engine.touches()[0].count, 1, "{fault}");
    }
    fake.engine.clear_faults(None);
    assert!(fake.bitcoin().await.is_ok_and(|price| price > 0.0));
}
