//! The retry budget: a token bucket that the whole fleet shares through the lease item.

use crate::models::RetryTokens;

/// Tokens of one refresh: taken over with the lease, given back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(RetryTokens);

impl Budget {
    /// What the lease item holds; full when no refresh has written it yet.
    #[must_use]
    pub fn new(stored: Option<RetryTokens>) -> Self {
        Self(stored.unwrap_or(RetryTokens::FULL).min(RetryTokens::FULL))
    }

    /// Takes one retry; `false` when there is none.
    #[must_use]
    pub fn spend(&mut self) -> bool {
        let left = self.0.0.checked_sub(RetryTokens::RETRY);
        if let Some(left) = left {
            self.0 = RetryTokens(left);
        }
        left.is_some()
    }

    /// Puts back what a refresh that succeeded earns.
    pub fn deposit(&mut self) {
        self.0 = RetryTokens(self.0.0.saturating_add(RetryTokens::DEPOSIT)).min(RetryTokens::FULL);
    }

    /// What is left, to be stored.
    #[must_use]
    pub const fn left(&self) -> RetryTokens {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_retries_without_a_success_and_one_more_after_ten() {
        let mut budget = Budget::new(None);
        assert_eq!((0..20).filter(|_| budget.spend()).count(), 5);
        for _ in 0..9 {
            budget.deposit();
        }
        assert!(!budget.spend());
        budget.deposit();
        assert!(budget.spend());
        assert_eq!(budget.left(), RetryTokens(0));
    }

    proptest! {
        #[test]
        fn retries_never_exceed_the_start_and_a_tenth_of_the_successes(
            start in 0u16..=200, steps in prop::collection::vec(any::<bool>(), 0..500),
        ) {
            let mut budget = Budget::new(Some(RetryTokens(start)));
            let start = u32::from(budget.left().0);
            let (mut retries, mut successes) = (0u32, 0u32);
            for success in steps {
                if success {
                    budget.deposit();
                    successes += 1;
                } else if budget.spend() {
                    retries += 1;
                }
                prop_assert!(budget.left() <= RetryTokens::FULL);
                prop_assert!(retries * u32::from(RetryTokens::RETRY) <= start + successes * u32::from(RetryTokens::DEPOSIT));
            }
        }
    }
}
