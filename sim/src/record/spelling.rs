//! The number that a text spells, remembered for as long as the text stays the same.

use rust_decimal::Decimal;

/// The last number that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Spelling {
    text: String,
    number: Number,
}

/// A JSON number as a decimal, so that `1.50` equals `1.5`, and as a float; none when it is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Number {
    pub(super) decimal: Option<Decimal>,
    pub(super) float: Option<f64>,
}

impl Spelling {
    /// Reads `text`, which costs little when it is what was read before.
    pub(super) fn read(&mut self, text: &str) -> Number {
        if self.text != text {
            self.text.clear();
            self.text.push_str(text);
            self.number = Number {
                decimal: decimal(text),
                float: text.parse().ok(),
            };
        }
        self.number
    }
}

/// A JSON number as a decimal.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    text.parse().or_else(|_| Decimal::from_scientific(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_value_however_often_and_however_spelt() {
        let mut spelling = Spelling::default();
        assert_eq!(spelling.read(""), Number::default());
        let first = spelling.read("1.50");
        assert_eq!((spelling.read("1.50"), first.float), (first, Some(1.5)));
        for text in ["1.5", "15e-1", "1.500"] {
            assert_eq!(spelling.read(text), first, "{text}");
        }
        assert_ne!(spelling.read("1.51"), first);
        assert_eq!(spelling.read("many"), Number::default());
    }
}
