//! The coins that the fake lists: every one that the service supports, others with the same symbols, and enough
//! invented ones to fill several pages. Prices and supplies are made up; only their magnitudes are lifelike.

use std::collections::BTreeMap;

use service::symbols::BUILTIN;

/// A listed coin.
#[derive(Clone, Debug, PartialEq)]
pub struct Coin {
    /// CoinGecko's id, unique.
    pub id: String,
    /// Lower-case symbol, not unique.
    pub symbol: String,
    /// Name.
    pub name: String,
    /// A whole number that stands for the coin in image addresses and in the market's draws.
    pub number: u64,
    /// The price around which it moves, US dollars.
    pub base_usd: f64,
    /// How much it moves: 1 for most, near 0 for what is pegged to the dollar.
    pub volatility: f64,
    /// Coins in circulation.
    pub supply: f64,
    /// Most coins that there will ever be.
    pub max_supply: Option<f64>,
    /// Its one category.
    pub category: Category,
    /// Whether anybody trades it. A coin that nobody does is listed and has no price.
    pub traded: bool,
}

impl Coin {
    /// Whether this is its name, whatever the case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether this is its symbol, whatever the case.
    pub fn has_symbol(&self, symbol: &str) -> bool {
        self.symbol.eq_ignore_ascii_case(symbol)
    }
}

/// What kind of coin it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Pegged to the dollar.
    Stablecoin,
    /// For fun.
    Meme,
    /// Everything else.
    Other,
}

impl Category {
    /// As in `category=`.
    pub fn id(self) -> Option<&'static str> {
        match self {
            Self::Stablecoin => Some("stablecoins"),
            Self::Meme => Some("meme-token"),
            Self::Other => None,
        }
    }
}

/// All listed coins, by ascending id, as `/coins/list` gives them.
#[derive(Clone, Debug)]
pub struct Catalogue {
    coins: Vec<Coin>,
    /// No longer listed: only `/coins/list?status=inactive` knows them.
    inactive: Vec<Coin>,
    by_id: BTreeMap<String, usize>,
    /// Upper-case symbol → id, for the service's own names of coins.
    supported: BTreeMap<String, usize>,
}

impl Catalogue {
    /// The built-in list.
    pub fn new() -> Self {
        let supported = BUILTIN.iter().map(|(symbol, id, name)| coin(symbol, id, name));
        let ambiguous = AMBIGUOUS.iter().map(|(symbol, id, name)| coin(symbol, id, name));
        let invented = (1..=INVENTED).map(|number| {
            let id = format!("sample-coin-{number:03}");
            coin(
                &format!("smp{number:03}"),
                &id,
                &format!("Sample Coin {number:03}"),
            )
        });
        let mut by_id: BTreeMap<String, Coin> = BTreeMap::new();
        let others = OTHERS.iter().map(|(symbol, id, name)| coin(symbol, id, name));
        for coin in supported.chain(ambiguous).chain(others).chain(invented) {
            by_id.entry(coin.id.clone()).or_insert(coin);
        }
        for id in UNTRADED {
            by_id.entry(id.to_owned()).and_modify(|coin| coin.traded = false);
        }
        let coins: Vec<Coin> = by_id.into_values().collect();
        let by_id: BTreeMap<String, usize> = coins
            .iter()
            .enumerate()
            .map(|(index, coin)| (coin.id.clone(), index))
            .collect();
        let supported = BUILTIN
            .iter()
            .filter_map(|(symbol, id, _)| Some((symbol.to_ascii_uppercase(), *by_id.get(*id)?)))
            .collect();
        let inactive = INACTIVE.iter().map(|(symbol, id, name)| coin(symbol, id, name));
        Self {
            coins,
            inactive: inactive.collect(),
            by_id,
            supported,
        }
    }

    /// Coins that were delisted, and ids under which coins were listed before they were renamed.
    pub fn inactive(&self) -> &[Coin] {
        &self.inactive
    }

    /// Every coin, by ascending id.
    pub fn coins(&self) -> &[Coin] {
        &self.coins
    }

