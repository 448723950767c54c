//! Metric math: the part of CloudWatch's expressions that alarms of ours may use.
//!
//! A time series has a value for each period, or none. All rules are (b), of AWS's page "Using math expressions with
//! CloudWatch metrics", but where marked. That page says of data that is missing:
//! - arithmetic and comparisons of two series take what is missing in one of them for 0; where both lack a value there is
//!   none (c: the page says nothing of it), and so for a series and a number (c);
//! - a division by zero has no value; nor has any other result that is not finite (c);
//! - `SUM` and `AVG` of a list take missing values for 0, `MAX` and `MIN` go by those that are there (c), and where all lack
//!   a value there is none (c);
//! - `IF` has no value where its condition has none, or where it chooses an alternative that has none; but 0 where the
//!   condition is a series and holds, and the first alternative is a series without a value.
//!
//! Of one series instead of a list, AWS's `SUM`, `MAX`, `MIN` and `AVG` make one number from as many periods as CloudWatch
//! happens to fetch, and AWS advises against them in alarms: so they are errors here.

use std::{cmp::Ordering, collections::BTreeMap};

use thiserror::Error;

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("metric math `{expression}`, column {column}: {problem}")]
pub struct MathError {
    /// All of it.
    pub expression: String,
    /// Where, in characters from 1.
    pub column: usize,
    /// What.
    pub problem: String,
}

/// An expression of which the result is a time series.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Node);

/// The values of a metric, the oldest first.
pub type Series = Vec<Option<f64>>;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Number(f64),
    Id(String),
    Negated(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    Each(Each, Box<Self>),
    OfList(OfList, Vec<Self>),
    Fill(Box<Self>, Filler),
    If(Box<Self>, Box<Self>, Option<Box<Self>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A function of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Each {
    Abs,
    Ceil,
    Floor,
}

/// A function of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OfList {
    Sum,
    Max,
    Min,
    Avg,
}

/// What `FILL` puts in.
#[derive(Clone, Debug, PartialEq)]
enum Filler {
    With(Box<Node>),
    /// The value before; none before the first (c).
    Repeat,
    /// On a line from the value before to the one after; none at the ends (c).
    Linear,
}

/// What a part of an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Series,
}

impl Expression {
    /// Reads an expression in which `ids` stand for metrics.
    ///
    /// # Errors
    ///
    /// It is not well-formed, has a function or an id that is not known, or its result is a number, of which CloudWatch
    /// makes no alarm.
    pub fn parse<'i>(text: &str, ids: impl IntoIterator<Item = &'i str>) -> Result<Self, MathError> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
            ids: ids.into_iter().collect(),
        };
        let (node, kind) = parser.comparison()?;
        parser.blank();
        if parser.at < text.len() {
            return Err(parser.error_at(parser.at, "an operator or the end expected"));
        }
        if kind == Kind::Number {
            return Err(parser.error_at(
                0,
                "the result is a number and no time series: it has no metric in it",
            ));
        }
        Ok(Self(node))
    }

    /// The value of each of so many periods. `series` has a metric's values by its id, all of that length; what is not in it
    /// is missing throughout.
    #[must_use]
    pub fn evaluate(&self, series: &BTreeMap<&str, Series>, periods: usize) -> Series {
        let all = Periods { series, periods };
        let value = all.value(&self.0);
        (0..periods).map(|period| value.at(period)).collect()
    }
}

/// A number (none: it is not finite) or a series.
enum Value {
    Number(Option<f64>),
    Series(Series),
}

impl Value {
    fn at(&self, period: usize) -> Option<f64> {
        match self {
            Self::Number(value) => *value,
            Self::Series(values) => values.get(period).copied().flatten(),
        }
    }
}

struct Periods<'e> {
    series: &'e BTreeMap<&'e str, Series>,
    periods: usize,
}

