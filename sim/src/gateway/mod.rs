//! API Gateway: a REST API at its stage, with Lambda proxy and mock integrations, made of what a template
//! deploys. Requests and answers are handed in and out, and so are the time and all ids, so that both clocks share it;
//! [`serve`] puts it on a port.
//!
//! Docstrings say how far a behaviour is known: (a) from an answer of AWS that somebody recorded, (b) from AWS's
//! documentation, (c) assumed. Recorded means, where nothing else is said, by the snapshots of `LocalStack`'s tests
//! (`tests/aws/services/apigateway` of localstack/localstack), which are taken from AWS itself.
//!
//! What an API uses and this does not do is a [`GatewayError`] at the start. Not there at all: authorizers, caches, stage
//! variables, request validation, custom domains, resource policies, WAF, canaries, response streaming.

pub mod desk;
mod error;
mod event;
mod limits;
mod media;
mod mock;
mod proxy;
mod responses;
mod route;
pub mod serve;
mod template;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;

pub use self::{
    error::GatewayError,
    limits::{ApiKey, Keys},
    responses::ResponseType,
};
use self::{
    event::{Event, Forwarded, Identity, RequestContext},
    limits::{Limits, Refusal},
    media::BinaryTypes,
    mock::{Asked, Mocked},
    responses::{Fault, Responses, status_code},
    route::{Found, Router, within_stage},
    template::{Scope, Variable},
};
use crate::template::model::{self, Integration, RestApi, Throttle};

/// How large a request's body may be, bytes (b: 10 MB; c: of 2^20 bytes).
pub const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// How long the values of all headers may be together, bytes (b).
pub const MAX_HEADER_BYTES: usize = 10_240;
/// How long the URL may be, characters (b).
pub const MAX_URL_BYTES: usize = 10_240;

/// What stands around an API.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The account.
    pub account_id: String,
    /// The API.
    pub api_id: String,
    /// The deployment that the stage shows.
    pub deployment_id: String,
    /// The host that clients ask on AWS.
    pub domain_name: String,
    /// The limit of all APIs of the account in the region.
    pub account_throttle: Throttle,
    /// The status of what Lambda does not take (throttled, or an error of its own) while the template has neither
    /// `INTEGRATION_FAILURE` nor a status for `DEFAULT_5XX`. 500 is what clients see; AWS's table says 504, and does so as
    /// soon as the template has `INTEGRATION_FAILURE` without a status (re:Post, not recorded).
    pub integration_failure_status: u16,
    /// When the run starts, Unix milliseconds: all buckets are full, and the first period of a quota is the one that this
    /// is in.
    pub started_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account_id: "123456789012".to_owned(),
            api_id: "a1b2c3d4e5".to_owned(),
            deployment_id: "d1e2p3".to_owned(),
            domain_name: "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com".to_owned(),
            // (b)
            account_throttle: Throttle {
                rate: 10_000.0,
                burst: 5_000,
            },
            integration_failure_status: 500,
            started_ms: 0,
        }
    }
}

/// What comes with a request from outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When, Unix milliseconds.
    pub now_ms: i64,
    /// Who asks.
    pub source_ip: String,
    /// A UUID: `x-amzn-RequestId` of the answer and `requestContext.requestId` of the event.
    pub request_id: String,
    /// Such as `JKJaXmPLvHcESHA=`: `x-amz-apigw-id` of the answer.
    pub extended_request_id: String,
    /// `Root=1-…` of X-Ray, for a request that brings none of its own.
    pub trace_id: String,
}

/// How a request goes on.
#[derive(Debug)]
pub enum Step {
    /// It is answered.
    Answer(Answer),
    /// A function is to be invoked; what comes of it goes to [`Gateway::finish`].
    Invoke(Box<Invocation>),
}

/// A function to be invoked.
#[derive(Debug)]
pub struct Invocation {
    /// Its logical id.
    pub function: String,
    /// The event, JSON. May be taken: it is not looked at again.
    pub payload: Vec<u8>,
    /// How long the gateway waits for it; then the outcome is [`Outcome::TimedOut`], while the function runs on.
    pub timeout: Duration,
    exchange: Exchange,
}

