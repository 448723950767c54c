//! What a function's answer means to the client.
//!
//! The rules are those of `LocalStack`'s `test_aws_proxy_response_payload_format_validation`, which was recorded against AWS,
//! where not marked otherwise.

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::responses::{Fault, ResponseType};

/// A function's answer, with nothing else in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Reply {
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    #[serde(default)]
    status_code: Option<Value>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    multi_value_headers: Option<BTreeMap<String, Vec<Value>>>,
    #[serde(default)]
    body: Option<String>,
}

/// What becomes of a header of the answer (b: the table in API Gateway's important notes; `Content-Length` as is seen
/// everywhere, where the table says that it passes).
enum Fate {
    Passes,
    /// As `x-amzn-Remapped-…`.
    Remapped(&'static str),
    Dropped,
}

fn fate(name: &HeaderName) -> Fate {
    match name.as_str() {
        "authorization" => Fate::Remapped("x-amzn-remapped-authorization"),
        "connection" => Fate::Remapped("x-amzn-remapped-connection"),
        "content-length" => Fate::Remapped("x-amzn-remapped-content-length"),
        "content-md5" => Fate::Remapped("x-amzn-remapped-content-md5"),
        "date" => Fate::Remapped("x-amzn-remapped-date"),
        "max-forwards" => Fate::Remapped("x-amzn-remapped-max-forwards"),
        "server" => Fate::Remapped("x-amzn-remapped-server"),
        "user-agent" => Fate::Remapped("x-amzn-remapped-user-agent"),
        "www-authenticate" => Fate::Remapped("x-amzn-remapped-www-authenticate"),
        "expect" | "host" | "proxy-authenticate" | "te" | "trailer" | "transfer-encoding" | "upgrade"
        | "via" => Fate::Dropped,
        _ => Fate::Passes,
    }
}

/// Reads a function's answer. Base64 is decoded only for a client that `accepts_binary`; another gets its text.
///
/// # Errors
/// It is not what a proxy integration takes: 502, or 500 for base64 that is none.
pub(super) fn read(payload: &[u8], accepts_binary: bool) -> Result<(StatusCode, HeaderMap, Bytes), Fault> {
    let malformed = |_| Fault::malformed();
    // Without this an array would do, too.
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return Err(Fault::malformed());
    }
    let reply: Reply = serde_json::from_slice(payload).map_err(|_| Fault::malformed())?;
    let status = status(reply.status_code.as_ref())?;
    let mut headers = HeaderMap::new();
    // On a clash both are kept, those of `multiValueHeaders` first; the same value is not sent twice (b).
    for (name, values) in reply.multi_value_headers.iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Fault::malformed())?;
        for value in values {
            headers.append(name.clone(), text(value)?);
        }
    }
    for (name, value) in reply.headers.iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Fault::malformed())?;
        let value = text(value)?;
        if !headers.get_all(&name).iter().any(|other| other == value) {
            headers.append(name, value);
        }
    }
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in &headers {
        match fate(name) {
            Fate::Passes => passed.append(name.clone(), value.clone()),
            Fate::Remapped(other) => passed.append(HeaderName::from_static(other), value.clone()),
            Fate::Dropped => continue,
        };
    }
    if !passed.contains_key(header::CONTENT_TYPE) {
        passed.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let body = reply.body.unwrap_or_default();
    let body = if reply.is_base64_encoded == Some(true) && accepts_binary {
        // (a) for the status, (b) for the type.
        let decoded = base64::decode(body).map_err(|_| Fault::of(ResponseType::ApiConfigurationError))?;
        Bytes::from(decoded)
    } else {
        Bytes::from(body)
    };
    let status = StatusCode::from_u16(status).map_err(malformed)?;
    Ok((status, passed, body))
}

/// 200 when there is none; a number in a string is one. From 200 to 599 (c).
fn status(given: Option<&Value>) -> Result<u16, Fault> {
    let number = match given {
        None | Some(Value::Null) => Some(200),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| (200..600).contains(number))
        .ok_or_else(Fault::malformed)
}

/// The text of a header: a string, or `true` and `false` (a); anything else is malformed (c for numbers).
fn text(value: &Value) -> Result<HeaderValue, Fault> {
    match value {
        Value::String(text) => HeaderValue::from_str(text).map_err(|_| Fault::malformed()),
        Value::Bool(true) => Ok(HeaderValue::from_static("true")),
        Value::Bool(false) => Ok(HeaderValue::from_static("false")),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(Fault::malformed()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome(payload: &str) -> u16 {
        match read(payload.as_bytes(), true) {
            Ok((status, ..)) => status.as_u16(),
            Err(fault) => fault.status,
        }
    }

    #[test]
    fn only_a_proxy_answer_is_one() {
        let rows = [
            (r#"{"statusCode":200}"#, 200),
            (r#"{"statusCode":"201"}"#, 201),
            (r#"{"headers":{"a":"b"}}"#, 200),
            (r#"{"statusCode":200,"headers":null}"#, 200),
            ("  {}", 200),
            (r#"{"statusCode":200,"wrongValue":"value"}"#, 502),
            (r#"{"statusCode":200,"cookies":[]}"#, 502),
            (r#"{"statusCode":"test"}"#, 502),
            (r#"{"statusCode":200.5}"#, 502),
            (r#"{"statusCode":100}"#, 502),
            (r#"{"statusCode":600}"#, 502),
            (r#"{"statusCode":true}"#, 502),
            (r#"{"multiValueHeaders":{"a":"b"}}"#, 502),
            (r#"{"headers":{"a":["b"]}}"#, 502),
            (r#"{"headers":{"a":1}}"#, 502),
            (r#"{"headers":{"a":null}}"#, 502),
            (r#"{"headers":{"a b":"c"}}"#, 502),
            (r#"{"headers":{"a":"b\n"}}"#, 502),
            (r#"{"body":{}}"#, 502),
            (r#"{"body":1}"#, 502),
            (r#"{"isBase64Encoded":"true"}"#, 502),
            (r#"{"body":"no base64","isBase64Encoded":true}"#, 500),
            (r#"{"errorType":"Unhandled","errorMessage":"boom"}"#, 502),
            (r#""justAString""#, 502),
            ("[200]", 502),
            (r#"[false,200,null,null,"x"]"#, 502),
            ("null", 502),
            ("", 502),
            ("{", 502),
            (r#"{"statusCode":200} x"#, 502),
        ];
        for (payload, expected) in rows {
            assert_eq!(outcome(payload), expected, "{payload}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_is_too_strange(payload in prop::collection::vec(any::<u8>(), 0..200), binary: bool) {
            let _ = read(&payload, binary);
        }

        #[test]
        fn no_json_is_too_strange(
            status in prop_oneof![Just("200".to_owned()), "[-0-9a-z\"\\[{}]{0,6}"],
            name in ".{0,12}",
            value in ".{0,12}",
            body in ".{0,30}",
        ) {
            let payload = format!(
                "{{\"statusCode\":{status},\"headers\":{{{}:{}}},\"body\":{},\"isBase64Encoded\":true}}",
                Value::from(name), Value::from(value), Value::from(body),
            );
            let _ = read(payload.as_bytes(), true);
        }
    }
}
