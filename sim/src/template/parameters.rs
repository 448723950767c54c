//! The values that a deployment hands to a template, and the template's own rules for them.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::{
    fields::{Place, Report},
    yaml::{Node, Value},
};

/// The values of parameters, and the stack's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    values: BTreeMap<String, String>,
    stack_name: String,
}

/// A `samconfig.toml` that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct SamconfigError {
    /// As it was handed in.
    pub path: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// The stack's name where nothing says one.
const STACK_NAME: &str = "crypto-watch";

impl Parameters {
    /// These values, for a stack called `crypto-watch`.
    #[must_use]
    pub fn new<K: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            values: values
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            stack_name: STACK_NAME.to_owned(),
        }
    }

    /// With another value for a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What `sam deploy --config-file` takes from a file: the stack's name and the parameters of its environment
    /// `default`, where what is said for `deploy` comes before what is said for all commands (b).
    ///
    /// # Errors
    /// Where it is no TOML, is of another version or region, or has overrides that are not `Name=value`.
    pub fn from_samconfig(path: &str, text: &str) -> Result<Self, SamconfigError> {
        samconfig(text).map_err(|problem| SamconfigError {
            path: path.to_owned(),
            problem,
        })
    }

    /// The name of the stack, `AWS::StackName`.
    #[must_use]
    pub fn stack_name(&self) -> &str {
        &self.stack_name
    }

    /// What the template's section `Parameters` makes of them, with everything that is wrong reported.
    pub(super) fn resolve(&self, root: &Node, report: &Report<'_>) -> BTreeMap<String, Value> {
        let section = Place::root("Parameters");
        let declared = root.get("Parameters").map(Node::entries).unwrap_or_default();
        for name in self.values.keys() {
            if !declared.iter().any(|entry| entry.key == *name) {
                let at = root.entry("Parameters").map_or(root.at, |entry| entry.at);
                let known: Vec<&str> = declared.iter().map(|entry| entry.key.as_str()).collect();
                let problem = format!("has no parameter {name}; it has {}", known.join(", "));
                report.add(at, &section, problem);
            }
        }
        let mut values = BTreeMap::new();
        for entry in declared {
            let place = section.down(&entry.key);
            let declaration = Declaration {
                node: &entry.value,
                at: entry.at,
                place,
                report,
            };
            let value = declaration.value(self.values.get(&entry.key));
            values.insert(entry.key.clone(), value.unwrap_or(Value::Unknown));
        }
        values
    }
}

fn samconfig(text: &str) -> Result<Parameters, String> {
    let root: toml::Table = text.parse().map_err(|error| format!("is no TOML: {error}"))?;
    match root.get("version") {
        Some(toml::Value::Float(version)) if (version - 0.1).abs() < f64::EPSILON => {}
        _ => return Err("has no version = 0.1, the only one that is understood; add it".to_owned()),
    }
    let of = |command: &str, key: &str| {
        let command = root.get("default")?.get(command)?;
        command.get("parameters")?.get(key)
    };
    let setting = |key: &str| of("deploy", key).or_else(|| of("global", key));
    let stack_name = match setting("stack_name") {
        Some(toml::Value::String(name)) => name.clone(),
        Some(_) => return Err("stack_name is no text; write stack_name = \"…\"".to_owned()),
        None => STACK_NAME.to_owned(),
    };
    if let Some(region) = setting("region").filter(|region| region.as_str() != Some(super::resolve::REGION)) {
        return Err(format!(
            "region {} is not emulated: here everything is in {}; take it out",
            region.as_str().unwrap_or_default(),
            super::resolve::REGION
        ));
    }
    let overrides: Vec<&str> = match setting("parameter_overrides") {
        None => Vec::new(),
        Some(toml::Value::String(all)) => vec![all],
        Some(toml::Value::Array(list)) => list
            .iter()
            .map(|item| {
                item.as_str()
                    .ok_or("parameter_overrides has an item that is no text; write \"Name=value\"")
            })
            .collect::<Result<_, _>>()?,
        Some(_) => {
            return Err("parameter_overrides is neither text nor a list; write [\"Name=value\"]".to_owned());
        }
    };
    let mut values = BTreeMap::new();
    for text in overrides {
        read_overrides(text, &mut values)?;
    }
    Ok(Parameters { values, stack_name })
}

