//! The JSON of a 200, written field by field.

use super::catalogue::Coin;
use super::errors::ErrorAnswer;
use super::market::{DAY_MS, MINUTE_MS, Market, Quote, change, computed_at};
use super::numbers::{self, Precision};
use super::publication::Form;
use super::query::Query;

/// When an answer is given, and from data of which freshness.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now_ms: i64,
    pub(super) fresh_ms: i64,
}

/// A 200's body, and the forms of US dollar prices that it published.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    pub(super) json: String,
    pub(super) published: Option<Form>,
}

impl From<String> for Body {
    fn from(json: String) -> Self {
        Self {
            json,
            published: None,
        }
    }
}

/// `/ping`
pub(super) fn ping() -> Body {
    Body::from(r#"{"gecko_says":"(V3) To the Moon!"}"#.to_owned())
}

/// `/simple/supported_vs_currencies`
pub(super) fn supported_vs_currencies() -> Body {
    let names: Vec<String> = CROSS
        .iter()
        .copied()
        .chain(RATES.map(|(name, _)| name))
        .map(quoted)
        .collect();
    Body::from(format!("[{}]", names.join(",")))
}

/// `/coins/list`
pub(super) fn coins_list(market: &Market) -> Body {
    let coins = market.catalogue().coins().iter().map(|coin| {
        let mut item = Object::new();
        item.text("id", &coin.id)
            .text("symbol", &coin.symbol)
            .text("name", &coin.name);
        item.close()
    });
    Body::from(format!("[{}]", coins.collect::<Vec<_>>().join(",")))
}

/// `/simple/price`: unknown coins and currencies are left out without a word.
pub(super) fn simple_price(market: &Market, query: &Query, moment: Moment) -> Result<Body, ErrorAnswer> {
    if query.get("vs_currencies").is_none() {
        return Err(ErrorAnswer::missing_parameter("vs_currencies"));
    }
    if ["ids", "names", "symbols"]
        .iter()
        .all(|name| query.get(name).is_none())
    {
        return Err(ErrorAnswer::missing_parameter("ids"));
    }
    let precision = Precision::parse(query.get("precision"));
    let currencies: Vec<Currency> = query
        .list("vs_currencies")
        .into_iter()
        .filter_map(|name| Currency::of(market, name, moment))
        .collect();
    let mut answer = Object::new();
    for (key, coin) in named(market, query, moment) {
        let quote = market.quote(coin, moment.now_ms, moment.fresh_ms);
        let mut fields = Object::new();
        for currency in &currencies {
            let name = currency.name;
            fields.raw(name, &numbers::price(quote.price * currency.rate, precision));
            if query.flag("include_market_cap") {
                fields.raw(
                    &format!("{name}_market_cap"),
                    &numbers::float(quote.market_cap * currency.rate),
                );
            }
            if query.flag("include_24hr_vol") {
                fields.raw(
                    &format!("{name}_24h_vol"),
                    &numbers::float(quote.volume * currency.rate),
                );
            }
            if query.flag("include_24hr_change") {
                let from = quote.price_day_ago * currency.rate_day_ago;
                fields.raw(
                    &format!("{name}_24h_change"),
                    &numbers::float(change(from, quote.price * currency.rate)),
                );
            }
        }
        if query.flag("include_last_updated_at") && !currencies.is_empty() {
            fields.raw("last_updated_at", &quote.updated_ms.div_euclid(1000).to_string());
        }
        answer.raw(&key, &fields.close());
    }
    let published = currencies
        .iter()
        .any(|currency| currency.name == "usd")
        .then_some(Form {
            fresh_ms: moment.fresh_ms,
            precision,
            whole_seconds: true,
        });
    Ok(Body {
        json: answer.close(),
        published,
    })
}

/// `/coins/markets`
pub(super) fn coins_markets(market: &Market, query: &Query, moment: Moment) -> Result<Body, ErrorAnswer> {
    let Some(name) = query.get("vs_currency") else {
        return Err(ErrorAnswer::missing_parameter("vs_currency"));
    };
    let Some(currency) = Currency::of(market, name, moment) else {
        return Err(ErrorAnswer::invalid_vs_currency());
    };
    let mut rows = ranked(market, moment);
    if let Some(category) = query.get("category") {
        rows.retain(|row| row.coin.category.id() == Some(category));
    } else if ["ids", "names", "symbols"]
        .iter()
        .any(|name| query.get(name).is_some())
    {
        let chosen = named(market, query, moment);
        rows.retain(|row| chosen.iter().any(|(_, coin)| coin.id == row.coin.id));
    }
    sort(&mut rows, query.get("order"));
    let page = number(query, "page", 1).max(1);
    let per_page = number(query, "per_page", 100).clamp(1, 250);
    let skipped = page.saturating_sub(1).saturating_mul(per_page);
    let precision = Precision::parse(query.get("precision"));
    let items: Vec<String> = rows
        .iter()
        .skip(skipped)
        .take(per_page)
        .map(|row| market_item(market, query, moment, &currency, precision, row))
        .collect();
    let published = (currency.name == "usd").then_some(Form {
        fresh_ms: moment.fresh_ms,
        precision,
        whole_seconds: false,
    });
    Ok(Body {
        json: format!("[{}]", items.join(",")),
        published,
    })
}

/// A coin among all others.
struct Row<'a> {
    coin: &'a Coin,
    quote: Quote,
    rank: usize,
}

