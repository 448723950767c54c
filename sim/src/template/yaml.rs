//! YAML as a tree whose nodes know where they are, with the short forms of AWS's functions made long.

use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1 on.
    pub line: usize,
    /// From 1 on, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Position {
    fn of(span: Span) -> Self {
        Self {
            line: span.start.line(),
            column: span.start.col() + 1,
        }
    }
}

/// A value and where it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    /// As it is written, decimal and without an exponent.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the text.
    Map(Vec<Entry>),
    /// What could not be resolved, of which an error tells: whoever meets it says nothing more.
    Unknown,
}

/// A member of a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key is.
    pub(super) at: Position,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A scalar as text; booleans and numbers, too, as AWS converts them (b).
    pub(super) fn as_text(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(value) | Value::Text(value) => Some(value.clone()),
            Value::List(_) | Value::Map(_) | Value::Unknown => None,
        }
    }

    /// The function that this is a call of, its argument, and where its name is.
    ///
    /// `Condition` is a function only where a condition is wanted, since statements of policies have a member of that name.
    pub(super) fn as_call(&self) -> Option<(&str, &Self)> {
        match self.entries() {
            [only] if is_function(&only.key) => Some((&only.key, &only.value)),
            _ => None,
        }
    }
}

/// Whether a key is the long form of a function.
pub(super) fn is_function(key: &str) -> bool {
    key == "Ref" || key.starts_with("Fn::")
}

/// The functions that have a short form here, with their long one.
const SHORT: [(&str, &str); 13] = [
    ("Ref", "Ref"),
    ("Condition", "Condition"),
    ("Sub", "Fn::Sub"),
    ("GetAtt", "Fn::GetAtt"),
    ("If", "Fn::If"),
    ("Equals", "Fn::Equals"),
    ("And", "Fn::And"),
    ("Or", "Fn::Or"),
    ("Not", "Fn::Not"),
    ("FindInMap", "Fn::FindInMap"),
    ("Join", "Fn::Join"),
    ("Select", "Fn::Select"),
    ("Split", "Fn::Split"),
];

/// How deep a template may be nested: more than AWS takes, and less than the stack does.
const MAX_DEPTH: usize = 100;

/// Where something is wrong, and what.
pub(super) type Problem = (Position, String);

/// Reads the one document of a text.
pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
    };
    let mut root = None;
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            _ if root.is_some() => {
                return Err((
                    at,
                    "a template is one YAML document; take out the second one".to_owned(),
                ));
            }
            event => root = Some(reader.node(event, at, 0)?),
        }
    }
    match root {
        Some(
            root @ Node {
                value: Value::Map(_), ..
            },
        ) => Ok(root),
        Some(Node { at, .. }) => Err((at, "a template is a map with the section Resources".to_owned())),
        None => {
            let start = Position { line: 1, column: 1 };
            Err((
                start,
                "the template is empty; it needs the section Resources".to_owned(),
            ))
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Position), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, Position::of(span))),
            Some(Err(error)) => {
                let at = Position {
                    line: error.marker().line(),
                    column: error.marker().col() + 1,
                };
                Err((at, format!("not YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Position::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, at: Position, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err((at, format!("nested more than {MAX_DEPTH} deep; make it flatter")));
        }
        let (value, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_anchor(anchor, at)?;
                let value = if style == ScalarStyle::Plain {
                    plain(&text).map_err(|problem| (at, problem))?
                } else {
                    Value::Text(text.into_owned())
                };
                (value, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_anchor(anchor, at)?;
                (self.list(depth)?, tag)
            }
            Event::MappingStart(anchor, tag) => {
                refuse_anchor(anchor, at)?;
                (self.map(depth)?, tag)
            }
            Event::Alias(_) => return Err((at, "CloudFormation takes no aliases; write it out".to_owned())),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err((at, "the document ends too early; complete it".to_owned())),
        };
        let node = Node { at, value };
        match tag {
            Some(tag) => long_form(&tag, node),
            None => Ok(node),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, at) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (Event::Scalar(text, style, anchor, None), at) => {
                    refuse_anchor(anchor, at)?;
                    if style == ScalarStyle::Plain {
                        if text == "<<" {
                            return Err((at, "CloudFormation takes no merge keys; write it out".to_owned()));
                        }
                        plain(&text).map_err(|problem| (at, problem))?;
                    }
                    (text.into_owned(), at)
                }
                (_, at) => return Err((at, "a key is plain or quoted text; write it so".to_owned())),
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                return Err((
                    at,
                    format!("{key} was there before, in {}; keep one of them", first.at),
                ));
            }
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at, depth + 1)?;
            entries.push(Entry { key, at, value });
        }
    }
}

