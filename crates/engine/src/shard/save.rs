//! When are positions written?
//!
//! Soon after events were settled, for many subscriptions together; lazily where a subscription only passed events
//! that do not match. No delivery waits for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use photinus_contract::SubscriptionId;
use photinus_contract::store::{OffsetError, OffsetWrite, Store};
use photinus_dispatch::{Instant, Unsaved};
use tracing::{info, warn};

use super::{Mail, Shard};

/// How long after a failed write the next one is tried.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Whose positions have to be written, and when.
#[derive(Default)]
pub(super) struct Saves {
    settled: BTreeSet<SubscriptionId>,
    settled_due: Option<Instant>,
    passed: BTreeSet<SubscriptionId>,
    passed_due: Option<Instant>,
}

/// What became of one position.
pub(crate) struct Saved {
    pub(crate) subscription: SubscriptionId,
    pub(crate) epoch: u64,
    pub(crate) outcome: Result<(), OffsetError>,
}

impl Saves {
    pub(super) fn due(&self) -> Option<Instant> {
        [self.settled_due, self.passed_due]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn settled(&mut self, id: SubscriptionId, due: Instant) {
        self.settled.insert(id);
        self.settled_due.get_or_insert(due);
    }

    pub(super) fn passed(&mut self, id: SubscriptionId, due: Instant) {
        self.passed.insert(id);
        self.passed_due.get_or_insert(due);
    }

    fn take_due(&mut self, now: Instant) -> BTreeSet<SubscriptionId> {
        let mut ids = BTreeSet::new();
        if self.settled_due.is_some_and(|due| due <= now) {
            self.settled_due = None;
            ids.append(&mut self.settled);
        }
        if self.passed_due.is_some_and(|due| due <= now) {
            self.passed_due = None;
            ids.append(&mut self.passed);
        }
        ids
    }
}

impl Shard {
    pub(super) fn save_due(&mut self, now: Instant) {
        let ids = self.saves.take_due(now);
        self.save_now(ids);
    }

    /// Writes the positions that are not written. The order of calls is the order of the writes.
    pub(super) fn save_now(&mut self, ids: impl IntoIterator<Item = SubscriptionId>) {
        let writes = self.writes(ids);
        if writes.is_empty() {
            return;
        }
        let handle = self.handle.clone();
        let saved = commit(&self.core.store, writes);
        self.core.tasks.spawn(async move {
            handle.post(Mail::Saved {
                results: saved.await,
            });
        });
    }

    pub(super) async fn save_and_wait(
        &mut self,
        ids: impl IntoIterator<Item = SubscriptionId>,
    ) -> Vec<Saved> {
        let writes = self.writes(ids);
        match writes.is_empty() {
            true => Vec::new(),
            false => commit(&self.core.store, writes).await,
        }
    }

    pub(super) fn saved(&mut self, results: Vec<Saved>) {
        let now = self.now();
        for Saved {
            subscription,
            epoch,
            outcome,
        } in results
        {
            let Some(running) = self.running(subscription) else {
                continue;
            };
            if running.epoch != epoch {
                continue;
            }
            match outcome {
                Ok(()) => {}
                Err(OffsetError::Fenced) => {
                    info!(%subscription, "it has a newer owner; this one stops");
                    self.stop(subscription);
                }
                Err(error) => {
                    warn!(%subscription, %error, "its position is not written; trying again");
                    running.dispatcher.unsave();
                    self.saves.settled(subscription, now.after(RETRY_DELAY));
                }
            }
        }
    }

    fn writes(&mut self, ids: impl IntoIterator<Item = SubscriptionId>) -> Vec<OffsetWrite> {
        let mut writes = Vec::new();
        for id in ids {
            let Some(active) = self.active.get_mut(&id).filter(|active| active.is_stored()) else {
                continue;
            };
            let Some(running) = active.running() else {
                continue;
            };
            if running.dispatcher.unsaved() == Unsaved::Nothing {
                continue;
            }
            let position = running.dispatcher.save();
            running.saved = position.offset;
            let mut write = OffsetWrite::new(id, running.epoch, position.offset);
            write.settled = position.settled;
            write.failures = position.failures;
            writes.push(write);
        }
        writes
    }
}

/// The write is on its way when this returns; the future only waits.
fn commit(
    store: &Arc<dyn Store>,
    writes: Vec<OffsetWrite>,
) -> impl Future<Output = Vec<Saved>> + Send + 'static {
    let whose: Vec<_> = writes
        .iter()
        .map(|write| (write.subscription, write.epoch))
        .collect();
    let outcomes = store.commit(writes);
    async move {
        let outcomes = outcomes.await;
        whose
            .into_iter()
            .zip(outcomes)
            .map(|((subscription, epoch), outcome)| Saved {
                subscription,
                epoch,
                outcome,
            })
            .collect()
    }
}
