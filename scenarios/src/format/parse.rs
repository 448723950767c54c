//! From text to [`Scenario`]: reads the document, takes what it extends, applies overrides, checks.

use super::checker::{Checker, suggestion};
use super::diagnostics::{Diagnostic, Diagnostics, Severity, Source, SourceKind, Span};
use super::document::{Document, Override};
use super::faults;
use super::model::{Fault, Scenario, Target};
use super::raw::{RawFault, RawScenario};
use super::validate;
use super::writer::Origins;

/// How deep scenarios may extend each other.
const DEEPEST: usize = 8;

/// Finds the text of a scenario that another extends, by name.
pub trait Resolve {
    /// The file name and text.
    ///
    /// # Errors
    /// What to do, when there is no such scenario.
    fn resolve(&self, name: &str) -> Result<(String, String), String>;
}

impl<F: Fn(&str) -> Result<(String, String), String>> Resolve for F {
    fn resolve(&self, name: &str) -> Result<(String, String), String> {
        self(name)
    }
}

/// Nothing can be extended.
pub struct Alone;

impl Resolve for Alone {
    fn resolve(&self, _: &str) -> Result<(String, String), String> {
        Err("nothing can be extended here".to_owned())
    }
}

/// Reads and checks a scenario.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn parse(
    file_name: &str,
    text: &str,
    overrides: &[Override],
    resolve: &dyn Resolve,
) -> Result<Scenario, Diagnostics> {
    let mut sources = vec![Source {
        name: file_name.to_owned(),
        text: text.to_owned(),
        kind: SourceKind::File,
    }];
    let mut document = read(&sources, 0)?;
    let extended = extend(&mut document, &mut sources, resolve)?;
    for change in overrides {
        document
            .set(change, &mut sources)
            .map_err(|problem| Diagnostics::from(*problem))?;
    }
    let (effective, origins) = if extended || !overrides.is_empty() {
        document.write()
    } else {
        (text.to_owned(), Origins::identity(0, text))
    };
    let raw: RawScenario = toml::from_str(&effective)
        .map_err(|error| Diagnostics::from(shape_error(&error, &sources, &origins)))?;
    let mut checker = Checker::new(&sources, &origins);
    let scenario = validate::check(&mut checker, &raw);
    match scenario {
        Some(mut scenario) if checker.found.is_empty() => {
            scenario.effective = effective;
            Ok(scenario)
        }
        _ => Err(Diagnostics(checker.found)),
    }
}

/// A year: as long as a fault lasts that nobody said an end of.
const FOR_EVER: &str = "365d";

/// Reads and checks one fault of target `coingecko` by itself: the keys of a `[[fault]]`, of which `target`, `at` (at
/// once) and `for` (a year) may be left out.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn parse_fault(name: &str, text: &str) -> Result<Fault, Diagnostics> {
    let source = |text: String| Source {
        name: name.to_owned(),
        text,
        kind: SourceKind::File,
    };
    let mut sources = vec![source(text.to_owned())];
    let document = read(&sources, 0)?;
    if let Some(at) = text.lines().find(|line| line.trim_start().starts_with('[')) {
        let start = text.find(at).unwrap_or(0);
        let span = Span {
            source: 0,
            range: start..start + at.len(),
        };
        let help = Some("write `match = { path = \"/ping\" }`".to_owned());
        let message = "a fault by itself has no tables of its own";
        return Err(Diagnostic::at(&sources, &span, Severity::Error, message, help).into());
    }
    let mut whole = text.to_owned();
    for (key, value) in [("target", "coingecko"), ("at", "0s"), ("for", FOR_EVER)] {
        if document.string(key).is_none() {
            whole.push_str(&format!("\n{key} = \"{value}\""));
        }
    }
    sources[0] = source(whole.clone());
    let origins = Origins::identity(0, &whole);
    let raw: RawFault =
        toml::from_str(&whole).map_err(|error| Diagnostics::from(shape_error(&error, &sources, &origins)))?;
    let mut checker = Checker::new(&sources, &origins);
    checker.name(&raw.name);
    // Its span is not drawn from any seed: who sets it knows when.
    let fault = faults::check(&mut checker, &raw, None, 1);
    match fault {
        Some(fault) if checker.found.is_empty() && fault.target() == Target::CoinGecko => Ok(fault),
        Some(fault) if checker.found.is_empty() => {
            let message = format!("there is no {} here that could break", fault.target());
            let help = Some("leave `target` out".to_owned());
            Err(Diagnostic::at(&sources, &fault.kind_span, Severity::Error, message, help).into())
        }
        _ => Err(Diagnostics(checker.found)),
    }
}

fn read(sources: &[Source], source: usize) -> Result<Document, Diagnostics> {
    Document::read(&sources[source].text, source).map_err(|error| {
        let range = error.span().unwrap_or(0..0);
        let message = format!("this is not TOML: {}", error.message());
        Diagnostic::at(sources, &Span { source, range }, Severity::Error, message, None).into()
    })
}

/// Takes what the document does not say from the scenario that it extends, and from what that one extends.
fn extend(
    document: &mut Document,
    sources: &mut Vec<Source>,
    resolve: &dyn Resolve,
) -> Result<bool, Diagnostics> {
    let mut next = document.string("extends");
    let mut depth = 0;
    while let Some((name, span)) = next {
        depth += 1;
        if depth > DEEPEST {
            let help = Some("does it extend itself?".to_owned());
            return Err(Diagnostic::at(
                sources,
                &span,
                Severity::Error,
                "scenarios extend each other too deeply",
                help,
            )
            .into());
        }
        let (file, text) = resolve.resolve(&name).map_err(|help| {
            let message = format!("there is no scenario `{name}` to extend");
            Diagnostics::from(Diagnostic::at(
                sources,
                &span,
                Severity::Error,
                message,
                Some(help),
            ))
        })?;
        sources.push(Source {
            name: file,
            text,
            kind: SourceKind::File,
        });
        let base = read(sources, sources.len() - 1)?;
        next = base.string("extends");
        document.extend(base);
    }
    Ok(depth > 0)
}

/// Says what serde found in our words, at its place.
fn shape_error(error: &toml::de::Error, sources: &[Source], origins: &Origins) -> Diagnostic {
    let span = error.span().map(|range| origins.of(&range)).unwrap_or(Span {
        source: 0,
        range: 0..0,
    });
    let message = error.message();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (message, help) = match (
        message.split_once(" `").map(|(start, _)| start),
        quoted.as_slice(),
    ) {
        (Some("unknown field"), [key, known @ ..]) => {
            (format!("unknown key `{key}`"), Some(suggestion(key, known)))
        }
        (Some("unknown variant"), [word, known @ ..]) => {
            (format!("unknown word `{word}`"), Some(suggestion(word, known)))
        }
        (Some("missing field"), [key, ..]) => {
            (format!("missing key `{key}`"), Some(format!("add `{key} = …`")))
        }
        _ => match message.split_once(", expected ") {
            Some((wrong, expected)) => (wrong.to_owned(), Some(format!("expected {}", in_words(expected)))),
            None => (message.to_owned(), None),
        },
    };
    Diagnostic::at(sources, &span, Severity::Error, message, help)
}

/// The names that serde has for types, in words.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" | "u32" | "u64" => "a whole number of 0 or more",
        "i64" => "a whole number",
        "f64" => "a number",
        other => other,
    }
}