/// What came of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What the function gave.
    Payload(Bytes),
    /// What Lambda gave in its stead: it failed, crashed, ran out of time or gave more than 6 MB.
    FunctionError(Bytes),
    /// Lambda had no room for it (429).
    Throttled,
    /// The event is larger than Lambda takes (413).
    TooLarge,
    /// The gateway waited long enough.
    TimedOut,
    /// Lambda failed, or may not be asked (5xx or 403).
    Unavailable,
}

/// An answer, with what the metrics in `AWS/ApiGateway` need.
#[derive(Debug)]
pub struct Answer {
    /// What the client gets. An answer to HEAD has no body, and the `Content-Length` of what it would have been (c).
    pub response: Response<Bytes>,
    /// The resource that was asked for, such as `/prices/{symbol}`, if there is one.
    pub resource: Option<Arc<str>>,
    /// Who answered.
    pub by: Answerer,
    /// `Latency`: from the request to the answer, milliseconds.
    pub latency_ms: u64,
    /// `IntegrationLatency`: from the event to what came of it, milliseconds; none where nobody was asked.
    pub integration_latency_ms: Option<u64>,
}

impl Answer {
    /// Whether it counts in the API's metrics. What never gets to the API's stage does not (c).
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.by != Answerer::Edge
    }

    /// Whether it counts as `4XXError`, by the status that the client gets (c: as opposed to the one before a gateway
    /// response changes it).
    #[must_use]
    pub fn is_client_error(&self) -> bool {
        self.response.status().is_client_error()
    }

    /// Whether it counts as `5XXError`, likewise.
    #[must_use]
    pub fn is_server_error(&self) -> bool {
        self.response.status().is_server_error()
    }
}

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// The function.
    Integration,
    /// A mock integration.
    Mock,
    /// The gateway, with one of its own responses.
    Gateway(ResponseType),
    /// What stands before the stage: no such stage, or a head that is too large.
    Edge,
}

/// A REST API at its stage, with what was used of its limits.
#[derive(Clone, Debug)]
pub struct Gateway {
    settings: Settings,
    stage: String,
    binary: BinaryTypes,
    router: Router,
    methods: Vec<Compiled>,
    responses: Responses,
    limits: Limits,
}

/// A method, read.
#[derive(Clone, Debug)]
struct Compiled {
    resource: Arc<str>,
    resource_id: String,
    api_key_required: bool,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Lambda { function: String, timeout: Duration },
    Mock(Mocked),
}

/// A request on its way.
#[derive(Clone, Debug)]
struct Exchange {
    arrival: Arrival,
    /// Place of the method.
    method: Option<usize>,
    http_method: String,
    is_head: bool,
    /// With the stage.
    path: String,
    /// The first `Accept` header (b: the others do not count).
    accept: Option<String>,
    user_agent: Option<String>,
    trace_id: String,
    /// Value and id of the API key, where one is required.
    key: Option<(String, String)>,
}

