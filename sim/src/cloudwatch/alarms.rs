//! Alarms, evaluated as CloudWatch does.
//!
//! - When (b): an alarm with a period of a minute or longer is evaluated once a minute, over windows that end at that
//!   minute: one of five minutes looks at minutes 1 to 5, and a minute later at 2 to 6. (a): datapoints of such alarms were
//!   seen with starts such as 02:31, so they are not aligned to the period.
//! - With what delay: AWS was seen to evaluate 2 to 52 seconds after a period's end (a), of which the moment within the
//!   minute is the alarm's own and cannot be chosen. A metric that takes its time to arrive is looked at again in each
//!   evaluation that its period is part of (b). Here an alarm is evaluated at the whole minute, and what is put before that
//!   counts at once; where samples take long to get here, [`Alarms::settling`] waits for them.
//! - What (b): see [`Alarms::evaluate`].

use std::{collections::BTreeMap, fmt, time::Duration};

use thiserror::Error;

use super::{
    MINUTE_MS,
    math::{Expression, MathError, Series},
    metrics::{Metrics, Statistic, UnknownStatistic},
    reason::{Evidence, breaches},
};
use crate::template::model::{Alarm, MetricStat, Missing, Query};

/// The state of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Within the threshold.
    Ok,
    /// Beyond it.
    Alarm,
    /// It cannot be told, as of each alarm in the beginning (a: `Unchecked: Initial alarm creation`).
    InsufficientData,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        })
    }
}

/// An alarm has another state than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// Its place among those that [`Alarms::new`] was given.
    pub alarm: usize,
    /// Its logical id.
    pub id: String,
    /// When it was evaluated, Unix milliseconds.
    pub at_ms: i64,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// Why, in CloudWatch's words.
    pub reason: String,
}

/// An alarm that CloudWatch would refuse, or that is not emulated.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("alarm `{id}`: {problem}")]
pub struct AlarmError {
    /// Its logical id.
    pub id: String,
    /// Why.
    #[source]
    pub problem: Problem,
}

