//! Mock integrations: the gateway takes a status from a template and answers with what is there for it.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::{
    error::GatewayError,
    media::{BinaryTypes, first_type},
    responses::{Fault, ResponseType, chosen, header_texts, status_code},
    template::{HeaderText, Scope, Template},
};
use crate::template::model::{ContentHandling, Mock, MockResponse};

/// A mock, read.
#[derive(Clone, Debug)]
pub(super) struct Mocked {
    content_handling: Option<ContentHandling>,
    passthrough: Passthrough,
    /// The status that a template makes, by media type.
    statuses: BTreeMap<String, u16>,
    /// In order; the default is last.
    responses: Vec<(Option<Pattern>, Reply)>,
}

/// What becomes of a body whose type has no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passthrough {
    Never,
    WhenNoMatch,
    WhenNoTemplates,
}

#[derive(Clone, Debug)]
struct Reply {
    status: StatusCode,
    content_handling: Option<ContentHandling>,
    headers: Vec<(HeaderName, HeaderText)>,
    templates: BTreeMap<String, Template>,
}

/// A pattern of three digits, such as `204`, `2..` or `4\d{2}`; an integer stands for a digit that must be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern([Option<u8>; 3]);

/// What a request brings to a mock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) content_type: Option<&'a str>,
    pub(super) accept: Option<&'a str>,
    pub(super) body: &'a [u8],
}

impl Mocked {
    /// Reads the mock that stands at `place`.
    ///
    /// # Errors
    /// It does what is not emulated: a template that is more than a status, a header from elsewhere, another pattern.
    pub(super) fn new(mock: &Mock, place: &str) -> Result<Self, GatewayError> {
        let passthrough = match mock.passthrough.to_ascii_lowercase().as_str() {
            "never" => Passthrough::Never,
            "when_no_match" => Passthrough::WhenNoMatch,
            "when_no_templates" => Passthrough::WhenNoTemplates,
            other => {
                return Err(GatewayError::new(
                    place,
                    format!("`{other}` is no passthrough behaviour"),
                    "use never, when_no_match or when_no_templates",
                ));
            }
        };
        let mut statuses = BTreeMap::new();
        for (media, template) in &mock.request_templates {
            let place = format!("{place}, request template of {media}");
            let status = literal_status(template).ok_or_else(|| {
                GatewayError::new(
                    place,
                    "the template is more than a literal status",
                    r#"write {"statusCode": 204}: nothing else of the template language is emulated"#,
                )
            })?;
            statuses.insert(media.clone(), status);
        }
        let mut responses = Vec::new();
        for (pattern, response) in mock.responses.iter().filter(|(pattern, _)| *pattern != "default") {
            let place = format!("{place}, response {pattern}");
            let read = Pattern::parse(pattern).ok_or_else(|| {
                GatewayError::new(
                    place.clone(),
                    "the pattern is more than three digits",
                    r"use digits, . and \d, such as 204 or 4\d{2}, or default",
                )
            })?;
            responses.push((Some(read), Reply::new(response, &place)?));
        }
        if let Some(response) = mock.responses.get("default") {
            responses.push((None, Reply::new(response, &format!("{place}, default response"))?));
        }
        if responses.is_empty() {
            return Err(GatewayError::new(
                place,
                "the mock has no response",
                "give it one",
            ));
        }
        Ok(Self {
            content_handling: mock.content_handling,
            passthrough,
            statuses,
            responses,
        })
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// The request has a type without a template, or one that a template cannot be applied to, or a status without a
    /// response.
    pub(super) fn answer(
        &self,
        asked: Asked<'_>,
        binary: &BinaryTypes,
        scope: &impl Scope,
    ) -> Result<(StatusCode, HeaderMap, String), Fault> {
        let status = self.status(asked, binary)?;
        let fits = |pattern: &Option<Pattern>| pattern.as_ref().is_none_or(|pattern| pattern.matches(status));
        let reply = self.responses.iter().find(|(pattern, _)| fits(pattern));
        // (b)
        let (_, reply) = reply.ok_or_else(|| Fault::of(ResponseType::ApiConfigurationError))?;
        let (media, body) = match chosen(&reply.templates, asked.accept) {
            Some((media, template)) => {
                // As for the request: what the client would get as binary, no template can be applied to. See
                // https://github.com/serverless/serverless/pull/11010, which converts both.
                let is_text = reply.content_handling == Some(ContentHandling::ToText);
                if binary.include(asked.accept) && !is_text {
                    return Err(Fault::of(ResponseType::Default5xx));
                }
                (media, template.render(scope))
            }
            // Nothing comes from a mock but a status.
            None => ("application/json", String::new()),
        };
        let mut headers = HeaderMap::new();
        // (b: "API Gateway includes a Content-Type header for all integration responses")
        let media = HeaderValue::from_str(media).unwrap_or(HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, media);
        for (name, text) in &reply.headers {
            if let Some(value) = text.render(scope) {
                headers.insert(name.clone(), value);
            }
        }
        Ok((reply.status, headers, body))
    }

    /// The status that comes of the request's template. Without a `Content-Type` a request is JSON (b); its parameters do
    /// not count (c).
    ///
    /// A template cannot be applied to a body that is binary and not converted to text: 500, even when the body is empty.
    /// So a preflight fails as soon as every type is binary (from the threads
    /// <https://github.com/aws/serverless-application-model/issues/553> and 1344, and
    /// <https://github.com/aws/chalice/issues/1310>; not recorded).
    fn status(&self, asked: Asked<'_>, binary: &BinaryTypes) -> Result<u16, Fault> {
        let media = asked.content_type.map_or("application/json", first_type);
        let template = self.statuses.get(media).or_else(|| self.statuses.get("$default"));
        let Some(status) = template else {
            let passes = match self.passthrough {
                Passthrough::Never => false,
                Passthrough::WhenNoMatch => true,
                Passthrough::WhenNoTemplates => self.statuses.is_empty(),
            };
            if !passes {
                return Err(Fault::of(ResponseType::UnsupportedMediaType));
            }
            // The body takes the template's place.
            let body: Option<Value> = serde_json::from_slice(asked.body).ok();
            let status = body.as_ref().and_then(|body| body.get("statusCode")?.as_u64());
            let status = status.and_then(|status| u16::try_from(status).ok());
            return status.ok_or_else(|| Fault::of(ResponseType::Default5xx));
        };
        let is_binary = match self.content_handling {
            None => binary.include(Some(media)),
            Some(ContentHandling::ToText) => false,
            Some(ContentHandling::ToBinary) => true,
        };
        if is_binary {
            return Err(Fault::of(ResponseType::Default5xx));
        }
        Ok(*status)
    }
}

impl Reply {
    fn new(response: &MockResponse, place: &str) -> Result<Self, GatewayError> {
        if response.content_handling == Some(ContentHandling::ToBinary) && !response.templates.is_empty() {
            return Err(GatewayError::new(
                place,
                "its template would be decoded as base64",
                "use CONVERT_TO_TEXT: conversion to binary is not emulated",
            ));
        }
        let mut templates = BTreeMap::new();
        for (media, text) in &response.templates {
            let place = format!("{place}, template of {media}");
            let is_directive = |part: &str| {
                part.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '#' | '*' | '{'))
            };
            if text.split('#').skip(1).any(is_directive) {
                return Err(GatewayError::new(
                    place,
                    "the template has a directive",
                    "use plain text and $context variables: nothing else of the template language is emulated",
                ));
            }
            templates.insert(media.clone(), Template::parse(text, &place)?);
        }
        Ok(Self {
            status: status_code(response.status, place)?,
            content_handling: response.content_handling,
            headers: header_texts(&response.headers, place)?,
            templates,
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let mut digits: Vec<Option<u8>> = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix(r"\d") {
                digits.push(None);
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let (count, after) = after.split_once('}')?;
                let count: usize = count.parse().ok().filter(|count| (1..=3).contains(count))?;
                let last = digits.pop()?;
                digits.extend(std::iter::repeat_n(last, count));
                rest = after;
            } else if first == '.' {
                digits.push(None);
                rest = rest.get(1..)?;
            } else {
                digits.push(Some(u8::try_from(first.to_digit(10)?).ok()?));
                rest = rest.get(1..)?;
            }
        }
        Some(Self(digits.try_into().ok()?))
    }

