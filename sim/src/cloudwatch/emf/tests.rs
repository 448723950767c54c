//! Documents that are read, and those that break a rule.

use insta::assert_snapshot;
use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

/// When the documents were written.
const NOW_MS: i64 = 1_772_409_600_123;

/// As `service::metrics` writes them: a request, the same in full, and an update.
const REQUEST: &str = r#"{"_aws":{"Timestamp":1772409600123,"CloudWatchMetrics":[{"Namespace":"CryptoWatch","Dimensions":[["Service","Environment"]],"Metrics":[{"Name":"Requests","Unit":"Count"},{"Name":"LatencyMs","Unit":"Milliseconds"},{"Name":"Status2xx","Unit":"Count"},{"Name":"PriceRequests","Unit":"Count"},{"Name":"CacheMemory","Unit":"Count"},{"Name":"OldestPriceAgeSeconds","Unit":"Seconds"},{"Name":"BodyBytesIdentity","Unit":"Bytes"},{"Name":"BodyBytesSent","Unit":"Bytes"},{"Name":"EncodedResponses","Unit":"Count"}]}]},"Service":"api","Environment":"prod","Requests":1,"LatencyMs":1.25,"Status2xx":1,"PriceRequests":1,"CacheMemory":1,"OldestPriceAgeSeconds":0,"BodyBytesIdentity":1800,"BodyBytesSent":512,"EncodedResponses":1,"requestId":"r-\"1\"","route":"/prices"}"#;
const IN_FULL: &str = r#"{"_aws":{"Timestamp":1772409600000,"CloudWatchMetrics":[{"Namespace":"CryptoWatch","Dimensions":[["Service","Environment"]],"Metrics":[{"Name":"Requests","Unit":"Count"},{"Name":"LatencyMs","Unit":"Milliseconds"},{"Name":"Status2xx","Unit":"Count"},{"Name":"RateLimited","Unit":"Count"},{"Name":"Collapsed","Unit":"Count"},{"Name":"RefreshWaitMs","Unit":"Milliseconds"},{"Name":"UpstreamHealthy","Unit":"Count"},{"Name":"UpstreamBackoffSeconds","Unit":"Seconds"},{"Name":"UpstreamRetryTokens","Unit":"Count"},{"Name":"ReadCapacityUnits","Unit":"Count"}]}]},"Service":"api","Environment":"prod","Requests":1,"LatencyMs":1.25,"Status2xx":1,"RateLimited":1,"Collapsed":1,"RefreshWaitMs":189.4,"UpstreamHealthy":0,"UpstreamBackoffSeconds":239.5,"UpstreamRetryTokens":0.7,"ReadCapacityUnits":1.5,"requestId":"LatencyMs\":7,\"Requests","route":"/prices"}"#;
const UPDATE: &str = r#"{"_aws":{"Timestamp":1772409600000,"CloudWatchMetrics":[{"Namespace":"CryptoWatch","Dimensions":[["Service","Environment"]],"Metrics":[{"Name":"UpdateRuns","Unit":"Count"},{"Name":"UpdateSucceeded","Unit":"Count"},{"Name":"UpdateSkipped","Unit":"Count"}]}]},"Service":"update","Environment":"dev","UpdateRuns":1,"UpdateSucceeded":0,"UpdateSkipped":0,"invocation":"i"}"#;

/// One that is short, for breaking it.
const SHORT: &str = r#"{"_aws":{"Timestamp":1772409600123,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["D"]],"Metrics":[{"Name":"M","Unit":"Count","StorageResolution":60}]}]},"D":"d","M":1}"#;

fn parsed(line: &str) -> Document<'_> {
    Document::parse(line, NOW_MS).expect("a document").expect("valid")
}

fn error(line: &str) -> String {
    Document::parse(line, NOW_MS)
        .expect("a document")
        .expect_err(line)
        .to_string()
}

