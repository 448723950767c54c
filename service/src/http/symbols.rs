//! Which coins a request asks for: 1 to 50 symbols, trimmed, upper-cased, each once, in the order asked.

use crate::{models::Symbol, problem::Problem, symbols::SymbolTable};

/// Most symbols of one request.
pub(super) const MAX_SYMBOLS: usize = 50;

/// Longest symbol that is looked at and repeated in an answer, characters.
const MAX_LENGTH: usize = 20;

/// Reads the comma-separated lists in `asked`. Empty members count for nothing, repeated ones once.
pub(super) fn parse(table: &SymbolTable, asked: &[String]) -> Result<Vec<Symbol>, Problem> {
    let mut symbols: Vec<Symbol> = Vec::with_capacity(4);
    let mut unknown = Vec::new();
    for text in asked
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        if text.chars().count() > MAX_LENGTH {
            return Err(Problem::InvalidRequest(format!(
                "a symbol has at most {MAX_LENGTH} characters"
            )));
        }
        // As most clients spell it; else as we do.
        let known = table.get(text).map(|coin| coin.symbol.clone());
        let symbol = known.unwrap_or_else(|| Symbol::new(text));
        if symbols.contains(&symbol) {
            continue;
        }
        // Stop at the first one too many: the list may be as long as a request can be.
        if symbols.len() == MAX_SYMBOLS {
            return Err(wrong_count());
        }
        if table.get(symbol.as_str()).is_none() {
            unknown.push(symbol.as_str().to_owned());
        }
        symbols.push(symbol);
    }
    if symbols.is_empty() {
        return Err(wrong_count());
    }
    if unknown.is_empty() {
        Ok(symbols)
    } else {
        Err(Problem::UnknownSymbol(unknown))
    }
}

/// The query or the path is no readable text.
pub(super) fn unreadable() -> Problem {
    Problem::InvalidRequest("the symbols are not readable as UTF-8 text".to_owned())
}

/// A symbol as it may be repeated to the client.
pub(super) fn shown(symbol: &str) -> String {
    symbol
        .trim()
        .chars()
        .take(MAX_LENGTH)
        .collect::<String>()
        .to_ascii_uppercase()
}

fn wrong_count() -> Problem {
    Problem::InvalidRequest(format!(
        "ask for 1 to {MAX_SYMBOLS} symbols, such as /prices?symbols=BTC,ETH"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::SymbolMapping, symbols::BUILTIN};

    fn parsed(asked: &[&str]) -> Result<Vec<String>, Problem> {
        let asked: Vec<String> = asked.iter().map(|text| (*text).to_owned()).collect();
        parse(&SymbolTable::new(None), &asked)
            .map(|symbols| symbols.iter().map(|symbol| symbol.as_str().to_owned()).collect())
    }

    #[test]
    fn symbols_are_normalised_and_keep_their_order() {
        assert_eq!(
            parsed(&[" eth, BTC ,,btc,Eth"]),
            Ok(vec!["ETH".to_owned(), "BTC".to_owned()])
        );
        assert_eq!(
            parsed(&["btc", "eth,"]),
            Ok(vec!["BTC".to_owned(), "ETH".to_owned()])
        );
    }

    #[test]
    fn all_fifty_are_allowed_and_one_more_is_not() {
        let all: Vec<&str> = BUILTIN.iter().map(|(symbol, ..)| *symbol).collect();
        assert_eq!(parsed(&[&all.join(",")]).map(|symbols| symbols.len()), Ok(50));
        let more = format!("{},ONEMORE", all.join(","));
        assert_eq!(parsed(&[&more]), Err(wrong_count()));
        let repeated = format!("{0},{0}", all.join(","));
        assert_eq!(
            parsed(&[&repeated]).map(|symbols| symbols.len()),
            Ok(50),
            "counted after removing repeats"
        );
    }

    #[test]
    fn nothing_asked_is_refused() {
        for asked in [&[][..], &[""], &[" , ,"]] {
            assert_eq!(parsed(asked), Err(wrong_count()));
        }
    }

    #[test]
    fn unknown_symbols_are_named_and_nothing_else() {
        assert_eq!(
            parsed(&["BTC,nope,ETH"]),
            Err(Problem::UnknownSymbol(vec!["NOPE".to_owned()]))
        );
        let table = SymbolTable::new(Some(&[SymbolMapping {
            symbol: "X".to_owned(),
            id: "x".to_owned(),
        }]));
        assert_eq!(
            parse(&table, &["BTC".to_owned()]),
            Err(Problem::UnknownSymbol(vec!["BTC".to_owned()]))
        );
    }

    #[test]
    fn a_very_long_symbol_is_not_repeated() {
        let Err(Problem::InvalidRequest(detail)) = parsed(&[&"A".repeat(8192)]) else {
            panic!("invalid")
        };
        assert!(detail.len() < 100, "{detail}");
        assert_eq!(shown(&"ß".repeat(50)).chars().count(), 20);
    }
}
