//! The event that a function gets: a REST API's proxy event, version 1.
//!
//! Its shape and its rules are those of `LocalStack`'s `test_lambda_aws_proxy_integration` and
//! `test_apigateway_header_remapping_aws[AWS_PROXY]`, recorded against AWS, where not marked otherwise.

use std::{borrow::Cow, collections::BTreeMap};

use aws_smithy_types::base64;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::media::BinaryTypes;

/// The event, in no particular order of its fields.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    pub(super) resource: &'a str,
    /// Without the stage.
    pub(super) path: &'a str,
    pub(super) http_method: &'a str,
    pub(super) headers: BTreeMap<&'a str, Cow<'a, str>>,
    pub(super) multi_value_headers: BTreeMap<&'a str, Vec<Cow<'a, str>>>,
    pub(super) query_string_parameters: Option<BTreeMap<&'a str, &'a str>>,
    pub(super) multi_value_query_string_parameters: Option<&'a BTreeMap<String, Vec<String>>>,
    pub(super) path_parameters: Option<&'a BTreeMap<String, String>>,
    /// Stage variables are not emulated.
    pub(super) stage_variables: (),
    pub(super) request_context: RequestContext<'a>,
    pub(super) body: Option<Cow<'a, str>>,
    pub(super) is_base64_encoded: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestContext<'a> {
    pub(super) account_id: &'a str,
    pub(super) api_id: &'a str,
    pub(super) deployment_id: &'a str,
    pub(super) domain_name: &'a str,
    pub(super) domain_prefix: &'a str,
    pub(super) extended_request_id: &'a str,
    pub(super) http_method: &'a str,
    pub(super) identity: Identity<'a>,
    /// With the stage.
    pub(super) path: &'a str,
    /// Always that, however the client came.
    pub(super) protocol: &'static str,
    pub(super) request_id: &'a str,
    pub(super) request_time: String,
    pub(super) request_time_epoch: i64,
    pub(super) resource_id: &'a str,
    pub(super) resource_path: &'a str,
    pub(super) stage: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity<'a> {
    pub(super) access_key: (),
    pub(super) account_id: (),
    /// Only where a key is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key_id: Option<&'a str>,
    pub(super) caller: (),
    pub(super) cognito_authentication_provider: (),
    pub(super) cognito_authentication_type: (),
    pub(super) cognito_identity_id: (),
    pub(super) cognito_identity_pool_id: (),
    pub(super) principal_org_id: (),
    pub(super) source_ip: &'a str,
    pub(super) user: (),
    pub(super) user_agent: Option<&'a str>,
    pub(super) user_arn: (),
}

/// What the gateway puts into the headers of a request.
pub(super) struct Forwarded<'a> {
    pub(super) source_ip: &'a str,
    pub(super) host: &'a str,
    pub(super) trace_id: &'a str,
}

/// The headers of a request as a function gets them, each with its values in order.
///
/// AWS passes the names as the client wrote them, except for a few that it writes in its own way. The `http` crate has them
/// in lower case, as HTTP/2 clients do, so that this is what functions get; `Host`, `User-Agent`, `Authorization` and those
/// that the gateway adds are written as AWS does.
pub(super) fn headers<'a>(
    headers: &'a HeaderMap,
    forwarded: &Forwarded<'a>,
) -> BTreeMap<&'a str, Vec<Cow<'a, str>>> {
    let mut passed: BTreeMap<&str, Vec<Cow<'_, str>>> = BTreeMap::new();
    for (name, value) in headers {
        if !is_dropped(name, value) {
            passed.entry(spelt(name)).or_default().push(text(value));
        }
    }
    // What proxies before the gateway said goes first (c).
    let forwarded_for = match passed.get("X-Forwarded-For") {
        Some(before) => format!("{}, {}", before.join(", "), forwarded.source_ip),
        None => forwarded.source_ip.to_owned(),
    };
    passed.insert("X-Forwarded-For", vec![Cow::Owned(forwarded_for)]);
    passed.insert("X-Forwarded-Port", vec![Cow::Borrowed("443")]);
    passed.insert("X-Forwarded-Proto", vec![Cow::Borrowed("https")]);
    passed.insert("X-Amzn-Trace-Id", vec![Cow::Borrowed(forwarded.trace_id)]);
    // On AWS nobody gets here by another name, but under emulation by 127.0.0.1.
    passed.insert("Host", vec![Cow::Borrowed(forwarded.host)]);
    passed
}

