//! The `Retry-After` header (RFC 9110 §10.2.3): seconds, or an HTTP-date in any of its three forms.

use std::time::Duration;

use http::{HeaderMap, header::RETRY_AFTER};
use jiff::{civil::DateTime, fmt::strtime::BrokenDownTime, tz::TimeZone};

use crate::clock::Timestamp;

/// The longest that is believed, wall time. The longest seen from CoinGecko is 119 s; a mistaken or hostile
/// value must cost no more than this, well inside the default retention of an hour.
pub const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What the header asks for, at most [`LONGEST`]; `None` when it is absent or not a valid value.
/// A date that has passed asks for no wait at all.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        http_date(text)?.since(now)
    };
    Some(asked.min(LONGEST))
}

/// IMF-fixdate, RFC 850 and asctime: a recipient has to read all three.
fn http_date(text: &str) -> Option<Timestamp> {
    const FORMS: [&str; 3] = [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    ];
    let parse = |form: &&str| BrokenDownTime::parse(form, text).ok()?.to_datetime().ok();
    let date: DateTime = FORMS.iter().find_map(parse)?;
    let at = TimeZone::UTC.to_timestamp(date).ok()?;
    Some(Timestamp(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the RFC's example.
    const EXAMPLE: i64 = 784_111_777_000;

    fn asked(value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().expect("a header value"));
        retry_after(&headers, Timestamp(EXAMPLE - 60_000)).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_read_and_bounded() {
        assert_eq!(asked("53"), Some(53));
        assert_eq!(asked(" 0 "), Some(0));
        assert_eq!(asked("1000000000"), Some(900));
        assert_eq!(asked("99999999999999999999999"), Some(900));
    }

    #[test]
    fn all_three_forms_of_a_date_are_read() {
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(60));
        assert_eq!(asked("Sunday, 06-Nov-94 08:49:37 GMT"), Some(60));
        assert_eq!(asked("Sun Nov  6 08:49:37 1994"), Some(60));
        assert_eq!(asked("Sat, 05 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(asked("Fri, 06 Nov 2099 08:49:37 GMT"), Some(900));
    }

    #[test]
    fn what_is_not_a_valid_value_counts_as_not_sent() {
        for garbage in ["-1", "soon", "1.5", "", "Sun, 06 Nov", "53s"] {
            assert_eq!(asked(garbage), None, "{garbage}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp(0)), None);
    }
}
