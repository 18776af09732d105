//! How does a wrong transport alter what it says to the engine?

use std::sync::{Arc, Mutex};

use photinus_contract::transport::{ConnectionState, Published, Scope};
use photinus_contract::*;

use crate::faults::Fault;
use crate::wrong::{Given, Shared};

/// The callbacks that the right transport is given.
pub(crate) struct WrongCallbacks(pub(crate) Arc<Shared>);

impl WrongCallbacks {
    fn callbacks(&self) -> &Arc<dyn Callbacks> {
        &self.0.callbacks
    }
}

impl Callbacks for WrongCallbacks {
    fn register_connection(
        &self,
        connection: &ConnectionId,
        matcher: Matcher,
    ) -> Result<(), CodedError> {
        let callbacks = self.callbacks();
        match self.0.fault {
            Fault::SnapshotsTheMatcher => {
                let asked: Arc<Mutex<(bool, Vec<SubscriptionId>)>> = Arc::default();
                let memory = asked.clone();
                let snapshot = Arc::new(move |subscription: &Subscription| {
                    let mut asked = memory.lock().unwrap();
                    if !asked.0 && matcher(subscription) {
                        asked.1.push(subscription.id);
                    }
                    asked.1.contains(&subscription.id)
                });
                let registered = callbacks.register_connection(connection, snapshot);
                asked.lock().unwrap().0 = true;
                registered
            }
            Fault::DisturbsOnAttach => {
                callbacks.register_connection(connection, Arc::new(|_| false))?;
                callbacks.register_connection(connection, matcher)
            }
            Fault::RejectsOnAttach => {
                let memory = self.0.memory.lock().unwrap();
                let open = memory.given.iter().filter(|given| !given.answered);
                for given in open {
                    let retry = Outcome::retry("it attached again");
                    let response = Response::new(given.subscription, given.delivery, retry);
                    callbacks.respond(&given.connection, response);
                }
                callbacks.register_connection(connection, matcher)
            }
            _ => callbacks.register_connection(connection, matcher),
        }
    }

    fn ephemeral_subscription(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        mut options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        let start = |options| {
            self.callbacks()
                .ephemeral_subscription(connection, namespace, filter, options)
        };
        match self.0.fault {
            Fault::EphemeralFromOldest if options.first_event.is_none() => {
                options.first_event = Some("oldest".to_owned());
                start(options)
            }
            Fault::SharesEphemerals => {
                let shared = self.0.memory.lock().unwrap().ephemeral.clone();
                if let Some(shared) = shared {
                    return Ok(shared);
                }
                let started = start(options)?;
                self.0.memory.lock().unwrap().ephemeral = Some(started.clone());
                Ok(started)
            }
            Fault::HidesTheCode => {
                start(options).map_err(|_| CodedError::undecodable("it does not work"))
            }
            _ => start(options),
        }
    }

    fn change_events(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: ChangeFilter,
    ) -> Result<(), CodedError> {
        let callbacks = self.callbacks();
        match self.0.fault {
            Fault::TellsAllChanges => {
                callbacks.change_events(connection, namespace, ChangeFilter::default())
            }
            Fault::AsksInTheDefault => callbacks.change_events(connection, "default", filter),
            _ => callbacks.change_events(connection, namespace, filter),
        }
    }

    fn connection_closed(&self, connection: &ConnectionId) {
        if self.0.fault != Fault::ForgetsClosed {
            self.callbacks().connection_closed(connection);
        }
    }

    fn connection_state(&self, connection: &ConnectionId, scope: Scope, state: ConnectionState) {
        match (self.0.fault, &state) {
            (Fault::NeverReady, ConnectionState::Ready) => {}
            (Fault::HoldsWithoutBound, ConnectionState::Ready) => self.0.hand_over_held(),
            _ => self.callbacks().connection_state(connection, scope, state),
        }
    }

    fn respond(&self, connection: &ConnectionId, response: Response) {
        for response in self.altered(response) {
            let mut memory = self.0.memory.lock().unwrap();
            for given in &mut memory.given {
                let id = (given.subscription, given.delivery);
                given.answered |= id == (response.subscription, response.delivery);
            }
            drop(memory);
            self.callbacks().respond(connection, response);
        }
    }

    fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        self.callbacks().publish(namespace, kind, message)
    }

    fn namespace_exists(&self, namespace: &str) -> bool {
        self.callbacks().namespace_exists(namespace)
    }
}

impl WrongCallbacks {
    /// What is said instead of the right answer.
    fn altered(&self, mut response: Response) -> Vec<Response> {
        let memory = self.0.memory.lock().unwrap();
        let id = (response.subscription, response.delivery);
        let is_it = |given: &&Given| (given.subscription, given.delivery) == id;
        let answered = memory.given.iter().find(is_it).cloned();
        let open = |given: &&Given| given.subscription == id.0 && !given.answered && !given.voided;
        match (self.0.fault, response.outcome.clone()) {
            (Fault::AcksCumulatively, Outcome::Acknowledge { .. }) => {
                let below = memory.given.iter().filter(open);
                let below = below.filter(|given| given.delivery < id.1);
                let mut all: Vec<_> = below
                    .map(|given| Response::new(id.0, given.delivery, Outcome::ack()))
                    .collect();
                all.push(response);
                return all;
            }
            (Fault::AcksTheOldest, _) => {
                if let Some(oldest) = memory.given.iter().find(open) {
                    response.delivery = oldest.delivery;
                }
            }
            (Fault::RetryIsAck, Outcome::Retry { .. }) => response.outcome = Outcome::ack(),
            (Fault::ParkIsSkip, Outcome::Park { reason }) => {
                response.outcome = Outcome::Skip { reason };
            }
            (Fault::LosesTheReason, Outcome::Park { .. }) => {
                let reason = "it went wrong".to_owned();
                response.outcome = Outcome::Park { reason };
            }
            (Fault::SkipIsPark, Outcome::Skip { reason }) => {
                response.outcome = Outcome::Park { reason };
            }
            (Fault::DropsTheReply, _) => response.outcome = Outcome::ack(),
            (Fault::PublishesTheReplyToo, Outcome::Acknowledge { reply: Some(reply) }) => {
                let publishing =
                    self.callbacks()
                        .publish("default", MessageKind::Broadcast, *reply);
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a transport that does this is wrong"
                )]
                tokio::spawn(publishing);
            }
            (Fault::AnswersTheNewest, _) => {
                let newest = answered.and_then(|answered| {
                    let mut same = memory.given.iter().rev();
                    same.find(|given| (given.subscription, given.event) == (id.0, answered.event))
                });
                if let Some(newest) = newest {
                    response.delivery = newest.delivery;
                }
            }
            (Fault::ShiftsLateAnswers, _) if answered.as_ref().is_some_and(|it| it.voided) => {
                if let Some(current) = memory.given.iter().find(open) {
                    response.delivery = current.delivery;
                }
            }
            (Fault::ShiftsBatchAnswers, _) => {
                if let Some(newest) = memory.batches.last() {
                    response.delivery = *newest;
                }
            }
            (Fault::WholeBatchForOne, _) => response.items.clear(),
            (Fault::SecretInReason, Outcome::Retry { .. }) => {
                response.outcome = Outcome::retry(format!("refused with {}", memory.secret));
            }
            _ => {}
        }
        vec![response]
    }
}
