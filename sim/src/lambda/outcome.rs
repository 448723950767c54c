//! What became of an invocation, as Lambda tells its caller.

use std::{process::ExitStatus, time::Duration};

use bytes::Bytes;
use serde::Serialize;

use super::{
    process::wording,
    runtime::{Answer, InitError, MOST_ANSWER},
};

/// Why an invocation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The runtime reported an error.
    Reported,
    /// It took longer than the function may.
    Timeout,
    /// The process ended.
    Exited,
    /// The process took more memory than the function has.
    OutOfMemory,
    /// The answer was too large.
    TooLarge,
    /// The answer broke off, or was none.
    Malformed,
    /// The process never asked for an event.
    Init,
    /// It could not be started.
    Entrypoint,
}

impl Failure {
    /// For people and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "error",
            Self::Timeout => "timeout",
            Self::Exited => "exited",
            Self::OutOfMemory => "out of memory",
            Self::TooLarge => "answer too large",
            Self::Malformed => "malformed answer",
            Self::Init => "failed to start",
            Self::Entrypoint => "cannot be started",
        }
    }
}

/// The end of an invocation that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the caller gets, with status 200.
    pub payload: Bytes,
    /// Why it failed: the caller's `X-Amz-Function-Error: Unhandled`.
    pub failure: Option<Failure>,
    /// The type of that error, such as `Runtime.ExitError`.
    pub error_type: Option<String>,
}

impl Outcome {
    fn failed(failure: Failure, error_type: &str, message: &str) -> Self {
        /// In the order in which it is recorded of AWS.
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            error_type: &'a str,
            error_message: &'a str,
        }
        let document = Document {
            error_type,
            error_message: message,
        };
        Self {
            payload: Bytes::from(serde_json::to_vec(&document).unwrap_or_default()),
            failure: Some(failure),
            error_type: Some(error_type.to_owned()),
        }
    }

    /// The runtime answered.
    #[must_use]
    pub fn of(answer: Answer, request_id: &str) -> Self {
        match answer {
            Answer::Response(payload) => Self {
                payload,
                failure: None,
                error_type: None,
            },
            Answer::Error { error_type, payload } => Self {
                payload,
                failure: Some(Failure::Reported),
                error_type: Some(error_type),
            },
            // Source: `interop.ErrorResponseTooLarge` of AWS's emulator.
            Answer::TooLarge => Self::failed(
                Failure::TooLarge,
                "Function.ResponseSizeTooLarge",
                &format!(
                    "Response payload size exceeded maximum allowed payload size ({MOST_ANSWER} bytes)."
                ),
            ),
            Answer::Truncated => Self::failed(
                Failure::Malformed,
                "Runtime.TruncatedResponse",
                &format!("RequestId: {request_id} Error: the answer broke off"),
            ),
            Answer::InvalidMode => Self::failed(
                Failure::Malformed,
                "Runtime.InvalidResponseModeHeader",
                &format!("RequestId: {request_id} Error: the answer has an invalid mode"),
            ),
        }
    }

    /// It was cut off. (Recorded of AWS: the snapshot of a timeout.)
    #[must_use]
    pub fn timed_out(request_id: &str, timeout: Duration) -> Self {
        Self::failed(
            Failure::Timeout,
            "Sandbox.Timedout",
            &format!(
                "RequestId: {request_id} Error: Task timed out after {:.2} seconds",
                timeout.as_secs_f64()
            ),
        )
    }

    /// The process ended, or what it began. (Recorded of AWS: exit statuses.)
    #[must_use]
    pub fn exited(request_id: &str, status: ExitStatus) -> Self {
        Self::failed(
            Failure::Exited,
            "Runtime.ExitError",
            &format!("RequestId: {request_id} Error: {}", wording(status)),
        )
    }

    /// The process was killed for its memory. (Assumed: AWS documents the type for logs, not for callers.)
    #[must_use]
    pub fn out_of_memory(request_id: &str) -> Self {
        Self::failed(
            Failure::OutOfMemory,
            "Runtime.OutOfMemory",
            &format!("RequestId: {request_id} Error: Runtime exited with error: signal: killed"),
        )
    }

    /// The runtime says that it cannot start: its own document.
    #[must_use]
    pub fn init_error(error: InitError) -> Self {
        Self {
            payload: error.payload,
            failure: Some(Failure::Init),
            error_type: Some(error.error_type),
        }
    }

    /// The bootstrap cannot be executed. (Source: `fatalerror.InvalidEntrypoint` of AWS's emulator.)
    #[must_use]
    pub fn no_entrypoint(request_id: &str, why: &std::io::Error) -> Self {
        Self::failed(
            Failure::Entrypoint,
            "Runtime.InvalidEntrypoint",
            &format!("RequestId: {request_id} Error: {why}"),
        )
    }

    /// Whether the environment can go on: after all others the process is gone, or not to be trusted.
    #[must_use]
    pub fn leaves_it_alive(&self) -> bool {
        matches!(
            self.failure,
            None | Some(Failure::Reported | Failure::TooLarge | Failure::Malformed)
        )
    }
}
