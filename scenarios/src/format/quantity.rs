//! Quantities with their units: durations, rates, shares, bytes, money. Nothing has a default unit.
//!
//! Parsing and printing are exact inverses: `parse(display(q)) == q`.

use std::fmt;
use std::time::Duration;

/// The longest duration that a scenario may name: ten years keep all later sums far from overflow.
pub const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

const NANOS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const BYTES: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// Why a text is not the quantity that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QuantityError {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub help: String,
}

impl QuantityError {
    fn new(message: String, help: impl Into<String>) -> Self {
        Self {
            message,
            help: help.into(),
        }
    }
}

/// A quantity as an expectation names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// `99.9%`, held as the fraction 0.999.
    Ratio(f64),
    /// `2h5m`
    Duration(Duration),
    /// A number without a unit, such as a count or a factor.
    Count(f64),
    /// `5/s`
    Rate(Rate),
    /// `40KB`
    Bytes(u64),
    /// `1.5 USD`
    Money(f64),
    /// `25bp`, hundredths of a percent.
    BasisPoints(f64),
}

impl Quantity {
    /// Reads any quantity; which kind, its unit tells.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let text = text.trim();
        if let Some(number) = text.strip_suffix("USD") {
            return finite(number.trim_end(), text).map(Self::Money);
        }
        if let Some(number) = text.strip_suffix("bp") {
            return finite(number.trim_end(), text).map(Self::BasisPoints);
        }
        if text.ends_with('%') {
            return parse_ratio(text).map(Self::Ratio);
        }
        if text.contains('/') {
            return Rate::parse(text).map(Self::Rate);
        }
        if text.ends_with('B') {
            return parse_bytes(text).map(Self::Bytes);
        }
        if text.ends_with(|last: char| last.is_ascii_digit() || last == '.') {
            return finite(text, text).map(Self::Count);
        }
        parse_duration(text).map(Self::Duration).map_err(|error| {
            QuantityError::new(
                error.message,
                "write a quantity such as 99.9%, 250ms, 2h5m, 12, 5/s, 40KB, 25bp or 1.5 USD",
            )
        })
    }

    /// Its number: a fraction, seconds, a count, per second, bytes, dollars or basis points.
    pub fn value(self) -> f64 {
        match self {
            Self::Ratio(value) | Self::Count(value) | Self::Money(value) | Self::BasisPoints(value) => value,
            Self::Duration(value) => value.as_secs_f64(),
            Self::Rate(value) => value.per_second(),
            Self::Bytes(value) => value as f64,
        }
    }

    /// The name of its kind, for messages.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Ratio(_) => "a share",
            Self::Duration(_) => "a duration",
            Self::Count(_) => "a plain number",
            Self::Rate(_) => "a rate",
            Self::Bytes(_) => "a size",
            Self::Money(_) => "an amount of money",
            Self::BasisPoints(_) => "basis points",
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(value) => f.write_str(&show_ratio(*value)),
            Self::Duration(value) => f.write_str(&show_duration(*value)),
            Self::Count(value) => write!(f, "{value}"),
            Self::Rate(value) => value.fmt(f),
            Self::Bytes(value) => f.write_str(&show_bytes(*value)),
            Self::Money(value) => write!(f, "{value} USD"),
            Self::BasisPoints(value) => write!(f, "{value}bp"),
        }
    }
}

/// So many per unit of time, as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// How many, 0 or more.
    pub count: f64,
    /// Per what.
    pub per: Per,
}

/// The unit of time of a [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// `/s`
    Second,
    /// `/min`
    Minute,
    /// `/h`
    Hour,
    /// `/d`
    Day,
}

