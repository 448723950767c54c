//! Answers of the gateway's own: the type's as the template has it, else the template's `DEFAULT_4XX` or `DEFAULT_5XX`, else
//! what is built in (a).

use std::{borrow::Cow, collections::BTreeMap};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    error::GatewayError,
    media::first_type,
    template::{HeaderText, Scope, Template, Variable},
};
use crate::template::model::GatewayResponse;

/// The media type of what nothing else is said of.
const JSON: &str = "application/json";

/// The names that AWS knows (b).
const KNOWN: [&str; 21] = [
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
];

/// The kinds of answers that the gateway gives by itself; AWS has more, for features that are not emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResponseType {
    /// A mock that has no response for its status, or base64 that is none.
    ApiConfigurationError,
    /// The function failed, or what it gave is no answer; or a mock's template could not be applied.
    Default5xx,
    /// Lambda did not take the event.
    IntegrationFailure,
    /// The function took longer than the gateway waits.
    IntegrationTimeout,
    /// No key, or none that opens the stage.
    InvalidApiKey,
    /// No such resource, or none with this method.
    MissingAuthenticationToken,
    /// The quota of the key's usage plan is used up.
    QuotaExceeded,
    /// The body is too large, for the gateway or for Lambda.
    RequestTooLarge,
    /// A limit of the usage plan, the stage or the account.
    Throttled,
    /// A mock has no template for the body's type.
    UnsupportedMediaType,
}

impl ResponseType {
    /// As AWS and templates call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiConfigurationError => "API_CONFIGURATION_ERROR",
            Self::Default5xx => "DEFAULT_5XX",
            Self::IntegrationFailure => "INTEGRATION_FAILURE",
            Self::IntegrationTimeout => "INTEGRATION_TIMEOUT",
            Self::InvalidApiKey => "INVALID_API_KEY",
            Self::MissingAuthenticationToken => "MISSING_AUTHENTICATION_TOKEN",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::RequestTooLarge => "REQUEST_TOO_LARGE",
            Self::Throttled => "THROTTLED",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
        }
    }

    /// `$context.error.message`. (a) for the recorded ones: key, path, 500 and 502; (b) for throttle, quota and timeout; (c)
    /// for the size and the media type.
    fn message(self) -> &'static str {
        match self {
            Self::ApiConfigurationError | Self::Default5xx | Self::IntegrationFailure => {
                "Internal server error"
            }
            Self::IntegrationTimeout => "Endpoint request timed out",
            Self::InvalidApiKey => "Forbidden",
            Self::MissingAuthenticationToken => "Missing Authentication Token",
            Self::QuotaExceeded => "Limit Exceeded",
            Self::RequestTooLarge => "Request Too Long",
            Self::Throttled => "Too Many Requests",
            Self::UnsupportedMediaType => "Unsupported Media Type",
        }
    }

    /// The body while the template has nothing to say. What goes wrong behind the gateway is written with a space (a: a
    /// `Content-Length` of 36 for "Internal server error"; c for the timeout and the media type), a refusal without.
    fn built_in_body(self) -> String {
        let space = match self {
            Self::ApiConfigurationError
            | Self::Default5xx
            | Self::IntegrationFailure
            | Self::IntegrationTimeout
            | Self::UnsupportedMediaType => " ",
            Self::InvalidApiKey
            | Self::MissingAuthenticationToken
            | Self::QuotaExceeded
            | Self::RequestTooLarge
            | Self::Throttled => "",
        };
        format!("{{\"message\":{space}\"{}\"}}", self.message())
    }

    /// The header `x-amzn-ErrorType`, which a customized answer keeps (c).
    fn error_type(self) -> &'static str {
        match self {
            Self::ApiConfigurationError
            | Self::Default5xx
            | Self::IntegrationFailure
            | Self::IntegrationTimeout => "InternalServerErrorException",
            Self::InvalidApiKey => "ForbiddenException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::QuotaExceeded => "LimitExceededException",
            Self::RequestTooLarge => "RequestTooLargeException",
            Self::Throttled => "TooManyRequestsException",
            Self::UnsupportedMediaType => "BadRequestException",
        }
    }
}

