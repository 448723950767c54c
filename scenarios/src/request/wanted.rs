//! What a request asks for and what an admitted one like it is owed, told from its path alone.
//!
//! This repeats the service's rules on purpose: the harness must know what is right without asking the service.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::route;
use crate::draw::{Choice, Stream};
use crate::format::model::{Piece, Template};

/// Most symbols of one request.
const MAX_SYMBOLS: usize = 50;
/// Longest symbol that is looked up, characters.
const MAX_LENGTH: usize = 20;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The route, as the harness names it.
    pub(crate) route: &'static str,
    /// The status that is right when the request is admitted.
    pub(crate) owed: u16,
    /// The symbols asked for, upper case, in order, each once.
    pub(crate) asked: Arc<[String]>,
}

impl Wanted {
    /// Whether the request needs an API key.
    pub(crate) fn needs_key(&self) -> bool {
        matches!(self.route, route::PRICES | route::PRICE)
    }
}

/// The template's path, with what it leaves open drawn by `popularity` among `symbols`.
pub(crate) fn fill(
    template: &Template,
    symbols: &[String],
    popularity: &Choice,
    stream: &mut Stream,
) -> String {
    let mut path = String::with_capacity(template.text.len() + 16);
    let name = |index: usize, path: &mut String| {
        path.push_str(symbols.get(index).map_or("", String::as_str));
    };
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => encode(text, &mut path),
            Piece::Symbol => name(popularity.draw(stream), &mut path),
            Piece::Symbols(count) => {
                let drawn = popularity.draw_distinct(*count as usize, stream);
                for (place, index) in drawn.enumerate() {
                    if place > 0 {
                        path.push(',');
                    }
                    name(index, &mut path);
                }
            }
        }
    }
    path
}

/// What the request for `path` asks for, where `known` are the supported symbols.
pub(crate) fn wanted(path: &str, known: &BTreeSet<String>) -> Wanted {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let plain = |route, owed| Wanted {
        route,
        owed,
        asked: Arc::default(),
    };
    if path == "/health" {
        return plain(route::HEALTH, 200);
    }
    if path == "/prices" {
        let lists: Vec<Cow<'_, str>> = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("symbols="))
            .map(|list| {
                if list.contains('+') {
                    Cow::Owned(decode(&list.replace('+', " ")).into_owned())
                } else {
                    decode(list)
                }
            })
            .collect();
        let members = lists.iter().flat_map(|list| list.split(','));
        return prices(route::PRICES, members, known);
    }
    match path.strip_prefix("/prices/") {
        Some(symbol) if !symbol.is_empty() && !symbol.contains('/') => {
            let symbol = decode(symbol);
            prices(route::PRICE, std::iter::once(symbol.as_ref()), known)
        }
        _ => plain(route::OTHER, 404),
    }
}

fn prices<'a>(
    route: &'static str,
    members: impl Iterator<Item = &'a str>,
    known: &BTreeSet<String>,
) -> Wanted {
    let mut asked: Vec<String> = Vec::new();
    for member in members.map(str::trim).filter(|member| !member.is_empty()) {
        let symbol = member.to_ascii_uppercase();
        if !asked.contains(&symbol) {
            asked.push(symbol);
        }
    }
    let too_long = |symbol: &String| symbol.chars().count() > MAX_LENGTH && !symbol.contains(',');
    let owed = if asked.is_empty() || asked.len() > MAX_SYMBOLS || asked.iter().any(too_long) {
        400
    } else if asked.iter().all(|symbol| known.contains(symbol)) {
        200
    } else {
        404
    };
    Wanted {
        route,
        owed,
        asked: asked.into(),
    }
}

/// Appends `text` so that every client sends it alike: what may not stand in a URL is escaped.
fn encode(text: &str, path: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push(char::from(HEX[usize::from(byte >> 4)]));
            path.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Resolves `%XX`.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Component, Draws};
    use crate::format::model::Popularity;

    fn known() -> BTreeSet<String> {
        (0..60)
            .map(|index| format!("C{index}"))
            .chain(["BTC".to_owned(), "ETH".to_owned()])
            .collect()
    }

    fn check(path: &str, route: &str, owed: u16, asked: &[&str]) {
        let wanted = wanted(path, &known());
        assert_eq!((wanted.route, wanted.owed), (route, owed), "{path}");
        assert_eq!(*wanted.asked, *asked, "{path}");
    }

    #[test]
    fn valid_requests_are_owed_a_200() {
        check("/prices?symbols=btc,%20ETH,BTC,", "/prices", 200, &["BTC", "ETH"]);
        check("/prices?a=b&symbols=BTC%2CETH", "/prices", 200, &["BTC", "ETH"]);
        check(
            "/prices?symbols=BTC&symbols=+ETH",
            "/prices",
            200,
            &["BTC", "ETH"],
        );
        check("/prices/eth", "/prices/{symbol}", 200, &["ETH"]);
        check("/health", "/health", 200, &[]);
    }

    #[test]
    fn invalid_requests_are_owed_their_refusal() {
        check("/prices", "/prices", 400, &[]);
        check("/prices?symbols=,%20,", "/prices", 400, &[]);
        check("/prices?symbols=BTC,NOPE", "/prices", 404, &["BTC", "NOPE"]);
        check("/prices/BTC%2CETH", "/prices/{symbol}", 404, &["BTC,ETH"]);
        check("/prices/", "other", 404, &[]);
        check("/prices/a/b", "other", 404, &[]);
        check("/", "other", 404, &[]);
        let many = |count: usize| {
            let list: Vec<String> = (0..count).map(|index| format!("C{index}")).collect();
            wanted(&format!("/prices?symbols={}", list.join(",")), &known()).owed
        };
        assert_eq!((many(50), many(51)), (200, 400));
        let long = format!("/prices?symbols={}", "A".repeat(21));
        assert_eq!(wanted(&long, &known()).owed, 400);
    }

    #[test]
    fn templates_are_filled_with_different_symbols() {
        let symbols: Vec<String> = ["BTC", "ETH", "SOL"].map(str::to_owned).to_vec();
        let template = Template {
            text: "/prices?symbols={symbols:3}&one={symbol}".to_owned(),
            pieces: vec![
                Piece::Text("/prices?symbols=".to_owned()),
                Piece::Symbols(3),
                Piece::Text("&one=".to_owned()),
                Piece::Symbol,
            ],
        };
        let popularity = Choice::popular(Popularity::Uniform, symbols.len());
        let mut stream = Draws::new(1, "day").stream(Component::Symbols, 0);
        let path = fill(&template, &symbols, &popularity, &mut stream);
        let wanted = wanted(&path, &symbols.iter().cloned().collect());
        assert_eq!((wanted.owed, wanted.asked.len()), (200, 3), "{path}");
        assert!(
            symbols
                .iter()
                .any(|symbol| path.ends_with(&format!("&one={symbol}"))),
            "{path}"
        );
    }

    #[test]
    fn text_is_escaped_where_a_url_needs_it() {
        let mut path = String::new();
        encode("/prices/Ω|%41", &mut path);
        assert_eq!(path, "/prices/%CE%A9%7C%41");
        assert_eq!(decode(&path), "/prices/Ω|A");
        assert_eq!(decode("50%"), "50%");
        assert_eq!(decode("%zz%e"), "%zz%e");
    }
}
