//! What the fake CoinGecko assumes: behaviours of the real API that nobody here could verify, or on which sources
//! disagree. Each has a value that is played by default, and others that it may be given instead.
//!
//! [`ROWS`] is the one table of them: a scenario's `upstream_assume`, the `--assume` flag and
//! `docs/fake-coingecko.md` are read and made from it.

use std::fmt;
use std::time::Duration;

use super::quantity::{QuantityError, parse_duration, show_duration};

/// What is assumed of the real API, whole. The default is what speaks for itself most; see [`ROWS`] for why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assumptions {
    /// How calls of a minute are counted.
    pub window: Window,
    /// Calls per minute with a Demo key.
    pub demo_per_minute: PerMinute<100, 30, 100>,
    /// Calls per minute without a key.
    pub keyless_per_minute: PerMinute<5, 5, 15>,
    /// What costs a credit.
    pub credits: Credits,
    /// Whether an answer from the edge's cache costs one.
    pub cache_hits: CacheHits,
    /// The status that says that the month's credits are spent.
    pub quota_status: QuotaStatus,
    /// What becomes of `per_page` over 250.
    pub per_page_over_250: PerPageOver250,
    /// Whether `/coins/markets` says `Link`, `Per-Page` and `Total`.
    pub paging_headers: Switch<false>,
    /// Whether `Bitcoin` is another id than `bitcoin`.
    pub ids_case_sensitive: YesNo<true>,
    /// Under which key `/simple/price` answers a coin that was found by symbol or name.
    pub symbols_key: SymbolsKey,
    /// How `/coins/{id}` writes a week of prices.
    pub coin_sparkline: CoinSparkline,
    /// What is said when `/simple/price` is asked for no coin.
    pub missing_ids_text: ErrorText,
    /// Whether `If-None-Match` is honoured.
    pub conditional: Switch<true>,
    /// Whether bodies are compressed for those who accept that.
    pub gzip: Switch<true>,
    /// How far apart the data of `/simple/price` are.
    pub simple_price_fresh: Freshness,
    /// How far apart the data of `/coins/markets` are.
    pub markets_fresh: Freshness,
}

impl Assumptions {
    /// Assumes something else, by its name and value as they are written.
    ///
    /// # Errors
    /// When there is no such assumption, or it has no such value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), AssumeError> {
        let row = ROWS.iter().find(|row| row.key == key);
        let row = row.ok_or(AssumeError::UnknownKey)?;
        (row.set)(self, value).map_err(AssumeError::NoValue)
    }

    /// What is assumed otherwise than by default: key and value.
    pub fn changes(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let default = Self::default();
        ROWS.iter()
            .map(move |row| (row.key, (row.get)(self), (row.get)(&default)))
            .filter(|(_, value, default)| value != default)
            .map(|(key, value, _)| (key, value))
    }
}

/// Why an assumption cannot be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssumeError {
    /// There is none of this name.
    UnknownKey,
    /// It has no such value.
    NoValue(QuantityError),
}

impl AssumeError {
    /// What is wrong and what to write, where `key` was to be set.
    pub fn said_of(&self, key: &str) -> String {
        match self {
            Self::UnknownKey => {
                let help = super::checker::suggestion(key, KEYS);
                format!("there is no assumption `{key}`: {help}")
            }
            Self::NoValue(error) => format!("{key}: {}: {}", error.message, error.help),
        }
    }
}