fn refuse_anchor(anchor: usize, at: Position) -> Result<(), Problem> {
    if anchor == 0 {
        return Ok(());
    }
    Err((
        at,
        "CloudFormation takes no anchors; take it off and write its aliases out".to_owned(),
    ))
}

/// `!Sub x` as `{Fn::Sub: x}`.
fn long_form(tag: &Tag, argument: Node) -> Result<Node, Problem> {
    let at = argument.at;
    let long = SHORT.iter().find(|(short, _)| *short == tag.suffix);
    let (true, Some((_, long))) = (tag.handle == "!", long) else {
        return Err((
            at,
            format!(
                "the tag {tag} is not understood; the functions here are {}",
                functions()
            ),
        ));
    };
    let entry = Entry {
        key: (*long).to_owned(),
        at,
        value: argument,
    };
    Ok(Node {
        at,
        value: Value::Map(vec![entry]),
    })
}

/// The short forms, for errors.
pub(super) fn functions() -> String {
    let short: Vec<String> = SHORT.iter().map(|(short, _)| format!("!{short}")).collect();
    short.join(", ")
}

/// What a plain scalar is, where the two versions of YAML agree.
fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => {
            return Err("CloudFormation takes no null; give it a value, or take it out".to_owned());
        }
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    match number(text) {
        Plain::Number => Ok(Value::Number(text.trim_start_matches('+').to_owned())),
        Plain::Text => Ok(Value::Text(text.to_owned())),
        Plain::Ambiguous(means) => Err(format!(
            "{text} is {means} in one version of YAML and something else in another; put it in quotes, or write it out"
        )),
    }
}