/// `A=b C="d e"` or `ParameterKey=A,ParameterValue=b`, as SAM's command line reads them, which leaves out in silence what
/// this refuses.
fn read_overrides(text: &str, values: &mut BTreeMap<String, String>) -> Result<(), String> {
    for word in words(text)? {
        let pair = match word.strip_prefix("ParameterKey=") {
            Some(rest) => rest.split_once(",ParameterValue="),
            None => word.split_once('='),
        };
        let Some((name, value)) = pair.filter(|(name, _)| !name.is_empty()) else {
            return Err(format!("parameter_overrides has {word}, which is not Name=value"));
        };
        if values.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("parameter_overrides says {name} twice; keep one of them"));
        }
    }
    Ok(())
}

/// Splits at spaces outside of double quotes; a backslash takes the next character as it is.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let (mut word, mut begun, mut quoted) = (String::new(), false, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                begun = true;
                word.extend(chars.next());
            }
            '"' => {
                begun = true;
                quoted = !quoted;
            }
            c if c.is_whitespace() && !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                begun = true;
                word.push(c);
            }
        }
    }
    if quoted {
        return Err("parameter_overrides has a quote that is not closed".to_owned());
    }
    if begun {
        words.push(word);
    }
    Ok(words)
}

/// A parameter as the template declares it.
struct Declaration<'a> {
    node: &'a Node,
    at: super::Position,
    place: Place,
    report: &'a Report<'a>,
}

