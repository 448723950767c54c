//! Reads documents of the embedded metric format (EMF), by which metrics travel in log lines.
//!
//! AWS takes a document that breaks a rule for a mere log line: its metrics are missing and nobody is told. So this reader
//! is strict, and says which rule. Rules and limits are (b), of [AWS's specification][spec] and of AWS's own clients,
//! but where marked.
//!
//! A virtual day has a document for each of a million requests, so a document is read in one pass, and what needs no
//! unescaping is borrowed.
//!
//! [spec]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use std::{borrow::Cow, cmp::Ordering};

use thiserror::Error;

/// The longest document, bytes: 1 MB, as of a log event. Until 2025 both were limited to 256 KB.
pub const MOST_BYTES: usize = 1 << 20;
/// How far back a document may be dated: 14 days, ms.
pub const MOST_PAST_MS: i64 = 14 * 24 * 3600 * 1000;
/// How far ahead a document may be dated: 2 hours, ms.
pub const MOST_FUTURE_MS: i64 = 2 * 3600 * 1000;
/// Metrics of a directive.
const MOST_METRICS: usize = 100;
/// Values of a metric.
const MOST_VALUES: usize = 100;
/// Dimensions of a set.
const MOST_DIMENSIONS: usize = 30;
/// The largest magnitude of a value, of `PutMetricData`: 2^360.
const LARGEST: f64 = f64::from_bits(((1023 + 360) as u64) << 52);

const UNITS: [&str; 27] = [
    "Count",
    "Milliseconds",
    "Seconds",
    "Bytes",
    "Microseconds",
    "Percent",
    "None",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
];

/// A document that keeps all rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Document<'a> {
    /// Of all its metrics, Unix milliseconds.
    pub timestamp_ms: i64,
    /// What it tells CloudWatch to extract.
    pub directives: Vec<Directive<'a>>,
}

/// Names of dimensions with their values.
pub type Dimensions<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Metrics of one namespace, each in every set of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Directive<'a> {
    /// Their namespace.
    pub namespace: Cow<'a, str>,
    /// Sets of names with their values; an empty one is a metric without dimensions.
    pub dimensions: Vec<Dimensions<'a>>,
    /// The metrics.
    pub metrics: Vec<Metric<'a>>,
}

/// A metric with what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// One of CloudWatch's units; `None` unless given.
    pub unit: &'static str,
    /// 1 or 60 (unless given).
    pub resolution_s: u8,
    /// Finite, at most 100, perhaps none.
    pub values: Values,
}

/// The values of a metric in a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// A number, which nearly all are.
    One(f64),
    /// A list.
    Many(Vec<f64>),
}

