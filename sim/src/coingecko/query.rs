//! The query string, read as CoinGecko reads it: commas raw or encoded, whitespace kept, the last of repeated
//! parameters wins, an empty value counts as missing.

/// Decoded parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`.
    pub(super) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The parameter's value, unless it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The members of a comma-separated parameter, each once, as written: ` ethereum` is not `ethereum`.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let mut members = Vec::new();
        for member in self.get(name).unwrap_or_default().split(',') {
            if !member.is_empty() && !members.contains(&member) {
                members.push(member);
            }
        }
        members
    }

    /// Makes the parameter's value lower case.
    pub(super) fn fold(&mut self, name: &str) {
        let found = self.0.iter_mut().filter(|(known, _)| known == name);
        found.for_each(|(_, value)| *value = value.to_lowercase());
    }

    /// Whether the parameter is `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

/// Undoes percent-encoding and `+`; what is not valid stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let escaped = (byte == b'%')
            .then_some(pair)
            .flatten()
            .filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match escaped {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_may_be_encoded_and_whitespace_stays() {
        let query = Query::parse("ids=bitcoin%2Cethereum,,bitcoin&vs_currencies=usd,%20myr,+eth");
        assert_eq!(query.list("ids"), ["bitcoin", "ethereum"]);
        assert_eq!(query.list("vs_currencies"), ["usd", " myr", " eth"]);
    }

    #[test]
    fn empty_is_missing_and_the_last_wins() {
        let query = Query::parse("ids=&page=1&page=2&sparkline&&flag=true");
        assert_eq!(
            (query.get("ids"), query.get("page"), query.get("sparkline")),
            (None, Some("2"), None)
        );
        assert_eq!(
            (query.flag("flag"), query.flag("page"), query.flag("other")),
            (true, false, false)
        );
        assert!(query.list("ids").is_empty());
    }

    #[test]
    fn a_value_is_folded_and_no_other() {
        let mut query = Query::parse("ids=BitCoin&names=Bitcoin");
        query.fold("ids");
        assert_eq!(
            (query.get("ids"), query.get("names")),
            (Some("bitcoin"), Some("Bitcoin"))
        );
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%+1"), "% 1");
        assert_eq!(decode("%E2%82%BF"), "₿");
    }
}