impl Per {
    const ALL: [(&'static str, Self, f64); 4] = [
        ("s", Self::Second, 1.0),
        ("min", Self::Minute, 60.0),
        ("h", Self::Hour, 3_600.0),
        ("d", Self::Day, 86_400.0),
    ];

    fn entry(self) -> (&'static str, f64) {
        Self::ALL
            .iter()
            .find(|(_, per, _)| *per == self)
            .map_or(("s", 1.0), |(name, _, seconds)| (name, *seconds))
    }
}

impl Rate {
    /// Reads `2/s`, `100/min`, `5/h` or `3/d`.
    ///
    /// # Errors
    /// When it is not so.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        const HELP: &str = "write a rate such as \"2/s\", \"100/min\", \"5/h\" or \"3/d\"";
        let (number, unit) = text
            .trim()
            .split_once('/')
            .ok_or_else(|| QuantityError::new(format!("`{text}` is not a rate: it says no \"per\""), HELP))?;
        let per = Per::ALL
            .iter()
            .find(|(name, ..)| *name == unit.trim())
            .map(|(_, per, _)| *per);
        let per = per.ok_or_else(|| {
            QuantityError::new(
                format!("`{text}` is not a rate: unknown unit `/{}`", unit.trim()),
                HELP,
            )
        })?;
        let count = number
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|count| count.is_finite() && *count >= 0.0);
        let count = count.ok_or_else(|| {
            QuantityError::new(
                format!(
                    "`{text}` is not a rate: `{}` is no number of 0 or more",
                    number.trim()
                ),
                HELP,
            )
        })?;
        Ok(Self { count, per })
    }

    /// Per second.
    pub fn per_second(self) -> f64 {
        self.count / self.per.entry().1
    }

    /// Per minute.
    pub fn per_minute(self) -> f64 {
        match self.per {
            Per::Minute => self.count,
            Per::Second | Per::Hour | Per::Day => self.per_second() * 60.0,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.entry().0)
    }
}

/// Reads `250ms`, `90s`, `1.5h` or `1h30m`: numbers with units, the greater unit first.
///
/// # Errors
/// When a unit is missing, unknown or out of order, or when it is longer than [`LONGEST`].
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    const HELP: &str = "write a duration such as \"250ms\", \"30s\", \"5m\", \"2h5m\" or \"1d\"";
    let wrong = |why: String| QuantityError::new(format!("`{text}` is not a duration: {why}"), HELP);
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    let mut total: u128 = 0;
    let mut above = u128::MAX;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        if number.is_empty() {
            return Err(wrong(format!("expected a number before `{unit}`")));
        }
        if unit.is_empty() {
            let mut error = wrong(format!("`{number}` has no unit"));
            error.help = format!("write \"{number}s\", \"{number}m\" or another of ms, s, m, h, d");
            return Err(error);
        }
        let Some((_, nanos)) = NANOS.iter().find(|(name, _)| *name == unit) else {
            let known = NANOS.iter().any(|(name, _)| *name == unit.trim());
            let why = if known {
                "it has blanks in it".to_owned()
            } else {
                format!("unknown unit `{}`", unit.trim())
            };
            return Err(wrong(why));
        };
        if *nanos >= above {
            return Err(wrong(format!(
                "`{unit}` must come before the smaller units, and once"
            )));
        }
        above = *nanos;
        let part = decimal_times(number, *nanos)
            .ok_or_else(|| wrong(format!("`{number}{unit}` cannot be held exactly")))?;
        total = total
            .checked_add(part)
            .ok_or_else(|| wrong("it is too long".to_owned()))?;
        rest = tail;
    }
    if total > LONGEST.as_nanos() {
        return Err(wrong("it is longer than ten years".to_owned()));
    }
    let seconds = u64::try_from(total / 1_000_000_000).unwrap_or(u64::MAX);
    let nanos = u32::try_from(total % 1_000_000_000).unwrap_or(0);
    Ok(Duration::new(seconds, nanos))
}

/// `number × scale`, when that is a whole number.
fn decimal_times(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let divisor = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = digits.checked_mul(scale)?;
    (scaled % divisor == 0).then(|| scaled / divisor)
}

