//! The gateway's answers, methods and limits.

use std::{collections::BTreeMap, time::Duration};

use super::{Checks, functions::IGNORE_STAGE};
use crate::template::{
    model::{ContentHandling, GatewayResponse, Integration, Method, Mock, StageThrottle},
    resources,
};

/// All types of gateway responses (b: <https://docs.aws.amazon.com/apigateway/latest/api/API_GatewayResponse.html>).
const RESPONSE_TYPES: [&str; 21] = [
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "RESOURCE_NOT_FOUND",
    "UNAUTHORIZED",
    "INVALID_API_KEY",
    "ACCESS_DENIED",
    "AUTHORIZER_FAILURE",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "INVALID_SIGNATURE",
    "EXPIRED_TOKEN",
    "MISSING_AUTHENTICATION_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "API_CONFIGURATION_ERROR",
    "UNSUPPORTED_MEDIA_TYPE",
    "BAD_REQUEST_PARAMETERS",
    "BAD_REQUEST_BODY",
    "REQUEST_TOO_LARGE",
    "THROTTLED",
    "QUOTA_EXCEEDED",
    "WAF_FILTERED",
];

/// The answers that the service words itself elsewhere, with their status there.
const REFUSALS: [(&str, u16); 6] = [
    ("INVALID_API_KEY", 401),
    ("THROTTLED", 429),
    ("QUOTA_EXCEEDED", 429),
    ("MISSING_AUTHENTICATION_TOKEN", 404),
    ("INTEGRATION_FAILURE", 503),
    ("INTEGRATION_TIMEOUT", 504),
];

/// What stands for all other answers, so that each can be read.
const DEFAULTS: [&str; 2] = ["DEFAULT_4XX", "DEFAULT_5XX"];

impl Checks<'_> {
    pub(super) fn gateway_responses(&mut self) {
        for (kind, response) in &self.deployment.api.gateway_responses {
            let place = ["GatewayResponses", kind.as_str()];
            if !RESPONSE_TYPES.contains(&kind.as_str()) {
                let problem = format!("no type of API Gateway's; it has {}", RESPONSE_TYPES.join(", "));
                self.api_finding("gateway-response-type", &place, problem);
            }
            if let Some(status) = response.status.filter(|status| !(100..=599).contains(status)) {
                let place = [place[0], place[1], "StatusCode"];
                let problem = format!("{status} is no status; API Gateway takes 100 to 599");
                self.api_finding("gateway-response-status", &place, problem);
            }
            if header(response, "Access-Control-Allow-Origin") != Some("'*'") {
                let problem =
                    "a browser hides it from pages; set the header Access-Control-Allow-Origin to \"'*'\"";
                self.api_finding("cors-headers", &place, problem);
            }
            if let Err(problem) = is_problem(response) {
                self.api_finding("problem-json", &place, problem);
            }
        }
    }

    pub(super) fn refusals(&mut self) {
        for (kind, status) in REFUSALS {
            let place = ["GatewayResponses", kind];
            match self.deployment.api.gateway_responses.get(kind) {
                None => {
                    let problem =
                        format!("not there: AWS would word it itself; add it with StatusCode {status}");
                    self.api_finding("problem-json", &place, problem);
                }
                Some(response) if response.status != Some(status) => {
                    let place = [place[0], place[1], "StatusCode"];
                    let problem = format!("clients know it as {status}; say StatusCode: {status}");
                    self.api_finding("gateway-response-status", &place, problem);
                }
                Some(_) => {}
            }
        }
        for kind in DEFAULTS {
            match self.deployment.api.gateway_responses.get(kind) {
                None => {
                    let problem = "not there: pages cannot read the answers that it stands for; add it with CORS headers";
                    self.api_finding("cors-headers", &["GatewayResponses", kind], problem);
                }
                Some(response) if response.status.is_some() => {
                    let problem = "gives one status to all that it stands for; take StatusCode out";
                    self.api_finding("gateway-response-status", &["GatewayResponses", kind], problem);
                }
                Some(_) => {}
            }
        }
    }

    pub(super) fn methods(&mut self) {
        let is_binary = !self.deployment.api.binary_media_types.is_empty();
        for method in &self.deployment.api.methods {
            let key = method.http_method.to_ascii_lowercase();
            let place = ["DefinitionBody", "paths", &method.resource, &key];
            let is_preflight = method.http_method == "OPTIONS";
            let is_free = is_preflight || method.resource == "/health";
            if method.api_key_required == is_free {
                let problem = match is_free {
                    true => "browsers and probes send no key; take `security` out",
                    false => "anyone may call it; add `security: [{api_key: []}]`",
                };
                self.api_finding("api-key-required", &place, problem);
            }
            match &method.integration {
                Integration::Lambda { function, timeout } => self.integration(&place, function, *timeout),
                Integration::Mock(mock) if is_binary && !converts(mock) => {
                    let problem = "behind binary media types its template is not applied and it answers 500; say \
                                   contentHandling: CONVERT_TO_TEXT, for the request and for each response";
                    self.api_finding("mock-converts-to-text", &place, problem);
                }
                Integration::Mock(_) => {}
            }
        }
    }

    fn integration(&mut self, place: &[&str], id: &str, timeout: Duration) {
        let range = Duration::from_millis(50)..=Duration::from_secs(29);
        if !range.contains(&timeout) {
            let problem =
                format!("the gateway waits {timeout:?}, and AWS takes 50 ms to 29 s; say timeoutInMillis");
            self.api_finding("integration-timeout", place, problem);
        }
        let Some(function) = self.deployment.functions.get(id) else {
            return;
        };
        if function.timeout >= timeout {
            let problem = format!(
                "{:?}, but the gateway waits {timeout:?} only: clients get a 504 while it works on; have less",
                function.timeout
            );
            self.property("function-timeout", id, "Timeout", problem);
        }
        if !function.environment.contains_key(IGNORE_STAGE) {
            let problem = format!(
                "without {IGNORE_STAGE} the stage is put before each path, and each is a 404; add it"
            );
            self.property("stage-path-variable", id, "Environment", problem);
        }
        let compresses = function
            .environment
            .get("COMPRESSION")
            .is_some_and(|on| on == "on");
        let decodes = self
            .deployment
            .api
            .binary_media_types
            .iter()
            .any(|kind| kind == "*/*");
        if compresses && !decodes {
            let problem = format!(
                "{id} compresses, and clients would get the base64 of it: add *~1*, or take COMPRESSION out of {id}"
            );
            self.api_finding("compressed-bodies", &["BinaryMediaTypes"], problem);
        }
    }

    pub(super) fn preflights(&mut self) {
        const NEEDED: [(&str, &str); 3] = [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET"),
            ("access-control-allow-headers", "X-API-Key"),
        ];
        let mut by_path: BTreeMap<&str, Option<&Mock>> = BTreeMap::new();
        for method in &self.deployment.api.methods {
            let path = by_path.entry(&method.resource).or_default();
            if let Method {
                integration: Integration::Mock(mock),
                ..
            } = method
                && method.http_method == "OPTIONS"
            {
                *path = Some(mock);
            }
        }
        for (path, mock) in by_path {
            let place = ["DefinitionBody", "paths", path, "options"];
            let response = mock.and_then(|mock| mock.responses.get("default"));
            let Some(response) = response else {
                let problem = "no mock that answers preflights, so that pages cannot call it; add one";
                self.api_finding("cors-preflight", &place, problem);
                continue;
            };
            for (name, value) in NEEDED {
                if !response.headers.get(name).is_some_and(|all| all.contains(value)) {
                    let problem =
                        format!("{name} does not say {value}, so that pages cannot call it; add it");
                    self.api_finding("cors-preflight", &place, problem);
                }
            }
        }
    }

    pub(super) fn limits(&mut self) {
        let api = &self.deployment.api;
        let wanted =
            "attach one with Throttle and Quota to the stage: without, no key is valid, or none has a limit";
        if !api
            .usage_plans
            .iter()
            .any(|plan| plan.throttle.is_some() && plan.quota.is_some())
        {
            let id = self
                .resolved
                .of(&resources::USAGE_PLAN)
                .next()
                .map(|(id, _)| id.to_owned());
            match id {
                Some(id) => self.add(
                    "usage-plan",
                    &["Resources", &id],
                    format!("no full usage plan; {wanted}"),
                ),
                None => self.add("usage-plan", &["Resources"], format!("no usage plan; {wanted}")),
            }
        }
        let is_throttled = |throttle: &StageThrottle| {
            throttle.resource == "*" && throttle.http_method == "*" && throttle.throttle.burst > 0
        };
        if !api.stage_throttles.iter().any(is_throttled) {
            let problem = "no throttle for all methods: requests beyond the functions' concurrency are a 503; add /* and *";
            self.api_finding("stage-throttle", &["MethodSettings"], problem);
        }
    }
}

