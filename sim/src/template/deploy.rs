//! From a template and parameters to what the emulators are made of.

use std::collections::BTreeMap;

use super::{
    Parameters, Template, TemplateError, alarms, api,
    fields::{Field, Place, Report},
    functions, globals,
    model::{Deployment, LogGroup},
    permissions,
    resolve::{Resolver, Resource},
    resources::{self, ResourceType},
    table,
    yaml::{Node, Value},
};

/// What [`Template::deployment`] gives.
pub(super) fn deployment(
    template: &Template,
    parameters: &Parameters,
) -> Result<Deployment, Vec<TemplateError>> {
    let report = Report::new(template.path());
    let deployment = build(&template.root, parameters, &report);
    let errors = report.into_errors();
    match deployment {
        Some(deployment) if errors.is_empty() => Ok(deployment),
        _ => Err(errors),
    }
}

/// The resources that are there in one environment, resolved.
pub(super) struct Resolved<'a> {
    pub(super) resolver: Resolver<'a>,
    /// Logical id, type and properties, in the template's order.
    pub(super) resources: Vec<(String, &'static ResourceType, Node)>,
}

impl<'a> Resolved<'a> {
    pub(super) fn new(root: &'a Node, parameters: &'a Parameters, report: &'a Report<'a>) -> Self {
        let values = parameters.resolve(root, report);
        let mut resolver = Resolver::new(root, report, values, parameters.stack_name());
        for entry in root.get("Conditions").map(Node::entries).unwrap_or_default() {
            resolver.condition(&entry.key, entry.at, &Place::root("Conditions"));
        }
        resolver.resources = declared(&resolver);
        let resources = resolver
            .resources
            .iter()
            .filter(|resource| resource.is_there)
            .filter_map(|resource| {
                let place = Place::resource(&resource.id);
                let properties = resolver.resolve(&resource.properties, &place)?;
                Some((resource.id.clone(), resource.kind, properties))
            })
            .collect();
        Self { resolver, resources }
    }

    /// Those of a type.
    pub(super) fn of<'b>(&'b self, kind: &'b ResourceType) -> impl Iterator<Item = (&'b str, Field<'b>)> {
        let report = self.resolver.report;
        self.resources
            .iter()
            .filter(move |(_, other, _)| other.name == kind.name)
            .map(move |(id, _, properties)| {
                (id.as_str(), Field::new(report, Place::resource(id), properties))
            })
    }

    /// The name of a resource, or one as AWS would make it up.
    pub(super) fn name(&self, id: &str) -> Option<String> {
        let resource = self
            .resolver
            .resources
            .iter()
            .find(|resource| resource.id == id)?;
        let property = resource.kind.named_by?;
        let (.., properties) = self.resources.iter().find(|(other, ..)| other == id)?;
        match properties.get(property) {
            Some(name) => name.as_text(),
            None if resource.kind.name == resources::TOPIC.name => None,
            None => match self
                .resolver
                .identity(resource, properties.at, &Place::resource(id))
            {
                Value::Text(name) => Some(name),
                _ => None,
            },
        }
    }

    /// What `Ref` gives for a resource.
    pub(super) fn identity(&self, id: &str) -> Option<String> {
        let resource = self
            .resolver
            .resources
            .iter()
            .find(|resource| resource.id == id)?;
        match self
            .resolver
            .identity(resource, resource.properties.at, &Place::resource(id))
        {
            Value::Text(identity) => Some(identity),
            _ => None,
        }
    }
}

fn build(root: &Node, parameters: &Parameters, report: &Report<'_>) -> Option<Deployment> {
    sections(root, report);
    globals::validate(root, report);
    let all = Resolved::new(root, parameters, report);
    outputs(&all.resolver);
    for (id, kind, properties) in &all.resources {
        let field = Field::new(report, Place::resource(id), properties);
        for (key, member) in field.members() {
            if !kind.properties.iter().any(|property| property.name == key) {
                member.not_emulated(advice(kind, key));
            }
        }
    }
    let environment = all.resolver.parameters.get("Environment").cloned();
    let environment = match environment {
        Some(value) => Node { at: root.at, value }.as_text(),
        None => {
            let problem = "has no parameter Environment, by which an environment is chosen; add it";
            report.add(root.at, &Place::root("Parameters"), problem);
            None
        }
    };
    let mut functions = BTreeMap::new();
    let mut schedules = Vec::new();
    for (id, field) in all.of(&resources::FUNCTION) {
        schedules.extend(functions::schedules(&field, id, &all));
        if let Some(function) = functions::function(&field, id, &all) {
            functions.insert(id.to_owned(), function);
        }
    }
    let api =
        only(root, report, &all, &resources::API).and_then(|(id, field)| api::rest_api(&field, id, &all));
    let table =
        only(root, report, &all, &resources::TABLE).and_then(|(id, field)| table::table(&field, id, &all));
    let alarms = all.of(&resources::ALARM);
    let alarms = alarms
        .filter_map(|(id, field)| alarms::alarm(&field, id, &all))
        .collect();
    let groups = all.of(&resources::LOG_GROUP);
    let log_groups = groups
        .filter_map(|(id, field)| log_group(&field, id, &all))
        .collect();
    permissions::require(&all);
    Some(Deployment {
        environment: environment?,
        functions,
        api: api?,
        schedules,
        table: table?,
        alarms,
        log_groups,
    })
}