#[test]
fn documents_of_the_service_are_valid() {
    let told = [REQUEST, IN_FULL, UPDATE].map(|line| {
        let document = parsed(line);
        let [directive] = &document.directives[..] else {
            panic!("one directive")
        };
        let metrics = directive.metrics.iter();
        let metrics =
            metrics.map(|metric| format!("{} {:?} {}", metric.name, metric.values.as_slice(), metric.unit));
        format!(
            "{} {} {:?}\n  {}",
            document.timestamp_ms,
            directive.namespace,
            directive.dimensions,
            metrics.collect::<Vec<_>>().join("\n  "),
        )
    });
    assert_snapshot!(told.join("\n"), @r#"
    1772409600123 CryptoWatch [[("Service", "api"), ("Environment", "prod")]]
      Requests [1.0] Count
      LatencyMs [1.25] Milliseconds
      Status2xx [1.0] Count
      PriceRequests [1.0] Count
      CacheMemory [1.0] Count
      OldestPriceAgeSeconds [0.0] Seconds
      BodyBytesIdentity [1800.0] Bytes
      BodyBytesSent [512.0] Bytes
      EncodedResponses [1.0] Count
    1772409600000 CryptoWatch [[("Service", "api"), ("Environment", "prod")]]
      Requests [1.0] Count
      LatencyMs [1.25] Milliseconds
      Status2xx [1.0] Count
      RateLimited [1.0] Count
      Collapsed [1.0] Count
      RefreshWaitMs [189.4] Milliseconds
      UpstreamHealthy [0.0] Count
      UpstreamBackoffSeconds [239.5] Seconds
      UpstreamRetryTokens [0.7] Count
      ReadCapacityUnits [1.5] Count
    1772409600000 CryptoWatch [[("Service", "update"), ("Environment", "dev")]]
      UpdateRuns [1.0] Count
      UpdateSucceeded [0.0] Count
      UpdateSkipped [0.0] Count
    "#);
}

#[test]
fn the_example_of_the_specification_is_valid() {
    let line = r#"{
      "_aws": {
        "Timestamp": 1574109732004,
        "CloudWatchMetrics": [
          {
            "Namespace": "lambda-function-metrics",
            "Dimensions": [["functionVersion"]],
            "Metrics": [{"Name": "time", "Unit": "Milliseconds", "StorageResolution": 60}]
          }
        ]
      },
      "functionVersion": "$LATEST",
      "time": 100,
      "requestId": "989ffbf8-9ace-4817-a57c-e4dd734019ee"
    }"#;
    let document = Document::parse(line, 1_574_109_732_004)
        .expect("a document")
        .expect("valid");
    let metric = &document.directives[0].metrics[0];
    assert_eq!(
        (metric.values.clone(), metric.unit, metric.resolution_s),
        (Values::One(100.0), "Milliseconds", 60)
    );
    assert_eq!(document.directives[0].dimensions[0][0].1, "$LATEST");
}

#[test]
fn what_has_no_aws_member_is_no_document() {
    for line in [
        "",
        "  ",
        "START RequestId: 1 Version: $LATEST",
        "{}",
        r#"{"level":"INFO","message":"x"}"#,
        r#"{"level":{"_aws":1}}"#,
        r#"{"level":"INFO""#,
        r#"["_aws"]"#,
        r#"2026-03-02T00:00:00Z r-1 {"_aws":{}}"#,
    ] {
        assert_eq!(Document::parse(line, 0), None, "{line}");
    }
}

#[test]
fn members_may_come_in_any_order_and_names_may_be_escaped() {
    let line = r#" { "M" : [1, 2.5e0, -3E+1] , "D":"a\/\u0062","x":{"y":[[],{},[{"z":null}]]},
      "\u005faws": {"CloudWatchMetrics": [ {"Metrics":[{"Name":"\u004d"}],"Dimensions":[[],["D"]],"Namespace":"N"} ],
      "Timestamp":1772409600123}}  "#;
    let document = parsed(line);
    let [directive] = &document.directives[..] else {
        panic!("one directive")
    };
    assert_eq!(directive.metrics[0].values, Values::Many(vec![1.0, 2.5, -30.0]));
    assert_eq!(
        (directive.metrics[0].unit, directive.metrics[0].resolution_s),
        ("None", 60)
    );
    assert_eq!(
        directive.dimensions,
        vec![vec![], vec![("D".into(), "a/b".into())]]
    );
}

