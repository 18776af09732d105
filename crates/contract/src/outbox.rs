//! What does a transport hold between the engine that hands over and a task that sends?
//!
//! For a connection over which many deliveries are under way at once, such as one to a broker: [`Outboxes`] keeps what
//! was handed over, gives it to the task that sends in order and in turn, and answers the engine. It has no task of its
//! own and waits for nothing.
//!
//! ```text
//!   engine ── hand_over ──▶ waiting ── next ──▶ under way ── settle ──▶ respond ──▶ engine
//!                              │                    │
//!                              └────── lost ────────┴──▶ uncounted retries
//! ```
//!
//! When an event is to come again, what is behind it must not be sent before it. The engine takes all that back; but
//! what it has handed over meanwhile may still come in. So from then on everything is turned away, uncounted, until the
//! engine hands over again what went back or was turned away: then it knows. A subscription with an ordering key
//! needs none of this: what it is handed over side by side may go side by side.

mod one;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::one::Outbox;
use crate::delivery::{BatchItem, DeliveryId, HandOver, Outcome, Report, Response, Wait};
use crate::error::CodedError;
use crate::id::{ConnectionId, SubscriptionId};
use crate::run::Run;
use crate::subscription::Subscription;
use crate::transport::{Callbacks, ConnectionState, Scope};

/// All that is on its way over one connection. `R` is what a transport makes of a subscription: where it leads.
pub struct Outboxes<R> {
    connection: ConnectionId,
    callbacks: Arc<dyn Callbacks>,
    wake: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State<R>>,
}

struct State<R> {
    known: HashMap<SubscriptionId, Outbox<R>>,
    /// Those in which something waits, in turn.
    turns: VecDeque<SubscriptionId>,
    /// Nothing is taken now.
    is_down: bool,
    /// Nothing is taken any more.
    is_closed: bool,
}

/// An event to be sent.
pub struct Outgoing<R> {
    /// For which subscription, as it was when the event was handed over.
    pub subscription: Arc<Subscription>,
    /// Where it leads.
    pub route: Arc<R>,
    /// The event.
    pub item: BatchItem,
}

impl<R> Clone for Outgoing<R> {
    fn clone(&self) -> Self {
        Self {
            subscription: self.subscription.clone(),
            route: self.route.clone(),
            item: self.item.clone(),
        }
    }
}

/// What became of a delivery that was under way.
pub struct Settled {
    /// Of which subscription.
    pub subscription: SubscriptionId,
    /// Which delivery.
    pub delivery: DeliveryId,
    /// What became of it.
    pub outcome: Outcome,
    /// For the attempt log.
    pub report: Option<Report>,
}

