//! The headers of each kind of answer, as captured from the real service (names, order, values).

use scenarios::format::fault::Cut;
use sha2::{Digest, Sha256};

use super::answers::Paging;
use super::edge::CacheStatus;
use super::errors::{ErrorAnswer, Origin};
use super::exchange::FakeRequest;
use super::market::mix;

/// Headers in the order in which they are sent.
pub type Headers = Vec<(&'static str, String)>;

/// What the headers of one answer say beyond its kind.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Wall time of the answer, Unix milliseconds.
    pub now_ms: i64,
    /// A number that no other answer of the run has.
    pub nonce: u64,
}

/// What a 200 says of its body.
#[derive(Clone, Debug)]
pub struct Representation {
    /// The `ETag`.
    pub etag: String,
    /// How long the edge may keep it, seconds.
    pub shared_s: i64,
    /// Where the edge has it from.
    pub cached: CacheStatus,
    /// Which part of a list it is, where that is said: `link`, `per-page`, `total`.
    pub paging: Headers,
}

/// The weak `ETag` of a body, which is the same however the body is encoded.
pub fn etag(body: &str) -> String {
    format!("W/\"{}\"", digest_32(body))
}

/// The headers of a 200 whose body is sent compressed, or as it is.
pub fn ok(stamp: Stamp, of: &Representation, gzip: bool) -> Headers {
    let mut headers = vec![
        ("date", http_date(stamp.now_ms)),
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("transfer-encoding", "chunked".to_owned()),
    ];
    if gzip {
        headers.push(("content-encoding", "gzip".to_owned()));
    }
    headers.extend(about(stamp, of));
    headers
}

/// The headers of a 304: those of the 200, without what tells of a body.
pub fn not_modified(stamp: Stamp, of: &Representation) -> Headers {
    let mut headers = vec![("date", http_date(stamp.now_ms))];
    headers.extend(about(stamp, of));
    headers
}

fn about(stamp: Stamp, of: &Representation) -> Headers {
    let mut headers = security();
    headers.push((
        "cache-control",
        match of.cached {
            CacheStatus::Dynamic => "max-age=0, private, must-revalidate".to_owned(),
            _ => format!("max-age=30, public, must-revalidate, s-maxage={}", of.shared_s),
        },
    ));
    headers.extend(cors());
    headers.extend(of.paging.iter().cloned());
    headers.extend([
        ("vary", "Accept-Encoding, Origin".to_owned()),
        ("etag", of.etag.clone()),
        ("x-request-id", request_id(stamp.nonce)),
        ("x-runtime", runtime(stamp.nonce)),
        (
            "strict-transport-security",
            "max-age=15724800; includeSubdomains".to_owned(),
        ),
        ("cf-cache-status", of.cached.as_str().to_owned()),
    ]);
    if let Some(age_s) = of.cached.age_s() {
        headers.push(("age", age_s.to_string()));
    }
    headers.extend(edge(stamp.nonce));
    headers.push(("alt-svc", "h3=\":443\"; ma=86400".to_owned()));
    headers
}

/// The headers of an error.
pub fn error(stamp: Stamp, answer: &ErrorAnswer) -> Headers {
    let content_type = match answer.from {
        Origin::App => "application/json; charset=utf-8",
        Origin::Edge => "application/json",
        Origin::AppPage => "text/html; charset=utf-8",
        Origin::EdgePage => "text/html; charset=UTF-8",
        Origin::EdgeText => "text/plain; charset=UTF-8",
    };
    let mut headers = vec![
        ("date", http_date(stamp.now_ms)),
        ("content-type", content_type.to_owned()),
        ("content-length", answer.body.len().to_string()),
    ];
    let seconds = answer.retry_after_s.map(|seconds| seconds.to_string());
    if let Some(text) = answer.retry_after_text.clone().or(seconds) {
        headers.push(("retry-after", text));
    }
    match answer.from {
        Origin::App | Origin::AppPage => {
            headers.extend(security());
            headers.push(("cache-control", "no-cache".to_owned()));
            headers.extend(cors());
            headers.extend([
                ("vary", "Accept-Encoding, Origin".to_owned()),
                ("x-request-id", request_id(stamp.nonce)),
                ("x-runtime", runtime(stamp.nonce)),
            ]);
        }
        Origin::Edge | Origin::EdgePage | Origin::EdgeText => headers.push((
            "cache-control",
            "private, max-age=0, no-store, no-cache, must-revalidate, post-check=0, pre-check=0".to_owned(),
        )),
    }
    headers.extend(edge(stamp.nonce));
    headers
}

