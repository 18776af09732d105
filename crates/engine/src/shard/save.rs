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
use tracing::{debug, info, warn};

use super::{Mail, Shard};
use crate::publish::is_passing;

/// How long after a failed write the next one is tried.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Whose positions have to be written, and when.
#[derive(Default)]
pub(super) struct Saves {
    settled: BTreeSet<SubscriptionId>,
    settled_due: Option<Instant>,
    /// Some have passed events that do not match. They are written all together, so it is not noted which.
    passed_due: Option<Instant>,
}

/// What became of one position.
pub(crate) struct Saved {
    pub(crate) write: OffsetWrite,
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

    pub(super) fn passed(&mut self, due: Instant) {
        let earlier = self.passed_due.map_or(due, |before| before.min(due));
        self.passed_due = Some(earlier);
    }
}

impl Shard {
    pub(super) fn save_due(&mut self, now: Instant) {
        let is_due = |due: &mut Instant| *due <= now;
        if self.saves.passed_due.take_if(is_due).is_some() {
            self.passes_flushed();
            let all: Vec<_> = self.stored.iter().copied().collect();
            self.save_now(all);
        }
        if self.saves.settled_due.take_if(is_due).is_some() {
            let ids = std::mem::take(&mut self.saves.settled);
            self.save_now(ids);
        }
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
        for Saved { write, outcome } in results {
            self.note_saved(&outcome);
            let subscription = write.subscription;
            let running = self.running(subscription);
            let running = running.filter(|running| running.epoch == write.epoch);
            let error = match (outcome, running.is_some()) {
                (Ok(()), _) => {
                    if let Some(running) = running.filter(|_| !write.unparked.is_empty()) {
                        running.dispatcher.saved(&write.unparked);
                    }
                    continue;
                }
                (Err(error), _) => error,
            };
            let Some(running) = running else {
                self.save_late(write, error);
                continue;
            };
            if error == OffsetError::Fenced {
                info!(%subscription, "it has a newer owner; this one stops");
                self.stop(subscription);
                continue;
            }
            warn!(%subscription, %error, "its position is not written; trying again");
            running.dispatcher.unsave(&write.unparked);
            self.saves.settled(subscription, now.after(RETRY_DELAY));
        }
    }

    /// The last position of a dispatcher that has ended could not be written. Its epoch keeps it from undoing
    /// anything newer.
    fn save_late(&self, write: OffsetWrite, error: OffsetError) {
        let subscription = write.subscription;
        // What is refused for good is not tried again: a later position was written meanwhile, or somebody else's.
        let may_pass = matches!(&error, OffsetError::Store(error) if is_passing(error));
        if !may_pass || self.core.is_stopping() {
            debug!(%subscription, %error, "its last position is not written any more");
            return;
        }
        warn!(%subscription, %error, "its last position is not written; trying again");
        let store = self.core.store.clone();
        let handle = self.handle.clone();
        self.core.tasks.spawn(async move {
            tokio::time::sleep(RETRY_DELAY).await;
            let results = commit(&store, vec![write]).await;
            handle.post(Mail::Saved { results });
        });
    }

    fn writes(&mut self, ids: impl IntoIterator<Item = SubscriptionId>) -> Vec<OffsetWrite> {
        let mut writes = Vec::new();
        for id in ids {
            self.bring_up(id);
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
            write.unparked = position.unparked;
            write.replays = position.replays;
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
    let outcomes = store.commit(writes.clone());
    async move {
        let outcomes = outcomes.await;
        let saved = writes.into_iter().zip(outcomes);
        saved
            .map(|(write, outcome)| Saved { write, outcome })
            .collect()
    }
}