impl Values {
    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// The rule that a document breaks.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EmfError {
    /// It is no JSON.
    #[error(
        "EMF: no JSON at byte {at}: {expected} expected; write the document as one line and nothing else into it"
    )]
    Syntax {
        /// Offset in the line, bytes.
        at: usize,
        /// What would have been right.
        expected: &'static str,
    },
    /// It is larger than a log event may be.
    #[error(
        "EMF: {bytes} bytes are more than the {MOST_BYTES} of a log event (256 KB before 2025); write less into it"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A value has another type than the specification wants.
    #[error("EMF: {what} at byte {at} is not {wants}")]
    Shape {
        /// Which.
        what: &'static str,
        /// The type.
        wants: &'static str,
        /// Offset in the line, bytes.
        at: usize,
    },
    /// An object of the specification lacks a member.
    #[error("EMF: {object} lacks `{member}`, which it must have")]
    Lacks {
        /// Which object.
        object: &'static str,
        /// Which member.
        member: &'static str,
    },
    /// An object of the specification has a member that it must not have. AWS's reader ignores it, so that a misspelt
    /// `Unit` or `StorageResolution` would never be noticed.
    #[error("EMF: {object} has a member `{member}`, which the specification does not know; is it misspelt?")]
    Unknown {
        /// Which object.
        object: &'static str,
        /// Which member.
        member: String,
    },
    /// A name is there twice; (c), as which of both counts is documented nowhere.
    #[error("EMF: {what} `{name}` is there twice, and which one counts is undefined; write it once")]
    Twice {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The document is dated too far back.
    #[error(
        "EMF: Timestamp {timestamp_ms} is more than 14 days before now ({now_ms}); it is milliseconds since 1970, not seconds"
    )]
    TooOld {
        /// The document's.
        timestamp_ms: i64,
        /// When it was read.
        now_ms: i64,
    },
    /// The document is dated too far ahead.
    #[error(
        "EMF: Timestamp {timestamp_ms} is more than 2 hours after now ({now_ms}); it is milliseconds since 1970"
    )]
    TooNew {
        /// The document's.
        timestamp_ms: i64,
        /// When it was read.
        now_ms: i64,
    },
    /// A text is empty, too long, or has characters that it must not have.
    #[error("EMF: {what} `{text}` is not {wants}")]
    Text {
        /// Which text.
        what: &'static str,
        /// It.
        text: String,
        /// The rule.
        wants: &'static str,
    },
    /// Too many of something.
    #[error("EMF: {count} {what} are more than {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// No set of dimensions: a metric without dimensions has one that is empty.
    #[error("EMF: Dimensions is empty; write [[]] for metrics without dimensions")]
    NoDimensionSet,
    /// A unit that CloudWatch does not know.
    #[error("EMF: metric `{metric}`: `{unit}` is no unit of CloudWatch, such as Count, Milliseconds or None")]
    Unit {
        /// Of which metric.
        metric: String,
        /// The unit.
        unit: String,
    },
    /// A resolution that CloudWatch does not have.
    #[error("EMF: metric `{metric}`: StorageResolution must be 1 or 60")]
    Resolution {
        /// Of which metric.
        metric: String,
    },
    /// Nothing at the root has the name of a metric or dimension.
    #[error("EMF: {what} `{name}` has no member of that name at the document's root")]
    NoTarget {
        /// `metric` or `dimension`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A dimension's value is no text.
    #[error("EMF: dimension `{name}` is {found}; a dimension's value is a text")]
    DimensionType {
        /// Its name.
        name: String,
        /// What it is.
        found: &'static str,
    },
    /// A metric's value is no number.
    #[error("EMF: metric `{name}` is {found}; a metric's value is a number, or a list of numbers")]
    MetricType {
        /// Its name.
        name: String,
        /// What it, or a part of it, is.
        found: &'static str,
    },
    /// A metric's value is beyond what CloudWatch stores.
    #[error("EMF: metric `{name}`: {text} is beyond ±2^360, the largest that CloudWatch stores")]
    TooFar {
        /// Its name.
        name: String,
        /// As written.
        text: String,
    },
}

impl<'a> Document<'a> {
    /// Reads a log line that arrives at `now_ms`. None when it is no EMF document: no JSON object with a root member
    /// `_aws`. A line that starts like an object, has `"_aws"` in it and is no JSON is a broken document.
    pub fn parse(line: &'a str, now_ms: i64) -> Option<Result<Self, EmfError>> {
        let mut cursor = Cursor { text: line, at: 0 };
        cursor.blank();
        if cursor.peek() != Some(b'{') {
            return None;
        }
        match Root::read(&mut cursor) {
            Ok(Root { metadata: None, .. }) => None,
            Ok(Root {
                metadata: Some(metadata),
                members,
            }) => Some(metadata.resolve(line, now_ms, members)),
            Err(EmfError::Syntax { .. }) if !line.contains("\"_aws\"") => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The root of a document: `_aws` and whatever else there is.
struct Root<'a> {
    metadata: Option<Metadata<'a>>,
    members: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Root<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, EmfError> {
        let mut metadata = None;
        let mut members = Vec::with_capacity(24);
        cursor.object("the document", |cursor, name| {
            if name != "_aws" {
                members.push((name, cursor.skip()?));
                return Ok(());
            }
            once(&mut metadata, "the root member", &name, Metadata::read(cursor)?)
        })?;
        cursor.blank();
        if cursor.at < cursor.text.len() {
            return Err(cursor.syntax("the end of the line"));
        }
        Ok(Self { metadata, members })
    }
}

/// `_aws`, before its references are followed.
struct Metadata<'a> {
    timestamp_ms: i64,
    directives: Vec<Unresolved<'a>>,
}

struct Unresolved<'a> {
    namespace: Cow<'a, str>,
    dimensions: Vec<Vec<Cow<'a, str>>>,
    metrics: Vec<Definition<'a>>,
}

