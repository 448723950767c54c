//! Alarms against the documented tables, recorded reasons, and a timeline that was derived by hand.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::{
    cloudwatch::aws_metrics::{Answered, ApiMetrics, Invocation, LambdaMetrics},
    template::model::Comparison,
};

/// 2026-03-02, midnight UTC.
const MIDNIGHT_MS: i64 = 1_772_409_600_000;

fn stat(
    namespace: &str,
    name: &str,
    dimensions: &[(&str, &str)],
    statistic: &str,
    period_s: u64,
) -> MetricStat {
    let dimensions = dimensions.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    MetricStat {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions.collect(),
        statistic: statistic.to_owned(),
        period: Duration::from_secs(period_s),
    }
}

/// Over 1 is breaching.
fn alarm(m: u32, n: u32, missing: Missing) -> Alarm {
    Alarm {
        id: "A".to_owned(),
        name: "a".to_owned(),
        query: Query::Metric(stat("N", "M", &[], "Maximum", 60)),
        comparison: Comparison::Greater,
        threshold: 1.0,
        evaluation_periods: n,
        datapoints_to_alarm: m,
        missing,
    }
}

/// Datapoints as AWS's tables write them, the newest last: `0` not breaching, `X` breaching, `-` missing.
fn points(row: &str) -> Vec<(i64, Option<f64>)> {
    let values = row.split(' ').rev().zip(1..);
    let values = values.map(|(point, back)| {
        let value = match point {
            "0" => Some(0.0),
            "X" => Some(2.0),
            _ => None,
        };
        (MIDNIGHT_MS - back * MINUTE_MS, value)
    });
    values.collect()
}

/// What a row becomes of an alarm that is in `before`; `Retain` when any state stays.
fn outcome(m: u32, n: u32, missing: Missing, row: &str) -> String {
    let all = [State::Ok, State::Alarm, State::InsufficientData];
    let after: Vec<State> = all
        .into_iter()
        .map(|before| decide(&alarm(m, n, missing), &points(row), before).map_or(before, |(state, _)| state))
        .collect();
    if after == all {
        return "Retain".to_owned();
    }
    assert!(after.iter().all(|state| *state == after[0]), "{row}: {after:?}");
    after[0].to_string()
}

/// Rows of "Configuring how CloudWatch alarms treat missing data": MISSING, IGNORE, BREACHING, NOT BREACHING.
fn check_table(m: u32, table: &[(&str, [&str; 4])]) {
    let treatments = [
        Missing::Missing,
        Missing::Ignore,
        Missing::Breaching,
        Missing::NotBreaching,
    ];
    for (row, wanted) in table {
        let found = treatments.map(|missing| outcome(m, 3, missing, row));
        assert_eq!(found.each_ref().map(|s| &**s), *wanted, "{m} of 3, {row}");
    }
}

