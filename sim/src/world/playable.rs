//! What this world can play: a scenario that asks for more is refused, never played in part.

use scenarios::format::{
    Diagnostic, Diagnostics, FaultKind,
    diagnostics::nearest,
    fault::CoinGeckoFault,
    model::{Expect, Fault, Scenario},
};

use crate::judge::metrics;

/// What the fake CoinGecko plays so far, for messages.
const PLAYED_KINDS: &str = "played are the coingecko kinds status, rate_limit, latency and hang";

/// Metric families that need a part of the stack which is not there yet.
const NOT_MEASURED: [(&str, &str); 3] = [
    (
        "alarm.",
        "alarms need the emulated CloudWatch, which is not built yet",
    ),
    ("cost.", "costs need the price list, which is not built yet"),
    (
        "lambda.",
        "Lambda's metrics need --via lambda, which is not built yet",
    ),
];

/// Checks a scenario against what the real-time world plays and what the judge measures.
///
/// # Errors
/// Everything that cannot be honoured, each at its place.
pub fn check(scenario: &Scenario) -> Result<(), Diagnostics> {
    let faults = scenario
        .faults
        .iter()
        .filter_map(|fault| fault_problem(scenario, fault));
    let expects = scenario
        .expects
        .iter()
        .filter_map(|expect| expect_problem(scenario, expect));
    let problems: Vec<Diagnostic> = whole_seconds(scenario)
        .into_iter()
        .chain(faults)
        .chain(expects)
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Diagnostics(problems))
    }
}

fn fault_problem(scenario: &Scenario, fault: &Fault) -> Option<Diagnostic> {
    let played = matches!(
        fault.kind,
        FaultKind::CoinGecko(
            CoinGeckoFault::Status { .. }
                | CoinGeckoFault::RateLimit { .. }
                | CoinGeckoFault::Latency { .. }
                | CoinGeckoFault::Hang { .. }
        )
    );
    if played {
        return None;
    }
    let message = format!("this kind of {} fault is not played yet", fault.target());
    Some(scenario.error_at(&fault.kind_span, message, Some(PLAYED_KINDS.to_owned())))
}

fn expect_problem(scenario: &Scenario, expect: &Expect) -> Option<Diagnostic> {
    let (metric, limit) = (expect.check.metric.as_str(), expect.check.limit);
    if let Some((family, why)) = NOT_MEASURED.iter().find(|(family, _)| metric.starts_with(family)) {
        let message = format!("`{}*` is not measured on this stack", family);
        return Some(scenario.error_at(&expect.check.metric_span, message, Some((*why).to_owned())));
    }
    let Some(definition) = metrics::find(metric) else {
        let help = match nearest(metric, metrics::names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "the metrics are listed in README.md".to_owned(),
        };
        let message = format!("unknown metric `{metric}`");
        return Some(scenario.error_at(&expect.check.metric_span, message, Some(help)));
    };
    if definition.unit.accepts(limit) {
        return None;
    }
    let message = format!("`{metric}` cannot be compared with {}", limit.kind());
    let help = format!("its unit is {}", definition.unit);
    Some(scenario.error_at(&expect.check.limit_span, message, Some(help)))
}

/// The service takes these in whole seconds.
fn whole_seconds(scenario: &Scenario) -> Vec<Diagnostic> {
    let stack = &scenario.stack;
    let settings = [
        ("cache_ttl", stack.cache_ttl),
        ("price_retention", stack.price_retention),
        ("update_every", stack.update_every),
    ];
    settings
        .into_iter()
        .filter(|(_, duration)| duration.subsec_nanos() != 0 || duration.is_zero())
        .map(|(name, duration)| {
            let message = format!("stack.{name} is {duration:?}, but the service counts it in whole seconds");
            Diagnostic::error(
                message,
                Some("write a whole number of seconds, at least 1".to_owned()),
            )
        })
        .collect()
}
