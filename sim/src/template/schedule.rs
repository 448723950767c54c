//! When EventBridge fires a rule: `rate(…)` and `cron(…)`, in UTC.
//!
//! What they mean is (b) documented, in
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>; what is (c) assumed is said
//! beside it. Where AWS says nothing and Quartz, whose dialect it is, has a further form (`LW`, `L-3`), this refuses it.

use std::fmt;

/// Seconds of a minute.
const MINUTE: i64 = 60;
/// Seconds of a day.
const DAY: i64 = 24 * 60 * MINUTE;
/// The years that a `cron` can name.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=2199;

/// When a rule fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// In equal intervals.
    Rate {
        /// Seconds.
        every: i64,
    },
    /// At minutes of the calendar.
    Cron(Box<Cron>),
}

/// Minutes of the calendar, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    years: Vec<i64>,
}

/// Values of a field below 64, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set(u64);

impl Set {
    fn has(self, value: i64) -> bool {
        (0..64).contains(&value) && self.0 >> value & 1 == 1
    }
}

/// The days of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    /// These, of those that there are.
    OfMonth(Set),
    /// `L`
    Last,
    /// `15W`: the day from Monday to Friday that is nearest, in the same month (c).
    NearestWeekday(i64),
    /// 1 = Sunday.
    OfWeek(Set),
    /// `6L`: the last of its name in the month.
    LastOfWeek(i64),
    /// `3#2`: the second of its name in the month.
    NthOfWeek(i64, i64),
}

/// An expression that EventBridge would refuse, or that is not understood here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expression} is no schedule: {problem}")]
pub struct ScheduleError {
    /// As it was given.
    pub expression: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl Expression {
    /// Reads `rate(5 minutes)` or `cron(0/5 * * * ? *)`.
    ///
    /// # Errors
    /// Anything else, with the field that is wrong.
    pub fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let inner = |name: &str| {
            let rest = expression.strip_prefix(name)?.strip_prefix('(')?;
            rest.strip_suffix(')')
        };
        let parsed = if let Some(rate) = inner("rate") {
            parse_rate(rate).map(|every| Self::Rate { every })
        } else if let Some(cron) = inner("cron") {
            Cron::parse(cron).map(|cron| Self::Cron(Box::new(cron)))
        } else {
            Err("write rate(5 minutes) or cron(0/5 * * * ? *)".to_owned())
        };
        parsed.map_err(|problem| ScheduleError {
            expression: expression.to_owned(),
            problem,
        })
    }

    /// The first instant after another at which it fires, both in Unix seconds; none when it never fires again.
    ///
    /// A rate counts from when the rule was made (b), which no expression says: so `unix_seconds` has to be that, or an
    /// instant at which it fired, and this is one interval later.
    #[must_use]
    pub fn next_after(&self, unix_seconds: i64) -> Option<i64> {
        match self {
            Self::Rate { every } => unix_seconds.checked_add(*every),
            Self::Cron(cron) => cron.next_after(unix_seconds),
        }
    }
}

fn parse_rate(text: &str) -> Result<i64, String> {
    let mut words = text.split_whitespace();
    let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err("a rate is a number and a unit, such as rate(5 minutes)".to_owned());
    };
    let is_whole = value.chars().all(|c| c.is_ascii_digit());
    let Some(value) = value.parse::<i64>().ok().filter(|value| is_whole && *value > 0) else {
        return Err(format!("{value} is no whole number above 0"));
    };
    let (singular, seconds) = match unit.strip_suffix('s').unwrap_or(unit) {
        "minute" => ("minute", MINUTE),
        "hour" => ("hour", 60 * MINUTE),
        "day" => ("day", DAY),
        _ => return Err(format!("{unit} is none of minute(s), hour(s) and day(s)")),
    };
    if (value == 1) != (unit == singular) {
        let right = if value == 1 {
            singular.to_owned()
        } else {
            format!("{singular}s")
        };
        return Err(format!("AWS wants rate({value} {right})"));
    }
    value
        .checked_mul(seconds)
        .ok_or_else(|| format!("{value} {unit} are too long"))
}

