//! Which coins are meant: by id, name or symbol.

use scenarios::format::assumptions::SymbolsKey;

use super::answers::Moment;
use super::catalogue::Coin;
use super::market::Market;
use super::query::Query;

/// The coins asked for, with the keys under which `/simple/price` answers them: `ids` before `names` before
/// `symbols`. Under which key one is answered that was found by name or symbol is assumed.
pub(super) fn named<'a>(
    market: &'a Market,
    query: &Query,
    moment: Moment,
    key: SymbolsKey,
) -> Vec<(String, &'a Coin)> {
    let key_of = |asked: &str, coin: &Coin| match key {
        SymbolsKey::Symbol => asked.to_owned(),
        SymbolsKey::Id => coin.id.clone(),
    };
    let catalogue = market.catalogue();
    let mut chosen: Vec<(String, &Coin)> = Vec::new();
    let mut add = |key: String, coin: &'a Coin| {
        if !chosen.iter().any(|(known, _)| *known == key) {
            chosen.push((key, coin));
        }
    };
    if query.get("ids").is_some() {
        for id in query.list("ids") {
            if let Some(coin) = catalogue.by_id(id) {
                add(id.to_owned(), coin);
            }
        }
    } else if query.get("names").is_some() {
        for name in query.list("names") {
            if let Some(coin) = biggest(
                market,
                catalogue.coins().iter().filter(|coin| coin.is_named(name)),
                moment,
            ) {
                add(key_of(name, coin), coin);
            }
        }
    } else {
        let all = query.get("include_tokens") == Some("all");
        for symbol in query.list("symbols").into_iter().take(50) {
            let matching = catalogue.coins().iter().filter(|coin| coin.has_symbol(symbol));
            if all {
                matching.for_each(|coin| add(coin.id.clone(), coin));
            } else if let Some(coin) = biggest(market, matching, moment) {
                add(key_of(symbol, coin), coin);
            }
        }
    }
    chosen
}

fn biggest<'a>(market: &Market, coins: impl Iterator<Item = &'a Coin>, moment: Moment) -> Option<&'a Coin> {
    let cap = |coin: &Coin| moment.quote(market, coin).market_cap;
    coins.max_by(|a, b| cap(a).total_cmp(&cap(b)))
}
