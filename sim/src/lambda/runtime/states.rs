//! What a runtime may do next, as AWS's own Runtime Interface Emulator has it.
//!
//! ```text
//! Started ──/next──▶ Ready ──an event──▶ Running ──/response──▶ InvocationResponse ────────┐
//!    │                 ▲                    └─────/error─────▶ InvocationErrorResponse ──┤ read to its end
//!    └─/init/error─▶ InitError              ▲                                              ▼
//!                      └────────────────────┴──────────/next──────────────────── RuntimeResponseSentState
//! ```
//! Source: `internal/lambda/core/states.go` and `internal/lambda/rapi/handler` of
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator>.

/// Where a runtime is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was started and has not asked for an event.
    Started,
    /// It said that it cannot start.
    InitError,
    /// It waits for an event.
    Ready,
    /// It has one.
    Running,
    /// It is sending its answer.
    InvocationResponse,
    /// It is sending its error.
    InvocationErrorResponse,
    /// It has answered and not asked for the next event.
    ResponseSent,
}

impl State {
    /// AWS's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::InitError => "InitError",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InvocationResponse => "InvocationResponse",
            Self::InvocationErrorResponse => "InvocationErrorResponse",
            Self::ResponseSent => "RuntimeResponseSentState",
        }
    }
}

/// What a runtime asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `GET /runtime/invocation/next`
    Next,
    /// `POST /runtime/invocation/{id}/response`
    Response,
    /// `POST /runtime/invocation/{id}/error`
    Error,
    /// `POST /runtime/init/error`
    InitError,
}

impl Step {
    const fn leads_to(self) -> State {
        match self {
            Self::Next => State::Ready,
            Self::Response => State::InvocationResponse,
            Self::Error => State::InvocationErrorResponse,
            Self::InitError => State::InitError,
        }
    }
}

/// A step that is not allowed: answered 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "State transition from {} to {} failed for runtime. Error: State transition is not allowed",
    from.name(),
    to.name()
)]
pub struct NotAllowed {
    from: State,
    to: State,
}

/// Where a step leads to. A runtime that has an event and asks for the next gets the same one again.
///
/// # Errors
/// [`NotAllowed`]
pub const fn step(from: State, step: Step) -> Result<State, NotAllowed> {
    match (from, step) {
        (State::Running, Step::Next) => Ok(State::Running),
        (State::Started | State::Ready | State::ResponseSent, Step::Next)
        | (State::Running, Step::Response | Step::Error)
        | (State::Started, Step::InitError) => Ok(step.leads_to()),
        _ => Err(NotAllowed {
            from,
            to: step.leads_to(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_answered_once() {
        let mut state = State::Started;
        for (next, leads_to) in [(Step::Next, State::Ready), (Step::Next, State::Ready)] {
            state = step(state, next).expect("allowed");
            assert_eq!(state, leads_to);
        }
        assert_eq!(step(State::Running, Step::Next), Ok(State::Running));
        assert_eq!(
            step(State::Running, Step::Error),
            Ok(State::InvocationErrorResponse)
        );
        assert_eq!(step(State::ResponseSent, Step::Next), Ok(State::Ready));
        insta::assert_snapshot!(
            step(State::ResponseSent, Step::Response).expect_err("it has answered"),
            @"State transition from RuntimeResponseSentState to InvocationResponse failed for runtime. Error: State transition is not allowed"
        );
        for (from, refused) in [
            (State::Ready, Step::Response),
            (State::Ready, Step::InitError),
            (State::InitError, Step::Next),
            (State::InvocationResponse, Step::Next),
            (State::ResponseSent, Step::Error),
        ] {
            assert!(step(from, refused).is_err(), "{from:?} {refused:?}");
        }
    }
}