impl Periods<'_> {
    fn each(&self, value: impl FnMut(usize) -> Option<f64>) -> Value {
        Value::Series((0..self.periods).map(value).collect())
    }

    fn value(&self, node: &Node) -> Value {
        match node {
            Node::Number(number) => Value::Number(Some(*number)),
            Node::Id(id) => match self.series.get(&**id) {
                Some(values) => Value::Series(values.clone()),
                None => self.each(|_| None),
            },
            Node::Negated(of) => self.mapped(of, |value| -value),
            Node::Each(Each::Abs, of) => self.mapped(of, f64::abs),
            Node::Each(Each::Ceil, of) => self.mapped(of, f64::ceil),
            Node::Each(Each::Floor, of) => self.mapped(of, f64::floor),
            Node::Binary(operator, left, right) => match (self.value(left), self.value(right)) {
                (Value::Number(a), Value::Number(b)) => Value::Number(operator.of(a, b)),
                (Value::Series(a), Value::Series(b)) => self.each(|at| match (a[at], b[at]) {
                    (None, None) => None,
                    (a, b) => operator.of(a.or(Some(0.0)), b.or(Some(0.0))),
                }),
                (a, b) => self.each(|at| operator.of(a.at(at), b.at(at))),
            },
            Node::OfList(function, nodes) => {
                let values: Vec<Value> = nodes.iter().map(|node| self.value(node)).collect();
                self.each(|at| function.of(values.iter().map(|value| value.at(at))))
            }
            Node::Fill(of, filler) => self.filled(of, filler),
            Node::If(condition, then, otherwise) => {
                let then = self.value(then);
                let otherwise = otherwise.as_ref().map(|node| self.value(node));
                let chosen = |holds: bool, at: usize| match (holds, &then) {
                    (true, then) => then.at(at),
                    (false, _) => otherwise.as_ref().and_then(|value| value.at(at)),
                };
                match self.value(condition) {
                    Value::Number(condition) => self.each(|at| chosen(condition? != 0.0, at)),
                    Value::Series(condition) => self.each(|at| match (condition[at]? != 0.0, &then) {
                        (true, Value::Series(then)) => then[at].or(Some(0.0)),
                        (holds, _) => chosen(holds, at),
                    }),
                }
            }
        }
    }

    fn mapped(&self, of: &Node, function: impl Fn(f64) -> f64) -> Value {
        match self.value(of) {
            Value::Number(number) => Value::Number(number.map(function)),
            Value::Series(values) => Value::Series(values.into_iter().map(|v| v.map(&function)).collect()),
        }
    }

    fn filled(&self, of: &Node, filler: &Filler) -> Value {
        let values = self.value(of);
        match filler {
            Filler::With(node) => {
                let with = self.value(node);
                self.each(|at| values.at(at).or_else(|| with.at(at)))
            }
            Filler::Repeat => {
                let mut last = None;
                self.each(|at| {
                    last = values.at(at).or(last);
                    last
                })
            }
            Filler::Linear => self.each(|at| {
                if let Some(value) = values.at(at) {
                    return Some(value);
                }
                let near = |at: usize| values.at(at).map(|value| (at, value));
                let (before, low) = (0..at).rev().find_map(near)?;
                let (after, high) = (at + 1..self.periods).find_map(near)?;
                let share = (at - before) as f64 / (after - before) as f64;
                Some(low + (high - low) * share)
            }),
        }
    }
}

impl Operator {
    fn of(self, a: Option<f64>, b: Option<f64>) -> Option<f64> {
        let (a, b) = (a?, b?);
        let truth = |holds: bool| f64::from(u8::from(holds));
        let order = a.partial_cmp(&b);
        let value = match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Power => a.powf(b),
            Self::Equal => truth(order == Some(Ordering::Equal)),
            Self::NotEqual => truth(order != Some(Ordering::Equal)),
            Self::Less => truth(a < b),
            Self::LessOrEqual => truth(a <= b),
            Self::Greater => truth(a > b),
            Self::GreaterOrEqual => truth(a >= b),
        };
        Some(value).filter(|value| value.is_finite())
    }
}

