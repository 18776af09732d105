//! How is a subscription moved to another place of the log?
//!
//! Its dispatcher ends, which voids what is in flight; then the store moves the position, with a new epoch and
//! generation, so that nothing that was queued before can undo it; then its connections are served from there on.

use std::sync::Arc;

use photinus_contract::store::{ReadLimit, Start};
use photinus_contract::{
    CodedError, Event, EventId, Namespace, Sequence, Subscription, SubscriptionId, Timestamp,
};
use photinus_dispatch::Filter;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::core::Core;
use crate::namespaces::NamespaceState;
use crate::publish::unavailable;

/// Most events that a dry run holds against the filter.
const COUNTED_MAX: u64 = 1_000_000;
/// What a dry run reads at once.
const COUNTED_AT_ONCE: ReadLimit = ReadLimit {
    records: 256,
    bytes: 1 << 20,
};
/// The record that comes next, and nothing else.
const NEXT: ReadLimit = ReadLimit {
    records: 1,
    bytes: 0,
};

/// Where a subscription is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTo {
    /// At the oldest event.
    Oldest,
    /// After the newest event there is at that moment.
    Newest,
    /// After this sequence.
    After(Sequence),
    /// At the first event that was created then or later.
    Time(Timestamp),
    /// At this event.
    Event(Uuid),
}

impl SeekTo {
    /// The sequence of this number; one of at least -1. `PH00440` for others.
    pub fn sequence(number: i64) -> Result<Self, CodedError> {
        match number {
            ..-1 => Err(not_understood(&number.to_string())),
            _ => Ok(Self::After(Sequence(number.min(Sequence::MAX.0)))),
        }
    }
}

/// Reads `oldest`, `newest`, an event's id, a time in RFC 3339, or digits, which are a sequence (also `-1`).
/// `PH00440` for anything else.
impl std::str::FromStr for SeekTo {
    type Err = CodedError;

    fn from_str(text: &str) -> Result<Self, CodedError> {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match text {
            "oldest" => Ok(Self::Oldest),
            "newest" => Ok(Self::Newest),
            "" => Err(not_understood(text)),
            _ if is_number(text.strip_prefix('-').unwrap_or(text)) => match text.parse() {
                Ok(number) => Self::sequence(number),
                Err(_) => Err(not_understood(text)),
            },
            _ => match (text.parse(), text.parse()) {
                (Ok(event), _) => Ok(Self::Event(event)),
                (_, Ok(time)) => Ok(Self::Time(time)),
                _ => Err(not_understood(text)),
            },
        }
    }
}

fn not_understood(text: &str) -> CodedError {
    CodedError::bad_request(
        "PH00440",
        format!(
            "Cannot seek to '{text}': expected 'oldest', 'newest', a sequence of -1 or more, a time in RFC 3339 or the id of an event"
        ),
    )
}

/// Where a subscription went, or would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sought {
    /// What is delivered next comes after this sequence.
    pub offset: Sequence,
    /// Nothing was moved.
    pub dry_run: bool,
    /// Of a dry run: what would follow.
    #[serde(flatten)]
    pub following: Option<Following>,
}

/// What follows a place of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Following {
    /// Events that match.
    pub events: u64,
    /// Events that were looked at.
    pub scanned: u64,
    /// The log goes on after them.
    pub more: bool,
}

impl Core {
    /// Moves a subscription.
    pub(crate) async fn seek(
        &self,
        namespace: &str,
        id: SubscriptionId,
        to: SeekTo,
    ) -> Result<Sought, CodedError> {
        let (namespace, _) = self.stored(namespace, id)?;
        // The log only grows: what is found now is right also when it is this one's turn.
        let start = self.start_of(&namespace, to).await?;
        let _one_at_a_time = self.admin.lock().await;
        self.stored(namespace.info.name.as_str(), id)?;
        let _ = self.registry.suspend(id).await;
        let sought = self.store.seek(id, start).await;
        match &sought {
            Ok(None) => self.registry.forget(id),
            Ok(Some(record)) => {
                if let Some(metrics) = self.registry.metrics(id) {
                    metrics.moved(record.offset);
                }
                self.registry.resume(id);
            }
            Err(_) => self.registry.resume(id),
        }
        let record = sought.map_err(unavailable)?;
        let record = record.ok_or_else(|| no_subscription(id))?;
        Ok(Sought {
            offset: record.offset,
            dry_run: false,
            following: None,
        })
    }

    /// Where [`seek`](Self::seek) would go, and what would follow.
    pub(crate) async fn seek_dry(
        &self,
        namespace: &str,
        id: SubscriptionId,
        to: SeekTo,
    ) -> Result<Sought, CodedError> {
        let (namespace, subscription) = self.stored(namespace, id)?;
        let filter = self.filters.compile_stored(&subscription.filter)?;
        let offset = match self.start_of(&namespace, to).await? {
            Start::After(sequence) => sequence,
            Start::Newest => match namespace.tail.head() {
                Sequence(0) => Sequence::OLDEST,
                head => head,
            },
            _ => Sequence::OLDEST,
        };
        Ok(Sought {
            offset,
            dry_run: true,
            following: Some(self.following(&namespace, offset, &filter).await?),
        })
    }

    /// A durable subscription and its namespace. `FF00164` if there is none of that id.
    pub(crate) fn stored(
        &self,
        namespace: &str,
        id: SubscriptionId,
    ) -> Result<(Arc<NamespaceState>, Arc<Subscription>), CodedError> {
        let namespace = self.namespaces.get(namespace)?;
        let stored = self.registry.by_id(id);
        let stored = stored.filter(|stored| stored.namespace == namespace.info.name);
        Ok((namespace, stored.ok_or_else(|| no_subscription(id))?))
    }