/// Why the gateway answers by itself, and with which status unless the template has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: ResponseType,
    pub(super) status: u16,
}

impl Fault {
    /// With the status that is built in (b). A failure of the integration has its own: see [`super::Settings`].
    pub(super) fn of(kind: ResponseType) -> Self {
        let status = match kind {
            ResponseType::ApiConfigurationError
            | ResponseType::Default5xx
            | ResponseType::IntegrationFailure => 500,
            ResponseType::IntegrationTimeout => 504,
            ResponseType::InvalidApiKey | ResponseType::MissingAuthenticationToken => 403,
            ResponseType::QuotaExceeded | ResponseType::Throttled => 429,
            ResponseType::RequestTooLarge => 413,
            ResponseType::UnsupportedMediaType => 415,
        };
        Self { kind, status }
    }

    /// A function that failed, or that gave something other than a proxy's answer: 502 (a).
    pub(super) fn malformed() -> Self {
        Self {
            kind: ResponseType::Default5xx,
            status: 502,
        }
    }

    /// The values of its `$context.error.` variables.
    pub(super) fn value(self, variable: Variable) -> Option<Cow<'static, str>> {
        match variable {
            Variable::ErrorMessage => Some(Cow::Borrowed(self.kind.message())),
            Variable::ErrorMessageString => Some(Cow::Owned(format!("\"{}\"", self.kind.message()))),
            Variable::ErrorResponseType => Some(Cow::Borrowed(self.kind.name())),
            _ => None,
        }
    }
}

/// What the template says of the gateway's own answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Responses(BTreeMap<String, Custom>);

#[derive(Clone, Debug)]
struct Custom {
    status: Option<u16>,
    headers: Vec<(HeaderName, HeaderText)>,
    templates: BTreeMap<String, Template>,
}

impl Responses {
    /// Reads them.
    ///
    /// # Errors
    /// AWS knows no such type or status, a header is none, or a template has a variable that is not emulated.
    pub(super) fn new(responses: &BTreeMap<String, GatewayResponse>) -> Result<Self, GatewayError> {
        let mut read = BTreeMap::new();
        for (name, response) in responses {
            let place = format!("gateway response {name}");
            if !KNOWN.contains(&name.as_str()) {
                return Err(GatewayError::new(
                    place,
                    "API Gateway has no such type of response",
                    format!("use one of {}", KNOWN.join(", ")),
                ));
            }
            if name == "REQUEST_TOO_LARGE" {
                return Err(GatewayError::new(
                    place,
                    "API Gateway does not support customizing it",
                    "remove it: clients get the built-in answer",
                ));
            }
            if let Some(status) = response.status {
                status_code(status, &place)?;
            }
            let mut templates = BTreeMap::new();
            for (media, text) in &response.templates {
                let place = format!("{place}, template of {media}");
                header_value(media, &place)?;
                templates.insert(media.clone(), Template::parse(text, &place)?);
            }
            let custom = Custom {
                status: response.status,
                headers: header_texts(&response.headers, &place)?,
                templates,
            };
            read.insert(name.clone(), custom);
        }
        Ok(Self(read))
    }