/// What a plain scalar looks like.
enum Plain {
    Number,
    Text,
    /// With what one of them takes it for.
    Ambiguous(&'static str),
}

/// Whether a plain scalar is a number, by <https://yaml.org/type/> (1.1) and <https://yaml.org/spec/1.2.2/#103-core-schema>.
fn number(text: &str) -> Plain {
    if ["yes", "no", "on", "off"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return Plain::Ambiguous("a truth value");
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".nan"]
        .iter()
        .any(|word| unsigned.eq_ignore_ascii_case(word))
    {
        return Plain::Ambiguous("no finite number");
    }
    let begins = unsigned.strip_prefix('.').unwrap_or(unsigned);
    if !begins.starts_with(|first: char| first.is_ascii_digit()) {
        return Plain::Text;
    }
    let all = |of: &str| unsigned.chars().all(|c| c.is_ascii_digit() || of.contains(c));
    if all("") {
        let has_zero = unsigned.len() > 1 && unsigned.starts_with('0');
        return if has_zero {
            Plain::Ambiguous("an octal number")
        } else {
            Plain::Number
        };
    }
    if all(".") {
        let dots = unsigned.matches('.').count();
        return if dots == 1 { Plain::Number } else { Plain::Text };
    }
    let radix = ["0x", "0o", "0b"]
        .iter()
        .any(|prefix| unsigned.starts_with(prefix));
    if radix && unsigned.len() > 2 && unsigned[2..].chars().all(|c| c.is_ascii_hexdigit() || c == '_') {
        return Plain::Ambiguous("a number that is not decimal");
    }
    if all("_.") {
        return Plain::Ambiguous("a number with separators");
    }
    if all(":.") {
        return Plain::Ambiguous("a number of base 60");
    }
    if unsigned.parse::<f64>().is_ok() {
        return Plain::Ambiguous("a number with an exponent");
    }
    Plain::Text
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn problem(text: &str) -> String {
        let (at, problem) = read(text).expect_err("it is refused");
        format!("{at}: {problem}")
    }

    #[test]
    fn nodes_know_where_they_are() {
        let root = read("a:\n  - 1\n  - {b: !Ref C}\n").unwrap();
        let Value::List(items) = &root.get("a").unwrap().value else {
            panic!("a list");
        };
        assert_eq!(items[0].at, Position { line: 2, column: 5 });
        let entry = items[1].entry("b").unwrap();
        assert_eq!(entry.at, Position { line: 3, column: 6 });
        assert_eq!(
            entry.value.as_call().map(|(name, of)| (name, of.as_text())),
            Some(("Ref", Some("C".to_owned())))
        );
    }

    #[test]
    fn what_cloudformation_does_not_take_is_refused() {
        assert_snapshot!(problem("a: &x 1\nb: *x"), @"1:4: CloudFormation takes no anchors; take it off and write its aliases out");
        assert_snapshot!(problem("a:\n  <<: {b: 1}"), @"2:3: CloudFormation takes no merge keys; write it out");
        assert_snapshot!(problem("a: 1\na: 2"), @"2:1: a was there before, in 1:1; keep one of them");
        assert_snapshot!(problem("a:"), @"1:2: CloudFormation takes no null; give it a value, or take it out");
        assert_snapshot!(problem("a: !GetAZs us-east-1"), @"1:4: the tag !GetAZs is not understood; the functions here are !Ref, !Condition, !Sub, !GetAtt, !If, !Equals, !And, !Or, !Not, !FindInMap, !Join, !Select, !Split");
        assert_snapshot!(problem("a: !!str 1"), @"1:4: the tag tag:yaml.org,2002:!str is not understood; the functions here are !Ref, !Condition, !Sub, !GetAtt, !If, !Equals, !And, !Or, !Not, !FindInMap, !Join, !Select, !Split");
        assert_snapshot!(problem("a: [1"), @"2:1: not YAML: while parsing a flow sequence, expected ',' or ']'");
        assert_snapshot!(problem("- 1"), @"1:1: a template is a map with the section Resources");
        assert_snapshot!(problem(""), @"1:1: the template is empty; it needs the section Resources");
        assert_snapshot!(problem("a: 1\n---\nb: 1"), @"3:1: a template is one YAML document; take out the second one");
        assert_snapshot!(problem(&"[".repeat(200)), @"1:102: nested more than 100 deep; make it flatter");
    }

    #[test]
    fn what_versions_of_yaml_disagree_on_is_refused() {
        for text in [
            "on", "Off", "YES", "no", "010", "0x1F", "0o17", "0b1", "1_000", "1:30", "1e3", "1.5e-3", ".inf",
            "-.NaN",
        ] {
            assert!(
                problem(&format!("a: {text}")).contains("one version of YAML"),
                "{text}"
            );
            assert!(read(&format!("a: '{text}'")).is_ok(), "{text}");
        }
        for text in [
            "2012-10-17",
            "1.2.3",
            "10.0.0.1/8",
            "on-call",
            "12a",
            "5 minutes",
            ".x",
            "0xyz",
        ] {
            let root = read(&format!("a: {text}")).unwrap();
            assert_eq!(
                root.get("a").unwrap().value,
                Value::Text(text.to_owned()),
                "{text}"
            );
        }
        for text in ["0", "-5", "0.1", "5.", ".5", "123456789012"] {
            let root = read(&format!("a: {text}")).unwrap();
            assert_eq!(
                root.get("a").unwrap().value,
                Value::Number(text.to_owned()),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a-c:!&*{}\\[\\],'\"|>#<~ \n0-9.eE_]{0,60}") {
            let _ = read(&text);
        }

        #[test]
        fn quoted_text_comes_back(text in "[ -&(-~]{0,30}") {
            let root = read(&format!("a: '{text}'")).unwrap();
            prop_assert_eq!(root.get("a").unwrap().as_text(), Some(text));
        }
    }
}
