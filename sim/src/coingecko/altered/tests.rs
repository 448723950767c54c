//! What becomes of each endpoint's answer under each change.

use super::*;

/// 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600_000;

const PRICES: &str = r#"{"bitcoin":{"usd":85165,"usd_market_cap":17.5,"usd_24h_vol":5.0,"usd_24h_change":0.78,"last_updated_at":1},"ethereum":{"usd":2400.26,"usd_24h_change":-1.5}}"#;
const MARKETS: &str = r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin","current_price":85165,"market_cap":17,"market_cap_rank":1,"price_change_percentage_24h":0.78,"circulating_supply":20030493.0,"last_updated":"x"},{"id":"ethereum","current_price":2400.26}]"#;
const LIST: &str = r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin"},{"id":"ethereum","symbol":"eth","name":"Ethereum"}]"#;
const COIN: &str = r#"{"id":"bitcoin","market_cap_rank":1,"market_data":{"current_price":{"usd":85165,"eur":70000},"market_cap":{"usd":17},"market_cap_rank":1,"price_change_percentage_24h":0.78,"circulating_supply":20030493.0}}"#;

/// What becomes of `body` from `path` by a fault of this kind.
fn applied(kind: &CoinGeckoFault, id: Option<&str>, path: &str, body: &str) -> String {
    let market = Market::new(42);
    let Some(altered) = Altered::of(kind, id.map(str::to_owned), 7) else {
        panic!("{kind:?} changes data")
    };
    let source = Source {
        market: &market,
        path,
        inactive: false,
        data_ms: START,
    };
    match altered.apply(body, source) {
        Ok(body) => body,
        Err(error) => format!("{} {}", error.status, error.body),
    }
}

fn null(fields: &[PriceField], absent: bool) -> CoinGeckoFault {
    CoinGeckoFault::NullFields {
        fields: fields.to_vec(),
        absent,
    }
}

fn wrong(value: WrongValue) -> CoinGeckoFault {
    CoinGeckoFault::WrongValue { value }
}

