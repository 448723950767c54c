//! `/coins/markets`: choosing, ordering, paging, and the 26 members of an item.

use scenarios::format::assumptions::{Assumptions, PerPageOver250};

use super::answers::{Body, Moment, Object, Paging};
use super::catalogue::Coin;
use super::currencies::Currency;
use super::errors::ErrorAnswer;
use super::lookup::named;
use super::market::{HOUR_MS, Market, Quote, change};
use super::numbers::{self, Precision};
use super::publication::Form;
use super::query::Query;

/// `/coins/markets`
pub(super) fn coins_markets(
    market: &Market,
    query: &Query,
    moment: Moment,
    assumed: &Assumptions,
) -> Result<Body, ErrorAnswer> {
    let Some(name) = query.get("vs_currency") else {
        return Err(ErrorAnswer::missing_parameter("vs_currency"));
    };
    let Some(currency) = Currency::of(market, name, moment) else {
        return Err(ErrorAnswer::invalid_vs_currency());
    };
    let per_page = number(query, "per_page", 100);
    if per_page > MOST_PER_PAGE && assumed.per_page_over_250 == PerPageOver250::Refuse {
        return Err(ErrorAnswer::invalid_per_page());
    }
    let per_page = per_page.clamp(1, MOST_PER_PAGE);
    let mut rows = ranked(market, moment);
    if let Some(category) = query.get("category") {
        rows.retain(|row| row.coin.category.id() == Some(category));
    } else if ["ids", "names", "symbols"]
        .iter()
        .any(|name| query.get(name).is_some())
    {
        let chosen = named(market, query, moment, assumed.symbols_key);
        rows.retain(|row| chosen.iter().any(|(_, coin)| coin.id == row.coin.id));
    }
    sort(&mut rows, query.get("order"));
    let page = number(query, "page", 1).max(1);
    let skipped = page.saturating_sub(1).saturating_mul(per_page);
    let view = View {
        market,
        query,
        currency,
        precision: Precision::parse(query.get("precision")),
        at_ms: moment.data_ms(),
    };
    let items: Vec<String> = rows
        .iter()
        .skip(skipped)
        .take(per_page)
        .map(|row| view.item(row))
        .collect();
    let published = (view.currency.name == "usd").then_some(Form {
        fresh_ms: moment.fresh_ms,
        precision: view.precision,
        whole_seconds: false,
        behind_ms: moment.behind_ms,
    });
    Ok(Body {
        json: format!("[{}]", items.join(",")),
        published,
        paging: Some(Paging {
            page,
            per_page,
            total: rows.len(),
        }),
    })
}

/// The most items of a page.
const MOST_PER_PAGE: usize = 250;

/// A coin among all others.
struct Row<'a> {
    coin: &'a Coin,
    quote: Quote,
    rank: Option<usize>,
}

/// A coin's place by market capitalisation, from 1; none for one that nobody trades.
pub(super) fn rank(market: &Market, coin: &Coin, moment: Moment) -> Option<usize> {
    let rows = ranked(market, moment);
    rows.iter().find(|row| row.coin.id == coin.id)?.rank
}

