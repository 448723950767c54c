//! Statistics of samples that come in any order.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn stat(statistic: &str, minutes: u64) -> MetricStat {
    let dimensions = [("Service", "api"), ("Environment", "prod")];
    let dimensions = dimensions.map(|(name, value)| (name.to_owned(), value.to_owned()));
    MetricStat {
        namespace: "CryptoWatch".to_owned(),
        name: "LatencyMs".to_owned(),
        dimensions: BTreeMap::from(dimensions),
        statistic: statistic.to_owned(),
        period: Duration::from_secs(60 * minutes),
    }
}

const DIMENSIONS: [(&str, &str); 2] = [("Environment", "prod"), ("Service", "api")];

fn keeping(statistics: &[&str], minutes: u64, periods: u32) -> Metrics {
    let mut metrics = Metrics::new();
    for statistic in statistics {
        metrics.keep(&stat(statistic, minutes), periods).expect("known");
    }
    metrics
}

#[test]
fn a_period_may_start_at_any_minute() {
    let mut metrics = keeping(&["Sum"], 2, 3);
    for (at_ms, value) in [
        (0, 1.0),
        (59_999, 2.0),
        (60_000, 4.0),
        (119_999, 8.0),
        (120_000, 16.0),
    ] {
        metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS, at_ms, value);
    }
    let sum = |start_ms| metrics.statistic(&stat("Sum", 2), start_ms);
    assert_eq!(sum(0), Some(15.0));
    assert_eq!(sum(60_000), Some(28.0));
    assert_eq!(sum(-60_000), Some(3.0));
    assert_eq!(sum(180_000), None);
    for (statistic, value) in [
        ("Average", 3.75),
        ("Minimum", 1.0),
        ("Maximum", 8.0),
        ("SampleCount", 4.0),
    ] {
        assert_eq!(
            metrics.statistic(&stat(statistic, 2), 0),
            Some(value),
            "{statistic}"
        );
    }
}

#[test]
fn what_nobody_asked_for_is_counted_and_let_go() {
    let mut metrics = keeping(&["Sum"], 1, 1);
    metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS, 0, 1.0);
    metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS[..1], 0, 1.0);
    metrics.put(
        "CryptoWatch",
        "LatencyMs",
        &[("Service", "api"), ("Environment", "dev")],
        0,
        1.0,
    );
    metrics.put("CryptoWatch", "Requests", &DIMENSIONS, 0, 1.0);
    metrics.put("Other", "LatencyMs", &DIMENSIONS, 0, 1.0);
    metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS, 0, f64::NAN);
    let wanted = Counts {
        kept: 1,
        not_asked_for: 4,
        too_old: 0,
        not_finite: 1,
    };
    assert_eq!(metrics.counts(), wanted);
    assert_eq!(metrics.statistic(&stat("SampleCount", 1), 0), Some(1.0));
    assert_eq!(
        metrics.statistic(
            &MetricStat {
                name: "Requests".to_owned(),
                ..stat("Sum", 1)
            },
            0
        ),
        None
    );
}

#[test]
fn minutes_that_no_alarm_can_look_at_are_forgotten() {
    let mut metrics = keeping(&["Sum"], 5, 3);
    let id = metrics.find("CryptoWatch", "LatencyMs", &DIMENSIONS);
    for minute in 0..10_000 {
        metrics.put_to(id, minute * MINUTE_MS, 1.0);
    }
    assert_eq!(metrics.series[0].minutes.len(), 15 + 120 + 1);
    assert_eq!(metrics.statistic(&stat("Sum", 5), 9_985 * MINUTE_MS), Some(5.0));
    metrics.put_to(id, 9_800 * MINUTE_MS, 1.0);
    assert_eq!(metrics.counts().too_old, 1);
    // One that is late but can be looked at still.
    metrics.put_to(id, 9_985 * MINUTE_MS, 1.0);
    assert_eq!(metrics.statistic(&stat("Sum", 5), 9_985 * MINUTE_MS), Some(6.0));
}

#[test]
fn a_document_is_put_once_for_each_set_of_dimensions() {
    let line = r#"{"_aws":{"Timestamp":60000,"CloudWatchMetrics":[{"Namespace":"CryptoWatch","Dimensions":[["Service","Environment"],["Service"]],"Metrics":[{"Name":"Requests"},{"Name":"LatencyMs"}]}]},"Service":"api","Environment":"prod","Requests":1,"LatencyMs":[1,2.5]}"#;
    let document = Document::parse(line, 0).expect("a document").expect("valid");
    let mut metrics = keeping(&["Sum"], 1, 1);
    metrics.put_document(&document);
    assert_eq!(metrics.statistic(&stat("Sum", 1), 60_000), Some(3.5));
    assert_eq!((metrics.counts().kept, metrics.counts().not_asked_for), (2, 4));
}

