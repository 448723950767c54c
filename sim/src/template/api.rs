//! The REST API: what its `OpenAPI` document says, and what SAM and the stage put around it.
//!
//! Integrations, methods and their keys follow
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html> (b).

use std::{collections::BTreeMap, time::Duration};

use super::{
    deploy::Resolved,
    fields::Field,
    model::{
        ContentHandling, GatewayResponse, Integration, Method, Mock, MockResponse, Period, Quota, RestApi,
        StageThrottle, Throttle, UsagePlan,
    },
    resolve::arn,
    resources,
};

/// How long the gateway waits where nothing is said, ms (b).
const TIMEOUT_MS: u32 = 29_000;
/// The member of a method that says who answers.
const INTEGRATION: &str = "x-amazon-apigateway-integration";
/// The key of a path that stands for all methods without one of their own.
const ANY: &str = "x-amazon-apigateway-any-method";
/// The methods that a resource can have (b).
const METHODS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("head", "HEAD"),
    ("post", "POST"),
    ("put", "PUT"),
    ("patch", "PATCH"),
    ("delete", "DELETE"),
    ("options", "OPTIONS"),
    (ANY, "ANY"),
];
/// What stands before and after the ARN of a function in the URI that invokes it.
const URI: (&str, &str) = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/",
    "/invocations",
);

/// The API, if nothing in it is wrong that keeps one from being made of it.
pub(super) fn rest_api(field: &Field<'_>, id: &str, all: &Resolved<'_>) -> Option<RestApi> {
    if let Some(source) = field.get("ApiKeySourceType") {
        source.word(&[("HEADER", ())]);
    }
    endpoint(field);
    let stage = field.need("StageName").and_then(|stage| stage.text());
    let binary_media_types = binary(field);
    let minimum_compression_size = match field.get("MinimumCompressionSize") {
        None => None,
        Some(size) => Some(size.whole(0..=10_485_760)?),
    };
    let gateway_responses = gateway_responses(field);
    let body = field.need("DefinitionBody")?;
    let methods = methods(&body, all);
    let throttles = throttles(field, &methods);
    let usage_plans = match (all.identity(id), &stage) {
        (Some(api), Some(stage)) => all
            .of(&resources::USAGE_PLAN)
            .filter_map(|(id, field)| usage_plan(&field, id, (&api, stage)))
            .collect(),
        _ => Vec::new(),
    };
    // Where both are said, the property is taken for the name (c).
    let title = || body.get("info")?.get("title")?.text();
    let name = field.get("Name").map_or_else(title, |name| name.text());
    if name.is_none() && field.get("Name").is_none() {
        field.error("has no Name; add it");
    }
    Some(RestApi {
        name: name?,
        stage: stage?,
        binary_media_types,
        minimum_compression_size,
        methods,
        gateway_responses,
        stage_throttles: throttles,
        usage_plans,
    })
}

/// A regional endpoint: others stand behind AWS's CDN, which adds headers of its own, or answer only within a network.
fn endpoint(field: &Field<'_>) {
    let Some(endpoint) = field.get("EndpointConfiguration") else {
        // SAM leaves it out, and API Gateway takes EDGE (b).
        field.not_emulated(
            "without EndpointConfiguration: {Type: REGIONAL} the API stands behind CloudFront; add it",
        );
        return;
    };
    let kind = match endpoint.node.as_text() {
        Some(_) => Some(endpoint),
        None => {
            endpoint.only(&["Type"]);
            endpoint.need("Type")
        }
    };
    if let Some(kind) = kind {
        kind.word(&[("REGIONAL", ())]);
    }
}

/// AWS wants `/` written as `~1` (b).
fn binary(field: &Field<'_>) -> Vec<String> {
    let types = field.get("BinaryMediaTypes").map(|types| types.items());
    types
        .unwrap_or_default()
        .iter()
        .filter_map(|item| {
            let text = item.text()?;
            if !text.contains("~1") {
                item.error(format!(
                    "{text} has no ~1, as CloudFormation wants the slash written; write *~1* for */*"
                ));
            }
            Some(text.replace("~1", "/"))
        })
        .collect()
}

