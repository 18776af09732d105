//! How much memory do all filters take?
//!
//! A few bytes of regular expression can need hundreds of kilobytes of automaton. So what all filters take
//! together is counted, and a new one that would pass the limit is refused.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use photinus_contract::{CodedError, SubscriptionFilter};
use photinus_dispatch::Filter;

/// The filters of all subscriptions, in bytes.
pub(crate) struct Filters {
    used: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// A filter that is counted as long as it is there.
pub(crate) struct CountedFilter {
    filter: Filter,
    bytes: usize,
    used: Arc<AtomicUsize>,
}

impl Filters {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            used: Arc::default(),
            bytes_max,
        }
    }

    /// How many bytes they take.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Compiles the filter of a new subscription. `FF10171` if it does not compile, `PH00431` if there is no
    /// memory for it.
    pub(crate) fn compile(&self, filter: &SubscriptionFilter) -> Result<CountedFilter, CodedError> {
        let counted = self.compile_stored(filter)?;
        if self.used.load(Ordering::Relaxed) > self.bytes_max {
            let max = self.bytes_max;
            return Err(CodedError::new(
                "PH00431",
                503,
                format!(
                    "The filters of all subscriptions would take more than {max} bytes of memory ([engine] filters_bytes_max): use plain texts and prefixes such as '^orders'"
                ),
            ));
        }
        Ok(counted)
    }

    /// Compiles the filter of a subscription that was accepted before, whatever there is already.
    pub(crate) fn compile_stored(
        &self,
        filter: &SubscriptionFilter,
    ) -> Result<CountedFilter, CodedError> {
        let filter = Filter::new(filter)?;
        let bytes = filter.memory();
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Ok(CountedFilter {
            filter,
            bytes,
            used: self.used.clone(),
        })
    }
}

impl Deref for CountedFilter {
    type Target = Filter;

    fn deref(&self) -> &Filter {
        &self.filter
    }
}

impl Drop for CountedFilter {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
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
        assert_eq!(filters.used.load(Ordering::Relaxed), 0);
    }
}
