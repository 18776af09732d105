//! How are many events handed over in one call?
//!
//! As a run: deliveries of one subscription to one connection, in order, each on its own. What has to be paid once a
//! call (finding the connection, a lock, waking whoever writes) is then paid once for all of them.

use std::sync::Arc;

use crate::delivery::{BatchItem, Delivery};
use crate::id::ConnectionId;
use crate::subscription::Subscription;

/// Deliveries of one subscription to one connection, in sequence order. The transport takes them out one by one, and
/// what it says in the end is about the last that it took out: all before it are taken, and none after it was handed
/// over. So a transport that panics in the middle has failed one of them, and no other.
#[derive(Debug)]
pub struct Run {
    connection: ConnectionId,
    subscription: Arc<Subscription>,
    rest: std::vec::IntoIter<BatchItem>,
    begun: usize,
}

impl Run {
    /// A run of these deliveries.
    pub fn new(
        connection: ConnectionId,
        subscription: Arc<Subscription>,
        deliveries: Vec<BatchItem>,
    ) -> Self {
        Self {
            connection,
            subscription,
            rest: deliveries.into_iter(),
            begun: 0,
        }
    }

    /// A run of this one.
    pub fn of(delivery: Delivery) -> Self {
        let mut item = BatchItem::new(delivery.id, delivery.attempt, delivery.event);
        item.data = delivery.data;
        Self::new(delivery.connection, delivery.subscription, vec![item])
    }

    /// Where it goes.
    pub fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    /// For which subscription.
    pub fn subscription(&self) -> &Arc<Subscription> {
        &self.subscription
    }

    /// How many deliveries were taken out so far.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// The deliveries that are not taken out yet.
    pub fn rest(&self) -> &[BatchItem] {
        self.rest.as_slice()
    }

    /// The next one, as [`deliver`](crate::Transport::deliver) takes it.
    pub fn next_delivery(&mut self) -> Option<Delivery> {
        let item = self.next()?;
        let (connection, subscription) = (self.connection.clone(), self.subscription.clone());
        let mut delivery =
            Delivery::new(connection, subscription, item.id, item.attempt, item.event);
        delivery.data = item.data;
        Some(delivery)
    }
}

impl Iterator for Run {
    type Item = BatchItem;

    /// Takes the next delivery out.
    fn next(&mut self) -> Option<BatchItem> {
        let item = self.rest.next()?;
        self.begun += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}