impl OfList {
    fn of(self, values: impl ExactSizeIterator<Item = Option<f64>> + Clone) -> Option<f64> {
        let count = values.len() as f64;
        let present = values.flatten();
        // None of all: no value.
        present.clone().next()?;
        let value = match self {
            Self::Sum => present.sum(),
            Self::Avg => present.sum::<f64>() / count,
            Self::Max => present.fold(f64::NEG_INFINITY, f64::max),
            Self::Min => present.fold(f64::INFINITY, f64::min),
        };
        Some(value).filter(|value| value.is_finite())
    }
}

/// How deep an expression may be nested; AWS limits its length instead, to 1,024 characters.
const DEEPEST: u32 = 100;

struct Parser<'t, 'i> {
    text: &'t str,
    /// Bytes.
    at: usize,
    depth: u32,
    ids: Vec<&'i str>,
}

type Parsed = Result<(Node, Kind), MathError>;

impl<'t> Parser<'t, '_> {
    fn error_at(&self, at: usize, problem: impl Into<String>) -> MathError {
        MathError {
            expression: self.text.to_owned(),
            column: self.text[..at].chars().count() + 1,
            problem: problem.into(),
        }
    }

    fn blank(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The first of `tokens` that stands here, which is read.
    fn token<T: Copy>(&mut self, tokens: &[(&str, T)]) -> Option<T> {
        self.blank();
        let rest = &self.text[self.at..];
        let (text, token) = tokens.iter().find(|(text, _)| rest.starts_with(text))?;
        self.at += text.len();
        Some(*token)
    }

    fn take(&mut self, text: &str) -> Result<(), MathError> {
        match self.token(&[(text, ())]) {
            Some(()) => Ok(()),
            None => Err(self.error_at(self.at, format!("`{text}` expected"))),
        }
    }

    fn nested(&mut self, part: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth == DEEPEST {
            return Err(self.error_at(self.at, format!("nested deeper than {DEEPEST}")));
        }
        self.depth += 1;
        let parsed = part(self);
        self.depth -= 1;
        parsed
    }

    fn comparison(&mut self) -> Parsed {
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let left = self.nested(Self::sum)?;
        match self.token(&operators) {
            None => Ok(left),
            Some(operator) => Ok(binary(operator, left, self.sum()?)),
        }
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        while let Some(operator) = self.token(&[("+", Operator::Add), ("-", Operator::Subtract)]) {
            left = binary(operator, left, self.product()?);
        }
        Ok(left)
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.signed()?;
        while let Some(operator) = self.token(&[("*", Operator::Multiply), ("/", Operator::Divide)]) {
            left = binary(operator, left, self.signed()?);
        }
        Ok(left)
    }

    /// A minus binds less than a power (c): `-m1^2` is `-(m1^2)`.
    fn signed(&mut self) -> Parsed {
        if self.token(&[("-", ())]).is_some() {
            let (node, kind) = self.nested(Self::signed)?;
            return Ok((Node::Negated(Box::new(node)), kind));
        }
        let base = self.atom()?;
        if self.token(&[("^", ())]).is_none() {
            return Ok(base);
        }
        // From the right (c).
        let exponent = self.nested(Self::signed)?;
        Ok(binary(Operator::Power, base, exponent))
    }

    fn atom(&mut self) -> Parsed {
        if self.token(&[("(", ())]).is_some() {
            let inner = self.comparison()?;
            self.take(")")?;
            return Ok(inner);
        }
        let start = self.at;
        let rest = &self.text[start..];
        let length = |fits: fn(char) -> bool| rest.find(|c| !fits(c)).unwrap_or(rest.len());
        match rest.chars().next() {
            Some('0'..='9' | '.') => {
                let digits = &rest[..length(|c| c.is_ascii_digit() || c == '.')];
                self.at += digits.len();
                match digits.parse() {
                    Ok(number) => Ok((Node::Number(number), Kind::Number)),
                    Err(_) => Err(self.error_at(start, format!("`{digits}` is no number"))),
                }
            }
            Some(first) if first.is_ascii_alphabetic() => {
                let word = &rest[..length(|c| c.is_ascii_alphanumeric() || c == '_')];
                self.at += word.len();
                if self.text[self.at..].trim_start().starts_with('(') {
                    return self.function(start, word);
                }
                if self.ids.contains(&word) {
                    return Ok((Node::Id(word.to_owned()), Kind::Series));
                }
                let known = self.ids.join(", ");
                let problem = format!("`{word}` is the id of no metric of this alarm; there are: {known}");
                Err(self.error_at(start, problem))
            }
            _ => Err(self.error_at(start, "a number, an id, a function or `(` expected")),
        }
    }

    fn function(&mut self, start: usize, name: &'t str) -> Parsed {
        self.take("(")?;
        let parsed = match name {
            "ABS" => self.of_each(Each::Abs),
            "CEIL" => self.of_each(Each::Ceil),
            "FLOOR" => self.of_each(Each::Floor),
            "SUM" => self.of_list(name, OfList::Sum),
            "MAX" => self.of_list(name, OfList::Max),
            "MIN" => self.of_list(name, OfList::Min),
            "AVG" => self.of_list(name, OfList::Avg),
            "FILL" => self.fill(),
            "IF" => self.choice(),
            _ => Err(self.error_at(
                start,
                format!(
                    "function `{name}` is not emulated; there are ABS, AVG, CEIL, FILL, FLOOR, IF, MAX, MIN and SUM, in \
                     upper case"
                ),
            )),
        }?;
        self.take(")")?;
        Ok(parsed)
    }

    fn of_each(&mut self, function: Each) -> Parsed {
        let (node, kind) = self.comparison()?;
        Ok((Node::Each(function, Box::new(node)), kind))
    }

    fn of_list(&mut self, name: &str, function: OfList) -> Parsed {
        self.blank();
        let start = self.at;
        if self.token(&[("[", ())]).is_none() {
            let problem = format!(
                "{name} of one series is a number that depends on how many periods CloudWatch fetches; give it a list, such \
                 as {name}([a, b])"
            );
            return Err(self.error_at(start, problem));
        }
        let mut nodes = Vec::new();
        loop {
            let item = self.at;
            let (node, kind) = self.comparison()?;
            if kind == Kind::Number {
                return Err(self.error_at(
                    item,
                    format!("{name} takes a list of time series, and this is a number"),
                ));
            }
            nodes.push(node);
            if self.token(&[(",", ())]).is_none() {
                break;
            }
        }
        self.take("]")?;
        Ok((Node::OfList(function, nodes), Kind::Series))
    }

    fn fill(&mut self) -> Parsed {
        self.blank();
        let start = self.at;
        let (node, kind) = self.comparison()?;
        if kind == Kind::Number {
            return Err(self.error_at(start, "FILL takes a time series, and this is a number"));
        }
        self.take(",")?;
        let filler = match self.token(&[("REPEAT", true), ("LINEAR", false)]) {
            Some(true) => Filler::Repeat,
            Some(false) => Filler::Linear,
            None => Filler::With(Box::new(self.comparison()?.0)),
        };
        Ok((Node::Fill(Box::new(node), filler), Kind::Series))
    }

    fn choice(&mut self) -> Parsed {
        let (condition, of_condition) = self.comparison()?;
        self.take(",")?;
        let (then, of_then) = self.comparison()?;
        let mut kinds = vec![of_condition, of_then];
        let otherwise = match self.token(&[(",", ())]) {
            None => None,
            Some(()) => {
                let (node, kind) = self.comparison()?;
                kinds.push(kind);
                Some(Box::new(node))
            }
        };
        let is_series = kinds.contains(&Kind::Series);
        let kind = if is_series { Kind::Series } else { Kind::Number };
        Ok((Node::If(Box::new(condition), Box::new(then), otherwise), kind))
    }
}

fn binary(operator: Operator, (a, of_a): (Node, Kind), (b, of_b): (Node, Kind)) -> (Node, Kind) {
    let kind = if of_a == of_b { of_a } else { Kind::Series };
    (Node::Binary(operator, Box::new(a), Box::new(b)), kind)
}

#[cfg(test)]
mod tests;
