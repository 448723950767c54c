//! The value of each metric, by its prefix.

mod alarm;
mod api;
mod cache;
mod gzip;
mod lambda;
mod limit;
mod price;
mod retry;
mod statistics;
mod store;
mod update;
mod upstream;

use super::{
    evidence::Lens,
    metrics::{MetricDef, Stack},
};

/// The value of a metric through a lens, in the metric's unit; none without samples. `part` is what stands for
/// `<…>` in the metric's name.
pub(super) fn value(def: &MetricDef, part: &str, lens: &Lens<'_>) -> Option<f64> {
    if matches!(def.stack, Stack::Needs(_)) {
        return None;
    }
    let (family, name) = def.name.split_once('.')?;
    match family {
        "alarm" => alarm::value(name, part, lens),
        "api" => api::value(name, part, lens),
        "price" => price::value(name, lens),
        "cache" => cache::value(name, lens),
        "limit" => limit::value(name, lens),
        "upstream" => upstream::value(name, part, lens),
        "retry" => retry::value(name, lens),
        "gateway" => match name {
            _ if lens.recording().lambda.sum(0..0).is_none() => None,
            "refused" => Some(lens.tally.gateway_refused as f64),
            "failed" => Some(lens.tally.gateway_failed as f64),
            _ => None,
        },
        "gzip" => gzip::value(name, lens),
        "lambda" => lambda::value(name, lens),
        "update" => update::value(name, lens),
        "store" => store::value(name, lens),
        _ => None,
    }
}