    /// The coin with this id, to the letter.
    pub fn by_id(&self, id: &str) -> Option<&Coin> {
        self.coins.get(*self.by_id.get(id)?)
    }

    /// What the service means by `symbol`, or by an id of its own choice.
    pub fn supported(&self, symbol: &str) -> Option<&Coin> {
        let index = self
            .supported
            .get(symbol)
            .or_else(|| self.supported.get(&symbol.to_ascii_uppercase()));
        index
            .and_then(|index| self.coins.get(*index))
            .or_else(|| self.by_id(symbol))
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new()
    }
}

/// Invented coins: with them there are more than a page of 250.
const INVENTED: u32 = 260;

/// Others by the same symbol. Their ids sort behind those of the coins that one means, so that whoever builds a
/// table from symbol to id out of `/coins/list` keeps the wrong one.
const AMBIGUOUS: [(&str, &str, &str); 9] = [
    ("btc", "bitcoin-replica", "Bitcoin Replica"),
    ("eth", "ethereum-replica", "Ethereum Replica"),
    ("sol", "solana-replica", "Solana Replica"),
    ("doge", "dogecoin-replica", "Dogecoin Replica"),
    ("link", "chainlink-replica", "Chainlink Replica"),
    ("uni", "unity-replica", "Unity Replica"),
    ("ada", "cardano-replica", "Cardano Replica"),
    ("axl", "axelar", "Axelar"),
    ("axl", "axl-inu", "AXL INU"),
];

/// Coins that the service does not support, for what the fake needs them for: a target currency, the new name of a
/// coin, coins on a platform, coins without a price.
const OTHERS: [(&str, &str, &str); 4] = [
    ("yfi", "yearn-finance", "yearn.finance"),
    ("pol", "polygon-ecosystem-token", "POL (ex-MATIC)"),
    ("prv", "preview-sample", "Preview Sample"),
    ("idl", "idle-sample", "Idle Sample"),
];

/// Those that nobody trades.
const UNTRADED: [&str; 2] = ["preview-sample", "idle-sample"];

/// No longer listed: a coin that was renamed, under its old id, and two that were delisted.
const INACTIVE: [(&str, &str, &str); 3] = [
    ("dls", "delisted-sample", "Delisted Sample"),
    ("gone", "gone-sample", "Gone Sample"),
    ("matic", "matic-network", "Polygon"),
];

/// Where a coin lives when it has no chain of its own, with what looks like the address of its contract there.
pub fn platform(coin: &Coin) -> Option<(&'static str, String)> {
    let address = || {
        format!(
            "0x{:016x}{:016x}{:08x}",
            coin.number,
            coin.number.rotate_left(21),
            coin.number >> 32
        )
    };
    let is_token =
        coin.category != Category::Other || coin.id.starts_with("sample-coin-") || coin.id == "yearn-finance";
    (is_token && coin.id != "dogecoin").then(|| ("ethereum", address()))
}

fn coin(symbol: &str, id: &str, name: &str) -> Coin {
    let number = fnv1a(id);
    let known = MAGNITUDES.iter().find(|(known, ..)| *known == id);
    let (base_usd, supply, max_supply) = match known {
        Some((_, base, supply, max)) => (*base, *supply, (*max > 0.0).then_some(*max)),
        None => unknown(number),
    };
    let (category, volatility) = if STABLE.contains(&id) {
        (Category::Stablecoin, 0.01)
    } else if MEME.contains(&id) {
        (Category::Meme, 2.0)
    } else if id == "bitcoin" {
        (Category::Other, 0.7)
    } else {
        (Category::Other, 1.0)
    };
    Coin {
        id: id.to_owned(),
        symbol: symbol.to_ascii_lowercase(),
        name: name.to_owned(),
        number,
        base_usd,
        volatility,
        supply,
        max_supply,
        category,
        traded: true,
    }
}

