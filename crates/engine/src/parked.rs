//! What becomes of events that a subscription set aside?
//!
//! They are listed, looked at, delivered again, or given up. An entry that is marked for a replay is read by the
//! dispatcher of its subscription, now or whenever it runs; it goes when the replay is settled, and stays, without its
//! mark, when that has failed.

use std::sync::Arc;

use photinus_contract::store::{ParkedEntry, Selection};
use photinus_contract::{CodedError, Data, Event, EventId, Sequence, SubscriptionId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::core::Core;
use crate::lists::{Collector, Listed, Query};
use crate::namespaces::NamespaceState;
use crate::publish::unavailable;
use crate::shard::Mail;
use crate::values;

/// How many entries are read together.
const ROWS_MAX: usize = 256;

/// An event that a subscription set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ParkedEvent {
    /// The event.
    pub event: EventId,
    /// Its place in the log.
    pub sequence: Sequence,
    /// How many attempts there were before it was parked; of one that was replayed in vain, those of the replay.
    pub attempts: u32,
    /// Why it was parked.
    pub reason: String,
    /// What went wrong last, if it was parked because its attempts were used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was parked.
    pub created: Timestamp,
    /// Somebody has asked for it to be delivered again, which is to come or going on.
    pub replaying: bool,
}

/// A parked event with what it carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParkedPayload {
    /// Why and when it was parked.
    pub parked: ParkedEvent,
    /// The event; nothing if it is not in the log any more.
    pub event: Option<Event>,
    /// The values of its message; those that are not there any more are left out.
    pub data: Vec<Data>,
}

impl From<ParkedEntry> for ParkedEvent {
    fn from(entry: ParkedEntry) -> Self {
        Self {
            event: entry.event,
            sequence: entry.sequence,
            attempts: entry.attempts,
            reason: entry.reason,
            error: entry.error,
            created: entry.created,
            replaying: entry.replay.is_some(),
        }
    }
}

impl Core {
    /// Parked events in the order of the log, unless they are sorted.
    pub(crate) async fn list_parked(
        &self,
        namespace: &str,
        id: SubscriptionId,
        query: &Query<ParkedEvent>,
    ) -> Result<Listed<ParkedEvent>, CodedError> {
        self.stored(namespace, id)?;
        let mut listed = Collector::new(query, self.config.list_bytes_max);
        let mut after = Sequence(i64::MIN);
        while !listed.is_done() {
            tokio::task::yield_now().await;
            let page = self.store.parked(id, after, ROWS_MAX).await;
            let page = page.map_err(unavailable)?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for entry in page {
                let bytes = entry.reason.len() + entry.error.as_ref().map_or(0, String::len);
                listed.offer(entry.into(), bytes)?;
            }
        }
        Ok(listed.finish())
    }

    /// A parked event with what it carries; `None` if that event is not parked.
    pub(crate) async fn parked_payload(
        &self,
        namespace: &str,
        id: SubscriptionId,
        event: EventId,
    ) -> Result<Option<ParkedPayload>, CodedError> {
        let (namespace, _) = self.stored(namespace, id)?;
        let entry = self.store.parked_event(id, event).await;
        match entry.map_err(unavailable)? {
            None => Ok(None),
            Some(entry) => self.payload(&namespace, entry).await.map(Some),
        }
    }

    async fn payload(
        &self,
        namespace: &Arc<NamespaceState>,
        entry: ParkedEntry,
    ) -> Result<ParkedPayload, CodedError> {
        let record = self.store.record(&namespace.info.name, entry.event.0).await;
        let record = record.map_err(unavailable)?;
        let data = match &record {
            Some(record) => values::of_message(&*self.store, record).await,
            None => Ok(Vec::new()),
        };
        let event = record.zip(entry.event.index());
        Ok(ParkedPayload {
            event: event.and_then(|(record, index)| Event::new(record, index)),
            data: data.map_err(unavailable)?,
            parked: entry.into(),
        })
    }

    /// Has parked events delivered again; says how many they are.
    pub(crate) async fn replay_parked(
        &self,
        namespace: &str,
        id: SubscriptionId,
        selection: Selection,
    ) -> Result<u64, CodedError> {
        self.stored(namespace, id)?;
        let marked = self.store.replay(id, selection).await;
        let marked = marked.map_err(unavailable)?;
        // One that does not run looks for them when it is begun.
        let subscription = id;
        let mail = Mail::ReplaysMarked { subscription };
        self.registry.shard(id).post(mail);
        Ok(marked)
    }

    /// Gives parked events up; says how many they were.
    pub(crate) async fn discard_parked(
        &self,
        namespace: &str,
        id: SubscriptionId,
        selection: Selection,
    ) -> Result<u64, CodedError> {
        self.stored(namespace, id)?;
        let events = self.store.discard(id, selection).await;
        let events = events.map_err(unavailable)?;
        let count = events.len() as u64;
        let subscription = id;
        self.registry.shard(id).post(Mail::Discarded {
            subscription,
            events,
        });
        Ok(count)
    }
}
