//! `/coins/{id}`: everything that is said of one coin. Prices and what follows from them are the market's; words, links
//! and numbers of followers are made up, and always the same for a coin.

use scenarios::format::assumptions::CoinSparkline;

use super::answers::{Body, Moment, Object, quoted};
use super::catalogue::{Category, Coin, platform};
use super::currencies::Currency;
use super::market::{DAY_MS, HOUR_MS, MINUTE_MS, Market, Quote, change};
use super::markets::{extremes_ms, null, plain, range_24h, rank, roi};
use super::numbers::{self, Precision};
use super::publication::Form;
use super::query::Query;

/// `/coins/{id}`
pub(super) fn coin(
    market: &Market,
    coin: &Coin,
    query: &Query,
    moment: Moment,
    sparkline: CoinSparkline,
) -> Body {
    // What may be left out is there unless it is declined.
    let wants = |name: &str| query.get(name) != Some("false");
    let view = View {
        market,
        coin,
        quote: moment.quote(market, coin),
        rank: rank(market, coin, moment).map_or_else(null, |rank| rank.to_string()),
        at_ms: moment.data_ms(),
        currencies: Currency::all(market, moment),
    };
    let mut answer = Object::new();
    view.identity(&mut answer, query.flag("include_categories_details"));
    if wants("localization") {
        answer.raw("localization", &view.names());
    }
    view.words(&mut answer);
    answer
        .raw("market_cap_rank", &view.rank)
        .raw("market_cap_rank_with_rehypothecated", &view.rank);
    if wants("market_data") {
        answer.raw(
            "market_data",
            &view.market_data(query.flag("sparkline").then_some(sparkline)),
        );
    }
    if wants("community_data") {
        answer.raw("community_data", &view.community());
    }
    if wants("developer_data") {
        answer.raw("developer_data", &view.developers());
    }
    answer
        .raw("status_updates", "[]")
        .text("last_updated", &numbers::iso_timestamp(view.quote.updated_ms));
    if wants("tickers") {
        answer.raw("tickers", &view.tickers(query.get("dex_pair_format")));
    }
    let published = (coin.traded && wants("market_data")).then_some(Form {
        fresh_ms: moment.fresh_ms,
        precision: Precision::Default,
        whole_seconds: false,
        behind_ms: moment.behind_ms,
    });
    Body {
        json: answer.close(),
        published,
        paging: None,
    }
}

/// One coin at the instant of an answer.
struct View<'a> {
    market: &'a Market,
    coin: &'a Coin,
    quote: Quote,
    /// JSON.
    rank: String,
    /// The instant of the data.
    at_ms: i64,
    currencies: Vec<Currency>,
}

/// Members of `market_data` that are one number for each target currency.
const BY_CURRENCY: [&str; 23] = [
    "current_price",
    "ath",
    "ath_change_percentage",
    "ath_date",
    "atl",
    "atl_change_percentage",
    "atl_date",
    "market_cap",
    "fully_diluted_valuation",
    "total_volume",
    "high_24h",
    "low_24h",
    "price_change_24h_in_currency",
    "price_change_percentage_1h_in_currency",
    "price_change_percentage_24h_in_currency",
    "price_change_percentage_7d_in_currency",
    "price_change_percentage_14d_in_currency",
    "price_change_percentage_30d_in_currency",
    "price_change_percentage_60d_in_currency",
    "price_change_percentage_200d_in_currency",
    "price_change_percentage_1y_in_currency",
    "market_cap_change_24h_in_currency",
    "market_cap_change_percentage_24h_in_currency",
];

/// Name and length, days, of the spans over which changes are told.
const SPANS: [(&str, i64); 7] = [
    ("24h", 1),
    ("7d", 7),
    ("14d", 14),
    ("30d", 30),
    ("60d", 60),
    ("200d", 200),
    ("1y", 365),
];

