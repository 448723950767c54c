//! What no linter of templates finds: each check has a name, so that a test can say which one noticed a change.
//!
//! Some hold for any template (a gateway response of a type that AWS does not know), others are this product's promises
//! (names, limits, alarms of each environment).

mod alarms;
mod functions;
mod gateway;
mod naming;

use std::fmt;

use super::{
    Parameters, Position, Template,
    deploy::Resolved,
    fields::Report,
    model::Deployment,
    resources,
    yaml::{Node, Value},
};

/// Something that a check noticed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The template's path, as it was handed in.
    pub file: String,
    /// Where in it, or the nearest place that there is.
    pub at: Position,
    /// The name of the check.
    pub check: &'static str,
    /// The path from the root of the template.
    pub place: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            at,
            check,
            place,
            problem,
        } = self;
        write!(f, "{file}:{at}: {place}: {problem} [{check}]")
    }
}

/// The name of each check and what it holds.
pub const CHECKS: &[(&str, &str)] = &[
    (
        "gateway-response-type",
        "gateway responses are of types that API Gateway knows",
    ),
    (
        "gateway-response-status",
        "a gateway response's status is 100 to 599, and that of refusals is the service's",
    ),
    (
        "integration-timeout",
        "the gateway waits 50 ms to 29 s for a function",
    ),
    (
        "function-timeout",
        "a function behind the API ends before the gateway stops waiting",
    ),
    ("function-size", "25 s and 60 s, 512 MB"),
    (
        "stage-path-variable",
        "functions behind the API do not put the stage before paths",
    ),
    (
        "compressed-bodies",
        "a function that compresses stands behind binary media types",
    ),
    (
        "mock-converts-to-text",
        "a mock behind binary media types converts what it reads and says to text",
    ),
    (
        "cors-headers",
        "every answer of the gateway's own can be read by a page",
    ),
    ("cors-preflight", "every path answers preflights without a key"),
    (
        "problem-json",
        "refusals are problem documents whose status is the answer's",
    ),
    (
        "api-key-required",
        "every method but those of /health and preflights needs a key",
    ),
    ("usage-plan", "keys belong to a plan with a rate and a quota"),
    (
        "stage-throttle",
        "the stage has a rate and a burst for all methods",
    ),
    (
        "log-retention",
        "lines are kept for 30, 60 and 90 days, in groups of the template",
    ),
    (
        "log-lines",
        "lines are JSON, and metrics among them are not dropped",
    ),
    ("alarms", "prod has its four alarms, and the others have none"),
    (
        "alarm-dimensions",
        "an alarm looks at a function or an API that there is",
    ),
    ("names", "names are crypto-watch-*-{environment}"),
    ("tags", "what can be tagged has Application and Environment"),
    ("table-schema", "the table is PK/SK with GSI1 and ttl, on demand"),
    (
        "architecture",
        "all packages are of the architecture that the parameter says",
    ),
    (
        "service-variables",
        "functions have the variables that the service reads, and no others",
    ),
    (
        "reserved-concurrency",
        "one update runs at a time, and the API is not bounded by less than its stage",
    ),
    (
        "retry-policy",
        "a late update is worth nothing: one retry, 240 s, and few deliveries",
    ),
    ("update-schedule", "the updater is invoked every five minutes"),
    ("built-once", "packages are those of dist, and not built again"),
    ("unused-parameter", "every parameter does something"),
];

/// What the product promises of a deployment, and what AWS would only say when it is too late.
///
/// The deployment is the template's with these parameters. The findings are in the order of the text.
#[must_use]
pub fn check(deployment: &Deployment, template: &Template, parameters: &Parameters) -> Vec<Finding> {
    let report = Report::new(template.path());
    let checks = Checks {
        deployment,
        template,
        resolved: &Resolved::new(&template.root, parameters, &report),
        findings: Vec::new(),
    };
    let mut findings = checks.run();
    findings.sort();
    findings.dedup();
    findings
}

struct Checks<'a> {
    deployment: &'a Deployment,
    template: &'a Template,
    resolved: &'a Resolved<'a>,
    findings: Vec<Finding>,
}

impl Checks<'_> {
    fn run(mut self) -> Vec<Finding> {
        self.gateway_responses();
        self.refusals();
        self.methods();
        self.preflights();
        self.limits();
        for (id, function) in &self.deployment.functions {
            self.function(id, function);
        }
        self.updater();
        self.log_groups();
        self.alarms();
        self.names();
        self.tags();
        self.table();
        self.parameters();
        self.findings
    }

    fn add(&mut self, check: &'static str, place: &[&str], problem: impl Into<String>) {
        debug_assert!(
            CHECKS.iter().any(|(name, _)| *name == check),
            "{check} is in the table"
        );
        self.findings.push(Finding {
            file: self.template.path().to_owned(),
            at: self.template.position(place),
            check,
            place: place.join("."),
            problem: problem.into(),
        });
    }

    /// The logical id of the API.
    fn api_id(&self) -> String {
        let mut of = self.resolved.of(&resources::API);
        of.next().map(|(id, _)| id.to_owned()).unwrap_or_default()
    }

    fn api_finding(&mut self, check: &'static str, below: &[&str], problem: impl Into<String>) {
        let id = self.api_id();
        let place = [&["Resources", id.as_str(), "Properties"], below].concat();
        self.add(check, &place, problem);
    }

    fn property(&mut self, check: &'static str, id: &str, property: &str, problem: impl Into<String>) {
        self.add(check, &["Resources", id, "Properties", property], problem);
    }
}

fn value_text(value: &Value) -> Option<String> {
    Node {
        at: Position::default(),
        value: value.clone(),
    }
    .as_text()
}
