//! Where are events kept that were set aside?

use super::StoreError;
use super::offsets::OffsetError;
use crate::BoxFuture;
use crate::id::{EventId, Sequence, SubscriptionId};
use crate::time::Timestamp;

/// Events that a subscription set aside, with the reason. An entry is durable before the subscription's
/// offset passes the event.
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
    /// When.
    pub created: Timestamp,
}

impl ParkedEntry {
    /// An entry.
    #[expect(
        clippy::too_many_arguments,
        reason = "an entry has no part that could be left out"
    )]
    pub fn new(
        subscription: SubscriptionId,
        epoch: u64,
        generation: u64,
        sequence: Sequence,
        event: EventId,
        attempts: u32,
        reason: String,
        created: Timestamp,
    ) -> Self {
        Self {
            subscription,
            epoch,
            generation,
            sequence,
            event,
            attempts,
            reason,
            created,
        }
    }
}
