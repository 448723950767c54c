//! Exit codes: what a pipeline learns without reading.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything held.
    Held,
    /// 1: an expectation failed.
    ExpectationFailed,
    /// 2: bad usage, or a scenario that cannot be read or played as asked.
    Usage,
    /// 3: the harness failed: nothing is known about the service.
    Harness,
    /// 4: worse than the baseline.
    Regression,
    /// 5: the same seed gave two different results.
    Nondeterminism,
}

impl Exit {
    /// The process exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::ExpectationFailed => 1,
            Self::Usage => 2,
            Self::Harness => 3,
            Self::Regression => 4,
            Self::Nondeterminism => 5,
        }
    }

    /// The one to exit with when both apply: 2, 3, 5, 1, 4, then 0.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Usage => 0,
            Self::Harness => 1,
            Self::Nondeterminism => 2,
            Self::ExpectationFailed => 3,
            Self::Regression => 4,
            Self::Held => 5,
        };
        if rank(other) < rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graver_one_wins_in_either_order() {
        let gravest_first = [
            Exit::Usage,
            Exit::Harness,
            Exit::Nondeterminism,
            Exit::ExpectationFailed,
            Exit::Regression,
            Exit::Held,
        ];
        assert_eq!(gravest_first.map(Exit::code), [2, 3, 5, 1, 4, 0]);
        for (index, graver) in gravest_first.into_iter().enumerate() {
            for lesser in &gravest_first[index..] {
                assert_eq!(graver.and(*lesser), graver);
                assert_eq!(lesser.and(graver), graver);
            }
        }
    }
}
