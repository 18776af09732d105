//! Was a listener told of everything that its engine committed, or of how much it was not?
//!
//! No invariant of the list, but a promise all the same: the feed of changes is lossy and exact. Its number is 0.

use std::collections::BTreeMap;

use photinus_contract::record::RecordContent;
use photinus_contract::{ChangeEvent, Namespace};
use uuid::Uuid;

use super::Oracle;

/// The collections of what is committed.
const OF_A_RECORD: [&str; 3] = ["data", "messages", "events"];

/// What one engine committed and told.
#[derive(Default)]
pub(super) struct Feed {
    /// The ids of all parts of its records, in order.
    committed: BTreeMap<Namespace, Vec<Uuid>>,
    told: BTreeMap<Namespace, Vec<Uuid>>,
    dropped: u64,
}

impl Oracle {
    /// An engine has committed a record.
    pub(super) fn committed_by(&mut self, node: usize, content: &RecordContent) {
        let feed = self.feeds.entry(node).or_default();
        let parts = feed.committed.entry(content.namespace.clone()).or_default();
        parts.extend((0..content.values_len()).map(|value| content.id.value(value).0));
        parts.push(content.id.0);
        parts.extend((0..content.events_len()).map(|event| content.id.event(event).0));
    }

    /// A listener to all changes of an engine was told of one.
    pub(crate) fn change_told(&mut self, node: usize, change: &ChangeEvent) {
        let feed = self.feeds.entry(node).or_default();
        if let Some(dropped) = change.dropped_count {
            feed.dropped += dropped;
            self.history.count("changes dropped");
        } else if let (Some(namespace), Some(id), true) = (
            &change.namespace,
            change.id,
            OF_A_RECORD.contains(&change.collection),
        ) {
            feed.told.entry(namespace.clone()).or_default().push(id);
            self.history.count("changes told");
        }
    }

    /// Nothing more is committed, and all that was to be told was told.
    pub(crate) fn final_changes(&mut self, node: usize) {
        let feed = self.feeds.remove(&node).unwrap_or_default();
        let mut missed = 0;
        for (namespace, committed) in &feed.committed {
            let told = feed.told.get(namespace).map_or(&[][..], Vec::as_slice);
            let mut rest = committed.iter();
            if let Some(strange) = told.iter().find(|id| !rest.any(|it| it == *id)) {
                let what = format!("{namespace}: the change of {strange} was told out of order");
                self.violated(0, what);
            }
            missed += committed.len().saturating_sub(told.len()) as u64;
        }
        // Changes of subscriptions may have been dropped, too.
        if missed > feed.dropped || (feed.dropped == 0 && missed > 0) {
            let dropped = feed.dropped;
            let what = format!("{missed} changes were not told, and {dropped} said to be dropped");
            self.violated(0, what);
        }
    }
}
