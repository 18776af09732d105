//! What is counted, and how is it read?
//!
//! ```text
//!   committer, shards, pages ──▶ counters: relaxed atomics, found without a lookup ─┐
//!   tails, registry, store   ──▶ state that exists anyway ──────────────────────────┼─▶ Handle::collect ─▶ Sink
//! ```
//!
//! What happens is counted where it happens, in atomics that hang on what is at hand there: the namespace of a
//! draft, the subscription of a dispatcher. What *is* (a lag, a queue) is read when somebody asks. Nothing here
//! knows in which form the figures leave: a [`Sink`] gets them with the [`Family`] that describes them.

mod collect;
mod deliveries;
mod families;
mod family;
mod numbers;
mod publishing;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use photinus_contract::CodedError;
use photinus_contract::store::OffsetError;

pub(crate) use self::collect::{Known, lag};
pub(crate) use self::deliveries::{Lane, Now, SubscriptionMetrics};
pub use self::families::FAMILIES;
pub use self::family::{Family, Kind, Sink, Value};
pub(crate) use self::numbers::{ANSWERS, Counter};
pub use self::numbers::{Buckets, Histogram, SECONDS};
pub use self::publishing::Source;
pub(crate) use self::publishing::{Groups, NamespaceMetrics, Origin, Tally};

/// Most codes of refusals that are told apart. Ours are fewer; a transport may make up its own.
const CODES_MAX: usize = 64;
/// What the rest of them is called.
const OTHER: &str = "other";

/// What is counted for the engine as a whole.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) groups: Groups,
    /// How often shards looked for something to do.
    pub(crate) turns: Counter,
    /// Looks into the log for a dispatcher that the tail answered.
    pub(crate) fed_by_tail: Counter,
    /// Those that a page answered.
    pub(crate) fed_by_pages: Counter,
    pub(crate) events_looked_at: Counter,
    pub(crate) events_matched: Counter,
    pub(crate) offsets_written: Counter,
    pub(crate) offsets_fenced: Counter,
    pub(crate) offsets_failed: Counter,
    refused: Mutex<BTreeMap<String, u64>>,
}

impl Metrics {
    /// A message was refused. This is the one place with a lock: nothing of the kind happens to an event.
    pub(crate) fn refused(&self, error: &CodedError) {
        self.refused_with(error.code());
    }

    fn refused_with(&self, code: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let code = match refused.len() < CODES_MAX || refused.contains_key(code) {
            true => code,
            false => OTHER,
        };
        match refused.get_mut(code) {
            Some(count) => *count += 1,
            None => drop(refused.insert(code.to_owned(), 1)),
        }
    }

    pub(crate) fn offset_written(&self, result: &Result<(), OffsetError>) {
        match result {
            Ok(()) => self.offsets_written.one(),
            Err(OffsetError::Fenced) => self.offsets_fenced.one(),
            Err(_) => self.offsets_failed.one(),
        }
    }

    fn refusals(&self) -> BTreeMap<String, u64> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_beyond_the_limit_are_counted_together() {
        let metrics = Metrics::default();
        for number in 0..CODES_MAX + 10 {
            for _ in 0..2 {
                metrics.refused_with(&format!("XX{number:05}"));
            }
        }
        let refusals = metrics.refusals();
        assert_eq!(refusals.len(), CODES_MAX + 1);
        assert_eq!(refusals[OTHER], 20);
        assert_eq!(refusals["XX00000"], 2);
    }
}