struct Definition<'a> {
    name: Cow<'a, str>,
    unit: &'static str,
    resolution_s: u8,
}

fn once<T>(place: &mut Option<T>, what: &'static str, name: &str, value: T) -> Result<(), EmfError> {
    if place.replace(value).is_some() {
        let name = name.to_owned();
        return Err(EmfError::Twice { what, name });
    }
    Ok(())
}

fn present<T>(place: Option<T>, object: &'static str, member: &'static str) -> Result<T, EmfError> {
    place.ok_or(EmfError::Lacks { object, member })
}

fn unknown(object: &'static str, member: &str) -> EmfError {
    let member = member.to_owned();
    EmfError::Unknown { object, member }
}

impl<'a> Metadata<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, EmfError> {
        let (mut timestamp, mut directives) = (None, None);
        cursor.object("_aws", |cursor, name| match &*name {
            "Timestamp" => {
                let value = cursor.whole("Timestamp", "a whole number of milliseconds")?;
                once(&mut timestamp, "the member of _aws", &name, value)
            }
            "CloudWatchMetrics" => {
                let value = cursor.list("CloudWatchMetrics", Unresolved::read)?;
                once(&mut directives, "the member of _aws", &name, value)
            }
            _ => Err(unknown("_aws", &name)),
        })?;
        Ok(Self {
            timestamp_ms: present(timestamp, "_aws", "Timestamp")?,
            directives: present(directives, "_aws", "CloudWatchMetrics")?,
        })
    }

    fn resolve(
        self,
        line: &str,
        now_ms: i64,
        mut members: Vec<(Cow<'a, str>, &'a str)>,
    ) -> Result<Document<'a>, EmfError> {
        if line.len() > MOST_BYTES {
            return Err(EmfError::TooLarge { bytes: line.len() });
        }
        let timestamp_ms = self.timestamp_ms;
        let ahead_ms = timestamp_ms.saturating_sub(now_ms);
        if ahead_ms < -MOST_PAST_MS {
            return Err(EmfError::TooOld { timestamp_ms, now_ms });
        }
        if ahead_ms > MOST_FUTURE_MS {
            return Err(EmfError::TooNew { timestamp_ms, now_ms });
        }
        members.sort_unstable_by(|a, b| by_length(&a.0, &b.0));
        if let Some([(name, _), _]) = members.array_windows().find(|[a, b]| a.0 == b.0) {
            let (what, name) = ("the root member", name.clone().into_owned());
            return Err(EmfError::Twice { what, name });
        }
        let targets = Targets(members);
        let directives = self.directives.into_iter();
        Ok(Document {
            timestamp_ms,
            directives: directives
                .map(|directive| directive.resolve(&targets))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> Unresolved<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, EmfError> {
        let (mut namespace, mut dimensions, mut metrics) = (None, None, None);
        let object = "a directive of CloudWatchMetrics";
        cursor.object(object, |cursor, name| match &*name {
            "Namespace" => once(&mut namespace, "Namespace", &name, cursor.string("Namespace")?),
            "Dimensions" => {
                let sets = cursor.list("Dimensions", |cursor| {
                    cursor.list("a set of Dimensions", |cursor| {
                        cursor.string("a name in Dimensions")
                    })
                })?;
                once(&mut dimensions, "Dimensions", &name, sets)
            }
            "Metrics" => once(
                &mut metrics,
                "Metrics",
                &name,
                cursor.list("Metrics", Definition::read)?,
            ),
            _ => Err(unknown(object, &name)),
        })?;
        Ok(Self {
            namespace: present(namespace, object, "Namespace")?,
            dimensions: present(dimensions, object, "Dimensions")?,
            metrics: present(metrics, object, "Metrics")?,
        })
    }

    fn resolve(self, targets: &Targets<'a>) -> Result<Directive<'a>, EmfError> {
        let of_namespace = |b: u8| b.is_ascii_alphanumeric() || b"._#:/-".contains(&b);
        if !(1..=256).contains(&self.namespace.len()) || !self.namespace.bytes().all(of_namespace) {
            return Err(EmfError::Text {
                what: "Namespace",
                text: self.namespace.into_owned(),
                wants: "1 to 256 of the characters 0-9 A-Z a-z . _ # : / -",
            });
        }
        if self.dimensions.is_empty() {
            return Err(EmfError::NoDimensionSet);
        }
        at_most("metrics of a directive", self.metrics.len(), MOST_METRICS)?;
        let mut metrics: Vec<Metric<'a>> = Vec::with_capacity(self.metrics.len());
        for definition in self.metrics {
            if metrics.iter().any(|metric| metric.name == definition.name) {
                let (what, name) = ("the metric", definition.name.into_owned());
                return Err(EmfError::Twice { what, name });
            }
            metrics.push(definition.resolve(targets)?);
        }
        let sets = self.dimensions.into_iter();
        Ok(Directive {
            namespace: self.namespace,
            dimensions: sets
                .map(|set| dimensions(set, targets))
                .collect::<Result<_, _>>()?,
            metrics,
        })
    }
}

impl<'a> Definition<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, EmfError> {
        let (mut metric, mut unit, mut resolution) = (None, None, None);
        let object = "a definition of Metrics";
        cursor.object(object, |cursor, name| match &*name {
            "Name" => once(&mut metric, "Name", &name, cursor.string("Name of a metric")?),
            "Unit" => once(&mut unit, "Unit", &name, cursor.string("Unit")?),
            "StorageResolution" => {
                let value = cursor.whole("StorageResolution", "a whole number")?;
                once(&mut resolution, "StorageResolution", &name, value)
            }
            _ => Err(unknown(object, &name)),
        })?;
        let name = present(metric, object, "Name")?;
        let unit = match unit {
            None => "None",
            Some(unit) => match UNITS.into_iter().find(|known| *known == unit) {
                Some(known) => known,
                None => {
                    return Err(EmfError::Unit {
                        metric: name.into_owned(),
                        unit: unit.into_owned(),
                    });
                }
            },
        };
        let resolution_s = match resolution {
            Some(1) => 1,
            None | Some(60) => 60,
            Some(_) => {
                return Err(EmfError::Resolution {
                    metric: name.into_owned(),
                });
            }
        };
        Ok(Self {
            name,
            unit,
            resolution_s,
        })
    }

    fn resolve(self, targets: &Targets<'a>) -> Result<Metric<'a>, EmfError> {
        let name = self.name;
        let is_long = name.len() > 1024 && name.chars().count() > 1024;
        if is_long || name.chars().all(char::is_whitespace) {
            return Err(EmfError::Text {
                what: "metric",
                text: name.into_owned(),
                wants: "1 to 1,024 characters that are not all blank",
            });
        }
        let values = values(&name, targets.get("metric", &name)?)?;
        Ok(Metric {
            name,
            unit: self.unit,
            resolution_s: self.resolution_s,
            values,
        })
    }
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), EmfError> {
    if count > most {
        return Err(EmfError::TooMany { what, count, most });
    }
    Ok(())
}

/// An order of names in which few comparisons have to look at their characters.
fn by_length(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The root's members in the order of [`by_length`].
struct Targets<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Targets<'a> {
    fn get(&self, what: &'static str, name: &str) -> Result<&'a str, EmfError> {
        match self.0.binary_search_by(|(member, _)| by_length(member, name)) {
            Ok(place) => Ok(self.0[place].1),
            Err(_) => Err(EmfError::NoTarget {
                what,
                name: name.to_owned(),
            }),
        }
    }
}

fn dimensions<'a>(names: Vec<Cow<'a, str>>, targets: &Targets<'a>) -> Result<Dimensions<'a>, EmfError> {
    at_most("dimensions of a set", names.len(), MOST_DIMENSIONS)?;
    let printable = |text: &str, longest: usize| {
        (1..=longest).contains(&text.len())
            && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
            && text.bytes().any(|b| b != b' ')
    };
    let mut set: Dimensions<'a> = Vec::with_capacity(names.len());
    for name in names {
        if !printable(&name, 250) || name.starts_with(':') {
            return Err(EmfError::Text {
                what: "the name of a dimension",
                text: name.into_owned(),
                wants: "1 to 250 printable ASCII characters, not all blank and the first no colon",
            });
        }
        if set.iter().any(|(known, _)| *known == name) {
            let (what, name) = ("in one set the dimension", name.into_owned());
            return Err(EmfError::Twice { what, name });
        }
        let raw = targets.get("dimension", &name)?;
        if !raw.starts_with('"') {
            let (name, found) = (name.into_owned(), kind(raw));
            return Err(EmfError::DimensionType { name, found });
        }
        let value = Cursor { text: raw, at: 0 }.string("the value of a dimension")?;
        if !printable(&value, 1024) {
            return Err(EmfError::Text {
                what: "the value of a dimension",
                text: value.into_owned(),
                wants: "1 to 1,024 printable ASCII characters that are not all blank",
            });
        }
        set.push((name, value));
    }
    Ok(set)
}

fn values(name: &str, raw: &str) -> Result<Values, EmfError> {
    let one = |raw: &str| match raw.parse::<f64>() {
        Ok(value) if value.abs() <= LARGEST => Ok(value),
        Ok(_) => Err(EmfError::TooFar {
            name: name.to_owned(),
            text: raw.to_owned(),
        }),
        Err(_) => Err(EmfError::MetricType {
            name: name.to_owned(),
            found: kind(raw),
        }),
    };
    if !raw.starts_with('[') {
        return one(raw).map(Values::One);
    }
    let mut cursor = Cursor { text: raw, at: 0 };
    let many = cursor.list("a list of values", |cursor| one(cursor.skip()?))?;
    at_most("values of a metric", many.len(), MOST_VALUES)?;
    Ok(Values::Many(many))
}

/// What a JSON value is, by its first character.
fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'"') => "a text",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// A place in a JSON text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn syntax(&self, expected: &'static str) -> EmfError {
        EmfError::Syntax {
            at: self.at,
            expected,
        }
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), EmfError> {
        if self.peek() != Some(byte) {
            return Err(self.syntax(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether a value of the kind that starts with `first` is here; else which error that is.
    fn expect(&self, first: u8, what: &'static str, wants: &'static str) -> Result<(), EmfError> {
        match self.peek() {
            Some(byte) if byte == first => Ok(()),
            _ => {
                let at = self.at;
                Err(EmfError::Shape { what, wants, at })
            }
        }
    }

    /// An object: what to do with the value of each member, of which the name has been read.
    fn object(
        &mut self,
        what: &'static str,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), EmfError>,
    ) -> Result<(), EmfError> {
        self.expect(b'{', what, "an object")?;
        self.at += 1;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let name = self.name()?;
            member(self, name)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.syntax("`,` or `}`")),
            }
            self.blank();
        }
    }

    /// A list, item by item.
    fn list<T>(
        &mut self,
        what: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T, EmfError>,
    ) -> Result<Vec<T>, EmfError> {
        self.expect(b'[', what, "a list")?;
        self.at += 1;
        self.blank();
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(items);
                }
                _ => return Err(self.syntax("`,` or `]`")),
            }
            self.blank();
        }
    }

    /// A member's name with its colon, up to the value.
    fn name(&mut self) -> Result<Cow<'a, str>, EmfError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax("the name of a member"));
        }
        let name = self.string("the name of a member")?;
        self.blank();
        self.take(b':', "`:`")?;
        self.blank();
        Ok(name)
    }

    fn whole(&mut self, what: &'static str, wants: &'static str) -> Result<i64, EmfError> {
        let at = self.at;
        let raw = self.skip()?;
        raw.parse().map_err(|_| EmfError::Shape { what, wants, at })
    }

    /// A text, unescaped.
    fn string(&mut self, what: &'static str) -> Result<Cow<'a, str>, EmfError> {
        self.expect(b'"', what, "a text")?;
        let start = self.at + 1;
        let has_escapes = self.skip_string()?;
        let inner = &self.text[start..self.at - 1];
        Ok(if has_escapes {
            Cow::Owned(unescaped(inner))
        } else {
            Cow::Borrowed(inner)
        })
    }

    /// A text, of which it tells whether something in it is escaped.
    fn skip_string(&mut self) -> Result<bool, EmfError> {
        let mut has_escapes = false;
        self.at += 1;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            self.at += rest.iter().position(special).unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(has_escapes);
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.at += 1;
                    self.skip_escape()?;
                }
                _ => return Err(self.syntax("the end of a text")),
            }
        }
    }

    fn skip_escape(&mut self) -> Result<(), EmfError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return Err(self.syntax("four hexadecimal digits"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.syntax("an escape of JSON")),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), EmfError> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.syntax("a digit"));
        }
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), EmfError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// A value of any kind, as it is written. Does not call itself, so that no depth can overflow the stack.
    fn skip(&mut self) -> Result<&'a str, EmfError> {
        let start = self.at;
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.skip_string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.skip_number()?,
                Some(first @ (b'{' | b'[')) => {
                    self.at += 1;
                    self.blank();
                    // The closing bracket comes two characters after the opening one, both in ASCII.
                    if self.peek() == Some(first + 2) {
                        self.at += 1;
                    } else {
                        open.push(first);
                        if first == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => {
                    let rest = &self.text[self.at..];
                    let literal = ["true", "false", "null"]
                        .into_iter()
                        .find(|l| rest.starts_with(l));
                    let Some(literal) = literal else {
                        return Err(self.syntax("a value"));
                    };
                    self.at += literal.len();
                }
            }
            loop {
                let Some(first) = open.last().copied() else {
                    return Ok(&self.text[start..self.at]);
                };
                self.blank();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.blank();
                        if first == b'{' {
                            self.name()?;
                        }
                        break;
                    }
                    Some(byte) if byte == first + 2 => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return Err(self.syntax("`,` or a closing bracket")),
                }
            }
        }
    }
}

/// The inside of a JSON text of which the escapes are well-formed. A half of a surrogate pair becomes U+FFFD.
fn unescaped(inner: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(place) = rest.find('\\') {
        let (before, escape) = rest.split_at(place);
        if !before.is_empty() {
            flush(&mut units, &mut text);
            text.push_str(before);
        }
        if let Some(hex) = escape.strip_prefix("\\u") {
            units.push(u16::from_str_radix(&hex[..4], 16).unwrap_or(0xfffd));
            rest = &hex[4..];
            continue;
        }
        flush(&mut units, &mut text);
        text.push(match escape.as_bytes()[1] {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            other => char::from(other),
        });
        rest = &escape[2..];
    }
    flush(&mut units, &mut text);
    text.push_str(rest);
    text
}

fn flush(units: &mut Vec<u16>, text: &mut String) {
    text.push_str(&String::from_utf16_lossy(units));
    units.clear();
}

#[cfg(test)]
mod tests;
