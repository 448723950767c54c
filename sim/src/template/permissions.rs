//! Who may invoke functions: without a permission, API Gateway answers 500 (b).

use std::collections::BTreeMap;

use super::{
    api,
    deploy::Resolved,
    fields::Field,
    resolve::{ACCOUNT, arn},
    resources,
};

/// The service whose permissions matter here; SAM makes those of schedules itself.
const GATEWAY: &str = "apigateway.amazonaws.com";

/// What a permission lets API Gateway invoke.
struct Permission {
    /// Its name or ARN.
    function: String,
    /// From where, or from everywhere.
    source: Option<String>,
}

/// Says of each function behind the API which methods may not invoke it.
pub(super) fn require(all: &Resolved<'_>) {
    let permissions: Vec<Permission> = all
        .of(&resources::PERMISSION)
        .filter_map(|(_, field)| permission(&field))
        .collect();
    for (id, field) in all.of(&resources::API) {
        let Some((api, stage)) = all
            .identity(id)
            .zip(field.get("StageName").and_then(|stage| stage.node.as_text()))
        else {
            continue;
        };
        let mut refused: BTreeMap<String, Vec<(String, Field<'_>)>> = BTreeMap::new();
        for (path, method, uri) in api::integrations(&field) {
            let Some(function) = uri
                .node
                .as_text()
                .as_deref()
                .and_then(|uri| api::function_of(uri, all))
            else {
                continue;
            };
            let verb = if method == "ANY" { "*" } else { method.as_str() };
            let source = arn("execute-api", &format!("{api}/{stage}/{verb}{path}"));
            let names = [
                all.name(&function),
                all.name(&function)
                    .map(|name| arn("lambda", &format!("function:{name}"))),
            ];
            let may = permissions.iter().any(|permission| {
                let is_of = names.iter().flatten().any(|name| *name == permission.function);
                is_of
                    && permission
                        .source
                        .as_deref()
                        .is_none_or(|pattern| matches(pattern, &source))
            });
            if !may {
                refused
                    .entry(function)
                    .or_default()
                    .push((format!("{method} {path}"), uri));
            }
        }
        for (function, methods) in refused {
            let names: Vec<&str> = methods.iter().map(|(name, _)| name.as_str()).collect();
            let Some((_, first)) = methods.first() else {
                continue;
            };
            first.error(format!(
                "API Gateway may not invoke {function} for {}, and would answer 500: add an {} for {GATEWAY} with a \
                 SourceArn that has them",
                names.join(", "),
                resources::PERMISSION.name
            ));
        }
    }
}

/// One that lets API Gateway invoke something, with what is wrong with any reported.
fn permission(field: &Field<'_>) -> Option<Permission> {
    let action = field.need("Action").and_then(|action| action.text());
    let principal = field.need("Principal").and_then(|principal| principal.text());
    let function = field.need("FunctionName").and_then(|function| function.text());
    let source = match field.get("SourceArn") {
        Some(source) => Some(source.text()?),
        None => None,
    };
    let account = match field.get("SourceAccount") {
        Some(account) => Some(account.text()?),
        None => None,
    };
    let invokes = ["lambda:InvokeFunction", "lambda:*"].contains(&action?.as_str());
    let is_ours = account.is_none_or(|account| account == ACCOUNT);
    let is_gateways = principal? == GATEWAY;
    let permission = Permission {
        function: function?,
        source,
    };
    (invokes && is_ours && is_gateways).then_some(permission)
}

/// Whether a pattern with `*` and `?` has a text, as `ArnLike` compares; `*` stands for slashes, too (b).
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when what came after the last star did not fit.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = star else {
                    return false;
                };
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let source = "arn:aws:execute-api:us-east-1:123456789012:abc/dev/GET/prices/{symbol}";
        let prefix = "arn:aws:execute-api:us-east-1:123456789012";
        for (pattern, holds) in [
            ("abc/*/*/*", true),
            ("abc/*", true),
            ("*", true),
            ("abc/dev/GET/prices/*", true),
            ("abc/dev/GET/prices/?symbol}", true),
            ("abc/dev/GET/prices", false),
            ("abc/*/POST/*", false),
            ("abd/*/*/*", false),
            ("abc/*/*/*/*/*", false),
            ("", false),
        ] {
            assert_eq!(
                matches(&format!("{prefix}:{pattern}"), source),
                holds,
                "{pattern}"
            );
        }
    }
}