/// What is wrong with an alarm.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Problem {
    /// A period below a minute, or of no whole minutes.
    #[error(
        "a period of {0:?} is not emulated; use whole minutes (CloudWatch has 10, 20 and 30 s, too, for metrics of high \
         resolution)"
    )]
    Period(Duration),
    /// M and N do not fit.
    #[error(
        "{m} of {n} datapoints cannot be; EvaluationPeriods is at least 1, and DatapointsToAlarm from 1 to that"
    )]
    MOfN {
        /// `DatapointsToAlarm`.
        m: u32,
        /// `EvaluationPeriods`.
        n: u32,
    },
    /// It looks back further than a day.
    #[error(
        "{n} periods of {period:?} are more than a day; such alarms are evaluated hourly, which is not emulated"
    )]
    TooLong {
        /// `EvaluationPeriods`.
        n: u32,
        /// `Period`.
        period: Duration,
    },
    /// The threshold is no number.
    #[error("the threshold is {0}; use a finite number")]
    Threshold(f64),
    /// An unknown statistic.
    #[error(transparent)]
    Statistic(#[from] UnknownStatistic),
    /// The expression.
    #[error(transparent)]
    Math(#[from] MathError),
    /// The expression has another number of metrics than CloudWatch permits.
    #[error("{0} metrics in an expression; CloudWatch permits 1 to 10")]
    Metrics(usize),
    /// The metrics of the expression have different periods.
    #[error("its metrics have periods of {0:?} and {1:?}; all metrics of an expression have the same")]
    Periods(Duration, Duration),
}

/// How many periods CloudWatch looks at for an alarm that is to go by the last `evaluation_periods`: its evaluation range.
/// AWS documents 5 for 3, and that it depends on the period (b); two more for all is (c), and agrees with what users tell
/// of alarms of one period: that they go off after three without data.
#[must_use]
pub fn evaluation_range(evaluation_periods: u32) -> u32 {
    evaluation_periods.saturating_add(2)
}

/// The time that an alarm looks back on: its evaluation range.
#[must_use]
pub fn looks_back(alarm: &Alarm) -> Duration {
    let period = match &alarm.query {
        Query::Metric(stat) => stat.period,
        // They all have the same.
        Query::Expression { metrics, .. } => {
            metrics.values().map(|stat| stat.period).max().unwrap_or_default()
        }
    };
    period.saturating_mul(evaluation_range(alarm.evaluation_periods))
}

/// Alarms with their states.
#[derive(Clone, Debug)]
pub struct Alarms {
    watches: Vec<Watch>,
    settle_ms: i64,
    since_ms: i64,
}

#[derive(Clone, Debug)]
struct Watch {
    alarm: Alarm,
    /// None = its one metric itself.
    expression: Option<Expression>,
    period_ms: i64,
    /// What it looks back on.
    range_ms: i64,
    state: State,
}

impl Alarms {
    /// Alarms that have just been made.
    ///
    /// # Errors
    ///
    /// One of them is not emulated.
    pub fn new(alarms: &[Alarm]) -> Result<Self, AlarmError> {
        let watches = alarms.iter().map(|alarm| {
            Watch::new(alarm).map_err(|problem| AlarmError {
                id: alarm.id.clone(),
                problem,
            })
        });
        Ok(Self {
            watches: watches.collect::<Result<_, _>>()?,
            settle_ms: 0,
            since_ms: i64::MIN,
        })
    }

    /// Goes by a period only when it has been over for so long; 0 unless said (c).
    #[must_use]
    pub fn settling(mut self, settle: Duration) -> Self {
        self.settle_ms = i64::try_from(settle.as_millis()).unwrap_or(i64::MAX);
        self
    }

    /// Evaluates no alarm before all that it looks back on lies after an instant, Unix milliseconds: stands for a system
    /// that is in use already when the simulation starts, the time before which is no outage. CloudWatch has warm-up
    /// periods for that (b), and without one an alarm to which missing data is breaching goes off as soon as it is made (a).
    #[must_use]
    pub fn in_use_since(mut self, start_ms: i64) -> Self {
        self.since_ms = start_ms;
        self
    }

    /// The state of each alarm.
    pub fn states(&self) -> impl ExactSizeIterator<Item = State> + '_ {
        self.watches.iter().map(|watch| watch.state)
    }

    /// Evaluates all alarms, and tells whose state has changed, in their order. To be called at each whole minute; between
    /// those it goes by the minute before. To call it again changes nothing unless there are new samples.
    ///
    /// Of each alarm it fetches the periods of the evaluation range, of which some may have no datapoint (b):
    /// - With as many datapoints as `EvaluationPeriods` (N), or more, the newest N of them decide, however old: M of them
    ///   breaching is `ALARM`, fewer is `OK`, and how to treat missing data does not matter.
    /// - With fewer, all of them count, and what is missing up to N is breaching, or not breaching.
    /// - With fewer, and missing data `missing` or `ignore`: M of them breaching is `ALARM` (c); one that is not breaching
    ///   makes it `OK`; and when all are breaching, but fewer than M, it depends on how long ago the oldest was. At least M
    ///   periods, and the alarm goes off early ("premature"), unless missing data is ignored, when the state stays. Less
    ///   long ago is not enough data, as of no datapoint at all: `INSUFFICIENT_DATA`, or the state stays. (For the latter
    ///   today's page only says that the alarm "does not go immediately into ALARM"; the state is of its edition of 2019.)
    pub fn evaluate(&mut self, metrics: &Metrics, now_ms: i64) -> Vec<StateChange> {
        let end_ms = now_ms.saturating_sub(self.settle_ms).div_euclid(MINUTE_MS) * MINUTE_MS;
        let mut changes = Vec::new();
        for (index, watch) in self.watches.iter_mut().enumerate() {
            if end_ms.saturating_sub(watch.range_ms) < self.since_ms {
                continue;
            }
            let points = watch.points(metrics, end_ms);
            let Some((to, reason)) = decide(&watch.alarm, &points, watch.state) else {
                continue;
            };
            changes.push(StateChange {
                alarm: index,
                id: watch.alarm.id.clone(),
                at_ms: now_ms,
                from: watch.state,
                to,
                reason,
            });
            watch.state = to;
        }
        changes
    }
}