impl Gateway {
    /// The gateway of an API, with all its limits unused.
    ///
    /// # Errors
    /// AWS would not take the API, or something of it is not emulated.
    pub fn new(api: &RestApi, keys: Keys, settings: Settings) -> Result<Self, GatewayError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if api.stage.is_empty() || !api.stage.chars().all(is_name) {
            return Err(GatewayError::new(
                format!("stage {}", api.stage),
                "no stage may have this name",
                "use letters, digits, - and _",
            ));
        }
        if api.minimum_compression_size.is_some() {
            return Err(GatewayError::new(
                format!("API {}", api.name),
                "compression by the gateway is not emulated",
                "remove MinimumCompressionSize and let the function compress",
            ));
        }
        status_code(
            settings.integration_failure_status,
            "settings, integration failure",
        )?;
        let mut router = Router::default();
        let mut methods = Vec::new();
        for (place, method) in api.methods.iter().enumerate() {
            router.add(&method.resource, &method.http_method, place)?;
            methods.push(Compiled::new(method)?);
        }
        let limits = Limits::new(api, keys, settings.account_throttle, settings.started_ms)?;
        Ok(Self {
            stage: api.stage.clone(),
            binary: BinaryTypes::new(&api.binary_media_types),
            router,
            methods,
            responses: Responses::new(&api.gateway_responses)?,
            limits,
            settings,
        })
    }

    /// The stage that paths begin with.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Takes a request, whose path begins with the stage, as on `execute-api` hosts.
    ///
    /// The order is: size of the head, stage, resource and method, size of the body, API key, quota and throttle of its
    /// usage plan, throttle of the stage's method, throttle of the account, integration (b for the throttles, c for the
    /// rest). A method that needs no key has no usage plan either (b).
    pub fn receive(&mut self, request: &Request<Bytes>, arrival: Arrival) -> Step {
        let now_ms = arrival.now_ms;
        let mut exchange = Exchange::new(request, arrival);
        match self.take(request, &mut exchange) {
            Ok(Next::Edge(status, body, is_json)) => {
                Step::Answer(self.edge(&exchange, status, body, is_json))
            }
            Ok(Next::Mocked(status, headers, body)) => {
                let body = Bytes::from(body);
                Step::Answer(self.seal(&exchange, Answerer::Mock, (status, headers, body), now_ms))
            }
            Ok(Next::Lambda {
                function,
                timeout,
                payload,
            }) => Step::Invoke(Box::new(Invocation {
                function,
                payload,
                timeout,
                exchange,
            })),
            Err(fault) => Step::Answer(self.refuse(&exchange, fault, now_ms)),
        }
    }

    /// The answer to a request whose function was invoked; `now_ms` is when its outcome came, Unix milliseconds.
    pub fn finish(&self, invocation: Invocation, outcome: Outcome, now_ms: i64) -> Answer {
        let exchange = invocation.exchange;
        let fault = match outcome {
            Outcome::Payload(payload) => {
                let accepts_binary = self.binary.include(exchange.accept.as_deref());
                match proxy::read(&payload, accepts_binary) {
                    Ok(parts) => return self.seal(&exchange, Answerer::Integration, parts, now_ms),
                    Err(fault) => fault,
                }
            }
            // (a), whatever it says.
            Outcome::FunctionError(_) => Fault::malformed(),
            // (b: as a limit of Lambda; c: how clients see it)
            Outcome::TooLarge => Fault::of(ResponseType::RequestTooLarge),
            Outcome::TimedOut => Fault::of(ResponseType::IntegrationTimeout),
            Outcome::Throttled | Outcome::Unavailable => Fault {
                kind: ResponseType::IntegrationFailure,
                status: self.settings.integration_failure_status,
            },
        };
        self.refuse(&exchange, fault, now_ms)
    }

    fn take(&mut self, request: &Request<Bytes>, exchange: &mut Exchange) -> Result<Next, Fault> {
        // The limits are (b); that clients get these statuses is told of in the field, the rest is (c).
        let header_bytes: usize = request.headers().values().map(HeaderValue::len).sum();
        if header_bytes > MAX_HEADER_BYTES {
            let text = format!("HTTP header is larger than {MAX_HEADER_BYTES} bytes.");
            return Ok(Next::Edge(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                text,
                false,
            ));
        }
        let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
        if url > MAX_URL_BYTES {
            let text = format!("URL is longer than {MAX_URL_BYTES} characters.");
            return Ok(Next::Edge(StatusCode::URI_TOO_LONG, text, false));
        }
        // (b: re:Post's "How do I troubleshoot HTTP 403 errors": a stage that is not there). No response of the API's can
        // change it (c).
        let Some(staged) = within_stage(request.uri().path(), &self.stage) else {
            let text = r#"{"message":"Forbidden"}"#.to_owned();
            return Ok(Next::Edge(StatusCode::FORBIDDEN, text, true));
        };
        exchange.path = staged.full;
        // (a)
        let found = self.router.find(&exchange.http_method, &staged.path);
        let found = found.ok_or(Fault::of(ResponseType::MissingAuthenticationToken))?;
        exchange.method = Some(found.method);
        if request.body().len() > MAX_BODY_BYTES {
            return Err(Fault::of(ResponseType::RequestTooLarge));
        }
        let now_ms = exchange.arrival.now_ms;
        let refused = |refusal| {
            Fault::of(match refusal {
                Refusal::Key => ResponseType::InvalidApiKey,
                Refusal::Quota => ResponseType::QuotaExceeded,
                Refusal::Throttle => ResponseType::Throttled,
            })
        };
        let method = self.methods.get(found.method);
        if method.is_some_and(|method| method.api_key_required) {
            let value = request
                .headers()
                .get("x-api-key")
                .and_then(|value| value.to_str().ok());
            let id = self
                .limits
                .admit_key(value, found.method, now_ms)
                .map_err(refused)?;
            exchange.key = value.map(|value| (value.to_owned(), id.to_owned()));
        }
        self.limits.admit(found.method, now_ms).map_err(refused)?;
        let method = self.methods.get(found.method);
        let method = method.ok_or(Fault::of(ResponseType::MissingAuthenticationToken))?;
        let content_type = text_of(request.headers(), &header::CONTENT_TYPE);
        match &method.action {
            Action::Lambda { function, timeout } => {
                let payload = self.event(request, exchange, method, &staged.path, &found, content_type);
                Ok(Next::Lambda {
                    function: function.clone(),
                    timeout: *timeout,
                    // A value without maps whose keys are no text cannot fail.
                    payload: payload.unwrap_or_default(),
                })
            }
            Action::Mock(mocked) => {
                let asked = Asked {
                    content_type,
                    accept: exchange.accept.as_deref(),
                    body: request.body(),
                };
                let scope = self.scope(exchange, None);
                let (status, headers, body) = mocked.answer(asked, &self.binary, &scope)?;
                Ok(Next::Mocked(status, headers, body))
            }
        }
    }

    fn event(
        &self,
        request: &Request<Bytes>,
        exchange: &Exchange,
        method: &Compiled,
        path: &str,
        found: &Found,
        content_type: Option<&str>,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let forwarded = Forwarded {
            source_ip: &exchange.arrival.source_ip,
            host: &self.settings.domain_name,
            trace_id: &exchange.trace_id,
        };
        let headers = event::headers(request.headers(), &forwarded);
        let query = event::query(request.uri().query().unwrap_or_default());
        let last_of_query = query
            .iter()
            .filter_map(|(name, values)| Some((name.as_str(), values.last()?.as_str())));
        let last_of_query: BTreeMap<&str, &str> = last_of_query.collect();
        let (body, is_base64_encoded) = event::body(request.body(), content_type, &self.binary);
        let key = exchange.key.as_ref();
        let settings = &self.settings;
        let event = Event {
            resource: &method.resource,
            path,
            http_method: &exchange.http_method,
            headers: event::last(&headers),
            multi_value_headers: headers,
            query_string_parameters: (!query.is_empty()).then_some(last_of_query),
            multi_value_query_string_parameters: (!query.is_empty()).then_some(&query),
            path_parameters: (!found.parameters.is_empty()).then_some(&found.parameters),
            stage_variables: (),
            request_context: RequestContext {
                account_id: &settings.account_id,
                api_id: &settings.api_id,
                deployment_id: &settings.deployment_id,
                domain_name: &settings.domain_name,
                domain_prefix: settings.domain_prefix(),
                extended_request_id: &exchange.arrival.extended_request_id,
                http_method: &exchange.http_method,
                identity: Identity {
                    access_key: (),
                    account_id: (),
                    api_key: key.map(|(value, _)| value.as_str()),
                    api_key_id: key.map(|(_, id)| id.as_str()),
                    caller: (),
                    cognito_authentication_provider: (),
                    cognito_authentication_type: (),
                    cognito_identity_id: (),
                    cognito_identity_pool_id: (),
                    principal_org_id: (),
                    source_ip: &exchange.arrival.source_ip,
                    user: (),
                    user_agent: exchange.user_agent.as_deref(),
                    user_arn: (),
                },
                path: &exchange.path,
                protocol: PROTOCOL,
                request_id: &exchange.arrival.request_id,
                request_time: request_time(exchange.arrival.now_ms),
                request_time_epoch: exchange.arrival.now_ms,
                resource_id: &method.resource_id,
                resource_path: &method.resource,
                stage: &self.stage,
            },
            body,
            is_base64_encoded,
        };
        serde_json::to_vec(&event)
    }

    fn scope<'a>(&'a self, exchange: &'a Exchange, fault: Option<Fault>) -> RequestScope<'a> {
        RequestScope {
            gateway: self,
            exchange,
            method: exchange.method.and_then(|method| self.methods.get(method)),
            fault,
        }
    }

    fn refuse(&self, exchange: &Exchange, fault: Fault, now_ms: i64) -> Answer {
        let scope = self.scope(exchange, Some(fault));
        let (status, headers, body) = self.responses.render(fault, exchange.accept.as_deref(), &scope);
        let parts = (status, headers, Bytes::from(body));
        self.seal(exchange, Answerer::Gateway(fault.kind), parts, now_ms)
    }

    fn edge(&self, exchange: &Exchange, status: StatusCode, body: String, is_json: bool) -> Answer {
        let mut headers = HeaderMap::new();
        let media = if is_json { "application/json" } else { "text/plain" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        if is_json {
            let error_type = HeaderValue::from_static("ForbiddenException");
            headers.insert(HeaderName::from_static("x-amzn-errortype"), error_type);
        }
        let now_ms = exchange.arrival.now_ms;
        self.seal(
            exchange,
            Answerer::Edge,
            (status, headers, Bytes::from(body)),
            now_ms,
        )
    }

    /// Adds what every answer has. The trace is in answers of functions only (a: not in those of mocks and the gateway).
    fn seal(
        &self,
        exchange: &Exchange,
        by: Answerer,
        (status, mut headers, body): (StatusCode, HeaderMap, Bytes),
        now_ms: i64,
    ) -> Answer {
        let arrival = &exchange.arrival;
        let mut add = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        add(header::DATE, &http_date(now_ms));
        add(HeaderName::from_static("x-amzn-requestid"), &arrival.request_id);
        add(
            HeaderName::from_static("x-amz-apigw-id"),
            &arrival.extended_request_id,
        );
        if by == Answerer::Integration {
            add(HeaderName::from_static("x-amzn-trace-id"), &exchange.trace_id);
        }
        // These two never have a body, nor say how long it is.
        let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if has_body {
            add(header::CONTENT_LENGTH, &body.len().to_string());
        }
        let is_empty = exchange.is_head || !has_body;
        let mut response = Response::new(if is_empty { Bytes::new() } else { body });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let latency_ms = now_ms.saturating_sub(arrival.now_ms).max(0).unsigned_abs();
        let method = exchange.method.and_then(|method| self.methods.get(method));
        let asked_somebody = match by {
            Answerer::Integration | Answerer::Mock => true,
            Answerer::Gateway(kind) => matches!(
                kind,
                ResponseType::Default5xx
                    | ResponseType::ApiConfigurationError
                    | ResponseType::IntegrationFailure
                    | ResponseType::IntegrationTimeout
            ),
            Answerer::Edge => false,
        };
        Answer {
            response,
            resource: method.map(|method| Arc::clone(&method.resource)),
            by,
            latency_ms,
            // The gateway itself takes no time here.
            integration_latency_ms: asked_somebody.then_some(latency_ms),
        }
    }
}