/// What a field may have.
struct Kind {
    name: &'static str,
    low: i64,
    high: i64,
    names: &'static [&'static str],
}

const MINUTES: Kind = Kind::numbers("minutes", 0, 59);
const HOURS: Kind = Kind::numbers("hours", 0, 23);
const DAY_OF_MONTH: Kind = Kind::numbers("day-of-month", 1, 31);
const MONTH: Kind = Kind {
    name: "month",
    low: 1,
    high: 12,
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
};
const DAY_OF_WEEK: Kind = Kind {
    name: "day-of-week",
    low: 1,
    high: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};
const YEAR: Kind = Kind::numbers("year", *YEARS.start(), *YEARS.end());

impl Kind {
    const fn numbers(name: &'static str, low: i64, high: i64) -> Self {
        Self {
            name,
            low,
            high,
            names: &[],
        }
    }

    fn error(&self, text: impl fmt::Display, problem: impl fmt::Display) -> String {
        format!("{} {text} {problem}", self.name)
    }

    /// One value, by number or name (in any case: (c)).
    fn value(&self, text: &str) -> Result<i64, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(index) => i64::try_from(index).ok().map(|index| self.low + index),
            None if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) => text.parse().ok(),
            None => None,
        };
        value
            .filter(|value| (self.low..=self.high).contains(value))
            .ok_or_else(|| {
                let names = match (self.names.first(), self.names.last()) {
                    (Some(first), Some(last)) => format!(" or {first} to {last}"),
                    _ => String::new(),
                };
                self.error(text, format!("is not {} to {}{names}", self.low, self.high))
            })
    }

    /// Values, ranges and steps, with commas between.
    fn values(&self, text: &str) -> Result<Vec<i64>, String> {
        let mut values = Vec::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(self.step(step)?)),
                None => (part, None),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.low, self.high),
                Some((from, to)) => (self.value(from)?, self.value(to)?),
                None => {
                    let value = self.value(range)?;
                    // `1/10` goes on to the end of the field.
                    (value, if step.is_some() { self.high } else { value })
                }
            };
            let end = match from <= to {
                true => to,
                // `20-2` goes on at the beginning of the field (b: it is an example of AWS's), but years do not.
                false if self.name == YEAR.name => {
                    return Err(self.error(range, "runs backwards; turn it round"));
                }
                false => to + self.high - self.low + 1,
            };
            let mut value = from;
            while value <= end {
                values.push(if value > self.high {
                    value - self.high + self.low - 1
                } else {
                    value
                });
                value += step.unwrap_or(1);
            }
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    fn step(&self, text: &str) -> Result<i64, String> {
        let is_whole = text.chars().all(|c| c.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|step| is_whole && (1..=self.high).contains(step))
            .ok_or_else(|| self.error(format!("/{text}"), format!("is no step of 1 to {}", self.high)))
    }

    fn set(&self, text: &str) -> Result<Set, String> {
        let values = self.values(text)?;
        Ok(Set(values.into_iter().fold(0, |bits, value| bits | 1 << value)))
    }
}

