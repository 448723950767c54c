//! One attempt: an exchange with its bounds, what can go wrong with it, and its log line.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;

use super::{
    retry_after::retry_after,
    upstream::{BoxError, UpstreamBody},
    wire::BadBody,
};
use crate::{App, config::Config, models::Timestamp};

/// Longest body that is read. 250 coins with all fields are about 250 kB.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// One attempt to be made.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    /// What to get.
    pub(super) uri: &'a Uri,
    /// Its number, from 1.
    pub(super) number: u32,
    /// When the refresh has to be over, real time.
    pub(super) bound: Instant,
    /// Groups the attempts of one refresh in the log.
    pub(super) invocation: &'a str,
}
/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// It answered with something else than 200.
    #[error("coingecko answered {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// What `Retry-After` asks for, wall time.
        retry_after: Option<Duration>,
    },
    /// It did not answer within the attempt's timeout.
    #[error("coingecko did not answer in time")]
    Timeout,
    /// The bound of the refresh came first.
    #[error("coingecko had not answered when the refresh had to end")]
    Cut,
    /// The exchange broke.
    #[error("coingecko could not be reached: {0}")]
    Transport(String),
    /// It answered 200 with something unusable.
    #[error(transparent)]
    Body(#[from] BadBody),
}

impl AttemptError {
    /// Retried: 408, 429, 5xx, transport, timeout, unreadable body; never other 4xx.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            Self::Timeout | Self::Transport(_) | Self::Body(_) => true,
            Self::Cut => false,
        }
    }

    /// What `Retry-After` asked for, wall time.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The name in the log.
    const fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Status { .. } => None,
            Self::Timeout => Some("timeout"),
            Self::Cut => Some("cut"),
            Self::Transport(_) => Some("transport"),
            Self::Body(_) => Some("body"),
        }
    }
}

/// Makes one attempt, counted and logged however it ends; `read` makes something of the body.
pub(super) async fn try_once<T>(
    app: &App,
    attempt: &Attempt<'_>,
    read: impl FnOnce(&[u8]) -> Result<T, BadBody>,
) -> Result<T, AttemptError> {
    let log = AttemptLog::begin(app, attempt);
    let limit = (log.started + app.config.attempt_timeout).min(attempt.bound);
    let broken = |status, error| Broken { status, error };
    let answer = match timeout_at(limit, exchange(app, attempt.uri)).await {
        Ok(answer) => answer,
        Err(_) if limit == attempt.bound => Err(broken(None, AttemptError::Cut)),
        Err(_) => Err(broken(None, AttemptError::Timeout)),
    };
    let result =
        answer.and_then(|body| read(&body).map_err(|error| broken(Some(StatusCode::OK), error.into())));
    match result {
        Ok(value) => {
            log.end(Some(StatusCode::OK), None);
            Ok(value)
        }
        Err(Broken { status, error }) => {
            app.refresher.tally_answer(status);
            log.end(status, Some(&error));
            Err(error)
        }
    }
}

/// A failed exchange, with the status if one came.
struct Broken {
    status: Option<StatusCode>,
    error: AttemptError,
}

async fn exchange(app: &App, uri: &Uri) -> Result<Bytes, Broken> {
    let transport = |status: Option<StatusCode>, error: &BoxError| Broken {
        status,
        error: AttemptError::Transport(chain(error.as_ref())),
    };
    let request = request(&app.config, uri).map_err(|error| transport(None, &error.into()))?;
    let answer = app
        .upstream
        .clone()
        .oneshot(request)
        .await
        .map_err(|error| transport(None, &error))?;
    let status = answer.status();
    if status != StatusCode::OK {
        let retry_after = retry_after(answer.headers(), app.clock.now());
        return Err(Broken {
            status: Some(status),
            error: AttemptError::Status { status, retry_after },
        });
    }
    read_body(answer.into_body()).await.map_err(|error| Broken {
        status: Some(status),
        error,
    })
}

/// The whole body, or as much of it as is too much.
async fn read_body(mut body: UpstreamBody) -> Result<Bytes, AttemptError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| AttemptError::Transport(chain(error.as_ref())))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > BODY_LIMIT {
            return Err(BadBody(format!("longer than {BODY_LIMIT} bytes")).into());
        }
    }
    Ok(bytes.freeze())
}

fn request(config: &Config, uri: &Uri) -> Result<Request<Empty<Bytes>>, http::Error> {
    let mut request = Request::get(uri)
        .header(
            header::USER_AGENT,
            concat!("crypto-watch/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity");
    if let (Some(name), Some(key)) = (config.external_api_plan.key_header(), &config.external_api_key) {
        request = request.header(name, key.expose());
    }
    request.body(Empty::new())
}

/// An error and its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Writes the one log line of an attempt, also when the attempt is dropped half-way.
struct AttemptLog<'a> {
    at: Timestamp,
    started: Instant,
    attempt: &'a Attempt<'a>,
    ended: bool,
}