impl Settings {
    fn domain_prefix(&self) -> &str {
        self.domain_name.split('.').next().unwrap_or_default()
    }
}

/// What comes next for a request that was not refused.
enum Next {
    /// Status, body, and whether that is JSON.
    Edge(StatusCode, String, bool),
    Mocked(StatusCode, HeaderMap, String),
    Lambda {
        function: String,
        timeout: Duration,
        payload: Vec<u8>,
    },
}

impl Compiled {
    fn new(method: &model::Method) -> Result<Self, GatewayError> {
        let place = format!("{} {}", method.http_method, method.resource);
        let action = match &method.integration {
            Integration::Lambda { function, timeout } => {
                // (b; more than 29 s can be had for regional APIs)
                if *timeout < Duration::from_millis(50) {
                    return Err(GatewayError::new(
                        place,
                        format!("its integration may take {} ms", timeout.as_millis()),
                        "allow it 50 ms at least",
                    ));
                }
                Action::Lambda {
                    function: function.clone(),
                    timeout: *timeout,
                }
            }
            Integration::Mock(mock) => Action::Mock(Mocked::new(mock, &place)?),
        };
        Ok(Self {
            resource: Arc::from(method.resource.as_str()),
            resource_id: resource_id(&method.resource),
            api_key_required: method.api_key_required,
            action,
        })
    }
}

