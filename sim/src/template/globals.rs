//! The section `Globals`, merged as SAM's translator does: maps merge, lists are put one behind the other, the rest is
//! replaced, as is a call of a function whatever it gives, and `Function.Architectures` (a: SAM's own source,
//! `samtranslator/plugins/globals/globals.py` of 1.110).

use super::{
    fields::{Place, Report},
    yaml::{Entry, Node, Value},
};

/// The sections that are understood: the type that each is for, and what SAM does not take in it.
const SECTIONS: [(&str, &str, &[&str]); 2] = [
    (
        "Function",
        "AWS::Serverless::Function",
        &["Role", "Policies", "FunctionName", "Events"],
    ),
    ("Api", "AWS::Serverless::Api", &["DefinitionBody", "StageName"]),
];

/// Lists that the resource's own replaces.
const REPLACED: [&str; 1] = ["Architectures"];

/// Says what in the section is not understood.
pub(super) fn validate(root: &Node, report: &Report<'_>) {
    let place = Place::root("Globals");
    for entry in root.get("Globals").map(Node::entries).unwrap_or_default() {
        let place = place.down(&entry.key);
        let Some((_, _, refused)) = SECTIONS.iter().find(|(section, ..)| *section == entry.key) else {
            report.add(
                entry.at,
                &place,
                "is not emulated; of Globals, Function and Api are",
            );
            continue;
        };
        for property in entry.value.entries() {
            if refused.contains(&property.key.as_str()) {
                let problem = "is not taken from Globals by SAM; write it in each resource";
                report.add(property.at, &place.down(&property.key), problem);
            }
        }
    }
}

/// A resource's properties with those of its type that are global.
pub(super) fn merged(root: &Node, kind: &str, properties: &Node) -> Node {
    let section = SECTIONS.iter().find(|(_, of, _)| *of == kind);
    let globals = section.and_then(|(section, ..)| root.get("Globals")?.get(section));
    match globals {
        Some(globals) => merge(globals, properties, true),
        None => properties.clone(),
    }
}

fn merge(global: &Node, local: &Node, is_top: bool) -> Node {
    let value = match (&global.value, &local.value) {
        _ if is_call(global) || is_call(local) => return local.clone(),
        (Value::Map(globals), Value::Map(locals)) => {
            let mut entries = globals.clone();
            for own in locals {
                match entries.iter_mut().find(|entry| entry.key == own.key) {
                    Some(entry) if is_top && REPLACED.contains(&own.key.as_str()) => *entry = own.clone(),
                    Some(entry) => {
                        *entry = Entry {
                            key: own.key.clone(),
                            at: own.at,
                            value: merge(&entry.value, &own.value, false),
                        }
                    }
                    None => entries.push(own.clone()),
                }
            }
            Value::Map(entries)
        }
        (Value::List(globals), Value::List(locals)) => Value::List([globals.as_slice(), locals].concat()),
        _ => return local.clone(),
    };
    Node { at: local.at, value }
}

fn is_call(node: &Node) -> bool {
    node.as_call().is_some() || matches!(node.entries(), [only] if only.key == "Condition")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::yaml::read;

    fn plain(node: &Node) -> String {
        match &node.value {
            Value::List(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
            Value::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|entry| format!("{}:{}", entry.key, plain(&entry.value)))
                    .collect();
                format!("{{{}}}", entries.join(" "))
            }
            _ => node.as_text().unwrap_or_default(),
        }
    }

    fn merged_text(globals: &str, own: &str) -> String {
        let root = read(&format!("Globals:\n  Function: {globals}\nOwn: {own}\n")).unwrap();
        plain(&merged(
            &root,
            "AWS::Serverless::Function",
            root.get("Own").unwrap(),
        ))
    }

    #[test]
    fn maps_merge_lists_follow_and_the_rest_is_replaced() {
        assert_eq!(
            merged_text("{E: {V: {a: 1, b: 2}}}", "{E: {V: {b: 3, c: 4}}}"),
            "{E:{V:{a:1 b:3 c:4}}}"
        );
        assert_eq!(merged_text("{Layers: [a]}", "{Layers: [b]}"), "{Layers:[a b]}");
        assert_eq!(
            merged_text("{Timeout: 3, MemorySize: 128}", "{Timeout: 25}"),
            "{Timeout:25 MemorySize:128}"
        );
        assert_eq!(
            merged_text("{Architectures: [x86_64]}", "{Architectures: [arm64]}"),
            "{Architectures:[arm64]}"
        );
    }

    #[test]
    fn a_call_is_replaced_as_a_whole() {
        assert_eq!(
            merged_text("{T: !If [A, b, c]}", "{T: !If [D, e, f]}"),
            "{T:{Fn::If:[D e f]}}"
        );
        assert_eq!(merged_text("{T: {a: 1}}", "{T: !Ref P}"), "{T:{Ref:P}}");
        assert_eq!(merged_text("{T: !Ref P}", "{T: {a: 1}}"), "{T:{a:1}}");
    }
}
