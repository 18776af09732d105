//! What do the engine's threads and a socket's task share?
//!
//! One [`Connection`]: its send queue, its unanswered deliveries and its starts, behind one short lock. No
//! callback is called while it is held.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures_util::task::AtomicWaker;
use photinus_contract::{
    Batch, ChangeEvent, ConnectionId, DeliveryId, HandOver, Matcher, Run, Subscription,
    SubscriptionId, VoidReason, Wait,
};
use uuid::Uuid;

use crate::config::Config;
use crate::inflight::{Entry, InFlight};
use crate::outbound::{Outgoing, Payload, SendQueue};
use crate::status::Started;

/// A client's connection, from its upgrade to its end.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// Connections are listed in the order in which they were opened.
    pub(crate) opened: u64,
    /// Empty if the server does not know it.
    pub(crate) remote_address: String,
    pub(crate) user_agent: String,
    /// The namespace of the path, which starts must not leave.
    pub(crate) pinned: Option<String>,
    /// The durable subscriptions that were started here.
    pub(crate) attached: Arc<Attached>,
    /// Wakes the socket's task.
    pub(crate) waker: AtomicWaker,
    state: Mutex<State>,
}

/// What the lock guards.
pub(crate) struct State {
    pub(crate) closed: bool,
    /// Fixed by the first start.
    pub(crate) autoack: bool,
    pub(crate) starts: Vec<Started>,
    pub(crate) in_flight: InFlight,
    queue: SendQueue,
}

impl Connection {
    pub(crate) fn new(
        opened: u64,
        remote_address: String,
        user_agent: String,
        pinned: Option<String>,
        config: &Config,
    ) -> Self {
        Self {
            id: ConnectionId::new(Uuid::new_v4().to_string()),
            opened,
            remote_address,
            user_agent,
            pinned,
            attached: Arc::default(),
            waker: AtomicWaker::new(),
            state: Mutex::new(State {
                closed: false,
                autoack: false,
                starts: Vec::new(),
                in_flight: InFlight::new(config.late_answers_max),
                queue: SendQueue::new(config.send_queue_bytes_max),
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues events for the client.
    pub(crate) fn deliver_run(&self, run: &mut Run) -> HandOver {
        let subscription = run.subscription().clone();
        let mut said = HandOver::Ok;
        let mut state = self.lock();
        if state.closed {
            return HandOver::Closed;
        }
        let was_empty = state.queue.is_empty();
        for item in run {
            let entry = Entry {
                answer: item.event.id().0,
                subscription: subscription.clone(),
                delivery: item.id,
                content: (),
            };
            let outgoing = Outgoing::new(Payload::Event(subscription.clone(), item));
            if !state.queue.has_room(outgoing.size) {
                said = HandOver::Busy(Wait::Connection);
                break;
            }
            state.push(outgoing, |in_flight| in_flight.events.push(entry));
        }
        let has_more = !state.queue.is_empty();
        drop(state);
        self.wake_if(was_empty && has_more);
        said
    }

    /// Queues a batch for the client, under an id of its own.
    pub(crate) fn deliver_batch(&self, batch: Batch) -> HandOver {
        let id = Uuid::new_v4();
        let entry = Entry {
            answer: id,
            subscription: batch.subscription.clone(),
            delivery: batch.id,
            content: batch.items.iter().map(|i| (i.event.id(), i.id)).collect(),
        };
        self.queue(
            Outgoing::new(Payload::Batch(id, Box::new(batch))),
            |state, outgoing| {
                state.push(outgoing, |in_flight| in_flight.batches.push(entry));
            },
        )
    }

    /// Queues a change for the client. It is never unanswered.
    pub(crate) fn tell_change(&self, change: &ChangeEvent) -> HandOver {
        self.queue(
            Outgoing::new(Payload::Change(Box::new(change.clone()))),
            |state, outgoing| state.queue.push(outgoing),
        )
    }

    fn queue(&self, outgoing: Outgoing, push: impl FnOnce(&mut State, Outgoing)) -> HandOver {
        let mut state = self.lock();
        if state.closed {
            return HandOver::Closed;
        }
        if !state.queue.has_room(outgoing.size) {
            return HandOver::Busy(Wait::Connection);
        }
        let was_empty = state.queue.is_empty();
        push(&mut state, outgoing);
        drop(state);
        self.wake_if(was_empty);
        HandOver::Ok
    }

    /// Wakes the socket's task where it may be waiting for something to write: it takes all that is there before it
    /// waits for more.
    fn wake_if(&self, was_empty: bool) {
        if was_empty {
            self.waker.wake();
        }
    }

    /// Moves what is to be written next into `taken`, about `bytes_max` bytes or one payload. True if the
    /// engine has to be told that there is room again.
    pub(crate) fn take_outgoing(&self, bytes_max: usize, taken: &mut Vec<Outgoing>) -> bool {
        let mut bytes = 0usize;
        let mut state = self.lock();
        let State {
            queue, in_flight, ..
        } = &mut *state;
        while bytes < bytes_max
            && let Some(outgoing) = queue.pop()
        {
            let current = outgoing.place.is_none_or(|place| match outgoing.payload {
                Payload::Event(..) => in_flight.events.write(place),
                Payload::Batch(..) => in_flight.batches.write(place),
                Payload::Change(_) => true,
            });
            if current {
                bytes = bytes.saturating_add(outgoing.size);
                taken.push(outgoing);
            }
        }
        queue.take_ready()
    }

    /// A delivery is no longer current. What from now on only absorbs an answer goes to `left`.
    pub(crate) fn void(
        &self,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
        left: &Mutex<InFlight>,
    ) {
        // Both locks are held, so that an answer which looks here first and there second cannot miss it.
        let mut state = self.lock();
        if let Some(event) = state.in_flight.events.void(subscription, delivery, reason) {
            lock_left(left).events.push_voided(event);
        } else if let Some(batch) = state.in_flight.batches.void(subscription, delivery, reason) {
            lock_left(left).batches.push_voided(batch);
        }
    }

    /// Takes nothing from now on, and leaves what is unanswered to `left`. True for the first call.
    pub(crate) fn close(&self, left: &Mutex<InFlight>) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.closed = true;
        state.queue.clear();
        lock_left(left).take_over(&mut state.in_flight);
        true
    }
}

impl State {
    /// Queues a delivery, which is unanswered from now on unless it is acknowledged when it is written.
    fn push(&mut self, mut outgoing: Outgoing, track: impl FnOnce(&mut InFlight) -> u64) {
        if !self.autoack {
            outgoing.place = Some(track(&mut self.in_flight));
        }
        self.queue.push(outgoing);
    }
}

pub(crate) fn lock_left(left: &Mutex<InFlight>) -> MutexGuard<'_, InFlight> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The durable subscriptions that a connection wants, by namespace and name. Shared with the matcher, so that
/// many starts on one connection do not copy the list each time.
#[derive(Debug, Default)]
pub(crate) struct Attached(RwLock<HashMap<String, HashSet<String>>>);

impl Attached {
    /// False if it was there already.
    pub(crate) fn add(&self, namespace: &str, name: &str) -> bool {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        names
            .entry(namespace.to_owned())
            .or_default()
            .insert(name.to_owned())
    }

    pub(crate) fn wants(&self, subscription: &Subscription) -> bool {
        !subscription.ephemeral
            && self
                .0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(subscription.namespace.as_str())
                .is_some_and(|names| names.contains(&*subscription.name))
    }

    pub(crate) fn matcher(self: &Arc<Self>) -> Matcher {
        let attached = self.clone();
        Arc::new(move |subscription| attached.wants(subscription))
    }
}
