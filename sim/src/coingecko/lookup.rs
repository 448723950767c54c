//! Which coins are meant: by id, name or symbol.

use super::answers::Moment;
use super::catalogue::Coin;
use super::market::Market;
use super::query::Query;

/// The coins asked for, with the keys under which `/simple/price` answers them: `ids` before `names` before
/// `symbols`. (That a coin found by name or symbol is answered under what was asked is an assumption.)
pub(super) fn named<'a>(market: &'a Market, query: &Query, moment: Moment) -> Vec<(String, &'a Coin)> {
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
    let cap = |coin: &Coin| moment.quote(market, coin).market_cap;
    coins.max_by(|a, b| cap(a).total_cmp(&cap(b)))
}