fn gateway_responses(field: &Field<'_>) -> BTreeMap<String, GatewayResponse> {
    let responses = field.get("GatewayResponses").map(|responses| responses.members());
    let mut all = BTreeMap::new();
    for (kind, response) in responses.unwrap_or_default() {
        response.only(&["StatusCode", "ResponseParameters", "ResponseTemplates"]);
        let parameters = response.get("ResponseParameters");
        if let Some(parameters) = &parameters {
            parameters.only(&["Headers"]);
        }
        let headers = parameters.and_then(|parameters| parameters.get("Headers"));
        let headers = headers.map(|headers| mapped(&headers)).unwrap_or_default();
        let templates = response.get("ResponseTemplates");
        let templates = templates.map(|templates| texts(&templates)).unwrap_or_default();
        // SAM takes any three digits (a); what API Gateway takes is a check of its own.
        let status = response
            .get("StatusCode")
            .and_then(|status| status.whole(0..=999));
        let response = GatewayResponse {
            status: status.and_then(|status| u16::try_from(status).ok()),
            headers,
            templates,
        };
        all.insert(kind.to_owned(), response);
    }
    all
}

/// Headers and what they are set to: text in quotes of its own, or a part of the context (b).
fn mapped(field: &Field<'_>) -> BTreeMap<String, String> {
    let members = field.members().into_iter();
    members
        .filter_map(|(name, value)| {
            let text = value.text()?;
            let is_quoted = text.len() > 1 && text.starts_with('\'') && text.ends_with('\'');
            if !is_quoted && !text.starts_with("context.") {
                value.error(format!(
                    "{text} is neither text in single quotes, such as \"'*'\", nor of the context, such as context.requestId"
                ));
            }
            Some((name.to_owned(), text))
        })
        .collect()
}

fn texts(field: &Field<'_>) -> BTreeMap<String, String> {
    let members = field.members().into_iter();
    members
        .filter_map(|(name, value)| Some((name.to_owned(), value.text()?)))
        .collect()
}

/// Path, method and the integration of each method, as far as they can be read.
fn operations<'a>(body: &Field<'a>) -> Vec<(&'a str, &'static str, Field<'a>)> {
    let paths = body.get("paths").map(|paths| paths.members()).unwrap_or_default();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (key, operation) in item.members() {
            if let Some((_, method)) = METHODS.iter().find(|(lower, _)| *lower == key) {
                operations.push((path, *method, operation));
            }
        }
    }
    operations
}

/// Path, method and URI of each method that has one, of an API's properties.
pub(super) fn integrations<'a>(api: &Field<'a>) -> Vec<(String, String, Field<'a>)> {
    let Some(body) = api.get("DefinitionBody") else {
        return Vec::new();
    };
    // Of a path that is none, its own error tells.
    let operations = operations(&body).into_iter();
    operations
        .filter(|(path, ..)| path.starts_with('/'))
        .filter_map(|(path, method, operation)| {
            let uri = operation.get(INTEGRATION)?.get("uri")?;
            Some((path.to_owned(), method.to_owned(), uri))
        })
        .collect()
}

/// The function that a URI invokes.
pub(super) fn function_of(uri: &str, all: &Resolved<'_>) -> Option<String> {
    let called = uri.strip_prefix(URI.0)?.strip_suffix(URI.1)?;
    let found = all.of(&resources::FUNCTION).find(|(id, _)| {
        let name = all.name(id);
        name.is_some_and(|name| arn("lambda", &format!("function:{name}")) == called)
    });
    found.map(|(id, _)| id.to_owned())
}