impl View<'_> {
    fn identity(&self, answer: &mut Object, details: bool) {
        let coin = self.coin;
        let (mut platforms, mut detailed) = (Object::new(), Object::new());
        let on = platform(coin);
        // A coin with a chain of its own is on the platform without a name.
        let (name, address) = on.as_ref().map_or(("", ""), |(name, address)| (*name, address));
        let mut detail = Object::new();
        detail
            .raw("decimal_place", if on.is_some() { "18" } else { "null" })
            .text("contract_address", address);
        platforms.text(name, address);
        detailed.raw(name, &detail.close());
        let (category, category_id) = match coin.category {
            Category::Stablecoin => ("Stablecoins", "stablecoins"),
            Category::Meme => ("Meme", "meme-token"),
            Category::Other => ("Cryptocurrency", "cryptocurrency"),
        };
        answer
            .text("id", &coin.id)
            .text("symbol", &coin.symbol)
            .text("name", &coin.name)
            .text("web_slug", &coin.id)
            .raw(
                "asset_platform_id",
                &on.as_ref().map_or_else(null, |(name, _)| quoted(name)),
            )
            .raw("platforms", &platforms.close())
            .raw("detail_platforms", &detailed.close())
            .raw(
                "block_time_in_minutes",
                if coin.id == "bitcoin" { "10" } else { "0" },
            )
            .raw(
                "hashing_algorithm",
                if coin.id == "bitcoin" {
                    r#""SHA-256""#
                } else {
                    "null"
                },
            )
            .raw("categories", &format!("[{}]", quoted(category)));
        if details {
            let mut item = Object::new();
            item.text("id", category_id).text("name", category);
            answer.raw("categories_details", &format!("[{}]", item.close()));
        }
        answer
            .raw("preview_listing", if coin.traded { "false" } else { "true" })
            .raw("public_notice", "null")
            .raw("additional_notices", "[]")
            .raw("has_supply_breakdown", "false");
    }

    /// The name in each language; they are all the same here.
    fn names(&self) -> String {
        let mut names = Object::new();
        for language in ["en", "de", "es", "fr", "it", "pl", "ja", "zh"] {
            names.text(language, &self.coin.name);
        }
        names.close()
    }

    fn words(&self, answer: &mut Object) {
        let (coin, page) = (self.coin, format!("https://{}.example", self.coin.id));
        let mut description = Object::new();
        description.text(
            "en",
            &format!("{} as the fake CoinGecko describes it.", coin.name),
        );
        let mut repositories = Object::new();
        repositories.raw("github", "[]").raw("bitbucket", "[]");
        let mut links = Object::new();
        links
            .raw("homepage", &format!("[{}]", quoted(&page)))
            .text("whitepaper", "")
            .raw(
                "blockchain_site",
                &format!("[{}]", quoted(&format!("{page}/explorer"))),
            )
            .raw("official_forum_url", "[]")
            .raw("chat_url", "[]")
            .raw("announcement_url", "[]")
            .raw("snapshot_url", "null")
            .text("twitter_screen_name", "")
            .text("facebook_username", "")
            .raw("bitcointalk_thread_identifier", "null")
            .text("telegram_channel_identifier", "")
            .text("subreddit_url", "")
            .raw("repos_url", &repositories.close());
        let mut image = Object::new();
        for size in ["thumb", "small", "large"] {
            let number = coin.number % 40_000;
            let url = format!(
                "https://coin-images.coingecko.com/coins/images/{number}/{size}/{}.png?1696501400",
                coin.id
            );
            image.text(size, &url);
        }
        let up = (coin.number % 10_000) as f64 / 100.0;
        answer
            .raw("description", &description.close())
            .raw("links", &links.close())
            .raw("image", &image.close())
            .text("country_origin", "")
            .raw(
                "genesis_date",
                if coin.id == "bitcoin" {
                    r#""2009-01-03""#
                } else {
                    "null"
                },
            )
            .raw("sentiment_votes_up_percentage", &format!("{up:.2}"))
            .raw("sentiment_votes_down_percentage", &format!("{:.2}", 100.0 - up))
            .raw(
                "watchlist_portfolio_users",
                &(coin.number % 2_000_000).to_string(),
            );
    }

    fn market_data(&self, sparkline: Option<CoinSparkline>) -> String {
        let coin = self.coin;
        let mut data = Object::new();
        self.by_currency(&mut data);
        for name in [
            "total_value_locked",
            "mcap_to_tvl_ratio",
            "fdv_to_tvl_ratio",
            "outstanding_token_value_usd",
            "outstanding_supply",
        ] {
            data.raw(name, "null");
        }
        let most = coin.max_supply.unwrap_or(coin.supply);
        data.raw("roi", &roi(coin, &self.quote))
            .raw("market_cap_fdv_ratio", &format!("{:.2}", coin.supply / most))
            .raw("market_cap_rank", &self.rank)
            .raw("market_cap_rank_with_rehypothecated", &self.rank);
        if coin.traded {
            let (now, day_ago) = (self.quote.price, self.quote.price_day_ago);
            data.raw("price_change_24h", &numbers::float(now - day_ago));
            for (name, days) in SPANS {
                let then = self.market.usd(coin, self.at_ms - days * DAY_MS);
                data.raw(
                    &format!("price_change_percentage_{name}"),
                    &numbers::percentage(change(then, now)),
                );
            }
            data.raw(
                "market_cap_change_24h",
                &numbers::float((now - day_ago) * coin.supply),
            )
            .raw(
                "market_cap_change_percentage_24h",
                &numbers::percentage(change(day_ago, now)),
            );
        }
        data.raw("total_supply", &numbers::float(coin.supply))
            .raw("max_supply", &coin.max_supply.map_or_else(null, numbers::float))
            .raw(
                "max_supply_infinite",
                if coin.max_supply.is_none() {
                    "true"
                } else {
                    "false"
                },
            )
            .raw("circulating_supply", &numbers::float(coin.supply))
            .text("last_updated", &numbers::iso_timestamp(self.quote.updated_ms));
        if let Some(shape) = sparkline {
            let hours = (0..168).rev().filter(|_| coin.traded);
            let week: Vec<String> = hours
                .map(|hours| numbers::float(self.market.usd(coin, self.at_ms - hours * HOUR_MS)))
                .collect();
            let week = format!("[{}]", week.join(","));
            let week = match shape {
                CoinSparkline::List => week,
                CoinSparkline::Object => format!(r#"{{"price":{week}}}"#),
            };
            data.raw("sparkline_7d", &week);
        }
        data.close()
    }

    /// The members that have a value for each target currency. Those of a coin that nobody trades are empty.
    fn by_currency(&self, data: &mut Object) {
        let (coin, market) = (self.coin, self.market);
        let (low, high) = market.bounds_usd(coin);
        let (day_low, day_high) = range_24h(market, coin, self.at_ms);
        let (low_ms, high_ms) = extremes_ms(coin);
        let mut columns = BY_CURRENCY.map(|name| (name, Object::new()));
        for currency in self.currencies.iter().filter(|_| coin.traded) {
            let (name, rate) = (currency.name, currency.rate);
            let price = self.quote.price * rate;
            let day_ago = self.quote.price_day_ago * currency.rate_day_ago;
            let most = coin.max_supply.unwrap_or(coin.supply);
            let since = |back_ms: i64| {
                let then_ms = self.at_ms - back_ms;
                let then = market.usd(coin, then_ms) * currency.rate_at(market, then_ms);
                numbers::percentage(change(then, price))
            };
            for (column, values) in &mut columns {
                let value = match *column {
                    "current_price" => plain(price),
                    "ath" => plain(high * rate),
                    "atl" => plain(low * rate),
                    "ath_change_percentage" => numbers::percentage(change(high, self.quote.price)),
                    "atl_change_percentage" => numbers::percentage(change(low, self.quote.price)),
                    "ath_date" => quoted(&numbers::iso_timestamp(high_ms)),
                    "atl_date" => quoted(&numbers::iso_timestamp(low_ms)),
                    "market_cap" => plain(price * coin.supply),
                    "fully_diluted_valuation" => plain(price * most),
                    "total_volume" => plain(self.quote.volume * rate),
                    "high_24h" => plain(day_high * rate),
                    "low_24h" => plain(day_low * rate),
                    "price_change_24h_in_currency" => numbers::float(price - day_ago),
                    "market_cap_change_24h_in_currency" => numbers::float((price - day_ago) * coin.supply),
                    "price_change_percentage_1h_in_currency" => since(60 * MINUTE_MS),
                    "market_cap_change_percentage_24h_in_currency" => since(DAY_MS),
                    other => {
                        let span = other
                            .strip_prefix("price_change_percentage_")
                            .and_then(|rest| rest.strip_suffix("_in_currency"));
                        let span = SPANS.iter().find(|(name, _)| Some(*name) == span);
                        since(span.map_or(DAY_MS, |(_, days)| days * DAY_MS))
                    }
                };
                values.raw(name, &value);
            }
        }
        for (name, values) in columns {
            data.raw(name, &values.close());
        }
    }

    fn community(&self) -> String {
        let mut data = Object::new();
        data.raw("facebook_likes", "null")
            .raw("reddit_average_posts_48h", "0.0")
            .raw("reddit_average_comments_48h", "0.0")
            .raw("reddit_subscribers", &(self.coin.number % 7_000_000).to_string())
            .raw("reddit_accounts_active_48h", "0")
            .raw("telegram_channel_user_count", "null");
        data.close()
    }

    fn developers(&self) -> String {
        let stars = self.coin.number % 80_000;
        let mut lines = Object::new();
        lines.raw("additions", "0").raw("deletions", "0");
        let mut data = Object::new();
        data.raw("forks", &(stars / 2).to_string())
            .raw("stars", &stars.to_string())
            .raw("subscribers", &(stars / 20).to_string())
            .raw("total_issues", &(stars / 10).to_string())
            .raw("closed_issues", &(stars / 11).to_string())
            .raw("pull_requests_merged", &(stars / 7).to_string())
            .raw("pull_request_contributors", &(stars / 90).to_string())
            .raw("code_additions_deletions_4_weeks", &lines.close())
            .raw("commit_count_4_weeks", "0")
            .raw("last_4_weeks_commit_activity_series", "[]");
        data.close()
    }

    /// Two markets where it is traded: against the dollar, and against a dollar coin.
    fn tickers(&self, dex_pair_format: Option<&str>) -> String {
        let coin = self.coin;
        if !coin.traded {
            return "[]".to_owned();
        }
        let base = match platform(coin) {
            // Pairs of exchanges without an operator are named by contract unless symbols are asked for.
            Some((_, address)) if dex_pair_format != Some("symbol") => address.to_uppercase(),
            _ => coin.symbol.to_uppercase(),
        };
        let at = numbers::iso_timestamp(self.quote.updated_ms).replace(".000Z", "Z");
        let usd = self.quote.price;
        let rate = |name: &str| {
            let found = self.currencies.iter().find(|currency| currency.name == name);
            found.map_or(1.0, |currency| currency.rate)
        };
        let converted = |dollars: f64| {
            let mut values = Object::new();
            for name in ["btc", "eth", "usd"] {
                values.raw(name, &numbers::float(dollars * rate(name)));
            }
            values.close()
        };
        let tickers: Vec<String> = [
            ("Sample Exchange", "sample", "USD"),
            ("Sample Swap", "sample-swap", "USDT"),
        ]
        .iter()
        .map(|(name, identifier, target)| {
            let mut market = Object::new();
            market
                .text("name", name)
                .text("identifier", identifier)
                .raw("has_trading_incentive", "false");
            let dollars = self.quote.volume / 10.0;
            let mut ticker = Object::new();
            ticker
                .text("base", if *target == "USD" { &coin.symbol } else { &base })
                .text("target", target)
                .raw("market", &market.close())
                .raw("last", &numbers::float(usd))
                .raw("volume", &numbers::float(dollars / usd))
                .raw("converted_last", &converted(usd))
                .raw("converted_volume", &converted(dollars))
                .raw("trust_score", "null")
                .raw("bid_ask_spread_percentage", "0.010014")
                .text("timestamp", &at)
                .text("last_traded_at", &at)
                .text("last_fetch_at", &at)
                .raw("is_anomaly", "false")
                .raw("is_stale", "false")
                .text("trade_url", &format!("https://{identifier}.example/{}", coin.id))
                .raw("token_info_url", "null")
                .text("coin_id", &coin.id)
                .text("target_coin_id", if *target == "USD" { "" } else { "tether" })
                .raw("coin_mcap_usd", &numbers::float(self.quote.market_cap));
            ticker.close()
        })
        .collect();
        format!("[{}]", tickers.join(","))
    }
}
