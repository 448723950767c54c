//! `/coins/{id}`, `/coins/list`, and coins that are not as the others.

use super::*;

/// The members of a coin, in the documented order.
const COIN: &str = "id symbol name web_slug asset_platform_id platforms detail_platforms block_time_in_minutes \
                    hashing_algorithm categories preview_listing public_notice additional_notices has_supply_breakdown \
                    localization description links image country_origin genesis_date sentiment_votes_up_percentage \
                    sentiment_votes_down_percentage watchlist_portfolio_users market_cap_rank \
                    market_cap_rank_with_rehypothecated market_data community_data developer_data status_updates \
                    last_updated tickers";

#[test]
fn a_coin_has_all_that_is_documented_unless_it_is_declined() {
    let all: std::collections::BTreeSet<String> = COIN.split(' ').map(str::to_owned).collect();
    assert_eq!(
        keys(&json("/coins/bitcoin"))
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>(),
        all
    );
    let declined = [
        "localization",
        "tickers",
        "market_data",
        "community_data",
        "developer_data",
    ];
    let query: Vec<String> = declined.iter().map(|name| format!("{name}=false")).collect();
    let few = keys(&json(&format!("/coins/bitcoin?{}", query.join("&"))));
    assert_eq!(few.len(), all.len() - declined.len());
    assert!(
        declined.iter().all(|name| !few.iter().any(|key| key == name)),
        "{few:?}"
    );
    let more = json("/coins/bitcoin?include_categories_details=true&sparkline=true");
    assert_eq!(more["categories_details"][0]["name"], "Cryptocurrency");
    assert_eq!(
        more["market_data"]["sparkline_7d"].as_array().map(Vec::len),
        Some(168)
    );
}

#[test]
fn a_coin_costs_the_same_everywhere() {
    let coin = json("/coins/ethereum");
    let market = &json("/coins/markets?vs_currency=eur&ids=ethereum")[0];
    let data = &coin["market_data"];
    for (member, same) in [
        ("current_price", "current_price"),
        ("market_cap", "market_cap"),
        ("total_volume", "total_volume"),
        ("high_24h", "high_24h"),
        ("ath", "ath"),
        (
            "price_change_percentage_24h_in_currency",
            "price_change_percentage_24h",
        ),
    ] {
        assert_eq!(data[member]["eur"], market[same], "{member}");
        assert_eq!(keys(&data[member]).len(), 63, "{member}");
    }
    assert_eq!(data["market_cap_rank"], market["market_cap_rank"]);
    assert_eq!(coin["last_updated"], market["last_updated"]);
    let (bits, sats) = (&data["current_price"]["bits"], &data["current_price"]["sats"]);
    let ratio = sats
        .as_f64()
        .zip(bits.as_f64())
        .map(|(sats, bits)| (sats / bits).round());
    assert_eq!(ratio, Some(100.0), "{bits} {sats}");
}

#[test]
fn what_a_coin_costs_is_published() {
    let engine = engine();
    let answer = engine.answer(&keyed("/coins/solana"), START);
    let coin: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let price = coin["market_data"]["current_price"]["usd"].to_string();
    let updated: jiff::Timestamp = coin["last_updated"]
        .as_str()
        .expect("a text")
        .parse()
        .expect("an instant");
    let was_published = |price: &str| {
        engine
            .publication()
            .was_published("SOL", price, updated.as_millisecond())
    };
    assert!(was_published(&price), "{price}");
    assert!(!was_published("1"));
}

#[test]
fn a_coin_that_nobody_trades_has_no_price() {
    insta::assert_snapshot!(get("/simple/price?ids=preview-sample&vs_currencies=usd&include_24hr_change=true"), @r#"200 {"preview-sample":{"usd":null,"usd_24h_change":null}}"#);
    let item = &json("/coins/markets?vs_currency=usd&ids=preview-sample&price_change_percentage=7d")[0];
    for member in [
        "current_price",
        "market_cap_rank",
        "ath_date",
        "price_change_percentage_7d_in_currency",
    ] {
        assert!(item[member].is_null(), "{member}: {}", item[member]);
    }
    assert_eq!(keys(item).len(), 27);
    let coin = json("/coins/preview-sample");
    assert_eq!(coin["market_data"]["current_price"], serde_json::json!({}));
    assert_eq!(
        (&coin["preview_listing"], &coin["tickers"]),
        (&Value::Bool(true), &serde_json::json!([]))
    );
    let last = json("/coins/markets?vs_currency=usd&per_page=250&page=2");
    assert!(
        ids(&last).ends_with(&["idle-sample", "preview-sample"])
            || ids(&last).ends_with(&["preview-sample", "idle-sample"])
    );
}

#[test]
fn the_list_has_platforms_when_asked_and_the_inactive_apart() {
    let list = json("/coins/list?include_platform=true");
    let of = |id: &str| {
        list.as_array()
            .into_iter()
            .flatten()
            .find(|coin| coin["id"] == id)
            .expect("listed")
    };
    assert_eq!(of("bitcoin")["platforms"], serde_json::json!({}));
    assert!(
        of("tether")["platforms"]["ethereum"]
            .as_str()
            .is_some_and(|address| address.len() == 42)
    );
    assert!(
        keys(&json("/coins/list")[0])
            .iter()
            .all(|name| name != "platforms")
    );

    let inactive = json("/coins/list?status=inactive");
    assert_eq!(
        ids(&inactive),
        ["delisted-sample", "gone-sample", "matic-network"]
    );
    // A delisted coin, and one by its old name, are nowhere else.
    for id in ids(&inactive) {
        assert!(!ids(&list).contains(&id));
        assert_eq!(
            get(&format!("/simple/price?ids={id}&vs_currencies=usd")),
            "200 {}"
        );
        assert_eq!(get(&format!("/coins/markets?vs_currency=usd&ids={id}")), "200 []");
        assert_eq!(get(&format!("/coins/{id}")), r#"404 {"error":"coin not found"}"#);
    }
    assert!(ids(&list).contains(&"polygon-ecosystem-token"));
}