    /// The answer: status, headers and body.
    pub(super) fn render(
        &self,
        fault: Fault,
        accept: Option<&str>,
        scope: &impl Scope,
    ) -> (StatusCode, HeaderMap, String) {
        let own = self.0.get(fault.kind.name());
        let fallback = if fault.status < 500 {
            "DEFAULT_4XX"
        } else {
            "DEFAULT_5XX"
        };
        let custom = own.or_else(|| self.0.get(fallback)).filter(|_| {
            // (b: "Customizing the default gateway response for 413 isn't currently supported")
            fault.kind != ResponseType::RequestTooLarge
        });
        let status = match custom.and_then(|custom| custom.status) {
            Some(status) => status,
            // The table's status counts as soon as the type is customized, not the 500 that clients get without:
            // https://repost.aws/questions/QUL-z6rJbmR4meafB7MzYXxw
            None if own.is_some() && fault.kind == ResponseType::IntegrationFailure => 504,
            None => fault.status,
        };
        let (media, body) = match custom.and_then(|custom| custom.template(accept)) {
            Some((media, template)) => (media, template.render(scope)),
            // `{"message":$context.error.messageString}` is the template of a type that was customized without one (a).
            None if custom.is_some() => (JSON, format!("{{\"message\":\"{}\"}}", fault.kind.message())),
            None => (JSON, fault.kind.built_in_body()),
        };
        let mut headers = HeaderMap::new();
        if let Ok(media) = HeaderValue::from_str(media) {
            headers.insert(header::CONTENT_TYPE, media);
        }
        let error_type = HeaderValue::from_static(fault.kind.error_type());
        headers.insert(HeaderName::from_static("x-amzn-errortype"), error_type);
        for (name, text) in custom.iter().flat_map(|custom| &custom.headers) {
            if let Some(value) = text.render(scope) {
                headers.insert(name.clone(), value);
            }
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, headers, body)
    }
}

impl Custom {
    /// The template of the first media type that is accepted, else that of JSON, else the first (c).
    fn template(&self, accept: Option<&str>) -> Option<(&str, &Template)> {
        chosen(&self.templates, accept)
    }
}

/// The template for what a request accepts.
pub(super) fn chosen<'a>(
    templates: &'a BTreeMap<String, Template>,
    accept: Option<&str>,
) -> Option<(&'a str, &'a Template)> {
    let accepted = accept.and_then(|accept| templates.get_key_value(first_type(accept)));
    accepted
        .or_else(|| templates.get_key_value("application/json"))
        .or_else(|| templates.first_key_value())
        .map(|(media, template)| (media.as_str(), template))
}

/// Reads the headers of an answer that stands at `place`.
pub(super) fn header_texts(
    headers: &BTreeMap<String, String>,
    place: &str,
) -> Result<Vec<(HeaderName, HeaderText)>, GatewayError> {
    headers
        .iter()
        .map(|(name, value)| {
            let text = HeaderText::parse(value, place, name)?;
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                GatewayError::new(
                    format!("{place}, header {name}"),
                    "no header may have this name",
                    "use letters, digits and -",
                )
            })?;
            Ok((header, text))
        })
        .collect()
}

/// A status that an answer can have.
pub(super) fn status_code(status: u16, place: &str) -> Result<StatusCode, GatewayError> {
    let code = StatusCode::from_u16(status).ok();
    code.filter(|_| (200..600).contains(&status)).ok_or_else(|| {
        GatewayError::new(
            place,
            format!("{status} is not the status of an answer"),
            "use one from 200 to 599",
        )
    })
}

fn header_value(text: &str, place: &str) -> Result<(), GatewayError> {
    match HeaderValue::from_str(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(GatewayError::new(
            place,
            "the media type has a character that no header may have",
            "use printable ASCII",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_type_that_is_accepted_chooses_the_template() {
        let templates: BTreeMap<String, Template> = ["application/a", "application/json", "text/html"]
            .into_iter()
            .map(|media| (media.to_owned(), Template::parse(media, "here").unwrap()))
            .collect();
        let media = |accept| chosen(&templates, accept).map(|(media, _)| media);
        assert_eq!(media(Some("text/html;q=0.5, application/a")), Some("text/html"));
        assert_eq!(media(Some("text/*, text/html")), Some("application/json"));
        assert_eq!(media(None), Some("application/json"));
        let only: BTreeMap<String, Template> = templates.into_iter().take(1).collect();
        assert_eq!(
            chosen(&only, Some("text/html")).map(|(media, _)| media),
            Some("application/a")
        );
        assert!(chosen(&BTreeMap::new(), None).is_none());
    }
}
