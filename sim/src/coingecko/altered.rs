//! What faults make of the JSON of a 200: fields that are null, coins that are missing, numbers that are wrong.
//!
//! A healthy body is taken apart, changed and put together again; what is not changed keeps its characters and its
//! order. So the endpoints know nothing of faults, and a fault that changes nothing is seen to change nothing.

use scenarios::format::fault::{CoinGeckoFault, Missing, PriceField, Renamed, WrongValue};
use serde_json::value::RawValue;

use super::answers::Object;
use super::errors::ErrorAnswer;
use super::market::{Market, mix};
use super::numbers::{self, Precision};

mod members;

use members::{Items, Members};

/// A fault that changes what is said of coins.
#[derive(Clone, Debug, PartialEq)]
pub struct Altered {
    change: Change,
    /// Of which coin; `None` = of all, or of as many as the change says.
    id: Option<String>,
    /// Decides which coins are chosen, the same for the whole of a fault.
    choice: u64,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Null { fields: Vec<PriceField>, absent: bool },
    Missing { count: u32, shape: Missing },
    Renamed(Renamed),
    Delisted,
    Wrong(WrongValue),
}

/// Where an answer comes from and what it is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) market: &'a Market,
    /// Without `/api/v3`.
    pub(super) path: &'a str,
    /// Whether `/coins/list` was asked for the inactive coins.
    pub(super) inactive: bool,
    /// The instant of the prices, Unix milliseconds.
    pub(super) data_ms: i64,
}

impl Altered {
    /// The change that a fault of this kind makes, of the coin `id` or of all; `None` when it makes none.
    pub fn of(kind: &CoinGeckoFault, id: Option<String>, choice: u64) -> Option<Self> {
        let change = match kind {
            CoinGeckoFault::NullFields { fields, absent } => Change::Null {
                fields: fields.clone(),
                absent: *absent,
            },
            CoinGeckoFault::MissingCoin { count, shape } => Change::Missing {
                count: *count,
                shape: *shape,
            },
            CoinGeckoFault::IdRenamed { shape } => Change::Renamed(*shape),
            CoinGeckoFault::Delisted => Change::Delisted,
            CoinGeckoFault::WrongValue { value } => Change::Wrong(*value),
            _ => return None,
        };
        Some(Self { change, id, choice })
    }

    /// What becomes of the body of a 200. The same body when there is nothing to change.
    ///
    /// # Errors
    /// The answer that takes its place: 404 where the coin that was asked for is no longer there.
    pub(super) fn apply(&self, body: &str, source: Source<'_>) -> Result<String, ErrorAnswer> {
        let changed = match source.path {
            "/simple/price" => self.prices(body, source),
            "/coins/markets" => self.markets(body, source),
            "/coins/list" => self.list(body, source),
            path => match path.strip_prefix("/coins/") {
                Some(id) if self.is_of(id) => return self.coin(body, id, source),
                _ => None,
            },
        };
        Ok(changed.unwrap_or_else(|| body.to_owned()))
    }

    fn is_of(&self, id: &str) -> bool {
        self.id.as_deref().is_none_or(|own| own == id)
    }

    /// `/simple/price`: an object of coins.
    fn prices(&self, body: &str, source: Source<'_>) -> Option<String> {
        let coins = Members::parse(body)?;
        let gone = self.missing(coins.names());
        if gone == Gone::Everything {
            return Some("{}".to_owned());
        }
        let mut answer = Object::new();
        for (id, fields) in coins.iter() {
            match self.fate(id, &gone) {
                Fate::Left => {
                    answer.raw(id, fields.get());
                }
                Fate::Omitted => {}
                Fate::Emptied => {
                    answer.raw(id, "{}");
                }
                Fate::Changed => {
                    let fields = Members::parse(fields.get())?;
                    answer.raw(id, &self.price_fields(id, &fields, source));
                }
            }
        }
        Some(answer.close())
    }

    /// `/coins/markets`: a list of items.
    fn markets(&self, body: &str, source: Source<'_>) -> Option<String> {
        let items = Items::parse(body)?;
        let ids: Vec<String> = items.iter().filter_map(Members::id).collect();
        let gone = self.missing(ids.iter().map(String::as_str));
        if gone == Gone::Everything {
            return Some("[]".to_owned());
        }
        let mut answer = Vec::new();
        for item in items.iter() {
            let id = item.id()?;
            match self.fate(&id, &gone) {
                Fate::Left => answer.push(item.close()),
                Fate::Omitted => {}
                Fate::Emptied => answer.push(item.mapped(|name, json| {
                    let is_name = matches!(name, "id" | "symbol" | "name" | "image" | "last_updated");
                    Some(if is_name {
                        json.to_owned()
                    } else {
                        "null".to_owned()
                    })
                })),
                Fate::Changed => {
                    answer.push(item.mapped(|name, json| self.market_field(&id, name, json, source)))
                }
            }
        }
        Some(format!("[{}]", answer.join(",")))
    }

