//! Metrics: what was put, by the minute, and statistics over periods of it.
//!
//! Kept is what somebody asked to keep, since all that is ever read is what alarms look at: the rest is counted and let
//! go. Of a metric there is one small sum a minute, so memory grows with metrics and minutes in use, not with samples.
//!
//! The minute is how CloudWatch stores metrics of standard resolution (b). A period may start at any minute: an alarm with
//! a period of five minutes looks each minute at the five before it (b: see [`super::alarms`]), so periods cannot be
//! summed up in advance.

use std::{
    collections::{BTreeMap, VecDeque},
    str::FromStr,
    time::Duration,
};

use thiserror::Error;

use super::{
    MINUTE_MS, alarms,
    emf::{self, Document},
};
use crate::template::model::{Alarm, MetricStat, Query};

/// Minutes that are kept besides those that alarms look at: a document may be dated so far ahead of the others.
const AHEAD_MINUTES: i64 = emf::MOST_FUTURE_MS / MINUTE_MS;

/// A statistic that CloudWatch does not have, or that is not emulated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no statistic that is emulated: use Sum, Average, Minimum, Maximum, SampleCount or a percentile from p0 to \
     p100 such as p99.9"
)]
pub struct UnknownStatistic(pub String);

/// What is computed from the samples of a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// Of all values.
    Sum,
    /// Sum through count.
    Average,
    /// The smallest value.
    Minimum,
    /// The largest value.
    Maximum,
    /// How many values.
    SampleCount,
    /// The value below which so many percent are, 0 to 100. CloudWatch does not document how it finds it (c): here the
    /// value of nearest rank in a histogram of buckets 2 % wide, so within 1 % of the sample itself, and never outside
    /// of the period's minimum and maximum. As in CloudWatch (b) there is none when a value is negative.
    Percentile(f64),
}

impl FromStr for Statistic {
    type Err = UnknownStatistic;

    fn from_str(text: &str) -> Result<Self, UnknownStatistic> {
        match text {
            "Sum" => Ok(Self::Sum),
            "Average" => Ok(Self::Average),
            "Minimum" => Ok(Self::Minimum),
            "Maximum" => Ok(Self::Maximum),
            "SampleCount" => Ok(Self::SampleCount),
            _ => text
                .strip_prefix('p')
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
                .and_then(|digits| digits.parse().ok())
                .filter(|percent| (0.0..=100.0).contains(percent))
                .map(Self::Percentile)
                .ok_or_else(|| UnknownStatistic(text.to_owned())),
        }
    }
}

/// A metric that is kept: what [`Metrics::find`] found, for those who put often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricId(usize);

/// What became of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Kept.
    pub kept: u64,
    /// Of metrics that nobody asked to keep.
    pub not_asked_for: u64,
    /// Of minutes that no alarm can look at any more.
    pub too_old: u64,
    /// Infinite or no number, which CloudWatch refuses (b).
    pub not_finite: u64,
}

/// The metrics that are kept.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// By namespace; there are so few that going through them is the fastest way to find one.
    namespaces: Vec<(String, Vec<Named>)>,
    series: Vec<Series>,
    counts: Counts,
}

#[derive(Clone, Debug)]
struct Named {
    name: String,
    dimensions: BTreeMap<String, String>,
    id: MetricId,
}

impl Named {
    fn has<K: AsRef<str>, V: AsRef<str>>(&self, dimensions: &[(K, V)]) -> bool {
        let has = |(name, value): &(K, V)| {
            let own = self.dimensions.get(name.as_ref());
            own.is_some_and(|own| own == value.as_ref())
        };
        self.dimensions.len() == dimensions.len() && dimensions.iter().all(has)
    }
}

impl Metrics {
    /// Keeps nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps what alarms look at, for as long as they look back.
    ///
    /// # Errors
    ///
    /// A statistic is unknown.
    pub fn for_alarms(alarms: &[Alarm]) -> Result<Self, UnknownStatistic> {
        let mut metrics = Self::new();
        for alarm in alarms {
            let periods = alarms::evaluation_range(alarm.evaluation_periods);
            match &alarm.query {
                Query::Metric(stat) => {
                    metrics.keep(stat, periods)?;
                }
                Query::Expression { metrics: stats, .. } => {
                    for stat in stats.values() {
                        metrics.keep(stat, periods)?;
                    }
                }
            }
        }
        Ok(metrics)
    }

