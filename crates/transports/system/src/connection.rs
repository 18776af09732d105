//! What do the engine's threads and a listener share, and how does the listener answer?
//!
//! A [`Connection`]: a bounded queue and what was taken from it unanswered, behind one short lock. No callback
//! is called while it is held.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{
    Callbacks, ConnectionId, Data, Delivery, DeliveryId, Event, HandOver, MessageInput, Outcome,
    Response, SubscriptionId, Wait,
};
use tokio::sync::Notify;

use crate::transport::Hub;

/// The connection of one listener.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    queue_max: usize,
    /// There may be something in the queue, or the end.
    changed: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Delivery>,
    /// Taken from the queue and not answered.
    taken: BTreeMap<DeliveryId, SubscriptionId>,
    /// A hand-over was turned away.
    busy: bool,
    closed: bool,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, queue_max: usize) -> Self {
        Self {
            id,
            queue_max,
            changed: Notify::new(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn deliver(&self, delivery: Delivery) -> HandOver {
        let mut state = self.lock();
        if state.closed {
            return HandOver::Closed;
        }
        if state.queue.len() >= self.queue_max {
            state.busy = true;
            return HandOver::Busy(Wait::Connection);
        }
        state.queue.push_back(delivery);
        drop(state);
        self.changed.notify_one();
        HandOver::Ok
    }

    /// Forgets a delivery: it comes again, and is to be heard once.
    pub(crate) fn void(&self, id: DeliveryId) {
        let mut state = self.lock();
        state.queue.retain(|delivery| delivery.id != id);
        state.taken.remove(&id);
        let wakes = state.busy;
        drop(state);
        if wakes {
            // The queue may have room again, and nothing else would come to say so.
            self.changed.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        let dropped = {
            let mut state = self.lock();
            state.closed = true;
            state.taken.clear();
            std::mem::take(&mut state.queue)
        };
        drop(dropped);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one looks at the queue with finds.
struct Found {
    deliveries: Vec<Delivery>,
    ready: bool,
    closed: bool,
}

/// A listener: an ephemeral subscription on a connection of its own. It ends when it is dropped, or with the
/// server; what it left unanswered is heard by nobody.
pub struct Listener {
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    callbacks: Arc<dyn Callbacks>,
    explicit: bool,
}

impl Listener {
    pub(crate) fn new(
        hub: Arc<Hub>,
        connection: Arc<Connection>,
        callbacks: Arc<dyn Callbacks>,
    ) -> Self {
        Self {
            hub,
            connection,
            callbacks,
            explicit: false,
        }
    }

    /// From now on only what is answered is acknowledged, and events can be answered in any order. What is never
    /// answered stays in flight, and counts against `readAhead`.
    pub fn explicit(mut self) -> Self {
        self.explicit = true;
        self
    }

    /// The next event; `None` when the server stops. What was heard before and not answered is acknowledged,
    /// unless the listener is [`explicit`](Self::explicit). Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Heard> {
        self.next_batch(NonZeroUsize::MIN).await.pop()
    }

    /// What there is, at least one event and at most so many; empty when the server stops. Otherwise as
    /// [`next`](Self::next).
    pub async fn next_batch(&mut self, max: NonZeroUsize) -> Vec<Heard> {
        if !self.explicit {
            self.acknowledge_taken();
        }
        loop {
            let found = self.take(max.get());
            if found.ready {
                let state = ConnectionState::Ready;
                self.callbacks
                    .connection_state(&self.connection.id, Scope::All, state);
            }
            if found.closed || !found.deliveries.is_empty() {
                let heard = found.deliveries.into_iter().map(|delivery| Heard {
                    delivery,
                    connection: self.connection.clone(),
                    callbacks: self.callbacks.clone(),
                });
                return heard.collect();
            }
            self.connection.changed.notified().await;
        }
    }

    fn acknowledge_taken(&self) {
        let taken = std::mem::take(&mut self.connection.lock().taken);
        for (delivery, subscription) in taken {
            let response = Response::new(subscription, delivery, Outcome::ack());
            self.callbacks.respond(&self.connection.id, response);
        }
    }

    fn take(&self, max: usize) -> Found {
        let mut state = self.connection.lock();
        let count = max.min(state.queue.len());
        let deliveries: Vec<Delivery> = state.queue.drain(..count).collect();
        let taken = deliveries
            .iter()
            .map(|delivery| (delivery.id, delivery.subscription.id));
        state.taken.extend(taken);
        // Not at the first place that is free: a queue that is full would be told of each.
        let ready = state.busy && state.queue.len() <= self.connection.queue_max / 2;
        if ready {
            state.busy = false;
        }
        Found {
            deliveries,
            ready,
            closed: state.closed,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.connection.close();
        // Whoever takes it out tells the engine, once.
        if self.hub.remove(&self.connection.id) {
            self.callbacks.connection_closed(&self.connection.id);
        }
    }
}

/// An event that a [`Listener`] heard, and the way to answer it. Dropping it answers nothing.
#[must_use]
pub struct Heard {
    delivery: Delivery,
    connection: Arc<Connection>,
    callbacks: Arc<dyn Callbacks>,
}

impl Heard {
    /// The event.
    pub fn event(&self) -> &Event {
        &self.delivery.event
    }

    /// The values of its message, if they were asked for with `withData`.
    pub fn data(&self) -> Option<&Arc<[Data]>> {
        self.delivery.data.as_ref()
    }

    /// 1 and the failures that counted.
    pub fn attempt(&self) -> u32 {
        self.delivery.attempt
    }

    /// The delivery, with all that the engine gave.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Has it.
    pub fn ack(self) {
        self.settle(Outcome::ack());
    }

    /// Has it, and answers it with a message.
    pub fn ack_with_reply(self, reply: MessageInput) {
        self.settle(Outcome::Acknowledge {
            reply: Some(Box::new(reply)),
        });
    }

    /// Wants it again, after that time or by the schedule, and everything after it, too.
    pub fn retry(self, delay: Option<Duration>, reason: impl Into<String>) {
        self.settle(Outcome::Retry {
            delay,
            counted: true,
            reason: reason.into(),
        });
    }

    /// Any outcome. One that comes too late changes nothing.
    pub fn settle(self, outcome: Outcome) {
        let (subscription, id) = (self.delivery.subscription.id, self.delivery.id);
        self.connection.lock().taken.remove(&id);
        let response = Response::new(subscription, id, outcome);
        self.callbacks.respond(&self.connection.id, response);
    }
}