/// Every coin, by market capitalisation, highest first.
fn ranked(market: &Market, moment: Moment) -> Vec<Row<'_>> {
    let coins = market.catalogue().coins().iter();
    let mut rows: Vec<Row<'_>> = coins
        .map(|coin| Row {
            coin,
            quote: market.quote(coin, moment.now_ms, moment.fresh_ms),
            rank: 0,
        })
        .collect();
    rows.sort_by(|a, b| b.quote.market_cap.total_cmp(&a.quote.market_cap));
    for (index, row) in rows.iter_mut().enumerate() {
        row.rank = index + 1;
    }
    rows
}

fn sort(rows: &mut [Row<'_>], order: Option<&str>) {
    match order {
        Some("market_cap_asc") => rows.reverse(),
        Some("volume_asc") => rows.sort_by(|a, b| a.quote.volume.total_cmp(&b.quote.volume)),
        Some("volume_desc") => rows.sort_by(|a, b| b.quote.volume.total_cmp(&a.quote.volume)),
        Some("id_asc") => rows.sort_by(|a, b| a.coin.id.cmp(&b.coin.id)),
        Some("id_desc") => rows.sort_by(|a, b| b.coin.id.cmp(&a.coin.id)),
        _ => {}
    }
}

/// The coins asked for, with the keys under which `/simple/price` answers them: `ids` before `names` before
/// `symbols`. (That a coin found by name or symbol is answered under what was asked is an assumption.)
fn named<'a>(market: &'a Market, query: &Query, moment: Moment) -> Vec<(String, &'a Coin)> {
    let catalogue = market.catalogue();
    let mut chosen: Vec<(String, &Coin)> = Vec::new();
    let mut add = |key: &str, coin: &'a Coin| {
        if !chosen.iter().any(|(known, _)| known == key) {
            chosen.push((key.to_owned(), coin));
        }
    };
    if query.get("ids").is_some() {
        for id in query.list("ids") {
            if let Some(coin) = catalogue.by_id(id) {
                add(id, coin);
            }
        }
    } else if query.get("names").is_some() {
        for name in query.list("names") {
            if let Some(coin) = biggest(
                market,
                catalogue.coins().iter().filter(|coin| coin.is_named(name)),
                moment,
            ) {
                add(name, coin);
            }
        }
    } else {
        let all = query.get("include_tokens") == Some("all");
        for symbol in query.list("symbols").into_iter().take(50) {
            let matching = catalogue.coins().iter().filter(|coin| coin.has_symbol(symbol));
            if all {
                matching.for_each(|coin| add(&coin.id, coin));
            } else if let Some(coin) = biggest(market, matching, moment) {
                add(symbol, coin);
            }
        }
    }
    chosen
}