    /// `/coins/list`: only what is no longer listed differs.
    fn list(&self, body: &str, source: Source<'_>) -> Option<String> {
        let id = self.id.as_deref()?;
        let delisted = match self.change {
            Change::Delisted => true,
            Change::Renamed(Renamed::Omit) => false,
            _ => return None,
        };
        let coins = Items::parse(body)?;
        let mut items: Vec<String> = coins
            .iter()
            .filter(|item| item.id().is_none_or(|known| known != id))
            .map(Members::close)
            .collect();
        if source.inactive && delisted {
            let coin = source.market.catalogue().by_id(id)?;
            let mut item = Object::new();
            item.text("id", &coin.id)
                .text("symbol", &coin.symbol)
                .text("name", &coin.name);
            items.push(item.close());
        }
        Some(format!("[{}]", items.join(",")))
    }

    /// `/coins/{id}`: one object, with its prices under `market_data`.
    fn coin(&self, body: &str, id: &str, source: Source<'_>) -> Result<String, ErrorAnswer> {
        match self.fate(id, &self.missing(std::iter::once(id))) {
            Fate::Omitted => return Err(ErrorAnswer::coin_not_found()),
            Fate::Left => return Ok(body.to_owned()),
            Fate::Emptied | Fate::Changed => {}
        }
        let changed = Members::parse(body).map(|coin| {
            coin.mapped(|name, json| match name {
                "market_data" => Some(
                    self.market_data(id, json, source)
                        .unwrap_or_else(|| json.to_owned()),
                ),
                "market_cap_rank" => self.plain(PriceField::Rank, json),
                _ => Some(json.to_owned()),
            })
        });
        Ok(changed.unwrap_or_else(|| body.to_owned()))
    }

    /// `market_data` of `/coins/{id}`: numbers by currency.
    fn market_data(&self, id: &str, json: &str, source: Source<'_>) -> Option<String> {
        let data = Members::parse(json)?;
        let hollow = matches!(self.change, Change::Renamed(_) | Change::Missing { .. });
        Some(data.mapped(|name, json| match name {
            "current_price" | "market_cap" if hollow => Some("{}".to_owned()),
            "circulating_supply" | "total_supply" if hollow => Some("0.0".to_owned()),
            "current_price" => Some(match &self.change {
                Change::Null { fields, .. } if fields.contains(&PriceField::Price) => "{}".to_owned(),
                Change::Wrong(wrong) => Members::parse(json).map_or_else(
                    || json.to_owned(),
                    |prices| prices.mapped(|_, price| Some(wrong_price(*wrong, id, price, source))),
                ),
                _ => json.to_owned(),
            }),
            "price_change_percentage_24h" => self.plain(PriceField::Change24h, json),
            "market_cap" => match &self.change {
                Change::Null { fields, .. } if fields.contains(&PriceField::MarketCap) => {
                    Some("{}".to_owned())
                }
                _ => Some(json.to_owned()),
            },
            "market_cap_rank" => self.plain(PriceField::Rank, json),
            _ => Some(json.to_owned()),
        }))
    }

    /// The members of one coin of `/simple/price`.
    fn price_fields(&self, id: &str, fields: &Members, source: Source<'_>) -> String {
        fields.mapped(|name, json| {
            let field = match name {
                "last_updated_at" => return Some(json.to_owned()),
                name if name.ends_with("_24h_change") => PriceField::Change24h,
                name if name.ends_with("_market_cap") => PriceField::MarketCap,
                name if name.ends_with("_24h_vol") => return Some(json.to_owned()),
                _ => PriceField::Price,
            };
            self.field(id, field, json, source)
        })
    }

