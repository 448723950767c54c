//! What is wrong with a scenario and where: messages that point at file, line and column.

use std::fmt;
use std::ops::Range;

/// A text that a scenario was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name as given, or the whole flag.
    pub name: String,
    /// Its text; of a flag, its value.
    pub text: String,
    /// What it is.
    pub kind: SourceKind,
}

/// What a [`Source`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A file, with lines and columns.
    File,
    /// An overriding flag, one line.
    Flag,
}

/// A place in one of a scenario's sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Index of the source.
    pub source: usize,
    /// Bytes of its text.
    pub range: Range<usize>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The scenario cannot be played.
    Error,
    /// It can, but perhaps not as meant.
    Warning,
}

/// One thing that is wrong. `Display` shows the place, marked, with the help beside the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where, when there is a place.
    pub place: Option<Place>,
    /// What to do.
    pub help: Option<String>,
}

/// A marked place, with all that is needed to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `file:line:column`, or the flag.
    pub location: String,
    /// Line number from 1; `None` in a flag.
    pub line: Option<usize>,
    /// Column from 1, in characters.
    pub column: usize,
    /// The text of the line.
    pub text: String,
    /// Characters to mark, at least 1.
    pub width: usize,
}

impl Place {
    fn of(source: &Source, range: &Range<usize>) -> Self {
        let text = &source.text;
        let start = floor_char_boundary(text, range.start);
        let end = floor_char_boundary(text, range.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let column = text[line_start..start].chars().count() + 1;
        let width = text[start..end.min(line_end).max(start)].chars().count().max(1);
        let line = text[..start].matches('\n').count() + 1;
        let shown = text[line_start..line_end].trim_end().replace('\t', " ");
        match source.kind {
            SourceKind::File => Self {
                location: format!("{}:{line}:{column}", source.name),
                line: Some(line),
                column,
                text: shown,
                width,
            },
            SourceKind::Flag => Self {
                location: source.name.clone(),
                line: None,
                column,
                text: shown,
                width,
            },
        }
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>, help: Option<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            help,
        }
    }

    /// Something wrong at a place.
    pub fn at(
        sources: &[Source],
        span: &Span,
        severity: Severity,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        let place = sources
            .get(span.source)
            .map(|source| Place::of(source, &span.range));
        Self {
            severity,
            message: message.into(),
            place,
            help,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)?;
        let Some(place) = &self.place else {
            return match &self.help {
                Some(help) => write!(f, "\n  = {help}"),
                None => Ok(()),
            };
        };
        let number = place.line.map(|line| line.to_string()).unwrap_or_default();
        let gutter = " ".repeat(number.len());
        let mark = format!("{}{}", " ".repeat(place.column - 1), "^".repeat(place.width));
        write!(f, "\n{gutter} --> {}\n{gutter} |", place.location)?;
        let shown = format!("{number} | {}", place.text);
        write!(f, "\n{}\n{gutter} | {mark}", shown.trim_end())?;
        match &self.help {
            Some(help) => write!(f, " {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// Everything that is wrong with a scenario, in the order found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The candidate most like `wrong`, when one is like enough to be meant.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wrong, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, range: Range<usize>) -> String {
        let source = Source {
            name: "a.toml".to_owned(),
            text: text.to_owned(),
            kind: SourceKind::File,
        };
        let span = Span { source: 0, range };
        Diagnostic::at(
            &[source],
            &span,
            Severity::Error,
            "no",
            Some("write yes".to_owned()),
        )
        .to_string()
    }

    #[test]
    fn points_at_line_and_column() {
        insta::assert_snapshot!(render("a = 1\nbc = 23\n", 11..13), @r"
        error: no
          --> a.toml:2:6
          |
        2 | bc = 23
          |      ^^ write yes
        ");
    }

    #[test]
    fn counts_characters_and_survives_odd_spans() {
        assert!(
            render("é = 1\n", 3..4).contains("a.toml:1:3"),
            "columns are characters, not bytes"
        );
        assert!(
            render("é = 1\n", 1..2).contains("a.toml:1:1"),
            "a span inside a character begins with it"
        );
        assert!(
            render("a = 1", 90..99).contains("a.toml:1:6"),
            "a span past the end points at the end"
        );
        assert!(
            render("", 0..0).contains("a.toml:1:1"),
            "an empty file has a place too"
        );
        assert!(
            render("a = '''\nx\n'''", 4..13).contains("    ^^^ "),
            "a mark stays in its line"
        );
    }

    #[test]
    fn suggests_only_what_is_like() {
        let keys = ["cache_ttl", "rate_limit", "instances"];
        assert_eq!(nearest("cach_ttl", keys), Some("cache_ttl"));
        assert_eq!(nearest("Rate-Limit", keys), Some("rate_limit"));
        assert_eq!(nearest("qqq", keys), None);
    }
}
