//! Alarms.

use std::{collections::BTreeMap, time::Duration};

use super::{
    deploy::Resolved,
    fields::Field,
    model::{Alarm, Comparison, MetricStat, Missing, Query},
};

/// The statistics that have a name of their own.
const STATISTICS: [&str; 5] = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"];

/// The longest period, a day (b).
const MAX_PERIOD: u32 = 86_400;

/// An alarm, if nothing in it is wrong that keeps one from being made of it.
pub(super) fn alarm(field: &Field<'_>, id: &str, all: &Resolved<'_>) -> Option<Alarm> {
    const COMPARISONS: [(&str, Comparison); 4] = [
        ("GreaterThanThreshold", Comparison::Greater),
        ("GreaterThanOrEqualToThreshold", Comparison::GreaterOrEqual),
        ("LessThanThreshold", Comparison::Less),
        ("LessThanOrEqualToThreshold", Comparison::LessOrEqual),
    ];
    const MISSING: [(&str, Missing); 4] = [
        ("breaching", Missing::Breaching),
        ("notBreaching", Missing::NotBreaching),
        ("ignore", Missing::Ignore),
        ("missing", Missing::Missing),
    ];
    let comparison = field
        .need("ComparisonOperator")
        .and_then(|it| it.word(&COMPARISONS));
    let threshold = field.need("Threshold").and_then(|it| it.number(f64::MIN));
    let periods = field
        .need("EvaluationPeriods")
        .and_then(|it| it.whole(1..=MAX_PERIOD));
    let missing = field.get("TreatMissingData");
    let missing = missing.map_or(Some(Missing::Missing), |it| it.word(&MISSING));
    let query = query(field)?;
    let evaluation_periods = periods?;
    let datapoints_to_alarm = match field.get("DatapointsToAlarm") {
        None => evaluation_periods,
        Some(points) => points.whole(1..=evaluation_periods)?,
    };
    span(field, &query, evaluation_periods);
    Some(Alarm {
        id: id.to_owned(),
        name: all.name(id)?,
        query,
        comparison: comparison?,
        threshold: threshold?,
        evaluation_periods,
        datapoints_to_alarm,
        missing: missing?,
    })
}

/// An alarm looks back a day at most, or a week where its periods are an hour or more (b).
fn span(field: &Field<'_>, query: &Query, periods: u32) {
    let period = match query {
        Query::Metric(metric) => metric.period,
        Query::Expression { metrics, .. } => metrics
            .values()
            .map(|metric| metric.period)
            .max()
            .unwrap_or_default(),
    };
    let most = if period >= Duration::from_secs(3600) { 7 } else { 1 };
    if period * periods > Duration::from_secs(most * u64::from(MAX_PERIOD)) {
        field.error("its periods are more than CloudWatch looks back; have fewer, or shorter ones");
    }
}

fn query(field: &Field<'_>) -> Option<Query> {
    const OF_ONE: [&str; 6] = [
        "Namespace",
        "MetricName",
        "Dimensions",
        "Statistic",
        "ExtendedStatistic",
        "Period",
    ];
    let Some(metrics) = field.get("Metrics") else {
        let statistic = match (field.get("Statistic"), field.get("ExtendedStatistic")) {
            (Some(_), Some(extended)) => {
                extended.error("there is a Statistic already; take one of them out");
                return None;
            }
            (Some(statistic), None) => {
                let words = STATISTICS.map(|name| (name, name));
                statistic.word(&words)?.to_owned()
            }
            (None, Some(extended)) => percentile(&extended)?,
            (None, None) => return field.need("Statistic").and(None),
        };
        return metric(field, field, statistic).map(Query::Metric);
    };
    for key in OF_ONE {
        if let Some(other) = field.get(key) {
            other.error("AWS takes either it or Metrics; take one of them out");
        }
    }
    expression(&metrics)
}

/// The query of an alarm over several metrics: one expression over metrics, or one metric of them.
fn expression(field: &Field<'_>) -> Option<Query> {
    let mut metrics = BTreeMap::new();
    let mut returned = Vec::new();
    let mut expressions = Vec::new();
    for item in field.items() {
        let id = item.need("Id")?.text()?;
        let returns = item
            .get("ReturnData")
            .map_or(Some(true), |returns| returns.flag())?;
        if returns {
            returned.push(id.clone());
        }
        match (item.get("Expression"), item.get("MetricStat")) {
            (Some(expression), None) => {
                item.only(&["Id", "Label", "Expression", "ReturnData"]);
                expressions.push((id, expression.text()?, expression));
            }
            (None, Some(stat)) => {
                item.only(&["Id", "Label", "MetricStat", "ReturnData"]);
                stat.only(&["Metric", "Period", "Stat"]);
                let statistic = stat.need("Stat")?;
                let name = statistic.text()?;
                let name = if STATISTICS.contains(&name.as_str()) {
                    name
                } else {
                    percentile(&statistic)?
                };
                let of = stat.need("Metric")?;
                of.only(&["Namespace", "MetricName", "Dimensions"]);
                if metrics.insert(id.clone(), metric(&of, &stat, name)?).is_some() {
                    item.error(format!("the id {id} was there before; give it another"));
                }
            }
            _ => {
                item.error("wants either Expression or MetricStat");
                return None;
            }
        }
    }
    let [returned] = &returned[..] else {
        field.error(format!(
            "one of them has to have ReturnData: true, and {} have",
            returned.len()
        ));
        return None;
    };
    if let Some(metric) = metrics.remove(returned) {
        return Some(Query::Metric(metric));
    }
    if let [_, second, ..] = &expressions[..] {
        second
            .2
            .not_emulated("an alarm has one expression, over metrics only");
        return None;
    }
    let (_, expression, at) = expressions.into_iter().next()?;
    for id in ids(&expression) {
        if !metrics.contains_key(id) {
            at.error(format!("{id} is the id of no metric here; add it to Metrics"));
        }
    }
    Some(Query::Expression { expression, metrics })
}

/// The ids in an expression: they begin with a small letter (b), and functions are written in capitals.
fn ids(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
}

/// `p50` to `p100`, with decimals.
fn percentile(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let number = text
        .strip_prefix('p')
        .and_then(|number| number.parse::<f64>().ok());
    if number.is_some_and(|number| (0.0..=100.0).contains(&number)) {
        return Some(text);
    }
    field.not_emulated(&format!(
        "{text} is neither {} nor a percentile such as p99",
        STATISTICS.join(", ")
    ));
    None
}

/// A statistic of the metric that one map names, over the period that another has.
fn metric(of: &Field<'_>, over: &Field<'_>, statistic: String) -> Option<MetricStat> {
    let period = over.need("Period")?;
    let seconds = period.whole(10..=MAX_PERIOD)?;
    if ![10, 20, 30].contains(&seconds) && seconds % 60 != 0 {
        period.error(format!(
            "{seconds} is no period that CloudWatch has; it is 10, 20, 30 or a multiple of 60"
        ));
    }
    let dimensions = of.get("Dimensions").map(|dimensions| dimensions.items());
    let dimensions: Option<BTreeMap<String, String>> = dimensions
        .unwrap_or_default()
        .iter()
        .map(|dimension| {
            dimension.only(&["Name", "Value"]);
            Some((dimension.need("Name")?.text()?, dimension.need("Value")?.text()?))
        })
        .collect();
    Some(MetricStat {
        namespace: of.need("Namespace")?.text()?,
        name: of.need("MetricName")?.text()?,
        dimensions: dimensions?,
        statistic,
        period: Duration::from_secs(u64::from(seconds)),
    })
}