fn methods(body: &Field<'_>, all: &Resolved<'_>) -> Vec<Method> {
    document(body);
    let Some(paths) = body.need("paths") else {
        return Vec::new();
    };
    for (path, item) in paths.members() {
        if !path.starts_with('/') {
            item.error(format!("{path} is no path; it begins with a slash"));
        }
        for (key, member) in item.members() {
            let is_method = METHODS.iter().any(|(method, _)| *method == key);
            // Without a validator of requests, parameters are only told of.
            if !is_method && !["parameters", "summary", "description"].contains(&key) {
                member.not_emulated("methods are get, head, post, put, patch, delete, options and any");
            }
        }
    }
    let operations = operations(body).into_iter();
    operations
        .filter_map(|(path, method, operation)| {
            operation.only(&[
                "security",
                "responses",
                "parameters",
                "requestBody",
                "operationId",
                "summary",
                "description",
                "tags",
                INTEGRATION,
            ]);
            let api_key_required = security(&operation, body);
            let integration = integration(&operation, all);
            Some(Method {
                resource: path.to_owned(),
                http_method: method.to_owned(),
                api_key_required,
                integration: integration?,
            })
        })
        .collect()
}

/// Says what of the document's own members is not understood.
fn document(body: &Field<'_>) {
    for (key, member) in body.members() {
        match key {
            "openapi" => {
                if let Some(version) = member.text().filter(|version| !version.starts_with("3.0.")) {
                    member.not_emulated(&format!(
                        "{version} is no OpenAPI 3.0, the only one that API Gateway takes of 3"
                    ));
                }
            }
            "info" | "paths" | "tags" => {}
            "components" => member.only(&["securitySchemes", "schemas"]),
            "x-amazon-apigateway-gateway-responses" => {
                member.not_emulated("write them as GatewayResponses of the API")
            }
            "x-amazon-apigateway-binary-media-types" => {
                member.not_emulated("write them as BinaryMediaTypes of the API")
            }
            "x-amazon-apigateway-api-key-source" => {
                member.word(&[("HEADER", ())]);
            }
            _ => member.not_emulated("take it out, or write what it says at each method"),
        }
    }
    body.need("openapi");
}

/// Whether a method needs a key.
fn security(operation: &Field<'_>, body: &Field<'_>) -> bool {
    let Some(security) = operation.get("security") else {
        return false;
    };
    let items = security.items();
    let [only] = &items[..] else {
        if !items.is_empty() {
            security.not_emulated("a method has one scheme, or none");
        }
        return false;
    };
    let schemes = only.members();
    let [(name, _)] = &schemes[..] else {
        only.not_emulated("a method has one scheme, or none");
        return false;
    };
    let scheme = body
        .get("components")
        .and_then(|components| components.get("securitySchemes"))
        .and_then(|schemes| schemes.get(name));
    let Some(scheme) = scheme else {
        only.error(format!(
            "there is no scheme {name}; add it to components.securitySchemes"
        ));
        return false;
    };
    // Other names and places are authorizers' (b).
    scheme.only(&["type", "name", "in", "description"]);
    for (key, value) in [("type", "apiKey"), ("name", "x-api-key"), ("in", "header")] {
        if let Some(member) = scheme.need(key) {
            let text = member.text();
            if text.is_some_and(|text| !text.eq_ignore_ascii_case(value)) {
                member.not_emulated(&format!("of schemes, the API key is: {key}: {value}"));
            }
        }
    }
    true
}

fn integration(operation: &Field<'_>, all: &Resolved<'_>) -> Option<Integration> {
    let field = operation.need(INTEGRATION)?;
    let timeout = field.get("timeoutInMillis");
    let timeout = timeout.map_or(Some(TIMEOUT_MS), |timeout| timeout.whole(0..=u32::MAX));
    match field.need("type")?.text()?.as_str() {
        "aws_proxy" => {
            field.only(&[
                "type",
                "httpMethod",
                "uri",
                "timeoutInMillis",
                "passthroughBehavior",
                "responses",
            ]);
            if let Some(method) = field.need("httpMethod") {
                // Lambda is invoked by POST whatever the client's method is; another one is a 500 (b).
                method.word(&[("POST", ())]);
            }
            let uri = field.need("uri")?;
            let text = uri.text()?;
            let function = function_of(&text, all);
            if function.is_none() {
                uri.error(format!(
                    "{text} invokes no function of this template; write {}<ARN>{}",
                    URI.0, URI.1
                ));
            }
            Some(Integration::Lambda {
                function: function?,
                timeout: Duration::from_millis(u64::from(timeout?)),
            })
        }
        "mock" => mock(&field, operation).map(Integration::Mock),
        other => {
            field.not_emulated(&format!(
                "of integrations, aws_proxy and mock are, and {other} is not"
            ));
            None
        }
    }
}