impl Exchange {
    fn new(request: &Request<Bytes>, arrival: Arrival) -> Self {
        let headers = request.headers();
        let text = |name: &HeaderName| text_of(headers, name).map(str::to_owned);
        // (b: "API Gateway overrides the method")
        let overridden = headers.get("x-http-method-override");
        let overridden = overridden.and_then(|value| value.to_str().ok());
        let trace = headers
            .get("x-amzn-trace-id")
            .and_then(|value| value.to_str().ok());
        // A trace that began elsewhere goes on (c).
        let trace = trace.filter(|trace| trace.contains("Root="));
        Self {
            method: None,
            http_method: overridden.unwrap_or(request.method().as_str()).to_owned(),
            is_head: request.method() == Method::HEAD,
            path: request.uri().path().to_owned(),
            accept: text(&header::ACCEPT),
            user_agent: text(&header::USER_AGENT),
            trace_id: trace.unwrap_or(&arrival.trace_id).to_owned(),
            key: None,
            arrival,
        }
    }
}

/// `requestContext.protocol`.
const PROTOCOL: &str = "HTTP/1.1";

/// The variables of one request.
struct RequestScope<'a> {
    gateway: &'a Gateway,
    exchange: &'a Exchange,
    method: Option<&'a Compiled>,
    fault: Option<Fault>,
}