/// What to do about some properties that are not emulated.
fn advice(kind: &ResourceType, property: &str) -> &'static str {
    match (kind.name, property) {
        ("AWS::Serverless::Api", "Cors") => {
            "SAM's own preflights answer 500 once media types are binary; write OPTIONS in DefinitionBody"
        }
        ("AWS::Serverless::Api", "Auth") => {
            "write `security` in DefinitionBody, and an AWS::ApiGateway::UsagePlan"
        }
        ("AWS::Serverless::Api", "DefinitionUri") => "write the API in DefinitionBody",
        ("AWS::DynamoDB::Table", "ProvisionedThroughput") => "say BillingMode: PAY_PER_REQUEST",
        ("AWS::Serverless::Function", "InlineCode" | "ImageUri") => "say CodeUri with a package of dist",
        _ => "take it out, or teach the emulators what it does",
    }
}

/// Says what of the template's sections is not understood.
fn sections(root: &Node, report: &Report<'_>) {
    const KNOWN: [&str; 10] = [
        "AWSTemplateFormatVersion",
        "Transform",
        "Description",
        "Metadata",
        "Parameters",
        "Mappings",
        "Conditions",
        "Globals",
        "Resources",
        "Outputs",
    ];
    const FORMAT: &str = "2010-09-09";
    const SAM: &str = "AWS::Serverless-2016-10-31";
    for entry in root.entries() {
        let place = Place::root(&entry.key);
        if !KNOWN.contains(&entry.key.as_str()) {
            report.add(
                entry.at,
                &place,
                format!("is not emulated; sections are {}", KNOWN.join(", ")),
            );
        }
        let only = match entry.key.as_str() {
            "AWSTemplateFormatVersion" => FORMAT,
            "Transform" => SAM,
            _ => continue,
        };
        if entry.value.as_text().as_deref() != Some(only) {
            report.add(entry.at, &place, format!("is not emulated; here it is {only}"));
        }
    }
    if root.get("Transform").is_none() {
        report.add(
            root.at,
            &Place::root("Transform"),
            format!("is not there; add {SAM}"),
        );
    }
}

/// The resources as they are declared, with what is wrong with that.
fn declared(resolver: &Resolver<'_>) -> Vec<Resource> {
    const ATTRIBUTES: [&str; 7] = [
        "Type",
        "Properties",
        "Condition",
        "DependsOn",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "Metadata",
    ];
    let root = resolver.root;
    let entries = root.get("Resources").map(Node::entries).unwrap_or_default();
    let mut resources = Vec::new();
    for entry in entries {
        let (place, node) = (Place::resource(&entry.key), &entry.value);
        for attribute in node.entries() {
            if !ATTRIBUTES.contains(&attribute.key.as_str()) {
                let problem = format!(
                    "is not emulated; attributes of a resource are {}",
                    ATTRIBUTES.join(", ")
                );
                resolver
                    .report
                    .add(attribute.at, &place.down(&attribute.key), problem);
            }
        }
        let name = node.get("Type").and_then(Node::as_text).unwrap_or_default();
        let Some(kind) = resources::resource_type(&name) else {
            let known: Vec<&str> = resources::RESOURCES.iter().map(|kind| kind.name).collect();
            let problem = format!("the type {name} is not emulated; here are {}", known.join(", "));
            resolver.report.add(entry.at, &place, problem);
            continue;
        };
        let is_there = match node.entry("Condition") {
            None => true,
            Some(condition) => {
                let name = condition.value.as_text().unwrap_or_default();
                let holds = resolver.condition(&name, condition.at, &place.down("Condition"));
                holds == Some(true)
            }
        };
        let none = Node {
            at: entry.at,
            value: Value::Map(Vec::new()),
        };
        let own = node.get("Properties").unwrap_or(&none);
        resources.push(Resource {
            id: entry.key.clone(),
            kind,
            properties: globals::merged(root, &name, own),
            is_there,
        });
    }
    resources
}

/// Outputs are shown to nobody here, but what they refer to has to be there.
fn outputs(resolver: &Resolver<'_>) {
    let section = Place::root("Outputs");
    for entry in resolver
        .root
        .get("Outputs")
        .map(Node::entries)
        .unwrap_or_default()
    {
        let place = section.down(&entry.key);
        let condition = entry.value.entry("Condition").map(|condition| {
            let name = condition.value.as_text().unwrap_or_default();
            resolver.condition(&name, condition.at, &place.down("Condition"))
        });
        if condition.is_none_or(|holds| holds == Some(true)) {
            resolver.resolve(&entry.value, &place);
        }
    }
}

/// The one resource of a type that there has to be.
fn only<'b>(
    root: &Node,
    report: &Report<'_>,
    all: &'b Resolved<'_>,
    kind: &'b ResourceType,
) -> Option<(&'b str, Field<'b>)> {
    let mut of = all.of(kind);
    let first = of.next();
    match (&first, of.next()) {
        (None, _) => {
            let at = root.entry("Resources").map_or(root.at, |entry| entry.at);
            report.add(
                at,
                &Place::root("Resources"),
                format!("has no {}; add one", kind.name),
            );
        }
        (Some(_), Some((_, second))) => {
            second.not_emulated("there is one of its type already; take one of them out")
        }
        (Some(_), None) => {}
    }
    first
}

/// How long lines can be kept, days (b).
const RETENTIONS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

fn log_group(field: &Field<'_>, id: &str, all: &Resolved<'_>) -> Option<LogGroup> {
    if let Some(class) = field.get("LogGroupClass") {
        // The other classes take no metrics out of lines (b).
        class.word(&[("STANDARD", ())]);
    }
    let retention_days = match field.get("RetentionInDays") {
        None => None,
        Some(days) => {
            let number = days.whole(1..=3653)?;
            if !RETENTIONS.contains(&number) {
                days.error(format!(
                    "{number} is no retention that CloudWatch has: {RETENTIONS:?}"
                ));
            }
            Some(number)
        }
    };
    Some(LogGroup {
        name: all.name(id)?,
        retention_days,
    })
}
