//! What functions, parameters and references stand for.
//!
//! All of it as documented (b), in
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>; ids and the random
//! ends of names that AWS makes up are made up here, too, but stay the same (c).

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use super::{
    Position,
    fields::{Place, Report},
    resources::{self, ResourceType},
    yaml::{Entry, Node, Value, functions, is_function},
};

/// Where everything is.
pub(super) const REGION: &str = "us-east-1";
/// Whose everything is.
pub(super) const ACCOUNT: &str = "123456789012";

/// A resource, before it is resolved.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) kind: &'static ResourceType,
    /// With the global ones.
    pub(super) properties: Node,
    /// Whether its condition holds, or it has none.
    pub(super) is_there: bool,
}

/// What a node is resolved with.
pub(super) struct Resolver<'a> {
    pub(super) root: &'a Node,
    pub(super) report: &'a Report<'a>,
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) stack: &'a str,
    pub(super) resources: Vec<Resource>,
    conditions: RefCell<BTreeMap<String, Option<bool>>>,
    /// The conditions and names that are being worked out: whoever comes back to one runs in a circle.
    working: RefCell<Vec<String>>,
    /// While names are worked out for references, what is wrong with them is not said: it is where they stand.
    muted: Cell<u32>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        root: &'a Node,
        report: &'a Report<'a>,
        parameters: BTreeMap<String, Value>,
        stack: &'a str,
    ) -> Self {
        Self {
            root,
            report,
            parameters,
            stack,
            resources: Vec::new(),
            conditions: RefCell::default(),
            working: RefCell::default(),
            muted: Cell::new(0),
        }
    }

    fn error(&self, at: Position, place: &Place, problem: impl Into<String>) -> Value {
        if self.muted.get() == 0 {
            self.report.add(at, place, problem);
        }
        Value::Unknown
    }

    /// Whether a condition holds; none when it cannot be said.
    pub(super) fn condition(&self, name: &str, at: Position, place: &Place) -> Option<bool> {
        if let Some(known) = self.conditions.borrow().get(name) {
            return *known;
        }
        let Some(entry) = self
            .root
            .get("Conditions")
            .and_then(|section| section.entry(name))
        else {
            self.error(
                at,
                place,
                format!("there is no condition {name}; add it to Conditions"),
            );
            return None;
        };
        let own = Place::root("Conditions").down(name);
        let holds = self.guarded(&format!("condition {name}"), entry.at, &own, || {
            self.truth(&entry.value, &own)
        });
        self.conditions
            .borrow_mut()
            .insert(name.to_owned(), holds.flatten());
        holds.flatten()
    }

    /// Works something out that may not be needed to work itself out.
    fn guarded<T>(&self, what: &str, at: Position, place: &Place, work: impl FnOnce() -> T) -> Option<T> {
        if self.working.borrow().iter().any(|other| other == what) {
            self.report
                .add(at, place, format!("{what} refers to itself; break the circle"));
            return None;
        }
        self.working.borrow_mut().push(what.to_owned());
        let done = work();
        self.working.borrow_mut().pop();
        Some(done)
    }

    fn truth(&self, node: &Node, place: &Place) -> Option<bool> {
        let [only] = node.entries() else {
            self.error(node.at, place, "has to be a function such as !Equals");
            return None;
        };
        let place = place.down(&only.key);
        let items = match &only.value.value {
            Value::List(items) => items.as_slice(),
            _ => &[],
        };
        let wants = |range: std::ops::RangeInclusive<usize>| {
            if range.contains(&items.len()) {
                return Some(());
            }
            let problem = format!("wants a list of {} to {} items", range.start(), range.end());
            self.error(node.at, &place, problem);
            None
        };
        let truths = || {
            let truths: Vec<Option<bool>> = items.iter().map(|item| self.truth(item, &place)).collect();
            truths.into_iter().collect::<Option<Vec<bool>>>()
        };
        match only.key.as_str() {
            "Condition" => self.condition(&only.value.as_text()?, node.at, &place),
            "Fn::Equals" => {
                wants(2..=2)?;
                let sides: Vec<Option<Node>> = items.iter().map(|item| self.resolve(item, &place)).collect();
                let [Some(left), Some(right)] = &sides[..] else {
                    return None;
                };
                equal(left, right)
            }
            "Fn::And" => {
                wants(2..=10)?;
                truths().map(|truths| truths.into_iter().all(|holds| holds))
            }
            "Fn::Or" => {
                wants(2..=10)?;
                truths().map(|truths| truths.into_iter().any(|holds| holds))
            }
            "Fn::Not" => {
                wants(1..=1)?;
                truths().map(|truths| !truths[0])
            }
            other => {
                let problem = format!("{other} is no condition; use !Equals, !And, !Or, !Not or !Condition");
                self.error(node.at, &place, problem);
                None
            }
        }
    }

    /// A node with all functions resolved; none where it is `AWS::NoValue`.
    pub(super) fn resolve(&self, node: &Node, place: &Place) -> Option<Node> {
        if let Some((function, argument)) = node.as_call() {
            let value = self.call(function, argument, node.at, place)?;
            return Some(Node { at: node.at, value });
        }
        let value = match &node.value {
            Value::List(items) => {
                let items = items.iter().enumerate();
                let items =
                    items.filter_map(|(index, item)| self.resolve(item, &place.down(format!("[{index}]"))));
                Value::List(items.collect())
            }
            Value::Map(entries) => {
                if let Some(call) = entries.iter().find(|entry| is_function(&entry.key)) {
                    let problem = format!("{} stands beside other keys; a function stands alone", call.key);
                    self.error(call.at, place, problem);
                    return Some(Node {
                        at: node.at,
                        value: Value::Unknown,
                    });
                }
                let entries = entries.iter().filter_map(|entry| {
                    Some(Entry {
                        key: entry.key.clone(),
                        at: entry.at,
                        value: self.resolve(&entry.value, &place.down(&entry.key))?,
                    })
                });
                Value::Map(entries.collect())
            }
            value => value.clone(),
        };
        Some(Node { at: node.at, value })
    }

    fn call(&self, function: &str, argument: &Node, at: Position, place: &Place) -> Option<Value> {
        let place = &place.down(function);
        let arguments = match &argument.value {
            Value::List(items) => items.as_slice(),
            _ => &[],
        };
        let value = match (function, arguments) {
            ("Ref", _) => match argument.as_text() {
                Some(name) => return self.reference(&name, at, place),
                None => self.error(at, place, "wants a name"),
            },
            ("Fn::GetAtt", [resource, attribute]) => {
                match (resource.as_text(), self.resolve(attribute, place)) {
                    (Some(resource), Some(attribute)) => {
                        let attribute = attribute.as_text().unwrap_or_default();
                        self.attribute(&resource, &attribute, at, place)
                    }
                    _ => self.error(at, place, "wants Resource.Attribute"),
                }
            }
            ("Fn::GetAtt", _) => match argument
                .as_text()
                .as_deref()
                .and_then(|text| text.split_once('.'))
            {
                Some((resource, attribute)) => self.attribute(resource, attribute, at, place),
                None => self.error(at, place, "wants Resource.Attribute"),
            },
            ("Fn::Sub", _) => self.substitute(argument, at, place),
            ("Fn::If", [condition, yes, no]) => {
                let name = condition.as_text().unwrap_or_default();
                match self.condition(&name, at, place) {
                    // What is not chosen is not looked at: it may refer to what is not there.
                    Some(holds) => {
                        return self
                            .resolve(if holds { yes } else { no }, place)
                            .map(|node| node.value);
                    }
                    None => Value::Unknown,
                }
            }
            ("Fn::FindInMap", [map, top, second]) => {
                let keys: Vec<Option<String>> = [map, top, second]
                    .iter()
                    .map(|key| self.resolve(key, place).and_then(|key| key.as_text()))
                    .collect();
                match &keys[..] {
                    [Some(map), Some(top), Some(second)] => self.find_in_map(map, top, second, at, place),
                    _ => Value::Unknown,
                }
            }
            ("Fn::Join", [delimiter, list]) => match (delimiter.as_text(), self.texts(list, place)) {
                (Some(delimiter), Some(texts)) => Value::Text(texts.join(&delimiter)),
                (None, _) => self.error(at, place, "wants [delimiter, list]"),
                (_, None) => Value::Unknown,
            },
            ("Fn::Split", [delimiter, source]) => match (
                delimiter.as_text(),
                self.resolve(source, place).map(|node| node.as_text()),
            ) {
                (Some(delimiter), Some(Some(source))) if !delimiter.is_empty() => {
                    let text = |part: &str| Node {
                        at,
                        value: Value::Text(part.to_owned()),
                    };
                    Value::List(source.split(&delimiter).map(text).collect())
                }
                (_, Some(None)) => Value::Unknown,
                _ => self.error(at, place, "wants [delimiter, text]"),
            },
            ("Fn::Select", [index, list]) => {
                let index = self.resolve(index, place).and_then(|index| index.as_text());
                match (index, self.resolve(list, place).map(|list| list.value)) {
                    (Some(index), Some(Value::List(items))) => {
                        match index.parse().ok().and_then(|index: usize| items.get(index)) {
                            Some(item) => item.value.clone(),
                            None => {
                                self.error(at, place, format!("there is no item {index} of {}", items.len()))
                            }
                        }
                    }
                    (_, Some(Value::Unknown)) => Value::Unknown,
                    _ => self.error(at, place, "wants [index, list]"),
                }
            }
            ("Fn::If" | "Fn::FindInMap", _) => self.error(at, place, "wants a list of three"),
            ("Fn::Join" | "Fn::Split" | "Fn::Select", _) => self.error(at, place, "wants a list of two"),
            ("Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not", _) => {
                self.error(at, place, "is for conditions only; use !If with the name of one")
            }
            _ => self.error(
                at,
                place,
                format!("is not emulated; the functions here are {}", functions()),
            ),
        };
        Some(value)
    }

    /// A list of scalars as texts; none when one of them is not to be had.
    fn texts(&self, list: &Node, place: &Place) -> Option<Vec<String>> {
        let resolved = self.resolve(list, place)?;
        match &resolved.value {
            Value::List(items) => items.iter().map(Node::as_text).collect(),
            Value::Unknown => None,
            _ => {
                self.error(list.at, place, "wants a list");
                None
            }
        }
    }

    fn find_in_map(&self, map: &str, top: &str, second: &str, at: Position, place: &Place) -> Value {
        let found = self
            .root
            .get("Mappings")
            .and_then(|maps| maps.get(map)?.get(top)?.get(second));
        let Some(found) = found else {
            return self.error(at, place, format!("Mappings has no {map}.{top}.{second}; add it"));
        };
        match &found.value {
            Value::Map(_) => self.error(
                found.at,
                place,
                "is a map; a mapping holds text, numbers and lists",
            ),
            value => value.clone(),
        }
    }

    /// `${Name}`, `${Name.Attribute}` and `${!literal}`.
    fn substitute(&self, argument: &Node, at: Position, place: &Place) -> Value {
        let (template, variables) = match &argument.value {
            Value::List(items) => match &items[..] {
                [template, variables] => (template.as_text(), variables.entries()),
                _ => return self.error(at, place, "wants text, or [text, map]"),
            },
            _ => (argument.as_text(), &[][..]),
        };
        let Some(template) = template else {
            return self.error(at, place, "wants text, or [text, map]");
        };
        let mut text = String::new();
        let mut rest = template.as_str();
        let mut is_known = true;
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return self.error(at, place, "has ${ without }; close it");
            };
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                text.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let own = variables.iter().find(|entry| entry.key == name);
            let value = match (own, name.split_once('.')) {
                (Some(entry), _) => self.resolve(&entry.value, place).map(|node| node.value),
                (None, Some((resource, attribute))) if !is_sam_reference(attribute) => {
                    Some(self.attribute(resource, attribute, at, place))
                }
                (None, _) => self.reference(name, at, place),
            };
            match value.map(|value| Node { at, value }.as_text()) {
                Some(Some(value)) => text.push_str(&value),
                Some(None) => is_known = false,
                None => {
                    self.error(at, place, format!("${{{name}}} is no text"));
                    is_known = false;
                }
            }
        }
        text.push_str(rest);
        if is_known {
            Value::Text(text)
        } else {
            Value::Unknown
        }
    }

    /// What `Ref` gives.
    fn reference(&self, name: &str, at: Position, place: &Place) -> Option<Value> {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        match name {
            "AWS::NoValue" => return None,
            "AWS::Region" => return text(REGION),
            "AWS::AccountId" => return text(ACCOUNT),
            "AWS::Partition" => return text("aws"),
            "AWS::StackName" => return text(self.stack),
            "AWS::URLSuffix" => return text("amazonaws.com"),
            _ => {}
        }
        if name.starts_with("AWS::") {
            return Some(self.error(
                at,
                place,
                format!("{name} is not emulated; write what it stands for"),
            ));
        }
        if let Some(value) = self.parameters.get(name) {
            return Some(value.clone());
        }
        // SAM's own way to refer to what it makes of an API.
        if let Some((api, "Stage")) = name.split_once('.') {
            let resource = match self.find(api, at, place) {
                Ok(resource) if resource.kind.name == resources::API.name => resource,
                Ok(_) => return Some(self.error(at, place, format!("{api} has no Stage; only an API has"))),
                Err(unknown) => return Some(unknown),
            };
            return Some(self.property(resource, "StageName", at, place));
        }
        Some(match self.find(name, at, place) {
            Ok(resource) => self.identity(resource, at, place),
            Err(unknown) => unknown,
        })
    }

    /// A resource that is there.
    fn find(&self, id: &str, at: Position, place: &Place) -> Result<&Resource, Value> {
        let Some(resource) = self.resources.iter().find(|resource| resource.id == id) else {
            let is_declared = self.root.get("Resources").and_then(|all| all.get(id)).is_some();
            // Of one whose type is not understood, its own error tells.
            return Err(match is_declared {
                true => Value::Unknown,
                false => self.error(
                    at,
                    place,
                    format!("{id} names neither a parameter nor a resource; add it"),
                ),
            });
        };
        if resource.is_there {
            return Ok(resource);
        }
        let problem =
            format!("{id} is not there in this environment, by its Condition; refer to it within !If");
        Err(self.error(at, place, problem))
    }

    /// What `Ref` gives for a resource (b: "Return values" of each type's page).
    pub(super) fn identity(&self, resource: &Resource, at: Position, place: &Place) -> Value {
        match resource.kind.named_by {
            Some(_) if resource.kind.name == resources::TOPIC.name => self.arn(resource, at, place),
            Some(property) => self.property(resource, property, at, place),
            None if resource.kind.name == resources::SUBSCRIPTION.name => self.arn(resource, at, place),
            None => Value::Text(self.made_up(&resource.id, 10)),
        }
    }

    /// A property that names a resource, or a name as AWS would make it up.
    fn property(&self, resource: &Resource, property: &str, at: Position, place: &Place) -> Value {
        let Some(entry) = resource.properties.entry(property) else {
            let made_up = format!(
                "{}-{}-{}",
                self.stack,
                resource.id,
                self.made_up(&resource.id, 12)
            );
            return Value::Text(made_up);
        };
        self.muted.set(self.muted.get() + 1);
        let what = format!("{property} of {}", resource.id);
        let own = Place::resource(&resource.id).down(property);
        let value = self.guarded(&what, at, place, || self.resolve(&entry.value, &own));
        self.muted.set(self.muted.get() - 1);
        match value.flatten().map(|node| node.as_text()) {
            Some(Some(text)) => Value::Text(text),
            _ => Value::Unknown,
        }
    }

    fn arn(&self, resource: &Resource, at: Position, place: &Place) -> Value {
        let named = resource
            .kind
            .named_by
            .map(|property| self.property(resource, property, at, place));
        let name = match named {
            Some(Value::Text(name)) => name,
            Some(_) => return Value::Unknown,
            None => self.made_up(&resource.id, 36),
        };
        let (service, rest) = match resource.kind.name {
            "AWS::Serverless::Function" => ("lambda", format!("function:{name}")),
            "AWS::Logs::LogGroup" => ("logs", format!("log-group:{name}:*")),
            "AWS::DynamoDB::Table" => ("dynamodb", format!("table/{name}")),
            "AWS::CloudWatch::Alarm" => ("cloudwatch", format!("alarm:{name}")),
            _ => ("sns", name),
        };
        Value::Text(arn(service, &rest))
    }

    /// What `GetAtt` gives.
    fn attribute(&self, id: &str, attribute: &str, at: Position, place: &Place) -> Value {
        let resource = match self.find(id, at, place) {
            Ok(resource) => resource,
            Err(unknown) => return unknown,
        };
        match (resource.kind.name, attribute) {
            (
                "AWS::Serverless::Function"
                | "AWS::Logs::LogGroup"
                | "AWS::DynamoDB::Table"
                | "AWS::CloudWatch::Alarm"
                | "AWS::SNS::Subscription",
                "Arn",
            )
            | ("AWS::SNS::Topic", "TopicArn") => self.arn(resource, at, place),
            ("AWS::SNS::Topic", "TopicName") => self.property(resource, "TopicName", at, place),
            ("AWS::ApiGateway::UsagePlan" | "AWS::Lambda::Permission", "Id")
            | ("AWS::Serverless::Api", "RestApiId") => self.identity(resource, at, place),
            ("AWS::Serverless::Api", "RootResourceId") => Value::Text(self.made_up(&format!("{id}/"), 10)),
            (kind, _) => self.error(
                at,
                place,
                format!("{kind} has no attribute {attribute} that is emulated"),
            ),
        }
    }

    /// An id as AWS would draw it, but the same each time: FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>).
    fn made_up(&self, id: &str, length: usize) -> String {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut mix = |byte: u8| {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            hash
        };
        for byte in self.stack.bytes().chain([b'/']).chain(id.bytes()) {
            mix(byte);
        }
        (0..length)
            .map(|_| {
                let index = usize::try_from((mix(0) >> 32) % 36).unwrap_or_default();
                char::from(ALPHABET[index])
            })
            .collect()
    }
}

/// `arn:aws:…` of something here.
pub(super) fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}")
}

/// Whether `Api.Stage` in a text means what SAM makes of an API, and not an attribute.
fn is_sam_reference(attribute: &str) -> bool {
    attribute == "Stage"
}

/// Whether two sides of `Equals` are; numbers and truth values compare as text.
fn equal(left: &Node, right: &Node) -> Option<bool> {
    match (&left.value, &right.value) {
        (Value::Unknown, _) | (_, Value::Unknown) => None,
        (Value::List(left), Value::List(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right);
            let pairs: Option<Vec<bool>> = pairs.map(|(left, right)| equal(left, right)).collect();
            pairs.map(|pairs| pairs.into_iter().all(|is| is))
        }
        _ => {
            let (left, right) = (left.as_text(), right.as_text());
            Some(left.is_some() && left == right)
        }
    }
}
