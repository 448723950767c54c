//! Names, tags, retention, the table and the parameters.

use super::Checks;
use crate::template::{
    resources,
    yaml::{Node, Value},
};

impl Checks<'_> {
    pub(super) fn log_groups(&mut self) {
        let days = match self.deployment.environment.as_str() {
            "dev" => 30,
            "staging" => 60,
            _ => 90,
        };
        let groups: Vec<(String, Option<u32>)> = self
            .resolved
            .of(&resources::LOG_GROUP)
            .map(|(id, _)| {
                let name = self.resolved.name(id);
                let group = self
                    .deployment
                    .log_groups
                    .iter()
                    .find(|group| Some(&group.name) == name.as_ref());
                (id.to_owned(), group.and_then(|group| group.retention_days))
            })
            .collect();
        for (id, retention) in groups {
            if retention != Some(days) {
                let kept = retention.map_or("for ever".to_owned(), |days| format!("{days} days"));
                let problem = format!(
                    "lines are kept {kept}; have {days} days in {}",
                    self.deployment.environment
                );
                self.property("log-retention", &id, "RetentionInDays", problem);
            }
        }
    }

    pub(super) fn names(&mut self) {
        let (start, end) = ("crypto-watch-", format!("-{}", self.deployment.environment));
        let names: Vec<(String, &str, Option<String>)> = self
            .resolved
            .resources
            .iter()
            .filter_map(|(id, kind, properties)| {
                let property = match kind.name {
                    "AWS::Serverless::Api" => "Name",
                    "AWS::ApiGateway::UsagePlan" => "UsagePlanName",
                    _ => kind.named_by?,
                };
                Some((
                    id.clone(),
                    property,
                    properties.get(property).and_then(Node::as_text),
                ))
            })
            .collect();
        for (id, property, name) in names {
            let bare = name
                .as_deref()
                .map(|name| name.strip_prefix("/aws/lambda/").unwrap_or(name));
            if !bare.is_some_and(|name| name.starts_with(start) && name.ends_with(&end)) {
                let problem = format!("the name has to be {start}*{end}");
                self.property("names", &id, property, problem);
            }
        }
        for schedule in &self.deployment.schedules {
            if !(schedule.name.starts_with(start) && schedule.name.ends_with(&end)) {
                self.property(
                    "names",
                    &schedule.function,
                    "Events",
                    format!("the name has to be {start}*{end}"),
                );
            }
        }
    }

    pub(super) fn tags(&mut self) {
        let environment = self.deployment.environment.clone();
        let mut missing = Vec::new();
        for (id, kind, properties) in &self.resolved.resources {
            if !kind.properties.iter().any(|property| property.name == "Tags") {
                continue;
            }
            let tags = properties.get("Tags");
            for (key, value) in [
                ("Application", "crypto-watch"),
                ("Environment", environment.as_str()),
            ] {
                if tags.and_then(|tags| tag(tags, key)).as_deref() != Some(value) {
                    missing.push((id.clone(), format!("has no tag {key}: {value}; add it")));
                }
            }
        }
        for (id, problem) in missing {
            self.property("tags", &id, "Tags", problem);
        }
    }

    pub(super) fn table(&mut self) {
        let table = &self.deployment.table;
        let pair = |partition: &str, sort: &str| (partition.to_owned(), sort.to_owned());
        let index = ("GSI1".to_owned(), "GSI1PK".to_owned(), "GSI1SK".to_owned());
        let rules = [
            (
                "KeySchema",
                table.key == pair("PK", "SK"),
                "the service's keys are PK and SK",
            ),
            (
                "GlobalSecondaryIndexes",
                table.indexes == [index],
                "the one index is GSI1, of GSI1PK and GSI1SK",
            ),
            (
                "TimeToLiveSpecification",
                table.ttl.as_deref() == Some("ttl"),
                "items would stay for ever; ttl says when they end",
            ),
            (
                "BillingMode",
                table.is_on_demand,
                "its load is not known; say PAY_PER_REQUEST",
            ),
        ];
        let id = self
            .resolved
            .of(&resources::TABLE)
            .next()
            .map(|(id, _)| id.to_owned());
        let id = id.unwrap_or_default();
        for (property, _, problem) in rules.into_iter().filter(|(_, holds, _)| !holds) {
            self.property("table-schema", &id, property, problem);
        }
    }

    pub(super) fn parameters(&mut self) {
        let declared = self
            .template
            .root
            .get("Parameters")
            .map(Node::entries)
            .unwrap_or_default();
        let mut used = Vec::new();
        names_used(&self.template.root, &mut used);
        for entry in declared {
            if !used.contains(&entry.key) {
                let problem = "nothing refers to it, so that setting it does nothing; take it out or !Ref it";
                self.add("unused-parameter", &["Parameters", &entry.key], problem);
            }
        }
    }
}

/// The names that `Ref` and the texts of `Sub` refer to.
fn names_used(node: &Node, names: &mut Vec<String>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| names_used(item, names)),
        Value::Map(entries) => {
            for entry in entries {
                if entry.key == "Ref" {
                    names.extend(entry.value.as_text());
                }
                names_used(&entry.value, names);
            }
        }
        Value::Text(text) => {
            let parts = text.split("${").skip(1);
            names.extend(parts.filter_map(|part| Some(part.split_once('}')?.0.to_owned())));
        }
        Value::Bool(_) | Value::Number(_) | Value::Unknown => {}
    }
}
/// A tag's value: tags are a map in SAM's types, and a list of keys and values in the others.
fn tag(tags: &Node, key: &str) -> Option<String> {
    match &tags.value {
        Value::List(items) => {
            let item = items
                .iter()
                .find(|item| item.get("Key").and_then(Node::as_text).as_deref() == Some(key));
            item?.get("Value")?.as_text()
        }
        _ => tags.get(key)?.as_text(),
    }
}