fn biggest<'a>(market: &Market, coins: impl Iterator<Item = &'a Coin>, moment: Moment) -> Option<&'a Coin> {
    let cap = |coin: &Coin| market.quote(coin, moment.now_ms, moment.fresh_ms).market_cap;
    coins.max_by(|a, b| cap(a).total_cmp(&cap(b)))
}

fn number(query: &Query, name: &str, default: usize) -> usize {
    query
        .get(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// One item of `/coins/markets`: 26 keys always, more when asked for.
fn market_item(
    market: &Market,
    query: &Query,
    moment: Moment,
    currency: &Currency,
    precision: Precision,
    row: &Row<'_>,
) -> String {
    let Row { coin, quote, rank } = row;
    let (rate, rate_day_ago) = (currency.rate, currency.rate_day_ago);
    let at = computed_at(moment.now_ms, moment.fresh_ms);
    let (price, day_ago) = (quote.price * rate, quote.price_day_ago * rate_day_ago);
    let (cap, cap_day_ago) = (quote.market_cap * rate, day_ago * coin.supply);
    let (low, high) = range_24h(market, coin, at);
    let (atl, ath) = market.bounds_usd(coin);
    let big = |value: f64| numbers::price(value, Precision::Default);
    let image = coin.number % 40_000;
    let mut item = Object::new();
    item.text("id", &coin.id)
        .text("symbol", &coin.symbol)
        .text("name", &coin.name)
        .text(
            "image",
            &format!(
                "https://coin-images.coingecko.com/coins/images/{image}/large/{}.png?1696501400",
                coin.id
            ),
        )
        .raw("current_price", &numbers::price(price, precision))
        .raw("market_cap", &big(cap))
        .raw("market_cap_rank", &rank.to_string())
        .raw(
            "fully_diluted_valuation",
            &big(price * coin.max_supply.unwrap_or(coin.supply)),
        )
        .raw("total_volume", &big(quote.volume * rate))
        .raw("high_24h", &numbers::price(high * rate, precision))
        .raw("low_24h", &numbers::price(low * rate, precision))
        .raw("price_change_24h", &numbers::float(price - day_ago))
        .raw(
            "price_change_percentage_24h",
            &numbers::percentage(change(day_ago, price)),
        )
        .raw("market_cap_change_24h", &numbers::float(cap - cap_day_ago))
        .raw(
            "market_cap_change_percentage_24h",
            &numbers::percentage(change(cap_day_ago, cap)),
        )
        .raw("circulating_supply", &numbers::float(coin.supply))
        .raw("total_supply", &numbers::float(coin.supply))
        .raw("max_supply", &coin.max_supply.map_or_else(null, numbers::float))
        .raw("ath", &big(ath * rate))
        .raw(
            "ath_change_percentage",
            &numbers::percentage(change(ath, quote.price)),
        )
        .text(
            "ath_date",
            &numbers::iso_timestamp(EXTREMES_FROM_MS + (coin.number % 50_000_000_000) as i64),
        )
        .raw("atl", &big(atl * rate))
        .raw(
            "atl_change_percentage",
            &numbers::percentage(change(atl, quote.price)),
        )
        .text(
            "atl_date",
            &numbers::iso_timestamp(EXTREMES_FROM_MS - (coin.number % 90_000_000_000) as i64),
        )
        .raw("roi", &roi(coin, quote))
        .text("last_updated", &numbers::iso_timestamp(quote.updated_ms));
    if query.flag("include_rehypothecated") {
        item.raw("market_cap_rank_with_rehypothecated", &rank.to_string());
    }
    if query.flag("sparkline") {
        let week: Vec<String> = (0..168)
            .rev()
            .map(|hours| numbers::float(market.usd(coin, at - hours * 60 * MINUTE_MS) * rate))
            .collect();
        item.raw("sparkline_in_7d", &format!(r#"{{"price":[{}]}}"#, week.join(",")));
    }
    let spans = query.list("price_change_percentage");
    for (name, days_24ths) in CHANGE_SPANS.iter().filter(|(name, _)| spans.contains(name)) {
        let then = market.usd(coin, at - days_24ths * DAY_MS / 24)
            * currency.rate_at(market, at - days_24ths * DAY_MS / 24);
        item.raw(
            &format!("price_change_percentage_{name}_in_currency"),
            &numbers::float(change(then, price)),
        );
    }
    item.close()
}

/// Lowest and highest price of the last 24 hours, by half hours.
fn range_24h(market: &Market, coin: &Coin, at: i64) -> (f64, f64) {
    (0..=48)
        .map(|half_hours| market.usd(coin, at - half_hours * 30 * MINUTE_MS))
        .fold((f64::INFINITY, 0.0), |(low, high), price| {
            (price.min(low), price.max(high))
        })
}

/// What an early buyer of Ether has made of it; `null` for all others.
fn roi(coin: &Coin, quote: &Quote) -> String {
    if coin.id != "ethereum" {
        return null();
    }
    let times = quote.price / (coin.base_usd / 45.0);
    let mut roi = Object::new();
    roi.raw("times", &numbers::float(times))
        .text("currency", "btc")
        .raw("percentage", &numbers::float(times * 100.0));
    roi.close()
}

/// 2024-03-01T00:00:00Z: highs come after, lows before.
const EXTREMES_FROM_MS: i64 = 1_709_251_200_000;
/// Name and length, hours, of what `price_change_percentage` may ask for.
const CHANGE_SPANS: [(&str, i64); 7] = [
    ("1h", 1),
    ("24h", 24),
    ("7d", 168),
    ("14d", 336),
    ("30d", 720),
    ("200d", 4_800),
    ("1y", 8_760),
];

/// A target currency and what a dollar is worth in it.
struct Currency {
    name: &'static str,
    rate: f64,
    rate_day_ago: f64,
}

impl Currency {
    fn of(market: &Market, name: &str, moment: Moment) -> Option<Self> {
        let known = CROSS
            .iter()
            .copied()
            .chain(RATES.map(|(known, _)| known))
            .find(|known| *known == name)?;
        let at = computed_at(moment.now_ms, moment.fresh_ms);
        let mut currency = Self {
            name: known,
            rate: 1.0,
            rate_day_ago: 1.0,
        };
        currency.rate = currency.rate_at(market, at);
        currency.rate_day_ago = currency.rate_at(market, at - DAY_MS);
        Some(currency)
    }

    fn rate_at(&self, market: &Market, at_ms: i64) -> f64 {
        let coin = match self.name {
            "btc" => "bitcoin",
            "eth" => "ethereum",
            fixed => {
                return RATES
                    .iter()
                    .find(|(name, _)| *name == fixed)
                    .map_or(1.0, |(_, rate)| *rate);
            }
        };
        market
            .catalogue()
            .by_id(coin)
            .map_or(1.0, |coin| 1.0 / market.usd(coin, at_ms))
    }
}

/// Currencies whose rates are prices of this market.
const CROSS: [&str; 2] = ["btc", "eth"];
/// Currencies with fixed rates: what a dollar is worth.
const RATES: [(&str, f64); 12] = [
    ("usd", 1.0),
    ("aud", 1.53),
    ("brl", 5.6),
    ("cad", 1.38),
    ("chf", 0.81),
    ("cny", 7.1),
    ("eur", 0.87),
    ("gbp", 0.75),
    ("inr", 88.0),
    ("jpy", 152.0),
    ("krw", 1_420.0),
    ("myr", 4.2),
];

/// A JSON object in the making.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// A member whose value is JSON already.
    pub(super) fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(name));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    /// A member whose value is a string.
    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.raw(name, &quoted(value))
    }

    pub(super) fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn null() -> String {
    "null".to_owned()
}