/// The last value of each: the single-value form of headers (c) and query parameters (a).
pub(super) fn last<'a>(values: &BTreeMap<&'a str, Vec<Cow<'a, str>>>) -> BTreeMap<&'a str, Cow<'a, str>> {
    values
        .iter()
        .filter_map(|(name, values)| Some((*name, values.last()?.clone())))
        .collect()
}

fn is_dropped(name: &HeaderName, value: &HeaderValue) -> bool {
    match name.as_str() {
        "connection" | "content-length" | "content-md5" | "expect" | "max-forwards"
        | "proxy-authenticate" | "server" | "te" | "trailer" | "transfer-encoding" | "upgrade"
        | "www-authenticate" => true,
        // (b: a signature of AWS's own; and the header that has done its work)
        "authorization" => value.as_bytes().starts_with(b"AWS4-HMAC-SHA256"),
        "x-http-method-override" => true,
        _ => false,
    }
}

fn spelt(name: &HeaderName) -> &str {
    match name.as_str() {
        "authorization" => "Authorization",
        "host" => "Host",
        "user-agent" => "User-Agent",
        "x-amzn-trace-id" => "X-Amzn-Trace-Id",
        "x-forwarded-for" => "X-Forwarded-For",
        "x-forwarded-port" => "X-Forwarded-Port",
        "x-forwarded-proto" => "X-Forwarded-Proto",
        name => name,
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The query parameters, decoded, each with its values in order: `+` is a space, what is no UTF-8 is replaced (c), and a
/// `%` that encodes nothing stays (c).
pub(super) fn query(query: &str) -> BTreeMap<String, Vec<String>> {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decoded(name)).or_default().push(decoded(value));
    }
    parameters
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let encoded = (byte == b'%').then(|| {
            let digit = |place| char::from(*bytes.get(place)?).to_digit(16);
            u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()
        });
        match (byte, encoded.flatten()) {
            (_, Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (b'+', None) => {
                decoded.push(b' ');
                at += 1;
            }
            (byte, None) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// The body of an event, and whether it is base64: that goes by the request's `Content-Type`, JSON when there is none (c).
/// An empty body is null, and not base64 (c for binary types). Text that is no UTF-8 is damaged (c).
pub(super) fn body<'a>(
    body: &'a [u8],
    content_type: Option<&str>,
    binary: &BinaryTypes,
) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        (None, false)
    } else if binary.include(Some(content_type.unwrap_or("application/json"))) {
        (Some(Cow::Owned(base64::encode(body))), true)
    } else {
        (Some(String::from_utf8_lossy(body)), false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `LocalStack`'s `invocation-payload-with-params-encoding` and `…-multi`, recorded against AWS.
    #[test]
    fn queries_are_decoded_as_recorded() {
        let read = query(
            "dateTimeOffset=2023-06-12T18:05:10.123456+00:00&email=test%2Balias@gmail.com&plus=test+alias@gmail.com\
             &url=https://www.google.com/&whitespace=foo%20bar&zhash=abort/&price=10&price=20&price=30",
        );
        let text: Vec<String> = read
            .iter()
            .map(|(name, values)| format!("{name}={}", values.join("|")))
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        dateTimeOffset=2023-06-12T18:05:10.123456 00:00
        email=test+alias@gmail.com
        plus=test alias@gmail.com
        price=10|20|30
        url=https://www.google.com/
        whitespace=foo bar
        zhash=abort/
        ");
    }

    #[test]
    fn strange_queries_are_read_all_the_same() {
        let text: Vec<String> = query("a&b=&=c&d=1=2&e=%4&f=%zz&g=%ff&&h=%e2%82%ac&%6b=%")
            .iter()
            .map(|(name, values)| format!("{name}={}", values.join("|")))
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        =c
        a=
        b=
        d=1=2
        e=%4
        f=%zz
        g=�
        h=€
        k=%
        ");
    }

    proptest! {
        #[test]
        fn no_query_is_too_strange(text in "[ -~]{0,60}") {
            let _ = query(&text);
        }

        /// What a client encodes, a function gets.
        #[test]
        fn a_query_comes_back(name in "[a-z]{1,5}", value in "\\PC{0,12}") {
            let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let read = query(&format!("{name}={encoded}"));
            prop_assert_eq!(read.get(&name), Some(&vec![value]));
        }
    }
}