impl<'a> AttemptLog<'a> {
    fn begin(app: &App, attempt: &'a Attempt<'a>) -> Self {
        app.refresher.tally_call(attempt.number > 1);
        Self {
            at: app.clock.now(),
            started: Instant::now(),
            attempt,
            ended: false,
        }
    }

    fn end(mut self, status: Option<StatusCode>, error: Option<&AttemptError>) {
        self.ended = true;
        let retry_after = error
            .and_then(AttemptError::retry_after)
            .map(|wait| wait.as_secs());
        self.write(status, error.and_then(AttemptError::kind), retry_after);
        if let Some(error) = error {
            tracing::debug!(event = "attempt", attempt = self.attempt.number, "{error}");
        }
    }

    fn write(&self, status: Option<StatusCode>, error: Option<&str>, retry_after: Option<u64>) {
        tracing::info!(
            event = "upstream",
            at = self.at.0,
            path = self.attempt.uri.path(),
            status = status.map(|status| status.as_u16()),
            error,
            latencyMs = self.started.elapsed().as_secs_f64() * 1e3,
            retryAfter = retry_after,
            attempt = self.attempt.number,
            invocation = self.attempt.invocation,
            "called coingecko"
        );
    }
}

impl Drop for AttemptLog<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.write(None, Some("dropped"), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::{
        testing::{Reply, Rig, all, logged},
        update,
    };

    #[tokio::test(start_paused = true)]
    async fn an_attempt_is_one_log_line_however_it_ends() {
        let rig = Rig::new();
        let (lines, _logging) = logged(&rig);
        let ms = Duration::from_millis;

        let limited = Reply::status(429).retry_after("7").after(ms(12));
        rig.coingecko
            .set([limited, Reply::hang(), all("100", 0).after(ms(250))]);
        update::run(&rig.app, None).await.expect("stored");
        sleep(ms(300_000)).await;
        rig.coingecko
            .set([Reply::broken(), Reply::ok("<html>"), Reply::hang()]);
        assert!(
            timeout(ms(1500), rig.get("BTC")).await.is_err(),
            "the client goes away"
        );

        let lines = lines.lock().expect("not poisoned");
        let attempts: Vec<_> = lines
            .iter()
            .filter(|line| line.contains(r#""event":"upstream""#))
            .map(String::as_str)
            .collect();
        assert_snapshot!(attempts.join("\n"), @r#"
        {"timestamp":"2026-03-01T00:00:00.012Z","level":"INFO","message":"called coingecko","event":"upstream","at":1772323200000,"path":"/api/v3/coins/markets","status":429,"latencyMs":12,"retryAfter":7,"attempt":1,"invocation":"update-00000000001e8480"}
        {"timestamp":"2026-03-01T00:00:12.112Z","level":"INFO","message":"called coingecko","event":"upstream","at":1772323207112,"path":"/api/v3/coins/markets","error":"timeout","latencyMs":5000,"attempt":2,"invocation":"update-00000000001e8480"}
        {"timestamp":"2026-03-01T00:00:12.562Z","level":"INFO","message":"called coingecko","event":"upstream","at":1772323212312,"path":"/api/v3/coins/markets","status":200,"latencyMs":250,"attempt":3,"invocation":"update-00000000001e8480"}
        {"timestamp":"2026-03-01T00:05:12.562Z","level":"INFO","message":"called coingecko","event":"upstream","at":1772323512562,"path":"/api/v3/coins/markets","error":"transport","latencyMs":0,"attempt":1,"invocation":"api-00000000001e8481"}
        {"timestamp":"2026-03-01T00:05:12.662Z","level":"INFO","message":"called coingecko","event":"upstream","at":1772323512662,"path":"/api/v3/coins/markets","status":200,"error":"body","latencyMs":0,"attempt":2,"invocation":"api-00000000001e8481"}
        {"timestamp":"2026-03-01T00:05:14.062Z","level":"INFO","message":"called coingecko","event":"upstream","at":1772323512862,"path":"/api/v3/coins/markets","error":"dropped","latencyMs":1200,"attempt":3,"invocation":"api-00000000001e8481"}
        "#);
    }

    #[test]
    fn only_what_may_pass_is_retried() {
        let status = |code: u16| AttemptError::Status {
            status: StatusCode::from_u16(code).expect("a status"),
            retry_after: None,
        };
        for code in [408, 429, 500, 502, 503, 504, 520, 522] {
            assert!(status(code).is_retryable(), "{code}");
        }
        for code in [301, 400, 401, 403, 404, 414, 422] {
            assert!(!status(code).is_retryable(), "{code}");
        }
        assert!(AttemptError::Timeout.is_retryable() && !AttemptError::Cut.is_retryable());
    }
}
