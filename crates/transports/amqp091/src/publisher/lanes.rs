//! Which channel does a subscription publish on?

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ExchangeKind};
use photinus_contract::SubscriptionId;
use tokio::time::Instant;

use crate::config::Target;
use crate::options::Route;
use photinus_contract::backoff::Backoff;

/// The channels of one connection, one a subscription.
pub(super) struct Lanes {
    backoff: Backoff,
    numbers: u64,
    open: HashMap<SubscriptionId, Lane>,
    /// Those whose channel was refused, and how long they wait for another.
    broken: HashMap<SubscriptionId, Backoff>,
    again: BTreeSet<(Instant, SubscriptionId)>,
}

struct Lane {
    number: u64,
    channel: Channel,
    /// For which it was checked.
    route: Weak<Route>,
}

/// A channel that can be published on.
pub(super) struct Opened {
    pub(super) channel: Channel,
    /// Tells it from those that the subscription had before.
    pub(super) lane: u64,
}

impl Lanes {
    pub(super) fn new(target: &Target) -> Self {
        let (first, max) = (&target.reconnect_delay, &target.reconnect_delay_max);
        Self {
            backoff: Backoff::new(first.value(), max.value()),
            numbers: 0,
            open: HashMap::new(),
            broken: HashMap::new(),
            again: BTreeSet::new(),
        }
    }

    /// The channel of a subscription that leads there. It is opened, and the exchange looked for, if need be.
    pub(super) async fn open(
        &mut self,
        connection: &Connection,
        subscription: SubscriptionId,
        route: &Arc<Route>,
    ) -> lapin::Result<Opened> {
        if let Some(lane) = self.open.get_mut(&subscription) {
            if !std::ptr::eq(lane.route.as_ptr(), Arc::as_ptr(route)) {
                check(connection, route).await?;
                lane.route = Arc::downgrade(route);
            }
            return Ok(lane.opened());
        }
        check(connection, route).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        self.numbers += 1;
        let lane = Lane {
            number: self.numbers,
            channel,
            route: Arc::downgrade(route),
        };
        let opened = lane.opened();
        self.open.insert(subscription, lane);
        Ok(opened)
    }

    /// Whether a subscription still publishes on this one.
    pub(super) fn is_current(&self, subscription: SubscriptionId, lane: u64) -> bool {
        let open = self.open.get(&subscription);
        open.is_some_and(|open| open.number == lane)
    }

    /// The broker took something of this subscription.
    pub(super) fn works(&mut self, subscription: SubscriptionId) {
        if !self.broken.is_empty() {
            self.broken.remove(&subscription);
        }
    }

    /// The channel of a subscription is gone. Returns how long it waits for another.
    pub(super) fn broken(&mut self, subscription: SubscriptionId) -> Duration {
        self.open.remove(&subscription);
        let backoff = self.broken.entry(subscription);
        let backoff = backoff.or_insert_with(|| self.backoff.clone());
        let delay = backoff.delay();
        self.again.retain(|(_, waiting)| *waiting != subscription);
        self.again.insert((Instant::now() + delay, subscription));
        delay
    }

    /// When the next subscription is to be tried again.
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

    /// Closes the channels of these, which nobody needs any more.
    pub(super) fn close(&mut self, idle: Vec<SubscriptionId>) {
        for subscription in idle {
            self.broken.remove(&subscription);
            // With the last of its owners the channel closes itself.
            self.open.remove(&subscription);
        }
    }
}

impl Lane {
    fn opened(&self) -> Opened {
        Opened {
            channel: self.channel.clone(),
            lane: self.number,
        }
    }
}

/// Looks whether the exchange is there, if that is wanted, on a channel that may be closed for it.
async fn check(connection: &Connection, route: &Route) -> lapin::Result<()> {
    let exchange = route.exchange.fixed().filter(|name| !name.is_empty());
    let Some(exchange) = exchange.filter(|_| route.checks_exchange) else {
        return Ok(());
    };
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    let kind = ExchangeKind::Direct;
    let declared = channel.exchange_declare(exchange.into(), kind, options, FieldTable::default());
    declared.await?;
    channel.close(200, "OK".into()).await
}
