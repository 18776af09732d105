//! Where are durable subscriptions kept?

use super::StoreError;
use super::offsets::Start;
use crate::BoxFuture;
use crate::id::SubscriptionId;
use crate::subscription::Subscription;
use crate::time::Timestamp;

/// The durable subscriptions. Their [`secrets`](Subscription::secrets) are kept with them, apart from what is
/// shown.
pub trait Subscriptions: Send + Sync {
    /// Stores a new subscription. `start` is turned into a sequence in the same step, so that an event is
    /// either before the subscription or delivered to it; the stored `options.firstEvent` is that number,
    /// and it is the first offset. Returns what was stored.
    fn create_subscription(
        &self,
        subscription: Subscription,
        start: Start,
    ) -> BoxFuture<'static, Result<Subscription, CreateSubscriptionError>>;

    /// Replaces a subscription, found by its id, and raises its epoch, so that no write of its former
    /// dispatcher can follow. The offset stays. False if there is no such subscription.
    fn update_subscription(
        &self,
        subscription: Subscription,
    ) -> BoxFuture<'static, Result<bool, StoreError>>;

    /// Deletes a subscription with its offset, its parked entries and its reply keys. False if there is no
    /// such subscription.
    fn delete_subscription(
        &self,
        id: SubscriptionId,
    ) -> BoxFuture<'static, Result<bool, StoreError>>;

    /// Notes that a subscription delivers nothing for a while, in place of what was noted before, or takes that
    /// back. Neither its epoch nor its position changes. False if there is no such subscription.
    fn pause_subscription(
        &self,
        id: SubscriptionId,
        pause: Option<Pause>,
    ) -> BoxFuture<'static, Result<bool, StoreError>>;

    /// The pauses that are noted, by the ids of the subscriptions; also those that are over. They outlive an
    /// update, a seek and a new owner, and go with the subscription.
    fn pauses(&self) -> BoxFuture<'static, Result<Vec<(SubscriptionId, Pause)>, StoreError>>;

    /// All subscriptions of all namespaces, in the order of their creation.
    fn subscriptions(&self) -> BoxFuture<'static, Result<Vec<Subscription>, StoreError>>;
}

/// A time in which a subscription delivers nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pause {
    /// Until when; until somebody resumes it if absent.
    pub until: Option<Timestamp>,
    /// Why, for people.
    pub reason: String,
}

impl Pause {
    /// A pause.
    pub fn new(until: Option<Timestamp>, reason: impl Into<String>) -> Self {
        Self {
            until,
            reason: reason.into(),
        }
    }
}

/// Why a subscription was not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateSubscriptionError {
    /// There is one with that name in the namespace.
    #[error("the name is in use")]
    Exists,
    /// There is no such namespace.
    #[error("unknown namespace")]
    UnknownNamespace,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