fn handling(field: &Field<'_>) -> Option<ContentHandling> {
    const WORDS: [(&str, ContentHandling); 2] = [
        ("CONVERT_TO_TEXT", ContentHandling::ToText),
        ("CONVERT_TO_BINARY", ContentHandling::ToBinary),
    ];
    field.get("contentHandling")?.word(&WORDS)
}

fn mock(field: &Field<'_>, operation: &Field<'_>) -> Option<Mock> {
    const PASSTHROUGH: [(&str, &str); 3] = [
        ("never", "never"),
        ("when_no_match", "when_no_match"),
        ("when_no_templates", "when_no_templates"),
    ];
    field.only(&[
        "type",
        "contentHandling",
        "passthroughBehavior",
        "requestTemplates",
        "responses",
    ]);
    let passthrough = field.get("passthroughBehavior");
    // What API Gateway takes where nothing is said (b).
    let passthrough = passthrough.map_or(Some("when_no_match"), |passthrough| {
        passthrough.word(&PASSTHROUGH)
    });
    let templates = field.get("requestTemplates");
    let mut responses = BTreeMap::new();
    for (pattern, response) in field.need("responses")?.members() {
        if let Some(response) = mock_response(&response, operation) {
            responses.insert(pattern.to_owned(), response);
        }
    }
    Some(Mock {
        content_handling: handling(field),
        passthrough: passthrough?.to_owned(),
        request_templates: templates.map(|templates| texts(&templates)).unwrap_or_default(),
        responses,
    })
}

fn mock_response(field: &Field<'_>, operation: &Field<'_>) -> Option<MockResponse> {
    const HEADER: &str = "method.response.header.";
    field.only(&[
        "statusCode",
        "contentHandling",
        "responseParameters",
        "responseTemplates",
    ]);
    let status = field.need("statusCode")?;
    let number = status.whole(100..=599)?;
    // What is not declared cannot be set: the import fails (b).
    let declared = operation
        .get("responses")
        .and_then(|responses| responses.get(&number.to_string()));
    let Some(declared) = declared else {
        status.error(format!(
            "the method has no response {number}; add it to its `responses`"
        ));
        return None;
    };
    let declared: Vec<String> = declared
        .get("headers")
        .map(|headers| headers.members())
        .unwrap_or_default()
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let mut headers = BTreeMap::new();
    if let Some(parameters) = field.get("responseParameters") {
        let values = mapped(&parameters);
        for (key, member) in parameters.members() {
            let Some(name) = key.strip_prefix(HEADER) else {
                member.not_emulated(&format!("of a mock's parameters, {HEADER}… are"));
                continue;
            };
            let name = name.to_ascii_lowercase();
            if !declared.contains(&name) {
                member.error(format!(
                    "the method's response {number} declares no header {name}; add it"
                ));
            }
            if let Some(value) = values.get(key) {
                headers.insert(name, value.clone());
            }
        }
    }
    let templates = field.get("responseTemplates");
    Some(MockResponse {
        status: u16::try_from(number).ok()?,
        content_handling: handling(field),
        headers,
        templates: templates.map(|templates| texts(&templates)).unwrap_or_default(),
    })
}

/// The throttles among the settings of methods.
fn throttles(field: &Field<'_>, methods: &[Method]) -> Vec<StageThrottle> {
    let settings = field.get("MethodSettings").map(|settings| settings.items());
    let settings = settings.unwrap_or_default();
    settings
        .iter()
        .filter_map(|setting| throttle_of(setting, methods))
        .collect()
}