impl Watch {
    fn new(alarm: &Alarm) -> Result<Self, Problem> {
        let (n, m) = (alarm.evaluation_periods, alarm.datapoints_to_alarm);
        if m == 0 || m > n {
            return Err(Problem::MOfN { m, n });
        }
        if !alarm.threshold.is_finite() {
            return Err(Problem::Threshold(alarm.threshold));
        }
        let (expression, period) = match &alarm.query {
            Query::Metric(stat) => (None, checked(stat)?),
            Query::Expression { expression, metrics } => {
                if !(1..=10).contains(&metrics.len()) {
                    return Err(Problem::Metrics(metrics.len()));
                }
                let periods = metrics.values().map(checked).collect::<Result<Vec<_>, _>>()?;
                if let Some([a, b]) = periods.array_windows().find(|[a, b]| a != b) {
                    return Err(Problem::Periods(*a, *b));
                }
                let ids = metrics.keys().map(String::as_str);
                (Some(Expression::parse(expression, ids)?), periods[0])
            }
        };
        const DAY: Duration = Duration::from_secs(24 * 3600);
        if period.checked_mul(n).is_none_or(|all| all > DAY) {
            return Err(Problem::TooLong { n, period });
        }
        Ok(Self {
            alarm: alarm.clone(),
            expression,
            period_ms: i64::try_from(period.as_millis()).unwrap_or(i64::MAX),
            range_ms: i64::try_from(looks_back(alarm).as_millis()).unwrap_or(i64::MAX),
            state: State::InsufficientData,
        })
    }

    /// The periods of the evaluation range that ends at an instant, the newest first: start and datapoint.
    fn points(&self, metrics: &Metrics, end_ms: i64) -> Vec<(i64, Option<f64>)> {
        let periods = evaluation_range(self.alarm.evaluation_periods);
        let starts = (1..=i64::from(periods)).map(|back| end_ms.saturating_sub(back * self.period_ms));
        match (&self.alarm.query, &self.expression) {
            (Query::Expression { metrics: stats, .. }, Some(expression)) => {
                let starts: Vec<i64> = starts.rev().collect();
                let series = |stat: &MetricStat| -> Series {
                    starts
                        .iter()
                        .map(|start| metrics.statistic(stat, *start))
                        .collect()
                };
                let all: BTreeMap<&str, Series> = stats
                    .iter()
                    .map(|(id, stat)| (id.as_str(), series(stat)))
                    .collect();
                let values = expression.evaluate(&all, starts.len());
                starts.into_iter().zip(values).rev().collect()
            }
            (Query::Metric(stat), _) => starts
                .map(|start| (start, metrics.statistic(stat, start)))
                .collect(),
            // An alarm with an expression has it parsed.
            (Query::Expression { .. }, None) => starts.map(|start| (start, None)).collect(),
        }
    }
}

/// The period of a metric that can be looked at.
fn checked(stat: &MetricStat) -> Result<Duration, Problem> {
    stat.statistic.parse::<Statistic>()?;
    if stat.period < Duration::from_secs(60) || !stat.period.as_millis().is_multiple_of(60_000) {
        return Err(Problem::Period(stat.period));
    }
    Ok(stat.period)
}

/// The state that follows from the datapoints of the evaluation range, the newest first, and why; none = it stays.
fn decide(alarm: &Alarm, range: &[(i64, Option<f64>)], before: State) -> Option<(State, String)> {
    let (n, m) = (
        alarm.evaluation_periods as usize,
        alarm.datapoints_to_alarm as usize,
    );
    let existing = range
        .iter()
        .filter_map(|(start, value)| Some((*start, (*value)?)));
    let evaluated: Vec<(i64, f64)> = existing.take(n).collect();
    let breaching = evaluated
        .iter()
        .filter(|(_, value)| breaches(alarm, *value))
        .count();
    let missing = n - evaluated.len();
    let by_count = |breaching: usize| if breaching >= m { State::Alarm } else { State::Ok };
    let state = match alarm.missing {
        _ if missing == 0 => by_count(breaching),
        Missing::Breaching => by_count(breaching + missing),
        Missing::NotBreaching => by_count(breaching),
        Missing::Missing | Missing::Ignore if breaching >= m => State::Alarm,
        Missing::Missing | Missing::Ignore if breaching < evaluated.len() => State::Ok,
        Missing::Ignore => return None,
        Missing::Missing => {
            let age = range
                .iter()
                .rposition(|(_, value)| value.is_some())
                .map_or(0, |place| place + 1);
            if age >= m {
                State::Alarm
            } else {
                State::InsufficientData
            }
        }
    };
    if state == before {
        return None;
    }
    let evidence = Evidence {
        alarm,
        evaluated: &evaluated,
        missing,
        filled: matches!(alarm.missing, Missing::Breaching | Missing::NotBreaching),
    };
    Some((state, evidence.reason(state)))
}

#[cfg(test)]
mod tests;
