//! Collects what is wrong while a raw scenario is checked, and turns places of the written text into spans.

use std::ops::Range;
use std::time::Duration;

use super::diagnostics::{Diagnostic, Severity, Source, Span, nearest};
use super::grammar::Flaw;
use super::quantity::{Rate, parse_bytes, parse_duration, parse_ratio};
use super::writer::Origins;
use super::written::{At, PerTime, Raw, Share, Size, Speed, Time};

pub(super) struct Checker<'a> {
    pub(super) sources: &'a [Source],
    pub(super) origins: &'a Origins,
    pub(super) found: Vec<Diagnostic>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(sources: &'a [Source], origins: &'a Origins) -> Self {
        Self {
            sources,
            origins,
            found: Vec::new(),
        }
    }

    pub(super) fn span(&self, range: &Range<usize>) -> Span {
        self.origins.of(range)
    }

    pub(super) fn error(
        &mut self,
        range: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let span = self.span(range);
        self.found.push(Diagnostic::at(
            self.sources,
            &span,
            Severity::Error,
            message,
            Some(help.into()),
        ));
    }

    /// The place of a part of a string value, when the string is written as it reads.
    pub(super) fn part_of(&self, whole: &At<String>, part: &Range<usize>) -> Range<usize> {
        if whole.range.len() == whole.value.len() + 2 {
            whole.range.start + 1 + part.start..whole.range.start + 1 + part.end
        } else {
            whole.range.clone()
        }
    }

    pub(super) fn flaw(&mut self, whole: &At<String>, flaw: Flaw) {
        let range = self.part_of(whole, &flaw.range);
        let span = self.span(&range);
        self.found.push(Diagnostic::at(
            self.sources,
            &span,
            Severity::Error,
            flaw.message,
            flaw.help,
        ));
    }

    pub(super) fn duration<G>(&mut self, raw: &Raw<G>) -> Option<Duration> {
        match parse_duration(&raw.text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.error(&raw.range, error.message, error.help);
                None
            }
        }
    }

    /// A duration above 0.
    pub(super) fn positive(&mut self, raw: &Raw<Time>) -> Option<Duration> {
        let duration = self.duration(raw)?;
        if duration.is_zero() {
            self.error(
                &raw.range,
                "this duration must be longer than 0",
                "write a longer one",
            );
            return None;
        }
        Some(duration)
    }

    /// A duration above 0 in whole seconds.
    pub(super) fn whole_seconds(&mut self, raw: &Raw<Time>) -> Option<Duration> {
        let duration = self.positive(raw)?;
        if duration.subsec_nanos() != 0 {
            self.error(
                &raw.range,
                "this setting is held in whole seconds",
                "write whole seconds",
            );
            return None;
        }
        Some(duration)
    }

    pub(super) fn rate(&mut self, raw: &Raw<PerTime>) -> Option<Rate> {
        match Rate::parse(&raw.text) {
            Ok(rate) => Some(rate),
            Err(error) => {
                self.error(&raw.range, error.message, error.help);
                None
            }
        }
    }

    /// A share above 0 and up to 100 %, as a fraction.
    pub(super) fn share(&mut self, raw: &Raw<Share>) -> Option<f64> {
        let share = match parse_ratio(&raw.text) {
            Ok(share) => share,
            Err(error) => {
                self.error(&raw.range, error.message, error.help);
                return None;
            }
        };
        if share > 0.0 && share <= 1.0 {
            return Some(share);
        }
        self.error(
            &raw.range,
            format!("`{}` is no share of events", raw.text),
            "write more than 0% and at most 100%",
        );
        None
    }

    pub(super) fn bytes(&mut self, raw: &Raw<Size>) -> Option<u64> {
        match parse_bytes(&raw.text) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.error(&raw.range, error.message, error.help);
                None
            }
        }
    }

    /// Bytes per second, above 0.
    pub(super) fn speed(&mut self, raw: &Raw<Speed>) -> Option<u64> {
        let bytes = raw
            .text
            .trim()
            .strip_suffix("/s")
            .and_then(|size| parse_bytes(size).ok());
        let bytes = bytes.filter(|bytes| *bytes > 0);
        if bytes.is_none() {
            self.error(
                &raw.range,
                format!("`{}` is not a speed", raw.text),
                "write a speed such as \"1KB/s\"",
            );
        }
        bytes
    }

    /// A whole number of at least 1.
    pub(super) fn at_least_one(&mut self, raw: &At<u32>, what: &str) -> Option<u32> {
        if raw.value == 0 {
            self.error(
                &raw.range,
                format!("{what} must be at least 1"),
                "write a whole number from 1",
            );
            return None;
        }
        Some(raw.value)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, raw: &At<String>, words: &[(&str, T)]) -> Option<T> {
        let found = words
            .iter()
            .find(|(word, _)| *word == raw.value)
            .map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(
                &raw.range,
                format!("unknown word `{}`", raw.value),
                suggestion(&raw.value, &known),
            );
        }
        found
    }

    /// A name: lower-case letters, digits, `-` and `_`.
    pub(super) fn name(&mut self, raw: &At<String>) {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let reserved = matches!(raw.value.as_str(), "start" | "end");
        if raw.value.is_empty() || !raw.value.chars().all(allowed) || reserved {
            let help = if reserved {
                "start and end are those of the scenario"
            } else {
                "write lower-case letters, digits, `-` and `_`"
            };
            self.error(&raw.range, format!("`{}` cannot be a name", raw.value), help);
        }
    }

    /// Names that must differ from each other.
    pub(super) fn unique(&mut self, names: &[&At<String>], what: &str) {
        for (index, name) in names.iter().enumerate() {
            self.name(name);
            if names[..index].iter().any(|earlier| earlier.value == name.value) {
                let message = format!("the name `{}` is given twice", name.value);
                self.error(&name.range, message, format!("names of {what} must differ"));
            }
        }
    }
}

/// What to write instead of a word that is not known.
pub(super) fn suggestion(wrong: &str, known: &[&str]) -> String {
    match (nearest(wrong, known.iter().copied()), known) {
        (Some(word), _) => format!("did you mean `{word}`?"),
        (None, [only]) => format!("write `{only}`"),
        (None, many) if many.len() > 16 => "the reference is docs/scenario-format.md".to_owned(),
        (None, many) => format!("write one of {}", many.join(", ")),
    }
}
