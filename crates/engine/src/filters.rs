//! How much memory do all filters take?
//!
//! A few bytes of regular expression can need hundreds of kilobytes of automaton. So a pattern that many filters
//! have is kept once, what all take together is counted, and a new one that would pass the limit is refused.

use photinus_contract::{CodedError, SubscriptionFilter};
use photinus_dispatch::{Filter, Patterns};

/// The filters of all subscriptions, in bytes.
pub(crate) struct Filters {
    patterns: Patterns,
    bytes_max: usize,
}

impl Filters {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            patterns: Patterns::default(),
            bytes_max,
        }
    }

    /// How many bytes they take.
    pub(crate) fn used(&self) -> usize {
        self.patterns.memory()
    }

    /// Compiles the filter of a new subscription. `FF10171` if it does not compile, `PH00431` if there is no
    /// memory for it.
    pub(crate) fn compile(&self, filter: &SubscriptionFilter) -> Result<Filter, CodedError> {
        let compiled = self.compile_stored(filter)?;
        if self.used() > self.bytes_max {
            let max = self.bytes_max;
            return Err(CodedError::new(
                "PH00431",
                503,
                format!(
                    "The filters of all subscriptions would take more than {max} bytes of memory ([engine] filters_bytes_max): use plain texts and prefixes such as '^orders'"
                ),
            ));
        }
        Ok(compiled)
    }

    /// Compiles the filter of a subscription that was accepted before, whatever there is already.
    pub(crate) fn compile_stored(&self, filter: &SubscriptionFilter) -> Result<Filter, CodedError> {
        self.patterns.compile(filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_refused_when_all_take_too_much_and_accepted_again_later() {
        let filters = Filters::new(1 << 20);
        let filter = |n: usize| {
            serde_json::from_value(serde_json::json!({"topic": format!("^{n}[a-c]{{100}}x|y")}))
        };
        let mut kept = Vec::new();
        let error = loop {
            match filters.compile(&filter(kept.len()).unwrap()) {
                Ok(filter) => kept.push(filter),
                Err(error) => break error,
            }
            assert!(kept.len() < 100, "it is never refused");
        };
        assert_eq!(error.code(), "PH00431");
        assert!(!kept.is_empty());
        let stored = filters.compile_stored(&filter(0).unwrap());
        assert!(stored.is_ok(), "what was accepted once is always served");
        drop((kept, stored));
        assert!(filters.compile(&filter(1).unwrap()).is_ok());
        assert_eq!(filters.used(), 0);
    }

    #[test]
    fn a_pattern_that_many_filters_have_is_counted_once() {
        let filters = Filters::new(1 << 20);
        let filter = serde_json::json!({"topic": "^[a-c]{100}x|y"});
        let filter = serde_json::from_value(filter).unwrap();
        let kept: Vec<_> = (0..1_000).map(|_| filters.compile(&filter)).collect();
        assert!(kept.iter().all(Result::is_ok));
        drop(kept);
        assert_eq!(filters.used(), 0);
    }
}