    fn matches(&self, status: u16) -> bool {
        let [hundreds, tens, ones] = self.0;
        let fits = |wanted: Option<u8>, digit: u16| wanted.is_none_or(|wanted| u16::from(wanted) == digit);
        fits(hundreds, status / 100) && fits(tens, status / 10 % 10) && fits(ones, status % 10)
    }
}

/// The status of `{"statusCode": 204}`, or of `{statusCode: 204}`, which AWS takes, too (a: what the CDK writes).
fn literal_status(template: &str) -> Option<u16> {
    let inside = template.trim().strip_prefix('{')?.strip_suffix('}')?;
    let (name, number) = inside.split_once(':')?;
    let name = name.trim();
    let name = ['"', '\'']
        .iter()
        .find_map(|quote| name.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(name);
    let number: u16 = number.trim().parse().ok()?;
    (name == "statusCode" && (100..600).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_template_is_a_status_and_nothing_else() {
        let rows = [
            (r#"{"statusCode": 204}"#, Some(204)),
            ("{statusCode:200}", Some(200)),
            ("{ 'statusCode' : 200 }", Some(200)),
            (r#"{"statusCode": 200, "message": "x"}"#, None),
            (r#"{"statusCode": "200"}"#, None),
            (r##"#set($a = 1){"statusCode": 200}"##, None),
            (r#"{"statusCode": $input.json('$.a')}"#, None),
            (r#"{"statusCode": 20}"#, None),
            ("", None),
        ];
        for (template, expected) in rows {
            assert_eq!(literal_status(template), expected, "{template}");
        }
    }

    #[test]
    fn patterns_are_of_three_digits() {
        let matches = |pattern: &str, status| Pattern::parse(pattern).map(|pattern| pattern.matches(status));
        let rows = [
            ("204", 204, Some(true)),
            ("204", 205, Some(false)),
            (r"4\d{2}", 418, Some(true)),
            (r"4\d{2}", 204, Some(false)),
            ("5..", 500, Some(true)),
            (r"\d{3}", 999, Some(true)),
            ("20", 204, None),
            ("2.*", 204, None),
            ("200|204", 204, None),
            ("{3}", 204, None),
            ("2é4", 204, None),
        ];
        for (pattern, status, expected) in rows {
            assert_eq!(matches(pattern, status), expected, "{pattern} {status}");
        }
    }
}
