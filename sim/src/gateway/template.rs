//! The text templates and header values of gateway responses and mocks: "a non-VTL mapping template supporting only simple
//! variable substitutions" (b). A variable that is not known here is an error at start, never empty text.

use std::borrow::Cow;

use http::HeaderValue;

use super::error::GatewayError;

/// What a `$context.` variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variable {
    AccountId,
    ApiId,
    ApiKeyId,
    DeploymentId,
    DomainName,
    DomainPrefix,
    ErrorMessage,
    ErrorMessageString,
    ErrorResponseType,
    ExtendedRequestId,
    HttpMethod,
    Path,
    Protocol,
    RequestId,
    RequestTime,
    RequestTimeEpoch,
    ResourceId,
    ResourcePath,
    SourceIp,
    Stage,
    UserAgent,
}

/// Their names after `$context.`, sorted.
const VARIABLES: [(&str, Variable); 21] = [
    ("accountId", Variable::AccountId),
    ("apiId", Variable::ApiId),
    ("deploymentId", Variable::DeploymentId),
    ("domainName", Variable::DomainName),
    ("domainPrefix", Variable::DomainPrefix),
    ("error.message", Variable::ErrorMessage),
    ("error.messageString", Variable::ErrorMessageString),
    ("error.responseType", Variable::ErrorResponseType),
    ("extendedRequestId", Variable::ExtendedRequestId),
    ("httpMethod", Variable::HttpMethod),
    ("identity.apiKeyId", Variable::ApiKeyId),
    ("identity.sourceIp", Variable::SourceIp),
    ("identity.userAgent", Variable::UserAgent),
    ("path", Variable::Path),
    ("protocol", Variable::Protocol),
    ("requestId", Variable::RequestId),
    ("requestTime", Variable::RequestTime),
    ("requestTimeEpoch", Variable::RequestTimeEpoch),
    ("resourceId", Variable::ResourceId),
    ("resourcePath", Variable::ResourcePath),
    ("stage", Variable::Stage),
];

impl Variable {
    fn named(name: &str) -> Option<Self> {
        let found = VARIABLES.iter().find(|(known, _)| *known == name)?;
        Some(found.1)
    }
}

/// What the variables of one request stand for; `None` where a request has no such thing, such as a resource that was not
/// found.
pub(super) trait Scope {
    /// The value of a variable.
    fn value(&self, variable: Variable) -> Option<Cow<'_, str>>;
}

/// A text with variables in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

impl Template {
    /// Reads a template, which stands at `place`.
    ///
    /// # Errors
    /// It names a variable that is not known here. A `$` before anything but a letter or a brace is just that.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self, GatewayError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            let after = from.get(1..).unwrap_or_default();
            if !after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '{' | '!' | '_')) {
                plain.push('$');
                rest = after;
                continue;
            }
            let end = after
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '{' | '}' | '!')))
                .unwrap_or(after.len());
            // A dot at the end is the sentence's.
            let name = after.get(..end).unwrap_or_default().trim_end_matches('.');
            let variable = name.strip_prefix("context.").and_then(Variable::named);
            let Some(variable) = variable else {
                return Err(unknown(place, &format!("${name}"), "$context."));
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Variable(variable));
            rest = after.get(name.len()..).unwrap_or_default();
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Its text for one request. What a request does not have is empty (c).
    pub(super) fn render(&self, scope: &impl Scope) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Variable(variable) => text.push_str(&scope.value(*variable).unwrap_or_default()),
            }
        }
        text
    }
}

/// The value of a header that the gateway sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderText {
    /// `'*'`
    Literal(HeaderValue),
    /// `context.requestId`
    Variable(Variable),
}

impl HeaderText {
    /// Reads the value of the header `name`, which stands at `place`.
    ///
    /// # Errors
    /// It is neither quoted text nor a known `context.` variable.
    pub(super) fn parse(value: &str, place: &str, name: &str) -> Result<Self, GatewayError> {
        let place = format!("{place}, header {name}");
        let quoted = value.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        if let Some(text) = quoted {
            return HeaderValue::from_str(text).map(Self::Literal).map_err(|_| {
                GatewayError::new(
                    place,
                    "its text has a character that no header may have",
                    "use printable ASCII",
                )
            });
        }
        match value.strip_prefix("context.") {
            Some(name) => match Variable::named(name) {
                Some(variable) => Ok(Self::Variable(variable)),
                None => Err(unknown(&place, value, "context.")),
            },
            None => Err(GatewayError::new(
                place,
                format!("`{value}` is neither quoted text nor a variable of the context"),
                "write 'text' or context.name (method.request, stageVariables and integration.response are not emulated)",
            )),
        }
    }

    /// Its value for one request; none where the request has no such thing (c).
    pub(super) fn render(&self, scope: &impl Scope) -> Option<HeaderValue> {
        match self {
            Self::Literal(value) => Some(value.clone()),
            Self::Variable(variable) => HeaderValue::from_str(&scope.value(*variable)?).ok(),
        }
    }
}

fn unknown(place: &str, name: &str, prefix: &str) -> GatewayError {
    let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
    GatewayError::new(
        place,
        format!("the variable `{name}` is not emulated"),
        format!("use {prefix} with one of {}", known.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Scope for Fixed {
        fn value(&self, variable: Variable) -> Option<Cow<'_, str>> {
            match variable {
                Variable::RequestId => Some(Cow::Borrowed("r-1")),
                Variable::ErrorMessageString => Some(Cow::Borrowed("\"Forbidden\"")),
                _ => None,
            }
        }
    }

    #[test]
    fn variables_are_replaced_and_other_dollars_stay() {
        let text = "{\"m\":$context.error.messageString,\"id\":\"$context.requestId\",\"p\":\"$context.resourcePath\"} costs $5 or $. $context.requestId.";
        let rendered = Template::parse(text, "here").map(|template| template.render(&Fixed));
        assert_eq!(
            rendered.as_deref(),
            Ok("{\"m\":\"Forbidden\",\"id\":\"r-1\",\"p\":\"\"} costs $5 or $. r-1.")
        );
    }

    #[test]
    fn an_unknown_variable_is_named() {
        for (text, name) in [
            ("$context.requestid", "$context.requestid"),
            ("a $stageVariables.a b", "$stageVariables.a"),
            ("$input.body", "$input.body"),
            ("${context.requestId}", "${context.requestId}"),
            ("$util.escape", "$util.escape"),
        ] {
            let error =
                Template::parse(text, "gateway response THROTTLED").map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|error| error
                    .starts_with("gateway response THROTTLED: the variable `")
                    && error.contains(name)),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn names_are_sorted_so_that_messages_are_readable() {
        assert!(VARIABLES.is_sorted_by_key(|(name, _)| *name));
    }
}
