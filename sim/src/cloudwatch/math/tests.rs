//! Expressions over series with and without missing values.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

/// `30 - 0`: values, the oldest first, of which some are missing.
fn series(text: &str) -> Series {
    text.split(' ').map(|value| value.parse().ok()).collect()
}

fn shown(values: &[Option<f64>]) -> String {
    let shown = values
        .iter()
        .map(|value| value.map_or("-".to_owned(), |value| value.to_string()));
    shown.collect::<Vec<_>>().join(" ")
}

fn result(expression: &str, metrics: &[(&str, &str)]) -> String {
    let all: BTreeMap<&str, Series> = metrics.iter().map(|(id, text)| (*id, series(text))).collect();
    let parsed = Expression::parse(expression, all.keys().copied()).expect(expression);
    let periods = all.values().next().expect("a metric").len();
    shown(&parsed.evaluate(&all, periods))
}

/// The examples of "Comparison and logical operators".
#[test]
fn documented_comparisons() {
    let metrics = [("metric1", "30 20 0 0"), ("metric2", "20 - 20 -")];
    assert_eq!(result("metric1 < metric2", &metrics), "0 0 1 0");
    assert_eq!(result("metric1 >= 30", &metrics), "1 0 0 0");
    assert_eq!(result("metric1 == metric2", &metrics), "0 0 0 1");
    assert_eq!(result("metric1 != 30", &metrics), "0 1 1 1");
    assert_eq!(result("(metric1 > 15) * (metric2 <= 20)", &metrics), "1 0 0 0");
}

/// The examples of "Using IF expressions".
#[test]
fn documented_choices() {
    let metrics = [
        ("metric1", "1 1 0 0 -"),
        ("metric2", "30 - 0 0 30"),
        ("metric3", "0 0 20 - 20"),
    ];
    assert_eq!(result("IF(metric1, metric2, metric3)", &metrics), "30 0 20 - -");
    assert_eq!(result("IF(metric1, 5, metric3)", &metrics), "5 5 20 - -");
    assert_eq!(result("IF(metric1, metric2, 5)", &metrics), "30 0 5 5 -");
    assert_eq!(result("IF(metric1, metric2)", &metrics), "30 0 - - -");
    assert_eq!(result("IF(1, metric2, metric3)", &metrics), "30 - 0 0 30");
    assert_eq!(result("IF(2 < 1, metric2, metric3)", &metrics), "0 0 20 - 20");
    assert_eq!(result("IF(0, metric2)", &metrics), "- - - - -");
    assert_eq!(result("IF(metric2 < 10, 10, 2)", &metrics), "2 - 10 10 2");
}

#[test]
fn arithmetic_takes_what_one_series_lacks_for_zero() {
    let metrics = [("a", "6 - - 4"), ("b", "3 2 - 0")];
    assert_eq!(result("a + b", &metrics), "9 2 - 4");
    assert_eq!(result("a - b", &metrics), "3 -2 - 4");
    assert_eq!(result("a * b", &metrics), "18 0 - 0");
    // Divided by zero, or by nothing: dropped.
    assert_eq!(result("a / b", &metrics), "2 0 - -");
    assert_eq!(result("b / a", &metrics), "0.5 - - 0");
    assert_eq!(result("a + 1", &metrics), "7 - - 5");
    assert_eq!(result("100 / b", &metrics), format!("{} 50 - -", 100.0 / 3.0));
    assert_eq!(result("a + 1 / 0", &metrics), "- - - -");
    assert_eq!(result("-a", &metrics), "-6 - - -4");
}

#[test]
fn operators_bind_as_in_mathematics() {
    let m = [("m", "2")];
    for (expression, value) in [
        ("m + 3 * 4", "14"),
        ("(m + 3) * 4", "20"),
        ("m - 1 - 1", "0"),
        ("8 / m / 2", "2"),
        ("-m ^ 2", "-4"),
        ("2 ^ m ^ 3", "256"),
        ("m ^ -1", "0.5"),
        ("m * -3", "-6"),
        ("--m", "2"),
        ("m+1>2*1", "1"),
        (" m\t< 2 ", "0"),
        ("m + .5", "2.5"),
        ("m*1.5", "3"),
    ] {
        assert_eq!(result(expression, &m), value, "{expression}");
    }
}

#[test]
fn fill_has_three_ways() {
    let m = [("m", "- 1 - - 4 -"), ("n", "9 9 9 - 9 9")];
    assert_eq!(result("FILL(m, 0)", &m), "0 1 0 0 4 0");
    assert_eq!(result("FILL(m, -2 * 3)", &m), "-6 1 -6 -6 4 -6");
    assert_eq!(result("FILL(m, REPEAT)", &m), "- 1 1 1 4 4");
    assert_eq!(result("FILL(m, LINEAR)", &m), "- 1 2 3 4 -");
    assert_eq!(result("FILL(m, n)", &m), "9 1 9 - 4 9");
    assert_eq!(result("FILL(m, 0) + FILL(n, 0)", &m), "9 10 9 0 13 9");
    // Of a metric that never had a sample.
    let parsed = Expression::parse("FILL(m, 7)", ["m"]).expect("an expression");
    assert_eq!(shown(&parsed.evaluate(&BTreeMap::new(), 2)), "7 7");
}

