//! What do the engine's threads and a listener share?
//!
//! A [`Connection`]: a bounded queue and what was taken from it unanswered, behind one short lock. No callback
//! is called while it is held.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{
    Callbacks, ConnectionId, Delivery, DeliveryId, HandOver, Outcome, Response, SubscriptionId,
    Wait,
};
use tokio::sync::Notify;

use crate::config::Config;

/// The connection of one listener.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) callbacks: Arc<dyn Callbacks>,
    events_max: usize,
    bytes_max: usize,
    /// There may be something in the queue, or the end.
    changed: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Delivery>,
    /// How large the events in the queue are.
    bytes: usize,
    /// Taken from the queue and not answered.
    taken: BTreeMap<DeliveryId, SubscriptionId>,
    /// A hand-over was turned away.
    busy: bool,
    closed: bool,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, callbacks: Arc<dyn Callbacks>, config: &Config) -> Self {
        Self {
            id,
            callbacks,
            events_max: config.queue_events_max,
            bytes_max: config.queue_bytes_max,
            changed: Notify::new(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn deliver(&self, delivery: Delivery) -> HandOver {
        let size = delivery.event.size();
        let mut state = self.lock();
        if state.closed {
            return HandOver::Closed;
        }
        let fits = state.queue.len() < self.events_max
            && state.bytes.saturating_add(size) <= self.bytes_max;
        if !fits && !state.queue.is_empty() {
            state.busy = true;
            return HandOver::Busy(Wait::Connection);
        }
        state.bytes += size;
        state.queue.push_back(delivery);
        drop(state);
        self.changed.notify_one();
        HandOver::Ok
    }

    /// Forgets a delivery: it comes again, and is to be heard once.
    pub(crate) fn void(&self, id: DeliveryId) {
        let mut state = self.lock();
        state.taken.remove(&id);
        // The newest is voided first, and is the last.
        if let Some(place) = state.queue.iter().rposition(|delivery| delivery.id == id)
            && let Some(delivery) = state.queue.remove(place)
        {
            state.bytes -= delivery.event.size();
        }
        // If it is busy, what filled the queue has woken the listener, which says that it is ready.
    }

    /// What there is now, at most so many; `None` after the end. Says that it is ready if it is again.
    pub(crate) fn take(&self, max: usize) -> Option<Vec<Delivery>> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        let count = max.min(state.queue.len());
        let deliveries: Vec<Delivery> = state.queue.drain(..count).collect();
        for delivery in &deliveries {
            state.bytes -= delivery.event.size();
            state.taken.insert(delivery.id, delivery.subscription.id);
        }
        // Not at the first place that is free: a queue that is full would be told of each.
        let ready = state.busy
            && state.queue.len() <= self.events_max / 2
            && state.bytes <= self.bytes_max / 2;
        state.busy &= !ready;
        drop(state);
        if ready {
            let ready = ConnectionState::Ready;
            self.callbacks.connection_state(&self.id, Scope::All, ready);
        }
        Some(deliveries)
    }

    /// Waits until [`take`](Self::take) may find something else.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Answers a delivery that was taken.
    pub(crate) fn answer(&self, delivery: &Delivery, outcome: Outcome) {
        self.lock().taken.remove(&delivery.id);
        let response = Response::new(delivery.subscription.id, delivery.id, outcome);
        self.callbacks.respond(&self.id, response);
    }

    /// Acknowledges what was taken and is unanswered.
    pub(crate) fn acknowledge_taken(&self) {
        let taken = std::mem::take(&mut self.lock().taken);
        for (delivery, subscription) in taken {
            let response = Response::new(subscription, delivery, Outcome::ack());
            self.callbacks.respond(&self.id, response);
        }
    }

    /// Nothing is heard any more, and nothing acknowledged by asking for more. The engine is told by whoever
    /// took it from the hub.
    pub(crate) fn close(&self) {
        let ended = State {
            closed: true,
            ..State::default()
        };
        let left = std::mem::replace(&mut *self.lock(), ended);
        // Many events may end with it, and not under the lock.
        drop(left);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