/// Makes a head promise its body of `length` bytes as `how` says.
pub fn promise(headers: &mut Headers, how: Cut, length: usize) {
    let promise = match how {
        Cut::Length => ("content-length", length.to_string()),
        Cut::Chunked => ("transfer-encoding", "chunked".to_owned()),
        Cut::Json => return,
    };
    let framing = headers
        .iter_mut()
        .find(|(name, _)| matches!(*name, "content-length" | "transfer-encoding"));
    match framing {
        Some(framing) => *framing = promise,
        None => headers.push(promise),
    }
}

/// What tells which part of a list an answer is, as the Rails gem that CoinGecko's names point to would.
pub(super) fn paging(request: &FakeRequest, paging: Paging) -> Headers {
    let Paging {
        page,
        per_page,
        total,
    } = paging;
    let last = total.div_ceil(per_page).max(1);
    let host = request.headers.get("host").and_then(|host| host.to_str().ok());
    // A caller that follows a link must not end up at the real CoinGecko.
    let base = host.map_or_else(String::new, |host| format!("http://{host}"));
    let others = request.query.split('&');
    let others = others.filter(|pair| !pair.is_empty() && !pair.starts_with("page="));
    let others: String = others.map(|pair| format!("{pair}&")).collect();
    let mut links = Vec::new();
    let mut link = |to: usize, relation: &str| {
        links.push(format!(
            "<{base}{}?{others}page={to}>; rel=\"{relation}\"",
            request.path
        ));
    };
    if page > 1 {
        link(1, "first");
        link((page - 1).min(last), "prev");
    }
    if page < last {
        link(last, "last");
        link(page + 1, "next");
    }
    let mut headers = Vec::new();
    if !links.is_empty() {
        headers.push(("link", links.join(", ")));
    }
    headers.extend([("per-page", per_page.to_string()), ("total", total.to_string())]);
    headers
}