/// A header's value; names of headers are the same in any case.
fn header<'a>(response: &'a GatewayResponse, name: &str) -> Option<&'a str> {
    let found = response
        .headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Whether a response is a problem document (RFC 9457), with the status of the response if it names one.
fn is_problem(response: &GatewayResponse) -> Result<(), String> {
    if header(response, "Content-Type") != Some("'application/problem+json'") {
        return Err(
            "its Content-Type is not application/problem+json, as all of the service's are; set it"
                .to_owned(),
        );
    }
    let Some(template) = response.templates.get("application/json") else {
        return Err("has no template for application/json, so that AWS words it; add one".to_owned());
    };
    // `messageString` brings its own quotes (b).
    let filled = template
        .replace("$context.error.messageString", "\"message\"")
        .replace("$context.requestId", "id");
    let document: serde_json::Value =
        serde_json::from_str(&filled).map_err(|error| format!("its template gives no JSON: {error}"))?;
    for member in ["type", "title", "detail", "code", "requestId"] {
        if !document.get(member).is_some_and(serde_json::Value::is_string) {
            return Err(format!(
                "its template has no {member}, as all of the service's problems have; add it"
            ));
        }
    }
    let status = document.get("status").and_then(serde_json::Value::as_u64);
    if status != response.status.map(u64::from) {
        return Err("its template's status is not its StatusCode; say the same in both".to_owned());
    }
    Ok(())
}

/// Whether a mock can read its request and be read where all media types are binary.
fn converts(mock: &Mock) -> bool {
    let to_text = |handling: Option<ContentHandling>| handling == Some(ContentHandling::ToText);
    to_text(mock.content_handling)
        && mock
            .responses
            .values()
            .all(|response| to_text(response.content_handling))
}