/// Prints a duration with the fewest units, exactly: `1h30m`, `0s`.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, nanos) in NANOS {
        if rest >= nanos {
            text.push_str(&format!("{}{unit}", rest / nanos));
            rest %= nanos;
        }
    }
    text
}

/// Reads `99.9%` as the fraction 0.999.
///
/// # Errors
/// When the percent sign or the number is missing.
pub fn parse_ratio(text: &str) -> Result<f64, QuantityError> {
    const HELP: &str = "write a share such as \"99.9%\" or \"50%\"";
    let wrong = |why: &str| QuantityError::new(format!("`{text}` is not a share: {why}"), HELP);
    let number = text
        .trim()
        .strip_suffix('%')
        .ok_or_else(|| wrong("it has no percent sign"))?
        .trim_end();
    if !is_decimal(number) {
        return Err(wrong("expected a number before the percent sign"));
    }
    // Shifting the decimal exponent in the text, not dividing, keeps 99.9% the very number 0.999.
    format!("{number}e-2")
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .ok_or_else(|| wrong("no number"))
}

/// Prints a fraction as a percentage, exactly.
pub fn show_ratio(fraction: f64) -> String {
    let plain = format!("{fraction}");
    let (sign, digits) = plain
        .strip_prefix('-')
        .map_or(("", plain.as_str()), |digits| ("-", digits));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let mut rest = rest.to_owned();
    while rest.len() < 2 {
        rest.push('0');
    }
    let (moved, left) = rest.split_at(2);
    let shifted = format!("{whole}{moved}");
    let whole = shifted.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if left.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{left}%")
}

/// Reads `512B`, `40KB` (1,000) or `2KiB` (1,024).
///
/// # Errors
/// When the unit is missing or unknown, or the bytes are not whole.
pub fn parse_bytes(text: &str) -> Result<u64, QuantityError> {
    const HELP: &str = "write a size such as \"512B\", \"40KB\" or \"2KiB\"";
    let wrong = |why: String| QuantityError::new(format!("`{text}` is not a size: {why}"), HELP);
    let trimmed = text.trim();
    let number_end = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(number_end);
    let unit = unit.trim();
    if unit.is_empty() {
        return Err(wrong(format!("`{number}` has no unit")));
    }
    let Some((_, scale)) = BYTES.iter().find(|(name, _)| *name == unit) else {
        return Err(wrong(format!("unknown unit `{unit}`")));
    };
    let bytes = decimal_times(number, u128::from(*scale)).and_then(|bytes| u64::try_from(bytes).ok());
    bytes.ok_or_else(|| wrong(format!("`{number}` is not a whole number of bytes")))
}