    /// Keeps a metric from now on, so that a statistic can be had of the last so many periods.
    ///
    /// # Errors
    ///
    /// The statistic is unknown.
    pub fn keep(&mut self, stat: &MetricStat, periods: u32) -> Result<MetricId, UnknownStatistic> {
        let statistic: Statistic = stat.statistic.parse()?;
        let id = match self.find_stat(stat) {
            Some(id) => id,
            None => self.add(stat),
        };
        let series = &mut self.series[id.0];
        series.minutes_back = series.minutes_back.max(minutes(stat.period) * i64::from(periods));
        series.with_histogram |= matches!(statistic, Statistic::Percentile(_));
        Ok(id)
    }

    fn add(&mut self, stat: &MetricStat) -> MetricId {
        let id = MetricId(self.series.len());
        self.series.push(Series::default());
        let named = Named {
            name: stat.name.clone(),
            dimensions: stat.dimensions.clone(),
            id,
        };
        match self
            .namespaces
            .iter_mut()
            .find(|(name, _)| *name == stat.namespace)
        {
            Some((_, all)) => all.push(named),
            None => self.namespaces.push((stat.namespace.clone(), vec![named])),
        }
        id
    }

    /// The metric of a name, when it is kept. Dimensions are name and value, in any order; all of a metric's and no others,
    /// since each set of dimensions is a metric of its own (b).
    #[must_use]
    pub fn find(&self, namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Option<MetricId> {
        let of_namespace = self.of_namespace(namespace).iter();
        let mut found = of_namespace.filter(|kept| kept.name == name && kept.has(dimensions));
        found.next().map(|kept| kept.id)
    }

    fn find_stat(&self, stat: &MetricStat) -> Option<MetricId> {
        let of_namespace = self.of_namespace(&stat.namespace).iter();
        let mut found =
            of_namespace.filter(|kept| kept.name == stat.name && kept.dimensions == stat.dimensions);
        found.next().map(|kept| kept.id)
    }

    fn of_namespace(&self, namespace: &str) -> &[Named] {
        let mut all = self.namespaces.iter();
        all.find(|(name, _)| name == namespace)
            .map_or(&[], |(_, kept)| kept)
    }

    /// Puts a sample of `at_ms`, Unix milliseconds. It belongs to that minute, however late it is put (b).
    pub fn put(&mut self, namespace: &str, name: &str, dimensions: &[(&str, &str)], at_ms: i64, value: f64) {
        let id = self.find(namespace, name, dimensions);
        self.put_to(id, at_ms, value);
    }

    /// Puts a sample of a metric that was found before; none = it is not kept.
    pub fn put_to(&mut self, id: Option<MetricId>, at_ms: i64, value: f64) {
        let counted = match id {
            _ if !value.is_finite() => &mut self.counts.not_finite,
            None => &mut self.counts.not_asked_for,
            Some(MetricId(id)) => {
                if self.series[id].put(at_ms.div_euclid(MINUTE_MS), value) {
                    &mut self.counts.kept
                } else {
                    &mut self.counts.too_old
                }
            }
        };
        *counted += 1;
    }

    /// Puts all of a document: each metric once for each of its sets of dimensions (b).
    pub fn put_document(&mut self, document: &Document<'_>) {
        for directive in &document.directives {
            let namespace = self
                .namespaces
                .iter()
                .position(|(name, _)| *name == directive.namespace);
            for metric in &directive.metrics {
                for set in &directive.dimensions {
                    let id = namespace.and_then(|place| {
                        let mut kept = self.namespaces[place].1.iter();
                        kept.find(|kept| kept.name == metric.name && kept.has(set))
                            .map(|kept| kept.id)
                    });
                    for value in metric.values.as_slice() {
                        self.put_to(id, document.timestamp_ms, *value);
                    }
                }
            }
        }
    }

    /// A statistic of the period that starts at an instant, Unix milliseconds of a whole minute. None when there is no
    /// sample in it (`SampleCount`, too: CloudWatch has no datapoint then (b)), or when the metric or the statistic is not
    /// kept.
    #[must_use]
    pub fn statistic(&self, stat: &MetricStat, period_start_ms: i64) -> Option<f64> {
        let statistic: Statistic = stat.statistic.parse().ok()?;
        let MetricId(id) = self.find_stat(stat)?;
        let first = period_start_ms.div_euclid(MINUTE_MS);
        self.series[id].statistic(statistic, first, first.saturating_add(minutes(stat.period)))
    }

    /// What became of all samples so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

/// Whole minutes of a period, at least one.
fn minutes(period: Duration) -> i64 {
    i64::try_from(period.as_secs() / 60).unwrap_or(i64::MAX).max(1)
}

/// The minutes of a metric.
#[derive(Clone, Debug, Default)]
struct Series {
    /// Of those that have samples, in order of time.
    minutes: VecDeque<Minute>,
    minutes_back: i64,
    with_histogram: bool,
}

#[derive(Clone, Debug)]
struct Minute {
    /// Since 1970.
    number: i64,
    summary: Summary,
    histogram: Option<Box<Histogram>>,
}

impl Series {
    /// Whether the minute is young enough.
    fn put(&mut self, number: i64, value: f64) -> bool {
        let place = match self.minutes.back() {
            // Nearly every sample is of the minute that is under way.
            Some(last) if last.number == number => self.minutes.len() - 1,
            Some(last) if last.number > number => {
                if number < self.oldest(last.number) {
                    return false;
                }
                match self.minutes.binary_search_by_key(&number, |minute| minute.number) {
                    Ok(place) => place,
                    Err(place) => {
                        self.minutes.insert(place, self.minute(number));
                        place
                    }
                }
            }
            _ => {
                self.minutes.push_back(self.minute(number));
                let oldest = self.oldest(number);
                while self.minutes.front().is_some_and(|minute| minute.number < oldest) {
                    self.minutes.pop_front();
                }
                self.minutes.len() - 1
            }
        };
        let minute = &mut self.minutes[place];
        minute.summary.add(value);
        if let Some(histogram) = &mut minute.histogram {
            histogram.add(value);
        }
        true
    }

    fn minute(&self, number: i64) -> Minute {
        Minute {
            number,
            summary: Summary::default(),
            histogram: self.with_histogram.then(Box::default),
        }
    }

    /// The oldest minute that is kept when there is a sample of `newest`.
    fn oldest(&self, newest: i64) -> i64 {
        newest.saturating_sub(self.minutes_back.saturating_add(AHEAD_MINUTES))
    }

    /// Of the minutes from `first` up to and without `end`.
    fn statistic(&self, statistic: Statistic, first: i64, end: i64) -> Option<f64> {
        let start = self.minutes.partition_point(|minute| minute.number < first);
        let period = self
            .minutes
            .range(start..)
            .take_while(|minute| minute.number < end);
        let mut all = Summary::default();
        for minute in period.clone() {
            all.merge(&minute.summary);
        }
        if all.count == 0 {
            return None;
        }
        let count = all.count as f64;
        match statistic {
            Statistic::Sum => Some(all.sum),
            Statistic::Average => Some(all.sum / count),
            Statistic::Minimum => Some(all.least),
            Statistic::Maximum => Some(all.most),
            Statistic::SampleCount => Some(count),
            Statistic::Percentile(_) if all.least < 0.0 => None,
            Statistic::Percentile(percent) => {
                let mut histogram = Histogram::default();
                for minute in period {
                    histogram.merge(minute.histogram.as_deref()?);
                }
                let rank = ((percent / 100.0 * count).ceil() as u64).clamp(1, all.count);
                // The ends are known exactly.
                if rank == 1 {
                    return Some(all.least);
                }
                if rank == all.count {
                    return Some(all.most);
                }
                Some(histogram.value_of(rank)?.clamp(all.least, all.most))
            }
        }
    }
}

/// What a statistic set of CloudWatch has.
#[derive(Clone, Copy, Debug)]
struct Summary {
    sum: f64,
    least: f64,
    most: f64,
    count: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            sum: 0.0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            count: 0,
        }
    }
}

impl Summary {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        self.count += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.count += other.count;
    }
}

/// How many values lie in each bucket. A bucket ends 2 % above the one before it, so that a few hundred of them hold
/// whatever a metric may be.
#[derive(Clone, Debug, Default)]
struct Histogram(BTreeMap<i32, u64>);

impl Histogram {
    const WIDTH: f64 = 1.02;
    /// The bucket of zero (and of what is negative, of which there are no percentiles).
    const ZERO: i32 = i32::MIN;

    fn add(&mut self, value: f64) {
        let bucket = if value > 0.0 {
            (value.ln() / Self::WIDTH.ln()).ceil() as i32
        } else {
            Self::ZERO
        };
        *self.0.entry(bucket).or_default() += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }

    /// The value of a rank, 1 = the smallest: the one from which both ends of its bucket are equally far.
    fn value_of(&self, rank: u64) -> Option<f64> {
        let mut seen = 0;
        for (bucket, count) in &self.0 {
            seen += count;
            if seen >= rank {
                return Some(match *bucket {
                    Self::ZERO => 0.0,
                    bucket => 2.0 * Self::WIDTH.powi(bucket) / (Self::WIDTH + 1.0),
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
