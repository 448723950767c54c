//! TOML documents as trees that remember where each part was written, so that a scenario can take what it does
//! not say from another (`extends`), be changed by flags (`--set`), and still be blamed at the right place.
//!
//! [`Document::write`] gives the text that results, and with it the [`Origins`] of each of its parts.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Diagnostic, Severity, Source, SourceKind, Span, nearest};
use super::writer::{self, Origins, quote};

/// A change of one key from the command line: `stack.cache_ttl=60s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The dotted key. A `[[load]]`, `[[journey]]` or `[[fault]]` is named by its name or its index from 0.
    pub key: String,
    /// The value: TOML when it reads as such, else a string.
    pub value: String,
}

impl Override {
    fn source(&self) -> Source {
        let text = format!("{}={}", self.key, self.value);
        Source {
            name: format!("--set {text}"),
            text,
            kind: SourceKind::Flag,
        }
    }
}

impl std::str::FromStr for Override {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` has no `=`: write KEY=VALUE, such as stack.cache_ttl=60s"))?;
        if key.trim().is_empty() || value.trim().is_empty() {
            return Err(format!(
                "`{text}` lacks a key or a value: write KEY=VALUE, such as stack.cache_ttl=60s"
            ));
        }
        Ok(Self {
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        })
    }
}

/// A document, perhaps put together from several sources.
#[derive(Clone, Debug)]
pub(super) struct Document {
    root: Table,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// `text` is TOML, as written; or what was written with quotes added, when `quoted`.
    Scalar {
        text: String,
        quoted: bool,
        span: Span,
    },
    Array {
        items: Vec<Self>,
        span: Span,
    },
    Table(Table),
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
    pub(super) span: Span,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

impl Document {
    /// Reads the text of source number `source`.
    pub(super) fn read(text: &str, source: usize) -> Result<Self, toml::de::Error> {
        let table = DeTable::parse(text)?;
        let span = Span {
            source,
            range: table.span(),
        };
        Ok(Self {
            root: Table::read(table.get_ref(), span, text, 0),
        })
    }

    /// The value of a top-level string key, and its place.
    pub(super) fn string(&self, key: &str) -> Option<(String, Span)> {
        let node = &self.root.entry(key)?.node;
        match node {
            Node::Scalar { span, .. } => Some((node.as_string()?, span.clone())),
            Node::Array { .. } | Node::Table(_) => None,
        }
    }

    /// Whether there is this key in a top-level table.
    pub(super) fn says(&self, table: &str, key: &str) -> bool {
        let entry = self.root.entry(table);
        matches!(entry.map(|entry| &entry.node), Some(Node::Table(table)) if table.entry(key).is_some())
    }

    /// Takes from `base` what this document does not say: top-level keys, and the keys of top-level tables.
    /// Lists such as `[[load]]` are taken whole or not at all.
    pub(super) fn extend(&mut self, base: Self) {
        self.root.entries.retain(|entry| entry.key != "extends");
        for entry in base.root.entries {
            if matches!(entry.key.as_str(), "extends" | "name" | "about") {
                continue;
            }
            match (
                self.root.entry_mut(&entry.key).map(|mine| &mut mine.node),
                entry.node,
            ) {
                (None, node) => self.root.entries.push(Entry { node, ..entry }),
                (Some(Node::Table(mine)), Node::Table(theirs)) => mine.fill(theirs),
                (Some(_), _) => {}
            }
        }
    }

    /// Leaves out a top-level key, such as all `[[fault]]`s.
    pub(super) fn remove(&mut self, key: &str) {
        self.root.entries.retain(|entry| entry.key != key);
    }

    /// Sets one key; `sources` gets the flag as a further source.
    pub(super) fn set(
        &mut self,
        change: &Override,
        sources: &mut Vec<Source>,
    ) -> Result<(), Box<Diagnostic>> {
        let source = sources.len();
        sources.push(change.source());
        let mut at = 0;
        let mut path = Vec::new();
        for segment in change.key.split('.') {
            path.push(Segment {
                text: segment,
                span: Span {
                    source,
                    range: at..at + segment.len(),
                },
            });
            at += segment.len() + 1;
        }
        let value = Node::from_flag(&change.value, source, at);
        self.root.set(&path, "", value).map_err(|dead_end| {
            Box::new(Diagnostic::at(
                sources,
                &dead_end.span,
                Severity::Error,
                dead_end.message,
                dead_end.help,
            ))
        })
    }

    /// The document as TOML, and where each part of it comes from.
    pub(super) fn write(&self) -> (String, Origins) {
        writer::write(&self.root)
    }
}

/// One part of a dotted key.
struct Segment<'a> {
    text: &'a str,
    span: Span,
}

/// Why a dotted key leads nowhere.
struct DeadEnd {
    span: Span,
    message: String,
    help: Option<String>,
}

impl Node {
    fn read(value: &Spanned<DeValue<'_>>, source: usize, text: &str, base: usize) -> Self {
        let span = Span {
            source,
            range: shifted(&value.span(), base),
        };
        match value.get_ref() {
            DeValue::Table(table) => Self::Table(Table::read(table, span, text, base)),
            DeValue::Array(array) => {
                let items = array
                    .iter()
                    .map(|item| Self::read(item, source, text, base))
                    .collect();
                Self::Array { items, span }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => Self::Scalar {
                text: text[value.span()].to_owned(),
                quoted: false,
                span,
            },
        }
    }

    /// The value of a flag that begins at `base` in its source: TOML when it reads as such, else a string.
    fn from_flag(text: &str, source: usize, base: usize) -> Self {
        match DeValue::parse(text) {
            Ok(value) if !value.get_ref().is_datetime() => Self::read(&value, source, text, base),
            Ok(_) | Err(_) => {
                let span = Span {
                    source,
                    range: base..base + text.len(),
                };
                Self::Scalar {
                    text: quote(text),
                    quoted: true,
                    span,
                }
            }
        }
    }

    /// Whether it is written under a header of its own.
    pub(super) fn has_header(&self) -> bool {
        match self {
            Self::Table(_) => true,
            Self::Array { items, .. } => {
                !items.is_empty() && items.iter().all(|item| matches!(item, Self::Table(_)))
            }
            Self::Scalar { .. } => false,
        }
    }

    /// Whether it is the list element that a dotted key names.
    fn is_named(&self, name: &str) -> bool {
        self.name().is_some_and(|mine| mine == name)
    }

    fn name(&self) -> Option<String> {
        let Self::Table(table) = self else { return None };
        table.entry("name")?.node.as_string()
    }

    fn as_string(&self) -> Option<String> {
        let Self::Scalar { text, .. } = self else {
            return None;
        };
        DeValue::parse(text).ok()?.get_ref().as_str().map(str::to_owned)
    }
}

impl Table {
    fn set(&mut self, path: &[Segment<'_>], walked: &str, value: Node) -> Result<(), DeadEnd> {
        let Some((segment, rest)) = path.split_first() else {
            return Ok(());
        };
        if rest.is_empty() {
            let key_span = segment.span.clone();
            self.put(Entry {
                key: segment.text.to_owned(),
                key_span,
                node: value,
            });
            return Ok(());
        }
        let walked = if walked.is_empty() {
            segment.text.to_owned()
        } else {
            format!("{walked}.{}", segment.text)
        };
        if self.entry(segment.text).is_none() {
            let node = Node::Table(Self {
                entries: Vec::new(),
                span: segment.span.clone(),
            });
            self.put(Entry {
                key: segment.text.to_owned(),
                key_span: segment.span.clone(),
                node,
            });
        }
        match self.entry_mut(segment.text).map(|entry| &mut entry.node) {
            Some(Node::Table(table)) => table.set(rest, &walked, value),
            Some(Node::Array { items, .. }) => set_in_list(items, rest, &walked, value),
            Some(Node::Scalar { .. }) | None => Err(DeadEnd {
                span: segment.span.clone(),
                message: format!("`{walked}` is a plain value and has no keys"),
                help: None,
            }),
        }
    }
}

/// Sets a key of the list element that the first segment names.
fn set_in_list(items: &mut [Node], path: &[Segment<'_>], walked: &str, value: Node) -> Result<(), DeadEnd> {
    let Some((segment, rest)) = path.split_first() else {
        return Ok(());
    };
    let by_name = items.iter().position(|item| item.is_named(segment.text));
    let index = by_name.or_else(|| segment.text.parse().ok());
    let names: Vec<String> = items.iter().filter_map(Node::name).collect();
    let count = items.len();
    match index.and_then(|index| items.get_mut(index)) {
        Some(Node::Table(table)) if !rest.is_empty() => {
            table.set(rest, &format!("{walked}.{}", segment.text), value)
        }
        Some(_) => Err(DeadEnd {
            span: segment.span.clone(),
            message: format!("`{walked}.{}` cannot be replaced as a whole", segment.text),
            help: Some("name one of its keys".to_owned()),
        }),
        None => Err(DeadEnd {
            span: segment.span.clone(),
            message: format!("no [[{walked}]] is named `{}`", segment.text),
            help: Some(match nearest(segment.text, names.iter().map(String::as_str)) {
                Some(name) => format!("did you mean `{name}`?"),
                None if names.is_empty() => format!("name it by its index, 0 to {}", count.saturating_sub(1)),
                None => format!("there are: {}", names.join(", ")),
            }),
        }),
    }
}

impl Table {
    fn read(table: &DeTable<'_>, span: Span, text: &str, base: usize) -> Self {
        let source = span.source;
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_span: Span {
                    source,
                    range: shifted(&key.span(), base),
                },
                node: Node::read(value, source, text, base),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.range.start);
        Self { entries, span }
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    fn put(&mut self, new: Entry) {
        match self.entry_mut(&new.key) {
            Some(old) => *old = new,
            None => self.entries.push(new),
        }
    }

    fn fill(&mut self, base: Self) {
        for entry in base.entries {
            if self.entry(&entry.key).is_none() {
                self.entries.push(entry);
            }
        }
    }
}

fn shifted(range: &Range<usize>, base: usize) -> Range<usize> {
    range.start + base..range.end + base
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "a"   # a comment
extends = "b"
[stack]
cache_ttl = "60s"
upstream_plan = { per_minute = 30, per_month = 1_000 }
[[load]]
name = "one"
rate = ["1/s",
        '2/s']
"#;

    fn document(sources: &mut Vec<Source>, text: &str) -> Document {
        let source = sources.len();
        sources.push(Source {
            name: format!("{source}.toml"),
            text: text.to_owned(),
            kind: SourceKind::File,
        });
        Document::read(text, source).expect("test document is TOML")
    }

    fn change(document: &mut Document, sources: &mut Vec<Source>, flag: &str) -> Result<(), String> {
        let change = flag.parse::<Override>()?;
        document
            .set(&change, sources)
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn writes_what_it_read_took_and_was_told() {
        let mut sources = Vec::new();
        let mut mine = document(&mut sources, TEXT);
        let base = "about = \"base\"\nseed = 7\n[stack]\ncache_ttl = \"1s\"\ninstances = 2\n[[load]]\nname = \"x\"\n";
        mine.extend(document(&mut sources, base));
        for flag in [
            "stack.cache_ttl=90s",
            "load.one.rate=5/s",
            "load.0.users=3",
            "symbols.s=1.5",
            "start=2026-01-01T00:00:00Z",
        ] {
            change(&mut mine, &mut sources, flag).expect("a key that can be set");
        }
        insta::assert_snapshot!(mine.write().0, @r#"
        name = "a"
        seed = 7
        start = "2026-01-01T00:00:00Z"

        [stack]
        cache_ttl = "90s"
        upstream_plan = { per_minute = 30, per_month = 1_000 }
        instances = 2

        [[load]]
        name = "one"
        rate = "5/s"
        users = 3

        [symbols]
        s = 1.5
        "#);
    }

    #[test]
    fn knows_where_each_part_comes_from() {
        let mut sources = Vec::new();
        let mut mine = document(&mut sources, TEXT);
        mine.extend(document(&mut sources, "[stack]\ninstances = 2\n"));
        change(&mut mine, &mut sources, "stack.cache_ttl=90s").expect("a key that can be set");
        let (text, origins) = mine.write();
        let origin = |part: &str| {
            let start = text.find(part).expect("the part is there");
            let span = origins.of(&(start..start + part.len()));
            let source = &sources[span.source];
            (source.name.clone(), source.text[span.range].to_owned())
        };
        let place = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(origin("2/s"), place("0.toml", "2/s"), "a part of a value");
        assert_eq!(
            origin("per_month"),
            place("0.toml", "per_month"),
            "a key in an inline table"
        );
        assert_eq!(
            origin("instances"),
            place("1.toml", "instances"),
            "a key of the base"
        );
        assert_eq!(
            origin("90s"),
            place("--set stack.cache_ttl=90s", "90s"),
            "a flag's bare value"
        );
        assert_eq!(
            origin("cache_ttl"),
            place("--set stack.cache_ttl=90s", "cache_ttl"),
            "a flag's key"
        );
    }

    #[test]
    fn dead_ends_are_shown_in_the_flag() {
        let mut sources = Vec::new();
        let mut mine = document(&mut sources, TEXT);
        let mut fails = |flag: &str| change(&mut mine, &mut sources, flag).expect_err("a dead end");
        insta::assert_snapshot!(fails("load.ona.rate=1/s"), @r"
        error: no [[load]] is named `ona`
         --> --set load.ona.rate=1/s
         |
         | load.ona.rate=1/s
         |      ^^^ did you mean `one`?
        ");
        insta::assert_snapshot!(fails("name.x=1"), @r"
        error: `name` is a plain value and has no keys
         --> --set name.x=1
         |
         | name.x=1
         | ^^^^
        ");
        insta::assert_snapshot!(fails("load.one=1"), @r"
        error: `load.one` cannot be replaced as a whole
         --> --set load.one=1
         |
         | load.one=1
         |      ^^^ name one of its keys
        ");
        insta::assert_snapshot!(fails("load.7.rate=1"), @r"
        error: no [[load]] is named `7`
         --> --set load.7.rate=1
         |
         | load.7.rate=1
         |      ^ there are: one
        ");
        insta::assert_snapshot!(fails("cache_ttl"), @"`cache_ttl` has no `=`: write KEY=VALUE, such as stack.cache_ttl=60s");
    }
}