#[test]
fn each_rule_has_an_error() {
    let broken = |from: &str, to: &str| {
        assert!(SHORT.contains(from), "{from}");
        error(&SHORT.replacen(from, to, 1))
    };
    parsed(SHORT);
    assert_snapshot!(broken(r#""M":1}"#, r#""M":1"#), @"EMF: no JSON at byte 173: `,` or `}` expected; write the document as one line and nothing else into it");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":NaN}"#), @"EMF: no JSON at byte 172: a value expected; write the document as one line and nothing else into it");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":1} trailing"#), @"EMF: no JSON at byte 175: the end of the line expected; write the document as one line and nothing else into it");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":01}"#), @"EMF: no JSON at byte 173: `,` or `}` expected; write the document as one line and nothing else into it");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":1,"x":"\x"}"#), @"EMF: no JSON at byte 180: an escape of JSON expected; write the document as one line and nothing else into it");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":1,"M":2}"#), @"EMF: the root member `M` is there twice, and which one counts is undefined; write it once");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":"1"}"#), @"EMF: metric `M` is a text; a metric's value is a number, or a list of numbers");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":true}"#), @"EMF: metric `M` is a boolean; a metric's value is a number, or a list of numbers");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":[1,null]}"#), @"EMF: metric `M` is null; a metric's value is a number, or a list of numbers");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":1e999}"#), @"EMF: metric `M`: 1e999 is beyond ±2^360, the largest that CloudWatch stores");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":[2.4e108]}"#), @"EMF: metric `M`: 2.4e108 is beyond ±2^360, the largest that CloudWatch stores");
    assert_snapshot!(broken(r#""M":1}"#, r#""m":1}"#), @"EMF: metric `M` has no member of that name at the document's root");
    assert_snapshot!(broken(r#""M":1}"#, &format!(r#""M":[1{}]}}"#, ",1".repeat(100))), @"EMF: 101 values of a metric are more than 100");
    assert_snapshot!(broken(r#""M":1}"#, r#""M":1,"_aws":{"Timestamp":1772409600123,"CloudWatchMetrics":[]}}"#), @"EMF: the root member `_aws` is there twice, and which one counts is undefined; write it once");
    assert_snapshot!(broken(r#""D":"d""#, r#""D":7"#), @"EMF: dimension `D` is a number; a dimension's value is a text");
    assert_snapshot!(broken(r#""D":"d""#, r#""D":"""#), @"EMF: the value of a dimension `` is not 1 to 1,024 printable ASCII characters that are not all blank");
    assert_snapshot!(broken(r#""D":"d""#, r#""D":"ü""#), @"EMF: the value of a dimension `ü` is not 1 to 1,024 printable ASCII characters that are not all blank");
    assert_snapshot!(broken(r#""D":"d""#, r#""E":"d""#), @"EMF: dimension `D` has no member of that name at the document's root");
    assert_snapshot!(broken(r#"[["D"]]"#, r#"[["D","D"]]"#), @"EMF: in one set the dimension `D` is there twice, and which one counts is undefined; write it once");
    assert_snapshot!(broken(r#"[["D"]]"#, r#"[[":D"]]"#), @"EMF: the name of a dimension `:D` is not 1 to 250 printable ASCII characters, not all blank and the first no colon");
    assert_snapshot!(broken(r#"[["D"]]"#, r#"["D"]"#), @"EMF: a set of Dimensions at byte 87 is not a list");
    assert_snapshot!(broken(r#"[["D"]]"#, "[]"), @"EMF: Dimensions is empty; write [[]] for metrics without dimensions");
    assert_snapshot!(broken(r#"[["D"]]"#, &format!(r#"[["D"{}]]"#, r#","D""#.repeat(30))), @"EMF: 31 dimensions of a set are more than 30");
    assert_snapshot!(broken(r#""Dimensions":[["D"]],"#, ""), @"EMF: a directive of CloudWatchMetrics lacks `Dimensions`, which it must have");
    assert_snapshot!(broken(r#""Namespace":"N""#, r#""Namespace":"N N""#), @"EMF: Namespace `N N` is not 1 to 256 of the characters 0-9 A-Z a-z . _ # : / -");
    assert_snapshot!(broken(r#""Namespace":"N""#, r#""Namespace":1"#), @"EMF: Namespace at byte 69 is not a text");
    assert_snapshot!(broken(r#""Namespace":"N""#, r#""Namespace":"N","NameSpace":"M""#), @"EMF: a directive of CloudWatchMetrics has a member `NameSpace`, which the specification does not know; is it misspelt?");
    assert_snapshot!(broken("1772409600123", "1772409600"), @"EMF: Timestamp 1772409600 is more than 14 days before now (1772409600123); it is milliseconds since 1970, not seconds");
    assert_snapshot!(broken("1772409600123", "1772416800124"), @"EMF: Timestamp 1772416800124 is more than 2 hours after now (1772409600123); it is milliseconds since 1970");
    assert_snapshot!(broken("1772409600123", r#""now""#), @"EMF: Timestamp at byte 21 is not a whole number of milliseconds");
    assert_snapshot!(broken("1772409600123", "1772409600123.5"), @"EMF: Timestamp at byte 21 is not a whole number of milliseconds");
    assert_snapshot!(broken(r#""Timestamp":1772409600123,"#, ""), @"EMF: _aws lacks `Timestamp`, which it must have");
    assert_snapshot!(broken(r#""Unit":"Count""#, r#""Unit":"count""#), @"EMF: metric `M`: `count` is no unit of CloudWatch, such as Count, Milliseconds or None");
    assert_snapshot!(broken(r#""StorageResolution":60"#, r#""StorageResolution":10"#), @"EMF: metric `M`: StorageResolution must be 1 or 60");
    assert_snapshot!(broken(r#""StorageResolution":60"#, r#""StorageResolutio":60"#), @"EMF: a definition of Metrics has a member `StorageResolutio`, which the specification does not know; is it misspelt?");
    assert_snapshot!(broken(r#""Name":"M","#, ""), @"EMF: a definition of Metrics lacks `Name`, which it must have");
    assert_snapshot!(broken(r#""Name":"M""#, r#""Name":"""#), @"EMF: metric `` is not 1 to 1,024 characters that are not all blank");
    assert_snapshot!(broken(r#""Metrics":[{"#, r#""Metrics":[{"Name":"M"},{"#), @"EMF: the metric `M` is there twice, and which one counts is undefined; write it once");
    let many = format!(r#""Metrics":[{}{{"#, r#"{"Name":"M"},"#.repeat(100));
    assert_snapshot!(broken(r#""Metrics":[{"#, &many), @"EMF: 101 metrics of a directive are more than 100");
    assert_snapshot!(error(r#"{"_aws":1}"#), @"EMF: _aws at byte 8 is not an object");
}

/// Limits themselves are within the limits.
#[test]
fn limits_are_inclusive() {
    let at = |timestamp_ms: i64| SHORT.replace("1772409600123", &timestamp_ms.to_string());
    for (timestamp_ms, is_valid) in [
        (NOW_MS - MOST_PAST_MS, true),
        (NOW_MS - MOST_PAST_MS - 1, false),
        (NOW_MS + MOST_FUTURE_MS, true),
        (NOW_MS + MOST_FUTURE_MS + 1, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        let line = at(timestamp_ms);
        let found = Document::parse(&line, NOW_MS).expect("a document");
        assert_eq!(found.is_ok(), is_valid, "{found:?}");
    }
    let padded = |bytes: usize| {
        let padding = "x".repeat(bytes - SHORT.len() - r#","p":"""#.len());
        SHORT.replace(r#""M":1}"#, &format!(r#""M":1,"p":"{padding}"}}"#))
    };
    let line = padded(MOST_BYTES);
    assert_eq!(line.len(), MOST_BYTES);
    parsed(&line);
    assert_snapshot!(error(&padded(MOST_BYTES + 1)), @"EMF: 1048577 bytes are more than the 1048576 of a log event (256 KB before 2025); write less into it");
    let value = |length: usize| SHORT.replace(r#""D":"d""#, &format!(r#""D":"{}""#, "d".repeat(length)));
    parsed(&value(1024));
    assert!(error(&value(1025)).contains("1 to 1,024 printable ASCII"));
    let values =
        |count: usize| SHORT.replace(r#""M":1}"#, &format!(r#""M":[1{}]}}"#, ",1".repeat(count - 1)));
    assert_eq!(
        parsed(&values(100)).directives[0].metrics[0]
            .values
            .as_slice()
            .len(),
        100
    );
    parsed(&SHORT.replace(r#""M":1}"#, r#""M":2.3485425827738332e108}"#));
}

#[test]
fn a_surrogate_pair_is_one_character_and_half_of_one_is_replaced() {
    assert_eq!(unescaped(r"a\ud83d\ude00\n\u00e9\\"), "a😀\né\\");
    assert_eq!(unescaped(r"\ud83d\t\ude00"), "\u{fffd}\t\u{fffd}");
}

#[test]
fn depth_cannot_overflow_the_stack() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    parsed(&SHORT.replace(r#""M":1}"#, &format!(r#""M":1,"x":{deep}}}"#)));
}

/// Whether it is well-formed, and an object, to `serde_json`.
fn is_object(line: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(line).is_ok() && line.trim_start().starts_with('{')
}

fn agrees(line: &str) -> Result<(), TestCaseError> {
    match Document::parse(line, NOW_MS) {
        Some(Err(EmfError::Syntax { .. })) => prop_assert!(!is_object(line), "{line}"),
        Some(Ok(_)) => prop_assert!(is_object(line), "{line}"),
        Some(Err(_)) => {}
        None => {
            let root = serde_json::from_str::<serde_json::Value>(line);
            prop_assert!(
                root.is_err() || root.is_ok_and(|root| root.get("_aws").is_none()),
                "{line}"
            );
        }
    }
    Ok(())
}

#[test]
fn what_is_nearly_json_is_none() {
    let wrong = r#"+1 .5 1. 1.e1 1e 1e+ - --1 00 -01 0x1 1_0 NaN -Infinity tru nulL True ' [1,] [,1] [1;2] [1 {"a":1,}
        {"a"} {"a":} {a:1} {"a";1} {,} {"a":1,,"b":2} [} {] "\a" "\u12g4" "\u12" "\"#;
    for value in wrong
        .split_whitespace()
        .chain(["\"\u{1}\"", "\"\n\"", "1 2", "\u{a0}1"])
    {
        let line = SHORT.replace(r#""M":1}"#, &format!(r#""M":1,"x":{value}}}"#));
        let found = Document::parse(&line, NOW_MS);
        assert!(
            matches!(found, Some(Err(EmfError::Syntax { .. }))),
            "{value}: {found:?}"
        );
        assert!(!is_object(&line), "{value}");
    }
}

/// JSON of no particular kind, which is well-formed.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,6}|[\"\\\\\u{1}\n/]{0,3}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map("_aws|Timestamp|Metrics|\\PC{0,3}", inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(line in "\\PC*|\\{[\"_aws:{}\\[\\],0-9.eE\\\\u+-]*") {
        agrees(&line)?;
    }

    #[test]
    fn it_agrees_with_serde_json_on_json(value in any_json(), pretty in any::<bool>()) {
        let line = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let line = line.expect("JSON");
        agrees(&line)?;
        if value.get("_aws").is_some() {
            let found = Document::parse(&line, NOW_MS);
            prop_assert!(!matches!(found, None | Some(Err(EmfError::Syntax { .. }))), "{:?}", found);
        }
    }

    /// A document in which some characters are lost, doubled, or others.
    #[test]
    fn it_agrees_with_serde_json_on_broken_documents(
        which in 0_usize..3,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, "[\"{}\\[\\],:0a\\\\ \u{1}]?"), 1..4),
    ) {
        let mut line = [REQUEST, IN_FULL, UPDATE][which].to_owned();
        for (place, length, put) in cuts {
            let start = place.index(line.len() - 4);
            line.replace_range(start..start + length, &put);
        }
        agrees(&line)?;
    }

    #[test]
    fn values_come_back_as_they_were_written(values in prop::collection::vec(-1e30..1e30_f64, 1..20)) {
        let line = SHORT.replace(r#""M":1}"#, &format!(r#""M":{}}}"#, serde_json::to_string(&values).expect("JSON")));
        let document = parsed(&line);
        prop_assert_eq!(document.directives[0].metrics[0].values.as_slice(), &values[..]);
    }
}