fn security() -> Headers {
    [
        ("x-frame-options", "SAMEORIGIN"),
        ("x-xss-protection", "0"),
        ("x-content-type-options", "nosniff"),
        ("x-download-options", "noopen"),
        ("x-permitted-cross-domain-policies", "none"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
    ]
    .map(owned)
    .into()
}

fn cors() -> Headers {
    [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST, PUT, DELETE, GET, OPTIONS"),
        ("access-control-request-method", "*"),
        (
            "access-control-allow-headers",
            "Origin, X-Requested-With, Content-Type, Accept, Authorization",
        ),
        ("access-control-expose-headers", "link, per-page, total"),
    ]
    .map(owned)
    .into()
}

fn edge(nonce: u64) -> Headers {
    vec![
        ("server", "cloudflare".to_owned()),
        ("cf-ray", format!("{:016x}-SIM", mix(nonce))),
    ]
}

fn owned((name, value): (&'static str, &str)) -> (&'static str, String) {
    (name, value.to_owned())
}

/// `Mon, 02 Mar 2026 00:00:00 GMT`
pub(super) fn http_date(now_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(now_ms)
        .ok()
        .and_then(|now| {
            jiff::fmt::rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&now)
                .ok()
        })
        .unwrap_or_default()
}

/// 32 hexadecimal digits of the body.
fn digest_32(body: &str) -> String {
    Sha256::digest(body.as_bytes())
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A UUID of version 4 by its form, drawn from the nonce.
fn request_id(nonce: u64) -> String {
    let (high, low) = (mix(nonce ^ 0x5eed), mix(nonce ^ 0x1d));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

/// Seconds that the application says it took, 2 to 66 ms.
fn runtime(nonce: u64) -> String {
    format!("{:.6}", 0.002 + (mix(nonce) % 64_000) as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        now_ms: 1_772_409_600_000,
        nonce: 7,
    };

    fn shown(headers: &Headers) -> String {
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect()
    }

    fn of(cached: CacheStatus) -> Representation {
        Representation {
            etag: etag("{}"),
            shared_s: 60,
            cached,
            paging: Vec::new(),
        }
    }

    #[test]
    fn a_200_from_the_edge_cache() {
        let hit = of(CacheStatus::Hit { age_ms: 42_900 });
        insta::assert_snapshot!(shown(&ok(STAMP, &hit, false)), @r#"
        date: Mon, 02 Mar 2026 00:00:00 GMT
        content-type: application/json; charset=utf-8
        transfer-encoding: chunked
        x-frame-options: SAMEORIGIN
        x-xss-protection: 0
        x-content-type-options: nosniff
        x-download-options: noopen
        x-permitted-cross-domain-policies: none
        referrer-policy: strict-origin-when-cross-origin
        cache-control: max-age=30, public, must-revalidate, s-maxage=60
        access-control-allow-origin: *
        access-control-allow-methods: POST, PUT, DELETE, GET, OPTIONS
        access-control-request-method: *
        access-control-allow-headers: Origin, X-Requested-With, Content-Type, Accept, Authorization
        access-control-expose-headers: link, per-page, total
        vary: Accept-Encoding, Origin
        etag: W/"44136fa355b3678a1146ad16f7e8649e"
        x-request-id: 0e00b764-01a5-45b2-a3b7-f4e80f554dda
        x-runtime: 0.024487
        strict-transport-security: max-age=15724800; includeSubdomains
        cf-cache-status: HIT
        age: 42
        server: cloudflare
        cf-ray: 63cbe1e459320dd7-SIM
        alt-svc: h3=":443"; ma=86400
        "#);
    }

    #[test]
    fn what_is_not_from_the_cache_has_no_age() {
        for (cached, status) in [
            (CacheStatus::Miss, "MISS"),
            (CacheStatus::Expired, "EXPIRED"),
            (CacheStatus::Dynamic, "DYNAMIC"),
        ] {
            let headers = shown(&ok(STAMP, &of(cached), false));
            assert!(
                headers.contains(&format!("cf-cache-status: {status}\n")) && !headers.contains("\nage:"),
                "{headers}"
            );
            assert_eq!(
                headers.contains("cache-control: max-age=0, private, must-revalidate\n"),
                cached == CacheStatus::Dynamic,
                "{headers}"
            );
        }
    }

    #[test]
    fn a_304_says_what_the_200_would_but_of_its_body() {
        let hit = of(CacheStatus::Hit { age_ms: 1_000 });
        let (whole, less) = (ok(STAMP, &hit, true), not_modified(STAMP, &hit));
        let gone: Vec<&str> = whole
            .iter()
            .filter(|header| !less.contains(header))
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(gone, ["content-type", "transfer-encoding", "content-encoding"]);
        assert_eq!(less.len() + gone.len(), whole.len());
    }

    #[test]
    fn a_rate_limit() {
        insta::assert_snapshot!(shown(&error(STAMP, &ErrorAnswer::rate_limited(Some(53)))), @r"
        date: Mon, 02 Mar 2026 00:00:00 GMT
        content-type: application/json
        content-length: 187
        retry-after: 53
        cache-control: private, max-age=0, no-store, no-cache, must-revalidate, post-check=0, pre-check=0
        server: cloudflare
        cf-ray: 63cbe1e459320dd7-SIM
        ");
        let silent = shown(&error(STAMP, &ErrorAnswer::rate_limited(None)));
        assert!(!silent.contains("retry-after"), "{silent}");
    }

    #[test]
    fn an_error_of_the_application() {
        insta::assert_snapshot!(shown(&error(STAMP, &ErrorAnswer::missing_parameter("ids"))), @r"
        date: Mon, 02 Mar 2026 00:00:00 GMT
        content-type: application/json; charset=utf-8
        content-length: 33
        x-frame-options: SAMEORIGIN
        x-xss-protection: 0
        x-content-type-options: nosniff
        x-download-options: noopen
        x-permitted-cross-domain-policies: none
        referrer-policy: strict-origin-when-cross-origin
        cache-control: no-cache
        access-control-allow-origin: *
        access-control-allow-methods: POST, PUT, DELETE, GET, OPTIONS
        access-control-request-method: *
        access-control-allow-headers: Origin, X-Requested-With, Content-Type, Accept, Authorization
        access-control-expose-headers: link, per-page, total
        vary: Accept-Encoding, Origin
        x-request-id: 0e00b764-01a5-45b2-a3b7-f4e80f554dda
        x-runtime: 0.024487
        server: cloudflare
        cf-ray: 63cbe1e459320dd7-SIM
        ");
    }

    #[test]
    fn a_page_of_the_edge() {
        insta::assert_snapshot!(shown(&error(STAMP, &ErrorAnswer::origin_timed_out())), @r"
        date: Mon, 02 Mar 2026 00:00:00 GMT
        content-type: text/html; charset=UTF-8
        content-length: 175
        cache-control: private, max-age=0, no-store, no-cache, must-revalidate, post-check=0, pre-check=0
        server: cloudflare
        cf-ray: 63cbe1e459320dd7-SIM
        ");
    }
}
