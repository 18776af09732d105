//! How do parked events get to a dispatcher again?

use std::sync::Arc;

use photinus_contract::store::{ParkedEntry, StoreError};
use photinus_contract::{Event, Sequence, Subscription, SubscriptionId};
use photinus_dispatch::{Arrived, Input, Instant, Replayed, Room};
use tracing::warn;

use super::active::Phase;
use super::feed::{Payload, give_keys, load_values};
use super::mail::ValuesWanted;
use super::{Mail, Shard};
use crate::core::Core;

/// Most parked events that are read together.
const READ_AT_ONCE: usize = 256;
/// How long a failed read waits before it is tried again.
const RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(250);

/// Parked events that are to be delivered again.
pub(crate) struct Replays {
    events: Vec<Replayed<Payload>>,
    /// How far was looked, if more may follow.
    more: Option<Sequence>,
}

/// Whose parked events are read.
struct Reader {
    core: Arc<Core>,
    subscription: Arc<Subscription>,
    /// The values that are to be loaded, if they are.
    wanted: Option<ValuesWanted>,
    /// What is above it and was parked before the last seek comes in its turn.
    offset: Sequence,
    generation: u64,
}

impl Shard {
    /// Somebody has marked parked events, perhaps after it was looked for them at the start.
    pub(super) fn replays_marked(&mut self, id: SubscriptionId) {
        match self.active.get_mut(&id).map(|active| &mut active.phase) {
            Some(Phase::Starting { replays_marked, .. }) => *replays_marked = true,
            Some(Phase::Running(_)) => self.tell(id, Input::ReplaysMarked),
            None => {}
        }
    }

    /// Reads the parked events that a dispatcher is to deliver again, as far as there is room for them.
    pub(super) fn feed_replays(&mut self, id: SubscriptionId) {
        let core = self.core.clone();
        let handle = self.handle.clone();
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let (start, wants_data) = (active.start, active.wants_data());
        let (spec, Some(running)) = active.parts() else {
            return;
        };
        let Some(room) = running.dispatcher.read_replays() else {
            return;
        };
        let reader = Reader {
            core,
            subscription: spec.subscription.clone(),
            wanted: wants_data.then(|| spec.values_wanted()),
            offset: running.dispatcher.offset(),
            generation: running.generation,
        };
        self.core.tasks.spawn(async move {
            let read = reader.read(room).await;
            let read = match read {
                Ok(read) => read,
                Err(error) => {
                    if !reader.core.is_stopping() {
                        warn!(subscription = %id, %error, "cannot read replays; trying again");
                    }
                    tokio::time::sleep(RETRY_DELAY).await;
                    Replays::again(room)
                }
            };
            handle.post(Mail::Replays {
                subscription: id,
                start,
                read,
            });
        });
    }

    pub(super) fn replays_read(&mut self, id: SubscriptionId, start: u64, read: Replays) {
        if self.is_current(id, start) {
            let Replays { events, more } = read;
            self.tell(id, Input::Replays { events, more });
        }
    }
}

impl Replays {
    /// Nothing: the same is to be asked for again.
    fn again(room: Room) -> Self {
        Self {
            events: Vec::new(),
            more: Some(room.after),
        }
    }
}

impl Reader {
    async fn read(&self, room: Room) -> Result<Replays, StoreError> {
        let id = self.subscription.id;
        let limit = room.events.min(READ_AT_ONCE);
        let entries = self.core.store.replays(id, room.after, limit).await?;
        let is_last = entries.len() < limit;
        let mut more = None;
        let mut bytes = 0;
        let mut events = Vec::with_capacity(entries.len());
        for entry in entries {
            let place = entry.sequence;
            if let Some(replayed) = self.replayed(&entry).await? {
                let size = replayed.arrived.bytes;
                if !events.is_empty() && bytes + size > room.bytes {
                    return Ok(Replays { events, more });
                }
                bytes += size;
                events.push(replayed);
            }
            more = Some(place);
        }
        let more = more.filter(|_| !is_last);
        Ok(Replays { events, more })
    }

    /// What of an entry is delivered; nothing if its event comes anyway, or is not there any more.
    async fn replayed(&self, entry: &ParkedEntry) -> Result<Option<Replayed<Payload>>, StoreError> {
        if entry.generation != self.generation && entry.sequence > self.offset {
            return Ok(None);
        }
        let Some(replay) = entry.replay else {
            return Ok(None);
        };
        let namespace = &self.subscription.namespace;
        let store = &*self.core.store;
        let record = store.record(namespace, entry.event.0).await?;
        let event = record
            .zip(entry.event.index())
            .and_then(|(record, index)| Event::new(record, index));
        let Some(event) = event else {
            warn!(subscription = %self.subscription.id, event = %entry.event, "a parked event is not in the log any more");
            return Ok(None);
        };
        let size = event.size();
        let mut payload = Payload::new(event);
        payload.parked_in = Some(entry.generation);
        let mut arrived = Arrived::new(entry.sequence, size, payload);
        match &self.wanted {
            Some(wanted) => load_values(store, &mut arrived, wanted).await?,
            None => {
                let options = &self.subscription.options;
                give_keys(std::slice::from_mut(&mut arrived), options);
            }
        }
        Ok(Some(Replayed {
            arrived,
            failures: replay.failures,
            since: replay.since.map(Instant::from_time),
        }))
    }
}