#[test]
fn functions_of_lists_and_of_each_value() {
    let m = [("a", "1 - -1.5"), ("b", "4 2 -2.5"), ("c", "- - -3")];
    assert_eq!(result("SUM([a, b])", &m), "5 2 -4");
    assert_eq!(result("AVG([a, b])", &m), "2.5 1 -2");
    assert_eq!(result("MAX([a, b, c])", &m), "4 2 -1.5");
    assert_eq!(result("MIN([a,b])", &m), "1 2 -2.5");
    assert_eq!(result("SUM([a, c])", &m), "1 - -4.5");
    assert_eq!(result("ABS(a)", &m), "1 - 1.5");
    assert_eq!(result("CEIL(b) + FLOOR(b)", &m), "8 4 -5");
}

#[test]
fn what_is_no_expression_is_an_error_at_its_column() {
    let error = |text: &str| {
        Expression::parse(text, ["api", "update"])
            .expect_err(text)
            .to_string()
    };
    assert_snapshot!(error("FILL(api, 0) + RATE(update)"), @"metric math `FILL(api, 0) + RATE(update)`, column 16: function `RATE` is not emulated; there are ABS, AVG, CEIL, FILL, FLOOR, IF, MAX, MIN and SUM, in upper case");
    assert_snapshot!(error("api + fill(update, 0)"), @"metric math `api + fill(update, 0)`, column 7: function `fill` is not emulated; there are ABS, AVG, CEIL, FILL, FLOOR, IF, MAX, MIN and SUM, in upper case");
    assert_snapshot!(error("api + apl"), @"metric math `api + apl`, column 7: `apl` is the id of no metric of this alarm; there are: api, update");
    assert_snapshot!(error("api +"), @"metric math `api +`, column 6: a number, an id, a function or `(` expected");
    assert_snapshot!(error("(api"), @"metric math `(api`, column 5: `)` expected");
    assert_snapshot!(error("api update"), @"metric math `api update`, column 5: an operator or the end expected");
    assert_snapshot!(error("api AND update"), @"metric math `api AND update`, column 5: an operator or the end expected");
    assert_snapshot!(error("1 + 2"), @"metric math `1 + 2`, column 1: the result is a number and no time series: it has no metric in it");
    assert_snapshot!(error("api * SUM(update)"), @"metric math `api * SUM(update)`, column 11: SUM of one series is a number that depends on how many periods CloudWatch fetches; give it a list, such as SUM([a, b])");
    assert_snapshot!(error("SUM([api, 1])"), @"metric math `SUM([api, 1])`, column 10: SUM takes a list of time series, and this is a number");
    assert_snapshot!(error("FILL(1, 0)"), @"metric math `FILL(1, 0)`, column 6: FILL takes a time series, and this is a number");
    assert_snapshot!(error("FILL(api)"), @"metric math `FILL(api)`, column 9: `,` expected");
    assert_snapshot!(error("api * 1.2.3"), @"metric math `api * 1.2.3`, column 7: `1.2.3` is no number");
    assert_snapshot!(error("api × 2"), @"metric math `api × 2`, column 5: an operator or the end expected");
    assert_snapshot!(error(""), @"metric math ``, column 1: a number, an id, a function or `(` expected");
    assert!(error(&"(".repeat(5000)).contains("nested deeper"));
    assert!(error(&format!("{}api", "-".repeat(5000))).contains("nested deeper"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(api|FILL|IF|SUM|MAX|LINEAR|[-+*/^<>=!(),\\[\\]. 0-9é])*") {
        if let Ok(expression) = Expression::parse(&text, ["api"]) {
            let api = vec![Some(1.0), None, Some(0.0)];
            let values = expression.evaluate(&BTreeMap::from([("api", api)]), 3);
            prop_assert!(values.len() == 3 && values.iter().flatten().all(|value| value.is_finite()));
        }
    }

    /// What `LambdaErrors` relies on: with both filled, no period lacks a value.
    #[test]
    fn a_sum_of_filled_series_lacks_nothing(
        points in prop::collection::vec((prop::option::of(0_u8..9), prop::option::of(0_u8..9)), 1..9),
    ) {
        let api: Series = points.iter().map(|(api, _)| api.map(f64::from)).collect();
        let update: Series = points.iter().map(|(_, update)| update.map(f64::from)).collect();
        let all = BTreeMap::from([("api", api), ("update", update)]);
        let parsed = Expression::parse("FILL(api, 0) + FILL(update, 0)", ["api", "update"]).expect("ours");
        let found = parsed.evaluate(&all, points.len());
        let sum = |(a, b): &(Option<u8>, Option<u8>)| Some(f64::from(a.unwrap_or(0) + b.unwrap_or(0)));
        prop_assert_eq!(found, points.iter().map(sum).collect::<Vec<_>>());
    }
}
