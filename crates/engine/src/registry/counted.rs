//! What does the registry know for those who count?

use std::collections::BTreeMap;
use std::sync::Arc;

use photinus_contract::{Subscription, SubscriptionId};

use super::{Registry, State};
use crate::metrics::{Known, SubscriptionMetrics};

/// The connections of all transports.
pub(crate) struct Connections {
    /// How many there are, by transport.
    pub(crate) open: BTreeMap<&'static str, u64>,
    /// How many there have ever been.
    pub(crate) opened: u64,
}

impl Registry {
    /// All durable subscriptions.
    pub(crate) fn known(&self) -> Vec<Known> {
        let state = self.lock();
        let stored = state.subscriptions.values();
        stored
            .map(|stored| Known {
                subscription: stored.subscription.clone(),
                metrics: stored.metrics.clone(),
            })
            .collect()
    }

    /// What is counted for a durable subscription.
    pub(crate) fn metrics(&self, id: SubscriptionId) -> Option<Arc<SubscriptionMetrics>> {
        let state = self.lock();
        let stored = state.subscriptions.get(&id)?;
        Some(stored.metrics.clone())
    }

    pub(crate) fn connections(&self) -> Connections {
        let state = self.lock();
        let mut open = BTreeMap::new();
        for connected in state.connections.values() {
            *open.entry(connected.transport).or_default() += 1;
        }
        Connections {
            open,
            opened: state.registered,
        }
    }

    /// What is counted for a subscription that is new, or as before for one that was changed. With another
    /// transport it is counted anew.
    pub(super) fn metrics_of(
        &self,
        state: &State,
        subscription: &Subscription,
    ) -> Arc<SubscriptionMetrics> {
        let before = state.subscriptions.get(&subscription.id);
        if let Some(before) = before.filter(|b| b.subscription.transport == subscription.transport)
        {
            return before.metrics.clone();
        }
        let namespace = self.namespaces.find(subscription.namespace.as_str());
        let lane = namespace.map(|namespace| namespace.metrics.lane(&subscription.transport));
        Arc::new(SubscriptionMetrics::durable(lane.unwrap_or_default()))
    }
}
