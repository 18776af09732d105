//! Where are durable subscriptions kept?

use std::collections::BTreeMap;

use photinus_contract::store::{
    CreateSubscriptionError, OffsetRecord, ParkedEntry, Pause, Start, StoreError, StoreErrorKind,
    Subscriptions,
};
use photinus_contract::{BoxFuture, Sequence, Subscription, SubscriptionId};

use crate::{Durable, MemoryStore};

/// A subscription with all that goes when it is deleted, but for the keys of its replies.
#[derive(Clone)]
pub(crate) struct SubscriptionState {
    /// In the order of creation.
    number: u64,
    pub(crate) subscription: Subscription,
    pub(crate) position: OffsetRecord,
    pub(crate) parked: BTreeMap<Sequence, ParkedEntry>,
    pause: Option<Pause>,
}

impl Subscriptions for MemoryStore {
    fn create_subscription(
        &self,
        subscription: Subscription,
        start: Start,
    ) -> BoxFuture<'static, Result<Subscription, CreateSubscriptionError>> {
        self.write(
            move |durable| durable.create(subscription, start),
            |error| Err(error.into()),
        )
    }

    fn update_subscription(
        &self,
        subscription: Subscription,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                if durable.names(&subscription, |id| id != subscription.id) {
                    return Err(refused(&subscription, "takes a name that is in use"));
                }
                let found = durable
                    .subscriptions
                    .get_mut(&subscription.id)
                    .filter(|state| state.subscription.namespace == subscription.namespace);
                let Some(state) = found else {
                    return Ok(false);
                };
                state.position.epoch += 1;
                state.subscription = subscription;
                Ok(true)
            },
            Err,
        )
    }

    fn delete_subscription(
        &self,
        id: SubscriptionId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                // The keys of replies go also where an ephemeral subscription has left them.
                let is_there = durable.subscriptions.remove(&id).is_some();
                durable.forget_replies(id, |_| true);
                Ok(is_there)
            },
            Err,
        )
    }

    fn pause_subscription(
        &self,
        id: SubscriptionId,
        pause: Option<Pause>,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                let Some(state) = durable.subscriptions.get_mut(&id) else {
                    return Ok(false);
                };
                state.pause = pause;
                Ok(true)
            },
            Err,
        )
    }

    fn pauses(&self) -> BoxFuture<'static, Result<Vec<(SubscriptionId, Pause)>, StoreError>> {
        self.read(|durable| {
            let states = durable.subscriptions.iter();
            let pauses = states.filter_map(|(id, state)| Some((*id, state.pause.clone()?)));
            Ok(pauses.collect())
        })
    }

    fn subscriptions(&self) -> BoxFuture<'static, Result<Vec<Subscription>, StoreError>> {
        self.read(|durable| {
            let mut states: Vec<_> = durable.subscriptions.values().collect();
            states.sort_by_key(|state| state.number);
            let subscriptions = states.into_iter().map(|state| state.subscription.clone());
            Ok(subscriptions.collect())
        })
    }
}

impl Durable {
    fn create(
        &mut self,
        mut subscription: Subscription,
        start: Start,
    ) -> Result<Subscription, CreateSubscriptionError> {
        if !self.namespaces.contains_key(&subscription.namespace) {
            return Err(CreateSubscriptionError::UnknownNamespace);
        }
        if self.names(&subscription, |_| true) {
            return Err(CreateSubscriptionError::Exists);
        }
        if self.subscriptions.contains_key(&subscription.id) {
            return Err(refused(&subscription, "is there already").into());
        }
        let offset = self.resolve(&subscription.namespace, start)?;
        subscription.options.first_event = Some(offset.to_string());
        let number = self.subscription_next;
        self.subscription_next += 1;
        self.subscriptions.insert(
            subscription.id,
            SubscriptionState {
                number,
                subscription: subscription.clone(),
                position: OffsetRecord::new(offset, 0, 0),
                parked: BTreeMap::new(),
                pause: None,
            },
        );
        Ok(subscription)
    }

    /// Whether one of the subscriptions in question has the name of this one.
    fn names(&self, wanted: &Subscription, among: impl Fn(SubscriptionId) -> bool) -> bool {
        self.subscriptions.values().any(|state| {
            let held = &state.subscription;
            among(held.id) && held.namespace == wanted.namespace && held.name == wanted.name
        })
    }
}

fn refused(subscription: &Subscription, what: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Other,
        format!("subscription {} {what}", subscription.id),
    )
}
