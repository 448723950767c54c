//! The supported set: which symbols are served, and which CoinGecko id each stands for.

use std::{collections::BTreeMap, sync::Arc};

use crate::{config::SymbolMapping, models::Symbol};

/// The built-in set: symbol, CoinGecko id, name; the most traded first.
pub const BUILTIN: [(&str, &str, &str); 50] = [
    ("BTC", "bitcoin", "Bitcoin"),
    ("ETH", "ethereum", "Ethereum"),
    ("USDT", "tether", "Tether"),
    ("BNB", "binancecoin", "BNB"),
    ("SOL", "solana", "Solana"),
    ("XRP", "ripple", "XRP"),
    ("USDC", "usd-coin", "USDC"),
    ("DOGE", "dogecoin", "Dogecoin"),
    ("ADA", "cardano", "Cardano"),
    ("TRX", "tron", "TRON"),
    ("AVAX", "avalanche-2", "Avalanche"),
    ("SHIB", "shiba-inu", "Shiba Inu"),
    ("TON", "the-open-network", "Toncoin"),
    ("LINK", "chainlink", "Chainlink"),
    ("DOT", "polkadot", "Polkadot"),
    ("BCH", "bitcoin-cash", "Bitcoin Cash"),
    ("SUI", "sui", "Sui"),
    ("NEAR", "near", "NEAR Protocol"),
    ("LTC", "litecoin", "Litecoin"),
    ("UNI", "uniswap", "Uniswap"),
    ("PEPE", "pepe", "Pepe"),
    ("APT", "aptos", "Aptos"),
    ("ICP", "internet-computer", "Internet Computer"),
    ("DAI", "dai", "Dai"),
    ("ETC", "ethereum-classic", "Ethereum Classic"),
    ("XMR", "monero", "Monero"),
    ("XLM", "stellar", "Stellar"),
    ("HBAR", "hedera-hashgraph", "Hedera"),
    ("FIL", "filecoin", "Filecoin"),
    ("CRO", "crypto-com-chain", "Cronos"),
    ("ATOM", "cosmos", "Cosmos Hub"),
    ("ARB", "arbitrum", "Arbitrum"),
    ("VET", "vechain", "VeChain"),
    ("OP", "optimism", "Optimism"),
    ("INJ", "injective-protocol", "Injective"),
    ("MNT", "mantle", "Mantle"),
    ("AAVE", "aave", "Aave"),
    ("GRT", "the-graph", "The Graph"),
    ("ALGO", "algorand", "Algorand"),
    ("MKR", "maker", "Maker"),
    ("THETA", "theta-token", "Theta Network"),
    ("QNT", "quant-network", "Quant"),
    ("FLOW", "flow", "Flow"),
    ("EGLD", "elrond-erd-2", "MultiversX"),
    ("XTZ", "tezos", "Tezos"),
    ("SAND", "the-sandbox", "The Sandbox"),
    ("AXS", "axie-infinity", "Axie Infinity"),
    ("MANA", "decentraland", "Decentraland"),
    ("EOS", "eos", "EOS"),
    ("KSM", "kusama", "Kusama"),
];

/// One supported coin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Its symbol, ours.
    pub symbol: Symbol,
    /// CoinGecko's id: symbols are ambiguous there, ids are not.
    pub id: Arc<str>,
    /// Its name; for coins that are not built in, CoinGecko's word is taken.
    pub name: Option<Arc<str>>,
}

/// The supported set, in the order configured.
#[derive(Clone, Debug)]
pub struct SymbolTable {
    coins: Vec<Coin>,
    by_symbol: BTreeMap<Symbol, usize>,
}

impl Default for SymbolTable {
    fn default() -> Self {
        Self::of(BUILTIN.iter().map(|(symbol, id, name)| Coin {
            symbol: Symbol::new(symbol),
            id: (*id).into(),
            name: Some((*name).into()),
        }))
    }
}

impl SymbolTable {
    /// The set of `SUPPORTED_SYMBOLS`, or the built-in one.
    #[must_use]
    pub fn new(configured: Option<&[SymbolMapping]>) -> Self {
        configured.map_or_else(Self::default, |mappings| {
            Self::of(mappings.iter().map(|mapping| {
                Coin {
                    symbol: Symbol::new(&mapping.symbol),
                    id: mapping.id.as_str().into(),
                    name: BUILTIN
                        .iter()
                        .find(|(_, id, _)| *id == mapping.id)
                        .map(|(_, _, name)| (*name).into()),
                }
            }))
        })
    }

    fn of(coins: impl Iterator<Item = Coin>) -> Self {
        let coins: Vec<_> = coins.collect();
        let by_symbol = coins
            .iter()
            .enumerate()
            .map(|(index, coin)| (coin.symbol.clone(), index))
            .collect();
        Self { coins, by_symbol }
    }

    /// The coin of an upper-case symbol.
    #[must_use]
    pub fn get(&self, symbol: &str) -> Option<&Coin> {
        self.by_symbol.get(symbol).map(|index| &self.coins[*index])
    }

    /// All coins.
    #[must_use]
    pub fn coins(&self) -> &[Coin] {
        &self.coins
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn built_in_symbols_and_ids_are_unique() {
        let symbols: BTreeSet<_> = BUILTIN.iter().map(|(symbol, ..)| symbol).collect();
        let ids: BTreeSet<_> = BUILTIN.iter().map(|(_, id, _)| id).collect();
        assert_eq!((symbols.len(), ids.len()), (50, 50));
    }

    #[test]
    fn a_configured_set_replaces_the_built_in_one_and_keeps_known_names() {
        let mapping = |symbol: &str, id: &str| SymbolMapping {
            symbol: symbol.to_owned(),
            id: id.to_owned(),
        };
        let table = SymbolTable::new(Some(&[mapping("XBT", "bitcoin"), mapping("NEW", "new-coin")]));
        assert_eq!(
            table.get("XBT").and_then(|coin| coin.name.as_deref()),
            Some("Bitcoin")
        );
        assert_eq!(table.get("NEW").and_then(|coin| coin.name.as_deref()), None);
        assert!(table.get("BTC").is_none());
    }
}
