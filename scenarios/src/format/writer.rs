//! Writes a document as TOML and remembers where each part of the text comes from.

use std::ops::Range;

use super::diagnostics::Span;
use super::document::{Entry, Node, Table};

/// Where the parts of a written text come from.
#[derive(Clone, Debug)]
pub(super) struct Origins(Vec<(Range<usize>, Span)>);

impl Origins {
    /// A text that is its own origin.
    pub(super) fn identity(source: usize, text: &str) -> Self {
        Self(vec![(
            0..text.len(),
            Span {
                source,
                range: 0..text.len(),
            },
        )])
    }

    /// The place in a source that a range of the written text comes from.
    pub(super) fn of(&self, range: &Range<usize>) -> Span {
        let inside = self
            .0
            .iter()
            .filter(|(written, _)| written.start <= range.start && range.end <= written.end);
        let Some((written, span)) = inside.min_by_key(|(written, _)| written.len()) else {
            return Span {
                source: 0,
                range: 0..0,
            };
        };
        if written.len() == span.range.len() {
            let start = span.range.start + (range.start - written.start);
            Span {
                source: span.source,
                range: start..start + range.len(),
            }
        } else {
            span.clone()
        }
    }
}

/// The table as a TOML document, and where each part of it comes from.
pub(super) fn write(root: &Table) -> (String, Origins) {
    let mut out = Writer::default();
    for entry in root.entries.iter().filter(|entry| !entry.node.has_header()) {
        out.entry(entry);
        out.text.push('\n');
    }
    for entry in &root.entries {
        match &entry.node {
            Node::Table(table) => out.block(entry, "[", "]", table),
            Node::Array { items, .. } if entry.node.has_header() => {
                for item in items {
                    if let Node::Table(table) = item {
                        out.block(entry, "[[", "]]", table);
                    }
                }
            }
            Node::Array { .. } | Node::Scalar { .. } => {}
        }
    }
    (out.text, Origins(out.origins))
}

/// A basic TOML string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a key can be written without quotes.
fn is_bare(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[derive(Default)]
struct Writer {
    text: String,
    origins: Vec<(Range<usize>, Span)>,
}

impl Writer {
    /// A header and the keys beneath it.
    fn block(&mut self, entry: &Entry, open: &str, close: &str, table: &Table) {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(open);
        self.key(entry);
        self.text.push_str(close);
        self.origins.push((start..self.text.len(), table.span.clone()));
        self.text.push('\n');
        for entry in &table.entries {
            self.entry(entry);
            self.text.push('\n');
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.key(entry);
        self.text.push_str(" = ");
        self.node(&entry.node);
    }

    fn key(&mut self, entry: &Entry) {
        let start = self.text.len();
        if is_bare(&entry.key) {
            self.text.push_str(&entry.key);
        } else {
            self.text.push_str(&quote(&entry.key));
        }
        self.origins
            .push((start..self.text.len(), entry.key_span.clone()));
    }

    fn node(&mut self, node: &Node) {
        let start = self.text.len();
        match node {
            Node::Scalar { text, quoted, span } => {
                self.text.push_str(text);
                if *quoted {
                    self.origins.push((start + 1..self.text.len() - 1, span.clone()));
                }
                self.origins.push((start..self.text.len(), span.clone()));
            }
            Node::Array { items, span } => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.text.push_str(", ");
                    }
                    self.node(item);
                }
                self.text.push(']');
                self.origins.push((start..self.text.len(), span.clone()));
            }
            Node::Table(table) => {
                self.text.push('{');
                for (index, entry) in table.entries.iter().enumerate() {
                    self.text.push_str(if index > 0 { ", " } else { " " });
                    self.entry(entry);
                }
                self.text.push_str(" }");
                self.origins.push((start..self.text.len(), table.span.clone()));
            }
        }
    }
}