#[test]
fn percentiles_are_of_nearest_rank_and_within_a_percent() {
    let mut metrics = keeping(&["p99", "p50"], 2, 1);
    for value in 0..=1000 {
        let at_ms = if value % 2 == 0 { 0 } else { MINUTE_MS };
        metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS, at_ms, f64::from(value));
    }
    let percentile = |statistic| metrics.statistic(&stat(statistic, 2), 0).expect("samples");
    for (statistic, value) in [("p50", 500.0), ("p99", 990.0), ("p99.9", 999.0), ("p12.5", 125.0)] {
        let found = percentile(statistic);
        assert!((found - value).abs() <= 0.01 * value, "{statistic}: {found}");
    }
    assert_eq!((percentile("p0"), percentile("p100")), (0.0, 1000.0));
    metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS, 0, -1.0);
    assert_eq!(metrics.statistic(&stat("p50", 2), 0), None);
    // Nobody asked for percentiles, so there is nothing to take them from.
    let mut plain = keeping(&["Sum"], 1, 1);
    plain.put("CryptoWatch", "LatencyMs", &DIMENSIONS, 0, 1.0);
    assert_eq!(plain.statistic(&stat("p50", 1), 0), None);
    assert!(plain.series[0].minutes[0].histogram.is_none());
}

#[test]
fn an_unknown_statistic_is_an_error() {
    for text in ["p", "p101", "p-1", "p1e1", "pNaN", "average", "TM(10%:90%)", ""] {
        assert!(text.parse::<Statistic>().is_err(), "{text}");
    }
    let error = Metrics::new().keep(&stat("IQM", 1), 1).expect_err("refused");
    assert_snapshot!(error, @"`IQM` is no statistic that is emulated: use Sum, Average, Minimum, Maximum, SampleCount or a percentile from p0 to p100 such as p99.9");
}

proptest! {
    /// Values that add up without rounding, so that the sum may be compared.
    #[test]
    fn the_order_of_puts_does_not_matter(
        (samples, shuffled) in prop::collection::vec((-2_i64..8, -100_i32..100), 1..60)
            .prop_flat_map(|samples| (Just(samples.clone()), Just(samples).prop_shuffle())),
        minutes in 1_u64..4,
    ) {
        let all = ["Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p99"];
        let of = |samples: &[(i64, i32)]| {
            let mut metrics = keeping(&all, minutes, 3);
            for (minute, value) in samples {
                let at_ms = minute * MINUTE_MS + 7;
                metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS, at_ms, f64::from(*value) / 8.0);
            }
            let starts = (-4..10).map(|minute| minute * MINUTE_MS);
            starts
                .flat_map(|start| all.map(|statistic| metrics.statistic(&stat(statistic, minutes), start)))
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(of(&samples), of(&shuffled));
    }

    #[test]
    fn the_average_is_the_sum_through_the_count(values in prop::collection::vec(-1e9..1e9_f64, 1..40)) {
        let mut metrics = keeping(&["Sum", "p10"], 1, 1);
        for value in &values {
            metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS, 0, *value);
        }
        let of = |statistic| metrics.statistic(&stat(statistic, 1), 0).expect("samples");
        prop_assert_eq!(of("SampleCount"), values.len() as f64);
        prop_assert_eq!(of("Average"), of("Sum") / of("SampleCount"));
        prop_assert!((of("Sum") - values.iter().sum::<f64>()).abs() < 1e-3);
        prop_assert!(of("Minimum") <= of("Average") + 1e-3 && of("Average") <= of("Maximum") + 1e-3);
    }

    #[test]
    fn a_percentile_is_near_the_sample_of_its_rank(
        values in prop::collection::vec(0.0..1e6_f64, 1..80),
        percent in 0.0..=100.0_f64,
    ) {
        let name = format!("p{percent:.3}");
        let Ok(Statistic::Percentile(percent)) = name.parse() else { panic!("{name}") };
        let mut metrics = keeping(&[&name], 1, 1);
        for value in &values {
            metrics.put("CryptoWatch", "LatencyMs", &DIMENSIONS, 0, *value);
        }
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = ((percent / 100.0 * sorted.len() as f64).ceil() as usize).max(1);
        let (found, wanted) = (metrics.statistic(&stat(&name, 1), 0).expect("samples"), sorted[rank - 1]);
        prop_assert!((found - wanted).abs() <= 0.0101 * wanted, "{} {} {}", name, found, wanted);
    }
}