#[test]
fn fields_are_null_or_absent() {
    let some = null(
        &[PriceField::Price, PriceField::Change24h, PriceField::Rank],
        false,
    );
    let of_bitcoin =
        |kind: &CoinGeckoFault, path: &str, body: &str| applied(kind, Some("bitcoin"), path, body);
    insta::assert_snapshot!(of_bitcoin(&some, "/simple/price", PRICES), @r#"{"bitcoin":{"usd":null,"usd_market_cap":17.5,"usd_24h_vol":5.0,"usd_24h_change":null,"last_updated_at":1},"ethereum":{"usd":2400.26,"usd_24h_change":-1.5}}"#);
    insta::assert_snapshot!(of_bitcoin(&some, "/coins/markets", MARKETS), @r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin","current_price":null,"market_cap":17,"market_cap_rank":null,"price_change_percentage_24h":null,"circulating_supply":20030493.0,"last_updated":"x"},{"id":"ethereum","current_price":2400.26}]"#);
    insta::assert_snapshot!(of_bitcoin(&some, "/coins/bitcoin", COIN), @r#"{"id":"bitcoin","market_cap_rank":null,"market_data":{"current_price":{},"market_cap":{"usd":17},"market_cap_rank":null,"price_change_percentage_24h":null,"circulating_supply":20030493.0}}"#);
    let absent = null(&[PriceField::MarketCap, PriceField::Rank], true);
    insta::assert_snapshot!(of_bitcoin(&absent, "/coins/markets", MARKETS), @r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin","current_price":85165,"price_change_percentage_24h":0.78,"circulating_supply":20030493.0,"last_updated":"x"},{"id":"ethereum","current_price":2400.26}]"#);
    insta::assert_snapshot!(applied(&null(&[PriceField::Price], false), None, "/simple/price", PRICES), @r#"{"bitcoin":{"usd":null,"usd_market_cap":17.5,"usd_24h_vol":5.0,"usd_24h_change":0.78,"last_updated_at":1},"ethereum":{"usd":null,"usd_24h_change":-1.5}}"#);
}

#[test]
fn coins_are_missing_in_three_ways() {
    let missing = |count, shape| CoinGeckoFault::MissingCoin { count, shape };
    let one = missing(1, Missing::Omit);
    insta::assert_snapshot!(applied(&one, Some("bitcoin"), "/simple/price", PRICES), @r#"{"ethereum":{"usd":2400.26,"usd_24h_change":-1.5}}"#);
    insta::assert_snapshot!(applied(&one, Some("bitcoin"), "/coins/markets", MARKETS), @r#"[{"id":"ethereum","current_price":2400.26}]"#);
    insta::assert_snapshot!(applied(&one, Some("bitcoin"), "/coins/bitcoin", COIN), @r#"404 {"error":"coin not found"}"#);
    let empty_coin = missing(1, Missing::EmptyCoin);
    insta::assert_snapshot!(applied(&empty_coin, Some("ethereum"), "/simple/price", PRICES), @r#"{"bitcoin":{"usd":85165,"usd_market_cap":17.5,"usd_24h_vol":5.0,"usd_24h_change":0.78,"last_updated_at":1},"ethereum":{}}"#);
    insta::assert_snapshot!(applied(&empty_coin, Some("ethereum"), "/coins/markets", MARKETS), @r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin","current_price":85165,"market_cap":17,"market_cap_rank":1,"price_change_percentage_24h":0.78,"circulating_supply":20030493.0,"last_updated":"x"},{"id":"ethereum","current_price":null}]"#);
    let empty = missing(1, Missing::Empty);
    assert_eq!(applied(&empty, None, "/simple/price", PRICES), "{}");
    assert_eq!(applied(&empty, None, "/coins/markets", MARKETS), "[]");
    assert_eq!(
        applied(&missing(2, Missing::Omit), None, "/simple/price", PRICES),
        "{}"
    );
    assert_eq!(
        applied(&one, None, "/coins/markets", MARKETS)
            .matches("\"id\"")
            .count(),
        1,
        "one of two"
    );
    assert_eq!(applied(&one, Some("dogecoin"), "/simple/price", PRICES), PRICES);
}

#[test]
fn an_id_has_moved() {
    let renamed = |shape| CoinGeckoFault::IdRenamed { shape };
    let of_bitcoin = |shape, path: &str, body: &str| applied(&renamed(shape), Some("bitcoin"), path, body);
    insta::assert_snapshot!(of_bitcoin(Renamed::Omit, "/simple/price", PRICES), @r#"{"ethereum":{"usd":2400.26,"usd_24h_change":-1.5}}"#);
    insta::assert_snapshot!(of_bitcoin(Renamed::Omit, "/coins/bitcoin", COIN), @r#"404 {"error":"coin not found"}"#);
    insta::assert_snapshot!(of_bitcoin(Renamed::Omit, "/coins/list", LIST), @r#"[{"id":"ethereum","symbol":"eth","name":"Ethereum"}]"#);
    insta::assert_snapshot!(of_bitcoin(Renamed::Hollow, "/coins/markets", MARKETS), @r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin","current_price":null,"market_cap":0.0,"market_cap_rank":1,"price_change_percentage_24h":0.78,"circulating_supply":0.0,"last_updated":"x"},{"id":"ethereum","current_price":2400.26}]"#);
    insta::assert_snapshot!(of_bitcoin(Renamed::Hollow, "/coins/bitcoin", COIN), @r#"{"id":"bitcoin","market_cap_rank":1,"market_data":{"current_price":{},"market_cap":{},"market_cap_rank":1,"price_change_percentage_24h":0.78,"circulating_supply":0.0}}"#);
}

#[test]
fn a_delisted_coin_is_inactive() {
    let delisted = |path: &str, body: &str| applied(&CoinGeckoFault::Delisted, Some("bitcoin"), path, body);
    insta::assert_snapshot!(delisted("/coins/list", LIST), @r#"[{"id":"ethereum","symbol":"eth","name":"Ethereum"}]"#);
    insta::assert_snapshot!(delisted("/coins/bitcoin", COIN), @r#"404 {"error":"coin not found"}"#);
    let market = Market::new(42);
    let source = Source {
        market: &market,
        path: "/coins/list",
        inactive: true,
        data_ms: START,
    };
    let altered = Altered::of(&CoinGeckoFault::Delisted, Some("bitcoin".to_owned()), 7);
    let inactive = altered.map(|altered| altered.apply("[]", source));
    insta::assert_snapshot!(inactive.and_then(Result::ok).unwrap_or_default(), @r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin"}]"#);
}

#[test]
fn prices_are_wrong_in_four_ways() {
    let price = |value| {
        let body = applied(&wrong(value), Some("bitcoin"), "/simple/price", PRICES);
        assert!(
            body.ends_with(r#""ethereum":{"usd":2400.26,"usd_24h_change":-1.5}}"#),
            "{body}"
        );
        body.split([':', ',']).nth(2).unwrap_or_default().to_owned()
    };
    assert_eq!(price(WrongValue::Zero), "0");
    assert_eq!(price(WrongValue::Negative), "-85165");
    assert_eq!(price(WrongValue::Spike { factor: 1000.0 }), "85165000");
    let other: f64 = price(WrongValue::OtherCoin).parse().unwrap_or_default();
    assert!(other > 0.0 && (other - 85165.0).abs() > 1.0, "{other}");
    let of_coin = applied(&wrong(WrongValue::Zero), None, "/coins/bitcoin", COIN);
    assert!(
        of_coin.contains(r#""current_price":{"usd":0,"eur":0}"#),
        "{of_coin}"
    );
}

#[test]
fn what_says_nothing_of_coins_is_left_alone() {
    let ping = r#"{"gecko_says":"(V3) To the Moon!"}"#;
    assert_eq!(applied(&wrong(WrongValue::Zero), None, "/ping", ping), ping);
    assert_eq!(
        applied(&null(&[PriceField::Price], true), None, "/coins/list", LIST),
        LIST
    );
}

#[test]
fn a_body_is_cut_within_it() {
    assert_eq!(cut_at(10, None), Some(5));
    assert_eq!(cut_at(10, Some(3)), Some(3));
    assert_eq!(cut_at(10, Some(10)), None, "it is whole");
    assert_eq!(cut_at(0, None), None);
}