impl Declaration<'_> {
    fn error(&self, problem: impl Into<String>) {
        self.report.add(self.at, &self.place, problem);
    }

    fn text(&self, key: &str) -> Option<String> {
        self.node.get(key)?.as_text()
    }

    fn bound(&self, key: &str) -> Option<f64> {
        let text = self.text(key)?;
        let bound = text.parse().ok();
        if bound.is_none() {
            self.error(format!("{key} {text} is no number"));
        }
        bound
    }

    fn value(&self, given: Option<&String>) -> Option<Value> {
        const KNOWN: [&str; 11] = [
            "Type",
            "Default",
            "AllowedValues",
            "AllowedPattern",
            "ConstraintDescription",
            "Description",
            "NoEcho",
            "MinValue",
            "MaxValue",
            "MinLength",
            "MaxLength",
        ];
        for entry in self.node.entries() {
            if !KNOWN.contains(&entry.key.as_str()) {
                let place = self.place.down(&entry.key);
                self.report
                    .add(entry.at, &place, "is no attribute of a parameter; take it out");
            }
        }
        let kind = self.text("Type");
        let Some(text) = given.cloned().or_else(|| self.text("Default")) else {
            self.error("has neither a value nor a default; give it one");
            return None;
        };
        let value = match kind.as_deref() {
            Some("String") => Value::Text(text.clone()),
            Some("Number") => {
                if text
                    .parse::<f64>()
                    .ok()
                    .filter(|number| number.is_finite())
                    .is_none()
                {
                    self.refuse(&text, "is no number");
                    return None;
                }
                Value::Number(text.clone())
            }
            // Spaces around the items are not part of them (b).
            Some("CommaDelimitedList") => Value::List(
                text.split(',')
                    .map(|item| Node {
                        at: self.at,
                        value: Value::Text(item.trim().to_owned()),
                    })
                    .collect(),
            ),
            _ => {
                let place = self.place.down("Type");
                let problem = "is not emulated; here it is String, Number or CommaDelimitedList";
                self.report.add(self.at, &place, problem);
                return None;
            }
        };
        let items: Vec<String> = match &value {
            Value::List(items) => items.iter().filter_map(Node::as_text).collect(),
            _ => vec![text],
        };
        let fits = items.iter().all(|item| self.admits(item));
        fits.then_some(value)
    }

    /// Whether the template's rules admit a value. A pattern has to match all of it (b).
    fn admits(&self, value: &str) -> bool {
        if let Some(Value::List(allowed)) = self.node.get("AllowedValues").map(|node| &node.value) {
            let allowed: Vec<String> = allowed.iter().filter_map(Node::as_text).collect();
            if !allowed.iter().any(|one| one == value) {
                return self.refuse(value, &format!("is none of {}", allowed.join(", ")));
            }
        }
        if let Some(pattern) = self.text("AllowedPattern") {
            match Regex::new(&format!("^(?:{pattern})$")) {
                Err(error) => {
                    self.error(format!("AllowedPattern is not understood: {error}"));
                    return false;
                }
                Ok(regex) if !regex.is_match(value) => {
                    let wanted = self.text("ConstraintDescription");
                    let wanted = wanted.unwrap_or_else(|| format!("what {pattern} matches"));
                    return self.refuse(value, &format!("is not {wanted}"));
                }
                Ok(_) => {}
            }
        }
        let number = value.parse::<f64>().unwrap_or(f64::NAN);
        let length = f64::from(u32::try_from(value.chars().count()).unwrap_or(u32::MAX));
        let bounds = [
            ("MinValue", number, true, "is less than"),
            ("MaxValue", number, false, "is more than"),
            ("MinLength", length, true, "is shorter than"),
            ("MaxLength", length, false, "is longer than"),
        ];
        for (key, measure, is_least, problem) in bounds {
            let is_beyond = |bound: &f64| {
                if is_least {
                    measure < *bound
                } else {
                    measure > *bound
                }
            };
            if let Some(bound) = self.bound(key).filter(is_beyond) {
                return self.refuse(value, &format!("{problem} {key} {bound}"));
            }
        }
        true
    }

    /// Says that a value does not do, without the value where it is a secret.
    fn refuse(&self, value: &str, problem: &str) -> bool {
        let is_secret = self.text("NoEcho").as_deref() == Some("true");
        let shown = match value {
            _ if is_secret => "its value (NoEcho)",
            "" => "an empty value",
            value => value,
        };
        self.error(format!("{shown} {problem}"));
        false
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::template::Template;

    fn read(overrides: &str) -> Result<Parameters, SamconfigError> {
        let text = format!("version = 0.1\n[default.deploy.parameters]\nparameter_overrides = {overrides}\n");
        Parameters::from_samconfig("samconfig.toml", &text)
    }

    #[test]
    fn overrides_are_a_text_or_a_list() {
        let expected = Parameters::new([("Environment", "dev"), ("A", "b c"), ("D", "")]);
        assert_eq!(read(r#"'Environment=dev A="b c" D='"#).unwrap(), expected);
        assert_eq!(
            read(r#"["Environment=dev", 'A=b\ c', 'D=""']"#).unwrap(),
            expected
        );
        let key = read(r#"'ParameterKey=Environment,ParameterValue=dev A="b c" D='"#).unwrap();
        assert_eq!(key, expected);
    }

    #[test]
    fn what_is_said_for_deploy_comes_first() {
        let text = "version = 0.1\n[default.global.parameters]\nstack_name = 'all'\nparameter_overrides = 'A=1'\n\
                    [default.deploy.parameters]\nparameter_overrides = 'A=2'\n";
        let parameters = Parameters::from_samconfig("s", text).unwrap();
        assert_eq!(parameters.stack_name(), "all");
        assert_eq!(parameters.values["A"], "2");
    }

    #[test]
    fn a_file_that_cannot_be_followed_says_why() {
        let problem = |text: &str| {
            Parameters::from_samconfig("samconfig-dev.toml", text)
                .unwrap_err()
                .to_string()
        };
        assert_snapshot!(problem("a = 1"), @"samconfig-dev.toml: has no version = 0.1, the only one that is understood; add it");
        assert_snapshot!(problem("version = 0.1\n[default.deploy.parameters]\nregion = 'eu-west-1'"), @"samconfig-dev.toml: region eu-west-1 is not emulated: here everything is in us-east-1; take it out");
        assert_snapshot!(read("['Environment']").unwrap_err(), @"samconfig.toml: parameter_overrides has Environment, which is not Name=value");
        assert_snapshot!(read("'A=1 A=2'").unwrap_err(), @"samconfig.toml: parameter_overrides says A twice; keep one of them");
        assert_snapshot!(read("'A=\"1'").unwrap_err(), @"samconfig.toml: parameter_overrides has a quote that is not closed");
        assert_snapshot!(read("[1]").unwrap_err(), @r#"samconfig.toml: parameter_overrides has an item that is no text; write "Name=value""#);
        assert!(problem("version = ").contains("is no TOML"));
    }

    fn errors(declaration: &str, value: Option<&str>) -> String {
        let text = format!("Parameters:\n  P: {declaration}\n");
        let template = Template::read("t.yaml", &text).unwrap();
        let report = Report::new("t.yaml");
        let given = value.map(|value| ("P", value));
        Parameters::new(given).resolve(&template.root, &report);
        let errors: Vec<String> = report.into_errors().iter().map(ToString::to_string).collect();
        errors.join("\n")
    }

    #[test]
    fn values_follow_their_rules() {
        assert_snapshot!(errors("{Type: String}", None), @"t.yaml:2:3: Parameters.P: has neither a value nor a default; give it one");
        assert_snapshot!(errors("{Type: String, AllowedValues: [dev, prod]}", Some("test")), @"t.yaml:2:3: Parameters.P: test is none of dev, prod");
        assert_snapshot!(errors("{Type: String, AllowedPattern: 'a|b'}", Some("ab")), @"t.yaml:2:3: Parameters.P: ab is not what a|b matches");
        assert_snapshot!(errors("{Type: String, AllowedPattern: 'a', NoEcho: true, ConstraintDescription: an a}", Some("secret")), @"t.yaml:2:3: Parameters.P: its value (NoEcho) is not an a");
        assert_snapshot!(errors("{Type: Number, MinValue: 1}", Some("0")), @"t.yaml:2:3: Parameters.P: 0 is less than MinValue 1");
        assert_snapshot!(errors("{Type: Number, MaxValue: 3600}", Some("3601")), @"t.yaml:2:3: Parameters.P: 3601 is more than MaxValue 3600");
        assert_snapshot!(errors("{Type: Number}", Some("five")), @"t.yaml:2:3: Parameters.P: five is no number");
        assert_snapshot!(errors("{Type: String, MaxLength: 2}", Some("abc")), @"t.yaml:2:3: Parameters.P: abc is longer than MaxLength 2");
        assert_snapshot!(errors("{Type: CommaDelimitedList, AllowedValues: [a, b]}", Some("a, c")), @"t.yaml:2:3: Parameters.P: c is none of a, b");
        assert_snapshot!(errors("{Type: 'AWS::SSM::Parameter::Value<String>', Default: x}", None), @"t.yaml:2:3: Parameters.P.Type: is not emulated; here it is String, Number or CommaDelimitedList");
        assert_snapshot!(errors("{Type: String, Default: a, Defualt: b}", None), @"t.yaml:2:33: Parameters.P.Defualt: is no attribute of a parameter; take it out");
        assert_eq!(errors("{Type: Number, MinValue: 1, MaxValue: 2}", Some("2")), "");
    }

    #[test]
    fn a_value_for_no_parameter_is_an_error() {
        let template = Template::read("t.yaml", "Parameters:\n  P: {Type: String, Default: a}\n").unwrap();
        let report = Report::new("t.yaml");
        Parameters::new([("Q", "1")]).resolve(&template.root, &report);
        assert_snapshot!(report.into_errors()[0], @"t.yaml:1:1: Parameters: has no parameter Q; it has P");
    }
}