impl Scope for RequestScope<'_> {
    fn value(&self, variable: Variable) -> Option<Cow<'_, str>> {
        let settings = &self.gateway.settings;
        let arrival = &self.exchange.arrival;
        let value: &str = match variable {
            Variable::AccountId => &settings.account_id,
            Variable::ApiId => &settings.api_id,
            Variable::ApiKeyId => &self.exchange.key.as_ref()?.1,
            Variable::DeploymentId => &settings.deployment_id,
            Variable::DomainName => &settings.domain_name,
            Variable::DomainPrefix => settings.domain_prefix(),
            Variable::ErrorMessage | Variable::ErrorMessageString | Variable::ErrorResponseType => {
                return self.fault?.value(variable);
            }
            Variable::ExtendedRequestId => &arrival.extended_request_id,
            Variable::HttpMethod => &self.exchange.http_method,
            Variable::Path => &self.exchange.path,
            Variable::Protocol => PROTOCOL,
            Variable::RequestId => &arrival.request_id,
            Variable::RequestTime => return Some(Cow::Owned(request_time(arrival.now_ms))),
            Variable::RequestTimeEpoch => return Some(Cow::Owned(arrival.now_ms.to_string())),
            Variable::ResourceId => &self.method?.resource_id,
            Variable::ResourcePath => &self.method?.resource,
            Variable::SourceIp => &arrival.source_ip,
            Variable::Stage => &self.gateway.stage,
            Variable::UserAgent => self.exchange.user_agent.as_deref()?,
        };
        Some(Cow::Borrowed(value))
    }
}

/// The first value of a header, if it is ASCII.
fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `09/Apr/2026:12:34:56 +0000`
fn request_time(now_ms: i64) -> String {
    at(now_ms).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// `Thu, 09 Apr 2026 12:34:56 GMT`
fn http_date(now_ms: i64) -> String {
    at(now_ms).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn at(now_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// An id of six letters and digits, as AWS gives resources: always the same for the same path (FNV-1a).
fn resource_id(path: &str) -> String {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let place = |at: u32| usize::try_from(hash / 36_u64.pow(at) % 36).unwrap_or_default();
    (0..6)
        .filter_map(|at| digits.get(place(at)).copied().map(char::from))
        .collect()
}