/// Price, supply and maximum supply for a coin without an entry: worth 1 to 90 million in all, at a price from
/// 0.0002 to 2 dollars.
fn unknown(number: u64) -> (f64, f64, Option<f64>) {
    let worth = 1e6 * (1 + number % 90) as f64;
    let base = match (number / 90) % 4 {
        0 => 0.000_2,
        1 => 0.003,
        2 => 0.05,
        _ => 0.7,
    } * (1.0 + ((number / 360) % 200) as f64 / 100.0);
    let supply = (worth / base).round();
    (base, supply, (number & 1 == 1).then_some(supply * 2.0))
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const STABLE: [&str; 8] = [
    "tether",
    "usd-coin",
    "dai",
    "first-digital-usd",
    "true-usd",
    "ethena-usde",
    "usds",
    "paypal-usd",
];
const MEME: [&str; 6] = ["dogecoin", "shiba-inu", "pepe", "bonk", "floki", "dogwifcoin"];

/// id, price in US dollars, supply, maximum supply (0 = none).
const MAGNITUDES: [(&str, f64, f64, f64); 81] = [
    ("aave", 250.0, 15.2e6, 16e6),
    ("algorand", 0.21, 8.7e9, 10e9),
    ("apecoin", 0.62, 8e8, 1e9),
    ("aptos", 5.2, 6.4e8, 0.0),
    ("arbitrum", 0.38, 4.9e9, 10e9),
    ("avalanche-2", 22.5, 4.2e8, 7.2e8),
    ("axelar", 0.41, 9.8e8, 0.0),
    ("axie-infinity", 2.5, 1.6e8, 2.7e8),
    ("binancecoin", 640.0, 1.4e8, 2e8),
    ("bitcoin", 77_000.0, 20_030_493.0, 21e6),
    ("bitcoin-cash", 410.0, 19.9e6, 21e6),
    ("bitcoin-cash-sv", 36.0, 19.9e6, 21e6),
    ("bittensor", 390.0, 9.1e6, 21e6),
    ("blockstack", 0.82, 1.5e9, 1.8e9),
    ("bonk", 2.1e-5, 7.7e13, 8.8e13),
    ("cardano", 0.71, 3.6e10, 4.5e10),
    ("celestia", 2.6, 6.4e8, 0.0),
    ("chainlink", 15.4, 6.6e8, 1e9),
    ("chiliz", 0.042, 9.5e9, 0.0),
    ("compound-governance-token", 46.0, 9.2e6, 1e7),
    ("cosmos", 4.6, 3.9e8, 0.0),
    ("crypto-com-chain", 0.095, 3.1e10, 0.0),
    ("curve-dao-token", 0.62, 1.3e9, 3e9),
    ("dai", 1.0, 3.6e9, 0.0),
    ("decentraland", 0.31, 1.9e9, 2.1e9),
    ("dogecoin", 0.19, 1.49e11, 0.0),
    ("dogwifcoin", 0.93, 9.98e8, 9.98e8),
    ("elrond-erd-2", 17.0, 2.8e7, 0.0),
    ("eos", 0.74, 1.5e9, 2.1e9),
    ("ethereum", 2_400.0, 120_720_000.0, 0.0),
    ("ethereum-classic", 17.5, 1.5e8, 2.1e8),
    ("fantom", 0.52, 2.8e9, 3.2e9),
    ("fetch-ai", 0.72, 2.6e9, 2.7e9),
    ("filecoin", 2.7, 6.7e8, 1.96e9),
    ("flow", 0.39, 1.6e9, 0.0),
    ("gala", 0.017, 4.4e10, 5e10),
    ("hedera-hashgraph", 0.18, 4.2e10, 5e10),
    ("hyperliquid", 35.0, 3.3e8, 1e9),
    ("immutable-x", 0.57, 1.8e9, 2e9),
    ("injective-protocol", 12.4, 1e8, 0.0),
    ("internet-computer", 5.1, 5.3e8, 0.0),
    ("iota", 0.2, 3.9e9, 0.0),
    ("jupiter-exchange-solana", 0.51, 3e9, 7e9),
    ("kaspa", 0.098, 2.6e10, 2.87e10),
    ("kucoin-shares", 11.0, 1.27e8, 0.0),
    ("kusama", 17.0, 1.6e7, 0.0),
    ("leo-token", 8.9, 9.2e8, 9.85e8),
    ("lido-dao", 0.93, 9e8, 1e9),
    ("litecoin", 91.0, 7.6e7, 8.4e7),
    ("maker", 1_720.0, 8.5e5, 1.005e6),
    ("mantle", 0.72, 3.4e9, 6.2e9),
    ("matic-network", 0.23, 1.9e9, 1e10),
    ("monero", 331.0, 1.84e7, 0.0),
    ("near", 2.6, 1.2e9, 0.0),
    ("neo", 6.1, 7.05e7, 1e8),
    ("okb", 52.0, 6e7, 6e7),
    ("ondo-finance", 0.94, 3.2e9, 1e10),
    ("optimism", 0.71, 1.7e9, 4.29e9),
    ("pancakeswap-token", 2.4, 3.3e8, 4.5e8),
    ("pepe", 1.21e-5, 4.2e14, 4.2e14),
    ("polkadot", 4.4, 1.5e9, 0.0),
    ("polygon-ecosystem-token", 0.23, 1.04e10, 0.0),
    ("quant-network", 98.0, 1.2e7, 1.49e7),
    ("render-token", 4.3, 5.2e8, 5.3e8),
    ("ripple", 2.2, 5.8e10, 1e11),
    ("sei-network", 0.22, 5.3e9, 1e10),
    ("shiba-inu", 1.34e-5, 5.89e14, 0.0),
    ("solana", 151.0, 5.2e8, 0.0),
    ("stellar", 0.28, 3.1e10, 5e10),
    ("sui", 3.4, 3.3e9, 1e10),
    ("tether", 1.0, 1.5e11, 0.0),
    ("tezos", 0.61, 1e9, 0.0),
    ("the-graph", 0.104, 9.7e9, 1.08e10),
    ("the-open-network", 3.1, 2.5e9, 0.0),
    ("the-sandbox", 0.29, 2.5e9, 3e9),
    ("theta-token", 0.83, 1e9, 1e9),
    ("tron", 0.271, 9.5e10, 0.0),
    ("uniswap", 6.4, 6e8, 1e9),
    ("usd-coin", 1.0, 6.1e10, 0.0),
    ("vechain", 0.026, 8.6e10, 8.67e10),
    ("yearn-finance", 5_200.0, 33_800.0, 36_666.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_coin_is_listed_under_its_own_id() {
        let catalogue = Catalogue::new();
        for (symbol, id, name) in BUILTIN {
            let coin = catalogue
                .supported(symbol)
                .unwrap_or_else(|| panic!("{symbol} is not listed"));
            assert_eq!((coin.id.as_str(), coin.name.as_str()), (id, name));
        }
        assert!(
            catalogue.coins().len() > 300,
            "more than a page of 250: {}",
            catalogue.coins().len()
        );
    }

    #[test]
    fn symbols_are_ambiguous_and_the_wrong_one_comes_last() {
        let catalogue = Catalogue::new();
        for (symbol, right) in [
            ("btc", "bitcoin"),
            ("eth", "ethereum"),
            ("sol", "solana"),
            ("axl", "axelar"),
        ] {
            let ids: Vec<&str> = catalogue
                .coins()
                .iter()
                .filter(|coin| coin.has_symbol(symbol))
                .map(|coin| coin.id.as_str())
                .collect();
            assert!(ids.len() >= 2, "{symbol}: {ids:?}");
            assert_eq!(ids.first(), Some(&right));
            assert!(ids.is_sorted());
        }
    }

    #[test]
    fn an_id_means_itself_where_a_symbol_is_expected() {
        let catalogue = Catalogue::new();
        assert_eq!(
            catalogue.supported("axelar").map(|coin| coin.name.as_str()),
            Some("Axelar")
        );
        assert_eq!(catalogue.supported("nothing-like-it"), None);
    }
}