/// A row of [`ROWS`].
pub struct Row {
    /// Its name.
    pub key: &'static str,
    /// What it decides.
    pub about: &'static str,
    /// What is known of the real API.
    pub evidence: &'static str,
    /// The values that it may have, as they are written in a table.
    pub values: fn() -> String,
    /// Its value, as it is written.
    pub get: fn(&Assumptions) -> String,
    set: fn(&mut Assumptions, &str) -> Result<(), QuantityError>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

macro_rules! rows {
    ($($field:ident: $about:literal, $evidence:literal;)*) => {
        /// The names of all assumptions, in the order of the table.
        pub const KEYS: &[&str] = &[$(stringify!($field)),*];

        /// Every assumption.
        pub static ROWS: &[Row] = &[$(Row {
            key: stringify!($field),
            about: $about,
            evidence: $evidence,
            values: || values_like(|all| &all.$field),
            get: |all| all.$field.written(),
            set: |all, text| Value::read(text).map(|value| all.$field = value),
        }),*];
    };
}

rows! {
    window: "how the calls of a minute are counted: in fixed minutes of the clock, or in the last 60 s",
        "UNVERIFIED. 429s with `Retry-After` of 53 s (2026), which fits both, and of 119 s (2022), which fits neither, were captured.";
    demo_per_minute: "calls a minute with a Demo key (plans `demo` and `keyless`)",
        "Sources disagree: 100 in the current documentation, 30 on older pages and in a client's notes of 2026-03.";
    keyless_per_minute: "calls a minute without a key (plans `demo` and `keyless`)",
        "Documented as 5 to 15, \"depending on usage\"; one source says 5, a probe tripped after 8 to 10 quick calls.";
    credits: "what costs a credit of the month: answers with status 200, or every call",
        "The documentation says 200s only; some third-party pages say every call.";
    cache_hits: "whether a 200 from the edge's cache costs a credit",
        "The changelog (2024-12-16) says that cache hits cost no paid credits; UNVERIFIED for Demo keys.";
    quota_status: "the status of error code 10006, when the month's credits are spent",
        "429 is captured; one public test claims 200 with the same body.";
    per_page_over_250: "`per_page` over 250 in `/coins/markets`: taken as 250, or answered 400",
        "UNVERIFIED, and so is the text of the 400.";
    paging_headers: "whether `/coins/markets` sends `link`, `per-page` and `total`",
        "UNVERIFIED. CORS exposes the three names; no capture of them on this endpoint was found.";
    ids_case_sensitive: "whether `Bitcoin` is unknown where `bitcoin` is known",
        "UNVERIFIED.";
    symbols_key: "under which key `/simple/price` answers a coin found by symbol or name: what was asked for, or its id",
        "UNVERIFIED.";
    coin_sparkline: "whether `sparkline_7d` of `/coins/{id}` is a list, or an object with the list in `price`, as in `/coins/markets`",
        "Sources disagree: CoinGecko's own OpenAPI description has a list, the published client `coingecko` 1.1.3 for Rust reads an object.";
    missing_ids_text: "the `error` of the 422 when `/simple/price` is asked for no coin",
        "`Missing parameter ids` is an old wording; the current one is UNVERIFIED.";
    conditional: "whether `If-None-Match` is answered 304",
        "UNVERIFIED. Weak ETags were captured, a 304 was not.";
    gzip: "whether bodies of 200s are compressed for those who accept gzip",
        "UNVERIFIED. `Vary: Accept-Encoding` was captured, a `Content-Encoding` was not.";
    simple_price_fresh: "how far apart the data of `/simple/price` are",
        "60 s on public plans and 20 s on paid ones are documented; one pricing page says from 60 s (Demo) and from 10 s (Basic).";
    markets_fresh: "how far apart the data of `/coins/markets` are",
        "45 s on paid plans is documented; 60 s on public ones is likely and UNVERIFIED.";
}

/// A behaviour that is assumed with no other to choose from.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// What is assumed.
    pub what: &'static str,
    /// What is known of the real API.
    pub evidence: &'static str,
}

/// What is assumed and cannot be set: nobody has said what else it might be.
pub static FIXED: &[Fixed] = &[
    Fixed {
        what: "without `precision`, prices from 10,000 on have no decimals, from 10 on two, from 1 on three, and below six significant digits",
        evidence: "UNVERIFIED rule; the examples of CoinGecko's own description agree.",
    },
    Fixed {
        what: "`/coins/markets` answers `[]` for ids that it does not know",
        evidence: "UNVERIFIED; by analogy with `/simple/price`, whose `{}` is captured.",
    },
    Fixed {
        what: "`page` below 1 is taken as 1",
        evidence: "UNVERIFIED.",
    },
    Fixed {
        what: "a coin that nobody trades has `null` for each number, and empty objects under `market_data`",
        evidence: "UNVERIFIED.",
    },
    Fixed {
        what: "how the messages of error codes 10002 and 10006 end",
        evidence: "Captures are cut off; the ends are UNVERIFIED.",
    },
    Fixed {
        what: "pages of the edge with status 502, 503, 504, 520, 522 and 524",
        evidence: "UNVERIFIED; no page of CoinGecko's was captured.",
    },
    Fixed {
        what: "with both kinds of key in one call, the host decides: the public one refuses the Pro key, the other ignores the Demo key",
        evidence: "UNVERIFIED.",
    },
    Fixed {
        what: "`/ping` and `/key` are not cached: `CF-Cache-Status: DYNAMIC` and a private `Cache-Control`",
        evidence: "UNVERIFIED; no capture of their headers was found.",
    },
];

