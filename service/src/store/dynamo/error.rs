//! SDK errors by what they mean to a caller.

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use super::super::{StoreError, item::Unreadable};

/// DynamoDB's ways of saying that there is no capacity.
const THROTTLES: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "ThrottledException",
];

/// Sorts a failed `operation`.
pub(super) fn failed<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let SdkError::ServiceError(context) = error else {
        let reason = causes(error);
        return match error {
            SdkError::ConstructionFailure(_) => StoreError::Rejected { operation, reason },
            _ => StoreError::Unavailable { operation, reason },
        };
    };
    let code = context.err().code().unwrap_or("no error code");
    let reason = format!("{code}: {}", context.err().message().unwrap_or("no message"));
    if THROTTLES.contains(&code) {
        StoreError::Throttled { operation, reason }
    } else if context.raw().status().is_server_error() {
        StoreError::Unavailable { operation, reason }
    } else {
        StoreError::Rejected { operation, reason }
    }
}

/// An error with all its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut all = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        all.push(cause.to_string());
        next = cause.source();
    }
    all.dedup();
    all.join(": ")
}

/// An item that cannot be read.
pub(super) fn corrupt(operation: &'static str) -> impl Fn(Unreadable) -> StoreError {
    move |unreadable| StoreError::Corrupt {
        operation,
        reason: unreadable.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Nested(&'static str, Option<Box<Self>>);

    impl fmt::Display for Nested {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Nested {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|source| source as _)
        }
    }

    #[test]
    fn all_causes_are_told_and_equal_ones_once() {
        let refused = Nested("connection refused", None);
        let io = Nested("io error", Some(Box::new(refused)));
        let again = Nested("io error", Some(Box::new(io)));
        let all = Nested("dispatch failure", Some(Box::new(again)));
        assert_eq!(causes(&all), "dispatch failure: io error: connection refused");
    }
}
