//! In which order are the events of a subscription sent?
//!
//! Without an ordering key one at a time: the next request begins when the one before was answered well. What the
//! engine has handed over waits here. With a key, or with `fastack`, the engine hands over what may be under way side
//! by side, and each is sent at once.
//!
//! When an event fails, what is behind it must not be sent before it. The engine takes all that back; but what it has
//! handed over meanwhile may still come in. So from then on everything is turned away, uncounted, until the engine
//! hands over again what failed or was turned away: then it knows.

mod attempt;
mod job;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use photinus_contract::{
    CodedError, DeliveryId, HandOver, Outcome, Response, Sequence, Subscription, SubscriptionId,
    Wait,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::attempt::{Attempted, attempt};
pub(crate) use self::attempt::{Kept, exchange};
pub(crate) use self::job::Events;
use self::job::Job;
use crate::hub::Hub;
use crate::route::Route;

/// How long a sender is kept that nothing is sent on.
const IDLE: Duration = Duration::from_secs(60);

/// What is sent for one subscription.
pub(crate) struct Sender {
    id: SubscriptionId,
    hub: Arc<Hub>,
    state: Mutex<State>,
}

struct State {
    route: Option<Arc<Route>>,
    /// Waits for what is before it.
    queue: VecDeque<Job>,
    /// A task takes from the queue.
    is_running: bool,
    /// What failed and what was turned away since, while the engine may not know yet.
    turned_away: Option<BTreeSet<Sequence>>,
    /// What can be given up.
    under_way: HashMap<DeliveryId, CancellationToken>,
    used: Instant,
}

impl Sender {
    pub(crate) fn new(id: SubscriptionId, hub: Arc<Hub>) -> Self {
        Self {
            id,
            hub,
            state: Mutex::new(State {
                route: None,
                queue: VecDeque::new(),
                is_running: false,
                turned_away: None,
                under_way: HashMap::new(),
                used: Instant::now(),
            }),
        }
    }

    /// Takes events to be sent.
    pub(crate) fn hand_over(
        self: &Arc<Self>,
        subscription: &Arc<Subscription>,
        delivery: DeliveryId,
        events: Events,
    ) -> HandOver {
        let mut state = self.lock();
        state.used = Instant::now();
        let route = match self.route(&mut state, subscription) {
            Ok(route) => route,
            Err(error) => return HandOver::Failed(error.to_string()),
        };
        if let Some(turned_away) = &mut state.turned_away {
            if turned_away.insert(events.sequence()) {
                self.respond(delivery, not_attempted());
                return HandOver::Ok;
            }
            state.turned_away = None;
        }
        let Ok(probe) = route.station.admit(self.id) else {
            return HandOver::Busy(Wait::Subscription);
        };
        let is_ordered = route.is_ordered;
        let job = Job {
            route,
            delivery,
            events,
            probe,
        };
        match is_ordered {
            true => {
                state.queue.push_back(job);
                if !std::mem::replace(&mut state.is_running, true) {
                    let sender = self.clone();
                    self.hub.requests().spawn(sender.run());
                }
            }
            false => {
                let stop = self.begin(&mut state, delivery);
                let sender = self.clone();
                self.hub.requests().spawn(async move {
                    sender.send(job, stop).await;
                });
            }
        }
        HandOver::Ok
    }

    /// A delivery is not current any more: it is not sent, or given up.
    pub(crate) fn void(&self, delivery: DeliveryId) {
        let mut state = self.lock();
        // The newest is voided first, and is the last.
        let place = state.queue.iter().rposition(|job| job.delivery == delivery);
        let voided = place.and_then(|place| state.queue.remove(place));
        let stop = state.under_way.remove(&delivery);
        drop(state);
        if let Some(stop) = stop {
            stop.cancel();
        }
        // It may be a probe, which tells the engine when it ends.
        drop(voided);
    }

    /// Whether nothing was sent for a while, and nobody is to be told that something can be sent again. It leaves its
    /// receiver then.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.lock();
        let is_idle = state.queue.is_empty()
            && !state.is_running
            && state.under_way.is_empty()
            && state.turned_away.is_none()
            && state.used.elapsed() >= IDLE;
        let Some(route) = &state.route else {
            return is_idle;
        };
        let is_over = is_idle && !route.station.is_waited_for();
        if is_over {
            route.station.leave(self.id);
        }
        is_over
    }

    /// The way of this subscription; another one after it was changed.
    fn route(
        &self,
        state: &mut State,
        subscription: &Arc<Subscription>,
    ) -> Result<Arc<Route>, CodedError> {
        if let Some(route) = state
            .route
            .as_ref()
            .filter(|route| route.is_of(subscription))
        {
            return Ok(route.clone());
        }
        // It is kept until the new one is made: of the same receiver nothing is forgotten.
        let before = state.route.take();
        if let Some(before) = &before {
            before.station.leave(self.id);
        }
        let route = Arc::new(self.hub.route(subscription.clone())?);
        route.station.enter(self.id);
        // What was turned away was of the subscription as it was.
        state.turned_away = None;
        state.route = Some(route.clone());
        Ok(route)
    }

    /// Sends what is in the queue, one by one. What is left there at the end of the transport was never taken.
    async fn run(self: Arc<Self>) {
        while !self.hub.is_closing() {
            let (job, stop) = {
                let mut state = self.lock();
                let Some(job) = state.queue.pop_front() else {
                    state.is_running = false;
                    return;
                };
                let stop = self.begin(&mut state, job.delivery);
                (job, stop)
            };
            self.send(job, stop).await;
        }
    }

    async fn send(&self, job: Job, stop: CancellationToken) {
        let (delivery, sequence) = (job.delivery, job.events.sequence());
        // A batch is alone under way.
        let is_ordered = job.route.is_ordered && !job.events.is_batch();
        let told = || {
            self.lock().under_way.remove(&delivery);
            self.respond(delivery, Outcome::ack());
        };
        let attempted = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            attempted = attempt(&self.hub, job, told) => Some(attempted),
        };
        let mut state = self.lock();
        state.used = Instant::now();
        // Who voided it has removed it, and nobody waits for an answer.
        if state.under_way.remove(&delivery).is_none() {
            return;
        }
        let Some(Attempted { response, heard }) = attempted else {
            return;
        };
        let goes_back = matches!(
            response.outcome,
            Outcome::Retry { .. } | Outcome::Pause { .. }
        );
        let mut responses = vec![response];
        if is_ordered && goes_back {
            let mut turned_away = BTreeSet::from([sequence]);
            for job in state.queue.drain(..) {
                turned_away.insert(job.events.sequence());
                responses.push(Response::new(self.id, job.delivery, not_attempted()));
            }
            state.turned_away = Some(turned_away);
        }
        // The lock is held: what is handed over from here on comes after this.
        let hub = &self.hub;
        hub.callbacks().respond_all(hub.connection(), responses);
        drop(state);
        // Last: when others are told about the receiver, the engine knows what became of the event.
        drop(heard);
    }

    fn begin(&self, state: &mut State, delivery: DeliveryId) -> CancellationToken {
        let stop = self.hub.stop().child_token();
        state.under_way.insert(delivery, stop.clone());
        stop
    }

    fn respond(&self, delivery: DeliveryId, outcome: Outcome) {
        let response = Response::new(self.id, delivery, outcome);
        let hub = &self.hub;
        hub.callbacks().respond(hub.connection(), response);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It is to come again at once, and nothing has happened.
fn not_attempted() -> Outcome {
    Outcome::Retry {
        delay: Some(Duration::ZERO),
        counted: false,
        reason: "an event before it was not received yet".to_owned(),
    }
}