/// A value of an assumption.
trait Value: Sized {
    /// The values that there are, for a table.
    fn values() -> String;
    /// Reads a value.
    fn read(text: &str) -> Result<Self, QuantityError>;
    /// As [`Value::read`] would read it.
    fn written(&self) -> String;
}

/// The values of the member that `of` points to.
fn values_like<V: Value>(_of: fn(&Assumptions) -> &V) -> String {
    V::values()
}

/// A value that is one of a few words, of which the first is the default.
trait Words: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

impl<W: Words> Value for W {
    fn values() -> String {
        let words: Vec<String> = Self::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(", ")
    }

    fn read(text: &str) -> Result<Self, QuantityError> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
            QuantityError {
                message: format!("unknown word `{text}`"),
                help: super::checker::suggestion(text, &known),
            }
        })
    }

    fn written(&self) -> String {
        let found = Self::WORDS.iter().find(|(_, value)| value == self);
        found.map_or_else(String::new, |(word, _)| (*word).to_owned())
    }
}

macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),* $(,)? })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant),* }

        impl Words for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),*];
        }
    )*};
}

words! {
    /// How calls of a minute are counted.
    Window {
        /// In minutes of the clock.
        #[default]
        Fixed = "fixed",
        /// In the last 60 seconds.
        Sliding = "sliding",
    }
    /// What costs a credit.
    Credits {
        /// Answers with status 200.
        #[default]
        Successes = "successes",
        /// Every call, whatever it is answered.
        EveryCall = "every_call",
    }
    /// What an answer from the edge's cache costs.
    CacheHits {
        /// Nothing on paid plans, a credit on the others.
        #[default]
        FreeWhenPaid = "free_when_paid",
        /// A credit.
        Charged = "charged",
        /// Nothing.
        Free = "free",
    }
    /// The status that says that the month's credits are spent.
    QuotaStatus {
        /// 429
        #[default]
        TooManyRequests = "429",
        /// 200
        Ok = "200",
    }
    /// What becomes of `per_page` over 250.
    PerPageOver250 {
        /// It is taken as 250.
        #[default]
        Clamp = "clamp",
        /// It is answered 400.
        Refuse = "refuse",
    }
    /// How `/coins/{id}` writes a week of prices.
    CoinSparkline {
        /// `[…]`
        #[default]
        List = "list",
        /// `{"price":[…]}`
        Object = "object",
    }
    /// Under which key a coin is answered that was found by symbol or name.
    SymbolsKey {
        /// What was asked for.
        #[default]
        Symbol = "symbol",
        /// Its id.
        Id = "id",
    }
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch<const DEFAULT: bool>(pub bool);

impl<const DEFAULT: bool> Default for Switch<DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: bool> Words for Switch<DEFAULT> {
    const WORDS: &'static [(&'static str, Self)] = &[("on", Self(true)), ("off", Self(false))];
}

/// `yes` or `no`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YesNo<const DEFAULT: bool>(pub bool);

impl<const DEFAULT: bool> Default for YesNo<DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: bool> Words for YesNo<DEFAULT> {
    const WORDS: &'static [(&'static str, Self)] = &[("yes", Self(true)), ("no", Self(false))];
}

/// Calls per minute, from `LOW` to `HIGH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMinute<const DEFAULT: u32, const LOW: u32, const HIGH: u32>(u32);

impl<const DEFAULT: u32, const LOW: u32, const HIGH: u32> PerMinute<DEFAULT, LOW, HIGH> {
    /// How many.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const DEFAULT: u32, const LOW: u32, const HIGH: u32> Default for PerMinute<DEFAULT, LOW, HIGH> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: u32, const LOW: u32, const HIGH: u32> Value for PerMinute<DEFAULT, LOW, HIGH> {
    fn values() -> String {
        format!("{LOW} to {HIGH}")
    }

    fn read(text: &str) -> Result<Self, QuantityError> {
        let number = text.parse().ok().filter(|number| (LOW..=HIGH).contains(number));
        number.map(Self).ok_or_else(|| QuantityError {
            message: format!("`{text}` is not a number of calls that anybody claims"),
            help: format!("write a whole number from {LOW} to {HIGH}; a plan of your own has any limits"),
        })
    }

    fn written(&self) -> String {
        self.0.to_string()
    }
}

/// How far apart data are: as the plan says, or so far; whole seconds, at most an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness(Option<Duration>);

impl Freshness {
    /// The longest.
    const LONGEST: Duration = Duration::from_secs(3600);