    async fn start_of(&self, namespace: &NamespaceState, to: SeekTo) -> Result<Start, CodedError> {
        match to {
            SeekTo::Oldest => Ok(Start::Oldest),
            SeekTo::Newest => Ok(Start::Newest),
            SeekTo::After(sequence) => Ok(Start::After(sequence)),
            SeekTo::Time(time) => {
                let before = self.before_time(namespace, time, Sequence::OLDEST).await;
                before.map(Start::After)
            }
            SeekTo::Event(event) => self.before_event(namespace, event).await.map(Start::After),
        }
    }

    async fn before_event(
        &self,
        namespace: &NamespaceState,
        event: Uuid,
    ) -> Result<Sequence, CodedError> {
        let found = self.event(&namespace.info.name, event).await?;
        found
            .map(|event| event.sequence().previous())
            .ok_or_else(|| no_event(&event, "to seek to"))
    }

    /// An event of the log, by its id.
    pub(crate) async fn event(
        &self,
        namespace: &Namespace,
        id: Uuid,
    ) -> Result<Option<Event>, CodedError> {
        let record = self.store.record(namespace, id).await;
        let found = record.map_err(unavailable)?.zip(EventId(id).index());
        Ok(found.and_then(|(record, index)| Event::new(record, index)))
    }

    /// The event of this sequence.
    pub(crate) async fn event_at(
        &self,
        namespace: &Namespace,
        sequence: Sequence,
    ) -> Result<Option<Event>, CodedError> {
        if sequence <= Sequence(0) {
            return Ok(None);
        }
        let page = self.store.read(namespace, sequence.previous(), NEXT).await;
        let page = page.map_err(unavailable)?;
        let mut events = page.records.iter().flat_map(Event::all);
        Ok(events.find(|event| event.sequence() == sequence))
    }

    /// The place before the first event that was created at `time` or later. Times never decrease along the log, so
    /// it is halved until that event is found. If there is none yet, what is committed from now on comes next.
    ///
    /// Everything up to `low` has to be earlier.
    pub(crate) async fn before_time(
        &self,
        namespace: &NamespaceState,
        time: Timestamp,
        mut low: Sequence,
    ) -> Result<Sequence, CodedError> {
        // The event after `high` is not earlier, or is not there.
        let mut high = namespace.tail.head();
        while low < high {
            let middle = Sequence(low.0 + (high.0 - low.0) / 2);
            let page = self.store.read(&namespace.info.name, middle, NEXT).await;
            match page.map_err(unavailable)?.records.first() {
                Some(record) if record.content.created < time => low = record.last,
                Some(record) if record.first().previous() < middle => {
                    // The middle of a record, whose events are of one time.
                    high = record.first().previous().max(low);
                }
                _ => high = middle,
            }
        }
        Ok(high.max(low))
    }

    /// What follows this place, up to so many that it is not worth waiting for.
    async fn following(
        &self,
        namespace: &NamespaceState,
        offset: Sequence,
        filter: &Filter,
    ) -> Result<Following, CodedError> {
        let mut following = Following::default();
        let mut after = offset;
        loop {
            let read = self
                .store
                .read(&namespace.info.name, after, COUNTED_AT_ONCE);
            let page = read.await.map_err(unavailable)?;
            for record in &page.records {
                let events = Event::all(record);
                for event in events.filter(|event| event.sequence() > after) {
                    following.scanned += 1;
                    following.events += u64::from(filter.matches(&event));
                }
            }
            let Some(last) = page.records.last() else {
                return Ok(following);
            };
            after = last.last;
            if !page.more {
                return Ok(following);
            }
            if following.scanned >= COUNTED_MAX {
                following.more = true;
                return Ok(following);
            }
            // A store may have answered at once, time and again.
            tokio::task::yield_now().await;
        }
    }
}

/// The error for an event that is not in the log, and what it was wanted for.
pub(crate) fn no_event(event: &dyn std::fmt::Display, wanted: &str) -> CodedError {
    CodedError::not_found("PH00441", format!("There is no event '{event}' {wanted}"))
}

pub(crate) fn no_subscription(id: SubscriptionId) -> CodedError {
    CodedError::not_found("FF00164", format!("Subscription '{id}' not found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_a_sequence_a_time_or_an_event() {
        let event = "01a20411-a585-73a8-93a1-4e4700664001";
        for (text, expected) in [
            ("oldest", SeekTo::Oldest),
            ("newest", SeekTo::Newest),
            ("0", SeekTo::After(Sequence(0))),
            ("-1", SeekTo::After(Sequence(-1))),
            ("1690000000", SeekTo::After(Sequence(1_690_000_000))),
            ("9223372036854775807", SeekTo::After(Sequence::MAX)),
            (event, SeekTo::Event(event.parse().unwrap())),
            (
                "2026-01-02T03:04:05Z",
                SeekTo::Time("2026-01-02T03:04:05Z".parse().unwrap()),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "-",
            "-2",
            "Oldest",
            " 3",
            "1.5",
            "99999999999999999999",
            "2026-01-02",
            "tomorrow",
        ] {
            let error = text.parse::<SeekTo>().unwrap_err();
            assert_eq!((error.code(), error.status()), ("PH00440", 400), "{text}");
        }
    }
}
