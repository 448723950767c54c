//! What keeps a gateway from being built.

use thiserror::Error;

/// Something in the API, or in what stands around it, that the emulated gateway cannot do as AWS does it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{place}: {problem}; {remedy}")]
pub struct GatewayError {
    /// Where it is, in the words of the template.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl GatewayError {
    pub(super) fn new(
        place: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}