impl Cron {
    fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, day_of_month, month, day_of_week, year] = fields[..] else {
            return Err(format!(
                "cron has six fields, minutes hours day-of-month month day-of-week year; this has {}",
                fields.len()
            ));
        };
        let days = match (day_of_month, day_of_week) {
            ("?", "?") => {
                return Err("day-of-month and day-of-week cannot both be ?; say one of them".to_owned());
            }
            (of_month, "?") => days_of_month(of_month)?,
            ("?", of_week) => days_of_week(of_week)?,
            _ => return Err("one of day-of-month and day-of-week has to be ?".to_owned()),
        };
        Ok(Self {
            minutes: MINUTES.set(minutes)?,
            hours: HOURS.set(hours)?,
            days,
            months: MONTH.set(month)?,
            years: YEAR.values(year)?,
        })
    }

    fn next_after(&self, unix_seconds: i64) -> Option<i64> {
        // The first whole minute after it.
        let from = unix_seconds
            .div_euclid(MINUTE)
            .checked_add(1)?
            .checked_mul(MINUTE)?;
        let (from_day, from_minute) = (from.div_euclid(DAY), from.rem_euclid(DAY) / MINUTE);
        let (from_year, from_month, from_date) = civil_from_days(from_day);
        for &year in self.years.iter().filter(|year| **year >= from_year) {
            for month in (1..=12).filter(|month| self.months.has(*month)) {
                if (year, month) < (from_year, from_month) {
                    continue;
                }
                for date in self.days.of(year, month) {
                    if (year, month, date) < (from_year, from_month, from_date) {
                        continue;
                    }
                    let day = days_from_civil(year, month, date);
                    let earliest = if day == from_day { from_minute } else { 0 };
                    if let Some(minute) = self.minute_from(earliest) {
                        return Some(day * DAY + minute * MINUTE);
                    }
                }
            }
        }
        None
    }

    /// The first minute of the day, not before another.
    fn minute_from(&self, earliest: i64) -> Option<i64> {
        (earliest..24 * 60).find(|minute| self.hours.has(minute / 60) && self.minutes.has(minute % 60))
    }
}

fn days_of_month(text: &str) -> Result<Days, String> {
    if text == "L" {
        return Ok(Days::Last);
    }
    if let Some(day) = text.strip_suffix('W') {
        return Ok(Days::NearestWeekday(DAY_OF_MONTH.value(day)?));
    }
    Ok(Days::OfMonth(DAY_OF_MONTH.set(text)?))
}

fn days_of_week(text: &str) -> Result<Days, String> {
    if text == "L" {
        // The last day of the week.
        return DAY_OF_WEEK.set("7").map(Days::OfWeek);
    }
    if let Some((day, nth)) = text.split_once('#') {
        let day = DAY_OF_WEEK.value(day)?;
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
        let nth =
            nth.ok_or_else(|| DAY_OF_WEEK.error(text, "wants one day and 1 to 5 after #, such as 3#2"))?;
        return Ok(Days::NthOfWeek(day, nth));
    }
    if let Some(day) = text.strip_suffix('L') {
        return Ok(Days::LastOfWeek(DAY_OF_WEEK.value(day)?));
    }
    Ok(Days::OfWeek(DAY_OF_WEEK.set(text)?))
}

impl Days {
    /// Its dates in a month, in order.
    fn of(self, year: i64, month: i64) -> Vec<i64> {
        let last = last_of_month(year, month);
        let weekday = |date: i64| day_of_week(days_from_civil(year, month, date));
        match self {
            Self::OfMonth(dates) => (1..=last).filter(|date| dates.has(*date)).collect(),
            Self::Last => vec![last],
            Self::NearestWeekday(date) if date > last => Vec::new(),
            Self::NearestWeekday(date) => vec![match weekday(date) {
                7 if date > 1 => date - 1,
                7 => date + 2,
                1 if date < last => date + 1,
                1 => date - 2,
                _ => date,
            }],
            Self::OfWeek(days) => (1..=last).filter(|date| days.has(weekday(*date))).collect(),
            Self::LastOfWeek(day) => (last - 6..=last).filter(|date| weekday(*date) == day).collect(),
            Self::NthOfWeek(day, nth) => (1..=last)
                .filter(|date| weekday(*date) == day && (date - 1) / 7 + 1 == nth)
                .collect(),
        }
    }
}

/// 1 = Sunday; the first day of 1970 was a Thursday.
fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7) + 1
}

fn last_of_month(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    days_from_civil(next_year, next_month, 1) - days_from_civil(year, month, 1)
}

