//! Is everything there at the end of a run? Invariants 1, 4, 10 and 11.

use std::sync::Arc;

use photinus_contract::store::{OffsetRecord, ParkedEntry};
use photinus_contract::{Namespace, Record, Subscription};

use super::Oracle;

impl Oracle {
    /// The log of a namespace as it is found at the end.
    pub(crate) fn final_log(&mut self, namespace: &Namespace, records: &[Arc<Record>]) {
        let Some(log) = self.logs.get(namespace) else {
            return;
        };
        let is_same = log.records.values().eq(records.iter());
        let author = |record: &&Arc<Record>| record.content.author().to_owned();
        let authors: Vec<String> = records.iter().map(|record| author(&record)).collect();
        let its = self
            .publishes
            .iter()
            .filter(|(_, one)| one.namespace == *namespace);
        let lost = its.filter(|(number, published)| {
            let author = format!("p{number}");
            let times = authors.iter().filter(|found| **found == author).count();
            times > 1 || (published.answered && times == 0)
        });
        let lost: Vec<u64> = lost.map(|(number, _)| *number).collect();
        if !lost.is_empty() {
            self.violated(1, format_args!("lost, or there twice: {lost:?}"));
        }
        if !is_same {
            self.violated(
                2,
                format_args!("the log of {namespace} is not what was appended"),
            );
        }
    }

    /// The position of a subscription as it is found at the end, when everything was delivered and acknowledged.
    pub(crate) fn final_position(
        &mut self,
        subscription: &Subscription,
        record: &OffsetRecord,
        parked: &[ParkedEntry],
    ) {
        let label = self.label(subscription.id);
        let head = self.head(subscription.namespace.as_str());
        let Some(position) = self.positions.get(&subscription.id) else {
            return self.violated(1, format_args!("{label} was never stored"));
        };
        let (offset, known) = (record.offset.0, position.record.offset.0);
        let is_parked = parked.iter().eq(position.parked.values());
        if offset != known {
            self.violated(7, format_args!("{label} is at {offset}, not at {known}"));
        }
        if offset < head {
            self.violated(
                4,
                format_args!("{label} is at {offset}, and everything up to {head} is settled"),
            );
        }
        let waiting: Vec<i64> = parked
            .iter()
            .filter(|entry| entry.replay.is_some())
            .map(|entry| entry.sequence.0)
            .collect();
        if !waiting.is_empty() {
            self.violated(11, format_args!("{label} never replays {waiting:?}"));
        }
        if !is_parked {
            self.violated(11, format_args!("what {label} parked is not what is there"));
        }
    }

    /// All ephemeral subscriptions of this engine got everything.
    pub(crate) fn final_ephemerals(&mut self, node: usize) {
        let its = self.owners.iter().filter(|(_, owner)| {
            owner.ephemeral && !owner.ended && !owner.paused && owner.node == node
        });
        let unserved = its.filter(|(_, owner)| {
            self.logs.get(&owner.namespace).is_some_and(|log| {
                let view = owner.view(log);
                owner.states().iter().all(|state| !state.is_done(view))
            })
        });
        let unserved: Vec<String> = unserved.map(|((id, _), _)| self.label(*id)).collect();
        if !unserved.is_empty() {
            self.violated(3, format_args!("events were not delivered to {unserved:?}"));
        }
    }
}