#[test]
fn the_documented_table_of_3_of_3() {
    check_table(
        3,
        &[
            ("0 - X - X", ["OK", "OK", "OK", "OK"]),
            ("0 - - - -", ["OK", "OK", "OK", "OK"]),
            ("- - - - -", ["INSUFFICIENT_DATA", "Retain", "ALARM", "OK"]),
            ("0 X X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            ("- - X - -", ["ALARM", "Retain", "ALARM", "OK"]),
            // Of the edition of 2019.
            ("- - - - X", ["INSUFFICIENT_DATA", "Retain", "ALARM", "OK"]),
            ("X - - - -", ["ALARM", "Retain", "ALARM", "OK"]),
        ],
    );
}

#[test]
fn the_documented_table_of_2_of_3() {
    check_table(
        2,
        &[
            ("0 - X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            ("0 0 X 0 X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            ("0 - X - -", ["OK", "OK", "ALARM", "OK"]),
            ("- - - - 0", ["OK", "OK", "ALARM", "OK"]),
            ("- - - X -", ["ALARM", "Retain", "ALARM", "OK"]),
            // Of the edition of 2019.
            ("- - - - X", ["INSUFFICIENT_DATA", "Retain", "ALARM", "OK"]),
        ],
    );
}

/// "This way, false positives are avoided when the next data point is non-breaching."
#[test]
fn what_the_page_says_of_premature_alarms() {
    check_table(
        3,
        &[
            ("- - - X -", ["INSUFFICIENT_DATA", "Retain", "ALARM", "OK"]),
            ("- - - X 0", ["OK", "OK", "OK", "OK"]),
            ("- - X - 0", ["OK", "OK", "OK", "OK"]),
        ],
    );
}

fn reason(m: u32, n: u32, missing: Missing, row: &str, before: State) -> String {
    let (_, reason) = decide(&alarm(m, n, missing), &points(row), before).expect("another state");
    reason
}

#[test]
fn reasons_read_like_those_of_cloudwatch() {
    let (ok, in_alarm) = (State::Ok, State::Alarm);
    let missing = Missing::Missing;
    assert_snapshot!(reason(1, 1, missing, "- - X", ok), @"Threshold Crossed: 1 datapoint [2.0 (01/03/26 23:59:00)] was greater than the threshold (1.0).");
    assert_snapshot!(reason(1, 1, missing, "- - 0", in_alarm), @"Threshold Crossed: 1 datapoint [0.0 (01/03/26 23:59:00)] was not greater than the threshold (1.0).");
    assert_snapshot!(reason(2, 2, missing, "0 X X X", ok), @"Threshold Crossed: 2 datapoints [2.0 (01/03/26 23:59:00), 2.0 (01/03/26 23:58:00)] were greater than the threshold (1.0).");
    assert_snapshot!(reason(6, 6, missing, "X X X X X X X X", ok), @"Threshold Crossed: 6 datapoints were greater than the threshold (1.0). The most recent datapoints which crossed the threshold: [2.0 (01/03/26 23:59:00), 2.0 (01/03/26 23:58:00), 2.0 (01/03/26 23:57:00), 2.0 (01/03/26 23:56:00), 2.0 (01/03/26 23:55:00)].");
    assert_snapshot!(reason(2, 3, missing, "0 0 X X 0", ok), @"Threshold Crossed: 2 out of the last 3 datapoints [2.0 (01/03/26 23:58:00), 2.0 (01/03/26 23:57:00)] were greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition).");
    assert_snapshot!(reason(2, 3, missing, "0 0 0 X 0", in_alarm), @"Threshold Crossed: 2 out of the last 3 datapoints [0.0 (01/03/26 23:59:00), 0.0 (01/03/26 23:57:00)] were not greater than the threshold (1.0) (minimum 2 datapoints for ALARM -> OK transition).");
    assert_snapshot!(reason(1, 3, missing, "X 0 0 0", in_alarm), @"Threshold Crossed: 3 out of the last 3 datapoints [0.0 (01/03/26 23:59:00), 0.0 (01/03/26 23:58:00), 0.0 (01/03/26 23:57:00)] were not greater than the threshold (1.0) (minimum 3 datapoints for ALARM -> OK transition).");
    assert_snapshot!(reason(5, 6, missing, "X X X X X X X X", ok), @"Threshold Crossed: 6 out of the last 6 datapoints were greater than the threshold (1.0). The most recent datapoints which crossed the threshold: [2.0 (01/03/26 23:59:00), 2.0 (01/03/26 23:58:00), 2.0 (01/03/26 23:57:00), 2.0 (01/03/26 23:56:00), 2.0 (01/03/26 23:55:00)] (minimum 5 datapoints for OK -> ALARM transition).");
    assert_snapshot!(reason(2, 2, Missing::Breaching, "- - - 0", in_alarm), @"Threshold Crossed: 1 datapoint [0.0 (01/03/26 23:59:00)] was not greater than the threshold (1.0) and 1 missing datapoint was treated as [Breaching].");
    assert_snapshot!(reason(1, 3, Missing::NotBreaching, "- - - - X", ok), @"Threshold Crossed: 1 out of the last 3 datapoints [2.0 (01/03/26 23:59:00)] was greater than the threshold (1.0) and 2 missing datapoints were treated as [NonBreaching] (minimum 1 datapoint for OK -> ALARM transition).");
    assert_snapshot!(reason(2, 3, Missing::Breaching, "- - - - 0", ok), @"Threshold Crossed: 2 missing datapoints were treated as [Breaching] (minimum 2 datapoints for OK -> ALARM transition).");
    assert_snapshot!(reason(2, 2, Missing::Breaching, "- - - -", ok), @"Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching].");
    assert_snapshot!(reason(1, 1, Missing::NotBreaching, "- - -", in_alarm), @"Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].");
    assert_snapshot!(reason(1, 1, missing, "- - -", ok), @"Insufficient Data: 1 datapoint was unknown.");
    assert_snapshot!(reason(3, 3, missing, "- - - - X", ok), @"Insufficient Data: 2 datapoints were unknown.");
    assert_snapshot!(reason(3, 3, missing, "- - X - -", ok), @"Threshold Crossed: 1 datapoint [2.0 (01/03/26 23:57:00)] was greater than the threshold (1.0).");
}

#[test]
fn numbers_are_written_as_java_does() {
    let texts = |threshold: f64, comparison| {
        let alarm = Alarm {
            threshold,
            comparison,
            ..alarm(1, 1, Missing::Missing)
        };
        decide(&alarm, &[(0, Some(0.25))], State::InsufficientData)
            .expect("a change")
            .1
    };
    assert_snapshot!(texts(12_000_000.0, Comparison::GreaterOrEqual), @"Threshold Crossed: 1 datapoint [0.25 (01/01/70 00:00:00)] was not greater than or equal to the threshold (1.2E7).");
    assert_snapshot!(texts(1.25e-4, Comparison::Less), @"Threshold Crossed: 1 datapoint [0.25 (01/01/70 00:00:00)] was not less than the threshold (1.25E-4).");
    assert_snapshot!(texts(1e7, Comparison::LessOrEqual), @"Threshold Crossed: 1 datapoint [0.25 (01/01/70 00:00:00)] was less than or equal to the threshold (1.0E7).");
}

fn errors_of(function: &str) -> MetricStat {
    stat("AWS/Lambda", "Errors", &[("FunctionName", function)], "Sum", 60)
}

fn of_both_functions(id: &str, metric: &str, threshold: f64) -> Alarm {
    let of = |function: &str| MetricStat {
        name: metric.to_owned(),
        ..errors_of(function)
    };
    let metrics = [
        ("api", of("crypto-watch-api-prod")),
        ("update", of("crypto-watch-update-prod")),
    ];
    Alarm {
        id: id.to_owned(),
        query: Query::Expression {
            expression: "FILL(api, 0) + FILL(update, 0)".to_owned(),
            metrics: metrics
                .into_iter()
                .map(|(id, stat)| (id.to_owned(), stat))
                .collect(),
        },
        threshold,
        ..alarm(1, 1, Missing::NotBreaching)
    }
}

/// The alarms of `template.yaml` in prod.
fn alarms_of_the_template() -> Vec<Alarm> {
    let of_stage = [("ApiName", "crypto-watch-api-prod"), ("Stage", "prod")];
    let of_api = [("Service", "api"), ("Environment", "prod")];
    vec![
        of_both_functions("LambdaErrors", "Errors", 5.0),
        of_both_functions("LambdaThrottles", "Throttles", 10.0),
        Alarm {
            id: "ApiServerErrors".to_owned(),
            query: Query::Metric(stat("AWS/ApiGateway", "5XXError", &of_stage, "Average", 300)),
            threshold: 0.1,
            ..alarm(1, 1, Missing::NotBreaching)
        },
        Alarm {
            id: "PricesStale".to_owned(),
            query: Query::Metric(stat(
                "CryptoWatch",
                "OldestPriceAgeSeconds",
                &of_api,
                "Maximum",
                60,
            )),
            threshold: 900.0,
            ..alarm(2, 3, Missing::Breaching)
        },
    ]
}

/// A request each second but for what this tells, all minutes after midnight:
///
/// - Prices are updated every five minutes, but not from 20 to 35, so that those of 15 grow old until 40. The oldest of
///   minute k is 60 (k - 15) + 59 s: 899 in minute 29, 959 in 30, 1019 in 31. So the second datapoint over 900 is complete
///   at 32:00: `PricesStale` goes off. Minute 40 is fresh, but 38 and 39 still make two of three at 41:00; at 42:00 only 39
///   is left: over.
/// - In 45 and 46 each second request times out. `LambdaErrors`: 30 a minute, so at 46:00, and over at 48:00, when 47 is
///   complete. `ApiServerErrors` at 46:00: 30 of the 300 requests from 41 to 45 are a tenth, which is not more than a tenth;
///   at 47:00 60 of 300. At 50:00 (45 to 49) still 60, at 51:00 30: over.
/// - In 52, 11 invocations are throttled: at 53:00, and over at 54:00.
/// - From 55 on there is no request. `PricesStale` fetches five minutes for its three: at 57:00 there are still 52 to 54, at
///   58:00 two datapoints and one missing, which is one breaching of three; at 59:00 one datapoint and two missing: it goes
///   off. The others have missing data not breaching: nothing.
#[test]
fn the_alarms_of_the_template_in_an_outage() {
    let all = alarms_of_the_template();
    let mut metrics = Metrics::for_alarms(&all).expect("known statistics");
    let mut alarms = Alarms::new(&all).expect("emulated").in_use_since(MIDNIGHT_MS);
    let api = LambdaMetrics::of(&metrics, "crypto-watch-api-prod");
    let update = LambdaMetrics::of(&metrics, "crypto-watch-update-prod");
    let gateway = ApiMetrics::of(&metrics, "crypto-watch-api-prod", "prod");
    let mut story = Vec::new();
    for second in 0..=3600_i64 {
        let (minute, now_ms) = (second / 60, MIDNIGHT_MS + second * 1000);
        if second % 60 == 0 {
            story.extend(alarms.evaluate(&metrics, now_ms).into_iter().map(|change| {
                assert_eq!(change.at_ms, now_ms);
                let StateChange {
                    id, from, to, reason, ..
                } = change;
                format!("{minute:02}:00 {id} {from} -> {to}: {reason}")
            }));
        }
        if second % 300 == 0 {
            update.invoked(&mut metrics, now_ms, 900.0, Invocation::Succeeded);
        }
        if minute >= 55 {
            continue;
        }
        let times_out = (45..=46).contains(&minute) && second % 2 == 0;
        if minute == 52 && second % 60 < 11 {
            api.throttled(&mut metrics, now_ms);
        }
        let outcome = if times_out {
            Invocation::Failed
        } else {
            Invocation::Succeeded
        };
        api.invoked(&mut metrics, now_ms, 2.0, outcome);
        let answered = Answered {
            status: if times_out { 502 } else { 200 },
            latency_ms: 3.0,
            integration_latency_ms: Some(2.0),
        };
        gateway.answered(&mut metrics, now_ms, answered);
        let updated_s = if (20..40).contains(&minute) {
            15 * 60
        } else {
            second / 300 * 300
        };
        let of_api = [("Environment", "prod"), ("Service", "api")];
        let age_s = (second - updated_s) as f64;
        metrics.put("CryptoWatch", "OldestPriceAgeSeconds", &of_api, now_ms, age_s);
    }
    assert_snapshot!(story.join("\n"), @r"
    03:00 LambdaErrors INSUFFICIENT_DATA -> OK: Threshold Crossed: 1 datapoint [0.0 (02/03/26 00:02:00)] was not greater than the threshold (5.0).
    03:00 LambdaThrottles INSUFFICIENT_DATA -> OK: Threshold Crossed: 1 datapoint [0.0 (02/03/26 00:02:00)] was not greater than the threshold (10.0).
    05:00 PricesStale INSUFFICIENT_DATA -> OK: Threshold Crossed: 3 out of the last 3 datapoints [299.0 (02/03/26 00:04:00), 239.0 (02/03/26 00:03:00), 179.0 (02/03/26 00:02:00)] were not greater than the threshold (900.0) (minimum 2 datapoints for ALARM -> OK transition).
    15:00 ApiServerErrors INSUFFICIENT_DATA -> OK: Threshold Crossed: 1 datapoint [0.0 (02/03/26 00:10:00)] was not greater than the threshold (0.1).
    32:00 PricesStale OK -> ALARM: Threshold Crossed: 2 out of the last 3 datapoints [1019.0 (02/03/26 00:31:00), 959.0 (02/03/26 00:30:00)] were greater than the threshold (900.0) (minimum 2 datapoints for OK -> ALARM transition).
    42:00 PricesStale ALARM -> OK: Threshold Crossed: 2 out of the last 3 datapoints [119.0 (02/03/26 00:41:00), 59.0 (02/03/26 00:40:00)] were not greater than the threshold (900.0) (minimum 2 datapoints for ALARM -> OK transition).
    46:00 LambdaErrors OK -> ALARM: Threshold Crossed: 1 datapoint [30.0 (02/03/26 00:45:00)] was greater than the threshold (5.0).
    47:00 ApiServerErrors OK -> ALARM: Threshold Crossed: 1 datapoint [0.2 (02/03/26 00:42:00)] was greater than the threshold (0.1).
    48:00 LambdaErrors ALARM -> OK: Threshold Crossed: 1 datapoint [0.0 (02/03/26 00:47:00)] was not greater than the threshold (5.0).
    51:00 ApiServerErrors ALARM -> OK: Threshold Crossed: 1 datapoint [0.1 (02/03/26 00:46:00)] was not greater than the threshold (0.1).
    53:00 LambdaThrottles OK -> ALARM: Threshold Crossed: 1 datapoint [11.0 (02/03/26 00:52:00)] was greater than the threshold (10.0).
    54:00 LambdaThrottles ALARM -> OK: Threshold Crossed: 1 datapoint [0.0 (02/03/26 00:53:00)] was not greater than the threshold (10.0).
    59:00 PricesStale OK -> ALARM: Threshold Crossed: 2 missing datapoints were treated as [Breaching] (minimum 2 datapoints for OK -> ALARM transition).
    ");
    assert_eq!(alarms.states().last(), Some(State::Alarm));
}

#[test]
fn without_a_warm_up_missing_data_that_is_breaching_sets_it_off_at_once() {
    let mut alarms = Alarms::new(&alarms_of_the_template()).expect("emulated");
    let changes = alarms.evaluate(&Metrics::new(), MIDNIGHT_MS);
    let alarming = changes.iter().filter(|change| change.to == State::Alarm);
    assert_eq!(
        alarming.map(|change| change.id.as_str()).collect::<Vec<_>>(),
        ["PricesStale"]
    );
}

#[test]
fn a_sample_that_comes_late_counts_at_the_next_evaluation() {
    let all = [alarm(1, 1, Missing::NotBreaching)];
    let mut metrics = Metrics::for_alarms(&all).expect("known");
    let mut alarms = Alarms::new(&all).expect("emulated");
    metrics.put("N", "M", &[], MIDNIGHT_MS, 0.0);
    let at = |minutes: i64| MIDNIGHT_MS + minutes * MINUTE_MS;
    assert_eq!(alarms.evaluate(&metrics, at(1))[0].to, State::Ok);
    assert_eq!(alarms.evaluate(&metrics, at(2)), []);
    // Of the minute that has been evaluated already.
    metrics.put("N", "M", &[], at(1) + 1, 5.0);
    assert_eq!(alarms.evaluate(&metrics, at(2))[0].to, State::Alarm);
    // One that settles has not looked at that minute yet.
    let mut settling = Alarms::new(&all)
        .expect("emulated")
        .settling(Duration::from_secs(1));
    assert_eq!(settling.evaluate(&metrics, at(2))[0].to, State::Ok);
    assert_eq!(settling.evaluate(&metrics, at(2) + 1000)[0].to, State::Alarm);
}

#[test]
fn an_alarm_that_is_not_emulated_is_an_error() {
    let error = |change: fn(&mut Alarm)| {
        let mut all = alarms_of_the_template();
        change(&mut all[0]);
        Alarms::new(&all).expect_err("refused").to_string()
    };
    fn metric(alarm: &mut Alarm, period_s: u64, statistic: &str) {
        alarm.query = Query::Metric(MetricStat {
            statistic: statistic.to_owned(),
            period: Duration::from_secs(period_s),
            ..errors_of("api")
        });
    }
    fn expression(alarm: &mut Alarm, text: &str, periods: &[u64]) {
        let stats = periods.iter().enumerate().map(|(index, period_s)| {
            let period = Duration::from_secs(*period_s);
            (
                format!("m{index}"),
                MetricStat {
                    period,
                    ..errors_of("api")
                },
            )
        });
        alarm.query = Query::Expression {
            expression: text.to_owned(),
            metrics: stats.collect(),
        };
    }
    assert_snapshot!(error(|a| metric(a, 10, "Sum")), @"alarm `LambdaErrors`: a period of 10s is not emulated; use whole minutes (CloudWatch has 10, 20 and 30 s, too, for metrics of high resolution)");
    assert_snapshot!(error(|a| metric(a, 90, "Sum")), @"alarm `LambdaErrors`: a period of 90s is not emulated; use whole minutes (CloudWatch has 10, 20 and 30 s, too, for metrics of high resolution)");
    assert_snapshot!(error(|a| metric(a, 60, "TM(10%:90%)")), @"alarm `LambdaErrors`: `TM(10%:90%)` is no statistic that is emulated: use Sum, Average, Minimum, Maximum, SampleCount or a percentile from p0 to p100 such as p99.9");
    assert_snapshot!(error(|a| metric(a, 86_460, "Sum")), @"alarm `LambdaErrors`: 1 periods of 86460s are more than a day; such alarms are evaluated hourly, which is not emulated");
    assert_snapshot!(error(|a| a.datapoints_to_alarm = 2), @"alarm `LambdaErrors`: 2 of 1 datapoints cannot be; EvaluationPeriods is at least 1, and DatapointsToAlarm from 1 to that");
    assert_snapshot!(error(|a| a.datapoints_to_alarm = 0), @"alarm `LambdaErrors`: 0 of 1 datapoints cannot be; EvaluationPeriods is at least 1, and DatapointsToAlarm from 1 to that");
    assert_snapshot!(error(|a| a.threshold = f64::NAN), @"alarm `LambdaErrors`: the threshold is NaN; use a finite number");
    assert_snapshot!(error(|a| expression(a, "m0 + m1", &[60, 300])), @"alarm `LambdaErrors`: its metrics have periods of 60s and 300s; all metrics of an expression have the same");
    assert_snapshot!(error(|a| expression(a, "1", &[])), @"alarm `LambdaErrors`: 0 metrics in an expression; CloudWatch permits 1 to 10");
    assert_snapshot!(error(|a| expression(a, "RATE(m0)", &[60])), @"alarm `LambdaErrors`: metric math `RATE(m0)`, column 1: function `RATE` is not emulated; there are ABS, AVG, CEIL, FILL, FLOOR, IF, MAX, MIN and SUM, in upper case");
}

fn treatment() -> impl Strategy<Value = Missing> {
    prop_oneof![
        Just(Missing::Breaching),
        Just(Missing::NotBreaching),
        Just(Missing::Ignore),
        Just(Missing::Missing)
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop_oneof![
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual),
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual)
    ]
}

proptest! {
    #[test]
    fn one_of_one_is_the_comparison(value in -3_i8..4, comparison in comparison(), missing in treatment()) {
        let all = [Alarm { comparison, ..alarm(1, 1, missing) }];
        let mut metrics = Metrics::for_alarms(&all).expect("known");
        let value = f64::from(value);
        metrics.put("N", "M", &[], 0, value);
        let mut alarms = Alarms::new(&all).expect("emulated");
        alarms.evaluate(&metrics, MINUTE_MS);
        let breaching = match comparison {
            Comparison::Greater => value > 1.0,
            Comparison::GreaterOrEqual => value >= 1.0,
            Comparison::Less => value < 1.0,
            Comparison::LessOrEqual => value <= 1.0,
        };
        let wanted = if breaching { State::Alarm } else { State::Ok };
        prop_assert_eq!(alarms.states().next(), Some(wanted));
    }

    #[test]
    fn to_evaluate_again_changes_nothing(
        samples in prop::collection::vec((0_i64..10, 0_i8..3), 0..12),
        (m, n) in (1_u32..5).prop_flat_map(|n| (1..=n, Just(n))),
        missing in treatment(),
    ) {
        let all = [alarm(m, n, missing)];
        let mut metrics = Metrics::for_alarms(&all).expect("known");
        for (minute, value) in samples {
            metrics.put("N", "M", &[], minute * MINUTE_MS, f64::from(value));
        }
        let mut alarms = Alarms::new(&all).expect("emulated");
        for minute in 1..15 {
            let at_ms = minute * MINUTE_MS;
            let changes = alarms.evaluate(&metrics, at_ms);
            prop_assert!(changes.iter().all(|change| change.from != change.to));
            let before: Vec<State> = alarms.states().collect();
            prop_assert_eq!(alarms.evaluate(&metrics, at_ms), vec![]);
            // Nor does it within the minute, as no further period is over.
            prop_assert_eq!(alarms.evaluate(&metrics, at_ms + 59_999), vec![]);
            prop_assert_eq!(alarms.states().collect::<Vec<_>>(), before);
        }
    }

    /// Whoever takes missing data for breaching is in alarm wherever another is, and whoever takes it for not breaching only
    /// where all are, of whatever real datapoints can decide by themselves.
    #[test]
    fn treatments_agree_when_there_are_datapoints_enough(
        row in prop::collection::vec(prop::sample::select(vec!["0", "X", "-"]), 1..8),
        m in 1_u32..7,
    ) {
        let n = u32::try_from(row.len()).expect("small").saturating_sub(2).max(1);
        let m = m.min(n);
        let text = row.join(" ");
        let of = |missing| outcome(m, n, missing, &text);
        let (breaching, not_breaching) = (of(Missing::Breaching), of(Missing::NotBreaching));
        let real = row.iter().filter(|point| **point != "-").count();
        if real >= n as usize {
            for missing in [Missing::Breaching, Missing::Ignore, Missing::Missing] {
                prop_assert_eq!(of(missing), not_breaching.clone(), "{}", text);
            }
        }
        if not_breaching == "ALARM" {
            prop_assert_eq!(breaching.clone(), "ALARM");
            prop_assert_eq!(of(Missing::Ignore), "ALARM");
        }
        if breaching == "OK" {
            prop_assert_eq!(not_breaching, "OK");
            prop_assert_eq!(of(Missing::Missing), "OK");
        }
    }
}
