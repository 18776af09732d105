//! How are many messages published together?
//!
//! What of them is the same is asked for once: the namespace, the time, and ids that follow each other, so that they
//! stand side by side in every index. They are queued with one step and answered with one.

use std::sync::Arc;

use photinus_contract::{MessageId, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use super::Draft;
use crate::clock::Clock;
use crate::metrics::Source;
use crate::namespaces::NamespaceState;

/// Messages of one publisher in one namespace that are prepared and queued together, in order.
pub struct Lot {
    pub(crate) namespace: Arc<NamespaceState>,
    pub(crate) source: Source,
    pub(crate) moment: Moment,
    pub(crate) ids: std::vec::IntoIter<Uuid>,
    pub(crate) drafts: Vec<Draft>,
}

/// When messages were taken in.
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// As it is written.
    pub(crate) text: String,
    pub(crate) since: Instant,
}

impl Moment {
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        let now = clock.now();
        Self {
            now,
            text: now.to_string(),
            since: Instant::now(),
        }
    }
}

impl Lot {
    /// How many messages are in it.
    pub fn len(&self) -> usize {
        self.drafts.len()
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Takes all but the first `count` out again: they are not published.
    pub fn truncate(&mut self, count: usize) {
        self.drafts.truncate(count);
    }

    /// The id of the next message.
    pub(crate) fn next_id(&mut self, clock: &dyn Clock) -> MessageId {
        MessageId::from_v7(self.ids.next().unwrap_or_else(|| clock.new_id()))
    }
}