/// Every coin, by market capitalisation, highest first; those that nobody trades last.
fn ranked(market: &Market, moment: Moment) -> Vec<Row<'_>> {
    let coins = market.catalogue().coins().iter();
    let mut rows: Vec<Row<'_>> = coins
        .map(|coin| Row {
            coin,
            quote: moment.quote(market, coin),
            rank: None,
        })
        .collect();
    rows.sort_by(|a, b| {
        let cap = b.quote.market_cap.total_cmp(&a.quote.market_cap);
        b.coin.traded.cmp(&a.coin.traded).then(cap)
    });
    for (index, row) in rows.iter_mut().enumerate() {
        row.rank = row.coin.traded.then_some(index + 1);
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

fn number(query: &Query, name: &str, default: usize) -> usize {
    query
        .get(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// What all items of one answer have in common.
struct View<'a> {
    market: &'a Market,
    query: &'a Query,
    currency: Currency,
    precision: Precision,
    /// The instant of the data.
    at_ms: i64,
}

impl View<'_> {
    /// One item: 26 members always, more when asked for.
    fn item(&self, row: &Row<'_>) -> String {
        let coin = row.coin;
        let image = coin.number % 40_000;
        let image = format!(
            "https://coin-images.coingecko.com/coins/images/{image}/large/{}.png?1696501400",
            coin.id
        );
        let mut item = Object::new();
        item.text("id", &coin.id)
            .text("symbol", &coin.symbol)
            .text("name", &coin.name)
            .text("image", &image);
        self.today(&mut item, row);
        let max_supply = coin.max_supply.map_or_else(null, numbers::float);
        item.raw("circulating_supply", &numbers::float(coin.supply))
            .raw("total_supply", &numbers::float(coin.supply))
            .raw("max_supply", &max_supply);
        self.ever(&mut item, row);
        item.raw("roi", &roi(coin, &row.quote))
            .text("last_updated", &numbers::iso_timestamp(row.quote.updated_ms));
        self.extras(&mut item, row);
        item.close()
    }

    /// Price, worth and volume, and what became of them within a day.
    fn today(&self, item: &mut Object, Row { coin, quote, rank }: &Row<'_>) {
        if !coin.traded {
            for name in TODAY {
                item.raw(name, "null");
            }
            return;
        }
        let rate = self.currency.rate;
        let (price, day_ago) = (
            quote.price * rate,
            quote.price_day_ago * self.currency.rate_day_ago,
        );
        let (cap, cap_day_ago) = (quote.market_cap * rate, day_ago * coin.supply);
        let diluted = price * coin.max_supply.unwrap_or(coin.supply);
        let (low, high) = range_24h(self.market, coin, self.at_ms);
        let percentage = |from, to| numbers::percentage(change(from, to));
        item.raw("current_price", &numbers::price(price, self.precision))
            .raw("market_cap", &plain(cap))
            .raw(
                "market_cap_rank",
                &rank.map_or_else(null, |rank| rank.to_string()),
            )
            .raw("fully_diluted_valuation", &plain(diluted))
            .raw("total_volume", &plain(quote.volume * rate))
            .raw("high_24h", &numbers::price(high * rate, self.precision))
            .raw("low_24h", &numbers::price(low * rate, self.precision))
            .raw("price_change_24h", &numbers::float(price - day_ago))
            .raw("price_change_percentage_24h", &percentage(day_ago, price))
            .raw("market_cap_change_24h", &numbers::float(cap - cap_day_ago))
            .raw("market_cap_change_percentage_24h", &percentage(cap_day_ago, cap));
    }

    /// The highest and the lowest price of all times.
    fn ever(&self, item: &mut Object, Row { coin, quote, .. }: &Row<'_>) {
        if !coin.traded {
            for name in EVER {
                item.raw(name, "null");
            }
            return;
        }
        let (low, high) = self.market.bounds_usd(coin);
        let (low_ms, high_ms) = extremes_ms(coin);
        item.raw("ath", &plain(high * self.currency.rate))
            .raw(
                "ath_change_percentage",
                &numbers::percentage(change(high, quote.price)),
            )
            .text("ath_date", &numbers::iso_timestamp(high_ms))
            .raw("atl", &plain(low * self.currency.rate))
            .raw(
                "atl_change_percentage",
                &numbers::percentage(change(low, quote.price)),
            )
            .text("atl_date", &numbers::iso_timestamp(low_ms));
    }

    /// What is only sent when it is asked for.
    fn extras(&self, item: &mut Object, Row { coin, quote, rank }: &Row<'_>) {
        let (market, rate) = (self.market, self.currency.rate);
        if self.query.flag("include_rehypothecated") {
            let rank = rank.map_or_else(null, |rank| rank.to_string());
            item.raw("market_cap_rank_with_rehypothecated", &rank);
        }
        if self.query.flag("sparkline") {
            let hours = (0..168)
                .rev()
                .map(|hours| market.usd(coin, self.at_ms - hours * HOUR_MS) * rate);
            let hours = hours.filter(|_| coin.traded);
            let week: Vec<String> = hours.map(numbers::float).collect();
            item.raw("sparkline_in_7d", &format!(r#"{{"price":[{}]}}"#, week.join(",")));
        }
        let spans = self.query.list("price_change_percentage");
        for (name, hours) in CHANGE_SPANS.iter().filter(|(name, _)| spans.contains(name)) {
            if !coin.traded {
                item.raw(&format!("price_change_percentage_{name}_in_currency"), "null");
                continue;
            }
            let then_ms = self.at_ms - hours * HOUR_MS;
            let then = market.usd(coin, then_ms) * self.currency.rate_at(market, then_ms);
            let member = format!("price_change_percentage_{name}_in_currency");
            item.raw(&member, &numbers::float(change(then, quote.price * rate)));
        }
    }
}

/// When a coin was at its lowest and at its highest of all times, Unix milliseconds.
pub(super) fn extremes_ms(coin: &Coin) -> (i64, i64) {
    let low_ms = EXTREMES_FROM_MS - (coin.number % 90_000_000_000) as i64;
    let high_ms = EXTREMES_FROM_MS + (coin.number % 50_000_000_000) as i64;
    (low_ms, high_ms)
}

/// The members of `today`, and of `ever`.
const TODAY: [&str; 11] = [
    "current_price",
    "market_cap",
    "market_cap_rank",
    "fully_diluted_valuation",
    "total_volume",
    "high_24h",
    "low_24h",
    "price_change_24h",
    "price_change_percentage_24h",
    "market_cap_change_24h",
    "market_cap_change_percentage_24h",
];
const EVER: [&str; 6] = [
    "ath",
    "ath_change_percentage",
    "ath_date",
    "atl",
    "atl_change_percentage",
    "atl_date",
];

pub(super) fn plain(value: f64) -> String {
    numbers::price(value, Precision::Default)
}

/// Lowest and highest price of the last 24 hours, by half hours.
pub(super) fn range_24h(market: &Market, coin: &Coin, at: i64) -> (f64, f64) {
    (0..=48)
        .map(|half_hours| market.usd(coin, at - half_hours * HOUR_MS / 2))
        .fold((f64::INFINITY, 0.0), |(low, high), price| {
            (price.min(low), price.max(high))
        })
}

/// What an early buyer of Ether has made of it; `null` for all others.
pub(super) fn roi(coin: &Coin, quote: &Quote) -> String {
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

pub(super) fn null() -> String {
    "null".to_owned()
}