    /// One member of an item of `/coins/markets`.
    fn market_field(&self, id: &str, name: &str, json: &str, source: Source<'_>) -> Option<String> {
        let field = match name {
            "current_price" => PriceField::Price,
            "price_change_percentage_24h" => PriceField::Change24h,
            "market_cap" => PriceField::MarketCap,
            "market_cap_rank" => PriceField::Rank,
            "circulating_supply" | "total_supply" if matches!(self.change, Change::Renamed(_)) => {
                return Some("0.0".to_owned());
            }
            _ => return Some(json.to_owned()),
        };
        self.field(id, field, json, source)
    }

    /// A member that a change may be about; `None` = left out.
    fn field(&self, id: &str, field: PriceField, json: &str, source: Source<'_>) -> Option<String> {
        match &self.change {
            Change::Wrong(wrong) if field == PriceField::Price => Some(wrong_price(*wrong, id, json, source)),
            Change::Renamed(_) if field == PriceField::Price => Some("null".to_owned()),
            Change::Renamed(_) if field == PriceField::MarketCap => Some("0.0".to_owned()),
            _ => self.plain(field, json),
        }
    }

    /// A member that may be null or absent.
    fn plain(&self, field: PriceField, json: &str) -> Option<String> {
        match &self.change {
            Change::Null { fields, absent } if fields.contains(&field) => {
                (!absent).then(|| "null".to_owned())
            }
            _ => Some(json.to_owned()),
        }
    }

    /// What happens to one of the coins that an answer has, of which these are gone.
    fn fate(&self, id: &str, gone: &Gone) -> Fate {
        match &self.change {
            Change::Missing { shape, .. } => match (gone, shape) {
                (Gone::These(gone), _) if !gone.iter().any(|gone| gone == id) => Fate::Left,
                (_, Missing::EmptyCoin) => Fate::Emptied,
                (_, Missing::Omit | Missing::Empty) => Fate::Omitted,
            },
            _ if !self.is_of(id) => Fate::Left,
            Change::Delisted | Change::Renamed(Renamed::Omit) => Fate::Omitted,
            Change::Renamed(Renamed::Hollow) | Change::Null { .. } | Change::Wrong(_) => Fate::Changed,
        }
    }

    /// Which of the coins of an answer are missing.
    fn missing<'a>(&self, all: impl Iterator<Item = &'a str>) -> Gone {
        let Change::Missing { count, shape } = &self.change else {
            return Gone::These(Vec::new());
        };
        let mut all: Vec<&str> = all.collect();
        if let Some(id) = &self.id {
            all.retain(|known| known == id);
        } else {
            // The same coins for the whole of a fault, whatever else is asked for.
            all.sort_by_key(|id| (mix(self.choice ^ number_of(id)), *id));
            all.truncate(usize::try_from(*count).unwrap_or(usize::MAX));
        }
        if *shape == Missing::Empty && !all.is_empty() {
            return Gone::Everything;
        }
        Gone::These(all.into_iter().map(str::to_owned).collect())
    }
}

/// What happens to a coin of an answer.
enum Fate {
    Left,
    Omitted,
    Emptied,
    Changed,
}

/// Coins that an answer lacks.
#[derive(PartialEq)]
enum Gone {
    These(Vec<String>),
    Everything,
}

/// FNV-1a, for choosing by name.
fn number_of(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A price that is wrong; `null` stays.
fn wrong_price(wrong: WrongValue, id: &str, json: &str, source: Source<'_>) -> String {
    let Ok(price) = json.parse::<f64>() else {
        return json.to_owned();
    };
    let times = |factor: f64| numbers::price(price * factor, Precision::Default);
    match wrong {
        WrongValue::Zero => "0".to_owned(),
        WrongValue::Spike { factor } => times(factor),
        WrongValue::Negative => format!("-{json}"),
        WrongValue::OtherCoin => {
            let catalogue = source.market.catalogue();
            let Some(coin) = catalogue.by_id(id) else {
                return json.to_owned();
            };
            let mut others = catalogue
                .coins()
                .iter()
                .filter(|other| other.id != id && other.traded);
            let other = others
                .clone()
                .find(|other| other.symbol == coin.symbol)
                .or_else(|| others.next());
            let usd = |coin| source.market.usd(coin, source.data_ms);
            other.map_or_else(|| json.to_owned(), |other| times(usd(other) / usd(coin)))
        }
    }
}

/// Cuts so many bytes after so many, or in the middle; `None` when there are not more than that.
pub(super) fn cut_at(length: usize, after: Option<u64>) -> Option<usize> {
    let after = after.map_or(length / 2, |after| usize::try_from(after).unwrap_or(usize::MAX));
    (after < length).then_some(after)
}

#[cfg(test)]
mod tests;
