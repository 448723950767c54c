//! The alarms of prod.

use std::{collections::BTreeMap, time::Duration};

use super::Checks;
use crate::template::model::{Alarm, Comparison, MetricStat, Missing, Query};

impl Checks<'_> {
    pub(super) fn alarms(&mut self) {
        let is_prod = self.deployment.environment == "prod";
        if !is_prod {
            for alarm in &self.deployment.alarms {
                let problem = "only prod has alarms; say Condition: IsProd";
                self.add("alarms", &["Resources", &alarm.id], problem);
            }
        }
        for (id, wanted) in ALARMS.iter().filter(|_| is_prod) {
            let place = ["Resources", id];
            match self.deployment.alarms.iter().find(|alarm| alarm.id == *id) {
                None => self.add(
                    "alarms",
                    &place,
                    format!("not there in prod; it is {}", wanted.about),
                ),
                Some(alarm) if !wanted.is(alarm) => {
                    self.add("alarms", &place, format!("is another than {}", wanted.about));
                }
                Some(_) => {}
            }
        }
        for alarm in &self.deployment.alarms {
            for metric in metrics(&alarm.query) {
                if let Err(problem) = self.is_of_something(metric) {
                    self.add(
                        "alarm-dimensions",
                        &["Resources", &alarm.id, "Properties"],
                        problem,
                    );
                }
            }
        }
    }

    /// Whether a metric of AWS's or the service's own is one that something here writes.
    fn is_of_something(&self, metric: &MetricStat) -> Result<(), String> {
        let api = &self.deployment.api;
        let environment = &self.deployment.environment;
        let pairs = |of: &[(&str, &str)]| -> BTreeMap<String, String> {
            of.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let has_metric = match metric.namespace.as_str() {
            "AWS/Lambda" => {
                let names = self.deployment.functions.values().map(|function| &function.name);
                let mut names = names.map(|name| pairs(&[("FunctionName", name)]));
                names.any(|dimensions| dimensions == metric.dimensions)
            }
            "AWS/ApiGateway" => metric.dimensions == pairs(&[("ApiName", &api.name), ("Stage", &api.stage)]),
            "CryptoWatch" => ["api", "update"].iter().any(|service| {
                metric.dimensions == pairs(&[("Service", service), ("Environment", environment)])
            }),
            _ => false,
        };
        if has_metric {
            return Ok(());
        }
        Err(format!(
            "nobody writes {}/{} of {:?}",
            metric.namespace, metric.name, metric.dimensions
        ))
    }
}

fn metrics(query: &Query) -> Vec<&MetricStat> {
    match query {
        Query::Metric(metric) => vec![metric],
        Query::Expression { metrics, .. } => metrics.values().collect(),
    }
}

/// An alarm as prod has it.
struct Wanted {
    about: &'static str,
    namespace: &'static str,
    metric: &'static str,
    statistic: &'static str,
    /// Whether it is the sum over both functions.
    is_of_both: bool,
    period_seconds: u64,
    threshold: f64,
    evaluation_periods: u32,
    datapoints_to_alarm: u32,
    missing: Missing,
}

/// The alarms of prod, by logical id.
const ALARMS: [(&str, Wanted); 4] = [
    (
        "LambdaErrors",
        Wanted {
            about: "more than 5 errors of both functions in a minute",
            namespace: "AWS/Lambda",
            metric: "Errors",
            statistic: "Sum",
            is_of_both: true,
            period_seconds: 60,
            threshold: 5.0,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            missing: Missing::NotBreaching,
        },
    ),
    (
        "LambdaThrottles",
        Wanted {
            about: "more than 10 throttles of both functions in a minute",
            namespace: "AWS/Lambda",
            metric: "Throttles",
            statistic: "Sum",
            is_of_both: true,
            period_seconds: 60,
            threshold: 10.0,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            missing: Missing::NotBreaching,
        },
    ),
    (
        "ApiServerErrors",
        Wanted {
            about: "more than a tenth of the answers of five minutes 5xx",
            namespace: "AWS/ApiGateway",
            metric: "5XXError",
            statistic: "Average",
            is_of_both: false,
            period_seconds: 300,
            threshold: 0.1,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            missing: Missing::NotBreaching,
        },
    ),
    (
        "PricesStale",
        Wanted {
            about: "prices older than 900 s, or none, in two of three minutes",
            namespace: "CryptoWatch",
            metric: "OldestPriceAgeSeconds",
            statistic: "Maximum",
            is_of_both: false,
            period_seconds: 60,
            threshold: 900.0,
            evaluation_periods: 3,
            datapoints_to_alarm: 2,
            missing: Missing::Breaching,
        },
    ),
];

impl Wanted {
    fn is(&self, alarm: &Alarm) -> bool {
        let of = metrics(&alarm.query);
        let is_metric = |metric: &&MetricStat| {
            metric.namespace == self.namespace
                && metric.name == self.metric
                && metric.statistic == self.statistic
                && metric.period == Duration::from_secs(self.period_seconds)
        };
        let is_whole = match &alarm.query {
            Query::Metric(_) => !self.is_of_both,
            Query::Expression { expression, metrics } => {
                // `FILL`, since a function that nobody invokes has no metric, and no sum has a part that is missing.
                let wanted: Vec<String> = metrics.keys().map(|id| format!("FILL({id},0)")).collect();
                let compact: String = expression.split_whitespace().collect();
                let mut parts: Vec<&str> = compact.split('+').collect();
                parts.sort_unstable();
                self.is_of_both && metrics.len() == 2 && parts == wanted
            }
        };
        is_whole
            && of.iter().all(is_metric)
            && alarm.comparison == Comparison::Greater
            && alarm.threshold.to_bits() == self.threshold.to_bits()
            && alarm.evaluation_periods == self.evaluation_periods
            && alarm.datapoints_to_alarm == self.datapoints_to_alarm
            && alarm.missing == self.missing
    }
}
