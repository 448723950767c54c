//! What an expectation says: `metric op quantity`, `during` and `where`.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::diagnostics::Span;
use super::model::Scenario;
use super::quantity::Quantity;

/// A parsed check. Which metrics exist is the judge's to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// As written.
    pub text: String,
    /// The metric's name, such as `api.age.max`.
    pub metric: String,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub limit: Quantity,
    /// Where the metric's name stands.
    pub metric_span: Span,
    /// Where the limit stands.
    pub limit_span: Span,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `<=`
    Le,
    /// `<`
    Lt,
    /// `>=`
    Ge,
    /// `>`
    Gt,
    /// `==`
    Eq,
    /// `!=`
    Ne,
}

impl Op {
    /// As in a check.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Le => "<=",
            Self::Lt => "<",
            Self::Ge => ">=",
            Self::Gt => ">",
            Self::Eq => "==",
            Self::Ne => "!=",
        }
    }

    /// Whether `actual op limit` holds.
    pub fn holds(self, actual: f64, limit: f64) -> bool {
        match self {
            Self::Le => actual <= limit,
            Self::Lt => actual < limit,
            Self::Ge => actual >= limit,
            Self::Gt => actual > limit,
            #[expect(
                clippy::float_cmp,
                reason = "`==` in a check means exactly that; it is used with counts"
            )]
            Self::Eq => actual == limit,
            #[expect(
                clippy::float_cmp,
                reason = "`!=` in a check means exactly that; it is used with counts"
            )]
            Self::Ne => actual != limit,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When an expectation is judged. Indices are into the scenario's faults and loads.
#[derive(Clone, Debug, PartialEq)]
pub enum During {
    /// While this fault lasts.
    Fault(usize),
    /// While this load plays.
    Load(usize),
    /// From one moment to another.
    Span(Moment, Moment),
}

/// A moment of a scenario.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Counted from.
    pub anchor: Anchor,
    /// Added to it, or taken from it when `earlier`.
    pub offset: Duration,
    /// Whether the offset goes back in time.
    pub earlier: bool,
}

/// What a moment is counted from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    /// The scenario's start.
    Start,
    /// The scenario's end.
    End,
    /// The beginning of a fault.
    FaultStart(usize),
    /// The end of a fault.
    FaultEnd(usize),
    /// The beginning of a load.
    LoadStart(usize),
    /// The end of a load.
    LoadEnd(usize),
}

impl During {
    /// Wall time since the start.
    pub(super) fn window(&self, scenario: &Scenario) -> Range<Duration> {
        match self {
            Self::Fault(index) => clip(scenario.faults[*index].span_in_time(), scenario.duration),
            Self::Load(index) => clip(scenario.loads[*index].span_in_time(), scenario.duration),
            Self::Span(from, to) => clip(from.resolve(scenario)..to.resolve(scenario), scenario.duration),
        }
    }
}

fn clip(range: Range<Duration>, end: Duration) -> Range<Duration> {
    range.start.min(end)..range.end.min(end)
}

impl Moment {
    /// Wall time since the start; before it = the start.
    fn resolve(self, scenario: &Scenario) -> Duration {
        let anchor = match self.anchor {
            Anchor::Start => Duration::ZERO,
            Anchor::End => scenario.duration,
            Anchor::FaultStart(index) => scenario.faults[index].span_in_time().start,
            Anchor::FaultEnd(index) => scenario.faults[index].span_in_time().end,
            Anchor::LoadStart(index) => scenario.loads[index].span_in_time().start,
            Anchor::LoadEnd(index) => scenario.loads[index].span_in_time().end,
        };
        if self.earlier {
            anchor.saturating_sub(self.offset)
        } else {
            anchor.saturating_add(self.offset)
        }
    }
}

/// Which requests an expectation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// Those of this journey, by index.
    Journey(usize),
    /// Those of this load, by index.
    Load(usize),
    /// Those of this route: `/prices`, `/prices/{symbol}`, `/health` or `other`.
    Route(String),
}

/// The routes that a `where` may name.
pub const ROUTES: [&str; 4] = ["/prices", "/prices/{symbol}", "/health", "other"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_compare() {
        assert!(
            Op::Le.holds(1.0, 1.0)
                && !Op::Lt.holds(1.0, 1.0)
                && Op::Ne.holds(1.0, 2.0)
                && Op::Ge.holds(2.0, 1.0)
        );
    }
}