/// Prints bytes in the greatest unit that holds them exactly.
pub fn show_bytes(bytes: u64) -> String {
    let fits = BYTES
        .iter()
        .filter(|(_, scale)| bytes > 0 && bytes.is_multiple_of(*scale))
        .max_by_key(|(_, scale)| *scale);
    let (unit, scale) = fits.unwrap_or(&BYTES[0]);
    format!("{}{unit}", bytes / scale)
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn finite(number: &str, text: &str) -> Result<f64, QuantityError> {
    let value = number
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite() && is_decimal(number));
    value.ok_or_else(|| {
        QuantityError::new(
            format!("`{text}` is not a quantity"),
            "write a number, and its unit if it has one",
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn duration() -> impl Strategy<Value = Duration> {
        (0..LONGEST.as_secs(), 0..1_000_000_000u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            0.0..1e9f64,
            (0..100_000u32).prop_map(|n| f64::from(n) / 1000.0),
            Just(0.0),
            0.0..1e-6f64
        ]
    }

    fn quantity() -> impl Strategy<Value = Quantity> {
        let per = prop_oneof![
            Just(Per::Second),
            Just(Per::Minute),
            Just(Per::Hour),
            Just(Per::Day)
        ];
        prop_oneof![
            number().prop_map(Quantity::Ratio),
            duration().prop_map(Quantity::Duration),
            number().prop_map(Quantity::Count),
            (number(), per).prop_map(|(count, per)| Quantity::Rate(Rate { count, per })),
            any::<u64>().prop_map(Quantity::Bytes),
            number().prop_map(Quantity::Money),
            number().prop_map(Quantity::BasisPoints),
        ]
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(quantity in quantity()) {
            prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}") {
            let _ = Quantity::parse(&text);
            let _ = parse_duration(&text);
        }
    }

    #[test]
    fn durations() {
        let ms = |ms| Ok(Duration::from_millis(ms));
        assert_eq!(parse_duration("250ms"), ms(250));
        assert_eq!(parse_duration("2h5m"), ms(7_500_000));
        assert_eq!(parse_duration("1.5s"), ms(1_500));
        assert_eq!(parse_duration("0s"), ms(0));
        assert_eq!(show_duration(Duration::from_secs(300)), "5m");
        assert_eq!(show_duration(Duration::from_millis(90_500)), "1m30s500ms");
    }

    #[test]
    fn bad_durations_say_why() {
        let why = |text| {
            let error = parse_duration(text).unwrap_err();
            format!("{error}; {}", error.help)
        };
        insta::assert_snapshot!(why("5"), @r#"`5` is not a duration: `5` has no unit; write "5s", "5m" or another of ms, s, m, h, d"#);
        insta::assert_snapshot!(why("5 min"), @r#"`5 min` is not a duration: unknown unit `min`; write a duration such as "250ms", "30s", "5m", "2h5m" or "1d""#);
        insta::assert_snapshot!(why("5 m"), @r#"`5 m` is not a duration: it has blanks in it; write a duration such as "250ms", "30s", "5m", "2h5m" or "1d""#);
        insta::assert_snapshot!(why("5m1h"), @r#"`5m1h` is not a duration: `h` must come before the smaller units, and once; write a duration such as "250ms", "30s", "5m", "2h5m" or "1d""#);
        insta::assert_snapshot!(why("h"), @r#"`h` is not a duration: expected a number before `h`; write a duration such as "250ms", "30s", "5m", "2h5m" or "1d""#);
        insta::assert_snapshot!(why("20000d"), @r#"`20000d` is not a duration: it is longer than ten years; write a duration such as "250ms", "30s", "5m", "2h5m" or "1d""#);
        insta::assert_snapshot!(why("0.3ns"), @r#"`0.3ns` is not a duration: `0.3ns` cannot be held exactly; write a duration such as "250ms", "30s", "5m", "2h5m" or "1d""#);
        insta::assert_snapshot!(why("-5s"), @r#"`-5s` is not a duration: expected a number before `-`; write a duration such as "250ms", "30s", "5m", "2h5m" or "1d""#);
    }

    #[test]
    fn shares_are_exact() {
        assert_eq!(parse_ratio("99.9%"), Ok(0.999));
        assert_eq!(parse_ratio("100%"), Ok(1.0));
        assert_eq!(show_ratio(0.07), "7%");
        assert_eq!(show_ratio(0.0005), "0.05%");
        assert!(parse_ratio("50").is_err(), "a share needs its sign");
    }

    #[test]
    fn rates_and_sizes() {
        assert_eq!(Rate::parse("100/min").map(Rate::per_minute), Ok(100.0));
        assert_eq!(Rate::parse("2/s").map(Rate::per_minute), Ok(120.0));
        assert!(Rate::parse("2").is_err() && Rate::parse("2/week").is_err() && Rate::parse("-1/s").is_err());
        assert_eq!(parse_bytes("2KiB"), Ok(2048));
        assert_eq!(parse_bytes("1.5 KB"), Ok(1500));
        assert!(parse_bytes("1.5B").is_err() && parse_bytes("5").is_err());
    }
}
