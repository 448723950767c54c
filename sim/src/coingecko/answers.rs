//! The JSON of a 200, written field by field.

use scenarios::format::assumptions::Assumptions;

use super::catalogue::{Coin, platform};
use super::currencies::{self, Currency};
use super::errors::ErrorAnswer;
use super::limits::Terms;
use super::lookup::named;
use super::market::{Market, Quote, change, computed_at, lag_ms};
use super::numbers::{self, Precision};
use super::publication::Form;
use super::query::Query;

/// When an answer is given, and from data of which freshness.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The instant that the data say they are of, before they are cut to `fresh_ms`: now, unless all of them are old.
    pub(super) now_ms: i64,
    /// How far apart data are.
    pub(super) fresh_ms: i64,
    /// How much older the prices are than they say; 0 = they are of that instant.
    pub(super) behind_ms: i64,
}

impl Moment {
    /// The instant that the prices are of.
    pub(super) fn data_ms(self) -> i64 {
        let said = computed_at(self.now_ms, self.fresh_ms);
        computed_at(said - self.behind_ms, self.fresh_ms)
    }

    /// What is said of a coin.
    pub(super) fn quote(self, market: &Market, coin: &Coin) -> Quote {
        Quote {
            updated_ms: computed_at(self.now_ms, self.fresh_ms) - lag_ms(coin),
            ..market.quote(coin, self.data_ms(), self.fresh_ms)
        }
    }
}

/// A 200's body, and the forms of US dollar prices that it published.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    pub(super) json: String,
    pub(super) published: Option<Form>,
    pub(super) paging: Option<Paging>,
}

/// Which part of a list an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    /// From 1.
    pub(super) page: usize,
    /// Items on a full page.
    pub(super) per_page: usize,
    /// Items of the whole list.
    pub(super) total: usize,
}

impl From<String> for Body {
    fn from(json: String) -> Self {
        Self {
            json,
            published: None,
            paging: None,
        }
    }
}

/// `/ping`
pub(super) fn ping() -> Body {
    Body::from(r#"{"gecko_says":"(V3) To the Moon!"}"#.to_owned())
}

/// `/key`
pub(super) fn key(terms: &Terms, spent: u64) -> Body {
    let per_month = terms.keyed.per_month.unwrap_or(0);
    let per_minute = terms.keyed.per_minute.to_string();
    let mut key = Object::new();
    key.text("plan", terms.plan)
        .raw("rate_limit_request_per_minute", &per_minute)
        .raw("monthly_call_credit", &per_month.to_string())
        .raw("current_total_monthly_calls", &spent.to_string())
        .raw(
            "current_remaining_monthly_calls",
            &per_month.saturating_sub(spent).to_string(),
        )
        .raw("api_key_rate_limit_request_per_minute", &per_minute)
        .raw("api_key_monthly_call_credit", &per_month.to_string())
        .raw("api_key_current_total_monthly_calls", &spent.to_string());
    Body::from(key.close())
}

/// `/simple/supported_vs_currencies`
pub(super) fn supported_vs_currencies() -> Body {
    let names: Vec<String> = currencies::names().map(quoted).collect();
    Body::from(format!("[{}]", names.join(",")))
}

/// `/coins/list`
pub(super) fn coins_list(market: &Market, query: &Query) -> Body {
    let coins = if query.get("status") == Some("inactive") {
        market.catalogue().inactive()
    } else {
        market.catalogue().coins()
    };
    let coins = coins.iter().map(|coin| {
        let mut item = Object::new();
        item.text("id", &coin.id)
            .text("symbol", &coin.symbol)
            .text("name", &coin.name);
        if query.flag("include_platform") {
            let mut platforms = Object::new();
            if let Some((platform, address)) = platform(coin) {
                platforms.text(platform, &address);
            }
            item.raw("platforms", &platforms.close());
        }
        item.close()
    });
    Body::from(format!("[{}]", coins.collect::<Vec<_>>().join(",")))
}

/// `/simple/price`: unknown coins and currencies are left out without a word.
pub(super) fn simple_price(
    market: &Market,
    query: &Query,
    moment: Moment,
    assumed: &Assumptions,
) -> Result<Body, ErrorAnswer> {
    if query.get("vs_currencies").is_none() {
        return Err(ErrorAnswer::missing_parameter("vs_currencies"));
    }
    if ["ids", "names", "symbols"]
        .iter()
        .all(|name| query.get(name).is_none())
    {
        return Err(ErrorAnswer::no_coin_named(assumed.missing_ids_text.as_str()));
    }
    let precision = Precision::parse(query.get("precision"));
    let currencies: Vec<Currency> = query
        .list("vs_currencies")
        .into_iter()
        .filter_map(|name| Currency::of(market, name, moment))
        .collect();
    let mut answer = Object::new();
    for (key, coin) in named(market, query, moment, assumed.symbols_key) {
        let quote = moment.quote(market, coin);
        let mut fields = Object::new();
        for currency in &currencies {
            let name = currency.name;
            if !coin.traded {
                untraded(&mut fields, query, name);
                continue;
            }
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
            behind_ms: moment.behind_ms,
        });
    Ok(Body {
        json: answer.close(),
        published,
        paging: None,
    })
}

/// What is said of a coin that has no price: that it has none.
fn untraded(fields: &mut Object, query: &Query, currency: &str) {
    fields.raw(currency, "null");
    for (parameter, member) in [
        ("include_market_cap", "market_cap"),
        ("include_24hr_vol", "24h_vol"),
        ("include_24hr_change", "24h_change"),
    ] {
        if query.flag(parameter) {
            fields.raw(&format!("{currency}_{member}"), "null");
        }
    }
}

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

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