impl<R> Outboxes<R> {
    /// Those of a connection that is down until it is said to be [`up`](Self::up). `wake` is called when there is
    /// something to send; it must not block.
    pub fn new(
        connection: ConnectionId,
        callbacks: Arc<dyn Callbacks>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            connection,
            callbacks,
            wake: Box::new(wake),
            state: Mutex::new(State {
                known: HashMap::new(),
                turns: VecDeque::new(),
                is_down: true,
                is_closed: false,
            }),
        }
    }

    /// The connection.
    pub fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    /// Takes what the engine hands over, as [`Transport::deliver_run`](crate::Transport::deliver_run). `route` is asked
    /// when the subscription is new or was changed; what it refuses fails.
    pub fn hand_over(
        &self,
        run: &mut Run,
        route: impl FnOnce(&Subscription) -> Result<R, CodedError>,
    ) -> HandOver {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_closed {
            return HandOver::Closed;
        }
        if state.is_down {
            return HandOver::Busy(Wait::Connection);
        }
        let subscription = run.subscription().clone();
        let id = subscription.id;
        let is_known = state.known.get(&id);
        if !is_known.is_some_and(|known| known.is_of(&subscription)) {
            let route = match route(&subscription) {
                Ok(route) => Arc::new(route),
                Err(error) => return HandOver::Failed(error.to_string()),
            };
            match state.known.get_mut(&id) {
                Some(known) => known.change(subscription, route),
                None => drop(state.known.insert(id, Outbox::new(subscription, route))),
            }
        }
        let Some(outbox) = state.known.get_mut(&id) else {
            // It was just put there.
            return HandOver::Closed;
        };
        if outbox.is_held {
            return HandOver::Busy(Wait::Subscription);
        }
        let mut refused = Vec::new();
        for item in run {
            if let Some(item) = outbox.take(item) {
                refused.push(item);
            }
        }
        if outbox.joins_the_turns() {
            state.turns.push_back(id);
        }
        let has_turns = !state.turns.is_empty();
        let refused = refused.into_iter().map(|delivery| not_sent(id, delivery));
        self.respond(refused.collect());
        drop(guard);
        if has_turns {
            (self.wake)();
        }
        HandOver::Ok
    }

    /// The next event to be sent, which is under way from now on: in order for each subscription, and each
    /// subscription in turn.
    pub fn next(&self) -> Option<Outgoing<R>> {
        let mut state = self.lock();
        loop {
            let id = state.turns.pop_front()?;
            let Some(outbox) = state.known.get_mut(&id) else {
                continue;
            };
            let Some((outgoing, has_more)) = outbox.next() else {
                continue;
            };
            if has_more {
                state.turns.push_back(id);
            }
            return Some(outgoing);
        }
    }

    /// What is under way as this delivery.
    pub fn under_way(
        &self,
        subscription: SubscriptionId,
        delivery: DeliveryId,
    ) -> Option<Outgoing<R>> {
        let state = self.lock();
        state.known.get(&subscription)?.under_way(delivery)
    }

    /// Answers deliveries, in this order. One that is not under way any more is answered, too: the engine counts it.
    pub fn settle(&self, settled: Vec<Settled>) {
        if settled.is_empty() {
            return;
        }
        let mut state = self.lock();
        let mut responses = Vec::with_capacity(settled.len());
        for settled in settled {
            let id = settled.subscription;
            let goes_back = matches!(
                settled.outcome,
                Outcome::Retry { .. } | Outcome::Pause { .. }
            );
            let mut response = Response::new(id, settled.delivery, settled.outcome);
            response.report = settled.report;
            responses.push(response);
            if let Some(outbox) = state.known.get_mut(&id) {
                let given_back = outbox.settle(settled.delivery, goes_back);
                responses.extend(
                    given_back
                        .into_iter()
                        .map(|delivery| not_sent(id, delivery)),
                );
            }
        }
        // The lock is held: what is handed over from here on comes after this.
        self.respond(responses);
    }

    /// A delivery is not current any more: it is not sent, if it was not yet.
    pub fn void(&self, subscription: SubscriptionId, delivery: DeliveryId) {
        if let Some(outbox) = self.lock().known.get_mut(&subscription) {
            outbox.void(delivery);
        }
    }

    /// The connection works: everything can be taken.
    pub fn up(&self) {
        let mut state = self.lock();
        state.is_down = false;
        for outbox in state.known.values_mut() {
            outbox.is_held = false;
        }
        self.tell(Scope::All, ConnectionState::Up);
    }

    /// The connection is lost, for this reason: all that was under way goes back, uncounted.
    pub fn lost(&self, reason: &str) {
        let mut state = self.lock();
        state.is_down = true;
        state.turns.clear();
        let mut responses = Vec::new();
        for (id, outbox) in &mut state.known {
            let given_back = outbox.give_back_all().into_iter();
            responses.extend(given_back.map(|delivery| again(*id, delivery, reason)));
        }
        self.respond(responses);
        let reason = reason.to_owned();
        self.tell(Scope::All, ConnectionState::Down { reason });
    }

    /// Nothing is taken for now, for this reason; what is under way stays so.
    pub fn pause(&self, reason: &str) {
        let mut state = self.lock();
        state.is_down = true;
        let reason = reason.to_owned();
        self.tell(Scope::All, ConnectionState::Down { reason });
    }

    /// What only this subscription uses is lost, for this reason: what it has under way goes back, uncounted, and
    /// nothing is taken for it until [`up_again`](Self::up_again).
    pub fn lost_one(&self, subscription: SubscriptionId, reason: &str) {
        let mut state = self.lock();
        let Some(outbox) = state.known.get_mut(&subscription) else {
            return;
        };
        outbox.is_held = true;
        let given_back = outbox.give_back_all().into_iter();
        let responses = given_back.map(|delivery| again(subscription, delivery, reason));
        self.respond(responses.collect());
        let scope = Scope::Subscription(subscription);
        let reason = reason.to_owned();
        self.tell(scope, ConnectionState::Down { reason });
    }

    /// A subscription works again after [`lost_one`](Self::lost_one).
    pub fn up_again(&self, subscription: SubscriptionId) {
        let mut state = self.lock();
        let is_down = state.is_down;
        let Some(outbox) = state.known.get_mut(&subscription) else {
            return;
        };
        outbox.is_held = false;
        if !is_down {
            self.tell(Scope::Subscription(subscription), ConnectionState::Up);
        }
    }

    /// Forgets subscriptions that had nothing on its way since this was called last, and returns them.
    pub fn sweep(&self) -> Vec<SubscriptionId> {
        let mut state = self.lock();
        let mut idle = Vec::new();
        state.known.retain(|id, outbox| {
            let is_idle = outbox.is_idle();
            if is_idle {
                idle.push(*id);
            }
            !is_idle
        });
        idle
    }

    /// The subscriptions with something under way whose route is such.
    pub fn who(&self, is_such: impl Fn(&R) -> bool) -> Vec<SubscriptionId> {
        let state = self.lock();
        let known = state.known.iter();
        let such = known.filter(|(_, outbox)| outbox.len() > 0 && is_such(outbox.route()));
        such.map(|(id, _)| *id).collect()
    }

    /// How many deliveries wait or are under way, of how many subscriptions.
    pub fn load(&self) -> (usize, usize) {
        let state = self.lock();
        let counts = state.known.values().map(Outbox::len).filter(|len| *len > 0);
        counts.fold((0, 0), |(deliveries, subscriptions), len| {
            (deliveries + len, subscriptions + 1)
        })
    }

    /// Takes nothing any more. What was not answered comes again after the next start.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.turns.clear();
        state.known.clear();
    }

    fn tell(&self, scope: Scope, told: ConnectionState) {
        let callbacks = &self.callbacks;
        callbacks.connection_state(&self.connection, scope, told);
    }

    fn respond(&self, responses: Vec<Response>) {
        if !responses.is_empty() {
            self.callbacks.respond_all(&self.connection, responses);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It was not sent, and is to come again at once.
fn not_sent(subscription: SubscriptionId, delivery: DeliveryId) -> Response {
    again(
        subscription,
        delivery,
        "an event before it comes again first",
    )
}

fn again(subscription: SubscriptionId, delivery: DeliveryId, reason: &str) -> Response {
    let outcome = Outcome::Retry {
        delay: Some(std::time::Duration::ZERO),
        counted: false,
        reason: reason.to_owned(),
    };
    Response::new(subscription, delivery, outcome)
}

#[cfg(test)]
mod tests;
