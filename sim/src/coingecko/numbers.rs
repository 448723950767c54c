//! How CoinGecko writes numbers and instants: as Ruby prints floats, with fewer decimals the bigger the price.

/// What `precision` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Not given: whole numbers for big prices, more decimals the smaller the price.
    Default,
    /// `full`: all digits that there are.
    Full,
    /// `0` to `18` decimals.
    Decimals(u8),
}

impl Precision {
    /// Reads the parameter; what is not valid counts as not given.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            Some("full") => Self::Full,
            Some(digits) => match digits.parse::<u8>() {
                Ok(decimals) if decimals <= 18 => Self::Decimals(decimals),
                _ => Self::Default,
            },
            None => Self::Default,
        }
    }
}

/// A price as a JSON number.
///
/// The default's rule is not documented; this one agrees with the published examples (`76975`, `2400.26`,
/// `67.81`, `1.001`, `0.00480102`).
pub fn price(value: f64, precision: Precision) -> String {
    match precision {
        Precision::Full => float(value),
        Precision::Decimals(decimals) => rounded(value, decimals),
        Precision::Default => {
            let size = value.abs();
            if size >= 10_000.0 {
                rounded(value, 0)
            } else if size >= 10.0 {
                rounded(value, 2)
            } else if size >= 1.0 {
                rounded(value, 3)
            } else {
                float(significant(value, 6))
            }
        }
    }
}

/// A percentage with five decimals.
pub fn percentage(value: f64) -> String {
    rounded(value, 5)
}

/// A float as Ruby prints it: shortest digits that read back the same, always with a point, and in scientific
/// notation below 0.0001 and from 10^16 on.
pub fn float(value: f64) -> String {
    if value == 0.0 {
        return "0.0".to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = value.to_string();
        if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        }
    } else {
        let point = if mantissa.contains('.') { "" } else { ".0" };
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}{point}e{sign}{:02}", exponent.abs())
    }
}

/// `2026-03-02T00:00:00.000Z`
pub fn iso_timestamp(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

fn rounded(value: f64, decimals: u8) -> String {
    let text = format!("{value:.*}", usize::from(decimals));
    if decimals == 0 {
        text
    } else {
        float(text.parse().unwrap_or(value))
    }
}

fn significant(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits.saturating_sub(1))
        .parse()
        .unwrap_or(value)
}

/// A JSON number in one form for each value: sign, digits without zeros at either end, power of ten.
/// `None` when the text is not a JSON number.
pub fn canonical(text: &str) -> Option<(bool, String, i32)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let power = exponent - i32::try_from(fraction.len()).ok()?;
    let kept = digits.trim_end_matches('0');
    let zeros = i32::try_from(digits.len() - kept.len()).ok()?;
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() {
        return Some((false, String::new(), 0));
    }
    Some((negative, kept.to_owned(), power + zeros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floats_are_written_as_ruby_does() {
        let written = [
            20_030_493.0,
            0.1,
            76_975.25,
            0.000_48,
            0.000_012_3,
            0.000_01,
            1e16,
            -1.409_329_7,
            0.0,
        ]
        .map(float);
        assert_eq!(
            written,
            [
                "20030493.0",
                "0.1",
                "76975.25",
                "0.00048",
                "1.23e-05",
                "1.0e-05",
                "1.0e+16",
                "-1.4093297",
                "0.0"
            ]
        );
    }

    #[test]
    fn the_default_precision_agrees_with_the_documented_examples() {
        let values = [
            76_975.4,
            126_080.2,
            2_400.261,
            67.814,
            1.000_9,
            0.999_798_21,
            0.004_801_022,
        ];
        let written = values.map(|value| price(value, Precision::Default));
        assert_eq!(
            written,
            [
                "76975",
                "126080",
                "2400.26",
                "67.81",
                "1.001",
                "0.999798",
                "0.00480102"
            ]
        );
    }

    #[test]
    fn a_given_precision_rounds() {
        let at = |text| price(2_400.256_789, Precision::parse(Some(text)));
        assert_eq!(
            ["full", "0", "1", "2", "18", "19", "x"].map(at),
            [
                "2400.256789",
                "2400",
                "2400.3",
                "2400.26",
                "2400.256789",
                "2400.26",
                "2400.26"
            ]
        );
    }

    #[test]
    fn one_value_has_one_canonical_form() {
        let same = ["0.0000123", "1.23e-05", "1.23E-5", "0.00001230"].map(canonical);
        assert!(
            same.iter()
                .all(|form| form == &Some((false, "123".to_owned(), -7))),
            "{same:?}"
        );
        assert_eq!(canonical("77000"), canonical("77000.0"));
        assert_eq!(canonical("-0.0"), canonical("0"));
        assert_ne!(canonical("77000"), canonical("77001"));
        assert_ne!(canonical("-1"), canonical("1"));
        for bad in ["", "abc", "1,5", "0x10", ".5", "1e", "--1"] {
            assert_eq!(canonical(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_float_reads_back_the_same(value in prop_oneof![1e-12f64..1.0, 1.0f64..1e18]) {
            prop_assert_eq!(float(value).parse::<f64>().ok(), Some(value));
            prop_assert!(serde_json::from_str::<f64>(&float(value)).is_ok());
            prop_assert_eq!(canonical(&float(value)), canonical(&value.to_string()));
        }
    }
}