    /// Milliseconds; `plan_ms` unless it is said otherwise.
    pub fn or_ms(self, plan_ms: i64) -> i64 {
        let said = self.0.and_then(|said| i64::try_from(said.as_millis()).ok());
        said.unwrap_or(plan_ms)
    }
}

impl Value for Freshness {
    fn values() -> String {
        "`plan` (as the plan says), or a duration of whole seconds up to `1h`".to_owned()
    }

    fn read(text: &str) -> Result<Self, QuantityError> {
        if text == "plan" {
            return Ok(Self(None));
        }
        let said = parse_duration(text)?;
        // The judge finds what was published by whole seconds.
        if said.is_zero() || said > Self::LONGEST || said.subsec_nanos() != 0 {
            return Err(QuantityError {
                message: format!("data cannot be `{text}` apart"),
                help: "write whole seconds from 1s to 1h, or `plan`".to_owned(),
            });
        }
        Ok(Self(Some(said)))
    }

    fn written(&self) -> String {
        self.0.map_or_else(|| "plan".to_owned(), show_duration)
    }
}

/// What an error says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorText(String);

impl ErrorText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ErrorText {
    fn default() -> Self {
        Self("Missing parameter ids".to_owned())
    }
}

impl Value for ErrorText {
    fn values() -> String {
        "a text".to_owned()
    }

    fn read(text: &str) -> Result<Self, QuantityError> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(QuantityError {
                message: "an error says something, in one line".to_owned(),
                help: format!("write a text such as `{}`", Self::default().0),
            });
        }
        Ok(Self(text.to_owned()))
    }

    fn written(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_read_as_itself() {
        let default = Assumptions::default();
        for row in ROWS {
            let mut all = Assumptions::default();
            assert_eq!(all.set(row.key, &(row.get)(&default)), Ok(()), "{}", row.key);
            assert_eq!(all, default, "{}", row.key);
            assert!(
                !row.about.is_empty() && row.evidence.ends_with('.'),
                "{}",
                row.key
            );
        }
        assert_eq!(default.changes().count(), 0);
    }

    #[test]
    fn each_changes_what_its_name_says_and_nothing_else() {
        let others = [
            "sliding",
            "30",
            "15",
            "every_call",
            "free",
            "200",
            "refuse",
            "on",
            "no",
            "id",
            "object",
            "Which coins?",
            "off",
            "off",
            "10s",
            "45s",
        ];
        assert_eq!(others.len(), ROWS.len());
        for (row, other) in ROWS.iter().zip(others) {
            let mut all = Assumptions::default();
            assert_eq!(all.set(row.key, other), Ok(()), "{}", row.key);
            let changes: Vec<_> = all.changes().collect();
            assert_eq!(changes, [(row.key, other.to_owned())]);
        }
    }

    #[test]
    fn what_is_no_value_is_refused_with_what_to_write() {
        let refused = |key: &str, value: &str| match Assumptions::default().set(key, value) {
            Err(AssumeError::NoValue(error)) => format!("{}: {}", error.message, error.help),
            other => panic!("{key} = {value}: {other:?}"),
        };
        insta::assert_snapshot!([
            refused("window", "slidng"),
            refused("quota_status", "503"),
            refused("demo_per_minute", "500"),
            refused("keyless_per_minute", "few"),
            refused("markets_fresh", "1500ms"),
            refused("markets_fresh", "2h"),
            refused("simple_price_fresh", "60"),
            refused("missing_ids_text", " "),
        ].join("\n"), @r#"
        unknown word `slidng`: did you mean `sliding`?
        unknown word `503`: write one of 429, 200
        `500` is not a number of calls that anybody claims: write a whole number from 30 to 100; a plan of your own has any limits
        `few` is not a number of calls that anybody claims: write a whole number from 5 to 15; a plan of your own has any limits
        data cannot be `1500ms` apart: write whole seconds from 1s to 1h, or `plan`
        data cannot be `2h` apart: write whole seconds from 1s to 1h, or `plan`
        `60` is not a duration: `60` has no unit: write "60s", "60m" or another of ms, s, m, h, d
        an error says something, in one line: write a text such as `Missing parameter ids`
        "#);
        let unknown = Assumptions::default().set("windows", "fixed");
        assert_eq!(unknown, Err(AssumeError::UnknownKey));
        assert_eq!(
            AssumeError::UnknownKey.said_of("windows"),
            "there is no assumption `windows`: did you mean `window`?"
        );
    }
}