/// Days since the first of 1970, by <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>.
fn days_from_civil(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and date, by <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, date)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use jiff::{
        Timestamp,
        civil::{Date, Weekday},
        tz::Offset,
    };
    use proptest::prelude::*;

    use super::*;

    /// The next so many, of a `cron` without its brackets.
    fn fires(cron: &str, after: &str, count: usize) -> String {
        let cron = Expression::parse(&format!("cron({cron})")).unwrap();
        let mut at = after.parse::<Timestamp>().unwrap().as_second();
        let mut fires = Vec::new();
        while let Some(next) = cron.next_after(at).filter(|_| fires.len() < count) {
            at = next;
            fires.push(
                Timestamp::from_second(at)
                    .unwrap()
                    .strftime("%a %F %H:%M")
                    .to_string(),
            );
        }
        fires.join(", ")
    }

    fn problem(expression: &str) -> String {
        Expression::parse(expression).unwrap_err().to_string()
    }

    #[test]
    fn a_rate_is_an_interval() {
        for (text, seconds) in [
            ("5 minutes", 300),
            ("1 minute", 60),
            ("1 hour", 3600),
            ("12 hours", 43_200),
            ("7 days", 604_800),
        ] {
            let rate = Expression::parse(&format!("rate({text})")).unwrap();
            assert_eq!(rate.next_after(1_000), Some(1_000 + seconds), "{text}");
        }
        assert_snapshot!(problem("rate(5 minute)"), @"rate(5 minute) is no schedule: AWS wants rate(5 minutes)");
        assert_snapshot!(problem("rate(1 minutes)"), @"rate(1 minutes) is no schedule: AWS wants rate(1 minute)");
        assert_snapshot!(problem("rate(0 minutes)"), @"rate(0 minutes) is no schedule: 0 is no whole number above 0");
        assert_snapshot!(problem("rate(+5 minutes)"), @"rate(+5 minutes) is no schedule: +5 is no whole number above 0");
        assert_snapshot!(problem("rate(5 seconds)"), @"rate(5 seconds) is no schedule: seconds is none of minute(s), hour(s) and day(s)");
        assert_snapshot!(problem("rate(5 minutess)"), @"rate(5 minutess) is no schedule: minutess is none of minute(s), hour(s) and day(s)");
        assert_snapshot!(problem("rate(5)"), @"rate(5) is no schedule: a rate is a number and a unit, such as rate(5 minutes)");
        assert_snapshot!(problem("every 5 minutes"), @"every 5 minutes is no schedule: write rate(5 minutes) or cron(0/5 * * * ? *)");
    }

    /// The examples of AWS's page.
    #[test]
    fn the_documented_examples_fire_as_they_say() {
        let now = "2026-04-09T12:34:56Z";
        assert_snapshot!(fires("0 10 * * ? *", now, 2), @"Fri 2026-04-10 10:00, Sat 2026-04-11 10:00");
        assert_snapshot!(fires("0 18 ? * MON-FRI *", now, 3), @"Thu 2026-04-09 18:00, Fri 2026-04-10 18:00, Mon 2026-04-13 18:00");
        assert_snapshot!(fires("0 8 1 * ? *", now, 2), @"Fri 2026-05-01 08:00, Mon 2026-06-01 08:00");
        assert_snapshot!(fires("0/15 * * * ? *", now, 3), @"Thu 2026-04-09 12:45, Thu 2026-04-09 13:00, Thu 2026-04-09 13:15");
        assert_snapshot!(fires("0/30 20-2 ? * MON-FRI *", "2026-04-10T23:00:00Z", 4), @"Fri 2026-04-10 23:30, Mon 2026-04-13 00:00, Mon 2026-04-13 00:30, Mon 2026-04-13 01:00");
        assert_snapshot!(fires("15 10 ? * 6L 2026-2027", now, 2), @"Fri 2026-04-24 10:15, Fri 2026-05-29 10:15");
        assert_snapshot!(fires("0 9 ? * 2#1 *", now, 2), @"Mon 2026-05-04 09:00, Mon 2026-06-01 09:00");
    }

    #[test]
    fn days_follow_the_calendar() {
        let now = "2027-12-30T23:59:00Z";
        assert_snapshot!(fires("0 0 L * ? *", now, 3), @"Fri 2027-12-31 00:00, Mon 2028-01-31 00:00, Tue 2028-02-29 00:00");
        assert_snapshot!(fires("0 0 31 * ? *", now, 3), @"Fri 2027-12-31 00:00, Mon 2028-01-31 00:00, Fri 2028-03-31 00:00");
        assert_snapshot!(fires("0 0 29 FEB ? *", now, 2), @"Tue 2028-02-29 00:00, Sun 2032-02-29 00:00");
        // Saturday the first goes forwards, Sunday the 30th back, and both stay in the month.
        assert_snapshot!(fires("0 0 1W 1 ? *", now, 1), @"Mon 2028-01-03 00:00");
        assert_snapshot!(fires("0 0 30W 1,4,9 ? 2028", now, 4), @"Mon 2028-01-31 00:00, Fri 2028-04-28 00:00, Fri 2028-09-29 00:00");
        assert_snapshot!(fires("0 0 ? * L *", now, 2), @"Sat 2028-01-01 00:00, Sat 2028-01-08 00:00");
        assert_snapshot!(fires("0 0 ? * 3#5 *", now, 2), @"Tue 2028-02-29 00:00, Tue 2028-05-30 00:00");
        assert_snapshot!(fires("59 23 31 12 ? 2199", now, 2), @"Tue 2199-12-31 23:59");
        assert_eq!(fires("0 0 30 2 ? *", now, 1), "");
        assert_eq!(fires("0 0 1 1 ? 2020", now, 1), "");
    }

    #[test]
    fn what_eventbridge_refuses_is_refused() {
        assert_snapshot!(problem("cron(0/5 * * * *)"), @"cron(0/5 * * * *) is no schedule: cron has six fields, minutes hours day-of-month month day-of-week year; this has 5");
        assert_snapshot!(problem("cron(0 0 * * * *)"), @"cron(0 0 * * * *) is no schedule: one of day-of-month and day-of-week has to be ?");
        assert_snapshot!(problem("cron(0 0 ? * ? *)"), @"cron(0 0 ? * ? *) is no schedule: day-of-month and day-of-week cannot both be ?; say one of them");
        assert_snapshot!(problem("cron(60 0 * * ? *)"), @"cron(60 0 * * ? *) is no schedule: minutes 60 is not 0 to 59");
        assert_snapshot!(problem("cron(0 24 * * ? *)"), @"cron(0 24 * * ? *) is no schedule: hours 24 is not 0 to 23");
        assert_snapshot!(problem("cron(0 0 0 * ? *)"), @"cron(0 0 0 * ? *) is no schedule: day-of-month 0 is not 1 to 31");
        assert_snapshot!(problem("cron(0 0 * JANUARY ? *)"), @"cron(0 0 * JANUARY ? *) is no schedule: month JANUARY is not 1 to 12 or JAN to DEC");
        assert_snapshot!(problem("cron(0 0 ? * 0 *)"), @"cron(0 0 ? * 0 *) is no schedule: day-of-week 0 is not 1 to 7 or SUN to SAT");
        assert_snapshot!(problem("cron(0 0 ? * 3#6 *)"), @"cron(0 0 ? * 3#6 *) is no schedule: day-of-week 3#6 wants one day and 1 to 5 after #, such as 3#2");
        assert_snapshot!(problem("cron(0 0 ? * 3#1,6#3 *)"), @"cron(0 0 ? * 3#1,6#3 *) is no schedule: day-of-week 3#1,6#3 wants one day and 1 to 5 after #, such as 3#2");
        assert_snapshot!(problem("cron(0 0 * * ? 1969)"), @"cron(0 0 * * ? 1969) is no schedule: year 1969 is not 1970 to 2199");
        assert_snapshot!(problem("cron(*/0 0 * * ? *)"), @"cron(*/0 0 * * ? *) is no schedule: minutes /0 is no step of 1 to 59");
        assert_snapshot!(problem("cron(? 0 * * ? *)"), @"cron(? 0 * * ? *) is no schedule: minutes ? is not 0 to 59");
        assert_snapshot!(problem("cron(0 0 * * ? 2030-2026)"), @"cron(0 0 * * ? 2030-2026) is no schedule: year 2030-2026 runs backwards; turn it round");
        assert_snapshot!(problem("cron(0 0 LW * ? *)"), @"cron(0 0 LW * ? *) is no schedule: day-of-month L is not 1 to 31");
    }

    #[test]
    fn an_instant_that_fires_is_not_the_next_one() {
        let cron = Expression::parse("cron(0/5 * * * ? *)").unwrap();
        assert_eq!(cron.next_after(0), Some(300));
        assert_eq!(cron.next_after(-1), Some(0));
        assert_eq!(cron.next_after(299), Some(300));
        assert_eq!(cron.next_after(300), Some(600));
        assert_eq!(cron.next_after(i64::MAX), None);
    }

    /// A field as text, and the values that it stands for, made side by side.
    fn field(low: i64, high: i64) -> impl Strategy<Value = (String, Vec<i64>)> {
        prop_oneof![
            Just(("*".to_owned(), (low..=high).collect())),
            (low..=high).prop_map(|value| (value.to_string(), vec![value])),
            (low..=high, low..=high).prop_map(move |(a, b)| {
                let wraps = a > b;
                let holds = |value: &i64| {
                    if wraps {
                        *value >= a || *value <= b
                    } else {
                        (a..=b).contains(value)
                    }
                };
                (format!("{a}-{b}"), (low..=high).filter(holds).collect())
            }),
            (low..=high, 1..=high).prop_map(move |(from, step)| {
                let values = (from..=high).filter(|value| (value - from) % step == 0).collect();
                (format!("{from}/{step}"), values)
            }),
            (low..=high, low..=high).prop_map(|(a, b)| (format!("{a},{b}"), vec![a, b])),
        ]
    }

    proptest! {
        #[test]
        fn the_calendar_is_jiffs(days in -200_000_i64..200_000) {
            let (year, month, date) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, date), days);
            let at = Offset::UTC.to_datetime(Timestamp::from_second(days * DAY).unwrap()).date();
            prop_assert_eq!(at, Date::new(year.try_into().unwrap(), month.try_into().unwrap(), date.try_into().unwrap()).unwrap());
            prop_assert_eq!(i64::from(at.weekday().since(Weekday::Sunday)) + 1, day_of_week(days));
            prop_assert_eq!(i64::from(at.days_in_month()), last_of_month(year, month));
        }

        /// Against a look at each minute of twelve days, with jiff's calendar.
        #[test]
        fn nothing_is_passed_over(
            minutes in field(0, 59), hours in field(0, 23), dates in field(1, 31), months in field(1, 12), days in field(1, 7),
            by_week in any::<bool>(), start in 0_i64..4_000_000_000,
        ) {
            let (of_month, of_week) = if by_week { ("?", days.0.as_str()) } else { (dates.0.as_str(), "?") };
            let text = format!("cron({} {} {of_month} {} {of_week} *)", minutes.0, hours.0, months.0);
            let first = (start.div_euclid(MINUTE) + 1) * MINUTE;
            let fires = |at: &i64| {
                let at = Offset::UTC.to_datetime(Timestamp::from_second(*at).unwrap());
                let has = |field: &(String, Vec<i64>), value: i64| field.1.contains(&value);
                let day = if by_week {
                    has(&days, i64::from(at.weekday().since(Weekday::Sunday)) + 1)
                } else {
                    has(&dates, i64::from(at.day()))
                };
                day && has(&minutes, i64::from(at.minute())) && has(&hours, i64::from(at.hour())) && has(&months, i64::from(at.month()))
            };
            let end = first + 12 * DAY;
            let expected = (0..12 * 24 * 60).map(|minute| first + minute * MINUTE).find(fires);
            let next = Expression::parse(&text).unwrap().next_after(start).filter(|next| *next < end);
            prop_assert_eq!(next, expected, "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(rate|cron)?\\(?[-0-9*?,/LW# A-Za-z]{0,40}\\)?") {
            let _ = Expression::parse(&text);
        }
    }
}
