//! For which subscriptions is nothing published, and until when?

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use photinus_contract::SubscriptionId;
use photinus_contract::backoff::Backoff;
use tokio::time::Instant;

use crate::config::Target;

/// Those of which the broker refuses something, and when they are tried again.
pub(super) struct Held {
    backoff: Backoff,
    delays: HashMap<SubscriptionId, Backoff>,
    again: BTreeSet<(Instant, SubscriptionId)>,
}

impl Held {
    pub(super) fn new(target: &Target) -> Self {
        let (first, max) = (&target.reconnect_delay, &target.reconnect_delay_max);
        Self {
            backoff: Backoff::new(first.value(), max.value()),
            delays: HashMap::new(),
            again: BTreeSet::new(),
        }
    }

    /// Nothing is published for it now. Returns for how long.
    pub(super) fn hold(&mut self, subscription: SubscriptionId) -> Duration {
        let delays = self.delays.entry(subscription);
        let delay = delays.or_insert_with(|| self.backoff.clone()).delay();
        self.again.retain(|(_, held)| *held != subscription);
        self.again.insert((Instant::now() + delay, subscription));
        delay
    }

    /// The broker took something of it.
    pub(super) fn works(&mut self, subscription: SubscriptionId) {
        if !self.delays.is_empty() {
            self.delays.remove(&subscription);
        }
    }

    /// When the next one is to be tried again.
    pub(super) fn next_again(&self) -> Option<Instant> {
        self.again.first().map(|(time, _)| *time)
    }

    /// Those that are to be tried again.
    pub(super) fn take_again(&mut self, now: Instant) -> Vec<SubscriptionId> {
        let mut due = Vec::new();
        while let Some((time, subscription)) = self.again.first().copied()
            && time <= now
        {
            self.again.pop_first();
            due.push(subscription);
        }
        due
    }

    /// Nobody publishes for these any more.
    pub(super) fn forget(&mut self, idle: &[SubscriptionId]) {
        for subscription in idle {
            self.delays.remove(subscription);
        }
    }
}