fn throttle_of(setting: &Field<'_>, methods: &[Method]) -> Option<StageThrottle> {
    // Logs, traces and the finer metrics are shown to nobody here.
    setting.only(&[
        "ResourcePath",
        "HttpMethod",
        "ThrottlingRateLimit",
        "ThrottlingBurstLimit",
        "MetricsEnabled",
        "DataTraceEnabled",
        "LoggingLevel",
    ]);
    let path = setting.need("ResourcePath")?;
    let method = setting.need("HttpMethod")?;
    let (text, verb) = (path.text()?, method.text()?);
    let resource = match (text.as_str(), verb.as_str()) {
        ("/*", "*") => "*".to_owned(),
        ("/*", _) | (_, "*") => {
            setting.not_emulated("either both are wildcards, /* and *, or neither is");
            return None;
        }
        // As in JSON pointers: the slash is written as ~1, behind a first one (b).
        (text, _) => match text.strip_prefix('/').map(|rest| rest.replace("~1", "/")) {
            Some(rest) if rest.is_empty() => "/".to_owned(),
            Some(rest) if rest.starts_with('/') => rest,
            _ => {
                path.error(format!(
                    "{text} is no resource; write / and the path with each slash as ~1, such as /~1health"
                ));
                return None;
            }
        },
    };
    let is_known = |known: &Method| known.resource == resource && known.http_method == verb;
    if resource != "*" && !methods.iter().any(is_known) {
        setting.error(format!("there is no {verb} {resource} in the API"));
    }
    let throttle = throttle(setting, "ThrottlingRateLimit", "ThrottlingBurstLimit")?;
    Some(StageThrottle {
        resource,
        http_method: verb,
        throttle,
    })
}

/// Rate and burst, of which one without the other leaves the account's in place.
fn throttle(field: &Field<'_>, rate: &str, burst: &str) -> Option<Throttle> {
    match (field.get(rate), field.get(burst)) {
        (None, None) => None,
        (Some(rate), Some(burst)) => Some(Throttle {
            rate: rate.number(0.0)?,
            burst: burst.whole(0..=u32::MAX)?,
        }),
        _ => {
            field.not_emulated(&format!("one of {rate} and {burst} without the other; say both"));
            None
        }
    }
}

/// A plan that is attached to the stage.
fn usage_plan(field: &Field<'_>, id: &str, (api, stage): (&str, &str)) -> Option<UsagePlan> {
    let mut is_attached = false;
    for item in field
        .get("ApiStages")
        .map(|stages| stages.items())
        .unwrap_or_default()
    {
        item.only(&["ApiId", "Stage"]);
        let (at_api, at_stage) = (item.need("ApiId")?.text()?, item.need("Stage")?.text()?);
        if at_api != api || at_stage != stage {
            item.error(format!(
                "there is no stage {at_stage} of an API {at_api}; write !Ref Api and !Ref Api.Stage"
            ));
        }
        is_attached |= at_api == api && at_stage == stage;
    }
    let throttle = field.get("Throttle").and_then(|limits| {
        limits.only(&["RateLimit", "BurstLimit"]);
        throttle(&limits, "RateLimit", "BurstLimit")
    });
    let quota = field.get("Quota").and_then(|limits| quota(&limits));
    let name = match field.get("UsagePlanName") {
        Some(name) => name.text()?,
        None => id.to_owned(),
    };
    is_attached.then_some(UsagePlan {
        name,
        throttle,
        quota,
    })
}

fn quota(field: &Field<'_>) -> Option<Quota> {
    const PERIODS: [(&str, Period); 3] = [
        ("DAY", Period::Day),
        ("WEEK", Period::Week),
        ("MONTH", Period::Month),
    ];
    field.only(&["Limit", "Period", "Offset"]);
    let limit = field.need("Limit")?.whole(0..=u32::MAX)?;
    let period = field.need("Period")?.word(&PERIODS)?;
    let offset = match field.get("Offset") {
        None => 0,
        // As Terraform's provider knows the bounds (c).
        Some(offset) => offset.whole(match period {
            Period::Day => 0..=0,
            Period::Week => 0..=6,
            Period::Month => 0..=27,
        })?,
    };
    Some(Quota {
        limit: u64::from(limit),
        period,
        offset: u64::from(offset),
    })
}
