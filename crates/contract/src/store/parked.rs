//! Where are events kept that were set aside?

use super::StoreError;
use super::offsets::OffsetError;
use crate::BoxFuture;
use crate::id::{EventId, Sequence, SubscriptionId};
use crate::time::Timestamp;

/// Events that a subscription set aside, with the reason. An entry is durable before the subscription's
/// offset passes the event, and goes in the write of the position that settles it
/// ([`OffsetWrite::unparked`](super::OffsetWrite::unparked)).
///
/// An entry can be *marked*: somebody wants the event to be delivered again. Parking it again, when the replay has
/// failed, takes the mark off.
pub trait Parked: Send + Sync {
    /// Stores entries, each fenced by its epoch as [`Offsets::commit`](super::Offsets::commit) is, and
    /// answers each in the same order. An entry for an event that is parked already replaces it.
    fn park(&self, entries: Vec<ParkedEntry>) -> BoxFuture<'static, Vec<Result<(), OffsetError>>>;

    /// Entries of a subscription after a sequence, in order, at most `limit` of them.
    fn parked(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>>;

    /// As [`parked`](Self::parked), of those that are marked.
    fn replays(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>>;

    /// The entry of an event.
    fn parked_event(
        &self,
        subscription: SubscriptionId,
        event: EventId,
    ) -> BoxFuture<'static, Result<Option<ParkedEntry>, StoreError>>;

    /// How many entries a subscription has.
    fn parked_count(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<u64, StoreError>>;

    /// Marks entries. Those that are marked already stay as they are. Answers how many of the selected there are.
    fn replay(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<u64, StoreError>>;

    /// Deletes entries and answers their places, in order. An entry of this generation above the offset has settled
    /// its event: that is noted in the position, in the same write, which leaves the epoch as it is.
    fn discard(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<Vec<Sequence>, StoreError>>;
}

/// Which entries of a subscription are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// All that there are.
    All,
    /// Those of these events. An event that is not parked is left out.
    Events(Vec<EventId>),
    /// Those from one place of the log to another, both included.
    Range(Sequence, Sequence),
}

/// An event that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedEntry {
    /// By which subscription.
    pub subscription: SubscriptionId,
    /// The owner's epoch.
    pub epoch: u64,
    /// The seek generation in which it was parked.
    pub generation: u64,
    /// Where the event is in the log.
    pub sequence: Sequence,
    /// Which event.
    pub event: EventId,
    /// How many attempts there were, the last one included.
    pub attempts: u32,
    /// Why.
    pub reason: String,
    /// What went wrong last, if attempts have failed.
    pub error: Option<String>,
    /// When.
    pub created: Timestamp,
    /// Set while it is marked.
    pub replay: Option<Replay>,
}

/// The replay of a parked event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Its counted failures so far.
    pub failures: u32,
    /// When the first of these attempts was made.
    pub since: Option<Timestamp>,
}

impl ParkedEntry {
    /// An entry that is not marked, with one attempt and without a reason.
    pub fn new(
        subscription: SubscriptionId,
        (epoch, generation): (u64, u64),
        (sequence, event): (Sequence, EventId),
        created: Timestamp,
    ) -> Self {
        Self {
            subscription,
            epoch,
            generation,
            sequence,
            event,
            attempts: 1,
            reason: String::new(),
            error: None,
            created,
            replay: None,
        }
    }

    /// With these attempts, and why it is parked.
    pub fn because(self, attempts: u32, reason: String, error: Option<String>) -> Self {
        Self {
            attempts,
            reason,
            error,
            ..self
        }
    }
}
